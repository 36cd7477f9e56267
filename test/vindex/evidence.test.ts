// A vkey of type 0x04 in evidence makes src/vindex/evidence.ts throw a TypeError: "refuses the key of a cosigner" fails
// until it is MALFORMED_EVIDENCE.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatBase64 } from "../../src/vindex/base64.ts";
import { type Checkpoint, formatCheckpoint, formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { type ForkEvidence, makeForkEvidence, verifyForkEvidence } from "../../src/vindex/evidence.ts";
import { formatNote, formatVerifierKey, makeSignerKey, type SignerKey, signNote } from "../../src/vindex/note.ts";
import { computeConsistencyProof, computeRoot, type Subtree } from "../../src/vindex/tlog.ts";
import { ed25519, hashOf, longTexts, refusalOf, seedOf, sha256 } from "./samples.ts";
import { naiveSubtree } from "./trees.ts";

const origin = "log.example.org/p1";
const log = makeSignerKey(origin, 1, seedOf(1), ed25519);
const other = makeSignerKey(origin, 1, seedOf(2), ed25519);
const key = formatVerifierKey(log.verifierKey);

/** A log that leaves the common one at `forkAt`. */
function reader(forkAt: number) {
  const leaves = Array.from({ length: 64 }, (_, i) => hashOf(i < forkAt ? i : `fork ${i}`));
  return (subtrees: readonly Subtree[]) => subtrees.map((subtree) => naiveSubtree(leaves, subtree));
}
const honest = reader(64);
const forked = reader(3);

function signText(text: string, signer: SignerKey = log): string {
  return formatNote(text, [signNote(text, signer, ed25519)]);
}
function noteOf(treeSize: number, read: typeof honest, signer: SignerKey = log): string {
  return signText(formatCheckpoint({ origin, treeSize, rootHash: computeRoot(treeSize, read, sha256) }), signer);
}
/** Evidence that the tree of size n of the forked log does not continue that of size m of the honest one. */
function evidenceOf(m: number, n: number): ForkEvidence {
  const proof = { oldRoot: computeRoot(m, forked, sha256), consistency: computeConsistencyProof(m, n, forked, sha256) };
  return makeForkEvidence(key, noteOf(m, honest), noteOf(n, forked), proof);
}
const code =
  (...codes: Parameters<typeof isProofdnsError>[1][]) =>
  (error: unknown) =>
    isProofdnsError(error, ...codes);

describe("evidence of a fork", () => {
  it("is proven by two trees of one size", () => {
    const evidence = makeForkEvidence(key, noteOf(7, honest), noteOf(7, forked));
    const fork = verifyForkEvidence(JSON.parse(JSON.stringify(evidence)), key);
    assert.equal(fork.keyName, origin);
    assert.equal(fork.older.treeSize, 7);
    assert.notDeepEqual(fork.older.rootHash, fork.newer.rootHash);
  });

  it("is proven by two trees of different sizes and a consistency proof, for all sizes to 24", () => {
    for (let n = 5; n <= 24; n++) {
      for (let m = 4; m < n; m++) {
        const fork = verifyForkEvidence(evidenceOf(m, n), key, ed25519);
        assert.deepEqual([fork.older.treeSize, fork.newer.treeSize], [m, n]);
      }
    }
  });

  it("works for tree heads of a checksum database", () => {
    const head = (read: typeof honest): string =>
      signText(formatTreeHead({ treeSize: 9, rootHash: computeRoot(9, read, sha256) }));
    assert.equal(verifyForkEvidence(makeForkEvidence(key, head(honest), head(forked))).newer.treeSize, 9);
  });

  it("is not proven by a log that only grew, for all sizes to 16", () => {
    for (let n = 1; n <= 16; n++) {
      for (let m = 1; m < n; m++) {
        const proof = {
          oldRoot: computeRoot(m, honest, sha256),
          consistency: computeConsistencyProof(m, n, honest, sha256),
        };
        const evidence = makeForkEvidence(key, noteOf(m, honest), noteOf(n, honest), proof);
        assert.throws(() => verifyForkEvidence(evidence, key, ed25519), code("BAD_PROOF"));
      }
    }
  });

  it("is not proven by an invented old root or an invented proof", () => {
    for (const [m, n] of [
      [4, 9],
      [8, 9],
      [5, 8],
      [6, 13],
    ] as const) {
      const good = {
        oldRoot: computeRoot(m, honest, sha256),
        consistency: computeConsistencyProof(m, n, honest, sha256),
      };
      const [older, newer] = [noteOf(m, honest), noteOf(n, honest)];
      const wrong = [
        { ...good, oldRoot: hashOf("invented") },
        { ...good, consistency: good.consistency.map((_, i) => hashOf(`invented ${i}`)) },
        { oldRoot: computeRoot(m, forked, sha256), consistency: computeConsistencyProof(m, n, forked, sha256) },
        { ...good, consistency: [...good.consistency].reverse() },
      ];
      for (const proof of wrong) {
        if (m === 8 && n === 9 && proof === wrong[3]) continue; // one hash, its own reverse
        assert.throws(
          () => verifyForkEvidence(makeForkEvidence(key, older, newer, proof), key, ed25519),
          code("BAD_PROOF"),
        );
      }
      for (const consistency of [good.consistency.slice(1), [...good.consistency, hashOf(1)]]) {
        const evidence = makeForkEvidence(key, older, newer, { ...good, consistency });
        assert.throws(() => verifyForkEvidence(evidence, key, ed25519), code("MALFORMED_PROOF", "BAD_PROOF"));
      }
    }
  });

  it("is not proven by one tree twice", () => {
    const evidence = makeForkEvidence(key, noteOf(7, honest), noteOf(7, honest));
    assert.throws(() => verifyForkEvidence(evidence, key), code("BAD_PROOF"));
  });

  it("needs both signatures by the one key", () => {
    const pairs = [
      [noteOf(7, honest, other), noteOf(7, forked)],
      [noteOf(7, honest), noteOf(7, forked, other)],
    ] as const;
    for (const [older, newer] of pairs) {
      assert.throws(() => verifyForkEvidence(makeForkEvidence(key, older, newer), key), code("BAD_SIGNATURE"));
    }
    const evidence = makeForkEvidence(key, noteOf(7, honest), noteOf(7, forked));
    assert.throws(() => verifyForkEvidence(evidence, formatVerifierKey(other.verifierKey)), code("BAD_SIGNATURE"));
    const about = { ...evidence, key: formatVerifierKey(other.verifierKey) };
    assert.throws(() => verifyForkEvidence(about), code("BAD_SIGNATURE"));
  });

  it("refuses two notes of different origins under one key", () => {
    const twoLogs = (o: string, read: typeof honest): Checkpoint => ({
      origin: o,
      treeSize: 7,
      rootHash: computeRoot(7, read, sha256),
    });
    const notes = [
      signText(formatCheckpoint(twoLogs("a", honest))),
      signText(formatCheckpoint(twoLogs("b", forked))),
    ] as const;
    assert.throws(() => verifyForkEvidence(makeForkEvidence(key, ...notes), key), code("BAD_PROOF"));
  });

  it("refuses the larger tree first, and two sizes without a proof", () => {
    const good = evidenceOf(5, 9);
    const [older, newer] = good.notes;
    const { consistency, ...noProof } = good;
    const { oldRoot, ...noRoot } = good;
    for (const evidence of [{ ...good, notes: [newer, older] }, noProof, noRoot, makeForkEvidence(key, older, newer)]) {
      assert.throws(() => verifyForkEvidence(evidence, key), code("MALFORMED_EVIDENCE"));
    }
    assert.ok(consistency !== undefined && oldRoot !== undefined);
  });

  it("refuses a tree of size 0 for the older one", () => {
    const proof = { oldRoot: hashOf(1), consistency: [] };
    const evidence = makeForkEvidence(key, noteOf(0, honest), noteOf(4, honest), proof);
    assert.throws(() => verifyForkEvidence(evidence, key), code("MALFORMED_PROOF", "MALFORMED_EVIDENCE", "BAD_PROOF"));
  });

  it("refuses the key of a cosigner", () => {
    const cosigner = formatVerifierKey(makeSignerKey(origin, 4, seedOf(1), ed25519).verifierKey);
    assert.throws(
      () => verifyForkEvidence({ ...evidenceOf(5, 9), key: cosigner }),
      code("MALFORMED_EVIDENCE", "MALFORMED_VERIFIER_KEY"),
    );
  });

  it("refuses values of other types in every field", () => {
    const good = evidenceOf(5, 9);
    for (const field of ["type", "kind", "key", "notes", "oldRoot", "consistency"]) {
      for (const value of [
        null,
        1,
        true,
        {},
        [],
        "",
        "x",
        [1, 2],
        ["a"],
        ["a", "b", "c"],
        new Array(200).fill(good.oldRoot),
      ]) {
        const evidence = { ...good, [field]: value };
        assert.throws(
          () => verifyForkEvidence(evidence, key, ed25519),
          isProofdnsError,
          `${field} ${JSON.stringify(value)}`,
        );
      }
    }
    for (const value of [null, undefined, 1, "x", [], {}, [good], JSON.stringify(good)]) {
      assert.throws(() => verifyForkEvidence(value), code("MALFORMED_EVIDENCE"));
    }
  });

  it("refuses hashes that are not strict base64 of 32 bytes", () => {
    const good = evidenceOf(5, 9);
    const root = good.oldRoot as string;
    for (const text of [
      "",
      "x",
      root.slice(0, -1),
      `${root} `,
      formatBase64(new Uint8Array(31)),
      root.replace("=", "=="),
    ]) {
      assert.throws(() => verifyForkEvidence({ ...good, oldRoot: text }, key, ed25519), code("MALFORMED_EVIDENCE"));
      const consistency = [text, ...(good.consistency as string[]).slice(1)];
      assert.throws(() => verifyForkEvidence({ ...good, consistency }, key, ed25519), code("MALFORMED_EVIDENCE"));
    }
  });

  it("refuses every change of one character in a note", () => {
    const good = evidenceOf(5, 9);
    for (const at of [0, 1] as const) {
      const note = good.notes[at];
      for (let i = 0; i < note.length; i++) {
        const changed = note.slice(0, i) + (note[i] === "7" ? "8" : "7") + note.slice(i + 1);
        const notes = at === 0 ? [changed, good.notes[1]] : [good.notes[0], changed];
        assert.throws(() => verifyForkEvidence({ ...good, notes }, key, ed25519), isProofdnsError);
      }
    }
  });

  it("throws nothing but its own error on any object", () => {
    const good = evidenceOf(5, 9);
    fc.assert(
      fc.property(
        fc.constantFrom("key", "notes", "oldRoot", "consistency", "kind"),
        fc.jsonValue(),
        fc.jsonValue(),
        (field, value, whole) => {
          refusalOf(() => verifyForkEvidence({ ...good, [field]: value }, undefined, ed25519));
          refusalOf(() => verifyForkEvidence(whole, undefined, ed25519));
        },
      ),
    );
    for (const text of longTexts()) refusalOf(() => verifyForkEvidence({ ...good, key: text }, undefined, ed25519));
    for (const text of longTexts())
      refusalOf(() => verifyForkEvidence({ ...good, notes: [text, text] }, undefined, ed25519));
  });
});
