import { decodeUtf8 } from "../src/vindex/bytes.ts";

/** Reads decisions from the bytes of an input; past the end there are zeros. */
export class Input {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  uint16(): number {
    return this.byte() * 0x100 + this.byte();
  }

  /** Big-endian, at most 53 bits. */
  uint53(): number {
    let value = this.byte() % 0x20;
    for (let i = 0; i < 6; i++) value = value * 0x100 + this.byte();
    return value;
  }

  /** One of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    return list[this.byte() % list.length] as T;
  }

  /** Up to `length` bytes; fewer at the end. Aliases the input. */
  take(length: number): Uint8Array {
    const start = Math.min(this.#at, this.#bytes.length);
    this.#at = start + length;
    return this.#bytes.subarray(start, start + length);
  }

  /** Bytes of which the first byte gives the length. */
  block(): Uint8Array {
    return this.take(this.byte());
  }

  /** What is left. Aliases the input. */
  rest(): Uint8Array {
    return this.take(this.#bytes.length);
  }
}

/** Bytes as text: of UTF-8 if that is what they are, else with one character a byte. */
export function textOf(bytes: Uint8Array): string {
  return decodeUtf8(bytes) ?? latin1Of(bytes);
}

/** One character a byte. */
export function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
