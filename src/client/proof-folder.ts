import { randomBytes } from "node:crypto";
import { constants, open, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { makeFolder } from "./make-folder.ts";

/** Seconds after which a file that nobody used is of no use to anyone. */
const MAX_LIFE = 30 * 86_400;
/** Seconds after which the time of a file that is used is set anew. */
const USE_STEP = 86_400;

/** Options of a `ProofFolder`. */
export interface ProofFolderOptions {
  readonly folder: string;
  /** Largest file that is read, in bytes. */
  readonly maxLength: number;
  /** Unix seconds. */
  readonly now: () => number;
  /** Told of files that are no text, or too long. */
  readonly onIgnored: (message: string) => void;
}

/** A file, and its modification time in Unix seconds. */
export interface FoundText {
  readonly text: string;
  readonly time: number;
}

/**
 * Files which anyone may remove or change at any time, each written whole or not at all, by any number of processes. Nothing in them
 * counts before it is verified.
 */
export class ProofFolder {
  readonly path: string;
  readonly #maxLength: number;
  readonly #now: () => number;
  readonly #onIgnored: (message: string) => void;

  constructor({ folder, maxLength, now, onIgnored }: ProofFolderOptions) {
    this.path = folder;
    this.#maxLength = maxLength;
    this.#now = now;
    this.#onIgnored = onIgnored;
  }

  /** Undefined if there is no such file, or none that can be read. */
  async read(name: string): Promise<FoundText | undefined> {
    const path = join(this.path, name);
    try {
      // Without O_NONBLOCK a pipe that nobody writes to is never opened.
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const { size, mtimeMs } = await file
          .stat()
          .then((found) => (found.isFile() ? found : { size: -1, mtimeMs: 0 }));
        if (size < 0 || size > this.#maxLength) {
          this.#onIgnored(`ignored ${path}, which is no cached answer`);
          return undefined;
        }
        const text = decodeUtf8(await file.readFile());
        if (text === undefined) this.#onIgnored(`ignored a damaged cached answer: ${path} is not text`);
        return text === undefined ? undefined : { text, time: Math.floor(mtimeMs / 1000) };
      } finally {
        await file.close();
      }
    } catch {
      return undefined;
    }
  }

  /** Names of the files that are there; none if the folder cannot be read. */
  names(): Promise<string[]> {
    return readdir(this.path).catch(() => []);
  }

  /** Writes a file in one step, with this modification time. What fails leaves nothing behind. */
  async replace(name: string, content: string | Uint8Array, time: number): Promise<void> {
    const path = join(this.path, name);
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await makeFolder(this.path);
      // Not synced: a file that a crash leaves half written does not verify.
      await writeFile(temporary, content, { flag: "wx", mode: 0o600 });
      await utimes(temporary, time, time);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  }

  /** Notes that a file whose time is that of its last use was used now; `time` is what it had, if that is known. */
  async use(name: string, time = 0): Promise<void> {
    const now = this.#now();
    if (Math.abs(now - time) < USE_STEP) return;
    await utimes(join(this.path, name), now, now).catch(() => {});
  }

  /** Removes what nobody has used in a month. */
  async prune(): Promise<void> {
    for (const name of await this.names()) {
      const path = join(this.path, name);
      const age = await stat(path).then(
        ({ mtimeMs }) => this.#now() - mtimeMs / 1000,
        () => 0,
      );
      if (age > MAX_LIFE) await rm(path, { force: true }).catch(() => {});
    }
  }
}
