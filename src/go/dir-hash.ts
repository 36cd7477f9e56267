import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { constants, type FileHandle, open, opendir } from "node:fs/promises";
import { compareBytes } from "../vindex/bytes.ts";
import { codeOf } from "./binary-file.ts";
import { malformed } from "./malformed.ts";

/**
 * The hash that go.sum and the checksum database state, "h1" (golang.org/x/mod/sumdb/dirhash): SHA-256 over a line for each
 * file in the order of their names as bytes, which has the SHA-256 of its content in hexadecimal, two spaces, its name, LF.
 */
export interface FileHash {
  /** With the prefix that all names have, as in `example.com/path@v1.2.3/go.mod`. */
  readonly name: Uint8Array;
  /** Hexadecimal. */
  readonly contentHash: string;
}

/** The largest module that the go command takes, in bytes, packed or not. */
export const MAX_MODULE_SIZE = 500 * 1024 * 1024;
/** Most files of a module. */
export const MAX_FILES = 500_000;

/** The h1 hash of files; sorts them. No name may hold an LF. */
export function computeH1(files: FileHash[]): string {
  files.sort((a, b) => compareBytes(a.name, b.name));
  const hash = createHash("sha256");
  for (const { name, contentHash } of files) hash.update(`${contentHash}  `).update(name).update("\n");
  return `h1:${hash.digest("base64")}`;
}

/** The h1 hash of a go.mod file, as the checksum database states it beside that of the zip. */
export function hashGoMod(bytes: Uint8Array): string {
  return computeH1([{ name: Buffer.from("go.mod"), contentHash: createHash("sha256").update(bytes).digest("hex") }]);
}

/** How many files are read at once. */
const AT_ONCE = 8;
const CHUNK = 256 * 1024;

/**
 * The h1 hash of an extracted module, whose files are named with `prefix` before them: for a module `path@version`, as in
 * `example.com/path@v1.2.3`. Links are not followed: anything that is neither a folder nor a regular file is refused.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read whole, holds something else than files, or is larger than a
 *   module may be
 */
export async function hashFolder(folder: string, prefix: string): Promise<string> {
  const { h1, foreign } = await hashTree(folder, prefix);
  const [first] = foreign;
  if (first !== undefined) throw malformed(first.path, undefined, first.why);
  return h1;
}

/** What lies in a tree and was extracted from no module. */
export interface Foreign {
  readonly path: string;
  /** As a sentence that the path is the subject of. */
  readonly why: string;
}

/** The hash of a tree. */
export interface TreeHash {
  /** If anything in it is foreign, a hash that no module has. */
  readonly h1: string;
  /** The first few. */
  readonly foreign: readonly Foreign[];
}

/** Most foreign things that are named. */
const MAX_FOREIGN = 10;

/**
 * As `hashFolder`, but what no module holds, such as a symbolic link, is hashed as what it is, and named: a tree that has it was changed after the go
 * command extracted it. Its content takes no part, and nothing is followed.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read whole, or is larger than a module may be
 */
export async function hashTree(folder: string, prefix: string): Promise<TreeHash> {
  const { paths, foreign } = await listFiles(Buffer.from(folder), folder);
  // In the place of 64 hexadecimal digits: the text that is hashed is that of no module, whatever its files are called.
  const files: FileHash[] = foreign.map(({ path }) => ({ name: Buffer.from(path), contentHash: "foreign" }));
  const budget = { left: MAX_MODULE_SIZE };
  let next = 0;
  const work = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      const name = Buffer.concat([Buffer.from(`${prefix}/`), path]);
      const contentHash = await hashFile(Buffer.concat([Buffer.from(`${folder}/`), path]), budget);
      files.push({ name, contentHash });
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    // After a failure the others stop with the file that they have.
    next = paths.length;
  }
  return { h1: computeH1(files), foreign };
}

/** Paths of all files below, relative to `root`, as bytes: names need not be UTF-8. */
async function listFiles(root: Buffer, shown: string): Promise<{ paths: Buffer[]; foreign: Foreign[] }> {
  const paths: Buffer[] = [];
  const foreign: Foreign[] = [];
  const folders: Buffer[] = [Buffer.alloc(0)];
  let count = 0;
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    const place = path.length === 0 ? root : Buffer.concat([root, Buffer.from("/"), path]);
    try {
      // The types of node:fs know the option for readdir alone.
      const entries = await opendir(place as unknown as string, {
        encoding: "buffer" as BufferEncoding,
        bufferSize: 256,
      });
      for await (const entry of entries) {
        const name = entry.name as unknown as Buffer;
        const child = path.length === 0 ? name : Buffer.concat([path, Buffer.from("/"), name]);
        if (++count > MAX_FILES) throw malformed(shown, undefined, `holds more than ${MAX_FILES} files`);
        const why = whyForeign(entry, name);
        if (why === undefined) (entry.isDirectory() ? folders : paths).push(child);
        else if (foreign.length < MAX_FOREIGN) foreign.push({ path: `${shown}/${child.toString()}`, why });
      }
    } catch (cause) {
      throw asMalformed(cause, place.toString());
    }
  }
  return { paths, foreign };
}

/** Why no module has an entry like this; undefined if one may. */
function whyForeign(entry: Dirent, name: Buffer): string | undefined {
  // Of a folder too: behind the line end its name could go on as another line of what is hashed.
  if (name.includes(0x0a)) return "has a line end in its name; h1 has no hash of that";
  if (entry.isSymbolicLink()) return `${NO_FILE} (it is a symbolic link)`;
  return entry.isFile() || entry.isDirectory() ? undefined : NO_FILE;
}

const NO_FILE = "is neither a folder nor a regular file; a module holds nothing else";

function notFile(path: string): Error {
  return malformed(path, undefined, NO_FILE);
}

function asMalformed(cause: unknown, path: string): unknown {
  const isSystem = cause instanceof Error && "syscall" in cause;
  return isSystem ? malformed(path, undefined, `cannot be read (${codeOf(cause)})`, cause) : cause;
}

async function hashFile(path: Buffer, budget: { left: number }): Promise<string> {
  let file: FileHandle | undefined;
  try {
    // It was a regular file a moment ago; what took its place since is not followed, nor waited for.
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    const found = await file.stat();
    if (!found.isFile()) throw notFile(path.toString());
    const hash = createHash("sha256");
    const buffer = new Uint8Array(Math.min(CHUNK, found.size + 1));
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest("hex");
      budget.left -= bytesRead;
      if (budget.left < 0)
        throw malformed(path.toString(), undefined, `with it the module has more than ${MAX_MODULE_SIZE} bytes`);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } catch (cause) {
    throw asMalformed(cause, path.toString());
  } finally {
    await file?.close();
  }
}
