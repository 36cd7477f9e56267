import { decodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { FlatTree } from "../vindex/flat-tree.ts";
import { type ModuleState, parseModuleState } from "../vindex/module-state.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { HashReader } from "../vindex/tlog.ts";
import { committedHash, hasHash, isMajorsValue, verifyText, withoutHash } from "./committed.ts";
import { damaged } from "./damage.ts";
import type { HashFiles } from "./hash-files.ts";
import type { KeptCosignatures } from "./records.ts";
import type { StoreSnapshot } from "./store.ts";
import type { SubLogPages } from "./sub-log-pages.ts";

/** What the answers of one epoch read from disk. */
export interface StoreReaderOptions {
  /** Reads of the epoch's moment; closed with the reader. */
  readonly snapshot: StoreSnapshot;
  /** The epoch's tree: what everything is compared with. */
  readonly tree: FlatTree;
  /** Undefined where no record hashes are kept. */
  readonly hashes: HashFiles | undefined;
  readonly pages: SubLogPages;
  readonly sha256: Sha256;
  /** Called when something stored is not what was signed; the question that found it fails. */
  readonly onDamage?: (error: ProofdnsError) => void;
}

/**
 * Reads for one served epoch. Synchronous: a reply is made in one go. Nothing leaves it that was not compared with the epoch's tree, or
 * with the signed root of the checksum database: what does not fit is an error, never an answer.
 */
export class StoreReader {
  readonly #o: StoreReaderOptions;
  /** The module that was asked for last: its page follows its state. */
  #last: { indexKey: Uint8Array; path: string; state: ModuleState } | undefined;

  constructor(options: StoreReaderOptions) {
    this.#o = options;
  }

  /**
   * Path and state of the module with this index key; undefined if the key is no module's.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if the stored state is not the one that the value commits to
   */
  state(indexKey: Uint8Array): { path: string; stateText: string } | undefined {
    const { tree, snapshot, sha256 } = this.#o;
    const value = tree.get(indexKey);
    const text = value === undefined ? "" : (decodeUtf8(value) ?? "");
    const hash = isMajorsValue(text) ? undefined : committedHash(text);
    if (hash === undefined) return undefined;
    return this.#watch(() => {
      const found = snapshot.state(indexKey);
      if (found === undefined) throw damaged("the state of a module is missing");
      if (!equalBytes(computeIndexKey(found.path, sha256), indexKey))
        throw damaged("a state stands under another module's key");
      verifyText(found.stateText, hash, `the state of ${found.path}`);
      return { path: found.path, stateText: found.stateText };
    });
  }

  /**
   * The uncut items of a family; undefined if its value holds all of them, or the key is no family's.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if they are not the ones that the value commits to
   */
  majors(indexKey: Uint8Array): string | undefined {
    const { tree, snapshot } = this.#o;
    const value = tree.get(indexKey);
    const text = value === undefined ? "" : (decodeUtf8(value) ?? "");
    const hash = isMajorsValue(text) ? committedHash(text) : undefined;
    if (hash === undefined) return undefined;
    if (hasHash(withoutHash(text), hash)) return undefined;
    return this.#watch(() => {
      const items = snapshot.majors(indexKey);
      if (items === undefined) throw damaged("the items of a family are missing");
      verifyText(items, hash, "the items of a family");
      return items;
    });
  }

  /**
   * Records `from` … `to` − 1 of a module's sub-log, all of one page of 256.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if they do not give the proven state
   */
  entries(indexKey: Uint8Array, from: number, to: number): VersionEntry[] {
    const { path, state } = this.#module(indexKey);
    const { snapshot, pages } = this.#o;
    return this.#watch(() =>
      pages.read(indexKey, path, state.subLog, from, to, (first, end) => snapshot.entries(indexKey, first, end)),
    );
  }

  #module(indexKey: Uint8Array): { path: string; state: ModuleState } {
    if (this.#last !== undefined && equalBytes(this.#last.indexKey, indexKey)) return this.#last;
    const found = this.state(indexKey);
    if (found === undefined) throw new RangeError("no module has this index key");
    const state = parseModuleState(found.stateText, found.path, this.#o.sha256);
    this.#last = { indexKey: indexKey.slice(), path: found.path, state };
    return this.#last;
  }

  /** Hashes of the checksum database's tree. @throws ProofdnsError `STORE_UNUSABLE` if they are not those of the signed tree */
  get readHashes(): HashReader {
    return (subtrees) =>
      this.#watch(() => {
        const { hashes } = this.#o;
        if (hashes === undefined) throw new ProofdnsError("NO_ANSWER", "this server keeps no record proofs");
        return hashes.readHashes(subtrees);
      });
  }

  leafText(epoch: number): string | undefined {
    return this.#watch(() => this.#o.snapshot.leafText(epoch));
  }

  signature(epoch: number): Uint8Array | undefined {
    return this.#watch(() => this.#o.snapshot.signature(epoch));
  }

  cosignatures(epoch: number): KeptCosignatures[] {
    return this.#watch(() => this.#o.snapshot.cosignatures(epoch));
  }

  async close(): Promise<void> {
    await this.#o.snapshot.close();
  }

  #watch<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      // An error of the file system, such as EIO, is none of this program's yet.
      const known = isProofdnsError(error) || error instanceof RangeError || error instanceof TypeError;
      const told = known
        ? error
        : new ProofdnsError("STORE_UNUSABLE", `cannot read the store: ${String(error)}`, { cause: error });
      if (isProofdnsError(told, "STORE_UNUSABLE")) this.#o.onDamage?.(told);
      throw told;
    }
  }
}
