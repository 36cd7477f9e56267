import type { VerifiedAge } from "../client/verify/index.ts";
import { MAX_SKEW } from "../client/verify/trust.ts";
import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";

/** How long records have been public, from a few old heads (spec/check.md §5). */

/** Days of the heads that date versions for people. */
export const AGE_DAYS: readonly number[] = [1, 7, 30, 90];

const HOUR = 3600;
const DAY = 86_400;

/** An old head: every record of its tree of the checksum database, of `sumdbSize` records, was public at `publicSince`. */
export interface AgeHead {
  /** Seconds before now that were asked for, rounded up to what the hour gives. */
  readonly atLeast: number;
  /** Unix seconds. */
  readonly publicSince: number;
  readonly sumdbSize: number;
  /** The head itself. Until its tree is proven to be one with that of a record, what it says of that is only claimed. */
  readonly head?: AnsweredAge;
  /** True for one of a time more than an hour before that which was asked: what it does not cover may yet be as old. */
  readonly isEarlier?: true;
  /** The next earlier one that is kept: where nothing proves what this one says of a record, that one may be proven. */
  readonly earlier?: AgeHead;
}

/** What the asked heads said; a head that nobody has, or that cannot be had, is only missing. */
export interface Ages {
  /** Oldest first. */
  readonly heads: readonly AgeHead[];
  /** Failures that prove something wrong: forks, signatures that do not hold. */
  readonly failures: readonly ProofdnsError[];
  /** True if some of them were not answered. */
  readonly isUnanswered?: boolean;
}

/** A verified head of the time that was asked for, or of an earlier `time`, which dates fewer records as well. */
export type AnsweredAge = VerifiedAge & { readonly time?: number; readonly earlier?: AnsweredAge };

/** Asks for the verified head of a time: Unix seconds, a multiple of 3600. Undefined if the log has none so old, or none is kept. */
export type AskAge = (time: number) => Promise<AnsweredAge | undefined>;

/** What `provenNow` gave, or will. Without a proven time nothing is asked, and every age is unknown. */
export type ProvenNow = number | undefined | Promise<number | undefined>;

/**
 * The latest time that the newest verified head proves to have come, as far as a clock may be wrong: what dates by this machine's clock alone
 * would call records as much older as that clock is fast. Undefined if nothing proves how fresh the head is (`ageTime` 0).
 */
export function provenNow(now: number, ageTime: number): number | undefined {
  return ageTime === 0 ? undefined : Math.min(now, ageTime + MAX_SKEW);
}

/** The time of the head that dates records as at least `seconds` old at `now`: down to the hour, so that clients share it. */
export function timeOfAge(now: number, seconds: number): number {
  return Math.max(0, Math.floor((now - seconds) / HOUR) * HOUR);
}

/** The age that a head gave. `undefined` is unknown: there is no such head, or it does not satisfy the policy. */
export async function readAge(ask: AskAge, now: ProvenNow, seconds: number): Promise<AgeHead | undefined> {
  const then = await now;
  if (then === undefined) return undefined;
  const time = timeOfAge(then, seconds);
  try {
    const ages: AnsweredAge[] = [];
    for (let age = await ask(time); age !== undefined; age = age.earlier) ages.push(age);
    return ages.reduceRight<AgeHead | undefined>((earlier, age) => {
      const { publicSince, leaf } = age;
      const head = { atLeast: seconds, publicSince, sumdbSize: leaf.treeHead.treeSize, head: age };
      // Where a later one is kept, what this one does not cover may be as old, too.
      const isEarlier = age !== ages[0] || (age.time !== undefined && age.time < time - HOUR);
      return { ...head, ...(isEarlier ? { isEarlier } : {}), ...(earlier === undefined ? {} : { earlier }) };
    }, undefined);
  } catch (error) {
    // The head is there, and nobody of this policy had cosigned it by then: its age is as unknown as without it.
    if (isProofdnsError(error, "TOO_YOUNG")) return undefined;
    throw error;
  }
}

/** Asks for all heads at once. */
export async function readAges(ask: AskAge, now: ProvenNow, days: readonly number[] = AGE_DAYS): Promise<Ages> {
  const heads: AgeHead[] = [];
  const failures: ProofdnsError[] = [];
  let isUnanswered = false;
  const settled = await Promise.allSettled(days.map((count) => readAge(ask, now, count * DAY)));
  for (const result of settled) {
    if (result.status === "fulfilled") {
      if (result.value !== undefined) heads.push(result.value);
    } else if (isProofdnsError(result.reason)) {
      // That there was no answer takes nothing from what else is proven; a false one does.
      if (result.reason.kind !== "unavailable") failures.push(result.reason);
      else isUnanswered = true;
    } else {
      throw result.reason;
    }
  }
  heads.sort((a, b) => b.atLeast - a.atLeast);
  return { heads, failures, isUnanswered };
}

/** The oldest head that covers a record; undefined if none of them does. */
export function ageOf(heads: readonly AgeHead[], logIndex: number): AgeHead | undefined {
  return heads.find(({ sumdbSize }) => logIndex < sumdbSize);
}
