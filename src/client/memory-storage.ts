import { ProofdnsError } from "../vindex/error.ts";
import { formatVerifierKey } from "../vindex/note.ts";
import { type MemoryStore, replacement } from "./memory-store.ts";
import { formatMemory, parseMemory } from "./verify/files.ts";
import type { Memory, Trust } from "./verify/index.ts";

/** What a `StorageMemoryStore` needs of a place that keeps texts by name: `localStorage` has it, and any store that answers later. */
export interface TextStorage {
  /** The text; null if there is none. */
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, text: string): void | Promise<void>;
}

/**
 * Keeps the remembered head of one log key in a storage that is handed in, such as a browser's `localStorage`. Evidence stands
 * beside it, the last one only of forks, and of suspicions: storages of browsers are small.
 */
export class StorageMemoryStore implements MemoryStore {
  readonly #storage: TextStorage;
  readonly #trust: Trust;

  constructor(storage: TextStorage, trust: Trust) {
    this.#storage = storage;
    this.#trust = trust;
  }

  /** The name under which the memory is kept: `proofdns memory` and the log's verifier key. */
  get key(): string {
    return `proofdns memory ${formatVerifierKey(this.#trust.logKey)}`;
  }

  /** @throws ProofdnsError `MALFORMED_MEMORY` if what is there is damaged or cannot be read: it protects from rollback, so it is not ignored */
  async read(): Promise<Memory | undefined> {
    let text: string | null;
    try {
      text = await this.#storage.getItem(this.key);
    } catch (cause) {
      throw this.#unusable("the storage cannot be read", cause);
    }
    if (text === null) return undefined;
    try {
      return parseMemory(text, this.#trust);
    } catch (cause) {
      if (!(cause instanceof ProofdnsError)) throw cause;
      throw this.#unusable(cause.message, cause);
    }
  }

  /** @throws ProofdnsError `FORK` as every store; `MALFORMED_MEMORY` as `read`, or if the storage takes nothing more */
  async write(memory: Memory, compared?: Memory): Promise<void> {
    const newer = replacement(memory, await this.read(), compared, this.#trust);
    if (newer === undefined) return;
    try {
      await this.#storage.setItem(this.key, formatMemory(newer, this.#trust));
    } catch (cause) {
      throw this.#unusable("the storage takes nothing more", cause);
    }
  }

  /** Gives the name under which the evidence is kept. */
  async saveEvidence(evidence: unknown): Promise<string> {
    // What anyone on the way can bring about never takes the place of what proves a fork.
    const isSuspicion = (evidence as { type?: unknown } | null)?.type === "proofdns-suspicion/1";
    const key = `proofdns ${isSuspicion ? "suspicion" : "evidence"} ${formatVerifierKey(this.#trust.logKey)}`;
    await this.#storage.setItem(key, `${JSON.stringify(evidence, undefined, 2)}\n`);
    return key;
  }

  #unusable(why: string, cause: unknown): ProofdnsError {
    const what = `${why} (${JSON.stringify(this.key)})`;
    return new ProofdnsError(
      "MALFORMED_MEMORY",
      `${what}; the memory protects from rollback, so it is not ignored: remove it to begin anew`,
      { cause },
    );
  }
}
