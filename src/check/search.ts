import { stat } from "node:fs/promises";
import { join } from "node:path";
import { whyUnreadable } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { entriesOf, isNameCut } from "./folder.ts";

/** Most folders that are searched: one tree of a person's, not one without an end. */
const MAX_FOLDERS = 20_000;
/** Deepest folder that is searched. Source trees have some twenty levels; a path that the system takes, up to 2048. */
const MAX_DEPTH = 64;
/** Folders that the go command passes over, and those of other tools that hold whole trees. */
const PASSED_OVER = /^(?:[._].*|vendor|node_modules|testdata)$/;
/** Most folders of a kind that a message names. */
const MAX_NAMED = 3;

/** What a search found below a folder. */
export interface FoundProjects {
  /** By name. */
  readonly goWorks: readonly string[];
  /** By name; those that a go.work uses too. */
  readonly goMods: readonly string[];
  /** What was not searched, a sentence for each reason: modules there would read as current. */
  readonly unsearched: readonly ProofdnsError[];
}

/**
 * Searches a folder and those below it for go.mod and go.work files, the nearest first (spec/check.md §1). Symbolic links to folders are not
 * followed: they lead in circles.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the folder itself cannot be read
 */
export async function searchProjects(folder: string): Promise<FoundProjects> {
  const goWorks: string[] = [];
  const goMods: string[] = [];
  const left = new Left(folder);
  let level = [folder];
  let searched = 0;
  for (let depth = 0; level.length > 0; depth++) {
    const next: string[] = [];
    for (const [i, parent] of level.entries()) {
      if (depth > MAX_DEPTH) {
        left.add(`more than ${MAX_DEPTH} levels down`, parent);
        continue;
      }
      if (++searched > MAX_FOLDERS) {
        const more = `only the first ${MAX_FOLDERS} folders were searched, and there are more; name the projects in it one by one`;
        return { ...sorted(goWorks, goMods), unsearched: [...left.errors(), left.error(more)] };
      }
      for (const entry of i === 0 && depth === 0 ? await entriesOf(parent) : await left.entries(parent)) {
        const path = join(parent, entry.name);
        if (!entry.isDirectory() && (entry.name === "go.mod" || entry.name === "go.work")) {
          if (entry.isFile() || (entry.isSymbolicLink() && (await mayBeFile(path)))) {
            (entry.name === "go.mod" ? goMods : goWorks).push(path);
          }
        } else if (next.length <= MAX_FOLDERS && entry.isDirectory() && !PASSED_OVER.test(entry.name)) {
          next.push(path);
        }
      }
    }
    level = next;
  }
  return { ...sorted(goWorks, goMods), unsearched: left.errors() };
}

/** What was left out of a search, by reason. */
class Left {
  readonly #folder: string;
  readonly #folders = new Map<string, { readonly named: string[]; count: number; cause: unknown }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The entries of a folder; none of one that is closed, which is noted. */
  async entries(folder: string): Promise<Awaited<ReturnType<typeof entriesOf>>> {
    try {
      return await entriesOf(folder);
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      const { cause } = error;
      const { code } = cause as NodeJS.ErrnoException;
      // A name that was read has lost its bytes, and leads nowhere.
      if (code === "ENOENT" && isNameCut(folder)) this.add("with a name that is not UTF-8", folder);
      // What is gone since its name was read was never there.
      else if (code !== "ENOENT") this.add(`closed to the search (${printable(whyClosed(cause), 200)})`, folder, cause);
      return [];
    }
  }

  add(reason: string, folder: string, cause?: unknown): void {
    const known = this.#folders.get(reason) ?? { named: [], count: 0, cause };
    this.#folders.set(reason, known);
    known.count++;
    if (known.named.length < MAX_NAMED) known.named.push(printable(folder, 200));
  }

  error(why: string, cause?: unknown): ProofdnsError {
    return new ProofdnsError("MALFORMED_INPUT", `${printable(this.#folder)}: ${why}`, { cause });
  }

  errors(): ProofdnsError[] {
    return [...this.#folders].map(([reason, { named, count, cause }]) => {
      const more = count > named.length ? ` and ${count - named.length} more` : "";
      const [folders, were] = count === 1 ? ["folder", "was"] : ["folders", "were"];
      const what = `${count} ${folders} ${reason} ${were} not searched: ${named.join(", ")}${more}`;
      return this.error(`${what}; to leave that out name what to check one by one`, cause);
    });
  }
}

/** One reason for all folders: messages of the system name the folder. */
function whyClosed(cause: unknown): string {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return code === "EACCES" || code === "" ? whyUnreadable(cause) : code;
}

/** A link that leads to a file, or to what we may not look at, which reading it says. */
async function mayBeFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EACCES";
  }
}

function sorted(goWorks: string[], goMods: string[]): Pick<FoundProjects, "goWorks" | "goMods"> {
  return { goWorks: goWorks.sort(), goMods: goMods.sort() };
}
