// Kills a build with SIGKILL at 50 distinct steps, resumes it each time, and checks that what comes out has the same map root and the
// same bytes in every file as a build that nobody disturbed.
//
//     node --import tsx test/crash/build.ts [--long]
//
// --long kills at every step there is.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateSumdb } from "../../bench/generate/generate.ts";
import { isHalfBuilt } from "../../src/build/build.ts";
import { Builder } from "../../src/store/builder.ts";
import { Store } from "../../src/store/store.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { parseVerifierKey } from "../../src/vindex/note.ts";
import type { BuildOrder } from "./build-child.ts";

const KILLS = 50;
/** Builds that are killed side by side, each at other steps. */
const CHAINS = 4;
const RECORDS = 2 * 65_536 + 1000;
const isLong = process.argv.includes("--long");

interface Life {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

function live(order: BuildOrder): Promise<Life> {
  const script = fileURLToPath(new URL("./build-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ signal, code, output, errors })));
}

const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Digests of all large files of an index. */
function digestFiles(folder: string): string {
  const files = join(folder, "files");
  return JSON.stringify(
    readdirSync(files)
      .sort()
      .map((name) => [name, digest(join(files, name))]),
  );
}

const started = performance.now();
const world = mkdtempSync(join(tmpdir(), "proofdns-crash-build-"));
const violations: string[] = [];
function check(holds: boolean, what: string): void {
  if (holds) return;
  violations.push(what);
  console.error(`VIOLATION: ${what}`);
}

try {
  const tiles = join(world, "tiles");
  await generateSumdb({ out: tiles, records: RECORDS, modules: 20_000, seed: 7, workers: 2 });
  const base = { tiles, workers: 2, partitionBits: 4 };
  const first = join(world, "first");
  const undisturbed = await live({ ...base, folder: first, killAt: undefined });
  if (undisturbed.code !== 0) throw new Error(undisturbed.errors);
  const { mapRoot, steps } = JSON.parse(undisturbed.output) as { mapRoot: string; steps: string[] };
  const expected = digestFiles(first);
  const names = [...new Set(steps)].filter((name) => !name.endsWith("commit is done"));
  const count = isLong ? names.length : Math.min(KILLS, names.length);
  const points = Array.from({ length: count }, (_, i) => names[Math.floor((i * names.length) / count)] as string);
  let kills = 0;
  const chain = async (number: number): Promise<void> => {
    const folder = join(world, `chain-${number}`);
    for (const killAt of points.filter((_, i) => i % CHAINS === number)) {
      const life = await live({ ...base, folder, killAt });
      // Two threads do not finish in the same order every time: what was done before the kill is passed over by the next life.
      if (life.code === 0) {
        check(JSON.parse(life.output).mapRoot === mapRoot, `${killAt}: another map root`);
        check(digestFiles(folder) === expected, `${killAt}: other bytes`);
        rmSync(folder, { recursive: true, force: true });
        const again = await live({ ...base, folder, killAt });
        check(again.signal === "SIGKILL", `${killAt}: never came: ${again.errors}`);
      } else check(life.signal === "SIGKILL", `${killAt}: ${life.errors}`);
      check(await isHalfBuilt(folder), `${killAt}: what is left does not look like a build under way`);
      kills++;
    }
    const end = await live({ ...base, folder, killAt: undefined });
    // A kill after the commit leaves a whole index, which is not built again.
    const isWhole = end.code === 0 || end.errors.includes("the build before was complete");
    check(isWhole, `chain ${number} does not end: ${end.errors}`);
    check(digestFiles(folder) === expected, `chain ${number}: other bytes`);
    check(readdirSync(folder).sort().join() === "files,store", `chain ${number}: something is left over`);
    const sumdbKey = parseVerifierKey(readFileSync(join(tiles, "key"), "utf8").trim());
    const store = await Store.open(folder, { sumdbKey: readFileSync(join(tiles, "key"), "utf8").trim() });
    const builder = await Builder.open({ store, sumdbKey });
    check(formatHex(builder.state.tree.rootHash()) === mapRoot, `chain ${number}: another map root`);
    await builder.close();
    await store.close();
  };
  await Promise.all(Array.from({ length: CHAINS }, (_, number) => chain(number)));
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  console.log(
    JSON.stringify({
      kills,
      distinct: new Set(points).size,
      steps: names.length,
      violations: violations.length,
      seconds,
    }),
  );
} finally {
  rmSync(world, { recursive: true, force: true });
}
process.exitCode = violations.length === 0 ? 0 : 1;
