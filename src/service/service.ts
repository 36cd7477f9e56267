import { computeEpochTimes, EpochAnswers, type EpochTimes } from "../dns/answers.ts";
import { encodePathName } from "../dns/module-name.ts";
import type { ListenAddress } from "../dns/server.ts";
import type { StatsSnapshot } from "../dns/stats.ts";
import type { Zone } from "../dns/zone.ts";
import type { ZoneData } from "../dns/zone-data.ts";
import type { SumdbFollower, SumdbUpdate } from "../sumdb/follower.ts";
import { Builder, type BuildStep, type IndexState } from "../vindex/builder.ts";
import { formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { SignerKey, VerifierKey } from "../vindex/note.ts";
import { PathTable } from "../vindex/path-table.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { isQuorum, type Policy } from "../vindex/policy.ts";
import type { Store, StoreReader } from "../vindex/store.ts";
import { Cosigners } from "./cosigners.ts";
import { type Front, type FrontOptions, makeFront } from "./front.ts";
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
  readonly front?: Pick<FrontOptions, "config" | "threads" | "limits" | "drain">;
  /** Other servers of the zone that sign with the same key: asked before the first signature after a start. */
  readonly peers?: readonly Peer[];
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

/** The plainest way to serve a zone. */
function bareFront(zone: Zone): Pick<FrontOptions, "config" | "threads" | "limits" | "drain"> {
  return {
    config: {
      zone,
      keys: undefined,
      cookieSecrets: [],
      rateLimit: undefined,
      nsid: undefined,
      cacheSize: 0,
      seed: 0,
      trace: undefined,
    },
    threads: 0,
    limits: { idleTimeout: 10_000, maxConnections: 256, maxConnectionsPerAddress: 64 },
    drain: 2000,
  };
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
  #paths = PathTable.empty();
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
    // The builder reports modules before there is a service to keep them.
    const early: string[] = [];
    let service: Service | undefined;
    const builder = await Builder.open({
      store: options.store,
      sumdbKey: options.sumdbKey,
      sha256: nodeSha256,
      onStep: (step, epoch) => options.onStep?.(step, epoch),
      onModules: (paths) => {
        if (service === undefined) for (const path of paths) early.push(path);
        else service.#addPaths(paths);
      },
    });
    service = new Service(options, builder);
    service.#addPaths(early);
    return service;
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
    this.#front = makeFront({
      ...settings,
      host,
      port,
      data: this.#data,
      log: (what, error) => this.#o.log("alarm", `${what}: ${error instanceof Error ? error.message : String(error)}`),
    });
    if (this.#stopped.signal.aborted) throw new ProofdnsError("NO_ANSWER", "the service was closed while it started");
    const address = await this.#listen(this.#front);
    await this.#checkBeforeSigning(state);
    // What a crash left: committed and never signed. The leaf is on disk, so the signature is the only possible one.
    for (const epoch of await this.#o.store.unsignedEpochs(state.epoch)) await this.#publisher.sign(epoch, state.log);
    const lastGrowth = (await this.#o.store.clock())?.lastGrowth;
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
    await this.#o.store.close();
  }

  async #listen(front: Front): Promise<ListenAddress> {
    try {
      return await front.listen();
    } catch (cause) {
      const where = `${this.#o.host} port ${this.#o.port}`;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ProofdnsError("MALFORMED_INPUT", `cannot listen on ${where}: ${why}; choose another --listen`, {
        cause,
      });
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

  #addPaths(paths: Iterable<string>): void {
    const lists: string[][] = [];
    for (const path of paths) {
      const labels = encodePathName(path);
      if (labels !== undefined) lists.push([...labels].reverse());
    }
    this.#paths = this.#paths.add(lists);
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
    this.#served = { state, reader: this.#o.store.reader(), since };
    // Threads may still read what came before until this resolves.
    await this.#swap(signed);
    await before?.reader.close();
    onStep?.("served", state.epoch);
    const served = this.#servedEpoch();
    if (served !== undefined && before !== undefined) this.#o.onEpoch(served);
  }

  #hasQuorum(signed: SignedEpoch): boolean {
    const { quorum } = this.#o.policy;
    return quorum === undefined || isQuorum(quorum, new Set(signed.cosignatures.map(({ last }) => last.keyId)));
  }

  /**
   * Serves `signed` from now on. One assignment in each thread: a reply is of one epoch or the other, never of both. Resolves
   * when nothing uses what was served before.
   */
  #swap(signed: SignedEpoch): Promise<void> {
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
      paths: this.#paths,
      reader: served.reader,
      sumdbKey: this.#o.sumdbKey,
      nextEpochTime: served.since + this.#o.epochInterval,
      hasRecordProofs: true,
      sha256: nodeSha256,
    });
    return this.#front?.publish(this.#data, served.state.tree) ?? Promise.resolve();
  }

  /** Answers by other keys and secrets from now on. Rejects, and goes on as before, if they cannot be used. */
  async reload(config: ResponderConfig): Promise<void> {
    await this.#front?.reload(config);
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

  /** Asks witnesses and peers before the first signature (`checkBeforeSigning`). */
  async #checkBeforeSigning(state: IndexState): Promise<void> {
    const { store, logKey, sumdbKey, peers = [], witnesses, overrideSize } = this.#o;
    const isSigned = state.epoch > 0 && (await store.signature(state.epoch)) !== undefined;
    const epoch = isSigned ? state.epoch : Math.max(0, state.epoch - 1);
    const signed = epoch === 0 ? undefined : await this.#publisher.sign(epoch, state.log);
    await checkBeforeSigning({
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
      wait: this.#o.firstSignatureWait ?? FIRST_SIGNATURE_WAIT,
    });
  }
}
