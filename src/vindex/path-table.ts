/**
 * A sorted table of label lists, for one question: does any list begin with these labels? Keys are the labels joined by
 * NUL, which sorts below every byte of a label, so that all that begins with a key stands right after it (a plain sort
 * of paths would put `a/b-c` between `a/b` and `a/b/d`). Immutable: a served epoch keeps its own.
 */
export class PathTable {
  readonly #keys: readonly string[];

  private constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  static empty(): PathTable {
    return new PathTable([]);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The table with more label lists; those that it holds already are ignored. */
  add(lists: Iterable<readonly string[]>): PathTable {
    const added = [...new Set([...lists].map(keyOf))].filter((key) => !this.#has(key)).sort();
    if (added.length === 0) return this;
    const keys: string[] = [];
    let at = 0;
    for (const key of this.#keys) {
      while (at < added.length && (added[at] as string) < key) keys.push(added[at++] as string);
      keys.push(key);
    }
    while (at < added.length) keys.push(added[at++] as string);
    return new PathTable(keys);
  }

  /** True if a list is `labels`, or begins with them. */
  hasPrefix(labels: readonly string[]): boolean {
    if (labels.length === 0) return this.#keys.length > 0;
    const key = keyOf(labels);
    const found = this.#keys[this.#lowerBound(key)];
    return found !== undefined && (found === key || found.startsWith(`${key}\0`));
  }

  #has(key: string): boolean {
    return this.#keys[this.#lowerBound(key)] === key;
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function keyOf(labels: readonly string[]): string {
  return labels.join("\0");
}
