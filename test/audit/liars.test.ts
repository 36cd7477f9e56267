import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Auditor, FullAuditor, StatelessAuditor } from "../../src/audit/auditor.ts";
import { verifyEpochEvidence } from "../../src/audit/evidence.ts";
import { RecordFeed } from "../../src/audit/record-feed.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isProofdnsError, type ProofdnsError } from "../../src/vindex/error.ts";
import type { MapAfter } from "../../src/vindex/map-function.ts";
import type { MapChange } from "../../src/vindex/prefix-tree.ts";
import { computeRecordHash, parseRecord } from "../../src/vindex/record.ts";
import { ServerSource } from "../sumdb/small-log.ts";
import {
  ed25519,
  type Fold,
  foldEpochs,
  type Lie,
  RECORDS,
  recordOf,
  SIZES,
  sha256,
  sumdbKey,
  sumdbVkey,
} from "./folds.ts";
import { logVkey, type MemorySource, publish, sumdbServer, walkKeys } from "./log.ts";

/** An operator that folds differently and signs honestly is found out by both auditors, and its evidence stands alone. */

const honest = foldEpochs(RECORDS, SIZES);

function stateless(source: MemorySource, from = 1): Auditor {
  return new StatelessAuditor({ ...walkKeys, source, from });
}

function full(source: MemorySource, from = 1): Auditor {
  const sumdb = new ServerSource(sumdbServer(RECORDS));
  const feed = new RecordFeed({ sumdbKey: sumdbKey.verifierKey, source: sumdb, sha256, ed25519 });
  return new FullAuditor({ ...walkKeys, source, from, feed });
}

/** Audits all, and gives the first failure. */
async function firstFailure(auditor: Auditor, epochs: number): Promise<ProofdnsError | undefined> {
  try {
    while (auditor.epoch < epochs) await auditor.next();
    return undefined;
  } catch (error) {
    if (isProofdnsError(error)) return error;
    throw error;
  }
}

const keyOf = (subject: string): string => Buffer.from(sha256(encodeUtf8(subject))).toString("hex");

function changing(subject: string, change: (value: string) => string | undefined): (after: MapAfter) => MapChange[] {
  return ({ changes }) =>
    changes.flatMap(({ indexKey, value }) => {
      if (Buffer.from(indexKey).toString("hex") !== keyOf(subject)) return [{ indexKey, value }];
      const next = change(Buffer.from(value ?? []).toString());
      return next === undefined ? [] : [{ indexKey, value: encodeUtf8(next) }];
    });
}

const indexed = (bytes: Uint8Array, logIndex: number) => {
  const record = parseRecord(bytes);
  assert.ok(record !== undefined);
  return { record, logIndex, recordHash: computeRecordHash(bytes, sha256) };
};

const LIES: { readonly [name: string]: Lie } = {
  "a forged value": { epoch: 2, changes: changing("example.com/a", (value) => value.replace(/h=[^ ]{4}/, "h=AAAA")) },
  "a dropped record": {
    epoch: 2,
    records: (records) => records.filter(({ record }) => record.path !== "example.com/big/v3"),
  },
  "an invented record": {
    epoch: 3,
    records: (records) => [...records, indexed(recordOf("example.com/evil", "v1.6.6"), SIZES[2] as number)],
  },
  "a wrong latest": { epoch: 5, changes: changing("example.com/a", (value) => value.replace("v=v1.1.0", "v=v1.0.5")) },
  "a forgotten family": { epoch: 5, changes: changing("gopkg.in/yaml.v*", () => undefined) },
  "a family of a base path that is forgotten": { epoch: 3, forget: "example.com/big" },
  "a changed key that nothing touches": {
    epoch: 6,
    changes: ({ changes }) => [
      ...changes,
      { indexKey: sha256(encodeUtf8("example.com/pseudo")), value: encodeUtf8("v=v9.9.9") },
    ],
  },
  "an added key that is none": {
    epoch: 4,
    changes: ({ changes }) => [
      ...changes,
      { indexKey: sha256(encodeUtf8("example.com/nobody")), value: encodeUtf8("v=v1.0.0") },
    ],
  },
  "a removed key that nothing touches": {
    epoch: 6,
    changes: ({ changes }) => [...changes, { indexKey: sha256(encodeUtf8("example.com/pseudo")), value: undefined }],
  },
  "a wrong toolchain": { epoch: 2, changes: changing("toolchain", (value) => value.replace("go1.22.0", "go1.22.1")) },
  "a wrong first epoch": { epoch: 1, changes: changing("example.com/a", (value) => `${value}; x`) },
};

describe("an honest operator", () => {
  it("is found right by both auditors, from an epoch on", async () => {
    for (const from of [1, 2, 5, SIZES.length]) {
      for (const auditor of [stateless(publish(honest), from), full(publish(honest), from)]) {
        assert.equal(await firstFailure(auditor, SIZES.length), undefined);
        assert.equal(auditor.epoch, SIZES.length);
        assert.equal(auditor.records, (SIZES.at(-1) as number) - (SIZES[from - 2] ?? 0));
      }
    }
  });
});

describe("a lie", () => {
  for (const [name, lie] of Object.entries(LIES)) {
    it(`${name} is caught statelessly and fully, and the evidence shows it to a stranger`, async () => {
      const folds = foldEpochs(RECORDS, SIZES, lie);
      const source = publish(folds);
      for (const auditor of [stateless(source), full(source)]) {
        const failure = await firstFailure(auditor, SIZES.length);
        assert.equal(failure?.code, "MAP_ROOT_MISMATCH", `${failure?.message}`);
        assert.equal(auditor.epoch, lie.epoch - 1, "the epoch before is the last right one");
        const evidence: unknown = JSON.parse(JSON.stringify(failure?.evidence));
        const options = { sha256, ed25519, expectedKey: logVkey, expectedSumdbKey: sumdbVkey };
        const { epoch, fault, rightLeafText } = verifyEpochEvidence(evidence, options);
        assert.deepEqual([epoch, fault], [lie.epoch, "root"]);
        assert.equal(rightLeafText, honest[lie.epoch - 1]?.after.leafText);
      }
    });
  }

  it("a false old state text is refused statelessly, whatever it is made to give", async () => {
    const folds = foldEpochs(RECORDS, SIZES);
    const fold = folds[1] as Fold;
    const old = fold.states.get("example.com/a") as string;
    for (const text of [old.replace("v1.0.0 1", "v1.0.0 0"), old.replace("n 1", "n 2"), `${old}\n`]) {
      const states = new Map(fold.states).set("example.com/a", text);
      const source = publish(folds, [folds[0] as Fold, { ...fold, states }]);
      const auditor = stateless(source);
      const failure = await firstFailure(auditor, SIZES.length);
      assert.equal(failure?.code, "BAD_STATE_TEXT");
      assert.equal(auditor.epoch, 1);
      assert.equal(failure?.evidence, undefined, "nobody is accused by what anyone can make up");
    }
  });

  it("a false state that was folded into the map is caught fully", async () => {
    const source = publish(foldEpochs(RECORDS, SIZES, LIES["a wrong latest"]));
    assert.equal((await firstFailure(full(source), SIZES.length))?.code, "MAP_ROOT_MISMATCH");
  });

  it("in an epoch does not excuse the next one, which is judged by the leaf before it", async () => {
    const folds = foldEpochs(RECORDS, SIZES, LIES["a changed key that nothing touches"]);
    assert.equal(await firstFailure(stateless(publish(folds), 6), 6).then((error) => error?.code), "MAP_ROOT_MISMATCH");
    const later = foldEpochs(RECORDS, SIZES, LIES["an added key that is none"]);
    // Epoch 5 follows from a wrong epoch 4: who begins there takes 4 as given, and the full auditor does not.
    assert.equal(await firstFailure(stateless(publish(later), 5), 6), undefined);
    const failure = await firstFailure(full(publish(later), 5), 6);
    assert.equal(failure?.code, "MAP_ROOT_MISMATCH");
    assert.match(`${failure?.message}`, /epoch 4 is WRONG already/);
  });
});

describe("a transition that is not the one of the epoch", () => {
  it("is refused where records are dropped, invented or changed, and accuses nobody", async () => {
    const fold = honest[1] as Fold;
    for (const texts of [
      fold.texts.slice(1),
      [...fold.texts, recordOf("example.com/evil", "v1.6.6")],
      [...fold.texts].reverse(),
    ]) {
      const failure = await firstFailure(stateless(publish(honest, [honest[0] as Fold, { ...fold, texts }])), 6);
      assert.equal(failure?.code, "BAD_SUMDB_SIGNATURE");
      assert.equal(failure?.evidence, undefined);
    }
  });

  it("is refused if it is of another epoch, and says nothing if it is missing", async () => {
    const source = publish(honest);
    source.transitions.set(3, source.transitions.get(2) as Uint8Array);
    assert.equal((await firstFailure(stateless(source), 6))?.code, "BAD_PROOF");
    source.transitions.delete(3);
    assert.equal((await firstFailure(stateless(source), 6))?.code, "NO_ANSWER");
  });

  it("is refused if it leads to a signed tree head that is not the leaf's", async () => {
    const coarse = foldEpochs(RECORDS, [SIZES[0] as number, SIZES[2] as number]);
    const source = publish(honest, [honest[0] as Fold]);
    source.transitions.set(2, publish(coarse).transitions.get(2) as Uint8Array);
    const failure = await firstFailure(stateless(source), 6);
    assert.equal(failure?.code, "BAD_LEAF");
    assert.equal(failure?.evidence, undefined);
  });
});
