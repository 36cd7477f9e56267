import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { encodeUtf8, formatHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatKeyId } from "../vindex/note.ts";
import { formatMemory, type Memory, parseMemory, type Trust } from "./verify/index.ts";

/** Where remembered heads and evidence are kept: one memory for each log key. */
export interface MemoryStore {
  /** @throws ProofdnsError `MALFORMED_MEMORY` if there is one that cannot be trusted */
  read(): Promise<Memory | undefined>;
  /** Replaces the memory, unless what is there is newer. */
  write(memory: Memory): Promise<void>;
  /** Keeps evidence; returns where. */
  saveEvidence(evidence: unknown): Promise<string | undefined>;
}

/** Remembers nothing beyond the process. */
export class NoMemoryStore implements MemoryStore {
  #memory: Memory | undefined;
  read(): Promise<Memory | undefined> {
    return Promise.resolve(this.#memory);
  }
  write(memory: Memory): Promise<void> {
    if (isNewer(memory, this.#memory)) this.#memory = memory;
    return Promise.resolve();
  }
  saveEvidence(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

function isNewer(memory: Memory, known: Memory | undefined): boolean {
  if (known === undefined) return true;
  return memory.epoch > known.epoch || (memory.epoch === known.epoch && memory.ageTime > known.ageTime);
}

/** Milliseconds after which a lock is taken for one that a crash left: writing takes a few. */
const LOCK_LIFE = 3000;

/** Keeps memories as files in a folder, each replaced atomically: written beside, synced, renamed. */
export class FolderMemoryStore implements MemoryStore {
  readonly #folder: string;
  readonly #trust: Trust;

  constructor(folder: string, trust: Trust) {
    this.#folder = folder;
    this.#trust = trust;
  }

  /** File of this log key: its name without slashes and its key id. */
  get path(): string {
    const { keyName, keyId } = this.#trust.logKey;
    return join(this.#folder, `${keyName.replaceAll(/[^0-9A-Za-z.-]/g, "_")}+${formatKeyId(keyId)}.json`);
  }

  async read(): Promise<Memory | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw unusable(this.path, error);
    }
    try {
      return parseMemory(text, this.#trust);
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw error;
      throw new ProofdnsError(
        "MALFORMED_MEMORY",
        `${error.message} (${this.path}); it protects from rollback, so it is not ignored: restore it, or remove it to begin anew`,
        { cause: error },
      );
    }
  }

  async write(memory: Memory): Promise<void> {
    // Reading and replacing are two steps: without the lock the older of two processes could come last.
    await this.#locked(async () => {
      if (isNewer(memory, await this.read())) await this.#replace(this.path, formatMemory(memory, this.#trust));
    });
  }

  async saveEvidence(evidence: unknown): Promise<string> {
    const { keyId } = this.#trust.logKey;
    const text = `${JSON.stringify(evidence, undefined, 2)}\n`;
    // Named by its content: what many lookups see is kept once.
    const id = formatHex(this.#trust.sha256(encodeUtf8(text)).subarray(0, 6));
    const path = join(this.#folder, `evidence-${formatKeyId(keyId)}-${id}.json`);
    await this.#replace(path, text);
    return path;
  }

  /** Runs `task` while no other process does, over a lock file; one that a crash left is taken away after a while. */
  async #locked(task: () => Promise<void>): Promise<void> {
    const path = `${this.path}.lock`;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      for (const start = Date.now(); ; await setTimeout(5 + Math.random() * 20)) {
        try {
          await (await open(path, "wx", 0o600)).close();
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
        const age = await stat(path).then(
          ({ mtimeMs }) => Date.now() - mtimeMs,
          () => 0,
        );
        if (age > LOCK_LIFE) await rm(path, { force: true });
        else if (Date.now() - start > 2 * LOCK_LIFE) throw new Error(`another process holds ${path}`);
      }
    } catch (error) {
      throw unusable(this.path, error);
    }
    try {
      await task();
    } finally {
      await rm(path, { force: true });
    }
  }

  async #replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      const file = await open(temporary, "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw unusable(path, error);
    }
  }
}

function unusable(path: string, error: unknown): ProofdnsError {
  const why = error instanceof Error ? error.message : String(error);
  return new ProofdnsError(
    "STORE_UNUSABLE",
    `the state file ${path} cannot be used: ${why}; name another folder with --state`,
    { cause: error },
  );
}
