import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { QueryOptions, Transport, TxtReply } from "./transport.ts";

/** Options of a `FailoverTransport`. */
export interface FailoverOptions {
  /** Milliseconds for which a server that failed is asked last. Default 30,000. */
  readonly penalty?: number;
  /** Milliseconds, ascending; default the platform's. */
  readonly clock?: () => number;
}

const DEFAULT_PENALTY = 30_000;

/**
 * Asks several servers, in order, until one answers. A server that failed is asked last for a while. What a server says is not
 * judged here: a client that cannot verify it asks on with `attempt`. Each attempt goes to one server alone, always the same: so
 * all questions of an attempt go to one server, and if it is an honest one, all the answers fit.
 */
export class FailoverTransport implements Transport {
  readonly #transports: readonly Transport[];
  readonly #penalty: number;
  readonly #clock: () => number;
  /** When each server failed last. */
  readonly #failed: number[];

  /** @throws RangeError without a transport */
  constructor(transports: readonly Transport[], options: FailoverOptions = {}) {
    if (transports.length === 0) throw new RangeError("no transport to ask");
    this.#transports = [...transports];
    this.#penalty = options.penalty ?? DEFAULT_PENALTY;
    this.#clock = options.clock ?? (() => performance.now());
    this.#failed = transports.map(() => Number.NEGATIVE_INFINITY);
  }

  /** One way that goes from server to server, and each server alone. */
  get ways(): number {
    const all = this.#transports.reduce((sum, { ways = 1 }) => sum + ways, 0);
    return this.#transports.length === 1 ? all : 1 + all;
  }

  close(): void {
    for (const transport of this.#transports) transport.close?.();
  }

  /** @throws ProofdnsError if none answers, with what each said */
  async query(name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> {
    const { attempt = 0, ...rest } = options;
    if (attempt > 0) return this.#attempt(name, attempt, rest);
    const errors: ProofdnsError[] = [];
    for (const i of this.#order()) {
      const transport = this.#transports[i] as Transport;
      try {
        const reply = await transport.query(name, rest);
        this.#failed[i] = Number.NEGATIVE_INFINITY;
        return reply;
      } catch (error) {
        if (!isProofdnsError(error, "UNREACHABLE", "REFUSED", "MALFORMED_MESSAGE")) throw error;
        this.#failed[i] = this.#clock();
        errors.push(error);
      }
    }
    throw merge(errors);
  }

  /** Begins with the second server: the first attempt is likely to have been answered by the first. */
  #attempt(name: Uint8Array, attempt: number, options: QueryOptions): Promise<TxtReply> {
    const ways = this.#transports.flatMap((transport) =>
      Array.from({ length: transport.ways ?? 1 }, (_, inner) => ({ transport, inner })),
    );
    const { transport, inner } = ways[attempt % ways.length] as (typeof ways)[number];
    return transport.query(name, inner === 0 ? options : { ...options, attempt: inner });
  }

  /** Those that did not fail of late, then the others; each in the order that they were given in. */
  #order(): number[] {
    const now = this.#clock();
    const isBad = (i: number): boolean => now - (this.#failed[i] as number) < this.#penalty;
    const all = this.#transports.map((_, i) => i);
    return [...all.filter((i) => !isBad(i)), ...all.filter(isBad)];
  }
}

/** One error for all: that one server said something malformed is not hidden by the silence of others. */
function merge(errors: readonly ProofdnsError[]): ProofdnsError {
  const first = (errors.find(({ kind }) => kind !== "unavailable") ?? errors[0]) as ProofdnsError;
  if (errors.length === 1) return first;
  return new ProofdnsError(first.code, errors.map(({ message }) => message).join("; "), { cause: first });
}
