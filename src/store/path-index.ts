import { encodePathName } from "../dns/module-name.ts";
import { PathTable } from "../vindex/path-table.ts";
import type { PathFile } from "./path-file.ts";

/** The key of a module in a path table: its v0 labels, the rightmost first; undefined if it has no v0 name. */
export function pathLabels(path: string): string[] | undefined {
  return encodePathName(path)?.reverse();
}

/**
 * Which v0 names exist: a file of all paths up to some epoch, and a table of those since. Immutable: a served epoch keeps its own.
 */
export class PathIndex {
  readonly #file: PathFile | "unfinished" | undefined;
  readonly #added: PathTable;

  private constructor(file: PathFile | "unfinished" | undefined, added: PathTable) {
    this.#file = file;
    this.#added = added;
  }

  /** Paths in `file` and those that are added; while the file is being made, `"unfinished"`. */
  static of(file: PathFile | "unfinished" | undefined): PathIndex {
    return new PathIndex(file, PathTable.empty());
  }

  /** The index with more paths. */
  add(paths: Iterable<string>): PathIndex {
    const lists: string[][] = [];
    for (const path of paths) {
      const labels = pathLabels(path);
      if (labels !== undefined) lists.push(labels);
    }
    return new PathIndex(this.#file, this.#added.add(lists));
  }

  /** Paths beside those in the file. */
  get addedCount(): number {
    return this.#added.size;
  }

  /**
   * True if a module's v0 name is this one or lies below it; `labels` are the rightmost first. While the file is being made every name
   * exists: then the answer is "no such record" and never "no such name".
   */
  hasPrefix(labels: readonly string[]): boolean {
    if (this.#added.hasPrefix(labels) || this.#file === "unfinished") return true;
    if (this.#file === undefined) return false;
    return labels.length === 0 ? this.#file.count > 0 : this.#file.hasPrefix(labels.join("\0"));
  }
}
