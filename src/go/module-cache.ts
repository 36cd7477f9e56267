import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readRegularFile } from "../audit/regular-file.ts";
import { escapePath, escapeVersion, unescapePath, unescapeVersion } from "../sumdb/escape.ts";
import { compareText } from "../vindex/bytes.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { codeOf } from "./binary-file.ts";
import { malformed } from "./malformed.ts";
import { MAX_GO_MOD } from "./module-proxy.ts";

/** A module version that lies in a module cache; each of its files may be missing. */
export interface CachedModule {
  readonly path: string;
  readonly version: string;
  readonly zip?: string;
  /** Holds the h1 hash that the go command found when it fetched the zip. */
  readonly zipHashFile?: string;
  readonly goMod?: string;
  /** Where it is extracted. */
  readonly folder?: string;
  /** The go command did not extract it to its end. */
  readonly isPartial?: boolean;
}

/** How a module cache is walked. */
export interface ModuleCacheOptions {
  /** Is told what lies in the cache and has no name that the go command would give it, or cannot be read. */
  readonly onSkipped?: (file: string, why: string) => void;
}

/** Most files and folders that are looked at. */
const MAX_ENTRIES = 5_000_000;
/** A module path has far fewer elements. */
const MAX_DEPTH = 128;

interface Draft {
  readonly path: string;
  readonly version: string;
  zip?: string;
  zipHashFile?: string;
  goMod?: string;
  folder?: string;
  isPartial?: boolean;
}

/** What is kept of a version in a cache, by the end of its file's name. */
const KINDS: ReadonlyMap<string, "zip" | "zipHashFile" | "goMod" | "isPartial"> = new Map([
  ["zip", "zip"],
  ["ziphash", "zipHashFile"],
  ["mod", "goMod"],
  ["partial", "isPartial"],
]);

/**
 * Lists a module cache, GOMODCACHE: `cache/download/<path>/@v/<version>.{zip,ziphash,mod}` and `<path>@<version>/`, where capital
 * letters are escaped. Sorted by path, then version, as bytes. Links within it are not followed.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if there is no such folder, or more in it than can be
 */
export async function* listModuleCache(root: string, options: ModuleCacheOptions = {}): AsyncGenerator<CachedModule> {
  const found = new Map<string, Draft>();
  const onSkipped = options.onSkipped ?? (() => undefined);
  const draftOf = (path: string, version: string): Draft => {
    const key = `${path}@${version}`;
    const draft = found.get(key) ?? { path, version };
    found.set(key, draft);
    return draft;
  };
  const walker = new Walker(onSkipped);
  await readdir(root).catch((cause: unknown) => {
    throw malformed(root, undefined, `no module cache can be read there (${codeOf(cause)})`, cause);
  });
  for await (const { file, name, parent } of walker.walkDownloads(join(root, "cache", "download"))) {
    const dot = name.lastIndexOf(".");
    const kind = KINDS.get(name.slice(dot + 1));
    if (kind === undefined) continue;
    const named = unescapeNames(parent, name.slice(0, dot));
    if (named === undefined) onSkipped(file, "its name is not that of a module version");
    else if (kind === "isPartial") draftOf(named.path, named.version).isPartial = true;
    else draftOf(named.path, named.version)[kind] = file;
  }
  for await (const { file, name, parent } of walker.walkExtracted(root)) {
    const at = name.lastIndexOf("@");
    const named = unescapeNames([...parent, name.slice(0, at)], name.slice(at + 1));
    if (named === undefined) onSkipped(file, "its name is not that of a module version");
    else draftOf(named.path, named.version).folder = file;
  }
  const sorted = [...found.values()].sort((a, b) => compareText(a.path, b.path) || compareText(a.version, b.version));
  for (const draft of sorted) {
    // What is left of a version that was only asked about, not fetched.
    if (draft.zip ?? draft.zipHashFile ?? draft.goMod ?? draft.folder) yield draft;
  }
}

function unescapeNames(path: readonly string[], version: string): { path: string; version: string } | undefined {
  try {
    return { path: unescapePath(path.join("/")), version: unescapeVersion(version) };
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    return undefined;
  }
}

/** A file or folder with a module version in its name, and the names of the folders above, from the root. */
interface Found {
  readonly file: string;
  readonly name: string;
  readonly parent: readonly string[];
}

class Walker {
  readonly #onSkipped: (file: string, why: string) => void;
  #count = 0;

  constructor(onSkipped: (file: string, why: string) => void) {
    this.#onSkipped = onSkipped;
  }

  /** The files in folders `@v`. */
  async *walkDownloads(root: string): AsyncGenerator<Found> {
    yield* this.#walk(
      root,
      (name, depth) => depth === 0 && name === "sumdb",
      (entry, parent) => {
        return parent.at(-1) === "@v" && !entry.isDirectory();
      },
    );
  }

  /** The folders with an `@` in their names. */
  async *walkExtracted(root: string): AsyncGenerator<Found> {
    const isExtracted = (entry: Dirent): boolean => entry.isDirectory() && entry.name.includes("@");
    yield* this.#walk(root, (name, depth) => depth === 0 && name === "cache", isExtracted);
  }

  async *#walk(
    root: string,
    isLeftOut: (name: string, depth: number) => boolean,
    isWanted: (entry: Dirent, parent: readonly string[]) => boolean,
  ): AsyncGenerator<Found> {
    const folders: string[][] = [[]];
    for (let parent = folders.pop(); parent !== undefined; parent = folders.pop()) {
      const folder = join(root, ...parent);
      for (const entry of await this.#read(folder)) {
        if (++this.#count > MAX_ENTRIES)
          throw malformed(root, undefined, `more than ${MAX_ENTRIES} files; is it a module cache?`);
        const file = join(folder, entry.name);
        if (isLeftOut(entry.name, parent.length)) continue;
        if (entry.isSymbolicLink()) {
          this.#onSkipped(file, "it is a link");
        } else if (isWanted(entry, parent)) {
          yield { file, name: entry.name, parent: parent.at(-1) === "@v" ? parent.slice(0, -1) : parent };
        } else if (entry.isDirectory()) {
          if (parent.length >= MAX_DEPTH) this.#onSkipped(file, "too deep for a module path");
          else folders.push([...parent, entry.name]);
        }
      }
    }
  }

  async #read(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(folder, { withFileTypes: true });
    } catch (error) {
      const code = codeOf(error);
      if (code !== "ENOENT") this.#onSkipped(folder, `it cannot be read (${code})`);
      return [];
    }
  }
}

/**
 * The go.mod of a module version from a module cache; undefined if it is not there. As with `fetchGoMod`, its bytes count only
 * if their hash is the proven one.
 *
 * @throws ProofdnsError `UNREACHABLE` if it is there and cannot be read; `MALFORMED_INPUT` if path or version are malformed
 */
export async function readCachedGoMod(root: string, path: string, version: string): Promise<Uint8Array | undefined> {
  return root === "" ? undefined : readRegularFile(goModFileOf(root, path, version), MAX_GO_MOD);
}

/**
 * Where a module cache has the go.mod of a module version.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if path or version are malformed
 */
export function goModFileOf(root: string, path: string, version: string): string {
  return join(root, "cache", "download", escapePath(path), "@v", `${escapeVersion(version)}.mod`);
}
