/**
 * The WebAssembly module of `Sha256Lanes`: one function that hashes four messages of the same number of blocks (FIPS 180-4
 * §6.2), one in each 32-bit lane of the SIMD registers. It is written here as instructions and assembled when it is needed,
 * so that what runs can be read.
 *
 *     memory "memory"
 *     func "hash"(start[4], length[4], out[4], blocks, whole)
 *
 * Messages stand at `start`, are `length` bytes long and take `blocks` blocks with their padding; the first `whole`
 * blocks are full in all four. Each digest is written at its `out`. Up to 64 bytes behind a message may be read.
 */

/** Bytes of memory below those that a caller may use: the round constants. */
export const KERNEL_MEMORY = 256;

/** FIPS 180-4 §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
export const ROUND_CONSTANTS: Int32Array = Int32Array.from(primes(64), (p) => fraction(Math.cbrt(p)));
/** §5.3.3: of the square roots of the first 8. */
const INITIAL: readonly number[] = primes(8).map((p) => fraction(Math.sqrt(p)));

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
}

function fraction(root: number): number {
  return Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
}

/** Unsigned LEB128. */
function uleb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...uleb(value >>> 7)];
}

/** Signed LEB128. */
function sleb(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...sleb(value >> 7)];
}

const section = (id: number, ...content: number[]): number[] => [id, ...uleb(content.length), ...content];
const ascii = (text: string): number[] => [text.length, ...Array.from(text, (c) => c.charCodeAt(0))];

const I32 = 0x7f;
const V128 = 0x7b;

/** Instructions. A value of type `Code` leaves one value on the stack, or none where it says so. */
type Code = readonly number[];
const simd = (opcode: number, ...rest: number[]): number[] => [0xfd, ...uleb(opcode), ...rest];

const get = (local: number): Code => [0x20, ...uleb(local)];
const set = (local: number, value: Code): Code => [...value, 0x21, ...uleb(local)];
const i32 = (value: number): Code => [0x41, ...sleb(value)];
const i32op = (opcode: number, a: Code, b: Code): Code => [...a, ...b, opcode];
const add32 = (a: Code, b: Code): Code => i32op(0x6a, a, b);
const sub32 = (a: Code, b: Code): Code => i32op(0x6b, a, b);
const shl32 = (a: Code, bits: number): Code => i32op(0x74, a, i32(bits));
const ifElse = (isYes: Code, yes: Code, no: Code): Code => [...isYes, 0x04, 0x40, ...yes, 0x05, ...no, 0x0b];

const load = (address: Code, offset: number): Code => [...address, ...simd(0x00, 0, ...uleb(offset))];
const loadSplat = (offset: number): Code => [...i32(0), ...simd(0x09, 2, ...uleb(offset))];
const store = (address: Code, offset: number, value: Code): Code => [
  ...address,
  ...value,
  ...simd(0x0b, 0, ...uleb(offset)),
];
const bytesConst = (bytes: readonly number[]): Code => simd(0x0c, ...bytes);
const shuffle = (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, ...simd(0x0d, ...lanes)];
const splat32 = (a: Code): Code => [...a, ...simd(0x11)];
const setLane = (a: Code, lane: number, value: Code): Code => [...a, ...value, ...simd(0x1c, lane)];
const v = (opcode: number, a: Code, b: Code): Code => [...a, ...b, ...simd(opcode)];
const eq8 = (a: Code, b: Code): Code => v(0x23, a, b);
const less8 = (a: Code, b: Code): Code => v(0x25, a, b);
const and = (a: Code, b: Code): Code => v(0x4e, a, b);
const or = (a: Code, b: Code): Code => v(0x50, a, b);
const xor = (a: Code, ...others: readonly Code[]): Code => others.reduce((all, b) => v(0x51, all, b), a);
const add = (a: Code, ...others: readonly Code[]): Code => others.reduce((all, b) => v(0xae, all, b), a);
const shl = (a: Code, bits: number): Code => v(0xab, a, i32(bits));
const shr = (a: Code, bits: number): Code => v(0xad, a, i32(bits));
const rotr = (a: Code, bits: number): Code => or(shr(a, bits), shl(a, 32 - bits));

// Parameters, then the other locals.
const START = 0;
const LENGTH = 4;
const OUT = 8;
const BLOCKS = 12;
const WHOLE = 13;
const AT = 14; // first byte of the block, counted from the starts
const BLOCK = 15;
const HASH = 16; // 8: the chaining value
const STATE = HASH + 8; // 8: a … h
const W = STATE + 8; // 16: the message schedule
const T = W + 16; // 4 for anything
const REST = T + 4; // 4: bytes of each message that are left
const BITS = REST + 4; // message lengths in bits
const LOCALS_END = BITS + 1;

/** Byte lanes that take words of two registers (0–3 the first's, 4–7 the second's), with their bytes turned around or not. */
const words = (which: readonly number[], isSwapped: boolean): number[] =>
  which.flatMap((word) => [0, 1, 2, 3].map((i) => 4 * word + (isSwapped ? 3 - i : i)));

const forLanes = (make: (lane: number) => Code): Code => [0, 1, 2, 3].flatMap((lane) => [...make(lane)]);

/** Turns four registers around: word i of register j becomes word j of register i. In place, through T. */
function transpose(rows: readonly number[], swapIn: boolean, swapOut: boolean): Code {
  const [a = 0, b = 0, c = 0, d = 0] = rows;
  const pair = (to: number, x: number, y: number, which: number[], isSwapped: boolean): Code =>
    set(to, shuffle(get(x), get(y), words(which, isSwapped)));
  return [
    ...pair(T, a, b, [0, 4, 1, 5], swapIn),
    ...pair(T + 1, a, b, [2, 6, 3, 7], swapIn),
    ...pair(T + 2, c, d, [0, 4, 1, 5], swapIn),
    ...pair(T + 3, c, d, [2, 6, 3, 7], swapIn),
    ...pair(a, T, T + 2, [0, 1, 4, 5], swapOut),
    ...pair(b, T, T + 2, [2, 3, 6, 7], swapOut),
    ...pair(c, T + 1, T + 3, [0, 1, 4, 5], swapOut),
    ...pair(d, T + 1, T + 3, [2, 3, 6, 7], swapOut),
  ];
}

/** Sixteen bytes of each message into W[4·chunk …], as words of all four. */
function loadChunk(chunk: number, loadLane: (lane: number) => Code): Code {
  const rows = [0, 1, 2, 3].map((i) => W + 4 * chunk + i);
  return [...forLanes((lane) => set(rows[lane] as number, loadLane(lane))), ...transpose(rows, true, false)];
}

const whole = (chunk: number) => (lane: number) => load(add32(get(START + lane), get(AT)), 16 * chunk);

/** How many bytes of a message are left at the block, in all bytes of a register: at most 127, at least −128. */
const saturated = (a: Code): Code => {
  const narrow16 = [...splat32(a), ...splat32(a), ...simd(0x85)];
  return v(0x65, narrow16, narrow16);
};

/** What is behind the message's end is 80 and then 00 (§5.1.1). */
const padded = (chunk: number) => (lane: number) => {
  const index = bytesConst(Array.from({ length: 16 }, (_, i) => 16 * chunk + i));
  const text = and(whole(chunk)(lane), less8(index, get(REST + lane)));
  const end = and(eq8(index, get(REST + lane)), bytesConst(new Array<number>(16).fill(0x80)));
  return or(text, end);
};

/** One round (§6.2.2 step 3). The eight variables change their roles instead of their places. */
function round(t: number): Code {
  const role = (i: number): number => STATE + ((i - t + 64) % 8);
  const [a, b, c, e, f, g] = [0, 1, 2, 4, 5, 6].map((i) => get(role(i))) as [Code, Code, Code, Code, Code, Code];
  const w = (i: number): number => W + (i % 16);
  const code: number[] = [];
  if (t >= 16) {
    const early = get(w(t - 15));
    const late = get(w(t - 2));
    const s0 = xor(shr(early, 3), rotr(xor(early, rotr(early, 11)), 7));
    const s1 = xor(shr(late, 10), rotr(xor(late, rotr(late, 2)), 17));
    code.push(...set(w(t), add(get(w(t)), s0, get(w(t - 7)), s1)));
  }
  // Rotations within rotations keep fewer registers busy: measured a quarter faster than three side by side.
  const sum1 = rotr(xor(e, rotr(xor(e, rotr(e, 14)), 5)), 6);
  const sum0 = rotr(xor(a, rotr(xor(a, rotr(a, 9)), 11)), 2);
  const choice = xor(g, and(e, xor(f, g)));
  const majority = xor(b, and(xor(a, b), xor(b, c)));
  const [d, h] = [role(3), role(7)];
  code.push(...set(h, add(sum1, choice, get(h), add(get(w(t)), loadSplat(4 * t)))));
  code.push(...set(d, add(get(d), get(h))));
  code.push(...set(h, add(get(h), sum0, majority)));
  return code;
}

function body(): Code {
  const chunks = [0, 1, 2, 3];
  const code: number[] = [];
  for (const [i, word] of INITIAL.entries()) code.push(...set(HASH + i, splat32(i32(word))));
  code.push(...set(BITS, splat32(shl32(get(LENGTH), 3))));
  for (const lane of [1, 2, 3]) code.push(...set(BITS, setLane(get(BITS), lane, shl32(get(LENGTH + lane), 3))));
  code.push(0x03, 0x40); // loop over the blocks
  code.push(
    ...ifElse(
      i32op(0x49, get(BLOCK), get(WHOLE)),
      chunks.flatMap((chunk) => [...loadChunk(chunk, whole(chunk))]),
      [
        ...forLanes((lane) => set(REST + lane, saturated(sub32(get(LENGTH + lane), get(AT))))),
        ...chunks.flatMap((chunk) => [...loadChunk(chunk, padded(chunk))]),
      ],
    ),
  );
  code.push(...set(AT, add32(get(AT), i32(64))));
  code.push(...set(BLOCK, add32(get(BLOCK), i32(1))));
  // The last block ends in the length; the high word of it is 0.
  code.push(...ifElse(i32op(0x46, get(BLOCK), get(BLOCKS)), set(W + 15, get(BITS)), []));
  for (let i = 0; i < 8; i++) code.push(...set(STATE + i, get(HASH + i)));
  for (let t = 0; t < 64; t++) code.push(...round(t));
  for (let i = 0; i < 8; i++) code.push(...set(HASH + i, add(get(HASH + i), get(STATE + i))));
  code.push(...i32op(0x49, get(BLOCK), get(BLOCKS)), 0x0d, 0, 0x0b);
  for (const half of [0, 1]) {
    const rows = chunks.map((i) => HASH + 4 * half + i);
    code.push(...transpose(rows, false, true));
    code.push(...forLanes((lane) => store(get(OUT + lane), 16 * half, get(rows[lane] as number))));
  }
  return code;
}

/** Assembles the module; `pages` of 64 KiB are its memory. */
export function assembleSha256Kernel(pages: number): Uint8Array<ArrayBuffer> {
  const locals = [2, ...uleb(HASH - AT), I32, ...uleb(LOCALS_END - HASH), V128];
  const func = [...locals, ...body(), 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, AT, ...new Array<number>(AT).fill(I32), 0),
    ...section(3, 1, 0),
    ...section(5, 1, 1, ...uleb(pages), ...uleb(pages)),
    ...section(7, 2, ...ascii("memory"), 2, 0, ...ascii("hash"), 0, 0),
    ...section(10, 1, ...uleb(func.length), ...func),
  ]);
}
