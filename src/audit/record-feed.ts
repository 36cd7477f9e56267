import { verifyPrefix } from "../sumdb/fork.ts";
import { type RecordBatch, streamRecords } from "../sumdb/record-stream.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "../sumdb/signed-head.ts";
import type { Log, SumdbSource } from "../sumdb/source.ts";
import { TileReader } from "../sumdb/tile-reader.ts";
import { equalBytes } from "../vindex/bytes.ts";
import type { Ed25519Verifier } from "../vindex/ed25519.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { Frontier } from "../vindex/frontier.ts";
import type { VerifierKey } from "../vindex/note.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";

/** What a `RecordFeed` needs. */
export interface RecordFeedOptions {
  readonly sumdbKey: VerifierKey;
  readonly source: SumdbSource;
  readonly sha256: Sha256;
  readonly ed25519: Ed25519Verifier;
  readonly log?: Log;
  readonly signal?: AbortSignal;
}

/**
 * All records of a checksum database in order, verified against its own newest signed tree head, in portions that end at the sizes
 * asked for.
 */
export class RecordFeed {
  readonly #o: RecordFeedOptions;
  #frontier: Frontier;
  #head: (SignedTreeHead & { reader: TileReader }) | undefined;
  #stream: AsyncGenerator<RecordBatch> | undefined;
  /** What of the last batch lies beyond the portion before. */
  #rest: RecordBatch | undefined;
  #bytes = 0;

  constructor(options: RecordFeedOptions) {
    this.#o = options;
    this.#frontier = Frontier.empty(options.sha256);
  }

  /** The tree of all records that were given out. */
  get frontier(): Frontier {
    return this.#frontier;
  }

  /** Bytes of all records that were given out. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The records from where the last portion ended up to a signed tree head of the same database. When it has ended they are shown to
   * be those of that tree.
   *
   * @throws ProofdnsError `SUMDB_FORK` with evidence if the database signed two trees of which neither continues the other;
   *   `UNREACHABLE` if records are not to be had, or the database shows no tree that reaches so far
   */
  async *read(to: SignedTreeHead): AsyncGenerator<RecordBatch> {
    const { treeSize } = to.treeHead;
    while (this.#frontier.treeSize < treeSize) {
      const batch = await this.#next(treeSize);
      const count = Math.min(batch.texts.length, treeSize - batch.firstIndex);
      const [portion, rest] = split(batch, count);
      this.#rest = rest;
      this.#frontier = this.#frontier.appendAll(portion.recordHashes as Hash[]);
      for (const text of portion.texts) this.#bytes += text.length;
      yield portion;
    }
    await this.#checkHead(to);
  }

  async #checkHead(to: SignedTreeHead): Promise<void> {
    if (this.#frontier.treeSize === to.treeHead.treeSize && equalBytes(this.#frontier.root(), to.treeHead.rootHash))
      return;
    const { sumdbKey, ed25519 } = this.#o;
    const head = this.#head;
    if (head === undefined || this.#frontier.treeSize !== to.treeHead.treeSize)
      throw new TypeError("a portion that ends before it begins");
    await verifyPrefix(to, head, head.reader, sumdbKey, ed25519);
    throw new ProofdnsError("UNREACHABLE", "the records read are not those of the signed tree; try again");
  }

  async #next(size: number): Promise<RecordBatch> {
    const rest = this.#rest;
    if (rest !== undefined) return rest;
    for (let isFirst = true; ; isFirst = false) {
      this.#stream ??= await this.#open(size);
      const stream = this.#stream;
      // What fails is streamed anew by the next call, from where this one has come to.
      this.#stream = undefined;
      const next = await stream.next();
      if (next.done !== true) {
        this.#stream = stream;
        return next.value;
      }
      if (!isFirst) throw new ProofdnsError("UNREACHABLE", "the records end before their signed tree does");
    }
  }

  /** Streams on from the frontier, up to the newest signed tree, which continues the one before. */
  async #open(size: number): Promise<AsyncGenerator<RecordBatch>> {
    const { source, sumdbKey, sha256, ed25519, signal = new AbortController().signal, log } = this.#o;
    const signed = verifySignedTreeHead(await source.readLatest({ signal }), sumdbKey, ed25519);
    if (signed.treeHead.treeSize < size) {
      throw new ProofdnsError(
        "UNREACHABLE",
        `${sumdbKey.keyName} shows a tree of size ${signed.treeHead.treeSize}, the log covers ${size} records; try again later`,
      );
    }
    const reader = new TileReader(signed.treeHead, (path) => source.readTile(path, { signal }), { sha256 });
    const before = this.#head;
    if (before !== undefined) {
      try {
        await verifyPrefix(before, signed, reader, sumdbKey, ed25519);
      } catch (cause) {
        if (!isProofdnsError(cause, "BAD_TILE", "MALFORMED_TILE")) throw cause;
        throw new ProofdnsError("UNREACHABLE", `cannot tell whether the tree continues: ${cause.message}`, { cause });
      }
    }
    this.#head = { ...signed, reader };
    return streamRecords({ reader, from: this.#frontier, source, log, sha256, signal });
  }
}

function split(batch: RecordBatch, count: number): [RecordBatch, RecordBatch | undefined] {
  if (count === batch.texts.length) return [batch, undefined];
  const part = (from: number, to?: number): RecordBatch => ({
    firstIndex: batch.firstIndex + from,
    texts: batch.texts.slice(from, to),
    recordHashes: batch.recordHashes.slice(from, to),
  });
  return [part(0, count), part(count)];
}
