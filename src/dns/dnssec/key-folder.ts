import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ProofdnsError } from "../../vindex/error.ts";
import { formatKeyFile, formatKeyState, type KeyFile, type KeyState, parseKeyFile, parseKeyState } from "./key-text.ts";

/**
 * The files in a folder of keys (spec/dnssec.md §7), one by one: what is in them is read with care, and written as a
 * whole or not.
 */

/** Name of the file that says which keys there are. */
export const STATE_FILE = "keys.json";
/** Far above what either kind of file needs. */
const MAX_FILE_BYTES = 4096;

/** Name of the file of a key, in the folder of keys. */
export function keyFileName(keyTag: number): string {
  return `key-${keyTag}.pem`;
}

/** Tags of the key files in `folder`, ascending, whatever `keys.json` says. */
export async function listKeyTags(folder: string): Promise<readonly number[]> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw asUnusable(cause, folder);
  }
  return names
    .flatMap((name) => /^key-(0|[1-9][0-9]{0,4})\.pem$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Reads `keys.json`; undefined if there is none. @throws ProofdnsError `KEY_UNUSABLE` */
export async function readState(folder: string, zone: string): Promise<KeyState | undefined> {
  const path = join(folder, STATE_FILE);
  const text = await readSmallFile(path, 0o022, "written by others: run chmod 600 on it");
  if (text === undefined) return undefined;
  const state = parseKeyState(text);
  if (typeof state === "string") throw unusable(path, `${state}; restore it from a copy`);
  if (state.zone !== zone) throw unusable(path, `it is of the zone ${state.zone}, not of ${zone}; use another folder`);
  return state;
}

/** Reads the file of a key, which must be there. @throws ProofdnsError `KEY_UNUSABLE` */
export async function readKeyFile(folder: string, zone: string, keyTag: number): Promise<KeyFile> {
  const path = join(folder, keyFileName(keyTag));
  const text = await readSmallFile(
    path,
    0o077,
    "read by others: run chmod 600 on it, and roll the key if they may have",
  );
  if (text === undefined) throw unusable(path, `there is no such file, and ${STATE_FILE} names it; restore it`);
  const key = parseKeyFile(text);
  if (typeof key === "string") throw unusable(path, `${key}; restore it from a copy`);
  if (key.zone !== zone) throw unusable(path, `it holds a key of ${key.zone}, not of ${zone}`);
  if (key.keyTag !== keyTag) throw unusable(path, `it holds the key ${key.keyTag}; restore the right one`);
  return key;
}

/** Undefined if there is no such file. Refused with "it can be `why`" if its mode has one of `forbidden` bits. */
async function readSmallFile(path: string, forbidden: number, why: string): Promise<string | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw unusable(path, "it is not a file");
      if (stats.size > MAX_FILE_BYTES) throw unusable(path, "it is too long");
      // Windows has no such modes, and reports all of them.
      if (process.platform !== "win32" && (stats.mode & forbidden) !== 0) throw unusable(path, `it can be ${why}`);
      return (await file.readFile()).toString("latin1");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw asUnusable(cause, path);
  }
}

/** Writes the file of a key, where none is. Rejects with what the system says, `EEXIST` for one. */
export async function writeKeyFile(folder: string, key: KeyFile): Promise<void> {
  await writeNewFile(folder, keyFileName(key.keyTag), formatKeyFile(key));
}

/** Deletes the file of a key, if it is there. */
export async function removeKeyFile(folder: string, keyTag: number): Promise<void> {
  await rm(join(folder, keyFileName(keyTag)), { force: true });
}

/** Writes the first `keys.json`. Rejects with `EEXIST` if there is one. */
export async function writeFirstState(folder: string, state: KeyState): Promise<void> {
  await writeNewFile(folder, STATE_FILE, formatKeyState(state));
}

/** Writes a file of mode 0600 that is on disk as a whole, or not there; EEXIST if there is one of this name. */
async function writeNewFile(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `${name}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await writeWhole(file, folder, text);
    } finally {
      await file.close();
    }
    // A link, unlike a rename, never replaces a file that another process made meanwhile.
    await link(temporary, join(folder, name));
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(folder);
}

/** Writes and syncs. What root makes belongs to the owner of the folder: the server must be able to read it. */
async function writeWhole(file: FileHandle, folder: string, text: string): Promise<void> {
  if (process.getuid?.() === 0) {
    const { uid, gid } = await stat(folder);
    await file.chown(uid, gid);
  }
  await file.writeFile(text);
  await file.sync();
}

/** Makes a folder, for its owner only; one that root makes belongs to the owner of the folder that it is in. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (first === undefined || process.getuid?.() !== 0) return;
    const { uid, gid } = await stat(dirname(first));
    const made = await open(folder, "r");
    try {
      await made.chown(uid, gid);
    } finally {
      await made.close();
    }
  } catch (cause) {
    throw asUnusable(cause, folder);
  }
}

/**
 * Lets `change` make a new `keys.json` of the old one, while everyone else who would is refused; undefined leaves it as
 * it is. The file that the new one is written to is the lock.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if another one is at work, or was stopped at it
 */
export async function replaceState(folder: string, change: () => Promise<KeyState | undefined>): Promise<void> {
  const path = join(folder, `${STATE_FILE}.new`);
  const file = await openLock(path);
  try {
    const state = await change();
    if (state === undefined) {
      await rm(path);
      return;
    }
    await writeWhole(file, folder, formatKeyState(state));
    await rename(path, join(folder, STATE_FILE));
    await syncFolder(folder);
  } catch (cause) {
    await rm(path, { force: true });
    throw asUnusable(cause, join(folder, STATE_FILE));
  } finally {
    await file.close();
  }
}

async function openLock(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw asUnusable(cause, path);
    const why = "another roll is at work, or one was stopped; if none is, remove this file and try again";
    throw unusable(path, why, cause);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** What the system says, as an error of this project. */
export function asUnusable(cause: unknown, path: string): unknown {
  if (cause instanceof ProofdnsError || !(cause instanceof Error)) return cause;
  return unusable(path, cause.message, cause);
}

/** A file of keys that cannot be used, and what to do, in one sentence. */
export function unusable(path: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("KEY_UNUSABLE", `DNSSEC key ${path}: ${why}`, { cause });
}
