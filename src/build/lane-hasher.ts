import { hash } from "node:crypto";
import { nodeSha256 } from "../vindex/platform.ts";
import { HASH_LENGTH, type Hash } from "../vindex/sha256.ts";
import { Sha256Lanes } from "../vindex/sha256-lanes.ts";

/** Bytes of the input area of a `LaneHasher`, at least. */
const MEMORY_LENGTH = 512 * 1024;
/** Words of a hash. */
const WORDS = HASH_LENGTH / 4;
/** Messages of two hashes stand this far apart, so that their hashes begin at whole words. */
const PAIR_STRIDE = 68;
/** Pairs that are hashed at a time. */
const PAIR_BATCH = 1024;
/** Bytes at the end of the input area that `hashPairs` uses. */
export const PAIR_AREA: number = PAIR_STRIDE * PAIR_BATCH;

/** Hashes many messages at a time; the interface of `Sha256Lanes`. */
interface Lanes {
  readonly memory: Uint8Array<ArrayBuffer>;
  run(starts: Int32Array, lengths: Int32Array, count: number, out: Uint8Array, outStart: number): void;
}

/** The same one by one, where the lanes are missing. */
class OneByOne implements Lanes {
  readonly memory = new Uint8Array(MEMORY_LENGTH);

  run(starts: Int32Array, lengths: Int32Array, count: number, out: Uint8Array, outStart: number): void {
    const target = Buffer.from(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < count; i++) {
      const start = starts[i] as number;
      const message = this.memory.subarray(start, start + (lengths[i] as number));
      target.write(hash("sha256", message, "latin1" as "hex"), outStart + HASH_LENGTH * i, HASH_LENGTH, "latin1");
    }
  }
}

/**
 * SHA-256 of many messages at a time, and of the nodes of RFC 6962 trees. Callers write messages into `memory` (the last `PAIR_AREA`
 * bytes are for `hashPairs`) and let them be hashed there. One for each thread.
 */
export class LaneHasher {
  readonly memory: Uint8Array<ArrayBuffer>;
  /** `memory` as words. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly #lanes: Lanes;
  readonly #pairsAt: number;
  readonly #pairStarts = new Int32Array(PAIR_BATCH);
  readonly #pairLengths = new Int32Array(PAIR_BATCH).fill(1 + 2 * HASH_LENGTH);

  constructor(isPlain = false) {
    this.#lanes = (isPlain ? undefined : Sha256Lanes.create()) ?? new OneByOne();
    const { memory } = this.#lanes;
    this.memory = memory;
    this.words = new Int32Array(memory.buffer, memory.byteOffset, memory.length >> 2);
    this.#pairsAt = memory.length - PAIR_AREA;
    for (let i = 0; i < PAIR_BATCH; i++) {
      const at = this.#pairsAt + PAIR_STRIDE * i + 3;
      memory[at] = 1;
      this.#pairStarts[i] = at;
    }
  }

  /** Bytes of `memory` that are free for messages. */
  get capacity(): number {
    return this.#pairsAt;
  }

  /** Hashes the messages that begin at `starts` of `memory` and are `lengths` long. */
  run(starts: Int32Array, lengths: Int32Array, count: number, out: Uint8Array, outStart: number): void {
    this.#lanes.run(starts, lengths, count, out, outStart);
  }

  /** Hashes one message of any length. */
  hashOne(message: Uint8Array): Hash {
    return nodeSha256(message);
  }

  /**
   * Hashes `count` pairs of neighbours to the nodes above them: those that begin at hash `from` of `hashes`, to hash `to` and on of the
   * same array, which may be where they were read from if it is not behind it. `bytes` are the same memory.
   */
  hashPairs(hashes: Int32Array, bytes: Uint8Array, from: number, count: number, to: number): void {
    const { words } = this;
    for (let done = 0; done < count; done += PAIR_BATCH) {
      const batch = Math.min(PAIR_BATCH, count - done);
      let source = WORDS * (from + 2 * done);
      let target = (this.#pairsAt + 4) >> 2;
      for (let i = 0; i < batch; i++) {
        for (let w = 0; w < 2 * WORDS; w++) words[target + w] = hashes[source + w] as number;
        source += 2 * WORDS;
        target += PAIR_STRIDE >> 2;
      }
      this.#lanes.run(this.#pairStarts, this.#pairLengths, batch, bytes, HASH_LENGTH * (to + done));
    }
  }

  /** Reduces `count` hashes from hash `from` on, a power of two, to their root in the same place; what stood there is lost. */
  hashTree(hashes: Int32Array, bytes: Uint8Array, from: number, count: number): void {
    for (let width = count; width > 1; width >>= 1) this.hashPairs(hashes, bytes, from, width >> 1, from);
  }
}
