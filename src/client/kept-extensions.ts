import { formatBase64, parseBase64 } from "../vindex/base64.ts";
import { concatBytes, equalBytes, formatHex } from "../vindex/bytes.ts";
import type { TreeHead } from "../vindex/checkpoint.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { ProofFolder } from "./proof-folder.ts";
import { isTrueExtension, type SumdbExtension } from "./sumdb-extension.ts";

/** Most extensions that are read from one tree, those to the largest first, and most trees that are gone through. */
const MAX_FROM_ONE = 16;
const MAX_TREES = 64;

const FILE = /^s([1-9][0-9]{0,15})\.([1-9][0-9]{0,15})\.[0-9a-f]{32}\.sumdb$/;

/**
 * Kept extensions of the checksum database (spec/client.md §10). A file has three lines of base64: both roots, and the payload; its name has the
 * sizes. Whoever put it there: what it says is true or false by itself.
 */
export class KeptExtensions {
  readonly #files: ProofFolder;
  readonly #sha256: Sha256;
  readonly #now: () => number;
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
    await this.#files.replace(this.#nameOf(older, newer), lines.join(""), this.#now());
    this.#continuations.clear();
  }

  /** True if both trees are shown to be parts of one. */
  async areOneTree(a: TreeHead, b: TreeHead): Promise<boolean> {
    const [ofA, ofB] = [await this.#continuationsOf(a), await this.#continuationsOf(b)];
    return [...ofA].some((id) => ofB.has(id));
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
    const names = (await this.#files.names()).flatMap((name) => {
      const [, older, newer] = FILE.exec(name) ?? [];
      return newer === undefined ? [] : [{ name, older: Number(older), newer: Number(newer) }];
    });
    const found = new Set([idOf(from)]);
    const queue = [from];
    for (let tree = queue.shift(); tree !== undefined && found.size < MAX_TREES; tree = queue.shift()) {
      const { treeSize, rootHash } = tree;
      const next = names.filter(({ older, newer }) => older === treeSize && newer > treeSize);
      next.sort((a, b) => b.newer - a.newer);
      for (const { name, newer } of next.slice(0, MAX_FROM_ONE)) {
        const extension = await this.#read(name, treeSize, newer);
        if (extension === undefined || !equalBytes(extension.older.rootHash, rootHash)) continue;
        const id = idOf(extension.newer);
        if (!found.has(id)) queue.push(extension.newer);
        found.add(id);
      }
    }
    return found;
  }

  /** One that holds. */
  async #read(name: string, oldSize: number, newSize: number): Promise<SumdbExtension | undefined> {
    const file = await this.#files.read(name);
    const lines = file?.text.split("\n", 5) ?? [];
    const [oldRoot, newRoot, payload] = lines.map((line) => parseBase64(line));
    if (oldRoot === undefined || newRoot === undefined || payload === undefined) return undefined;
    if (lines.length !== 4 || lines[3] !== "") return undefined;
    const older = { treeSize: oldSize, rootHash: oldRoot };
    const extension = { older, newer: { treeSize: newSize, rootHash: newRoot }, payload };
    const isOwn = oldRoot.length === 32 && newRoot.length === 32 && name === this.#nameOf(older, extension.newer);
    if (!isOwn || !isTrueExtension(extension, this.#sha256)) return undefined;
    void this.#files.use(name, file?.time ?? 0);
    return extension;
  }

  #nameOf(older: TreeHead, newer: TreeHead): string {
    const id = formatHex(this.#sha256(concatBytes(older.rootHash, newer.rootHash))).slice(0, 32);
    return `s${older.treeSize}.${newer.treeSize}.${id}.sumdb`;
  }
}

function idOf({ treeSize, rootHash }: TreeHead): string {
  return `${treeSize} ${formatHex(rootHash)}`;
}
