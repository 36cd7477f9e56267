// Asks `proofdns serve` through validating resolvers, and with the tools that validate: `node test/interop/resolvers.mjs`.
//
//     --strict     a missing tool is a failure; so it is where the variable CI is set
//     --only TEXT  only columns whose name holds TEXT; for looking into a failure
//     --keep       keep the folder with configurations, logs and the recording
//
// Everything runs in a private network namespace, below a signed root zone of its own (see resolvers/namespace.mjs, parent.mjs).
// Prints a matrix of cases and resolvers; ends with 1 if anything failed. Debian packages: test/interop/install.sh.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findNamespace, runInside } from "./resolvers/namespace.mjs";
import { findMissing } from "./resolvers/tools.mjs";

/** Milliseconds for everything. */
const DEADLINE = 175_000;

const args = process.argv.slice(2);
const isStrict = args.includes("--strict") || (process.env.CI ?? "") !== "";

function giveUp(why) {
  console.log(`${isStrict ? "FAIL" : "skipped"}: ${why}`);
  return isStrict ? 1 : 0;
}

/** The end of every log: where a run hung that had to be ended. */
function printLogs(folder) {
  for (const name of readdirSync(folder, { recursive: true }).sort()) {
    const file = join(folder, name);
    if (!/(?:^|\/)log$/.test(name)) continue;
    const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-5);
    console.log(`--- ${name}\n${lines.map((line) => line.slice(0, 300)).join("\n")}`);
  }
}

async function main() {
  const missing = findMissing();
  if (missing.length > 0) return giveUp(`not installed: ${missing.join(" ")} (test/interop/install.sh installs them)`);
  const { variant, reason } = findNamespace();
  if (variant === undefined) return giveUp(`no private network namespace can be made: ${reason}`);
  const folder = mkdtempSync(join(tmpdir(), "proofdns-resolvers-"));
  const inside = fileURLToPath(new URL("resolvers/inside.mjs", import.meta.url));
  const { status, wasEnded } = await runInside(variant, inside, [folder, ...args], DEADLINE);
  if (wasEnded) printLogs(folder);
  if (status === 0 && !args.includes("--keep")) rmSync(folder, { recursive: true, force: true });
  else console.log(`configurations and logs: ${folder}`);
  return status;
}

process.exitCode = await main();
