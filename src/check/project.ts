import { dirname, join, resolve } from "node:path";
import type { Replacement } from "../go/index.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { isFile } from "./folder.ts";
import type { ItemCollector } from "./item-collector.ts";
import {
  type Exclusions,
  indexExclusions,
  indexReplacements,
  type ReadGoMod,
  type Replacements,
  readGoMod,
  replacementOf,
  type Workspace,
} from "./workspace.ts";

/**
 * Adds what a go.mod requires. Of the workspace that the go command finds around it the replacements count, and nothing is asked
 * about its modules.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read
 */
export async function collectGoMod(collector: ItemCollector, file: string, workspace?: Workspace): Promise<void> {
  const read = await readGoMod(file);
  if (workspace === undefined) {
    const counting = {
      replace: [indexReplacements(read.goMod.replace)],
      exclude: [indexExclusions(read.goMod.exclude)],
    };
    addRequirements(collector, read, counting, new Set());
  } else {
    const { replace, modulesReplace, modulesExclude, own, goModFiles } = workspace;
    const work = printable(workspace.file);
    collector.addRemark(
      `in the workspace of ${work}: what it replaces is not checked, nor are its own modules; GOWORK=off passes it over`,
    );
    if (!goModFiles.has(resolve(file))) {
      collector.addRemark(`${printable(file)} is not used by ${work}: there the go command refuses to build it`);
    }
    const counting = {
      replace: [replace, indexReplacements(read.goMod.replace), modulesReplace],
      exclude: [modulesExclude, indexExclusions(read.goMod.exclude)],
    };
    addRequirements(collector, read, counting, own);
  }
  await remarkVendored(collector, dirname(file));
}

/**
 * Adds what all modules of a workspace require.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if there is none in it
 */
export async function collectGoWork(collector: ItemCollector, workspace: Workspace): Promise<void> {
  const { file, toolchain, modules, own, replace, modulesReplace, modulesExclude, problems } = workspace;
  const counting = { replace: [replace, modulesReplace], exclude: [modulesExclude] };
  if (modules.length === 0 && problems.length === 0) {
    const why = `${printable(file)} uses no module, and the go command refuses it; "go work use FOLDER" adds one`;
    throw new ProofdnsError("MALFORMED_INPUT", why);
  }
  if (toolchain !== undefined) collector.addToolchain(toolchain, "named", { file, line: undefined });
  for (const read of modules) addRequirements(collector, read, counting, own);
  await remarkVendored(collector, dirname(file));
}

/** What counts beside the requirements of a go.mod. */
interface Counting {
  /** Those that go before others first. */
  readonly replace: readonly Replacements[];
  /** All together. */
  readonly exclude: readonly Exclusions[];
}

function addRequirements(
  collector: ItemCollector,
  { file, goMod, refused }: ReadGoMod,
  { replace, exclude }: Counting,
  own: ReadonlySet<string>,
): void {
  collector.addGoMod(file);
  // A go line with a patch names a toolchain; one like 1.23 is a language version, and old on purpose.
  const toolchain = goMod.toolchain ?? (/^1\.[0-9]+(?:\.|rc|beta)/.test(goMod.go ?? "") ? `go${goMod.go}` : undefined);
  if (toolchain !== undefined && toolchain !== "default") {
    collector.addToolchain(toolchain, "named", { file, line: undefined });
  }
  for (const { line, error } of refused) collector.addProblem(file, error, { file, line });
  for (const { path, version, writtenVersion, isIndirect, line } of goMod.require) {
    const place = { file, line };
    // What is in use instead of v1 only the go command knows, which takes that for a query: v1.0.0 it is not.
    const isCanonical = version === writtenVersion;
    const other = firstReplacement(replace, path, isCanonical ? version : undefined);
    const skip = (reason: "replaced" | "workspace", detail: string): void =>
      collector.skip({ name: path, version: writtenVersion, reason, detail, isIndirect, places: [place] });
    if (own.has(path)) skip("workspace", "a module of this workspace");
    else if (other !== undefined) skip("replaced", `replaced by ${describeReplacement(other)}`);
    // The collector refuses it with its line if it is not canonical.
    else
      collector.add({
        path,
        version: writtenVersion,
        isIndirect,
        place,
        excluded: exclude.flatMap((index) => index.get(path) ?? []),
      });
  }
}

function firstReplacement(
  replace: readonly Replacements[],
  path: string,
  version: string | undefined,
): Replacement | undefined {
  for (const index of replace) {
    const found = replacementOf(index, path, version);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `./fork`, or `example.com/fork v1.2.3`. */
export function describeReplacement({ newPath, newVersion }: Pick<Replacement, "newPath" | "newVersion">): string {
  return printable(newVersion === undefined ? newPath : `${newPath} ${newVersion}`, 120);
}

async function remarkVendored(collector: ItemCollector, folder: string): Promise<void> {
  if (!(await isFile(join(folder, "vendor", "modules.txt")))) return;
  collector.addRemark(
    `${printable(folder)} has a vendor folder, which still holds what is in use: run "go mod vendor" after an update`,
  );
}
