import type { Memory } from "./verify/head.ts";

/** Where remembered heads and evidence are kept: one memory for each log key. */
export interface MemoryStore {
  /** @throws ProofdnsError `MALFORMED_MEMORY` if there is one that cannot be trusted */
  read(): Promise<Memory | undefined>;
  /** Replaces the memory, unless what is there is newer. */
  write(memory: Memory): Promise<void>;
  /** Keeps evidence; returns where. */
  saveEvidence(evidence: unknown): Promise<string | undefined>;
}

/** Remembers nothing beyond the process. */
export class NoMemoryStore implements MemoryStore {
  #memory: Memory | undefined;
  read(): Promise<Memory | undefined> {
    return Promise.resolve(this.#memory);
  }
  write(memory: Memory): Promise<void> {
    this.#memory = replacement(memory, this.#memory) ?? this.#memory;
    return Promise.resolve();
  }
  saveEvidence(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

/**
 * What takes the place of the memory `known` when `memory` is to be remembered (spec/client.md §8); undefined if `known` stays: it is of
 * a later epoch, or of the same and no earlier age time. An unknown age time (0) leaves the known one as it is.
 */
export function replacement(memory: Memory, known: Memory | undefined): Memory | undefined {
  if (known === undefined) return memory;
  const isNewer = memory.epoch > known.epoch || (memory.epoch === known.epoch && memory.ageTime > known.ageTime);
  if (!isNewer) return undefined;
  return memory.ageTime === 0 ? { ...memory, ageTime: known.ageTime } : memory;
}
