// Plants mistakes into copies of src, one each, and demands that the vectors of spec/vectors find every one of them:
// node scripts/mutants.mjs [text in what or file]
import { fork } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutants } from "../test/mutants/list.mjs";

const TIMEOUT = 30_000;
/** Files of vectors, and where a mistake in a file of src is found first: the rest is run only if it is not. */
const FILES = ["map.json", "tree.json", "log.json", "dns.json", "client.json", "audit.json", "proof-file.json"];
const LIKELY = [
  [/^audit|pruned-tree/, "audit.json"],
  [/proof-file|proof-extra/, "proof-file.json"],
  [/^client|policy|cosignature|note|evidence|value/, "client.json"],
  [/payload|varint/, "dns.json"],
  [/path-proof|prefix-tree/, "tree.json"],
  [/tlog|frontier/, "log.json"],
];

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "src");
const folder = join(root, "node_modules", ".cache", `proofdns-mutants-${process.pid}`);

const only = process.argv[2];
const chosen =
  only === undefined ? mutants : mutants.filter(({ what, file }) => what.includes(only) || file.includes(only));

/** A process that runs vectors; it is started again if it had to be killed. */
class Worker {
  #child;

  /** Gives the first vector that finds a mistake in the implementation under `from`. */
  async run(from, file = "") {
    this.#child ??= fork(join(root, "test", "mutants", "worker.ts"), { cwd: root, execArgv: ["--import", "tsx"] });
    const child = this.#child;
    const likely = LIKELY.find(([part]) => part.test(file))?.[1] ?? "map.json";
    child.send({ root: from, files: [...new Set([likely, ...FILES])] });
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), TIMEOUT);
    const events = ["message", "exit"].map((name) => once(child, name, { signal: end.signal }));
    try {
      const [message] = await Promise.race(events);
      if (typeof message === "object" && message !== null) return message.caught;
      this.#child = undefined;
      return "the process ended";
    } catch {
      this.stop();
      return `no end within ${TIMEOUT / 1000} s`;
    } finally {
      clearTimeout(timer);
      end.abort();
      await Promise.allSettled(events);
    }
  }

  stop() {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}

/** Copies what the vectors run. */
function copySource(copy) {
  for (const part of ["audit", "client", "dns", "store", "vindex"]) {
    cpSync(join(source, part), join(copy, part), { recursive: true });
  }
  // Without it the copy would be CommonJS: the search for package.json ends at node_modules.
  writeFileSync(join(copy, "package.json"), '{ "type": "module" }\n');
  return copy;
}

async function runMutant(worker, { file, find, replace }, i) {
  const copy = copySource(join(folder, String(i)));
  const text = readFileSync(join(copy, file), "utf8");
  const count = text.split(find).length - 1;
  if (count !== 1) return { lost: count };
  writeFileSync(
    join(copy, file),
    text.replace(find, () => replace),
  );
  return { caught: await worker.run(copy, file) };
}

const problems = [];
let caught = 0;
function print({ file, what, find }, result) {
  const name = `${file}: ${what}`;
  if (result.lost !== undefined) {
    console.log(`LOST      ${name}: ${JSON.stringify(find)} stands there ${result.lost} times`);
    problems.push(name);
  } else if (result.caught === undefined) {
    console.log(`SURVIVED  ${name}`);
    problems.push(name);
  } else {
    caught++;
    console.log(`caught    ${name}  (${result.caught})`);
  }
}

const queue = [...chosen.entries()];
const results = new Map();
let printed = 0;
async function work(worker) {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [i, mutant] = next;
    results.set(i, await runMutant(worker, mutant, i));
    for (; results.has(printed); printed++) print(chosen[printed], results.get(printed));
  }
  worker.stop();
}

mkdirSync(folder, { recursive: true });
try {
  const workers = Array.from({ length: availableParallelism() }, () => new Worker());
  // A copy, as the mutants are: one that does not run would be found wrong with every mistake, and with none.
  const clean = await workers[0].run(copySource(join(folder, "clean")));
  if (clean !== undefined) {
    console.log(`The source itself is found wrong: ${clean}`);
    problems.push("source");
  }
  await Promise.all(workers.map(work));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${caught} of ${chosen.length} mutants caught`);
process.exitCode = problems.length > 0 ? 1 : 0;
