import { compareDigits } from "./decimal.ts";
import { TOOLCHAIN_SUBJECT } from "./module-path.ts";
import { ItemReader, refuseValue } from "./value-text.ts";

/** A Go version as the toolchain module spells it (spec/map.md §8): `go1.<minor>[.<patch>|rc<n>|beta<n>]`. */
export interface GoVersion {
  readonly text: string;
  readonly minor: string;
  /** 0 beta, 1 release candidate, 2 release. */
  readonly stage: 0 | 1 | 2;
  /** Patch, or number of the candidate or beta; "0" for a release without patch. */
  readonly number: string;
}

export type ToolchainKind = "cur" | "prev" | "next";

/** One item of the toolchain value: a Go version and the lowest index of a record of any platform. */
export interface ToolchainItem {
  readonly version: GoVersion;
  readonly kind: ToolchainKind;
  readonly logIndex: number;
}

const MAX_LENGTH = 40;
const GO = /^go1\.(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*)|rc([1-9][0-9]*)|beta([1-9][0-9]*))?$/;

/** Parses a Go version of at most 40 bytes; undefined for anything else. */
export function parseGoVersion(text: string): GoVersion | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const match = GO.exec(text);
  if (match === null) return undefined;
  const [, minor, patch, candidate, beta] = match as unknown as [string, string, string?, string?, string?];
  const stage = beta !== undefined ? 0 : candidate !== undefined ? 1 : 2;
  return { text, minor, stage, number: beta ?? candidate ?? patch ?? "0" };
}

/** The Go version of a version of the module golang.org/toolchain; undefined if it names none. */
export function goVersionOf(moduleVersion: string): GoVersion | undefined {
  const prefix = "v0.0.1-";
  if (!moduleVersion.startsWith(prefix)) return undefined;
  const rest = moduleVersion.slice(prefix.length);
  const dot = rest.lastIndexOf(".");
  if (dot < 0 || !/^[a-z0-9]+-[a-z0-9]+$/.test(rest.slice(dot + 1))) return undefined;
  return parseGoVersion(rest.slice(0, dot));
}

/** Orders by minor, then beta < candidate < release, then number, then text. */
export function compareGoVersions(a: GoVersion, b: GoVersion): number {
  return (
    compareDigits(a.minor, b.minor) ||
    a.stage - b.stage ||
    compareDigits(a.number, b.number) ||
    (a.text < b.text ? -1 : a.text > b.text ? 1 : 0)
  );
}

/** The fold: the items after one more record with Go version `version` at `logIndex`. */
export function foldToolchain(items: readonly ToolchainItem[], version: GoVersion, logIndex: number): ToolchainItem[] {
  const all = items.map((item) => ({ version: item.version, logIndex: item.logIndex }));
  if (!all.some((item) => item.version.text === version.text)) all.push({ version, logIndex });
  all.sort((a, b) => compareGoVersions(b.version, a.version));
  const releases = all.filter((item) => item.version.stage === 2);
  const current = releases[0];
  const previous = releases.find(
    (item) => current !== undefined && compareDigits(item.version.minor, current.version.minor) < 0,
  );
  const top = all[0];
  const out: ToolchainItem[] = [];
  if (current !== undefined) out.push({ ...current, kind: "cur" });
  if (previous !== undefined) out.push({ ...previous, kind: "prev" });
  if (top !== undefined && top.version.stage !== 2) out.push({ ...top, kind: "next" });
  return out;
}

/** Formats the value of the subject `toolchain`; three items always fit. */
export function formatToolchainValue(items: readonly ToolchainItem[]): string {
  return items.map(({ version, kind, logIndex }) => `v=${version.text} k=${kind} i=${logIndex}`).join("; ");
}

/**
 * Parses the value of the subject `toolchain` (spec/client.md §5).
 *
 * @throws ProofdnsError `BAD_VALUE`
 */
export function parseToolchainValue(text: string, sumdbSize: number): ToolchainItem[] {
  const refuse = (why: string): never => refuseValue(TOOLCHAIN_SUBJECT, why);
  const order: readonly ToolchainKind[] = ["cur", "prev", "next"];
  const items: ToolchainItem[] = [];
  for (const item of text.split("; ")) {
    const reader = new ItemReader(item);
    const version = parseGoVersion(reader.take("v") ?? "") ?? refuse("an item without a Go version");
    const kindText = reader.take("k");
    const kind = order.find((known) => known === kindText) ?? refuse("an item of no known kind");
    const logIndex = reader.takeDecimal("i");
    if (logIndex === undefined || logIndex >= sumdbSize || !reader.isDone()) return refuse("an item is malformed");
    const previous = items.at(-1);
    if (previous !== undefined && order.indexOf(previous.kind) >= order.indexOf(kind))
      return refuse("its kinds are out of order");
    if ((kind === "next") === (version.stage === 2)) return refuse(`${version.text} cannot be ${kind}`);
    items.push({ version, kind, logIndex });
  }
  const current = items.find((item) => item.kind === "cur")?.version;
  const previous = items.find((item) => item.kind === "prev")?.version;
  const next = items.find((item) => item.kind === "next")?.version;
  if (previous !== undefined && (current === undefined || compareDigits(previous.minor, current.minor) >= 0)) {
    return refuse("prev is not of a lower minor than cur");
  }
  if (next !== undefined && current !== undefined && compareGoVersions(next, current) <= 0)
    return refuse("next is not higher than cur");
  return items;
}
