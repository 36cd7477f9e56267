import { type ByteSource, partOf } from "./binary-file.ts";
import { decodeElf } from "./elf.ts";
import { decodeFatArches, decodeMachO } from "./mach-o.ts";
import { malformed } from "./malformed.ts";
import { decodePe } from "./pe.ts";

/** Bytes of a file that are mapped at an address when it runs. */
export interface Region {
  readonly address: number;
  /** In the file. */
  readonly offset: number;
  /** Of what the file holds. */
  readonly size: number;
}

/** What must be known of an executable to find and read its data. */
export interface Image {
  readonly format: "elf" | "macho" | "pe";
  readonly regions: readonly Region[];
  /** Where build information begins or is to be searched: the section made for it, else the first writable data; undefined: nowhere. */
  readonly data: { readonly address: number; readonly isSection: boolean } | undefined;
  readonly source: ByteSource;
}

/** Bytes that are used as numbers. Numbers of 64 bits that are not exact are infinite, so that no range holds them. */
export class Fields {
  readonly #view: DataView;
  readonly #isLittle: boolean;
  /** Addresses and sizes have 8 bytes, not 4. */
  readonly is64: boolean;

  constructor(bytes: Uint8Array, isLittle: boolean, is64: boolean) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isLittle = isLittle;
    this.is64 = is64;
  }

  uint16(at: number): number {
    return this.#view.getUint16(at, this.#isLittle);
  }

  uint32(at: number): number {
    return this.#view.getUint32(at, this.#isLittle);
  }

  uint64(at: number): number {
    const value = Number(this.#view.getBigUint64(at, this.#isLittle));
    return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
  }

  /** An address or a size. */
  word(at: number): number {
    return this.is64 ? this.uint64(at) : this.uint32(at);
  }
}

/** A name of at most `length` bytes, up to the first zero. */
export function nameAt(bytes: Uint8Array, at: number, length: number): string {
  let name = "";
  for (let i = at; i < at + length && i < bytes.length && bytes[i] !== 0; i++)
    name += String.fromCharCode(bytes[i] ?? 0);
  return name;
}

/** An executable, or a sentence that says why it is none that is known. */
export type Recognized =
  | { readonly image: Image; readonly reason?: never }
  | { readonly image?: never; readonly reason: string };

/** Fewest bytes of which anything is recognized. */
const IDENT_LENGTH = 64;

/**
 * Recognizes executables of Linux and its kin (ELF), macOS (Mach-O, of several architectures the first, as the go command
 * has it) and Windows (PE).
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it begins as one and is not
 */
export async function recognize(source: ByteSource): Promise<Recognized> {
  if (source.size === 0) return { reason: "it is empty" };
  const ident = await source.read(0, Math.min(IDENT_LENGTH, source.size));
  const first = ident.length < 4 ? 0 : new DataView(ident.buffer, ident.byteOffset).getUint32(0);
  if (ident.length < IDENT_LENGTH && (first === ELF || isMachO(first) || first >>> 16 === MZ)) {
    throw malformed(source.file, undefined, "the file is cut off within its first header");
  }
  if (first === ELF) return { image: await decodeElf(source, ident) };
  if (first >>> 16 === MZ) return decodePe(source, ident);
  if (isMachO(first)) return { image: await decodeMachO(source, first) };
  if (first === FAT || first === FAT_64) {
    const arches = await decodeFatArches(source, ident, first === FAT_64);
    const [arch] = arches ?? [];
    if (arch === undefined) return { reason: "it is a class file of Java" };
    const part = partOf(source, arch.offset, arch.size);
    const inner = new Fields(await part.read(0, 4), false, false).uint32(0);
    if (!isMachO(inner)) throw malformed(source.file, undefined, "its first architecture holds no Mach-O executable");
    return { image: await decodeMachO(part, inner) };
  }
  return { reason: describe(ident, first) };
}

const ELF = 0x7f454c46;
const MZ = 0x4d5a;
const FAT = 0xcafebabe;
const FAT_64 = 0xcafebabf;
const MACH_O: readonly number[] = [0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe];

function isMachO(first: number): boolean {
  return MACH_O.includes(first);
}

function describe(ident: Uint8Array, first: number): string {
  if (first >>> 16 === 0x2321) return "it is a script";
  if (first === 0x0061736d) return "it is WebAssembly, of which build information is not read";
  if (first >>> 16 === 0x01df || first >>> 16 === 0x01f7)
    return "it is an executable of AIX, of which build information is not read";
  if (nameAt(ident, 0, 8) === "!<arch>\n") return "it is an archive";
  if (first >>> 16 === 0x504b) return "it is a zip file";
  return "it is no executable of a known format (ELF, Mach-O, PE)";
}
