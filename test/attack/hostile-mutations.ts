import { concatBytes } from "../../src/vindex/bytes.ts";
import { fieldOf, type Group, joinPieces, type Piece, type Pieces, readUv, uv } from "./hostile-pieces.ts";

/** All that a hostile server may put in place of a field, a list, a section or a payload. */

/** What a mutation is of; each field must meet each of them. */
export const MUTATION_KINDS = ["wrong", "old", "foreign", "huge", "missing", "repeated", "boundary"] as const;
export type MutationKind = (typeof MUTATION_KINDS)[number];

export interface Mutation {
  readonly kind: MutationKind;
  /** Field, without numbers of elements. */
  readonly field: string;
  /** Place and change, to find it again. */
  readonly what: string;
  readonly payload: Uint8Array;
}

/** True payloads from elsewhere, taken apart. */
export interface Donor {
  readonly kind: "old" | "foreign";
  readonly name: string;
  readonly pieces: Pieces;
}

/** Longest payload that a TXT record in a message of 65,535 bytes brings. */
const LONGEST = 65_000;
const MAX_NUMBER = 2n ** 53n - 1n;
/** Order of the group of Ed25519: a signature whose second half is too large by it verifies where that is not checked. */
const GROUP_ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;

type Change = readonly [kind: MutationKind, what: string, bytes: Uint8Array];

/** All mutations of a payload, each once. */
export function mutate(name: string, parsed: Pieces, donors: readonly Donor[]): Mutation[] {
  const { pieces, groups } = parsed;
  const original = joinPieces(pieces);
  const seen = new Set([Buffer.from(original).toString("latin1")]);
  const out: Mutation[] = [];
  const add = (kind: MutationKind, field: string, what: string, payload: Uint8Array): void => {
    if (payload.length > LONGEST) return;
    const id = Buffer.from(payload).toString("latin1");
    if (seen.has(id)) return;
    seen.add(id);
    out.push({ kind, field: fieldOf(field), what: `${name}: ${field}: ${what}`, payload });
  };
  const shown = pieces.filter(({ at }) => isShown(at, groups));
  for (const piece of shown) {
    for (const [kind, what, bytes] of [...changesOf(piece), ...donated(piece, donors)]) {
      add(kind, piece.at, what, joinPieces(put(pieces, piece, bytes)));
      // A length that fits the change leads past the first check.
      if (piece.lengthAt !== undefined)
        add(kind, piece.at, `${what}, with its length`, joinPieces(put(pieces, piece, bytes, true)));
    }
  }
  for (const group of groups.filter(({ at, kind }) => kind !== "element" && isShown(at, groups))) {
    for (const [kind, what, bytes, count] of changesOfGroup(group, parsed, donors)) {
      const whole = (list: readonly Piece[]): Uint8Array =>
        concatBytes(joinPieces(list.slice(0, group.from)), bytes, joinPieces(list.slice(group.to)));
      add(kind, group.at, what, whole(pieces));
      const counter = pieces.find(({ at }) => at === group.countAt);
      if (counter !== undefined && count !== undefined)
        add(kind, group.at, `${what}, with its count`, whole(put(pieces, counter, uv(count))));
    }
  }
  for (const [kind, what, bytes] of changesOfPayload(pieces, donors)) add(kind, "payload", what, bytes);
  return out;
}

/** Of lists the first and the last element stand for all. */
function isShown(at: string, groups: readonly Group[]): boolean {
  return [...at.matchAll(/\[(\d+)\]/g)].every(({ index, 1: number }) => {
    const list = groups.find((group) => group.kind === "list" && group.at === at.slice(0, index));
    const count = groups.filter(
      (group) => group.kind === "element" && group.at.startsWith(`${list?.at}[`) && group.at.endsWith("]"),
    ).length;
    return number === "0" || Number(number) === count - 1;
  });
}

function put(pieces: readonly Piece[], piece: Piece, bytes: Uint8Array, withLength = false): Piece[] {
  return pieces.map((other) => {
    if (other === piece) return { ...other, bytes };
    if (!withLength || other.at !== piece.lengthAt) return other;
    return { ...other, bytes: other.kind === "u8" ? Uint8Array.of(bytes.length & 0xff) : uv(bytes.length) };
  });
}

function donated(piece: Piece, donors: readonly Donor[]): Change[] {
  return donors.flatMap(({ kind, name, pieces }) => {
    const same = pieces.pieces.filter((other) => fieldOf(other.at) === fieldOf(piece.at));
    const chosen = [same.find(({ at }) => at === piece.at), same.at(0), same.at(-1)];
    return chosen.flatMap((other) => (other === undefined ? [] : [[kind, `that of ${name}`, other.bytes] as const]));
  });
}

function changesOf(piece: Piece): Change[] {
  const { bytes, kind } = piece;
  const common: Change[] = [
    ["missing", "missing", new Uint8Array(0)],
    ["repeated", "twice", concatBytes(bytes, bytes)],
    ["huge", "a thousand times", repeat(bytes.length > 0 ? bytes : Uint8Array.of(0x41), 1000)],
  ];
  if (kind === "tag") {
    const tags = Array.from({ length: 0x20 }, (_, tag): Change => ["wrong", `tag ${tag}`, Uint8Array.of(tag)]);
    return [
      ...common,
      ...tags,
      ["boundary", "0x7f", Uint8Array.of(0x7f)],
      ["huge", "0xff", Uint8Array.of(0xff)],
      ["wrong", "a space", Uint8Array.of(0x20)],
    ];
  }
  if (kind === "u8") {
    const byte = bytes[0] as number;
    const values = [0, 1, 31, 32, 33, 89, 90, 91, 127, 128, 254];
    return [
      ...common,
      ["wrong", "one more", Uint8Array.of((byte + 1) & 0xff)],
      ["wrong", "one less", Uint8Array.of((byte - 1) & 0xff)],
      ["huge", "255", Uint8Array.of(255)],
      ...values.map((value): Change => ["boundary", String(value), Uint8Array.of(value)]),
    ];
  }
  if (kind === "uv") return [...common, ...numbers(readUv(bytes), bytes)];
  return [...common, ...(piece.length === undefined ? texts(bytes) : blocks(bytes))];
}

function numbers(value: bigint, bytes: Uint8Array): Change[] {
  const bounds = [0n, 1n, 2n, 127n, 128n, 255n, 256n, 300n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, MAX_NUMBER - 1n];
  const last = bytes.length - 1;
  const padded = concatBytes(bytes.subarray(0, last), Uint8Array.of((bytes[last] as number) | 0x80, 0));
  return [
    ["wrong", "one more", uv(value + 1n)],
    ["wrong", "one less", value > 0n ? uv(value - 1n) : bytes],
    ["wrong", "twice as large", uv(2n * value)],
    ["huge", "2^53 - 1", uv(MAX_NUMBER)],
    ["huge", "2^53", uv(MAX_NUMBER + 1n)],
    ["huge", "2^53 and as much", uv(MAX_NUMBER + 1n + value)],
    ["huge", "2^64 - 1", uv(2n ** 64n - 1n)],
    ["huge", "without an end", new Uint8Array(300).fill(0xff)],
    ["wrong", "not the shortest form", padded],
    ...bounds.map((bound): Change => ["boundary", String(bound), uv(bound)]),
  ];
}

/** Changes of bytes of fixed length: hashes, signatures, keys. */
function blocks(bytes: Uint8Array): Change[] {
  const flip = (at: number, bit: number): Uint8Array => bytes.with(at, (bytes[at] as number) ^ bit);
  const last = bytes.length - 1;
  const changes: Change[] = [
    ["wrong", "its first bit", flip(0, 0x80)],
    ["wrong", "its last bit", flip(last, 1)],
    ["wrong", "a bit in the middle", flip(last >> 1, 0x10)],
    ["wrong", "turned around", bytes.toReversed()],
    ["missing", "its last byte", bytes.subarray(0, last)],
    ["missing", "its first byte", bytes.subarray(1)],
    ["huge", "a byte longer", concatBytes(bytes, Uint8Array.of(0))],
    ["boundary", "all zero", new Uint8Array(bytes.length)],
    ["boundary", "all ones", new Uint8Array(bytes.length).fill(0xff)],
    ["boundary", "one", new Uint8Array(bytes.length).with(0, 1)],
  ];
  if (bytes.length === 64) {
    const scalar = readLittleEndian(bytes.subarray(32)) + GROUP_ORDER;
    changes.push([
      "wrong",
      "the other form of the signature",
      concatBytes(bytes.subarray(0, 32), littleEndian(scalar)),
    ]);
    changes.push(["wrong", "its two halves", concatBytes(bytes.subarray(32), bytes.subarray(0, 32))]);
  }
  return changes;
}

/** Changes of texts and other bytes of any length. */
function texts(bytes: Uint8Array): Change[] {
  const middle = bytes.length >> 1;
  const last = bytes.length - 1;
  const changes: Change[] = [
    ["missing", "its end", bytes.subarray(0, middle)],
    ["missing", "its beginning", bytes.subarray(middle)],
    ["huge", "256 bytes", new Uint8Array(256).fill(0x39)],
    ["huge", "60,000 bytes", new Uint8Array(60_000).fill(0x39)],
    ["boundary", "one byte", Uint8Array.of(0x31)],
    ["boundary", "a space behind", concatBytes(bytes, Uint8Array.of(0x20))],
    ["boundary", "a space before", concatBytes(Uint8Array.of(0x20), bytes)],
    ["wrong", "in upper case", Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1").toUpperCase()))],
    ["wrong", "in lower case", Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1").toLowerCase()))],
    ["repeated", "joined to itself", concatBytes(bytes, Uint8Array.of(0x3b, 0x20), bytes)],
  ];
  for (const at of new Set([0, middle, last])) {
    if (at < 0) continue;
    changes.push(["wrong", `its byte ${at}`, bytes.with(at, (bytes[at] as number) ^ 1)]);
    for (const byte of [0x00, 0x0a, 0x1b, 0x7f, 0x9b, 0xff]) {
      changes.push(["boundary", `byte ${at} is ${byte}`, bytes.with(at, byte)]);
    }
  }
  // Every digit run may be a version or an index.
  for (const { 0: run, index } of Buffer.from(bytes).toString("latin1").matchAll(/\d+/g)) {
    if (index > 300) break;
    const other = Buffer.from(String(BigInt(run) + 1n));
    changes.push(["wrong", `its number ${run} at ${index}`, splice(bytes, index, run.length, other)]);
    changes.push([
      "huge",
      `its number ${run} at ${index}`,
      splice(bytes, index, run.length, Buffer.from("9".repeat(60))),
    ]);
  }
  return changes;
}

function splice(bytes: Uint8Array, at: number, length: number, other: Uint8Array): Uint8Array {
  return concatBytes(bytes.subarray(0, at), other, bytes.subarray(at + length));
}

type GroupChange = readonly [kind: MutationKind, what: string, bytes: Uint8Array, count?: number];

function changesOfGroup(group: Group, { pieces, groups }: Pieces, donors: readonly Donor[]): GroupChange[] {
  const bytes = joinPieces(pieces.slice(group.from, group.to));
  const others = donors.flatMap(({ kind, name, pieces: other }) => {
    const same = other.groups.find(({ at }) => at === group.at);
    if (same === undefined) return [];
    const from = other.pieces.slice(same.from, same.to);
    return [[kind, `that of ${name}`, joinPieces(from)] as const];
  });
  if (group.kind === "section") {
    return [
      ["missing", "the section", new Uint8Array(0)],
      ["repeated", "the section twice", concatBytes(bytes, bytes)],
      ["missing", "its content", bytes.subarray(0, 1)],
      ["huge", "the section fifty times", repeat(bytes, 50)],
      ...others,
    ];
  }
  const elements = groups
    .filter(
      ({ kind, at }) =>
        kind === "element" && at.startsWith(`${group.at}[`) && /^\[\d+\]$/.test(at.slice(group.at.length)),
    )
    .map(({ from, to }) => joinPieces(pieces.slice(from, to)));
  const list = (kind: MutationKind, what: string, items: readonly Uint8Array[]): GroupChange => [
    kind,
    what,
    concatBytes(...items),
    items.length,
  ];
  const [first] = elements;
  const size = Math.max(1, first?.length ?? 32);
  const filled = first ?? new Uint8Array(32);
  const many = (total: number): Uint8Array[] => Array.from({ length: Math.floor(total / size) }, () => filled);
  return [
    list("missing", "all elements", []),
    list("missing", "its first element", elements.slice(1)),
    list("missing", "its last element", elements.slice(0, -1)),
    list("repeated", "its first element twice", elements.slice(0, 1).concat(elements)),
    list("repeated", "its last element twice", elements.concat(elements.slice(-1))),
    list("repeated", "one more element", [...elements, filled]),
    list("wrong", "turned around", elements.toReversed()),
    list("wrong", "its first two exchanged", [...elements.slice(0, 2).reverse(), ...elements.slice(2)]),
    list(
      "boundary",
      "257 elements",
      Array.from({ length: 257 }, () => filled),
    ),
    list("huge", "5,000 bytes of elements", many(5000)),
    list("huge", "64,000 bytes of elements", many(64_000)),
    ...others,
  ];
}

function changesOfPayload(pieces: readonly Piece[], donors: readonly Donor[]): Change[] {
  const bytes = joinPieces(pieces);
  const tails = [0x00, 0x0a, 0x0d, 0x1f, 0x20, 0x7f, 0xff].map(
    (byte): Change => ["boundary", `byte ${byte} behind its end`, concatBytes(bytes, Uint8Array.of(byte))],
  );
  let at = 0;
  const cuts = pieces.flatMap((piece): Change[] => {
    const start = at;
    at += piece.bytes.length;
    return [
      ["missing", `all from ${piece.at}`, bytes.subarray(0, start)],
      ["missing", `all from the middle of ${piece.at}`, bytes.subarray(0, start + (piece.bytes.length >> 1))],
    ];
  });
  return [
    ["missing", "everything", new Uint8Array(0)],
    ["repeated", "everything twice", concatBytes(bytes, bytes)],
    ["huge", "filled up to 64,501 bytes", concatBytes(bytes, new Uint8Array(Math.max(0, 64_501 - bytes.length)))],
    ["huge", "64,501 letters", new Uint8Array(64_501).fill(0x61)],
    ["wrong", "a text before it", concatBytes(Buffer.from("v=v9.9.9 i=1"), bytes)],
    ["wrong", "in lower case", bytes.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte))],
    ["wrong", "as UTF-8", Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1"), "utf8"))],
    ["wrong", "without its high bits", bytes.map((byte) => byte & 0x7f)],
    ...tails,
    ...(cuts.length > 200 ? cuts.filter((_, i) => i % 7 === 0) : cuts),
    ...donors.map(({ kind, name, pieces: other }): Change => [kind, `that of ${name}`, joinPieces(other.pieces)]),
  ];
}

function repeat(bytes: Uint8Array, count: number): Uint8Array {
  const times = Math.min(count, Math.floor(LONGEST / 2 / Math.max(1, bytes.length)));
  return concatBytes(...Array.from({ length: times }, () => bytes));
}

function readLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
