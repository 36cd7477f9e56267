import { makeRandom } from "../dns/names.ts";

/**
 * How long the paths of a prefix tree are, and how long their bitmaps: the shape of the compressed trie (spec/tree.md §2)
 * over N random keys, of which the first 64 bits are enough (two of 10 million keys share them once in 370,000 trees).
 * Nothing is hashed: the shape depends on the keys alone.
 *
 * The trie over sorted keys is the Cartesian tree over the numbers of leading bits that neighbours share: inner node i
 * stands between keys i and i + 1 and branches at that bit.
 */
export class KeyPaths {
  readonly size: number;
  readonly #words: Uint32Array;
  readonly #bits: Uint8Array;
  /** Child of inner node i on each side; −1 if it is leaf i (left) or i + 1 (right). */
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #root: number;

  /** @throws RangeError if two keys share 64 bits, or if there are no keys */
  constructor(prefixes: BigUint64Array) {
    this.size = prefixes.length;
    if (this.size === 0) throw new RangeError("no keys");
    const words = new Uint32Array(prefixes.sort().buffer, prefixes.byteOffset, 2 * prefixes.length);
    const count = this.size - 1;
    const bits = new Uint8Array(count);
    const left = new Int32Array(count).fill(-1);
    const right = new Int32Array(count).fill(-1);
    const open = new Int32Array(65);
    let depth = 0;
    for (let i = 0; i < count; i++) {
      const bit = sharedBits(words, i, i + 1);
      if (bit === 64) throw new RangeError("two keys share 64 bits: another seed");
      bits[i] = bit;
      let last = -1;
      while (depth > 0 && (bits[open[depth - 1] as number] as number) > bit) last = open[--depth] as number;
      left[i] = last;
      if (depth > 0) right[open[depth - 1] as number] = i;
      open[depth++] = i;
    }
    this.#words = words;
    this.#bits = bits;
    this.#left = left;
    this.#right = right;
    this.#root = depth === 0 ? -1 : (open[0] as number);
  }

  /** The trie of `count` random keys; the same for the same seed. */
  static random(count: number, seed: number): KeyPaths {
    const random = makeRandom(seed);
    const words = new Uint32Array(2 * count);
    for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
    return new KeyPaths(new BigUint64Array(words.buffer));
  }

  /** The paths of all keys. */
  inclusion(): PathShapes {
    const shapes = new PathShapes();
    if (this.#root < 0) shapes.add(0, -1, 1);
    const nodes = new Int32Array(65);
    const depths = new Int32Array(65);
    let open = 0;
    if (this.#root >= 0) nodes[open++] = this.#root;
    while (open > 0) {
      const node = nodes[--open] as number;
      const depth = (depths[open] as number) + 1;
      for (const child of [this.#left[node] as number, this.#right[node] as number]) {
        if (child < 0) shapes.add(depth, this.#bits[node] as number, 1);
        else {
          depths[open] = depth;
          nodes[open++] = child;
        }
      }
    }
    return shapes;
  }

  /** The paths that `samples` random keys lead to, which are not in the tree. */
  nonInclusion(samples: number, seed: number): PathShapes {
    const random = makeRandom(seed);
    const shapes = new PathShapes();
    for (let i = 0; i < samples; i++) {
      const high = (random() * 2 ** 32) >>> 0;
      const low = (random() * 2 ** 32) >>> 0;
      let node = this.#root;
      let bit = -1;
      let depth = 0;
      while (node >= 0) {
        bit = this.#bits[node] as number;
        const side = ((bit < 32 ? high : low) >>> (31 - (bit & 31))) & 1;
        node = (side === 0 ? this.#left[node] : this.#right[node]) as number;
        depth++;
      }
      shapes.add(depth, bit, 1);
    }
    return shapes;
  }

  /** Leading bits that key `i` shares with a key of these 64 bits. */
  sharedWith(i: number, high: number, low: number): number {
    const top = Math.clz32((this.#words[2 * i + 1] as number) ^ high);
    return top < 32 ? top : 32 + Math.clz32((this.#words[2 * i] as number) ^ low);
  }

  /** The bits at which the path of key `i` branches, ascending. */
  branchBits(i: number): number[] {
    const out: number[] = [];
    for (let node = this.#root; node >= 0; ) {
      out.push(this.#bits[node] as number);
      node = (i <= node ? this.#left[node] : this.#right[node]) as number;
    }
    return out;
  }
}

function sharedBits(words: Uint32Array, i: number, j: number): number {
  // The low word of a little-endian 64-bit number comes first.
  const top = Math.clz32((words[2 * i + 1] as number) ^ (words[2 * j + 1] as number));
  return top < 32 ? top : 32 + Math.clz32((words[2 * i] as number) ^ (words[2 * j] as number));
}

/** How many paths have so many siblings and such a bitmap: all that their length in bytes depends on. */
export class PathShapes {
  readonly #counts = new Map<number, number>();

  /** `lastBit`: the deepest branch, −1 if there is none. */
  add(depth: number, lastBit: number, count: number): void {
    const key = depth * 64 + Math.floor(lastBit / 8) + 1;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }

  /** In ascending order of depth, then bitmap. */
  *entries(): Generator<{ depth: number; bitmapBytes: number; count: number }> {
    for (const [key, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      yield { depth: Math.floor(key / 64), bitmapBytes: key % 64, count };
    }
  }
}
