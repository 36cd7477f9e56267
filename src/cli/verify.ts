import { stat } from "node:fs/promises";
import { Command } from "commander";
import { type GoEnv, readGoEnv, whyPrivate } from "../go/go-env.ts";
import { printable } from "../input/printable.ts";
import type { Claims } from "../verify/claim.ts";
import { noClaims } from "../verify/claim.ts";
import { readClaims } from "../verify/inputs.ts";
import { addModuleCacheClaims } from "../verify/module-cache.ts";
import { type RecordAsker, verifyClaims } from "../verify/verify.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatJsonLine } from "./check-json.ts";
import { Progress } from "./check-terminal.ts";
import { addClientOptions, type ClientCommandOptions, lookupAll, openClient, type Session } from "./client-options.ts";
import { holdsBack } from "./holds-back.ts";
import { checkOptions, strictRule } from "./option-rules.ts";
import { proveRecord } from "./session-record.ts";
import { exitCodeOfReport, formatReport, reportToJson, type VerifyReport } from "./verify-output.ts";

interface VerifyOptions extends ClientCommandOptions {
  readonly modcache?: string | true;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly quiet?: boolean;
}

/** Makes the command `proofdns verify`. */
export function makeVerifyCommand(): Command {
  const command = new Command("verify")
    .description("check checksums against the checksum database, each by a proof of its record")
    .argument(
      "[path...]",
      "go.sum, go.mod, go.work, a folder, or Go binaries (default: this folder, unless --modcache is given)",
    )
    .option("--modcache [dir]", "check the module cache: zips, extracted trees and go.mod files (default: GOMODCACHE)")
    .option("--all", "show what is proven and what is private too")
    .option("--json", "print one JSON object a line, a summary last")
    .option("-q, --quiet", "no progress");
  return addClientOptions(command)
    .addHelpText(
      "after",
      "\nExit codes: 0 all checksums proven; 1 some module or version is not in the checksum database; 2 something could not be checked, vendored modules of a binary and hashes of another kind than h1: too, or nothing was proven (only private modules, no checksum at all); 3 a checksum differs, the checksum database contradicts itself, or a proof fails.",
    )
    .action(async (paths: string[], options: VerifyOptions) => {
      process.exitCode = await verify(paths, options);
    });
}

async function verify(paths: readonly string[], options: VerifyOptions): Promise<number> {
  checkOptions([strictRule(options)]);
  const goEnv = await readGoEnv(process.env);
  const session = await openClient(options, goEnv);
  const progress = new Progress(process.stderr, process.env, options.quiet === true || options.json === true);
  try {
    const privateModules = new Set<string>();
    const claims =
      paths.length === 0 && options.modcache !== undefined
        ? noClaims()
        : await readClaims(paths.length === 0 ? ["."] : paths);
    if (options.modcache !== undefined) await addModcache(claims, options.modcache, goEnv, privateModules, progress);
    const asOf = new Oldest();
    const verdicts = await verifyClaims(claims.claims, makeRecordAsker(session, asOf), (done, total) =>
      progress.show(done, total),
    );
    progress.end();
    const offline = session.isOffline ? { ...asOf.times, now: Math.floor(Date.now() / 1000) } : undefined;
    const report: VerifyReport = { claims, verdicts, privateModules, offline, keptForks: session.keptForks };
    const exitCode = exitCodeOfReport(report);
    if (options.json) for (const object of reportToJson(report, exitCode)) console.log(formatJsonLine(object));
    else for (const line of formatReport(report, options.all === true)) console.log(line);
    if (!verdicts.some((verdict) => verdict.status === "error" && holdsBack(verdict.error)))
      await session.client.commit();
    await session.later.done();
    return exitCode;
  } finally {
    progress.end();
    session.close();
  }
}

async function addModcache(
  claims: Claims,
  given: string | true,
  goEnv: GoEnv,
  privateModules: Set<string>,
  progress: Progress,
): Promise<void> {
  const root = given === true ? goEnv.GOMODCACHE : given;
  if (root === "")
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      "there is no module cache: GOMODCACHE and GOPATH are not set; name it with --modcache DIR",
    );
  if (
    !(await stat(root).then(
      (found) => found.isDirectory(),
      () => false,
    ))
  )
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--modcache ${printable(root)}: no such folder; a file to check stands before the option`,
    );
  await addModuleCacheClaims(claims, root, {
    isWanted: (path) => {
      const isPrivate = whyPrivate(goEnv, path) !== undefined;
      if (isPrivate) privateModules.add(path);
      return !isPrivate;
    },
    onProgress: (done, total) => progress.show(done, total),
  });
}

/** The oldest age times of what proved something, in Unix seconds: 0 if one of them is unknown, undefined if there was none. */
export class Oldest {
  readonly times: { lists: number | undefined; records: number | undefined } = { lists: undefined, records: undefined };

  note(what: "lists" | "records", ageTime: number): void {
    this.times[what] = Math.min(ageTime, this.times[what] ?? ageTime);
  }
}

/** What a verification asks, asked through a session. */
export function makeRecordAsker(session: Session, asOf: Oldest): RecordAsker {
  const { goEnv, jobs } = session;
  return {
    lookupAll: (subjects, each) =>
      lookupAll(session, subjects, {}, (index, outcome) => {
        if ("lookup" in outcome) asOf.note("lists", outcome.lookup.answer.head.ageTime);
        each(index, outcome);
      }),
    proveRecord: async (record) => asOf.note("records", (await proveRecord(session, record)).ageTime),
    whyPrivate: (path: string) => whyPrivate(goEnv, path),
    jobs,
  };
}
