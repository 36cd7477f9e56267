import type { Epoch } from "../world.ts";
import { coverSizes, H, naiveConsistencyRoots, type Peak, pushPeak, rootOfPeaks, same } from "./merkle.ts";
import { joinHead, type NaiveHead, naiveHead, naiveLogProof } from "./payload.ts";

/** The checks of spec/client.md §3, in their order, with nothing of the source. Signatures are checked by the caller's `holds`. */
export interface NaiveTrust {
  readonly origin: string;
  readonly sumdbKeyName: string;
  readonly sumdbKeyId: number;
  /** Key ids of the policy's witnesses, in hex. */
  readonly witnesses: readonly string[];
  /** True if these witnesses make the quorum; undefined for `quorum none`. */
  readonly quorum: ((witnesses: ReadonlySet<string>) => boolean) | undefined;
  readonly maxAge: number;
  /** True if the signature by the log, by the sumdb or by a witness over a text holds. */
  readonly holds: (by: "log" | "sumdb" | { witness: string }, text: string, signature: Uint8Array) => boolean;
}

export interface NaiveMemory {
  readonly epoch: number;
  readonly peaks: readonly Peak[];
  readonly leafText: string;
  readonly sumdbSize: number;
  readonly sumdbRoot: Uint8Array;
}

export interface NaiveInput {
  readonly memory: NaiveMemory | undefined;
  readonly form: "plain" | "since";
  /** The epoch asked; undefined for the newest. */
  readonly asked: number | undefined;
  readonly head: Uint8Array;
  readonly consistency: Uint8Array | undefined;
  /** The memory's age time and the lag that is allowed behind it; undefined where any lag is. */
  readonly lag?: { readonly ageTime: number; readonly most: number } | undefined;
}

export type NaiveVerdict =
  | { readonly code: string }
  | { readonly code: undefined; readonly epoch: number; readonly root: Uint8Array; readonly time: number };

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

export function treeHeadText(size: number, root: Uint8Array): string {
  return `go.sum database tree\n${size}\n${base64(root)}\n`;
}

export function checkpointText(origin: string, size: number, root: Uint8Array): string {
  return `${origin}\n${size}\n${base64(root)}\n`;
}

/** The text of the leaf that a head makes (spec/log.md §2). */
export function leafText(head: NaiveHead, trust: Pick<NaiveTrust, "sumdbKeyName" | "sumdbKeyId">): string {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(trust.sumdbKeyId);
  const line = `\u2014 ${trust.sumdbKeyName} ${base64(Buffer.concat([id, head.sumdbSignature]))}\n`;
  return `${Buffer.from(head.mapRoot).toString("hex")}\n${treeHeadText(head.sumdbSize, head.sumdbRoot)}\n${line}`;
}

/** The peaks that the log has with this head, by step 4; undefined if the number of hashes is wrong. */
export function peaksWith(
  head: NaiveHead,
  form: "plain" | "since",
  memory: NaiveMemory | undefined,
  trust: Pick<NaiveTrust, "sumdbKeyName" | "sumdbKeyId">,
): Peak[] | undefined {
  const from = form === "plain" ? 0 : (memory?.epoch ?? 0);
  if (form === "since" && head.epoch === from) return head.hashes.length === 0 ? [...(memory?.peaks ?? [])] : undefined;
  const sizes = coverSizes(from, head.epoch - 1);
  if (sizes.length !== head.hashes.length) return undefined;
  let peaks: Peak[] = form === "plain" ? [] : [...(memory?.peaks ?? [])];
  for (const [i, hash] of head.hashes.entries()) peaks = pushPeak(peaks, { size: sizes[i] as number, hash });
  return pushPeak(peaks, { size: 1, hash: H(Uint8Array.of(0), leafText(head, trust)) });
}

/** Steps 1 to 8, then `fresh`, then step 10. */
export function naiveVerdict(
  input: NaiveInput,
  trust: NaiveTrust,
  fresh: (times: ReadonlyMap<string, number>) => { code: string } | { code: undefined; time: number },
): NaiveVerdict {
  const { memory, form } = input;
  const head = naiveHead(input.head, form);
  if (head === undefined) return { code: "MALFORMED_ANSWER" };
  if (input.asked !== undefined && head.epoch !== input.asked) return { code: "WRONG_EPOCH" };
  if (form === "since" && head.epoch < (memory?.epoch ?? 0)) return { code: "WRONG_EPOCH" };
  const peaks = peaksWith(head, form, memory, trust);
  if (peaks === undefined) return { code: "MALFORMED_ANSWER" };
  if (form === "since" && head.epoch === memory?.epoch && leafText(head, trust) !== memory.leafText)
    return { code: "BAD_LEAF" };
  const root = rootOfPeaks(peaks);
  const text = checkpointText(trust.origin, head.epoch, root);
  if (!trust.holds("log", text, head.logSignature)) return { code: "BAD_LOG_SIGNATURE" };
  if (!trust.holds("sumdb", treeHeadText(head.sumdbSize, head.sumdbRoot), head.sumdbSignature))
    return { code: "BAD_SUMDB_SIGNATURE" };
  const times = new Map<string, number>();
  for (const { keyId, time, signature } of head.cosignatures) {
    if (!trust.witnesses.includes(keyId)) continue;
    if (!trust.holds({ witness: keyId }, `cosignature/v1\ntime ${time}\n${text}`, signature))
      return { code: "BAD_COSIGNATURE" };
    times.set(keyId, time);
  }
  let isExtended = true;
  if (memory !== undefined && head.epoch === memory.epoch) {
    if (!same(root, rootOfPeaks(memory.peaks))) return { code: "FORK" };
  } else if (memory !== undefined) {
    const isNewer = head.epoch > memory.epoch;
    if (head.sumdbSize === memory.sumdbSize && !same(head.sumdbRoot, memory.sumdbRoot)) return { code: "SUMDB_FORK" };
    if (isNewer ? head.sumdbSize <= memory.sumdbSize : head.sumdbSize >= memory.sumdbSize)
      return { code: "SUMDB_ROLLBACK" };
    if (input.consistency !== undefined) {
      const [a, b] = isNewer ? [memory.epoch, head.epoch] : [head.epoch, memory.epoch];
      const memoryRoot = rootOfPeaks(memory.peaks);
      const [oldRoot, newRoot] = isNewer ? [memoryRoot, root] : [root, memoryRoot];
      const code = extensionCode(input.consistency, a, oldRoot, b, newRoot, "");
      if (code !== undefined) return { code };
    } else isExtended = form === "since" && isNewer;
  }
  const freshness = fresh(times);
  if (freshness.code !== undefined) return freshness;
  if (!isExtended) {
    const { lag } = input;
    const isOlder = lag !== undefined && memory !== undefined && head.epoch < memory.epoch;
    return { code: isOlder && freshness.time + lag.most < lag.ageTime ? "LAGGING" : "CONSISTENCY_MISSING" };
  }
  return { code: undefined, epoch: head.epoch, root, time: freshness.time };
}

/** Step 8.4, or the same of the sumdb with `prefix` SUMDB_. */
export function extensionCode(
  payload: Uint8Array,
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  prefix: "" | "SUMDB_",
): string | undefined {
  const proof = naiveLogProof(payload);
  if (proof === undefined || oldSize < 1 || oldSize > newSize) return "MALFORMED_ANSWER";
  const roots = naiveConsistencyRoots(proof, oldSize, newSize, oldRoot);
  if (roots === undefined) return "MALFORMED_ANSWER";
  if (!same(roots.newRoot, newRoot)) return `${prefix}EXTENSION_NOT_PROVEN`;
  return same(roots.oldRoot, oldRoot) ? undefined : `${prefix}FORK`;
}

/** Step 9: the age time, or why there is none. */
export function freshness(
  times: ReadonlyMap<string, number>,
  trust: NaiveTrust,
  now: number,
): { code: string } | { code: undefined; time: number } {
  const { quorum } = trust;
  if (quorum === undefined) return { code: "NO_FRESHNESS" };
  if (!quorum(new Set(times.keys()))) return { code: "NO_QUORUM" };
  const between = (low: number, high: number): Set<string> =>
    new Set([...times].filter(([, time]) => time >= low && time <= high).map(([keyId]) => keyId));
  if (!quorum(between(now - trust.maxAge, now + 300))) {
    return { code: quorum(between(0, now + 300)) ? "STALE" : "FROM_FUTURE" };
  }
  const candidates = [...times.values()].filter((time) =>
    quorum(between(Math.max(time, now - trust.maxAge), now + 300)),
  );
  return { code: undefined, time: Math.max(...candidates.filter((time) => time <= now + 300)) };
}

/** The first quorum time up to `limit` (spec/client.md §6, *Age*). */
export function firstQuorum(
  times: ReadonlyMap<string, number>,
  trust: NaiveTrust,
  limit: number,
): { code: string } | { code: undefined; time: number } {
  const { quorum } = trust;
  if (quorum === undefined) return { code: "NO_FRESHNESS" };
  if (!quorum(new Set(times.keys()))) return { code: "NO_QUORUM" };
  const upTo = (high: number): Set<string> =>
    new Set([...times].filter(([, time]) => time <= high).map(([keyId]) => keyId));
  const candidates = [...times.values()].filter((time) => time <= limit && quorum(upTo(time)));
  return candidates.length === 0 ? { code: "TOO_YOUNG" } : { code: undefined, time: Math.min(...candidates) };
}

/** The memory of a client that was last there in an honest epoch. */
export function memoryOf(
  epoch: Epoch,
  leaves: readonly Uint8Array[],
  trust: Pick<NaiveTrust, "sumdbKeyName" | "sumdbKeyId">,
): NaiveMemory {
  let peaks: Peak[] = [];
  for (const hash of leaves.slice(0, epoch.epoch)) peaks = pushPeak(peaks, { size: 1, hash });
  const { mapRoot, treeHead, sumdbSignature } = epoch.leaf;
  const [sumdbSize, sumdbRoot] = [treeHead.treeSize, treeHead.rootHash];
  const none = { epoch: epoch.epoch, logSignature: new Uint8Array(64), cosignatures: [], hashes: [] };
  const text = leafText({ ...none, mapRoot, sumdbSize, sumdbRoot, sumdbSignature }, trust);
  return { epoch: epoch.epoch, peaks, leafText: text, sumdbSize, sumdbRoot };
}

/** Signs what stands in a head anew, as `sign` does; undefined stays as it is. */
export function resignHead(
  head: NaiveHead,
  form: "plain" | "since",
  memory: NaiveMemory | undefined,
  trust: NaiveTrust,
  sign: (by: "log" | "sumdb" | { witness: string }, text: string) => Uint8Array | undefined,
): Uint8Array {
  // The sumdb's signature stands in the leaf, and with it in the root that all others sign.
  const sumdbSignature = sign("sumdb", treeHeadText(head.sumdbSize, head.sumdbRoot)) ?? head.sumdbSignature;
  const withSumdb = { ...head, sumdbSignature };
  const peaks = peaksWith(withSumdb, form, memory, trust);
  if (peaks === undefined) return joinHead(withSumdb, form);
  const text = checkpointText(trust.origin, head.epoch, rootOfPeaks(peaks));
  const cosignatures = head.cosignatures.map((one) => {
    const signature = sign({ witness: one.keyId }, `cosignature/v1\ntime ${one.time}\n${text}`) ?? one.signature;
    return { ...one, signature };
  });
  return joinHead({ ...withSumdb, logSignature: sign("log", text) ?? head.logSignature, cosignatures }, form);
}
