import type { Publishing } from "../audit/publishing.ts";
import { computeEpochTimes, EpochAnswers, type EpochTimes } from "../dns/answers.ts";
import { bindError } from "../dns/bind-error.ts";
import type { TlsFiles } from "../dns/doh/tls-files.ts";
import type { ListenAddress } from "../dns/server.ts";
import type { StatsSnapshot } from "../dns/stats.ts";
import type { Zone } from "../dns/zone.ts";
import type { ZoneData } from "../dns/zone-data.ts";
import { Builder, type BuilderOptions, type BuildStep, type IndexState } from "../store/builder.ts";
import type { Store } from "../store/store.ts";
import type { StoreReader } from "../store/store-reader.ts";
import type { SumdbFollower, SumdbUpdate } from "../sumdb/follower.ts";
import { formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatLeaf } from "../vindex/leaf.ts";
import type { SignerKey, VerifierKey } from "../vindex/note.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { isQuorum, type Policy } from "../vindex/policy.ts";
import { Cosigners } from "./cosigners.ts";
import { DamageLog } from "./damage-log.ts";
import { bareFront, type Front, type FrontOptions, makeFront } from "./front.ts";
import { NOTHING_YET } from "./nothing-yet.ts";
import { Publisher, type SignedEpoch } from "./publisher.ts";
import type { ResponderConfig } from "./responder-config.ts";
import { checkBeforeSigning, type Peer } from "./startup-check.ts";
import type { Witness } from "./witness.ts";

/** Points of an epoch's life, in order; for logs and crash tests. */
export type ServiceStep = BuildStep | "signed" | "cosigned" | "served";

/** One served epoch, as the operator is told of it. */
export interface ServedEpoch {
  readonly epoch: number;
  readonly sumdbSize: number;
  readonly mapRoot: string;
}

/** What is served just now, in numbers, for those who watch. */
export interface ServiceState {
  /** 0 before the first. */
  readonly epoch: number;
  readonly sumdbSize: number;
  /** Unix seconds since when the epoch is served. */
  readonly since: number | undefined;
  /** Unix seconds of the clock's newest cosignature of the epoch. */
  readonly clockTime: number | undefined;
  /** The checksum database forked: it is not followed any more. */
  readonly isForked: boolean;
}

/** What an operator should know; never a name that was asked. */
export type ServiceLog = (level: "info" | "alarm", message: string) => void;

export interface ServiceOptions {
  readonly zone: Zone;
  readonly host: string;
  readonly port: number;
  readonly store: Store;
  readonly follower: SumdbFollower;
  readonly sumdbKey: VerifierKey;
  readonly logKey: SignerKey;
  readonly clockKey: SignerKey;
  /** The operator's own policy: its quorum decides when an epoch is old enough for `t<time>._head`. */
  readonly policy: Policy;
  readonly witnesses: readonly Witness[];
  /** How the zone is served; by default by this thread alone, unsigned, without cookies, limits or a cache. */
  readonly front?: Pick<FrontOptions, "config" | "threads" | "limits" | "doh" | "drain">;
  /** Other servers of the zone that sign with the same key: asked before the first signature after a start. */
  readonly peers?: readonly Peer[];
  /** The operator's word that no other server signs with the key: a loaded snapshot signs without asking anyone. */
  readonly isSoleSigner?: boolean;
  /** Seconds between questions to the checksum database. */
  readonly poll: number;
  /** Seconds between cosignatures of the clock. */
  readonly heartbeat: number;
  /** Least seconds between epochs. */
  readonly epochInterval: number;
  /** Seconds without growth after which the clock stops; undefined: never. */
  readonly maxStall: number | undefined;
  readonly log: ServiceLog;
  readonly onEpoch: (served: ServedEpoch) => void;
  /** Called as records of the next epoch arrive: how many of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called with evidence of a fork of the checksum database; resolves when it is saved. */
  readonly onFork: (evidence: unknown) => Promise<void>;
  /** A size that the operator lets the log fall behind of, after a witness knew a larger one. */
  readonly overrideSize?: number;
  readonly onStep?: (step: ServiceStep, epoch: number) => void;
  /** Called after each committed epoch with the sumdb size: what was fetched for it is no longer needed. */
  readonly onCommitted?: (sumdbSize: number) => Promise<void>;
  /** Milliseconds for which unreachable witnesses and peers are waited for before the first signature; default a minute. */
  readonly firstSignatureWait?: number;
  /** False: `_record` and `_sumdb` have no answers, and the hashes of records are not kept; default true. */
  readonly recordProofs?: boolean;
  /** Publishes epochs as files, for auditors; it reports what fails by itself. */
  readonly publishing?: Publishing;
  /** As those of the builder. */
  readonly onFolded?: BuilderOptions["onFolded"];
  readonly flushAfter?: number;
  readonly sortAlways?: boolean;
  /** For tests; by default `makeFront` of front.ts. */
  readonly makeFront?: (options: FrontOptions) => Front;
  /** Unix seconds; for tests. */
  readonly now?: () => number;
}

/** Seconds between questions to a witness while a checkpoint is current. */
const WITNESS_INTERVAL = 600;
/** Milliseconds for which the unreachable are waited for before the first signature after a start. */
const FIRST_SIGNATURE_WAIT = 60_000;

/** Longest wait that a timer takes, in milliseconds. */
const MAX_TIMER = 2 ** 31 - 1;
/** Milliseconds after which witnesses are asked again while the quorum is missing; doubled each time. */
const WITNESS_RETRY = 5_000;

/** Why a loaded snapshot signs nothing. */
function heldError(epoch: number): ProofdnsError {
  return new ProofdnsError(
    "EQUIVOCATION",
    `epoch ${epoch} is not signed: this store was loaded from a snapshot, two live signers fork the log, and no --peer or --witness has answered; give one that does, or --sole-signer if no other server signs with this key and the snapshot has the newest epoch that was ever signed`,
  );
}

/**
 * Follows a checksum database, makes epochs of what is new, signs and serves them (spec/log.md §8). Everything that signs or
 * commits runs one at a time.
 */
export class Service {
  readonly #o: ServiceOptions;
  readonly #now: () => number;
  readonly #builder: Builder;
  readonly #publisher: Publisher;
  readonly #stopped = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #times: EpochTimes[] = [];
  readonly #cosigners: Cosigners;
  #data: ZoneData = NOTHING_YET;
  #headVersion = 0;
  #signed: SignedEpoch | undefined;
  #served: { state: IndexState; reader: StoreReader; since: number } | undefined;
  #front: Front | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #starting: Promise<unknown> = Promise.resolve();
  /** The checksum database forked: it is not followed any more. */
  #isForked = false;
  /** Largest size that the checksum database has shown since the start. */
  #seenSize = 0;

  private constructor(options: ServiceOptions, builder: Builder) {
    this.#o = options;
    this.#now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.#builder = builder;
    this.#publisher = new Publisher(options);
    this.#cosigners = new Cosigners({
      witnesses: options.witnesses,
      publisher: this.#publisher,
      log: options.log,
      now: this.#now,
      signal: this.#stopped.signal,
    });
  }

  /** Loads the store. Nothing is signed or bound yet. @throws ProofdnsError as `Builder.open` */
  static async open(options: ServiceOptions): Promise<Service> {
    const { store, sumdbKey, log, onStep, flushAfter, sortAlways, recordProofs = true } = options;
    const onFolded = options.onFolded ?? options.publishing?.onFolded;
    const damage = new DamageLog(log);
    const builder = await Builder.open({
      store,
      sumdbKey,
      sha256: nodeSha256,
      hashes: recordProofs,
      onTrouble: (error) => log("alarm", `${error.message}; it is tried again after the next epoch`),
      onDamage: (error) => damage.note(error.message),
      ...(onStep === undefined ? {} : { onStep }),
      ...(onFolded === undefined ? {} : { onFolded }),
      ...(flushAfter === undefined ? {} : { flushAfter }),
      ...(sortAlways === undefined ? {} : { sortAlways }),
    });
    if (recordProofs && !builder.hasRecordProofs) {
      log(
        "alarm",
        "the hashes of records were not kept, so records cannot be proven: _record and _sumdb have no answers",
      );
    }
    return new Service(options, builder);
  }

  /**
   * Binds the sockets, finishes what a crash left, and follows on until `close`. Resolves when an epoch is served.
   *
   * @throws ProofdnsError the reason why there is no first epoch: the checksum database cannot be reached, its key is another, …
   */
  start(): Promise<{ address: ListenAddress; served: ServedEpoch }> {
    const starting = this.#start();
    this.#starting = starting.catch(() => {});
    return starting;
  }

  async #start(): Promise<{ address: ListenAddress; served: ServedEpoch }> {
    const { state } = this.#builder;
    for (let epoch = 1; epoch <= state.epoch; epoch++) this.#times.push(this.#timesOf([]));
    for await (const { epoch, kept } of this.#o.store.allCosignatures()) this.#times[epoch - 1] = this.#timesOf(kept);
    this.#seenSize = state.leaf?.treeHead.treeSize ?? 0;
    const { host, port } = this.#o;
    const settings = this.#o.front ?? bareFront(this.#o.zone);
    this.#front = (this.#o.makeFront ?? makeFront)({
      ...settings,
      host,
      port,
      data: this.#data,
      log: (what, error) => this.#o.log("alarm", `${what}: ${error instanceof Error ? error.message : String(error)}`),
    });
    if (this.#stopped.signal.aborted) throw new ProofdnsError("NO_ANSWER", "the service was closed while it started");
    const address = await this.#listen(this.#front);
    const unsigned = await this.#o.store.unsignedEpochs(state.epoch);
    const isHeld = await this.#isHeld();
    // A held store is asked about again before it signs: what is signed already is not kept waiting.
    const wait = isHeld ? 0 : (this.#o.firstSignatureWait ?? FIRST_SIGNATURE_WAIT);
    const words = await this.#checkBeforeSigning(state, wait, isHeld);
    if (isHeld && words === 0) {
      if (unsigned.length > 0) throw heldError(unsigned[0] as number);
      this.#o.log("alarm", heldError(state.epoch + 1).message);
    }
    // What a crash left: committed and never signed. The leaf is on disk, so the signature is the only possible one.
    for (const epoch of unsigned) await this.#publisher.sign(epoch, state.log);
    const lastGrowth = (await this.#o.store.clock())?.lastGrowth;
    await this.#fillPublished(state);
    if (state.epoch > 0) await this.#exclusive(() => this.#publish(this.#builder.state, lastGrowth ?? this.#now()));
    else await this.#poll();
    const served = this.#servedEpoch();
    if (served === undefined) {
      throw new ProofdnsError(
        "NO_ANSWER",
        "the checksum database shows no tree head with records that can be used: there is nothing to serve yet",
      );
    }
    // The first question after a restart is not waited for: what was stored is served at once.
    this.#loops.push(this.#pollOrLog().then(() => this.#every(this.#o.poll, () => this.#pollOrLog())));
    this.#loops.push(this.#every(this.#o.heartbeat, () => this.#exclusive(() => this.#tick())));
    if (this.#o.witnesses.length > 0) {
      this.#loops.push(this.#keepAskingWitnesses());
    }
    return { address, served };
  }

  /** Ends the loops, lets running replies finish, and closes the sockets and the store. */
  async close(): Promise<void> {
    this.#stopped.abort();
    // Whatever a start has bound by then is closed as well.
    await this.#starting;
    await Promise.allSettled(this.#loops);
    await this.#queue.catch(() => {});
    await this.#front?.close();
    await this.#served?.reader.close();
    await this.#builder.close();
    await this.#o.store.close();
  }

  async #listen(front: Front): Promise<ListenAddress> {
    try {
      return await front.listen();
    } catch (cause) {
      throw bindError(`listen on ${this.#o.host} port ${this.#o.port}`, "--listen", cause);
    }
  }

  /** What a reply is made of just now; for tests. */
  get data(): ZoneData {
    return this.#data;
  }

  #servedEpoch(): ServedEpoch | undefined {
    const leaf = this.#served?.state.leaf;
    if (this.#served === undefined || leaf === undefined) return undefined;
    return { epoch: this.#served.state.epoch, sumdbSize: leaf.treeHead.treeSize, mapRoot: formatHex(leaf.mapRoot) };
  }

  #timesOf(kept: SignedEpoch["cosignatures"]): EpochTimes {
    return computeEpochTimes(kept, this.#o.clockKey.verifierKey.keyId, this.#o.policy.quorum);
  }

  /** Runs one task after all before it, whether those failed or not. */
  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const next = this.#queue.then(task, task);
    this.#queue = next.catch(() => {});
    return next;
  }

  /** Runs a task every so many seconds until the service is closed. A task logs its own failures; any other is logged here. */
  async #every(seconds: number, task: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#sleep(seconds * 1000);
      if (signal.aborted) return;
      try {
        await task();
      } catch (error) {
        this.#o.log("alarm", error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Asks the witnesses for as long as the service runs: at their interval, sooner while the quorum is missing. */
  async #keepAskingWitnesses(): Promise<void> {
    const { signal } = this.#stopped;
    let wait = WITNESS_RETRY;
    let waited = 0;
    let epoch = 0;
    while (!signal.aborted) {
      // In short steps: an epoch that is published meanwhile may lack a witness that the one before it had.
      await this.#sleep(WITNESS_RETRY);
      if (signal.aborted) return;
      waited += WITNESS_RETRY;
      if (this.#signed?.epoch !== epoch) wait = WITNESS_RETRY;
      epoch = this.#signed?.epoch ?? 0;
      const isComplete = this.#signed === undefined || this.#hasQuorum(this.#signed);
      if (waited < (isComplete ? WITNESS_INTERVAL * 1000 : wait)) continue;
      waited = 0;
      wait = Math.min(wait * 2, WITNESS_INTERVAL * 1000);
      try {
        await this.#exclusive(() => this.#askWitnesses());
      } catch (error) {
        this.#o.log("alarm", error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** Waits, or ends early when the service is closed. */
  async #sleep(milliseconds: number): Promise<void> {
    const { signal } = this.#stopped;
    for (let rest = milliseconds; rest > 0 && !signal.aborted; rest -= MAX_TIMER) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.min(rest, MAX_TIMER));
        signal.addEventListener("abort", done, { once: true });
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          resolve();
        }
      });
    }
  }

  async #pollOrLog(): Promise<void> {
    if (this.#isForked) return;
    try {
      await this.#poll();
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      if (!isProofdnsError(error, "SUMDB_FORK")) {
        this.#o.log(
          "alarm",
          `${error instanceof Error ? error.message : String(error)}; epoch ${this.#served?.state.epoch ?? 0} is served on`,
        );
      }
    }
  }

  /** Asks for a larger tree and makes an epoch of it, unless the last epoch is too young. */
  async #poll(): Promise<void> {
    const { signal } = this.#stopped;
    try {
      // An epoch that was committed and could not be published goes first: e + 1 is never built on an unsigned e.
      if (this.#builder.state.epoch > (this.#served?.state.epoch ?? 0)) {
        await this.#exclusive(() => this.#publish(this.#builder.state, this.#now()));
      }
      const update = await this.#o.follower.poll(this.#builder.known(), { signal });
      const now = this.#now();
      // An epoch that the clock cannot cosign yet would leave every client without a quorum.
      if (now < ((await this.#o.store.clock())?.time ?? 0)) return;
      if (update === undefined) return;
      if (this.#served !== undefined && now < this.#served.since + this.#o.epochInterval) {
        // It grows, and only the interval holds the epoch back. A head whose records cannot be had is no growth.
        const hasGrown = update.treeHead.treeSize > this.#seenSize;
        this.#seenSize = update.treeHead.treeSize;
        if (hasGrown) await this.#exclusive(() => this.#publisher.noteGrowth(now));
        return;
      }
      await this.#checkHeld();
      // The network is waited for outside: the clock must go on meanwhile.
      const read = await this.#builder.read(this.#reportProgress(update), signal);
      await this.#exclusive(async () => {
        const state = await this.#builder.commit(read, this.#now());
        await this.#publish(state, this.#now());
      });
      await this.#o.onCommitted?.(update.treeHead.treeSize);
    } catch (error) {
      if (isProofdnsError(error, "SUMDB_FORK")) {
        // Never follow it again: which of the two trees is the true one is for people to find out.
        this.#isForked = true;
        this.#o.log(
          "alarm",
          `SECURITY: ${error.message}; the index stops at epoch ${this.#builder.state.epoch}, which is served on`,
        );
        await this.#o.onFork(error.evidence).catch((cause: unknown) => {
          const why = cause instanceof Error ? cause.message : String(cause);
          this.#o.log(
            "alarm",
            `SECURITY: the evidence could not be saved: ${why}; it is ${JSON.stringify(error.evidence)}`,
          );
        });
      }
      throw error;
    }
  }

  #reportProgress(update: SumdbUpdate): SumdbUpdate {
    const { onProgress } = this.#o;
    if (onProgress === undefined) return update;
    const first = this.#builder.state.leaf?.treeHead.treeSize ?? 0;
    const total = update.treeHead.treeSize - first;
    async function* batches(signal?: AbortSignal): ReturnType<SumdbUpdate["batches"]> {
      for await (const batch of update.batches(signal)) {
        yield batch;
        onProgress?.(batch.firstIndex + batch.recordHashes.length - first, total);
      }
    }
    return { treeHead: update.treeHead, signedTreeHead: update.signedTreeHead, batches };
  }

  /** Signs, cosigns, then swaps what is served (spec/log.md §8). */
  async #publish(state: IndexState, since: number): Promise<void> {
    const { onStep } = this.#o;
    let signed = await this.#publisher.sign(state.epoch, state.log);
    onStep?.("signed", state.epoch);
    const ticked = await this.#publisher.tick(signed, this.#now());
    if (typeof ticked === "string") this.#logRefusal(ticked);
    else signed = ticked;
    if (this.#o.witnesses.length > 0 && !this.#hasQuorum(signed))
      signed = await this.#cosigners.collect(signed, state.log);
    onStep?.("cosigned", state.epoch);
    const before = this.#served;
    this.#served = { state, reader: this.#builder.reader(), since };
    // Threads may still read what came before until this resolves.
    await this.#swap(signed);
    await before?.reader.close();
    this.#builder.retire(state.tree);
    onStep?.("served", state.epoch);
    const served = this.#servedEpoch();
    if (served !== undefined && before !== undefined) this.#o.onEpoch(served);
  }

  #hasQuorum(signed: SignedEpoch): boolean {
    const { quorum } = this.#o.policy;
    return quorum === undefined || isQuorum(quorum, new Set(signed.cosignatures.map(({ last }) => last.keyId)));
  }

  /** Publishes what is missing of the epochs so far. */
  async #fillPublished(state: IndexState): Promise<void> {
    if (this.#o.publishing === undefined || state.epoch === 0) return;
    const reader = this.#builder.reader();
    try {
      await this.#o.publishing.start(state.epoch, reader, state.log);
    } finally {
      await reader.close();
    }
  }

  /**
   * Serves `signed` from now on. One assignment in each thread: a reply is of one epoch or the other, never of both. Resolves
   * when nothing uses what was served before.
   */
  async #swap(signed: SignedEpoch): Promise<void> {
    const served = this.#served;
    if (served?.state.leaf === undefined) throw new TypeError("no epoch to serve");
    this.#signed = signed;
    this.#times[signed.epoch - 1] = this.#timesOf(signed.cosignatures);
    this.#headVersion++;
    this.#data = new EpochAnswers({
      epoch: signed.epoch,
      headVersion: this.#headVersion,
      leaf: served.state.leaf,
      logSignature: signed.logSignature,
      cosignatures: signed.cosignatures,
      tree: served.state.tree,
      log: served.state.log,
      sumdbSizes: served.state.sumdbSizes,
      times: this.#times,
      paths: this.#builder.paths,
      reader: served.reader,
      sumdbKey: this.#o.sumdbKey,
      nextEpochTime: served.since + this.#o.epochInterval,
      hasRecordProofs: this.#builder.hasRecordProofs,
      sha256: nodeSha256,
    });
    await this.#front?.publish(this.#data, served.state.tree);
    const { publishing, sumdbKey } = this.#o;
    await publishing?.served(signed, formatLeaf(served.state.leaf, sumdbKey), served.state.log);
  }

  /** Answers by other keys and secrets from now on. Rejects, and goes on as before, if they cannot be used. */
  async reload(config: ResponderConfig): Promise<void> {
    await this.#front?.reload(config);
  }

  /** Uses another certificate for DNS over HTTPS from now on. Rejects, and goes on as before, if it cannot be used. */
  async setTls(tls: TlsFiles): Promise<void> {
    await this.#front?.setTls(tls);
  }

  /** Where it answers by DNS over HTTPS; none before it was bound. */
  get dohAddresses(): readonly ListenAddress[] {
    return this.#front?.dohAddresses ?? [];
  }

  /** What the name server has counted; undefined before it was bound. */
  stats(): StatsSnapshot | undefined {
    return this.#front?.stats();
  }

  /** What is served just now, in numbers; times in Unix seconds. */
  get state(): ServiceState {
    const served = this.#served;
    return {
      epoch: this.#signed?.epoch ?? 0,
      sumdbSize: served?.state.leaf?.treeHead.treeSize ?? 0,
      since: served?.since,
      clockTime: this.#signed?.cosignatures.find(({ last }) => last.keyId === this.#o.clockKey.verifierKey.keyId)?.last
        .time,
      isForked: this.#isForked,
    };
  }

  async #tick(): Promise<void> {
    if (this.#signed === undefined) return;
    const ticked = await this.#publisher.tick(this.#signed, this.#now());
    if (typeof ticked === "string") this.#logRefusal(ticked);
    else await this.#swap(ticked);
  }

  #logRefusal(why: "earlier" | "stalled" | "smaller"): void {
    const what = {
      earlier: "the system's time is earlier than what the clock signed before; it waits",
      stalled: `the checksum database has not grown for ${this.#o.maxStall} s; the clock stops, so that clients see the age (--max-stall off for a quiet database)`,
      smaller: "the clock signed a larger log before; it never signs a smaller one",
    }[why];
    this.#o.log("alarm", what);
  }

  async #askWitnesses(): Promise<void> {
    const [signed, served] = [this.#signed, this.#served];
    if (signed === undefined || served === undefined) return;
    await this.#swap(await this.#cosigners.collect(signed, served.state.log));
  }

  /** True for a loaded snapshot that has signed nothing of its own: whoever saved it may be signing on. */
  async #isHeld(): Promise<boolean> {
    return this.#o.isSoleSigner !== true && (await this.#o.store.isLoaded());
  }

  /** Lets a loaded snapshot make its first epoch only with the word of somebody who knows the log just now. */
  async #checkHeld(): Promise<void> {
    if (!(await this.#isHeld())) return;
    const { state } = this.#builder;
    if ((await this.#checkBeforeSigning(state, 0, true)) === 0) throw heldError(state.epoch + 1);
  }

  /** Asks witnesses and peers before the first signature (`checkBeforeSigning`); resolves to how many have answered. */
  async #checkBeforeSigning(state: IndexState, wait: number, needsWord: boolean): Promise<number> {
    const { store, logKey, sumdbKey, peers = [], witnesses, overrideSize } = this.#o;
    const isSigned = state.epoch > 0 && (await store.signature(state.epoch)) !== undefined;
    const epoch = isSigned ? state.epoch : Math.max(0, state.epoch - 1);
    const signed = epoch === 0 ? undefined : await this.#publisher.sign(epoch, state.log);
    return checkBeforeSigning({
      zone: logKey.verifierKey.keyName.replace(/\/p1$/, ""),
      origin: logKey.verifierKey.keyName,
      logKey: logKey.verifierKey,
      sumdbKey,
      epoch,
      peers,
      witnesses:
        signed === undefined
          ? []
          : witnesses.map((witness) => ({
              name: witness.verifierKey.keyName,
              submit: () => this.#cosigners.submit(witness, signed, state.log, epoch),
            })),
      overrideSize,
      log: this.#o.log,
      signal: this.#stopped.signal,
      needsWord,
      wait,
    });
  }
}
