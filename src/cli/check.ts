import { setMaxListeners } from "node:events";
import { appendFile } from "node:fs/promises";
import { Command, Option } from "commander";
import type { Asker } from "../check/asker.ts";
import { check } from "../check/check.ts";
import { readInputs } from "../check/inputs.ts";
import type { Inputs } from "../check/item.ts";
import type { Report } from "../check/result.ts";
import { fetchGoMod, isPrivateModule, makeWebFetch, readGoEnv } from "../go/index.ts";
import { printable } from "../input/printable.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { adviseOn } from "./advice.ts";
import { adjustExitCode, exitCodeOfReport } from "./check-exit.ts";
import { formatAnnotations, formatStepSummary } from "./check-github.ts";
import { formatGoGet } from "./check-go-get.ts";
import { formatJsonLine, reportToJson } from "./check-json.ts";
import { whyUnchecked } from "./check-skipped.ts";
import { formatTable } from "./check-table.ts";
import { Progress, readTerminal } from "./check-terminal.ts";
import {
  addClientOptions,
  type ClientCommandOptions,
  lookupAll,
  openClient,
  parseTimeout,
  type Session,
} from "./client-options.ts";
import { parseDuration } from "./duration.ts";
import { messageOf } from "./exit-code.ts";
import { holdsBack } from "./holds-back.ts";
import { checkOptions, strictRule } from "./option-rules.ts";
import { proveAge, proveRecord } from "./session-record.ts";

interface CheckCommandOptions extends ClientCommandOptions {
  readonly direct?: boolean;
  readonly indirect?: boolean;
  readonly major?: boolean;
  readonly pre?: boolean;
  readonly patchOnly?: boolean;
  readonly retractions?: boolean;
  readonly cooldown?: string;
  /** False with `--no-age`. */
  readonly age: boolean;
  readonly ignore?: readonly string[];
  readonly outdated?: boolean;
  readonly format: "table" | "json";
  readonly json?: boolean;
  readonly emit?: "go-get";
  readonly github?: boolean;
  readonly exitCode?: string;
  /** False with `--no-fail`. */
  readonly fail: boolean;
  readonly quiet?: boolean;
  /** False with `--no-color`. */
  readonly color: boolean;
}

/** Where a check prints. */
export interface CheckStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Makes the command `proofdns check`. */
export function makeCheckCommand(streams: CheckStreams = process): Command {
  const command = new Command("check")
    .description("check what a project, a Go binary or a list uses against the proven latest versions")
    .argument(
      "[path...]",
      "go.mod, go.work, folder, Go binary, module@version, or - for a list on stdin (default: the project around this folder)",
    )
    .option("--direct", "only what is required directly (with --indirect: all, of a folder of binaries too)")
    .option("--indirect", "only what is required indirectly")
    .option("--major", "also look for newer majors at other paths")
    .option("--pre", "offer pre-releases too")
    .option("--patch-only", "offer only what differs in the last number")
    .option(
      "--retractions",
      "honour retractions and deprecation, from authenticated go.mod files: of the module cache, else of GOPROXY",
    )
    .option(
      "--cooldown <duration>",
      "offer only versions proven to have been public so long: 7d, 36h; a bare number is days",
    )
    .option("--no-age", "do not ask how long versions have been public")
    .option(
      "--ignore <pattern>",
      "leave out modules that match, as in GOPRIVATE; repeat it for more",
      (pattern: string, before: readonly string[] = []) => [...before, pattern],
    )
    .option("--outdated", "show only what is not current")
    .addOption(new Option("--format <format>", "how to print").choices(["table", "json"]).default("table"))
    .option("--json", "the same as --format json: one JSON object a line, a summary last")
    .addOption(new Option("--emit <what>", "print only commands: go-get").choices(["go-get"]))
    .option("--github", "also print annotations for GitHub Actions, and write $GITHUB_STEP_SUMMARY")
    .option("--exit-code <n>", "exit code in place of 1, where something is newer, absent or untagged")
    .option("--no-fail", "end with 0 in place of 1; what could not be checked (2) or failed (3) still fails")
    .option("-q, --quiet", "no progress, no notes beside the table, no summary")
    .option("--no-color", "no colours, also on a terminal")
    .addHelpText(
      "after",
      `
Exit codes, whatever is printed: 0 all proven and current, 1 something is newer, absent or untagged, 2 something
could not be checked, or nothing was, or bad usage, 3 a proof failed. --exit-code and --no-fail change 1 only.
Private modules (GOPRIVATE, GONOSUMDB) are never sent. --retractions tells the proxies of GOPROXY what is
asked, unless its go.mod is in the module cache or was kept by an earlier check.`,
    );
  return addClientOptions(command).action(async (paths: string[], options: CheckCommandOptions) => {
    process.exitCode = await runCheck(paths, options, streams);
  });
}

async function runCheck(
  paths: readonly string[],
  options: CheckCommandOptions,
  streams: CheckStreams,
): Promise<number> {
  checkOptions([
    strictRule(options),
    [!options.fail && options.exitCode !== undefined, "--exit-code and --no-fail both say what 1 becomes: give one"],
    [options.emit !== undefined && isJson(options), "--emit prints commands and nothing else: leave out --json"],
    [(options.ignore ?? []).some((pattern) => pattern.trim() === ""), "--ignore: expected a pattern, as in GOPRIVATE"],
  ]);
  const found = foundCode(options);
  const cooldown = parseCooldown(options.cooldown);
  const goEnv = await readGoEnv(process.env);
  if (paths.includes("-") && process.stdin.isTTY === true && options.quiet !== true) {
    streams.stderr.write("proofdns: reading module@version lines from the terminal; Ctrl-D ends them\n");
  }
  const inputs = await readInputs({
    inputs: paths,
    stdin: process.stdin,
    workingFolder: process.cwd(),
    isDirectWanted: options.direct === true,
    isIndirectWanted: options.indirect === true,
    ignore: options.ignore ?? [],
    goWork: process.env["GOWORK"],
  });
  const session = await openClient(options, goEnv);
  if (options.hashed === true && options.retractions === true && !session.isOffline && options.quiet !== true) {
    streams.stderr.write(
      "proofdns: --retractions asks the proxies of GOPROXY by name: --hashed hides nothing from them\n",
    );
  }
  try {
    const { report: checked, now, finish } = await checkInputs(inputs, session, options, cooldown, streams);
    const forks = session.keptForks.map(({ error }) => error);
    const report: Report = { ...checked, failures: [...forks, ...checked.failures] };
    const exitCode = adjustExitCode(exitCodeOfReport(report), { found });
    print(report, options, exitCode, now, streams);
    // Those of the kept forks have been said.
    complain(checked, streams, isTableWhole(options));
    if (options.github === true) await writeGithub(report, options, now, streams);
    await finish();
    await session.later.done();
    return exitCode;
  } finally {
    session.close();
  }
}

async function checkInputs(
  inputs: Inputs,
  session: Session,
  options: CheckCommandOptions,
  cooldown: { seconds: number; text: string } | undefined,
  { stderr }: CheckStreams,
): Promise<{ report: Report; now: number; finish: () => Promise<void> }> {
  const interruption = new Interruption();
  const progress = new Progress(stderr, process.env, options.quiet === true);
  const now = Math.floor(Date.now() / 1000);
  try {
    const asker = makeAsker(session, interruption.signal, parseTimeout(options.timeout));
    const { report, finish } = await check(inputs, asker, {
      withMajors: options.major === true,
      withPre: options.pre === true,
      isPatchOnly: options.patchOnly === true,
      withRetractions: options.retractions === true,
      cooldown,
      withAges: options.age,
      now,
      sha256: session.trust.sha256,
      onProgress: (done, total) => progress.show(done, total),
    });
    if (!errorsOf(report).some(holdsBack)) await session.client.commit();
    return { report, now, finish };
  } finally {
    progress.end();
    interruption.end();
  }
}

/** Ctrl-C ends the asking, and what is proven by then is printed; a second one ends the process. */
class Interruption {
  readonly #controller = new AbortController();
  readonly #names = ["SIGINT", "SIGTERM"] as const;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.#controller.signal.aborted) process.exit(130);
    this.#controller.abort(new Error(`ended by ${name}`));
  };

  constructor() {
    // As many listen as there are questions under way.
    setMaxListeners(0, this.#controller.signal);
    for (const name of this.#names) process.on(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    for (const name of this.#names) process.removeListener(name, this.#onSignal);
  }
}

/** What a check asks, asked through a session. */
export function makeAsker(session: Session, signal: AbortSignal, timeoutMs = 30_000): Asker {
  const { client, cache, memory, goEnv, goMods, later, jobs, isOffline } = session;
  const fetch = makeWebFetch(process.env);
  return {
    lookupAll: (subjects, each) => lookupAll(session, subjects, { signal }, each),
    // Without a network the remembered head proves the time, which went on since.
    head: async () => (isOffline ? { ageTime: (await memory.read())?.ageTime ?? 0 } : client.head({ signal })),
    age: async (time) => {
      if (isOffline) return cache.readAge(time);
      const age = await client.age(time, { signal });
      if (age !== undefined) later.add(() => cache.writeAge(time, age));
      return age;
    },
    proveRecord: (record) => proveRecord(session, record, { signal }),
    proveAge: (age, record) => proveAge(session, age, record, { signal }),
    fetchGoMod: (path, version, hash) => {
      const ask = (): Promise<Uint8Array> => fetchGoMod(goEnv, path, version, { fetch, signal, timeoutMs });
      return goMods.get(path, version, hash, isOffline ? undefined : ask);
    },
    isPrivate: (path) => isPrivateModule(goEnv, path),
    isSumdbOff: goEnv.GOSUMDB === "off",
    jobs,
    isOffline,
    signal,
  };
}

function errorsOf({ failures, modules, toolchains }: Report): ProofdnsError[] {
  return [...failures, ...[...modules, ...toolchains].flatMap(({ errors }) => errors)];
}

function print(
  report: Report,
  options: CheckCommandOptions,
  exitCode: number,
  now: number,
  { stdout }: CheckStreams,
): void {
  if (options.emit === "go-get") {
    for (const command of formatGoGet(report)) stdout.write(`${command}\n`);
  } else if (isJson(options)) {
    for (const object of reportToJson(report, exitCode, options.outdated === true)) {
      stdout.write(`${formatJsonLine(object)}\n`);
    }
  } else {
    const terminal = readTerminal(stdout, process.env, options.color);
    const isQuiet = options.quiet === true;
    stdout.write(formatTable(report, { terminal, isOutdatedOnly: options.outdated === true, isQuiet, now }));
  }
}

/** True if a table is printed with all that is said beside it. */
function isTableWhole(options: CheckCommandOptions): boolean {
  return options.emit === undefined && !isJson(options) && options.quiet !== true;
}

/** Failures in full: a table has no room for them. */
function complain(report: Report, { stderr }: CheckStreams, isTableWhole: boolean): void {
  if (!isTableWhole) for (const why of whyUnchecked(report)) stderr.write(`proofdns: ${why}\n`);
  const say = (where: string, error: ProofdnsError): void => {
    stderr.write(`proofdns: ${where === "" ? "" : `${where}: `}${printable(adviseOn(error), 1000)} [${error.code}]\n`);
  };
  const said = new Set<string>();
  // A server that is down is one failure, not five hundred.
  const sayOnce = (where: string, error: ProofdnsError): void => {
    if (said.has(error.message)) return;
    said.add(error.message);
    say(where, error);
  };
  for (const { error } of report.problems) sayOnce("", error);
  for (const error of report.failures) sayOnce("", error);
  for (const { item, errors } of report.modules) for (const error of errors) sayOnce(printable(item.path, 200), error);
  for (const { use, errors } of report.toolchains) {
    for (const error of errors) sayOnce(printable(use.current, 60), error);
  }
}

async function writeGithub(
  report: Report,
  options: CheckCommandOptions,
  now: number,
  { stdout, stderr }: CheckStreams,
): Promise<void> {
  const workspace = process.env["GITHUB_WORKSPACE"] ?? process.cwd();
  // The runner reads both streams; what other programs read stays what it is.
  const isData = isJson(options) || options.emit !== undefined;
  const stream = isData ? stderr : stdout;
  for (const line of formatAnnotations(report, workspace)) stream.write(`${line}\n`);
  const file = process.env["GITHUB_STEP_SUMMARY"] ?? "";
  if (file === "") return;
  try {
    await appendFile(file, formatStepSummary(report, now));
  } catch (error) {
    stderr.write(`proofdns: cannot write the step summary: ${printable(messageOf(error))}\n`);
  }
}

function isJson(options: CheckCommandOptions): boolean {
  return options.json === true || options.format === "json";
}

/** The exit code where something is newer, absent or untagged. */
function foundCode(options: CheckCommandOptions): number {
  if (!options.fail) return 0;
  if (options.exitCode === undefined) return 1;
  const code = parseDecimal(options.exitCode);
  if (code === undefined || code > 255) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--exit-code "${printable(options.exitCode, 100)}": expected a number from 0 to 255`,
    );
  }
  return code;
}

/** `7d`, `36h`, `90m`; a bare number is days. Zero is no cooldown. */
function parseCooldown(text: string | undefined): { seconds: number; text: string } | undefined {
  if (text === undefined) return undefined;
  const whole = /^[0-9]+$/.test(text) ? `${text}d` : text;
  const seconds = parseDuration(whole, "--cooldown");
  return seconds === 0 ? undefined : { seconds, text: whole };
}
