import { join } from "node:path";
import { readRegularFile } from "../audit/regular-file.ts";
import { ProofFolder } from "../client/proof-folder.ts";
import { formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import { hashGoMod } from "./dir-hash.ts";
import { shown } from "./malformed.ts";
import { goModFileOf, readCachedGoMod } from "./module-cache.ts";

/** Largest go.mod that is kept, in bytes: most have some thousand. */
const MAX_KEPT = 1024 * 1024;

/** Where go.mod files come from. */
export interface GoModSourceOptions {
  /** GOMODCACHE; empty if there is none. */
  readonly moduleCache: string;
  /** Folder of the files that are kept for the next time; undefined to keep none. */
  readonly folder: string | undefined;
  /** Told of files that are not what they must be. */
  readonly onIgnored: (message: string) => void;
}

/**
 * The go.mod files of module versions, from the nearest place that has them: the module cache, what an earlier run kept, GOPROXY. What is at hand
 * saves a question, and tells nobody what interests here. A file of this machine is taken only if it has the proven hash, so that a false one is
 * never laid to a proxy's charge.
 */
export class GoModSource {
  readonly #options: GoModSourceOptions;
  readonly #kept: ProofFolder | undefined;

  constructor(options: GoModSourceOptions) {
    const { folder, onIgnored } = options;
    this.#options = options;
    const now = (): number => Math.floor(Date.now() / 1000);
    this.#kept = folder === undefined ? undefined : new ProofFolder({ folder, maxLength: MAX_KEPT, now, onIgnored });
  }

  /**
   * The bytes of a go.mod, of which `hash` is the proven hash. What `fetch` gets from GOPROXY is not checked: the caller accuses it.
   *
   * @param fetch undefined where nobody may be asked
   * @throws ProofdnsError `NO_ANSWER` if it is not at hand and nobody may be asked; and what `fetch` throws
   */
  async get(
    path: string,
    version: string,
    hash: Hash,
    fetch: (() => Promise<Uint8Array>) | undefined,
  ): Promise<Uint8Array> {
    const atHand = (await this.#fromModuleCache(path, version, hash)) ?? (await this.#fromKept(hash));
    if (atHand !== undefined) return atHand;
    const name = `${shown(path)}@${shown(version)}`;
    if (fetch === undefined) {
      throw new ProofdnsError(
        "NO_ANSWER",
        `the go.mod of ${name} is neither kept nor in the module cache: run this once without --offline, or \`go mod download ${name}\``,
      );
    }
    const untrusted = await fetch();
    await this.#keep(untrusted, hash);
    return untrusted;
  }

  async #fromModuleCache(path: string, version: string, hash: Hash): Promise<Uint8Array | undefined> {
    const { moduleCache, onIgnored } = this.#options;
    if (moduleCache === "") return undefined;
    const file = goModFileOf(moduleCache, path, version);
    try {
      const bytes = await readCachedGoMod(moduleCache, path, version);
      if (bytes === undefined || isOf(bytes, hash)) return bytes;
    } catch (error) {
      if (!isProofdnsError(error, "UNREACHABLE")) throw error;
      onIgnored(`ignored a file of the module cache: ${error.message}`);
      return undefined;
    }
    onIgnored(
      `ignored ${file}: its hash is not the one that the checksum database has, so it was changed, or never was the published one; \`proofdns verify --modcache\` finds all such files`,
    );
    return undefined;
  }

  async #fromKept(hash: Hash): Promise<Uint8Array | undefined> {
    const kept = this.#kept;
    if (kept === undefined) return undefined;
    const name = nameOf(hash);
    const file = join(kept.path, name);
    try {
      const bytes = await readRegularFile(file, MAX_KEPT);
      if (bytes === undefined) return undefined;
      if (isOf(bytes, hash)) {
        void kept.use(name);
        return bytes;
      }
    } catch (error) {
      if (!isProofdnsError(error, "UNREACHABLE")) throw error;
    }
    this.#options.onIgnored(`ignored a damaged go.mod in the cache: ${file}`);
    return undefined;
  }

  /** Only what is proven. A cache that is not to be had costs a question next time, and no more. */
  async #keep(untrusted: Uint8Array, hash: Hash): Promise<void> {
    if (this.#kept === undefined || untrusted.length > MAX_KEPT || !isOf(untrusted, hash)) return;
    await this.#kept.replace(nameOf(hash), untrusted, Math.floor(Date.now() / 1000)).catch(() => {});
  }

  /** Removes what nobody has used in a month. */
  async prune(): Promise<void> {
    await this.#kept?.prune();
  }
}

/** By the hash alone: no name of a module is written down. */
function nameOf(hash: Hash): string {
  return `${formatHex(hash)}.mod`;
}

function isOf(bytes: Uint8Array, hash: Hash): boolean {
  return hashGoMod(bytes) === formatH1(hash);
}
