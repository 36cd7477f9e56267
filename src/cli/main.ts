#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { makeAuditCommand } from "./audit.ts";
import { makeBuildCommand } from "./build.ts";
import { makeDemoCommand } from "./demo.ts";
import { makeDnssecCommand } from "./dnssec.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { makeLatestCommand } from "./latest.ts";
import { readPackageVersion } from "./package-version.ts";
import { makeServeCommand } from "./serve.ts";
import { makeSnapshotCommand } from "./snapshot.ts";
import { makeSumdbCommand } from "./sumdb.ts";

const program = new Command("proofdns")
  .description("The latest version of a Go module in one DNS answer, with its proof.")
  .version(readPackageVersion())
  .addHelpText(
    "after",
    "\nExit codes: 0 proven, 1 proven absent or untagged, 2 could not check or bad usage, 3 verification failed.",
  )
  .showHelpAfterError("(--help shows the options)");

const commands = [
  makeLatestCommand(),
  makeBuildCommand(),
  makeServeCommand(),
  makeDnssecCommand(),
  makeSumdbCommand(),
  makeSnapshotCommand(),
  makeAuditCommand(),
  makeDemoCommand(),
];
for (const command of commands) {
  command.exitOverride().showHelpAfterError("(--help shows the options)");
  program.addCommand(command);
}
program.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its sentence; help and version end with 0.
    process.exitCode = error.exitCode === 0 ? EXIT.proven : EXIT.unchecked;
  } else {
    console.error(`proofdns: ${messageOf(error)}`);
    if (process.env["PROOFDNS_DEBUG"]) console.error(error);
    process.exitCode = exitCodeOf(error);
  }
}
