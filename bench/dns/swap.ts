// What a new epoch costs those who ask meanwhile: threads answer over an index of 100,000 modules, which is replaced again and
// again, and each answer is timed.
//
//     npm run bench:swap [-- --modules 100000 --seconds 20 --rate 2000 --threads 2]
//
// Prints latencies with and without swaps in one run. Needs dnsperf. Ends with 1 if a query was lost.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { encodePathName } from "../../src/dns/module-name.ts";
import { ThreadPool } from "../../src/dns/threads/pool.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { NOTHING_YET } from "../../src/service/nothing-yet.ts";
import type { ResponderConfig } from "../../src/service/responder-config.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { TreeSlab } from "../../src/vindex/tree-slab.ts";

const { values } = parseArgs({
  options: {
    modules: { type: "string", default: "100000" },
    seconds: { type: "string", default: "20" },
    rate: { type: "string", default: "2000" },
    threads: { type: "string", default: "2" },
  },
});
const [modules, seconds, rate, threads] = [values.modules, values.seconds, values.rate, values.threads].map(Number) as [
  number,
  number,
  number,
  number,
];
/** Milliseconds between two epochs: far more often than any zone has them. */
const EPOCH_TIME = 500;

const paths = Array.from({ length: modules }, (_, i) => `example.com/team${i % 97}/module${i}`);
const value = (i: number, epoch: number): Uint8Array =>
  encodeUtf8(`v=v1.${epoch}.${i} i=${i} h=${"h".repeat(43)} m=${"m".repeat(43)} s=${"s".repeat(43)}`);
const pairs = paths.map((path, i) => ({ indexKey: computeIndexKey(path, nodeSha256), value: value(i, 1) }));
const slab = TreeSlab.empty();
slab.accept(slab.update(pairs));

const folder = mkdtempSync(join(tmpdir(), "proofdns-swap-"));
const questions = join(folder, "questions");
writeFileSync(
  questions,
  paths.map((path) => `${(encodePathName(path) ?? []).join(".")}.p1.l.example.org TXT\n`).join(""),
);

const zone = makeZone({
  apex: "l.example.org",
  nameServers: [{ name: "ns1.l.example.org", addresses: ["127.0.0.1"] }],
  hostmaster: "hostmaster.l.example.org",
});
const config: ResponderConfig = {
  zone,
  keys: undefined,
  cookieSecrets: [],
  rateLimit: undefined,
  nsid: undefined,
  cacheSize: 16_384,
  seed: 1,
  trace: undefined,
};
const pool = await ThreadPool.start({
  threads,
  port: 0,
  responderModule: new URL("../../src/service/responder-config.ts", import.meta.url),
  config,
  log: (what, error) => console.error(what, error),
});

const data = (epoch: number) => ({ ...NOTHING_YET, epoch, headVersion: epoch, head: () => new Uint8Array(100) });
/** Replaces a hundredth of the modules, as an epoch does, and publishes; milliseconds until all threads serve it. */
async function swap(epoch: number): Promise<number> {
  const changes = pairs
    .filter((_, i) => i % 100 === epoch % 100)
    .map(({ indexKey }, i) => ({ indexKey, value: value(i, epoch) }));
  const begun = performance.now();
  const next = slab.update(changes);
  slab.accept(next);
  await pool.publish({ data: data(epoch), tree: next });
  slab.retire(next);
  return performance.now() - begun;
}

interface Timed {
  readonly milliseconds: number[];
  readonly lost: number;
}

/** Asks at the given rate for the given time; latencies as dnsperf saw them. */
async function load(): Promise<Timed> {
  const { address, port } = pool.address;
  const args = `-s ${address} -p ${port} -d ${questions} -l ${seconds} -Q ${rate} -c 8 -T 1 -e -v -t 2`.split(" ");
  // Into a file: a pipe that this thread does not read while it builds an index would hold up dnsperf, and not the server.
  const path = join(folder, "answers");
  const file = openSync(path, "w");
  const child = spawn("dnsperf", args, { stdio: ["ignore", file, "inherit"] });
  await once(child, "close");
  closeSync(file);
  const milliseconds: number[] = [];
  let lost = 0;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const answered = /^> \S+ \S+ \S+ ([0-9.]+)$/.exec(line);
    if (answered !== null) milliseconds.push(Number(answered[1]) * 1000);
    const total = /Queries lost:\s+([0-9]+)/.exec(line);
    if (total !== null) lost = Number(total[1]);
  }
  return { milliseconds: milliseconds.sort((a, b) => a - b), lost };
}

const show = (what: string, { milliseconds, lost }: Timed): void => {
  const at = (part: number): string =>
    (milliseconds[Math.floor(part * (milliseconds.length - 1))] ?? Number.NaN).toFixed(2);
  const late = milliseconds.filter((one) => one > 5).length;
  console.log(
    `| ${what} | ${milliseconds.length} | ${lost} | ${at(0.5)} | ${at(0.99)} | ${at(0.999)} | ${at(1)} | ${late} |`,
  );
};

let lost = 0;
try {
  await swap(1);
  await sleep(500);
  console.log(`${process.version}, ${modules} modules, ${threads} threads, ${rate} queries/s for ${seconds} s each`);
  console.log("\n| | answers | lost | p50 ms | p99 | p99.9 | max | over 5 ms |\n|---|---|---|---|---|---|---|---|");
  const still = await load();
  show("one epoch", still);
  let isOver = false;
  const times: number[] = [];
  const swapping = (async () => {
    for (let epoch = 2; !isOver; epoch++) {
      times.push(await swap(epoch));
      await sleep(EPOCH_TIME);
    }
  })();
  const moving = await load();
  isOver = true;
  await swapping;
  show("epochs replaced", moving);
  times.sort((a, b) => a - b);
  console.log(
    `\n${times.length} epochs; updating the shared tree and swapping it in all threads: median ${times[Math.floor(times.length / 2)]?.toFixed(0)} ms, of the main thread`,
  );
  lost = still.lost + moving.lost;
} finally {
  await pool.close(0);
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = lost > 0 ? 1 : 0;
