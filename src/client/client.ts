import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { decodeVarint } from "../vindex/varint.ts";
import { type MemoryStore, NoMemoryStore } from "./memory-store.ts";
import { Questions } from "./questions.ts";
import type { Transport, TxtReply } from "./transport.ts";
import {
  epochOfAnswer,
  type HeadQuestion,
  type Memory,
  pageCount,
  type Subject,
  type Trust,
  type VerifiedAge,
  type VerifiedAnswer,
  type VerifiedHead,
  verifyAge,
  verifyAnswer,
  verifyHead,
  verifyRecord,
  verifySumdbExtension,
  verifyVersions,
} from "./verify/index.ts";

/** Options of a `Client`. */
export interface ClientOptions {
  readonly trust: Trust;
  readonly transport: Transport;
  /** Default: remembers nothing beyond this client. */
  readonly memory?: MemoryStore;
  /** Unix seconds; default the system's clock. */
  readonly now?: () => number;
}

export interface LookupOptions {
  readonly signal?: AbortSignal;
  /** Also proves the latest record itself in the checksum database, so that its hashes are checksums. */
  readonly withRecord?: boolean;
  /** Also proves that the checksum database continues the remembered one; `withRecord` does so by itself. */
  readonly isStrict?: boolean;
}

/** A proven answer, and what it cost. */
export interface Lookup {
  readonly answer: VerifiedAnswer;
  /** All records of the module in log order; only where versions were asked. */
  readonly versions: readonly VersionEntry[] | undefined;
  /** The payload that was verified. */
  readonly payload: Uint8Array;
  /** True if the latest record was proven in the checksum database. */
  readonly isRecordProven: boolean;
  /** Size of the DNS message with the answer. */
  readonly answerBytes: number;
  /** DNS queries made for this lookup; the head counts for the first that needed it. */
  readonly queries: number;
}

/** Seconds for which a newest head is used again without asking; its TTL. */
const HEAD_LIFE = 30;
/** Pages asked at once. */
const PAGES_AT_ONCE = 8;

class Tally {
  queries = 0;
}

/**
 * Looks subjects up and verifies everything (spec/client.md): asks answer and head at once, fetches what a proof
 * still needs, and asks again by TCP before it believes that something is false. Nothing is remembered before `commit`.
 */
export class Client {
  readonly #trust: Trust;
  readonly #transport: Transport;
  readonly #store: MemoryStore;
  readonly #now: () => number;
  readonly #questions: Questions;
  #memory: Promise<Memory | undefined> | undefined;
  #newest: { head: Promise<VerifiedHead>; until: number } | undefined;
  #best: VerifiedHead | undefined;

  constructor(options: ClientOptions) {
    this.#trust = options.trust;
    this.#transport = options.transport;
    this.#store = options.memory ?? new NoMemoryStore();
    this.#now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.#questions = new Questions(options.trust.zone, options.trust.sha256);
  }

  /**
   * Looks one subject up.
   *
   * @throws ProofdnsError with a code of docs/errors.md. Evidence of a fork is saved first, and `message` says where.
   */
  async lookup(subject: Subject, options: LookupOptions = {}): Promise<Lookup> {
    try {
      return await this.#lookup(subject, options);
    } catch (error) {
      throw await this.#keepEvidence(error);
    }
  }

  /** Remembers the newest head that was verified. Call it after everything that was asked has passed (spec/client.md §8). */
  async commit(): Promise<void> {
    if (this.#best === undefined) return;
    await this.#store.write(this.#best);
    // What is there now is read when it is needed: another process may have written something newer.
    this.#memory = undefined;
  }

  /**
   * Proves how old records are: every record below the result's sumdb size was public at its `publicSince`. `time` is in Unix
   * seconds, a multiple of 3600; undefined if the log is younger.
   *
   * @throws ProofdnsError as `lookup`
   */
  async age(time: number, options: { signal?: AbortSignal } = {}): Promise<VerifiedAge | undefined> {
    const tally = new Tally();
    try {
      const newest = newer<Memory>(await this.#newestHead(tally, options.signal), await this.#known());
      try {
        return await this.#age(time, newest, tally, { ...options, tcp: false });
      } catch (error) {
        if (!isWorthAsking(error)) throw error;
        return await this.#age(time, newest, tally, { ...options, tcp: true });
      }
    } catch (error) {
      throw await this.#keepEvidence(error);
    }
  }

  async #age(time: number, newest: Memory, tally: Tally, options: AskOptions): Promise<VerifiedAge | undefined> {
    const reply = await this.#ask(this.#questions.headAt(time), tally, options);
    if (reply.kind !== "txt") return undefined;
    const epoch = headEpoch(reply.payload);
    const needsProof = epoch !== newest.epoch && epoch >= 1;
    const proof = needsProof
      ? await this.#ask(this.#questions.consistency(epoch, newest.epoch), tally, options)
      : undefined;
    const untrustedConsistency = proof?.kind === "txt" ? proof.payload : undefined;
    return verifyAge({ trust: this.#trust, newest, time, untrustedHead: reply.payload, untrustedConsistency });
  }

  async #lookup(subject: Subject, options: LookupOptions): Promise<Lookup> {
    const tally = new Tally();
    const { signal } = options;
    signal?.throwIfAborted();
    const name = this.#questions.subject(subject);
    // Both are asked at once; a failure of one must not leave the other's unhandled.
    const [newest, reply] = await settle(this.#newestHead(tally, signal), this.#ask(name, tally, { signal }));
    const first = await this.#verifyReply(subject, newest, reply, tally, signal).catch(async (error: unknown) => {
      if (reply.transport === "tcp" || !isWorthAsking(error)) throw error;
      try {
        // By UDP anyone may have answered, or a resolver may have mangled it.
        const again = await this.#ask(name, tally, { signal, tcp: true });
        return { ...(await this.#verifyReply(subject, newest, again, tally, signal)), reply: again };
      } catch (second) {
        throw graver(error, second);
      }
    });
    const { answer } = first;
    const answered = "reply" in first ? first.reply : reply;
    const answerBytes = answered.messageBytes;
    const payload = payloadOf(answered, "the module");
    const versions =
      answer.kind === "module" && answer.state !== undefined ? await this.#versions(answer, tally, signal) : undefined;
    const isRecordProven = options.withRecord === true && answer.kind === "module";
    if (isRecordProven) await this.#record(answer, tally, signal);
    else if (options.isStrict === true) await this.#sumdb(answer.head, tally, signal);
    // Only now: of a lookup that fails nothing is kept.
    for (const head of [newest, answer.head]) this.#best = newer(head, this.#best);
    return { answer, versions, payload, isRecordProven, answerBytes, queries: tally.queries };
  }

  async #verifyReply(
    subject: Subject,
    newest: VerifiedHead,
    reply: TxtReply,
    tally: Tally,
    signal: AbortSignal | undefined,
  ): Promise<{ answer: VerifiedAnswer }> {
    const untrustedAnswer = payloadOf(reply, "the module");
    const epoch = epochOfAnswer(untrustedAnswer);
    const known = await this.#known();
    // Beside the largest tree that is known: beside a smaller one that is shown first, a fork would not show.
    const head =
      epoch === newest.epoch ? newest : await this.#headOf(epoch, newer<Memory>(newest, known), tally, signal);
    const later = [newest, known].filter((other) => other !== undefined && other.epoch > head.epoch);
    // Beside the latest of what is known: an old answer must not pass beside an old head.
    const latest = later.sort((a, b) => (b?.ageTime ?? 0) - (a?.ageTime ?? 0))[0];
    return { answer: verifyAnswer({ trust: this.#trust, subject, untrustedAnswer, head, newest: latest }) };
  }

  /** The newest head, asked once for all lookups of its life. */
  #newestHead(tally: Tally, signal: AbortSignal | undefined): Promise<VerifiedHead> {
    if (this.#newest === undefined || this.#now() >= this.#newest.until) {
      // Without a signal: others wait for the same head.
      const newest = { head: this.#fetchNewestHead(tally, undefined), until: this.#now() + HEAD_LIFE };
      this.#newest = newest;
      newest.head.catch(() => {
        if (this.#newest === newest) this.#newest = undefined;
      });
    }
    return abortable(this.#newest.head, signal);
  }

  async #fetchNewestHead(tally: Tally, signal: AbortSignal | undefined): Promise<VerifiedHead> {
    const memory = await this.#known();
    if (memory === undefined) {
      const name = this.#questions.head({});
      return this.#again(name, tally, signal, (untrustedHead) => this.#verifyHead({}, undefined, untrustedHead));
    }
    const question: HeadQuestion = { since: memory.epoch };
    const reply = await this.#ask(this.#questions.head(question), tally, { signal });
    if (reply.kind === "txt") {
      try {
        return this.#verifyHead(question, memory, reply.payload);
      } catch (error) {
        if (!isWorthAsking(error)) throw error;
      }
    }
    // The frontier is what does not fit: the same epoch, plain, with a proof. Or the server is behind what we remember.
    const epoch = reply.kind === "txt" ? headEpoch(reply.payload) : 0;
    if (epoch > 0) {
      try {
        return await this.#headWithProof({ epoch }, memory, tally, signal);
      } catch (error) {
        // The epoch was read from what nothing proves: that there is none says nothing.
        if (!isProofdnsError(error, "NO_ANSWER")) throw error;
      }
    }
    return this.#headWithProof({}, memory, tally, signal);
  }

  /** The head of one epoch, consistent with a newer or older verified one. */
  #headOf(epoch: number, beside: Memory, tally: Tally, signal: AbortSignal | undefined): Promise<VerifiedHead> {
    return this.#headWithProof({ epoch }, beside, tally, signal);
  }

  async #headWithProof(
    question: HeadQuestion,
    memory: Memory,
    tally: Tally,
    signal: AbortSignal | undefined,
  ): Promise<VerifiedHead> {
    const name = this.#questions.head(question);
    const verify = async (untrustedHead: Uint8Array, tcp: boolean): Promise<VerifiedHead> => {
      const epoch = headEpoch(untrustedHead);
      const needsProof = epoch !== memory.epoch && epoch >= 1;
      const proofName = this.#questions.consistency(epoch, memory.epoch);
      const proof = needsProof ? await this.#ask(proofName, tally, { signal, tcp }) : undefined;
      return this.#verifyHead(question, memory, untrustedHead, proof?.kind === "txt" ? proof.payload : undefined);
    };
    let first: unknown;
    try {
      return await verify(await this.#txt(name, tally, { signal }), false);
    } catch (error) {
      if (!isWorthAsking(error)) throw error;
      first = error;
    }
    let found: unknown;
    try {
      return await verify(await this.#txt(name, tally, { signal, tcp: true }), true);
    } catch (error) {
      found = graver(first, error);
    }
    if (isProofdnsError(found, "EXTENSION_NOT_PROVEN")) await this.#lookForFork(memory, tally, signal);
    throw found;
  }

  /** A log that forked may sign its other tree at the size that is remembered: throws `FORK` with evidence if it does. */
  async #lookForFork(memory: Memory, tally: Tally, signal: AbortSignal | undefined): Promise<void> {
    const question = { epoch: memory.epoch };
    try {
      const reply = await this.#ask(this.#questions.head(question), tally, { signal, tcp: true });
      if (reply.kind === "txt") this.#verifyHead(question, memory, reply.payload);
    } catch (error) {
      if (isProofdnsError(error, "FORK", "SUMDB_FORK")) throw error;
      // Anything else proves nothing: the caller reports what it found before.
    }
  }

  #verifyHead(
    question: HeadQuestion,
    memory: Memory | undefined,
    untrustedHead: Uint8Array,
    untrustedConsistency?: Uint8Array,
  ): VerifiedHead {
    const now = this.#now();
    return verifyHead({ trust: this.#trust, memory, now, question, untrustedHead, untrustedConsistency });
  }

  async #versions(
    answer: Extract<VerifiedAnswer, { kind: "module" }>,
    tally: Tally,
    signal: AbortSignal | undefined,
  ): Promise<VersionEntry[]> {
    const count = pageCount(answer.state?.subLog.treeSize ?? 0);
    const fetchAll = async (tcp: boolean): Promise<VersionEntry[]> => {
      const pages: Uint8Array[] = [];
      for (let from = 0; from < count; from += PAGES_AT_ONCE) {
        const numbers = Array.from({ length: Math.min(PAGES_AT_ONCE, count - from) }, (_, i) => from + i);
        const fetched = numbers.map((page) =>
          this.#txt(this.#questions.page(answer.path, page), tally, { signal, tcp }),
        );
        pages.push(...(await Promise.all(fetched)));
      }
      return verifyVersions(this.#trust, answer, pages);
    };
    try {
      return await fetchAll(false);
    } catch (error) {
      if (!isWorthAsking(error) && !isProofdnsError(error, "VERSIONS_MISSING", "NO_ANSWER")) throw error;
      return fetchAll(true);
    }
  }

  /** Proves the latest record in the checksum database, and that the database continues the remembered one. */
  async #record(
    answer: Extract<VerifiedAnswer, { kind: "module" }>,
    tally: Tally,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { head, value, path } = answer;
    const { treeSize } = head.leaf.treeHead;
    const record = {
      path,
      version: value.latest.version.text,
      zipHash: value.zipHash,
      goModHash: value.goModHash,
      logIndex: value.latest.logIndex,
    };
    const name = this.#questions.record(record.logIndex, treeSize);
    await this.#again(name, tally, signal, (proof) => verifyRecord(this.#trust, head, record, proof));
    await this.#sumdb(head, tally, signal);
  }

  /** Proves that the checksum database of a head continues the remembered one. */
  async #sumdb(head: VerifiedHead, tally: Tally, signal: AbortSignal | undefined): Promise<void> {
    const { treeSize } = head.leaf.treeHead;
    const memory = await this.#remembered();
    if (memory === undefined || memory.leaf.treeHead.treeSize === treeSize) return;
    const [older, newer] = memory.leaf.treeHead.treeSize < treeSize ? [memory, head] : [head, memory];
    const sumdbName = this.#questions.sumdb(older.leaf.treeHead.treeSize, newer.leaf.treeHead.treeSize);
    await this.#again(sumdbName, tally, signal, (proof) => verifySumdbExtension(this.#trust, older, newer, proof));
  }

  /** Asks, verifies, and asks again by TCP if what came is malformed or false. */
  async #again<T>(
    name: Uint8Array,
    tally: Tally,
    signal: AbortSignal | undefined,
    verify: (payload: Uint8Array) => T,
  ): Promise<T> {
    const reply = await this.#ask(name, tally, { signal });
    try {
      return verify(payloadOf(reply, "it"));
    } catch (error) {
      if (reply.transport === "tcp" || !isWorthAsking(error)) throw error;
      try {
        return verify(await this.#txt(name, tally, { signal, tcp: true }));
      } catch (second) {
        throw graver(error, second);
      }
    }
  }

  async #txt(name: Uint8Array, tally: Tally, options: AskOptions): Promise<Uint8Array> {
    return payloadOf(await this.#ask(name, tally, options), "it");
  }

  #ask(name: Uint8Array, tally: Tally, { signal, tcp }: AskOptions): Promise<TxtReply> {
    tally.queries++;
    return this.#transport.query(name, {
      ...(signal === undefined ? {} : { signal }),
      ...(tcp === undefined ? {} : { tcp }),
    });
  }

  #remembered(): Promise<Memory | undefined> {
    this.#memory ??= this.#store.read();
    return this.#memory;
  }

  /** The newest head that is known: the remembered one, or one that a lookup of this client has proven. */
  async #known(): Promise<Memory | undefined> {
    const memory = await this.#remembered();
    return this.#best === undefined ? memory : newer<Memory>(this.#best, memory);
  }

  /** Saves the evidence of an error; returns an error whose message says where it is. */
  async #keepEvidence(error: unknown): Promise<unknown> {
    if (!isProofdnsError(error) || error.evidence === undefined) return error;
    let where: string;
    try {
      const path = await this.#store.saveEvidence(error.evidence);
      if (path === undefined) return error;
      where = `the evidence is in ${path}`;
    } catch (cause) {
      // What was found out weighs more than that it cannot be written down.
      where = `its evidence is not kept: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
    const message = `${error.message}; ${where}`;
    return new ProofdnsError(error.code, message, { cause: error, evidence: error.evidence });
  }
}

interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  readonly tcp?: boolean;
}

/** True for what another path to the server might answer truthfully: a proof that fails, bytes that make no sense. */
function isWorthAsking(error: unknown): boolean {
  if (!isProofdnsError(error)) return false;
  if (["FORK", "SUMDB_FORK", "MALFORMED_MEMORY"].includes(error.code)) return false;
  return error.kind !== "unavailable" || error.code === "CONSISTENCY_MISSING" || error.code === "NO_ANSWER";
}

/** Of two failures of one question the one to report: that a second try was cut off does not undo what the first showed. */
function graver(first: unknown, second: unknown): unknown {
  const isSilent = isProofdnsError(second) && second.kind === "unavailable";
  return isSilent && isProofdnsError(first) && first.kind !== "unavailable" ? first : second;
}

function payloadOf(reply: TxtReply, what: string): Uint8Array {
  if (reply.kind === "txt") return reply.payload;
  const why = reply.kind === "nxdomain" ? "the name does not exist there" : "there is no TXT record";
  throw new ProofdnsError(
    "NO_ANSWER",
    `no answer for ${what}: ${why}; is this the right zone, and does the server serve this log?`,
  );
}

/** The epoch that a head claims, to know which proof to ask, 0 if it claims none; `verifyHead` decides whether it is one. */
function headEpoch(untrustedHead: Uint8Array): number {
  return decodeVarint(untrustedHead, 1)?.value ?? 0;
}

/** The head of the later epoch, or of the later age; the first of two that are the same. */
function newer<T extends Memory>(head: T, other: T | undefined): T {
  if (other === undefined || head.epoch > other.epoch) return head;
  return head.epoch === other.epoch && head.ageTime >= other.ageTime ? head : other;
}

/** The same, but ends early with the signal's reason. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

async function settle<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [x, y] = await Promise.allSettled([a, b]);
  if (x.status === "rejected") throw x.reason;
  if (y.status === "rejected") throw y.reason;
  return [x.value, y.value];
}
