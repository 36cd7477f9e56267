import type { Lookup } from "../client/client.ts";
import type { Subject, VerifiedHead } from "../client/verify/index.ts";
import { subjectText } from "../client/verify/index.ts";
import { Gate } from "../sumdb/gate.ts";
import { formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import type { AgeHead, AnsweredAge, AskAge } from "./ages.ts";
import type { AsOf } from "./result.ts";

/** A record to be proven. */
export interface RecordToProve {
  readonly path: string;
  readonly version: string;
  readonly zipHash: Hash;
  readonly goModHash: Hash;
  readonly logIndex: number;
}

/** What a record was proven under. */
export type ProvenUnder = Pick<VerifiedHead, "leaf">;

/** What came of one lookup. */
export type Outcome = { readonly lookup: Lookup } | { readonly error: unknown };

/** Everything that a check asks of others. What these give is verified, but for `fetchGoMod`. */
export interface Asker {
  /** Looks subjects up under a cap; `each` is called once for every index. */
  lookupAll(subjects: readonly Subject[], each: (index: number, outcome: Outcome) => void): Promise<void>;
  /** The newest head: what time it is, as far as that is proven. */
  head(): Promise<Pick<VerifiedHead, "ageTime">>;
  readonly age: AskAge;
  /** Gives the tree head of the checksum database that it was proven under. */
  proveRecord(record: RecordToProve): Promise<ProvenUnder>;
  /** Proves that an old head and what a record was proven under are of one checksum database. */
  proveAge(age: AnsweredAge, record: ProvenUnder): Promise<void>;
  /** The go.mod of a version, from wherever it was to be had: nothing is proven. `hash` is its proven hash. */
  fetchGoMod(path: string, version: string, hash: Hash): Promise<Uint8Array>;
  /** True for modules that never leave the machine. */
  isPrivate(path: string): boolean;
  /** True if all modules are, since GOSUMDB is off. */
  readonly isSumdbOff?: boolean;
  /** Questions under way at once. */
  readonly jobs: number;
  /** True if nothing may be asked of the network: then only what is kept is given. */
  readonly isOffline: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Asks everything at most once, under a cap, and nothing that is private. */
export class Questioner {
  readonly #asker: Asker;
  readonly #gate: Gate;
  readonly #lookups = new Map<string, Promise<Lookup>>();
  readonly #records = new Map<string, Promise<ProvenUnder>>();
  /** What records were proven under, by path, version and index. */
  readonly #trees = new Map<string, ProvenUnder>();
  readonly #ages = new Map<string, Promise<void>>();
  readonly #goMods = new Map<string, Promise<Uint8Array>>();
  readonly #later: Promise<void>[] = [];
  #done = 0;
  #asOf: AsOf | undefined;

  constructor(asker: Asker) {
    this.#asker = asker;
    this.#gate = new Gate(asker.jobs);
  }

  /** True for modules that never leave the machine. */
  isPrivate(path: string): boolean {
    return this.#asker.isPrivate(path);
  }

  /** Looks all of these up at once, so that `lookup` has them. */
  async prefetch(subjects: readonly Subject[], progress: (done: number) => void): Promise<void> {
    const wanted = new Map<string, { subject: Subject } & Pending>();
    for (const subject of subjects) {
      const id = idOf(subject);
      if (this.#lookups.has(id) || this.#refusal(subject) !== undefined) continue;
      const { promise, settle } = pending();
      this.#lookups.set(id, promise);
      wanted.set(id, { subject, promise, settle });
    }
    const queue = [...wanted.values()];
    this.#start(
      queue.map(({ subject }) => subject),
      (index, outcome) => {
        this.#done++;
        queue[index]?.settle(outcome);
        progress(this.#done);
      },
      (error) => {
        for (const { settle } of queue) settle({ error });
      },
    );
    await Promise.allSettled(queue.map(({ promise }) => promise));
  }

  /** Ends when everything has that goes on after its answers are there: what is kept for the next time. */
  async finish(): Promise<void> {
    await Promise.all(this.#later);
  }

  /** @throws ProofdnsError as `Client.lookup` */
  lookup(subject: Subject): Promise<Lookup> {
    const refusal = this.#refusal(subject);
    if (refusal !== undefined) return Promise.reject(refusal);
    const id = idOf(subject);
    let promise = this.#lookups.get(id);
    if (promise === undefined) {
      promise = this.#run(() => this.#lookupOne(subject));
      promise.catch(() => {});
      this.#lookups.set(id, promise);
    }
    return promise;
  }

  /** @throws ProofdnsError `BAD_RECORD_PROOF` and others of a proof that fails; unavailable ones if there is none to be had */
  async proveRecord(record: RecordToProve): Promise<void> {
    const { path, version, zipHash, goModHash, logIndex } = record;
    // With the hashes: that the log has one record says nothing for another that is claimed of the same place.
    const id = `${path}@${version} ${logIndex} ${formatH1(zipHash)} ${formatH1(goModHash)}`;
    const tree = await this.#once(this.#records, id, path, () => this.#asker.proveRecord(record));
    this.#trees.set(placeOf(record), tree);
  }

  /**
   * Proves that a version, whose record was proven here, was public when an old head says: that the record is in the tree of that head, too, or
   * of an earlier one that is kept. Gives the one that proves it.
   *
   * @throws ProofdnsError `SUMDB_FORK` and others of a proof that fails; unavailable ones if there is none to be had
   */
  async proveAge(age: AgeHead, version: Pick<RecordToProve, "path" | "version" | "logIndex">): Promise<AgeHead> {
    const tree = this.#trees.get(placeOf(version));
    let found: unknown = new ProofdnsError("NO_ANSWER", `nothing proves the age of ${version.path}`);
    for (let tried: AgeHead | undefined = age; tried !== undefined; tried = tried.earlier) {
      const { head, sumdbSize } = tried;
      if (head === undefined || tree === undefined || version.logIndex >= sumdbSize) continue;
      // With a network all that records are proven under is one tree.
      const trees = this.#asker.isOffline ? [head, tree] : [head];
      const id = trees.map(({ leaf }) => formatHex(leaf.treeHead.rootHash)).join(" ");
      try {
        await this.#once(this.#ages, id, version.path, () => this.#asker.proveAge(head, tree));
        return tried;
      } catch (error) {
        if (!isProofdnsError(error) || error.kind !== "unavailable") throw error;
        found = error;
      }
    }
    throw found;
  }

  /** Of a version whose record is proven: with the hash of its go.mod. */
  fetchGoMod(path: string, version: string, hash: Hash): Promise<Uint8Array> {
    const id = `${path}@${version} ${formatH1(hash)}`;
    return this.#once(this.#goMods, id, path, () => this.#asker.fetchGoMod(path, version, hash));
  }

  #once<T>(known: Map<string, Promise<T>>, id: string, path: string, ask: () => Promise<T>): Promise<T> {
    let promise = known.get(id);
    if (promise === undefined) {
      promise = this.#asker.isPrivate(path) ? Promise.reject(privateError(path)) : this.#run(ask);
      promise.catch(() => {});
      known.set(id, promise);
    }
    return promise;
  }

  #lookupOne(subject: Subject): Promise<Lookup> {
    const { promise, settle } = pending();
    this.#start(
      [subject],
      (_, outcome) => settle(outcome),
      (error) => settle({ error }),
    );
    return promise;
  }

  /** Hands outcomes on as they come. What was not reached at the end, because of Ctrl-C or of a bug, ends with `fail`. */
  #start(
    subjects: readonly Subject[],
    each: (index: number, outcome: Outcome) => void,
    fail: (error: unknown) => void,
  ): void {
    const ended = this.#asker
      .lookupAll(subjects, (index, outcome) => {
        this.#note(outcome);
        each(index, outcome);
      })
      .then(
        () => fail(interrupted()),
        (error: unknown) => {
          const isInterrupted = this.#isInterrupted(error);
          fail(isInterrupted ? interrupted() : error);
          if (!isInterrupted) throw error;
        },
      );
    // Whoever waits for `finish` sees it; until then it must not count as unhandled.
    ended.catch(() => {});
    this.#later.push(ended);
  }

  /** The newest epoch that something was proven in, and the age of the oldest. */
  asOf(): AsOf | undefined {
    return this.#asOf;
  }

  #note(outcome: Outcome): void {
    if ("error" in outcome) return;
    const { epoch, ageTime, leaf } = outcome.lookup.answer.head;
    const before = this.#asOf;
    const oldest = Math.min(ageTime, before?.ageTime ?? ageTime);
    const isNewer = before === undefined || epoch > before.epoch;
    this.#asOf = isNewer
      ? { epoch, sumdbSize: leaf.treeHead.treeSize, ageTime: oldest }
      : { ...before, ageTime: oldest };
  }

  /** Under the cap; what ends because of Ctrl-C is an answer that is missing. */
  async #run<T>(task: () => Promise<T>): Promise<T> {
    return this.#gate.run(async () => {
      if (this.#asker.signal?.aborted === true) throw interrupted();
      try {
        return await task();
      } catch (error) {
        throw this.#isInterrupted(error) ? interrupted() : error;
      }
    });
  }

  #isInterrupted(error: unknown): boolean {
    return this.#asker.signal?.aborted === true && !isProofdnsError(error);
  }

  /** The last guard: no name that is private is handed to anything that asks. */
  #refusal(subject: Subject): ProofdnsError | undefined {
    if (subject.kind === "toolchain") return undefined;
    const path = subject.kind === "module" ? subject.path : subject.basePath;
    return this.#asker.isPrivate(path) ? privateError(path) : undefined;
  }
}

function placeOf({ path, version, logIndex }: Pick<RecordToProve, "path" | "version" | "logIndex">): string {
  return `${path}@${version} ${logIndex}`;
}

function idOf(subject: Subject): string {
  return `${subjectText(subject)} ${subject.kind === "module" && subject.withVersions === true}`;
}

function privateError(path: string): ProofdnsError {
  return new ProofdnsError("PRIVATE_MODULE", `${path} is private (GOPRIVATE, GONOSUMDB): it is never asked`);
}

function interrupted(): ProofdnsError {
  return new ProofdnsError("NO_ANSWER", "interrupted before it was answered");
}

interface Pending {
  readonly promise: Promise<Lookup>;
  /** Settles it once; what comes later counts for nothing. */
  readonly settle: (outcome: Outcome) => void;
}

function pending(): Pending {
  let settle: (outcome: Outcome) => void = () => {};
  const promise = new Promise<Lookup>((resolve, reject) => {
    settle = (outcome) => ("lookup" in outcome ? resolve(outcome.lookup) : reject(outcome.error));
  });
  promise.catch(() => {});
  return { promise, settle };
}
