// The authority: `proofdns serve` over an invented checksum database of `proofdns sumdb`, both as an operator runs them.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Daemon } from "./daemon.mjs";
import { AUTHORITY, ZONE } from "./world.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The compiled command if nothing in src is newer; it starts in half the time. */
function mainArgs() {
  const compiled = join(root, "dist", "cli", "main.js");
  const built = statSync(compiled, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const isBuilt = readdirSync(join(root, "src"), { recursive: true }).every(
    (name) => statSync(join(root, "src", name)).mtimeMs < built,
  );
  return isBuilt ? [compiled] : ["--import", import.meta.resolve("tsx"), join(root, "src", "cli", "main.ts")];
}

async function start(name, folder, args) {
  const daemon = new Daemon(name, { folder, command: [process.execPath, ...mainArgs(), ...args] });
  const ready = await daemon.until(async () => daemon.log.match(/^\{"ready":true.*\}$/m)?.[0], 60_000);
  return { daemon, ...JSON.parse(ready) };
}

/**
 * Starts the authority on port 53 of its address. Gives its `daemon`; `ds`, the DS RDATAs that it tells its operator (none if
 * it does not sign); and what a client trusts: the `policy` file and `sumdbKey`.
 */
export async function startAuthority(folder, recordsFile) {
  const sumdb = await start("sumdb", join(folder, "sumdb"), [
    ...["sumdb", "--records", recordsFile],
    ...["--listen", "127.0.0.1:0", "--data", join(folder, "sumdb", "data")],
  ]);
  const serve = await start("proofdns serve", join(folder, "serve"), [
    ...["serve", "--zone", ZONE, "--listen", `${AUTHORITY}:53`, "--data", join(folder, "serve", "data")],
    ...["--sumdb", `${sumdb.vkey} ${sumdb.url}`, "--poll", "1h", "--heartbeat", "1h", "--max-stall", "off"],
  ]);
  const ds = [serve.ds ?? []].flat().map((text) => text.replace(/^.*\bDS\s+/, ""));
  return { daemon: serve.daemon, ds, policy: serve.policy, sumdbKey: serve.sumdbKey };
}
