#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { printable } from "../input/printable.ts";
import { adviseOn } from "./advice.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { readPackageVersion } from "./package-version.ts";

type Loader = () => Promise<Command>;

/** All commands, by what they are for. Each is loaded when it is needed: most of the code is the server's. */
const GROUPS: readonly (readonly [heading: string, commands: Readonly<Record<string, Loader>>])[] = [
  [
    "Check what you use:",
    {
      check: async () => (await import("./check.ts")).makeCheckCommand(),
      latest: async () => (await import("./latest.ts")).makeLatestCommand(),
      verify: async () => (await import("./verify.ts")).makeVerifyCommand(),
      version: async () => (await import("./version.ts")).makeVersionCommand(),
    },
  ],
  [
    "Proofs and trust:",
    {
      prove: async () => (await import("./prove.ts")).makeProveCommand(),
      "verify-proof": async () => (await import("./verify-proof.ts")).makeVerifyProofCommand(),
      evidence: async () => (await import("./evidence.ts")).makeEvidenceCommand(),
      policy: async () => (await import("./policy.ts")).makePolicyCommand(),
    },
  ],
  [
    "Run an index:",
    {
      build: async () => (await import("./build.ts")).makeBuildCommand(),
      serve: async () => (await import("./serve.ts")).makeServeCommand(),
      dnssec: async () => (await import("./dnssec.ts")).makeDnssecCommand(),
      snapshot: async () => (await import("./snapshot.ts")).makeSnapshotCommand(),
      sumdb: async () => (await import("./sumdb.ts")).makeSumdbCommand(),
      audit: async () => (await import("./audit.ts")).makeAuditCommand(),
    },
  ],
  ["Try it:", { demo: async () => (await import("./demo.ts")).makeDemoCommand() }],
];

const AFTER = `
Exit codes, the highest that applies, whatever the output format:
  0  all proven and current
  1  proven, and something is newer, absent or untagged
  2  something could not be checked, or bad usage or input
  3  a proof, key, fork, staleness or rollback failure

Environment:
  PROOFDNS_POLICY                     policy file or name, where --policy is not given
  PROOFDNS_ZONE, PROOFDNS_SERVER      likewise for --zone and --server (several servers: separated by spaces or commas)
  GOSUMDB, GONOSUMDB, GOPRIVATE       honoured, from the file of \`go env -w\` too: nothing about a private module is sent
  GOPROXY, GOMODCACHE, GOBIN, GOPATH  as the go command takes them
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY   likewise, for what is asked by HTTPS and HTTP; in lower case too
  XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME
                                      folders of policies; of remembered heads and evidence; of cached answers
  NO_COLOR, FORCE_COLOR               the first turns colours off, the second on where there is no terminal
  PROOFDNS_DEBUG                      print stack traces

Begin with a policy that you got by a way that you trust:  proofdns policy add default FILE
then, in a project:                                        proofdns check`;

// Before any command is loaded: an older Node fails in the middle of an import, and its 1 would mean that something is newer.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`proofdns: needs Node.js 20.19 or later, and this is ${process.versions.node}; install a newer one`);
  process.exit(EXIT.unchecked);
}

const program = new Command("proofdns")
  .description("The latest version of a Go module in one DNS answer, with its proof.")
  .version(readPackageVersion())
  .addHelpText("after", AFTER);
for (const [heading, loaders] of GROUPS) {
  const wanted = process.argv[2] ?? "";
  // The one that is named; all of them to show help, or to say which one may have been meant.
  const isKnown = GROUPS.some(([, known]) => Object.hasOwn(known, wanted));
  for (const [name, load] of Object.entries(loaders)) {
    if (!isKnown || name === wanted) program.addCommand((await load()).helpGroup(heading));
  }
}
prepare(program);

/** Commands that ask an index for a user: what their errors advise is about their options. */
const ASKING: ReadonlySet<string> = new Set(["check", "latest", "verify", "version", "prove"]);

function commandName(): string {
  return program.args[0] ?? "";
}

/** Errors are thrown, not ended with, and say where help is; so for the commands of commands. */
function prepare(command: Command): void {
  command.exitOverride().showHelpAfterError("(--help shows the options)");
  for (const child of command.commands) prepare(child);
}

// Whoever reads the output may stop before its end: the exit code is still the right one. A full disk is another matter.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return;
  console.error(`proofdns: cannot write to standard output: ${printable(error.message)}`);
  process.exit(EXIT.unchecked);
});
process.stderr.on("error", () => {
  // There is nowhere left to say so.
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its sentence; help and version end with 0.
    process.exitCode = error.exitCode === 0 ? EXIT.proven : EXIT.unchecked;
  } else {
    console.error(`proofdns: ${printable(ASKING.has(commandName()) ? adviseOn(error) : messageOf(error), 2000)}`);
    if (process.env["PROOFDNS_DEBUG"]) console.error(error);
    // Kept evidence of a fork has set it already.
    process.exitCode = Math.max(Number(process.exitCode ?? EXIT.proven), exitCodeOf(error));
  }
}
