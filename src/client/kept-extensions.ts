import { formatBase64, parseBase64 } from "../vindex/base64.ts";
import { concatBytes, equalBytes, formatHex } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { ProofFolder } from "./proof-folder.ts";
import { isTrueExtension, type SumdbExtension } from "./sumdb-extension.ts";

/** Most extensions that are followed from one tree: whoever fills the folder makes nobody wait. */
const MAX_FOLLOWED = 2000;

const FILE = /^s([1-9][0-9]{0,15})\.([1-9][0-9]{0,15})\.[0-9a-f]{32}\.sumdb$/;

/** What a file's name says: nothing of it is proven. */
interface Named {
  readonly name: string;
  readonly older: number;
  readonly newer: number;
}

/** Named extensions by the size of the older tree, those to the largest first. */
type Index = ReadonlyMap<number, readonly Named[]>;

/**
 * Kept extensions of the checksum database (spec/client.md §10). A file has three lines of base64: both roots, and the payload; its name has the
 * sizes. Whoever put it there: what it says is true or false by itself.
 */
export class KeptExtensions {
  readonly #files: ProofFolder;
  readonly #sha256: Sha256;
  readonly #now: () => number;
  #index: Promise<Index> | undefined;
  /** The two trees of each file that was read, if it holds. */
  readonly #known = new Map<string, Promise<Omit<SumdbExtension, "payload"> | undefined>>();
  /** What a tree is shown to be a part of, with itself. */
  readonly #continuations = new Map<string, Promise<ReadonlySet<string>>>();

  constructor(files: ProofFolder, sha256: Sha256, now: () => number) {
    this.#files = files;
    this.#sha256 = sha256;
    this.#now = now;
  }

  /** @throws whatever the file system does */
  async write(extension: SumdbExtension): Promise<void> {
    const { older, newer, payload } = extension;
    const lines = [older.rootHash, newer.rootHash, payload].map((bytes) => `${formatBase64(bytes)}\n`);
    const name = this.#nameOf(older, newer);
    await this.#files.replace(name, lines.join(""), this.#now());
    this.#index = undefined;
    this.#known.delete(name);
    this.#continuations.clear();
  }

  /** True if both trees are shown to be parts of one. */
  async areOneTree(a: TreeHead, b: TreeHead): Promise<boolean> {
    if (await this.#areNear(a, b)) return true;
    const [ofA, ofB] = [await this.#continuationsOf(a), await this.#continuationsOf(b)];
    return [...ofA].some((id) => ofB.has(id));
  }

  /** True if one step from each at most leads to one tree: what most pairs need, however many extensions there are. */
  async #areNear(a: TreeHead, b: TreeHead): Promise<boolean> {
    const index = await this.#named();
    const [ofA, ofB] = [a, b].map(({ treeSize }) => index.get(treeSize) ?? []);
    const [fromA, fromB] = [stepsTo(ofA, b, ofB), stepsTo(ofB, a, ofA)];
    const [nearA, nearB] = [await this.#step(a, fromA), await this.#step(b, fromB)];
    const ids = new Set([a, ...nearA].map(idOf));
    return [b, ...nearB].some((tree) => ids.has(idOf(tree)));
  }

  #continuationsOf(tree: TreeHead): Promise<ReadonlySet<string>> {
    const id = idOf(tree);
    const known = this.#continuations.get(id);
    if (known !== undefined) return known;
    const made = this.#follow(tree);
    this.#continuations.set(id, made);
    return made;
  }

  async #follow(from: TreeHead): Promise<ReadonlySet<string>> {
    const index = await this.#named();
    const found = new Map([[idOf(from), from]]);
    let left = MAX_FOLLOWED;
    // What is set meanwhile is gone through, too.
    for (const tree of found.values()) {
      const next = (index.get(tree.treeSize) ?? []).slice(0, left);
      left -= next.length;
      for (const newer of await this.#step(tree, next)) found.set(idOf(newer), newer);
      if (left === 0) break;
    }
    return new Set(found.keys());
  }

  /** The newer trees of those that hold, and are of this very tree. */
  async #step({ rootHash }: TreeHead, named: readonly Named[]): Promise<TreeHead[]> {
    const trees: TreeHead[] = [];
    for (const one of named) {
      const known = this.#known.get(one.name) ?? this.#read(one);
      this.#known.set(one.name, known);
      const extension = await known;
      if (extension !== undefined && equalBytes(extension.older.rootHash, rootHash)) trees.push(extension.newer);
    }
    return trees;
  }

  #named(): Promise<Index> {
    this.#index ??= this.#files.names().then((names) => {
      const index = new Map<number, Named[]>();
      for (const name of names) {
        const [older = Number.NaN, newer = Number.NaN] = FILE.exec(name)?.slice(1).map(Number) ?? [];
        // No tree is so large that its size is no exact number, and proofs of such sizes are not to be computed.
        if (!Number.isSafeInteger(newer) || !(older < newer)) continue;
        const same = index.get(older);
        if (same === undefined) index.set(older, [{ name, older, newer }]);
        else same.push({ name, older, newer });
      }
      for (const same of index.values()) same.sort((a, b) => b.newer - a.newer);
      return index;
    });
    return this.#index;
  }

  /** One that holds. */
  async #read({ name, older, newer }: Named): Promise<Omit<SumdbExtension, "payload"> | undefined> {
    const file = await this.#files.read(name);
    const lines = file?.text.split("\n", 5) ?? [];
    const [oldRoot, newRoot, payload] = lines.map((line) => parseBase64(line));
    if (oldRoot === undefined || newRoot === undefined || payload === undefined) return undefined;
    if (lines.length !== 4 || lines[3] !== "") return undefined;
    const trees = {
      older: { treeSize: older, rootHash: oldRoot },
      newer: { treeSize: newer, rootHash: newRoot },
    };
    const isOwn = oldRoot.length === 32 && newRoot.length === 32 && name === this.#nameOf(trees.older, trees.newer);
    if (!isOwn || !isTrueExtension({ ...trees, payload }, this.#sha256)) return undefined;
    void this.#files.use(name, file?.time ?? 0);
    return trees;
  }

  #nameOf(older: TreeHead, newer: TreeHead): string {
    const id = formatHex(this.#sha256(concatBytes(older.rootHash, newer.rootHash))).slice(0, 32);
    return `s${older.treeSize}.${newer.treeSize}.${id}.sumdb`;
  }
}

/** Of the extensions from one tree those to the size of another, or to a size that one from the other leads to. */
function stepsTo(own: readonly Named[] = [], other: TreeHead, others: readonly Named[] = []): readonly Named[] {
  const sizes = new Set([other.treeSize, ...others.map(({ newer }) => newer)]);
  return own.filter(({ newer }) => sizes.has(newer)).slice(0, MAX_FOLLOWED);
}

function idOf({ treeSize, rootHash }: TreeHead): string {
  return `${treeSize} ${formatHex(rootHash)}`;
}
