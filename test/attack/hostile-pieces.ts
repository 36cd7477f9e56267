import { concatBytes } from "../../src/vindex/bytes.ts";
import type { Part, PayloadForm, Schema } from "./hostile-schema.ts";

/** A payload taken apart by the schema of the specification: pieces that stand one after the other. */

/** One piece of a payload. */
export interface Piece {
  /** Where it stands, such as `cosignatures.cosignature[0].time`. */
  readonly at: string;
  readonly kind: "text" | "tag" | "uv" | "u8" | "bytes";
  readonly bytes: Uint8Array;
  /** For bytes of a length that another piece says: where that piece stands. */
  readonly lengthAt?: string;
  /** For bytes of a length that the specification fixes. */
  readonly length?: number;
}

/** Pieces that belong together: a section, a list, an element of a list. */
export interface Group {
  readonly at: string;
  readonly kind: "section" | "list" | "element";
  /** First piece, and the one behind the last. */
  readonly from: number;
  readonly to: number;
  /** For a list: where its number of elements stands, if it is said. */
  readonly countAt?: string;
}

export interface Pieces {
  readonly pieces: readonly Piece[];
  readonly groups: readonly Group[];
}

export function joinPieces(pieces: readonly { bytes: Uint8Array }[]): Uint8Array {
  return concatBytes(...pieces.map(({ bytes }) => bytes));
}

/** Name of a field: the place without the numbers of elements. */
export function fieldOf(at: string): string {
  return at.replaceAll(/\[\d+\]/g, "");
}

export function uv(value: bigint | number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

export function readUv(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 127), 0n);
}

/** Takes a true payload apart. Throws if it is none of its form. */
export function splitPayload(schema: Schema, form: PayloadForm, payload: Uint8Array): Pieces {
  const splitter = new Splitter(schema, payload);
  splitter.split(form);
  return splitter;
}

class Splitter implements Pieces {
  readonly pieces: Piece[] = [];
  readonly groups: Group[] = [];
  readonly #schema: Schema;
  readonly #payload: Uint8Array;
  #at = 0;

  constructor(schema: Schema, payload: Uint8Array) {
    this.#schema = schema;
    this.#payload = payload;
  }

  split(form: PayloadForm): void {
    let end = 0;
    while (end < this.#payload.length && this.#byte(end) >= 0x20 && this.#byte(end) <= 0x7e) end++;
    if (end > 0 !== form.hasText) throw new Error(`${form.name}: text where there is none, or none where there is`);
    if (form.hasText) this.#take("text", "text", end);
    for (const section of this.#schema.sections) {
      if (this.#payload[this.#at] !== section.tag) continue;
      const from = this.pieces.length;
      this.#take(`${section.name}.tag`, "tag", 1);
      this.#parts(section.name, section.parts);
      this.groups.push({ at: section.name, kind: "section", from, to: this.pieces.length });
    }
    if (this.#at !== this.#payload.length) throw new Error(`${form.name}: bytes of no section at ${this.#at}`);
  }

  #parts(prefix: string, parts: readonly Part[]): void {
    let before: string | undefined;
    for (const part of parts) {
      const at = `${prefix}.${part.name}`;
      this.#part(at, part, prefix, before);
      before = part.kind === "uv" && part.name === "count" ? at : undefined;
    }
  }

  #part(at: string, part: Part, prefix: string, countAt: string | undefined): void {
    if (part.kind === "uv") this.#take(at, "uv", this.#uvLength());
    else if (part.kind === "u8") this.#take(at, "u8", 1);
    else if (part.kind === "format") this.#parts(at, this.#schema.formats.get(part.format) as readonly Part[]);
    else if (part.kind === "bytes") {
      if (typeof part.length === "number") this.#take(at, "bytes", part.length, { length: part.length });
      else {
        const lengthAt = `${prefix}.${part.length}`;
        this.#take(at, "bytes", Number(this.#number(lengthAt)), { lengthAt });
      }
    } else this.#list(at, part.item, prefix, countAt);
  }

  #list(at: string, item: Part, prefix: string, countAt: string | undefined): void {
    const from = this.pieces.length;
    const bitmap = this.pieces.findLast((piece) => piece.at === `${prefix}.bitmap`);
    const ones = bitmap?.bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    const count = countAt === undefined ? ones : Number(this.#number(countAt));
    for (let i = 0; count === undefined ? this.#at < this.#payload.length : i < count; i++) {
      const start = this.pieces.length;
      this.#part(`${at}[${i}]`, item, prefix, undefined);
      this.groups.push({ at: `${at}[${i}]`, kind: "element", from: start, to: this.pieces.length });
    }
    const group = { at, kind: "list", from, to: this.pieces.length } as const;
    this.groups.push(countAt === undefined ? group : { ...group, countAt });
  }

  #number(at: string): bigint {
    const piece = this.pieces.findLast((other) => other.at === at);
    if (piece === undefined) throw new Error(`no ${at}`);
    return readUv(piece.kind === "u8" ? uv(piece.bytes[0] as number) : piece.bytes);
  }

  #uvLength(): number {
    let length = 1;
    while (this.#byte(this.#at + length - 1) >= 128) length++;
    return length;
  }

  #byte(at: number): number {
    const byte = this.#payload[at];
    if (byte === undefined) throw new Error("the payload is cut off");
    return byte;
  }

  #take(at: string, kind: Piece["kind"], length: number, more: Pick<Piece, "length" | "lengthAt"> = {}): void {
    if (this.#at + length > this.#payload.length) throw new Error(`${at} is cut off`);
    this.pieces.push({ at, kind, bytes: this.#payload.slice(this.#at, this.#at + length), ...more });
    this.#at += length;
  }
}
