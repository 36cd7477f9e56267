import { equalBytes } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import { ed25519Verifier as defaultEd25519, type Ed25519Verifier } from "../vindex/ed25519.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { Frontier } from "../vindex/frontier.ts";
import type { VerifierKey } from "../vindex/note.ts";
import { sha256 as defaultSha256, type Sha256 } from "../vindex/sha256.ts";
import { computeConsistencyProof, computeRoot, type HashReader } from "../vindex/tlog.ts";
import { type LargerTree, verifyPrefix } from "./fork.ts";
import { type RecordBatch, streamRecords } from "./record-stream.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "./signed-head.ts";
import type { Log, ReadOptions, SumdbSource } from "./source.ts";
import type { TileCache } from "./tile-cache.ts";
import { type TileFetch, TileReader } from "./tile-reader.ts";

/** What the follower's owner has verified and kept. */
export interface KnownTree {
  /** Size 0 and the empty root at first. */
  readonly treeHead: TreeHead;
  /** The note that signs it; undefined only at first. */
  readonly signedTreeHead: string | undefined;
  readonly frontier: Frontier;
  /** Hashes of complete subtrees of the known tree. */
  readonly readHashes: HashReader;
}

/** A larger tree that continues the known one. */
export interface SumdbUpdate {
  readonly treeHead: TreeHead;
  /** The note, reduced to exactly the one signature line of the checksum database's key. */
  readonly signedTreeHead: string;
  /**
   * Streams the records that are new, verified, in order. Only when it has ended without an error has all of it been shown
   * to be the signed tree: keep nothing for good before.
   *
   * @throws ProofdnsError `UNREACHABLE`, naming the data tile; nothing that happens here is a fork
   */
  batches(signal?: AbortSignal): AsyncGenerator<RecordBatch>;
}

export interface FollowerOptions {
  readonly verifierKey: VerifierKey;
  readonly source: SumdbSource;
  readonly tileCache?: TileCache | undefined;
  readonly log?: Log | undefined;
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519Verifier;
}

/**
 * Follows a checksum database: learns of larger signed trees, verifies that each continues the known one, and streams the
 * records in between. Holds no state: what is known is the caller's.
 */
export class SumdbFollower {
  readonly #options: FollowerOptions;
  readonly #sha256: Sha256;
  readonly #ed25519: Ed25519Verifier;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#sha256 = options.sha256 ?? defaultSha256;
    this.#ed25519 = options.ed25519 ?? defaultEd25519;
  }

  /**
   * Asks for the current tree. `undefined` says that there is nothing to do: the known tree, an older one that is a
   * prefix of it (usual behind caches), or a signed text that is no tree head of three lines, which is logged as an alarm.
   *
   * @throws ProofdnsError `SUMDB_FORK` with `evidence` (`ForkEvidence`) if the database signed a tree that neither
   *   continues nor precedes the known one; `MALFORMED_NOTE` and `BAD_SUMDB_SIGNATURE` if the answer is no note of its
   *   key; `UNREACHABLE` if it is not to be had, or its tiles do not belong to what it signed: ask again later
   */
  async poll(known: KnownTree, options: { signal?: AbortSignal | undefined } = {}): Promise<SumdbUpdate | undefined> {
    const { verifierKey, source } = this.#options;
    const knownHead = this.#checkKnown(known);
    const head = this.#verifyLatest(await source.readLatest({ signal: options.signal }));
    if (head === undefined) return undefined;
    const { treeSize } = head.treeHead;
    if (treeSize <= known.treeHead.treeSize) {
      // The larger tree is our own: whatever is wrong with the head, our hashes prove it. Of a first empty tree there is
      // no note, and nothing but the empty root passes as a head of size 0.
      if (knownHead !== undefined) {
        await verifyPrefix(head, knownHead, this.#knownTree(known), verifierKey, this.#ed25519);
      }
      return undefined;
    }
    const reader = new TileReader(head.treeHead, this.#tileFetch({ signal: options.signal }), { sha256: this.#sha256 });
    if (knownHead !== undefined) await this.#verifyContinuation(knownHead, head, reader);
    return { ...head, batches: (signal) => this.#batches(reader, known.frontier, signal) };
  }

  /** A mismatch here would be blamed on the database. */
  #checkKnown({ treeHead, signedTreeHead, frontier }: KnownTree): SignedTreeHead | undefined {
    if (frontier.treeSize !== treeHead.treeSize || !equalBytes(frontier.root(), treeHead.rootHash)) {
      throw new TypeError("the known frontier is not that of the known tree head");
    }
    if (signedTreeHead !== undefined) return { treeHead, signedTreeHead };
    if (treeHead.treeSize > 0) throw new TypeError("a known tree without its signed tree head");
    return undefined;
  }

  #verifyLatest(untrustedNote: Uint8Array): SignedTreeHead | undefined {
    const { verifierKey, log } = this.#options;
    try {
      return verifySignedTreeHead(untrustedNote, verifierKey, this.#ed25519);
    } catch (error) {
      if (!isProofdnsError(error, "MALFORMED_TREE_HEAD")) throw error;
      log?.("alarm", `${verifierKey.keyName} signed what is not used: ${error.message}`);
      return undefined;
    }
  }

  #knownTree({ treeHead, readHashes }: KnownTree): LargerTree {
    return {
      computeRootAt: async (oldSize) => computeRoot(oldSize, readHashes, this.#sha256),
      computeConsistencyProof: async (oldSize) =>
        computeConsistencyProof(oldSize, treeHead.treeSize, readHashes, this.#sha256),
    };
  }

  async #verifyContinuation(known: SignedTreeHead, head: SignedTreeHead, reader: TileReader): Promise<void> {
    try {
      await verifyPrefix(known, head, reader, this.#options.verifierKey, this.#ed25519);
    } catch (cause) {
      // Tiles that do not lead to the signed root prove nothing against its signer: caches and proxies can make them.
      if (!isProofdnsError(cause, "BAD_TILE", "MALFORMED_TILE")) throw cause;
      throw new ProofdnsError("UNREACHABLE", `cannot tell yet whether the tree continues: ${cause.message}`, { cause });
    }
  }

  #tileFetch(options: ReadOptions): TileFetch {
    return (tilePath) => this.#options.source.readTile(tilePath, options);
  }

  async *#batches(reader: TileReader, from: Frontier, signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    // Its own controller, so that a consumer that stops early also stops the tiles under way.
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      yield* streamRecords({
        reader: reader.withFetch(this.#tileFetch({ signal: controller.signal })),
        from,
        source: this.#options.source,
        tileCache: this.#options.tileCache,
        log: this.#options.log,
        sha256: this.#sha256,
        signal: controller.signal,
      });
    } catch (cause) {
      if (!isProofdnsError(cause, "BAD_TILE", "MALFORMED_TILE")) throw cause;
      throw new ProofdnsError("UNREACHABLE", `cannot verify the new records yet: ${cause.message}`, { cause });
    } finally {
      signal?.removeEventListener("abort", onAbort);
      controller.abort();
    }
  }
}
