// Checks many modules twice through one caching resolver (unbound) while epochs move on: `node test/interop/shared-cache.mjs`.
//
// The second time no query for a module may reach our server. Everything is on loopback. Ends with 1 if anything failed, and where
// unbound is not installed and CI is set.
import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { tsImport } from "tsx/esm/api";

const load = (path) => tsImport(`../${path}`, import.meta.url);
const { startBulkServer, paths, ZONE } = await load("bulk/server.ts");
const { DelayProxy } = await load("bulk/delay-proxy.ts");
const { run } = await load("cli/process.ts");
const { Client } = await load("../src/client/client.ts");
const { DnsTransport } = await load("../src/client/transport-dns.ts");

let failures = 0;
function check(what, isGood, output = "") {
  console.log(`${isGood ? "ok  " : "FAIL"} ${what}`);
  if (isGood) return;
  failures++;
  console.log(String(output).slice(0, 3000).replaceAll(/^/gm, "     | "));
}

/** A port that is free by UDP just now. */
async function freePort() {
  const socket = createSocket("udp4");
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

async function startUnbound(folder, authority) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const config = join(folder, "unbound.conf");
  writeFileSync(
    config,
    `server:
    interface: 127.0.0.1@${port}
    do-daemonize: no
    use-syslog: no
    logfile: ""
    chroot: ""
    username: ""
    directory: "${folder}"
    pidfile: ""
    do-ip6: no
    num-threads: 1
    num-queries-per-thread: 2048
    outgoing-range: 2048
    outgoing-num-tcp: 60
    do-not-query-localhost: no
    module-config: "iterator"
    qname-minimisation: yes
    use-caps-for-id: yes
    harden-below-nxdomain: yes
    edns-buffer-size: 1232
stub-zone:
    name: "${ZONE}."
    stub-addr: 127.0.0.1@${authority}
    stub-no-cache: no
remote-control:
    control-enable: no
`,
  );
  const child = spawn("unbound", ["-d", "-p", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  for (let i = 0; i < 100 && !log.includes("start of service"); i++) await setTimeout(50);
  if (!log.includes("start of service")) throw new Error(`unbound does not start: ${log}`);
  return { port, stop: () => child.kill("SIGTERM"), log: () => log };
}

/** Queries by what they ask: modules, or the service. */
function kindsOf(asked) {
  const kinds = new Map();
  for (const text of asked) {
    const name = text.split(" ")[1] ?? "";
    const service = /(?:^|\.)(_[a-z]+)\.p1\./.exec(name)?.[1];
    const isModule = /^module\d+\.group\d+\._\.example\.com\.p1\./.test(name);
    const kind = service ?? (isModule ? "module" : "ancestor of a name");
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}
const shown = (kinds) => [...kinds].map(([kind, count]) => `${kind} ${count}`).join(", ") || "none";

/** The newest epoch of the server itself. */
async function newestEpoch({ trust, port }) {
  const transport = new DnsTransport({ server: `127.0.0.1:${port}` });
  try {
    return (await new Client({ trust, transport }).head()).epoch;
  } finally {
    transport.close?.();
  }
}

async function checkAll(server, port, state) {
  const file = join(server.folder, "go.mod");
  writeFileSync(
    file,
    `module example.com/app\n\ngo 1.19\n\nrequire (\n${paths.map((path, i) => `\t${path} v1.${i}.0\n`).join("")})\n`,
  );
  const started = performance.now();
  const ended = await run(
    [
      ...["check", "--server", `127.0.0.1:${port}`, "--policy", server.policy, "--sumdb-key", server.sumdbKey],
      ...["--state", join(server.folder, state), "--no-cache", "--no-age", "--json", file],
    ],
    { GOENV: "off", HOME: server.folder },
    60_000,
  );
  const lines = ended.stdout.trimEnd().split("\n");
  const current = lines.filter((line) => line.includes('"status":"current"')).length;
  return { ended, current, took: performance.now() - started };
}

async function main() {
  if (spawnSync("unbound", ["-V"]).error !== undefined) {
    const why = "unbound is not installed (test/interop/install.sh installs it)";
    if ((process.env.CI ?? "") !== "") check(why, false);
    else console.log(`skipped: ${why}`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "proofdns-cache-"));
  const server = await startBulkServer("--poll", "1s", "--epoch-interval", "1s", "--heartbeat", "1s");
  const counter = await DelayProxy.start(server.port, 10);
  let unbound;
  try {
    unbound = await startUnbound(folder, counter.port);
    const before = await newestEpoch(server);
    const started = performance.now();
    const first = await checkAll(server, unbound.port, "state");
    const asked = kindsOf(counter.asked);
    console.log(`     first run: ${first.took.toFixed(0)} ms with its start; to our server: ${shown(asked)}`);
    check(
      `all ${paths.length} modules are current`,
      first.current === paths.length,
      first.ended.stdout + first.ended.stderr,
    );
    for (let i = 0; i < 3; i++) {
      await server.grow(7);
      await setTimeout(2500);
    }
    const now = await newestEpoch(server);
    check(`epochs move meanwhile: ${before} to ${now}`, now >= before + 2);
    for (const [who, state] of [
      ["the same user", "state"],
      ["another user behind the same resolver", "state of another"],
    ]) {
      counter.asked.length = 0;
      const again = await checkAll(server, unbound.port, state);
      const kinds = kindsOf(counter.asked);
      const after = ((performance.now() - started) / 1000).toFixed(1);
      console.log(
        `     ${who}, ${after} s after the first answer: ${again.took.toFixed(0)} ms with its start; to our server: ${shown(kinds)}`,
      );
      check(`${who} gets all from the cache`, again.current === paths.length, again.ended.stdout + again.ended.stderr);
      check(`no query for a module of ${who} reaches our server`, !kinds.has("module"), shown(kinds));
    }
  } finally {
    unbound?.stop();
    await counter.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  failures++;
  console.log(`FAIL ${error.stack}`);
}
console.log(failures === 0 ? "a shared cache keeps its modules" : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
