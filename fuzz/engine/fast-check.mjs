// Runs a target under fast-check: for systems where the addon of jazzer.js does not load. Inputs are random bytes and
// mutations of the corpus; nothing guides them, and no coverage is known.
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { collectFindings } from "./findings.mjs";

const SELF = fileURLToPath(import.meta.url);
/** Milliseconds after which one input counts as a hang. */
const INPUT_TIMEOUT = 10_000;

/** As `runJazzer`. The target runs in a process of its own, and there in a thread that the process watches. */
export function runFastCheck({ root, compiled, name, target, folders, work, seconds, seed, plant }) {
  const findings = join(work, "findings");
  const task = {
    compiled,
    maxLength: target.maxLength,
    isAsync: target.isAsync === true,
    folders,
    findings,
    seconds,
    seed,
  };
  const child = spawn(process.execPath, [SELF, JSON.stringify(task)], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PROOFDNS_FUZZ_ENGINE: "fast-check",
      ...(plant === undefined ? {} : { PROOFDNS_FUZZ_PLANT: plant }),
    },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err = (err + chunk).slice(-20_000);
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000 + 6 * INPUT_TIMEOUT);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      err += String(error);
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      const found = collectFindings(findings, name);
      const report = /^(\{.*\})$/m.exec(out);
      const { executions = 0, took = 0, corpus = 0, message = "" } = report === null ? {} : JSON.parse(report[1]);
      resolve({
        engine: "fast-check",
        executions,
        rate: took > 0 ? Math.round(executions / took) : 0,
        corpus,
        findings: found,
        ran: (report !== null && executions > corpus) || found.length > 0,
        message,
        tail: err,
        status,
        signal,
      });
    });
  });
}

/** The process of one target: starts the thread, and saves the input on which it stays too long. */
function watch(task) {
  mkdirSync(task.findings, { recursive: true });
  // [number of inputs begun, length of the current one], then its bytes.
  const shared = new SharedArrayBuffer(8 + task.maxLength);
  const head = new Int32Array(shared, 0, 2);
  const worker = new Worker(SELF, { workerData: { task, shared } });
  let seen = -1;
  let since = performance.now();
  const timer = setInterval(() => {
    const now = Atomics.load(head, 0);
    if (now !== seen) {
      seen = now;
      since = performance.now();
    } else if (seen > 0 && performance.now() - since > INPUT_TIMEOUT) {
      const input = new Uint8Array(shared, 8, Atomics.load(head, 1)).slice();
      writeFileSync(join(task.findings, `timeout-${seen}`), input);
      process.stdout.write(
        `${JSON.stringify({ executions: seen, took: 0, message: `no end within ${INPUT_TIMEOUT / 1000} s` })}\n`,
      );
      process.exit(77);
    }
  }, 500);
  worker.on("message", (report) => {
    clearInterval(timer);
    if (report.input !== undefined)
      writeFileSync(join(task.findings, `crash-${report.executions}`), report.input.subarray(0, task.maxLength));
    process.stdout.write(`${JSON.stringify({ ...report, input: undefined })}\n`);
    process.exitCode = report.input === undefined ? 0 : 77;
  });
  worker.on("error", (error) => {
    clearInterval(timer);
    process.stderr.write(`${error.stack ?? error}\n`);
    process.exitCode = 1;
  });
}

/** The thread: random inputs until the time is over or one fails. */
async function work({ task, shared }) {
  const { default: fc } = await import("fast-check");
  const { fuzz } = await import(pathToFileURL(task.compiled).href);
  const corpus = task.folders.flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name))));
  const head = new Int32Array(shared, 0, 2);
  const current = new Uint8Array(shared, 8);
  let executions = 0;
  const run = (bytes) => {
    const data = bytes.subarray(0, task.maxLength);
    current.set(data);
    Atomics.store(head, 1, data.length);
    Atomics.store(head, 0, ++executions);
    // A Buffer, as from the other engine: its slice aliases.
    return fuzz(Buffer.from(data));
  };
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let failed;
  try {
    for (const seed of corpus) {
      failed = seed;
      await run(seed);
    }
    failed = undefined;
  } catch (error) {
    parentPort.postMessage({
      executions,
      took: seconds(),
      corpus: corpus.length,
      message: String(error?.stack ?? error),
      input: failed,
    });
    return;
  }
  const inputs = inputsAround(fc, corpus, task.maxLength);
  const property = task.isAsync
    ? fc.asyncProperty(inputs, async (bytes) => void (await run(bytes)))
    : fc.property(inputs, (bytes) => void run(bytes));
  const details = await fc.check(property, {
    seed: task.seed,
    numRuns: 1e9,
    interruptAfterTimeLimit: task.seconds * 1000,
    markInterruptAsFailure: false,
  });
  const { counterexample, errorInstance } = details;
  parentPort.postMessage({
    executions,
    took: seconds(),
    corpus: corpus.length,
    message: details.failed ? String(errorInstance?.stack ?? errorInstance) : "",
    input: details.failed && counterexample !== null ? counterexample[0] : undefined,
  });
}

/** Random bytes, and members of the corpus with some changes. */
function inputsAround(fc, corpus, maxLength) {
  const random = fc.uint8Array({ maxLength: Math.min(maxLength, 300) });
  if (corpus.length === 0) return random;
  const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const byte = fc.nat(255);
  const change = fc.oneof(
    fc.tuple(fc.constant("bit"), position, fc.nat(7)),
    fc.tuple(
      fc.constant("set"),
      position,
      fc.oneof(byte, fc.constantFrom(0, 1, 0x0a, 0x20, 0x2e, 0x30, 0x7f, 0x80, 0xff)),
    ),
    fc.tuple(fc.constant("insert"), position, fc.uint8Array({ minLength: 1, maxLength: 8 })),
    fc.tuple(fc.constant("erase"), position, fc.integer({ min: 1, max: 16 })),
    fc.tuple(fc.constant("repeat"), position, fc.integer({ min: 1, max: 64 })),
    fc.tuple(fc.constant("cut"), position, fc.constant(0)),
    fc.tuple(fc.constant("splice"), position, fc.nat(corpus.length - 1)),
  );
  const near = fc
    .tuple(fc.nat(corpus.length - 1), fc.array(change, { minLength: 1, maxLength: 5 }))
    .map(([i, changes]) =>
      changes.reduce((bytes, [kind, where, what]) => mutate(bytes, kind, where, what, corpus), corpus[i]),
    );
  return fc.oneof({ weight: 1, arbitrary: random }, { weight: 9, arbitrary: near });
}

function mutate(bytes, kind, where, what, corpus) {
  const at = Math.floor(where * bytes.length);
  const join = (...parts) => new Uint8Array(Buffer.concat(parts));
  if (kind === "insert") return join(bytes.subarray(0, at), what, bytes.subarray(at));
  if (kind === "erase") return join(bytes.subarray(0, at), bytes.subarray(at + what));
  if (kind === "repeat") return join(bytes.subarray(0, at + what), bytes.subarray(at));
  if (kind === "cut") return bytes.slice(0, at);
  if (kind === "splice")
    return join(bytes.subarray(0, at), corpus[what].subarray(Math.floor(where * corpus[what].length)));
  const out = Uint8Array.from(bytes);
  if (out.length > 0) out[at] = kind === "bit" ? out[at] ^ (1 << what) : what;
  return out;
}

if (!isMainThread && workerData?.task !== undefined) await work(workerData);
else if (process.argv[1] === SELF) watch(JSON.parse(process.argv[2]));
