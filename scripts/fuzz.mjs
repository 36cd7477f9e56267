// Fuzzes the parsers and verifiers: `npm run fuzz -- [--seconds 60] [--target NAME]… [--jobs N]` (docs/fuzzing.md).
//
//   --prove            every target has to find the bugs that can be planted in it, and no seed may find one by itself
//   --update-baseline  writes the coverage that later runs have to reach to fuzz/coverage.json
//   --input FILE       runs one input through one target, without an engine, and shows what it throws
//   --engine NAME      jazzer (the default where its addon loads) or fast-check
//   --seed N           the engine's seed; another one each time by default
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runFastCheck } from "../fuzz/engine/fast-check.mjs";
import { runJazzer, whyNotJazzer } from "../fuzz/engine/jazzer.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const build = join(root, "build", "fuzz");
const workFolder = join(root, "build", "fuzz-work");
const baselineFile = join(root, "fuzz", "coverage.json");

/** How far below the baseline a run may stay, as a part of it (docs/fuzzing.md says why). */
const TOLERANCE = { seedEdges: 0.02, edges: 0.04, features: 0.15 };

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    target: { type: "string", multiple: true, default: [] },
    jobs: { type: "string", default: String(availableParallelism()) },
    engine: { type: "string" },
    seed: { type: "string" },
    input: { type: "string" },
    prove: { type: "boolean", default: false },
    "update-baseline": { type: "boolean", default: false },
  },
});

function fail(message) {
  console.error(message);
  process.exit(2);
}

function positive(name) {
  const value = Number(values[name]);
  return /^[1-9][0-9]*$/.test(values[name]) ? value : fail(`--${name}: not a whole number above 0: ${values[name]}`);
}

const seconds = positive("seconds");
const jobs = positive("jobs");
const seed = values.seed === undefined ? 1 + Math.floor(Math.random() * (2 ** 31 - 2)) : positive("seed");
if (![undefined, "jazzer", "fast-check"].includes(values.engine))
  fail(`--engine: ${values.engine} is not jazzer or fast-check`);

function compile() {
  for (const part of ["src", "fuzz", "test"]) rmSync(join(build, part), { recursive: true, force: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "fuzz", "tsconfig.json")], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) fail("fuzz: the targets do not compile");
}

async function loadTargets() {
  const all = readdirSync(join(root, "fuzz"))
    .filter((name) => name.endsWith(".fuzz.ts"))
    .map((name) => name.slice(0, -".fuzz.ts".length))
    .sort();
  for (const name of values.target) if (!all.includes(name)) fail(`--target: ${name} is none of ${all.join(", ")}`);
  const chosen = values.target.length === 0 ? all : all.filter((name) => values.target.includes(name));
  return Promise.all(
    chosen.map(async (name) => {
      const compiled = join(build, "fuzz", `${name}.fuzz.js`);
      const { target } = await import(pathToFileURL(compiled).href);
      const folders = ["corpus", "regressions"]
        .map((kind) => join(root, "fuzz", kind, name))
        .filter((f) => existsSync(f));
      return { name, compiled, target, folders };
    }),
  );
}

/** Runs tasks, `jobs` at a time, in order. */
async function inParallel(tasks, run) {
  const results = Array.from({ length: tasks.length });
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const i = next++;
      results[i] = await run(tasks[i]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, worker));
  return results;
}

/** One run of one target, with folders of its own for what it makes. */
function runTarget(task, plant, ownSeed = seed) {
  const work = join(workFolder, plant === undefined ? task.name : `${task.name}+${plant}`);
  rmSync(work, { recursive: true, force: true });
  for (const folder of ["corpus", "findings"]) mkdirSync(join(work, folder), { recursive: true });
  const run = engine === "jazzer" ? runJazzer : runFastCheck;
  return run({ root, ...task, work, seconds, seed: ownSeed, plant });
}

/** Runs inputs through a target in a process of its own: the first that throws, and what was printed; undefined if none does. */
function replay({ compiled }, files, plant) {
  const script = `
    Error.stackTraceLimit = 50;
    const { readFileSync } = await import("node:fs");
    const { fuzz } = await import(${JSON.stringify(pathToFileURL(compiled).href)});
    for (const file of JSON.parse(readFileSync(0, "utf8"))) {
      process.stdout.write(file + "\\n");
      await fuzz(readFileSync(file));
    }`;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--enable-source-maps", "--input-type=module", "-e", script],
    {
      cwd: root,
      encoding: "utf8",
      timeout: 30_000 + 100 * files.length,
      input: JSON.stringify(files),
      maxBuffer: 1 << 26,
      env: { ...process.env, ...(plant === undefined ? {} : { PROOFDNS_FUZZ_PLANT: plant }) },
    },
  );
  if (status === 0) return undefined;
  const file = stdout.trim().split("\n").at(-1) ?? "";
  return { file, stack: signal === null ? stderr : "no end in time" };
}

const count = (n) => (n === undefined ? "–" : n.toLocaleString("en-US"));

function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, i) =>
      i < 2 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    );
    console.log(cells.join("  ").trimEnd());
  }
}

function printFindings(task, result) {
  for (const { kind, file } of result.findings) {
    const shown = relative(root, file);
    const copy = join("fuzz", "regressions", task.name, basename(file));
    console.log(`\n${task.name}: ${kind}, input saved as ${shown} (${readFileSync(file).length} bytes)`);
    console.log(`  repeat: npm run fuzz -- --target ${task.name} --input ${shown}`);
    console.log(`  keep:   cp ${shown} ${copy}`);
    const stack = kind === "crash" ? replay(task, [file])?.stack : undefined;
    console.log((stack ?? result.message).split("\n").slice(0, 30).join("\n").replace(/^/gm, "  | "));
  }
  if (!result.ran) {
    console.log(`\n${task.name}: did not run to its end (${result.signal ?? `exit status ${result.status}`}):`);
    console.log(result.tail.replace(/^/gm, "  | "));
  }
}

/** What a run falls short of; empty if it reaches the baseline. */
function shortfalls(name, result, baseline) {
  if (result.engine !== "jazzer" || result.findings.length > 0) return [];
  const known = baseline.targets[name];
  if (known === undefined) return ["no baseline: run with --update-baseline"];
  const got = { seedEdges: result.seedCoverage.edges, edges: result.edges, features: result.features };
  // A run that is shorter than that of the baseline is held only to what the seeds reach by themselves.
  const what = seconds >= baseline.seconds ? ["seedEdges", "edges", "features"] : ["seedEdges"];
  return what
    .filter((key) => got[key] < known[key] * (1 - TOLERANCE[key]))
    .map((key) => `${key} ${got[key]} of ${known[key]}`);
}

async function fuzzAll(tasks) {
  const baseline = existsSync(baselineFile) ? JSON.parse(readFileSync(baselineFile, "utf8")) : { seconds, targets: {} };
  console.log(`${tasks.length} targets, ${seconds} s each, ${Math.min(jobs, tasks.length)} at a time, seed ${seed}`);
  const results = await inParallel(tasks, async (task) => {
    const result = await runTarget(task);
    console.error(`${task.name}: ${result.findings.length > 0 ? "FOUND" : result.ran ? "done" : "DID NOT RUN"}`);
    return result;
  });
  const rows = [["target", "engine", "executions", "per s", "seed edges", "edges", "features", "corpus", "result"]];
  let isGood = true;
  for (const [i, task] of tasks.entries()) {
    const result = results[i];
    const short = values["update-baseline"] ? [] : shortfalls(task.name, result, baseline);
    const verdict = !result.ran
      ? "DID NOT RUN"
      : result.findings.length > 0
        ? `FOUND ${result.findings.map(({ kind }) => kind).join(", ")}`
        : short.length > 0
          ? `BELOW BASELINE: ${short.join(", ")}`
          : "ok";
    isGood &&= verdict === "ok";
    rows.push([
      task.name,
      result.engine,
      ...[result.executions, result.rate, result.seedCoverage?.edges, result.edges, result.features, result.corpus].map(
        count,
      ),
      verdict,
    ]);
  }
  console.log("");
  printTable(rows);
  for (const [i, task] of tasks.entries()) printFindings(task, results[i]);
  if (values["update-baseline"] && isGood) writeBaseline(tasks, results, baseline);
  return isGood;
}

function writeBaseline(tasks, results, baseline) {
  if (engine !== "jazzer") fail("--update-baseline needs the engine jazzer: the other one knows no coverage");
  const targets = { ...baseline.targets };
  for (const [i, { name }] of tasks.entries()) {
    const { seedCoverage, edges, features } = results[i];
    targets[name] = { seedEdges: seedCoverage.edges, edges, features };
  }
  const known = readdirSync(join(root, "fuzz")).filter((file) => file.endsWith(".fuzz.ts"));
  const sorted = Object.entries(targets)
    .filter(([name]) => known.includes(`${name}.fuzz.ts`))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = sorted.map(
    ([name, figures]) =>
      `    ${JSON.stringify(name)}: ${JSON.stringify(figures).replaceAll(/[:,]/g, "$& ").replace(/^\{/, "{ ").replace(/\}$/, " }")}`,
  );
  writeFileSync(baselineFile, `{\n  "seconds": ${seconds},\n  "targets": {\n${lines.join(",\n")}\n  }\n}\n`);
  console.log(`\nwritten: ${relative(root, baselineFile)}`);
}

/** Each planted bug must be found by the engine, and by no seed. */
async function proveAll(tasks) {
  const all = tasks.flatMap((task) => task.target.plants.map((plant) => ({ task, plant })));
  for (const { name, target } of tasks) if (target.plants.length === 0) console.log(`${name}: no bug can be planted`);
  console.log(`${all.length} planted bugs in ${tasks.length} targets, ${seconds} s each at most, seed ${seed}`);
  const verdicts = await inParallel(all, async ({ task, plant }) => {
    const seeds = task.folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)));
    const known = replay(task, seeds, plant)?.file;
    let result = known === undefined ? await runTarget(task, plant) : undefined;
    // An engine is a matter of luck: one that did not find in the one run has another, with another seed, and the table says so.
    const isSecond = result?.ran === true && result.findings.length === 0;
    if (isSecond) {
      console.error(
        `${task.name} ${plant}: not found in ${count(result.executions)} executions with seed ${seed}; once more`,
      );
      result = await runTarget(task, plant, seed === 1 ? 2 : seed - 1);
    }
    const verdict = known === undefined ? judge(task, plant, result) : `FOUND BY A SEED: ${relative(root, known)}`;
    console.error(`${task.name} ${plant}: ${verdict}`);
    return { verdict, result, isSecond };
  });
  const rows = [["target", "planted bug", "executions", "result"]];
  for (const [i, { task, plant }] of all.entries()) {
    const { verdict, result, isSecond } = verdicts[i];
    rows.push([task.name, plant, count(result?.executions), isSecond ? `${verdict} in a second run` : verdict]);
  }
  console.log("");
  printTable(rows);
  return tasks.every(({ target }) => target.plants.length > 0) && verdicts.every(({ verdict }) => verdict === "found");
}

function judge(task, plant, result) {
  const [finding] = result.findings;
  if (finding === undefined)
    return result.ran ? "NOT FOUND" : `DID NOT RUN (${result.signal ?? result.status})\n${result.tail}`;
  if (replay(task, [finding.file], plant) === undefined) return `NOT REPEATABLE: ${relative(root, finding.file)}`;
  return replay(task, [finding.file]) === undefined ? "found" : `A BUG OF THE SOURCE: ${relative(root, finding.file)}`;
}

compile();
const tasks = await loadTargets();
if (values.input !== undefined) {
  if (tasks.length !== 1) fail("--input needs one --target");
  const file = resolve(values.input);
  const stack = replay(tasks[0], [file], process.env.PROOFDNS_FUZZ_PLANT)?.stack;
  console.log(stack ?? `${tasks[0].name}: ${relative(root, file)} holds`);
  process.exit(stack === undefined ? 0 : 1);
}

const reason = values.engine === "fast-check" ? "asked for" : whyNotJazzer();
const engine = reason === undefined ? "jazzer" : "fast-check";
if (engine === "fast-check") {
  if (values.engine === "jazzer") fail(`the engine jazzer does not load here: ${reason}`);
  console.log(
    `engine: fast-check, not guided by coverage (${values.engine === undefined ? `jazzer does not load here: ${reason}` : reason})`,
  );
}
process.exit((values.prove ? await proveAll(tasks) : await fuzzAll(tasks)) ? 0 : 1);
