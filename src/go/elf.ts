import type { ByteSource } from "./binary-file.ts";
import { Fields, type Image, nameAt, type Region } from "./executable.ts";
import { malformed } from "./malformed.ts";

const LOAD = 1;
const EXECUTABLE = 1;
const WRITABLE = 2;
const SECTION = ".go.buildinfo";
/** Most bytes of section names that are read. */
const MAX_NAMES = 4 * 1024 * 1024;

/** Places of header fields by class (System V ABI, chapters 4 and 5): the same fields, in other places. */
const CLASS_32 = {
  headerSize: 52,
  header: {
    segments: 28,
    sections: 32,
    segmentSize: 42,
    segmentCount: 44,
    sectionSize: 46,
    sectionCount: 48,
    names: 50,
  },
  segmentSize: 32,
  segment: { flags: 24, offset: 4, address: 8, size: 16 },
  sectionSize: 40,
  section: { address: 12, offset: 16, size: 20 },
} as const;
const CLASS_64 = {
  headerSize: 64,
  header: {
    segments: 32,
    sections: 40,
    segmentSize: 54,
    segmentCount: 56,
    sectionSize: 58,
    sectionCount: 60,
    names: 62,
  },
  segmentSize: 56,
  segment: { flags: 4, offset: 8, address: 16, size: 32 },
  sectionSize: 64,
  section: { address: 16, offset: 24, size: 32 },
} as const;

/**
 * Reads the segments of an ELF file and looks for the section of Go's build information. `ident` are its first bytes, 64.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function decodeElf(source: ByteSource, ident: Uint8Array): Promise<Image> {
  const [fileClass, encoding] = [ident[4], ident[5]];
  if ((fileClass !== 1 && fileClass !== 2) || (encoding !== 1 && encoding !== 2)) {
    throw malformed(source.file, undefined, "its ELF header names no known word size or byte order");
  }
  const is64 = fileClass === 2;
  const layout = is64 ? CLASS_64 : CLASS_32;
  const fields = (bytes: Uint8Array): Fields => new Fields(bytes, encoding === 1, is64);
  const header = fields(ident);
  const table = async (start: number, count: number, size: number, expected: number): Promise<Uint8Array> => {
    if (count === 0) return new Uint8Array(0);
    if (size !== expected)
      throw malformed(source.file, undefined, "its ELF header gives a wrong size of table entries");
    return source.read(start, count * size);
  };
  const at = layout.header;
  const segmentCount = header.uint16(at.segmentCount);
  const segmentTable = fields(
    await table(header.word(at.segments), segmentCount, header.uint16(at.segmentSize), layout.segmentSize),
  );
  const regions: Region[] = [];
  let data: Image["data"];
  for (let i = 0; i < segmentCount; i++) {
    const start = i * layout.segmentSize;
    if (segmentTable.uint32(start) !== LOAD) continue;
    const region = {
      address: segmentTable.word(start + layout.segment.address),
      offset: segmentTable.word(start + layout.segment.offset),
      size: segmentTable.word(start + layout.segment.size),
    };
    regions.push(region);
    const access = segmentTable.uint32(start + layout.segment.flags) & (EXECUTABLE | WRITABLE);
    if (data === undefined && access === WRITABLE) data = { address: region.address, isSection: false };
  }

  const sectionCount = header.uint16(at.sectionCount);
  const namesIndex = header.uint16(at.names);
  const sections = await table(
    header.word(at.sections),
    sectionCount,
    header.uint16(at.sectionSize),
    layout.sectionSize,
  );
  if (namesIndex < sectionCount) {
    const sectionTable = fields(sections);
    const namesAt = namesIndex * layout.sectionSize;
    const namesSize = Math.min(sectionTable.word(namesAt + layout.section.size), MAX_NAMES);
    const names = await source.read(sectionTable.word(namesAt + layout.section.offset), namesSize);
    for (let i = 0; i < sectionCount; i++) {
      const start = i * layout.sectionSize;
      if (nameAt(names, sectionTable.uint32(start), SECTION.length + 1) !== SECTION) continue;
      data = { address: sectionTable.word(start + layout.section.address), isSection: true };
      break;
    }
  }
  return { format: "elf", regions, data, source };
}
