import { dirname, isAbsolute, join, resolve } from "node:path";
import { type Exclusion, type GoMod, lineOfMalformed, parseGoMod, parseGoWork, type Replacement } from "../go/index.ts";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { isFile } from "./folder.ts";
import type { InputProblem } from "./item.ts";

/** Largest go.mod or go.work that is read, in bytes; the go command has the same bound for a module's go.mod. */
const MAX_BYTES = 16 * 2 ** 20;
/** Most modules of one workspace. */
const MAX_USES = 10_000;
/** Close to what a `module` line is; a file that can be read is parsed. */
const MODULE_LINE = /^[ \t]*module[ \t]+["`]?([^\s"`()]+)/m;

/** A go.mod with what it says. */
export interface ReadGoMod {
  readonly file: string;
  readonly goMod: GoMod;
  /** Requirements that cannot be read; they are not in `goMod`. */
  readonly refused: readonly { readonly line: number; readonly error: ProofdnsError }[];
}

/** Replacements by path, or by path and version; of two the first one counts. */
export type Replacements = ReadonlyMap<string, Replacement>;

/** Versions that are excluded, by path. */
export type Exclusions = ReadonlyMap<string, ReadonlySet<string>>;

/** A go.work with the modules that it uses. */
export interface Workspace {
  readonly file: string;
  readonly toolchain: string | undefined;
  readonly modules: readonly ReadGoMod[];
  /** Absolute names of the go.mod files of its modules, of those that could not be read too. */
  readonly goModFiles: ReadonlySet<string>;
  /** Paths of its modules, of which nobody is ever asked. */
  readonly own: ReadonlySet<string>;
  /** Of the go.work, which go before those of the modules. */
  readonly replace: Replacements;
  /** Of all modules together, as the go command takes them. */
  readonly modulesReplace: Replacements;
  /** Of all modules together, likewise. */
  readonly modulesExclude: Exclusions;
  /** Modules that could not be read; the others are there. */
  readonly problems: readonly InputProblem[];
}

/**
 * Reads a go.work and the go.mod files of its modules.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the go.work itself cannot be read
 */
export async function readWorkspace(file: string): Promise<Workspace> {
  const work = parseGoWork(await readText(file, "the go.work"), printable(file));
  if (work.use.length > MAX_USES) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${printable(file)}: it uses more than ${MAX_USES} modules; name their go.mod files instead`,
    );
  }
  const seen = new Set<string>();
  const modules: ReadGoMod[] = [];
  const own = new Set<string>();
  const problems: InputProblem[] = [];
  for (const { path, line } of work.use) {
    const goModFile = join(isAbsolute(path) ? path : join(dirname(file), path), "go.mod");
    if (seen.has(resolve(goModFile))) continue;
    seen.add(resolve(goModFile));
    try {
      const text = await readText(goModFile, "the go.mod");
      // Also of one that is refused below: its name must not be asked of anybody because of a typing error in it.
      const named = MODULE_LINE.exec(text)?.[1];
      if (named !== undefined) own.add(named);
      const read = parseOwn(text, goModFile);
      own.add(read.goMod.module);
      modules.push(read);
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      const why = `${error.message}; what it replaces or excludes counts for nothing in ${printable(file)} until it can be read`;
      const at = lineOfMalformed(error);
      problems.push({
        input: goModFile,
        error: new ProofdnsError(error.code, why, { cause: error }),
        place: at === undefined ? { file, line } : { file: goModFile, line: at },
      });
    }
  }
  return {
    file,
    toolchain: work.toolchain,
    modules,
    goModFiles: seen,
    own,
    replace: indexReplacements(work.replace),
    modulesReplace: indexReplacements(modules.flatMap(({ goMod }) => goMod.replace)),
    modulesExclude: indexExclusions(modules.flatMap(({ goMod }) => goMod.exclude)),
    problems,
  };
}

/**
 * The go.work that counts in a folder, as the go command finds it: none with `GOWORK=off`, the one that GOWORK names, else the
 * nearest in the folder or above it. `known` keeps what was found for each folder, so that of many projects beside each other none is sought
 * for all the way up.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if GOWORK is no absolute path
 */
export async function findWorkspace(
  folder: string,
  goWork: string | undefined,
  known = new Map<string, string | undefined>(),
): Promise<string | undefined> {
  if (goWork === "off") return undefined;
  const named = namedWorkspace(goWork);
  if (named !== undefined) return named;
  const passed: string[] = [];
  let found: string | undefined;
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (known.has(at)) {
      found = known.get(at);
      break;
    }
    passed.push(at);
    const file = join(at, "go.work");
    if (await isFile(file)) {
      found = file;
      break;
    }
    if (at === dirname(at)) break;
  }
  for (const at of passed) known.set(at, found);
  return found;
}

/**
 * The go.work that GOWORK names; undefined if it names none.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it is no absolute path
 */
export function namedWorkspace(goWork: string | undefined): string | undefined {
  if (goWork === undefined || goWork === "" || goWork === "auto" || goWork === "off") return undefined;
  if (isAbsolute(goWork)) return goWork;
  throw new ProofdnsError(
    "MALFORMED_INPUT",
    `GOWORK is "${printable(goWork, 100)}", which is not an absolute path; name a go.work by one, or set it to off`,
  );
}

/**
 * Reads a go.mod that is the project's own.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read, or names no module
 */
export async function readGoMod(file: string): Promise<ReadGoMod> {
  return parseOwn(await readText(file, "the go.mod"), file);
}

function parseOwn(text: string, file: string): ReadGoMod {
  const refused: { line: number; error: ProofdnsError }[] = [];
  const goMod = parseGoMod(text, printable(file), {
    onRefusedRequire: (error, line) => void refused.push({ line, error }),
  });
  if (goMod.module === "") {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${printable(file)} has no module line, and the go command refuses it; "go mod edit -module=PATH" adds one`,
    );
  }
  return { file, goMod, refused };
}

/** Indexes replacements for `replacementOf`. */
export function indexReplacements(replace: readonly Replacement[]): Replacements {
  const index = new Map<string, Replacement>();
  for (const replacement of replace) {
    const { path, version } = replacement;
    const id = version === undefined ? path : `${path}@${version}`;
    if (!index.has(id)) index.set(id, replacement);
  }
  return index;
}

/** Indexes exclusions by path. */
export function indexExclusions(exclude: readonly Exclusion[]): Exclusions {
  const index = new Map<string, Set<string>>();
  for (const { path, version } of exclude) {
    const versions = index.get(path);
    if (versions === undefined) index.set(path, new Set([version]));
    else versions.add(version);
  }
  return index;
}

/** What replaces a module; without a version only what replaces all of them. */
export function replacementOf(index: Replacements, path: string, version: string | undefined): Replacement | undefined {
  return (version === undefined ? undefined : index.get(`${path}@${version}`)) ?? index.get(path);
}

async function readText(file: string, what: string): Promise<string> {
  const text = decodeUtf8(await readInputFile(file, MAX_BYTES, what));
  if (text === undefined) throw new ProofdnsError("MALFORMED_INPUT", `${printable(file)}: not UTF-8`);
  return text;
}
