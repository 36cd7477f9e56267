import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { open, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory, writeExactly, writeFileSynced } from "../store/file-bytes.ts";
import { formatDataTile } from "../sumdb/data-tile.ts";
import { SumdbFollower } from "../sumdb/follower.ts";
import { readRecordsFile } from "../sumdb/records-file.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "../sumdb/signed-head.ts";
import type { SumdbSource } from "../sumdb/source.ts";
import { DirectoryTileCache } from "../sumdb/tile-cache.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { formatTreeHead, type TreeHead } from "../vindex/checkpoint.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import { formatNote, type SignerKey, signNote, type VerifierKey } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { computeRecordHash, formatRecord } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import { DATA_LEVEL, formatTilePath, TILE_HEIGHT, TILE_WIDTH } from "../vindex/tile.ts";
import { computeEmptyRoot } from "../vindex/tlog.ts";
import { readLatest } from "./tile-folder.ts";

/** A folder of tiles and the verified head of their tree: what every build is made from. */
export interface BuildSource {
  readonly tilesFolder: string;
  readonly head: SignedTreeHead;
  /** The folder was made by `takeRecordsFile` or `takeSumdb`. */
  readonly ownsTiles?: boolean;
}

/** Told how many records have been taken over. */
export type OnRecords = (done: number, all: number | undefined) => void;

/** The tiles of a folder. @throws ProofdnsError `UNREACHABLE` without a `latest`, and what is wrong with it */
export function openTiles(folder: string, key: VerifierKey): BuildSource {
  try {
    return { tilesFolder: folder, head: verifySignedTreeHead(readLatest(folder), key, nodeEd25519()) };
  } catch (cause) {
    if (!(cause instanceof ProofdnsError) || cause.code === "UNREACHABLE") throw cause;
    throw new ProofdnsError(cause.code, `${join(folder, "latest")}: ${cause.message}`, { cause });
  }
}

/** What an earlier run has put into `folder` as a whole; undefined if there is none, or its `latest` is damaged: then it is taken over anew. */
function openOwn(folder: string, key: VerifierKey): BuildSource | undefined {
  if (!existsSync(join(folder, "latest"))) return undefined;
  try {
    return { ...openTiles(folder, key), ownsTiles: true };
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    rmSync(join(folder, "latest"), { recursive: true, force: true });
    return undefined;
  }
}

/** Writes `latest`, which says that the tiles are all there, when they are on disk. */
async function completeFolder(folder: string, note: Uint8Array): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await syncTree(folder);
  const path = join(folder, "latest");
  writeFileSynced(`${path}.tmp`, (fd) => writeExactly(fd, note, 0));
  renameSync(`${path}.tmp`, path);
  syncDirectory(folder);
}

/** Files that are synced side by side: the disk takes several at once. */
const SYNC_WIDTH = 8;

async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  for (let at = 0; at < files.length; at += SYNC_WIDTH) {
    await Promise.all(files.slice(at, at + SYNC_WIDTH).map(({ name }) => syncFile(join(folder, name))));
  }
  for (const entry of entries) if (entry.isDirectory()) await syncTree(join(folder, entry.name));
  syncDirectory(folder);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/**
 * Makes tiles in `folder` of a records file, and signs their tree with `key`. `latest` comes last: with it the folder is whole, and a later run
 * takes it as it is.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, with file and line, or if there are no records
 */
export async function takeRecordsFile(
  file: string,
  folder: string,
  key: SignerKey,
  onRecords: OnRecords,
): Promise<BuildSource> {
  const earlier = openOwn(folder, key.verifierKey);
  if (earlier === undefined) {
    let frontier = Frontier.empty(nodeSha256);
    let texts: Uint8Array[] = [];
    const flush = async (): Promise<void> => {
      if (texts.length === 0) return;
      const index = Math.floor(frontier.treeSize / TILE_WIDTH);
      const hashes: Hash[] = texts.map((text) => computeRecordHash(text, nodeSha256));
      await writeTile(folder, index, texts);
      frontier = frontier.appendAll(hashes);
      texts = [];
      onRecords(frontier.treeSize, undefined);
    };
    for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(file)) {
      texts.push(encodeUtf8(formatRecord(modulePath, version, zipHash, goModHash)));
      if (texts.length === TILE_WIDTH) await flush();
    }
    await flush();
    const { treeSize } = frontier;
    if (treeSize === 0) throw new ProofdnsError("MALFORMED_INPUT", `${file} has no records: there is nothing to build`);
    const treeHead: TreeHead = { treeSize, rootHash: frontier.root() };
    const text = formatTreeHead(treeHead);
    await completeFolder(folder, encodeUtf8(formatNote(text, [signNote(text, key, nodeEd25519())])));
  }
  return earlier ?? { ...openTiles(folder, key.verifierKey), ownsTiles: true };
}

/**
 * Fetches the tiles of a checksum database into `folder`, each verified against the signed tree as it comes. What an earlier run has fetched is
 * not fetched again. `latest` comes last.
 *
 * @throws ProofdnsError `UNREACHABLE`, and what the follower throws
 */
export async function takeSumdb(
  source: SumdbSource,
  folder: string,
  key: VerifierKey,
  onRecords: OnRecords,
): Promise<BuildSource> {
  const earlier = openOwn(folder, key);
  if (earlier === undefined) {
    const follower = new SumdbFollower({
      verifierKey: key,
      source,
      tileCache: new DirectoryTileCache(folder),
      sha256: nodeSha256,
      ed25519: nodeEd25519(),
    });
    const update = await follower.poll({
      treeHead: { treeSize: 0, rootHash: computeEmptyRoot(nodeSha256) },
      signedTreeHead: undefined,
      frontier: Frontier.empty(nodeSha256),
      readHashes: () => [],
    });
    if (update === undefined) throw new ProofdnsError("UNREACHABLE", "the checksum database has no records yet");
    const { treeSize } = update.treeHead;
    for await (const { firstIndex, texts } of update.batches()) {
      // The cache keeps full tiles only, and may have failed to.
      const index = firstIndex / TILE_WIDTH;
      if (texts.length < TILE_WIDTH || !existsSync(tilePath(folder, index, TILE_WIDTH)))
        await writeTile(folder, index, texts);
      onRecords(firstIndex + texts.length, treeSize);
    }
    await completeFolder(folder, encodeUtf8(update.signedTreeHead));
  }
  return earlier ?? { ...openTiles(folder, key), ownsTiles: true };
}

function tilePath(folder: string, index: number, width: number): string {
  return join(folder, formatTilePath({ height: TILE_HEIGHT, level: DATA_LEVEL, index, width }));
}

async function writeTile(folder: string, index: number, texts: readonly Uint8Array[]): Promise<void> {
  const path = tilePath(folder, index, texts.length);
  mkdirSync(dirname(path), { recursive: true });
  await writeFile(path, formatDataTile(texts));
}
