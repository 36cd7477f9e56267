import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { encodeUtf8, formatHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatKeyId, formatVerifierKey } from "../vindex/note.ts";
import { withFileLock } from "./file-lock.ts";
import { makeFolder } from "./make-folder.ts";
import { type MemoryStore, replacement } from "./memory-store.ts";
import { formatMemory, parseMemory } from "./verify/files.ts";
import type { Memory, Trust } from "./verify/index.ts";

/** Most suspicions that are kept for one log. */
const MAX_SUSPICIONS = 1000;

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
      text = await readRegularFile(this.path);
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
        `${error.message} (${this.path}); it protects from rollback, so it is not ignored: give the keys that it was made with, by the policy and --sumdb-key or GOSUMDB; only if it is damaged restore it, or remove it to begin anew`,
        { cause: error },
      );
    }
  }

  async write(memory: Memory, compared?: Memory): Promise<void> {
    // Reading and replacing are two steps: without the lock the older of two processes could come last.
    try {
      await makeFolder(this.#folder);
      await withFileLock(`${this.path}.lock`, async () => {
        const newer = replacement(memory, await this.read(), compared, this.#trust);
        if (newer !== undefined) await this.#replace(this.path, formatMemory(newer, this.#trust));
      });
    } catch (error) {
      throw error instanceof ProofdnsError ? error : unusable(this.path, error);
    }
  }

  async saveEvidence(evidence: unknown): Promise<string> {
    const { keyId } = this.#trust.logKey;
    const text = `${JSON.stringify(evidence, undefined, 2)}\n`;
    const suspect = this.#suspectOf(evidence);
    // Named by its content: what many lookups see is kept once. Suspicions, which anybody on the way can cause, stand apart.
    const id = formatHex(this.#trust.sha256(encodeUtf8(suspect ?? text)).subarray(0, 6));
    if (suspect === undefined) {
      const path = join(this.#folder, `evidence-${formatKeyId(keyId)}-${id}.json`);
      await this.#replace(path, text);
      return path;
    }
    const prefix = `evidence-suspicion-${formatKeyId(keyId)}-`;
    const name = `${prefix}${id}.json`;
    const names = await readdir(this.#folder).catch((): string[] => []);
    const path = join(this.#folder, name);
    if (names.includes(name)) return path;
    if (names.filter((one) => one.startsWith(prefix)).length >= MAX_SUSPICIONS) {
      const what = `${MAX_SUSPICIONS} suspicions of this log are kept there, and no more`;
      throw unusable(path, new Error(`${what}: move them away`));
    }
    await this.#replace(path, text);
    return path;
  }

  /** What a suspicion is known by: of one kept tree of the checksum database the first is kept, of anything else each. Undefined for no suspicion. */
  #suspectOf(evidence: unknown): string | undefined {
    const { type, key, notes } = (evidence ?? {}) as { type?: unknown; key?: unknown; notes?: unknown };
    if (type !== "proofdns-suspicion/1") return undefined;
    const isOfSumdb = key === formatVerifierKey(this.#trust.sumdbKey);
    return JSON.stringify(isOfSumdb && Array.isArray(notes) ? notes[0] : evidence);
  }

  async #replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await makeFolder(this.#folder);
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

async function readRegularFile(path: string): Promise<string> {
  // Without O_NONBLOCK a pipe that nobody writes to is never opened.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error("it is no regular file");
    return await file.readFile("utf8");
  } finally {
    await file.close();
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
