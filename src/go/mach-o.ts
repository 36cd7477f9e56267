import type { ByteSource } from "./binary-file.ts";
import { Fields, type Image, nameAt, type Region } from "./executable.ts";
import { malformed } from "./malformed.ts";

const SEGMENT_32 = 0x01;
const SEGMENT_64 = 0x19;
const SECTION = "__go_buildinfo";
const READ_WRITE = 3;
/** Most bytes of load commands that are read; real ones have a few thousand. */
const MAX_COMMANDS = 16 * 1024 * 1024;
/** Most architectures of a universal file. In a class file of Java, which begins with the same bytes, the version stands there: 45 or more. */
const MAX_ARCHES = 44;

/** Places of the fields of a segment command and of the sections behind it (mach-o/loader.h). */
const LAYOUT_32 = {
  address: 24,
  offset: 32,
  size: 36,
  most: 40,
  initial: 44,
  count: 48,
  end: 56,
  sectionSize: 68,
} as const;
const LAYOUT_64 = {
  address: 24,
  offset: 40,
  size: 48,
  most: 56,
  initial: 60,
  count: 64,
  end: 72,
  sectionSize: 80,
} as const;

/**
 * The architectures of a universal file, in order, by place and size; undefined if it is something else that begins with
 * the same bytes.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function decodeFatArches(
  source: ByteSource,
  ident: Uint8Array,
  is64: boolean,
): Promise<{ offset: number; size: number }[] | undefined> {
  if (ident.length < 8) throw malformed(source.file, undefined, "the file is cut off within its first header");
  const count = new Fields(ident, false, is64).uint32(4);
  if (count > MAX_ARCHES) return undefined;
  if (count === 0) throw malformed(source.file, undefined, "it is a universal file without an architecture");
  const size = is64 ? 32 : 20;
  const table = new Fields(await source.read(8, count * size), false, is64);
  return Array.from({ length: count }, (_, i) => ({
    offset: table.word(i * size + 8),
    size: table.word(i * size + (is64 ? 16 : 12)),
  }));
}

/**
 * Reads the segments of a Mach-O file and looks for the section of Go's build information. `first` are its first four
 * bytes, big-endian.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function decodeMachO(source: ByteSource, first: number): Promise<Image> {
  const isLittle = first === 0xcefaedfe || first === 0xcffaedfe;
  const is64 = first === 0xfeedfacf || first === 0xcffaedfe;
  const headerSize = is64 ? 32 : 28;
  const header = new Fields(await source.read(0, headerSize), isLittle, is64);
  const [count, length] = [header.uint32(16), header.uint32(20)];
  if (length > MAX_COMMANDS)
    throw malformed(source.file, undefined, "its Mach-O header announces too many load commands");
  const bytes = await source.read(headerSize, length);
  const commands = new Fields(bytes, isLittle, is64);
  const regions: Region[] = [];
  let section: number | undefined;
  let writable: number | undefined;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const size = length - at < 8 ? 0 : commands.uint32(at + 4);
    if (size < 8 || size > length - at)
      throw malformed(source.file, undefined, "its load commands do not fit each other");
    const command = commands.uint32(at);
    if (command === SEGMENT_32 || command === SEGMENT_64) {
      const isWide = command === SEGMENT_64;
      const layout = isWide ? LAYOUT_64 : LAYOUT_32;
      if (size < layout.end) throw malformed(source.file, undefined, "a segment command is cut off");
      const part = bytes.subarray(at, at + size);
      const segment = new Fields(part, isLittle, isWide);
      const region = {
        address: segment.word(layout.address),
        offset: segment.word(layout.offset),
        size: segment.word(layout.size),
      };
      // What is mapped from no file, like __PAGEZERO, holds nothing.
      if (region.size > 0) regions.push(region);
      const isReadWrite = segment.uint32(layout.initial) === READ_WRITE && segment.uint32(layout.most) === READ_WRITE;
      if (writable === undefined && isReadWrite && region.address !== 0 && region.size > 0) writable = region.address;
      section ??= findSection(segment, part, layout, source.file);
    }
    at += size;
  }
  const address = section ?? writable;
  const data = address === undefined ? undefined : { address, isSection: section !== undefined };
  return { format: "macho", regions, data, source };
}

/** The address of the section of Go's build information; undefined if the segment has none. */
function findSection(
  segment: Fields,
  bytes: Uint8Array,
  layout: typeof LAYOUT_32 | typeof LAYOUT_64,
  file: string,
): number | undefined {
  const count = segment.uint32(layout.count);
  if (layout.end + count * layout.sectionSize > bytes.length) {
    throw malformed(file, undefined, "a segment command has fewer sections than it announces");
  }
  for (let i = 0; i < count; i++) {
    const start = layout.end + i * layout.sectionSize;
    if (nameAt(bytes, start, 16) === SECTION) return segment.word(start + 32);
  }
  return undefined;
}
