// Runs `proofdns serve` for a while under mixed load, honest and hostile, while its epochs change, and judges what it did.
//
//     npm run test:soak -- --minutes 30 --rate 20000 [--threads 2] [--json] [-- further arguments of serve]
//
// See docs/dns-performance.md. Ends with 1 if a goal is missed. Linux only: the load comes from many addresses of 127.0.0.0/8.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Lifetime } from "../../bench/dns/lifetime.ts";
import { describeMachine, formatMachine, loadAverage } from "../../bench/dns/machine.ts";
import { readRecords } from "../../bench/dns/names.ts";
import { cpuTime, cpuWait, residentBytes, udpSockets } from "../../bench/dns/proc.ts";
import { Client } from "../../src/client/client.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { parseName } from "../../src/dns/name.ts";
import { amplifications, judge, memoryFloorGrowth, memoryGrowth } from "./goals.ts";
import { Latencies } from "./latencies.ts";
import { Loads } from "./loads.ts";
import type { LoadOrder } from "./order.ts";
import { printResult } from "./print.ts";
import { makeQuestions } from "./questions.ts";
import { type Soaked, startSoaked, ZONE } from "./server.ts";
import type { Point } from "./trend.ts";
import { Verifier } from "./verifier.ts";
import { VICTIMS } from "./victims.ts";
import { fetchZoneKeys } from "./zone-keys.ts";

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    rate: { type: "string", default: "20000" },
    threads: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
    server: { type: "string", default: fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)) },
  },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
const rate = Number(values.rate);
if (!(minutes > 0) || !(rate > 0)) throw new RangeError("--minutes and --rate are numbers above 0");

/** Seconds between two growths of the checksum database, each an epoch, and records of each. */
const EPOCH_TIME = 5;
const RECORDS_PER_EPOCH = 1;
/** Seconds between two looks at the memory, and between two lines of progress. */
const MEMORY_TIME = 10;
const PROGRESS_TIME = 30;
/** Answers that are verified each second. */
const SAMPLES = 300;
/** Shares of the rate, and of the good answers among all. */
const SHARES = { clients: 0.35, victims: 0.5, noise: 0.15 } as const;
const STOP_TIMEOUT = 15_000;

async function main(lifetime: Lifetime): Promise<boolean> {
  const machine = describeMachine();
  const loadBefore = loadAverage();
  const records = await readRecords();
  const epochsWanted = Math.ceil((60 * minutes) / EPOCH_TIME) + 2;
  const size = records.texts.length - Math.min(epochsWanted * RECORDS_PER_EPOCH, Math.floor(records.texts.length / 2));
  let verifier: Verifier | undefined;
  const server = await startSoaked(lifetime, {
    main: values.server,
    records: records.texts,
    size,
    args: positionals,
    threads: Number(values.threads),
    onEpoch: ({ epoch }) => verifier?.epochServed(epoch),
  });
  const apex = parseName(ZONE);
  const keys = await fetchZoneKeys(apex, server.port, server.ds);
  const questions = await makeQuestions(ZONE, records.texts.slice(0, size), server.port);
  verifier = new Verifier(server.trust, questions, { host: "127.0.0.1", port: server.port }, keys);
  for (const { epoch } of server.epochs) verifier.epochServed(epoch);
  console.log(formatMachine(machine));
  console.log(
    `${size} of ${records.texts.length} ${records.source} records, ${questions.length} questions, ${keys.length} zone keys`,
  );

  const latencies = new Latencies();
  const judging = verifier;
  const loads = new Loads(lifetime, ({ samples, slots }) => {
    latencies.add(slots);
    for (const sample of samples) void judging.verify(sample);
  });
  const failed = new Promise<never>((_, reject) => {
    const shared = {
      port: server.port,
      apex,
      questions,
      sampleEvery: Math.max(1, Math.floor((SHARES.clients * rate) / SAMPLES)),
    };
    for (const [i, role] of (["clients", "victims", "noise"] as const).entries()) {
      loads.start({ ...shared, role, rate: SHARES[role] * rate, seed: i + 1 } satisfies LoadOrder, reject);
    }
    void server.child.ended.then(({ code, signal }) => {
      reject(new Error(`the server ended with ${signal ?? code}:\n${server.child.stderr}`));
    });
  });
  failed.catch(() => {});
  await Promise.race([loads.running(), failed]);

  const sentBefore = loads.counts().get("sent") ?? 0;
  const began = Date.now();
  const firstEpoch = server.epochs.length;
  const cpuBefore = cpuTime(server.pids);
  const waitBefore = cpuWait(server.pids);
  const dropsBefore = drops(server.port);
  const memory: Point[] = [];
  const series: Record<string, number>[] = [];
  const seconds = (): number => (Date.now() - began) / 1000;
  const every = (time: number, task: () => void): void => {
    const timer = setInterval(task, 1000 * time);
    lifetime.defer(() => clearInterval(timer));
  };
  every(EPOCH_TIME, () => server.grow(RECORDS_PER_EPOCH));
  every(MEMORY_TIME, () => memory.push({ time: seconds(), value: residentBytes(server.child.pid) }));
  let last = { at: began, sent: sentBefore, cpu: cpuBefore, wait: waitBefore };
  every(PROGRESS_TIME, () => {
    const counts = loads.counts();
    const now = Date.now();
    const sent = counts.get("sent") ?? 0;
    const [cpu, wait] = [cpuTime(server.pids), cpuWait(server.pids)];
    const { p50, p99 } = latencies.percentiles((at) => 100 * at >= last.at);
    const line = {
      second: Math.round(seconds()),
      queries: Math.round((1000 * (sent - last.sent)) / (now - last.at)),
      cores: round((cpu - last.cpu) / 1000 / (now - last.at), 2),
      waitedCores: round((wait - last.wait) / 1000 / (now - last.at), 2),
      residentMiB: round(residentBytes(server.child.pid) / 2 ** 20, 1),
      epoch: server.epochs.at(-1)?.epoch ?? 0,
      p50,
      p99,
      unlimitedAnswered: counts.get("unlimited answered") ?? 0,
      unlimitedLost: counts.get("unlimited lost") ?? 0,
      tcpAnswered: counts.get("tcp answered") ?? 0,
      verified: judging.verified,
      wrong: judging.wrong + (counts.get("wrong") ?? 0),
      amplification: round(amplifications(counts).all, 2),
    };
    last = { at: now, sent, cpu, wait };
    series.push(line);
    console.log(
      Object.entries(line)
        .map(([what, value]) => `${what} ${value}`)
        .join(", "),
    );
  });

  let timer: NodeJS.Timeout | undefined;
  const time = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 60_000 * minutes);
  });
  await Promise.race([time, failed]).finally(() => clearTimeout(timer));

  const duration = seconds();
  const counts = loads.counts();
  const cpuSeconds = (cpuTime(server.pids) - cpuBefore) / 1e6;
  const waitSeconds = (cpuWait(server.pids) - waitBefore) / 1e6;
  const lostByKernel = subtract(drops(server.port), dropsBefore);
  const epochs = server.epochs.length - firstEpoch;
  const monitor = await look(server);
  // The floods go on meanwhile: a server is not stopped in peace.
  const stopBegan = Date.now();
  const { code, signal } = await server.child.stop(STOP_TIMEOUT);
  const stopSeconds = (Date.now() - stopBegan) / 1000;
  await loads.stop();

  const sent = (counts.get("sent") ?? 0) - sentBefore;
  const goals = judge({
    minutes,
    rate,
    madeRate: sent / duration,
    victimRate: (SHARES.victims * rate) / VICTIMS,
    counts,
    verified: judging.verified,
    wrong: judging.wrong,
    epochs,
    waitedCores: waitSeconds / duration,
    epochTime: EPOCH_TIME,
    memory,
    isReady: monitor.isReady,
    ended: String(signal ?? code),
  });
  const amplification = amplifications(counts);
  const around = latencies.aroundSwaps(server.epochs);
  const result = {
    machine,
    loadAverage: { before: loadBefore, after: loadAverage() },
    minutes,
    rate,
    threads: Number(values.threads),
    records: records.source,
    isSigned: keys.length > 0,
    madeRate: Math.round(sent / duration),
    cores: round(cpuSeconds / duration, 2),
    waitedCores: round(waitSeconds / duration, 2),
    cpuMicrosecondsPerQuery: round((1e6 * cpuSeconds) / sent, 1),
    epochs,
    verified: judging.verified,
    verifiedSignatures: judging.signatures,
    verifiedEpochs: judging.epochs.size,
    latency: { all: latencies.percentiles(() => true), ...around },
    stalls: latencies.stalls(began),
    epochSeconds: server.epochs.map(({ at }) => round((at - began) / 1000, 1)),
    amplification,
    memoryMiB: memory.map(({ time, value }) => [Math.round(time), round(value / 2 ** 20, 1)]),
    memoryGrowth: round(memoryGrowth(memory), 4),
    memoryFloorGrowth: round(memoryFloorGrowth(memory), 4),
    lostByKernel,
    stopSeconds: round(stopSeconds, 2),
    counts: Object.fromEntries([...counts].filter(([what]) => !/^victim [0-9]/.test(what)).sort()),
    series,
    metrics: monitor.metrics,
    faults: [...loads.faults(), ...judging.faults],
    goals,
  };
  printResult(result);
  if (values.json) console.log(JSON.stringify(result));
  return goals.every(({ verdict }) => verdict !== "MISS");
}

/** Datagrams that did not fit the receive buffers: the server's, and those of the clients that want answers. */
function drops(port: number): { server: number; clients: number } {
  let [server, clients] = [0, 0];
  for (const socket of udpSockets()) {
    if (socket.port === port && socket.address === "127.0.0.1") server += socket.dropped;
    if (/^127\.(?:2[01]\.|10\.[0-9]+\.200$)/.test(socket.address)) clients += socket.dropped;
  }
  return { server, clients };
}

function subtract(a: ReturnType<typeof drops>, b: ReturnType<typeof drops>): ReturnType<typeof drops> {
  return { server: a.server - b.server, clients: a.clients - b.clients };
}

/** Whether the server says that it is ready, and a client from outside gets a proven answer; and its metrics. */
async function look(server: Soaked): Promise<{ isReady: boolean; metrics: string[] }> {
  const transport = new DnsTransport({ server: { host: "127.0.0.1", port: server.port } });
  let isReady = false;
  try {
    await new Client({ trust: server.trust, transport }).lookup({ kind: "toolchain" });
    isReady = true;
  } catch (error) {
    console.error(error);
  }
  if (server.monitor === undefined) return { isReady, metrics: [] };
  const fetchText = async (path: string): Promise<{ isOk: boolean; text: string }> => {
    const response = await fetch(`http://${server.monitor}${path}`, { signal: AbortSignal.timeout(5_000) });
    return { isOk: response.ok, text: await response.text() };
  };
  try {
    const [ready, metrics] = [await fetchText("/readyz"), await fetchText("/metrics")];
    const lines = metrics.text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return { isReady: isReady && ready.isOk, metrics: lines };
  } catch (error) {
    console.error(error);
    return { isReady: false, metrics: [] };
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

try {
  process.exitCode = (await Lifetime.run(main)) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 2;
}
// Sockets of a verification on its way would keep the process for seconds.
process.exit();
