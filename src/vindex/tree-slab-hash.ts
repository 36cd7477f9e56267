import { nodeSha256 } from "./platform.ts";
import { HASH_LENGTH, type Sha256 } from "./sha256.ts";
import { Sha256Lanes } from "./sha256-lanes.ts";
import {
  HASH_WORDS,
  hashesOf,
  KEY_BITS,
  LEAF_WORDS,
  LINK_WORDS,
  leavesAt,
  linksAt,
  readTreeCapacity,
  type TreeBuffer,
  valuesAt,
  valueWordsOf,
} from "./tree-slab-layout.ts";

/** Things that wait before it is better to hash them. */
const LONG = 1024;
/** Messages that are gathered before they are hashed. */
const GATHERED = 1024;
/** Bytes that the longest message takes: a leaf with a value of 64 words. */
const MESSAGE_ROOM = 36 + 2 + 4 * 64 + 2;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Undefined: not tried yet. One for a thread: an instance reserves address space, and hashing is never interrupted. */
let sharedLanes: Sha256Lanes | "missing" | undefined;

function laneHash(): Sha256Lanes | undefined {
  sharedLanes ??= Sha256Lanes.create() ?? "missing";
  return sharedLanes === "missing" ? undefined : sharedLanes;
}

/**
 * Hashes nodes and leaves of a buffer where their children's hashes are known, and writes each hash where its parent keeps it.
 *
 * What is added is hashed in the order of its height above what was added with it, so that each thing is hashed once and
 * many are hashed together.
 */
export class HashQueue {
  readonly #lanes: Sha256Lanes | undefined;
  readonly #sha256: Sha256;
  readonly #memory: Uint8Array;
  readonly #memoryWords: Int32Array;
  readonly #memoryView: DataView;
  readonly #starts = new Int32Array(GATHERED);
  readonly #lengths = new Int32Array(GATHERED);
  readonly #targets = new Int32Array(GATHERED);
  readonly #digests = new Int32Array(HASH_WORDS * GATHERED);
  readonly #digestBytes = new Uint8Array(this.#digests.buffer);
  #gathered = 0;
  #memoryEnd = 0;
  #words: Int32Array = new Int32Array(0);
  #linksAt = 0;
  #leavesAt = 0;
  #valuesAt = 0;
  /** What waits: reference, word of its hash, and the one added before it at the same height. */
  #refs = new Int32Array(1024);
  #hashAt = new Int32Array(1024);
  #previous = new Int32Array(1024);
  #added = 0;
  readonly #last = new Int32Array(KEY_BITS + 2).fill(-1);
  #highest = -1;

  constructor(buffer: TreeBuffer, sha256?: Sha256) {
    this.#lanes = laneHash();
    this.#sha256 = sha256 ?? nodeSha256;
    this.#memory = this.#lanes?.memory ?? new Uint8Array(128 * 1024);
    this.#memoryWords = new Int32Array(this.#memory.buffer, this.#memory.byteOffset, this.#memory.length / 4);
    this.#memoryView = new DataView(this.#memory.buffer, this.#memory.byteOffset, this.#memory.length);
    this.attach(buffer);
  }

  /** Goes on in another buffer, which has what is added at the same places. */
  attach(buffer: TreeBuffer): void {
    const capacity = readTreeCapacity(buffer);
    this.#words = new Int32Array(buffer);
    this.#linksAt = linksAt(capacity);
    this.#leavesAt = leavesAt(capacity);
    this.#valuesAt = valuesAt(capacity);
  }

  /** How much waits. */
  get size(): number {
    return this.#added;
  }

  /** Adds what `ref` refers to: a leaf with height 0, or a node with a greater one than all below it that waits. */
  add(ref: number, height: number, hashAt: number): void {
    const i = this.#added++;
    if (i === this.#refs.length) {
      this.#refs = grown(this.#refs);
      this.#hashAt = grown(this.#hashAt);
      this.#previous = grown(this.#previous);
    }
    this.#refs[i] = ref;
    this.#hashAt[i] = hashAt;
    this.#previous[i] = this.#last[height] as number;
    this.#last[height] = i;
    if (height > this.#highest) this.#highest = height;
  }

  /** Hashes all that waits, if that is much: what was written a while ago is no longer in the processor's cache. */
  runIfLong(): void {
    if (this.#added >= LONG) this.run();
  }

  /** Hashes all that waits. */
  run(): void {
    for (let height = 0; height <= this.#highest; height++) {
      for (let i = this.#last[height] as number; i >= 0; i = this.#previous[i] as number) {
        const ref = this.#refs[i] as number;
        if (ref < 0) this.#gatherLeaf(-1 - ref, this.#hashAt[i] as number);
        else this.#gatherNode(ref, this.#hashAt[i] as number);
      }
      this.#hash();
      this.#last[height] = -1;
    }
    this.clear();
  }

  /** Forgets all that waits. */
  clear(): void {
    for (let height = 0; height <= this.#highest; height++) this.#last[height] = -1;
    this.#added = 0;
    this.#highest = -1;
  }

  /** 01 ‖ uv(bit) ‖ left ‖ right, so placed that the hashes begin at a whole word. */
  #gatherNode(node: number, hashAt: number): void {
    const base = this.#room();
    const memory = this.#memory;
    const bit = this.#words[this.#linksAt + LINK_WORDS * node] as number;
    if (bit < 0x80) {
      memory[base + 2] = 1;
      memory[base + 3] = bit;
      this.#begin(base + 2, 66, hashAt);
    } else {
      memory[base + 1] = 1;
      memory[base + 2] = bit;
      memory[base + 3] = 1;
      this.#begin(base + 1, 67, hashAt);
    }
    const words = this.#words;
    const to = this.#memoryWords;
    const at = (base >> 2) + 1;
    const from = hashesOf(node);
    for (let w = 0; w < 2 * HASH_WORDS; w++) to[at + w] = words[from + w] as number;
    this.#memoryEnd = base + 68;
  }

  /** 00 ‖ uv(32) ‖ key ‖ uv(length) ‖ value. What follows the value in its last word is written too, and not hashed. */
  #gatherLeaf(leaf: number, hashAt: number): void {
    const base = this.#room();
    const memory = this.#memory;
    const words = this.#words;
    const from = this.#leavesAt + LEAF_WORDS * leaf;
    memory[base + 2] = 0;
    memory[base + 3] = 32;
    const keyTo = (base >> 2) + 1;
    for (let w = 0; w < 8; w++) this.#memoryWords[keyTo + w] = words[from + w] as number;
    const length = words[from + 9] as number;
    let at = base + 36;
    if (length < 0x80) memory[at++] = length;
    else {
      memory[at++] = length;
      memory[at++] = 1;
    }
    this.#begin(base + 2, at - base - 2 + length, hashAt);
    const view = this.#memoryView;
    const valueFrom = this.#valuesAt + (words[from + 8] as number);
    const count = valueWordsOf(length);
    for (let w = 0; w < count; w++, at += 4) view.setInt32(at, words[valueFrom + w] as number, IS_LITTLE_ENDIAN);
    this.#memoryEnd = (at + 3) & ~3;
  }

  /** Where the next message can be. */
  #room(): number {
    if (this.#gathered === GATHERED || this.#memoryEnd + MESSAGE_ROOM > this.#memory.length) this.#hash();
    return this.#memoryEnd;
  }

  #begin(start: number, length: number, hashAt: number): void {
    const i = this.#gathered++;
    this.#starts[i] = start;
    this.#lengths[i] = length;
    this.#targets[i] = hashAt;
  }

  #hash(): void {
    const count = this.#gathered;
    if (this.#lanes !== undefined) {
      this.#lanes.run(this.#starts, this.#lengths, count, this.#digestBytes, 0);
    } else {
      for (let i = 0; i < count; i++) {
        const start = this.#starts[i] as number;
        const digest = this.#sha256(this.#memory.subarray(start, start + (this.#lengths[i] as number)));
        this.#digestBytes.set(digest, HASH_LENGTH * i);
      }
    }
    const words = this.#words;
    const digests = this.#digests;
    for (let i = 0; i < count; i++) {
      const to = this.#targets[i] as number;
      const from = HASH_WORDS * i;
      for (let w = 0; w < HASH_WORDS; w++) words[to + w] = digests[from + w] as number;
    }
    this.#gathered = 0;
    this.#memoryEnd = 0;
  }
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
