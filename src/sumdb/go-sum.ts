import { equalBytes } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatH1, parseH1 } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import { type Line, lineError, readLines } from "./lines.ts";
import { checkModuleVersion, type ModuleRecord } from "./records-file.ts";

/** Hash of a go.mod without content, which early versions of the go command wrote by mistake and later ones pass over. */
const EMPTY_GO_MOD_HASH = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";
const GO_MOD = "/go.mod";

/** What go.sum files hold. */
export interface GoSum {
  /** In order of first appearance over the files. */
  readonly records: readonly ModuleRecord[];
  /** Module versions with only one of their two lines. */
  readonly leftOut: number;
  /** Lines with a hash of another kind than `h1:`, which are passed over. */
  readonly otherHashes: number;
}

/** A hash and the line that states it. */
interface Stated {
  readonly hash: Hash;
  readonly file: string;
  readonly line: number;
}

interface Entry {
  readonly modulePath: string;
  readonly version: string;
  zip?: Stated;
  goMod?: Stated;
}

/**
 * Collects the lines of any number of go.sum files. Fields are separated as the go command separates them: by any white
 * space, so CRLF is fine; blank lines count for nothing.
 */
export class GoSumCollector {
  readonly #entries: Map<string, Entry> = new Map();
  #otherHashes = 0;

  /**
   * Adds a line.
   *
   * @throws ProofdnsError `MALFORMED_INPUT` with file and line; `CONFLICT`, with both places, if another hash was added for
   *   the same file of the same module version
   */
  add({ text, number }: Line, file: string): void {
    const fields = text.split(/\p{White_Space}+/u).filter((field) => field !== "");
    if (fields.length === 0) return;
    const [modulePath, versionField, h1] = fields;
    if (fields.length !== 3 || modulePath === undefined || versionField === undefined || h1 === undefined) {
      throw lineError(file, number, `${fields.length} fields where a go.sum line has 3: module, version, hash`);
    }
    const isGoMod = versionField.endsWith(GO_MOD);
    const version = isGoMod ? versionField.slice(0, -GO_MOD.length) : versionField;
    checkModuleVersion(modulePath, version, file, number);
    if (!h1.startsWith("h1:")) {
      if (!/^[A-Za-z0-9]+:./.test(h1)) throw lineError(file, number, "the hash has no kind, like h1:");
      this.#otherHashes++;
      return;
    }
    const hash = parseH1(h1);
    if (hash === undefined) throw lineError(file, number, "the hash is not h1: and base64 of 32 bytes");
    if (h1 === EMPTY_GO_MOD_HASH) return;
    this.#put(modulePath, version, isGoMod ? "goMod" : "zip", { hash, file, line: number });
  }

  /** What was collected so far. */
  result(): GoSum {
    const records: ModuleRecord[] = [];
    for (const { modulePath, version, zip, goMod } of this.#entries.values()) {
      if (zip !== undefined && goMod !== undefined) {
        records.push({ modulePath, version, zipHash: zip.hash, goModHash: goMod.hash });
      }
    }
    return { records, leftOut: this.#entries.size - records.length, otherHashes: this.#otherHashes };
  }

  #put(modulePath: string, version: string, kind: "zip" | "goMod", stated: Stated): void {
    const name = `${modulePath} ${version}`;
    const entry = this.#entries.get(name) ?? { modulePath, version };
    this.#entries.set(name, entry);
    const before = entry[kind];
    if (before === undefined) {
      entry[kind] = stated;
    } else if (!equalBytes(before.hash, stated.hash)) {
      throw new ProofdnsError(
        "CONFLICT",
        `${stated.file}:${stated.line}: the ${kind === "zip" ? "zip" : "go.mod"} hash of ${name} is ` +
          `${formatH1(stated.hash)}, and ${formatH1(before.hash)} in ${before.file}:${before.line}; ` +
          "find out which is right and remove the other line",
      );
    }
  }
}

/**
 * Reads go.sum files, in the order given.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` and `CONFLICT`, naming file and line
 */
export async function readGoSumFiles(files: readonly string[]): Promise<GoSum> {
  const collector = new GoSumCollector();
  for (const file of files) for await (const line of readLines(file)) collector.add(line, file);
  return collector.result();
}
