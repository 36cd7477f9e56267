import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { EpochLeaf } from "../vindex/leaf.ts";
import { decodeVarint } from "../vindex/varint.ts";
import { type Asker, type Asking, firstRound, graver, isWorthAsking, payloadOf, type Round } from "./asker.ts";
import { isSameTree, isSameTreeHead, type MemoryStore, sumdbLeafOf } from "./memory-store.ts";
import type { Questions } from "./questions.ts";
import { SharedTask } from "./shared-task.ts";
import { missingConsistency } from "./verify/extension.ts";
import { makeProofHead, type ProofHead } from "./verify/files.ts";
import {
  compareHeads,
  type HeadQuestion,
  type Memory,
  type SignedHead,
  type Trust,
  type VerifiedAge,
  type VerifiedHead,
  verifyAge,
  verifyHead,
} from "./verify/index.ts";

/** Seconds for which a head is used again without asking: the TTL of the newest. */
const HEAD_LIFE = 30;
/** Heads that are kept at once. */
const MAX_HEADS = 64;
/** Times that a memory is written again because another process has just written another one. */
const MAX_WRITES = 4;

/** What the heads of a client are made of. */
export interface HeadsOptions {
  readonly trust: Trust;
  readonly asker: Asker;
  readonly questions: Questions;
  readonly store: MemoryStore;
  /** Unix seconds. */
  readonly now: () => number;
}

/**
 * The heads that a client asks for, each once for all who need it at a time. Every head is compared with the largest that was
 * seen before it came in, remembered or of this run: so all that were let in are of one log, whatever the order they came in.
 */
export class Heads {
  readonly #trust: Trust;
  readonly #asker: Asker;
  readonly #questions: Questions;
  readonly #store: MemoryStore;
  readonly #now: () => number;
  #newest: Kept | undefined;
  readonly #byEpoch = new Map<number, Kept>();
  readonly #proofHeads = new Map<number, SharedTask<ProofHead>>();
  #memory: Promise<Memory | undefined> | undefined;
  #remembered: Memory | undefined;
  /** The newest that was verified in this run, whether or not what it was asked for passed. */
  #seen: VerifiedHead | undefined;
  /** What was compared with all others here: heads that were let in, and memories, by epoch. */
  readonly #met = new Map<number, SignedHead>();
  /** A memory that another process left meanwhile: the next head is compared with it, too. */
  #unmet: Memory | undefined;

  constructor(options: HeadsOptions) {
    this.#trust = options.trust;
    this.#asker = options.asker;
    this.#questions = options.questions;
    this.#store = options.store;
    this.#now = options.now;
  }

  /**
   * What the store holds; read once, and again after `forget`.
   *
   * @throws ProofdnsError as `MemoryStore.read`; `FORK` if it is another tree than one of this run
   */
  remembered(): Promise<Memory | undefined> {
    this.#memory ??= this.#store.read().then((memory) => {
      this.#remembered = memory;
      if (memory !== undefined) this.#recognize(memory);
      return memory;
    });
    return this.#memory;
  }

  /** Takes note of a memory: heads that came before it have not been compared with it. */
  #recognize(memory: Memory): void {
    const met = this.#met.get(memory.epoch);
    if (met !== undefined) compareHeads(this.#trust, memory, met, undefined);
    else if (this.#seen === undefined) this.#meet(memory);
    else {
      this.#unmet = memory;
      this.#newest = undefined;
      this.#byEpoch.clear();
    }
  }

  #meet(head: SignedHead): void {
    this.#met.set(head.epoch, head);
    trim(this.#met);
    if (this.#unmet !== undefined && isSameTree(head, this.#unmet)) this.#unmet = undefined;
  }

  /**
   * Remembers a head that was let in, after comparing it with what another process remembered meanwhile. What cannot be compared
   * with it now stays.
   *
   * @param sumdbLeaves with the tree head of the checksum database that was proven last in this run, and that of the memory beside
   *   which it was
   * @throws ProofdnsError `FORK` with evidence, `EXTENSION_NOT_PROVEN`, and as the store
   */
  async remember(head: VerifiedHead, sumdbLeaves: readonly (EpochLeaf | undefined)[], asking: Asking): Promise<void> {
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      this.forget();
      const known = await this.remembered();
      if (known !== undefined && known === this.#unmet) {
        try {
          await this.#compare(head, known, asking);
        } catch (error) {
          if (isProofdnsError(error) && error.kind === "unavailable") return;
          throw error;
        }
        this.#meet(known);
      }
      const knownLeaf = known && sumdbLeafOf(known);
      // What was not compared with what is known now does not take its place.
      const isCompared = knownLeaf === undefined || sumdbLeaves.some((leaf) => leaf && isSameTreeHead(leaf, knownLeaf));
      const sumdbLeaf = furthestOf(head, isCompared ? [sumdbLeaves[0], knownLeaf] : [knownLeaf]);
      await this.#store.write({ ...head, sumdbLeaf }, known);
      this.forget();
      const there = await this.remembered();
      if (there === undefined || there.epoch >= head.epoch) return;
    }
  }

  /** Reads the memory anew when it is needed next: this or another process may have written something newer. */
  forget(): void {
    this.#memory = undefined;
  }

  /** The newest head that is known: the remembered one, or one that was verified in this run. */
  async known(): Promise<Memory | undefined> {
    await this.remembered();
    return this.#largest();
  }

  #largest(): Memory | undefined {
    return this.#seen === undefined ? this.#remembered : newer<Memory>(this.#seen, this.#remembered);
  }

  /** The newest head, asked at most once in its life. */
  newest(asking: Asking): Promise<VerifiedHead> {
    let newest = this.#newest;
    if (newest === undefined || !this.#isUsable(newest)) {
      const made = this.#kept((signal) => this.#fetchNewest({ ...asking, signal }));
      newest = made;
      this.#newest = made;
      made.task.whenOver(
        ({ epoch }) => this.#keep(epoch, made),
        () => {
          if (this.#newest === made) this.#newest = undefined;
        },
      );
    }
    return newest.task.join(asking.signal);
  }

  /** The head of one epoch, asked at most once in its life. */
  of(epoch: number, asking: Asking): Promise<VerifiedHead> {
    let kept = this.#byEpoch.get(epoch);
    if (kept === undefined || !this.#isUsable(kept)) {
      const made = this.#kept((signal) => this.#fetch({ epoch }, { ...asking, signal }));
      kept = made;
      this.#keep(epoch, made);
      made.task.whenOver(
        () => {},
        () => {
          if (this.#byEpoch.get(epoch) === made) this.#byEpoch.delete(epoch);
        },
      );
    }
    return kept.task.join(asking.signal);
  }

  /**
   * A verified head in the form that stands alone. Asked again, plain, if its inclusion proof did not come with it.
   *
   * @throws ProofdnsError as for any head
   */
  proofHead(head: VerifiedHead, asking: Asking): Promise<ProofHead> {
    const atHand = makeProofHead(this.#trust, head);
    if (atHand !== undefined) return Promise.resolve(atHand);
    let task = this.#proofHeads.get(head.epoch);
    if (task === undefined || task.isAbandoned) {
      const made = new SharedTask((signal) => this.#fetchProofHead(head, { ...asking, signal }));
      task = made;
      this.#proofHeads.set(head.epoch, made);
      trim(this.#proofHeads);
      made.whenOver(
        () => {},
        () => {
          if (this.#proofHeads.get(head.epoch) === made) this.#proofHeads.delete(head.epoch);
        },
      );
    }
    return task.join(asking.signal);
  }

  /** Proves how old records are; undefined if there is no head of that age. */
  async age(time: number, asking: Asking): Promise<(VerifiedAge & { readonly payload: Uint8Array }) | undefined> {
    const newest = newer<Memory>(await this.newest(asking), await this.known());
    const age = this.#asker.rounds(asking, async (round) => {
      const reply = await this.#asker.ask(this.#questions.headAt(time), asking, round);
      if (reply.kind !== "txt") return undefined;
      const untrustedHead = reply.payload;
      const untrustedConsistency = await this.#consistency(headEpoch(untrustedHead), newest.epoch, asking, round);
      const age = verifyAge({ trust: this.#trust, newest, time, untrustedHead, untrustedConsistency });
      await this.#compareWithAll(age, newest, asking);
      return { ...age, payload: untrustedHead };
    });
    return this.#unlessForked(age, [newest], asking);
  }

  #kept(run: (signal: AbortSignal) => Promise<VerifiedHead>): Kept {
    return { task: new SharedTask(run), until: this.#now() + HEAD_LIFE };
  }

  /** False also if the clock went back: nobody knows how old it is then. */
  #isUsable({ task, until }: Kept): boolean {
    const now = this.#now();
    return !task.isAbandoned && now < until && now >= until - HEAD_LIFE;
  }

  #keep(epoch: number, kept: Kept): void {
    this.#byEpoch.set(epoch, kept);
    trim(this.#byEpoch);
  }

  async #fetchNewest(asking: Asking): Promise<VerifiedHead> {
    const memory = await this.known();
    if (memory === undefined) return this.#fetch({}, asking);
    const question: HeadQuestion = { since: memory.epoch };
    const reply = await this.#asker.ask(this.#questions.head(question), asking, firstRound());
    let found: unknown;
    if (reply.kind === "txt") {
      try {
        return await this.#letIn(this.#verify(question, memory, reply.payload), memory, asking);
      } catch (error) {
        if (!isWorthAsking(error)) throw error;
        found = error;
      }
      // The frontier may be what does not fit: the same epoch, plain, with a proof.
      const epoch = headEpoch(reply.payload);
      if (isOfFrontier(found) && epoch > 0) {
        try {
          return await this.#fetch({ epoch }, asking);
        } catch (error) {
          found = judge(found, error);
          // The epoch was read from what nothing proves: that there is none says nothing.
          if (!isWorthAsking(error)) throw found;
        }
      }
    }
    // Or the server is behind what we remember.
    try {
      return await this.#fetch({}, asking);
    } catch (error) {
      throw judge(found, error);
    }
  }

  /** A plain head, with the proof that it and the largest that is known are of one log. */
  async #fetch(question: HeadQuestion, asking: Asking): Promise<VerifiedHead> {
    // Beside a smaller one that is shown first, a fork would not show.
    const beside = await this.known();
    const name = this.#questions.head(question);
    const head = this.#asker.rounds(asking, async (round) => {
      const untrustedHead = payloadOf(await this.#asker.ask(name, asking, round), "the head");
      const proof =
        beside === undefined
          ? undefined
          : await this.#consistency(headEpoch(untrustedHead), beside.epoch, asking, round);
      return this.#letIn(this.#verify(question, beside, untrustedHead, proof), beside, asking);
    });
    return this.#unlessForked(head, beside === undefined ? [] : [beside], asking);
  }

  async #fetchProofHead(head: VerifiedHead, asking: Asking): Promise<ProofHead> {
    const question: HeadQuestion = { epoch: head.epoch };
    const name = this.#questions.head(question);
    return this.#asker.rounds(asking, async (round) => {
      const plain = this.#verify(question, head, await this.#asker.payload(name, asking, round));
      return makeProofHead(this.#trust, plain) as ProofHead;
    });
  }

  /** The payload of the proof between two epochs; undefined if it is not to be had, or none is needed. */
  async #consistency(a: number, b: number, asking: Asking, round: Round): Promise<Uint8Array | undefined> {
    if (a === b || a < 1) return undefined;
    try {
      const proof = await this.#asker.ask(this.#questions.consistency(a, b), asking, round);
      return proof.kind === "txt" ? proof.payload : undefined;
    } catch (error) {
      // Silence is no other than a denial: the head that came is judged without the proof.
      if (isProofdnsError(error, "UNREACHABLE", "REFUSED") && !asking.signal.aborted) return undefined;
      throw error;
    }
  }

  #verify(
    question: HeadQuestion,
    memory: Memory | undefined,
    untrustedHead: Uint8Array,
    untrustedConsistency?: Uint8Array,
  ): VerifiedHead {
    const now = this.#now();
    return verifyHead({ trust: this.#trust, memory, now, question, untrustedHead, untrustedConsistency });
  }

  /** Lets a head in that was verified beside another, after comparing it with what came in meanwhile. */
  async #letIn(head: VerifiedHead, beside: Memory | undefined, asking: Asking): Promise<VerifiedHead> {
    do {
      const unmet = this.#unmet;
      if (unmet !== undefined) {
        // Beside a head that continues both, the two are of one log.
        for (const other of [unmet, this.#seen]) {
          if (other !== undefined && other !== beside) await this.#compare(head, other, asking);
        }
        this.#meet(unmet);
      }
      await this.#compareWithAll(head, beside, asking);
    } while (this.#unmet !== undefined);
    this.#meet(head);
    this.#seen = newer(head, this.#seen);
    return head;
  }

  /** Returns without a pause in between as soon as the largest head that is known is one that `head` was compared with. */
  async #compareWithAll(head: SignedHead, beside: Memory | undefined, asking: Asking): Promise<void> {
    let compared = beside;
    for (let largest = this.#largest(); largest !== undefined && largest !== compared; largest = this.#largest()) {
      await this.#compare(head, largest, asking);
      compared = largest;
    }
  }

  async #compare(head: SignedHead, other: Memory, asking: Asking): Promise<void> {
    if (head.epoch === other.epoch) {
      compareHeads(this.#trust, other, head, undefined);
      return;
    }
    const compared = this.#asker.rounds(asking, async (round) => {
      const proof = await this.#consistency(head.epoch, other.epoch, asking, round);
      if (!compareHeads(this.#trust, other, head, proof)) throw missingConsistency(this.#trust, 0, other, head);
    });
    await this.#unlessForked(compared, [head, other], asking);
  }

  /** Where two heads are not shown to be of one log, by a proof that fails or by none at all: looks for the fork at the sizes that are known. */
  async #unlessForked<T>(task: Promise<T>, known: readonly SignedHead[], asking: Asking): Promise<T> {
    try {
      return await task;
    } catch (error) {
      if (isProofdnsError(error, "EXTENSION_NOT_PROVEN", "CONSISTENCY_MISSING", "LAGGING")) {
        for (const one of known) await this.#lookForFork(one, asking);
      }
      throw error;
    }
  }

  /** A log that forked may sign its other tree at a size that is known: throws `FORK` with evidence if it does. */
  async #lookForFork(known: SignedHead, asking: Asking): Promise<void> {
    const question: HeadQuestion = { epoch: known.epoch };
    const name = this.#questions.head(question);
    try {
      await this.#asker.rounds(asking, async (round) => {
        const memory = { ...known, ageTime: 0 };
        this.#verify(question, memory, await this.#asker.payload(name, asking, round));
        // That this way shows the known tree does not say that all do.
        throw new ProofdnsError("NO_ANSWER", "no other tree here");
      });
    } catch (error) {
      if (isProofdnsError(error, "FORK", "SUMDB_FORK")) throw error;
      if (!isProofdnsError(error) && !asking.signal.aborted) throw error;
      // Anything else proves nothing: the caller reports what it found before.
    }
  }
}

interface Kept {
  readonly task: SharedTask<VerifiedHead>;
  /** Unix seconds. */
  readonly until: number;
}

/** True for what a head since a remembered epoch fails with if the frontier does not fit; the plain head decides. */
function isOfFrontier(error: unknown): boolean {
  return isProofdnsError(error, "BAD_LOG_SIGNATURE", "BAD_LEAF");
}

/** What a head since a remembered epoch and then the plain one failed with: silence decides nothing. */
function judge(found: unknown, error: unknown): unknown {
  const isSilence = isProofdnsError(error, "UNREACHABLE", "REFUSED", "NO_ANSWER");
  return isOfFrontier(found) && !isSilence ? error : graver(found, error);
}

/** The epoch that a head claims, to know which proof to ask, 0 if it claims none; `verifyHead` decides whether it is one. */
function headEpoch(untrustedHead: Uint8Array): number {
  return decodeVarint(untrustedHead, 1)?.value ?? 0;
}

/** The head of the later epoch, or of the later age; the first of two that are the same. */
export function newer<T extends Memory>(head: T, other: T | undefined): T {
  if (other === undefined || head.epoch > other.epoch) return head;
  return head.epoch === other.epoch && head.ageTime >= other.ageTime ? head : other;
}

/** The furthest leaf that the head's own checksum database may be compared with later; undefined if it is the head's own. */
function furthestOf(head: VerifiedHead, leaves: readonly (EpochLeaf | undefined)[]): EpochLeaf | undefined {
  const own = head.leaf.treeHead.treeSize;
  let furthest: EpochLeaf | undefined;
  for (const leaf of leaves) {
    if (leaf === undefined || leaf.treeHead.treeSize > own) continue;
    if (furthest === undefined || leaf.treeHead.treeSize > furthest.treeHead.treeSize) furthest = leaf;
  }
  return furthest?.treeHead.treeSize === own ? undefined : furthest;
}

/** Drops what was kept first. */
function trim(kept: Map<number, unknown>): void {
  for (const epoch of kept.keys()) {
    if (kept.size <= MAX_HEADS) return;
    kept.delete(epoch);
  }
}
