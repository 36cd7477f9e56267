import { existsSync, mkdirSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { Level } from "level";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Frontier } from "../vindex/frontier.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import type { MapChange } from "../vindex/prefix-tree.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { damaged, explainIo, explainLevel } from "./damage.ts";
import { EntryFile } from "./entry-file.ts";
import {
  ENTRIES_FILE,
  encodeFileSet,
  type FileSet,
  NO_FILES,
  parseFileSet,
  removeOtherFiles,
  STATES_FILE,
} from "./file-set.ts";
import { agrees, formatIdentity, parseIdentity, type StoreIdentity } from "./identity.ts";
import { decodeJournal, encodeJournal, type JournalChange } from "./journal.ts";
import {
  decodeCosignatures,
  decodeEntry,
  decodeState,
  encodeCosignatures,
  encodeEntry,
  encodeState,
  fieldOf,
  type KeptCosignatures,
  parseJson,
  takeNumber,
  textOf,
} from "./records.ts";
import { StateFile } from "./state-file.ts";

/**
 * What must last: a folder of its own.
 *
 *     store/          LevelDB, small: what changed since the large files were made
 *     store.signed    the newest epoch that was signed
 *     files/          large files (file-set.ts); they never change, or only grow
 *
 * One synced batch an epoch holds the leaf and everything that it was made of, so that a crash leaves an epoch whole or not at all.
 *
 *     meta                       JSON: what the store is of
 *     files                      JSON: which large files belong to it
 *     epoch/<e>                  leaf text                               e, k: 16 and 8 hex digits, so that
 *     signature/<e>              log signature                           keys sort by number
 *     cosignatures/<e>           JSON: first and last cosignature of each key
 *     clock                      JSON: the last thing that the clock signed
 *     loaded                     of a loaded snapshot, until it has signed its first own epoch: the key may be in use elsewhere
 *     counters                   JSON: modules, and records that mapped to nothing
 *     frontier                   peaks of the checksum database's tree, where its hashes are not kept
 *     journal/<e>                what the epoch changed in the map         of epochs after that of the values file
 *     paths/<e>                  paths of its new modules, a line each     of epochs after that of the path table
 *     state/<index key>          path LF state text
 *     majors/<index key>         uncut items of a family whose value cannot hold them
 *     entry/<index key>/<k>      record k of a module's sub-log
 *
 * Nothing that is read is believed: states, items and entries are compared with what the tree commits to, and the tree with the
 * signed root.
 */
type Db = Level<string, Uint8Array>;
type KeyRange = { gt?: string; lt?: string; lte?: string; reverse?: boolean; limit?: number };
type DbSnapshot = ReturnType<Db["snapshot"]>;

/** The last thing that the clock key signed, and what it must not fall behind. */
export interface ClockState {
  readonly epoch: number;
  /** Unix seconds. */
  readonly time: number;
  /** Unix seconds: when the sumdb last grew. */
  readonly lastGrowth: number;
}

/** Numbers that the map itself does not say. */
export interface Counters {
  /** Modules in the map. */
  readonly modules: number;
  /** Records that mapped to nothing. */
  readonly malformed: number;
}

/** All that one epoch adds or changes. */
export interface EpochBatch {
  readonly epoch: number;
  readonly leafText: string;
  readonly changes: readonly MapChange[];
  readonly states: readonly { indexKey: Hash; path: string; stateText: string }[];
  readonly entries: readonly StoredEntry[];
  readonly majors: readonly { indexKey: Hash; items: string | undefined }[];
  /** Paths of the modules that are new. */
  readonly newPaths: readonly string[];
  readonly counters: Counters;
  /** Of the checksum database at this epoch; kept where its hashes are not. */
  readonly frontier: Frontier;
  /** Whether the hashes of all records up to this epoch are in files. */
  readonly hashes: boolean;
  /** Unix seconds: when the sumdb head of this epoch was first seen. */
  readonly growthTime: number;
}

/** A record of a module at its place in the module's sub-log. */
export interface StoredEntry {
  readonly indexKey: Hash;
  readonly position: number;
  readonly entry: VersionEntry;
}

/** The one epoch of a store that was built from scratch, or loaded. Its large files are in `filesFolder` and durable. */
export interface BaseBatch {
  /** Leaf texts of all epochs, from the first; a built store has one. */
  readonly leafTexts: readonly string[];
  readonly files: FileSet;
  readonly uncutMajors: readonly { indexKey: Hash; items: string }[];
  readonly counters: Counters;
  readonly frontier: Frontier;
  /** Unix seconds: when the sumdb head of the newest epoch was first seen. */
  readonly growthTime: number;
  /** It is of a snapshot: another server may sign with the same key. */
  readonly isLoaded?: boolean;
}

const number16 = (n: number): string => n.toString(16).padStart(16, "0");
const number8 = (n: number): string => n.toString(16).padStart(8, "0");
const hexOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString("hex");
const epochOfKey = (key: string): number => Number.parseInt(key.slice(key.indexOf("/") + 1), 16);

/** Reads of one moment, unverified and synchronous. */
export class StoreSnapshot {
  readonly #db: Db;
  readonly #snapshot: DbSnapshot;
  readonly #states: StateFile | undefined;
  readonly #entries: EntryFile | undefined;

  constructor(db: Db, states: StateFile | undefined, entries: EntryFile | undefined) {
    this.#db = db;
    this.#snapshot = db.snapshot();
    this.#states = states;
    this.#entries = entries;
  }

  state(indexKey: Uint8Array): { path: string; stateText: string } | undefined {
    const bytes = this.#get(`state/${hexOf(indexKey)}`);
    return bytes === undefined ? this.#states?.get(indexKey) : decodeState(bytes);
  }

  majors(indexKey: Uint8Array): string | undefined {
    const bytes = this.#get(`majors/${hexOf(indexKey)}`);
    return bytes === undefined ? undefined : textOf(bytes);
  }

  /** Records `from` … `to` − 1 of a module's sub-log. @throws ProofdnsError `STORE_UNUSABLE` if one is missing */
  entries(indexKey: Uint8Array, from: number, to: number): VersionEntry[] {
    const base = this.#entries === undefined ? undefined : this.#states?.get(indexKey);
    const inBase = Math.min(to, base?.entryCount ?? 0);
    const out: VersionEntry[] = [];
    if (this.#entries !== undefined && base !== undefined && from < inBase)
      out.push(...this.#entries.read(base.entryOffset, base.entryCount, from, inBase));
    const prefix = `entry/${hexOf(indexKey)}/`;
    for (let position = from + out.length; position < to; position++) {
      const bytes = this.#get(prefix + number8(position));
      if (bytes === undefined) throw damaged(`record ${position} of a module is missing`);
      out.push(decodeEntry(bytes));
    }
    return out;
  }

  leafText(epoch: number): string | undefined {
    const bytes = this.#get(`epoch/${number16(epoch)}`);
    return bytes === undefined ? undefined : textOf(bytes);
  }

  signature(epoch: number): Uint8Array | undefined {
    return this.#get(`signature/${number16(epoch)}`);
  }

  cosignatures(epoch: number): KeptCosignatures[] {
    return decodeCosignatures(this.#get(`cosignatures/${number16(epoch)}`));
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }

  #get(key: string): Uint8Array | undefined {
    try {
      return this.#db.getSync(key, { snapshot: this.#snapshot });
    } catch (error) {
      throw explainLevel("cannot read the store", error);
    }
  }
}

/** Bytes of the newest records that are in memory, and in a log that the next start reads. */
const WRITE_BUFFER = 8 * 2 ** 20;

export class Store {
  readonly #db: Db;
  readonly #folder: string;
  #identity: StoreIdentity = { sumdbKey: "" };
  #files: FileSet = NO_FILES;
  #states: StateFile | undefined;
  #entries: EntryFile | undefined;
  #failure: ProofdnsError | undefined;
  #turn: Promise<void> = Promise.resolve();

  private constructor(db: Db, folder: string) {
    this.#db = db;
    this.#folder = folder;
  }

  /**
   * Opens the store in the data folder `folder`, making it if there is none. Without origin and log key in `identity` it may be of any
   * log; with them it must be of that one, or of none yet: then it is from now on. Without an identity it is whatever it is, and never made.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if another process has it open, or it is damaged, of another format, log or sumdb
   */
  static async open(folder: string, identity: StoreIdentity | undefined): Promise<Store> {
    for (const path of [folder, join(folder, "files")]) {
      try {
        // Not `recursive`: of a read-only file system that says ENOENT (Node 20).
        if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
      } catch (error) {
        throw explainIo(`cannot make the folder ${path}`, error);
      }
    }
    const path = join(folder, "store");
    // Hashes do not compress, and a larger buffer is written to tables, and those to others, less often.
    const db: Db = new Level(path, {
      keyEncoding: "utf8",
      valueEncoding: "view",
      compression: false,
      writeBufferSize: WRITE_BUFFER,
    });
    try {
      await db.open();
    } catch (error) {
      throw explainLevel(`cannot open the store ${path}`, error);
    }
    const store = new Store(db, folder);
    try {
      await store.#open(identity);
    } catch (error) {
      await store.close();
      throw error instanceof ProofdnsError ? error : explainLevel(`cannot read the store ${path}`, error);
    }
    return store;
  }

  async #open(identity: StoreIdentity | undefined): Promise<void> {
    const bytes = await this.#db.get("meta");
    if (bytes === undefined) {
      for await (const _ of this.#keys({ limit: 1 }))
        throw damaged(`${join(this.#folder, "store")} is no store of this program`);
      if (identity === undefined) throw damaged("it does not say what it is of");
      await this.#putIdentity(identity);
    } else {
      this.#identity = parseIdentity(textOf(bytes), this.#folder);
      if (identity !== undefined) await this.become(identity);
    }
    const files = await this.#db.get("files");
    if (files !== undefined) this.#files = parseFileSet(textOf(files));
    if (this.#files.base) {
      this.#states = StateFile.open(join(this.filesFolder, STATES_FILE));
      this.#entries = EntryFile.open(join(this.filesFolder, ENTRIES_FILE));
    }
    // Before the first epoch the files may be those of a build that is about to commit them.
    if (files !== undefined) removeOtherFiles(this.filesFolder, this.#files);
  }

  /**
   * Makes the store one of `wanted`, which is what it is already, or more than it knew: a store that was built has no log until it is
   * first served. Whatever else it was made for goes only where it has no epoch: a mistyped key of a first start must not stay.
   *
   * @throws ProofdnsError `STORE_UNUSABLE`
   */
  async become(wanted: StoreIdentity): Promise<void> {
    const isSame = agrees(this.#identity, wanted);
    if (isSame && (this.#identity.logKey !== undefined || wanted.logKey === undefined)) return;
    if (isSame || (await this.newestEpoch()) === 0) return this.#putIdentity(wanted);
    const found = formatIdentity(this.#identity);
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      `the store in ${this.#folder} was made for something else: it has ${found}, this start wants ${formatIdentity(wanted)}`,
    );
  }

  async #putIdentity(identity: StoreIdentity): Promise<void> {
    await this.#write("cannot write the store's identity", () =>
      this.#db.put("meta", encodeUtf8(formatIdentity(identity)), { sync: true }),
    );
    this.#identity = identity;
  }

  /** What the store is of. */
  get identity(): StoreIdentity {
    return this.#identity;
  }

  /** The large files that belong to it. */
  get files(): FileSet {
    return this.#files;
  }

  /** Folder of the large files. */
  get filesFolder(): string {
    return join(this.#folder, "files");
  }

  /** The data folder. */
  get folder(): string {
    return this.#folder;
  }

  /** States that stand in the base file; undefined if there is none. */
  get baseStates(): StateFile | undefined {
    return this.#states;
  }

  /** The newest epoch; 0 if there is none. */
  async newestEpoch(): Promise<number> {
    for await (const key of this.#keys({ gt: "epoch/", lt: "epoch/~", reverse: true, limit: 1 })) {
      return epochOfKey(key);
    }
    return 0;
  }

  /** All leaves in order. @throws ProofdnsError `STORE_UNUSABLE` if one is missing */
  async *leaves(): AsyncGenerator<string> {
    let epoch = 0;
    for await (const [key, bytes] of this.#iterate("epoch")) {
      epoch++;
      if (key !== `epoch/${number16(epoch)}`) throw damaged(`the leaf of epoch ${epoch} is missing`);
      yield textOf(bytes);
    }
  }

  /** What the epochs after that of the values file changed, in order. @throws ProofdnsError `STORE_UNUSABLE` if one is missing */
  async *journals(newest: number): AsyncGenerator<{ epoch: number; changes: JournalChange[] }> {
    let epoch = this.#files.values ?? 0;
    for await (const [key, bytes] of this.#iterate("journal")) {
      if (epochOfKey(key) <= epoch) continue;
      epoch++;
      if (epochOfKey(key) !== epoch) throw damaged(`the journal of epoch ${epoch} is missing`);
      yield { epoch, changes: decodeJournal(bytes, epoch) };
    }
    if (epoch !== newest) throw damaged(`the journal of epoch ${epoch + 1} is missing`);
  }

  /** Paths of the modules that are not in the path table, or all if there is none. */
  async *newPaths(): AsyncGenerator<string[]> {
    for await (const [key, bytes] of this.#iterate("paths")) {
      if (epochOfKey(key) <= (this.#files.paths ?? 0)) continue;
      const text = textOf(bytes);
      yield text === "" ? [] : text.split("\n");
    }
  }

  /** States of the given index keys, in order, unverified. */
  async getStates(indexKeys: readonly Uint8Array[]): Promise<(string | undefined)[]> {
    const keys = indexKeys.map((indexKey) => `state/${hexOf(indexKey)}`);
    const found = await this.#read(() => this.#db.getMany(keys));
    return found.map((bytes, i) =>
      bytes === undefined ? this.#states?.get(indexKeys[i] as Uint8Array)?.stateText : decodeState(bytes).stateText,
    );
  }

  /** Uncut items of a family, unverified. */
  majors(indexKey: Uint8Array): string | undefined {
    let bytes: Uint8Array | undefined;
    try {
      bytes = this.#db.getSync(`majors/${hexOf(indexKey)}`);
    } catch (error) {
      throw explainLevel("cannot read the store", error);
    }
    return bytes === undefined ? undefined : textOf(bytes);
  }

  /** All kept cosignatures, by epoch; epochs without any are left out. */
  async *allCosignatures(): AsyncGenerator<{ epoch: number; kept: KeptCosignatures[] }> {
    for await (const [key, bytes] of this.#iterate("cosignatures")) {
      yield { epoch: epochOfKey(key), kept: decodeCosignatures(bytes) };
    }
  }

  /** The epochs up to `newest` that were committed and not signed. */
  async unsignedEpochs(newest: number): Promise<number[]> {
    const signed = new Set<number>();
    for await (const key of this.#keys({ gt: "signature/", lt: "signature/~" })) signed.add(epochOfKey(key));
    return Array.from({ length: newest }, (_, i) => i + 1).filter((epoch) => !signed.has(epoch));
  }

  async counters(): Promise<Counters> {
    const bytes = await this.#read(() => this.#db.get("counters"));
    if (bytes === undefined) return { modules: 0, malformed: 0 };
    const json = parseJson(textOf(bytes), "counters");
    return { modules: takeNumber(json, "modules", "counters"), malformed: takeNumber(json, "malformed", "counters") };
  }

  /** Peaks of the checksum database's tree, where its hashes are not kept. @throws ProofdnsError `STORE_UNUSABLE` if they are missing */
  async peaks(): Promise<Hash[]> {
    const bytes = await this.#read(() => this.#db.get("frontier"));
    if (bytes === undefined || bytes.length % HASH_LENGTH !== 0)
      throw damaged("the checksum database's peaks are missing");
    const count = bytes.length / HASH_LENGTH;
    return Array.from({ length: count }, (_, i) => bytes.slice(i * HASH_LENGTH, (i + 1) * HASH_LENGTH));
  }

  /** Writes one epoch in one synced batch. @throws ProofdnsError `STORE_UNUSABLE` if it is there already, or cannot be written */
  commitEpoch(batch: EpochBatch): Promise<void> {
    return this.#inTurn(() => this.#commitEpoch(batch));
  }

  async #commitEpoch(batch: EpochBatch): Promise<void> {
    if ((await this.#read(() => this.#db.get(`epoch/${number16(batch.epoch)}`))) !== undefined) {
      throw damaged(`epoch ${batch.epoch} is in it already`);
    }
    const files = { ...this.#files, hashes: batch.hashes };
    const clock = await this.clock();
    await this.#write(`cannot commit epoch ${batch.epoch}`, async () => {
      const db = this.#db.batch();
      const epoch = number16(batch.epoch);
      db.put(`epoch/${epoch}`, encodeUtf8(batch.leafText));
      db.put(`journal/${epoch}`, encodeJournal(batch.changes));
      if (batch.newPaths.length > 0) db.put(`paths/${epoch}`, encodeUtf8(batch.newPaths.join("\n")));
      for (const { indexKey, path, stateText } of batch.states) {
        db.put(`state/${hexOf(indexKey)}`, encodeState(path, stateText));
      }
      for (const stored of batch.entries) putEntry(db, stored);
      for (const { indexKey, items } of batch.majors) {
        const key = `majors/${hexOf(indexKey)}`;
        if (items === undefined) db.del(key);
        else db.put(key, encodeUtf8(items));
      }
      db.put("counters", encodeUtf8(JSON.stringify(batch.counters)));
      db.put("files", encodeFileSet(files));
      if (batch.hashes) db.del("frontier");
      else db.put("frontier", Buffer.concat(batch.frontier.peaks));
      const { epoch: clockEpoch, time } = clock ?? { epoch: 0, time: 0 };
      db.put("clock", encodeUtf8(JSON.stringify({ epoch: clockEpoch, time, lastGrowth: batch.growthTime })));
      await db.write({ sync: true });
    });
    this.#files = files;
  }

  /**
   * Writes entries of an epoch that is still being made, without waiting for the disk. They mean nothing before the epoch is committed:
   * no state counts them, and the next attempt writes over them.
   */
  async putEntries(entries: readonly StoredEntry[]): Promise<void> {
    await this.#write("cannot write the records of modules", async () => {
      const db = this.#db.batch();
      for (const stored of entries) putEntry(db, stored);
      await db.write();
    });
  }

  /** Puts records of the database into an empty store, as `overlay` gives them, without waiting for the disk; `commitBase` does. */
  async putOverlay(records: readonly { kind: string; key: string; value: Uint8Array }[]): Promise<void> {
    await this.#write("cannot write the records of a snapshot", async () => {
      const db = this.#db.batch();
      for (const { kind, key, value } of records) db.put(`${kind}/${key}`, value);
      await db.write();
    });
  }

  /**
   * Makes an empty store one of everything that was built or loaded, in one synced batch. It is not signed: who serves it first does that.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if it has an epoch already, or cannot be written
   */
  async commitBase(base: BaseBatch): Promise<void> {
    if ((await this.newestEpoch()) !== 0) throw damaged("it has an epoch already");
    await this.#write("cannot commit what was built", async () => {
      const db = this.#db.batch();
      for (const [i, leafText] of base.leafTexts.entries()) db.put(`epoch/${number16(i + 1)}`, encodeUtf8(leafText));
      for (const { indexKey, items } of base.uncutMajors) db.put(`majors/${hexOf(indexKey)}`, encodeUtf8(items));
      db.put("counters", encodeUtf8(JSON.stringify(base.counters)));
      db.put("files", encodeFileSet(base.files));
      if (!base.files.hashes) db.put("frontier", Buffer.concat(base.frontier.peaks));
      db.put("clock", encodeUtf8(JSON.stringify({ epoch: 0, time: 0, lastGrowth: base.growthTime })));
      if (base.isLoaded === true) db.put("loaded", encodeUtf8("{}"));
      await db.write({ sync: true });
    });
    await this.#takeFiles(base.files);
  }

  async #takeFiles(files: FileSet): Promise<void> {
    this.#files = files;
    if (!files.base || this.#states !== undefined) return;
    this.#states = StateFile.open(join(this.filesFolder, STATES_FILE));
    this.#entries = EntryFile.open(join(this.filesFolder, ENTRIES_FILE));
  }

  /**
   * A values file and a path table of `epoch` are durable: from now on a start begins with them. The journals up to it go, in the same
   * synced batch, and then the files that they take the place of.
   */
  replaceFiles(changed: Partial<Pick<FileSet, "values" | "paths">>): Promise<void> {
    return this.#inTurn(() => this.#replaceFiles(changed));
  }

  async #replaceFiles(changed: Partial<Pick<FileSet, "values" | "paths">>): Promise<void> {
    const files: FileSet = { ...this.#files, ...changed };
    const old: string[] = [];
    for (const [kind, upTo] of [
      ["journal", files.values],
      ["paths", files.paths],
    ] as const) {
      if (upTo === undefined) continue;
      for await (const key of this.#keys({ gt: `${kind}/`, lte: `${kind}/${number16(upTo)}` })) old.push(key);
    }
    await this.#write("cannot write which files belong to the store", async () => {
      const db = this.#db.batch();
      for (const key of old) db.del(key);
      db.put("files", encodeFileSet(files));
      await db.write({ sync: true });
    });
    this.#files = files;
    removeOtherFiles(this.filesFolder, files);
  }

  /** The file that marks what was signed, beside the database. */
  get markPath(): string {
    return join(this.#folder, "store.signed");
  }

  /**
   * The newest epoch that was ever signed, as far as the store or the mark beside it knows. LevelDB passes over a damaged record of its
   * log without a word, and with it everything in the same block; the mark is a file of its own.
   */
  async newestSigned(): Promise<number> {
    let newest = (await this.#readMark())?.epoch ?? 0;
    for await (const key of this.#keys({ gt: "signature/", lt: "signature/~", reverse: true, limit: 1 })) {
      newest = Math.max(newest, epochOfKey(key));
    }
    return newest;
  }

  async #readMark(): Promise<{ epoch: number } | undefined> {
    let text: string;
    try {
      text = await readFile(this.markPath, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw damaged(`${this.markPath} cannot be read`, error);
    }
    const json = parseJson(text, "mark");
    // What another key signed is another log's.
    const isOurs = fieldOf(json, "logKey") === this.#identity.logKey;
    return isOurs ? { epoch: takeNumber(json, "epoch", "mark") } : undefined;
  }

  /** Remembers, beside the database and before the signature is anywhere, that an epoch is signed. */
  async #writeMark(epoch: number): Promise<void> {
    const { logKey } = this.#identity;
    if (logKey === undefined) throw new TypeError("a store of no log cannot be signed");
    if (epoch <= ((await this.#readMark())?.epoch ?? 0)) return;
    try {
      const file = await open(`${this.markPath}.tmp`, "w", 0o644);
      try {
        await file.writeFile(`${JSON.stringify({ epoch, logKey })}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${this.markPath}.tmp`, this.markPath);
    } catch (error) {
      throw explainIo(`cannot write ${this.markPath}`, error);
    }
  }

  /** Keeps a signature that was just made. A loaded store is then like any other. */
  async putSignature(epoch: number, signature: Uint8Array): Promise<void> {
    await this.#writeMark(epoch);
    await this.#write("cannot keep a signature", () =>
      this.#db
        .batch()
        .put(`signature/${number16(epoch)}`, signature)
        .del("loaded")
        .write({ sync: true }),
    );
  }

  /** True for a loaded snapshot that has signed nothing yet: who signs next with the key is not known here. */
  async isLoaded(): Promise<boolean> {
    return (await this.#read(() => this.#db.get("loaded"))) !== undefined;
  }

  /** Keeps the signatures and cosignatures of many epochs at once, as a loaded snapshot has them. */
  async putSigned(
    signed: readonly { epoch: number; signature: Uint8Array | undefined; kept: readonly KeptCosignatures[] }[],
  ): Promise<void> {
    await this.#writeMark(signed.reduce((newest, { epoch, signature }) => (signature ? epoch : newest), 0));
    await this.#write("cannot keep signatures", async () => {
      const db = this.#db.batch();
      for (const { epoch, signature, kept } of signed) {
        if (signature !== undefined) db.put(`signature/${number16(epoch)}`, signature);
        if (kept.length > 0) db.put(`cosignatures/${number16(epoch)}`, encodeCosignatures(kept));
      }
      await db.write({ sync: true });
    });
  }

  async signature(epoch: number): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#db.get(`signature/${number16(epoch)}`));
  }

  async putCosignatures(epoch: number, kept: readonly KeptCosignatures[]): Promise<void> {
    await this.#write("cannot keep cosignatures", () =>
      this.#db.put(`cosignatures/${number16(epoch)}`, encodeCosignatures(kept), { sync: true }),
    );
  }

  async cosignatures(epoch: number): Promise<KeptCosignatures[]> {
    return decodeCosignatures(await this.#read(() => this.#db.get(`cosignatures/${number16(epoch)}`)));
  }

  async clock(): Promise<ClockState | undefined> {
    const bytes = await this.#read(() => this.#db.get("clock"));
    if (bytes === undefined) return undefined;
    const json = parseJson(textOf(bytes), "clock");
    const take = (field: keyof ClockState): number => takeNumber(json, field, "clock");
    return { epoch: take("epoch"), time: take("time"), lastGrowth: take("lastGrowth") };
  }

  /** Remembers what the clock is about to sign, before it signs. */
  async putClock(clock: ClockState): Promise<void> {
    await this.#write("cannot remember what the clock signs", () =>
      this.#db.put("clock", encodeUtf8(JSON.stringify(clock)), { sync: true }),
    );
  }

  /** Unverified reads of this moment; the caller closes it. */
  snapshot(): StoreSnapshot {
    return new StoreSnapshot(this.#db, this.#states, this.#entries);
  }

  /** All records of the kinds that a base file has too, for a snapshot: keys without their kind. */
  async *overlay(kind: "state" | "entry" | "majors" | "paths"): AsyncGenerator<[string, Uint8Array]> {
    for await (const [key, bytes] of this.#iterate(kind)) yield [key.slice(kind.length + 1), bytes];
  }

  async close(): Promise<void> {
    this.#states?.close();
    this.#entries?.close();
    this.#states = undefined;
    this.#entries = undefined;
    await this.#db.close();
  }

  /** One after the other: an epoch and a flush both write which files there are, and each must know of what the other wrote. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => {});
    return done;
  }

  async *#iterate(kind: string): AsyncGenerator<[string, Uint8Array]> {
    try {
      for await (const pair of this.#db.iterator({ gt: `${kind}/`, lt: `${kind}/~` })) yield pair;
    } catch (error) {
      throw explainLevel("cannot read the store", error);
    }
  }

  async *#keys(range: KeyRange): AsyncGenerator<string> {
    try {
      for await (const key of this.#db.keys(range)) yield key;
    } catch (error) {
      throw explainLevel("cannot read the store", error);
    }
  }

  async #read<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } catch (error) {
      throw explainLevel("cannot read the store", error);
    }
  }

  /**
   * Writes to the database. After a failure nothing more is written: what LevelDB appended to its log in part would take later records
   * with it when it is read again.
   */
  async #write(what: string, task: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) {
      throw new ProofdnsError(
        "STORE_UNUSABLE",
        `${what}: a write failed before (${this.#failure.message}); start again`,
      );
    }
    try {
      await task();
    } catch (error) {
      const failure = explainLevel(what, error);
      this.#failure = failure;
      throw failure;
    }
  }
}

function putEntry(db: ReturnType<Db["batch"]>, { indexKey, position, entry }: StoredEntry): void {
  db.put(`entry/${hexOf(indexKey)}/${number8(position)}`, encodeEntry(entry));
}
