import { rmSync } from "node:fs";
import { join } from "node:path";
import { costOf, makeCostMap, type TransitionCost } from "../../test/audit/cost.ts";
import { type BenchOptions, formatCount, formatFigure, formatKeys, formatTable, Report } from "../report.ts";
import { median, slope } from "../timing.ts";
import { dependentReadTime, fdatasyncTime, oneShotHashRate } from "../yardsticks.ts";
import { type BuildRun, buildIndex, dataFolder, generateTiles } from "./build.ts";
import { lastLine, runProofdns, runScript, withFolder } from "./processes.ts";
import { startAndAsk, ZONE } from "./serving.ts";

/** Records, and modules among them. */
const SIZES = [
  [1e6, 5e4],
  [1e7, 5e5],
  [5e7, 2.5e6],
] as const;
const SHORT_SIZES = [[2e5, 2e4]] as const;
const MEMORY = "2GiB";
/** A full audit folds all records in one thread: ten million take it minutes. */
const MOST_FOR_FULL_AUDIT = 1e6;
const MIB = 2 ** 20;

/** What an epoch cost, as bench/pipeline/epoch.ts prints it. */
interface EpochCost {
  readonly keys: number;
  readonly changed: number;
  readonly openSeconds: number;
  readonly cpu: number;
  readonly wall: number;
  readonly readCpu: number;
  readonly backgroundCpu: number;
  readonly written: number;
  readonly changedBytes: number;
  readonly fdatasync: number;
}

/**
 * Measures what `proofdns` does in whole processes: builds, restarts, snapshots, epochs; and audits. Needs dist and tens of GB
 * of disk for the largest size (`PROOFDNS_BENCH_FOLDER`, or the folder for temporary files). True if no goal is missed.
 */
export async function benchPipeline(options: BenchOptions): Promise<boolean> {
  const report = new Report("pipeline", options);
  const { short: isShort } = options;
  const yardsticks = {
    oneShotHashes: oneShotHashRate(),
    dependentReadNanoseconds: dependentReadTime(2 ** 29),
    fdatasyncMilliseconds: fdatasyncTime(128 * 1024),
  };
  report.keep("yardsticks", yardsticks);
  report.say(
    `yardsticks: one-shot hash ${formatFigure(yardsticks.oneShotHashes / 1e6)} M/s, dependent read ` +
      `${formatFigure(yardsticks.dependentReadNanoseconds)} ns, fdatasync of 128 KiB ${formatFigure(yardsticks.fdatasyncMilliseconds)} ms`,
  );
  const most = Number(process.env["PROOFDNS_BENCH_RECORDS"] ?? Number.POSITIVE_INFINITY);
  const sizes = isShort ? SHORT_SIZES : SIZES.filter(([records]) => records <= most);
  const runs: BuildRun[] = [];
  const epochs: EpochCost[] = [];
  const restarts: { keys: number; seconds: number }[] = [];
  const snapshots: Record<string, unknown>[] = [];
  const fullAudits: FullAudit[] = [];
  for (const [records, modules] of sizes) {
    await withFolder(async (folder) => {
      const tiles = join(folder, "tiles");
      const key = await generateTiles(tiles, records, modules);
      report.say(`generated ${formatCount(records)} records of ${formatCount(modules)} modules`);
      // The largest is built by all workers only; small ones by fewer, too.
      const workerCounts = isShort ? [1, 2] : records > 1e7 ? [4] : [1, 2, 4];
      for (const workers of workerCounts) {
        const run = await buildIndex(tiles, key, dataFolder(folder, workers), workers, MEMORY);
        runs.push(run);
        report.say(`built with ${workers} workers: ${formatCount(run.recordsPerSecond)} records/s`);
        if (workers !== workerCounts.at(-1)) rmSync(dataFolder(folder, workers), { recursive: true });
      }
      const data = dataFolder(folder, workerCounts.at(-1) as number);
      const keys = runs.at(-1)?.keys as number;
      // The first start signs the epoch and writes what a start is quicker with.
      const { logKey } = await startAndAsk(data, key, async (server, log) => {
        if (records <= MOST_FOR_FULL_AUDIT) fullAudits.push(await auditFully(tiles, key, server, log, keys));
      });
      rmSync(tiles, { recursive: true });
      const seconds: number[] = [];
      for (let i = 0; i < (isShort ? 1 : 5); i++) seconds.push((await startAndAsk(data, key)).seconds);
      restarts.push({ keys, seconds: median(seconds) });
      snapshots.push(await measureSnapshot(folder, data, logKey, key, keys));
      const { out } = await runScript("pipeline/epoch.ts", [data, key, isShort ? "200" : "2000", isShort ? "3" : "5"]);
      epochs.push(lastLine(out) as unknown as EpochCost);
    });
  }
  report.keep("builds", runs);
  report.keep("restarts", restarts);
  report.keep("snapshots", snapshots);
  report.keep("epochs", epochs);
  report.table("Build from tiles on disk", buildTable(runs));
  report.table("Epoch: from verified records to the served snapshot", epochTable(epochs));
  report.table(
    "Restart, to the first answer",
    formatTable(
      ["keys", "wall s"],
      restarts.map(({ keys, seconds }) => [formatCount(keys), formatFigure(seconds)]),
    ),
  );
  report.table(
    "Snapshot",
    formatTable(
      ["keys", "save s", "load s"],
      snapshots.map(({ keys, saveSeconds, loadSeconds }) =>
        [keys, saveSeconds, loadSeconds].map((n) => formatFigure(Number(n))),
      ),
    ),
  );
  report.keep("fullAudits", fullAudits);
  report.table(
    "Full audit of the one epoch, from tiles on disk",
    formatTable(
      ["records", "keys", "wall s", "k records/s", "MB read"],
      fullAudits.map(({ records, keys, seconds, bytes }) => [
        formatCount(records),
        formatCount(keys),
        formatFigure(seconds),
        formatFigure(records / seconds / 1000),
        formatFigure(bytes / 1e6),
      ]),
    ),
  );
  const audits = measureAudits(isShort);
  report.keep("audits", audits);
  report.table("Stateless audit of an epoch", auditTable(audits));
  tellAuditSlopes(report, audits);
  judgeGoals(report, runs, epochs, restarts);
  report.finish();
  return report.isReached;
}

/** What `proofdns audit` said of all records of a log. */
interface FullAudit {
  readonly keys: number;
  readonly records: number;
  readonly seconds: number;
  readonly bytes: number;
}

/** @throws Error unless the audit finds everything right */
async function auditFully(
  tiles: string,
  sumdbKey: string,
  server: string,
  logKey: string,
  keys: number,
): Promise<FullAudit> {
  const args = ["--tiles", tiles, "--vkey", sumdbKey, "--server", server, "--zone", ZONE, "--log-key", logKey];
  const { out } = await runProofdns(["audit", ...args]);
  const { result, records, seconds, bytes } = lastLine(out) as unknown as FullAudit & { result: string };
  if (result !== "right") throw new Error(`the audit says ${result}`);
  return { keys, records, seconds, bytes };
}

async function measureSnapshot(
  folder: string,
  data: string,
  logKey: string,
  sumdbKey: string,
  keys: number,
): Promise<Record<string, unknown>> {
  const snapshot = join(folder, "snapshot");
  const loaded = join(folder, "loaded");
  const save = await runProofdns(["snapshot", "save", snapshot, "--data", data]);
  const load = await runProofdns([
    ...["snapshot", "load", snapshot, "--data", loaded, "--log-key", logKey, "--sumdb-key", sumdbKey],
  ]);
  rmSync(snapshot, { recursive: true });
  rmSync(loaded, { recursive: true });
  return {
    keys,
    saveSeconds: save.seconds,
    loadSeconds: load.seconds,
    saved: lastLine(save.out),
    loaded: lastLine(load.out),
  };
}

/** The transition of an epoch of a fixed number of changed modules, over maps of growing size. */
function measureAudits(isShort: boolean): TransitionCost[] {
  const sizes = isShort ? [1_000, 10_000] : [1e4, 3e4, 1e5, 3e5, 1e6, 2.5e6];
  return sizes.flatMap((modules) => {
    const map = makeCostMap(modules);
    return [20, 200, 2_000].filter((changed) => changed <= modules / 5).map((changed) => costOf(map, changed));
  });
}

function buildTable(runs: readonly BuildRun[]): string {
  return formatTable(
    ["records", "modules", "workers", "k records/s", "total s", "scan", "fold", "merge", "commit", "peak MiB", "of"],
    runs.map(({ records, modules, workers, recordsPerSecond, seconds, peakResidentMemory, memory }) => [
      formatCount(records),
      formatCount(modules),
      String(workers),
      formatFigure(recordsPerSecond / 1000),
      formatFigure(seconds["total"] ?? Number.NaN),
      ...["scan", "fold", "merge", "commit"].map((stage) => formatFigure(seconds[stage] ?? Number.NaN)),
      formatCount(peakResidentMemory / MIB),
      memory,
    ]),
  );
}

function epochTable(epochs: readonly EpochCost[]): string {
  return formatTable(
    [
      "keys",
      "changed",
      "CPU ms",
      "of it folding",
      "wall ms",
      "fdatasync ms",
      "background CPU ms",
      "kB written",
      "kB changed",
      "amplification",
    ],
    epochs.map((e) => [
      formatCount(e.keys),
      formatCount(e.changed),
      ...[e.cpu, e.readCpu, e.wall, e.fdatasync, e.backgroundCpu].map(formatFigure),
      formatFigure(e.written / 1000),
      formatFigure(e.changedBytes / 1000),
      formatFigure(e.written / e.changedBytes),
    ]),
  );
}

function auditTable(audits: readonly TransitionCost[]): string {
  return formatTable(
    ["modules", "changed", "kB", "bytes a change", "hashes a change", "verify ms", "µs a change"],
    audits.map(({ modules, changed, bytes, hashes, verifyMs }) => [
      formatKeys(modules),
      formatCount(changed),
      formatFigure(bytes / 1000),
      formatCount(bytes / changed),
      formatFigure(hashes / changed),
      formatFigure(verifyMs),
      formatFigure((1000 * verifyMs) / changed),
    ]),
  );
}

function tellAuditSlopes(report: Report, audits: readonly TransitionCost[]): void {
  const of = audits.filter(({ changed }) => changed === 200);
  if (of.length < 2) return;
  const bytes = slope(of.map((audit) => [audit.modules, audit.bytes]));
  const time = slope(of.map((audit) => [audit.modules, audit.verifyMs]));
  report.keep("auditSlopes", { bytes, time });
  report.note(
    `exponents of growth with the number of modules, 200 changed: bytes ${bytes.toFixed(2)}, time ${time.toFixed(2)} ` +
      "(1 would be linear; a logarithm is near 0)",
  );
}

function judgeGoals(
  report: Report,
  runs: readonly BuildRun[],
  epochs: readonly EpochCost[],
  restarts: readonly { keys: number; seconds: number }[],
): void {
  const run = (records: number, workers: number): BuildRun | undefined =>
    runs.find((one) => one.records === records && one.workers === workers);
  const [four, one, large] = [run(1e7, 4), run(1e7, 1), run(5e7, 4)];
  const epoch = epochs.find(({ keys }) => keys >= 2.5e6);
  const restart = restarts.find(({ keys }) => keys >= 2.5e6);
  const total = (of: BuildRun | undefined): number | undefined => of?.seconds["total"];
  const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a / b;
  const why = "needs a larger size: without --short";
  report.say("");
  report.goal({
    what: "build of 10 M records, 4 workers",
    value: ratio(four?.recordsPerSecond, 1e6),
    limit: 1.2,
    bound: "least",
    unit: "M records/s",
    why,
  });
  report.goal({
    what: "the same, beside 1 worker",
    value: ratio(four?.recordsPerSecond, one?.recordsPerSecond),
    limit: 2.5,
    bound: "least",
    unit: "times the rate",
    why,
  });
  const memory = Math.max(...runs.map(({ peakResidentMemory }) => peakResidentMemory / MIB));
  report.goal({
    what: `peak resident memory of all builds (--memory ${MEMORY})`,
    value: memory,
    limit: 2048,
    bound: "most",
    unit: "MiB",
  });
  report.goal({
    what: "50 M records beside five times 10 M",
    value: ratio(ratio(total(large), total(four)), 5),
    limit: 1.2,
    bound: "most",
    unit: "times the time",
    why,
  });
  report.goal({
    what: "epoch of 2,000 changed modules at 2.5 M",
    value: epoch?.cpu,
    limit: 100,
    bound: "most",
    unit: "ms of CPU",
    why,
  });
  report.goal({
    what: "restart at 2.5 M keys, to the first answer",
    value: restart?.seconds,
    limit: 4,
    bound: "most",
    unit: "s",
    why,
  });
}
