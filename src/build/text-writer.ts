import { GrowingBuffer } from "./growing-buffer.ts";

const ALPHABET = Uint8Array.from(Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"));

/** ASCII text that is written as bytes: what `formatModuleState` and `computeModuleValue` make, without their strings. */
export class TextWriter extends GrowingBuffer {
  /** Appends ASCII text. */
  text(text: string): void {
    this.reserve(text.length);
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i);
  }

  /** Appends bytes `start` … `end` − 1 of `source`. */
  copy(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    const { bytes } = this;
    let to = this.length;
    for (let i = start; i < end; i++) bytes[to++] = source[i] as number;
    this.length = to;
  }

  /** Appends a decimal of at most 2^53 − 1. */
  decimal(value: number): void {
    this.reserve(16);
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = Math.floor(rest / 10);
      this.bytes[at] = 0x30 + (rest - 10 * next);
      rest = next;
    }
    this.length += digits;
  }

  /** Appends the hash at byte `at` of `source` as 43 characters of unpadded base64. */
  hash(source: Uint8Array, at: number): void {
    this.reserve(44);
    this.hashAt(source, at, this.length);
    this.length += 43;
  }

  /** Writes the same over the bytes from `place` on. */
  hashAt(source: Uint8Array, at: number, place: number): void {
    const { bytes } = this;
    let to = place;
    for (let i = at; i < at + 30; i += 3) {
      const bits = ((source[i] as number) << 16) | ((source[i + 1] as number) << 8) | (source[i + 2] as number);
      bytes[to] = ALPHABET[bits >> 18] as number;
      bytes[to + 1] = ALPHABET[(bits >> 12) & 63] as number;
      bytes[to + 2] = ALPHABET[(bits >> 6) & 63] as number;
      bytes[to + 3] = ALPHABET[bits & 63] as number;
      to += 4;
    }
    const bits = ((source[at + 30] as number) << 16) | ((source[at + 31] as number) << 8);
    bytes[to] = ALPHABET[bits >> 18] as number;
    bytes[to + 1] = ALPHABET[(bits >> 12) & 63] as number;
    bytes[to + 2] = ALPHABET[(bits >> 6) & 63] as number;
  }
}
