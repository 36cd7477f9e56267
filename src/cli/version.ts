import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { codeOf } from "../go/binary-file.ts";
import { type BuildInfo, formatVersionM, inspectBinary, readGoEnv } from "../go/index.ts";
import { printable } from "../input/printable.ts";
import { addBinaryClaims } from "../verify/binary.ts";
import { noClaims } from "../verify/claim.ts";
import { type Verdict, verifyClaims } from "../verify/verify.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import { addClientOptions, type ClientCommandOptions, openClient } from "./client-options.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { holdsBack } from "./holds-back.ts";
import { checkOptions, strictRule } from "./option-rules.ts";
import { makeRecordAsker, Oldest } from "./verify.ts";
import { describeOffline, exitCodeOfReport, type VerifyReport, whyUnproven } from "./verify-output.ts";

interface VersionOptions extends ClientCommandOptions {
  readonly modules?: boolean;
  readonly hashes?: boolean;
}

/** Most files and folders that are looked at below a folder. */
const MAX_FILES = 100_000;

/** A Go binary. */
interface Program {
  readonly file: string;
  readonly info: BuildInfo;
}

/** Makes the command `proofdns version`. */
export function makeVersionCommand(): Command {
  const command = new Command("version")
    .description("print the Go version of binaries, and what they are made of, in the form of `go version`")
    .argument("<binary...>", "Go binaries, or folders, which are searched for them")
    .option("-m, --modules", "print the modules too, as `go version -m` does")
    .option(
      "-h, --hashes",
      "prove the checksum of each module, and mark its line: proven, DIFFERS, absent, private or no hash",
    );
  return (
    addClientOptions(command)
      // -h is taken, as goversion had it.
      .helpOption("--help", "display help for command")
      .addHelpText(
        "after",
        "\nWithout -h nothing is asked and no policy is needed. Exit codes are those of `proofdns verify`.",
      )
      .action(async (paths: string[], options: VersionOptions) => {
        process.exitCode = await version(paths, options);
      })
  );
}

async function version(paths: readonly string[], options: VersionOptions): Promise<number> {
  checkOptions([strictRule(options)]);
  const search = new Search();
  for (const path of paths) await search.add(path);
  const { programs, exitCode } = search;
  const withModules = options.modules === true || options.hashes === true;
  if (options.hashes !== true) {
    for (const { file, info } of programs)
      console.log(withModules ? formatVersionM(file, info).slice(0, -1) : firstLine(file, info));
    return exitCode;
  }
  // Where nothing was found there is nothing to ask.
  return programs.length === 0 ? exitCode : Math.max(exitCode, await printMarked(programs, options));
}

/** The one line of `go version`. */
function firstLine(file: string, info: BuildInfo): string {
  return formatVersionM(file, info).split("\n", 1)[0] ?? "";
}

/** Finds Go binaries. What is wrong with one is said, counts for the exit code, and the others are found. */
class Search {
  readonly programs: Program[] = [];
  /** The highest of what was wrong. */
  exitCode: number = EXIT.proven;

  async add(path: string): Promise<void> {
    await this.#attempt(async () => {
      const found = await stat(path).catch((cause: unknown) => {
        throw refusal(whyUnread(path, cause), cause);
      });
      if (found.isDirectory()) return this.#addFolder(path);
      // What is a pipe or a device is never waited for.
      const { info, reason } = found.isFile() ? await inspectBinary(path) : { reason: "it is no regular file" };
      if (info === undefined) throw refusal(`${printable(path)} is no Go binary: ${reason}`);
      this.programs.push({ file: path, info });
    });
  }

  /** As `go version` does: below a folder, what is no Go binary is passed over, and so are links. */
  async #addFolder(path: string): Promise<void> {
    // What comes next is last. In the order of `go version`: by name, what is in a folder in the place of the folder.
    const waiting = await this.#entriesOf(path);
    let seen = 0;
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { file, entry } = next;
      if (++seen > MAX_FILES) throw refusal(`${printable(path)} holds more than ${MAX_FILES} files: name fewer`);
      if (entry.isDirectory()) for (const below of await this.#entriesOf(file)) waiting.push(below);
      if (!entry.isFile()) continue;
      await this.#attempt(async () => {
        const { info } = await inspectBinary(file);
        if (info !== undefined) this.programs.push({ file, info });
      });
    }
  }

  /** The last by name first. */
  async #entriesOf(folder: string): Promise<{ file: string; entry: Dirent }[]> {
    let entries: Dirent[] = [];
    await this.#attempt(async () => {
      entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
        throw refusal(whyUnread(folder, cause), cause);
      });
    });
    entries.sort((a, b) => (a.name < b.name ? 1 : -1));
    return entries.map((entry) => ({ file: join(folder, entry.name), entry }));
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      this.exitCode = Math.max(this.exitCode, exitCodeOf(error));
      console.error(`proofdns: ${printable(messageOf(error), 1000)} [${error.code}]`);
    }
  }
}

function whyUnread(path: string, cause: unknown): string {
  const code = codeOf(cause);
  return code === "ENOENT" || code === "ENOTDIR"
    ? `there is no ${printable(path)}; name a Go binary, or a folder to search for them`
    : `cannot read ${printable(path)} (${code})`;
}

function refusal(why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", why, { cause });
}

/** Proves all checksums of all binaries at once, then prints each with its marks. */
async function printMarked(programs: readonly Program[], options: VersionOptions): Promise<number> {
  const claims = noClaims();
  for (const { file, info } of programs) addBinaryClaims(claims, info, file);
  const session = await openClient(options, await readGoEnv(process.env));
  try {
    const asOf = new Oldest();
    const verdicts = await verifyClaims(claims.claims, makeRecordAsker(session, asOf));
    const marks = new Map<string, Verdict>();
    for (const [i, { path, version, hash }] of claims.claims.entries()) {
      marks.set(`${path}\t${version}\t${formatH1(hash)}`, verdicts[i] as Verdict);
    }
    const said = new Set<string>();
    for (const { file, info } of programs) {
      for (const line of formatVersionM(file, info).split("\n").slice(0, -1))
        console.log(`${line}${markOf(line, marks)}`);
    }
    for (const verdict of verdicts) {
      if (verdict.status !== "error" || said.has(verdict.error.message)) continue;
      said.add(verdict.error.message);
      console.error(`proofdns: ${printable(verdict.error.message, 1000)} [${verdict.error.code}]`);
    }
    const { isOffline, keptForks } = session;
    const offline = isOffline ? { ...asOf.times, now: Math.floor(Date.now() / 1000) } : undefined;
    const report: VerifyReport = { claims, verdicts, privateModules: new Set(), offline, keptForks };
    for (const why of whyUnproven(report)) console.error(`proofdns: ${why}`);
    const age = describeOffline(report);
    if (age !== undefined) console.error(`proofdns: ${age}`);
    if (!verdicts.some((verdict) => verdict.status === "error" && holdsBack(verdict.error)))
      await session.client.commit();
    await session.later.done();
    return exitCodeOfReport(report);
  } finally {
    session.close();
  }
}

/** What stands behind the line of a module, after a tab. */
function markOf(line: string, marks: ReadonlyMap<string, Verdict>): string {
  const [indent, word, path = "", version = "", sum] = line.split("\t");
  if (indent !== "" || (word !== "mod" && word !== "dep" && word !== "=>")) return "";
  if (sum === undefined) return "\t\treplaced";
  const verdict = sum === "" ? undefined : marks.get(`${path}\t${version}\t${sum}`);
  if (verdict === undefined) return "\tno hash";
  switch (verdict.status) {
    case "differs":
      return `\tDIFFERS: proven is ${formatH1(verdict.provenHash)}`;
    case "error":
      return `\tnot checked (${verdict.error.code})`;
    default:
      return `\t${verdict.status}`;
  }
}
