import type { KnownTree } from "../../src/sumdb/follower.ts";
import { RecordLog } from "../../src/sumdb/record-log.ts";
import { type Reply, SumdbServer } from "../../src/sumdb/server.ts";
import type { ReadOptions, SumdbSource } from "../../src/sumdb/source.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatTreeHead, type TreeHead } from "../../src/vindex/checkpoint.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { formatNote, KEY_TYPE_ED25519, makeSignerKey, type SignerKey, signNote } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { parseTilePath } from "../../src/vindex/tile.ts";

/** Where reference data of other projects lies, if it does. */
export const { PROOFDNS_TESTDATA: testData } = process.env;
/** Options of a test that reads it. */
export const needsTestData: { skip: string | false } = {
  skip: testData === undefined ? "PROOFDNS_TESTDATA is not set" : false,
};

export const ed25519 = nodeEd25519();

export function makeKey(seed: number, keyName = "sumdb.example.org"): SignerKey {
  return makeSignerKey(keyName, KEY_TYPE_ED25519, new Uint8Array(32).fill(seed), ed25519);
}

/** The text of record `i` of a log; another `fork` is another log. */
export function recordText(i: number, fork = ""): Uint8Array {
  const zipHash = nodeSha256(encodeUtf8(`zip ${i} ${fork}`));
  const goModHash = nodeSha256(encodeUtf8(`mod ${i} ${fork}`));
  return encodeUtf8(formatRecord(`example.com/m${i % 7}`, `v1.${i}.0`, zipHash, goModHash));
}

/** The texts of `count` records, which differ from the unforked ones from `forkAt` on. */
export function recordTexts(count: number, forkAt: number = count, fork = "fork"): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => recordText(i, i < forkAt ? "" : fork));
}

export function makeLog(texts: readonly Uint8Array[]): RecordLog {
  const log = new RecordLog(nodeSha256);
  for (const text of texts) log.append(text);
  return log;
}

export function makeServer(texts: readonly Uint8Array[], key: SignerKey, size?: number): SumdbServer {
  return new SumdbServer({ signerKey: key, records: texts, size, sha256: nodeSha256, ed25519 });
}

export function signHead(treeHead: TreeHead, key: SignerKey): string {
  return signText(formatTreeHead(treeHead), key);
}

export function signText(text: string, key: SignerKey): string {
  return formatNote(text, [signNote(text, key, ed25519)]);
}

/** What one who has followed `log` to `treeSize` knows. */
export function knowTree(log: RecordLog, treeSize: number, key: SignerKey): KnownTree {
  const treeHead = log.treeHead(treeSize);
  return {
    treeHead,
    signedTreeHead: treeSize === 0 ? undefined : signHead(treeHead, key),
    frontier: log.frontier(treeSize),
    readHashes: log.readHashes,
  };
}

export const nothing: KnownTree = {
  treeHead: { treeSize: 0, rootHash: Frontier.empty().root() },
  signedTreeHead: undefined,
  frontier: Frontier.empty(nodeSha256),
  readHashes: () => {
    throw new Error("nothing is known");
  },
};

/** The bytes of a hash tile of any height of `log` at `treeSize`; undefined if it is not in the tree. */
export function hashTile(log: RecordLog, treeSize: number, tilePath: string): Uint8Array | undefined {
  const { height, level, index, width } = parseTilePath(tilePath);
  const first = index * 2 ** height;
  if (first + width > Math.floor(treeSize / 2 ** (height * level))) return undefined;
  return log.hashes(height * level, first, width).slice();
}

/** A source without a socket, over `SumdbServer.respond`; `change` may tell lies about single requests. */
export class ServerSource implements SumdbSource {
  readonly requests: string[] = [];
  server: SumdbServer;
  change: (target: string, reply: Reply, options: ReadOptions) => Reply | undefined | Promise<Reply | undefined>;

  constructor(server: SumdbServer, change: ServerSource["change"] = () => undefined) {
    this.server = server;
    this.change = change;
  }

  async readLatest(options: ReadOptions = {}): Promise<Uint8Array> {
    return (await this.#ask("/latest", options)) as Uint8Array;
  }

  readTile(tilePath: string, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return this.#ask(`/${tilePath}`, options);
  }

  readLookup(modulePath: string, version: string, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return this.#ask(`/lookup/${modulePath}@${version}`, options);
  }

  async #ask(target: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    options.signal?.throwIfAborted();
    this.requests.push(target);
    const honest = this.server.respond("GET", target);
    const { status, body } = (await this.change(target, honest, options)) ?? honest;
    if (status === 404) return undefined;
    if (status !== 200) throw new ProofdnsError("UNREACHABLE", `cannot read ${target}: HTTP status ${status}`);
    return body;
  }
}

/** A reply with another body. */
export function withBody(reply: Reply, body: Uint8Array): Reply {
  return { ...reply, status: 200, body };
}

/** A copy with one bit flipped. */
export function flipBit(bytes: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(bytes);
  out[at] = (out[at] as number) ^ 1;
  return out;
}

/** Bytes as a latin1 string, for comparisons that print well. */
export function toLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
