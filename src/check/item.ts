import type { ProofdnsError } from "../vindex/error.ts";
import type { Version } from "../vindex/version.ts";

/** What there is to check (spec/check.md §1). Everything here was read from files and is as trustworthy as they are. */

/** Where a module was named. */
export interface Place {
  /** As given, or below what was given; for people only where `from` says that it is no file. */
  readonly file: string;
  /** From 1; undefined where there are no lines. */
  readonly line: number | undefined;
  /** What is no file: an argument, by its number from 1, or standard input. */
  readonly from?: { readonly argument: number } | "stdin";
}

/** One module at one version, or one query, however often it was named. */
export interface CheckItem {
  /** A module path (`isModulePath`). */
  readonly path: string;
  /** The version in use; undefined where only a module or a query was named. */
  readonly current: Version | undefined;
  /** A version query as the go command has them; only without `current`. */
  readonly query: string | undefined;
  /** True if every place that names it says that it is indirect. */
  readonly isIndirect: boolean;
  /** The package that `go install` takes, for the main module of a binary. */
  readonly program: string | undefined;
  readonly places: readonly Place[];
  /** Versions that the project excludes. */
  readonly excluded: ReadonlySet<string>;
}

/** A Go version that something was built with, or asks for. */
export interface ToolchainUse {
  /** As written: `go1.24.3`. */
  readonly current: string;
  /** `built` a binary; a `named` one stands in a go.mod as the least that it needs, and is never counted. */
  readonly kind: "built" | "named";
  readonly places: readonly Place[];
}

/** Why a module is not checked. */
export type SkipReason =
  | "private"
  | "ignored"
  | "replaced"
  | "workspace"
  | "main-module"
  | "vendored"
  | "devel"
  | "untagged-build"
  | "no-module"
  | "no-build-info";

/** What is neither counted as current nor as outdated, and why. */
export interface Skipped {
  /** A module path, or a file where there is none; hostile text: print it only through `printable`. */
  readonly name: string;
  readonly version: string | undefined;
  readonly reason: SkipReason;
  /** A sentence for people. */
  readonly detail: string;
  readonly isIndirect: boolean;
  readonly places: readonly Place[];
}

/** An input, or something in one, that could not be read. */
export interface InputProblem {
  readonly input: string;
  readonly place: Place | undefined;
  readonly error: ProofdnsError;
}

/** All that the inputs named. */
export interface Inputs {
  /** Direct ones first, then by path and version. */
  readonly items: readonly CheckItem[];
  readonly toolchains: readonly ToolchainUse[];
  readonly skipped: readonly Skipped[];
  readonly problems: readonly InputProblem[];
  /** What was passed over by kind, in words: files that are no Go binaries, modules that programs of a folder are made of. */
  readonly remarks: readonly string[];
  /** The go.mod files that were read, for commands that must be run beside them. */
  readonly goModFiles: readonly string[];
}
