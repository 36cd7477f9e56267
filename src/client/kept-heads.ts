import { formatHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { type MemoryStore, sumdbLeafOf } from "./memory-store.ts";
import { compareHeads, type Memory, type SignedHead, type Trust, verifySumdbExtension } from "./verify/index.ts";

/** Milliseconds for which the memory that was read is taken for what is remembered. */
const MEMORY_LIFE = 100;

/** Most heads that those of further answers are compared with. */
const MAX_HEADS = 64;

/** Most tree heads of the checksum database that kept records of one run are under: each costs a question (spec/client.md §10). */
const MAX_TREES = 16;

/** What the heads of kept things are compared with: what is remembered, and each other (spec/client.md §10). */
export class KeptHeads {
  readonly #trust: Trust;
  readonly #memory: MemoryStore;
  #known: { readonly memory: Promise<Memory | undefined>; readonly until: number } | undefined;
  /** Heads of what was given without a network, by epoch: all of them must be of one log. */
  readonly #given = new Map<number, SignedHead>();
  /** Tree heads of the checksum database that records were given under. */
  readonly #trees = new Set<string>();

  constructor(trust: Trust, memory: MemoryStore) {
    this.#trust = trust;
    this.#memory = memory;
  }

  /** What is remembered, read once for all answers that are read at once: to read it is to verify it. */
  remembered(): Promise<Memory | undefined> {
    const now = performance.now();
    if (this.#known === undefined || now > this.#known.until) {
      this.#known = { memory: this.#memory.read(), until: now + MEMORY_LIFE };
    }
    return this.#known.memory;
  }

  /** Nobody can be asked for a proof between two epochs, but the same epoch has one tree, and a log only grows. */
  compareWithGiven(head: SignedHead): void {
    const known = this.#given.get(head.epoch);
    if (known !== undefined) {
      compareHeads(this.#trust, known, head, undefined);
      return;
    }
    for (const other of this.#given.values()) compareHeads(this.#trust, other, head, undefined);
    if (this.#given.size < MAX_HEADS) this.#given.set(head.epoch, head);
  }

  /** The known tree head of the checksum database may be that of an earlier epoch than the remembered one. */
  compareTrees(head: SignedHead, memory: Memory | undefined): void {
    const leaf = memory && sumdbLeafOf(memory);
    if (leaf?.treeHead.treeSize !== head.leaf.treeHead.treeSize) return;
    verifySumdbExtension(this.#trust, { leaf }, head, undefined);
  }

  /** False for a record under one tree too many: to ask for it costs no more. */
  isOfFewTrees({ leaf }: SignedHead): boolean {
    const id = formatHex(leaf.treeHead.rootHash);
    if (this.#trees.size < MAX_TREES) this.#trees.add(id);
    return this.#trees.has(id);
  }

  /** Saves the evidence of an error; returns an error that says of which file it is, and where the evidence is. */
  async keepEvidence(what: string, error: ProofdnsError): Promise<ProofdnsError> {
    const { code, evidence } = error;
    let message = `${what}: ${error.message}`;
    if (evidence === undefined) return new ProofdnsError(code, message, { cause: error });
    try {
      const where = await this.#memory.saveEvidence(evidence);
      if (where !== undefined) message = `${message}; the evidence is in ${where}`;
    } catch (cause) {
      // What was found out weighs more than that it cannot be written down.
      message = `${message}; its evidence is not kept: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
    return new ProofdnsError(code, message, { cause: error, evidence });
  }
}

/** True if two signed heads contradict each other: that is a finding, whatever file it is found in. */
export function isContradiction({ code }: ProofdnsError): boolean {
  return code === "FORK" || code === "SUMDB_FORK" || code === "SUMDB_ROLLBACK";
}
