// Checks `proofdns check`, `verify` and `version -m` against the real go command: a project of invented modules with dependencies,
// built for Linux, Windows and macOS, plain, stripped, with -trimpath and from a vendor folder.
//
//     node test/interop/go-binaries.mjs [--only TEXT] [--keep]
//
// Needs `go` (1.19 or later) on the PATH; nothing leaves the machine. Prints a line a case and ends with 1 if any fails.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tsImport } from "tsx/esm/api";
import { makeZip } from "./go-proxy.mjs";
import {
  BUILDS,
  build,
  EXPECTED,
  EXPECTED_TOOL,
  go,
  installTool,
  makeGoWorld,
  proofdns,
  REPLACED,
  stopAll,
  TARGETS,
} from "./go-world.mjs";

const { formatVersionM, readBuildInfo } = await tsImport("../../src/go/index.ts", import.meta.url);

const args = process.argv.slice(2);
const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : "";
const folder = mkdtempSync(join(tmpdir(), "proofdns-go-binaries-"));
let failures = 0;

function check(what, isGood, output = "") {
  console.log(`${isGood ? "ok  " : "FAIL"} ${what}`);
  if (isGood) return;
  failures++;
  console.log(String(output).slice(0, 6000).replaceAll(/^/gm, "     | "));
}

const linesOf = (stdout) =>
  stdout
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

/** Compares what a check says of each module with what is known by hand. */
function judge(what, ended, expected, { skipped = [], code = 1 } = {}) {
  let lines = [];
  try {
    lines = linesOf(ended.stdout);
  } catch (error) {
    check(`${what}: prints JSON lines`, false, `${error}\n${ended.stdout}${ended.stderr}`);
    return lines;
  }
  const found = new Map(lines.filter(({ type }) => type === "module").map((line) => [line.module, line]));
  const wrong = [...expected].flatMap(([path, wanted]) => {
    const got = found.get(path);
    const differs = Object.entries(wanted).filter(([key, value]) => got?.[key] !== value);
    return differs.map(([key, value]) => `${path}: ${key} is ${got?.[key]}, not ${value}`);
  });
  const extra = [...found.keys()].filter((path) => !expected.has(path)).map((path) => `${path}: not expected`);
  const missing = skipped
    .filter((path) => !lines.some(({ type, module, reason }) => type === "skipped" && module === path && reason))
    .map((path) => `${path}: not skipped with a reason`);
  const problems = [...wrong, ...extra, ...missing];
  if (ended.status !== code) problems.push(`exit code ${ended.status}, not ${code}`);
  check(what, problems.length === 0, `${problems.join("\n")}\n${ended.stdout}${ended.stderr}`);
  return lines;
}

/** With retractions: what go itself would update to, which reads the same go.mod files from the same proxy. */
async function checkRetractions(world, run) {
  const file = join(world.project, "go.mod");
  const listed = go(world, world.project, ["list", "-m", "-u", "-retracted", "-json", "all"]);
  const updates = JSON.parse(`[${listed.stdout.replaceAll(/^\}\n\{/gm, "},{")}]`)
    // Of a module without tags the proxy has no latest; the index has.
    .filter(({ Main, Replace, Path }) => !Main && Replace === undefined && Path !== "example.com/untagged")
    .map(({ Path, Update, Deprecated }) => [Path, Update?.Version, Deprecated]);
  const ended = run(file);
  const found = new Map(linesOf(ended.stdout).map((line) => [line.module, line]));
  const wrong = updates.flatMap(([path, version, deprecated]) => {
    const line = found.get(path);
    const differs =
      line?.offered?.version !== version || (line?.deprecated !== undefined) !== (deprecated !== undefined);
    return differs ? [`${path}: ${JSON.stringify(line)}, and go: ${version}, ${deprecated}`] : [];
  });
  check(
    `check --retractions offers what go would update to, for ${updates.length} modules`,
    wrong.length === 0 && updates.length > 6 && ended.status === 1,
    wrong.join("\n") + listed.stderr + ended.stderr,
  );
  const taken = found.get("example.com/taken");
  check(
    "a retracted latest is passed over for the next best, and said",
    taken?.offered?.version === "v1.2.0" && JSON.stringify(taken).includes("by mistake"),
    JSON.stringify(taken),
  );
  const shown = proofdns(world, ["check", "--retractions", "--sumdb-key", world.sumdbKey, "--no-age", file]);
  const printed = shown.stdout + shown.stderr;
  check(
    "no escape of a go.mod reaches the terminal",
    !/\p{Cc}/u.test(printed.replaceAll("\n", "")),
    JSON.stringify(printed),
  );

  // The proxy lies: another go.mod than the one whose hash the log has.
  const mod = join(world.folder, "proxy/example.com/taken/@v/v1.3.0.mod");
  const text = readFileSync(mod, "utf8");
  for (const [what, lie] of [
    ["leaves a retraction out", text.replace("\nretract v1.3.0 // published by mistake\n", "")],
    ["adds a retraction", `${text}\nretract v1.2.0\n`],
    ["sends nothing", ""],
    ["sends a megabyte", `${text}//${"x".repeat(1 << 20)}\n`],
    ["sends bytes that are no text", Buffer.alloc(300, 0xff)],
  ]) {
    writeFileSync(mod, lie);
    // In a fresh cache: what go has there it has checked.
    const fooled = proofdns({ ...world, goEnv: { ...world.goEnv, GOMODCACHE: join(world.folder, "no cache") } }, [
      ...["check", "--retractions", "--sumdb-key", world.sumdbKey, "--no-age", "--json", "--no-cache", file],
    ]);
    const line = linesOf(fooled.stdout).find(({ module }) => module === "example.com/taken");
    const isSaid = fooled.status >= 2 && (line?.errors?.length > 0 || line?.notes?.length > 0);
    check(
      `a proxy that ${what} is not believed, and that is said`,
      isSaid && line?.offered?.version !== "v1.1.0",
      `exit ${fooled.status}: ${JSON.stringify(line)} ${fooled.stderr}`,
    );
    console.log(
      `     exit ${fooled.status}, ${line?.status}, offered ${line?.offered?.version}: ${line?.errors?.[0]?.code}`,
    );
  }
  writeFileSync(mod, text);
}

async function main() {
  const version = spawnSync("go", ["version"], { encoding: "utf8" });
  if (version.status !== 0)
    return check("there is a go command on the PATH (Debian: apt-get install golang-go)", false);
  console.log(`     ${version.stdout.trim()}`);
  const world = await makeGoWorld(folder);
  const tool = installTool(world);
  const binaries = [];
  for (const target of TARGETS) {
    for (const how of BUILDS) {
      const name = `${target.os} ${target.arch} ${how.name}`;
      if (name.includes(only)) binaries.push({ name, how: how.name, path: build(world, target, how) });
    }
  }
  rmSync(join(world.project, "vendor"), { recursive: true, force: true });
  console.log(`     ${binaries.length + 1} binaries are built`);
  const all = [...binaries.map(({ path }) => path), tool];

  // Build info: byte for byte what go prints, by the library and by the command.
  let differing = "";
  for (const path of all) {
    const expected = go(world, folder, ["version", "-m", path]).stdout;
    const info = await readBuildInfo(path);
    const got = info === undefined ? "no build info" : formatVersionM(path, info);
    if (got.trimEnd() !== expected.trimEnd()) differing += `${path}\n${expected}---\n${got}\n`;
  }
  check("the library formats the build info of every binary as go version -m does", differing === "", differing);
  const expected = go(world, folder, ["version", "-m", ...all]).stdout;
  const shown = proofdns(world, ["version", "-m", ...all]);
  check(
    "proofdns version -m prints what go version -m prints",
    shown.stdout === expected,
    `${shown.stdout}${shown.stderr}`,
  );

  // The project, its files and its binaries: what is newer, known by hand.
  const options = ["--json", "--sumdb-key", world.sumdbKey, "--no-age"];
  const run = (...more) => proofdns(world, ["check", ...options, ...more]);
  judge("check of go.mod", run(join(world.project, "go.mod")), EXPECTED, { skipped: REPLACED });
  judge("check of the project's folder", run(world.project), EXPECTED, { skipped: REPLACED });
  judge("check of the installed tool", run(tool), EXPECTED_TOOL);
  const one = binaries.filter(({ how }) => how === "plain" || how === "vendored");
  for (const { name, path } of one.filter((_, i) => i % 4 < 2)) {
    judge(`check of ${name}`, run(path), EXPECTED, { skipped: [...REPLACED, "example.com/app"] });
  }
  const lines = judge("check of all binaries at once", run(...binaries.map(({ path }) => path)), EXPECTED, {
    skipped: [...REPLACED, "example.com/app"],
  });
  const places = lines.find(({ module }) => module === "example.com/deep")?.places?.length;
  check("the check names every binary that has a module", places === binaries.length, `${places} places`);
  const bin = join(folder, "bin");
  const directory = run(bin);
  check(
    "check of a folder of binaries reads them all",
    directory.status === 1 && linesOf(directory.stdout).some(({ module }) => module === "example.com/tool"),
    directory.stdout + directory.stderr,
  );
  const list = [...EXPECTED].map(([path, { current }]) => `${path}@${current}\n`).join("");
  judge("check of a list on standard input", proofdns(world, ["check", ...options, "-"], list), EXPECTED);
  const majors = linesOf(run("--major", join(world.project, "go.mod")).stdout);
  const gamma = majors.find(({ module }) => module === "example.com/gamma/v2");
  check(
    "check --major finds the newer major at another path",
    gamma?.status === "newer-major" && gamma.newerMajor?.module === "example.com/gamma/v3",
    JSON.stringify(gamma),
  );

  await checkRetractions(world, (...more) => run("--retractions", ...more));

  // Hashes: go.sum, build info and module cache by the proofs of their records.
  const verify = (...more) => proofdns(world, ["verify", "--sumdb-key", world.sumdbKey, ...more]);
  const sum = join(world.project, "go.sum");
  const good = verify(sum);
  check("verify proves every line of the go.sum that go wrote", good.status === 0, good.stdout + good.stderr);
  const sums = verify(...all);
  const said = sums.stdout + sums.stderr;
  check(
    "verify of the binaries proves their hashes, and says what has none",
    sums.status === 0 &&
      /\d+ checksums? proven/.test(said) &&
      said.includes("example.com/local@v1.0.0: replaced by a folder") &&
      said.includes("(devel): built from a checkout"),
    `exit ${sums.status}\n${said}`,
  );
  const whole = verify(tool);
  check("verify of the tool, installed by its version, proves all", whole.status === 0, whole.stdout + whole.stderr);
  const cache = verify("--modcache");
  check("verify --modcache proves what go downloaded", cache.status === 0, cache.stdout + cache.stderr);

  // The same with one changed hash, file and byte.
  const text = readFileSync(sum, "utf8");
  const bad = join(folder, "bad", "go.sum");
  mkdirSync(join(folder, "bad"));
  const swap = (line) => line.replace(/h1:(.)/, (_, letter) => `h1:${letter === "A" ? "B" : "A"}`);
  const sumLines = text.trimEnd().split("\n");
  for (const i of [0, 1, sumLines.length - 1]) {
    writeFileSync(bad, `${sumLines.map((line, j) => (i === j ? swap(line) : line)).join("\n")}\n`);
    const ended = verify(bad);
    check(
      `verify refuses a go.sum with another hash in line ${i + 1}`,
      ended.status === 3,
      ended.stdout + ended.stderr,
    );
  }
  const forged = join(folder, "forged");
  copyFileSync(tool, forged);
  const bytes = readFileSync(forged);
  // The text stands twice: where go version -m reads it, and where the program itself does.
  for (let at = -1; ; ) {
    at = bytes.indexOf("dep\texample.com/alpha\t", at + 1);
    if (at < 0) break;
    const hash = bytes.indexOf("\th1:", at) + 4;
    bytes[hash] = bytes[hash] === 0x41 ? 0x42 : 0x41;
  }
  writeFileSync(forged, bytes);
  const refused = verify(forged);
  check(
    "verify refuses a binary with another hash in its build info",
    refused.status === 3,
    refused.stdout + refused.stderr,
  );
  const cached = join(world.goEnv.GOMODCACHE, "example.com", "alpha@v1.0.0", "x.go");
  const source = readFileSync(cached, "utf8");
  writeFileSync(cached, `${source}// changed\n`);
  const touched = verify("--modcache");
  check(
    "verify --modcache refuses an extracted tree that was changed",
    touched.status === 3,
    touched.stdout + touched.stderr,
  );
  writeFileSync(cached, source);
  const zip = join(world.goEnv.GOMODCACHE, "cache/download/example.com/alpha/@v/v1.0.0.zip");
  const zipped = readFileSync(zip);
  // A zip that is whole, with another file in it; and one that is damaged.
  const name = "example.com/alpha@v1.0.0";
  for (const [what, bytes, codes] of [
    [
      "other code",
      makeZip([
        [`${name}/go.mod`, "module example.com/alpha\n"],
        [`${name}/x.go`, "package alpha\n"],
      ]),
      [3],
    ],
    ["damage", Buffer.from(zipped.toString("latin1").replaceAll('"v1.0.0"', '"v1.0.9"'), "latin1"), [2, 3]],
    ["half of it", zipped.subarray(0, zipped.length >> 1), [2, 3]],
  ]) {
    writeFileSync(zip, bytes);
    const tampered = verify("--modcache");
    const output = `exit ${tampered.status}\n${tampered.stdout}${tampered.stderr}`;
    check(`verify --modcache refuses a zip with ${what}`, codes.includes(tampered.status), output);
  }
  writeFileSync(zip, zipped);
}

try {
  await main();
} catch (error) {
  failures++;
  console.log(`FAIL ${error.stack}`);
} finally {
  stopAll();
  if (args.includes("--keep")) console.log(`     ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? "checks and binaries agree with go" : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
