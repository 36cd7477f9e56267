const ALPHABET: Uint8Array = Uint8Array.from(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
  (character) => character.charCodeAt(0),
);

const POOL_LENGTH = 16 * 1024;

/**
 * ASCII text that is put together as bytes, in memory that is used again. States and values are hashed and stored as bytes: to make a
 * string of many pieces first, and then its bytes, is measured at three times the time.
 */
export class AsciiWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;
  #pool = new Uint8Array(0);
  #poolAt = POOL_LENGTH;

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Forgets what was written after the first `length` bytes. */
  cut(length: number): void {
    this.#length = Math.min(length, this.#length);
  }

  /** Appends ASCII text. @throws RangeError for any other character */
  text(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    let to = this.#length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) throw new RangeError("only ASCII is written");
      bytes[to++] = code;
    }
    this.#length = to;
  }

  /** Appends bytes as standard base64 without padding: 43 characters for a hash. */
  base64(source: Uint8Array): void {
    this.#reserve(Math.ceil((source.length * 4) / 3));
    const bytes = this.#bytes;
    let to = this.#length;
    const whole = source.length - (source.length % 3);
    let i = 0;
    for (; i < whole; i += 3) {
      const bits = ((source[i] as number) << 16) | ((source[i + 1] as number) << 8) | (source[i + 2] as number);
      bytes[to] = ALPHABET[bits >> 18] as number;
      bytes[to + 1] = ALPHABET[(bits >> 12) & 63] as number;
      bytes[to + 2] = ALPHABET[(bits >> 6) & 63] as number;
      bytes[to + 3] = ALPHABET[bits & 63] as number;
      to += 4;
    }
    if (i < source.length) {
      const isTwo = i + 1 < source.length;
      const bits = ((source[i] as number) << 10) | ((isTwo ? (source[i + 1] as number) : 0) << 2);
      bytes[to++] = ALPHABET[bits >> 12] as number;
      bytes[to++] = ALPHABET[(bits >> 6) & 63] as number;
      if (isTwo) bytes[to++] = ALPHABET[bits & 63] as number;
    }
    this.#length = to;
  }

  /** What was written, until more is. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written. Small ones stand in memory that they share, which is what makes them cheap. */
  copy(): Uint8Array {
    const length = this.#length;
    if (length > POOL_LENGTH / 16) return this.#bytes.slice(0, length);
    if (this.#poolAt + length > POOL_LENGTH) {
      this.#pool = new Uint8Array(POOL_LENGTH);
      this.#poolAt = 0;
    }
    const copy = this.#pool.subarray(this.#poolAt, this.#poolAt + length);
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) copy[i] = bytes[i] as number;
    this.#poolAt += length;
    return copy;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
