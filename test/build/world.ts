import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BuildOptions, type BuildReport, buildIndex } from "../../src/build/build.ts";
import { openTiles } from "../../src/build/sources.ts";
import { formatDataTile } from "../../src/sumdb/data-tile.ts";
import { RecordLog } from "../../src/sumdb/record-log.ts";
import { encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { foldWindow, type IndexedRecord, type MapAfter } from "../../src/vindex/map-function.ts";
import { formatNote, KEY_TYPE_ED25519, makeSignerKey, signNote } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { formatRecord, parseRecord } from "../../src/vindex/record.ts";
import { formatTilePath } from "../../src/vindex/tile.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { makeRandom } from "../service/world.ts";

export const ed25519 = nodeEd25519();
export const sumdbKey = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, new Uint8Array(32).fill(3), ed25519);
export const MIB = 2 ** 20;

export const makeFolder = (name: string): string => mkdtempSync(join(tmpdir(), `proofdns-${name}-`));

/** Writes records as a folder of data tiles, with hash tiles if asked for. */
export function writeTiles(folder: string, records: readonly Uint8Array[], hashTiles = false): void {
  const log = new RecordLog(nodeSha256);
  for (const text of records) log.append(text);
  const put = (level: number, index: number, width: number, bytes: Uint8Array): void => {
    const path = join(folder, formatTilePath({ height: 8, level, index, width }));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  };
  for (let at = 0; at < records.length; at += 256) {
    const texts = records.slice(at, at + 256);
    put(-1, at / 256, texts.length, formatDataTile(texts));
  }
  if (hashTiles) {
    for (let level = 0, size = records.length; size > 0; level++, size = Math.floor(size / 256)) {
      for (let at = 0; at < size; at += 256) {
        const width = Math.min(256, size - at);
        put(level, at / 256, width, log.hashes(8 * level, at, width));
      }
    }
  }
  mkdirSync(folder, { recursive: true });
  const text = formatTreeHead(log.treeHead(records.length));
  writeFileSync(join(folder, "latest"), formatNote(text, [signNote(text, sumdbKey, ed25519)]));
}

/** Builds with defaults for small logs. */
export function build(folder: string, tiles: string, options: Partial<BuildOptions> = {}): Promise<BuildReport> {
  return buildIndex({
    folder,
    ...openTiles(tiles, sumdbKey.verifierKey),
    sumdbKey: sumdbKey.verifierKey,
    workers: 0,
    memory: 512 * MIB,
    now: 1_700_000_000,
    ...options,
  });
}

/** What the map function itself makes of the records, all in one window. */
export function computeReference(records: readonly Uint8Array[]): MapAfter & { mapRoot: string; malformed: number } {
  const indexed: IndexedRecord[] = [];
  for (const [logIndex, text] of records.entries()) {
    const record = parseRecord(text);
    if (record !== undefined) indexed.push({ record, logIndex, recordHash: computeLeafHash(text, nodeSha256) });
  }
  const after = foldWindow({ state: () => undefined, family: () => [], toolchain: [] }, indexed, nodeSha256);
  const mapRoot = formatHex(PrefixTree.empty(nodeSha256).update(after.changes).rootHash());
  return { ...after, mapRoot, malformed: records.length - indexed.length };
}

/** Bytes of all large files of an index. */
export function readFiles(folder: string, names: readonly string[]): Map<string, Buffer> {
  return new Map(names.map((name) => [name, readFileSync(join(folder, "files", name))]));
}

const PATHS = [
  "example.com/a",
  "example.com/a/v2",
  "example.com/a/v3",
  "example.com/a/v2/v3",
  "example.com/orphan/v7",
  "example.com/big/v123456789012345678901",
  "example.com/big/v12345678901234567890",
  "gopkg.in/x.v0",
  "gopkg.in/x.v1",
  "gopkg.in/x.v2",
  "gopkg.in/x.v2-unstable",
  "gopkg.in/u/y.v3",
  "golang.org/toolchain",
  "example.org/Tilde~x/y",
  "example.org/com1x/con1",
  "a.b",
  "example.net/majors",
  "example.net/many",
  "example.net/one",
] as const;

const PRES = [
  "rc.1",
  "rc.2",
  "rc.10",
  "rc.1.x",
  "alpha",
  "0",
  "1",
  "a-b",
  "x.0.20200101000000-abcdefabcdef",
  "0.20210101000000-abc",
];

/** Records of every kind, among them malformed ones, repetitions, huge numbers and hostile ones; for all rules of the map function. */
export function makeOddRecords(seed: number, count: number): Uint8Array[] {
  const random = makeRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const hashOf = (text: string): Uint8Array => nodeSha256(encodeUtf8(text));
  const synthetic = (path: string): Uint8Array =>
    hashOf(`${Buffer.from(hashOf(`module ${path}\n`)).toString("hex")}  go.mod\n`);
  const major = (path: string): string => {
    const suffix = /[/.]v([0-9]+)(?:-unstable)?$/.exec(path)?.[1];
    if (suffix !== undefined) return random() < 0.9 ? suffix : pick(["0", "1", "2"]);
    if (path === "example.net/majors") return String(below(40));
    if (path === "example.net/many") return String(below(200));
    return pick(["0", "0", "1", "1", "2", "9007199254740993"]);
  };
  const number = (): string =>
    pick(["0", "1", "2", "7", "10", "999999999", "1000000000", "18446744073709551616", String(below(30))]);
  const stamp = (): string => `20${10 + below(15)}0${1 + below(9)}01000000`;
  const makeVersion = (path: string): string => {
    if (path === "golang.org/toolchain") {
      const go = pick([
        "go1.21",
        "go1.21.0",
        "go1.22.3",
        "go1.22rc1",
        "go1.23beta2",
        "go1.22.3",
        "go1.023",
        "go1.24rc0",
      ]);
      return `v0.0.1-${go}.${pick(["linux-amd64", "darwin-arm64", "Linux-amd64"])}`;
    }
    const m = major(path);
    const tail = Number(m) > 1 && !/[/.]v[0-9]+(-unstable)?$/.test(path) ? "+incompatible" : "";
    const kind = random();
    if (kind < 0.25) return `v${m}.0.0-${stamp()}-${pick(["abcdefabcdef", "000000000000", "A1"])}${tail}`;
    const core = `v${m}.${number()}.${number()}`;
    if (kind < 0.35) return `${core}-0.${stamp()}-abcdefabcdef${tail}`;
    if (kind < 0.5) return `${core}-${pick(PRES)}${tail}`;
    return core + tail;
  };
  const records: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const path = random() < 0.7 ? pick(PATHS) : `example.com/m${below(count / 4)}${pick(["", "", "/v2", "/v4"])}`;
    const version = makeVersion(path);
    const goMod = random() < 0.4 ? synthetic(path) : hashOf(`mod ${below(3)}`);
    let text: Uint8Array = encodeUtf8(formatRecord(path, version, hashOf(`zip ${i}`), goMod));
    const odd = random();
    if (odd < 0.02) text = encodeUtf8(pick(["x\n", "\u00ff\n", " \n", "a b\nc d\n"]));
    else if (odd < 0.06) {
      // One byte changed, anywhere: most of them are malformed, some are other records.
      text = text.slice();
      text[below(text.length - 1)] = pick([0x20, 0x2d, 0x2e, 0x2f, 0x30, 0x41, 0x7e, 0xff, 0x76]);
    } else if (odd < 0.1 && records.length > 0) text = pick(records);
    records.push(text);
  }
  return records;
}
