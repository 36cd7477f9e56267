import type { ClaimedRecord } from "../client/client.ts";
import type { VerifiedHead } from "../client/verify/index.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { Session } from "./client-options.ts";

/** How a record was proven. */
export interface RecordOutcome {
  /** Unix seconds: age time of the head that the proof is under, 0 if nothing proves it. */
  readonly ageTime: number;
  /** DNS queries made for it. */
  readonly queries: number;
}

export interface RecordRequest {
  /** The head under which it is asked, if it is asked. Default: the newest. */
  readonly head?: VerifiedHead;
  readonly signal?: AbortSignal;
}

/** Why a record is not proven without a network. */
export function noKeptRecord({ path, version }: ClaimedRecord): ProofdnsError {
  const name = printable(`${path}@${version}`);
  return new ProofdnsError(
    "NO_ANSWER",
    `no proof of the record of ${name} is kept; run this once without --offline, which keeps it`,
  );
}

/**
 * Proves a record: by a kept proof, and that the checksum database it is under and that of the newest head are one (spec/client.md §10); else by
 * asking for it, and keeping what came. Without a network the kept proof alone.
 *
 * @throws ProofdnsError as `Client.proveRecord` and `AnswerCache.readRecord`; `NO_ANSWER` if none is kept and nobody may be asked
 */
export async function proveRecord(
  session: Pick<Session, "client" | "cache" | "later" | "isOffline">,
  record: ClaimedRecord,
  { head, signal }: RecordRequest = {},
): Promise<RecordOutcome> {
  const { client, cache, later, isOffline } = session;
  const call = signal === undefined ? {} : { signal };
  const kept = await cache.readRecord(record, { isOffline });
  if (isOffline) {
    if (kept !== undefined) return { ageTime: kept.head.ageTime, queries: 0 };
    throw noKeptRecord(record);
  }
  if (kept !== undefined) {
    try {
      const queries = await client.proveContinuity(kept.head, call);
      return { ageTime: kept.head.ageTime, queries };
    } catch (error) {
      // Who has no proof from so old a tree may have one of the record itself.
      if (!isProofdnsError(error, "NO_ANSWER")) throw error;
    }
  }
  const proof = await client.recordProof(record, { ...call, ...(head === undefined ? {} : { head }) });
  later.add(() => cache.writeRecord(record, proof, client));
  return { ageTime: proof.head.ageTime, queries: proof.queries };
}
