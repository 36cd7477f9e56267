// Runs the second implementation (test/independent, Python and the openssl command, written from spec/ alone) on every vector,
// and demands the verdict that the vector asks for: `accept`, or the refusal code. Counts must agree too.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}spec/vectors/`;
const expected = [];
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort()) {
  for (const { name, expect } of JSON.parse(readFileSync(folder + file, "utf8")).vectors) {
    expected.push({ file, name, verdict: expect?.refused ?? "accept" });
  }
}
const { status, stdout, stderr, error } = spawnSync(
  "python3",
  ["test/independent/verify.py", "spec/vectors", "--json"],
  {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  },
);
if (error !== undefined || status === 2 || stdout === "") {
  console.error(`The independent implementation did not run: ${error?.message ?? stderr}`);
  process.exit(1);
}
const verdicts = JSON.parse(stdout);
let mismatches = 0;
for (const [i, wanted] of expected.entries()) {
  const got = verdicts[i];
  if (got?.name === wanted.name && got.file.endsWith(wanted.file) && got.verdict === wanted.verdict) continue;
  mismatches++;
  console.error(`${wanted.file} ${wanted.name}: expected ${wanted.verdict}, got ${got?.verdict ?? "nothing"}`);
}
if (verdicts.length !== expected.length) {
  mismatches++;
  console.error(`${verdicts.length} verdicts for ${expected.length} vectors`);
}
const refusals = new Set(expected.map(({ verdict }) => verdict).filter((verdict) => verdict !== "accept"));
console.log(
  `independent implementation: ${verdicts.length} vectors, ${refusals.size} refusal codes, ${mismatches} mismatches`,
);
process.exit(mismatches > 0 || status !== 0 || expected.length === 0 ? 1 : 0);
