import type { ProofdnsError } from "../vindex/error.ts";
import type { AbortHub } from "./abort-hub.ts";

/** Why asking one way brought no value. */
export interface Loss {
  readonly error: ProofdnsError;
  /** True if the server replied, but nothing that could be used; else there was no reply at all. */
  readonly isReply: boolean;
}

/** What asking one way came to; `left` if the other way is to say it. */
export type Outcome<T> = { readonly value: T } | Loss | "left";

/** One question that is asked in two ways. */
export interface Race<T> {
  /** The way that begins; `beginSecond` has the other begin, and may be called more than once. */
  readonly first: (beginSecond: () => void, signal: AbortSignal) => Promise<Outcome<T>>;
  /** It begins at the latest when the first has ended without a value. */
  readonly second: (signal: AbortSignal) => Promise<Outcome<T>>;
  /** True if a reply of the first way that cannot be used ends it all where the second has not begun. */
  readonly isFirstReplyFinal: boolean;
  /** Milliseconds that the first may take: where it fails sooner, the second has what is left of them. */
  readonly firstTime: number;
  /** Milliseconds that the second has at least, however late it begins. */
  readonly leastTime: number;
  /** Makes one error of what came of both; undefined for a way that has left, or did not end in its time. */
  readonly explain: (first: Loss | undefined, second: Loss | undefined) => ProofdnsError;
  readonly signal: AbortSignal | undefined;
  readonly hub: AbortHub;
}

/** What won. */
export interface Winner<T> {
  readonly value: T;
  /** True if it came by the second way, and by the first until then nothing at all. */
  readonly isFirstSilent: boolean;
}

/**
 * Asks in two ways, which run beside each other (spec/client.md §9): the first value wins, and the other way is called off; a failure counts only when
 * both have ended. So neither way, whatever comes by it, takes away what the other brings. Both have the time of the first, however early that
 * fails, and the second at least `leastTime`; where the first has left, as long as it takes.
 *
 * Rejects with what `explain` makes of two failures; with the reason of `signal`; and with whatever either way rejects with.
 */
export function race<T>(options: Race<T>): Promise<Winner<T>> {
  const { first, second, isFirstReplyFinal, firstTime, leastTime, explain, signal, hub } = options;
  const ended = new AbortController();
  const started = performance.now();
  let leave: (() => void) | undefined;
  return new Promise<Winner<T>>((resolve, reject) => {
    let begun: number | undefined;
    let byFirst: Loss | "left" | undefined;
    let bySecond: Loss | "left" | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      leave?.();
      settle();
      ended.abort();
    };
    const fail = (error: unknown): void => end(() => reject(error));
    const lose = (): void => fail(explain(lossOf(byFirst), lossOf(bySecond)));
    leave = hub.listen(signal, () => fail(signal?.reason));
    if (signal?.aborted === true) return;
    const beginSecond = (): void => {
      if (begun !== undefined || ended.signal.aborted) return;
      begun = performance.now();
      second(ended.signal).then((outcome) => {
        if (ended.signal.aborted) return;
        if (outcome !== "left" && "value" in outcome) {
          const isFirstSilent = byFirst === undefined || (byFirst !== "left" && !byFirst.isReply);
          return end(() => resolve({ value: outcome.value, isFirstSilent }));
        }
        bySecond = outcome;
        if (byFirst !== undefined) lose();
      }, fail);
    };
    first(beginSecond, ended.signal).then((outcome) => {
      if (ended.signal.aborted) return;
      if (outcome !== "left" && "value" in outcome) {
        return end(() => resolve({ value: outcome.value, isFirstSilent: false }));
      }
      byFirst = outcome;
      if (bySecond !== undefined) return lose();
      if (begun === undefined && isFirstReplyFinal && lossOf(outcome)?.isReply === true) return lose();
      beginSecond();
      if (outcome === "left") return;
      const over = Math.max(started + firstTime, (begun ?? started) + leastTime);
      timer = setTimeout(lose, Math.max(0, over - performance.now()));
    }, fail);
  });
}

function lossOf(outcome: Loss | "left" | undefined): Loss | undefined {
  return outcome === "left" ? undefined : outcome;
}
