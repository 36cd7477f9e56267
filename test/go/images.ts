/** Executables made by hand, as small as they can be: what a linker would write around build information. */

const MAGIC = Buffer.concat([Buffer.from([0xff]), Buffer.from(" Go buildinf:", "latin1")]);
const START = Buffer.from("3077af0c9274080241e1c107e6d618e6", "hex");
const END = Buffer.from("f932433186182072008242104116d8f2", "hex");

/** A field of a header: where, how many bytes, what. */
export type Field = readonly [at: number, size: 1 | 2 | 4 | 8, value: number];

/** Writes fields of a byte order into zeros. */
export function header(size: number, isLittle: boolean, fields: readonly Field[]): Buffer {
  const out = Buffer.alloc(size);
  for (const [at, bytes, value] of fields) {
    const view = new DataView(out.buffer, out.byteOffset, out.length);
    if (bytes === 1) view.setUint8(at, value);
    else if (bytes === 2) view.setUint16(at, value, isLittle);
    else if (bytes === 4) view.setUint32(at, value, isLittle);
    else view.setBigUint64(at, BigInt(value), isLittle);
  }
  return out;
}

/** The module text in its frame. */
export function framed(modules: string): Buffer {
  return modules === "" ? Buffer.alloc(0) : Buffer.concat([START, Buffer.from(modules), END]);
}

function varint(value: number): Buffer {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 0x80)) {
    out.push(rest >= 0x80 ? (rest % 0x80) + 0x80 : rest);
    if (rest < 0x80) return Buffer.from(out);
  }
}

/** Build information as Go writes it since 1.18. */
export function inlineInfo(goVersion: string, modules: string, pointerSize = 8): Buffer {
  const text = framed(modules);
  const start = Buffer.concat([MAGIC, Buffer.from([pointerSize, 2]), Buffer.alloc(16)]);
  return Buffer.concat([start, varint(goVersion.length), Buffer.from(goVersion), varint(text.length), text]);
}

/** Build information as Go wrote it before, and the strings that it points to; it lies at `address`. */
export function pointerInfo(
  goVersion: string,
  modules: string,
  address: number,
  size: 4 | 8,
  isLittle: boolean,
): Buffer {
  const text = framed(modules);
  const strings = address + 32;
  const bytesAt = strings + 4 * size;
  const versionLength = Buffer.byteLength(goVersion);
  const words = header(32 + 4 * size, isLittle, [
    [14, 1, size],
    [15, 1, isLittle ? 0 : 1],
    [16, size, strings],
    [16 + size, size, strings + 2 * size],
    [32, size, bytesAt],
    [32 + size, size, versionLength],
    [32 + 2 * size, size, bytesAt + versionLength],
    [32 + 3 * size, size, text.length],
  ]);
  MAGIC.copy(words);
  return Buffer.concat([words, Buffer.from(goVersion), text]);
}

export interface ImageOptions {
  readonly is64?: boolean;
  readonly isLittle?: boolean;
  /** Give the data a section of its own name; else it is to be searched. */
  readonly hasSection?: boolean;
  /** What stands before the build information in the data. */
  readonly padding?: number;
}

/** Where the data of `makeElf` begins when it runs. */
export const ELF_ADDRESS = 0x400000;

/** An ELF file with one read-only and one writable segment; `data` is in the second. */
export function makeElf(data: Buffer, options: ImageOptions = {}): Buffer {
  const { is64 = true, isLittle = true, hasSection = true, padding = 0 } = options;
  const word = is64 ? 8 : 4;
  const [headerSize, segmentSize, sectionSize] = is64 ? [64, 56, 64] : [52, 32, 40];
  const names = Buffer.from("\0.shstrtab\0.go.buildinfo\0");
  const content = Buffer.concat([Buffer.alloc(padding), data]);
  const dataAt = 256;
  const namesAt = dataAt + content.length;
  const sectionsAt = Math.ceil((namesAt + names.length) / 8) * 8;
  const at = is64 ? [32, 40, 54, 56, 58, 60, 62] : [28, 32, 42, 44, 46, 48, 50];
  const sections = hasSection ? 3 : 0;
  const [flagsAt, offsetAt, addressAt, fileSizeAt] = is64 ? [4, 8, 16, 32] : [24, 4, 8, 16];
  const segment = (flags: number, offset: number, address: number, size: number): Buffer =>
    header(segmentSize, isLittle, [
      [0, 4, 1],
      [flagsAt as number, 4, flags],
      [offsetAt as number, word, offset],
      [addressAt as number, word, address],
      [fileSizeAt as number, word, size],
    ]);
  const [sectionAddressAt, sectionOffsetAt, sectionSizeAt] = is64 ? [16, 24, 32] : [12, 16, 20];
  const section = (name: number, address: number, offset: number, size: number): Buffer =>
    header(sectionSize, isLittle, [
      [0, 4, name],
      [4, 4, address === 0 ? 3 : 1],
      [sectionAddressAt as number, word, address],
      [sectionOffsetAt as number, word, offset],
      [sectionSizeAt as number, word, size],
    ]);
  const first = header(headerSize, isLittle, [
    [4, 1, is64 ? 2 : 1],
    [5, 1, isLittle ? 1 : 2],
    [6, 1, 1],
    [16, 2, 2],
    [18, 2, is64 ? 62 : 3],
    [20, 4, 1],
    [at[0] as number, word, headerSize],
    [at[1] as number, word, hasSection ? sectionsAt : 0],
    [at[2] as number, 2, segmentSize],
    [at[3] as number, 2, 2],
    [at[4] as number, 2, sectionSize],
    [at[5] as number, 2, sections],
    [at[6] as number, 2, hasSection ? 1 : 0],
  ]);
  first.write("\x7fELF", "latin1");
  const out = Buffer.alloc(sectionsAt + sections * sectionSize);
  Buffer.concat([
    first,
    segment(5, 0, ELF_ADDRESS - 0x10000, 128),
    segment(6, dataAt, ELF_ADDRESS, content.length),
  ]).copy(out);
  content.copy(out, dataAt);
  names.copy(out, namesAt);
  if (hasSection) {
    section(1, 0, namesAt, names.length).copy(out, sectionsAt + sectionSize);
    section(11, ELF_ADDRESS + padding, dataAt + padding, data.length).copy(out, sectionsAt + 2 * sectionSize);
  }
  return out;
}

/** Where the data of `makeMachO` begins when it runs. */
export const MACH_O_ADDRESS = 0x100000;

/** A Mach-O file with `__PAGEZERO` and one writable segment. */
export function makeMachO(data: Buffer, options: ImageOptions = {}): Buffer {
  const { is64 = true, isLittle = true, hasSection = true, padding = 0 } = options;
  const word = is64 ? 8 : 4;
  const headerSize = is64 ? 32 : 28;
  const layout = is64 ? [24, 40, 48, 56, 60, 64, 72, 80] : [24, 32, 36, 40, 44, 48, 56, 68];
  const [addressAt, offsetAt, sizeAt, mostAt, initialAt, countAt, end, sectionSize] = layout as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const content = Buffer.concat([Buffer.alloc(padding), data]);
  const segment = (
    name: string,
    address: number,
    offset: number,
    size: number,
    access: number,
    section: boolean,
  ): Buffer => {
    const length = end + (section ? sectionSize : 0);
    const out = header(length, isLittle, [
      [0, 4, is64 ? 0x19 : 0x01],
      [4, 4, length],
      [addressAt, word, address],
      [offsetAt, word, offset],
      [sizeAt, word, size],
      [mostAt, 4, access],
      [initialAt, 4, access],
      [countAt, 4, section ? 1 : 0],
      ...(section ? ([[end + 32, word, address + padding]] as const) : []),
    ]);
    out.write(name, 8, "latin1");
    if (section) out.write("__go_buildinfo", end, "latin1");
    return out;
  };
  const dataAt = 512;
  const commands = Buffer.concat([
    segment("__PAGEZERO", 0, 0, 0, 0, false),
    segment("__DATA", MACH_O_ADDRESS, dataAt, content.length, 3, hasSection),
  ]);
  const first = header(headerSize, isLittle, [
    [0, 4, is64 ? 0xfeedfacf : 0xfeedface],
    [16, 4, 2],
    [20, 4, commands.length],
  ]);
  const out = Buffer.alloc(dataAt + content.length);
  Buffer.concat([first, commands]).copy(out);
  content.copy(out, dataAt);
  return out;
}

/** A universal file of Mach-O files. */
export function makeFat(parts: readonly Buffer[], is64 = false): Buffer {
  const size = is64 ? 32 : 20;
  let offset = 4096;
  const arches = parts.map((part) => {
    const arch = header(
      size,
      false,
      is64
        ? [
            [8, 8, offset],
            [16, 8, part.length],
          ]
        : [
            [8, 4, offset],
            [12, 4, part.length],
          ],
    );
    offset += part.length;
    return arch;
  });
  const first = header(8, false, [
    [0, 4, is64 ? 0xcafebabf : 0xcafebabe],
    [4, 4, parts.length],
  ]);
  const start = Buffer.alloc(4096);
  Buffer.concat([first, ...arches]).copy(start);
  return Buffer.concat([start, ...parts]);
}

/** Where the data of `makePe` begins when it runs. */
export const PE_ADDRESS = 0x400000 + 0x2000;

/** A PE file with a section of code and one of writable data. */
export function makePe(data: Buffer, options: ImageOptions = {}): Buffer {
  const { is64 = true, padding = 0 } = options;
  const content = Buffer.concat([Buffer.alloc(padding), data]);
  const dataAt = 1024;
  const optionalSize = is64 ? 240 : 224;
  const dos = header(64, true, [[0x3c, 4, 128]]);
  dos.write("MZ", "latin1");
  const first = header(24, true, [
    [0, 4, 0x4550],
    [6, 2, 2],
    [20, 2, optionalSize],
  ]);
  const optional = header(
    optionalSize,
    true,
    is64
      ? [
          [0, 2, 0x20b],
          [24, 8, 0x400000],
          [108, 4, 16],
        ]
      : [
          [0, 2, 0x10b],
          [28, 4, 0x400000],
          [92, 4, 16],
        ],
  );
  const section = (address: number, offset: number, size: number, kind: number): Buffer =>
    header(40, true, [
      [12, 4, address],
      [16, 4, size],
      [20, 4, offset],
      [36, 4, kind],
    ]);
  const out = Buffer.alloc(dataAt + content.length);
  dos.copy(out);
  Buffer.concat([
    first,
    optional,
    section(0x1000, 512, 64, 0x60000020),
    section(0x2000, dataAt, content.length, 0xc0000040),
  ]).copy(out, 128);
  content.copy(out, dataAt);
  return out;
}
