import { encodeUtf8, equalBytes } from "../../vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead, type TreeHead } from "../../vindex/checkpoint.ts";
import { type Cosignature, verifyCosignature } from "../../vindex/cosignature.ts";
import { type ErrorCode, ProofdnsError } from "../../vindex/error.ts";
import { makeForkEvidence } from "../../vindex/evidence.ts";
import { Frontier } from "../../vindex/frontier.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf, formatSignedTreeHead } from "../../vindex/leaf.ts";
import { formatNote, formatVerifierKey } from "../../vindex/note.ts";
import { decodeHead, decodeLogProof, type HeadPayload } from "../../vindex/payload.ts";
import { firstQuorumTime, freshestQuorumTime } from "../../vindex/policy.ts";
import type { Hash } from "../../vindex/sha256.ts";
import { type ConsistencyRoots, computeConsistencyRoots } from "../../vindex/tlog.ts";
import { MAX_SKEW, type Trust } from "./trust.ts";

/** A checkpoint of the log with its newest leaf, all of it signed. */
export interface SignedHead {
  readonly epoch: number;
  /** Root of the log of size `epoch`. */
  readonly rootHash: Hash;
  readonly logSignature: Uint8Array;
  readonly frontier: Frontier;
  readonly leaf: EpochLeaf;
}

/** What a client remembers of a log between verifications (spec/client.md §1). */
export interface Memory extends SignedHead {
  /** Unix seconds: the oldest time in the freshest quorum that was seen on it. */
  readonly ageTime: number;
}

declare const verified: unique symbol;

/** A head that `verifyHead` returned; nothing else makes one. */
export interface VerifiedHead extends Memory {
  readonly [verified]: true;
}

/** The newest head, or that of one epoch; plain, or since the epoch that the memory is of. */
export interface HeadQuestion {
  /** Undefined: the newest. */
  readonly epoch?: number | undefined;
  /** Undefined: plain. Else the epoch of the memory. */
  readonly since?: number | undefined;
}

/** What `verifyHead` is given. Everything but trust, memory and clock comes from outside. */
export interface HeadInput {
  readonly trust: Trust;
  readonly memory: Memory | undefined;
  /** Unix seconds. */
  readonly now: number;
  readonly question: HeadQuestion;
  readonly untrustedHead: Uint8Array;
  /** Payload of `_consistency` between the memory's epoch and this one, the smaller first. */
  readonly untrustedConsistency?: Uint8Array | undefined;
}

/**
 * Verifies a head (spec/client.md §3): signatures, consistency with the memory, freshness. The memory is not changed:
 * the caller replaces it after everything else passed (§8).
 *
 * @throws ProofdnsError with the code of the first check that fails; `FORK` and `SUMDB_FORK` carry evidence
 */
export function verifyHead(input: HeadInput): VerifiedHead {
  const { trust, memory, now } = input;
  const { head, cosignatures } = verifySignedHead(input);
  const isExtended = checkMemory(trust, memory, head, input);
  const ageTime = checkFreshness(trust, cosignatures, now);
  if (!isExtended) throw missingConsistency();
  return { ...head, ageTime } as VerifiedHead;
}

/** What `verifyAge` proved: every record below the head's sumdb size was public at `publicSince`. */
export interface VerifiedAge extends SignedHead {
  /** Unix seconds. */
  readonly publicSince: number;
}

/**
 * Verifies the head of a `t<time>._head` answer (spec/client.md §6, *Age*) beside the newest verified head.
 *
 * @throws ProofdnsError as `verifyHead`, but for age `TOO_YOUNG` instead of `STALE` and `FROM_FUTURE`
 */
export function verifyAge(input: {
  readonly trust: Trust;
  readonly newest: Memory;
  /** Unix seconds, as asked. */
  readonly time: number;
  readonly untrustedHead: Uint8Array;
  readonly untrustedConsistency?: Uint8Array | undefined;
}): VerifiedAge {
  const { trust, newest, time } = input;
  const { head, cosignatures } = verifySignedHead({ ...input, memory: undefined, question: {} });
  const isExtended = checkMemory(trust, newest, head, { ...input, question: {} });
  const rule = checkQuorum(trust, cosignatures);
  const publicSince = firstQuorumTime(
    rule,
    cosignatures.filter((cosignature) => cosignature.time <= time),
  );
  if (publicSince === undefined) throw new ProofdnsError("TOO_YOUNG", `no quorum of cosignatures up to ${time}`);
  if (!isExtended) throw missingConsistency();
  return { ...head, publicSince };
}

function missingConsistency(): ProofdnsError {
  return new ProofdnsError("CONSISTENCY_MISSING", "no proof that the head and the remembered one are of one log");
}

type SignedInput = Pick<HeadInput, "trust" | "memory" | "question" | "untrustedHead">;

/** Steps 1 to 7: decoding, and every signature. */
function verifySignedHead(input: SignedInput): { head: SignedHead; cosignatures: Cosignature[] } {
  const { trust, memory, question } = input;
  const { since } = question;
  const payload = decodeHead(input.untrustedHead, since === undefined ? "plain" : "since");
  const { epoch } = payload;
  if (question.epoch !== undefined && epoch !== question.epoch) {
    throw new ProofdnsError("WRONG_EPOCH", `a head of epoch ${epoch} where ${question.epoch} was asked`);
  }
  if (since !== undefined && epoch < since) {
    throw new ProofdnsError("WRONG_EPOCH", `a head of epoch ${epoch}, before the remembered ${since}`);
  }
  const leaf: EpochLeaf = {
    mapRoot: payload.mapRoot,
    treeHead: payload.treeHead,
    sumdbSignature: payload.sumdbSignature,
  };
  const leafText = formatLeaf(leaf, trust.sumdbKey);
  const frontier = computeFrontier(trust, memory, since, payload, leafText);
  const rootHash = frontier.root();
  const checkpointText = formatCheckpoint({ origin: trust.origin, treeSize: epoch, rootHash });
  verifySignature(trust, "BAD_LOG_SIGNATURE", trust.logKey.publicKey, checkpointText, payload.logSignature);
  const treeHeadText = formatTreeHead(leaf.treeHead);
  verifySignature(trust, "BAD_SUMDB_SIGNATURE", trust.sumdbKey.publicKey, treeHeadText, leaf.sumdbSignature);
  const cosignatures: Cosignature[] = [];
  for (const cosignature of payload.cosignatures) {
    const witness = trust.policy.witnesses.find(({ verifierKey }) => verifierKey.keyId === cosignature.keyId);
    if (witness === undefined) continue;
    verifyCosignature(checkpointText, cosignature, witness.verifierKey, trust.ed25519);
    cosignatures.push(cosignature);
  }
  const head = { epoch, rootHash, logSignature: payload.logSignature.slice(), frontier, leaf: copyLeaf(leaf) };
  return { head, cosignatures };
}

/** What is kept must not alias the packet that it came in. */
function copyLeaf({ mapRoot, treeHead, sumdbSignature }: EpochLeaf): EpochLeaf {
  return {
    mapRoot: mapRoot.slice(),
    treeHead: { treeSize: treeHead.treeSize, rootHash: treeHead.rootHash.slice() },
    sumdbSignature: sumdbSignature.slice(),
  };
}

/** Steps 3 and 4: the frontier of the log with the new leaf. */
function computeFrontier(
  trust: Trust,
  memory: Memory | undefined,
  since: number | undefined,
  payload: HeadPayload,
  leafText: string,
): Frontier {
  const hashes = payload.hashes.map((hash) => hash.slice());
  const malformed = (cause: unknown): never => {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("MALFORMED_ANSWER", `head: ${cause.message}`, { cause });
  };
  const leafHash = computeEpochLeafHash(leafText, trust.sha256);
  if (since === undefined) {
    try {
      return Frontier.of(payload.epoch - 1, hashes, trust.sha256).append(leafHash);
    } catch (error) {
      return malformed(error);
    }
  }
  if (memory?.epoch !== since) throw new TypeError("a head since an epoch that is not remembered");
  if (since === payload.epoch) {
    if (hashes.length > 0) throw new ProofdnsError("MALFORMED_ANSWER", "head: hashes that extend nothing");
    if (leafText !== formatLeaf(memory.leaf, trust.sumdbKey)) {
      throw new ProofdnsError("BAD_LEAF", `another leaf for epoch ${since} than the remembered one`);
    }
    return memory.frontier;
  }
  try {
    return memory.frontier.extend(payload.epoch - 1, hashes).append(leafHash);
  } catch (error) {
    return malformed(error);
  }
}

function verifySignature(
  trust: Trust,
  code: ErrorCode,
  publicKey: Uint8Array,
  text: string,
  untrustedSignature: Uint8Array,
): void {
  if (trust.ed25519.verify(publicKey, encodeUtf8(text), untrustedSignature)) return;
  const whose =
    code === "BAD_LOG_SIGNATURE"
      ? `${trust.logKey.keyName} on its checkpoint`
      : `${trust.sumdbKey.keyName} on its tree head`;
  // The leaf is made with the sumdb key's name, so that another key shows here first.
  const hint =
    code === "BAD_LOG_SIGNATURE" ? `, or the checksum database is another than ${trust.sumdbKey.keyName}` : "";
  throw new ProofdnsError(code, `the signature by ${whose} is wrong${hint}`);
}

/** Step 8. True if there is nothing that a consistency proof would still have to show. */
function checkMemory(
  trust: Trust,
  memory: Memory | undefined,
  head: SignedHead,
  input: Pick<HeadInput, "question" | "untrustedConsistency">,
): boolean {
  if (memory === undefined) return true;
  if (head.epoch === memory.epoch) {
    if (equalBytes(head.rootHash, memory.rootHash)) return true;
    throw new ProofdnsError("FORK", `the log signed two different trees of size ${head.epoch}`, {
      evidence: makeForkEvidence(formatVerifierKey(trust.logKey), signedNote(trust, memory), signedNote(trust, head)),
    });
  }
  checkSumdbHeads(trust, memory, head);
  // Since the remembered epoch, the frontier itself proves the extension; a proof that is there is checked all the same.
  if (input.untrustedConsistency === undefined) return input.question.since !== undefined && head.epoch > memory.epoch;
  const [older, newer] = head.epoch < memory.epoch ? [head, memory] : [memory, head];
  verifyExtension({
    trust,
    untrustedProof: input.untrustedConsistency,
    older: { treeSize: older.epoch, rootHash: older.rootHash },
    newer: { treeSize: newer.epoch, rootHash: newer.rootHash },
    notes: [signedNote(trust, older), signedNote(trust, newer)],
    key: formatVerifierKey(trust.logKey),
    what: "log",
  });
  return true;
}

/** The checkpoint of a head as a note with the log's signature. */
export function signedNote(trust: Trust, head: SignedHead): string {
  const text = formatCheckpoint({ origin: trust.origin, treeSize: head.epoch, rootHash: head.rootHash });
  const { keyName, keyId } = trust.logKey;
  return formatNote(text, [{ keyName, keyId, blob: head.logSignature }]);
}

/** Steps 8.2 and 8.3: the sumdb grows with the epochs and never forks. */
function checkSumdbHeads(trust: Trust, memory: Memory, head: SignedHead): void {
  const [older, newer] = head.epoch < memory.epoch ? [head, memory] : [memory, head];
  const [oldHead, newHead] = [older.leaf.treeHead, newer.leaf.treeHead];
  if (oldHead.treeSize === newHead.treeSize && !equalBytes(oldHead.rootHash, newHead.rootHash))
    throw sumdbFork(trust, older, newer);
  if (oldHead.treeSize >= newHead.treeSize) {
    throw new ProofdnsError(
      "SUMDB_ROLLBACK",
      `epoch ${newer.epoch} covers ${newHead.treeSize} records, epoch ${older.epoch} had ${oldHead.treeSize}`,
    );
  }
}

function sumdbFork(trust: Trust, older: SignedHead, newer: SignedHead): ProofdnsError {
  const notes = [older, newer].map(({ leaf }) => formatSignedTreeHead(leaf, trust.sumdbKey)) as [string, string];
  return new ProofdnsError(
    "SUMDB_FORK",
    `the checksum database signed two different trees of size ${newer.leaf.treeHead.treeSize}`,
    {
      evidence: makeForkEvidence(formatVerifierKey(trust.sumdbKey), ...notes),
    },
  );
}

/**
 * Verifies that the sumdb of one head extends that of an older one (spec/client.md §6), given a `_sumdb` payload
 * from the smaller size to the larger. Equal sizes need none.
 *
 * @throws ProofdnsError `MALFORMED_ANSWER`, `SUMDB_FORK` with evidence, `SUMDB_EXTENSION_NOT_PROVEN`, or
 *   `CONSISTENCY_MISSING` without a payload
 */
export function verifySumdbExtension(
  trust: Trust,
  older: SignedHead,
  newer: SignedHead,
  untrustedProof: Uint8Array | undefined,
): void {
  const [oldHead, newHead] = [older.leaf.treeHead, newer.leaf.treeHead];
  if (oldHead.treeSize > newHead.treeSize) throw new TypeError("the older head has the larger sumdb");
  if (oldHead.treeSize === newHead.treeSize) {
    if (!equalBytes(oldHead.rootHash, newHead.rootHash)) throw sumdbFork(trust, older, newer);
    return;
  }
  // Every log continues the empty one, and there is no proof from 0.
  if (oldHead.treeSize === 0) return;
  if (untrustedProof === undefined) throw missingConsistency();
  verifyExtension({
    trust,
    untrustedProof,
    older: oldHead,
    newer: newHead,
    notes: [formatSignedTreeHead(older.leaf, trust.sumdbKey), formatSignedTreeHead(newer.leaf, trust.sumdbKey)],
    key: formatVerifierKey(trust.sumdbKey),
    what: "sumdb",
  });
}

/** Step 8.4. */
function verifyExtension(input: {
  trust: Trust;
  untrustedProof: Uint8Array;
  older: TreeHead;
  newer: TreeHead;
  notes: readonly [string, string];
  key: string;
  what: "log" | "sumdb";
}): void {
  const { trust, older, newer } = input;
  const hashes = decodeLogProof(input.untrustedProof).map((hash) => hash.slice());
  let roots: ConsistencyRoots;
  try {
    roots = computeConsistencyRoots(hashes, older.treeSize, newer.treeSize, older.rootHash, trust.sha256);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("MALFORMED_ANSWER", `consistency proof: ${cause.message}`, { cause });
  }
  const isNew = equalBytes(roots.newRoot, newer.rootHash);
  const isOld = equalBytes(roots.oldRoot, older.rootHash);
  if (isNew && isOld) return;
  const sizes = `${older.treeSize} to ${newer.treeSize}`;
  if (isNew) {
    const evidence = makeForkEvidence(input.key, ...input.notes, { oldRoot: roots.oldRoot, consistency: hashes });
    const code = input.what === "log" ? "FORK" : "SUMDB_FORK";
    throw new ProofdnsError(
      code,
      `the ${input.what} signed two trees, ${sizes}, of which the larger does not continue the smaller`,
      { evidence },
    );
  }
  // No evidence of a fork: anyone on the way can forge a proof that fails.
  throw new ProofdnsError(
    input.what === "log" ? "EXTENSION_NOT_PROVEN" : "SUMDB_EXTENSION_NOT_PROVEN",
    `the proof that the ${input.what} grew from ${sizes} fails`,
    { evidence: { type: "proofdns-suspicion/1", key: input.key, notes: input.notes } },
  );
}

/** Steps 9.1 and 9.2. */
function checkQuorum(trust: Trust, cosignatures: readonly Cosignature[]): NonNullable<Trust["policy"]["quorum"]> {
  const rule = trust.policy.quorum;
  if (rule === undefined)
    throw new ProofdnsError("NO_FRESHNESS", "the policy's quorum is none: nothing proves that the head is fresh");
  if (freshestQuorumTime(rule, cosignatures) === undefined) {
    throw new ProofdnsError(
      "NO_QUORUM",
      `the cosignatures of the head (${cosignatures.length}) do not make the policy's quorum`,
    );
  }
  return rule;
}

/** Step 9. Returns the age time. */
function checkFreshness(trust: Trust, cosignatures: readonly Cosignature[], now: number): number {
  const rule = checkQuorum(trust, cosignatures);
  const past = cosignatures.filter(({ time }) => time <= now + MAX_SKEW);
  const ageTime = freshestQuorumTime(
    rule,
    past.filter(({ time }) => time >= now - trust.maxAge),
  );
  if (ageTime !== undefined) return ageTime;
  const newest = freshestQuorumTime(rule, past);
  if (newest === undefined)
    throw new ProofdnsError("FROM_FUTURE", "the head is only cosigned for a time in the future");
  throw new ProofdnsError(
    "STALE",
    `the freshest quorum on the head is ${now - newest} s old; at most ${trust.maxAge} s are allowed`,
  );
}
