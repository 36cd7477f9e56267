import { type Bytes, bytes, concat, fill, flip, hashOf, hex, sha256, unpadded, utf8 } from "./bytes.ts";
import { COMMON, type Common, type HeadVector, refused } from "./client-head.ts";
import { type Indexed, latest, majorsValue, recordText, stateText, valueItems } from "./gomod.ts";
import { inclusionProof, leafHash, mapPath, pairsOf } from "./merkle.ts";
import { type Entry, logProof, page, proofSection, TAG, textSection } from "./payload.ts";
import type { Vector } from "./vector.ts";
import {
  forkedAt,
  type HeadFields,
  Log,
  MAX_AGE,
  MAX_LAG,
  type MemoryFields,
  makeEpoch,
  NOW,
  policies,
  withStateHash,
  world,
} from "./world.ts";

/** Vectors of client.md §4 to §6: answers, versions and records. */

export type SubjectFields =
  | { readonly kind: "module"; readonly path: string; readonly withVersions: boolean }
  | { readonly kind: "majors"; readonly basePath: string }
  | { readonly kind: "toolchain" };

interface Input {
  readonly subject: SubjectFields;
  readonly answer: Bytes;
  readonly heads?: readonly HeadFields[];
  readonly memory?: MemoryFields | null;
  readonly pages?: readonly Bytes[] | null;
  readonly record?: Bytes | null;
  readonly common?: Partial<Common>;
}

const { log } = world;
/** The epoch of most answers: the first whose map holds everything. */
const E = 9;
const P = "example.com/mod";

export const module_ = (path: string, withVersions = false): SubjectFields => ({ kind: "module", path, withVersions });
const majors = (basePath: string): SubjectFields => ({ kind: "majors", basePath });
const TOOLCHAIN: SubjectFields = { kind: "toolchain" };

const parse = (item: string) => Object.fromEntries(item.split(" ").map((field) => [field.slice(0, 1), field.slice(2)]));
const fromText = (text: string) => hex(new Uint8Array(Buffer.from(text, "base64")));

/** What the value of a module says. */
function said(value: string, versions: number | null = null) {
  const [first = "", ...others] = value.split("; ");
  const { v, k, i, h, m } = parse(first) as { [key: string]: string };
  return {
    kind: "module",
    version: v,
    versionKind: k ?? "release",
    index: Number(i),
    zipHash: fromText(h as string),
    goModHash: fromText(m as string),
    others: others.map((item) => [parse(item)["v"], Number(parse(item)["i"])]),
    versions,
  };
}

function saidMajors(items: string, basePath: string, complete: boolean) {
  const join = basePath.startsWith("gopkg.in/") ? "." : "/";
  return {
    kind: "majors",
    items: items.split("; ").map((item) => {
      const { p, v, i } = parse(item) as { [key: string]: string };
      return [p, p === "-" ? basePath : `${basePath}${join}${p}`, v, Number(i)];
    }),
    complete,
  };
}

function saidToolchain(value: string) {
  const items = value.split("; ").map((item) => {
    const { v, k, i } = parse(item) as { [key: string]: string };
    return [v, k, Number(i)];
  });
  return { kind: "toolchain", items };
}

export function pages(records: readonly Indexed[]): Bytes[] {
  const entries: Entry[] = records.map(({ index, version, zipHash, goModHash }) => ({
    index,
    version: version.text,
    zipHash,
    goModHash,
  }));
  const out: Bytes[] = [];
  for (let at = 0; at < entries.length; at += 256) out.push(page(entries.slice(at, at + 256)));
  return out;
}

export function recordProof(index: number, size: number): Bytes[] {
  return inclusionProof(index, world.hashes.slice(0, size));
}

/** The log whose epoch 9 commits to other values. */
function commit(values: readonly (readonly [subject: string, value: string])[]): Log {
  const changed = new Map([...world.map(E).subjects, ...values]);
  const { sumdbSize, sumdbRoot } = log.epoch(E);
  return new Log([...log.epochs.slice(0, E - 1), makeEpoch(pairsOf(changed), sumdbSize, sumdbRoot)]);
}

export function answerVectors(heads: readonly HeadVector[]): Vector[] {
  const out: Vector[] = [];
  const add = (name: string, input: Input, expect: unknown) => {
    const {
      subject,
      answer,
      heads: asked = [log.ask(E)],
      memory = null,
      pages: list = null,
      record = null,
      common = {},
    } = input;
    out.push({
      name,
      operation: "answer",
      ...COMMON,
      ...common,
      memory,
      heads: asked,
      subject,
      answer: hex(answer),
      pages: list === null ? null : list.map(hex),
      record: record === null ? null : hex(record),
      expect,
    } as Vector);
  };
  const size = log.epoch(E).sumdbSize;
  const value = (subject: string, epoch = E) => world.value(epoch, subject);

  // What is accepted.
  const present = [
    P,
    "example.com/mod/v2",
    "example.com/mod/v10",
    "example.com/first",
    "example.com/pseudo",
    "example.com/pre",
    "example.com/incompatible",
    "example.com/repeated",
    "gopkg.in/yaml.v3",
    "gopkg.in/x.v1.v2",
    "golang.org/toolchain",
  ];
  for (const path of present) add(path, { subject: module_(path), answer: log.answer(E, path) }, said(value(path)));
  for (const path of [
    "example.com/absent",
    "example.com/mod/v3",
    "example.com/later0",
    "gopkg.in/yaml.v1",
    "example.com",
  ]) {
    add(`${path} is absent`, { subject: module_(path), answer: log.answer(E, path) }, { kind: "absent" });
    add(
      `${path} is absent, with versions`,
      { subject: module_(path, true), answer: log.answer(E, path) },
      { kind: "absent" },
    );
  }
  add(
    "absent from the empty map",
    { subject: module_(P), answer: log.answer(1, P), heads: [log.ask(1)] },
    { kind: "absent" },
  );
  add(
    "absent from the empty map, with versions",
    { subject: module_(P, true), answer: log.answer(1, P), heads: [log.ask(1)] },
    { kind: "absent" },
  );
  add(
    "majors absent from the empty map",
    { subject: majors(P), answer: log.answer(1, `${P}/v*`), heads: [log.ask(1)] },
    { kind: "absent" },
  );
  add(
    "toolchain absent from the empty map",
    { subject: TOOLCHAIN, answer: log.answer(1, "toolchain"), heads: [log.ask(1)] },
    { kind: "absent" },
  );
  add(
    "the only leaf of a map",
    { subject: module_("example.com/first"), answer: log.answer(2, "example.com/first"), heads: [log.ask(2)] },
    said(value("example.com/first", 2)),
  );
  add(
    "absent beside the only leaf of a map",
    { subject: module_(P), answer: log.answer(2, P), heads: [log.ask(2)] },
    { kind: "absent" },
  );
  add(
    "absent majors",
    { subject: majors("example.com/first"), answer: log.answer(E, "example.com/first/v*") },
    { kind: "absent" },
  );
  add(
    "absent toolchain",
    { subject: TOOLCHAIN, answer: log.answer(5, "toolchain"), heads: [log.ask(5)] },
    { kind: "absent" },
  );
  add("toolchain", { subject: TOOLCHAIN, answer: log.answer(E, "toolchain") }, saidToolchain(value("toolchain")));
  add(
    "majors, all shown",
    { subject: majors(P), answer: log.answer(E, `${P}/v*`) },
    saidMajors(world.map(E).families.get(`${P}/v*`) as string, P, true),
  );
  add(
    "majors of gopkg.in",
    { subject: majors("gopkg.in/yaml"), answer: log.answer(E, "gopkg.in/yaml.v*") },
    saidMajors(world.map(E).families.get("gopkg.in/yaml.v*") as string, "gopkg.in/yaml", true),
  );
  add(
    "majors of gopkg.in, with a base path that has a suffix",
    { subject: majors("gopkg.in/x.v1"), answer: log.answer(E, "gopkg.in/x.v1.v*") },
    saidMajors(world.map(E).families.get("gopkg.in/x.v1.v*") as string, "gopkg.in/x.v1", true),
  );
  const BIG = "example.com/big";
  const allBig = world.map(E).families.get(`${BIG}/v*`) as string;
  const shownBig = value(`${BIG}/v*`).replace(/ s=\S{43}/, "");
  add(
    "majors, cut, without their section",
    { subject: majors(BIG), answer: log.answer(E, `${BIG}/v*`) },
    saidMajors(shownBig, BIG, false),
  );
  add(
    "majors, cut, with their section",
    { subject: majors(BIG), answer: log.answer(E, `${BIG}/v*`, textSection(TAG.majors, allBig)) },
    saidMajors(allBig, BIG, true),
  );

  // Heads of other epochs.
  const older = (ageTime: number, epoch = E, more: object = {}) =>
    log.ask(epoch, { asked: epoch, beside: 14, cosignatures: [["clock", ageTime]], ...more });
  const at = { subject: module_(P), answer: log.answer(E, P) };
  add(
    "an answer of an older epoch, with a second head",
    { ...at, heads: [log.ask(14, { beside: 14 }), log.ask(E, { asked: E })] },
    said(value(P)),
  );
  add(
    "the same with a memory of the newest epoch",
    { ...at, memory: log.memory(14, NOW - 60), heads: [log.ask(14, { since: 14 }), older(NOW - 100)] },
    said(value(P)),
  );
  add(
    "a head that lags by maxLag",
    { ...at, memory: log.memory(14, NOW - 60), heads: [older(NOW - 60 - MAX_LAG)] },
    said(value(P)),
  );
  add(
    "a head that lags by maxLag behind the newest head",
    { ...at, heads: [log.ask(14), log.ask(E, { asked: E, cosignatures: [["clock", NOW - 60 - MAX_LAG]] })] },
    said(value(P)),
  );
  add(
    "a memory of the same epoch is not newer",
    { ...at, memory: log.memory(E, NOW - 60), heads: [log.ask(E, { cosignatures: [["clock", NOW - 5000]] })] },
    said(value(P)),
  );
  add(
    "a memory of an earlier epoch is not newer",
    {
      ...at,
      memory: log.memory(5, NOW - 60),
      heads: [log.ask(E, { since: 5, cosignatures: [["clock", NOW - 5000]] })],
    },
    said(value(P)),
  );
  add(
    "an older head that is fresher than the newest",
    { ...at, memory: log.memory(14, NOW - 5000), heads: [older(NOW - 60)] },
    said(value(P)),
  );
  add(
    "an answer of the newest epoch, and a memory",
    { subject: module_(P), answer: log.answer(14, P), memory: log.memory(E), heads: [log.ask(14, { since: E })] },
    said(value(P, 14)),
  );
  const undated = { policy: policies.none, isFreshnessRequired: false };
  add(
    "an old head without an age beside a memory with one",
    { ...at, memory: log.memory(14, NOW - 60), heads: [older(NOW - 61 - MAX_LAG)], common: undated },
    said(value(P)),
  );
  add(
    "an old head beside the newest, both without an age",
    { ...at, heads: [log.ask(14), log.ask(E, { asked: E, cosignatures: [] })], common: undated },
    said(value(P)),
  );
  add(
    "an old head beside a memory without an age",
    { ...at, memory: log.memory(14, 0), heads: [older(NOW - 61 - MAX_LAG)] },
    said(value(P)),
  );
  add(
    "a larger maxLag",
    { ...at, memory: log.memory(14, NOW - 60), heads: [older(NOW - 60 - 5000)], common: { maxLag: 5000 } },
    said(value(P)),
  );

  // §4.1
  const S = textSection(TAG.state, world.state(E, P));
  const malformed = (name: string, subject: SubjectFields, answer: Bytes, more: Partial<Input> = {}) =>
    add(name, { subject, answer, ...more }, refused("MALFORMED_ANSWER"));
  const plain = log.answer(E, P);
  malformed("an empty answer", module_(P), new Uint8Array(0));
  malformed("a byte more", module_(P), concat(plain, bytes(0)));
  malformed("a byte less", module_(P), plain.slice(0, -1));
  malformed("a text without a proof", module_(P), utf8(value(P)));
  malformed("a head instead of an answer", module_(P), log.head(E));
  malformed("a page instead of an answer", module_(P), pages(world.module(E, P))[0] as Bytes);
  malformed("a state that was not asked", module_(P), concat(plain, S));
  malformed("no state where it was asked", module_(P, true), plain);
  malformed(
    "a state of an absent module",
    module_("example.com/absent", true),
    concat(log.answer(E, "example.com/absent"), S),
  );
  malformed("majors of a module", module_(P), concat(plain, textSection(TAG.majors, "p=v2 v=v2.0.0 i=1")));
  malformed(
    "majors of a module with its state",
    module_(P, true),
    concat(plain, S, textSection(TAG.majors, "p=v2 v=v2.0.0 i=1")),
  );
  malformed(
    "majors of an absent family",
    majors("example.com/first"),
    concat(log.answer(E, "example.com/first/v*"), textSection(TAG.majors, "p=v2 v=v2.0.0 i=1")),
  );
  malformed("a state of a family", majors(P), concat(log.answer(E, `${P}/v*`), S));
  malformed("a state of the toolchain", TOOLCHAIN, concat(log.answer(E, "toolchain"), S));
  malformed(
    "majors of the toolchain",
    TOOLCHAIN,
    concat(log.answer(E, "toolchain"), textSection(TAG.majors, "p=v2 v=v2.0.0 i=1")),
  );
  malformed("a malformed answer is judged before its epoch", module_(P, true), log.answer(8, P));
  malformed("a path whose bitmap ends in zero", module_(P), concat(utf8(value(P)), bytes(TAG.inclusion, E, 1, 0)));

  // §4.2
  for (const epoch of [8, 10])
    add(`an answer of epoch ${epoch}`, { subject: module_(P), answer: log.answer(epoch, P) }, refused("WRONG_EPOCH"));
  add(
    "an absent answer of epoch 8",
    { subject: module_("example.com/absent"), answer: log.answer(8, "example.com/absent") },
    refused("WRONG_EPOCH"),
  );
  add(
    "an answer of the newest epoch under the second head",
    { subject: module_(P), answer: log.answer(14, P), heads: [log.ask(14), log.ask(E, { asked: E })] },
    refused("WRONG_EPOCH"),
  );
  add(
    "a wrong epoch is judged before the proof",
    { subject: module_(P), answer: log.answer(8, "example.com/first") },
    refused("WRONG_EPOCH"),
  );

  // §4.3
  const badProof = (name: string, subject: SubjectFields, answer: Bytes, more: Partial<Input> = {}) =>
    add(name, { subject, answer, ...more }, refused("BAD_PROOF"));
  const { pairs } = log.epoch(E);
  const path = mapPath(pairs, sha256(utf8(P)));
  const inclusion = { kind: "inclusion", bits: path.bits, siblings: path.siblings } as const;
  const text = utf8(value(P));
  badProof("the answer for another module", module_(P), log.answer(E, "example.com/first"));
  badProof("the answer for a family", module_(P), log.answer(E, `${P}/v*`));
  badProof("the answer for a module, asked for its majors", majors(P), log.answer(E, P));
  badProof("the answer for a module, asked for the toolchain", TOOLCHAIN, log.answer(E, "golang.org/toolchain"));
  badProof(
    "the answer for the toolchain, asked for its module",
    module_("golang.org/toolchain"),
    log.answer(E, "toolchain"),
  );
  badProof(
    "the value of another module on the module's path",
    module_(P),
    concat(utf8(value("example.com/first")), proofSection(E, inclusion)),
  );
  badProof(
    "the value on the path of another module",
    module_(P),
    concat(text, log.answer(E, "example.com/first").slice(utf8(value("example.com/first")).length)),
  );
  badProof("the value of an older epoch", module_(P), concat(utf8(value(P, 4)), proofSection(E, inclusion)));
  badProof(
    "the answer of an older epoch under another number",
    module_(P),
    concat(utf8(value(P, 4)), bytes(TAG.inclusion, E), log.answer(4, P).slice(utf8(value(P, 4)).length + 2)),
  );
  for (const i of [2, 8, 20, 100, text.length - 1])
    badProof(`a bit of the value turned at ${i}`, module_(P), concat(flip(text, i), proofSection(E, inclusion)));
  badProof(
    "a value with an item less",
    module_(P),
    concat(utf8(value(P).split("; ")[0] as string), proofSection(E, inclusion)),
  );
  for (const i of [-1, -33, -64, -32 * path.bits.length])
    badProof(`a bit of a sibling turned at ${i}`, module_(P), flip(plain, i));
  badProof(
    "the deepest node left out",
    module_(P),
    concat(text, proofSection(E, { ...inclusion, bits: path.bits.slice(1), siblings: path.siblings.slice(1) })),
  );
  badProof(
    "siblings exchanged",
    module_(P),
    concat(text, proofSection(E, { ...inclusion, siblings: path.siblings.toReversed() })),
  );
  const moved = path.bits.map((bit, i) => (i === 0 ? bit + 1 : bit));
  badProof("the deepest node at another bit", module_(P), concat(text, proofSection(E, { ...inclusion, bits: moved })));
  badProof("an empty map where the map is not", module_(P), proofSection(E, { kind: "emptyMap" }));
  badProof(
    "an empty map where the map is not, for an absent module",
    module_("example.com/absent"),
    proofSection(E, { kind: "emptyMap" }),
  );
  const absentKey = sha256(utf8("example.com/absent"));
  const away = mapPath(pairs, absentKey);
  const non = { kind: "nonInclusion", bits: away.bits, siblings: away.siblings, other: away.end } as const;
  badProof("the proof of absence of another module, for a module that is present", module_(P), proofSection(E, non));
  badProof(
    "the proof of absence of another module, for one that is absent",
    module_("example.com/mod/v3"),
    proofSection(E, non),
  );
  const first = mapPath(pairs, sha256(utf8("example.com/first")));
  badProof(
    "the true path of another present module as absence",
    module_(P),
    proofSection(E, { ...non, bits: first.bits, siblings: first.siblings, other: first.end }),
  );
  badProof(
    "the module's own leaf as absence",
    module_(P),
    proofSection(E, { ...non, bits: path.bits, siblings: path.siblings, other: path.end }),
  );
  badProof(
    "the module's path with another leaf as absence",
    module_(P),
    proofSection(E, { ...non, bits: path.bits, siblings: path.siblings, other: first.end }),
  );
  badProof(
    "absence with another value of the leaf shown",
    module_("example.com/absent"),
    proofSection(E, { ...non, other: [away.end[0], utf8("x")] }),
  );
  badProof(
    "absence with another key of the leaf shown",
    module_("example.com/absent"),
    proofSection(E, { ...non, other: [flip(away.end[0], 31), away.end[1]] }),
  );
  badProof(
    "absence with a bit of a sibling turned",
    module_("example.com/absent"),
    proofSection(E, { ...non, siblings: away.siblings.map((h, i) => (i === 0 ? flip(h, 0) : h)) }),
  );
  badProof(
    "absence in an older map",
    module_("example.com/other"),
    proofSection(
      E,
      (() => {
        const old = mapPath(log.epoch(5).pairs, sha256(utf8("example.com/other")));
        return { ...non, bits: old.bits, siblings: old.siblings, other: old.end };
      })(),
    ),
  );
  badProof("presence in another map of the same epoch", module_(P), commit([["example.com/x", "y"]]).answer(E, P));
  badProof("the wrong proof is judged before a lag", module_(P), log.answer(E, "example.com/first"), {
    memory: log.memory(14, NOW),
    heads: [older(NOW - 5000)],
  });

  // §4.4: what the log commits to is not what the map function makes.
  const M = "example.com/m";
  const h = (n: number) => unpadded(fill(n));
  const item = (version: string, kind = "", index: number | string = 5) =>
    `v=${version}${kind === "" ? "" : ` k=${kind}`} i=${index} h=${h(1)} m=${h(2)} s=${h(3)}`;
  const said_ = (name: string, subject: SubjectFields, subjectText: string, text_: string, expect: unknown) => {
    const other = commit([[subjectText, text_]]);
    add(name, { subject, answer: other.answer(E, subjectText), heads: [other.ask(E)] }, expect);
  };
  const badValue = (name: string, text_: string, path_ = M) =>
    said_(`value: ${name}`, module_(path_), path_, text_, refused("BAD_VALUE"));
  const goodValue = (name: string, text_: string, path_ = M) =>
    said_(`value: ${name}`, module_(path_), path_, text_, said(text_));
  const T = "20200102030405";
  goodValue("one release", item("v1.0.0"));
  goodValue("the last index", item("v1.0.0", "", size - 1));
  goodValue("index 0", item("v1.0.0", "", 0));
  goodValue("a release, a lower major, a pre-release", `${item("v1.0.0")}; v=v0.9.0 i=3; v=v1.1.0-rc.1 k=pre i=4`);
  goodValue("a higher major than the latest's", `${item("v1.0.0")}; v=v2.0.0+incompatible i=3; v=v0.9.0 i=4`);
  goodValue(
    "incompatible majors",
    `${item("v10.0.0+incompatible")}; v=v9.0.0+incompatible i=3; v=v2.0.0+incompatible i=4`,
  );
  goodValue("a pseudo-version", item(`v0.0.0-${T}-a`, "pseudo"));
  goodValue("a version of 90 bytes", item(`v1.0.0-${"a".repeat(83)}`, "pre"));
  badValue("a word", "x");
  badValue("a space", " ");
  badValue("a version of 91 bytes", item(`v1.0.0-${"a".repeat(84)}`, "pre"));
  badValue("a version that is not canonical", item("v1.0"));
  badValue("a version with a leading zero", item("v1.00.0"));
  badValue("an empty version", item(""));
  badValue("major 2 without suffix", item("v2.0.0"));
  badValue("incompatible major 1", item("v1.0.0+incompatible"));
  badValue("another major than the suffix", item("v3.0.0"), "example.com/m/v2");
  badValue("incompatible beside a suffix", item("v2.0.0+incompatible"), "example.com/m/v2");
  badValue("major 0 of gopkg.in .v1", item("v0.1.0"), "gopkg.in/m.v1");
  badValue("kind release in words", item("v1.0.0", "release"));
  badValue("an empty kind", `v=v1.0.0 k= i=5 h=${h(1)} m=${h(2)} s=${h(3)}`);
  badValue("kind pre of a release", item("v1.0.0", "pre"));
  badValue("kind pseudo of a release", item("v1.0.0", "pseudo"));
  badValue("no kind of a pre-release", item("v1.0.0-rc.1"));
  badValue("kind pseudo of a pre-release", item("v1.0.0-rc.1", "pseudo"));
  badValue("no kind of a pseudo-version", item(`v0.0.0-${T}-a`));
  badValue("kind pre of a pseudo-version", item(`v0.0.0-${T}-a`, "pre"));
  badValue("the index of the sumdb size", item("v1.0.0", "", size));
  badValue("an index beyond the sumdb", item("v1.0.0", "", size + 1));
  badValue("an index of 2^53", item("v1.0.0", "", "9007199254740992"));
  badValue("a leading zero in the index", item("v1.0.0", "", "05"));
  badValue("a sign of the index", item("v1.0.0", "", "-5"));
  badValue("an empty index", item("v1.0.0", "", ""));
  badValue("an index with an exponent", item("v1.0.0", "", "1e1"));
  badValue("no index", item("v1.0.0").replace(" i=5", ""));
  badValue("no zip hash", item("v1.0.0").replace(/ h=\S+/, ""));
  badValue("no go.mod hash", item("v1.0.0").replace(/ m=\S+/, ""));
  badValue("no state hash", item("v1.0.0").replace(/ s=\S+/, ""));
  badValue("hashes exchanged", `v=v1.0.0 i=5 m=${h(1)} h=${h(2)} s=${h(3)}`);
  badValue("the index before the version", `i=5 v=v1.0.0 h=${h(1)} m=${h(2)} s=${h(3)}`);
  badValue("the kind behind the index", `v=v1.0.0-rc.1 i=5 k=pre h=${h(1)} m=${h(2)} s=${h(3)}`);
  badValue("a field twice", `v=v1.0.0 v=v1.0.0 i=5 h=${h(1)} m=${h(2)} s=${h(3)}`);
  badValue("a field more", `${item("v1.0.0")} x=1`);
  badValue("upper-case keys", item("v1.0.0").replace("v=", "V="));
  badValue("two spaces", item("v1.0.0").replace(" i=", "  i="));
  badValue("a space at the end", `${item("v1.0.0")} `);
  badValue("a space at the beginning", ` ${item("v1.0.0")}`);
  badValue("a hash of 42 characters", item("v1.0.0").replace(h(1), h(1).slice(1)));
  badValue("a hash of 44 characters", item("v1.0.0").replace(h(1), `${h(1)}A`));
  badValue("a padded hash", item("v1.0.0").replace(h(1), `${h(1)}=`));
  badValue("a hash with spare bits", item("v1.0.0").replace(h(1), `${h(1).slice(0, -1)}F`));
  badValue("a hash of the URL alphabet", item("v1.0.0").replace(h(1), `_${h(1).slice(1)}`));
  badValue("a state hash with spare bits", item("v1.0.0").replace(h(3), `${h(3).slice(0, -1)}N`));
  badValue("a go.mod hash of 42 characters", item("v1.0.0").replace(h(2), h(2).slice(1)));
  badValue("nothing behind the last separator", `${item("v1.0.0")}; `);
  badValue("a separator without a space", `${item("v1.0.0")};v=v0.1.0 i=3`);
  badValue("an empty item", `${item("v1.0.0")}; ; v=v0.1.0 i=3`);
  badValue("an item behind a pre-release", `${item("v1.0.0-rc.1", "pre")}; v=v0.1.0 i=3`);
  badValue("a pre-release behind a pre-release", `${item("v1.0.0-rc.1", "pre")}; v=v1.0.0-rc.2 k=pre i=3`);
  badValue("an item behind a pseudo-version", `${item(`v0.0.0-${T}-a`, "pseudo")}; v=v0.1.0 i=3`);
  badValue("another release of the latest's major", `${item("v1.0.0")}; v=v1.1.0 i=3`);
  badValue("the latest again", `${item("v1.0.0")}; v=v1.0.0 i=5`);
  badValue(
    "majors that ascend",
    `${item("v10.0.0+incompatible")}; v=v2.0.0+incompatible i=3; v=v9.0.0+incompatible i=4`,
  );
  badValue("a major twice", `${item("v10.0.0+incompatible")}; v=v9.1.0+incompatible i=3; v=v9.0.0+incompatible i=4`);
  badValue(
    "the latest's major behind another one",
    `${item("v9.0.0+incompatible")}; v=v10.0.0+incompatible i=3; v=v9.0.0+incompatible i=4`,
  );
  badValue("a pre-release lower than the latest", `${item("v1.0.0")}; v=v1.0.0-rc.1 k=pre i=3`);
  badValue("a pre-release of a lower major", `${item("v1.0.0")}; v=v0.9.0-rc.1 k=pre i=3`);
  badValue("two pre-releases", `${item("v1.0.0")}; v=v1.2.0-rc.1 k=pre i=3; v=v1.3.0-rc.1 k=pre i=4`);
  badValue("a release behind the pre-release", `${item("v1.0.0")}; v=v1.2.0-rc.1 k=pre i=3; v=v0.1.0 i=4`);
  badValue("a pseudo-version behind the latest", `${item("v1.0.0")}; v=v1.0.1-0.${T}-a k=pseudo i=3`);
  badValue("a later item with hashes", `v=v1.0.0 i=5 h=${h(1)} m=${h(2)} s=${h(3)}; v=v0.1.0 i=3 h=${h(1)}`);
  badValue("a later item beyond the sumdb", `${item("v1.0.0")}; v=v0.1.0 i=${size}`);
  badValue("a later item that does not fit the path", `${item("v1.0.0")}; v=v0.1.0+incompatible i=3`);
  badValue("a later pre-release without its kind", `${item("v1.0.0")}; v=v1.1.0-rc.1 i=3`);
  badValue("a later release with a kind", `${item("v1.0.0")}; v=v0.1.0 k=pre i=3`);
  badValue("a later item without an index", `${item("v1.0.0")}; v=v0.1.0`);
  badValue("the value of a family", "p=v2 v=v2.0.0 i=5");

  // Majors.
  const s = (all: string) => ` s=${unpadded(sha256(utf8(all)))}`;
  const made = (all: string) => majorsValue(all.split("; "));
  const family = (base: string) => (base.startsWith("gopkg.in/") ? `${base}.v*` : `${base}/v*`);
  const badMajors = (name: string, text_: string, base = M) =>
    said_(`majors: ${name}`, majors(base), family(base), text_, refused("BAD_VALUE"));
  const goodMajors = (name: string, all: string, base = M) =>
    said_(`majors: ${name}`, majors(base), family(base), made(all), saidMajors(all, base, true));
  goodMajors("one item", "p=v2 v=v2.0.0 i=5");
  goodMajors("the base path at the end", "p=v3 v=v3.0.0 i=5; p=v2 v=v2.0.0 i=4; p=- v=v1.0.0 i=3");
  goodMajors("numbers, not text", "p=v10 v=v10.0.0 i=5; p=v9 v=v9.0.0 i=4");
  goodMajors("a suffix of 20 digits", `p=v${"9".repeat(20)} v=v${"9".repeat(20)}.0.0 i=5`);
  goodMajors(
    "numbers beyond 2^53",
    "p=v9007199254740993 v=v9007199254740993.0.0 i=5; p=v9007199254740992 v=v9007199254740992.0.0 i=4",
  );
  goodMajors("kinds", `p=v3 v=v3.0.0-rc.1 k=pre i=5; p=v2 v=v2.0.0-${T}-a k=pseudo i=4`);
  goodMajors("gopkg.in with .v1 and .v0", `p=v1 v=v0.0.0-${T}-a k=pseudo i=5; p=v0 v=v0.1.0 i=4`, "gopkg.in/m");
  goodMajors("a base path with a suffix of its own", "p=v3 v=v3.0.0 i=5; p=- v=v2.0.0 i=4", "example.com/v2");
  goodMajors("the base path is incompatible", "p=v3 v=v3.0.0 i=5; p=- v=v2.0.0+incompatible i=4");
  badMajors("a base path without a dot in its host", made("p=v2 v=v2.0.0 i=5"), "localhost");
  badMajors("a base path with a name of Windows", made("p=v2 v=v2.0.0 i=5"), "example.com/con");
  badMajors("no hash of all items", "p=v2 v=v2.0.0 i=5");
  badMajors("the hash on the second item", `p=v3 v=v3.0.0 i=5; p=v2 v=v2.0.0 i=4${s("x")}`);
  badMajors("the hash on both items", `p=v3 v=v3.0.0 i=5${s("x")}; p=v2 v=v2.0.0 i=4${s("x")}`);
  badMajors("the hash twice", `p=v3 v=v3.0.0 i=5${s("x")}${s("x")}`);
  badMajors("the hash before the index", `p=v2 v=v2.0.0${s("x")} i=5`);
  badMajors("a field behind the hash", `p=v2 v=v2.0.0 i=5${s("x")} x=1`);
  badMajors("a hash of 42 characters", `p=v2 v=v2.0.0 i=5${s("x").slice(0, -1)}`);
  badMajors("a hash alone", s("x").slice(1));
  badMajors("two spaces before the hash", `p=v2 v=v2.0.0 i=5 ${s("x")}`);
  badMajors("the base path first", `p=- v=v1.0.0 i=5${s("x")}`);
  badMajors("the base path twice", `p=v2 v=v2.0.0 i=5${s("x")}; p=- v=v1.0.0 i=4; p=- v=v1.0.0 i=3`);
  badMajors("an item behind the base path", `p=v3 v=v3.0.0 i=5${s("x")}; p=- v=v1.0.0 i=4; p=v2 v=v2.0.0 i=3`);
  badMajors("suffixes that ascend", made("p=v2 v=v2.0.0 i=5; p=v3 v=v3.0.0 i=4"));
  badMajors("suffixes that ascend as numbers", made("p=v9 v=v9.0.0 i=5; p=v10 v=v10.0.0 i=4"));
  badMajors("a suffix twice", made("p=v2 v=v2.0.0 i=5; p=v2 v=v2.0.0 i=4"));
  badMajors("a suffix with a leading zero", made("p=v02 v=v2.0.0 i=5"));
  badMajors("a suffix without v", made("p=2 v=v2.0.0 i=5"));
  badMajors("an empty suffix", made("p= v=v2.0.0 i=5"));
  badMajors("a suffix v", made("p=v v=v2.0.0 i=5"));
  badMajors("the suffix v1", made("p=v1 v=v1.0.0 i=5"));
  badMajors("the suffix v0", made("p=v0 v=v0.1.0 i=5"));
  badMajors("a suffix of 21 digits", made(`p=v${"1".repeat(21)} v=v${"1".repeat(21)}.0.0 i=5`));
  badMajors(
    "a suffix of 21 digits on gopkg.in",
    made(`p=v${"1".repeat(21)} v=v${"1".repeat(21)}.0.0 i=5`),
    "gopkg.in/m",
  );
  badMajors("an -unstable suffix", made("p=v2-unstable v=v2.0.0 i=5"), "gopkg.in/m");
  badMajors("no suffix", made("v=v2.0.0 i=5"));
  badMajors("another major than the suffix", made("p=v2 v=v3.0.0 i=5"));
  badMajors("another major of the base path", made("p=v2 v=v2.0.0 i=5; p=- v=v2.0.0 i=4"));
  badMajors("a base path that is no module path", made("p=v2 v=v2.0.0 i=5; p=- v=v1.0.0 i=4"), "example.com/v1");
  badMajors("the base path of gopkg.in", made("p=v2 v=v2.0.0 i=5; p=- v=v1.0.0 i=4"), "gopkg.in/m");
  badMajors("the wrong kind", made("p=v2 v=v2.0.0 k=pre i=5"));
  badMajors("no kind of a pre-release", made("p=v2 v=v2.0.0-rc.1 i=5"));
  badMajors("an index beyond the sumdb", made(`p=v2 v=v2.0.0 i=${size}`));
  badMajors("a later index beyond the sumdb", made(`p=v3 v=v3.0.0 i=5; p=v2 v=v2.0.0 i=${size}`));
  badMajors("fields out of order", made("v=v2.0.0 p=v2 i=5"));
  badMajors("a field more", made("p=v2 v=v2.0.0 i=5 x=1"));
  badMajors("a version of 91 bytes", made(`p=v2 v=v2.0.0-${"a".repeat(84)} k=pre i=5`));
  badMajors("nothing behind the last separator", `${made("p=v2 v=v2.0.0 i=5")}; `);
  badMajors("the value of a module", item("v1.0.0"));

  // Toolchain.
  const badGo = (name: string, text_: string) =>
    said_(`toolchain: ${name}`, TOOLCHAIN, "toolchain", text_, refused("BAD_VALUE"));
  const goodGo = (name: string, text_: string) =>
    said_(`toolchain: ${name}`, TOOLCHAIN, "toolchain", text_, saidToolchain(text_));
  const [cur, prev, next] = ["v=go1.22.0 k=cur i=5", "v=go1.21.7 k=prev i=4", "v=go1.23rc1 k=next i=3"];
  goodGo("cur", cur as string);
  goodGo("cur and prev", `${cur}; ${prev}`);
  goodGo("cur and next", `${cur}; ${next}`);
  goodGo("next alone", next as string);
  goodGo("next of the patch after cur is of a higher minor", `${cur}; v=go1.23beta1 k=next i=3`);
  goodGo("a release without patch", "v=go1.22 k=cur i=5");
  goodGo("a go of 40 bytes", `v=go1.${"1".repeat(36)} k=cur i=5`);
  goodGo("minors beyond 2^53", "v=go1.9007199254740993 k=cur i=5; v=go1.9007199254740992 k=prev i=4");
  badGo("a go of 41 bytes", `v=go1.${"1".repeat(37)} k=cur i=5`);
  badGo("prev without cur", prev as string);
  badGo("prev and next without cur", `${prev}; ${next}`);
  badGo("kinds out of order", `${prev}; ${cur}`);
  badGo("next before prev", `${cur}; ${next}; ${prev}`);
  badGo("cur twice", `${cur}; v=go1.21.0 k=cur i=4`);
  badGo("next twice", `${cur}; ${next}; v=go1.24rc1 k=next i=2`);
  badGo("prev of the same minor", `${cur}; v=go1.22.0 k=prev i=4`);
  badGo("prev of a higher minor", `${cur}; v=go1.23.0 k=prev i=4`);
  badGo("cur that is a candidate", "v=go1.22rc1 k=cur i=5");
  badGo("prev that is a beta", `${cur}; v=go1.21beta1 k=prev i=4`);
  badGo("next that is a release", `${cur}; v=go1.23.0 k=next i=3`);
  badGo("next lower than cur", `${cur}; v=go1.21rc1 k=next i=3`);
  badGo("next of the minor of cur", `${cur}; v=go1.22rc9 k=next i=3`);
  badGo("an unknown kind", "v=go1.22.0 k=new i=5");
  badGo("no kind", "v=go1.22.0 i=5");
  badGo("no index", "v=go1.22.0 k=cur");
  badGo("an index beyond the sumdb", `v=go1.22.0 k=cur i=${size}`);
  badGo("a field more", `${cur} x=1`);
  badGo("go2", "v=go2.0.0 k=cur i=5");
  badGo("a version of a module", "v=v1.22.0 k=cur i=5");
  badGo("a leading zero", "v=go1.022.0 k=cur i=5");
  badGo("candidate 0", "v=go1.22rc0 k=next i=5");
  badGo("a candidate of a patch", "v=go1.22.1rc1 k=next i=5");
  badGo("upper case", "v=Go1.22.0 k=cur i=5");
  badGo("an empty item", `${cur}; `);

  // §4.5
  const records = world.module(E, P);
  const state = world.state(E, P);
  const trueValue = value(P);
  const withState = (
    name: string,
    stateText_: string,
    expect: unknown,
    valueText = withStateHash(trueValue, stateText_),
    pages_: readonly Bytes[] | null = null,
    path_ = P,
  ) => {
    const other = commit([[path_, valueText]]);
    add(
      name,
      {
        subject: module_(path_, true),
        answer: other.answer(E, path_, textSection(TAG.state, stateText_)),
        heads: [other.ask(E)],
        pages: pages_,
      },
      expect,
    );
  };
  const badState = (name: string, stateText_: string, valueText?: string, path_?: string) =>
    withState(`state: ${name}`, stateText_, refused("BAD_STATE_TEXT"), valueText, null, path_);
  badState("not the one of the value", state.replace("n 7", "n 8"), trueValue);
  badState("a line feed more than in the value's", `${state}\n`, trueValue);
  badState("of another module", world.state(E, "example.com/first"), trueValue);
  const lines = state.split("\n").slice(0, -1);
  const rebuilt = (change: (list: string[]) => string[]) => `${change([...lines]).join("\n")}\n`;
  const line = (letter: string) => lines.findIndex((l) => l.startsWith(`${letter} `));
  badState("empty but for a line feed", "\n");
  badState(
    "no first line",
    rebuilt((l) => l.slice(1)),
  );
  badState("no line feed at the end", state.slice(0, -1));
  badState("an empty line at the end", `${state}\n`);
  badState("a count of 0", state.replace("n 7", "n 0"));
  badState("a count that does not fit the peaks", state.replace("n 7", "n 8"));
  badState("a leading zero in the count", state.replace("n 7", "n 07"));
  badState("a count with a field more", state.replace("n 7", "n 7 7"));
  badState("a count of 2^53", state.replace("n 7", "n 9007199254740992"));
  badState(
    "a count above the sumdb size, with its one peak",
    rebuilt((l) => ["n 1099511627776", `p ${h(9)}`, ...l.filter((text) => !/^[np] /.test(text))]),
  );
  badState(
    "the count twice",
    rebuilt((l) => ["n 7", ...l]),
  );
  badState(
    "a peak missing",
    rebuilt((l) => l.filter((_, i) => i !== line("p"))),
  );
  badState(
    "a peak more",
    rebuilt((l) => l.toSpliced(line("p"), 0, `p ${h(9)}`)),
  );
  badState(
    "a peak behind the versions",
    rebuilt((l) => [...l.filter((_, i) => i !== line("p")), lines[line("p")] as string]),
  );
  badState(
    "a peak of 42 characters",
    rebuilt((l) => l.with(line("p"), (l[line("p")] as string).slice(0, -1))),
  );
  badState(
    "a padded peak",
    rebuilt((l) => l.with(line("p"), `${l[line("p")]}=`)),
  );
  badState(
    "no peaks",
    rebuilt((l) => l.filter((x) => !x.startsWith("p "))),
  );
  badState(
    "an unknown line",
    rebuilt((l) => [...l, "x"]),
  );
  badState(
    "a line with a field more",
    rebuilt((l) => l.with(line("r"), `${l[line("r")]} x`)),
  );
  badState(
    "a line with a field less",
    rebuilt((l) => l.with(line("r"), (l[line("r")] as string).split(" ").slice(0, -1).join(" "))),
  );
  badState(
    "two spaces",
    rebuilt((l) => l.with(line("r"), (l[line("r")] as string).replace(" ", "  "))),
  );
  badState(
    "majors out of order",
    rebuilt((l) => l.toSpliced(line("r"), 2, l[line("r") + 1] as string, l[line("r")] as string)),
  );
  badState(
    "a line twice",
    rebuilt((l) => l.toSpliced(line("r"), 0, l[line("r")] as string)),
  );
  badState(
    "two releases of a major",
    rebuilt((l) => l.toSpliced(line("r"), 0, (l[line("r")] as string).replace("v0.9.0", "v0.8.0"))),
  );
  badState(
    "the pre-release before the release",
    rebuilt((l) => l.toSpliced(line("q") - 1, 2, l[line("q")] as string, l[line("q") - 1] as string)),
  );
  badState("a release on a line of pre-releases", state.replace("q v1.2.0-rc.1", "q v1.2.0"));
  badState("a pre-release on a line of releases", state.replace("r v0.9.0", "r v0.9.0-rc.1"));
  badState("a pseudo-version on a line of pre-releases", state.replace(/u v1\S+/, "q v1.3.1-0.20200101000000-abc"));
  badState("a release as the newest pseudo-version", state.replace(/u v1\S+/, "u v1.3.0"));
  badState("two pseudo-versions", `${state}${lines[line("u")]}\n`);
  badState(
    "the pseudo-version before the peaks",
    rebuilt((l) => [l[0] as string, l[line("u")] as string, ...l.slice(1, -1)]),
  );
  badState(
    "a lower release after the last line",
    `${state}${(lines[line("r")] as string).replace("v0.9.0", "v0.8.0")}\n`,
  );
  const exchanged = `n 2\np ${h(1)}\nq v1.0.0-rc.1 1 ${h(1)} ${h(2)}\nq v0.9.0-rc.1 0 ${h(1)} ${h(2)}\n`;
  badState(
    "pre-releases of two majors exchanged",
    exchanged,
    `v=v1.0.0-rc.1 k=pre i=1 h=${h(1)} m=${h(2)} s=${unpadded(sha256(utf8(exchanged)))}`,
    M,
  );
  badState("a version that does not fit the path", state.replace("v2.0.0+incompatible", "v2.0.0"));
  badState("a pseudo-version that does not fit the path", state.replace("u v1.1.1-0", "u v2.1.1-0"));
  badState(
    "a pseudo-version on a line of its own that is a pre-release",
    state.replace(/u v1\S+/, "u v1.1.1-1.20200101000000-abc"),
  );
  badState("a version that is not canonical", state.replace("r v0.9.0", "r v0.9"));
  badState("a leading zero in an index", state.replace("r v0.9.0 ", "r v0.9.0 0"));
  badState("a hash of 42 characters", state.replace(/\n$/, "").slice(0, -1).concat("\n"));
  badState(
    "no versions",
    rebuilt((l) => l.slice(0, 4)),
  );
  badState("another latest than the value's", state.replace("r v1.1.0", "r v1.1.1"));
  badState("another index of the latest", state.replace("r v1.1.0 3", "r v1.1.0 4"));
  badState("a hash of the latest is another one", state.replace(unpadded(fill(2)), unpadded(fill(9))));
  badState("a release that the value does not show", state.replace("r v0.9.0", "r v0.8.0"));
  badState(
    "no pre-release where the value shows one",
    rebuilt((l) => l.toSpliced(line("q"), 1)),
  );
  badState(
    "the value is of incompatible versions, and the state has a go.mod",
    state,
    withStateHash(
      "v=v2.0.0+incompatible i=6 h= m= s=".replace(
        "h= m= s=",
        `h=${unpadded(fill(5))} m=${unpadded(fill(0x41))} s=${h(1)}`,
      ),
      state,
    ),
  );
  badState(
    "a value that leaves an item out",
    state,
    withStateHash(trueValue.split("; ").slice(0, -1).join("; "), state),
  );
  badState(
    "a value with an item more",
    state,
    withStateHash(`${trueValue.split("; ").slice(0, 2).join("; ")}; v=v1.3.0-rc.1 k=pre i=5`, state),
  );
  const seventeen = Array.from({ length: 17 }, (_, i) => `r v${i + 2}.0.0+incompatible ${i} ${h(1)} ${h(2)}\n`);
  const many = (l: readonly string[]) => `n 17\np ${h(1)}\np ${h(2)}\n${l.join("")}`;
  const top = (stateText_: string) =>
    `v=v18.0.0+incompatible i=16 h=${h(1)} m=${h(2)} s=${unpadded(sha256(utf8(stateText_)))}; ${[17, 16, 15, 14].map((n) => `v=v${n}.0.0+incompatible i=${n - 2}`).join("; ")}`;
  const cutTo = (text_: string) =>
    text_.split("; ").reduce((all, x) => (`${all}; ${x}`.length <= 255 ? `${all}; ${x}` : all));
  badState("17 incompatible majors", many(seventeen), cutTo(top(many(seventeen))), M);
  withState(
    "state: 16 incompatible majors",
    many(seventeen.slice(1)),
    said(cutTo(top(many(seventeen.slice(1))))),
    cutTo(top(many(seventeen.slice(1)))),
    null,
    M,
  );
  const odd = `n 1\np ${h(1)}\nr v0.9.0 5 ${h(1)} ${h(2)}\nr v1.0.0 5 ${h(3)} ${h(4)}\n`;
  const oddValue = `v=v1.0.0 i=5 h=${h(3)} m=${h(4)} s=${unpadded(sha256(utf8(odd)))}; v=v0.9.0 i=5`;
  withState("state: more lines than records, and one index on two of them", odd, said(oddValue), oddValue, null, M);
  add("a state that is right", { subject: module_(P, true), answer: log.answer(E, P, S) }, said(trueValue));
  for (const path_ of [
    "example.com/pseudo",
    "example.com/incompatible",
    "gopkg.in/yaml.v3",
    "golang.org/toolchain",
    "example.com/repeated",
  ]) {
    const answer = log.answer(E, path_, textSection(TAG.state, world.state(E, path_)));
    const own = world.module(E, path_);
    add(
      `versions of ${path_}`,
      { subject: module_(path_, true), answer, pages: pages(own) },
      said(value(path_), own.length),
    );
  }

  // §4.6
  const badItems = (name: string, section: string, text_: string, base = BIG) => {
    const other = commit([[family(base), text_]]);
    add(
      `majors section: ${name}`,
      {
        subject: majors(base),
        answer: other.answer(E, family(base), textSection(TAG.majors, section)),
        heads: [other.ask(E)],
      },
      refused("BAD_MAJORS"),
    );
  };
  badItems("with an item less", allBig.split("; ").slice(0, -1).join("; "), made(allBig));
  badItems("with a byte more", `${allBig} `, made(allBig));
  badItems("with another index", allBig.replace("i=30", "i=31"), made(allBig));
  badItems("of what is shown", shownBig, made(allBig));
  const small = "p=v3 v=v3.0.0 i=5; p=v2 v=v2.0.0 i=4";
  badItems("where all items are shown", small, made(small));
  const hidden = (section: string) => `${shownBig.replace("; ", `${s(section)}; `)}`;
  for (const [name, change] of [
    ["with a line feed", `${allBig}\n`],
    ["with the hash", made(allBig).concat("; p=v5 v=v5.10.100 i=21")],
    [
      "with suffixes out of order",
      allBig.replace("p=v3 v=v3.10.100 i=19; p=v2 v=v2.10.100 i=18", "p=v2 v=v2.10.100 i=18; p=v3 v=v3.10.100 i=19"),
    ],
    ["with a suffix twice", `${allBig.replace("; p=-", "; p=v2 v=v2.10.100 i=18; p=-")}`],
    ["with an item behind the base path", `${allBig}; p=v1 v=v1.0.0 i=1`],
    ["with a version that does not fit", allBig.replace("v=v2.10.100", "v=v3.10.100")],
    ["with an index beyond the sumdb", allBig.replace("i=30", `i=${size}`)],
    ["with an empty item", `${allBig}; `],
    ["whose first items are not those shown", allBig.replace("i=27", "i=7")],
    ["with fewer items than are shown", shownBig.split("; ").slice(0, -1).join("; ")],
    ["with items before those shown", `p=v14 v=v14.0.0 i=9; ${allBig}`],
  ] as const) {
    badItems(`the committed one ${name}`, change, hidden(change));
  }
  const shorter = allBig.split("; ").slice(0, 5).join("; ");
  badItems("of five items, of which one is shown", shorter, `${shorter.split("; ")[0] as string}${s(shorter)}`);
  said_(
    "majors without a section, that could have been cut later, are not complete",
    majors(BIG),
    family(BIG),
    `${shorter.split("; ")[0]}${s(shorter)}`,
    saidMajors(shorter.split("; ")[0] as string, BIG, false),
  );
  said_(
    "majors whose hash is of nothing known are not complete",
    majors(M),
    family(M),
    `p=v2 v=v2.0.0 i=5${s("nothing")}`,
    saidMajors("p=v2 v=v2.0.0 i=5", M, false),
  );

  // §4.7
  const lagging = (name: string, more: Partial<Input>) => add(name, { ...at, ...more }, refused("LAGGING"));
  lagging("one second more than maxLag behind the memory", {
    memory: log.memory(14, NOW - 60),
    heads: [older(NOW - 61 - MAX_LAG)],
  });
  lagging("one second more than maxLag behind the newest head", {
    heads: [log.ask(14), log.ask(E, { asked: E, cosignatures: [["clock", NOW - 61 - MAX_LAG]] })],
  });
  lagging("behind the newest head, where the memory is older", {
    memory: log.memory(12, NOW - 1000),
    heads: [
      log.ask(14, { since: 12 }),
      log.ask(E, { asked: E, beside: 12, cosignatures: [["clock", NOW - 61 - MAX_LAG]] }),
    ],
  });
  lagging("behind the memory, where the other head is older than the memory", {
    memory: log.memory(14, NOW - 60),
    heads: [log.ask(12, { asked: 12, beside: 14, cosignatures: [["clock", NOW - 900]] }), older(NOW - 61 - MAX_LAG)],
  });
  lagging("a maxLag of 0", { memory: log.memory(14, NOW - 60), heads: [older(NOW - 61)], common: { maxLag: 0 } });
  add(
    "an absent module, lagging",
    {
      subject: module_("example.com/absent"),
      answer: log.answer(E, "example.com/absent"),
      memory: log.memory(14, NOW - 60),
      heads: [older(NOW - 5000)],
    },
    refused("LAGGING"),
  );
  add(
    "an empty map, lagging",
    {
      subject: module_(P),
      answer: log.answer(1, P),
      memory: log.memory(14, NOW - 60),
      heads: [log.ask(1, { asked: 1, beside: 14, cosignatures: [["clock", NOW - 5000]] })],
    },
    refused("LAGGING"),
  );
  add(
    "the toolchain, lagging",
    {
      subject: TOOLCHAIN,
      answer: log.answer(E, "toolchain"),
      memory: log.memory(14, NOW - 60),
      heads: [older(NOW - 5000)],
    },
    refused("LAGGING"),
  );
  add(
    "majors, lagging",
    {
      subject: majors(BIG),
      answer: log.answer(E, `${BIG}/v*`),
      memory: log.memory(14, NOW - 60),
      heads: [older(NOW - 5000)],
    },
    refused("LAGGING"),
  );
  add(
    "an old answer with its own old head",
    { ...at, heads: [log.ask(E, { asked: E, cosignatures: [["clock", NOW - MAX_AGE - 1]] })] },
    refused("STALE"),
  );
  add(
    "an old answer with its own old head, behind a memory",
    { ...at, memory: log.memory(14, NOW - 60), heads: [older(NOW - MAX_AGE - 1)] },
    refused("STALE"),
  );
  add(
    "an old answer whose head the clock alone made new",
    {
      ...at,
      common: { policy: policies.both },
      heads: [
        log.ask(E, {
          asked: E,
          cosignatures: [
            ["clock", NOW - 5],
            ["w1", NOW - MAX_AGE - 1],
          ],
        }),
      ],
    },
    refused("STALE"),
  );

  // §6, versions.
  const own = pages(records);
  const versions = (name: string, list: readonly Bytes[], expect: unknown, path_ = P, record: Bytes | null = null) =>
    add(
      name,
      {
        subject: module_(path_, true),
        answer: log.answer(E, path_, textSection(TAG.state, world.state(E, path_))),
        pages: list,
        record,
      },
      expect,
    );
  const entries: Entry[] = records.map(({ index, version, zipHash, goModHash }) => ({
    index,
    version: version.text,
    zipHash,
    goModHash,
  }));
  versions("versions on one page", own, said(trueValue, 7));
  versions(
    "versions on two pages",
    pages(world.module(E, "example.com/two")),
    said(value("example.com/two"), 257),
    "example.com/two",
  );
  versions(
    "versions on three pages",
    pages(world.module(E, "example.com/three")),
    said(value("example.com/three"), 515),
    "example.com/three",
  );
  versions(
    "more records than the state has",
    [page([...entries, { ...(entries[6] as Entry), index: 700, version: "v9.9.9+incompatible" }])],
    said(trueValue, 7),
  );
  versions(
    "more records than the state has, which are not well-formed",
    [page([...entries, { ...(entries[6] as Entry), index: 10_000_000, version: "!" }])],
    said(trueValue, 7),
  );
  versions(
    "a page more than the state has",
    [...own, page([{ ...(entries[6] as Entry), index: 700 }])],
    said(trueValue, 7),
  );
  versions("a record of the latest beside its versions", own, said(trueValue, 7), P, logProof(recordProof(3, size)));
  const broken = (name: string, code: string, list: readonly Bytes[], path_?: string) =>
    versions(`versions: ${name}`, list, refused(code), path_);
  broken("no pages", "VERSIONS_MISSING", []);
  broken("a record missing at the end", "VERSIONS_MISSING", [page(entries.slice(0, -1))]);
  broken("a record missing in the middle", "VERSIONS_MISSING", [page(entries.toSpliced(3, 1))]);
  const [page0, page1] = pages(world.module(E, "example.com/two")) as [Bytes, Bytes];
  broken("the second page missing", "VERSIONS_MISSING", [page0], "example.com/two");
  broken("a page that is not full", "VERSIONS_MISSING", [page1, page1], "example.com/two");
  broken(
    "one record of the first page missing",
    "VERSIONS_MISSING",
    [pages(world.module(E, "example.com/two").slice(0, 255))[0] as Bytes, page1],
    "example.com/two",
  );
  broken("a malformed page", "MALFORMED_ANSWER", [concat(own[0] as Bytes, bytes(0))]);
  broken("an empty payload", "MALFORMED_ANSWER", [new Uint8Array(0)]);
  broken("a malformed second page", "MALFORMED_ANSWER", [page0, page1.slice(1)], "example.com/two");
  broken(
    "a malformed page is judged before a page that is not full",
    "MALFORMED_ANSWER",
    [page1, bytes(0)],
    "example.com/two",
  );
  broken("indexes that do not ascend", "MALFORMED_ANSWER", [
    page(entries.map((entry, i) => (i === 3 ? { ...entry, index: 0 } : entry))),
  ]);
  broken("the pages exchanged", "VERSIONS_MISSING", [page1, page0], "example.com/two");
  const changed = (i: number, change: Partial<Entry>) => [
    page(entries.map((entry, j) => (i === j ? { ...entry, ...change } : entry))),
  ];
  broken("another version", "BAD_VERSIONS", changed(0, { version: "v1.0.5" }));
  broken("another zip hash", "BAD_VERSIONS", changed(0, { zipHash: fill(99) }));
  broken("another go.mod hash", "BAD_VERSIONS", changed(2, { goModHash: fill(99) }));
  broken("another index", "BAD_VERSIONS", changed(6, { index: 9 }));
  broken("a version that is not canonical", "BAD_VERSIONS", changed(0, { version: "v1.0" }));
  broken("a version that does not fit", "BAD_VERSIONS", changed(0, { version: "v3.0.0" }));
  broken("an index of the sumdb size", "BAD_VERSIONS", changed(6, { index: size }));
  broken("a record for another", "BAD_VERSIONS", [
    page([...entries.slice(0, 6), { ...(entries[6] as Entry), version: "v1.1.1-0.20200101000000-0123456789ac" }]),
  ]);
  const secondLow = world.module(E, "example.com/two").map(({ index, version, zipHash, goModHash }, i) => ({
    index: i === 256 ? 3 : index,
    version: version.text,
    zipHash,
    goModHash,
  }));
  broken(
    "indexes that do not ascend from page to page",
    "BAD_VERSIONS",
    [page(secondLow.slice(0, 256)), page(secondLow.slice(256))],
    "example.com/two",
  );
  broken("the first page twice", "BAD_VERSIONS", [page0, page0], "example.com/two");
  // Here only the order of the indexes is wrong: the state is that of the records as they stand.
  const disordered = (name: string, list: readonly Indexed[], pages_: readonly Bytes[], path_: string) => {
    const text_ = stateText(list);
    withState(`versions: ${name}`, text_, refused("BAD_VERSIONS"), cutValue(path_, list, text_), pages_, path_);
  };
  const longList: Indexed[] = world
    .module(E, "example.com/two")
    .map((r, i) => ({ ...r, index: i === 256 ? 3 : r.index }));
  disordered("a committed state of an index that goes back", longList, pages(longList), "example.com/two");
  const sameIndex: Indexed[] = world
    .module(E, "example.com/two")
    .map((r, i, all) => ({ ...r, index: i === 256 ? (all[255] as Indexed).index : r.index }));
  disordered("a committed state of an index that stands twice", sameIndex, pages(sameIndex), "example.com/two");
  const tooFar = records.map((r, i) => (i === 6 ? { ...r, index: size } : r));
  disordered("a committed state with an index of the sumdb size", tooFar, pages(tooFar), P);
  const otherHash = records.map((r, i) => (i === 2 ? { ...r, hash: hashOf("x") } : r));
  disordered("a committed state with another record hash", otherHash, pages(otherHash), P);
  add(
    "versions of an answer that lags are not looked at",
    {
      subject: module_(P, true),
      answer: log.answer(E, P, S),
      pages: [],
      memory: log.memory(14, NOW - 60),
      heads: [older(NOW - 5000)],
    },
    refused("LAGGING"),
  );

  // §6, records.
  const record = (name: string, expect: unknown, proof: Bytes, path_ = P, from = log) =>
    add(name, { subject: module_(path_), answer: from.answer(E, path_), heads: [from.ask(E)], record: proof }, expect);
  for (const path_ of [P, "example.com/first", "example.com/two", "gopkg.in/yaml.v3", "example.com/repeated"]) {
    const { index } = latest(path_, world.module(E, path_));
    record(`the record of ${path_}`, said(value(path_)), logProof(recordProof(index, size)), path_);
  }
  const true3 = recordProof(3, size);
  const badRecord = (name: string, code: string, proof: Bytes, from?: Log) =>
    record(`record: ${name}`, refused(code), proof, P, from);
  badRecord("no payload", "MALFORMED_ANSWER", new Uint8Array(0));
  badRecord("a byte more", "MALFORMED_ANSWER", concat(logProof(true3), bytes(0)));
  badRecord("a hash missing", "MALFORMED_ANSWER", logProof(true3.slice(1)));
  badRecord("a hash more", "MALFORMED_ANSWER", logProof([...true3, fill(0)]));
  badRecord("no hashes", "MALFORMED_ANSWER", logProof([]));
  badRecord("a page instead of a proof", "MALFORMED_ANSWER", own[0] as Bytes);
  for (const i of [0, true3.length - 1])
    badRecord(
      `a bit of hash ${i} turned`,
      "BAD_RECORD_PROOF",
      logProof(true3.map((x, j) => (i === j ? flip(x, 0) : x))),
    );
  badRecord("the proof of its neighbour", "BAD_RECORD_PROOF", logProof(recordProof(2, size)));
  badRecord("the proof in another tree with as many hashes", "BAD_RECORD_PROOF", logProof(recordProof(3, 820)));
  badRecord("hashes in the other order", "BAD_RECORD_PROOF", logProof(true3.toReversed()));
  for (const [name, change] of [
    ["zip hash", (v: string) => v.replace(/h=\S+/, `h=${h(9)}`)],
    ["go.mod hash", (v: string) => v.replace(/m=\S+/, `m=${h(9)}`)],
    ["version", (v: string) => v.replace("v=v1.1.0", "v=v1.1.5")],
    ["index", (v: string) => v.replace("i=3", "i=2")],
  ] as const) {
    badRecord(
      `a committed value with another ${name}`,
      "BAD_RECORD_PROOF",
      logProof(true3),
      commit([[P, change(trueValue)]]),
    );
  }
  const single = logProof([]);
  const one = new Log([
    makeEpoch(pairsOf([[M, item("v1.0.0", "", 0)]]), 1, leafHash(utf8(recordText(M, "v1.0.0", fill(1), fill(2))))),
  ]);
  add(
    "the only record of a sumdb",
    { subject: module_(M), answer: one.answer(1, M), heads: [one.ask(1)], record: single },
    said(item("v1.0.0", "", 0)),
  );

  // Whatever a head is refused for, an answer under it is refused for.
  const codes = new Map<string, number>();
  for (const { name, expect, memory, head, ...rest } of heads) {
    const { refused: code } = expect as { refused?: string };
    if (code === undefined || (codes.get(code) ?? 0) >= 2) continue;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    const { zone, policy, sumdbKey, maxAge, maxLag, now, isFreshnessRequired } = rest;
    const lax = isFreshnessRequired === undefined ? {} : { isFreshnessRequired };
    add(
      `head: ${name}`,
      { ...at, heads: [head], memory, common: { zone, policy, sumdbKey, maxAge, maxLag, now, ...lax } },
      refused(code),
    );
  }
  add(
    "the first of two heads is refused",
    { ...at, heads: [forkedAt(7).ask(14), log.ask(E)], memory: log.memory(E) },
    refused("CONSISTENCY_MISSING"),
  );
  add(
    "the second of two heads is refused",
    { ...at, heads: [log.ask(14, { since: 12 }), log.ask(E, { asked: E })], memory: log.memory(12) },
    refused("CONSISTENCY_MISSING"),
  );
  return out;
}

/** The value that a state text and the records behind it would have. */
function cutValue(path: string, list: readonly Indexed[], state: string): string {
  let out = "";
  for (const item of valueItems(path, list, state)) {
    const next = out === "" ? item : `${out}; ${item}`;
    if (next.length > 255) break;
    out = next;
  }
  return out;
}
