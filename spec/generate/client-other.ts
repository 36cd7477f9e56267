import {
  type Bytes,
  base64,
  bytes,
  concat,
  fill,
  flip,
  hex,
  type Key,
  malleate,
  noteLine,
  sign,
  signWeak,
  WEAK_POINTS,
  weakKey,
} from "./bytes.ts";
import { COMMON, type HeadVector, refused } from "./client-head.ts";
import { checkpointText, treeHeadText } from "./log.ts";
import { consistencyProof, logRoot } from "./merkle.ts";
import { type cosign, logProof, sorted } from "./payload.ts";
import type { Vector } from "./vector.ts";
import {
  forkedAt,
  type HeadFields,
  keys,
  type Log,
  MAX_AGE,
  type MemoryFields,
  makeEpoch,
  NOW,
  ORIGIN,
  policies,
  world,
} from "./world.ts";

/** Vectors of client.md §6 and §7: the sumdb's growth, ages, and evidence. */

const { log } = world;

function sumdbHashes(m: number, n: number): Bytes[] {
  return consistencyProof(m, world.hashes.slice(0, n));
}

type CommonChange = Partial<typeof COMMON>;

/** Head vectors that are refused, at most two for a code. */
function refusals(heads: readonly HeadVector[], fits: (vector: HeadVector) => boolean): HeadVector[] {
  const codes = new Map<string, number>();
  return heads.filter((vector) => {
    const { refused: code } = vector.expect as { refused?: string };
    if (code === undefined || !fits(vector) || (codes.get(code) ?? 0) >= 2) return false;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    return true;
  });
}

function sumdbVectors(heads: readonly HeadVector[]): Vector[] {
  const out: Vector[] = [];
  const add = (
    name: string,
    memory: MemoryFields | null,
    head: HeadFields,
    payload: Bytes | null,
    expect: unknown,
    common: CommonChange = {},
  ) => {
    const proof = payload === null ? null : hex(payload);
    out.push({ name, operation: "sumdb", ...COMMON, ...common, memory, head, proof, expect } as Vector);
  };
  const size = (epoch: number) => log.epoch(epoch).sumdbSize;
  const grown = (m: number, e: number) => logProof(sumdbHashes(Math.min(size(m), size(e)), Math.max(size(m), size(e))));
  for (const [m, e] of [
    [1, 2],
    [2, 3],
    [3, 9],
    [5, 9],
    [8, 9],
    [9, 10],
    [12, 21],
  ] as const) {
    add(`from ${size(m)} to ${size(e)} records`, log.memory(m), log.ask(e, { since: m }), grown(m, e), "ok");
  }
  add("back to a smaller head", log.memory(12), log.ask(8, { asked: 8, beside: 12 }), grown(12, 8), "ok");
  add("the same epoch", log.memory(9), log.ask(9, { since: 9 }), logProof([]), "ok");
  add("the same epoch, without a payload", log.memory(9), log.ask(9, { since: 9 }), null, "ok");
  add("the same epoch, with a payload that is none", log.memory(9), log.ask(9, { since: 9 }), bytes(0xff), "ok");
  const fromNothing = log.fork(1, (old) => (old === log.epoch(1) ? makeEpoch([], 0, logRoot([])) : old));
  const grownFromNothing = fromNothing.ask(9, { since: 1 });
  add("from an empty sumdb, without a payload", fromNothing.memory(1), grownFromNothing, null, "ok");
  add("from an empty sumdb, with a payload that is none", fromNothing.memory(1), grownFromNothing, bytes(0xff), "ok");
  const ask = (m: number, e: number) => [log.memory(m), log.ask(e, { since: m })] as const;
  const [m5, h9] = ask(5, 9);
  const proof = sumdbHashes(10, 816);
  const malformed = (name: string, payload: Bytes) => add(name, m5, h9, payload, refused("MALFORMED_ANSWER"));
  add("no payload at all", m5, h9, null, refused("CONSISTENCY_MISSING"));
  malformed("no payload", new Uint8Array(0));
  malformed("a byte more", concat(logProof(proof), bytes(0)));
  malformed("a hash missing", logProof(proof.slice(1)));
  malformed("a hash more", logProof([...proof, fill(0)]));
  malformed("no hashes", logProof([]));
  malformed("a head instead of a proof", log.head(9));
  const notProven = (name: string, hashes: readonly Bytes[], memory = m5, head = h9) =>
    add(name, memory, head, logProof(hashes), refused("SUMDB_EXTENSION_NOT_PROVEN"));
  for (const i of [0, 1, proof.length - 1])
    notProven(
      `a bit of hash ${i} turned`,
      proof.map((h, j) => (i === j ? flip(h, 4) : h)),
    );
  notProven("hashes in the other order", proof.toReversed());
  notProven("the proof of the log", [...log.consistencyHashes(5, 9), ...proof].slice(0, proof.length));
  const [m3, e9] = ask(3, 9);
  notProven(
    "a bit turned in the proof from a power of two",
    sumdbHashes(4, 816).map((h, i) => (i === 0 ? flip(h, 4) : h)),
    m3,
    e9,
  );

  // The sumdb signs another tree: of epoch 9 and later all records from the one with index 3 on are others.
  const others = world.hashes.map((h, i) => (i >= 3 ? flip(h, 0) : h));
  const forked = log.fork(9, (old) =>
    makeEpoch(old.pairs, old.sumdbSize, logRoot(others.slice(0, old.sumdbSize)), old.mapRoot),
  );
  const forkedProof = (m: number, n: number) => logProof(consistencyProof(m, others.slice(0, n)));
  add(
    "a sumdb that forked, from a size that is no power of two",
    log.memory(5),
    forked.ask(9, { since: 5 }),
    forkedProof(10, 816),
    refused("SUMDB_FORK"),
  );
  add(
    "a sumdb that forked, from a power of two",
    log.memory(3),
    forked.ask(9, { since: 3 }),
    forkedProof(4, 816),
    refused("SUMDB_EXTENSION_NOT_PROVEN"),
  );
  add(
    "a sumdb that forked, with the proof of the other tree",
    log.memory(5),
    forked.ask(9, { since: 5 }),
    logProof(proof),
    refused("SUMDB_EXTENSION_NOT_PROVEN"),
  );
  add(
    "a sumdb that forked behind what is remembered",
    log.memory(2),
    forked.ask(9, { since: 2 }),
    forkedProof(2, 816),
    "ok",
  );
  add(
    "a sumdb that forked, back to a smaller head",
    forked.memory(12),
    { ...log.ask(5, { asked: 5 }), consistency: hex(forked.consistency(5, 12)) },
    forkedProof(10, size(12)),
    refused("SUMDB_FORK"),
  );
  for (const { name, expect, memory, head, operation: _, ...common } of refusals(
    heads,
    (vector) => vector.memory !== null,
  )) {
    add(`head: ${name}`, memory, head, logProof([]), expect, common);
  }
  for (const { name, expect, head, operation: _, ...common } of refusals(heads, (vector) => vector.memory === null)) {
    add(`head: ${name}, with a memory`, log.memory(9), head, logProof([]), expect, common);
  }
  return out.filter(({ name }) => !name.startsWith("head: ") || keepsCode(name, heads));
}

/** A head vector that was made without a memory keeps its code with the memory of its epoch only if no check of the memory comes first. */
function keepsCode(name: string, heads: readonly HeadVector[]): boolean {
  const found = heads.find((vector) => `head: ${vector.name}, with a memory` === name);
  if (found === undefined) return true;
  const { refused: code } = found.expect as { refused: string };
  return [
    "MALFORMED_POLICY",
    "NO_LOG_KEY",
    "MALFORMED_VERIFIER_KEY",
    "MALFORMED_ANSWER",
    "WRONG_EPOCH",
    "BAD_LOG_SIGNATURE",
    "BAD_SUMDB_SIGNATURE",
    "BAD_COSIGNATURE",
    "NO_FRESHNESS",
    "NO_QUORUM",
    "STALE",
    "FROM_FUTURE",
  ].includes(code);
}

/** A multiple of 3600 about a week before now. */
const TIME = Math.floor(NOW / 3600) * 3600 - 7 * 86_400;

function ageVectors(heads: readonly HeadVector[]): Vector[] {
  const out: Vector[] = [];
  const NEWEST = 14;
  const add = (
    name: string,
    fields: { head?: HeadFields; time?: number; ageHead: Bytes; ageConsistency?: Bytes | null; common?: CommonChange },
    expect: unknown,
  ) => {
    const {
      head = log.ask(NEWEST, { cosignatures: FRESH }),
      time = TIME,
      ageHead,
      ageConsistency = null,
      common = {},
    } = fields;
    const ageConsistencyText = ageConsistency === null ? null : hex(ageConsistency);
    out.push({
      name,
      operation: "age",
      ...COMMON,
      ...common,
      memory: null,
      head,
      time,
      ageHead: hex(ageHead),
      ageConsistency: ageConsistencyText,
      expect,
    } as Vector);
  };
  const FRESH = [
    ["clock", NOW - 60],
    ["w1", NOW - 60],
    ["w2", NOW - 60],
    ["w3", NOW - 60],
  ] as const;
  const old = (epoch: number, times: readonly (readonly [keyof typeof keys, number])[], from: Log = log) =>
    from.head(epoch, { cosignatures: times });
  const ok = (
    name: string,
    epoch: number,
    times: readonly (readonly [keyof typeof keys, number])[],
    publicSince: number,
    common: CommonChange = {},
  ) =>
    add(
      name,
      { ageHead: old(epoch, times), ageConsistency: epoch === NEWEST ? null : log.consistency(epoch, NEWEST), common },
      { epoch, sumdbSize: log.epoch(epoch).sumdbSize, publicSince },
    );
  ok("the time itself", 9, [["clock", TIME]], TIME);
  ok("a second before", 9, [["clock", TIME - 1]], TIME - 1);
  ok("a power of two", 8, [["clock", TIME - 5000]], TIME - 5000);
  ok("epoch 1", 1, [["clock", TIME - 5000]], TIME - 5000);
  ok("the newest epoch", NEWEST, [["clock", TIME - 5000]], TIME - 5000);
  ok(
    "two that are both needed: the later one",
    9,
    [
      ["clock", TIME - 500],
      ["w1", TIME - 90],
    ],
    TIME - 90,
    { policy: policies.both },
  );
  ok(
    "any of two: the earlier one",
    9,
    [
      ["clock", TIME - 500],
      ["w1", TIME - 90],
    ],
    TIME - 500,
    { policy: policies.any },
  );
  ok(
    "any of two: one is too young",
    9,
    [
      ["clock", TIME + 500],
      ["w1", TIME - 90],
    ],
    TIME - 90,
    { policy: policies.any },
  );
  ok(
    "clock and 2 of 3: the smallest time of a quorum",
    9,
    [
      ["w3", TIME - 900],
      ["clock", TIME - 500],
      ["w1", TIME - 90],
      ["w2", TIME - 10],
    ],
    TIME - 90,
    { policy: policies.nested },
  );
  ok(
    "clock and 2 of 3, of which the third is too young",
    9,
    [
      ["w3", TIME - 900],
      ["clock", TIME - 500],
      ["w1", TIME - 90],
      ["w2", TIME + 10],
    ],
    TIME - 90,
    { policy: policies.nested },
  );
  ok(
    "unknown cosigners are ignored",
    9,
    [
      ["stranger", TIME - 900],
      ["clock", TIME - 500],
    ],
    TIME - 500,
  );
  ok("as old as can be", 9, [["clock", 1]], 1);

  const bad = (
    name: string,
    code: string,
    ageHead: Bytes,
    more: { ageConsistency?: Bytes | null; common?: CommonChange; time?: number; head?: HeadFields } = {},
  ) => add(name, { ageHead, ageConsistency: log.consistency(9, NEWEST), ...more }, refused(code));
  const good = old(9, [["clock", TIME]]);
  bad("the quorum none, where freshness is not required", "NO_FRESHNESS", good, {
    common: { policy: policies.none, isFreshnessRequired: false },
  });
  bad("no head", "MALFORMED_ANSWER", new Uint8Array(0));
  bad("a byte more", "MALFORMED_ANSWER", concat(good, bytes(0)));
  bad("a head since", "MALFORMED_ANSWER", log.head(14, { since: 9, cosignatures: [["clock", TIME]] }));
  bad("a peak missing", "MALFORMED_ANSWER", log.head(9, { cosignatures: [["clock", TIME]], hashes: [] }));
  bad("a hash missing in the consistency proof", "MALFORMED_ANSWER", good, {
    ageConsistency: logProof(log.consistencyHashes(9, NEWEST).slice(1)),
  });
  bad("a consistency payload that is none", "MALFORMED_ANSWER", good, { ageConsistency: good });
  bad(
    "a wrong log signature",
    "BAD_LOG_SIGNATURE",
    log.head(9, { cosignatures: [["clock", TIME]], parts: { logSignature: fill(1, 64) } }),
  );
  bad("another log key", "BAD_LOG_SIGNATURE", log.head(9, { cosignatures: [["clock", TIME]], logKey: keys.otherLog }));
  bad(
    "a turned map root",
    "BAD_LOG_SIGNATURE",
    log.head(9, { cosignatures: [["clock", TIME]], parts: { mapRoot: fill(1) } }),
  );
  const otherSumdb = log.fork(9, (e) => {
    const made = makeEpoch(e.pairs, e.sumdbSize, e.sumdbRoot, e.mapRoot, keys.otherSumdb);
    return made;
  });
  bad("a tree head of another sumdb key", "BAD_SUMDB_SIGNATURE", old(9, [["clock", TIME]], otherSumdb));
  const [c] = log.cosign(9, [["clock", TIME + 1]]) as [ReturnType<typeof cosign>];
  bad("a young cosignature with an old time", "BAD_COSIGNATURE", log.head(9, { made: [{ ...c, time: TIME }] }));
  bad(
    "a malleated cosignature",
    "BAD_COSIGNATURE",
    log.head(9, { made: [{ ...c, signature: malleate(c.signature) }] }),
  );
  bad("a cosignature of another epoch", "BAD_COSIGNATURE", log.head(9, { made: log.cosign(8, [["clock", TIME]]) }));
  bad(
    "a wrong cosignature beside an old quorum",
    "BAD_COSIGNATURE",
    log.head(9, { made: sorted([{ ...c, keyId: keys.w1.id }, ...log.cosign(9, [["clock", TIME - 1]])]) }),
    { common: { policy: policies.any } },
  );
  bad("one second too young", "TOO_YOUNG", old(9, [["clock", TIME + 1]]));
  bad("the newest head as an age", "TOO_YOUNG", log.head(NEWEST), { ageConsistency: null });
  bad(
    "clock and witness: one is too young",
    "TOO_YOUNG",
    old(9, [
      ["clock", TIME],
      ["w1", TIME + 1],
    ]),
    { common: { policy: policies.both } },
  );
  bad(
    "clock and 2 of 3: two are too young",
    "TOO_YOUNG",
    old(9, [
      ["clock", TIME],
      ["w1", TIME],
      ["w2", TIME + 1],
      ["w3", TIME + 1],
    ]),
    { common: { policy: policies.nested } },
  );
  bad("no cosignatures", "NO_QUORUM", old(9, []));
  bad("only an unknown cosigner", "NO_QUORUM", old(9, [["stranger", TIME]]));
  bad("one of two that are both needed", "NO_QUORUM", old(9, [["clock", TIME]]), { common: { policy: policies.both } });
  bad("no consistency", "CONSISTENCY_MISSING", good, { ageConsistency: null });
  bad("a missing quorum is judged before the missing consistency", "NO_QUORUM", old(9, []), { ageConsistency: null });
  bad("youth is judged before the missing consistency", "TOO_YOUNG", old(9, [["clock", TIME + 1]]), {
    ageConsistency: null,
  });
  const fork = forkedAt(7);
  const times = [["clock", TIME]] as const;
  bad("a fork of the same size", "FORK", old(NEWEST, times, fork), { ageConsistency: null });
  bad("a fork of a smaller size", "FORK", old(9, times, fork));
  bad("a fork of a smaller size that is a power of two", "EXTENSION_NOT_PROVEN", old(8, times, fork), {
    ageConsistency: log.consistency(8, NEWEST),
  });
  bad("a fork of a smaller size, with the proof of its own log", "EXTENSION_NOT_PROVEN", old(9, times, fork), {
    ageConsistency: fork.consistency(9, NEWEST),
  });
  bad("a consistency proof that fails", "EXTENSION_NOT_PROVEN", good, {
    ageConsistency: logProof(log.consistencyHashes(9, NEWEST).map((h) => flip(h, 0))),
  });
  bad("a fork is judged before the quorum", "FORK", old(9, [], fork));
  const sumdbFork = log.fork(NEWEST, (e) => makeEpoch(e.pairs, log.epoch(9).sumdbSize, fill(7), e.mapRoot));
  bad("a sumdb fork", "SUMDB_FORK", good, {
    head: sumdbFork.ask(NEWEST),
    ageConsistency: sumdbFork.consistency(9, NEWEST),
  });
  const back = log.fork(NEWEST, (e) => makeEpoch(e.pairs, log.epoch(8).sumdbSize, log.epoch(8).sumdbRoot, e.mapRoot));
  bad("a sumdb rollback", "SUMDB_ROLLBACK", good, {
    head: back.ask(NEWEST),
    ageConsistency: back.consistency(9, NEWEST),
  });
  for (const { name, expect, head, operation: _, memory: __, ...common } of refusals(
    heads,
    ({ memory }) => memory === null,
  )) {
    add(`newest head: ${name}`, { head, ageHead: good, common }, expect);
  }
  // An epoch beyond the newest is no smaller tree: it is proven the other way round.
  add(
    "a head of a later epoch than the newest",
    { ageHead: old(17, times), ageConsistency: log.consistency(17, NEWEST) },
    { epoch: 17, sumdbSize: log.epoch(17).sumdbSize, publicSince: TIME },
  );
  bad("stale newest heads are refused first", "STALE", good, {
    head: log.ask(NEWEST, { cosignatures: [["clock", NOW - MAX_AGE - 1]] }),
  });
  return out;
}

function evidenceVectors(): Vector[] {
  const out: Vector[] = [];
  const add = (name: string, evidence: unknown, expect: unknown, key: string = keys.log.vkey) =>
    out.push({ name, operation: "evidence", evidence, key, expect } as Vector);
  const fork = forkedAt(7);
  const note = (text: string, key: Key) => `${text}\n${noteLine(key, sign(key, text))}`;
  const TYPE = { type: "proofdns-evidence/1", kind: "fork" } as const;
  const same = { ...TYPE, key: keys.log.vkey, notes: [log.note(9), fork.note(9)] };
  const two = (m: number, n: number) => ({
    ...TYPE,
    key: keys.log.vkey,
    notes: [log.note(m), fork.note(n)],
    oldRoot: base64(fork.root(m)),
    consistency: fork.consistencyHashes(m, n).map(base64),
  });
  const larger = two(9, 14);
  add("two trees of one size", same, "ok");
  add("two trees of two sizes", larger, "ok");
  add("two trees of two sizes, of which the smaller is a power of two", two(8, 14), "ok");
  add(
    "the fork is the smaller tree",
    {
      ...larger,
      notes: [fork.note(9), log.note(14)],
      oldRoot: base64(log.root(9)),
      consistency: log.consistencyHashes(9, 14).map(base64),
    },
    "ok",
  );
  const others = world.hashes.map((h, i) => (i >= 3 ? flip(h, 0) : h));
  const head = (hashes: readonly Bytes[], size: number) =>
    note(treeHeadText(size, logRoot(hashes.slice(0, size))), keys.sumdb);
  const sumdbFork = { ...TYPE, key: keys.sumdb.vkey, notes: [head(world.hashes, 10), head(others, 10)] };
  add("two tree heads of one size", sumdbFork, "ok", keys.sumdb.vkey);
  add(
    "two tree heads of two sizes",
    {
      ...TYPE,
      key: keys.sumdb.vkey,
      notes: [head(world.hashes, 10), head(others, 816)],
      oldRoot: base64(logRoot(others.slice(0, 10))),
      consistency: consistencyProof(10, others.slice(0, 816)).map(base64),
    },
    "ok",
    keys.sumdb.vkey,
  );
  const stranger = noteLine(keys.otherLog, fill(1, 64));
  const own = (text: string) => noteLine(keys.log, sign(keys.log, text));
  add(
    "the signature of the key twice",
    { ...same, notes: [`${log.note(9)}${own(log.checkpoint(9))}`, fork.note(9)] },
    "ok",
  );
  add("signatures of other keys are ignored", { ...same, notes: [`${log.note(9)}${stranger}`, fork.note(9)] }, "ok");

  const malformed = (name: string, evidence: unknown) => add(name, evidence, refused("MALFORMED_EVIDENCE"));
  malformed("null", null);
  malformed("a text", "fork");
  malformed("a list", []);
  malformed("an empty object", {});
  malformed("another type", { ...same, type: "proofdns-evidence/2" });
  malformed("a suspicion", { type: "proofdns-suspicion/1", key: keys.log.vkey, notes: larger.notes });
  malformed("another kind", { ...same, kind: "rollback" });
  malformed("no key", { ...same, key: undefined });
  malformed("a key that is no text", { ...same, key: 1 });
  malformed("no notes", { ...same, notes: undefined });
  malformed("one note", { ...same, notes: same.notes.slice(0, 1) });
  malformed("three notes", { ...same, notes: [...same.notes, same.notes[0]] });
  malformed("notes that are no texts", { ...same, notes: [1, 2] });
  malformed("two sizes without a proof", { ...larger, consistency: undefined });
  malformed("two sizes without an old root", { ...larger, oldRoot: undefined });
  malformed("an old root that is no text", { ...larger, oldRoot: 1 });
  malformed("an old root of 31 bytes", { ...larger, oldRoot: base64(fill(1, 31)) });
  malformed("an old root without padding", { ...larger, oldRoot: larger.oldRoot.replace("=", "") });
  malformed("a proof that is no list", { ...larger, consistency: larger.consistency[0] });
  malformed("a proof of numbers", { ...larger, consistency: [1] });
  malformed("a proof with a hash of 31 bytes", {
    ...larger,
    consistency: larger.consistency.with(0, base64(fill(1, 31))),
  });
  malformed("a field that is none of its own", { ...same, comment: "see here" });
  malformed("one size with an old root", { ...same, oldRoot: larger.oldRoot });
  malformed("one size with a proof", { ...same, consistency: [] });
  malformed("a key of a cosigner", { ...same, key: keys.clock.vkey });
  malformed("a key that is none", { ...same, key: "l.example.org/p1" });
  malformed("a note without signatures", { ...same, notes: [log.checkpoint(9), fork.note(9)] });
  malformed("a note with an extension line", {
    ...same,
    notes: [log.note(9), note(`${fork.checkpoint(9)}extension\n`, keys.log)],
  });
  malformed("the larger tree first", { ...larger, notes: larger.notes.toReversed() });
  malformed("129 hashes", { ...larger, consistency: Array.from({ length: 129 }, () => larger.consistency[0]) });
  add(
    "the larger tree first, and another key is expected",
    { ...larger, notes: larger.notes.toReversed() },
    refused("MALFORMED_EVIDENCE"),
    keys.otherLog.vkey,
  );

  const badSignature = (name: string, evidence: unknown, key?: string) =>
    add(name, evidence, refused("BAD_SIGNATURE"), key);
  badSignature("another key is expected", same, keys.otherLog.vkey);
  badSignature("a sumdb's key is expected", same, keys.sumdb.vkey);
  const wrongLine = noteLine(keys.log, flip(sign(keys.log, log.checkpoint(9)), 9));
  badSignature("a right signature of the key, then a wrong one", {
    ...same,
    notes: [`${log.note(9)}${wrongLine}`, fork.note(9)],
  });
  badSignature("a wrong signature of the key, then a right one", {
    ...same,
    notes: [`${log.checkpoint(9)}\n${wrongLine}${own(log.checkpoint(9))}`, fork.note(9)],
  });
  for (const [name, point] of WEAK_POINTS) {
    const weak = weakKey(ORIGIN, 1, point);
    const notes = [log, fork].map((one) => {
      const text = one.checkpoint(9);
      return `${text}\n${noteLine(weak, signWeak(weak, text))}`;
    });
    badSignature(`a key of ${name}`, { ...TYPE, key: weak.vkey, notes }, weak.vkey);
  }
  badSignature("a note that is signed by another key", { ...same, notes: [log.note(9), fork.note(9, keys.otherLog)] });
  badSignature("both notes are signed by another key", {
    ...same,
    notes: [log.note(9, keys.otherLog), fork.note(9, keys.otherLog)],
  });
  badSignature("a signature of the other note", {
    ...same,
    notes: [log.note(9), `${fork.checkpoint(9)}\n${noteLine(keys.log, sign(keys.log, log.checkpoint(9)))}`],
  });
  badSignature("a malleated signature", {
    ...same,
    notes: [log.note(9), `${fork.checkpoint(9)}\n${noteLine(keys.log, malleate(sign(keys.log, fork.checkpoint(9))))}`],
  });
  badSignature("a turned root", {
    ...same,
    notes: [
      log.note(9),
      `${checkpointText("l.example.org/p1", 9, fill(1))}\n${noteLine(keys.log, sign(keys.log, log.checkpoint(9)))}`,
    ],
  });
  badSignature("a note with only a cosignature", {
    ...same,
    notes: [log.note(9), `${fork.checkpoint(9)}\n${noteLine(keys.clock, fill(1, 72))}`],
  });

  const badProof = (name: string, evidence: unknown, key?: string) => add(name, evidence, refused("BAD_PROOF"), key);
  badProof("the same tree twice", { ...same, notes: [log.note(9), log.note(9)] });
  badProof("two first lines", {
    ...same,
    notes: [log.note(9), note(checkpointText("m.example.org/p1", 9, fill(1)), keys.log)],
  });
  badProof("two first lines, and two sizes", {
    ...larger,
    notes: [note(checkpointText("m.example.org/p1", 9, log.root(9)), keys.log), larger.notes[1]],
  });
  badProof("a larger tree that continues the smaller one", {
    ...larger,
    notes: [log.note(9), log.note(14)],
    oldRoot: base64(log.root(9)),
    consistency: log.consistencyHashes(9, 14).map(base64),
  });
  badProof("the same from a power of two", {
    ...larger,
    notes: [log.note(8), log.note(14)],
    oldRoot: base64(log.root(8)),
    consistency: log.consistencyHashes(8, 14).map(base64),
  });
  badProof("a larger tree that continues the smaller one, and an invented old root", {
    ...larger,
    notes: [log.note(9), log.note(14)],
    oldRoot: base64(fill(1)),
    consistency: log.consistencyHashes(9, 14).map(base64),
  });
  badProof("the same from a power of two, and an invented old root", {
    ...larger,
    notes: [log.note(8), log.note(14)],
    oldRoot: base64(fill(1)),
    consistency: log.consistencyHashes(8, 14).map(base64),
  });
  badProof("a proof of another tree", { ...larger, consistency: log.consistencyHashes(9, 14).map(base64) });
  badProof("an old root that the proof does not give", { ...larger, oldRoot: base64(fill(1)) });
  badProof("a hash too few", { ...larger, consistency: larger.consistency.slice(0, -1) });
  badProof("128 hashes", { ...larger, consistency: Array.from({ length: 128 }, () => larger.consistency[0]) });
  badProof("a hash too many", { ...larger, consistency: [...larger.consistency, base64(fill(1))] });
  badProof("a turned bit in the proof", {
    ...larger,
    consistency: fork.consistencyHashes(9, 14).map((h, i) => base64(i === 2 ? flip(h, 0) : h)),
  });
  return out;
}

export function otherVectors(heads: readonly HeadVector[]): Vector[] {
  return [...sumdbVectors(heads), ...ageVectors(heads), ...evidenceVectors()];
}
