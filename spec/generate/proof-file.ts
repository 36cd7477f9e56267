import { type Bytes, base64, bytes, concat, flip, hex, makeKey, noteLine, sign, utf8, uv } from "./bytes.ts";
import { pages, recordProof } from "./client-answer.ts";
import { COMMON, type Common, refused } from "./client-head.ts";
import { uint64 } from "./log.ts";
import { inclusionProof } from "./merkle.ts";
import { cosign, type Entry, logProof, page, TAG, textSection } from "./payload.ts";
import type { Vector } from "./vector.ts";
import { keys, NOW, policies, world } from "./world.ts";

/** Vectors of proof-file.md. */

const { log } = world;
/** The first epoch whose map holds everything. */
const E = 9;
const P = "example.com/mod";
const THREE = "example.com/three";
const TYPE = "proofdns-proof/1\n";
const OTHER_ZONE_KEY = makeKey("l.example.com/p1", 1, 10);

type Section = readonly [tag: number, content: Bytes];

interface FileParts {
  readonly type: string;
  readonly extraType: string;
  readonly sections: readonly Section[];
  readonly extra: string;
  readonly index: string;
  readonly hashes: readonly Bytes[];
  readonly checkpoint: string;
  readonly signatures: string;
}

/** The parts of a true file about a subject, by way of which it is spoilt. */
function parts(
  sections: readonly Section[],
  epoch = E,
  cosigners: readonly (keyof typeof keys)[] = ["clock"],
): FileParts {
  const checkpoint = log.checkpoint(epoch);
  const cosignatures = cosigners.map((name, i) => cosignatureLine(name, checkpoint, NOW - 60 - i));
  return {
    type: "c2sp.org/tlog-proof@v1",
    extraType: TYPE,
    sections,
    extra: "",
    index: String(epoch - 1),
    hashes: inclusionProof(epoch - 1, log.leaves.slice(0, epoch)),
    checkpoint,
    signatures: noteLine(keys.log, sign(keys.log, checkpoint)) + cosignatures.join(""),
  };
}

function cosignatureLine(name: keyof typeof keys, checkpoint: string, time: number): string {
  return noteLine(keys[name], concat(uint64(time), cosign(keys[name], checkpoint, time).signature));
}

function fileOf(p: FileParts): string {
  const sections = p.sections.map(([tag, content]) => concat(bytes(tag), uv(content.length), content));
  const extra = p.extra === "" ? base64(concat(utf8(p.extraType), ...sections)) : p.extra;
  const lines = [p.type, `extra ${extra}`, `index ${p.index}`, ...p.hashes.map(base64)];
  return `${lines.join("\n")}\n\n${p.checkpoint}\n${p.signatures}`;
}

const subject = (text: string): Section => [1, utf8(text)];
const leaf = (epoch = E): Section => [2, utf8(log.epoch(epoch).leaf)];
const answer = (payload: Bytes): Section => [3, payload];

/** The record of a module's version, and its proof. */
function record(path: string, version: string, epoch = E): { entry: Entry; sections: Section[] } {
  const found = world.module(epoch, path).find((one) => one.version.text === version);
  if (found === undefined) throw new Error(`no ${version} of ${path}`);
  const entry = { index: found.index, version, zipHash: found.zipHash, goModHash: found.goModHash };
  const proof = logProof(recordProof(found.index, log.epoch(epoch).sumdbSize));
  return {
    entry,
    sections: [
      [5, page([entry])],
      [6, proof],
    ],
  };
}

function latestOf(value: string): string {
  return (value.split(" ")[0] as string).slice(2);
}

export function proofFileVectors(): Vector[] {
  const out: Vector[] = [];
  const add = (
    name: string,
    text: string,
    expect: unknown,
    options: Partial<Common> & { wanted?: string; clock?: number } = {},
  ) => {
    const { wanted = null, clock = null, ...common } = options;
    out.push({
      name,
      operation: "proof-file",
      ...COMMON,
      ...common,
      now: clock,
      subject: wanted,
      text,
      expect,
    } as Vector);
  };
  const said = (name: string, more: object = {}) => ({
    subject: name,
    epoch: E,
    ageTime: NOW - 60,
    value: null,
    versions: null,
    record: null,
    ...more,
  });
  const saidRecord = ({ version, index, zipHash, goModHash }: Entry) => ({
    version,
    index,
    zipHash: hex(zipHash),
    goModHash: hex(goModHash),
  });

  const value = world.value(E, P);
  const latest = record(P, latestOf(value));
  const MODULE = `module ${P}`;
  const moduleSections = [subject(MODULE), leaf(), answer(log.answer(E, P))];
  const honest = parts(moduleSections);
  const withRecord = parts([...moduleSections, ...latest.sections]);
  const list = pages(world.module(E, THREE));
  const state = textSection(TAG.state, world.state(E, THREE));
  const VERSIONS = `versions ${THREE}`;
  const versionSections = (sent: readonly Bytes[]): Section[] => [
    subject(VERSIONS),
    leaf(),
    answer(log.answer(E, THREE, state)),
    ...sent.map((one): Section => [4, one]),
  ];
  const RECORD = `record ${P} ${latest.entry.version}`;
  const recordSections = [subject(RECORD), leaf(), ...latest.sections];

  // What is accepted.
  add("a module", fileOf(honest), said(MODULE, { value }));
  add("a module that is wanted", fileOf(honest), said(MODULE, { value }), { wanted: MODULE });
  add("a module and its record", fileOf(withRecord), said(MODULE, { value, record: saidRecord(latest.entry) }));
  add(
    "all versions of a module",
    fileOf(parts(versionSections(list))),
    said(VERSIONS, { value: world.value(E, THREE), versions: world.module(E, THREE).length }),
  );
  add("a record", fileOf(parts(recordSections)), said(RECORD, { record: saidRecord(latest.entry) }));
  const gone = "example.com/no/such";
  add(
    "an absent module",
    fileOf(parts([subject(`module ${gone}`), leaf(), answer(log.answer(E, gone))])),
    said(`module ${gone}`, { value: "" }),
  );
  add(
    "versions of an absent module",
    fileOf(parts([subject(`versions ${gone}`), leaf(), answer(log.answer(E, gone))])),
    said(`versions ${gone}`, { value: "" }),
  );
  add(
    "majors",
    fileOf(parts([subject("majors gopkg.in/yaml"), leaf(), answer(log.answer(E, "gopkg.in/yaml.v*"))])),
    said("majors gopkg.in/yaml", { value: world.value(E, "gopkg.in/yaml.v*") }),
  );
  add(
    "toolchains",
    fileOf(parts([subject("toolchain"), leaf(), answer(log.answer(E, "toolchain"))])),
    said("toolchain", { value: world.value(E, "toolchain") }),
  );
  add(
    "the first epoch, without a hash",
    fileOf(parts([subject(MODULE), leaf(1), answer(log.answer(1, P))], 1)),
    said(MODULE, { epoch: 1, value: world.map(1).subjects.get(P) ?? "" }),
  );
  add(
    "a line of another key",
    fileOf({ ...honest, signatures: `${honest.signatures}${noteLine(keys.stranger, bytes(1))}` }),
    said(MODULE, { value }),
  );
  add(
    "two cosigners, of whom the older time counts",
    fileOf(parts(moduleSections, E, ["clock", "w1"])),
    said(MODULE, { value, ageTime: NOW - 61 }),
    { policy: policies.both },
  );
  add("a clock within the window", fileOf(honest), said(MODULE, { value }), { clock: NOW });
  add("no clock, however short the window", fileOf(honest), said(MODULE, { value }), { maxAge: 1 });

  // The text.
  const malformed: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["another first line", fileOf({ ...honest, type: "c2sp.org/tlog-proof@v2" })],
    ["a byte order mark", `\ufeff${fileOf(honest)}`],
    ["lines that end in CR LF", fileOf(honest).replaceAll("\n", "\r\n")],
    ["no extra line", fileOf(honest).replace(/^extra .*\n/m, "")],
    ["an empty extra line", fileOf(honest).replace(/^extra .*$/m, "extra ")],
    ["extra data without padding", fileOf({ ...honest, extra: "cHJvb2Y" })],
    ["no index line", fileOf(honest).replace(/^index .*\n/m, "")],
    ["an index with a leading zero", fileOf({ ...honest, index: "08" })],
    ["an index below the newest leaf", fileOf({ ...honest, index: "7" })],
    ["an index beyond the tree", fileOf({ ...honest, index: "9" })],
    ["a hash too few", fileOf({ ...honest, hashes: honest.hashes.slice(1) })],
    ["a hash too many", fileOf({ ...honest, hashes: [...honest.hashes, ...honest.hashes] })],
    ["64 hashes", fileOf({ ...honest, hashes: Array.from({ length: 64 }, () => honest.hashes[0] as Bytes) })],
    ["a hash of 31 bytes", fileOf({ ...honest, hashes: [(honest.hashes[0] as Bytes).slice(1)] })],
    ["no blank line", fileOf(honest).replaceAll("\n\n", "\n")],
    ["a checkpoint without a signature", fileOf({ ...honest, signatures: "" })],
    ["a checkpoint with an extension line", fileOf({ ...honest, checkpoint: `${honest.checkpoint}more\n` })],
    ["no line feed at the end", fileOf(honest).slice(0, -1)],
    [
      "a cosignature of 71 bytes",
      fileOf({
        ...honest,
        signatures: noteLine(keys.log, sign(keys.log, honest.checkpoint)) + noteLine(keys.clock, new Uint8Array(71)),
      }),
    ],
    [
      "two cosignatures of one witness",
      fileOf({ ...honest, signatures: honest.signatures + cosignatureLine("clock", honest.checkpoint, NOW - 90) }),
    ],
    ["other extra data", fileOf({ ...honest, extraType: "proofdns-proof/2\n" })],
    [
      "a section that is cut off",
      fileOf({ ...honest, extra: base64(concat(utf8(TYPE), bytes(1, 9), utf8("module"))) }),
    ],
    [
      "a length that is not the shortest",
      fileOf({ ...honest, extra: base64(concat(utf8(TYPE), bytes(1, 0x89, 0), utf8("toolchain"))) }),
    ],
    ["sections out of order", fileOf(parts([leaf(), subject(MODULE), answer(log.answer(E, P))]))],
    ["a subject twice", fileOf(parts([subject(MODULE), ...moduleSections]))],
    ["an unknown section", fileOf(parts([...moduleSections, [7, bytes(1)]]))],
    ["no subject", fileOf(parts(moduleSections.slice(1)))],
    ["a subject that is none", fileOf(parts([subject(`package ${P}`), ...moduleSections.slice(1)]))],
    ["a subject with a space at its end", fileOf(parts([subject(`${MODULE} `), ...moduleSections.slice(1)]))],
    ["a subject that is no module path", fileOf(parts([subject("module example"), ...moduleSections.slice(1)]))],
    ["a base path that is none", fileOf(parts([subject("majors example"), ...moduleSections.slice(1)]))],
    [
      "a record of a version that does not fit its path",
      fileOf(parts([subject(`record ${P} v2.0.0`), leaf(), ...latest.sections])),
    ],
    ["no leaf", fileOf(parts([subject(MODULE), answer(log.answer(E, P))]))],
    ["no answer", fileOf(parts([subject(MODULE), leaf()]))],
    ["a record with an answer", fileOf(parts([subject(RECORD), leaf(), answer(log.answer(E, P)), ...latest.sections]))],
    ["a record subject without its record", fileOf(parts([subject(RECORD), leaf()]))],
    ["a record without its proof", fileOf(parts([...moduleSections, latest.sections[0] as Section]))],
    ["a proof without a record", fileOf(parts([...moduleSections, latest.sections[1] as Section]))],
    [
      "a record of the toolchains",
      fileOf(parts([subject("toolchain"), leaf(), answer(log.answer(E, "toolchain")), ...latest.sections])),
    ],
    ["a page that was not asked for", fileOf(parts([...moduleSections, [4, pages(world.module(E, P))[0] as Bytes]]))],
    ["a page too few", fileOf(parts(versionSections(list.slice(0, -1))))],
    ["a page too many", fileOf(parts(versionSections([...list, list[0] as Bytes])))],
    ["1,025 sections", fileOf(parts(versionSections(Array.from({ length: 1022 }, () => new Uint8Array(0)))))],
    [
      "a page of an absent module",
      fileOf(parts([subject(`versions ${gone}`), leaf(), answer(log.answer(E, gone)), [4, list[0] as Bytes]])),
    ],
    [
      "a record of an absent module",
      fileOf(parts([subject(`module ${gone}`), leaf(), answer(log.answer(E, gone)), ...latest.sections])),
    ],
  ];
  for (const [name, text] of malformed) add(name, text, refused("MALFORMED_PROOF"));

  // Statements that do not hold.
  add("another subject than the wanted one", fileOf(honest), refused("BAD_PROOF"), {
    wanted: "module example.com/other",
  });
  add("a subject without versions where they are wanted", fileOf(honest), refused("BAD_PROOF"), {
    wanted: `versions ${P}`,
  });
  add("another zone", fileOf(honest), refused("BAD_LOG_SIGNATURE"), {
    zone: "l.example.com",
    policy: policies.clock.replaceAll(/^log .*\n/gm, `log ${OTHER_ZONE_KEY.vkey}\n`),
  });
  add("another log key", fileOf(honest), refused("BAD_LOG_SIGNATURE"), {
    policy: policies.clock.replace(keys.log.vkey, keys.otherLog.vkey),
  });
  add(
    "a wrong log signature",
    fileOf({
      ...honest,
      signatures:
        noteLine(keys.log, flip(sign(keys.log, honest.checkpoint), 3)) +
        cosignatureLine("clock", honest.checkpoint, NOW - 60),
    }),
    refused("BAD_LOG_SIGNATURE"),
  );
  add(
    "the log signature twice",
    fileOf({ ...honest, signatures: noteLine(keys.log, sign(keys.log, honest.checkpoint)) + honest.signatures }),
    refused("BAD_LOG_SIGNATURE"),
  );
  add(
    "no log signature",
    fileOf({ ...honest, signatures: cosignatureLine("clock", honest.checkpoint, NOW - 60) }),
    refused("BAD_LOG_SIGNATURE"),
  );
  add(
    "a wrong hash",
    fileOf({ ...honest, hashes: honest.hashes.map((hash, i) => (i === 0 ? flip(hash, 5) : hash)) }),
    refused("BAD_PROOF"),
  );
  add(
    "the leaf of another epoch",
    fileOf(parts([subject(MODULE), leaf(8), answer(log.answer(8, P))])),
    refused("BAD_PROOF"),
  );
  add("another sumdb key", fileOf(honest), refused("BAD_SUMDB_SIGNATURE"), { sumdbKey: keys.otherSumdb.vkey });
  add(
    "a wrong cosignature",
    fileOf({
      ...honest,
      signatures:
        noteLine(keys.log, sign(keys.log, honest.checkpoint)) + cosignatureLine("clock", log.checkpoint(8), NOW - 60),
    }),
    refused("BAD_COSIGNATURE"),
  );
  add("no cosignature", fileOf(parts(moduleSections, E, [])), refused("NO_QUORUM"));
  add("one cosignature of two", fileOf(honest), refused("NO_QUORUM"), { policy: policies.both });
  add("a quorum of none", fileOf(honest), refused("NO_FRESHNESS"), { policy: policies.none });
  const lax = { isFreshnessRequired: false };
  add("a quorum of none, where freshness is not required", fileOf(honest), said(MODULE, { value, ageTime: 0 }), {
    ...lax,
    policy: policies.none,
  });
  add("no quorum, where freshness is not required", fileOf(parts(moduleSections, E, [])), refused("NO_QUORUM"), lax);
  add("a clock past the window", fileOf(honest), refused("STALE"), { clock: NOW + 86_400 });
  add("a clock before the window", fileOf(honest), refused("FROM_FUTURE"), { clock: NOW - 361 });
  add(
    "an answer that does not decode",
    fileOf(parts([subject(MODULE), leaf(), answer(log.answer(E, P).slice(0, -1))])),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "an answer of another epoch",
    fileOf(parts([subject(MODULE), leaf(), answer(log.answer(8, P))])),
    refused("WRONG_EPOCH"),
  );
  add(
    "an answer of another subject",
    fileOf(parts([subject(MODULE), leaf(), answer(log.answer(E, "example.com/other"))])),
    refused("BAD_PROOF"),
  );
  add(
    "versions without a state",
    fileOf(parts([subject(`versions ${P}`), leaf(), answer(log.answer(E, P))])),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "pages in another order",
    fileOf(parts(versionSections([list[1] as Bytes, list[0] as Bytes, ...list.slice(2)]))),
    refused("BAD_VERSIONS"),
  );
  const older = record(P, "v0.9.0");
  add(
    "the record of another version than the latest",
    fileOf(parts([...moduleSections, ...older.sections])),
    refused("BAD_RECORD_PROOF"),
  );
  add(
    "the record of another version than the subject's",
    fileOf(parts([subject(RECORD), leaf(), ...older.sections])),
    refused("BAD_RECORD_PROOF"),
  );
  add(
    "two records",
    fileOf(
      parts([
        subject(RECORD),
        leaf(),
        [5, page([older.entry, latest.entry].sort((a, b) => Number(a.index) - Number(b.index)))],
        latest.sections[1] as Section,
      ]),
    ),
    refused("BAD_RECORD_PROOF"),
  );
  add(
    "a record with another hash",
    fileOf(
      parts([
        subject(RECORD),
        leaf(),
        [5, page([{ ...latest.entry, zipHash: flip(latest.entry.zipHash, 0) }])],
        latest.sections[1] as Section,
      ]),
    ),
    refused("BAD_RECORD_PROOF"),
  );
  add(
    "a record with the proof of another",
    fileOf(parts([subject(RECORD), leaf(), latest.sections[0] as Section, older.sections[1] as Section])),
    refused("BAD_RECORD_PROOF"),
  );
  add(
    "a record that does not decode",
    fileOf(parts([subject(RECORD), leaf(), [5, bytes(11, 2)], latest.sections[1] as Section])),
    refused("MALFORMED_ANSWER"),
  );
  add("a policy that does not parse", fileOf(honest), refused("MALFORMED_POLICY"), { policy: "logs\n" });
  return out;
}
