import { HASH_LENGTH } from "./sha256.ts";
import { assembleSha256Kernel, KERNEL_MEMORY, ROUND_CONSTANTS } from "./sha256-lanes-kernel.ts";

/**
 * SHA-256 of many messages at a time: four to each pass of a WebAssembly SIMD kernel. Measured at 1.3 times the rate of
 * node:crypto's one-shot call for messages of two blocks (a node of the tree), 2.2 for one, 0.8 for four, on Node 20.
 */

const PAGE = 65_536;
/** Bytes of the input area. */
const INPUT_LENGTH = 512 * 1024;
/** Digests that are kept before they are copied out. */
const BATCH = 1024;
const OUTPUT_AT = KERNEL_MEMORY;
const INPUT_AT = OUTPUT_AT + HASH_LENGTH * (BATCH + 1);
const PAGES = Math.ceil((INPUT_AT + INPUT_LENGTH + 64) / PAGE);

/** As much of WebAssembly as is used here: the types of Node 20 do not have it. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
  readonly CompileError: new () => Error;
}

type Kernel = (...parameters: readonly number[]) => void;

/** Messages whose digests are known, and those: FIPS 180-4's examples, of one block and of two. */
const KNOWN: readonly (readonly [message: string, digest: string])[] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
];

export class Sha256Lanes {
  /**
   * Input area: messages are written there by the caller before `run`, which leaves them as they are. One
   * object's area is for one thing at a time.
   */
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly #hash: Kernel;
  readonly #output: Uint8Array<ArrayBuffer>;
  /** For each number of blocks: how many messages wait for a pass, and which. */
  readonly #waiting = new Uint8Array(blocksOf(INPUT_LENGTH) + 1);
  readonly #waitingFor = new Int32Array(4 * (blocksOf(INPUT_LENGTH) + 1));
  /** Numbers of blocks that messages of this batch have. */
  readonly #seen: number[] = [];

  private constructor(kernel: Kernel, memory: ArrayBuffer) {
    this.#hash = kernel;
    new Int32Array(memory, 0, ROUND_CONSTANTS.length).set(ROUND_CONSTANTS);
    this.memory = new Uint8Array(memory, INPUT_AT, INPUT_LENGTH);
    this.#output = new Uint8Array(memory, OUTPUT_AT, HASH_LENGTH * (BATCH + 1));
  }

  /** Undefined where WebAssembly SIMD is missing or does not give known digests: then hash one by one. Takes some milliseconds. */
  static create(): Sha256Lanes | undefined {
    const engine = (globalThis as { WebAssembly?: Engine }).WebAssembly;
    if (engine === undefined) return undefined;
    let module: object;
    try {
      module = new engine.Module(assembleSha256Kernel(PAGES));
    } catch (error) {
      // So an engine without SIMD says.
      if (error instanceof engine.CompileError) return undefined;
      throw error;
    }
    const { exports } = new engine.Instance(module);
    const { buffer } = exports["memory"] as { readonly buffer: ArrayBuffer };
    const lanes = new Sha256Lanes(exports["hash"] as Kernel, buffer);
    return lanes.#isRight() ? lanes : undefined;
  }

  /**
   * Hashes the messages at `starts[i]` of `memory`, `lengths[i]` bytes long, for i from 0 to `count` − 1, and writes their
   * digests into `out` from `outStart`, 32 bytes each, in that order. Messages may overlap. Those of one number of blocks
   * (64 bytes, with 9 of padding) go four at a time.
   *
   * @throws RangeError if a message or the digests do not fit; `out` may have been written then
   */
  run(starts: Int32Array, lengths: Int32Array, count: number, out: Uint8Array, outStart: number): void {
    if (outStart < 0 || outStart + HASH_LENGTH * count > out.length) throw new RangeError("the digests do not fit");
    for (let from = 0; from < count; from += BATCH) {
      const to = Math.min(count, from + BATCH);
      this.#runBatch(starts, lengths, from, to);
      out.set(this.#output.subarray(0, HASH_LENGTH * (to - from)), outStart + HASH_LENGTH * from);
    }
  }

  #runBatch(starts: Int32Array, lengths: Int32Array, from: number, to: number): void {
    const waiting = this.#waiting;
    const waitingFor = this.#waitingFor;
    const seen = this.#seen;
    for (let i = from; i < to; i++) {
      const start = starts[i] ?? -1;
      const length = lengths[i] ?? -1;
      if (start < 0 || length < 0 || start + length > INPUT_LENGTH) {
        for (const blocks of seen) waiting[blocks] = 0;
        seen.length = 0;
        throw new RangeError("a message is not in the input area");
      }
      const blocks = blocksOf(length);
      const wait = waiting[blocks] as number;
      waitingFor[4 * blocks + (wait & 3)] = i;
      // Marked with 4 once seen, so that the list has it once.
      if (wait === 0) seen.push(blocks);
      if ((wait & 3) === 3) {
        this.#pass(starts, lengths, blocks, 4, from);
        waiting[blocks] = 4;
      } else waiting[blocks] = (wait + 1) | 4;
    }
    for (const blocks of seen) {
      const wait = (waiting[blocks] as number) & 3;
      if (wait > 0) this.#pass(starts, lengths, blocks, wait, from);
      waiting[blocks] = 0;
    }
    seen.length = 0;
  }

  /** Hashes the messages that wait with this number of blocks; lanes that are left over do the first one again. */
  #pass(starts: Int32Array, lengths: Int32Array, blocks: number, count: number, from: number): void {
    const which = this.#waitingFor;
    const first = 4 * blocks;
    const a = which[first] as number;
    const b = count > 1 ? (which[first + 1] as number) : a;
    const c = count > 2 ? (which[first + 2] as number) : a;
    const d = count > 3 ? (which[first + 3] as number) : a;
    const [la, lb] = [lengths[a] as number, lengths[b] as number];
    const [lc, ld] = [lengths[c] as number, lengths[d] as number];
    this.#hash(
      INPUT_AT + (starts[a] as number),
      INPUT_AT + (starts[b] as number),
      INPUT_AT + (starts[c] as number),
      INPUT_AT + (starts[d] as number),
      la,
      lb,
      lc,
      ld,
      OUTPUT_AT + HASH_LENGTH * (a - from),
      OUTPUT_AT + HASH_LENGTH * (b - from),
      OUTPUT_AT + HASH_LENGTH * (c - from),
      OUTPUT_AT + HASH_LENGTH * (d - from),
      blocks,
      Math.min(la, lb, lc, ld) >> 6,
    );
  }

  /** True if known messages, each in each lane, have their digests. */
  #isRight(): boolean {
    const count = 4 * KNOWN.length;
    const starts = new Int32Array(count);
    const lengths = new Int32Array(count);
    let at = 0;
    const expected: string[] = [];
    for (let i = 0; i < count; i++) {
      // Each message four times, then in another order: every lane has every message.
      const [text, digest] = KNOWN[i % KNOWN.length] as readonly [string, string];
      starts[i] = at;
      lengths[i] = text.length;
      for (let c = 0; c < text.length; c++) this.memory[at++] = text.charCodeAt(c);
      expected.push(digest);
    }
    const out = new Uint8Array(HASH_LENGTH * count);
    this.run(starts, lengths, count, out, 0);
    let found = "";
    for (const byte of out) found += byte.toString(16).padStart(2, "0");
    return found === expected.join("");
  }
}

/** Blocks of a message with its padding. */
function blocksOf(length: number): number {
  return (length + 9 + 63) >> 6;
}
