import { ProofdnsError } from "../vindex/error.ts";
import { parseH1 } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import { escapePath, escapeVersion } from "./escape.ts";
import { type Line, lineError, readLines } from "./lines.ts";

/** One module version and its two hashes: what a record of a checksum database states (`formatRecord`). */
export interface ModuleRecord {
  readonly modulePath: string;
  readonly version: string;
  /** H1 hash of the module's zip. */
  readonly zipHash: Hash;
  /** H1 hash of its go.mod. */
  readonly goModHash: Hash;
}

/**
 * Reads records from a file of lines `module TAB version TAB h1 of the zip TAB h1 of the go.mod`, in log order; gzip is
 * recognized by its content. The last line may lack its LF; nothing else may be left out or added.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, with file and line
 */
export async function* readRecordsFile(file: string): AsyncGenerator<ModuleRecord> {
  for await (const line of readLines(file)) yield parseRecordLine(line, file);
}

function parseRecordLine({ text, number }: Line, file: string): ModuleRecord {
  const fields = text.split("\t");
  if (fields.length !== 4) {
    throw lineError(file, number, `${fields.length} fields where 4 are expected: module, version, h1zip, h1mod`);
  }
  const [modulePath, version, zip, goMod] = fields as [string, string, string, string];
  checkModuleVersion(modulePath, version, file, number);
  return { modulePath, version, zipHash: h1Of(zip, "zip"), goModHash: h1Of(goMod, "go.mod") };

  function h1Of(field: string, what: string): Hash {
    const hash = parseH1(field);
    if (hash === undefined) throw lineError(file, number, `the ${what} hash is not h1: and base64 of 32 bytes`);
    return hash;
  }
}

/**
 * Checks that a module version can be looked up: its names survive escaping.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, with file and line
 */
export function checkModuleVersion(modulePath: string, version: string, file: string, number: number): void {
  try {
    escapePath(modulePath);
    escapeVersion(version);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw lineError(file, number, cause.message);
  }
}
