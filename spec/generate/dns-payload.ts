import { type Bytes, bytes, concat, fill, hashOf, hex, utf8, uv } from "./bytes.ts";
import {
  type AnswerProof,
  type Cosignature,
  cosignatureSection,
  type Entry,
  entryBytes,
  type HeadParts,
  hashSection,
  headSection,
  logProof,
  page,
  proofSection,
  TAG,
  textSection,
} from "./payload.ts";
import type { Vector } from "./vector.ts";

/** Vectors of dns.md §2: payloads that are decoded, payloads that are not, and the strings that they are sent as. */

export type PayloadKind = "head-plain" | "head-since" | "answer" | "page" | "log-proof";

const MALFORMED = { refused: "MALFORMED_ANSWER" };
const NONE = new Uint8Array(0);
const MAX = 2n ** 53n - 1n;
const MAX_PAYLOAD = 64_500;

const head: HeadParts = {
  epoch: 300,
  logSignature: fill(0x11, 64),
  mapRoot: fill(0x22),
  sumdbSize: 70_000,
  sumdbRoot: fill(0x33),
  sumdbSignature: fill(0x44, 64),
};

function cosignature(id: string, time: number): Cosignature {
  return { keyId: Buffer.from(id, "hex"), time, signature: fill(0x55, 64) };
}

function decodedHead(parts: HeadParts, cosignatures: readonly Cosignature[], hashes: readonly Bytes[]) {
  return {
    epoch: Number(parts.epoch),
    logSignature: hex(parts.logSignature),
    mapRoot: hex(parts.mapRoot),
    sumdbSize: Number(parts.sumdbSize),
    sumdbRoot: hex(parts.sumdbRoot),
    sumdbSignature: hex(parts.sumdbSignature),
    cosignatures: cosignatures.map(({ keyId, time, signature }) => ({
      keyId: hex(keyId),
      time,
      signature: hex(signature),
    })),
    hashes: hashes.map(hex),
  };
}

function decodedProof(proof: AnswerProof) {
  if (proof.kind === "emptyMap") return { kind: proof.kind };
  const common = { kind: proof.kind, bits: proof.bits, siblings: proof.siblings.map(hex) };
  return proof.kind === "inclusion"
    ? common
    : { ...common, otherKey: hex(proof.other[0]), otherValue: hex(proof.other[1]) };
}

export function dnsPayloadVectors(): Vector[] {
  const out: Vector[] = [];
  const add = (name: string, kind: PayloadKind, payload: Bytes, expect: unknown) =>
    out.push({ name, operation: "payload", kind, payload: hex(payload), expect } as Vector);
  const refuse = (name: string, kind: PayloadKind, ...parts: Bytes[]) => add(name, kind, concat(...parts), MALFORMED);

  // Heads.
  const H = headSection(head);
  const three = [
    cosignature("00000001", 1_700_000_000),
    cosignature("fffffffe", 1_700_000_000),
    cosignature("00000000", 1_700_000_300),
  ];
  const hashes = [fill(0x66), fill(0x77)];
  for (const [kind, tag] of [
    ["head-plain", TAG.frontier],
    ["head-since", TAG.extension],
  ] as const) {
    const tail = hashSection(tag, hashes);
    add(`${kind}: a head without cosignatures and hashes`, kind, concat(H, bytes(tag)), decodedHead(head, [], []));
    add(
      `${kind}: a head with three cosignatures and two hashes`,
      kind,
      concat(H, cosignatureSection(three), tail),
      decodedHead(head, three, hashes),
    );
    for (const [name, epoch, sumdbSize] of [
      ["the smallest numbers", 1, 0],
      ["numbers of one byte", 127, 127],
      ["numbers of two bytes", 128, 16_383],
      ["the greatest numbers", MAX, MAX],
    ] as const) {
      const parts = { ...head, epoch, sumdbSize };
      add(`${kind}: ${name}`, kind, concat(headSection(parts), tail), decodedHead(parts, [], hashes));
    }
    const edge = [cosignature("00000001", 1), cosignature("00000002", 1), cosignature("00000000", Number(MAX))];
    add(
      `${kind}: the smallest and the greatest time`,
      kind,
      concat(H, cosignatureSection(edge), tail),
      decodedHead(head, edge, hashes),
    );
    const other = tag === TAG.frontier ? TAG.extension : TAG.frontier;
    refuse(`${kind}: the section of the other form`, kind, H, hashSection(other, hashes));
    refuse(
      `${kind}: both sections of hashes`,
      kind,
      H,
      hashSection(TAG.frontier, hashes),
      hashSection(TAG.extension, hashes),
    );
    refuse(`${kind}: no section of hashes`, kind, H);
    refuse(`${kind}: no section of hashes after cosignatures`, kind, H, cosignatureSection(three));
    refuse(`${kind}: a hash cut off`, kind, H, tail.slice(0, -1));
    refuse(`${kind}: a byte more`, kind, H, tail, bytes(0));
    refuse(`${kind}: text before the head`, kind, utf8("v=v1"), H, tail);
    refuse(`${kind}: no head section`, kind, tail);
    refuse(`${kind}: the head section twice`, kind, H, H, tail);
    refuse(`${kind}: cosignatures twice`, kind, H, cosignatureSection(three), cosignatureSection(three), tail);
    refuse(`${kind}: cosignatures before the head`, kind, cosignatureSection(three), H, tail);
    refuse(`${kind}: cosignatures behind the hashes`, kind, H, tail, cosignatureSection(three));
    refuse(`${kind}: an unknown section`, kind, H, bytes(0x0d), tail);
    refuse(`${kind}: the tag 0`, kind, bytes(0), H.slice(1), tail);
  }
  const tail = hashSection(TAG.frontier, hashes);
  const plain = (name: string, ...parts: Bytes[]) => refuse(name, "head-plain", ...parts);
  plain("nothing");
  plain("a tag alone", bytes(TAG.head));
  plain("epoch 0", headSection({ ...head, epoch: 0 }), tail);
  plain("epoch 2^53", headSection({ ...head, epoch: MAX + 1n }), tail);
  plain("a sumdb size of 2^53", headSection({ ...head, sumdbSize: MAX + 1n }), tail);
  plain("an epoch of 2^64", headSection({ ...head, epoch: 2n ** 64n }), tail);
  const rest = H.slice(3);
  plain("an epoch that is not minimal", bytes(TAG.head, 0xac, 0x82, 0x00), rest, tail);
  plain("epoch 0 that is not minimal", bytes(TAG.head, 0x80, 0x00), rest, tail);
  plain("an epoch without end", bytes(TAG.head), fill(0x80, 200), tail);
  plain("an epoch of eleven bytes", bytes(TAG.head), fill(0xff, 10), bytes(0x01), rest, tail);
  plain("a sumdb size that is not minimal", H.slice(0, 99), bytes(0xf0, 0xa2, 0x84, 0x00), H.slice(102), tail);
  for (const at of [2, 40, 99, 101, 120, 190]) plain(`cut off after ${at} bytes`, H.slice(0, at));
  const C = cosignatureSection(three);
  const one = (id: string, delta: Bytes) => concat(Buffer.from(id, "hex"), delta, fill(0x55, 64));
  const list = (count: Bytes, ...parts: Bytes[]) => concat(bytes(TAG.cosignatures), count, ...parts);
  plain("no cosignatures in their section", H, list(uv(0)), tail);
  plain("a count that is not minimal", H, list(bytes(0x81, 0), one("00000001", uv(5))), tail);
  plain("a count too small", H, list(uv(1), one("00000001", uv(5)), one("00000002", uv(5))), tail);
  plain("a count too large", H, list(uv(2), one("00000001", uv(5))), tail);
  plain("a huge count", H, list(uv(MAX), one("00000001", uv(5))), tail);
  plain("a cosignature of time 0", H, list(uv(1), one("00000001", uv(0))), tail);
  plain("a second cosignature of time 0", H, list(uv(2), one("00000001", uv(0)), one("00000002", uv(0))), tail);
  plain("a time of 2^53", H, list(uv(1), one("00000001", uv(MAX + 1n))), tail);
  plain("times that add up to 2^53", H, list(uv(2), one("00000001", uv(MAX)), one("00000002", uv(1))), tail);
  plain(
    "times that add up to far beyond 2^53",
    H,
    list(uv(2), one("00000001", uv(MAX)), one("00000002", uv(MAX))),
    tail,
  );
  plain("a time that is not minimal", H, list(uv(1), one("00000001", bytes(0x85, 0x00))), tail);
  plain("key ids out of order at one time", H, list(uv(2), one("00000002", uv(5)), one("00000001", uv(0))), tail);
  plain("key ids out of order as unsigned bytes", H, list(uv(2), one("80000000", uv(5)), one("7fffffff", uv(0))), tail);
  plain("a key id twice at one time", H, list(uv(2), one("00000001", uv(5)), one("00000001", uv(0))), tail);
  plain("a key id twice at two times", H, list(uv(2), one("00000001", uv(5)), one("00000001", uv(1))), tail);
  plain(
    "a key id twice with another between",
    H,
    list(uv(3), one("00000001", uv(5)), one("00000002", uv(1)), one("00000001", uv(1))),
    tail,
  );
  plain("a cosignature cut off", H, C.slice(0, -1));
  const descending = [cosignature("00000005", 5), cosignature("00000001", 9), cosignature("00000000", 10)];
  add(
    "key ids may descend while times ascend",
    "head-plain",
    concat(H, cosignatureSection(descending), tail),
    decodedHead(head, descending, hashes),
  );
  const big = [cosignature("7fffffff", 5), cosignature("80000000", 5), cosignature("ffffffff", 5)];
  add("key ids are unsigned", "head-plain", concat(H, cosignatureSection(big), tail), decodedHead(head, big, hashes));
  const fits = Math.floor((64_500 - H.length - 1) / 32);
  const crowd = Array.from({ length: fits }, () => fill(0x66));
  add(
    "a head of nearly 64,500 bytes",
    "head-plain",
    concat(H, hashSection(TAG.frontier, crowd)),
    decodedHead(head, [], crowd),
  );
  plain("a head of over 64,500 bytes", H, hashSection(TAG.frontier, [...crowd, fill(0x66)]));

  // Module answers.
  const value = "v=v1.2.3 i=7";
  const inclusion: AnswerProof = {
    kind: "inclusion",
    bits: [255, 17, 3, 0],
    siblings: [fill(1), fill(2), fill(3), fill(4)],
  };
  const short: AnswerProof = { kind: "inclusion", bits: [], siblings: [] };
  const non: AnswerProof = {
    kind: "nonInclusion",
    bits: [9],
    siblings: [fill(5)],
    other: [hashOf("other"), utf8("x")],
  };
  const stateText = "n 1\np x\n";
  const items = "p=v3 v=v3.0.0 i=1; p=v2 v=v2.0.0 i=0";
  const S = textSection(TAG.state, stateText);
  const M = textSection(TAG.majors, items);
  const I = proofSection(9, inclusion);
  const N = proofSection(9, non);
  const E = proofSection(9, { kind: "emptyMap" });
  const answer = (
    name: string,
    text: string,
    proof: AnswerProof,
    more: { stateText?: string; majorItems?: string } = {},
    epoch = 9,
  ) => {
    const parts = [utf8(text), proofSection(epoch, proof)];
    if (more.stateText !== undefined) parts.push(textSection(TAG.state, more.stateText));
    if (more.majorItems !== undefined) parts.push(textSection(TAG.majors, more.majorItems));
    add(name, "answer", concat(...parts), {
      text,
      epoch,
      proof: decodedProof(proof),
      stateText: more.stateText ?? null,
      majorItems: more.majorItems ?? null,
    });
  };
  answer("present", value, inclusion);
  answer("present, with the only leaf of a tree", value, short);
  answer("present, with a state", value, inclusion, { stateText });
  answer("present, with majors", value, inclusion, { majorItems: items });
  answer("present, with a state and majors", value, inclusion, { stateText, majorItems: items });
  answer("present, with a text of one byte", "~", short);
  answer("present, with a text of 255 bytes", " ".repeat(255), short);
  answer("present, with a state of one byte", value, short, { stateText: "\n" });
  answer("present, with a state of 60,000 bytes", value, short, { stateText: "q".repeat(60_000) });
  answer("absent", "", non);
  answer("absent, beside the only leaf of a tree", "", { ...non, bits: [], siblings: [] } as AnswerProof);
  answer("absent, with a value that is no text", "", { ...non, other: [fill(0xff), fill(0x00, 300)] } as AnswerProof);
  answer("absent from an empty map", "", { kind: "emptyMap" });
  answer("epoch 2^53 - 1", "", { kind: "emptyMap" }, {}, Number(MAX));
  const no = (name: string, ...parts: Bytes[]) => refuse(`answer: ${name}`, "answer", ...parts);
  no("nothing");
  no("a text alone", utf8(value));
  no("a text of 256 bytes", utf8("x".repeat(256)), I);
  no("a text that is not of printable bytes", utf8("v=é"), I);
  no("a line feed in the text", utf8("v=v1\n"), I);
  no("a text and non-inclusion", utf8(value), N);
  no("a text and an empty map", utf8(value), E);
  no("no text and inclusion", I);
  no("inclusion and non-inclusion", utf8(value), I, N);
  no("inclusion twice", utf8(value), I, I);
  no("inclusion and an empty map", utf8(value), I, E);
  no("non-inclusion and an empty map", N, E);
  no("an empty map with a path", E, bytes(0));
  no("no proof, but a state", utf8(value), S);
  no("the state before the proof", utf8(value), S, I);
  no("the state behind the majors", utf8(value), I, M, S);
  no("the state twice", utf8(value), I, S, S);
  no("the majors twice", utf8(value), I, M, M);
  no("absent with a state", N, S);
  no("absent with majors", N, M);
  no("an empty map with a state", E, S);
  no("an empty map with majors", E, M);
  no("an empty state", utf8(value), I, textSection(TAG.state, ""));
  no("empty majors", utf8(value), I, textSection(TAG.majors, ""));
  for (const [name, byte] of [
    ["a NUL", 0],
    ["a tab", 9],
    ["a carriage return", 13],
    ["0x7f", 0x7f],
    ["0x80", 0x80],
  ] as const) {
    no(`${name} in the state`, utf8(value), I, textSection(TAG.state, concat(utf8("n 1"), bytes(byte))));
    no(`${name} in the majors`, utf8(value), I, textSection(TAG.majors, concat(utf8("p=v2"), bytes(byte))));
  }
  no("a state longer than the payload", utf8(value), I, bytes(TAG.state), uv(100), utf8("n 1\n"));
  no("a state of 2^53 - 1 bytes", utf8(value), I, bytes(TAG.state), uv(MAX), utf8("n 1\n"));
  no("a state shorter than its text", utf8(value), I, bytes(TAG.state), uv(3), utf8("n 1\n"));
  no("the length of a state that is not minimal", utf8(value), I, bytes(TAG.state, 0x84, 0x00), utf8("n 1\n"));
  no("the length of majors that is not minimal", utf8(value), I, bytes(TAG.majors, 0x84, 0x00), utf8("p=v2"));
  no("epoch 0, inclusion", utf8(value), proofSection(0, inclusion));
  no("epoch 0, non-inclusion", proofSection(0, non));
  no("epoch 0, empty map", proofSection(0, { kind: "emptyMap" }));
  no("epoch 2^53", proofSection(MAX + 1n, { kind: "emptyMap" }));
  no("an epoch that is not minimal", bytes(TAG.emptyMap, 0x89, 0x00));
  no("an epoch cut off", bytes(TAG.emptyMap, 0x89));
  no("a bitmap of 33 bytes", utf8(value), bytes(TAG.inclusion, 9, 33), fill(0, 32), bytes(1), fill(1));
  no("a bitmap that ends in zero", utf8(value), bytes(TAG.inclusion, 9, 2, 0x80, 0x00), fill(1));
  no("a bitmap of one zero byte", utf8(value), bytes(TAG.inclusion, 9, 1, 0x00));
  no("a bitmap cut off", utf8(value), bytes(TAG.inclusion, 9, 4, 1, 1));
  no("a sibling cut off", utf8(value), I.slice(0, -1));
  no("a sibling missing", utf8(value), I.slice(0, -32));
  no("a sibling more", utf8(value), I, fill(0));
  no("a byte more", utf8(value), I, bytes(0));
  no("a printable byte more", utf8(value), I, utf8("x"));
  no("an unknown section", utf8(value), I, bytes(0x0a, 1, 0x61));
  no("a section of a head", utf8(value), I, hashSection(TAG.frontier, []));
  no("absent, and the value shown is empty", concat(bytes(TAG.nonInclusion), uv(9), bytes(0), fill(7), uv(0)));
  no(
    "absent, and the value shown is cut off",
    concat(bytes(TAG.nonInclusion), uv(9), bytes(0), fill(7), uv(2), utf8("x")),
  );
  no(
    "absent, and its length is not minimal",
    concat(bytes(TAG.nonInclusion), uv(9), bytes(0), fill(7), bytes(0x81, 0), utf8("x")),
  );
  no("absent, and the key shown is cut off", concat(bytes(TAG.nonInclusion), uv(9), bytes(0), fill(7, 31)));
  no("absent, and a byte more", N, bytes(0));
  const room = MAX_PAYLOAD - value.length - I.length - 4;
  answer("64,500 bytes", value, inclusion, { stateText: "q".repeat(room) });
  no("64,501 bytes", utf8(value), I, textSection(TAG.state, "q".repeat(room + 1)));
  no("over 64,500 bytes", utf8(value), I, textSection(TAG.state, "q".repeat(64_500)));

  // Pages.
  const entry = (index: number | bigint, version = "v1.0.0"): Entry => ({
    index,
    version,
    zipHash: fill(1),
    goModHash: fill(2),
  });
  const pageOf = (name: string, entries: readonly Entry[]) =>
    add(
      name,
      "page",
      page(entries),
      entries.map(({ index, version, zipHash, goModHash }) => ({
        index: Number(index),
        version,
        zipHash: hex(zipHash),
        goModHash: hex(goModHash),
      })),
    );
  pageOf("a page of one record", [entry(0)]);
  pageOf("a page of three records", [entry(0), entry(1, "v1.0.1-0.20200101000000-abc"), entry(70_000, "x")]);
  pageOf(
    "a page of 256 records",
    Array.from({ length: 256 }, (_, i) => entry(i, "!")),
  );
  pageOf("a version of 90 bytes and the greatest index", [entry(5, "~".repeat(90)), entry(MAX)]);
  const noPage = (name: string, ...parts: Bytes[]) => refuse(`page: ${name}`, "page", ...parts);
  noPage("nothing");
  noPage("a tag alone", bytes(TAG.page));
  noPage("no records", page([]));
  noPage("257 records", page(Array.from({ length: 257 }, (_, i) => entry(i, "!"))));
  noPage("a count that is not minimal", bytes(TAG.page, 0x81, 0), entryBytes(entry(0)));
  noPage("a count too large", bytes(TAG.page, 2), entryBytes(entry(0)));
  noPage("a count too small", bytes(TAG.page, 1), entryBytes(entry(0)), entryBytes(entry(1)));
  noPage("an index twice", page([entry(4), entry(4)]));
  noPage("indexes that descend", page([entry(4), entry(3)]));
  noPage("an index of 2^53", page([entry(MAX + 1n)]));
  noPage("an index that is not minimal", bytes(TAG.page, 1, 0x80, 0), entryBytes(entry(0)).slice(1));
  noPage("an empty version", page([entry(0, "")]));
  noPage("a version of 91 bytes", page([entry(0, "v".repeat(91))]));
  noPage("a space in a version", page([entry(0, "v1 0")]));
  noPage("a line feed in a version", page([entry(0, "v1\n")]));
  noPage("0x7f in a version", page([entry(0, "v1\x7f")]));
  noPage("a version that is not ASCII", page([entry(0, "v1é")]));
  noPage("an entry cut off", page([entry(0)]).slice(0, -1));
  noPage("a byte more", page([entry(0)]), bytes(0));
  noPage("text before it", utf8("x"), page([entry(0)]));
  noPage("another section", logProof([fill(1)]));

  // Log proofs.
  for (const count of [0, 1, 2, 53]) {
    const proof = Array.from({ length: count }, (_, i) => fill(i));
    add(`a proof of ${count} hashes`, "log-proof", logProof(proof), proof.map(hex));
  }
  const noProof = (name: string, ...parts: Bytes[]) => refuse(`log proof: ${name}`, "log-proof", ...parts);
  noProof("nothing");
  noProof("a hash cut off", logProof([fill(1)]).slice(0, -1));
  noProof("a byte more", logProof([fill(1)]), bytes(0));
  noProof("text before it", utf8("x"), logProof([fill(1)]));
  noProof("another section", hashSection(TAG.extension, [fill(1)]));
  noProof("over 64,500 bytes", logProof(Array.from({ length: 2032 }, () => fill(1))));

  // Character-strings.
  const txt = (name: string, kind: PayloadKind, payload: Bytes) => {
    const first =
      kind === "answer"
        ? (/^[\x20-\x7e]*/.exec(Buffer.from(payload).toString("latin1")) as RegExpExecArray)[0].length
        : undefined;
    const strings = first === undefined ? [] : [payload.slice(0, first)];
    for (let at = first ?? 0; at < payload.length; at += 255) strings.push(payload.slice(at, at + 255));
    if (strings.length === 0) strings.push(NONE);
    out.push({ name, operation: "txt", payload: hex(payload), kind, expect: { strings: strings.map(hex) } } as Vector);
  };
  txt("a short head", "head-plain", concat(H.slice(0, 100)));
  txt("a head", "head-plain", concat(H, C, tail));
  txt("a head of one whole string", "head-since", fill(1, 255));
  txt("a head of a string and a byte", "head-since", fill(1, 256));
  txt("a head of two whole strings", "head-since", fill(1, 510));
  txt("a log proof of no hashes", "log-proof", logProof([]));
  txt("a log proof of 20 hashes", "log-proof", logProof(Array.from({ length: 20 }, (_, i) => fill(i))));
  txt("a page", "page", page([entry(0), entry(1), entry(2), entry(3)]));
  txt("a present answer", "answer", concat(utf8(value), I));
  txt("a present answer with a text of 255 bytes", "answer", concat(utf8("x".repeat(255)), I, S, M));
  txt(
    "a present answer whose rest is one whole string",
    "answer",
    concat(utf8(value), bytes(TAG.inclusion), fill(1, 254)),
  );
  txt("an absent answer begins with an empty string", "answer", N);
  txt("an answer from an empty map", "answer", E);
  return out;
}
