import { type ErrorCode, isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { Transport, TxtReply } from "./transport.ts";

/** For whom is asked: what ends it, and what counts the queries. */
export interface Asking {
  readonly signal: AbortSignal;
  readonly tally: { queries: number };
}

/** One round of questions that belong together: all are asked in the same way. */
export interface Round {
  readonly tcp: boolean;
  readonly attempt: number;
  /** Set by what is asked: true if anything came by UDP, where anyone may have answered. */
  sawUdp: boolean;
}

/** Errors that no other way to a server undoes. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "FORK",
  "SUMDB_FORK",
  "MALFORMED_MEMORY",
  "MALFORMED_INPUT",
  "MALFORMED_NAME",
]);
/** What was not to be had one way, and may be another way. */
const MISSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["CONSISTENCY_MISSING", "NO_ANSWER", "VERSIONS_MISSING"]);

/**
 * Asks a transport, and asks again in other ways what cannot be verified (spec/client.md §9): by TCP, then other servers. Only when
 * all ways have failed, something is wrong.
 */
export class Asker {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  ask(name: Uint8Array, asking: Asking, round: Round): Promise<TxtReply> {
    asking.tally.queries++;
    const { signal } = asking;
    const { tcp, attempt } = round;
    return this.#transport
      .query(name, { signal, ...(tcp ? { tcp } : {}), ...(attempt > 0 ? { attempt } : {}) })
      .then((reply) => {
        if (reply.transport === "udp") round.sawUdp = true;
        return reply;
      });
  }

  /** As `ask`, for a question that has an answer. @throws ProofdnsError `NO_ANSWER` if there is none */
  async payload(name: Uint8Array, asking: Asking, round: Round): Promise<Uint8Array> {
    return payloadOf(await this.ask(name, asking, round));
  }

  /**
   * Runs `run` in round after round until one passes. What the rounds found goes up by gravity: that a later one was cut
   * off or met silence does not undo what an earlier one showed.
   */
  async rounds<T>(asking: Asking, run: (round: Round) => Promise<T>, first: Round = firstRound()): Promise<T> {
    let round: Round | undefined = first;
    let found: unknown;
    while (round !== undefined) {
      try {
        return await run(round);
      } catch (error) {
        if (!(error instanceof ProofdnsError) || FINAL.has(error.code)) throw error;
        if (found === undefined && !isWorthAsking(error)) throw error;
        found = graver(found, error);
        if (asking.signal.aborted) throw graver(found, asking.signal.reason);
      }
      round = this.#next(round, found);
    }
    throw found;
  }

  #next({ tcp, attempt, sawUdp }: Round, found: unknown): Round | undefined {
    // What only came too early is asked again, whatever way it came.
    if (!tcp && (sawUdp || isProofdnsError(found, "VERSIONS_MISSING"))) return { tcp: true, attempt, sawUdp: false };
    const { ways = 1 } = this.#transport;
    return attempt + 1 < ways ? { tcp: true, attempt: attempt + 1, sawUdp: false } : undefined;
  }
}

/** The first round: by whatever way is cheapest. */
export function firstRound(): Round {
  return { tcp: false, attempt: 0, sawUdp: false };
}

/** The payload of a reply. @throws ProofdnsError `NO_ANSWER` if it is a denial */
export function payloadOf(reply: TxtReply, what = "it"): Uint8Array {
  if (reply.kind === "txt") return reply.payload;
  const why = reply.kind === "nxdomain" ? "the name does not exist there" : "there is no TXT record";
  throw new ProofdnsError(
    "NO_ANSWER",
    `no answer for ${what}: ${why}; is this the right zone, and does the server serve this log?`,
  );
}

/** True for what another way to a server might answer truthfully: a proof that fails, bytes that make no sense. */
export function isWorthAsking(error: unknown): boolean {
  if (!(error instanceof ProofdnsError) || FINAL.has(error.code)) return false;
  return error.kind !== "unavailable" || MISSING.has(error.code);
}

/** Of two failures of one question the one to report: the graver, or else the later. */
export function graver(first: unknown, second: unknown): unknown {
  return gravity(first) > gravity(second) ? first : second;
}

function gravity(error: unknown): number {
  if (error === undefined) return 0;
  // An abort, or a bug: nothing that was found weighs against it.
  if (!(error instanceof ProofdnsError)) return 9;
  switch (error.code) {
    case "FORK":
    case "SUMDB_FORK":
      return 5;
    case "EXTENSION_NOT_PROVEN":
    case "SUMDB_EXTENSION_NOT_PROVEN":
      return 4;
    default:
      return { unavailable: 1, malformed: 2, false: 3 }[error.kind];
  }
}
