import { createHash } from "node:crypto";
import { type Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, inflateRawSync } from "node:zlib";
import yauzl from "yauzl";
import { isProofdnsError } from "../vindex/error.ts";
import { type ByteSource, bytesSource, withFileSource } from "./binary-file.ts";
import { computeH1, type FileHash, MAX_FILES, MAX_MODULE_SIZE } from "./dir-hash.ts";
import { malformed, quoted } from "./malformed.ts";

/**
 * The h1 hash of a module zip. It is unpacked in pieces, and held whole only if it is small; names must be those of files below `path@version/`, each
 * once; sizes are bounded as the go command bounds them, packed and unpacked, and hold to what the zip announces, as checksums do.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export async function hashZip(file: string, path: string, version: string): Promise<string> {
  try {
    return await withFileSource(file, async (source) => {
      if (source.size > MAX_MODULE_SIZE)
        throw malformed(file, undefined, `a zip of more than ${MAX_MODULE_SIZE} bytes`);
      const whole = source.size <= MAX_HELD ? await source.read(0, source.size) : undefined;
      const zip = await openZip(file, whole);
      const held = whole === undefined ? source : bytesSource(whole, file);
      const { hash, directorySize } = await hashEntries(zip, held, `${path}@${version}/`);
      await checkEnd(held, zip, directorySize);
      return hash;
    });
  } catch (cause) {
    if (isProofdnsError(cause)) throw cause;
    throw malformed(file, undefined, `is no zip that can be read whole: ${messageOf(cause)}`, cause);
  }
}

/** A zip of at most this size is read at once, which is several times as fast where it has many small files. */
const MAX_HELD = 32 * 1024 * 1024;
/** Content of at most this size, packed and unpacked, is unpacked at once. */
const MAX_AT_ONCE = 4 * 1024 * 1024;

function messageOf(error: unknown): string {
  return quoted(error instanceof Error ? error.message : String(error));
}

function openZip(file: string, whole: Uint8Array | undefined): Promise<yauzl.ZipFile> {
  // Names as bytes: the hash is over bytes, and yauzl would guess an encoding and mend backslashes.
  const options = { lazyEntries: true, autoClose: false, decodeStrings: false, validateEntrySizes: true };
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, zip?: yauzl.ZipFile): void => {
      if (error !== null || zip === undefined) reject(error);
      else resolve(zip);
    };
    if (whole === undefined) yauzl.open(file, options, done);
    else yauzl.fromBuffer(Buffer.from(whole.buffer, whole.byteOffset, whole.length), options, done);
  });
}

/** What was read of a zip. */
interface ReadZip {
  readonly hash: string;
  /** Of all headers of the directory that were read. */
  readonly directorySize: number;
}

async function hashEntries(zip: yauzl.ZipFile, source: ByteSource, prefix: string): Promise<ReadZip> {
  const { file } = source;
  try {
    if (zip.entryCount > MAX_FILES) throw malformed(file, undefined, `a zip of more than ${MAX_FILES} files`);
    const files: FileHash[] = [];
    const seen = new Set<string>();
    let total = 0;
    let directorySize = 0;
    for (let entry = await nextEntry(zip); entry !== undefined; entry = await nextEntry(zip)) {
      const name = entry.fileName as unknown as Buffer;
      const refuse = (why: string): never => {
        throw malformed(file, undefined, `${quoted(name.toString())} ${why}`);
      };
      checkName(name, prefix, refuse);
      const key = name.toString("latin1");
      if (seen.has(key)) refuse("is in it twice");
      seen.add(key);
      directorySize += DIRECTORY_HEADER + entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
      total += entry.uncompressedSize;
      if (total > MAX_MODULE_SIZE) refuse(`makes it more than ${MAX_MODULE_SIZE} bytes unpacked`);
      const isSmall = entry.compressedSize <= MAX_AT_ONCE && entry.uncompressedSize <= MAX_AT_ONCE;
      const content = isSmall ? await hashSmall(source, entry) : await hashContent(await openEntry(zip, entry));
      if (content.crc !== entry.crc32) refuse("does not have the checksum that the zip states");
      files.push({ name, contentHash: content.hash });
    }
    return { hash: computeH1(files), directorySize };
  } finally {
    zip.close();
  }
}

/** Lengths of a header in the directory, of the record behind it, and of the two more of a zip with very many files. */
const DIRECTORY_HEADER = 46;
const LOCAL_HEADER = 30;
const END_LENGTH = 22;
const LOCATOR_LENGTH = 20;
const END_64_LENGTH = 56;

/**
 * Refuses a zip whose directory can be looked for in more than one place: what one program checks there, another one might
 * not unpack. The go command goes back from the end by the size of the directory and reads headers while there are any;
 * yauzl goes by offset and number. Here the headers that were read must end where the records behind them begin, and those must
 * agree.
 */
async function checkEnd(source: ByteSource, zip: yauzl.ZipFile, directorySize: number): Promise<void> {
  // Without decoding, the comment is bytes.
  const end = source.size - END_LENGTH - (zip.comment as unknown as Buffer).length;
  const start = Math.max(0, end - LOCATOR_LENGTH - END_64_LENGTH);
  const records = await source.read(start, end + END_LENGTH - start);
  const at = (position: number): number => records.length - END_LENGTH + position;
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  // Within the last header a locator is no part of anything, and is refused, too: others may go by it.
  const hasLocator = end >= LOCATOR_LENGTH + END_64_LENGTH && view.getUint32(at(-LOCATOR_LENGTH)) === 0x504b0607;
  if (hasLocator) {
    const start64 = end - LOCATOR_LENGTH - END_64_LENGTH;
    const record64 = at(-LOCATOR_LENGTH - END_64_LENGTH);
    const isWhole =
      view.getUint32(record64) === 0x504b0606 &&
      view.getBigUint64(record64 + 32, true) === BigInt(zip.entryCount) &&
      view.getBigUint64(record64 + 40, true) === BigInt(directorySize) &&
      view.getBigUint64(record64 + 48, true) === BigInt(start64 - directorySize) &&
      view.getBigUint64(at(-LOCATOR_LENGTH + 8), true) === BigInt(start64) &&
      view.getUint16(at(10), true) === 0xffff &&
      view.getUint32(at(12), true) === 0xffffffff &&
      view.getUint32(at(16), true) === 0xffffffff;
    if (isWhole) return;
  } else {
    const isWhole =
      view.getUint16(at(10), true) === zip.entryCount &&
      view.getUint32(at(12), true) === directorySize &&
      view.getUint32(at(16), true) === end - directorySize;
    if (isWhole) return;
  }
  throw malformed(
    source.file,
    undefined,
    "a zip whose directory does not end where it should; other programs may unpack other files",
  );
}

/** Refuses a name that no file below the prefix has, or that would lead elsewhere when it is unpacked. */
function checkName(name: Buffer, prefix: string, refuse: (why: string) => never): void {
  if (!name.toString("latin1").startsWith(Buffer.from(prefix).toString("latin1")))
    refuse(`is not below ${quoted(prefix)}`);
  if (name.some((byte) => byte < 0x20 || byte === 0x7f || byte === 0x5c)) {
    refuse("has a backslash or a control character in its name");
  }
  // The hash of a folder that has an entry of its own is that of an empty file; the go command has it so.
  const rest = name.subarray(Buffer.byteLength(prefix)).toString("latin1");
  const elements = (rest.endsWith("/") ? rest.slice(0, -1) : rest).split("/");
  if (rest !== "" && elements.some((element) => element === "" || element === "." || element === "..")) {
    refuse("does not name a file below it");
  }
}

/** The next entry; undefined after the last. */
function nextEntry(zip: yauzl.ZipFile): Promise<yauzl.Entry | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      zip.removeListener("entry", onEntry);
      zip.removeListener("end", onEnd);
      zip.removeListener("error", onError);
      act();
    };
    const onEntry = (entry: yauzl.Entry): void => settle(() => resolve(entry));
    const onEnd = (): void => settle(() => resolve(undefined));
    const onError = (error: Error): void => settle(() => reject(error));
    zip.on("entry", onEntry);
    zip.on("end", onEnd);
    zip.on("error", onError);
    zip.readEntry();
  });
}

function openEntry(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error !== null || stream === undefined) reject(error);
      else resolve(stream);
    });
  });
}

/** The content of an entry, unpacked at once. What stands before it repeats its name, and may have another length. */
async function hashSmall(source: ByteSource, entry: yauzl.Entry): Promise<{ hash: string; crc: number }> {
  const { relativeOffsetOfLocalHeader: start, compressedSize, uncompressedSize, compressionMethod } = entry;
  const header = await source.read(start, LOCAL_HEADER);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  if (view.getUint32(0) !== 0x504b0304) throw new Error("no header where the directory says");
  if ((entry.generalPurposeBitFlag & 1) !== 0) throw new Error("encrypted");
  const skipped = LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true);
  const packed = await source.read(start + skipped, compressedSize);
  if (compressionMethod !== 0 && compressionMethod !== 8) throw new Error("packed by an unknown method");
  // One byte more than announced is enough to see that it is too long.
  const options = { maxOutputLength: uncompressedSize + 1 };
  const content = compressionMethod === 0 ? packed : inflateRawSync(packed, options);
  if (content.length !== uncompressedSize) throw new Error("unpacks to another size than announced");
  return { hash: createHash("sha256").update(content).digest("hex"), crc: crc32(content) };
}

async function hashContent(stream: Readable): Promise<{ hash: string; crc: number }> {
  const hash = createHash("sha256");
  let crc = 0;
  const sink = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      hash.update(chunk);
      crc = crc32(chunk, crc);
      done();
    },
  });
  await pipeline(stream, sink);
  return { hash: hash.digest("hex"), crc };
}
