import { equalBytes } from "../vindex/bytes.ts";
import type { EpochLeaf } from "../vindex/leaf.ts";
import { compareHeads, type SignedHead } from "./verify/extension.ts";
import type { Memory } from "./verify/head.ts";
import type { Trust } from "./verify/trust.ts";

/** Where remembered heads and evidence are kept: one memory for each log key. */
export interface MemoryStore {
  /** @throws ProofdnsError `MALFORMED_MEMORY` if there is one that cannot be trusted */
  read(): Promise<Memory | undefined>;
  /**
   * Replaces the memory, unless what is there is newer, or another than `compared`: that may be of another log, and stays.
   *
   * @param compared what `read` gave, which `memory` was compared with; undefined if there was nothing
   * @throws ProofdnsError `FORK` with evidence if another tree of the same epoch is there
   */
  write(memory: Memory, compared?: Memory): Promise<void>;
  /** Keeps evidence; returns where. */
  saveEvidence(evidence: unknown): Promise<string | undefined>;
}

/** Remembers nothing beyond the process. */
export class NoMemoryStore implements MemoryStore {
  #memory: Memory | undefined;
  read(): Promise<Memory | undefined> {
    return Promise.resolve(this.#memory);
  }
  write(memory: Memory, compared?: Memory): Promise<void> {
    this.#memory = replacement(memory, this.#memory, compared) ?? this.#memory;
    return Promise.resolve();
  }
  saveEvidence(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

/**
 * What takes the place of the memory `known` when `memory` is to be remembered (spec/client.md §8); undefined if `known` stays: it is of
 * a later epoch, or of the same and no earlier age time, or it is not the one that `memory` was compared with. An unknown age time
 * (0) leaves the known one as it is.
 *
 * @throws ProofdnsError `FORK` with evidence if both are of one epoch with two trees and `trust` is given
 */
export function replacement(
  memory: Memory,
  known: Memory | undefined,
  compared: Memory | undefined,
  trust?: Trust,
): Memory | undefined {
  if (known === undefined) return memory;
  const isKnown = compared !== undefined && isSameMemory(compared, known);
  if (memory.epoch !== known.epoch) {
    if (memory.epoch < known.epoch || !isKnown) return undefined;
    return memory.ageTime === 0 ? { ...memory, ageTime: known.ageTime } : memory;
  }
  if (trust !== undefined) compareHeads(trust, known, memory, undefined);
  if (!isSameTree(memory, known)) return undefined;
  const isFurther = isKnown && sumdbSize(memory) > sumdbSize(known);
  if (memory.ageTime <= known.ageTime && !isFurther) return undefined;
  const { sumdbLeaf } = isFurther ? memory : known;
  return { ...memory, ageTime: Math.max(memory.ageTime, known.ageTime), sumdbLeaf };
}

/** The leaf with the tree head of the checksum database that the next one has to continue. */
export function sumdbLeafOf({ sumdbLeaf, leaf }: Memory): EpochLeaf {
  return sumdbLeaf ?? leaf;
}

/** True for two heads of one epoch and root. */
export function isSameTree(a: SignedHead, b: SignedHead): boolean {
  return a.epoch === b.epoch && equalBytes(a.rootHash, b.rootHash);
}

/** True for two leaves with one tree head of the checksum database. */
export function isSameTreeHead({ treeHead: a }: EpochLeaf, { treeHead: b }: EpochLeaf): boolean {
  return a.treeSize === b.treeSize && equalBytes(a.rootHash, b.rootHash);
}

function isSameMemory(a: Memory, b: Memory): boolean {
  return isSameTree(a, b) && isSameTreeHead(sumdbLeafOf(a), sumdbLeafOf(b));
}

function sumdbSize(memory: Memory): number {
  return sumdbLeafOf(memory).treeHead.treeSize;
}
