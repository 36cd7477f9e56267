import { Command } from "commander";
import { isVersionQuery, selectProven } from "../check/select.ts";
import type { Lookup } from "../client/client.ts";
import { type Subject, subjectText } from "../client/verify/index.ts";
import { readGoEnv } from "../go/go-env.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { adviseOn } from "./advice.ts";
import { addClientOptions, type ClientCommandOptions, lookupAll, openClient, type Session } from "./client-options.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { holdsBack } from "./holds-back.ts";
import { InOrder } from "./in-order.ts";
import { errorToJson, exitCodeOfAnswer, formatLookup, lookupToJson } from "./latest-output.ts";
import { exitCodeOfSelected, formatSelected, type Selected, selectedToJson } from "./latest-selected.ts";
import { checkOptions, strictRule } from "./option-rules.ts";
import { proveRecord } from "./session-record.ts";
import { parseMajorsArgument, parseModuleArgument } from "./subject-argument.ts";

interface LatestOptions extends ClientCommandOptions {
  readonly json?: boolean;
  readonly majors?: boolean;
  readonly versions?: boolean;
  readonly toolchain?: boolean;
  readonly record?: boolean;
}

/** Makes the command `proofdns latest`. */
export function makeLatestCommand(): Command {
  const command = new Command("latest")
    .description("look up the latest versions of Go modules, and verify every answer")
    .argument(
      "[module...]",
      "modules, such as golang.org/x/mod, or with a version query, such as golang.org/x/mod@v0.20; with --majors also base paths, such as gopkg.in/yaml",
    )
    .option("--json", "print one JSON object a line")
    .option("--majors", "show the /vN (gopkg.in: .vN) modules of each base path")
    .option("--versions", "list every version, proven complete")
    .option("--toolchain", "look up the Go toolchain instead of modules")
    .option("--record", "also prove the latest record in the checksum database: its hashes are then checksums")
    .addHelpText(
      "after",
      `
The latest is that of the log, which knows no retractions: its authors may have taken it back.
proofdns check --retractions MODULE@latest looks, and names what is left.`,
    );
  return addClientOptions(command).action(async (modules: string[], options: LatestOptions) => {
    process.exitCode = await latest(modules, options);
  });
}

/** One thing to look up. */
interface Ask {
  readonly subject: Subject;
  /** One of the go command's version queries; undefined for what is simply the latest. */
  readonly query: string | undefined;
}

/** An argument that names nothing to look up. */
interface BadAsk {
  readonly text: string;
  readonly error: ProofdnsError;
}

async function latest(modules: readonly string[], options: LatestOptions): Promise<number> {
  checkOptions([strictRule(options)]);
  const asks = makeAsks(modules, options);
  // Where there is nothing to ask no policy is needed.
  if (asks.every((ask) => "error" in ask)) {
    return Math.max(...asks.map(({ text, error }) => showError(text, error, options, console.log)));
  }
  const session = await openClient(options, await readGoEnv(process.env));
  try {
    return await printLookups(session, asks, options);
  } finally {
    session.close();
  }
}

/** Prints a failure, on stderr unless as JSON; gives its exit code. */
function showError(
  subject: Subject | string,
  error: ProofdnsError,
  { json }: LatestOptions,
  print: (line: string) => void,
): number {
  if (json) print(JSON.stringify(errorToJson(subject, error)));
  else console.error(`proofdns: ${printable(adviseOn(error), 1000)} [${error.code}]`);
  return exitCodeOf(error);
}

async function printLookups(session: Session, all: readonly (Ask | BadAsk)[], options: LatestOptions): Promise<number> {
  let exitCode: number = EXIT.proven;
  let isHeldBack = false;
  const printer = new InOrder((text) => console.log(text));
  const fail = (subject: Subject | string, error: unknown): string | undefined => {
    if (!isProofdnsError(error)) throw error;
    if (holdsBack(error)) isHeldBack = true;
    let text: string | undefined;
    const code = showError(subject, error, options, (line) => {
      text = line;
    });
    exitCode = Math.max(exitCode, code);
    return text;
  };
  const show = async ({ subject, query }: Ask, lookup: Lookup, isCached: boolean): Promise<string> => {
    const json = (object: object): string => JSON.stringify(isCached ? { ...object, cached: true } : object);
    const now = Math.floor(Date.now() / 1000);
    if (query === undefined) {
      exitCode = Math.max(exitCode, exitCodeOfAnswer(lookup.answer));
      return options.json ? json(lookupToJson(subject, lookup)) : formatLookup(subject, lookup, now);
    }
    const path = subjectText(subject);
    const entry = lookup.versions === undefined ? undefined : selectProven(path, lookup.versions, query);
    const isRecordProven = options.record === true && entry !== undefined;
    if (isRecordProven) await proveRecord(session, { path, ...entry });
    const selected: Selected = { path, query, entry, isRecordProven };
    exitCode = Math.max(exitCode, exitCodeOfSelected(selected));
    return options.json ? json(selectedToJson(selected, lookup)) : formatSelected(selected, lookup, now);
  };
  const withRecord = options.record === true;
  const asks: Ask[] = [];
  const places: number[] = [];
  for (const [place, ask] of all.entries()) {
    if ("error" in ask) printer.put(place, fail(ask.text, ask.error));
    else places[asks.push(ask) - 1] = place;
  }
  const subjects = asks.map(({ subject }) => subject);
  const shown: Promise<void>[] = [];
  await lookupAll(
    session,
    subjects,
    { withRecord: withRecord && asks.every(({ query }) => query === undefined) },
    (index, outcome) => {
      const ask = asks[index] as Ask;
      const text = "lookup" in outcome ? show(ask, outcome.lookup, outcome.isCached) : Promise.reject(outcome.error);
      shown.push(
        text
          .catch((error: unknown) => fail(ask.subject, error))
          .then((text) => printer.put(places[index] ?? index, text)),
      );
    },
  );
  await Promise.all(shown);
  for (const { error } of session.keptForks) {
    exitCode = Math.max(exitCode, exitCodeOf(error));
    if (options.json) console.log(JSON.stringify(errorToJson(undefined, error)));
  }
  if (!isHeldBack) await session.client.commit();
  await session.later.done();
  return exitCode;
}

function makeAsks(modules: readonly string[], options: LatestOptions): (Ask | BadAsk)[] {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_INPUT", why);
  };
  const modes = [options.majors, options.versions, options.toolchain].filter(Boolean).length;
  if (modes > 1) return refuse("--majors, --versions and --toolchain exclude each other: give one");
  if (options.record && (options.majors || options.toolchain))
    return refuse("--record goes with modules only: leave out --majors and --toolchain");
  if (options.toolchain) {
    return modules.length > 0
      ? refuse("--toolchain takes no modules: leave out one or the other")
      : [{ subject: { kind: "toolchain" }, query: undefined }];
  }
  if (modules.length === 0) return refuse("no modules given; name at least one, such as golang.org/x/mod");
  const makeAsk = (text: string): Ask => {
    if (options.majors) return { subject: parseMajorsArgument(text), query: undefined };
    const at = text.indexOf("@");
    const path = parseModuleArgument(at < 0 ? text : text.slice(0, at));
    const query = at < 0 ? undefined : parseQuery(text.slice(at + 1));
    if (query !== undefined && options.versions)
      return refuse(
        "--versions goes with modules, not with a query of one: leave out --versions, or what follows the @",
      );
    const withVersions = options.versions === true || query !== undefined;
    return { subject: { kind: "module", path, withVersions }, query };
  };
  const asks = modules.map((text): Ask | BadAsk => {
    try {
      return makeAsk(text);
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      return { text, error };
    }
  });
  const kinds = new Set(asks.flatMap((ask) => ("error" in ask ? [] : [ask.query === undefined])));
  if (options.record && kinds.size > 1) {
    return refuse("with --record give either modules or queries such as golang.org/x/mod@v0.20, and not both at once");
  }
  return asks;
}

/** Undefined for what is the latest without the list of versions. */
function parseQuery(text: string): string | undefined {
  if (text === "latest" || text === "upgrade") return undefined;
  if (isVersionQuery(text)) return text;
  throw new ProofdnsError(
    "MALFORMED_INPUT",
    `${JSON.stringify(printable(text, 100))} is no version query that needs no version in use; expected latest, v1, v1.4, v1.4.2, "<v1.5.0" or the like`,
  );
}
