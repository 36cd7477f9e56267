import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { explainIo } from "../store/damage.ts";
import { syncDirectory, writeExactly, writeFileSynced } from "../store/file-bytes.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { workFile } from "./layout.ts";

/** What a work folder is a build of. `key`: the verifier key of its log. */
export type WorkSource =
  | { readonly kind: "tiles"; readonly path: string; readonly key: string }
  | { readonly kind: "sumdb"; readonly url: string; readonly key: string }
  | {
      readonly kind: "records";
      readonly path: string;
      readonly size: number;
      /** Of the file's bytes, hex; "" if it is no regular file: such a one is equal to none. */
      readonly sha256: string;
      readonly key: string;
    };

/** Describes a records file by its bytes. @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read */
export async function describeRecordsFile(path: string, key: string): Promise<WorkSource> {
  try {
    // A pipe can be read only once.
    if (!(await stat(path)).isFile()) return { kind: "records", path, size: 0, sha256: "", key };
    const hash = createHash("sha256");
    let size = 0;
    for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      hash.update(bytes);
      size += bytes.length;
    }
    return { kind: "records", path, size, sha256: hash.digest("hex"), key };
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_INPUT", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

const FORMAT = 1;

/** Folder of a build's own tiles, in its work folder. */
export function ownTiles(folder: string): string {
  return join(folder, "tiles");
}

/**
 * Takes a work folder for a build of `source`, or goes on with it if it is one already. Only what was taken over in part from a records file
 * gives way to another source: that file may have been mended since.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if it is a build of another source, or of nobody knows what
 */
export function claimWork(folder: string, source: WorkSource): void {
  const hasProgress = existsSync(workFile.progress(folder));
  const tiles = ownTiles(folder);
  const earlier = readSource(folder);
  if (earlier === undefined && (hasProgress || existsSync(tiles))) {
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      `${folder} is a build of a source that is not known any more; remove it and build again`,
    );
  }
  if (earlier !== undefined && !isSame(earlier, source)) {
    const isBegun = hasProgress || existsSync(join(tiles, "latest"));
    if (isBegun || earlier.kind !== "records") {
      throw new ProofdnsError(
        "STORE_UNUSABLE",
        `${folder} is a build of ${describe(earlier)}, not of ${describe(source)}; give that source again to finish it, or remove ${folder} to build of another`,
      );
    }
    rmSync(tiles, { recursive: true, force: true });
  }
  if (earlier !== undefined && isSame(earlier, source)) return;
  const path = workFile.source(folder);
  const text = encodeUtf8(JSON.stringify({ format: FORMAT, ...source }));
  try {
    writeFileSynced(`${path}.tmp`, (fd) => writeExactly(fd, text, 0));
    renameSync(`${path}.tmp`, path);
    syncDirectory(folder);
  } catch (error) {
    throw explainIo(`cannot write ${path}`, error);
  }
}

/** The same log is the same source, wherever it is; of a records file, the same bytes are. */
function isSame(a: WorkSource, b: WorkSource): boolean {
  if (a.kind !== b.kind || a.key !== b.key) return false;
  if (a.kind !== "records" || b.kind !== "records") return true;
  return a.size === b.size && a.sha256 === b.sha256 && a.sha256 !== "";
}

function describe(source: WorkSource): string {
  const { kind, key } = source;
  if (kind === "tiles") return `the tiles in ${source.path} (key ${key})`;
  if (kind === "sumdb") return `the checksum database at ${source.url} (key ${key})`;
  const bytes = source.sha256 === "" ? "a pipe" : `${source.size} bytes, SHA-256 ${source.sha256.slice(0, 16)}…`;
  return `the records file ${source.path} (${bytes}, key ${key})`;
}

function readSource(folder: string): WorkSource | undefined {
  const path = workFile.source(folder);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw explainIo(`cannot read ${path}`, error);
  }
  try {
    const { format, ...source } = JSON.parse(text) as { format: unknown } & WorkSource;
    const names = source.kind === "records" ? [source.path, source.sha256] : [named(source)];
    const isRight =
      format === FORMAT &&
      ["tiles", "sumdb", "records"].includes(source.kind) &&
      [source.key, ...names].every((name) => typeof name === "string") &&
      (source.kind !== "records" || Number.isSafeInteger(source.size));
    if (isRight) return source;
  } catch {
    // Said below.
  }
  throw new ProofdnsError("STORE_UNUSABLE", `${path} is damaged; remove ${folder} and build again`);
}

function named(source: Exclude<WorkSource, { kind: "records" }>): unknown {
  return source.kind === "tiles" ? source.path : source.url;
}
