import { formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { EpochLeaf } from "../vindex/leaf.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { makeRecord } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import { AbortHub } from "./abort-hub.ts";
import { Asker, type Asking, firstRound, graver, payloadOf } from "./asker.ts";
import { Heads, newer } from "./heads.ts";
import { type MemoryStore, NoMemoryStore, sumdbLeafOf } from "./memory-store.ts";
import { Questions } from "./questions.ts";
import { SharedTask } from "./shared-task.ts";
import { type SumdbExtension, suspicionOfTrees } from "./sumdb-extension.ts";
import type { Transport, TxtReply } from "./transport.ts";
import type { ProofHead } from "./verify/files.ts";
import {
  epochOfAnswer,
  pageCount,
  type Subject,
  type Trust,
  type VerifiedAge,
  type VerifiedAnswer,
  type VerifiedHead,
  verifyAnswer,
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
  /**
   * True to ask modules, majors and versions by index key only: no name of theirs leaves the machine, though whoever can guess it can
   * tell that it was asked. Default false.
   */
  readonly isHashed?: boolean;
  /** Milliseconds after which one call of a method fails, with all that it asks again. Default 30,000. */
  readonly timeout?: number;
}

/** What ends a call early: it then rejects with the signal's reason. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Options of one lookup. */
export interface LookupOptions extends CallOptions {
  /** Also proves the latest record itself in the checksum database, so that its hashes are checksums. */
  readonly withRecord?: boolean;
  /** Also proves that the checksum database continues the remembered one; `withRecord` does so by itself. */
  readonly isStrict?: boolean;
}

/** A record of the checksum database that is to be proven. */
export interface ClaimedRecord {
  readonly path: string;
  readonly version: string;
  /** The two hashes of `go.sum`, 32 bytes each. */
  readonly zipHash: Hash;
  readonly goModHash: Hash;
  /** Its index in the checksum database. */
  readonly logIndex: number;
}

/** Options of one proof of a record. */
export interface RecordOptions extends CallOptions {
  /** The head under which it is proven, one that this client verified. Default: the newest. */
  readonly head?: VerifiedHead;
}

/** What proved a record, and what it cost. */
export interface RecordProof {
  /** The record is in the checksum database of this head. */
  readonly head: VerifiedHead;
  /** Payload of the `_record` answer that was verified. */
  readonly payload: Uint8Array;
  /** DNS queries made for it. */
  readonly queries: number;
}

/** An old head that was verified. */
export interface ProvenAge extends VerifiedAge {
  /** Payload of the `t<time>._head` answer. */
  readonly payload: Uint8Array;
}

/** A proven answer, and what it cost. */
export interface Lookup {
  readonly answer: VerifiedAnswer;
  /** All records of the module in log order; only where versions were asked. */
  readonly versions: readonly VersionEntry[] | undefined;
  /** The payload that was verified. */
  readonly payload: Uint8Array;
  /** Seconds for which the payload may be kept. */
  readonly ttl: number;
  /** True if the latest record was proven in the checksum database. */
  readonly isRecordProven: boolean;
  /** Size of the DNS message with the answer. */
  readonly answerBytes: number;
  /** DNS queries made for this lookup; the head counts for the first that needed it. */
  readonly queries: number;
}

/** Pages asked at once. */
const PAGES_AT_ONCE = 8;
/** Extensions that wait to be taken. */
const MAX_EXTENSIONS = 64;
const DEFAULT_TIMEOUT = 30_000;
/** Milliseconds that a call whose time is over waits for what was asked to end. */
const GRACE = 100;
/** Longer timers fire at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/**
 * Looks subjects up and verifies everything (spec/client.md): asks answer and head at once, fetches what a proof
 * still needs, and asks again by TCP, then other servers, before it believes that something is false. Nothing is
 * remembered before `commit`.
 *
 * All methods throw ProofdnsError with a code of docs/errors.md. Evidence of a fork is saved first, and `message` says where.
 */
export class Client {
  readonly #trust: Trust;
  readonly #store: MemoryStore;
  readonly #questions: Questions;
  readonly #asker: Asker;
  readonly #heads: Heads;
  readonly #timeout: number;
  readonly #hub = new AbortHub();
  /** Lookups under way, by question and what is to be proven. */
  readonly #lookups = new Map<string, SharedTask<Lookup>>();
  /** Extensions of the checksum database that were proven or are being, by their two tree heads. */
  readonly #sumdbs = new Map<string, SharedTask<void>>();
  /** What of them is not handed over yet. */
  readonly #extensions: SumdbExtension[] = [];
  /** Why kept trees of the checksum database were not connected with those of heads, by the roots of both: asked once, not for each record. */
  readonly #unconnected = new Map<string, ProofdnsError>();
  /** Roots of kept trees that a suspicion was kept of. */
  readonly #suspected = new Set<string>();
  /** With the tree head of the checksum database that was proven last to continue those before it, or else was seen first. */
  #sumdbLeaf: EpochLeaf | undefined;
  /** The one of the memory that it was compared with. */
  #sumdbBeside: EpochLeaf | undefined;
  #best: VerifiedHead | undefined;

  constructor(options: ClientOptions) {
    const { trust, transport } = (options ?? {}) as Partial<ClientOptions>;
    // What plain JavaScript calls wrongly; the types allow no other.
    if (typeof trust?.zone !== "string" || typeof transport?.query !== "function")
      throw new TypeError("new Client: expected { trust: makeTrust(…), transport }");
    this.#trust = trust;
    this.#store = options.memory ?? new NoMemoryStore();
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    if (!(this.#timeout > 0 && this.#timeout <= MAX_TIMEOUT)) throw new RangeError("timeout: 1 to 2^31 - 1 ms");
    this.#asker = new Asker(transport);
    this.#questions = new Questions(trust.zone, trust.sha256, { isHashed: options.isHashed ?? false });
    this.#heads = new Heads({
      trust,
      asker: this.#asker,
      questions: this.#questions,
      store: this.#store,
      now: options.now ?? (() => Math.floor(Date.now() / 1000)),
    });
  }

  /** Looks one subject up. Who asks for the same while it is under way waits for the same result, and nothing is asked twice. */
  async lookup(subject: Subject, options: LookupOptions = {}): Promise<Lookup> {
    options.signal?.throwIfAborted();
    requireSubject(subject);
    const { withRecord = false, isStrict = false } = options;
    const key = `${formatHex(this.#questions.subject(subject))} ${withRecord} ${isStrict}`;
    let task = this.#lookups.get(key);
    if (task === undefined || task.isAbandoned) {
      const made = new SharedTask((signal) =>
        this.#lookup(subject, { withRecord, isStrict }, { signal, tally: { queries: 0 } }),
      );
      task = made;
      this.#lookups.set(key, made);
      const forget = (): void => {
        if (this.#lookups.get(key) === made) this.#lookups.delete(key);
      };
      made.whenOver(forget, forget);
    }
    const shared = task;
    return this.#call(options, ({ signal }) => shared.join(signal));
  }

  /** The newest head. */
  head(options: CallOptions = {}): Promise<VerifiedHead> {
    return this.#call(options, async (asking) => {
      const head = await this.#heads.newest(asking);
      this.#best = newer(head, this.#best);
      return head;
    });
  }

  /**
   * Proves how old records are: every record of the checksum database that the result's head has was public at its `publicSince`. That a
   * record below its size, proven under another head, is one of them is shown by `proveAgeTree`. `time` is in Unix seconds, a multiple
   * of 3600; undefined if the log is younger.
   */
  age(time: number, options: CallOptions = {}): Promise<ProvenAge | undefined> {
    return this.#call(options, (asking) => this.#heads.age(time, asking));
  }

  /**
   * Proves that the checksum database holds a record under the newest head, and that the database continues the remembered one:
   * only after this do hashes serve as checksums.
   *
   * Throws `BAD_RECORD_PROOF` if it holds another one there, `NO_ANSWER` if the server has no proof or the record is newer
   * than the head, and `MALFORMED_INPUT` if path and version make no record.
   */
  async proveRecord(record: ClaimedRecord, options: CallOptions = {}): Promise<void> {
    await this.recordProof(record, options);
  }

  /** As `proveRecord`, under whichever head of this client; gives what proved it, so that it can be kept. */
  recordProof(record: ClaimedRecord, options: RecordOptions = {}): Promise<RecordProof> {
    return this.#call(options, async (asking) => {
      const { path, version, zipHash, goModHash, logIndex } = record;
      if (makeRecord(path, version, zipHash, goModHash) === undefined) {
        const shown = JSON.stringify(`${path} ${version}`.slice(0, 200));
        throw new ProofdnsError("MALFORMED_INPUT", `${shown} is no module path and version of the checksum database`);
      }
      const head = options.head ?? (await this.#heads.newest(asking));
      requireCovered(head, logIndex);
      const payload = await this.#record(head, record, asking);
      this.#best = newer(head, this.#best);
      return { head, payload, queries: asking.tally.queries };
    });
  }

  /**
   * Proves that a record is in the checksum database of a head, given that it was proven under `kept`, the head of a kept proof: that
   * the database of the two is one (spec/client.md §10). Then it is proven as `recordProof` would under that head, and need not be asked for.
   * Returns the queries made for it.
   *
   * Throws as `recordProof`: `NO_ANSWER` also if the server has no such proof, `SUMDB_FORK` with evidence, `SUMDB_EXTENSION_NOT_PROVEN`.
   */
  proveContinuity(
    kept: Pick<VerifiedHead, "leaf">,
    { logIndex }: Pick<ClaimedRecord, "logIndex">,
    options: RecordOptions = {},
  ): Promise<number> {
    return this.#call(options, async (asking) => {
      const head = options.head ?? (await this.#heads.newest(asking));
      requireCovered(head, logIndex);
      const trees = rootsOf(kept, head);
      const known = this.#unconnected.get(trees);
      if (known !== undefined) throw known;
      try {
        await this.#sumdbExtension(kept, head, asking);
      } catch (error) {
        if (isProofdnsError(error) && error.kind !== "false") this.#unconnected.set(trees, error);
        throw error;
      }
      await this.#sumdb(head, asking);
      this.#best = newer(head, this.#best);
      return asking.tally.queries;
    });
  }

  /**
   * Proves that the checksum database of an old head, a result of `age`, is one with that of all records that this client proves or has
   * proven (spec/client.md §6): only then a record below its size was public at its `publicSince`. Costs a query at most, but for
   * the newest head.
   *
   * Throws `NO_ANSWER` if the server has no such proof, `SUMDB_FORK` with evidence, `SUMDB_EXTENSION_NOT_PROVEN`.
   */
  proveAgeTree(age: Pick<VerifiedAge, "leaf">, options: CallOptions = {}): Promise<void> {
    return this.#call(options, async (asking) => {
      await this.#sumdb(await this.#heads.newest(asking), asking);
      const memory = await this.#heads.remembered();
      const known = [this.#sumdbLeaf, memory && sumdbLeafOf(memory)].filter((leaf) => leaf !== undefined);
      const [largest] = known.sort((a, b) => sizeOf({ leaf: b }) - sizeOf({ leaf: a }));
      // What records are proven under is, or will be, a part of the largest, or the largest of it.
      if (largest !== undefined && sizeOf({ leaf: largest }) >= sizeOf(age)) {
        await this.#sumdbExtension(age, { leaf: largest }, asking);
      } else await this.#sumdb(age, asking);
    });
  }

  /** The extensions of the checksum database that were proven since this was called last, to be kept (spec/client.md §10). */
  takeExtensions(): readonly SumdbExtension[] {
    return this.#extensions.splice(0);
  }

  /**
   * Keeps the tree head of the checksum database that a kept proof is under, and that of a larger head, as what may contradict each other: a
   * record was proven under the second, and `proveContinuity` asked in vain for the proof that it continues the first. Returns where, once for each
   * kept tree; undefined also if that proof was not asked for.
   */
  async keepSuspicion(kept: Pick<VerifiedHead, "leaf">, head: Pick<VerifiedHead, "leaf">): Promise<string | undefined> {
    // Who has the larger tree has every proof from smaller ones, and who lags none from a larger one.
    if (sizeOf(kept) >= sizeOf(head) || !this.#unconnected.has(rootsOf(kept, head))) return undefined;
    const tree = formatHex(kept.leaf.treeHead.rootHash);
    if (this.#suspected.has(tree)) return undefined;
    this.#suspected.add(tree);
    return this.#store.saveEvidence(suspicionOfTrees(this.#trust, kept.leaf, head.leaf));
  }

  /** A verified head in the form that stands alone, as proof files hold it. */
  headForProof(head: VerifiedHead, options: CallOptions = {}): Promise<ProofHead> {
    return this.#call(options, (asking) => this.#heads.proofHead(head, asking));
  }

  /**
   * Remembers the newest head that was verified. Call it after everything that was asked has passed (spec/client.md §8). What another
   * process remembered meanwhile is compared with it first, and stays if that cannot be done.
   */
  async commit(): Promise<void> {
    const best = this.#best;
    if (best === undefined) return;
    await this.#call({}, (asking) => this.#heads.remember(best, [this.#sumdbLeaf, this.#sumdbBeside], asking));
  }

  /** Bounds a call in time, and saves the evidence of its error. */
  async #call<T>({ signal }: CallOptions, run: (asking: Asking) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const controller = new AbortController();
    let grace: ReturnType<typeof setTimeout> | undefined;
    let giveUp: (why: unknown) => void = () => {};
    const over = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    // What was asked ends by its signal, and says what it found before; but a transport need not heed it.
    const abort = (why: unknown): void => {
      controller.abort(why);
      grace ??= setTimeout(() => giveUp(why), GRACE);
    };
    const leave = this.#hub.listen(signal, () => abort(signal?.reason));
    const timer = setTimeout(() => {
      const why = `no answer that can be verified within ${this.#timeout / 1000} s; is the server slow, or the network?`;
      abort(new ProofdnsError("UNREACHABLE", why));
    }, this.#timeout);
    try {
      return await Promise.race([run({ signal: controller.signal, tally: { queries: 0 } }), over]);
    } catch (error) {
      throw await this.#keepEvidence(error);
    } finally {
      for (const one of [timer, grace]) clearTimeout(one);
      leave();
    }
  }

  async #lookup(subject: Subject, options: Omit<LookupOptions, "signal">, asking: Asking): Promise<Lookup> {
    const name = this.#questions.subject(subject);
    // Both are asked at once; a failure of one must not leave the other's unhandled.
    const round = firstRound();
    const [newest, reply] = await settle(this.#heads.newest(asking), this.#asker.ask(name, asking, round));
    const { answer, answered } = await this.#asker.rounds(
      asking,
      async (next) => {
        const answered = next === round ? reply : await this.#asker.ask(name, asking, next);
        return { answer: await this.#verifyReply(subject, newest, answered, asking), answered };
      },
      round,
    );
    const payload = payloadOf(answered, "the module");
    const versions =
      answer.kind === "module" && answer.state !== undefined ? await this.#versions(answer, asking) : undefined;
    const isRecordProven = options.withRecord === true && answer.kind === "module";
    if (isRecordProven) await this.#latestRecord(answer, asking);
    else if (options.isStrict === true) await this.#sumdb(answer.head, asking);
    // Only now: of a lookup that fails nothing is kept.
    for (const head of [newest, answer.head]) this.#best = newer(head, this.#best);
    return {
      answer,
      versions,
      payload,
      ttl: answered.ttl ?? 0,
      isRecordProven,
      answerBytes: answered.messageBytes,
      queries: asking.tally.queries,
    };
  }

  async #verifyReply(subject: Subject, newest: VerifiedHead, reply: TxtReply, asking: Asking): Promise<VerifiedAnswer> {
    const untrustedAnswer = payloadOf(reply, "the module");
    const epoch = epochOfAnswer(untrustedAnswer);
    const head = epoch === newest.epoch ? newest : await this.#heads.of(epoch, asking);
    const known = await this.#heads.known();
    const later = [newest, known].filter((other) => other !== undefined && other.epoch > head.epoch);
    // Beside the latest of what is known: an old answer must not pass beside an old head.
    const latest = later.sort((a, b) => (b?.ageTime ?? 0) - (a?.ageTime ?? 0))[0];
    return verifyAnswer({ trust: this.#trust, subject, untrustedAnswer, head, newest: latest });
  }

  async #versions(answer: Extract<VerifiedAnswer, { kind: "module" }>, asking: Asking): Promise<VersionEntry[]> {
    const count = pageCount(answer.state?.subLog.treeSize ?? 0);
    return this.#asker.rounds(asking, async (round) => {
      const pages: Uint8Array[] = [];
      for (let from = 0; from < count; from += PAGES_AT_ONCE) {
        const numbers = Array.from({ length: Math.min(PAGES_AT_ONCE, count - from) }, (_, i) => from + i);
        const fetched = numbers.map((page) =>
          this.#asker.payload(this.#questions.page(answer.path, page), asking, round),
        );
        pages.push(...(await settleAll(fetched)));
      }
      return verifyVersions(this.#trust, answer, pages);
    });
  }

  async #latestRecord(answer: Extract<VerifiedAnswer, { kind: "module" }>, asking: Asking): Promise<void> {
    const { head, value, path } = answer;
    const { zipHash, goModHash, latest } = value;
    const { logIndex } = latest;
    await this.#record(head, { path, version: latest.version.text, zipHash, goModHash, logIndex }, asking);
  }

  /** Proves a record in the checksum database, and that the database continues the remembered one. */
  async #record(head: VerifiedHead, record: ClaimedRecord, asking: Asking): Promise<Uint8Array> {
    const name = this.#questions.record(record.logIndex, head.leaf.treeHead.treeSize);
    const payload = await this.#verified(name, asking, (proof) => {
      verifyRecord(this.#trust, head, record, proof);
      return proof;
    });
    await this.#sumdb(head, asking);
    return payload;
  }

  /** Proves that the checksum database of a head continues the one that was proven before it, in this run or the memory. */
  async #sumdb(head: WithLeaf, asking: Asking): Promise<void> {
    const compared = new Set<EpochLeaf>([head.leaf]);
    for (;;) {
      const memory = await this.#heads.remembered();
      const known = [this.#sumdbLeaf, memory && sumdbLeafOf(memory)].filter((leaf) => leaf !== undefined);
      const next = known.find((leaf) => !compared.has(leaf));
      if (next === undefined) {
        // Nothing came meanwhile that this head was not compared with.
        if (known.some((leaf) => sizeOf({ leaf }) > sizeOf(head))) return;
        this.#sumdbLeaf = head.leaf;
        this.#sumdbBeside = memory && sumdbLeafOf(memory);
        return;
      }
      await this.#sumdbExtension({ leaf: next }, head, asking);
      compared.add(next);
    }
  }

  /** Proves that of two tree heads of the checksum database the larger continues the smaller; once for all lookups that need it. */
  async #sumdbExtension(known: WithLeaf, head: WithLeaf, asking: Asking): Promise<void> {
    const [smaller, larger] = sizeOf(known) < sizeOf(head) ? [known, head] : [head, known];
    if (sizeOf(smaller) === sizeOf(larger)) return verifySumdbExtension(this.#trust, smaller, larger, undefined);
    // By their roots too: what is proven of one tree says nothing of another of its size.
    const key = [smaller, larger]
      .map(({ leaf }) => `${sizeOf({ leaf })} ${formatHex(leaf.treeHead.rootHash)}`)
      .join(" ");
    let task = this.#sumdbs.get(key);
    if (task === undefined || task.isAbandoned) {
      const name = this.#questions.sumdb(sizeOf(smaller), sizeOf(larger));
      const made = new SharedTask((signal) =>
        this.#verified(name, { ...asking, signal }, (payload) => {
          verifySumdbExtension(this.#trust, smaller, larger, payload);
          this.#extensions.push({ older: smaller.leaf.treeHead, newer: larger.leaf.treeHead, payload });
          // Whoever keeps none lets them lie.
          if (this.#extensions.length > MAX_EXTENSIONS) this.#extensions.shift();
        }),
      );
      task = made;
      this.#sumdbs.set(key, made);
      made.whenOver(
        () => {},
        () => {
          if (this.#sumdbs.get(key) === made) this.#sumdbs.delete(key);
        },
      );
    }
    await task.join(asking.signal);
  }

  /** Asks and verifies, and asks again in other ways if what came is malformed or false. */
  #verified<T>(name: Uint8Array, asking: Asking, verify: (payload: Uint8Array) => T): Promise<T> {
    return this.#asker.rounds(asking, async (round) => verify(await this.#asker.payload(name, asking, round)));
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

/** @throws ProofdnsError `NO_ANSWER` if a record is newer than a head */
function requireCovered({ epoch, leaf }: VerifiedHead, logIndex: number): void {
  const { treeSize } = leaf.treeHead;
  if (logIndex < treeSize) return;
  throw new ProofdnsError(
    "NO_ANSWER",
    `record ${logIndex} is not covered yet: epoch ${epoch} covers ${treeSize} records; ask again later`,
  );
}

/** What holds a signed tree head of the checksum database. */
type WithLeaf = Pick<VerifiedHead, "leaf">;

function sizeOf({ leaf }: WithLeaf): number {
  return leaf.treeHead.treeSize;
}

function rootsOf(...heads: readonly WithLeaf[]): string {
  return heads.map(({ leaf }) => formatHex(leaf.treeHead.rootHash)).join(" ");
}

/** Waits for both, so that neither is left under way, and fails as the graver failure, or else the first. */
async function settle<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [x, y] = await Promise.allSettled([a, b]);
  if (x.status === "rejected") throw y.status === "rejected" ? graver(y.reason, x.reason) : x.reason;
  if (y.status === "rejected") throw y.reason;
  return [x.value, y.value];
}

/** The same for many. */
async function settleAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const ends = await Promise.allSettled(promises);
  const failures = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  if (failures.length > 0) throw failures.reduce((first, next) => graver(next, first));
  return ends.map((end) => (end as PromiseFulfilledResult<T>).value);
}

/** @throws TypeError for what is no subject, which the types do not allow */
function requireSubject(subject: Subject): void {
  const { kind, path, basePath } = (subject ?? {}) as { readonly kind?: unknown; path?: unknown; basePath?: unknown };
  if (kind === "toolchain" || typeof (kind === "module" ? path : kind === "majors" ? basePath : undefined) === "string")
    return;
  throw new TypeError(
    'not a subject: expected { kind: "module", path }, { kind: "majors", basePath } or { kind: "toolchain" }',
  );
}
