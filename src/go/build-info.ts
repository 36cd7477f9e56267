import { decodeUtf8 } from "../vindex/bytes.ts";
import { type ByteSource, bytesSource, withFileSource } from "./binary-file.ts";
import { type BuildInfoText, parseBuildInfoText } from "./build-info-text.ts";
import { Fields, type Image, recognize } from "./executable.ts";
import { malformed } from "./malformed.ts";

/** What the Go linker left in an executable. Nobody has signed it: it says what the binary claims to be made of. */
export interface BuildInfo extends BuildInfoText {
  readonly format: "elf" | "macho" | "pe";
  /** `inline` since Go 1.18, `pointer` before. */
  readonly style: "inline" | "pointer";
  /** As in `go1.22.3`, or with more behind it. Printable. */
  readonly goVersion: string;
}

/** A Go binary, or why a file is none. */
export type BinaryInspection =
  | { readonly info: BuildInfo; readonly reason?: never }
  | { readonly info?: never; readonly reason: string };

/** `\xff Go buildinf:`, which stands at an address divisible by 16. */
const MAGIC = Uint8Array.from([0xff, ...Buffer.from(" Go buildinf:", "latin1")]);
const ALIGNMENT = 16;
const HEADER_LENGTH = 32;
const CHUNK = 1024 * 1024;
/** How much of the data of an executable without a section for it is searched. */
const MAX_SEARCH = 64 * CHUNK;
const MAX_VERSION_LENGTH = 1024;
/** Longest module text, in bytes. That of a binary with 1,000 modules has 100,000. */
export const MAX_MODULE_TEXT = 8 * CHUNK;
/** Before and behind the module text there are this many bytes by which to find it. */
const FRAME = 16;

/**
 * Reads the build information of a Go executable, as `go version -m` does: of Linux and its kin, macOS and Windows, stripped
 * or not. Undefined for what is no executable, or none made by Go: `describeNotGo` says which.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the file cannot be read, is cut off, or contradicts itself
 */
export async function readBuildInfo(file: string | Uint8Array): Promise<BuildInfo | undefined> {
  return (await inspectBinary(file)).info;
}

/**
 * Why `readBuildInfo` gives nothing for a file, as half a sentence (`it is a script`); undefined if it gives something.
 *
 * @throws ProofdnsError as `readBuildInfo`
 */
export async function describeNotGo(file: string | Uint8Array): Promise<string | undefined> {
  return (await inspectBinary(file)).reason;
}

/**
 * Both at once.
 *
 * @throws ProofdnsError as `readBuildInfo`
 */
export async function inspectBinary(file: string | Uint8Array): Promise<BinaryInspection> {
  return typeof file === "string" ? withFileSource(file, inspect) : inspect(bytesSource(file, "executable"));
}

async function inspect(source: ByteSource): Promise<BinaryInspection> {
  const { image, reason } = await recognize(source);
  if (image === undefined) return { reason };
  const address = await findHeader(image);
  if (address === undefined) {
    return { reason: "it has no build information: not made by Go 1.13 or later, or packed or stripped of it" };
  }
  const header = await readMemory(image, address, HEADER_LENGTH);
  const flags = header[15] ?? 0;
  const isInline = (flags & 2) !== 0;
  const [goVersion, framed] = isInline ? await readInline(image, address) : await readPointers(image, header);
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(goVersion)) throw refuse(image, "its Go version is not printable");
  const modules = parseBuildInfoText(unframe(image, framed), source.file);
  return { info: { format: image.format, style: isInline ? "inline" : "pointer", goVersion, ...modules } };
}

function refuse(image: Image, why: string): Error {
  return malformed(image.source.file, undefined, `${why}; it is damaged, or made to mislead`);
}

/** Up to `length` bytes at an address, fewer where the region ends; none where nothing is mapped. */
async function readMemory(image: Image, address: number, length: number): Promise<Uint8Array> {
  const region = image.regions.find((one) => one.address <= address && address < one.address + one.size);
  if (region === undefined) return new Uint8Array(0);
  const skipped = address - region.address;
  return image.source.read(region.offset + skipped, Math.min(length, region.size - skipped));
}

/** The address of the header; undefined if there is none where it has to be. */
async function findHeader(image: Image): Promise<number | undefined> {
  if (image.data === undefined) return undefined;
  const end = image.data.address + MAX_SEARCH;
  for (let at = image.data.address; at < end; ) {
    const bytes = await readMemory(image, at, CHUNK);
    for (let i = indexOfMagic(bytes, 0); i >= 0; i = indexOfMagic(bytes, i + 1)) {
      if ((at + i) % ALIGNMENT === 0 && bytes.length - i >= HEADER_LENGTH) return at + i;
    }
    if (bytes.length < CHUNK) return undefined;
    at += CHUNK - HEADER_LENGTH;
  }
  return undefined;
}

function indexOfMagic(bytes: Uint8Array, from: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(MAGIC, from);
}

/** Two strings behind the header, each with its length before it as a varint. */
async function readInline(image: Image, address: number): Promise<[string, Uint8Array]> {
  const version = await readInlineString(image, address + HEADER_LENGTH, MAX_VERSION_LENGTH);
  const modules = await readInlineString(image, version.end, MAX_MODULE_TEXT);
  return [decodeVersion(image, version.bytes), modules.bytes];
}

async function readInlineString(
  image: Image,
  address: number,
  limit: number,
): Promise<{ bytes: Uint8Array; end: number }> {
  const prefix = await readMemory(image, address, 5);
  let length = 0;
  let used = 0;
  for (let isLast = false; !isLast; used++) {
    const byte = prefix[used];
    if (byte === undefined) throw refuse(image, "its build information is cut off");
    length += (byte % 0x80) * 2 ** (7 * used);
    isLast = byte < 0x80;
  }
  if (length > limit) throw refuse(image, `its build information has a string of ${length} bytes`);
  const bytes = await readMemory(image, address + used, length);
  if (bytes.length < length) throw refuse(image, "its build information is cut off");
  return { bytes, end: address + used + length };
}

/** Two addresses in the header, of string headers: the address of the bytes and their number. */
async function readPointers(image: Image, header: Uint8Array): Promise<[string, Uint8Array]> {
  const [size, order] = [header[14] ?? 0, header[15] ?? 0];
  if ((size !== 4 && size !== 8) || order > 1) throw refuse(image, "its build information has an unknown form");
  const fields = (bytes: Uint8Array): Fields => new Fields(bytes, order === 0, size === 8);
  const readString = async (pointer: number, limit: number): Promise<Uint8Array> => {
    if (pointer === 0) return new Uint8Array(0);
    const string = await readMemory(image, pointer, 2 * size);
    if (string.length < 2 * size) throw refuse(image, "its build information points nowhere");
    const [address, length] = [fields(string).word(0), fields(string).word(size)];
    if (length > limit) throw refuse(image, `its build information has a string of ${length} bytes`);
    const bytes = await readMemory(image, address, length);
    if (bytes.length < length) throw refuse(image, "its build information points nowhere");
    return bytes;
  };
  const version = await readString(fields(header).word(16), MAX_VERSION_LENGTH);
  return [decodeVersion(image, version), await readString(fields(header).word(16 + size), MAX_MODULE_TEXT)];
}

function decodeVersion(image: Image, bytes: Uint8Array): string {
  if (bytes.length === 0) {
    // What position-independent binaries of Go before 1.18 may look like: the addresses are filled in when they start.
    throw malformed(
      image.source.file,
      undefined,
      "its build information has no Go version; it cannot be read from the file",
    );
  }
  const version = decodeUtf8(bytes);
  if (version === undefined) throw refuse(image, "its Go version is not text");
  return version;
}

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/** The module text without its frame; empty for what was built without modules. */
function unframe(image: Image, framed: Uint8Array): string {
  if (framed.length <= 2 * FRAME) return "";
  const text = framed.subarray(FRAME, -FRAME);
  if (text[text.length - 1] !== 0x0a) throw refuse(image, "its list of modules does not end as it should");
  return lossy.decode(text);
}
