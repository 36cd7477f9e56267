import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Memory, makeTrust, type Trust, type VerifiedHead, verifyHead } from "../../src/client/verify/index.ts";
import { computeEpochTimes, EpochAnswers, type EpochSnapshot, type EpochTimes } from "../../src/dns/answers.ts";
import { Builder, type SumdbWindow } from "../../src/store/builder.ts";
import type { KeptCosignatures } from "../../src/store/records.ts";
import { Store } from "../../src/store/store.ts";
import { RecordLog } from "../../src/sumdb/record-log.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead, type TreeHead } from "../../src/vindex/checkpoint.ts";
import { cosign } from "../../src/vindex/cosignature.ts";
import type { Ed25519 } from "../../src/vindex/ed25519.ts";
import type { FlatTree } from "../../src/vindex/flat-tree.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf } from "../../src/vindex/leaf.ts";
import {
  formatNote,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  type SignerKey,
  signNote,
} from "../../src/vindex/note.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { formatPolicy, parsePolicy } from "../../src/vindex/policy.ts";

/** A whole system in one process and without sockets: records, epochs made by the real builder, cosigners, keys. */

export const ZONE = "l.example.org";
/** Seconds between epochs. */
export const STEP = 600;
/** Epoch e is cosigned at START + e · STEP; a whole hour. */
export const START = 1_700_002_800;

export const sha256 = nodeSha256;
/** Every true signature is checked once: flipping bits asks the same of the others again and again. */
export const ed25519: Ed25519 = rememberTrue(nodeEd25519());

function rememberTrue(scheme: Ed25519): Ed25519 {
  const seen = new Set<string>();
  return {
    ...scheme,
    verify(publicKey, message, signature) {
      const id = [publicKey, message, signature].map((bytes) => Buffer.from(bytes).toString("latin1")).join("\0");
      if (seen.has(id)) return true;
      const isTrue = scheme.verify(publicKey, message, signature);
      if (isTrue) seen.add(id);
      return isTrue;
    },
  };
}

export const COSIGNERS = ["clock", "w1", "w2", "w3"] as const;
export type Cosigner = (typeof COSIGNERS)[number];
/** Seconds after its epoch's time at which each cosigner signs. */
const DELAYS: Readonly<Record<Cosigner, number>> = { clock: 0, w1: 5, w2: 7, w3: 9 };

export interface Keys {
  readonly log: SignerKey;
  readonly sumdb: SignerKey;
  readonly cosigners: Readonly<Record<Cosigner, SignerKey>>;
}

/** The keys of a zone; another seed gives others under the same names. */
export function makeKeys(seed = 1): Keys {
  const key = (keyName: string, type: number, n: number): SignerKey =>
    makeSignerKey(keyName, type, sha256(encodeUtf8(`key ${n} of seed ${seed}`)), ed25519);
  return {
    log: key(`${ZONE}/p1`, KEY_TYPE_ED25519, 1),
    sumdb: key("sumdb.example.org", KEY_TYPE_ED25519, 2),
    cosigners: {
      clock: key(`${ZONE}/clock`, KEY_TYPE_COSIGNATURE, 3),
      w1: key("w1.example.org", KEY_TYPE_COSIGNATURE, 4),
      w2: key("w2.example.org", KEY_TYPE_COSIGNATURE, 5),
      w3: key("w3.example.org", KEY_TYPE_COSIGNATURE, 6),
    },
  };
}

/** A policy of the log and these cosigners, all of which must cosign. */
export function policyOf(keys: Keys, cosigners: readonly Cosigner[] = COSIGNERS): string {
  const named = cosigners.map((name) => ({ name, verifierKey: keys.cosigners[name].verifierKey }));
  return formatPolicy(keys.log.verifierKey, named);
}

/** Lines of a policy with another rule than all: `rule` is what follows the witness lines. */
export function policyWith(keys: Keys, rule: string): string {
  return policyOf(keys).replace(/^group[\s\S]*$/m, `${rule}\n`);
}

export function trustOf(
  keys: Keys,
  options: {
    policy?: string;
    maxAge?: number;
    maxLag?: number;
    sumdbKey?: string;
    isFreshnessRequired?: boolean;
  } = {},
): Trust {
  const { policy = policyOf(keys), sumdbKey = formatVerifierKey(keys.sumdb.verifierKey), ...rest } = options;
  return makeTrust({ zone: ZONE, policy, sumdbKey, sha256, ed25519, ...rest });
}

/** The time of an epoch, when its clock cosigns. */
export function timeOf(epoch: number): number {
  return START + epoch * STEP;
}

/** Times of cosignatures; a cosigner that is left out does not sign. */
export type CosignTimes = Partial<Record<Cosigner, number>>;

/** All four, at their delays after `time`. */
export function allAt(time: number): CosignTimes {
  return Object.fromEntries(COSIGNERS.map((name) => [name, time + DELAYS[name]]));
}

export interface WorldOptions {
  /** Texts of all records; epochs need not cover them all. */
  readonly records: readonly string[];
  /** Sumdb size of each epoch. */
  readonly sizes: readonly number[];
  readonly keys?: Keys;
  /** Signs the tree heads in place of the sumdb key, under its name: a sumdb signature that is false. */
  readonly sumdbSeed?: Uint8Array;
  /** The time of an epoch, Unix seconds; by default `timeOf`. Other times let a command with a clock of its own run on the world. */
  readonly timeOf?: (epoch: number) => number;
}

/** What a hand-made epoch puts in place of the true one. */
export interface ForgedEpoch {
  readonly treeHead?: TreeHead;
  readonly tree?: FlatTree;
  readonly mapRoot?: Uint8Array;
  readonly times?: CosignTimes;
}

/**
 * A log with all its epochs at hand. Two worlds of the same keys, records and first sizes share these epochs bit for
 * bit; where their sizes part, the log has forked.
 */
export class World {
  readonly keys: Keys;
  readonly records: RecordLog;
  readonly timeOf: (epoch: number) => number;
  readonly #snapshots: EpochSnapshot[] = [];
  readonly #leafHashes: Uint8Array[] = [];
  readonly #close: () => Promise<void>;

  private constructor(keys: Keys, records: RecordLog, timeOf: (epoch: number) => number, close: () => Promise<void>) {
    this.keys = keys;
    this.records = records;
    this.timeOf = timeOf;
    this.#close = close;
  }

  static async build(options: WorldOptions): Promise<World> {
    const keys = options.keys ?? makeKeys();
    const records = new RecordLog(sha256);
    for (const text of options.records) records.append(encodeUtf8(text));
    const folder = await mkdtemp(join(tmpdir(), "proofdns-world-"));
    const store = await Store.open(join(folder, "store"), {
      origin: keys.log.verifierKey.keyName,
      logKey: formatVerifierKey(keys.log.verifierKey),
      sumdbKey: formatVerifierKey(keys.sumdb.verifierKey),
    });
    const world = new World(keys, records, options.timeOf ?? timeOf, async () => {
      await Promise.all(world.#snapshots.map(({ reader }) => reader.close()));
      await store.close();
      await rm(folder, { recursive: true, force: true });
    });
    const builder = await Builder.open({
      store,
      sumdbKey: keys.sumdb.verifierKey,
      sha256,
    });
    const times: EpochTimes[] = [];
    for (const treeSize of options.sizes) {
      const state = await builder.build(
        world.#window(treeSize, options.sumdbSeed),
        world.timeOf(builder.state.epoch + 1),
      );
      const { epoch, leaf, log, tree, sumdbSizes } = state;
      if (leaf === undefined) throw new Error("no leaf");
      world.#leafHashes.push(computeEpochLeafHash(formatLeaf(leaf, keys.sumdb.verifierKey), sha256));
      const text = formatCheckpoint({
        origin: keys.log.verifierKey.keyName,
        treeSize: epoch,
        rootHash: log.root(epoch),
      });
      const logSignature = signNote(text, keys.log, ed25519).blob;
      const cosignatures = cosignAll(keys, text, allAt(world.timeOf(epoch)));
      await store.putSignature(epoch, logSignature);
      await store.putCosignatures(epoch, cosignatures);
      times.push(
        computeEpochTimes(cosignatures, keys.cosigners.clock.verifierKey.keyId, parsePolicy(policyOf(keys)).quorum),
      );
      world.#snapshots.push({
        epoch,
        leaf,
        logSignature,
        cosignatures,
        tree,
        log,
        sumdbSizes,
        times: [...times],
        paths: builder.paths,
        reader: builder.reader(),
        sumdbKey: keys.sumdb.verifierKey,
        headVersion: 1,
        nextEpochTime: world.timeOf(epoch + 1),
        hasRecordProofs: true,
        sha256,
      });
    }
    return world;
  }

  /** Number of the newest epoch. */
  get size(): number {
    return this.#snapshots.length;
  }

  snapshot(epoch: number): EpochSnapshot {
    const found = this.#snapshots[epoch - 1];
    if (found === undefined) throw new RangeError(`no epoch ${epoch}`);
    return found;
  }

  /** What a server serves while `epoch` is the newest, cosigned at `times` (by default by all, at the epoch's time). */
  answers(epoch: number = this.size, times?: CosignTimes): EpochAnswers {
    const snapshot = this.snapshot(epoch);
    if (times === undefined) return new EpochAnswers(snapshot);
    return new EpochAnswers({ ...snapshot, cosignatures: cosignAll(this.keys, this.checkpointText(epoch), times) });
  }

  checkpointText(epoch: number): string {
    const rootHash = this.snapshot(epoch).log.root(epoch);
    return formatCheckpoint({ origin: this.keys.log.verifierKey.keyName, treeSize: epoch, rootHash });
  }

  /** The epoch after `epoch`, made by hand: the operator signs whatever it likes. */
  forge(epoch: number, forged: ForgedEpoch): EpochSnapshot {
    const before = this.snapshot(epoch);
    const { log: logKey, sumdb } = this.keys;
    const treeHead = forged.treeHead ?? before.leaf.treeHead;
    const tree = forged.tree ?? before.tree;
    const leaf: EpochLeaf = {
      mapRoot: forged.mapRoot ?? tree.rootHash(),
      treeHead,
      sumdbSignature: signNote(formatTreeHead(treeHead), sumdb, ed25519).blob,
    };
    const log = new OutputLog(sha256);
    for (const hash of this.#leafHashes.slice(0, epoch)) log.append(hash);
    log.append(computeEpochLeafHash(formatLeaf(leaf, sumdb.verifierKey), sha256));
    const text = formatCheckpoint({
      origin: logKey.verifierKey.keyName,
      treeSize: epoch + 1,
      rootHash: log.root(epoch + 1),
    });
    return {
      ...before,
      epoch: epoch + 1,
      leaf,
      tree,
      log,
      logSignature: signNote(text, logKey, ed25519).blob,
      cosignatures: cosignAll(this.keys, text, forged.times ?? allAt(this.timeOf(epoch + 1))),
      sumdbSizes: [...before.sumdbSizes, treeHead.treeSize],
    };
  }

  /** The verified head of an epoch, as its own time saw it. */
  head(epoch: number, trust: Trust = trustOf(this.keys)): VerifiedHead {
    const untrustedHead = this.answers(epoch).head(epoch);
    return verifyHead({ trust, memory: undefined, now: this.timeOf(epoch) + 10, question: {}, untrustedHead });
  }

  /** What a client remembers that was last there in an epoch. */
  memory(epoch: number): Memory {
    return this.head(epoch);
  }

  /** The signed checkpoint of an epoch. */
  note(epoch: number): string {
    return formatNote(this.checkpointText(epoch), [signNote(this.checkpointText(epoch), this.keys.log, ed25519)]);
  }

  close(): Promise<void> {
    return this.#close();
  }

  #window(treeSize: number, seed: Uint8Array | undefined): SumdbWindow {
    const treeHead = this.records.treeHead(treeSize);
    const text = formatTreeHead(treeHead);
    const key = seed === undefined ? this.keys.sumdb : { ...this.keys.sumdb, seed };
    const { records } = this;
    const firstIndex = this.#snapshots.at(-1)?.leaf.treeHead.treeSize ?? 0;
    return {
      treeHead,
      signedTreeHead: formatNote(text, [signNote(text, key, ed25519)]),
      async *batches() {
        const recordHashes = Array.from({ length: treeSize - firstIndex }, (_, i) =>
          records.hashes(0, firstIndex + i, 1).slice(),
        );
        yield { firstIndex, texts: records.texts(firstIndex, treeSize), recordHashes };
      },
    };
  }
}

function cosignAll(keys: Keys, checkpointText: string, times: CosignTimes): KeptCosignatures[] {
  return COSIGNERS.flatMap((name) => {
    const time = times[name];
    if (time === undefined) return [];
    const cosignature = cosign(checkpointText, time, keys.cosigners[name], ed25519);
    return [{ first: cosignature, last: cosignature }];
  });
}
