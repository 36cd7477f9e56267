import { dirname, isAbsolute, resolve } from "node:path";
import type { Place, Skipped, SkipReason } from "../check/item.ts";
import type { ModuleResult, Report } from "../check/result.ts";
import { printable } from "../input/printable.ts";
import type { ProofdnsError } from "../vindex/error.ts";
import { exitCodeOfModule, exitCodeOfToolchain } from "./check-exit.ts";
import { count, distinctErrors, notesOf, toolchainNotesOf } from "./check-notes.ts";
import { notCheckedLines } from "./check-skipped.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";

/**
 * The commands that take what is offered, one a line, each once: `go get` for what a go.mod or a list names, `go install` for programs. Of what a
 * binary is made of there is none: a `go get` would change whatever go.mod it stands beside. What no command does stands in lines of comment: newer
 * majors, for they need other import paths, binaries that cannot be installed by a version, and behind all else what could not be checked or has
 * no version to go to, so that commands alone never read as all there is.
 *
 * A go.mod that is not in `workingFolder` gets its command in a subshell that goes there, which works with every version of the go command.
 *
 * Paths and versions hold nothing that a shell would take for something else: they are checked module paths and versions; folders are quoted, and
 * one with a control character in its name, which a terminal would obey, gets no command.
 *
 * Where the log itself failed its word is nothing to act on: what failed comes first, and every command is a comment.
 */
export function formatGoGet(report: Report, workingFolder: string = process.cwd()): string[] {
  const goMods = new Set(report.goModFiles);
  const isBinaryListed = report.toolchains.some(
    ({ use }) => use.kind === "built" && use.places.some(({ from }) => from === "stdin"),
  );
  const sourceOf = ({ file, from }: Place): Source => {
    if (from === undefined) return goMods.has(file) ? "go.mod" : "binary";
    return from === "stdin" && isBinaryListed ? "binary" : "list";
  };
  const failed = failuresOfLog(report);
  const lines = new Set(failed.map(({ code, message }) => `# ${printable(`FAILED: ${code}: ${message}`, 1000)}`));
  const mark = failed.length === 0 ? "" : "# ";
  if (failed.length > 0) lines.add("# no command below is to be run: what proved it failed itself");
  let parts = 0;
  for (const result of report.modules) {
    const commands = commandsOf(result, sourceOf, workingFolder);
    for (const line of commands) lines.add(line.startsWith("#") ? line : `${mark}${line}`);
    if (commands.length === 0 && isNewerFound(result)) parts++;
  }
  const others: Skipped[] = [];
  for (const skipped of report.skipped) {
    const { name, reason, detail, isIndirect, places } = skipped;
    const binaries = isIndirect || !NOT_INSTALLED.has(reason) ? [] : places.filter((one) => sourceOf(one) === "binary");
    for (const { file } of binaries) {
      lines.add(`# ${printable(file)}: no command renews it: ${printable(name)} is ${printable(detail)}`);
    }
    if (binaries.length === 0) others.push(skipped);
  }
  if (parts > 0) {
    const [verb, binaries] = parts === 1 ? ["has", "a binary is"] : ["have", "binaries are"];
    lines.add(`# no command: ${count(parts, "module")} that ${binaries} made of ${verb} something newer`);
  }
  for (const line of leftOut(report)) lines.add(`# ${line}`);
  for (const line of notCheckedLines(others)) lines.add(`# ${line}`);
  return [...lines];
}

/** What speaks against the log as a whole: nothing that it proves is to be acted on. */
function failuresOfLog({ failures, modules, toolchains }: Report): ProofdnsError[] {
  const forks = [...modules, ...toolchains].flatMap(({ errors }) =>
    errors.filter(({ code }) => code === "FORK" || code === "SUMDB_FORK"),
  );
  return distinctErrors([...failures.filter((error) => exitCodeOf(error) === EXIT.failed), ...forks]);
}

/** What does not count as 0 and has no command, each in a line of printable text; and what failed. */
function leftOut({ modules, toolchains, problems, failures }: Report): string[] {
  const lines: string[] = [];
  for (const result of modules) {
    const { item } = result;
    const code = exitCodeOfModule(result);
    // Of what is newer the commands and comments above tell.
    if (code === EXIT.proven || isNewerFound(result)) continue;
    const name = [item.path, item.current?.text ?? item.query ?? ""].filter((text) => text !== "").join(" ");
    lines.push(`${labelOf(code)}: ${[name, ...shortened(notesOf(result))].join(": ")}`);
  }
  for (const result of toolchains) {
    const code = exitCodeOfToolchain(result);
    if (code === EXIT.proven) continue;
    const { use, offered } = result;
    const newer = offered === undefined ? [] : [`the newest is ${offered}`];
    const where = use.places[0] === undefined ? "" : ` (${use.places[0].file})`;
    lines.push(
      `${labelOf(code)}: toolchain ${[use.current, ...newer, ...shortened(toolchainNotesOf(result))].join(": ")}${where}`,
    );
  }
  // Each says itself where it lies.
  for (const { error } of problems) lines.push(`not checked: ${error.message}`);
  for (const { code, message } of failures) lines.push(`FAILED: ${code}: ${message}`);
  return lines.map((line) => printable(line, 1000));
}

function isNewerFound(result: ModuleResult): boolean {
  const isNewer = result.status === "outdated" || result.status === "newer-major";
  return isNewer && exitCodeOfModule(result) === EXIT.absent;
}

function labelOf(code: number): string {
  return code === EXIT.failed ? "FAILED" : code === EXIT.unchecked ? "not checked" : "no command";
}

function shortened(notes: readonly string[]): string[] {
  return notes.length === 0 ? [] : [notes.join("; ")];
}

/** Why the main module of a binary is not checked. */
const NOT_INSTALLED: ReadonlySet<SkipReason> = new Set<SkipReason>(["devel", "untagged-build", "replaced"]);

/** What names a module; lists of what binaries are made of count as binaries. */
type Source = "go.mod" | "list" | "binary";

function commandsOf(
  { item, offered, newerMajor, status }: ModuleResult,
  sourceOf: (place: Place) => Source,
  workingFolder: string,
): string[] {
  const goMods = new Set(item.places.filter((place) => sourceOf(place) === "go.mod").map(({ file }) => file));
  const isListed = item.places.some((place) => sourceOf(place) === "list");
  const lines: string[] = [];
  if (offered !== undefined && (status === "outdated" || status === "latest")) {
    const get = `go get ${item.path}@${offered.version}`;
    if (item.program !== undefined) lines.push(`go install ${item.program}@${offered.version}`);
    for (const file of goMods) lines.push(inFolder(dirname(file), get, workingFolder));
    if (isListed && goMods.size === 0) lines.push(get);
  }
  const isOwn = item.program !== undefined || isListed || goMods.size > 0;
  if (newerMajor !== undefined && status !== "error" && isOwn) {
    lines.push(`# newer major: ${newerMajor.path}@${newerMajor.version} (another import path than ${item.path})`);
  }
  return lines;
}

function inFolder(folder: string, command: string, workingFolder: string): string {
  if (resolve(workingFolder, folder) === resolve(workingFolder)) return command;
  const shown = printable(folder, folder.length);
  if (shown !== folder) return `# no command: the folder ${shown} has control characters in its name: ${command}`;
  // So that a folder is no option of cd, nor looked for in $CDPATH.
  const path = isAbsolute(folder) || /^\.\.?(?:\/|$)/.test(folder) ? folder : `./${folder}`;
  return `(cd ${quote(path)} && ${command})`;
}

/** In single quotes for a POSIX shell, unless it needs none. */
function quote(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
