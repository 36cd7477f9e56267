import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { EpochAnswers, type EpochSnapshot } from "../../../src/dns/answers.ts";
import { NO_EPOCH, type ServedHead, SharedAnswers, takeServedHead } from "../../../src/dns/threads/shared-answers.ts";
import { ELSEWHERE, type ZoneData } from "../../../src/dns/zone-data.ts";
import { compareBytes, encodeUtf8 } from "../../../src/vindex/bytes.ts";
import type { FlatTree } from "../../../src/vindex/flat-tree.ts";
import { computeIndexKey } from "../../../src/vindex/module-value.ts";
import { formatRecord } from "../../../src/vindex/record.ts";
import { World } from "../../attack/world.ts";
import { flipBit, hashOf, sha256 } from "../../vindex/samples.ts";
import { flatTreeOf } from "../../vindex/trees.ts";
import { makeData } from "../fake-zone.ts";

const valueAt = (i: number): Uint8Array => encodeUtf8("v".repeat(1 + ((i * 31) % 255)));
const treeOf = (count: number): FlatTree =>
  flatTreeOf(Array.from({ length: count }, (_, i) => ({ indexKey: hashOf(i), value: valueAt(i) })));
const headOf = (epoch: number): ServedHead => ({ ...NO_EPOCH, epoch, head: encodeUtf8(`head ${epoch}`) });
/** The main thread's answers, as far as modules without a store go. */
const mainAnswers = (epoch: number, tree: FlatTree): EpochAnswers =>
  new EpochAnswers({ epoch, tree } as Partial<EpochSnapshot> as EpochSnapshot);
const throwsElsewhere = (f: () => unknown, what?: string): void => {
  assert.throws(f, (thrown) => thrown === ELSEWHERE, what);
};

describe("shared answers", () => {
  it("give modules, present and absent, byte for byte as the main thread does", () => {
    for (const count of [0, 1, 2, 3, 30, 1000]) {
      const tree = treeOf(count);
      for (const epoch of [1, 127, 128, 300_000, 2 ** 53 - 1]) {
        const expected = mainAnswers(epoch, tree);
        const answers = new SharedAnswers(headOf(epoch), tree);
        for (let i = 0; i < 60; i++) {
          for (const key of [hashOf(i), hashOf(`absent ${i}`), flipBit(hashOf(i), 255)]) {
            assert.deepEqual(answers.moduleAnswer(key).slice(), expected.moduleAnswer(key), `${count} ${epoch} ${i}`);
          }
        }
      }
    }
  });

  it("show another key's value of any length in a proof of absence", () => {
    for (const length of [1, 2, 127, 128, 254, 255]) {
      const tree = flatTreeOf([{ indexKey: hashOf(1), value: new Uint8Array(length).fill(0x70) }]);
      const answers = new SharedAnswers(headOf(5), tree);
      const key = hashOf(2);
      assert.deepEqual(answers.moduleAnswer(key).slice(), mainAnswers(5, tree).moduleAnswer(key));
    }
  });

  it("leave values of families to the store, but show them in proofs of absence", () => {
    // In the order of their keys, so that "=" stands right behind "p" in memory.
    const keys = Array.from({ length: 6 }, (_, i) => hashOf(i)).sort(compareBytes);
    const values = ["p", "=p", "px=1", "p=v2 v=v2.0.0 i=1 s=x", "p=", "v=v1.0.0"];
    const tree = flatTreeOf(keys.map((indexKey, i) => ({ indexKey, value: encodeUtf8(values[i] ?? "") })));
    const answers = new SharedAnswers(headOf(1), tree);
    const [p, equals, px, family, empty, module] = keys;
    const asked = [p, equals, px, module].flatMap((key) => key ?? []);
    for (const key of [family, empty].flatMap((found) => found ?? [])) {
      throwsElsewhere(() => answers.moduleAnswer(key));
      for (let bit = 0; bit < 256; bit += 5) asked.push(flipBit(key, bit));
    }
    for (const key of asked) {
      assert.deepEqual(answers.moduleAnswer(key).slice(), mainAnswers(1, tree).moduleAnswer(key));
    }
  });

  it("give the newest head plain, and no other", () => {
    const answers = new SharedAnswers(headOf(7), treeOf(2));
    assert.deepEqual(answers.head(7), encodeUtf8("head 7"));
    for (const epoch of [0, 6, 8]) throwsElsewhere(() => answers.head(epoch));
  });

  it("keep a head of their own, not the memory that it was written in", () => {
    const scratch = encodeUtf8("head 7");
    const head = takeServedHead(makeData({ epoch: 7, head: () => scratch }));
    scratch.fill(0);
    assert.deepEqual(head.head, encodeUtf8("head 7"));
  });

  it("leave everything else to the store", () => {
    const answers: ZoneData = new SharedAnswers(headOf(7), treeOf(2));
    throwsElsewhere(() => answers.versionsAnswer(hashOf(1)), "versionsAnswer");
    throwsElsewhere(() => answers.versionsPage(hashOf(1), 0), "versionsPage");
    throwsElsewhere(() => answers.headSince(7, 7), "headSince");
    throwsElsewhere(() => answers.headAt(3600), "headAt");
    throwsElsewhere(() => answers.consistency(1, 7), "consistency");
    throwsElsewhere(() => answers.sumdbConsistency(1, 7), "sumdbConsistency");
    throwsElsewhere(() => answers.recordProof(0, 7), "recordProof");
    throwsElsewhere(() => answers.v0Text("go4.org"), "v0Text");
    throwsElsewhere(() => answers.v0Exists(["org"]), "v0Exists");
  });

  it("have nothing before the first epoch", () => {
    const answers = new SharedAnswers(NO_EPOCH, undefined);
    assert.equal(answers.epoch, 0);
    throwsElsewhere(() => answers.moduleAnswer(hashOf(1)));
    throwsElsewhere(() => answers.head(0));
    const main = makeData({ epoch: 0, head: () => assert.fail("no head to ask for") });
    assert.equal(takeServedHead(main).head.length, 0);
  });
});

describe("shared answers of real epochs", () => {
  let world: World;
  before(async () => {
    const hash = sha256(new Uint8Array(2));
    const records = ["v2", "v3"].flatMap((major) =>
      Array.from({ length: 3 }, (_, i) => formatRecord(`example.com/m/${major}`, `${major}.0.${i}`, hash, hash)),
    );
    world = await World.build({ records, sizes: [2, 6] });
  });
  after(() => world.close());

  it("have the numbers and the head of the main thread's", () => {
    for (const epoch of [1, 2]) {
      const main = world.answers(epoch);
      const answers = new SharedAnswers(structuredClone(takeServedHead(main)), world.snapshot(epoch).tree);
      for (const name of [
        "epoch",
        "headVersion",
        "sumdbSize",
        "previousSumdbSize",
        "nextEpochTime",
        "hasRecordProofs",
      ] as const) {
        assert.equal(answers[name], main[name], name);
      }
      assert.deepEqual(new Uint8Array(answers.head(epoch)), main.head(epoch));
      for (const subject of ["example.com/m/v2", "example.com/m/v3", "example.com/m", "toolchain"]) {
        const key = computeIndexKey(subject, sha256);
        assert.deepEqual(answers.moduleAnswer(key).slice(), main.moduleAnswer(key), subject);
      }
      throwsElsewhere(() => answers.moduleAnswer(computeIndexKey("example.com/m/v*", sha256)));
    }
  });
});
