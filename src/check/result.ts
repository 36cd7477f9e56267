import type { StepKind } from "../go/index.ts";
import type { ProofdnsError } from "../vindex/error.ts";
import type { VersionKind } from "../vindex/version.ts";
import type { CheckItem, InputProblem, Skipped, ToolchainUse } from "./item.ts";

/** What a check proved (spec/check.md §2). Nothing here is unproven but what `CheckItem` and `Skipped` took from the user's own files. */

/**
 * - `current`: nothing newer is proven, or nothing that may be offered.
 * - `outdated`: `offered` is newer.
 * - `newer-major`: nothing newer at this path, and a newer major at another one.
 * - `withheld`: something is newer, and none of it is old enough.
 * - `retracted`: the version in use was taken back, and nothing newer is offered.
 * - `ahead`: the version in use is in the log, and the go command would not select it.
 * - `unlisted`: the version in use is not in the log.
 * - `untagged`: the module has no tagged version.
 * - `absent`: the index has no such module.
 * - `latest`: no version was in use; `offered` is what the query selects.
 * - `unmatched`: no version was in use, and none matches the query.
 * - `error`: not checked; `errors` say why.
 */
export type CheckStatus =
  | "current"
  | "outdated"
  | "newer-major"
  | "withheld"
  | "retracted"
  | "ahead"
  | "unlisted"
  | "untagged"
  | "absent"
  | "latest"
  | "unmatched"
  | "error";

/** A proven version. */
export interface ProvenVersion {
  readonly path: string;
  readonly version: string;
  readonly kind: VersionKind;
  /** Index of its record in the checksum database. */
  readonly logIndex: number;
  /** True if the record itself was proven in the checksum database; else index and hashes are the operator's word. */
  readonly isRecordProven: boolean;
}

/** Since when a version has been public, at least. */
export interface VersionAge {
  /** Seconds before now. */
  readonly atLeast: number;
  /** Unix seconds. */
  readonly publicSince: number;
  /** False: its record is only claimed, or that the head that dates it had that record. */
  readonly isProven: boolean;
}

export type WithheldReason = "retracted" | "excluded" | "young" | "undated" | "unproven";

/** A version that would be offered if nothing spoke against it. */
export interface Withheld {
  readonly path: string;
  readonly version: string;
  readonly reason: WithheldReason;
  /** A few words for people; printable. */
  readonly detail: string;
}

/** What came of one module. */
export interface ModuleResult {
  readonly item: CheckItem;
  readonly status: CheckStatus;
  /** The proven latest by the rule of the index, whatever speaks against it. */
  readonly latest: ProvenVersion | undefined;
  /** What to use instead of the version in use. */
  readonly offered: ProvenVersion | undefined;
  readonly step: StepKind | undefined;
  /** The highest major at another path. */
  readonly newerMajor: ProvenVersion | undefined;
  /** Of what is offered, else of the latest. */
  readonly age: VersionAge | undefined;
  readonly withheld: readonly Withheld[];
  /** Of a version in use that was taken back, where nothing newer is offered: the best that is left, which may be lower. Never an update. */
  readonly nextBest: ProvenVersion | undefined;
  /** Why the version in use was taken back; undefined if it was not, or nobody asked. */
  readonly retracted: string | undefined;
  readonly deprecated: string | undefined;
  readonly notes: readonly string[];
  /** What could not be checked, or failed. */
  readonly errors: readonly ProofdnsError[];
  readonly epoch: number | undefined;
}

/** What came of one Go version. */
export interface ToolchainResult {
  readonly use: ToolchainUse;
  readonly status: "current" | "outdated" | "ahead" | "withheld" | "unreadable" | "unknown" | "error";
  readonly offered: string | undefined;
  readonly step: StepKind | undefined;
  readonly age: VersionAge | undefined;
  readonly withheld: readonly Withheld[];
  readonly notes: readonly string[];
  readonly errors: readonly ProofdnsError[];
}

/** What everything was proven in. */
export interface AsOf {
  readonly epoch: number;
  readonly sumdbSize: number;
  /** Unix seconds: of the oldest head that something was proven in. 0 if nothing proves freshness. */
  readonly ageTime: number;
}

/** What a check found. */
export interface Report {
  readonly modules: readonly ModuleResult[];
  readonly toolchains: readonly ToolchainResult[];
  readonly skipped: readonly Skipped[];
  readonly problems: readonly InputProblem[];
  readonly remarks: readonly string[];
  readonly goModFiles: readonly string[];
  /** Failures that belong to no module: of the heads that date versions. */
  readonly failures: readonly ProofdnsError[];
  readonly asOf: AsOf | undefined;
}
