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
  const { head, text } = cooldown;
  if (head === undefined) {
    return { path, version, reason: "undated", detail: `age unknown: the log has no head that is ${text} old` };
  }
  if (logIndex < head.sumdbSize) return undefined;
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
