import { closeSync, openSync, readSync } from "node:fs";
import { concatBytes, decodeUtf8, encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { FileMark } from "./marked-file.ts";
import { decodeCosignatures, encodeCosignatures, fieldOf, type KeptCosignatures } from "./records.ts";

/**
 * A snapshot: a folder with all that a second server needs, of one signed epoch. Files:
 *
 *     manifest.json   what it is of, and length and SHA-256 of each other file
 *     epochs          (u32 length ‖ leaf text ‖ u32 length ‖ log signature ‖ u32 length ‖ cosignatures)* of all epochs, in order
 *     values          all values of the map (values-file.ts)
 *     overlay         (u8 kind ‖ u32 length ‖ key ‖ u32 length ‖ value)*, what the database holds of states, entries and items
 *     states entries  the base files, if there are any (state-file.ts, entry-file.ts)
 *     hashes-<L>      record hashes (hash-files.ts), if they are kept
 *
 * The hashes in the manifest find what a disk or a network did; what a liar did is found by the signature of the log and what it commits
 * to: everything is compared with that before it is used.
 */
export const MANIFEST_FILE = "manifest.json";
export const EPOCHS_FILE = "epochs";
export const VALUES_FILE = "values";
export const OVERLAY_FILE = "overlay";
const FORMAT = 1;
/** No manifest is longer. */
export const MAX_MANIFEST_LENGTH = 65_536;
const READ_STEP = 1 << 22;

export interface Manifest {
  readonly origin: string;
  readonly logKey: string;
  readonly sumdbKey: string;
  readonly epoch: number;
  readonly sumdbSize: number;
  /** Hex. */
  readonly mapRoot: string;
  readonly modules: number;
  /** Signed by nobody, like `modules`; both are compared with what is verified. */
  readonly malformed: number;
  /** Unix seconds. Signed by nobody and comparable with nothing: `load` takes none that is yet to come. */
  readonly growthTime: number;
  /** Peaks of the checksum database's tree, in hex. */
  readonly peaks: readonly string[];
  readonly base: boolean;
  readonly hashes: boolean;
  readonly files: Readonly<Record<string, FileMark>>;
}

/** A snapshot that is not what it says, or not what was signed. */
export function badSnapshot(why: string, cause?: unknown, next = "get it again, from elsewhere"): ProofdnsError {
  return new ProofdnsError("BAD_SNAPSHOT", `the snapshot is not used: ${why}; ${next}`, { cause });
}

export function formatManifest(manifest: Manifest): string {
  const { origin, logKey, sumdbKey, epoch, sumdbSize, mapRoot, modules, malformed, growthTime, peaks } = manifest;
  const { base, hashes, files } = manifest;
  const marks = Object.keys(files)
    .sort()
    .map((name) => [name, { bytes: files[name]?.bytes, sha256: files[name]?.sha256 }]);
  const head = { format: FORMAT, origin, logKey, sumdbKey, epoch, sumdbSize, mapRoot, modules, malformed, growthTime };
  return `${JSON.stringify({ ...head, peaks, base, hashes, files: Object.fromEntries(marks) }, undefined, 1)}\n`;
}

/** Parses a manifest; only the text that `formatManifest` makes is accepted. @throws ProofdnsError `BAD_SNAPSHOT` */
export function parseManifest(bytes: Uint8Array): Manifest {
  const text = decodeUtf8(bytes) ?? "";
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badSnapshot(`its ${MANIFEST_FILE} is not readable`, cause);
  }
  const refuse = (name: string): never => {
    throw badSnapshot(`its ${MANIFEST_FILE} has no usable ${name}`);
  };
  const take = <T>(name: string, isRight: (value: unknown) => value is T): T => {
    const value = fieldOf(json, name);
    return isRight(value) ? value : refuse(name);
  };
  const isText = (value: unknown): value is string => typeof value === "string";
  const isCount = (value: unknown): value is number =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  const isFlag = (value: unknown): value is boolean => typeof value === "boolean";
  const isHashes = (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((item) => isText(item) && /^[0-9a-f]{64}$/.test(item));
  if (fieldOf(json, "format") !== FORMAT) return refuse("format");
  const marks = fieldOf(json, "files");
  const names = typeof marks === "object" && marks !== null ? Object.keys(marks) : refuse("files");
  const files: [string, FileMark][] = names.map((name) => {
    const mark = fieldOf(marks, name);
    const [length, sha256] = [fieldOf(mark, "bytes"), fieldOf(mark, "sha256")];
    return isCount(length) && isText(sha256) ? [name, { bytes: length, sha256 }] : refuse("files");
  });
  const manifest: Manifest = {
    origin: take("origin", isText),
    logKey: take("logKey", isText),
    sumdbKey: take("sumdbKey", isText),
    epoch: take("epoch", isCount),
    sumdbSize: take("sumdbSize", isCount),
    mapRoot: take("mapRoot", isText),
    modules: take("modules", isCount),
    malformed: take("malformed", isCount),
    growthTime: take("growthTime", isCount),
    peaks: take("peaks", isHashes),
    base: take("base", isFlag),
    hashes: take("hashes", isFlag),
    files: Object.fromEntries(files),
  };
  if (formatManifest(manifest) !== text) throw badSnapshot(`its ${MANIFEST_FILE} is not canonical`);
  return manifest;
}

/** What is kept of one epoch beside the map. */
export interface SignedLeaf {
  readonly leafText: string;
  readonly signature: Uint8Array;
  readonly kept: readonly KeptCosignatures[];
}

export function encodeSignedLeaf({ leafText, signature, kept }: SignedLeaf): Uint8Array {
  return concatBytes(
    ...[encodeUtf8(leafText), signature, encodeCosignatures(kept)].flatMap((part) => [u32(part.length), part]),
  );
}

/** @throws ProofdnsError `BAD_SNAPSHOT` if it is cut off */
export function* decodeSignedLeaves(bytes: Uint8Array): Generator<SignedLeaf> {
  const parts = new Parts(bytes);
  while (!parts.isDone()) {
    const leafText = decodeUtf8(parts.take()) ?? "";
    const signature = parts.take();
    const cosignatures = parts.take();
    try {
      yield { leafText, signature, kept: decodeCosignatures(cosignatures) };
    } catch (cause) {
      throw badSnapshot("the cosignatures of an epoch are not readable", cause);
    }
  }
}

/** Kinds of records that a snapshot takes from the database. */
export const OVERLAY_KINDS = ["state", "entry", "majors"] as const;
export type OverlayKind = (typeof OVERLAY_KINDS)[number];

export function encodeOverlay(kind: OverlayKind, key: string, value: Uint8Array): Uint8Array {
  const keyBytes = encodeUtf8(key);
  return concatBytes(
    Uint8Array.of(OVERLAY_KINDS.indexOf(kind)),
    u32(keyBytes.length),
    keyBytes,
    u32(value.length),
    value,
  );
}

/** Reads an overlay piece by piece. @throws ProofdnsError `BAD_SNAPSHOT` if it is cut off */
export function* decodeOverlay(path: string): Generator<{ kind: OverlayKind; key: string; value: Uint8Array }> {
  const fd = openSync(path, "r");
  try {
    let rest: Uint8Array = new Uint8Array(0);
    for (;;) {
      const more = Buffer.alloc(READ_STEP);
      const length = readSync(fd, more, 0, READ_STEP, null);
      const bytes = concatBytes(rest, more.subarray(0, length));
      const parts = new Parts(bytes, length > 0);
      for (;;) {
        const from = parts.at;
        const record = parts.takeOverlay();
        if (record === undefined) {
          rest = bytes.subarray(from);
          break;
        }
        yield record;
      }
      if (length === 0) break;
    }
    if (rest.length > 0) throw badSnapshot(`${OVERLAY_FILE} is cut off`);
  } finally {
    closeSync(fd);
  }
}

/** Longest record of an overlay: far above the longest state. */
const MAX_PART = 1 << 26;

class Parts {
  readonly #bytes: Uint8Array;
  readonly #hasMore: boolean;
  at = 0;

  constructor(bytes: Uint8Array, hasMore = false) {
    this.#bytes = bytes;
    this.#hasMore = hasMore;
  }

  isDone(): boolean {
    return this.at === this.#bytes.length;
  }

  take(): Uint8Array {
    return this.#takeOrNothing() ?? refuseCut();
  }

  /** Undefined at the end, or if more bytes are needed. */
  takeOverlay(): { kind: OverlayKind; key: string; value: Uint8Array } | undefined {
    const from = this.at;
    const number = this.#bytes[this.at];
    if (number === undefined) return undefined;
    const kind = OVERLAY_KINDS[number];
    if (kind === undefined) throw badSnapshot(`${OVERLAY_FILE} has a record of no known kind`);
    this.at++;
    const key = this.#takeOrNothing();
    const value = key === undefined ? undefined : this.#takeOrNothing();
    if (key === undefined || value === undefined) {
      if (!this.#hasMore) return refuseCut();
      this.at = from;
      return undefined;
    }
    return { kind, key: decodeUtf8(key) ?? "", value };
  }

  #takeOrNothing(): Uint8Array | undefined {
    const bytes = this.#bytes;
    if (this.at + 4 > bytes.length) return undefined;
    const length = new DataView(bytes.buffer, bytes.byteOffset + this.at, 4).getUint32(0);
    if (length > MAX_PART) return refuseCut();
    const from = this.at + 4;
    if (from + length > bytes.length) return undefined;
    this.at = from + length;
    return bytes.subarray(from, this.at);
  }
}

function refuseCut(): never {
  throw badSnapshot("a file of records is cut off");
}

function u32(n: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, n);
  return out;
}
