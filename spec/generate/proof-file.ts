import { type Bytes, base64, bytes, concat, fill, flip, hex, makeKey, noteLine, sign, utf8, uv } from "./bytes.ts";
import { pages, recordProof } from "./client-answer.ts";
import { COMMON, type Common, refused } from "./client-head.ts";
import { checkpointText, leafText, uint64 } from "./log.ts";
import { inclusionProof } from "./merkle.ts";
import { cosign, type Entry, logProof, page, TAG, textSection } from "./payload.ts";
import type { Vector } from "./vector.ts";
import { keys, type Log, NOW, policies, world } from "./world.ts";

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
  ofLog: Log = log,
): FileParts {
  const checkpoint = ofLog.checkpoint(epoch);
  const cosignatures = cosigners.map((name, i) => cosignatureLine(name, checkpoint, NOW - 60 - i));
  return {
    type: "c2sp.org/tlog-proof@v1",
    extraType: TYPE,
    sections,
    extra: "",
    index: String(epoch - 1),
    hashes: inclusionProof(epoch - 1, ofLog.leaves.slice(0, epoch)),
    checkpoint,
    signatures: noteLine(keys.log, sign(keys.log, checkpoint)) + cosignatures.join(""),
  };
}

function cosignatureLine(name: keyof typeof keys, checkpoint: string, time: number): string {
  return noteLine(keys[name], cosignatureBlob(name, checkpoint, time));
}

function cosignatureBlob(name: keyof typeof keys, checkpoint: string, time: number): Bytes {
  return concat(uint64(time), cosign(keys[name], checkpoint, time).signature);
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
    options: Partial<Common> & { wanted?: string; clock?: number; repeat?: readonly [number, string, number] } = {},
  ) => {
    const { wanted = null, clock = null, repeat, ...common } = options;
    out.push({
      name,
      operation: "proof-file",
      ...COMMON,
      ...common,
      now: clock,
      subject: wanted,
      text,
      ...(repeat === undefined ? {} : { repeat }),
      expect,
    } as Vector);
  };
  /** A file with a long run of one text, which is cut out and put in again. */
  const addLong = (name: string, text: string, what: string, expect: unknown, wanted: string) => {
    const at = text.indexOf(what.repeat(1000));
    let end = at;
    while (text.startsWith(what, end)) end += what.length;
    const times = (end - at) / what.length;
    add(name, text.slice(0, at) + text.slice(end), expect, { wanted, repeat: [at, what, times] });
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
  /** Pages of so many records each; after the module's own one that follows. */
  const paged = (...lengths: readonly number[]): Bytes[] => {
    const own = world.module(E, THREE).map(({ index, version, zipHash, goModHash }): Entry => {
      return { index, version: version.text, zipHash, goModHash };
    });
    const last = own.at(-1) as Entry;
    const entries = [...own, { ...last, index: Number(last.index) + 1 }];
    return lengths.map((length) => page(entries.splice(0, length)));
  };
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
  const logLine = noteLine(keys.log, sign(keys.log, honest.checkpoint));
  const clockLine = cosignatureLine("clock", honest.checkpoint, NOW - 60);
  const strangerLine = noteLine(keys.stranger, bytes(1));
  const signedBy = (...lines: string[]) => fileOf({ ...honest, signatures: lines.join("") });
  const times = (count: number, line: string) => Array.from({ length: count }, () => line);
  add("signature lines in another order", signedBy(clockLine, strangerLine, logLine), said(MODULE, { value }));
  add("100 signature lines", signedBy(logLine, ...times(98, strangerLine), clockLine), said(MODULE, { value }));
  const lineOf = (name: string, id: Bytes, blob: Bytes) => noteLine({ name, id }, blob);
  const otherLines: readonly (readonly [string, string])[] = [
    ["a line of the log's name with another key id", lineOf(keys.log.name, keys.otherLog.id, fill(1, 64))],
    ["a line of the log's key id with another name", lineOf("m.example.org/p1", keys.log.id, fill(1, 64))],
    ["a line of a witness's name with another key id", lineOf(keys.clock.name, keys.w1.id, fill(1, 71))],
    ["a line of a witness's key id with another name", lineOf("m.example.org/clock", keys.clock.id, fill(1, 71))],
  ];
  for (const [name, line] of otherLines) add(name, signedBy(line, logLine, line, clockLine), said(MODULE, { value }));
  const late = 2 ** 53 - 1;
  add(
    "a time of 2^53 - 1",
    signedBy(logLine, cosignatureLine("clock", honest.checkpoint, late)),
    said(MODULE, { value, ageTime: late }),
  );
  add(
    "no clock, and two cosigners whose times lie further apart than maxAge",
    signedBy(logLine, clockLine, cosignatureLine("w1", honest.checkpoint, 1)),
    said(MODULE, { value, ageTime: 1 }),
    { policy: policies.both },
  );
  for (const code of [0x80, 0x9f, 0x180e, 0x200b]) {
    const line = lineOf(`m${String.fromCharCode(code)}n`, keys.stranger.id, bytes(1));
    add(
      `a signature line of a key name with U+${code.toString(16).toUpperCase().padStart(4, "0")}`,
      signedBy(logLine, line, clockLine),
      said(MODULE, { value }),
    );
  }
  add(
    "a time of 1",
    signedBy(logLine, cosignatureLine("clock", honest.checkpoint, 1)),
    said(MODULE, { value, ageTime: 1 }),
  );
  add("a clock at the end of maxAge", fileOf(honest), said(MODULE, { value }), { clock: NOW, maxAge: 60 });
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
    ["a hash of 31 bytes", fileOf({ ...honest, hashes: [(honest.hashes[0] as Bytes).slice(1)] })],
    ["no blank line", fileOf(honest).replaceAll("\n\n", "\n")],
    ["a checkpoint without a signature", fileOf({ ...honest, signatures: "" })],
    ["a checkpoint with an extension line", fileOf({ ...honest, checkpoint: `${honest.checkpoint}more\n` })],
    ["no line feed at the end", fileOf(honest).slice(0, -1)],
    [
      "a cosignature of 71 bytes",
      fileOf({
        ...honest,
        signatures: logLine + noteLine(keys.clock, cosignatureBlob("clock", honest.checkpoint, NOW - 60).slice(0, -1)),
      }),
    ],
    [
      "a cosignature of 73 bytes",
      signedBy(logLine, noteLine(keys.clock, concat(cosignatureBlob("clock", honest.checkpoint, NOW - 60), bytes(0)))),
    ],
    ["a cosignature of time 0", signedBy(logLine, cosignatureLine("clock", honest.checkpoint, 0))],
    ["a cosignature of time 2^53", signedBy(logLine, cosignatureLine("clock", honest.checkpoint, 2 ** 53))],
    ...[0x7f, 0x85, 0xa0, 0x2003, 0x3000, 0xfeff].map((code): [string, string] => [
      `a signature line of a key name with U+${code.toString(16).toUpperCase().padStart(4, "0")}`,
      signedBy(logLine, lineOf(`m${String.fromCharCode(code)}n`, keys.stranger.id, bytes(1)), clockLine),
    ]),
    ["a signature line of no key name", signedBy(logLine, lineOf("", keys.stranger.id, bytes(1)), clockLine)],
    [
      "a signature line of a key name with a plus",
      signedBy(logLine, lineOf("m+n", keys.stranger.id, bytes(1)), clockLine),
    ],
    ["a signature line of four bytes", signedBy(logLine, lineOf("m", keys.stranger.id, new Uint8Array(0)), clockLine)],
    ["a subject after a byte order mark", fileOf(parts([subject(`\ufeff${MODULE}`), ...moduleSections.slice(1)]))],
    ["a leaf that is not UTF-8", fileOf(parts([subject(MODULE), [2, bytes(0xc3, 0x28)], answer(log.answer(E, P))]))],
    ["101 signature lines", signedBy(logLine, ...times(99, strangerLine), clockLine)],
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
    ["a record more on the last page", fileOf(parts(versionSections(paged(256, 256, 4))))],
    ["a record too few on the last page", fileOf(parts(versionSections(paged(256, 256, 2))))],
    ["a record too few on the first page", fileOf(parts(versionSections(paged(255, 256, 4))))],
    ["pages of which the shorter one stands first", fileOf(parts(versionSections(paged(3, 256, 256))))],
    ["a page too few, of which one does not decode", fileOf(parts(versionSections([bytes(11, 2), list[1] as Bytes])))],
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
  add(
    "a record of an absent module, which does not decode",
    fileOf(
      parts([subject(`module ${gone}`), leaf(), answer(log.answer(E, gone)), [5, bytes(11, 2)], [6, bytes(11, 2)]]),
    ),
    refused("MALFORMED_PROOF"),
  );
  add(
    "a record of an absent module, and the answer is that of another one",
    fileOf(parts([subject(`module ${gone}`), leaf(), answer(log.answer(E, `${gone}-other`)), ...latest.sections])),
    refused("BAD_PROOF"),
  );
  add(
    "a page that does not decode",
    fileOf(parts(versionSections([...list.slice(0, -1), bytes(11, 2)]))),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "a page that does not decode, after one that is too short",
    fileOf(parts(versionSections([paged(255)[0] as Bytes, list[1] as Bytes, bytes(11, 2)]))),
    refused("MALFORMED_ANSWER"),
  );

  // Limits: the last that passes is refused for what comes next, the subject.
  const OTHER = "module example.com/other";
  const limit = (name: string, text: string, isWithin: boolean) =>
    add(name, text, refused(isWithin ? "BAD_PROOF" : "MALFORMED_PROOF"), { wanted: OTHER });
  for (const count of [63, 64]) {
    const hashes = Array.from({ length: count }, () => honest.hashes[0] as Bytes);
    limit(`${count} hashes, and another subject than the wanted one`, fileOf({ ...honest, hashes }), count === 63);
  }
  for (const count of [1024, 1025]) {
    const empty = Array.from({ length: count - 3 }, () => new Uint8Array(0));
    limit(
      `${count} sections, and another subject than the wanted one`,
      fileOf(parts(versionSections(empty))),
      count === 1024,
    );
  }
  const padded = parts(versionSections([new Uint8Array(3_139_000)]));
  const named = (name: string) =>
    fileOf({ ...padded, signatures: `${padded.signatures}${lineOf(name, keys.stranger.id, bytes(1))}` });
  for (const [length, code] of [
    [4_194_304, "BAD_PROOF"],
    [4_194_305, "MALFORMED_PROOF"],
  ] as const) {
    const text = named("x".repeat(length - utf8(named("")).length));
    addLong(`${length} bytes, and another subject than the wanted one`, text, "AAAA", refused(code), OTHER);
  }
  const noteLength = honest.checkpoint.length + 1 + honest.signatures.length;
  for (const [length, code] of [
    [1_000_000, "BAD_PROOF"],
    [1_000_001, "MALFORMED_PROOF"],
  ] as const) {
    const rest = length - noteLength - lineOf("", keys.stranger.id, bytes(1)).length;
    const name = `${"x".repeat(2 + (rest % 2))}${"\u{1d535}".repeat(Math.floor(rest / 2) - 1)}`;
    const text = fileOf({
      ...honest,
      signatures: `${honest.signatures}${lineOf(name, keys.stranger.id, bytes(1))}`,
    });
    addLong(`a note of ${length} UTF-16 code units, and another subject`, text, "\u{1d535}", refused(code), OTHER);
  }

  // What comes first.
  add("nothing, with a policy that does not parse", "", refused("MALFORMED_POLICY"), { policy: "logs\n" });
  add("nothing, in a zone that the policy has no log of", "", refused("NO_LOG_KEY"), { zone: "m.example.org" });
  add("nothing, with a sumdb key that is none", "", refused("MALFORMED_VERIFIER_KEY"), { sumdbKey: "sum.example.org" });
  add("another subject than the wanted one, and no log signature", signedBy(clockLine), refused("BAD_PROOF"), {
    wanted: OTHER,
  });
  add(
    "no log signature, and a hash too few",
    fileOf({ ...honest, hashes: honest.hashes.slice(1), signatures: clockLine }),
    refused("BAD_LOG_SIGNATURE"),
  );
  const shortLine = noteLine(keys.clock, fill(1, 71));
  add(
    "another sumdb key, and a cosignature of 71 bytes",
    signedBy(logLine, shortLine),
    refused("BAD_SUMDB_SIGNATURE"),
    {
      sumdbKey: keys.otherSumdb.vkey,
    },
  );
  const forged = log.fork(E, (old) => {
    const sumdbSignature = flip(old.sumdbSignature, 3);
    return {
      ...old,
      sumdbSignature,
      leaf: leafText(old.mapRoot, old.sumdbSize, old.sumdbRoot, sumdbSignature, keys.sumdb),
    };
  });
  const unsigned = parts(
    [subject(MODULE), [2, utf8(forged.epoch(E).leaf)], answer(log.answer(E, P))],
    E,
    ["clock"],
    forged,
  );
  add("a wrong sumdb signature", fileOf(unsigned), refused("BAD_SUMDB_SIGNATURE"));
  const forgedLine = noteLine(keys.log, sign(keys.log, unsigned.checkpoint));
  add(
    "a wrong sumdb signature, and a wrong cosignature",
    fileOf({ ...unsigned, signatures: forgedLine + clockLine }),
    refused("BAD_SUMDB_SIGNATURE"),
  );
  add(
    "a wrong sumdb signature, and a cosignature of 71 bytes",
    fileOf({ ...unsigned, signatures: forgedLine + shortLine }),
    refused("MALFORMED_PROOF"),
  );

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
    "a leaf that is none",
    fileOf(parts([subject(MODULE), [2, utf8("nothing")], answer(log.answer(E, P))])),
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
  for (const length of [63, 65]) {
    const blob = concat(sign(keys.log, honest.checkpoint), bytes(0)).slice(0, length);
    add(
      `a log signature of ${length} bytes`,
      signedBy(noteLine(keys.log, blob), clockLine),
      refused("BAD_LOG_SIGNATURE"),
    );
  }
  const elsewhere = checkpointText("m.example.org/p1", E, log.root(E));
  add(
    "the checkpoint of another log, signed by the log's key",
    fileOf({
      ...honest,
      checkpoint: elsewhere,
      signatures: noteLine(keys.log, sign(keys.log, elsewhere)) + cosignatureLine("clock", elsewhere, NOW - 60),
    }),
    refused("BAD_LOG_SIGNATURE"),
  );
  add(
    "the checkpoint of another log, signed by the log's key, and a hash too few",
    fileOf({
      ...honest,
      hashes: honest.hashes.slice(1),
      checkpoint: elsewhere,
      signatures: noteLine(keys.log, sign(keys.log, elsewhere)) + cosignatureLine("clock", elsewhere, NOW - 60),
    }),
    refused("BAD_LOG_SIGNATURE"),
  );
  const signature = sign(keys.log, honest.checkpoint);
  add(
    "the log's signature under another key id",
    signedBy(lineOf(keys.log.name, keys.otherLog.id, signature), clockLine),
    refused("BAD_LOG_SIGNATURE"),
  );
  add(
    "the log's signature under another name",
    signedBy(lineOf("m.example.org/p1", keys.log.id, signature), clockLine),
    refused("BAD_LOG_SIGNATURE"),
  );
  const cosignature = cosignatureBlob("clock", honest.checkpoint, NOW - 60);
  add(
    "a cosignature under another key id",
    signedBy(logLine, lineOf(keys.clock.name, keys.w1.id, cosignature)),
    refused("NO_QUORUM"),
  );
  add(
    "a cosignature under another name",
    signedBy(logLine, lineOf("m.example.org/clock", keys.clock.id, cosignature)),
    refused("NO_QUORUM"),
  );
  add("a clock a second past the end of maxAge", fileOf(honest), refused("STALE"), { clock: NOW, maxAge: 59 });
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
  const { sumdbSize } = log.epoch(E);
  const beyond = (index: number | bigint, proof: Bytes) =>
    fileOf(parts([subject(RECORD), leaf(), [5, page([{ ...latest.entry, index }])], [6, proof]]));
  const proofOfLatest = (latest.sections[1] as Section)[1];
  add("a record whose index is the sumdb's size", beyond(sumdbSize, proofOfLatest), refused("BAD_RECORD_PROOF"));
  add("a record whose index is 2^53 - 1, without a hash", beyond(late, logProof([])), refused("BAD_RECORD_PROOF"));
  add(
    "a record whose index is the sumdb's size, and no proof",
    beyond(sumdbSize, bytes(11, 2)),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "a record whose proof has a hash less",
    beyond(latest.entry.index, proofOfLatest.slice(0, -32)),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "the record of another version, and a proof that does not decode",
    fileOf(parts([subject(RECORD), leaf(), older.sections[0] as Section, [6, bytes(11, 2)]])),
    refused("MALFORMED_ANSWER"),
  );
  add(
    "the record of another version, and a proof with a hash less",
    fileOf(parts([subject(RECORD), leaf(), older.sections[0] as Section, [6, proofOfLatest.slice(0, -32)]])),
    refused("BAD_RECORD_PROOF"),
  );
  add("a policy that does not parse", fileOf(honest), refused("MALFORMED_POLICY"), { policy: "logs\n" });
  return out;
}
