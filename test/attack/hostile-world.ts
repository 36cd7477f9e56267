import assert from "node:assert/strict";
import type { ClaimedRecord, Lookup } from "../../src/client/client.ts";
import type { ProofHead } from "../../src/client/verify/files.ts";
import { type Subject, subjectText, type VerifiedAge } from "../../src/client/verify/index.ts";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { formatBase64 } from "../../src/vindex/base64.ts";
import { equalBytes } from "../../src/vindex/bytes.ts";
import { computeEpochLeafHash, formatLeaf } from "../../src/vindex/leaf.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { parseNote } from "../../src/vindex/note.ts";
import { verifyLogInclusionProof } from "../../src/vindex/tlog.ts";
import { flatTreeOf } from "../vindex/trees.ts";
import { record, showcase } from "./records.ts";
import { allAt, makeKeys, sha256, timeOf, World } from "./world.ts";

/** A world in which the answers of every kind change from epoch to epoch, one of other keys beside it, and what is true in them. */

export const EPOCHS = 14;
export const NOW = timeOf(EPOCHS) + 60;
/** Epoch that a returning client remembers. */
export const REMEMBERED = 5;
/** Records of the module whose versions fill two pages. */
const DEEP = 300;

const baseOf = (salt: string): readonly string[] => [
  ...Array.from({ length: DEEP }, (_, i) => record("example.com/deep", `v1.${i}.0`, salt)),
  ...showcase(),
  record("example.com/steady", "v1.0.0", salt),
];
/** Each epoch adds one of each, so that nothing stays as it was. */
const growthOf = (salt: string): readonly string[] =>
  Array.from({ length: EPOCHS }, (_, i) => [
    record("example.com/m1", `v1.${i}.0`, salt),
    record("example.com/m2", `v0.${i}.1`, salt),
    record("example.com/deep", `v1.${DEEP + i}.0`),
    record(`example.com/big/v${20 + i}`, `v${20 + i}.0.1`),
    record(`example.com/small/v${3 + i}`, `v${3 + i}.0.0`),
    record("golang.org/toolchain", `v0.0.1-go1.22.${i + 1}.linux-amd64`),
    record(`example.net/n${i}`, "v1.0.0"),
  ]).flat();
const recordsOf = (salt: string): readonly string[] => [...baseOf(salt), ...growthOf(salt)];
export const records: readonly string[] = recordsOf("");
const BASE = baseOf("").length;
const EACH = (records.length - BASE) / EPOCHS;
export const sizes: readonly number[] = Array.from({ length: EPOCHS }, (_, i) => BASE + EACH * (i + 1));

export function makeHostileWorld(): Promise<World> {
  return World.build({ records, sizes, keys: makeKeys(1) });
}

/** Another log of other keys, about the same modules with other content. */
export function makeForeignWorld(): Promise<World> {
  return World.build({ records: recordsOf("elsewhere"), sizes, keys: makeKeys(2) });
}

/** An epoch, by default the newest, whose map is empty. */
export function emptyAnswers(world: World, epoch: number = EPOCHS): EpochAnswers {
  const { treeHead } = world.snapshot(epoch).leaf;
  return new EpochAnswers(world.forge(epoch - 1, { treeHead, tree: flatTreeOf([]), times: allAt(timeOf(epoch)) }));
}

/** All versions of a module that epochs up to `epoch` cover, as they stand in the log. */
function versionsOf(path: string, epoch: number): string[] {
  return records.slice(0, sizes[epoch - 1]).flatMap((text, i) => {
    const [module, version] = text.split(" ");
    return module === path ? [`${i} ${version} ${text.match(/h1:\S+/g)?.join(" ")}`] : [];
  });
}

const base64 = (hash: Uint8Array): string => `h1:${Buffer.from(hash).toString("base64")}`;

/** Fails unless every byte of a result is what the world holds. `isEmpty`: the newest map was forged empty. */
export function assertTrue(world: World, subject: Subject, lookup: Lookup, what: string, isEmpty = false): void {
  const { answer } = lookup;
  assertTrueHead(world, answer.head, what, isEmpty);
  const { epoch } = answer.head;
  assert.ok(timesOf(epoch).includes(answer.head.ageTime), `${what}: age time ${answer.head.ageTime}`);
  const indexKey = computeIndexKey(subjectText(subject), sha256);
  const value = isEmpty && epoch === EPOCHS ? undefined : world.snapshot(epoch).tree.get(indexKey);
  if (answer.kind === "absent") {
    assert.equal(value, undefined, `${what}: absent`);
    return;
  }
  assert.ok(value !== undefined, `${what}: present`);
  assert.equal(answer.text, Buffer.from(value).toString("latin1"), what);
  const answers = world.answers(epoch);
  if (answer.kind === "module") {
    assert.ok(subject.kind === "module" && answer.path === subject.path, what);
    const isAll = subject.withVersions === true;
    assert.deepEqual(lookup.payload, isAll ? answers.versionsAnswer(indexKey) : answers.moduleAnswer(indexKey), what);
    const listed = lookup.versions?.map(
      ({ logIndex, version, zipHash, goModHash }) => `${logIndex} ${version} ${base64(zipHash)} ${base64(goModHash)}`,
    );
    assert.deepEqual(listed, isAll ? versionsOf(subject.path, epoch) : undefined, what);
  } else {
    const honest = answers.moduleAnswer(indexKey);
    // Without its section the answer is true as far as it goes, and says so.
    const isCut = answer.kind === "majors" && !answer.isComplete;
    const got = isCut ? honest.subarray(0, lookup.payload.length) : honest;
    assert.deepEqual(lookup.payload, got.slice(), what);
    if (answer.kind === "majors" && answer.isComplete) {
      const all = familyOf(subject, epoch);
      assert.deepEqual(
        answer.items.map((item) => `${item.path} ${item.version.text}`),
        all,
        what,
      );
    }
  }
}

/** The highest version of every member of a family with suffixes, the highest first. */
function familyOf(subject: Subject, epoch: number): string[] {
  assert.ok(subject.kind === "majors");
  const highest = new Map<number, string>();
  for (const text of records.slice(0, sizes[epoch - 1])) {
    const [path = "", version = ""] = text.split(" ");
    const major = path === subject.basePath ? 1 : Number(path.slice(subject.basePath.length + 2));
    if (path !== subject.basePath && !path.startsWith(`${subject.basePath}/v`)) continue;
    if (!version.endsWith("/go.mod")) highest.set(major, `${path} ${version}`);
  }
  return [...highest].sort(([a], [b]) => b - a).map(([, text]) => text);
}

type Head = Pick<VerifiedAge, "epoch" | "rootHash" | "leaf">;

function assertTrueHead(world: World, head: Head, what: string, isEmpty: boolean): void {
  const snapshot = world.snapshot(head.epoch);
  if (isEmpty && head.epoch === EPOCHS) return;
  assert.ok(equalBytes(head.rootHash, snapshot.log.root(head.epoch)), `${what}: root`);
  assert.deepEqual(
    [head.leaf.mapRoot, head.leaf.treeHead.treeSize, head.leaf.treeHead.rootHash].map(String),
    [snapshot.leaf.mapRoot, snapshot.leaf.treeHead.treeSize, snapshot.leaf.treeHead.rootHash].map(String),
    `${what}: leaf`,
  );
}

/** Fails unless an age is one that the world's cosigners have signed. */
export function assertTrueAge(world: World, age: VerifiedAge, time: number, what: string): void {
  assertTrueHead(world, age, what, false);
  assert.ok(age.publicSince <= time && timesOf(age.epoch).includes(age.publicSince), `${what}: ${age.publicSince}`);
}

/** The record of a version, as the log has it; `isFalse`: with another hash of its zip. */
export function claimedRecord(path: string, version: string, isFalse = false): ClaimedRecord {
  const logIndex = records.findIndex((text) => text.startsWith(`${path} ${version} `));
  const hashes = records[logIndex]?.match(/h1:\S+/g)?.map((h1) => new Uint8Array(Buffer.from(h1.slice(3), "base64")));
  const [zipHash, goModHash] = hashes ?? [];
  if (zipHash === undefined || goModHash === undefined) throw new Error(`no record of ${path} ${version}`);
  return { path, version, zipHash: isFalse ? goModHash : zipHash, goModHash, logIndex };
}

/** Fails unless a head that stands alone is one of the world's, with nothing in its note that was not signed there. */
export function assertTrueProofHead(world: World, head: ProofHead, what: string): void {
  const { epoch, leafText, inclusion, note } = head;
  const snapshot = world.snapshot(epoch);
  assert.equal(leafText, formatLeaf(snapshot.leaf, world.keys.sumdb.verifierKey), what);
  const leafHash = computeEpochLeafHash(leafText, sha256);
  verifyLogInclusionProof([...inclusion], leafHash, epoch - 1, epoch, snapshot.log.root(epoch), sha256);
  const { text, signatures } = parseNote(note);
  assert.equal(text, world.checkpointText(epoch), what);
  const [own, ...others] = signatures;
  assert.deepEqual(own?.blob, snapshot.logSignature, what);
  const kept = snapshot.cosignatures.map(({ last }) => `${last.keyId} ${last.time} ${formatBase64(last.signature)}`);
  for (const { keyId, blob } of others) {
    const time = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0);
    assert.ok(kept.includes(`${keyId} ${time} ${formatBase64(blob.subarray(8))}`), what);
  }
}

function timesOf(epoch: number): number[] {
  return Object.values(allAt(timeOf(epoch)));
}
