import dnsPacket from "dns-packet";
import { TYPE } from "../../src/dns/message.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";

/** What dns-packet exports beyond its types: a codec for names and for each type of record. */
export const codecs = dnsPacket as unknown as {
  readonly name: { encode(name: string): Buffer; decode: { (bytes: Buffer): string; bytes: number } };
  readonly txt: { decode(bytes: Buffer): Buffer[] };
  readonly aaaa: { encode(address: string): Buffer };
};

/** A name of dotted text in wire format; `\DDD` is a byte. Unchecked, so that tests can make bad ones. */
export function wire(text: string): Uint8Array {
  const out: number[] = [];
  for (const label of text.split(".")) {
    if (label === "") continue;
    const bytes: number[] = [];
    for (let i = 0; i < label.length; i++) {
      if (label[i] === "\\") {
        bytes.push(Number(label.slice(i + 1, i + 4)));
        i += 3;
      } else bytes.push(label.charCodeAt(i));
    }
    out.push(bytes.length, ...bytes);
  }
  return Uint8Array.from([...out, 0]);
}

export const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

export interface QueryParts {
  readonly id?: number;
  readonly flags?: number;
  readonly counts?: readonly [number, number, number, number];
  readonly question?: Uint8Array;
  readonly tail?: Uint8Array;
}

/** A message of parts that need not fit together. */
export function message(parts: QueryParts): Uint8Array {
  const {
    id = 0x1234,
    flags = 0,
    counts = [1, 0, 0, 0],
    question = new Uint8Array(0),
    tail = new Uint8Array(0),
  } = parts;
  return concatBytes(u16(id), u16(flags), ...counts.map(u16), question, tail);
}

export function question(name: string | Uint8Array, type: number, klass = 1): Uint8Array {
  return concatBytes(typeof name === "string" ? wire(name) : name, u16(type), u16(klass));
}

export interface OptParts {
  readonly size?: number;
  readonly extendedRcode?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly owner?: Uint8Array;
  readonly options?: Uint8Array;
  readonly length?: number;
}

export function opt(parts: OptParts = {}): Uint8Array {
  const { size = 1232, extendedRcode = 0, version = 0, flags = 0, owner = Uint8Array.of(0) } = parts;
  const { options = new Uint8Array(0) } = parts;
  const length = parts.length ?? options.length;
  return concatBytes(
    owner,
    u16(TYPE.OPT),
    u16(size),
    Uint8Array.of(extendedRcode, version),
    u16(flags),
    u16(length),
    options,
  );
}

export function option(code: number, length: number, given = length): Uint8Array {
  return concatBytes(u16(code), u16(length), new Uint8Array(given));
}

/** A well-formed query, with an OPT unless `edns` is false. */
export function query(name: string, type: number = TYPE.TXT, edns: OptParts | false = {}): Uint8Array {
  return edns === false
    ? message({ question: question(name, type) })
    : message({ counts: [1, 0, 0, 1], question: question(name, type), tail: opt(edns) });
}

/** What a reply says, by dns-packet and by its raw header. */
export interface Decoded {
  readonly rcode: number;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly flags: number;
  readonly counts: readonly number[];
  readonly answers: readonly { name: string; type: string; ttl: number; data: unknown }[];
  readonly authorities: readonly { name: string; type: string; ttl: number; data: unknown }[];
  readonly additionals: readonly { name: string; type: string; ttl: number; data: unknown }[];
  readonly opt: { size: number; version: number; flags: number; options: number } | undefined;
  readonly questionBytes: Uint8Array;
}

export function decode(reply: Uint8Array): Decoded {
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  const packet = dnsPacket.decode(Buffer.from(reply));
  const all = packet as unknown as Record<string, { type: string }[]>;
  const records = (section: string): never[] => (all[section] ?? []).filter((r) => r.type !== "OPT") as never[];
  const flags = view.getUint16(2);
  const found = (packet.additionals ?? []).find((r) => r.type === "OPT") as
    | { udpPayloadSize: number; extendedRcode: number; ednsVersion: number; flags: number; options: unknown[] }
    | undefined;
  let end = 12;
  if (view.getUint16(4) === 1) {
    while (reply[end] !== 0) end += 1 + (reply[end] ?? 0);
    end += 5;
  }
  return {
    rcode: (flags & 15) | ((found?.extendedRcode ?? 0) << 4),
    aa: (flags & 0x400) !== 0,
    tc: (flags & 0x200) !== 0,
    flags,
    counts: [4, 6, 8, 10].map((at) => view.getUint16(at)),
    answers: records("answers"),
    authorities: records("authorities"),
    additionals: records("additionals"),
    opt:
      found === undefined
        ? undefined
        : { size: found.udpPayloadSize, version: found.ednsVersion, flags: found.flags, options: found.options.length },
    questionBytes: reply.subarray(12, end),
  };
}

/** One line for a reply, as in `NOERROR AA TC +opt an1`; `-` for none. */
export function summarize(reply: Uint8Array | undefined): string {
  if (reply === undefined) return "-";
  const d = decode(reply);
  const names: Record<number, string> = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    16: "BADVERS",
  };
  const words = [names[d.rcode] ?? `RCODE${d.rcode}`];
  if (d.aa) words.push("AA");
  if (d.tc) words.push("TC");
  if (d.opt !== undefined) words.push("+opt");
  if (d.answers.length > 0) words.push(`an${d.answers.length}`);
  if (d.authorities.length > 0) words.push(`ns${d.authorities.length}`);
  return words.join(" ");
}
