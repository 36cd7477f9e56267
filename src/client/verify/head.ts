import { encodeUtf8 } from "../../vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead } from "../../vindex/checkpoint.ts";
import { type Cosignature, verifyCosignature } from "../../vindex/cosignature.ts";
import { type ErrorCode, ProofdnsError } from "../../vindex/error.ts";
import { Frontier } from "../../vindex/frontier.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf } from "../../vindex/leaf.ts";
import { decodeHead, type HeadPayload } from "../../vindex/payload.ts";
import { firstQuorumTime, freshestQuorumTime } from "../../vindex/policy.ts";
import type { Hash } from "../../vindex/sha256.ts";
import { compareHeads, missingConsistency, type SignedHead } from "./extension.ts";
import { MAX_SKEW, type Trust } from "./trust.ts";

/** What a client remembers of a log between verifications (spec/client.md §1). */
export interface Memory extends SignedHead {
  /** Unix seconds: the oldest time in the freshest quorum that was seen on it. 0: nothing proves its age (`quorum none`). */
  readonly ageTime: number;
  /**
   * The leaf of an earlier epoch, if it is not `leaf` itself, with the tree head of the checksum database that was last proven to
   * continue those before it, or else was seen first (spec/client.md §8).
   */
  readonly sumdbLeaf?: EpochLeaf | undefined;
}

declare const verified: unique symbol;

/** A head that `verifyHead` returned; nothing else makes one. */
export interface VerifiedHead extends Memory {
  /** Those of the policy's witnesses, all of them verified, whatever their time. */
  readonly cosignatures: readonly Cosignature[];
  /** Inclusion proof of the leaf in the log of size `epoch`, from leaf to root; undefined where the head was asked since its own epoch. */
  readonly inclusion: readonly Hash[] | undefined;
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
  const { head, cosignatures, inclusion } = verifySignedHead(input);
  const isExtended = checkMemory(trust, memory, head, input);
  const ageTime = checkFreshness(trust, cosignatures, now);
  if (!isExtended) throw missingConsistency(trust, lagBehind(memory, head, ageTime), memory, head);
  return { ...head, ageTime, cosignatures, inclusion } as unknown as VerifiedHead;
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
  // Behind on purpose: how far is what was asked.
  if (!isExtended) throw missingConsistency(trust, 0, newest, head);
  return { ...head, publicSince };
}

/** Seconds that a smaller head's age lies before the memory's; 0 if it is not smaller or an age is unknown. */
function lagBehind(memory: Memory | undefined, head: SignedHead, ageTime: number): number {
  if (memory === undefined || head.epoch > memory.epoch || ageTime === 0) return 0;
  return Math.max(0, memory.ageTime - ageTime);
}

type SignedInput = Pick<HeadInput, "trust" | "memory" | "question" | "untrustedHead">;

interface SignedParts {
  readonly head: SignedHead;
  readonly cosignatures: Cosignature[];
  readonly inclusion: readonly Hash[] | undefined;
}

/** Steps 1 to 7: decoding, and every signature. */
function verifySignedHead(input: SignedInput): SignedParts {
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
  const { frontier, before } = computeFrontier(trust, memory, since, payload, leafText);
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
    cosignatures.push({ ...cosignature, signature: cosignature.signature.slice() });
  }
  const head = { epoch, rootHash, logSignature: payload.logSignature.slice(), frontier, leaf: copyLeaf(leaf) };
  // The newest leaf's siblings are the peaks of the log before it, the smallest first.
  return { head, cosignatures, inclusion: before?.peaks.toReversed() };
}

/** What is kept must not alias the packet that it came in. */
function copyLeaf({ mapRoot, treeHead, sumdbSignature }: EpochLeaf): EpochLeaf {
  return {
    mapRoot: mapRoot.slice(),
    treeHead: { treeSize: treeHead.treeSize, rootHash: treeHead.rootHash.slice() },
    sumdbSignature: sumdbSignature.slice(),
  };
}

/** Steps 3 and 4: the frontier of the log with the new leaf, and that of the log before it unless it is the remembered one. */
function computeFrontier(
  trust: Trust,
  memory: Memory | undefined,
  since: number | undefined,
  payload: HeadPayload,
  leafText: string,
): { frontier: Frontier; before: Frontier | undefined } {
  const hashes = payload.hashes.map((hash) => hash.slice());
  const malformed = (cause: unknown): never => {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw new ProofdnsError("MALFORMED_ANSWER", `head: ${cause.message}`, { cause });
  };
  const leafHash = computeEpochLeafHash(leafText, trust.sha256);
  if (since === undefined) {
    try {
      const before = Frontier.of(payload.epoch - 1, hashes, trust.sha256);
      return { frontier: before.append(leafHash), before };
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
    return { frontier: memory.frontier, before: undefined };
  }
  try {
    const before = memory.frontier.extend(payload.epoch - 1, hashes);
    return { frontier: before.append(leafHash), before };
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
  // Since the remembered epoch, the frontier itself proves the extension; a proof that is there is checked all the same.
  return (
    compareHeads(trust, memory, head, input.untrustedConsistency) ||
    (input.question.since !== undefined && head.epoch > memory.epoch)
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
  if (trust.policy.quorum === undefined && !trust.isFreshnessRequired) return 0;
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
