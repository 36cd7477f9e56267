import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asker, Questioner, type RecordToProve } from "../../src/check/asker.ts";
import type { Hash } from "../../src/vindex/sha256.ts";

test("a record is proven once, and one with other hashes is another record", async () => {
  const asked: RecordToProve[] = [];
  const leaf = {
    mapRoot: new Uint8Array(32),
    treeHead: { treeSize: 9, rootHash: new Uint8Array(32) },
    sumdbSignature: new Uint8Array(64),
  };
  const asker: Asker = {
    lookupAll: () => Promise.resolve(),
    head: () => Promise.resolve({ ageTime: 0 }),
    age: () => Promise.resolve(undefined),
    proveRecord: (record) => {
      asked.push(record);
      return Promise.resolve({ leaf });
    },
    proveAge: () => Promise.reject(new Error("not asked")),
    fetchGoMod: () => Promise.reject(new Error("not asked")),
    isPrivate: () => false,
    jobs: 4,
    isOffline: false,
  };
  const questioner = new Questioner(asker);
  const hash = (byte: number): Hash => new Uint8Array(32).fill(byte);
  const claim = { path: "example.com/a", version: "v1.0.0", zipHash: hash(1), goModHash: hash(2), logIndex: 7 };
  const others = [
    { ...claim, zipHash: hash(3) },
    { ...claim, goModHash: hash(1) },
    { ...claim, logIndex: 8 },
  ];
  const swapped = { ...claim, zipHash: hash(2), goModHash: hash(1) };
  for (const record of [claim, { ...claim }, ...others, swapped, claim]) await questioner.proveRecord(record);
  assert.deepEqual(asked, [claim, ...others, swapped]);
});
