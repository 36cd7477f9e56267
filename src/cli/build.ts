import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { type BuildStage, buildIndex, refuseIndex, WORK_FOLDER } from "../build/build.ts";
import { parseMemory } from "../build/resources.ts";
import { type BuildSource, type OnRecords, openTiles, takeRecordsFile, takeSumdb } from "../build/sources.ts";
import { claimWork, describeRecordsFile, ownTiles } from "../build/work-source.ts";
import { SUM_GOLANG_ORG } from "../client/verify/trust.ts";
import { HttpSumdbSource } from "../sumdb/http-source.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatVerifierKey, KEY_TYPE_ED25519, type VerifierKey } from "../vindex/note.ts";
import { explainSumdb, parseKeyArgument, parseSumdbArgument } from "./key-argument.ts";
import { readOrMakeSignerKey, readSignerKey } from "./key-file.ts";

interface BuildOptions {
  readonly data: string;
  readonly records?: string;
  readonly tiles?: string;
  readonly sumdb?: string;
  readonly vkey?: string;
  readonly sumdbKey?: string;
  readonly workers?: string;
  readonly memory: string;
}

/** Name of a key that is made for a records file, and of its file in the data directory. */
const SUMDB_NAME = "sumdb.localhost";
const SUMDB_KEY_FILE = "sumdb.key";
const MAX_WORKERS = 64;
/** Milliseconds between two lines of progress. */
const PACE = 2000;

/** Makes the command `proofdns build`: the index of a whole checksum database, from scratch. */
export function makeBuildCommand(): Command {
  return new Command("build")
    .description("build the index of a whole checksum database; serve --data DIR goes on from there")
    .requiredOption("--data <dir>", "directory of the index; a build that was killed goes on where it stopped")
    .option(
      "--tiles <dir>",
      "a checksum database on disk: latest and tile/8/data/…; hash tiles are not needed, but name a wrong data tile",
    )
    .option("--vkey <vkey>", "key that signed the latest of --tiles (default: that of sum.golang.org)")
    .option("--records <file>", "records in log order: module, version, h1zip, h1mod, tab-separated; may be gzipped")
    .option(
      "--sumdb-key <file>",
      `key that signs the log of --records; made if missing (default: DIR/${SUMDB_KEY_FILE})`,
    )
    .option("--sumdb <vkey url>", "key and URL of a checksum database; its tiles are fetched first")
    .option("--workers <n>", "worker threads (default: one for each core, at most 8)")
    .option("--memory <size>", "memory that the process may have resident, like 512MiB", "2GiB")
    .action(async (options: BuildOptions) => build(options));
}

async function build(options: BuildOptions): Promise<void> {
  const memory = parseMemory(options.memory);
  const workers = parseWorkers(options.workers);
  const started = performance.now();
  const progress = new ProgressLines();
  const { source, key } = await openSource(options, progress.onRecords);
  const report = await buildIndex({
    folder: options.data,
    ...source,
    sumdbKey: key,
    workers,
    memory,
    now: Math.floor(Date.now() / 1000),
    onProgress: progress.onProgress,
  });
  const { records, modules, keys, malformed, seconds, mapRoot } = report;
  const total = (performance.now() - started) / 1000;
  console.log(
    JSON.stringify({
      records,
      modules,
      keys,
      malformed,
      workers,
      seconds: { ...seconds, total: Math.round(total * 1000) / 1000 },
      recordsPerSecond: Math.round(records / total),
      // In bytes, of the whole process with its threads.
      peakResidentMemory: process.resourceUsage().maxRSS * 1024,
      mapRoot,
      sumdbKey: formatVerifierKey(key),
    }),
  );
}

async function openSource(
  options: BuildOptions,
  onRecords: OnRecords,
): Promise<{ source: BuildSource; key: VerifierKey }> {
  const { records, tiles, sumdb, vkey, sumdbKey, data } = options;
  const work = join(data, WORK_FOLDER);
  const given = [records, tiles, sumdb].filter((source) => source !== undefined).length;
  if (given !== 1) throw usage('give one of --tiles DIR, --records FILE and --sumdb "VKEY URL"');
  if (vkey !== undefined && tiles === undefined) throw usage("--vkey is the key of --tiles");
  if (sumdbKey !== undefined && records === undefined) throw usage("--sumdb-key is the key of --records");
  if (tiles !== undefined) {
    const key = parseKeyArgument(vkey ?? SUM_GOLANG_ORG, "--vkey", "checksum database");
    const source = openTiles(tiles, key);
    await refuseIndex(data, key);
    await makeFolder(work);
    claimWork(work, { kind: "tiles", path: tiles, key: formatVerifierKey(key) });
    return { source, key };
  }
  const folder = ownTiles(work);
  if (sumdb !== undefined) {
    const named = parseSumdbArgument(sumdb);
    const { key, url } = named;
    // A build is of one source for good: none is guessed.
    if (!named.isUrlGiven) throw usage(`--sumdb has a key and no URL: expected both, as in --sumdb "VKEY ${url}"`);
    const source = new HttpSumdbSource(url);
    await refuseIndex(data, key);
    await makeFolder(work);
    claimWork(work, { kind: "sumdb", url, key: formatVerifierKey(key) });
    await makeFolder(folder);
    const taken = await takeSumdb(source, folder, key, onRecords).catch((error: unknown) => {
      throw explainSumdb(error, named);
    });
    return { source: taken, key };
  }
  await makeFolder(data);
  const path = sumdbKey ?? join(data, SUMDB_KEY_FILE);
  const warn = (message: string): void => console.error(message);
  const signer =
    (await readSignerKey(path, warn)) ?? (await readOrMakeSignerKey(path, SUMDB_NAME, KEY_TYPE_ED25519, warn));
  await refuseIndex(data, signer.verifierKey);
  const file = records as string;
  const source = await describeRecordsFile(file, formatVerifierKey(signer.verifierKey));
  await makeFolder(work);
  claimWork(work, source);
  return { source: await takeRecordsFile(file, folder, signer, onRecords), key: signer.verifierKey };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ProofdnsError("STORE_UNUSABLE", `cannot make the directory ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function parseWorkers(text: string | undefined): number {
  if (text === undefined) return Math.min(8, availableParallelism());
  const workers = parseDecimal(text);
  if (workers !== undefined && workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw usage(`--workers ${text}: give a number from 1 to ${MAX_WORKERS}`);
}

function usage(why: string): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", why);
}

/** Shares of a whole build, for the time that is left. Measured. */
const SHARES: Readonly<Record<BuildStage, number>> = { scan: 0.6, fold: 0.36, families: 0.01, merge: 0.03, commit: 0 };
const UNITS: Readonly<Record<BuildStage, string>> = {
  scan: "records",
  fold: "partitions",
  families: "partitions",
  merge: "partitions",
  commit: "files",
};

/** Says on stderr now and then how far the build is, how fast, and how long it will take. */
class ProgressLines {
  #shown = performance.now();
  #stage: BuildStage | undefined;
  #stageStarted = 0;
  #started = 0;
  /** Share of the build that earlier runs had done. */
  #skipped = 0;

  readonly onRecords: OnRecords = (done, all) => {
    if (!this.#isTime()) return;
    console.error(`taking over: ${all === undefined ? done : `${done} of ${all}`} records`);
  };

  readonly onProgress = (stage: BuildStage, done: number, all: number, before: number): void => {
    const now = performance.now();
    if (this.#stage === undefined) this.#started = now;
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#stageStarted = now;
      this.#skipped += (SHARES[stage] * before) / Math.max(1, all);
    }
    if (!this.#isTime() && done < all) return;
    let share = (SHARES[stage] * done) / Math.max(1, all);
    for (const earlier of Object.keys(SHARES) as BuildStage[]) {
      if (earlier === stage) break;
      share += SHARES[earlier];
    }
    // Of what took no time there is no rate.
    const seconds = (now - this.#stageStarted) / 1000;
    const rate = seconds < 1 ? "" : `, ${Math.round((done - before) / seconds)} a second`;
    const work = share - this.#skipped;
    const left = work > 0 ? ((now - this.#started) / 1000) * ((1 - share) / work) : 0;
    console.error(
      `${stage}: ${done} of ${all} ${UNITS[stage]}${rate}${seconds < 1 ? "" : `, about ${Math.round(left)} s left`}`,
    );
  };

  #isTime(): boolean {
    if (performance.now() - this.#shown < PACE) return false;
    this.#shown = performance.now();
    return true;
  }
}
