import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { naiveCompare, naiveVersion } from "../../fuzz/oracle/semver.ts";
import { Command, type Ended, run } from "../cli/process.ts";

/** `check` and `verify` on go.mod and go.sum texts written from real records, against a naive reading of the go command's rule. */

const { PROOFDNS_TESTDATA: testData } = process.env;
const skip = testData === undefined ? "PROOFDNS_TESTDATA is not set" : false;
/** Of all modules every so many-th, beginning somewhere: those that stand together are of one project. */
const STRIDE = 6;

interface Row {
  readonly path: string;
  readonly version: string;
  readonly zip: string;
  readonly goMod: string;
}

const folder = await mkdtemp(join(tmpdir(), "proofdns-reference-"));
const commands: Command[] = [];
after(async () => {
  await Promise.all(commands.map((command) => command.stop()));
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]): Promise<Record<string, unknown>> {
  const command = new Command(args);
  commands.push(command);
  return command.json();
}

function readRows(file: string): Map<string, Row[]> {
  const modules = new Map<string, Row[]>();
  for (const line of gunzipSync(readFileSync(file)).toString("utf8").trimEnd().split("\n")) {
    const [path = "", version = "", zip = "", goMod = ""] = line.split("\t");
    const rows = modules.get(path) ?? [];
    rows.push({ path, version, zip, goMod });
    modules.set(path, rows);
  }
  return modules;
}

/** True if the go.mod of a version is the one that the go command makes up where there is none. */
function isMadeUp({ path, goMod }: Row): boolean {
  const file = createHash("sha256").update(`module ${path}\n`).digest("hex");
  return goMod === `h1:${createHash("sha256").update(`${file}  go.mod\n`).digest("base64")}`;
}

/** What `go list -m M@latest` selects from a list of versions, without retractions; undefined if only pseudo-versions are there. */
function naiveLatest(rows: readonly Row[]): string | undefined {
  const tagged = rows.filter(({ version }) => naiveVersion(version)?.kind !== "pseudo");
  const isIncompatible = ({ version }: Row): boolean => version.endsWith("+incompatible");
  const releases: string[] = [];
  const prereleases: string[] = [];
  let lastCompatible: Row | undefined;
  let needsIncompatible = false;
  for (const row of tagged.toSorted((a, b) => naiveCompare(a.version, b.version))) {
    if (!needsIncompatible) {
      if (!isIncompatible(row)) lastCompatible = row;
      else if (lastCompatible !== undefined) {
        if (!isMadeUp(lastCompatible)) break;
        needsIncompatible = true;
      }
    }
    (naiveVersion(row.version)?.kind === "release" ? releases : prereleases).push(row.version);
  }
  return releases.at(-1) ?? prereleases.at(-1);
}

let options: readonly string[] = [];
let chosen: readonly (readonly Row[])[] = [];

async function setUp(): Promise<void> {
  if (options.length > 0) return;
  const data = join(String(testData), "data", "sumdb-dev.tsv.gz");
  // A version that the rules of the index leave out is nobody's.
  const modules = [...readRows(data).values()]
    .map((rows) => rows.filter(({ version }) => naiveVersion(version) !== undefined))
    .filter((rows) => rows.length > 0);
  chosen = modules.filter((_, i) => i % STRIDE === 1);
  const { vkey, url } = await start(
    ...["sumdb", "--records", data, "--listen", "127.0.0.1:0", "--data", join(folder, "sumdb")],
  );
  const { listen, policy, sumdbKey } = await start(
    ...["serve", "--zone", "l.example.org", "--listen", "127.0.0.1:0", "--data", join(folder, "serve")],
    ...["--sumdb", `${vkey} ${url}`],
  );
  options = [
    ...["--server", String(listen), "--policy", String(policy), "--sumdb-key", String(sumdbKey)],
    ...["--state", join(folder, "state"), "--no-cache"],
  ];
}

const execute = (command: string, ...args: string[]): Promise<Ended> =>
  run([command, ...options, ...args], { GOENV: "off", GOFLAGS: "", HOME: folder, GOSUMDB: "" }, 120_000);

test("a check of a go.mod of real modules finds what the go command's rule gives", { skip }, async (t) => {
  await setUp();
  // In use: some version that is tagged, or else whatever there is.
  const uses = chosen.map((rows, i) => {
    const tagged = rows.filter(({ version }) => naiveVersion(version)?.kind !== "pseudo");
    const list = tagged.length > 0 ? tagged : rows;
    return list[(i * 7) % list.length] as Row;
  });
  const file = join(folder, "go.mod");
  const lines = uses.map(({ path, version }, i) => `\t${path} ${version}${i % 3 === 0 ? " // indirect" : ""}\n`);
  await writeFile(file, `module example.com/app\n\ngo 1.21\n\nrequire (\n${lines.join("")})\n`);
  const ended = await execute("check", "--json", "--no-age", file);
  assert.equal(ended.code, 1, ended.stderr);
  const results = new Map(
    ended.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ type }) => type === "module")
      .map((result) => [String(result["module"]), result]),
  );
  const counts = new Map<string, number>();
  const problems: string[] = [];
  for (const [i, { path, version }] of uses.entries()) {
    const latest = naiveLatest(chosen[i] as Row[]);
    const got = results.get(path);
    const status = String(got?.["status"]);
    counts.set(status, (counts.get(status) ?? 0) + 1);
    const shown = `${path} ${version}: ${status}, latest ${got?.["latest"]}; by hand ${latest}`;
    const step = latest === undefined ? 0 : naiveCompare(version, latest);
    const wanted = latest === undefined ? "untagged" : step < 0 ? "outdated" : step === 0 ? "current" : undefined;
    // Ahead of what is selected: whatever it is called, nothing older is offered.
    const isRight = wanted === undefined ? !["outdated", "error", "absent"].includes(status) : status === wanted;
    if (!isRight || (latest !== undefined && got?.["latest"] !== latest)) problems.push(shown);
    if (got?.["direct"] !== (i % 3 !== 0)) problems.push(`${path}: direct ${got?.["direct"]}`);
  }
  t.diagnostic(`${uses.length} modules: ${[...counts].map(([status, count]) => `${status} ${count}`).join(", ")}`);
  assert.deepEqual(problems, []);
});

test("verify proves every line of a go.sum of real records, and refuses each kind of change", { skip }, async (t) => {
  await setUp();
  const rows = chosen.filter((_, i) => i % 3 === 0).flat();
  const text = rows
    .map(({ path, version, zip, goMod }) => `${path} ${version} ${zip}\n${path} ${version}/go.mod ${goMod}\n`)
    .join("");
  const file = join(folder, "go.sum");
  await writeFile(file, text);
  const started = performance.now();
  const ended = await execute("verify", file);
  t.diagnostic(`${2 * rows.length} lines in ${(performance.now() - started).toFixed(0)} ms: ${ended.stdout.trim()}`);
  assert.equal(ended.code, 0, ended.stdout.slice(0, 2000) + ended.stderr.slice(0, 2000));
  assert.match(ended.stdout, new RegExp(`\\b${2 * rows.length}\\b`));
  // Of a few lines, for each is a run of its own.
  const lines = text.split("\n").slice(0, 60);
  const other = (line: string): string =>
    (lines.find((each) => each !== line && each.includes("/go.mod ")) ?? line).split(" ")[2] as string;
  const changes: readonly (readonly [string, (line: string) => string])[] = [
    ["another letter in the hash", (line) => line.replace(/h1:(.)/, (_, c) => `h1:${c === "A" ? "B" : "A"}`)],
    ["the hash of another line", (line) => line.replace(/h1:\S+/, other(line))],
    ["the hash of zeros", (line) => line.replace(/h1:\S+/, `h1:${"A".repeat(43)}=`)],
  ];
  for (const [i, [what, change]] of changes.entries()) {
    const at = 7 * i;
    await writeFile(file, `${lines.map((line, j) => (j === at ? change(line) : line)).join("\n")}\n`);
    const refused = await execute("verify", file);
    assert.equal(
      refused.code,
      3,
      `${what} in line ${at + 1}: ${refused.stdout.slice(-500)}${refused.stderr.slice(0, 500)}`,
    );
  }
});
