import type { KeptCosignatures } from "../store/records.ts";
import type { StoreReader } from "../store/store-reader.ts";
import { decodeUtf8, encodeUtf8 } from "../vindex/bytes.ts";
import type { Cosignature } from "../vindex/cosignature.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { FlatTree } from "../vindex/flat-tree.ts";
import { type EpochLeaf, parseLeaf } from "../vindex/leaf.ts";
import { TOOLCHAIN_SUBJECT } from "../vindex/module-path.ts";
import { parseModuleState } from "../vindex/module-state.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import type { VerifierKey } from "../vindex/note.ts";
import type { OutputLog } from "../vindex/output-log.ts";
import { pathProofOf } from "../vindex/path-proof.ts";
import {
  type AnswerPayload,
  type AnswerProof,
  encodeAnswer,
  encodeHead,
  encodeLogProof,
  encodePage,
  type HeadPayload,
  MAX_PAYLOAD_LENGTH,
  PAGE_LENGTH,
} from "../vindex/payload.ts";
import { firstQuorumTime, type QuorumRule } from "../vindex/policy.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { computeConsistencyProof, computeLogInclusionProof, coverRange } from "../vindex/tlog.ts";
import { parseToolchainValue } from "../vindex/toolchain-value.ts";
import { joinItems } from "../vindex/value-text.ts";
import type { ZoneData } from "./zone-data.ts";

/** What is known of the cosignature times of an epoch: the first clock time, and the first quorum time. */
export interface EpochTimes {
  readonly firstClock: number | undefined;
  readonly firstQuorum: number | undefined;
}

/** Computes the times of an epoch from its cosignatures. */
export function computeEpochTimes(
  kept: readonly KeptCosignatures[],
  clockKeyId: number,
  quorum: QuorumRule | undefined,
): EpochTimes {
  const first = kept.map((cosignatures) => cosignatures.first);
  return {
    firstClock: first.find(({ keyId }) => keyId === clockKeyId)?.time,
    firstQuorum: quorum === undefined ? undefined : firstQuorumTime(quorum, first),
  };
}

/** One epoch to be served, with everything beside its tree. Immutable; the arrays and the log are shared and only grow. */
export interface EpochSnapshot {
  readonly epoch: number;
  /** As `ZoneData.headVersion`. */
  readonly headVersion: number;
  readonly leaf: EpochLeaf;
  readonly logSignature: Uint8Array;
  /** Of the newest epoch. */
  readonly cosignatures: readonly KeptCosignatures[];
  readonly tree: FlatTree;
  readonly log: OutputLog;
  /** Epoch e has `sumdbSizes[e - 1]`. */
  readonly sumdbSizes: readonly number[];
  /** Epoch e has `times[e - 1]`. */
  readonly times: readonly EpochTimes[];
  /** Which v0 names exist. */
  readonly paths: { hasPrefix(labels: readonly string[]): boolean };
  readonly reader: StoreReader;
  readonly sumdbKey: VerifierKey;
  /** Unix seconds. */
  readonly nextEpochTime: number;
  readonly hasRecordProofs: boolean;
  readonly sha256: Sha256;
}

/** The payloads of one epoch (spec/dns.md §2). */
export class EpochAnswers implements ZoneData {
  readonly #s: EpochSnapshot;

  constructor(snapshot: EpochSnapshot) {
    this.#s = snapshot;
  }

  get epoch(): number {
    return this.#s.epoch;
  }

  get headVersion(): number {
    return this.#s.headVersion;
  }

  get sumdbSize(): number {
    return this.#s.leaf.treeHead.treeSize;
  }

  get previousSumdbSize(): number {
    return this.#s.sumdbSizes[this.#s.epoch - 2] ?? 0;
  }

  get nextEpochTime(): number {
    return this.#s.nextEpochTime;
  }

  get hasRecordProofs(): boolean {
    return this.#s.hasRecordProofs;
  }

  moduleAnswer(indexKey: Uint8Array): Uint8Array {
    return encodeAnswer(this.#answer(indexKey));
  }

  versionsAnswer(indexKey: Uint8Array): Uint8Array {
    const answer = this.#answer(indexKey);
    const stateText = answer.text === "" ? undefined : this.#s.reader.state(indexKey)?.stateText;
    return encodeAnswer(stateText === undefined ? answer : { ...answer, stateText });
  }

  versionsPage(indexKey: Uint8Array, page: number): { payload: Uint8Array; full: boolean } | undefined {
    const { reader, tree } = this.#s;
    const state = tree.get(indexKey) === undefined ? undefined : reader.state(indexKey);
    if (state === undefined) return undefined;
    const count = parseModuleState(state.stateText, state.path, this.#s.sha256).subLog.treeSize;
    const from = page * PAGE_LENGTH;
    if (from >= count) return undefined;
    const to = Math.min(count, from + PAGE_LENGTH);
    return { payload: encodePage(reader.entries(indexKey, from, to)), full: to - from === PAGE_LENGTH };
  }

  head(epoch: number): Uint8Array {
    return encodeHead(this.#head(epoch, "plain", coverRange(0, epoch - 1), "last"));
  }

  headSince(since: number, epoch: number): Uint8Array {
    const cover = since < epoch ? coverRange(since, epoch - 1) : [];
    return encodeHead(this.#head(epoch, "since", cover, "last"));
  }

  headAt(time: number): { payload: Uint8Array; epoch: number } | undefined {
    for (let epoch = this.#s.epoch; epoch >= 1; epoch--) {
      const firstQuorum = this.#s.times[epoch - 1]?.firstQuorum;
      if (firstQuorum === undefined || firstQuorum > time) continue;
      const head = this.#head(epoch, "plain", coverRange(0, epoch - 1), "first");
      const cosignatures = head.cosignatures.filter((cosignature) => cosignature.time <= time);
      return { payload: encodeHead({ ...head, cosignatures }), epoch };
    }
    return undefined;
  }

  consistency(oldSize: number, newSize: number): Uint8Array {
    return encodeLogProof(computeConsistencyProof(oldSize, newSize, this.#s.log.read, this.#s.sha256));
  }

  sumdbConsistency(oldSize: number, newSize: number): Uint8Array {
    return encodeLogProof(computeConsistencyProof(oldSize, newSize, this.#s.reader.readHashes, this.#s.sha256));
  }

  recordProof(logIndex: number, treeSize: number): Uint8Array {
    return encodeLogProof(computeLogInclusionProof(logIndex, treeSize, this.#s.reader.readHashes, this.#s.sha256));
  }

  v0Text(subject: string): string | undefined {
    const { sha256, tree, reader } = this.#s;
    const indexKey = computeIndexKey(subject, sha256);
    const value = tree.get(indexKey);
    if (value === undefined) return undefined;
    if (subject === TOOLCHAIN_SUBJECT) {
      const items = parseToolchainValue(decodeUtf8(value) ?? "", this.sumdbSize);
      return items
        .map(({ version, kind, logIndex }) => `v=${version.text} k=${kind} t=${this.#formatTime(logIndex)}`)
        .join("; ");
    }
    const state = reader.state(indexKey);
    // A majors subject has a value and no state, and is no module.
    if (state === undefined || state.path !== subject) return undefined;
    const lines = parseModuleState(state.stateText, state.path, sha256)
      .majors.flatMap(({ release, isIncompatible }) => (release === undefined || isIncompatible ? [] : [release]))
      .reverse();
    if (lines.length === 0) return undefined;
    return joinItems(lines.map(({ version, logIndex }) => `v=${version.text} t=${this.#formatTime(logIndex)}`));
  }

  v0Exists(labels: readonly string[]): boolean {
    return this.#s.paths.hasPrefix(labels);
  }

  #answer(indexKey: Uint8Array): AnswerPayload {
    const { epoch, tree, reader } = this.#s;
    const path = tree.path(indexKey);
    const value = tree.get(indexKey);
    if (value === undefined) {
      const proof: AnswerProof =
        path.leaf === undefined
          ? { kind: "emptyMap" }
          : { kind: "nonInclusion", path: pathProofOf(path), other: path.leaf };
      return { text: "", epoch, proof };
    }
    const text = decodeUtf8(value) ?? "";
    const answer: AnswerPayload = { text, epoch, proof: { kind: "inclusion", path: pathProofOf(path) } };
    // Only values of families begin with `p=`; only cut ones have their items stored.
    const majorItems = text.startsWith("p=") ? reader.majors(indexKey) : undefined;
    if (majorItems === undefined) return answer;
    const whole = { ...answer, majorItems };
    const length = encodeAnswer(answer).length + encodeUtf8(majorItems).length + 4;
    return length > MAX_PAYLOAD_LENGTH ? answer : whole;
  }

  #head(
    epoch: number,
    form: HeadPayload["form"],
    cover: ReturnType<typeof coverRange>,
    which: keyof KeptCosignatures,
  ): HeadPayload {
    const { leaf, logSignature, kept } = this.#signed(epoch);
    return {
      epoch,
      logSignature,
      mapRoot: leaf.mapRoot,
      treeHead: leaf.treeHead,
      sumdbSignature: leaf.sumdbSignature,
      cosignatures: kept.map((cosignatures): Cosignature => cosignatures[which]),
      form,
      hashes: this.#s.log.read(cover),
    };
  }

  /** Leaf and signatures of an epoch; those of the newest are at hand. */
  #signed(epoch: number): { leaf: EpochLeaf; logSignature: Uint8Array; kept: readonly KeptCosignatures[] } {
    const { reader } = this.#s;
    if (epoch === this.#s.epoch)
      return { leaf: this.#s.leaf, logSignature: this.#s.logSignature, kept: this.#s.cosignatures };
    const leafText = reader.leafText(epoch);
    const logSignature = reader.signature(epoch);
    if (leafText === undefined || logSignature === undefined) {
      throw new ProofdnsError("STORE_UNUSABLE", `epoch ${epoch} is not in the store`);
    }
    return { leaf: parseLeaf(leafText, this.#s.sumdbKey), logSignature, kept: reader.cosignatures(epoch) };
  }

  /** First clock time of the first epoch that covers a record, or of the first later one that has one, in hex. */
  #formatTime(logIndex: number): string {
    const { sumdbSizes, times, epoch } = this.#s;
    let low = 0;
    let high = epoch - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((sumdbSizes[middle] as number) > logIndex) high = middle;
      else low = middle + 1;
    }
    for (let at = low; at < epoch; at++) {
      const time = times[at]?.firstClock;
      if (time !== undefined) return time.toString(16);
    }
    return "0";
  }
}
