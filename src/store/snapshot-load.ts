import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { encodeUtf8, equalBytes, formatHex, parseHex } from "../vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead } from "../vindex/checkpoint.ts";
import { verifyCosignature } from "../vindex/cosignature.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { computeEpochLeafHash, type EpochLeaf, parseLeaf } from "../vindex/leaf.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import { formatVerifierKey, type VerifierKey } from "../vindex/note.ts";
import { OutputLog } from "../vindex/output-log.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { committedHash, hasHash, isMajorsValue, withoutHash } from "./committed.ts";
import { explainIo } from "./damage.ts";
import { syncDirectory } from "./file-bytes.ts";
import { ENTRIES_FILE, STATES_FILE } from "./file-set.ts";
import { HashFiles, hashFileName, hashLevels } from "./hash-files.ts";
import { buildSlab } from "./load-tree.ts";
import { NEW_FOLDER_MARK, NewFolder } from "./new-folder.ts";
import { decodeEntry, decodeState, type KeptCosignatures, textOf } from "./records.ts";
import { openSnapshotPool, type SnapshotPool } from "./snapshot-check.ts";
import { type BaseFiles, hashJobs, newerJobs, openBase, stateJobs } from "./snapshot-check-jobs.ts";
import { MapPairs } from "./snapshot-check-pairs.ts";
import { syncFile } from "./snapshot-copy.ts";
import {
  badSnapshot,
  decodeOverlay,
  decodeSignedLeaves,
  EPOCHS_FILE,
  MANIFEST_FILE,
  MAX_MANIFEST_LENGTH,
  type Manifest,
  OVERLAY_FILE,
  type OverlayKind,
  parseManifest,
  VALUES_FILE,
} from "./snapshot-format.ts";
import type { SnapshotResult, SnapshotStep } from "./snapshot-save.ts";
import { Store } from "./store.ts";
import { type PackedPairs, readValuesFile, valuesFileName } from "./values-file.ts";

/** What a snapshot must be of. */
export interface SnapshotTrust {
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  /** Keys of cosigners: cosignatures by others are left out, for nothing here could verify them. */
  readonly cosigners: readonly VerifierKey[];
}

/** Records of an overlay that are written at a time. */
const WRITE_STEP = 2000;

const ed25519 = nodeEd25519();
const sha256 = nodeSha256;

export interface LoadResult extends SnapshotResult {
  /** Records of all modules; all were verified. */
  readonly records: number;
}

/**
 * Makes the new data folder `data` of the snapshot in `folder`. Everything is copied, and the copies are verified against the signature of
 * the log, in `threads` threads beside this one (by default as many as there are processors, and none for a small one); the folder has
 * its name last.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if `data` exists or there is no snapshot; `BAD_SNAPSHOT` if it is not what was signed;
 *   `STORE_UNUSABLE` if it cannot be written. Nothing is left then
 */
export async function loadSnapshot(
  folder: string,
  data: string,
  trust: SnapshotTrust,
  onStep: SnapshotStep = () => {},
  threads?: number,
): Promise<LoadResult> {
  const manifest = readManifest(folder, trust);
  const target = new NewFolder(data);
  const into = target.begin();
  try {
    const bytes = Object.values(manifest.files).reduce((sum, mark) => sum + mark.bytes, 0);
    const pool = openSnapshotPool(bytes, threads);
    const loading = new Loading(folder, into, manifest, trust, onStep, pool);
    let result: LoadResult;
    try {
      result = await loading.run();
    } finally {
      // Nothing is written any more when the folder gets its name, or goes.
      await pool.close();
      await loading.settled();
    }
    target.finish();
    onStep("renamed");
    return result;
  } catch (error) {
    target.abandon();
    // What a reader of a file finds damaged is the snapshot's.
    if (isProofdnsError(error, "BAD_SNAPSHOT") || !isProofdnsError(error)) throw error;
    const cause = error.cause as NodeJS.ErrnoException | undefined;
    if (error.code === "STORE_UNUSABLE" && cause?.code !== undefined) throw error;
    // Without what a message says of stores: this is none yet.
    throw badSnapshot(error.message.replace(/^the store is damaged: /, "").replace(/; restore .*$/, ""), error);
  }
}

function readManifest(folder: string, trust: SnapshotTrust): Manifest {
  const path = join(folder, MANIFEST_FILE);
  let bytes: Uint8Array;
  try {
    if (statSync(path).size > MAX_MANIFEST_LENGTH) throw badSnapshot(`${MANIFEST_FILE} is too long`);
    bytes = readFileSync(path);
  } catch (error) {
    if (isProofdnsError(error)) throw error;
    throw new ProofdnsError("MALFORMED_INPUT", `${folder} is no snapshot: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const manifest = parseManifest(bytes);
  const { origin, logKey, sumdbKey } = manifest;
  const wanted = { logKey: formatVerifierKey(trust.logKey), sumdbKey: formatVerifierKey(trust.sumdbKey) };
  if (logKey !== wanted.logKey || origin !== trust.logKey.keyName)
    throw badSnapshot(`it is of the log ${logKey}, not of ${wanted.logKey}`, undefined, "is --log-key right?");
  if (sumdbKey !== wanted.sumdbKey)
    throw badSnapshot(
      `it is of the checksum database ${sumdbKey}, not of ${wanted.sumdbKey}`,
      undefined,
      "if that is yours, name its key by --sumdb-key",
    );
  const levels = manifest.hashes ? hashLevels(manifest.sumdbSize) : 0;
  const expected = [
    EPOCHS_FILE,
    OVERLAY_FILE,
    VALUES_FILE,
    ...(manifest.base ? [ENTRIES_FILE, STATES_FILE] : []),
    ...Array.from({ length: levels }, (_, level) => hashFileName(level)),
  ].sort();
  if (Object.keys(manifest.files).sort().join() !== expected.join())
    throw badSnapshot(`${MANIFEST_FILE} lists other files than a snapshot of this kind has`);
  for (let level = 0; level < levels; level++) {
    const length = manifest.files[hashFileName(level)]?.bytes;
    if (length !== HASH_LENGTH * Math.floor(manifest.sumdbSize / 256 ** level))
      throw badSnapshot(
        `${hashFileName(level)} has ${length} bytes, which is not what ${manifest.sumdbSize} records have`,
      );
  }
  const known = new Set([...expected, MANIFEST_FILE, NEW_FOLDER_MARK]);
  const found = readdirSync(folder);
  for (const name of found)
    if (!known.has(name)) throw badSnapshot(`there is a file ${JSON.stringify(name)} in it that does not belong there`);
  for (const name of expected) {
    if (!found.includes(name)) throw badSnapshot(`${name} is missing`);
    const { size } = statSync(join(folder, name));
    const { bytes: length } = manifest.files[name] as { bytes: number };
    if (size !== length) throw badSnapshot(`${name} has ${size} bytes, ${MANIFEST_FILE} says ${length}`);
  }
  return manifest;
}

/** Where a file of the snapshot stands in the data folder. */
function placeOf(name: string, into: string, { epoch }: Manifest): string {
  if (name === VALUES_FILE) return join(into, "files", valuesFileName(epoch));
  return name === EPOCHS_FILE || name === OVERLAY_FILE ? join(into, name) : join(into, "files", name);
}

/** One load: verifies what was copied and makes the store of it. */
class Loading {
  readonly #folder: string;
  readonly #into: string;
  readonly #manifest: Manifest;
  readonly #trust: SnapshotTrust;
  readonly #onStep: SnapshotStep;
  readonly #pool: SnapshotPool;
  /** Copies on their way to the disk, while they are verified. */
  readonly #syncs: Promise<void>[] = [];
  #tree: Promise<{ pairs: PackedPairs; rootHash: Uint8Array }> | undefined;
  #base: BaseFiles | undefined;
  /** Records of modules that were verified. */
  #records = 0;

  constructor(
    folder: string,
    into: string,
    manifest: Manifest,
    trust: SnapshotTrust,
    onStep: SnapshotStep,
    pool: SnapshotPool,
  ) {
    this.#folder = folder;
    this.#into = into;
    this.#manifest = manifest;
    this.#trust = trust;
    this.#onStep = onStep;
    this.#pool = pool;
  }

  async run(): Promise<LoadResult> {
    const { epoch, origin, logKey, sumdbKey, modules, malformed, growthTime, base, hashes, files } = this.#manifest;
    await this.#copyFiles();
    const { leafTexts, signed, leaf } = this.#verifyLog();
    this.#onStep("verified epochs");
    const frontier = await this.#verifyHashes(leaf);
    this.#onStep("verified hashes");
    const map = await this.#verifyValues(leaf);
    this.#onStep("verified values");
    const store = await Store.open(this.#into, { sumdbKey, origin, logKey });
    try {
      const { newer, uncutMajors } = await this.#takeOverlay(store, map);
      this.#onStep("verified overlay");
      await this.#verifyStates(map, newer, uncutMajors.length);
      this.#onStep("verified states");
      await store.commitBase({
        leafTexts,
        files: { values: epoch, paths: undefined, base, hashes },
        uncutMajors,
        counters: { modules, malformed },
        frontier,
        // Nobody signed it: a time to come would let the clock go on for ever after the checksum database has stalled.
        growthTime: Math.min(growthTime, Math.floor(Date.now() / 1000)),
        isLoaded: true,
      });
      await store.putSigned(signed);
      this.#onStep("committed");
      await this.#verifyNewer(store, newer);
      this.#onStep("verified entries");
    } finally {
      await store.close();
    }
    try {
      await Promise.all(this.#syncs);
      syncDirectory(join(this.#into, "files"));
    } catch (error) {
      throw explainIo(`cannot write ${this.#into}`, error);
    }
    this.#onStep("synced");
    for (const name of [EPOCHS_FILE, OVERLAY_FILE]) rmSync(join(this.#into, name));
    const bytes = Object.values(files).reduce((sum, mark) => sum + mark.bytes, 0);
    const mapRoot = formatHex(leaf.mapRoot);
    return {
      epoch,
      sumdbSize: leaf.treeHead.treeSize,
      mapRoot,
      modules,
      recordProofs: hashes,
      bytes,
      records: this.#records,
    };
  }

  /** Resolves when nothing works on the folder any more, also after an error. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#syncs, this.#tree]);
  }

  /** Copies all files, the longest first, and has them on their way to the disk. */
  async #copyFiles(): Promise<void> {
    const manifest = this.#manifest;
    try {
      mkdirSync(join(this.#into, "files"), { mode: 0o700 });
    } catch (error) {
      throw explainIo(`cannot make ${this.#into}`, error);
    }
    const jobs = Object.entries(manifest.files)
      .sort(([, a], [, b]) => b.bytes - a.bytes)
      .map(([name, { bytes }]) => {
        const to = placeOf(name, this.#into, manifest);
        return { name, copy: { from: join(this.#folder, name), to, limit: bytes } };
      });
    try {
      await this.#pool.run(jobs, (result, job) => {
        if (!("mark" in result) || !("copy" in job)) throw new TypeError("not a copy");
        const { name, copy } = job;
        const expected = manifest.files[name];
        if (result.mark.bytes !== expected?.bytes || result.mark.sha256 !== expected.sha256)
          throw badSnapshot(`${name} has another hash than ${MANIFEST_FILE} says`);
        const synced = syncFile(copy.to as string);
        synced.catch(() => {});
        this.#syncs.push(synced);
        if (name === VALUES_FILE) {
          this.#tree = this.#buildTree();
          this.#tree.catch(() => {});
        }
        this.#onStep(`copied ${name}`);
      });
    } catch (error) {
      throw explainIo("cannot copy the snapshot", error);
    }
  }

  /** Only the root and the pairs are kept: a tree is made anew by who serves it. */
  async #buildTree(): Promise<{ pairs: PackedPairs; rootHash: Uint8Array }> {
    const pairs = readValuesFile(placeOf(VALUES_FILE, this.#into, this.#manifest));
    const slab = await buildSlab(pairs, sha256);
    return { pairs, rootHash: slab.tree.rootHash() };
  }

  /** All leaves, the signature of the log on each checkpoint, and the sumdb's on each tree head. */
  #verifyLog(): {
    leafTexts: string[];
    signed: { epoch: number; signature: Uint8Array; kept: KeptCosignatures[] }[];
    leaf: EpochLeaf;
  } {
    const { logKey, sumdbKey, cosigners } = this.#trust;
    const { epoch, sumdbSize, mapRoot } = this.#manifest;
    const log = new OutputLog(sha256);
    const leafTexts: string[] = [];
    const signed: { epoch: number; signature: Uint8Array; kept: KeptCosignatures[] }[] = [];
    let leaf: EpochLeaf | undefined;
    for (const { leafText, signature, kept } of decodeSignedLeaves(readFileSync(join(this.#into, EPOCHS_FILE)))) {
      const number = leafTexts.length + 1;
      const next = parseLeaf(leafText, sumdbKey);
      if (next.treeHead.treeSize <= (leaf?.treeHead.treeSize ?? 0)) throw badSnapshot(`epoch ${number} does not grow`);
      leaf = next;
      if (!ed25519.verify(sumdbKey.publicKey, encodeUtf8(formatTreeHead(leaf.treeHead)), leaf.sumdbSignature))
        throw badSnapshot(`the tree head in epoch ${number} is not signed by ${sumdbKey.keyName}`);
      leafTexts.push(leafText);
      log.append(computeEpochLeafHash(leafText, sha256));
      const text = formatCheckpoint({ origin: logKey.keyName, treeSize: number, rootHash: log.root(number) });
      if (!ed25519.verify(logKey.publicKey, encodeUtf8(text), signature))
        throw badSnapshot(`the checkpoint of epoch ${number} is not signed by ${logKey.keyName}`);
      const verified = kept.filter(({ first, last }) => {
        const cosigner = cosigners.find(({ keyId }) => keyId === last.keyId && keyId === first.keyId);
        if (cosigner === undefined) return false;
        for (const one of [first, last]) verifyCosignature(text, one, cosigner, ed25519);
        return true;
      });
      signed.push({ epoch: number, signature, kept: verified });
    }
    if (leaf === undefined || leafTexts.length !== epoch)
      throw badSnapshot(`it has ${leafTexts.length} epochs and says ${epoch}`);
    if (leaf.treeHead.treeSize !== sumdbSize || formatHex(leaf.mapRoot) !== mapRoot)
      throw badSnapshot(`${MANIFEST_FILE} says another root or size than the log signed`);
    return { leafTexts, signed, leaf };
  }

  async #verifyValues(leaf: EpochLeaf): Promise<MapPairs> {
    const { pairs, rootHash } = await (this.#tree as Promise<{ pairs: PackedPairs; rootHash: Uint8Array }>);
    if (!equalBytes(rootHash, leaf.mapRoot)) {
      throw badSnapshot(`its values give map root ${formatHex(rootHash)}, the log signed ${formatHex(leaf.mapRoot)}`);
    }
    return MapPairs.of(pairs);
  }

  /** All files of hashes, from the records' to the root. */
  async #verifyHashes({ treeHead: { treeSize, rootHash } }: EpochLeaf): Promise<Frontier> {
    const peaks = this.#manifest.peaks.map((hex) => parseHex(hex) ?? new Uint8Array(0));
    const frontier = Frontier.of(treeSize, peaks, sha256);
    if (!equalBytes(frontier.root(), rootHash))
      throw badSnapshot("its peaks are not those of the signed checksum database");
    if (this.#manifest.hashes) {
      const folder = join(this.#into, "files");
      // The incomplete tile of each level, by the root.
      HashFiles.open(folder, treeSize, rootHash, sha256).close();
      await this.#pool.run(hashJobs(folder, treeSize), () => {});
    }
    return frontier;
  }

  /** The newer states, which go into the store, and the items of all families that are cut. */
  async #takeOverlay(
    store: Store,
    map: MapPairs,
  ): Promise<{ newer: Uint8Array; uncutMajors: { indexKey: Uint8Array; items: string }[] }> {
    const newer: Uint8Array[] = [];
    const uncutMajors: { indexKey: Uint8Array; items: string }[] = [];
    const seen = new Set<string>();
    let batch: { kind: OverlayKind; key: string; value: Uint8Array }[] = [];
    for (const record of decodeOverlay(join(this.#into, OVERLAY_FILE))) {
      const { kind, key, value } = record;
      const indexKey = parseHex(key.slice(0, 64));
      const isKey =
        indexKey?.length === 32 && /^(?:\/[0-9a-f]{8})?$/.test(key.slice(64)) && (kind === "entry") === key.length > 64;
      if (!isKey || indexKey === undefined || seen.has(`${kind}/${key}`))
        throw badSnapshot(`${OVERLAY_FILE} has a record with a wrong key`);
      if (kind === "entry") {
        decodeEntry(value);
      } else {
        seen.add(`${kind}/${key}`);
        const committed = map.text(indexKey);
        const hash = committedHash(committed);
        if (hash === undefined) throw badSnapshot("there is a state or a family that is not in the map");
        if (kind === "state") {
          const { path, stateText } = decodeState(value);
          verifyState(indexKey, path, stateText, committed);
          newer.push(indexKey);
        } else {
          const items = textOf(value);
          if (!isMajorsValue(committed) || !hasHash(items, hash))
            throw badSnapshot("the items of a family are not those in the map");
          if (hasHash(withoutHash(committed), hash)) throw badSnapshot("there are items of a family that is not cut");
          uncutMajors.push({ indexKey, items });
        }
      }
      if (kind === "majors") continue;
      batch.push(record);
      if (batch.length === WRITE_STEP) await store.putOverlay(batch.splice(0));
    }
    if (batch.length > 0) await store.putOverlay(batch);
    batch = [];
    return { newer: Buffer.concat(newer.sort(Buffer.compare)), uncutMajors };
  }

  /** Verifies the base states that nothing newer stands for, and all records of their modules; and that no module and no family is missing. */
  async #verifyStates(map: MapPairs, newer: Uint8Array, uncutMajors: number): Promise<void> {
    const shared = new Uint8Array(new SharedArrayBuffer(newer.length));
    shared.set(newer);
    const base = this.#manifest.base ? openBase(join(this.#into, "files")) : undefined;
    this.#base = base;
    let states = newer.length / HASH_LENGTH;
    let [modules, cut, stored, storedRecords] = [0, 0, 0, 0];
    await this.#pool.run(stateJobs(map, shared, base), (result) => {
      if (!("checked" in result)) throw new TypeError("not states");
      const { checked } = result;
      states += checked.states;
      modules += checked.modules;
      cut += checked.cut;
      stored += checked.stored;
      storedRecords += checked.storedRecords;
      this.#records += checked.records;
    });
    if (base !== undefined && stored !== base.states)
      throw badSnapshot(`${STATES_FILE} has ${stored} states and says it has ${base.states}`);
    if (base !== undefined && storedRecords !== base.records)
      throw badSnapshot(`${ENTRIES_FILE} says it has ${base.records} records, the states have ${storedRecords}`);
    if (states !== modules || modules !== this.#manifest.modules)
      throw badSnapshot(`it has states of ${states} modules, the map has ${modules}`);
    if (cut !== uncutMajors) throw badSnapshot(`it has the items of ${uncutMajors} families, the map has cut ${cut}`);
  }

  /** Verifies the records of modules that have new ones in the database, some of them in the base. */
  async #verifyNewer(store: Store, newer: Uint8Array): Promise<void> {
    const { sumdbSize, malformed } = this.#manifest;
    const snapshot = store.snapshot();
    try {
      const jobs = newerJobs(snapshot, newer, this.#base, (count) => {
        this.#records += count;
      });
      await this.#pool.run(jobs, () => {});
    } finally {
      await snapshot.close();
    }
    if (this.#records !== sumdbSize - malformed)
      throw badSnapshot(`its modules have ${this.#records} records, ${MANIFEST_FILE} says ${sumdbSize - malformed}`);
  }
}

function verifyState(indexKey: Uint8Array, path: string, stateText: string, value: string): void {
  const hash = isMajorsValue(value) ? undefined : committedHash(value);
  if (hash === undefined) throw badSnapshot(`there is a state of ${JSON.stringify(path)}, which is not in the map`);
  const isIts = equalBytes(computeIndexKey(path, sha256), indexKey) && hasHash(stateText, hash);
  if (!isIts) throw badSnapshot(`the state of ${JSON.stringify(path)} is not the one in the map`);
}
