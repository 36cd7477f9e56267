import { createHash } from "node:crypto";
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
  const paths = await listFiles(Buffer.from(folder), folder);
  const files: FileHash[] = [];
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
  return computeH1(files);
}

/** Paths of all files below, relative to `root`, as bytes: names need not be UTF-8. */
async function listFiles(root: Buffer, shown: string): Promise<Buffer[]> {
  const files: Buffer[] = [];
  const folders: Buffer[] = [Buffer.alloc(0)];
  let count = 0;
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    try {
      const place = path.length === 0 ? root : Buffer.concat([root, Buffer.from("/"), path]);
      // The types of node:fs know the option for readdir alone.
      const entries = await opendir(place as unknown as string, {
        encoding: "buffer" as BufferEncoding,
        bufferSize: 256,
      });
      for await (const entry of entries) {
        const name = entry.name as unknown as Buffer;
        const child = path.length === 0 ? name : Buffer.concat([path, Buffer.from("/"), name]);
        if (++count > MAX_FILES) throw malformed(shown, undefined, `holds more than ${MAX_FILES} files`);
        if (entry.isDirectory()) folders.push(child);
        else if (!entry.isFile()) throw notFile(child.toString());
        else if (name.includes(0x0a))
          throw malformed(child.toString(), undefined, "a line end in its name; h1 has no hash of that");
        else files.push(child);
      }
    } catch (cause) {
      throw asMalformed(cause, path.length === 0 ? shown : path.toString());
    }
  }
  return files;
}

function notFile(path: string): Error {
  return malformed(path, undefined, "is neither a folder nor a regular file; a module holds nothing else");
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
