import { parseBase32 } from "../vindex/base64.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { decodePathName, isHostLabel, PATH_SEPARATOR } from "./module-name.ts";
import { LOG_LABEL, V0_LABEL, type Zone, type ZoneHost } from "./zone.ts";

/** Whom a module answer is about: a subject by its text, or the index key that stands for one. */
export type Asked = { readonly subject: string } | { readonly indexKey: Uint8Array };

/**
 * What a name in the zone stands for (spec/dns.md §1.2, §1.3). Every kind but `nonexistent` is a name that exists,
 * except `v0`, whose existence the index decides.
 */
export type Meaning =
  | { readonly kind: "nonexistent" }
  /** Exists because something below it may. */
  | { readonly kind: "empty-non-terminal" }
  | { readonly kind: "apex" }
  | { readonly kind: "name-server"; readonly host: ZoneHost }
  | { readonly kind: "log-root" }
  | { readonly kind: "module"; readonly asked: Asked }
  | { readonly kind: "toolchain"; readonly asked: Asked }
  | { readonly kind: "majors"; readonly asked: Asked }
  | { readonly kind: "versions"; readonly asked: Asked }
  | { readonly kind: "page"; readonly asked: Asked; readonly page: number }
  /** Without `epoch` the newest; without `since` plain. */
  | { readonly kind: "head"; readonly epoch?: number; readonly since?: number }
  | { readonly kind: "head-at"; readonly time: number }
  | { readonly kind: "consistency"; readonly oldSize: number; readonly newSize: number }
  | { readonly kind: "sumdb-consistency"; readonly oldSize: number; readonly newSize: number }
  | { readonly kind: "record"; readonly logIndex: number; readonly treeSize: number }
  | { readonly kind: "v0-root" }
  /** `subject` is undefined if the labels say no path text: then the name can only be above others. */
  | { readonly kind: "v0"; readonly subject: string | undefined; readonly labels: readonly string[] };

/** Subject of the toolchain answer (spec/map.md §8). */
const TOOLCHAIN = "toolchain";
const NONEXISTENT: Meaning = { kind: "nonexistent" };
const EMPTY: Meaning = { kind: "empty-non-terminal" };

/**
 * Gives the meaning of a name in the zone. `labels` are those below the apex, lower case, one character a byte, the
 * rightmost first: `mod.x._.golang.org.p1` is `["p1", "org", "golang", "_", "x", "mod"]`.
 *
 * It reads label by label, and a label never changes what those right of it mean; so every ancestor of a name that
 * exists, exists. The type asked has no part in it. Never throws.
 */
export function parseMeaning(labels: readonly string[], zone: Zone): Meaning {
  const [first, ...rest] = labels;
  if (first === LOG_LABEL) return parseLogName(rest);
  if (first === V0_LABEL) return parseV0Name(rest);
  let above = false;
  for (const host of zone.hosts) {
    if (!labels.every((label, i) => label === host.labels[i])) continue;
    // The apex has meanings of its own, and the responder adds its addresses if it is a name server, too.
    if (labels.length === host.labels.length && labels.length > 0) return { kind: "name-server", host };
    above = true;
  }
  if (first === undefined) return { kind: "apex" };
  return above ? EMPTY : NONEXISTENT;
}

function parseLogName(labels: readonly string[]): Meaning {
  const [service, ...rest] = labels;
  if (service === undefined) return { kind: "log-root" };
  if (!service.startsWith("_")) return parsePath(labels, (subject) => ({ kind: "module", asked: { subject } }));
  switch (service) {
    case "_k":
      return parseIndexKey(rest, (indexKey) => ({ kind: "module", asked: { indexKey } }));
    case "_toolchain":
      return rest.length === 0 ? { kind: "toolchain", asked: { subject: TOOLCHAIN } } : NONEXISTENT;
    case "_majors":
      return parsePath(rest, (path) => ({ kind: "majors", asked: { subject: majorsSubject(path) } }));
    case "_versions":
      return parseVersions(rest);
    case "_head":
      return parseHead(rest);
    case "_consistency":
      return parsePair(rest, (oldSize, newSize) => ({ kind: "consistency", oldSize, newSize }));
    case "_sumdb":
      return parsePair(rest, (oldSize, newSize) => ({ kind: "sumdb-consistency", oldSize, newSize }));
    case "_record":
      return parsePair(rest, (logIndex, treeSize) => ({ kind: "record", logIndex, treeSize }));
    default:
      return NONEXISTENT;
  }
}

/** `<path text>/v*`, for gopkg.in `<path text>.v*` (spec/map.md §7). */
function majorsSubject(path: string): string {
  return path.startsWith("gopkg.in/") ? `${path}.v*` : `${path}/v*`;
}

/** Host labels, then `_`, then element labels: what stands under a service that takes a path, or under the log. */
function parsePath(labels: readonly string[], meaning: (path: string) => Meaning): Meaning {
  if (labels.length === 0) return EMPTY;
  if (labels.at(-1) === PATH_SEPARATOR) {
    const host = labels.slice(0, -1);
    return host.length > 0 && host.every(isHostLabel) ? EMPTY : NONEXISTENT;
  }
  const path = decodePathName([...labels].reverse());
  return path === undefined ? NONEXISTENT : meaning(path);
}

function parseIndexKey(labels: readonly string[], meaning: (indexKey: Uint8Array) => Meaning): Meaning {
  const [label, ...rest] = labels;
  if (label === undefined) return EMPTY;
  const indexKey = label.length === 52 ? parseBase32(label) : undefined;
  return indexKey === undefined || rest.length > 0 ? NONEXISTENT : meaning(indexKey);
}

/** A path or an index key, directly under `_versions` or under a page of it. */
function parseVersions(labels: readonly string[]): Meaning {
  const [first, ...rest] = labels;
  const page = first?.startsWith("_p") ? parseDecimal(first.slice(2)) : undefined;
  const meaning = (asked: Asked): Meaning =>
    page === undefined ? { kind: "versions", asked } : { kind: "page", asked, page };
  const left = page === undefined ? labels : rest;
  return left[0] === "_k"
    ? parseIndexKey(left.slice(1), (indexKey) => meaning({ indexKey }))
    : parsePath(left, (subject) => meaning({ subject }));
}

function parseHead(labels: readonly string[]): Meaning {
  const [right, left, ...rest] = labels;
  if (right === undefined) return { kind: "head" };
  if (rest.length > 0) return NONEXISTENT;
  const number = parseDecimal(right.slice(1));
  if (number === undefined) return NONEXISTENT;
  if (right.startsWith("e")) {
    if (left === undefined) return { kind: "head", epoch: number };
    const since = left.startsWith("s") ? parseDecimal(left.slice(1)) : undefined;
    return since === undefined ? NONEXISTENT : { kind: "head", epoch: number, since };
  }
  if (left !== undefined) return NONEXISTENT;
  if (right.startsWith("s")) return { kind: "head", since: number };
  return right.startsWith("t") ? { kind: "head-at", time: number } : NONEXISTENT;
}

/** `<a>.<b>` under a service of two numbers; `<b>` stands right of `<a>`, so it comes first. */
function parsePair(labels: readonly string[], meaning: (a: number, b: number) => Meaning): Meaning {
  const [right, left, ...rest] = labels;
  if (right === undefined) return EMPTY;
  const b = parseDecimal(right);
  if (b === undefined || rest.length > 0) return NONEXISTENT;
  if (left === undefined) return EMPTY;
  const a = parseDecimal(left);
  return a === undefined ? NONEXISTENT : meaning(a, b);
}

function parseV0Name(labels: readonly string[]): Meaning {
  if (labels.length === 0) return { kind: "v0-root" };
  if (labels.length === 1 && labels[0] === TOOLCHAIN) return { kind: "v0", subject: TOOLCHAIN, labels };
  return { kind: "v0", subject: decodePathName([...labels].reverse()), labels };
}
