import type { ByteSource } from "./binary-file.ts";
import { Fields, type Image, type Recognized, type Region } from "./executable.ts";
import { malformed } from "./malformed.ts";

const SIGNATURE = 0x00004550;
const FILE_HEADER_SIZE = 24;
const SECTION_SIZE = 40;
const OPTIONAL_32 = 0x10b;
const OPTIONAL_64 = 0x20b;
/** Initialized data that can be read and written, whatever its alignment of 32 bytes. */
const WRITABLE_DATA = 0xc0000040;
const ALIGNMENT = 0x00600000;

/**
 * Reads the sections of a PE file (Microsoft's PE format). Build information stands in the first section of writable data.
 * `ident` are its first bytes, 64.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function decodePe(source: ByteSource, ident: Uint8Array): Promise<Recognized> {
  const start = new Fields(ident, true, false).uint32(0x3c);
  // A program of MS-DOS has anything there.
  if (start + FILE_HEADER_SIZE > source.size)
    return { reason: "it is no executable of Windows, or cut off before its header" };
  const header = new Fields(await source.read(start, FILE_HEADER_SIZE), true, false);
  if (header.uint32(0) !== SIGNATURE) return { reason: "it is a program of MS-DOS" };
  const count = header.uint16(6);
  const optionalSize = header.uint16(20);
  const base = await readImageBase(source, start + FILE_HEADER_SIZE, optionalSize);
  const table = new Fields(
    await source.read(start + FILE_HEADER_SIZE + optionalSize, count * SECTION_SIZE),
    true,
    false,
  );
  const regions: Region[] = [];
  let data: Image["data"];
  for (let i = 0; i < count; i++) {
    const at = i * SECTION_SIZE;
    const address = table.uint32(at + 12);
    const region = { address: base + address, size: table.uint32(at + 16), offset: table.uint32(at + 20) };
    // What is in no place of the file is zeros.
    if (region.offset === 0) continue;
    regions.push(region);
    const kind = (table.uint32(at + 36) & ~ALIGNMENT) >>> 0;
    if (data === undefined && address !== 0 && region.size !== 0 && kind === WRITABLE_DATA) {
      data = { address: region.address, isSection: false };
    }
  }
  return { image: { format: "pe", regions, data, source } };
}

async function readImageBase(source: ByteSource, start: number, size: number): Promise<number> {
  // An object file has no optional header.
  if (size === 0) return 0;
  if (size < 32) throw malformed(source.file, undefined, "its PE header is cut off");
  const optional = new Fields(await source.read(start, 32), true, true);
  const magic = optional.uint16(0);
  if (magic === OPTIONAL_32) return optional.uint32(28);
  if (magic === OPTIONAL_64) return optional.uint64(24);
  throw malformed(source.file, undefined, "its PE header is neither of 32 nor of 64 bits");
}
