import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { damaged } from "./damage.ts";
import { fieldOf, parseJson, takeBoolean } from "./records.ts";
import { valuesFileName } from "./values-file.ts";

/** Which large files belong to a store: the record `files`, which is written in one batch with what relies on them. */
export interface FileSet {
  /** Epoch of the values file; undefined: the journals begin with epoch 1. */
  readonly values: number | undefined;
  /** Epoch of the path table. */
  readonly paths: number | undefined;
  /** There are `states` and `entries`, and what the database holds of them goes first. */
  readonly base: boolean;
  /** The hashes of all records are kept. */
  readonly hashes: boolean;
}

export const NO_FILES: FileSet = { values: undefined, paths: undefined, base: false, hashes: true };

export const STATES_FILE = "states";
export const ENTRIES_FILE = "entries";

export function pathsFileName(epoch: number): string {
  return `paths-${epoch.toString(16).padStart(16, "0")}`;
}

export function encodeFileSet({ values, paths, base, hashes }: FileSet): Uint8Array {
  return encodeUtf8(JSON.stringify({ values, paths, base, hashes }));
}

/** @throws ProofdnsError `STORE_UNUSABLE` */
export function parseFileSet(text: string): FileSet {
  const json = parseJson(text, "files");
  const epochOf = (name: string): number | undefined => {
    const value = fieldOf(json, name);
    if (value === undefined || (typeof value === "number" && Number.isSafeInteger(value) && value > 0)) return value;
    throw damaged(`its list of files has a wrong ${name}`);
  };
  return {
    values: epochOf("values"),
    paths: epochOf("paths"),
    base: takeBoolean(json, "base", "list of files"),
    hashes: takeBoolean(json, "hashes", "list of files"),
  };
}

/** Removes what a crash or an earlier epoch left; what this program did not make stays. */
export function removeOtherFiles(folder: string, files: FileSet): void {
  const kept = new Set([
    ...(files.values === undefined ? [] : [valuesFileName(files.values)]),
    ...(files.paths === undefined ? [] : [pathsFileName(files.paths)]),
  ]);
  for (const name of readdirSync(folder)) {
    const isOurs = /^(?:values|paths)-[0-9a-f]{16}(?:\.tmp)?$/.test(name);
    const isHashFile = /^hashes-[0-9]$/.test(name);
    if ((isOurs && !kept.has(name)) || (isHashFile && !files.hashes)) unlinkSync(join(folder, name));
  }
}
