/** Bytes that are filled from the front, with a view of them as words; kept from use to use and only ever made larger. */
export class GrowingBuffer {
  bytes: Uint8Array<ArrayBuffer>;
  words: Int32Array<ArrayBuffer>;
  /** Bytes in use. */
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array((capacity + 3) & ~3);
    this.words = new Int32Array(this.bytes.buffer);
  }

  /** Makes room for `more` bytes after those in use, which stay. Views taken before are of the old memory then. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array((Math.max(needed, this.bytes.length + (this.bytes.length >> 1)) + 3) & ~3);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.words = new Int32Array(grown.buffer);
  }

  append(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  /** The bytes in use; valid until the next change. */
  get used(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}
