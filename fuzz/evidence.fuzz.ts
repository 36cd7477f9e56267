import assert from "node:assert/strict";
import { formatBase64 } from "../src/vindex/base64.ts";
import { encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import { formatCheckpoint } from "../src/vindex/checkpoint.ts";
import { EVIDENCE_TYPE, verifyForkEvidence } from "../src/vindex/evidence.ts";
import { formatNote, formatVerifierKey } from "../src/vindex/note.ts";
import { decodeLogProof } from "../src/vindex/payload.ts";
import { Input, textOf } from "./input.ts";
import { naiveConsistencyRoots, naiveRoot } from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519, seal } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { consistencyPayload, EPOCHS, leafHashes, logKey, sumdbKey, ZONE } from "./world.ts";

/**
 * Evidence of forks. An honest log cannot be accused: not with its own notes and any proof that someone makes up. What one
 * key did sign twice is judged as spec/client.md §7 says; and any JSON at all is read or refused.
 */
export const target: Target = { maxLength: 1200, plants: ["two-logs", "larger-first"] };

/** Bug: notes of two different logs are taken for a fork. */
const verifyOnce = plant("two-logs", verifyForkEvidence, (evidence, key, scheme) => {
  try {
    return verifyForkEvidence(evidence, key, scheme);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("different logs")) throw error;
    const none = { origin: "", treeSize: 0, rootHash: new Uint8Array(32) };
    return { keyName: "", older: none, newer: none };
  }
});

/** Bug: the larger tree may stand first. */
const verify = plant("larger-first", verifyOnce, (evidence, key, scheme) => {
  try {
    return verifyOnce(evidence, key, scheme);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("larger tree stands first")) throw error;
    const { notes, ...rest } = evidence as { notes: string[] };
    return verifyOnce({ ...rest, notes: [...notes].reverse() }, key, scheme);
  }
});

const key = formatVerifierKey(logKey.verifierKey);
const ORIGIN = `${ZONE}/p1`;
const roots = Array.from({ length: EPOCHS + 1 }, (_, i) => naiveRoot(leafHashes.slice(0, i)));

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([made, anyJson])(input);
}

/** A note of a tree under a name, signed by the log's key. */
function noteOf(origin: string, treeSize: number, rootHash: Uint8Array, isSigned: boolean): string {
  const text = formatCheckpoint({ origin, treeSize, rootHash });
  const { keyName, keyId, publicKey } = logKey.verifierKey;
  const blob = seal(publicKey, encodeUtf8(isSigned ? text : `${text}x`));
  return formatNote(text, [{ keyName, keyId, blob }]);
}

/** A root of the log, with a byte changed where the input says so. */
function rootFrom(input: Input, treeSize: number): { root: Uint8Array; isTrue: boolean } {
  const root = Uint8Array.from(roots[treeSize] as Uint8Array);
  const change = input.byte();
  if (change % 4 === 0) root[change >> 3] = input.byte();
  return { root, isTrue: equalBytes(root, roots[treeSize] as Uint8Array) };
}

function made(input: Input): void {
  const [a, b] = [input.byte() % (EPOCHS + 1), input.byte() % (EPOCHS + 1)];
  const [older, newer] = [rootFrom(input, a), rootFrom(input, b)];
  const flags = input.byte();
  const isSigned = (flags & 7) !== 7;
  const origin = (flags & 0x18) === 0x18 ? "other.example/p1" : ORIGIN;
  const honest: Uint8Array[] =
    a >= 1 && a <= b ? decodeLogProof(consistencyPayload(a, b)).map((hash) => Uint8Array.from(hash)) : [];
  const old = rootFrom(input, a);
  const hasProof = input.byte() % 8 !== 0 ? a !== b : a === b;
  for (let n = input.byte() % 3; n > 0; n--) {
    const at = input.byte() % (honest.length + 1);
    const how = input.byte() % 3;
    const hash = honest[at];
    if (how === 0) honest.splice(at, 1);
    else if (how === 1) honest.splice(at, 0, roots[input.byte() % (EPOCHS + 1)] as Uint8Array);
    else if (hash !== undefined) hash[input.byte() % 32] = input.byte();
  }
  const evidence = {
    type: EVIDENCE_TYPE,
    kind: "fork",
    key,
    notes: [noteOf(ORIGIN, a, older.root, true), noteOf(origin, b, newer.root, isSigned)],
    ...(hasProof ? { oldRoot: formatBase64(old.root), consistency: honest.map(formatBase64) } : {}),
  };
  const expectedKey = flags >= 0xf0 ? formatVerifierKey(sumdbKey.verifierKey) : key;
  const outcome = withinTime("evidence", () =>
    outcomeOf(
      () => verify(JSON.parse(JSON.stringify(evidence)), expectedKey, fakeEd25519),
      "MALFORMED_EVIDENCE",
      "BAD_SIGNATURE",
      "BAD_PROOF",
    ),
  );
  const judge = (): string | undefined => {
    if (a > b || hasProof === (a === b)) return "MALFORMED_EVIDENCE";
    if (expectedKey !== key || !isSigned) return "BAD_SIGNATURE";
    if (origin !== ORIGIN) return "BAD_PROOF";
    if (a === b) return equalBytes(older.root, newer.root) ? "BAD_PROOF" : undefined;
    const proof = a < 1 ? undefined : naiveConsistencyRoots(honest, a, b, old.root);
    if (proof === undefined || !equalBytes(proof.newRoot, newer.root)) return "BAD_PROOF";
    return !equalBytes(proof.oldRoot, old.root) || equalBytes(old.root, older.root) ? "BAD_PROOF" : undefined;
  };
  assert.equal(outcome.code, judge(), outcome.error?.message);
  // Two true notes of one honest log accuse nobody.
  if (outcome.code === undefined) assert.ok(!older.isTrue || !newer.isTrue, "an honest log was accused");
}

function anyJson(input: Input): void {
  let json: unknown;
  try {
    json = JSON.parse(textOf(input.rest()));
  } catch {
    return;
  }
  const outcome = withinTime("evidence", () =>
    outcomeOf(() => verify(json, undefined, fakeEd25519), "MALFORMED_EVIDENCE", "BAD_SIGNATURE", "BAD_PROOF"),
  );
  if (outcome.value === undefined) return;
  const { keyName, older, newer } = outcome.value;
  assert.ok(keyName !== "" && older.treeSize <= newer.treeSize && older.origin === newer.origin);
  assert.ok(older.treeSize < newer.treeSize || !equalBytes(older.rootHash, newer.rootHash));
}
