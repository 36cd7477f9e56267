import { uv } from "./merkle.ts";

/**
 * Payloads, decoded from spec/dns.md §2 with one idea: take apart what stands there, put it together again, and demand the
 * same bytes. Undefined for what does not decode.
 */
export interface NaiveHead {
  readonly epoch: number;
  readonly logSignature: Uint8Array;
  readonly mapRoot: Uint8Array;
  readonly sumdbSize: number;
  readonly sumdbRoot: Uint8Array;
  readonly sumdbSignature: Uint8Array;
  readonly cosignatures: readonly { readonly keyId: string; readonly time: number; readonly signature: Uint8Array }[];
  readonly hashes: readonly Uint8Array[];
}

export interface NaiveAnswer {
  readonly text: string;
  readonly epoch: number;
  readonly kind: "inclusion" | "nonInclusion" | "emptyMap";
  readonly bits: readonly number[];
  readonly siblings: readonly Uint8Array[];
  readonly otherKey: Uint8Array;
  readonly otherValue: Uint8Array;
  readonly state: string | undefined;
  readonly majors: string | undefined;
}

export interface NaiveEntry {
  readonly index: number;
  readonly version: string;
  readonly zipHash: Uint8Array;
  readonly goModHash: Uint8Array;
}

class Malformed extends Error {}

function fail(): never {
  throw new Malformed();
}

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  take(n: number): Uint8Array {
    if (!(this.at + n <= this.bytes.length)) fail();
    this.at += n;
    return this.bytes.slice(this.at - n, this.at);
  }
  byte(): number {
    return this.take(1)[0] as number;
  }
  number(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = this.byte();
      value += BigInt(b & 127) << shift;
      if (b < 128) {
        if (b === 0 && shift > 0n) fail();
        return value <= 9007199254740991n ? Number(value) : fail();
      }
      if (shift > 70n) fail();
    }
  }
  epoch(): number {
    return this.number() || fail();
  }
  tag(): number | undefined {
    return this.bytes[this.at];
  }
  section(tag: number): void {
    if (this.byte() !== tag) fail();
  }
  hashes(): Uint8Array[] {
    const out: Uint8Array[] = [];
    while (this.at < this.bytes.length) out.push(this.take(32));
    return out;
  }
  text(): string {
    const bytes = this.take(this.number() || fail());
    return bytes.every((b) => b === 10 || (b >= 32 && b <= 126)) ? Buffer.from(bytes).toString("latin1") : fail();
  }
  path(): { bits: number[]; siblings: Uint8Array[] } {
    const bitmap = this.take(this.byte());
    if (bitmap.length > 32 || bitmap.at(-1) === 0) fail();
    const bits: number[] = [];
    for (const [i, b] of bitmap.entries()) for (let j = 0; j < 8; j++) if (b & (128 >> j)) bits.unshift(8 * i + j);
    return { bits, siblings: bits.map(() => this.take(32)) };
  }
  end(): void {
    if (this.at !== this.bytes.length) fail();
  }
}

function decode<T>(bytes: Uint8Array, read: (r: Reader) => T): T | undefined {
  if (bytes.length > 64_500) return undefined;
  try {
    const reader = new Reader(bytes);
    const out = read(reader);
    reader.end();
    return out;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

export function naiveHead(bytes: Uint8Array, form: "plain" | "since"): NaiveHead | undefined {
  return decode(bytes, (r) => {
    r.section(1);
    const epoch = r.epoch();
    const [logSignature, mapRoot] = [r.take(64), r.take(32)];
    const sumdbSize = r.number();
    const [sumdbRoot, sumdbSignature] = [r.take(32), r.take(64)];
    const cosignatures: { keyId: string; time: number; signature: Uint8Array }[] = [];
    if (r.tag() === 2) {
      r.section(2);
      const count = r.number() || fail();
      let time = 0;
      for (let i = 0; i < count; i++) {
        const keyId = Buffer.from(r.take(4)).toString("hex");
        time += r.number();
        if (time < 1 || time > 9007199254740991) fail();
        const last = cosignatures.at(-1);
        if (last !== undefined && last.time === time && last.keyId >= keyId) fail();
        if (cosignatures.some((other) => other.keyId === keyId)) fail();
        cosignatures.push({ keyId, time, signature: r.take(64) });
      }
    }
    r.section(form === "plain" ? 3 : 4);
    return { epoch, logSignature, mapRoot, sumdbSize, sumdbRoot, sumdbSignature, cosignatures, hashes: r.hashes() };
  });
}

export function naiveAnswer(bytes: Uint8Array): NaiveAnswer | undefined {
  return decode(bytes, (r) => {
    while ((r.tag() ?? 0) >= 32 && (r.tag() ?? 127) <= 126) r.at++;
    const text = Buffer.from(bytes.slice(0, r.at)).toString("latin1");
    if (text.length > 255) fail();
    const none = { bits: [], siblings: [], otherKey: new Uint8Array(0), otherValue: new Uint8Array(0) };
    const tag = r.byte();
    let answer: Omit<NaiveAnswer, "state" | "majors">;
    if (text !== "" && tag === 5) answer = { ...none, text, epoch: r.epoch(), kind: "inclusion", ...r.path() };
    else if (text === "" && tag === 7)
      return { ...none, text, epoch: r.epoch(), kind: "emptyMap", state: undefined, majors: undefined };
    else if (text === "" && tag === 6) {
      const epoch = r.epoch();
      const path = r.path();
      const otherKey = r.take(32);
      const otherValue = r.take(r.number() || fail());
      return { text, epoch, kind: "nonInclusion", ...path, otherKey, otherValue, state: undefined, majors: undefined };
    } else return fail();
    let state: string | undefined;
    let majors: string | undefined;
    if (r.tag() === 8) {
      r.section(8);
      state = r.text();
    }
    if (r.tag() === 9) {
      r.section(9);
      majors = r.text();
    }
    return { ...answer, state, majors };
  });
}

export function naivePage(bytes: Uint8Array): NaiveEntry[] | undefined {
  return decode(bytes, (r) => {
    r.section(11);
    const count = r.number();
    if (count < 1 || count > 256) fail();
    const entries: NaiveEntry[] = [];
    for (let i = 0; i < count; i++) {
      const index = r.number();
      if (i > 0 && index <= (entries.at(-1)?.index ?? 0)) fail();
      const version = r.take(r.byte());
      if (version.length < 1 || version.length > 90 || !version.every((b) => b >= 33 && b <= 126)) fail();
      entries.push({
        index,
        version: Buffer.from(version).toString("latin1"),
        zipHash: r.take(32),
        goModHash: r.take(32),
      });
    }
    return entries;
  });
}

export function naiveLogProof(bytes: Uint8Array): Uint8Array[] | undefined {
  return decode(bytes, (r) => {
    r.section(12);
    return r.hashes();
  });
}

/** Puts a head together again. */
export function joinHead(head: NaiveHead, form: "plain" | "since"): Uint8Array {
  const parts = [
    Uint8Array.of(1),
    uv(head.epoch),
    head.logSignature,
    head.mapRoot,
    uv(head.sumdbSize),
    head.sumdbRoot,
    head.sumdbSignature,
  ];
  if (head.cosignatures.length > 0) parts.push(Uint8Array.of(2), uv(head.cosignatures.length));
  let before = 0;
  for (const { keyId, time, signature } of head.cosignatures) {
    parts.push(Buffer.from(keyId, "hex"), uv(time - before), signature);
    before = time;
  }
  return new Uint8Array(Buffer.concat([...parts, Uint8Array.of(form === "plain" ? 3 : 4), ...head.hashes]));
}

/** Puts an answer together again. */
export function joinAnswer(answer: NaiveAnswer): Uint8Array {
  const { text, epoch, kind, bits, siblings, otherKey, otherValue, state, majors } = answer;
  const bitmap = new Uint8Array(bits.length === 0 ? 0 : Math.floor((bits[0] as number) / 8) + 1);
  for (const bit of bits) bitmap[Math.floor(bit / 8)] = (bitmap[Math.floor(bit / 8)] as number) | (128 >> (bit % 8));
  const path = [Uint8Array.of(bitmap.length), bitmap, ...siblings];
  const tag = { inclusion: 5, nonInclusion: 6, emptyMap: 7 }[kind];
  const parts: Uint8Array[] = [Buffer.from(text, "latin1"), Uint8Array.of(tag), uv(epoch)];
  if (kind !== "emptyMap") parts.push(...path);
  if (kind === "nonInclusion") parts.push(otherKey, uv(otherValue.length), otherValue);
  for (const [sectionTag, section] of [
    [8, state],
    [9, majors],
  ] as const) {
    if (section === undefined) continue;
    parts.push(Uint8Array.of(sectionTag), uv(section.length), Buffer.from(section, "latin1"));
  }
  return new Uint8Array(Buffer.concat(parts));
}
