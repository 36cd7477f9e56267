import type { AgeHead } from "./ages.ts";
import type { Withheld } from "./result.ts";
import { isRetracted, type Retractions, retractionOf } from "./retractions.ts";

/** What speaks against offering a version (spec/check.md §3). */

/** `--cooldown`: `head` is undefined if nothing dates versions so far back. */
export interface Cooldown {
  readonly seconds: number;
  /** As given: `7d`. */
  readonly text: string;
  readonly head: AgeHead | undefined;
  /** True if only kept heads were looked at. */
  readonly isOffline?: boolean;
  /** Without a head: `unasked` as nothing proves what time it is, `failed` if it could not be checked; else there is none. */
  readonly whyNoHead?: "unasked" | "failed";
}

export interface Limits {
  readonly path: string;
  readonly excluded: ReadonlySet<string>;
  readonly retractions: Retractions;
  readonly cooldown: Cooldown | undefined;
}

interface Candidate {
  readonly version: string;
  readonly logIndex: number;
}

/** Why a version is out for good: the authors took it back, or the project excludes it. */
export function whyOut({ path, excluded, retractions }: Limits, { version }: Candidate): Withheld | undefined {
  if (excluded.has(version)) return { path, version, reason: "excluded", detail: "excluded by the go.mod" };
  const rationale = retractionOf(retractions, version);
  if (rationale !== undefined) return { path, version, reason: "retracted", detail: `retracted: ${rationale}` };
  return undefined;
}

/** Why a version must wait. An index is the operator's word until its record is proven. */
export function whyWait({ path, cooldown }: Limits, { version, logIndex }: Candidate): Withheld | undefined {
  if (cooldown === undefined) return undefined;
  const { head, text, isOffline, whyNoHead } = cooldown;
  if (head === undefined && whyNoHead !== undefined) {
    const why = {
      unasked: isOffline
        ? "no head is remembered that proves what time it is"
        : "freshness is not proven, so no age can be",
      failed: "what would tell it could not be checked",
    };
    return { path, version, reason: "undated", detail: `age unknown: ${why[whyNoHead]}` };
  }
  if (head === undefined) {
    const what = isOffline ? "no head is kept" : "the log has no head";
    const next = isOffline ? ": check once without --offline" : "";
    return { path, version, reason: "undated", detail: `age unknown: ${what} that is ${text} old${next}` };
  }
  if (logIndex < head.sumdbSize) return undefined;
  if (head.isEarlier) {
    const detail = `age unknown: the kept heads are too old to tell if it is ${text} old: check once without --offline`;
    return { path, version, reason: "undated", detail };
  }
  return { path, version, reason: "young", detail: `not proven to be ${text} old` };
}

/** True if anything may speak against a version. */
export function isLimited({ excluded, retractions, cooldown }: Limits): boolean {
  return excluded.size > 0 || retractions.ranges.length > 0 || cooldown !== undefined;
}

/** True if nothing speaks against a version; `whyNot` says what does. */
export function isAllowed(limits: Limits, candidate: Candidate): boolean {
  return isLeft(limits, candidate) && whyWait(limits, candidate) === undefined;
}

/** True if a version is neither excluded nor taken back. */
export function isLeft({ excluded, retractions }: Limits, { version }: Candidate): boolean {
  return !excluded.has(version) && !isRetracted(retractions, version);
}

/** The first reason of all. */
export function whyNot(limits: Limits, candidate: Candidate): Withheld | undefined {
  return whyOut(limits, candidate) ?? whyWait(limits, candidate);
}
