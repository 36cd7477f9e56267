// What is asked, in which order, and what a validating resolver must say.
//
// `expect`:  "rr"        records of the type asked, the very ones of the authority, validated
//            "nodata"    NOERROR without an answer, validated
//            "nxdomain"  no answer, validated; NOERROR as well as NXDOMAIN: resolvers before RFC 9824 know only NODATA
//            "any"       what a resolver makes of ANY: an answer, or that it does not serve the type
// `large`: bytes that the answer has at least. `long`: the question is near a limit of DNS itself.
import { LABEL_63, pathOfLength, pathOfManyLabels } from "./records.mjs";
import { ZONE as Z } from "./world.mjs";

const P = `p1.${Z}`;
const V0 = `v0.${Z}`;
const MANY_LABELS = 100;

/** Paths of modules that the log must have beside the sample. */
export const PATHS = [LABEL_63, pathOfManyLabels(MANY_LABELS), pathOfLength(255, Z), pathOfLength(254, Z)];

/** The labels of a path whose elements need no escapes, below `p1`. */
function nameOf(path) {
  const [host, ...elements] = path.split("/");
  return [...elements.reverse(), "_", host].join(".");
}

const HELLO = `hello._.example.com.${P}`;
const LONGEST = `${nameOf(pathOfLength(255, Z))}.${P}`;
const MANY = `${nameOf(pathOfManyLabels(MANY_LABELS))}.${P}`;
const SIXTY_THREE = `${nameOf(LABEL_63)}.${P}`;

const make = (expect) => (title, name, type, more) => ({ title, name, type, expect, ...more });
const rr = make("rr");
const nodata = make("nodata");
const nxdomain = make("nxdomain");

/** Names that do not exist. Asked first: a denial that claims too much kills what lies below or beside it. */
const ABSENT = [
  nxdomain("NXDOMAIN", `nothing.${Z}`, "TXT"),
  nxdomain("NXDOMAIN, type A", `nothing.${Z}`, "A"),
  nxdomain("NXDOMAIN below NXDOMAIN", `a.b.nothing.${Z}`, "TXT"),
  nxdomain("NXDOMAIN beside p1", `p0.${Z}`, "NS"),
  nxdomain("NXDOMAIN in p1, no service", `_nothing.${P}`, "TXT"),
  nxdomain("NXDOMAIN in p1, no canonical label", `a_5._.example.com.${P}`, "TXT"),
  nxdomain("NXDOMAIN in v0", `absent._.example.com.${V0}`, "TXT"),
  nxdomain("NXDOMAIN of a wildcard's name", `*.${Z}`, "TXT"),
  nxdomain("NXDOMAIN of a wildcard's name in p1", `*._.example.com.${P}`, "TXT"),
  nxdomain("NXDOMAIN of \\000 and a module", `\\000.hello._.example.com.${P}`, "TXT"),
  nxdomain("NXDOMAIN of binary labels", `a\\000b\\255\\.c\\@.${Z}`, "TXT"),
  nxdomain("NXDOMAIN in mixed case", `NoThinG.${Z.toUpperCase()}`, "MX"),
  nxdomain("NXDOMAIN of 255 bytes", `_.${nameOf(pathOfLength(253, Z))}.${P}`, "TXT", { long: true }),
  nxdomain("NXDOMAIN, 63-byte label", `${"x".repeat(63)}.${Z}`, "TXT"),
];

/** Empty non-terminals: ancestors of what is asked later. */
const EMPTY = [
  nodata("ENT p1, type A", P, "A"),
  nodata("ENT p1, type NS", P, "NS"),
  nodata("ENT p1, type TXT", P, "TXT"),
  nodata("ENT v0", V0, "A"),
  nodata("ENT _.host", `_.example.com.${P}`, "TXT"),
  nodata("ENT _.host, type A", `_.example.com.${P}`, "A"),
  nodata("ENT _k", `_k.${P}`, "TXT"),
  nodata("ENT _majors", `_majors.${P}`, "A"),
  nodata("ENT _.host._majors", `_.example.com._majors.${P}`, "TXT"),
  nodata("ENT _versions", `_versions.${P}`, "TXT"),
  nodata("ENT _.host._versions", `_.example.com._versions.${P}`, "A"),
  nodata("ENT _p0._versions", `_p0._versions.${P}`, "TXT"),
  nodata("ENT _.host._p0._versions", `_.example.com._p0._versions.${P}`, "TXT"),
  nodata("ENT _k._versions", `_k._versions.${P}`, "A"),
  nodata("ENT _consistency", `_consistency.${P}`, "TXT"),
  nodata("ENT 1._consistency", `1._consistency.${P}`, "TXT"),
  nodata("ENT 9._consistency", `9._consistency.${P}`, "A"),
  nodata("ENT 9._sumdb", `9._sumdb.${P}`, "TXT"),
  nodata("ENT 9._record", `9._record.${P}`, "TXT"),
  nodata("ENT com.v0", `com.${V0}`, "A"),
  nodata("ENT _.host.v0", `_.example.com.${V0}`, "TXT"),
  nodata("ENT v1._.host.v0", `v1._.example.org.${V0}`, "TXT"),
];

/** Names that exist and have no record of the type. */
const NODATA = [
  nodata("NODATA: module, type A", HELLO, "A"),
  nodata("NODATA: module, type AAAA", HELLO, "AAAA"),
  nodata("NODATA: module, type DS", HELLO, "DS"),
  nodata("NODATA: module, type TYPE65280", HELLO, "TYPE65280"),
  nodata("NODATA: host labels, type A", `com.${P}`, "A"),
  nodata("NODATA: v1._.host, type A", `v1._.example.org.${P}`, "A"),
  nodata("NODATA: absent module, type A", `absent._.example.com.${P}`, "A"),
  nodata("NODATA: head, type A", `_head.${P}`, "A"),
  nodata("NODATA: head of the future", `e99._head.${P}`, "TXT"),
  nodata("NODATA: page beyond the last", `hello._.example.com._p9._versions.${P}`, "TXT"),
  nodata("NODATA: apex, type TXT", Z, "TXT"),
  nodata("NODATA: apex, type AAAA", Z, "AAAA"),
  nodata("NODATA: name server, type TXT", `ns1.${Z}`, "TXT"),
  nodata("NODATA: v0, type A", `tool.v1._.example.org.${V0}`, "A"),
  nodata("NODATA: 255-byte name", LONGEST, "A", { long: true }),
  nodata("NODATA: 254-byte name", `${nameOf(pathOfLength(254, Z))}.${P}`, "A", { long: true }),
  nodata(`NODATA: ${MANY_LABELS} labels`, MANY, "A", { long: true }),
  nodata("NODATA: 63-byte label", SIXTY_THREE, "A"),
  nodata("NODATA: mixed case", `HeLLo._.eXample.COM.P1.${Z.toUpperCase()}`, "MX"),
];

/** What is there: all below or beside something that was denied before. */
const PRESENT = [
  rr("module", HELLO, "TXT"),
  rr("module in mixed case", `heLLo._.EXAMPLE.com.p1.${Z.toUpperCase()}`, "TXT"),
  rr("module with an escaped name", `tool_7ex._4dixed_5f_43ase._.example.org.${P}`, "TXT"),
  rr("absent module", `absent._.example.com.${P}`, "TXT"),
  rr("absent module, host labels", `com.${P}`, "TXT"),
  rr("absent module above others", `v1._.example.org.${P}`, "TXT"),
  rr("index key", `${"a".repeat(52)}._k.${P}`, "TXT"),
  rr("family", `hello._.example.com._majors.${P}`, "TXT"),
  rr("toolchain", `_toolchain.${P}`, "TXT"),
  rr("head", `_head.${P}`, "TXT"),
  rr("past head", `e1._head.${P}`, "TXT"),
  rr("consistency", `1.1._consistency.${P}`, "TXT"),
  rr("record", `9.5000._record.${P}`, "TXT"),
  rr("v0", `tool.v1._.example.org.${V0}`, "TXT"),
  rr("v0 toolchain", `toolchain.${V0}`, "TXT"),
  rr("63-byte label", SIXTY_THREE, "TXT"),
  rr(`${MANY_LABELS} labels`, MANY, "TXT", { long: true }),
  rr("254-byte name", `${nameOf(pathOfLength(254, Z))}.${P}`, "TXT", { long: true }),
  rr("255-byte name", LONGEST, "TXT", { long: true }),
  rr("2 KB: _versions", `state._.example.com._versions.${P}`, "TXT", { large: 2_000 }),
  rr("19 KB: a page of 256", `deep._.example.com._p0._versions.${P}`, "TXT", { large: 18_000 }),
  rr("a page that is not full", `deep._.example.com._p1._versions.${P}`, "TXT"),
  rr("_versions of many", `deep._.example.com._versions.${P}`, "TXT"),
  rr("50 KB: a wide family", `wide._.example.com._majors.${P}`, "TXT", { large: 48_000 }),
  rr("SOA", Z, "SOA"),
  rr("NS", Z, "NS"),
  rr("DNSKEY", Z, "DNSKEY"),
  rr("CDS", Z, "CDS"),
  rr("CDNSKEY", Z, "CDNSKEY"),
  rr("NSEC of a module", HELLO, "NSEC"),
  rr("NSEC of the apex", Z, "NSEC"),
  rr("A of a name server", `ns1.${Z}`, "A"),
  rr("DS of the apex", Z, "DS", { isParents: true }),
  make("any")("ANY of a module", HELLO, "ANY"),
];

export const CASES = [...ABSENT, ...EMPTY, ...NODATA, ...PRESENT];

/**
 * Rounds in order: denials, what lies below them, both again from the cache, then all with CD. A resolver is asked them
 * one after the other.
 */
export const ROUNDS = [
  { what: "denials first", cases: [...ABSENT, ...EMPTY, ...NODATA] },
  { what: "positives after denials", cases: PRESENT },
  { what: "denials from the cache", cases: [...NODATA, ...EMPTY, ...ABSENT] },
  { what: "positives from the cache", cases: [...PRESENT].reverse() },
  { what: "with CD", cd: true, cases: CASES },
];
