import type { Hash } from "../vindex/sha256.ts";

/** What a hash is said to be of: a module's zip, the tree extracted from it, its go.mod, or what the go command noted of the zip. */
export type ClaimKind = "zip" | "tree" | "go.mod" | "ziphash";

/** Where something stands. */
export interface Place {
  readonly file: string;
  readonly line: number | undefined;
}

/** A checksum that a file states or has, to be held against the checksum database. Nothing of it is checked. */
export interface Claim {
  readonly path: string;
  readonly version: string;
  readonly kind: ClaimKind;
  readonly hash: Hash;
  readonly place: Place;
}

/** What states no checksum, and why. */
export interface Passed {
  /** A module, a module version or a file. */
  readonly name: string;
  readonly reason: PassedReason;
  readonly detail: string;
  readonly place: Place;
}

export type PassedReason =
  | "main-module"
  | "replaced"
  | "vendored"
  | "other-hash"
  | "empty-go-mod"
  | "partial"
  | "no-module"
  | "no-build-info"
  | "unreadable-name";

/** What was read from files: claims, what makes none, and what is wrong or missing. */
export interface Claims {
  readonly claims: Claim[];
  readonly passed: Passed[];
  readonly problems: Problem[];
}

/** What could not be checked, or is missing where it has to be. */
export interface Problem {
  readonly error: Error & { readonly code: string };
  readonly place: Place;
}

/** No claims yet. */
export function noClaims(): Claims {
  return { claims: [], passed: [], problems: [] };
}
