import assert from "node:assert/strict";
import { test } from "node:test";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { joinName, parseName, type WireName } from "../../src/dns/name.ts";
import { respond } from "../../src/dns/responder.ts";
import { decodeTxtReply, encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import type { KeptCosignatures } from "../../src/store/records.ts";
import type { StoreReader } from "../../src/store/store-reader.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { PathTable } from "../../src/vindex/path-table.ts";
import { decodeHead } from "../../src/vindex/payload.ts";
import { coverRange } from "../../src/vindex/tlog.ts";
import { flatTreeOf } from "../vindex/trees.ts";
import { zone } from "./liars.ts";
import { makeKeys, sha256, ZONE } from "./world.ts";

/** Bytes of messages, not what they prove: hashes and signatures are invented, their number and lengths are not. */

/** Longest message of a head (spec/dns.md §2.5): with one signature of the zone it still fits 1,232 bytes. */
const BUDGET = 1112;
const UDP_SIZE = 1232;
/** A week of ten-minute epochs. */
const WEEK = 1008;
const YEAR = 52_560;

const { sumdb, cosigners } = makeKeys();
const log = new OutputLog(sha256);
for (let i = 0; i < 2 ** 16; i++) log.append(sha256(encodeUtf8(`leaf ${i}`)));

/** Cosignatures of four keys, each `gap` seconds after the one before. */
function cosignatures(gap: number): KeptCosignatures[] {
  return Object.values(cosigners).map(({ verifierKey }, i) => {
    const cosignature = {
      keyId: verifierKey.keyId,
      time: 1_800_000_000 + i * gap,
      signature: new Uint8Array(64).fill(i),
    };
    return { first: cosignature, last: cosignature };
  });
}

/** What a server serves while `epoch` is the newest. Nothing is read from a store: the newest epoch is at hand. */
function answersAt(epoch: number, gap: number): EpochAnswers {
  return new EpochAnswers({
    epoch,
    leaf: {
      mapRoot: sha256(encodeUtf8(`map ${epoch}`)),
      // The real checksum database has some 50 million records: four bytes, up to 2^28.
      treeHead: { treeSize: 2 ** 28 - 1, rootHash: sha256(encodeUtf8(`sumdb ${epoch}`)) },
      sumdbSignature: new Uint8Array(64),
    },
    logSignature: new Uint8Array(64),
    cosignatures: cosignatures(gap),
    tree: flatTreeOf([]),
    log,
    sumdbSizes: [],
    times: [],
    paths: PathTable.empty(),
    reader: undefined as unknown as StoreReader,
    sumdbKey: sumdb.verifierKey,
    headVersion: 1,
    nextEpochTime: 0,
    hasRecordProofs: true,
    sha256,
  });
}

const logName = joinName(["p1"], parseName(ZONE)) as WireName;

/** Length of the whole reply by UDP, EDNS included, and the number of hashes in it. */
function measure(answers: EpochAnswers, labels: string[]): { bytes: number; hashes: number } {
  const name = joinName(labels, logName) as WireName;
  const reply = respond(encodeTxtQuery(name, 1), "udp", zone, answers, 1_800_000_000, sha256);
  assert.ok(reply !== undefined);
  const content = decodeTxtReply(reply, name);
  assert.ok(content.kind === "txt", `${labels.join(".")} at epoch ${answers.epoch}: ${content.kind}`);
  const { hashes } = decodeHead(content.payload, labels.length === 1 ? "plain" : "since");
  return { bytes: reply.length, hashes: hashes.length };
}

interface Worst {
  readonly epoch: number;
  readonly since: number | undefined;
  readonly bytes: number;
  readonly hashes: number;
}

function worstOf(
  epochs: Iterable<number>,
  sinces: (epoch: number) => (number | undefined)[],
  gap = 600,
): { worst: Worst; count: number } {
  let worst: Worst = { epoch: 0, since: undefined, bytes: 0, hashes: 0 };
  let count = 0;
  for (const epoch of epochs) {
    const answers = answersAt(epoch, gap);
    for (const since of sinces(epoch)) {
      const { bytes, hashes } = measure(answers, since === undefined ? ["_head"] : [`s${since}`, "_head"]);
      if (bytes > worst.bytes) worst = { epoch, since, bytes, hashes };
      count++;
    }
  }
  return { worst, count };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The epochs of the last week, the newest included. */
function lastWeek(epoch: number): number[] {
  return range(Math.max(1, epoch - WEEK), epoch);
}

function show({ worst, count }: { worst: Worst; count: number }): string {
  const { epoch, since, bytes, hashes } = worst;
  return `${count} heads; the longest: epoch ${epoch}${since === undefined ? "" : ` since ${since}`}, ${hashes} hashes, ${bytes} bytes`;
}

test("the head since any epoch of the last week keeps to its budget, in a young log", (t) => {
  const found = worstOf(
    range(1, 1100).filter((epoch) => epoch < 40 || epoch >= WEEK),
    lastWeek,
  );
  t.diagnostic(show(found));
  assert.ok(found.worst.bytes <= BUDGET);
  assert.ok(found.worst.hashes <= 17);
});

test("the head since any epoch of the last week keeps to its budget, after a year", (t) => {
  // Subtrees grow and shrink again around multiples of large powers of two: there a week takes the most hashes.
  const around = [53_248, 53_248 + 255, 53_248 + 256, 54_272, 54_272 + 256];
  const found = worstOf([...range(YEAR, YEAR + 40), ...around], lastWeek);
  t.diagnostic(show(found));
  assert.ok(found.worst.bytes <= BUDGET);
  assert.equal(found.worst.hashes, 17);
});

test("no epoch of the last week is further than 17 hashes away, in a log of any size", (t) => {
  let most = 0;
  let at = [0, 0];
  // The cover of a range depends on where it lies between multiples of the powers of two up to its length.
  for (let epoch = 1; epoch <= 4096; epoch++) {
    for (const since of lastWeek(epoch)) {
      const { length } = since === epoch ? [] : coverRange(since, epoch - 1);
      if (length > most) [most, at] = [length, [epoch, since]];
    }
  }
  t.diagnostic(`${most} hashes, from ${at[1]} to ${at[0]}`);
  assert.equal(most, 17);
});

test("the plain head of every epoch up to 2^16 keeps to its budget", (t) => {
  const sampled = range(1, 2 ** 16).filter((epoch) => epoch % 16 < 3 || epoch > 2 ** 16 - 64);
  const found = worstOf(sampled, () => [undefined]);
  t.diagnostic(show(found));
  assert.deepEqual([found.worst.epoch, found.worst.hashes], [2 ** 16, 16]);
  assert.ok(found.worst.bytes <= BUDGET);
});

test("cosignatures that lie days apart cost three bytes, and still fit the budget", (t) => {
  const found = worstOf([YEAR, 53_248 + 256, 54_272 + 256], lastWeek, 200_000);
  t.diagnostic(show(found));
  assert.equal(found.worst.hashes, 17);
  assert.ok(found.worst.bytes <= BUDGET);
});

test("one signature of the zone more still fits a UDP message", () => {
  // RRSIG: owner (a pointer), type, class, TTL and length are 12 bytes; then 18, the signer's name, and an Ed25519
  // or ECDSA P-256 signature of 64 (RFC 4034 §3.1).
  const rrsig = 12 + 18 + parseName(ZONE).length + 64;
  assert.ok(BUDGET + rrsig <= UDP_SIZE, `${BUDGET} + ${rrsig}`);
});

test("a head that would break the UDP limit is cut, never sent", () => {
  // Away for more than a year: more hashes to catch up with than the budget knows.
  const answers = answersAt(2 ** 16, 600);
  const name = joinName(["s1", "_head"], logName) as WireName;
  const reply = respond(encodeTxtQuery(name, 1), "udp", zone, answers, 1_800_000_000, sha256);
  assert.ok(reply !== undefined && reply.length <= UDP_SIZE);
  assert.equal(decodeTxtReply(reply, name).kind, "truncated");
});
