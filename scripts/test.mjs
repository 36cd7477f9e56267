// Runs the tests: `npm test`, or `npm test -- FILE…` for some of them. Those that start many threads or sit out many timeouts are named
// `*.heavy.test.ts`: `npm run test:heavy` runs them alone.
//
// Node 20's own `--test` takes no globs, finds no .ts below a directory, and ends with 0 if it ran nothing. So the files
// are listed here, and the run fails if a file reports fewer tests than it declares.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const isHeavy = process.argv[2] === "--heavy";

function listTests(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .filter((entry) => entry.name.endsWith(".heavy.test.ts") === isHeavy)
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

const asked = process.argv.slice(isHeavy ? 3 : 2).map((file) => resolve(file));
const files = asked.length > 0 ? asked : listTests(join(root, "test"));
if (files.length === 0) {
  console.error("No test files found.");
  process.exit(1);
}

/** Milliseconds after which a file that hangs is ended, and fails. */
const patience = asked.length > 0 || isHeavy ? 600_000 : 300_000;

const folder = mkdtempSync(join(tmpdir(), "proofdns-test-"));
const counted = join(folder, "counts.json");
const { status, signal } = spawnSync(
  process.execPath,
  [
    "--import",
    "tsx",
    "--import",
    new URL("./plain-assert.mjs", import.meta.url).href,
    "--test",
    // By default a core is left idle: on a machine of two that doubles the time. One more than there are: some tests wait more than they work.
    `--test-concurrency=${availableParallelism() + 1}`,
    `--test-timeout=${patience}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${new URL("./count-reporter.mjs", import.meta.url).href}`,
    `--test-reporter-destination=${counted}`,
    ...files,
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);

let counts;
try {
  counts = JSON.parse(readFileSync(counted, "utf8"));
} catch {
  console.error(`The test run did not finish${signal === null ? "" : ` (${signal})`}.`);
  process.exit(1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const total = { passed: 0, failed: 0, skipped: 0 };
const problems = [];
for (const file of files) {
  const name = relative(root, file);
  const got = counts[file] ?? { passed: 0, failed: 0, skipped: [] };
  // Every call of test( or it( at the start of a line is at least one test; those in loops are one or more.
  const declared = (readFileSync(file, "utf8").match(/^\s*(?:await\s+)?(?:test|it)\(/gm) ?? []).length;
  const ran = got.passed + got.failed + got.skipped.length;
  if (declared === 0 || ran < declared) problems.push(`${name}: ${ran} tests ran, ${declared} are declared`);
  total.passed += got.passed;
  total.failed += got.failed;
  total.skipped += got.skipped.length;
  for (const skipped of got.skipped) console.log(`skipped: ${name}: ${skipped}`);
}
for (const problem of problems) console.error(problem);
if (process.env.PROOFDNS_TESTDATA && total.skipped > 0) {
  problems.push("skips");
  console.error("PROOFDNS_TESTDATA is set and tests were skipped.");
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(status !== 0 || problems.length > 0 || total.failed > 0 ? 1 : 0);
