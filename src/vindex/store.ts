import { open, readFile, rename } from "node:fs/promises";
import { Level } from "level";
import { decodeUtf8, encodeUtf8, formatHex, parseHex } from "./bytes.ts";
import type { Cosignature } from "./cosignature.ts";
import { ProofdnsError } from "./error.ts";
import type { VersionEntry } from "./payload.ts";
import type { Hash } from "./sha256.ts";
import type { WrittenTile } from "./tile-writer.ts";
import { decodeVarint, encodeVarint } from "./varint.ts";

/**
 * What must last, in LevelDB. One synced batch an epoch holds the leaf and everything that it was made of, so that a
 * crash leaves an epoch whole or not at all.
 *
 *     meta                       JSON: what the store is of
 *     epoch/<e>                  leaf text                               e, k: 16 and 8 hex digits, so that
 *     signature/<e>              log signature                           keys sort by number
 *     cosignatures/<e>           JSON: first and last cosignature of each key
 *     clock                      JSON: the last thing that the clock signed
 *     counters                   JSON: records that mapped to nothing
 *     state/<index key>          path LF state text
 *     majors/<index key>         uncut items of a family whose value cannot hold them
 *     entry/<index key>/<k>      record k of a module's sub-log
 *     tile/<level>/<n>           hash tile of the checksum database
 *     toolchain                  value of the subject `toolchain`
 */
type Db = Level<string, Uint8Array>;
type DbSnapshot = ReturnType<Db["snapshot"]>;

const FORMAT = 1;

/** What a store was made for; opening it for something else is refused. */
export interface StoreIdentity {
  /** Origin of the output log. */
  readonly origin: string;
  /** Verifier key of the log. */
  readonly logKey: string;
  /** Verifier key of the checksum database. */
  readonly sumdbKey: string;
}

/** First and last cosignature of one key on one epoch. */
export interface KeptCosignatures {
  readonly first: Cosignature;
  readonly last: Cosignature;
}

/** The last thing that the clock key signed, and what it must not fall behind. */
export interface ClockState {
  readonly epoch: number;
  /** Unix seconds. */
  readonly time: number;
  /** Unix seconds: when the sumdb last grew. */
  readonly lastGrowth: number;
}

/** All that one epoch adds or changes. */
export interface EpochBatch {
  readonly epoch: number;
  readonly leafText: string;
  readonly states: readonly { indexKey: Hash; path: string; stateText: string }[];
  readonly entries: readonly { indexKey: Hash; position: number; entry: VersionEntry }[];
  readonly majors: readonly { indexKey: Hash; items: string | undefined }[];
  readonly tiles: readonly WrittenTile[];
  readonly toolchain: string;
  /** Records below the epoch's size that mapped to nothing. */
  readonly malformed: number;
  /** Unix seconds: when the sumdb head of this epoch was first seen. */
  readonly growthTime: number;
}

const tileKey = (level: number, index: number): string => `tile/${level}/${number16(index)}`;
const number16 = (n: number): string => n.toString(16).padStart(16, "0");
const number8 = (n: number): string => n.toString(16).padStart(8, "0");

/** Reads of one moment, for one served epoch. Synchronous: a reply is made in one go. */
export class StoreReader {
  readonly #db: Db;
  readonly #snapshot: DbSnapshot;

  constructor(db: Db) {
    this.#db = db;
    this.#snapshot = db.snapshot();
  }

  state(indexKey: Uint8Array): { path: string; stateText: string } | undefined {
    const bytes = this.#get(`state/${formatHex(indexKey)}`);
    return bytes === undefined ? undefined : parseState(bytes);
  }

  majors(indexKey: Uint8Array): string | undefined {
    return textOf(this.#get(`majors/${formatHex(indexKey)}`));
  }

  /** Records `from` … `to` − 1 of a module's sub-log. @throws ProofdnsError `STORE_UNUSABLE` if one is missing */
  entries(indexKey: Uint8Array, from: number, to: number): VersionEntry[] {
    const prefix = `entry/${formatHex(indexKey)}/`;
    return Array.from({ length: to - from }, (_, i) => {
      const bytes = this.#get(prefix + number8(from + i));
      if (bytes === undefined) throw damaged(`record ${from + i} of a module is missing`);
      return decodeEntry(bytes);
    });
  }

  tile(level: number, index: number): Uint8Array | undefined {
    return this.#get(tileKey(level, index));
  }

  leafText(epoch: number): string | undefined {
    return textOf(this.#get(`epoch/${number16(epoch)}`));
  }

  signature(epoch: number): Uint8Array | undefined {
    return this.#get(`signature/${number16(epoch)}`);
  }

  cosignatures(epoch: number): KeptCosignatures[] {
    return parseCosignatures(this.#get(`cosignatures/${number16(epoch)}`));
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }

  #get(key: string): Uint8Array | undefined {
    return this.#db.getSync(key, { snapshot: this.#snapshot });
  }
}

export class Store {
  readonly #db: Db;
  readonly #markPath: string;
  readonly #logKey: string;

  private constructor(db: Db, markPath: string, logKey: string) {
    this.#db = db;
    this.#markPath = markPath;
    this.#logKey = logKey;
  }

  /**
   * Opens the store in `folder`, making it if there is none.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if another process has it open, or it is damaged, of another format, log or sumdb
   */
  static async open(folder: string, identity: StoreIdentity): Promise<Store> {
    const db: Db = new Level(folder, { keyEncoding: "utf8", valueEncoding: "view" });
    try {
      await db.open();
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      const isLocked = cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED";
      const why = isLocked
        ? "another process has it open; stop that one first"
        : cause instanceof Error
          ? cause.message
          : String(error);
      throw new ProofdnsError("STORE_UNUSABLE", `cannot open the store ${folder}: ${why}`, { cause: error });
    }
    const store = new Store(db, `${folder}.signed`, identity.logKey);
    try {
      await store.#checkIdentity(folder, identity);
    } catch (error) {
      await db.close();
      throw error;
    }
    return store;
  }

  async #checkIdentity(folder: string, identity: StoreIdentity): Promise<void> {
    const wanted = JSON.stringify({ format: FORMAT, ...identity });
    const found = textOf(await this.#db.get("meta"));
    if (found === wanted) return;
    if (found === undefined) {
      for await (const _ of this.#db.keys({ limit: 1 })) throw damaged(`${folder} is no store of this program`);
      await this.#db.put("meta", encodeUtf8(wanted), { sync: true });
      return;
    }
    if ((await this.newestEpoch()) === 0) {
      // Nothing was published with what it was made for: a mistyped key of a first start must not stay for good.
      await this.#db.put("meta", encodeUtf8(wanted), { sync: true });
      return;
    }
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      `the store ${folder} was made for something else: it has ${found}, this start wants ${wanted}`,
    );
  }

  /** The newest epoch; 0 if there is none. */
  async newestEpoch(): Promise<number> {
    for await (const key of this.#db.keys({ gt: "epoch/", lt: "epoch/~", reverse: true, limit: 1 })) {
      return Number.parseInt(key.slice("epoch/".length), 16);
    }
    return 0;
  }

  /** All leaves in order. @throws ProofdnsError `STORE_UNUSABLE` if one is missing */
  async *leaves(): AsyncGenerator<string> {
    let epoch = 0;
    for await (const [key, bytes] of this.#db.iterator({ gt: "epoch/", lt: "epoch/~" })) {
      epoch++;
      if (key !== `epoch/${number16(epoch)}`) throw damaged(`the leaf of epoch ${epoch} is missing`);
      yield textOf(bytes) ?? "";
    }
  }

  /** All states. */
  async *states(): AsyncGenerator<{ path: string; stateText: string }> {
    for await (const bytes of this.#db.values({ gt: "state/", lt: "state/~" })) yield parseState(bytes);
  }

  /** States of the given index keys, in order. */
  async getStates(indexKeys: readonly Uint8Array[]): Promise<(string | undefined)[]> {
    const found = await this.#db.getMany(indexKeys.map((indexKey) => `state/${formatHex(indexKey)}`));
    return found.map((bytes) => (bytes === undefined ? undefined : parseState(bytes).stateText));
  }

  /** A hash tile as it stands now; synchronous, for readers of hashes. */
  tile(level: number, index: number): Uint8Array | undefined {
    return this.#db.getSync(tileKey(level, index));
  }

  /** All kept cosignatures, by epoch; epochs without any are left out. */
  async *allCosignatures(): AsyncGenerator<{ epoch: number; kept: KeptCosignatures[] }> {
    for await (const [key, bytes] of this.#db.iterator({ gt: "cosignatures/", lt: "cosignatures/~" })) {
      yield { epoch: Number.parseInt(key.slice("cosignatures/".length), 16), kept: parseCosignatures(bytes) };
    }
  }

  /** The epochs up to `newest` that were committed and not signed. */
  async unsignedEpochs(newest: number): Promise<number[]> {
    const signed = new Set<number>();
    for await (const key of this.#db.keys({ gt: "signature/", lt: "signature/~" })) {
      signed.add(Number.parseInt(key.slice("signature/".length), 16));
    }
    return Array.from({ length: newest }, (_, i) => i + 1).filter((epoch) => !signed.has(epoch));
  }

  async toolchain(): Promise<string> {
    return textOf(await this.#db.get("toolchain")) ?? "";
  }

  async malformed(): Promise<number> {
    const text = textOf(await this.#db.get("counters"));
    return text === undefined ? 0 : takeNumber(parseJson(text, "counters"), "malformed", "counters");
  }

  /** Writes one epoch in one synced batch. @throws ProofdnsError `STORE_UNUSABLE` if it is there already */
  async commitEpoch(batch: EpochBatch): Promise<void> {
    if ((await this.#db.get(`epoch/${number16(batch.epoch)}`)) !== undefined) {
      throw damaged(`epoch ${batch.epoch} is in it already`);
    }
    const db = this.#db.batch();
    db.put(`epoch/${number16(batch.epoch)}`, encodeUtf8(batch.leafText));
    for (const { indexKey, path, stateText } of batch.states) {
      db.put(`state/${formatHex(indexKey)}`, encodeUtf8(`${path}\n${stateText}`));
    }
    for (const { indexKey, position, entry } of batch.entries) {
      db.put(`entry/${formatHex(indexKey)}/${number8(position)}`, encodeEntry(entry));
    }
    for (const { indexKey, items } of batch.majors) {
      const key = `majors/${formatHex(indexKey)}`;
      if (items === undefined) db.del(key);
      else db.put(key, encodeUtf8(items));
    }
    for (const { level, index, data } of batch.tiles) db.put(tileKey(level, index), data);
    db.put("toolchain", encodeUtf8(batch.toolchain));
    db.put("counters", encodeUtf8(JSON.stringify({ malformed: batch.malformed })));
    const clock = await this.clock();
    db.put(
      "clock",
      encodeUtf8(JSON.stringify({ epoch: clock?.epoch ?? 0, time: clock?.time ?? 0, lastGrowth: batch.growthTime })),
    );
    await db.write({ sync: true });
  }

  /** The file that marks what was signed, beside the store's folder. */
  get markPath(): string {
    return this.#markPath;
  }

  /**
   * The newest epoch that was ever signed, as far as the store or the mark beside it knows. LevelDB passes over a damaged record of its
   * log without a word, and with it everything in the same block; the mark is a file of its own.
   */
  async newestSigned(): Promise<number> {
    let newest = (await this.#readMark())?.epoch ?? 0;
    for await (const key of this.#db.keys({ gt: "signature/", lt: "signature/~", reverse: true, limit: 1 })) {
      newest = Math.max(newest, Number.parseInt(key.slice("signature/".length), 16));
    }
    return newest;
  }

  async #readMark(): Promise<{ epoch: number } | undefined> {
    let text: string;
    try {
      text = await readFile(this.#markPath, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw damaged(`${this.#markPath} cannot be read`);
    }
    const json = parseJson(text, "mark");
    // What another key signed is another log's.
    return field(json, "logKey") === this.#logKey ? { epoch: takeNumber(json, "epoch", "mark") } : undefined;
  }

  /** Remembers, beside the database and before the signature is anywhere, that an epoch is signed. */
  async #writeMark(epoch: number): Promise<void> {
    if (epoch <= ((await this.#readMark())?.epoch ?? 0)) return;
    const file = await open(`${this.#markPath}.tmp`, "w", 0o644);
    try {
      await file.writeFile(`${JSON.stringify({ epoch, logKey: this.#logKey })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${this.#markPath}.tmp`, this.#markPath);
  }

  async putSignature(epoch: number, signature: Uint8Array): Promise<void> {
    await this.#writeMark(epoch);
    await this.#db.put(`signature/${number16(epoch)}`, signature, { sync: true });
  }

  async signature(epoch: number): Promise<Uint8Array | undefined> {
    return this.#db.get(`signature/${number16(epoch)}`);
  }

  async putCosignatures(epoch: number, kept: readonly KeptCosignatures[]): Promise<void> {
    const json = kept.map(({ first, last }) => [first, last].map(cosignatureToJson));
    await this.#db.put(`cosignatures/${number16(epoch)}`, encodeUtf8(JSON.stringify(json)), { sync: true });
  }

  async cosignatures(epoch: number): Promise<KeptCosignatures[]> {
    return parseCosignatures(await this.#db.get(`cosignatures/${number16(epoch)}`));
  }

  async clock(): Promise<ClockState | undefined> {
    const text = textOf(await this.#db.get("clock"));
    if (text === undefined) return undefined;
    const json = parseJson(text, "clock");
    const take = (field: keyof ClockState): number => takeNumber(json, field, "clock");
    return { epoch: take("epoch"), time: take("time"), lastGrowth: take("lastGrowth") };
  }

  /** Remembers what the clock is about to sign, before it signs. */
  async putClock(clock: ClockState): Promise<void> {
    await this.#db.put("clock", encodeUtf8(JSON.stringify(clock)), { sync: true });
  }

  /** Reads of this moment; the caller closes it. */
  reader(): StoreReader {
    return new StoreReader(this.#db);
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

function damaged(why: string): ProofdnsError {
  return new ProofdnsError(
    "STORE_UNUSABLE",
    `the store is damaged: ${why}; restore it from a backup, or begin a new log`,
  );
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : (decodeUtf8(bytes) ?? "");
}

function parseState(bytes: Uint8Array): { path: string; stateText: string } {
  const text = textOf(bytes) ?? "";
  const end = text.indexOf("\n");
  return { path: text.slice(0, end), stateText: text.slice(end + 1) };
}

type CosignatureJson = { keyId: number; time: number; signature: string };

function cosignatureToJson({ keyId, time, signature }: Cosignature): CosignatureJson {
  return { keyId, time, signature: formatHex(signature) };
}

function parseCosignatures(bytes: Uint8Array | undefined): KeptCosignatures[] {
  if (bytes === undefined) return [];
  const json = parseJson(textOf(bytes) ?? "", "cosignatures");
  if (!Array.isArray(json)) throw damaged("the cosignatures of an epoch are no list");
  const parse = (pair: unknown, at: number): Cosignature => {
    const item: unknown = Array.isArray(pair) ? pair[at] : undefined;
    const signature = parseHex(String(field(item, "signature")));
    if (signature?.length !== 64) throw damaged("a cosignature has no signature");
    return {
      keyId: takeNumber(item, "keyId", "cosignature"),
      time: takeNumber(item, "time", "cosignature"),
      signature,
    };
  };
  return json.map((pair) => ({ first: parse(pair, 0), last: parse(pair, 1) }));
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(`its ${what} are not readable`);
  }
}

function field(json: unknown, name: string): unknown {
  return typeof json === "object" && json !== null
    ? new Map<string, unknown>(Object.entries(json)).get(name)
    : undefined;
}

function takeNumber(json: unknown, name: string, what: string): number {
  const value = field(json, name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw damaged(`its ${what} has no ${name}`);
}

function encodeEntry(entry: VersionEntry): Uint8Array {
  const version = encodeUtf8(entry.version);
  return Buffer.concat([encodeVarint(entry.logIndex), entry.zipHash, entry.goModHash, version]);
}

function decodeEntry(bytes: Uint8Array): VersionEntry {
  const index = decodeVarint(bytes, 0);
  if (index === undefined || bytes.length < index.end + 65) throw damaged("a record of a module is cut off");
  const at = index.end;
  const version = textOf(bytes.subarray(at + 64)) ?? "";
  return {
    logIndex: index.value,
    version,
    zipHash: bytes.subarray(at, at + 32),
    goModHash: bytes.subarray(at + 32, at + 64),
  };
}
