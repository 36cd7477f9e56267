import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { type BuildInfo, formatVersionM, inspectBinary, readGoEnv } from "../go/index.ts";
import { addBinaryClaims } from "../verify/binary.ts";
import { noClaims } from "../verify/claim.ts";
import { type Verdict, verifyClaims } from "../verify/verify.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import { addClientOptions, type ClientCommandOptions, openClient } from "./client-options.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { printable } from "./printable.ts";
import { makeRecordAsker } from "./verify.ts";
import { exitCodeOfReport } from "./verify-output.ts";

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
  let exitCode: number = EXIT.proven;
  const programs: Program[] = [];
  for (const path of paths) {
    try {
      await addPrograms(programs, path);
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      exitCode = Math.max(exitCode, exitCodeOf(error));
      console.error(`proofdns: ${printable(messageOf(error), 1000)} [${error.code}]`);
    }
  }
  const withModules = options.modules === true || options.hashes === true;
  if (options.hashes !== true) {
    for (const { file, info } of programs)
      process.stdout.write(withModules ? formatVersionM(file, info) : `${firstLine(file, info)}\n`);
    return exitCode;
  }
  return Math.max(exitCode, await printMarked(programs, options));
}

/** The one line of `go version`. */
function firstLine(file: string, info: BuildInfo): string {
  return formatVersionM(file, info).split("\n", 1)[0] ?? "";
}

async function addPrograms(programs: Program[], path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new ProofdnsError("MALFORMED_INPUT", `cannot read ${printable(path)}: ${messageOf(cause)}`, { cause });
  });
  if (!found.isDirectory()) {
    const { info, reason } = await inspectBinary(path);
    if (info === undefined) throw new ProofdnsError("MALFORMED_INPUT", `${printable(path)} is no Go binary: ${reason}`);
    programs.push({ file: path, info });
    return;
  }
  // As `go version` does: below a folder, what is no Go binary is passed over, and so are links.
  const folders = [path];
  let seen = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `cannot read the folder ${printable(folder ?? "")}: ${messageOf(cause)}`,
        { cause },
      );
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (++seen > MAX_FILES)
        throw new ProofdnsError("MALFORMED_INPUT", `${printable(path)} holds more than ${MAX_FILES} files: name fewer`);
      const file = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(file);
      if (!entry.isFile()) continue;
      try {
        const { info } = await inspectBinary(file);
        if (info !== undefined) programs.push({ file, info });
      } catch (error) {
        if (!isProofdnsError(error)) throw error;
        console.error(`proofdns: ${printable(messageOf(error), 1000)} [${error.code}]`);
      }
    }
  }
}

/** Proves all checksums of all binaries at once, then prints each with its marks. */
async function printMarked(programs: readonly Program[], options: VersionOptions): Promise<number> {
  const claims = noClaims();
  for (const { file, info } of programs) addBinaryClaims(claims, info, file);
  const session = await openClient(options, await readGoEnv(process.env));
  try {
    const verdicts = await verifyClaims(claims.claims, makeRecordAsker(session));
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
    if (verdicts.every(({ status }) => status !== "error")) await session.client.commit();
    return exitCodeOfReport({ claims, verdicts, privateModules: new Set() });
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
