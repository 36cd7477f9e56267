import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { readInputFile } from "../cli/input-file.ts";
import { printable } from "../cli/printable.ts";
import { type GoMod, parseGoMod, parseGoWork, type Replacement } from "../go/index.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { ItemCollector } from "./item-collector.ts";

/** Largest go.mod or go.work that is read, in bytes; the go command has the same bound for a module's go.mod. */
const MAX_BYTES = 16 * 2 ** 20;
/** Most modules of one workspace. */
const MAX_USES = 10_000;

/** A go.mod with what it says. */
interface ReadGoMod {
  readonly file: string;
  readonly goMod: GoMod;
}

/**
 * Adds what a go.mod requires.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read
 */
export async function collectGoMod(collector: ItemCollector, file: string): Promise<void> {
  const read = await readGoMod(file);
  addRequirements(collector, read, read.goMod.replace, new Set());
  await remarkVendored(collector, dirname(file));
}

/**
 * Adds what all modules of a workspace require. A module of it that cannot be read is a problem, and the others are added.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if the go.work itself cannot be read
 */
export async function collectGoWork(collector: ItemCollector, file: string): Promise<void> {
  const work = parseGoWork(await readText(file, "the go.work"), printable(file));
  const place = { file, line: undefined };
  if (work.toolchain !== undefined) collector.addToolchain(work.toolchain, "named", place);
  if (work.use.length > MAX_USES) {
    throw new ProofdnsError("MALFORMED_INPUT", `${printable(file)}: it uses more than ${MAX_USES} modules`);
  }
  const seen = new Set<string>();
  const modules: ReadGoMod[] = [];
  for (const { path, line } of work.use) {
    const goModFile = join(resolveBeside(file, path), "go.mod");
    if (seen.has(resolve(goModFile))) continue;
    seen.add(resolve(goModFile));
    try {
      modules.push(await readGoMod(goModFile));
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      collector.addProblem(goModFile, error, { file, line });
    }
  }
  // A replacement of the workspace goes before those of its modules.
  const replace = [...work.replace, ...modules.flatMap(({ goMod }) => goMod.replace)];
  const own = new Set(modules.map(({ goMod }) => goMod.module).filter((path) => path !== ""));
  for (const read of modules) addRequirements(collector, read, replace, own);
  await remarkVendored(collector, dirname(file));
}

function addRequirements(
  collector: ItemCollector,
  { file, goMod }: ReadGoMod,
  replace: readonly Replacement[],
  own: ReadonlySet<string>,
): void {
  collector.addGoMod(file);
  // A go line with a patch names a toolchain; one like 1.23 is a language version, and old on purpose.
  const toolchain = goMod.toolchain ?? (/^1\.[0-9]+(?:\.|rc|beta)/.test(goMod.go ?? "") ? `go${goMod.go}` : undefined);
  if (toolchain !== undefined && toolchain !== "default") {
    collector.addToolchain(toolchain, "named", { file, line: undefined });
  }
  const excluded = new Map<string, Set<string>>();
  for (const { path, version } of goMod.exclude) {
    const versions = excluded.get(path);
    if (versions === undefined) excluded.set(path, new Set([version]));
    else versions.add(version);
  }
  const replaced = indexReplacements(replace);
  for (const { path, version, isIndirect, line } of goMod.require) {
    const place = { file, line };
    const other = replaced.get(`${path}@${version}`) ?? replaced.get(path);
    const skip = (reason: "replaced" | "workspace", detail: string): void =>
      collector.skip({ name: path, version, reason, detail, isIndirect, places: [place] });
    if (own.has(path)) skip("workspace", "a module of this workspace");
    else if (other !== undefined) skip("replaced", `replaced by ${describeReplacement(other)}`);
    else collector.add({ path, version, isIndirect, place, excluded: excluded.get(path) });
  }
}

/** The first one of a path, or of a path at a version, counts. */
function indexReplacements(replace: readonly Replacement[]): Map<string, Replacement> {
  const index = new Map<string, Replacement>();
  for (const replacement of replace) {
    const { path, version } = replacement;
    const id = version === undefined ? path : `${path}@${version}`;
    if (!index.has(id)) index.set(id, replacement);
  }
  return index;
}

/** `./fork`, or `example.com/fork v1.2.3`. */
export function describeReplacement({ newPath, newVersion }: Pick<Replacement, "newPath" | "newVersion">): string {
  return printable(newVersion === undefined ? newPath : `${newPath} ${newVersion}`, 120);
}

async function readGoMod(file: string): Promise<ReadGoMod> {
  return { file, goMod: parseGoMod(await readText(file, "the go.mod"), printable(file)) };
}

async function readText(file: string, what: string): Promise<string> {
  const text = decodeUtf8(await readInputFile(file, MAX_BYTES, what));
  if (text === undefined) throw new ProofdnsError("MALFORMED_INPUT", `${printable(file)}: not UTF-8`);
  return text;
}

async function remarkVendored(collector: ItemCollector, folder: string): Promise<void> {
  const found = await stat(join(folder, "vendor", "modules.txt")).catch(() => undefined);
  if (found?.isFile() !== true) return;
  collector.addRemark(
    `${printable(folder)} has a vendor folder, which still holds what is in use: run "go mod vendor" after an update`,
  );
}

/** A path of a go.work, which is relative to it. */
function resolveBeside(file: string, path: string): string {
  return path.startsWith("/") ? path : join(dirname(file), path);
}
