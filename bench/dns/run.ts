// What an answer of the name server costs, beside servers that know nothing of proofs and beside bare sockets, all in one run:
// absolute figures say as much about the machine as about the server.
//
//     npm run bench:dns [-- --short] [--rounds 5] [--seconds 3] [--threads 2] [--node24 PATH] [--json]
//     npm run bench:dns -- --profile
//
// Needs dnsperf; Knot and NSD are measured where they are installed. See docs/dns-performance.md.
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { formatName } from "../../src/dns/name.ts";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { KEY_TYPE_ED25519, makeSignerKey } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { captureAnswers } from "./capture.ts";
import { measure } from "./dnsperf.ts";
import { Lifetime } from "./lifetime.ts";
import { describeMachine, formatMachine, loadAverage } from "./machine.ts";
import { makeRandom, moduleNames, modulePaths, readRecords } from "./names.ts";
import { measureAll, type Scenario } from "./plan.ts";
import { formatProfile, readProfiles } from "./profile.ts";
import { formatBottlenecks, formatLatencies, formatRows, judgeGoals } from "./report.ts";
import { isInstalled, type OursOptions, ServeFlags, startEcho, startKnot, startNsd, startOurs } from "./servers.ts";
import { writeStaticZone } from "./static-zone.ts";

const ZONE = "l.example.org";
/** Largest answer by UDP; longer ones are cut, and their names are not asked. */
const UDP_SIZE = 1232;
/** Questions in the file: random modules, repeated when they are used up. */
const QUESTIONS = 100_000;
/** Seconds of load while a profile is taken. */
const PROFILE_SECONDS = 5;
/** Functions shown of a profile. */
const PROFILE_LINES = 30;

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    threads: { type: "string" },
    node24: { type: "string" },
    server: { type: "string", default: fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)) },
  },
});
const rounds = Number(values.rounds ?? (values.short ? 1 : 5));
const seconds = Number(values.seconds ?? (values.short ? 0.6 : 3));
// dnsperf needs cores too.
const many = Number(values.threads ?? Math.max(2, Math.floor(cpus().length / 2)));
const say = (line: string): void => console.error(line);

/** What all servers of ours have in common. */
type Common = Pick<OursOptions, "main" | "flags" | "zone" | "sumdb">;

async function main(lifetime: Lifetime): Promise<void> {
  if (!isInstalled("dnsperf")) throw new Error("dnsperf is not installed (Debian: apt install dnsperf knot nsd)");
  const loadBefore = loadAverage();
  const records = await readRecords(values.short ? 450 : undefined);
  const flags = new ServeFlags(values.server);
  const sumdb = await startSumdb(lifetime, records.texts);
  const common: Common = { main: values.server, flags, zone: ZONE, sumdb };
  const names = moduleNames(ZONE, modulePaths(records.texts));
  say(`${records.texts.length} ${records.source} records of ${names.length} modules`);
  const questions = join(lifetime.folder("questions"), "questions");
  if (values.profile) {
    writeQuestions(questions, names);
    await profile(lifetime, common, questions);
    return;
  }
  const first = await startOurs(lifetime, { ...common, name: "proofdns, warm", node: process.execPath, threads: 1 });
  const captured = (await captureAnswers(first.port, names)).filter(({ messageBytes }) => messageBytes <= UDP_SIZE);
  if (captured.length === 0) throw new Error("the server answers no module by a message that fits UDP");
  const bytes = Math.round(captured.reduce((sum, { messageBytes }) => sum + messageBytes, 0) / captured.length);
  const isSigned = captured.some(({ signatureBytes }) => signatureBytes > 0);
  say(`answers of ${bytes} bytes on average, ${isSigned ? "signed" : "not signed"}; ${captured.length} names fit UDP`);
  const zone = writeStaticZone(ZONE, captured, lifetime.folder("zone"));
  writeQuestions(
    questions,
    captured.map(({ name }) => name),
  );
  const scenarios = await startAll(lifetime, common, first, bytes, zone);
  const rows = await measureAll(lifetime, scenarios, questions, { rounds, seconds }, say);
  const goals = judgeGoals(rows, many);
  const machine = describeMachine();
  const loads = { before: loadBefore, after: loadAverage() };
  console.log(
    `\n${formatMachine(machine)}; load average ${loads.before.join(" ")} before, ${loads.after.join(" ")} after`,
  );
  console.log(`${rounds} rounds of ${seconds} s, medians; static zone: ${zone.kind}\n`);
  console.log(`${formatRows(rows)}\n\n${formatLatencies(rows)}\n`);
  console.log(`${formatBottlenecks(rows)}\n`);
  if (!flags.has("--reply-cache")) console.log("this build has no --reply-cache: there is no cold figure");
  for (const { what, value, verdict } of goals) {
    console.log(
      `${values.short ? "(short, not judged) " : ""}${verdict}  ${what}${Number.isNaN(value) ? "" : ` (${value.toFixed(2)})`}`,
    );
  }
  if (values.json) {
    const measured = rows.map(({ scenario, ...row }) => ({
      id: scenario.id,
      server: scenario.target.name,
      threads: scenario.target.threads,
      transport: scenario.transport,
      ...row,
    }));
    const set = {
      rounds,
      seconds,
      threads: many,
      records: records.texts.length,
      source: records.source,
      zone: zone.kind,
    };
    console.log(JSON.stringify({ machine, loads, ...set, answerBytes: bytes, isSigned, measured, goals }));
  }
}

/** A checksum database over all records, in this process: it is idle while something is measured. */
async function startSumdb(lifetime: Lifetime, records: readonly Uint8Array[]): Promise<{ vkey: string; url: string }> {
  const ed25519 = nodeEd25519();
  const signerKey = makeSignerKey("sumdb.example.org", KEY_TYPE_ED25519, new Uint8Array(32).fill(3), ed25519);
  const server = new SumdbServer({ signerKey, records, sha256: nodeSha256, ed25519 });
  const { host, port } = await server.listen({ host: "127.0.0.1", port: 0 });
  lifetime.defer(() => server.close());
  return { vkey: server.verifierKey, url: `http://${host}:${port}` };
}

function writeQuestions(path: string, names: readonly Uint8Array[]): void {
  const random = makeRandom(1);
  const lines: string[] = [];
  const texts = names.map((name) => `${formatName(name)} TXT`);
  for (let i = 0; i < QUESTIONS; i++) lines.push(texts[Math.floor(random() * texts.length)] as string);
  writeFileSync(path, `${lines.join("\n")}\n`);
}

/** Starts every server; all of them run until the end, and one at a time has work. */
async function startAll(
  lifetime: Lifetime,
  common: Common,
  oursWarm: Scenario["target"],
  bytes: number,
  zone: Parameters<typeof startKnot>[1],
): Promise<Scenario[]> {
  const node = process.execPath;
  const hasCold = common.flags.has("--reply-cache");
  const hasThreads = common.flags.has("--threads");
  const echo = (mode: "naive" | "tuned" | "sign", name: string) =>
    startEcho(lifetime, { name, mode, node, bytes, threads: 1 });
  const ours = (name: string, threads: number, isCold: boolean, binary = node) =>
    startOurs(lifetime, { ...common, name, node: binary, threads, isCold });
  const list: Scenario[] = [];
  const add = (
    transport: "udp" | "tcp",
    id: string,
    target: Scenario["target"],
    more: Partial<Scenario> = {},
  ): void => {
    list.push({
      id: `${transport} ${id} ${target.threads}`,
      target,
      transport,
      yardstick: `${transport} echo tuned 1`,
      ...more,
    });
  };
  const tuned = await echo("tuned", "echo");
  const signing = await echo("sign", "echo + signature");
  add("udp", "echo naive", await echo("naive", "echo, naive"));
  add("udp", "echo tuned", tuned, { hasLatency: true });
  add("udp", "ours warm", oursWarm, { hasLatency: true });
  add("udp", "echo sign", signing);
  const oursCold = hasCold ? await ours("proofdns, cold", 1, true) : undefined;
  if (oursCold !== undefined) add("udp", "ours cold", oursCold, { yardstick: "udp echo sign 1", hasLatency: true });
  const others: { id: string; target: Scenario["target"] }[] = [];
  for (const threads of [1, many]) {
    if (isInstalled("knotd")) others.push({ id: "knot", target: await startKnot(lifetime, zone, threads) });
    else if (threads === 1) say("knotd is not installed: left out");
    if (isInstalled("nsd")) others.push({ id: "nsd", target: await startNsd(lifetime, zone, threads) });
    else if (threads === 1) say("nsd is not installed: left out");
  }
  for (const { id, target } of others) add("udp", id, target, { hasLatency: target.threads === 1 });
  const warmMany = hasThreads ? await ours("proofdns, warm", many, false) : undefined;
  if (warmMany !== undefined) {
    add("udp", "ours warm", warmMany);
    if (hasCold) add("udp", "ours cold", await ours("proofdns, cold", many, true), { yardstick: "udp echo sign 1" });
  }
  add("tcp", "echo tuned", tuned);
  add("tcp", "ours warm", oursWarm);
  if (warmMany !== undefined) add("tcp", "ours warm", warmMany);
  for (const { id, target } of others) add("tcp", id, target);
  if (oursCold !== undefined) add("tcp", "ours cold", oursCold);
  for (const threads of values.node24 === undefined ? [] : [1, many]) {
    const binary = values.node24 as string;
    const start = (mode: "tuned" | "sign", name: string) =>
      startEcho(lifetime, { name: `${name}, Node 24`, mode, node: binary, bytes, threads });
    const yardstick = { yardstick: `udp echo24 tuned ${threads}` };
    add("udp", "echo24 tuned", await start("tuned", "echo"), yardstick);
    const warm24 = await ours("proofdns, warm, Node 24", threads, false, binary);
    add("udp", "ours24 warm", warm24, yardstick);
    if (hasCold) {
      const signing24 = { yardstick: `udp echo24 sign ${threads}` };
      add("udp", "echo24 sign", await start("sign", "echo + signature"), yardstick);
      add("udp", "ours24 cold", await ours("proofdns, cold, Node 24", threads, true, binary), signing24);
    }
    add("tcp", "ours24 warm", warm24);
  }
  return list;
}

/** Runs our server under V8's profiler, a process for each kind of load, and prints where its time goes. */
async function profile(lifetime: Lifetime, common: Common, questions: string): Promise<void> {
  const kinds = [
    { transport: "udp", isCold: false },
    ...(common.flags.has("--reply-cache") ? [{ transport: "udp", isCold: true } as const] : []),
    { transport: "tcp", isCold: false },
  ] as const;
  for (const { transport, isCold } of kinds) {
    const folder = lifetime.folder("profile");
    const nodeFlags = ["--cpu-prof", "--cpu-prof-interval", "200", "--cpu-prof-dir", folder];
    const name = `${transport}, ${isCold ? "cold" : "warm"}`;
    const target = await startOurs(lifetime, {
      ...common,
      name,
      node: process.execPath,
      nodeFlags,
      threads: 1,
      isCold,
    });
    // The first second compiles and fills caches.
    await measure(lifetime, target, { transport, seconds: 1, questions });
    const began = performance.now();
    const { cpu } = await measure(lifetime, target, { transport, seconds: PROFILE_SECONDS, questions });
    const loaded = performance.now();
    const { code, signal } = await target.child.stop();
    const ended = performance.now();
    if (code !== 0) throw new Error(`the server ended with ${signal ?? code}:\n${target.child.stderr}`);
    const profiles = readProfiles(folder, (ended - began) / 1000, (ended - loaded) / 1000);
    console.log(`\n## ${name}: ${cpu.toFixed(1)} µs of CPU an answer under the profiler\n`);
    for (const thread of profiles) console.log(`${formatProfile(thread, PROFILE_LINES)}\n`);
  }
}

try {
  await Lifetime.run(main);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
process.exit();
