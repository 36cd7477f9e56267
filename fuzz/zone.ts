import { createPrivateKey } from "node:crypto";
import { ALGORITHM } from "../src/dns/dnssec/algorithm.ts";
import { type ZoneKey, type ZoneKeys, ZoneSigner } from "../src/dns/dnssec/index.ts";
import { keyTagOf } from "../src/dns/dnssec/zone-keys.ts";
import { SharedAnswers, takeServedHead } from "../src/dns/threads/shared-answers.ts";
import { makeZone, type Zone } from "../src/dns/zone.ts";
import type { ZoneData } from "../src/dns/zone-data.ts";
import { ProofdnsError } from "../src/vindex/error.ts";
import type { FlatTree } from "../src/vindex/flat-tree.ts";
import { encodeAnswer } from "../src/vindex/payload.ts";
import type { LeafNode, Node } from "../src/vindex/prefix-tree.ts";
import { TreeSlab } from "../src/vindex/tree-slab.ts";
import { H } from "./oracle/merkle.ts";
import { isNaivePath } from "./oracle/module-path.ts";
import type { NaiveData, NaiveZone } from "./oracle/server.ts";
import {
  answerOf,
  consistencyPayload,
  EPOCHS,
  entriesOf,
  epochOf,
  headPayload,
  pagePayload,
  recordProofPayload,
  recordTexts,
  SIZES,
  STEP,
  sumdbConsistencyPayload,
  timeOf,
  ZONE,
} from "./world.ts";

/** The zone of the honest log: as the server has it, and as the second implementation of the spec has it. */
export const zone: Zone = makeZone({
  apex: ZONE,
  nameServers: [
    { name: `ns1.${ZONE}`, addresses: ["192.0.2.1", "2001:db8::1"] },
    { name: `a.ns.${ZONE}`, addresses: ["192.0.2.2"] },
    { name: "ns.other.example" },
  ],
  hostmaster: "hostmaster@example.org",
});

/** A key that is the same in every run: what is signed with it is, too. */
function keyFrom(text: string, phase: ZoneKey["phase"]): ZoneKey {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), H(text)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { keyTag: keyTagOf(ALGORITHM.ED25519, privateKey), phase, since: 0, privateKey };
}

const active = keyFrom("the active key", "active");
const keysOf = (...keys: ZoneKey[]): ZoneKeys => ({ zone: ZONE, algorithm: ALGORITHM.ED25519, keys });

/** With one key, while a second is published, and while an old one goes. */
export const signers: readonly ZoneSigner[] = [
  new ZoneSigner(keysOf(active)),
  new ZoneSigner(keysOf(active, keyFrom("the next key", "published"))),
  new ZoneSigner(keysOf(active, keyFrom("the last key", "retired"))),
];

const bytesOf = (...numbers: number[]): Uint8Array => Uint8Array.from(numbers);

export function naiveZone(signer: ZoneSigner | undefined): NaiveZone {
  return {
    apex: ZONE.split("."),
    nameServers: [
      {
        name: ["ns1", ...ZONE.split(".")],
        a: [bytesOf(192, 0, 2, 1)],
        aaaa: [bytesOf(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
      },
      { name: ["a", "ns", ...ZONE.split(".")], a: [bytesOf(192, 0, 2, 2)], aaaa: [] },
      { name: ["ns", "other", "example"], a: [], aaaa: [] },
    ],
    mailbox: ["hostmaster", "example", "org"],
    keys:
      signer === undefined
        ? undefined
        : { dnskey: signer.dnskeyRdatas, cds: signer.cdsRdatas, cdnskey: signer.cdnskeyRdatas },
  };
}

/** Paths of the well-formed records of an epoch. */
function modulesOf(epoch: number): string[] {
  const texts = recordTexts.slice(0, SIZES[epoch - 1] ?? 0);
  return [...new Set(texts.map((text) => text.split(" ")[0] as string).filter(isNaivePath))];
}

const modules = Array.from({ length: EPOCHS + 1 }, (_, epoch) => modulesOf(epoch));

/** Newest epoch whose clock time is at most `time`: the quorum of the honest log comes nine seconds later. */
function headAt(newest: number, time: number): { payload: Uint8Array; epoch: number } | undefined {
  for (let epoch = newest; epoch >= 1; epoch--)
    if (timeOf(epoch) + 9 <= time) return { payload: headPayload(epoch), epoch };
  return undefined;
}

/** What stands in the index at `epoch`, 0 to the newest. */
export function naiveData(epoch: number, isBroken: boolean, hasRecordProofs: boolean): NaiveData {
  const size = SIZES[epoch - 1] ?? 0;
  return {
    epoch,
    sumdbSize: size,
    previousSumdbSize: SIZES[epoch - 2] ?? 0,
    nextEpochTime: timeOf(epoch) + STEP,
    hasRecordProofs,
    isBroken,
    modules: modules[epoch] ?? [],
    answer: (key) => encodeAnswer(answerOf(epoch, key)),
    versions: (key) => encodeAnswer(answerOf(epoch, key, true)),
    page: (key, page) => {
      const payload = pagePayload(epoch, key, page);
      return payload && { payload, full: entriesOf(epoch, key).length >= (page + 1) * 256 };
    },
    head: (e, since) => headPayload(e, since),
    headAt: (time) => headAt(epoch, time),
    consistency: consistencyPayload,
    sumdb: sumdbConsistencyPayload,
    record: recordProofPayload,
    v0Text: (subject) =>
      modules[epoch]?.includes(subject) === true && !subject.includes("untagged")
        ? `v=v1.0.0 t=${subject.length}`
        : undefined,
  };
}

/** The same for a responder. What is broken throws; `calls` counts how often anything was asked. */
export function zoneData(naive: NaiveData, headVersion: number): ZoneData & { readonly calls: { count: number } } {
  const calls = { count: 0 };
  const guard = <A extends unknown[], T>(get: (...args: A) => T) => {
    return (...args: A): T => {
      calls.count++;
      if (naive.isBroken) throw new ProofdnsError("STORE_UNUSABLE", "the index cannot be read");
      return get(...args);
    };
  };
  const { epoch, sumdbSize, previousSumdbSize, nextEpochTime, hasRecordProofs } = naive;
  return {
    calls,
    epoch,
    headVersion,
    sumdbSize,
    previousSumdbSize,
    nextEpochTime,
    hasRecordProofs,
    moduleAnswer: guard(naive.answer),
    versionsAnswer: guard(naive.versions),
    versionsPage: guard(naive.page),
    head: guard((e) => naive.head(e, undefined)),
    headSince: guard((since, e) => naive.head(e, since)),
    headAt: guard(naive.headAt),
    consistency: guard(naive.consistency),
    sumdbConsistency: guard(naive.sumdb),
    recordProof: guard(naive.record),
    v0Text: guard(naive.v0Text),
    v0Exists: guard((labels: readonly string[]) => {
      const name = [...labels].reverse();
      return naive.modules.some((path) => v0Labels(path).slice(-name.length).join("\0") === name.join("\0"));
    }),
  };
}

function v0Labels(path: string): string[] {
  const [host = "", ...elements] = path.split("/");
  const labels = elements.map((element) =>
    element.replaceAll(/[^a-z0-9-]/g, (c) => `_${c.charCodeAt(0).toString(16)}`).replace(/^-|-$/g, "_2d"),
  );
  return elements.length === 0 ? host.split(".") : [...labels.reverse(), "_", ...host.split(".")];
}

const trees = Array.from({ length: EPOCHS }, (_, i) => flatTreeOf(epochOf(i + 1).tree.root));

/** The same tree in shared memory. */
function flatTreeOf(root: Node | undefined): FlatTree {
  const leaves: LeafNode[] = [];
  const open = root === undefined ? [] : [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if ("value" in node) leaves.push(node);
    else open.push(node.right, node.left);
  }
  const slab = TreeSlab.empty();
  slab.accept(slab.update(leaves));
  return slab.tree;
}

/** What a worker thread has of the same epoch: module answers out of shared memory, and the newest head. */
export function workerData(data: ZoneData): SharedAnswers {
  return new SharedAnswers(takeServedHead(data), data.epoch === 0 ? undefined : trees[data.epoch - 1]);
}
