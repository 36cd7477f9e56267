/**
 * Texts by name in a few large buffers: millions of state texts as strings or arrays of their own would take
 * several times their length.
 */
export class StateTexts {
  readonly #numbers = new Map<string, number>();
  #chunks: Buffer[] = [];
  /** Chunk, offset, length and room of each text. */
  #places = new Float64Array(4 * 1024);
  readonly #chunkLength: number;
  #end: number;
  #live = 0;
  #dead = 0;

  /** `chunkLength`: bytes of a buffer, and the longest text. */
  constructor(chunkLength = 1 << 22) {
    this.#chunkLength = chunkLength;
    this.#end = chunkLength;
  }

  get size(): number {
    return this.#numbers.size;
  }

  get(name: string): string | undefined {
    const number = this.#numbers.get(name);
    if (number === undefined) return undefined;
    const [chunk, offset, length] = this.#place(number);
    return this.#chunks[chunk]?.toString("latin1", offset, offset + length);
  }

  /** Keeps a text of ASCII characters, in place of the one before. */
  set(name: string, text: string): void {
    if (text.length > this.#chunkLength) throw new RangeError("a state text is longer than any");
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(name, number);
      if (4 * number >= this.#places.length) {
        const grown = new Float64Array(2 * this.#places.length);
        grown.set(this.#places);
        this.#places = grown;
      }
      this.#append(number, text);
      return;
    }
    const [chunk, offset, length, room] = this.#place(number);
    if (text.length <= room) {
      this.#chunks[chunk]?.write(text, offset, "latin1");
      this.#places[4 * number + 2] = text.length;
      this.#live += text.length - length;
      return;
    }
    this.#live -= length;
    this.#dead += room;
    this.#append(number, text);
    if (this.#dead > this.#live + 4 * this.#chunkLength) this.#compact();
  }

  #place(number: number): [chunk: number, offset: number, length: number, room: number] {
    const at = 4 * number;
    const places = this.#places;
    return [places[at] as number, places[at + 1] as number, places[at + 2] as number, places[at + 3] as number];
  }

  #append(number: number, text: string): void {
    const room = Math.min(this.#chunkLength, text.length + 64);
    if (this.#end + room > this.#chunkLength) {
      this.#chunks.push(Buffer.allocUnsafeSlow(this.#chunkLength));
      this.#end = 0;
    }
    const chunk = this.#chunks.length - 1;
    this.#chunks[chunk]?.write(text, this.#end, "latin1");
    this.#places.set([chunk, this.#end, text.length, room], 4 * number);
    this.#end += room;
    this.#live += text.length;
  }

  /** Writes all texts anew; the old chunks go as they become empty of what is live. */
  #compact(): void {
    const old = this.#chunks;
    this.#chunks = [];
    this.#end = this.#chunkLength;
    this.#live = 0;
    this.#dead = 0;
    for (let number = 0; number < this.#numbers.size; number++) {
      const [chunk, offset, length] = this.#place(number);
      this.#append(number, old[chunk]?.toString("latin1", offset, offset + length) ?? "");
    }
  }
}
