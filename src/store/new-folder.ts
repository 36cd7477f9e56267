import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { ProofdnsError } from "../vindex/error.ts";
import { explainIo } from "./damage.ts";
import { syncDirectory } from "./file-bytes.ts";

/** Stands in a folder from its beginning until it has its name, so that nobody else's is ever taken for an unfinished one. */
export const NEW_FOLDER_MARK = ".proofdns-new";

/** Lock files of this process: after a restart of a container another one may have had its number. */
const held = new Set<string>();

/**
 * A folder that is there as a whole or not at all: it is filled beside its place, as `<folder>.partial`, and then renamed. What an
 * interrupted attempt left is removed by the next one. One process at a time fills it: `<folder>.partial.lock` says which.
 */
export class NewFolder {
  readonly #path: string;
  readonly #partial: string;
  readonly #lock: string;

  /** @throws ProofdnsError `MALFORMED_INPUT` if the folder exists, or another one stands where it would be filled */
  constructor(folder: string) {
    this.#path = resolve(folder);
    this.#partial = `${this.#path}.partial`;
    this.#lock = `${this.#partial}.lock`;
    if (existsSync(this.#path))
      throw new ProofdnsError("MALFORMED_INPUT", `${this.#path} exists; nothing is written over`);
    if (existsSync(this.#partial) && !isUnfinished(this.#partial)) {
      throw new ProofdnsError("MALFORMED_INPUT", `${this.#partial} exists and is not this command's; move it away`);
    }
  }

  /**
   * Makes the folder to be filled and gives its path.
   *
   * @throws ProofdnsError `MALFORMED_INPUT` if another command fills it just now, or has made it; `STORE_UNUSABLE`
   */
  begin(): string {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#takeLock();
      if (existsSync(this.#path)) {
        this.#dropLock();
        throw new ProofdnsError("MALFORMED_INPUT", `${this.#path} exists; nothing is written over`);
      }
      rmSync(this.#partial, { recursive: true, force: true });
      mkdirSync(this.#partial, { recursive: true, mode: 0o700 });
      writeFileSync(join(this.#partial, NEW_FOLDER_MARK), "");
    } catch (error) {
      this.#dropLock();
      throw explainIo(`cannot make ${this.#partial}`, error);
    }
    return this.#partial;
  }

  /** The file is made by one process only. One that is left of a process that is gone is moved away first, and that too by one only. */
  #takeLock(): void {
    for (let attempt = 0; ; attempt++) {
      try {
        writeFileSync(this.#lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
        held.add(this.#lock);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const left = readLock(this.#lock);
      if (attempt === 3 || (left !== undefined && isHeld(this.#lock, left))) {
        throw new ProofdnsError(
          "MALFORMED_INPUT",
          `another command (process ${left?.trim() ?? "unknown"}) is filling ${this.#partial}; wait for it, or remove ${this.#lock} if it is none of this program`,
        );
      }
      if (left === undefined) continue;
      const aside = `${this.#lock}.${process.pid}`;
      try {
        renameSync(this.#lock, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        continue;
      }
      // Somebody else may have taken it since it was read: then it goes back.
      if (readLock(aside) === left) rmSync(aside);
      else renameSync(aside, this.#lock);
    }
  }

  #dropLock(): void {
    if (held.delete(this.#lock)) rmSync(this.#lock, { force: true });
  }

  /** Gives it its name. Everything in it must be on disk. @throws ProofdnsError `STORE_UNUSABLE` */
  finish(): void {
    try {
      syncDirectory(this.#partial);
      renameSync(this.#partial, this.#path);
      syncDirectory(dirname(this.#path));
      rmSync(join(this.#path, NEW_FOLDER_MARK));
      this.#dropLock();
    } catch (error) {
      throw explainIo(`cannot make ${this.#path}`, error);
    }
  }

  /** Removes what was filled so far. */
  abandon(): void {
    if (existsSync(this.#partial) && isUnfinished(this.#partial))
      rmSync(this.#partial, { recursive: true, force: true });
    this.#dropLock();
  }
}

/** Undefined if there is none. */
function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** True if the process that made the lock is alive; also for a lock of this moment, which is not written yet. */
function isHeld(path: string, text: string): boolean {
  const pid = Number(text);
  if (pid === process.pid) return held.has(path);
  if (!/^[1-9][0-9]{0,9}\n$/.test(text)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function isUnfinished(folder: string): boolean {
  return existsSync(join(folder, NEW_FOLDER_MARK)) || readdirSync(folder).length === 0;
}
