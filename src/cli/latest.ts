import { Command } from "commander";
import { selectProven } from "../check/resolve.ts";
import { isVersionQuery } from "../check/select.ts";
import type { Lookup } from "../client/client.ts";
import { type Subject, subjectText } from "../client/verify/index.ts";
import { readGoEnv } from "../go/go-env.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { adviseOn } from "./advice.ts";
import { addClientOptions, type ClientCommandOptions, lookupAll, openClient, type Session } from "./client-options.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { holdsBack } from "./holds-back.ts";
import { InOrder } from "./in-order.ts";
import { errorToJson, exitCodeOfAnswer, formatLookup, lookupToJson } from "./latest-output.ts";
import { exitCodeOfSelected, formatSelected, type Selected, selectedToJson } from "./latest-selected.ts";
import { printable } from "./printable.ts";
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
    .option("--record", "also prove the latest record in the checksum database: its hashes are then checksums");
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

async function latest(modules: readonly string[], options: LatestOptions): Promise<number> {
  const asks = makeAsks(modules, options);
  const session = await openClient(options, await readGoEnv(process.env));
  try {
    return await printLookups(session, asks, options);
  } finally {
    session.close();
  }
}

async function printLookups(session: Session, asks: readonly Ask[], options: LatestOptions): Promise<number> {
  let exitCode: number = EXIT.proven;
  let isHeldBack = false;
  const printer = new InOrder((text) => console.log(text));
  const showError = (subject: Subject, error: unknown): string | undefined => {
    if (!isProofdnsError(error)) throw error;
    exitCode = Math.max(exitCode, exitCodeOf(error));
    if (holdsBack(error)) isHeldBack = true;
    if (options.json) return JSON.stringify(errorToJson(subject, error));
    console.error(`proofdns: ${printable(adviseOn(error), 1000)} [${error.code}]`);
    return undefined;
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
    if (isRecordProven) await session.client.proveRecord({ path, ...entry });
    const selected: Selected = { path, query, entry, isRecordProven };
    exitCode = Math.max(exitCode, exitCodeOfSelected(selected));
    return options.json ? json(selectedToJson(selected, lookup)) : formatSelected(selected, lookup, now);
  };
  const withRecord = options.record === true;
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
        text.catch((error: unknown) => showError(ask.subject, error)).then((text) => printer.put(index, text)),
      );
    },
  );
  await Promise.all(shown);
  if (!isHeldBack) await session.client.commit();
  return exitCode;
}

function makeAsks(modules: readonly string[], options: LatestOptions): Ask[] {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_INPUT", why);
  };
  const modes = [options.majors, options.versions, options.toolchain].filter(Boolean).length;
  if (modes > 1) return refuse("--majors, --versions and --toolchain exclude each other");
  if (options.record && (options.majors || options.toolchain)) return refuse("--record goes with modules only");
  if (options.record && options.offline)
    return refuse("--offline answers from the cache, and records are not cached: leave out --record, or --offline");
  if (options.toolchain) {
    return modules.length > 0
      ? refuse("--toolchain takes no modules")
      : [{ subject: { kind: "toolchain" }, query: undefined }];
  }
  if (modules.length === 0) return refuse("no modules given; name at least one, such as golang.org/x/mod");
  const asks = modules.map((text) => {
    if (options.majors) return { subject: parseMajorsArgument(text), query: undefined };
    const at = text.indexOf("@");
    const path = parseModuleArgument(at < 0 ? text : text.slice(0, at));
    const query = at < 0 ? undefined : parseQuery(text.slice(at + 1));
    if (query !== undefined && options.versions) return refuse("--versions goes with modules, not with a query of one");
    const withVersions = options.versions === true || query !== undefined;
    return { subject: { kind: "module", path, withVersions } as const, query };
  });
  if (options.record && new Set(asks.map(({ query }) => query === undefined)).size > 1) {
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
