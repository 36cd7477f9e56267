import { closeSync } from "node:fs";
import { decodeUtf8, encodeUtf8 } from "../vindex/bytes.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { HASH_LENGTH } from "../vindex/sha256.ts";
import { MAX_VERSION_LENGTH } from "../vindex/version.ts";
import {
  damagedFile,
  openHeadedFile,
  putUint64,
  readExactly,
  takeUint64,
  writeExactly,
  writeFileSynced,
} from "./file-bytes.ts";

/**
 * The records of all modules as they stand in their sub-logs, module after module, at the epoch that the file was written for. It never
 * changes; newer records are in the database.
 *
 *     file   = "pdnsent1" ‖ u64 records ‖ u64 length of the file ‖ u64 0 ‖ module*
 *     module = record[76]*n ‖ version bytes
 *     record = u48 log index ‖ u48 end of its version in the version bytes ‖ zip hash[32] ‖ go.mod hash[32]
 *
 * Integers are big-endian. Records have one length, so that any run of them takes two reads, however many the module has. Where a
 * module begins and how many records it has stands in the states file. There is no checksum: the records must give the peaks of the
 * proven state.
 */
const MAGIC = encodeUtf8("pdnsent1");
/** Bytes before the first module. */
export const ENTRIES_HEADER_LENGTH = 32;
/** Bytes of a record beside its version. */
export const ENTRY_LENGTH = 76;

/** Encodes the first bytes of an entries file. */
export function encodeEntriesHeader(records: number, length: number): Uint8Array {
  const header = new Uint8Array(ENTRIES_HEADER_LENGTH);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  putUint64(view, 8, records);
  putUint64(view, 16, length);
  return header;
}

/** Encodes the records of one module. */
export function encodeModuleEntries(entries: readonly VersionEntry[]): Uint8Array {
  const versions = encodeUtf8(entries.map(({ version }) => version).join(""));
  const out = new Uint8Array(ENTRY_LENGTH * entries.length + versions.length);
  const view = new DataView(out.buffer);
  let end = 0;
  for (const [i, { logIndex, version, zipHash, goModHash }] of entries.entries()) {
    const at = ENTRY_LENGTH * i;
    end += version.length;
    putUint48(view, at, logIndex);
    putUint48(view, at + 6, end);
    out.set(zipHash, at + 12);
    out.set(goModHash, at + 12 + HASH_LENGTH);
  }
  out.set(versions, ENTRY_LENGTH * entries.length);
  return out;
}

/**
 * Writes a whole entries file and returns the place of each module, when it is on disk. For tests and small sets: it does not stand
 * beside a temporary name.
 */
export function writeEntryFile(path: string, modules: Iterable<readonly VersionEntry[]>): number[] {
  const places: number[] = [];
  writeFileSynced(path, (fd) => {
    let at = ENTRIES_HEADER_LENGTH;
    let records = 0;
    for (const entries of modules) {
      const bytes = encodeModuleEntries(entries);
      writeExactly(fd, bytes, at);
      places.push(at);
      at += bytes.length;
      records += entries.length;
    }
    writeExactly(fd, encodeEntriesHeader(records, at), 0);
  });
  return places;
}

/** An open entries file. Synchronous, so that a reply is made in one go. */
export class EntryFile {
  readonly path: string;
  /** Number of records of all modules. */
  readonly count: number;
  readonly #fd: number;
  readonly #size: number;

  private constructor(path: string, fd: number, count: number, size: number) {
    this.path = path;
    this.count = count;
    this.#fd = fd;
    this.#size = size;
  }

  /** Opens the file at `path`. @throws ProofdnsError `STORE_UNUSABLE` if it is not there or not as long as it says */
  static open(path: string): EntryFile {
    const { fd, header: view, size } = openHeadedFile(path, MAGIC, ENTRIES_HEADER_LENGTH, "entries");
    try {
      const count = takeUint64(view, 8);
      if (takeUint64(view, 16) !== size || ENTRIES_HEADER_LENGTH + ENTRY_LENGTH * count > size) {
        throw damagedFile(path, `it has ${size} bytes, which is not what its first bytes say`);
      }
      return new EntryFile(path, fd, count, size);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /**
   * Records `from` … `to` − 1 of the module at `entryOffset` that has `entryCount` of them; two reads.
   *
   * @throws ProofdnsError `STORE_UNUSABLE` if there are none at that place; RangeError if the module has fewer
   */
  read(entryOffset: number, entryCount: number, from: number, to: number): VersionEntry[] {
    if (!(from >= 0 && from <= to && to <= entryCount)) {
      throw new RangeError(`records ${from} to ${to} of a module that has ${entryCount}`);
    }
    if (from === to) return [];
    const damaged = (): never => {
      throw damagedFile(this.path, `there are no ${entryCount} records at byte ${entryOffset}`);
    };
    const versionsAt = entryOffset + ENTRY_LENGTH * entryCount;
    if (entryOffset < ENTRIES_HEADER_LENGTH || versionsAt > this.#size) return damaged();
    // The version of a record begins where that of the one before it ends.
    const first = Math.max(0, from - 1);
    const records = new Uint8Array(ENTRY_LENGTH * (to - first));
    if (!readExactly(this.#fd, records, entryOffset + ENTRY_LENGTH * first)) return damaged();
    const view = new DataView(records.buffer);
    const endOf = (i: number): number => (i < 0 ? 0 : takeUint48(view, ENTRY_LENGTH * (i - first) + 6));
    const start = endOf(from - 1);
    const length = endOf(to - 1) - start;
    if (length < 0 || length > MAX_VERSION_LENGTH * (to - from)) return damaged();
    const versions = new Uint8Array(length);
    if (!readExactly(this.#fd, versions, versionsAt + start)) return damaged();
    const entries: VersionEntry[] = [];
    for (let i = from; i < to; i++) {
      const at = ENTRY_LENGTH * (i - first);
      const begin = endOf(i - 1);
      const end = endOf(i);
      if (end <= begin || end - begin > MAX_VERSION_LENGTH || end - start > length) return damaged();
      entries.push({
        logIndex: takeUint48(view, at),
        version: decodeUtf8(versions.subarray(begin - start, end - start)) ?? damaged(),
        zipHash: records.subarray(at + 12, at + 12 + HASH_LENGTH),
        goModHash: records.subarray(at + 12 + HASH_LENGTH, at + ENTRY_LENGTH),
      });
    }
    return entries;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function putUint48(view: DataView, at: number, value: number): void {
  view.setUint16(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 2, value % 2 ** 32);
}

function takeUint48(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}
