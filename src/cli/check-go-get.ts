import { dirname, resolve } from "node:path";
import type { ModuleResult, Report } from "../check/result.ts";

/**
 * The commands that take what is offered: `go get` for modules, `go install` for programs, one a line, each once. Newer majors are
 * left out, for they need other import paths. With several go.mod files `-C` says beside which one.
 *
 * Paths and versions hold nothing that a shell would take for something else: they are checked module paths and versions; folders are quoted.
 */
export function formatGoGet(report: Report): string[] {
  const folders = new Set(report.goModFiles.map((file) => resolve(dirname(file))));
  const commands = new Set<string>();
  for (const result of report.modules)
    for (const command of commandsOf(result, folders.size > 1)) commands.add(command);
  return [...commands];
}

function commandsOf({ item, offered, status }: ModuleResult, hasFolders: boolean): string[] {
  if (offered === undefined || (status !== "outdated" && status !== "latest")) return [];
  if (item.program !== undefined) return [`go install ${item.program}@${offered.version}`];
  const target = `${item.path}@${offered.version}`;
  if (!hasFolders) return [`go get ${target}`];
  const goMods = item.places.filter(({ file }) => file.endsWith(".mod"));
  if (goMods.length === 0) return [`go get ${target}`];
  return goMods.map(({ file }) => `go -C ${quote(dirname(file))} get ${target}`);
}

/** In single quotes for a POSIX shell, unless it needs none. */
function quote(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
