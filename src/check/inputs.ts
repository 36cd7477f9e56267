import { basename, dirname, join, resolve } from "node:path";
import {
  inspectBinary,
  lineOfMalformed,
  listProgramNames,
  type ModuleList,
  matchesPrefixPatterns,
  parseModuleList,
} from "../go/index.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { isModulePath } from "../vindex/module-path.ts";
import { entriesOf, isListedFile, statOf } from "./folder.ts";
import type { CheckItem, Inputs, Place, Skipped } from "./item.ts";
import { ItemCollector } from "./item-collector.ts";
import { collectList } from "./list.ts";
import { collectProgram } from "./program.ts";
import { collectGoMod, collectGoWork } from "./project.ts";
import { searchProjects } from "./search.ts";
import { findWorkspace, namedWorkspace, readWorkspace, type Workspace } from "./workspace.ts";

/** What inputs are read, and which of what they name is wanted. */
export interface InputOptions {
  /** Files, folders, `module@version`, or `-`. */
  readonly inputs: readonly string[];
  /** Read for `-`. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** For no input at all. */
  readonly workingFolder: string;
  /** Only what is direct, or only what is indirect; both or neither: all. */
  readonly isDirectWanted?: boolean;
  readonly isIndirectWanted?: boolean;
  /** Patterns as in GOPRIVATE, of modules to leave out. */
  readonly ignore?: readonly string[];
  /** GOWORK as the go command has it: `off`, the absolute path of a go.work, or nothing, for the nearest above a project. */
  readonly goWork?: string | undefined;
}

/** Longest list on stdin, in bytes. */
const MAX_LIST_BYTES = 32 * 2 ** 20;
/** Most lines of a list that are no modules: with more it is something else, of which nothing is checked. */
const MAX_ODD_LINES = 500;
/** Most files of one folder that are looked at. */
const MAX_FILES = 20_000;

/**
 * Reads all inputs. What is wrong with one of them is a problem in the result, and the others are read.
 */
export async function readInputs(options: InputOptions): Promise<Inputs> {
  const collector = new ItemCollector();
  const reader = new InputReader(collector, options);
  if (options.inputs.length === 0) await reader.attempt(".", () => reader.here());
  for (const input of new Set(options.inputs)) await reader.attempt(input, () => reader.read(input));
  return choose(collector.result(), options);
}

class InputReader {
  readonly #collector: ItemCollector;
  readonly #options: InputOptions;
  readonly #workspaces = new Map<string, Promise<Workspace>>();
  /** The go.work that counts in each folder that was looked at. */
  readonly #goWorks = new Map<string, string | undefined>();
  /** Where errors lie that are of a file, whatever named it. */
  readonly #places = new WeakMap<ProofdnsError, Place>();

  constructor(collector: ItemCollector, options: InputOptions) {
    this.#collector = collector;
    this.#options = options;
  }

  async attempt(input: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      this.#collector.addProblem(input, error, this.#places.get(error));
    }
  }

  /** What is wrong with a file is noted to be of it, with its line. */
  async #in<T>(file: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (isProofdnsError(error)) this.#places.set(error, { file, line: lineOfMalformed(error) });
      throw error;
    }
  }

  /** The project that the working folder is in. */
  async here(): Promise<void> {
    const start = resolve(this.#options.workingFolder);
    for (let folder = start; ; folder = dirname(folder)) {
      if (await this.#project(folder)) return;
      if (folder === dirname(folder)) break;
    }
    const named = namedWorkspace(this.#options.goWork);
    if (named !== undefined) return this.#goWork(named);
    // Not the folders below: whoever stands in the wrong folder would tell a server of every project there is.
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      "there is no go.mod or go.work in this folder or above it; name what to check, or . to search this folder and those below",
    );
  }

  async read(input: string): Promise<void> {
    if (input === "-") return this.#list();
    const found = await statOf(input);
    if (found === undefined) {
      const at = input.indexOf("@");
      if (at > 0 && isModulePath(input.slice(0, at))) {
        const argument = this.#options.inputs.indexOf(input) + 1;
        return collectList(this.#collector, listOfOne(input.slice(0, at), input.slice(at + 1)), { argument });
      }
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `there is no ${printable(input)}; name a go.mod, a go.work, a folder, a Go binary, module@version, or - for a list`,
      );
    }
    if (found.isDirectory()) return this.#folder(input);
    if (!found.isFile()) {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `${printable(input)} is neither a file nor a folder; a list is read from stdin with -`,
      );
    }
    const name = basename(input);
    if (name.endsWith(".mod")) return this.#goMod(input);
    if (name.endsWith(".work")) return this.#goWork(input);
    if (name.endsWith(".sum")) {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `${printable(input)} lists checksums, not what is in use; "proofdns verify" checks it`,
      );
    }
    const reason = await this.#program(input, true);
    if (reason === undefined) return;
    this.#collector.skip({
      name: input,
      version: undefined,
      reason: "no-build-info",
      detail: `not a Go binary: ${reason}${reason.startsWith("it is no executable") ? "; a list of modules is read from stdin, with -" : ""}`,
      isIndirect: false,
      places: [{ file: input, line: undefined }],
    });
  }

  /** True if the folder is a project, which was read. */
  async #project(folder: string): Promise<boolean> {
    const work = join(folder, "go.work");
    if (this.#isWorkspaceWanted(work) && (await statOf(work))?.isFile() === true) {
      await this.#goWork(work);
      return true;
    }
    const goMod = join(folder, "go.mod");
    if ((await statOf(goMod))?.isFile() !== true) return false;
    await this.#goMod(goMod);
    return true;
  }

  /** GOWORK makes all others but the one that it names count for nothing. */
  #isWorkspaceWanted(file: string): boolean {
    const { goWork } = this.#options;
    if (goWork === "off") return false;
    const named = namedWorkspace(goWork);
    return named === undefined || resolve(named) === resolve(file);
  }

  async #goMod(file: string): Promise<void> {
    const work = await findWorkspace(dirname(resolve(file)), this.#options.goWork, this.#goWorks);
    const workspace = work === undefined ? undefined : await this.#workspace(work);
    await this.#in(file, () => collectGoMod(this.#collector, file, workspace));
  }

  async #goWork(file: string): Promise<void> {
    const workspace = await this.#workspace(file);
    await this.#in(file, () => collectGoWork(this.#collector, workspace));
  }

  /** A workspace, read once. A module of it that cannot be read is a problem. */
  #workspace(file: string): Promise<Workspace> {
    const key = resolve(file);
    let workspace = this.#workspaces.get(key);
    if (workspace === undefined) {
      workspace = this.#in(file, () => readWorkspace(file)).then((read) => {
        for (const { input, error, place } of read.problems) this.#collector.addProblem(input, error, place);
        return read;
      });
      this.#workspaces.set(key, workspace);
    }
    return workspace;
  }

  /** A project; else all projects below, and all Go binaries in it. */
  async #folder(folder: string): Promise<void> {
    if (await this.#project(folder)) return;
    const { goWorks, goMods, unsearched } = await searchProjects(folder);
    for (const error of unsearched) this.#collector.addProblem(folder, error);
    const wanted = goWorks.filter((file) => this.#isWorkspaceWanted(file));
    const used = new Set<string>();
    for (const file of wanted) {
      await this.attempt(file, async () => {
        for (const goMod of (await this.#workspace(file)).goModFiles) used.add(goMod);
        await this.#goWork(file);
      });
    }
    for (const file of goMods) if (!used.has(resolve(file))) await this.attempt(file, () => this.#goMod(file));
    const programs = await this.#programsIn(folder);
    if (wanted.length + goMods.length + unsearched.length + programs > 0) return;
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `nothing to check in ${printable(folder)}: it has no go.mod, no go.work and no Go binary`,
    );
  }

  /** Number of Go binaries found, those that could not be read too. */
  async #programsIn(folder: string): Promise<number> {
    const withDeps = this.#options.isIndirectWanted === true;
    const names = await listProgramNames(folder, entriesOf, (path, read) => this.attempt(path, read));
    let programs = 0;
    let others = 0;
    for (const name of names.slice(0, MAX_FILES)) {
      const file = join(folder, name);
      await this.attempt(file, async () => {
        // As `go version DIR` does: a link counts as what it leads to. What it is must be known to be passed over.
        programs++;
        if (!(await isListedFile(file))) {
          programs--;
          return;
        }
        if ((await this.#program(file, withDeps)) === undefined) return;
        programs--;
        others++;
      });
    }
    const where = printable(folder);
    if (names.length > MAX_FILES) {
      const why = `only the first ${MAX_FILES} files were looked at, and there are more; name the programs in it one by one`;
      this.#collector.addProblem(folder, new ProofdnsError("MALFORMED_INPUT", `${where}: ${why}`));
    }
    if (programs > 0 && others > 0) {
      this.#collector.addRemark(`${where}: ${others} ${others === 1 ? "file is" : "files are"} no Go binary`);
    }
    if (programs > 0 && !withDeps) {
      this.#collector.addRemark(
        `${where}: only the programs are checked; --direct --indirect adds what they are made of`,
      );
    }
    return programs;
  }

  /** Undefined for a Go binary, which was read; else half a sentence about why it is none. */
  async #program(file: string, withDeps: boolean): Promise<string | undefined> {
    const { info, reason } = await this.#in(file, () => inspectBinary(file));
    if (info === undefined) return reason;
    collectProgram(this.#collector, file, info, { withDeps });
    return undefined;
  }

  async #list(): Promise<void> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.#options.stdin) {
      length += chunk.length;
      if (length > MAX_LIST_BYTES) {
        throw new ProofdnsError(
          "MALFORMED_INPUT",
          `the list on stdin has more than ${MAX_LIST_BYTES} bytes; give it in parts`,
        );
      }
      chunks.push(chunk);
    }
    const text = decodeUtf8(Buffer.concat(chunks));
    if (text === undefined)
      throw new ProofdnsError("MALFORMED_INPUT", "the list on stdin is not UTF-8; it is lines of module@version");
    let refused = 0;
    const list = parseModuleList(text, "stdin", (error, line) => {
      if (++refused > MAX_ODD_LINES) throw error;
      this.#collector.addProblem("-", error, { file: "stdin", line, from: "stdin" });
    });
    if (list.modules.length + refused === 0) {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        "the list on stdin is empty; write module@version lines to it, or what go list -m -json all prints",
      );
    }
    collectList(this.#collector, list, "stdin");
  }
}

/** What stands in an argument; a version that is none is refused where it is read. */
function listOfOne(path: string, version: string): ModuleList {
  const unsaid = { sum: undefined, goModSum: undefined, isMain: false, isIndirect: undefined, replace: undefined };
  return { kind: "lines", modules: [{ path, version, ...unsaid, line: 1 }], goVersions: [] };
}

/** Leaves out what is not wanted; what is ignored is said. */
function choose(inputs: Inputs, options: InputOptions): Inputs {
  const { isDirectWanted = false, isIndirectWanted = false } = options;
  const isAllWanted = isDirectWanted === isIndirectWanted;
  const isWanted = ({ isIndirect }: { isIndirect: boolean }): boolean => isAllWanted || isIndirect === isIndirectWanted;
  const patterns = (options.ignore ?? []).join(",");
  const items: CheckItem[] = [];
  const skipped: Skipped[] = inputs.skipped.filter(isWanted);
  for (const item of inputs.items) {
    if (!isWanted(item)) continue;
    if (!matchesPrefixPatterns(patterns, item.path)) {
      items.push(item);
      continue;
    }
    const { path, current, isIndirect, places } = item;
    const detail = "ignored by --ignore";
    skipped.push({ name: path, version: current?.text, reason: "ignored", detail, isIndirect, places });
  }
  const isNoneLeft = !isAllWanted && inputs.items.length > 0 && !inputs.items.some(isWanted);
  const [option, other] = isIndirectWanted ? ["indirect", "direct"] : ["direct", "indirect"];
  const leftOut = `nothing is required ${option}ly: --${option} left out all that is ${other}, ${inputs.items.length} of it`;
  return { ...inputs, items, skipped, remarks: isNoneLeft ? [...inputs.remarks, leftOut] : inputs.remarks };
}
