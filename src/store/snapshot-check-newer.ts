import { encodeUtf8 } from "../vindex/bytes.ts";
import { ENTRY_LENGTH, EntryFile, encodeModuleEntries } from "./entry-file.ts";
import type { EntryChecker } from "./snapshot-check-entries.ts";

/** A module with records in the database: those before them are in the base, if there is one. */
export interface NewerModule {
  readonly path: string;
  /** Verified. */
  readonly stateText: string;
  readonly count: number;
  /** Where its records of the base stand, how many there are, and how many of them count. */
  readonly base: { readonly place: number; readonly count: number; readonly used: number } | undefined;
  /** The others, as an entries file has them. */
  readonly added: Uint8Array;
}

export interface NewerJob {
  readonly entriesPath: string | undefined;
  readonly modules: readonly NewerModule[];
}

/** Verifies the records of modules against their states. @throws ProofdnsError `BAD_SNAPSHOT`; `STORE_UNUSABLE` if a file is damaged */
export function checkNewer({ entriesPath, modules }: NewerJob, checker: EntryChecker): void {
  const file = entriesPath === undefined ? undefined : EntryFile.open(entriesPath);
  try {
    checker.reset();
    const texts = modules.map(({ path, stateText }) => ({ path: encodeUtf8(path), text: encodeUtf8(stateText) }));
    const memory = Buffer.concat(texts.flatMap(({ path, text }) => [path, text]));
    let at = 0;
    for (const [i, { count, base, added }] of modules.entries()) {
      const { path, text } = texts[i] as { path: Uint8Array; text: Uint8Array };
      const old = base === undefined || file === undefined ? [] : file.read(base.place, base.count, 0, base.used);
      const bytes = join(encodeModuleEntries(old), old.length, added, count - old.length);
      checker.addBytes(memory, at, path.length, text.length, bytes, count);
      at += path.length + text.length;
    }
    checker.flush();
  } finally {
    file?.close();
  }
}

/** The records of one part and then those of another, as if they were one. */
function join(first: Uint8Array, firstCount: number, second: Uint8Array, secondCount: number): Uint8Array {
  if (firstCount === 0) return second;
  const [a, b] = [ENTRY_LENGTH * firstCount, ENTRY_LENGTH * secondCount];
  const records = Buffer.from(second.slice(0, b));
  for (let at = 0; at < b; at += ENTRY_LENGTH) {
    records.writeUIntBE(records.readUIntBE(at + 6, 6) + first.length - a, at + 6, 6);
  }
  return Buffer.concat([first.subarray(0, a), records, first.subarray(a), second.subarray(b)]);
}
