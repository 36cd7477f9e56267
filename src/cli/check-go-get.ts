import { dirname, isAbsolute, resolve } from "node:path";
import type { SkipReason } from "../check/item.ts";
import type { ModuleResult, Report } from "../check/result.ts";
import { NO_FILES } from "./check-notes.ts";
import { printable } from "./printable.ts";

/**
 * The commands that take what is offered, one a line, each once: `go get` for what a go.mod or a list names, `go install` for programs. Of what a
 * binary is made of there is none: a `go get` would change whatever go.mod it stands beside. What no command does stands in lines of comment: newer
 * majors, for they need other import paths, and binaries that cannot be installed by a version.
 *
 * A go.mod that is not in `workingFolder` gets its command in a subshell that goes there, which works with every version of the go command.
 *
 * Paths and versions hold nothing that a shell would take for something else: they are checked module paths and versions; folders are quoted.
 */
export function formatGoGet(report: Report, workingFolder: string = process.cwd()): string[] {
  const goMods = new Set(report.goModFiles);
  const built = new Set<string>();
  for (const { use } of report.toolchains) {
    if (use.kind === "built") for (const { file } of use.places) built.add(file);
  }
  const sourceOf = (file: string): Source =>
    goMods.has(file) ? "go.mod" : NO_FILES.has(file) && !built.has(file) ? "list" : "binary";
  const lines = new Set<string>();
  for (const result of report.modules) {
    for (const line of commandsOf(result, sourceOf, workingFolder)) lines.add(line);
  }
  for (const { name, reason, detail, isIndirect, places } of report.skipped) {
    if (isIndirect || !NOT_INSTALLED.has(reason)) continue;
    for (const { file } of places) {
      if (sourceOf(file) !== "binary") continue;
      lines.add(`# ${printable(file)}: no command renews it: ${printable(name)} is ${printable(detail)}`);
    }
  }
  return [...lines];
}

/** Why the main module of a binary is not checked. */
const NOT_INSTALLED: ReadonlySet<SkipReason> = new Set<SkipReason>(["devel", "untagged-build", "replaced"]);

/** What names a module; lists of what binaries are made of count as binaries. */
type Source = "go.mod" | "list" | "binary";

function commandsOf(
  { item, offered, newerMajor, status }: ModuleResult,
  sourceOf: (file: string) => Source,
  workingFolder: string,
): string[] {
  const files = [...new Set(item.places.map(({ file }) => file))];
  const goMods = files.filter((file) => sourceOf(file) === "go.mod");
  const isListed = files.some((file) => sourceOf(file) === "list");
  const lines: string[] = [];
  if (offered !== undefined && (status === "outdated" || status === "latest")) {
    const get = `go get ${item.path}@${offered.version}`;
    if (item.program !== undefined) lines.push(`go install ${item.program}@${offered.version}`);
    for (const file of goMods) lines.push(inFolder(dirname(file), get, workingFolder));
    if (isListed && goMods.length === 0) lines.push(get);
  }
  const isOwn = item.program !== undefined || isListed || goMods.length > 0;
  if (newerMajor !== undefined && status !== "error" && isOwn) {
    lines.push(`# newer major: ${newerMajor.path}@${newerMajor.version} (another import path than ${item.path})`);
  }
  return lines;
}

function inFolder(folder: string, command: string, workingFolder: string): string {
  if (resolve(workingFolder, folder) === resolve(workingFolder)) return command;
  // So that a folder is no option of cd, nor looked for in $CDPATH.
  const path = isAbsolute(folder) || /^\.\.?(?:\/|$)/.test(folder) ? folder : `./${folder}`;
  return `(cd ${quote(path)} && ${command})`;
}

/** In single quotes for a POSIX shell, unless it needs none. */
function quote(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
