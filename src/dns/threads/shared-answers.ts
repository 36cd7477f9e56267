import type { FlatTree } from "../../vindex/flat-tree.ts";
import { MAX_PATH_LENGTH } from "../../vindex/flat-tree.ts";
import { encodeVarint } from "../../vindex/varint.ts";
import { ELSEWHERE, type ZoneData } from "../zone-data.ts";

/** Section tags of module answers (spec/dns.md §2). */
const INCLUSION = 0x05;
const NON_INCLUSION = 0x06;
const EMPTY_MAP = 0x07;

/** Tag, epoch, other index key and length of its value: what an answer has at most beside a value and a path. */
const FRAME_LENGTH = 1 + 8 + 32 + 5;

/** What a thread holds of an epoch beside its tree. Plain values, which are copied from thread to thread. */
export interface ServedHead {
  readonly epoch: number;
  readonly headVersion: number;
  readonly sumdbSize: number;
  readonly previousSumdbSize: number;
  readonly nextEpochTime: number;
  readonly hasRecordProofs: boolean;
  /** Payload of the newest head, plain. */
  readonly head: Uint8Array;
}

/** Takes the head part of an epoch's data; it shares nothing with it. */
export function takeServedHead(data: ZoneData): ServedHead {
  const { epoch, headVersion, sumdbSize, previousSumdbSize, nextEpochTime, hasRecordProofs } = data;
  const head = epoch === 0 ? new Uint8Array(0) : data.head(epoch).slice();
  return { epoch, headVersion, sumdbSize, previousSumdbSize, nextEpochTime, hasRecordProofs, head };
}

/** Before the first epoch: the responder says SERVFAIL and asks for nothing. */
export const NO_EPOCH: ServedHead = {
  epoch: 0,
  headVersion: 0,
  sumdbSize: 0,
  previousSumdbSize: 0,
  nextEpochTime: 0,
  hasRecordProofs: true,
  head: new Uint8Array(0),
};

/**
 * What one thread knows of an epoch: module answers, proven from the shared tree, and the newest head. Everything else
 * throws `ELSEWHERE`: it needs the store, which the main thread has.
 */
export class SharedAnswers implements ZoneData {
  readonly epoch: number;
  readonly headVersion: number;
  readonly sumdbSize: number;
  readonly previousSumdbSize: number;
  readonly nextEpochTime: number;
  readonly hasRecordProofs: boolean;
  readonly #head: Uint8Array;
  readonly #tree: FlatTree | undefined;
  readonly #epochBytes: Uint8Array;
  readonly #scratch: Uint8Array;
  readonly versionsAnswer = elsewhere;
  readonly versionsPage = elsewhere;
  readonly headSince = elsewhere;
  readonly headAt = elsewhere;
  readonly consistency = elsewhere;
  readonly sumdbConsistency = elsewhere;
  readonly recordProof = elsewhere;
  readonly v0Text = elsewhere;
  readonly v0Exists = elsewhere;

  /** `tree` is that of the epoch; it may be missing before the first one. */
  constructor(head: ServedHead, tree: FlatTree | undefined) {
    this.epoch = head.epoch;
    this.headVersion = head.headVersion;
    this.sumdbSize = head.sumdbSize;
    this.previousSumdbSize = head.previousSumdbSize;
    this.nextEpochTime = head.nextEpochTime;
    this.hasRecordProofs = head.hasRecordProofs;
    this.#head = head.head;
    this.#tree = tree;
    this.#epochBytes = encodeVarint(head.epoch);
    this.#scratch = new Uint8Array(FRAME_LENGTH + MAX_PATH_LENGTH + (tree?.longestValue ?? 0));
  }

  /**
   * The same bytes as `EpochAnswers` gives, in memory that the next call writes over. Values are ASCII (spec/map.md); those of
   * families may have more items in the store.
   */
  moduleAnswer(indexKey: Uint8Array): Uint8Array {
    const tree = this.#tree;
    if (tree === undefined) throw ELSEWHERE;
    const out = this.#scratch;
    const leaf = tree.findLeaf(indexKey);
    if (leaf < 0) {
      out[0] = EMPTY_MAP;
      return out.subarray(0, this.#writeEpoch(1));
    }
    const { bytes } = tree;
    const valueAt = tree.valueOffset(leaf);
    const length = tree.valueLength(leaf);
    if (tree.isKeyOf(leaf, indexKey)) {
      // Only values of families begin with `p=`.
      if (length >= 2 && bytes[valueAt] === 0x70 && bytes[valueAt + 1] === 0x3d) throw ELSEWHERE;
      out.set(bytes.subarray(valueAt, valueAt + length), 0);
      out[length] = INCLUSION;
      return out.subarray(0, tree.writeFoundPath(out, this.#writeEpoch(length + 1)));
    }
    out[0] = NON_INCLUSION;
    let at = tree.writeFoundPath(out, this.#writeEpoch(1));
    const keyAt = tree.keyOffset(leaf);
    out.set(bytes.subarray(keyAt, keyAt + 32), at);
    at += 32;
    for (let rest = length; ; rest >>>= 7) {
      out[at++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80;
      if (rest < 0x80) break;
    }
    out.set(bytes.subarray(valueAt, valueAt + length), at);
    return out.subarray(0, at + length);
  }

  head(epoch: number): Uint8Array {
    if (epoch !== this.epoch || epoch === 0) throw ELSEWHERE;
    return this.#head;
  }

  #writeEpoch(at: number): number {
    const epoch = this.#epochBytes;
    for (let i = 0; i < epoch.length; i++) this.#scratch[at + i] = epoch[i] as number;
    return at + epoch.length;
  }
}

function elsewhere(): never {
  throw ELSEWHERE;
}
