import { encodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { Frontier } from "../vindex/frontier.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { encodeSubLogLeaf, formatRecord } from "../vindex/record.ts";
import type { Hash, Sha256 } from "../vindex/sha256.ts";
import { computeLeafHash } from "../vindex/tlog.ts";
import { damaged } from "./damage.ts";

/** Records of a page of a module's versions: a complete subtree of the module's sub-log. */
const PAGE = 256;
/** Hashes of full pages that are kept, of all modules together. */
const KEPT_PAGES = 65_536;

/** Reads records of a module's sub-log, unverified. */
export type ReadEntries = (from: number, to: number) => VersionEntry[];

/**
 * Verifies the records of modules against the peaks in their proven states. The first question about a module reads all of its
 * records once; what is remembered then is one hash for each full page, so that a later question reads its own page alone, and the last
 * page if the module has new records.
 */
export class SubLogPages {
  readonly #sha256: Sha256;
  /** By index key in latin1; the first was not used for the longest time. */
  readonly #modules = new Map<string, Hash[]>();
  #kept = 0;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /**
   * Reads and verifies records `from` … `to` − 1 of module `path`, all of one page.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if they do not give the peaks
   */
  read(
    indexKey: Uint8Array,
    path: string,
    subLog: Frontier,
    from: number,
    to: number,
    read: ReadEntries,
  ): VersionEntry[] {
    const page = Math.floor(from / PAGE);
    if (from >= to || to > subLog.treeSize || to > (page + 1) * PAGE) throw new RangeError("not records of one page");
    const id = Buffer.from(indexKey).toString("latin1");
    const full = Math.floor(subLog.treeSize / PAGE);
    let pages = this.#modules.get(id) ?? [];
    const isLast = page === full;
    let lastPage: VersionEntry[] | undefined;
    if (pages.length < full || isLast) {
      const hashes = [...pages];
      while (hashes.length < full) {
        const at = hashes.length * PAGE;
        hashes.push(this.#leaves(path, read(at, at + PAGE)).root());
      }
      lastPage = full * PAGE < subLog.treeSize ? read(full * PAGE, subLog.treeSize) : [];
      const peaks = [
        ...Frontier.empty(this.#sha256).appendAll(hashes.slice(0, full)).peaks,
        ...this.#leaves(path, lastPage).peaks,
      ];
      const isSame = peaks.every((peak, i) => equalBytes(peak, subLog.peaks[i] ?? new Uint8Array(0)));
      if (!isSame || peaks.length !== subLog.peaks.length)
        throw damaged(`the records of ${path} do not give its proven state`);
      pages = hashes;
      this.#keep(id, pages);
    }
    if (isLast && lastPage !== undefined) return lastPage.slice(from - page * PAGE, to - page * PAGE);
    const entries = read(page * PAGE, (page + 1) * PAGE);
    if (!equalBytes(this.#leaves(path, entries).root(), pages[page] as Hash)) {
      throw damaged(`the records ${page * PAGE} and on of ${path} are not those of its proven state`);
    }
    return entries.slice(from - page * PAGE, to - page * PAGE);
  }

  #leaves(path: string, entries: readonly VersionEntry[]): Frontier {
    const hashes = entries.map(({ logIndex, version, zipHash, goModHash }) => {
      const record = computeLeafHash(encodeUtf8(formatRecord(path, version, zipHash, goModHash)), this.#sha256);
      return computeLeafHash(encodeSubLogLeaf(logIndex, record), this.#sha256);
    });
    return Frontier.empty(this.#sha256).appendAll(hashes);
  }

  #keep(id: string, pages: Hash[]): void {
    this.#kept += pages.length - (this.#modules.get(id)?.length ?? 0);
    this.#modules.delete(id);
    if (pages.length > 0) this.#modules.set(id, pages);
    for (const [oldest, { length }] of this.#modules) {
      if (this.#kept <= KEPT_PAGES || oldest === id) break;
      this.#modules.delete(oldest);
      this.#kept -= length;
    }
  }
}
