import type { ProofdnsError } from "../vindex/error.ts";

/** One address of a DNS server. */
export interface Peer {
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
  readonly port: number;
}

/** Makes the error of a failed exchange; `why` continues "the server …". */
export type Fail = (why: string, cause?: unknown) => ProofdnsError;

/** Messages that are no reply to a query, and are read past, before it gives up: someone is guessing. */
export const MAX_STRANGERS = 256;
