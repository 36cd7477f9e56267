import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { formatHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { parseVerifierKey } from "../vindex/note.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { runInBackground } from "./background.ts";
import { Builder } from "./builder.ts";
import { explainIo } from "./damage.ts";
import { ENTRIES_FILE, STATES_FILE } from "./file-set.ts";
import { hashFileName, hashLevels } from "./hash-files.ts";
import { type FileMark, MarkedFile, writeMarkedFile } from "./marked-file.ts";
import { NewFolder } from "./new-folder.ts";
import { openSnapshotPool, type SnapshotPool } from "./snapshot-check.ts";
import { syncFile } from "./snapshot-copy.ts";
import {
  EPOCHS_FILE,
  encodeOverlay,
  encodeSignedLeaf,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  OVERLAY_FILE,
  OVERLAY_KINDS,
  VALUES_FILE,
} from "./snapshot-format.ts";
import { Store } from "./store.ts";
import { valuesFileName } from "./values-file.ts";

/** Points of saving or loading, in order; for logs and crash tests. */
export type SnapshotStep = (step: string) => void;

/** What a snapshot is of, for people and programs. */
export interface SnapshotResult {
  readonly epoch: number;
  readonly sumdbSize: number;
  readonly mapRoot: string;
  readonly modules: number;
  readonly recordProofs: boolean;
  readonly bytes: number;
}

/**
 * Saves the newest epoch of a store that no server has open into the new folder `folder`. It has its name only when all of it is on
 * disk; until then it stands beside it as `<folder>.partial`. `threads` as for `loadSnapshot`.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the folder exists, or there is no store; `STORE_UNUSABLE` if the store is in use, damaged or
 *   not signed; what `Builder.open` throws
 */
export async function saveSnapshot(
  data: string,
  folder: string,
  onStep: SnapshotStep = () => {},
  threads?: number,
): Promise<SnapshotResult> {
  if (!existsSync(join(data, "store", "CURRENT"))) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `there is no store in ${data}; --data is the folder that serve or build was given`,
    );
  }
  const target = new NewFolder(folder);
  const store = await Store.open(data, undefined);
  try {
    const saving = new Saving(store, target.begin(), onStep, threads);
    let result: SnapshotResult;
    try {
      result = await saving.run();
    } catch (error) {
      await saving.close();
      target.abandon();
      throw error;
    }
    await saving.close();
    target.finish();
    onStep("renamed");
    return result;
  } finally {
    await store.close();
  }
}

/** A file of a snapshot and where it is from; `limit` as in `CopyJob`. */
interface SavedFile {
  readonly name: string;
  readonly from: string;
  readonly limit: number | undefined;
}

/** One save. Files that never change are copied while the tree is built, and are on their way to the disk while others are. */
class Saving {
  readonly #store: Store;
  readonly #into: string;
  readonly #onStep: SnapshotStep;
  readonly #pool: SnapshotPool;
  readonly #files: Record<string, FileMark> = {};
  readonly #working: Promise<unknown>[] = [];
  #hasValues = false;

  constructor(store: Store, into: string, onStep: SnapshotStep, threads: number | undefined) {
    this.#store = store;
    this.#into = into;
    this.#onStep = onStep;
    this.#pool = openSnapshotPool(bytesIn(store.filesFolder), threads);
  }

  async run(): Promise<SnapshotResult> {
    const store = this.#store;
    // A set of pairs has one file: the one that is there is the one that would be written.
    const newest = await store.newestEpoch();
    this.#hasValues = newest > 0 && store.files.values === newest;
    const copied = this.#copy([
      ...(store.files.base ? [STATES_FILE, ENTRIES_FILE] : []).map((name) => this.#fromStore(name)),
      ...(this.#hasValues ? [{ ...this.#fromStore(valuesFileName(newest)), name: VALUES_FILE }] : []),
    ]);
    copied.catch(() => {});
    const sumdbKey = parseVerifierKey(store.identity.sumdbKey);
    const builder = await Builder.open({ store, sumdbKey, sha256: nodeSha256, isReadOnly: true });
    try {
      this.#onStep("opened");
      return await this.#write(builder, copied);
    } finally {
      await builder.close();
    }
  }

  /** Ends the threads, and resolves when nothing works on the folder any more. */
  async close(): Promise<void> {
    await this.#pool.close();
    await Promise.allSettled(this.#working);
  }

  #start<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {});
    this.#working.push(work);
    return work;
  }

  #note(name: string, mark: FileMark): void {
    this.#files[name] = mark;
    this.#onStep(name);
  }

  #fromStore(name: string, limit?: number): SavedFile {
    return { name, from: join(this.#store.filesFolder, name), limit };
  }

  /** Copies files into the snapshot, or hashes what stands there already. */
  async #copy(files: readonly SavedFile[]): Promise<void> {
    const jobs = files.map(({ name, from, limit }) => {
      const to = join(this.#into, name);
      return { name, copy: { from, to: from === to ? undefined : to, limit } };
    });
    try {
      await this.#pool.run(jobs, (result, job) => {
        if (!("mark" in result) || !("copy" in job)) throw new TypeError("not a copy");
        if (job.copy.to !== undefined) void this.#start(syncFile(job.copy.to));
        this.#note(job.name, result.mark);
      });
    } catch (error) {
      throw explainIo("cannot copy the files of the store", error);
    }
  }

  async #write(builder: Builder, copied: Promise<void>): Promise<SnapshotResult> {
    const store = this.#store;
    const { epoch, leaf, tree, modules, malformed } = builder.state;
    const { origin, logKey, sumdbKey } = store.identity;
    if (leaf === undefined || origin === undefined || logKey === undefined) {
      throw new ProofdnsError("STORE_UNUSABLE", "the store has no signed epoch yet: serve it once, then save it");
    }
    const { treeSize } = leaf.treeHead;
    const signed: Uint8Array[] = [];
    for await (const leafText of store.leaves()) {
      const number = signed.length + 1;
      const signature = await store.signature(number);
      if (signature === undefined) {
        throw new ProofdnsError(
          "STORE_UNUSABLE",
          `epoch ${number} is not signed yet: serve the store once, then save it`,
        );
      }
      signed.push(encodeSignedLeaf({ leafText, signature, kept: await store.cosignatures(number) }));
    }
    const values = join(this.#into, VALUES_FILE);
    if (!this.#hasValues) {
      const order = { values: { path: values, buffer: tree.buffer, root: tree.root } };
      await this.#start(runInBackground(order, () => {}).done);
    }
    await copied;
    await this.#copy([
      ...(this.#hasValues ? [] : [{ name: VALUES_FILE, from: values, limit: undefined }]),
      ...Array.from({ length: builder.hasRecordProofs ? hashLevels(treeSize) : 0 }, (_, level) =>
        this.#fromStore(hashFileName(level), 32 * Math.floor(treeSize / 256 ** level)),
      ),
    ]);
    this.#note(EPOCHS_FILE, writeMarkedFile(join(this.#into, EPOCHS_FILE), Buffer.concat(signed)));
    this.#note(OVERLAY_FILE, await writeOverlay(store, join(this.#into, OVERLAY_FILE)));
    try {
      await Promise.all(this.#working);
    } catch (error) {
      throw explainIo(`cannot write ${this.#into}`, error);
    }
    const files = this.#files;
    const manifest: Manifest = {
      origin,
      logKey,
      sumdbKey,
      epoch,
      sumdbSize: treeSize,
      mapRoot: formatHex(leaf.mapRoot),
      modules,
      malformed,
      growthTime: (await store.clock())?.lastGrowth ?? 0,
      peaks: builder.known().frontier.peaks.map(formatHex),
      base: store.files.base,
      hashes: builder.hasRecordProofs,
      files,
    };
    writeMarkedFile(join(this.#into, MANIFEST_FILE), Buffer.from(formatManifest(manifest)));
    this.#onStep(MANIFEST_FILE);
    const bytes = Object.values(files).reduce((sum, mark) => sum + mark.bytes, 0);
    const { mapRoot } = manifest;
    return { epoch, sumdbSize: treeSize, mapRoot, modules, recordProofs: manifest.hashes, bytes };
  }
}

/** Bytes of all files of a folder. */
function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

async function writeOverlay(store: Store, path: string): Promise<FileMark> {
  const writer = new MarkedFile(path);
  try {
    for (const kind of OVERLAY_KINDS) {
      for await (const [key, value] of store.overlay(kind)) writer.add(encodeOverlay(kind, key, value));
    }
    return writer.finish();
  } finally {
    writer.close();
  }
}
