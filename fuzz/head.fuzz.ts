import assert from "node:assert/strict";
import { type Memory, type Trust, verifyAge, verifyHead, verifySumdbExtension } from "../src/client/verify/index.ts";
import { encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import type { ErrorCode } from "../src/vindex/error.ts";
import { verifyForkEvidence } from "../src/vindex/evidence.ts";
import { formatKeyId, formatVerifierKey, type SignerKey } from "../src/vindex/note.ts";
import { Input } from "./input.ts";
import {
  extensionCode,
  firstQuorum,
  freshness,
  memoryOf,
  type NaiveMemory,
  type NaiveTrust,
  naiveVerdict,
  resignHead,
} from "./oracle/head.ts";
import { naiveHead } from "./oracle/payload.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519, seal } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import {
  consistencyPayload,
  cosigners,
  EPOCHS,
  epochOf,
  leafHashes,
  logKey,
  policyText,
  SIZES,
  sumdbConsistencyPayload,
  sumdbKey,
  timeOf,
  trustOf,
  verifiedHead,
  work,
  ZONE,
} from "./world.ts";

/**
 * Heads, by a client that may remember one: the verdict is that of a second implementation of spec/client.md §3, whatever
 * is sent and whoever signed it. The input says which signatures are made good again after it was changed.
 */
export const target: Target = {
  maxLength: 1500,
  plants: ["unsigned-extension", "future-is-stale", "lenient-cosignature"],
};

/** Bug: of a head since the remembered one the signatures are not checked. */
const verify = plant("unsigned-extension", verifyHead, (input) => {
  const { trust, memory, question } = input;
  const epoch = naiveHead(input.untrustedHead, "since")?.epoch ?? 0;
  if (memory === undefined || question.since === undefined || epoch <= memory.epoch) return verifyHead(input);
  return verifyHead({ ...input, trust: { ...trust, ed25519: { ...trust.ed25519, verify: () => true } } });
});

/** Bug: a head that is only cosigned for the future is called stale. */
const verdictOf = plant(
  "future-is-stale",
  (outcome: Outcome<unknown>) => outcome.code,
  (outcome) => (outcome.code === "FROM_FUTURE" ? "STALE" : outcome.code),
);

/** Bug: a cosignature that does not hold is taken for one that is not there. */
const codeOf = plant("lenient-cosignature", verdictOf, (outcome) =>
  outcome.code === "BAD_COSIGNATURE" ? "NO_QUORUM" : outcome.code,
);

interface Policy {
  readonly trust: Trust;
  readonly naive: NaiveTrust;
  readonly memories: readonly Memory[];
}

const ids = cosigners.map(({ verifierKey }) => formatKeyId(verifierKey.keyId));
const [clock = "", ...witnesses] = ids;
const has = (set: ReadonlySet<string>, k: number): boolean => witnesses.filter((id) => set.has(id)).length >= k;

/** Rules of a policy, and what they mean. */
const RULES: readonly [string, NaiveTrust["quorum"]][] = [
  ["group two 2 w1 w2 w3\ngroup both all clock two\nquorum both\n", (set) => set.has(clock) && has(set, 2)],
  ["quorum clock\n", (set) => set.has(clock)],
  ["group any any clock w1 w2 w3\nquorum any\n", (set) => set.size > 0],
  ["quorum none\n", undefined],
];

const honestTrust = trustOf();
const memories = Array.from({ length: EPOCHS }, (_, i) => verifiedHead(i + 1, honestTrust));
const { keyName, keyId } = sumdbKey.verifierKey;
const naiveMemories = memories.map((_, i) =>
  memoryOf(epochOf(i + 1), leafHashes, { sumdbKeyName: keyName, sumdbKeyId: keyId }),
);

function signerOf(by: Parameters<NaiveTrust["holds"]>[0]): SignerKey | undefined {
  if (by === "log") return logKey;
  return by === "sumdb" ? sumdbKey : cosigners[ids.indexOf(by.witness)];
}

const POLICIES: readonly Policy[] = RULES.map(([rule, quorum]) => {
  const trust = trustOf(policyText.replace(/^group[\s\S]*$/m, rule));
  const naive: NaiveTrust = {
    origin: `${ZONE}/p1`,
    sumdbKeyName: keyName,
    sumdbKeyId: keyId,
    witnesses: ids,
    quorum,
    maxAge: trust.maxAge,
    holds: (by, text, signature) => {
      const signer = signerOf(by);
      return signer !== undefined && fakeEd25519.verify(signer.verifierKey.publicKey, encodeUtf8(text), signature);
    },
  };
  return { trust, naive, memories };
});

const HEAD_CODES: readonly ErrorCode[] = [
  "MALFORMED_ANSWER",
  "WRONG_EPOCH",
  "BAD_LEAF",
  "BAD_LOG_SIGNATURE",
  "BAD_SUMDB_SIGNATURE",
  "BAD_COSIGNATURE",
  "FORK",
  "SUMDB_FORK",
  "SUMDB_ROLLBACK",
  "EXTENSION_NOT_PROVEN",
  "NO_FRESHNESS",
  "NO_QUORUM",
  "CONSISTENCY_MISSING",
  "LAGGING",
];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([head, age, sumdbExtension])(input);
}

interface Sent {
  readonly policy: Policy;
  readonly remembered: number;
  readonly form: "plain" | "since";
  readonly head: Uint8Array;
  readonly consistency: Uint8Array | undefined;
}

/** Reads who asks and what is sent. `remembered` is 0 for no memory. */
function sentOf(input: Input, needsMemory: boolean): Sent {
  const policy = POLICIES[input.byte() % 32] ?? (POLICIES[0] as Policy);
  const chosen = input.byte();
  const remembered = needsMemory ? 1 + (chosen % EPOCHS) : chosen % (EPOCHS + 1);
  const form = remembered > 0 && !needsMemory && input.byte() % 2 === 1 ? "since" : "plain";
  const repairs = input.byte();
  const proof = input.byte();
  const change = [input.byte(), input.byte()] as const;
  const rawProof = proof % 4 === 3 ? input.block() : undefined;
  const bytes = input.rest();
  const decoded = naiveHead(bytes, form);
  const memory: NaiveMemory | undefined = naiveMemories[remembered - 1];
  let sent = bytes;
  if (decoded !== undefined) {
    sent = resignHead(decoded, form, memory, policy.naive, (by, text) => {
      const bit = by === "log" ? 0 : by === "sumdb" ? 1 : 2 + Math.max(0, ids.indexOf(by.witness));
      const signer = signerOf(by);
      return (repairs >> bit) % 2 === 0 || signer === undefined
        ? undefined
        : seal(signer.verifierKey.publicKey, encodeUtf8(text));
    });
  }
  const epoch = decoded?.epoch ?? 0;
  const [a, b] = [Math.min(epoch, remembered), Math.max(epoch, remembered)];
  let consistency = rawProof;
  if (proof % 4 === 1 || proof % 4 === 2) {
    consistency = a >= 1 && b <= EPOCHS ? consistencyPayload(a, b) : undefined;
    if (consistency !== undefined && proof % 4 === 2) {
      const at = change[0] % consistency.length;
      consistency[at] = (consistency[at] as number) ^ change[1];
    }
  }
  return { policy, remembered, form, head: sent, consistency };
}

function head(input: Input): void {
  const isAsked = input.byte() % 4 === 0;
  const askedEpoch = 1 + (input.byte() % EPOCHS);
  const now = timeOf(1) + (input.uint16() - 0x4000) * 8;
  const sent = sentOf(input, false);
  const { policy, remembered, form, consistency } = sent;
  const memory = policy.memories[remembered - 1];
  const asked = isAsked ? askedEpoch : undefined;
  const outcome = withinTime("a head", () =>
    outcomeOf(
      () =>
        work.counted(() =>
          verify({
            trust: policy.trust,
            memory,
            now,
            question: { epoch: asked, since: form === "since" ? remembered : undefined },
            untrustedHead: sent.head,
            untrustedConsistency: consistency,
          }),
        ),
      ...HEAD_CODES,
      "STALE",
      "FROM_FUTURE",
    ),
  );
  // Bounded by what the epochs and the policy ask for, not by what was sent.
  assert.ok(work.verifications <= 2 + ids.length && work.hashes <= 600, `${work.verifications}, ${work.hashes}`);
  const naive = naiveVerdict(
    {
      memory: naiveMemories[remembered - 1],
      form,
      asked,
      head: sent.head,
      consistency,
      lag: memory === undefined ? undefined : { ageTime: memory.ageTime, most: policy.trust.maxLag },
    },
    policy.naive,
    (times) => freshness(times, policy.naive, now),
  );
  checkEvidence(outcome);
  assert.equal(codeOf(outcome), naive.code, outcome.error?.message);
  if (outcome.value === undefined || naive.code !== undefined) return;
  assert.equal(outcome.value.epoch, naive.epoch);
  assert.ok(equalBytes(outcome.value.rootHash, naive.root));
  assert.equal(outcome.value.ageTime, naive.time);
  assert.ok(equalBytes(outcome.value.frontier.root(), outcome.value.rootHash));
}

function age(input: Input): void {
  const time = timeOf(1) + (input.uint16() - 0x8000);
  const sent = sentOf(input, true);
  const { policy, remembered, consistency } = sent;
  const newest = policy.memories[remembered - 1];
  if (newest === undefined) return;
  const outcome = withinTime("an age", () =>
    outcomeOf(
      () =>
        verifyAge({ trust: policy.trust, newest, time, untrustedHead: sent.head, untrustedConsistency: consistency }),
      ...HEAD_CODES,
      "TOO_YOUNG",
    ),
  );
  const naive = naiveVerdict(
    { memory: naiveMemories[remembered - 1], form: "plain", asked: undefined, head: sent.head, consistency },
    policy.naive,
    (times) => firstQuorum(times, policy.naive, time),
  );
  checkEvidence(outcome);
  assert.equal(codeOf(outcome), naive.code, outcome.error?.message);
  if (outcome.value !== undefined && naive.code === undefined) assert.equal(outcome.value.publicSince, naive.time);
}

function sumdbExtension(input: Input): void {
  const [a, b] = [input.byte() % EPOCHS, input.byte() % EPOCHS];
  const [older, newer] = [memories[Math.min(a, b)] as Memory, memories[Math.max(a, b)] as Memory];
  const [oldSize, newSize] = [SIZES[Math.min(a, b)] as number, SIZES[Math.max(a, b)] as number];
  const forgedBit = input.byte();
  const forged = forgedBit % 4 === 0 ? Uint8Array.from(newer.leaf.treeHead.rootHash) : newer.leaf.treeHead.rootHash;
  if (forgedBit % 4 === 0) forged[forgedBit >> 3] = input.byte();
  const treeHead = { treeSize: newSize, rootHash: forged };
  const sumdbSignature = seal(
    sumdbKey.verifierKey.publicKey,
    encodeUtf8(`go.sum database tree\n${newSize}\n${Buffer.from(forged).toString("base64")}\n`),
  );
  const forgedHead = { ...newer, leaf: { ...newer.leaf, treeHead, sumdbSignature } };
  const isHonest = input.byte() % 2 === 0;
  const [at, bits] = [input.byte(), input.byte()];
  let proof = input.rest();
  if (isHonest) {
    proof = sumdbConsistencyPayload(oldSize, newSize);
    if (at < proof.length) proof[at] = (proof[at] as number) ^ bits;
  }
  const outcome = outcomeOf(
    () => verifySumdbExtension(honestTrust, older, forgedHead, proof),
    "MALFORMED_ANSWER",
    "SUMDB_FORK",
    "SUMDB_EXTENSION_NOT_PROVEN",
  );
  const oldRoot = older.leaf.treeHead.rootHash;
  const equalSizes = equalBytes(oldRoot, forged) ? undefined : "SUMDB_FORK";
  const expected = oldSize === newSize ? equalSizes : extensionCode(proof, oldSize, oldRoot, newSize, forged, "SUMDB_");
  checkEvidence(outcome);
  assert.equal(outcome.code, expected, outcome.error?.message);
}

/** Whoever is accused of a fork is so with evidence that others can check. */
function checkEvidence({ code, error }: Outcome<unknown>): void {
  if (code !== "FORK" && code !== "SUMDB_FORK") return;
  const { verifierKey } = code === "FORK" ? logKey : sumdbKey;
  const evidence: unknown = JSON.parse(JSON.stringify(error.evidence));
  verifyForkEvidence(evidence, formatVerifierKey(verifierKey), fakeEd25519);
}
