// Checks the real go command against `proofdns sumdb`: what it accepts, and what it refuses.
//
//     node test/interop/go.mjs
//
// Needs `go` (1.19 or later) on the PATH; nothing leaves the machine. Prints a line a case and ends with 1 if any fails.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { escapeCase, nameOf, publishFiles } from "./go-proxy.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "proofdns-go-"));
const keyName = "sum.example.com";
const servers = [];
let failures = 0;

const modules = [
  { path: "example.com/alpha", version: "v1.0.0" },
  { path: "example.com/alpha", version: "v1.1.0-RC1" },
  { path: "example.com/Upper/Beta", version: "v0.3.0" },
  { path: "example.com/gamma/v2", version: "v2.1.0" },
  { path: "example.com/legacy", version: "v2.0.0+incompatible", noGoMod: true },
];
const late = { path: "example.com/delta", version: "v1.0.0" };
/** Writes a module into a file tree that serves as a module proxy; `twist` changes its code, `mod` its go.mod. */
function publish(proxy, module, { twist = "", mod = "" } = {}) {
  const goMod = `module ${module.path}\n${mod}`;
  const inZip = module.noGoMod ? undefined : `${goMod}\ngo 1.19\n${mod}`;
  publishFiles(proxy, module, inZip, [["x.go", `package x\n\nconst Version = "${module.version}${twist}"\n`]]);
}

/** Runs `go mod download` of modules with the state that a GOPATH holds. */
function download(gopath, proxy, sumdb, wanted, flags = []) {
  const project = join(gopath, "project");
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "go.mod"), "module example.com/project\n\ngo 1.19\n");
  rmSync(join(project, "go.sum"), { force: true });
  const { status, stdout, stderr, error } = spawnSync("go", ["mod", "download", ...flags, ...wanted.map(nameOf)], {
    cwd: project,
    encoding: "utf8",
    env: {
      PATH: process.env.PATH,
      HOME: gopath,
      GOPATH: gopath,
      GOMODCACHE: join(gopath, "pkg/mod"),
      GOCACHE: join(work, "build-cache"),
      GOENV: "off",
      GO111MODULE: "on",
      GOTOOLCHAIN: "local",
      GOFLAGS: "-mod=mod -modcacherw",
      GOPROXY: pathToFileURL(proxy).href,
      GOSUMDB: sumdb,
    },
  });
  if (error !== undefined) throw error;
  return { status, stdout, output: stdout + stderr };
}

/** Starts `proofdns sumdb` and waits until it is ready. */
async function serve(goSum, data, ...args) {
  const command = join(root, "src/cli/sumdb.ts");
  const run = `import { makeSumdbCommand } from ${JSON.stringify(command)}; await makeSumdbCommand().parseAsync(process.argv.slice(1), { from: "user" });`;
  const options = ["--go-sum", goSum, "--listen", "127.0.0.1:0", "--data", data, "--name", keyName, ...args];
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", run, "--", ...options], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  servers.push(child);
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (stdout.includes("\n")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`proofdns sumdb ended with ${code}: ${stderr}`)));
  });
  const ready = JSON.parse(stdout);
  return { ...ready, sumdb: `${ready.vkey} ${ready.url}` };
}

const fakeH1 = (text) => `h1:${createHash("sha256").update(text).digest("base64")}`;

/** Records of modules that are never asked for: they make the tree large enough for full tiles, and forks. */
function filler(count, from = 0, twist = "") {
  return Array.from({ length: count }, (_, i) => {
    const name = `example.com/filler v1.${from + i}.0`;
    return `${name} ${fakeH1(`${name} zip ${twist}`)}\n${name}/go.mod ${fakeH1(`${name} mod ${twist}`)}\n`;
  }).join("");
}

function check(what, isGood, output = "") {
  console.log(`${isGood ? "ok  " : "FAIL"} ${what}`);
  if (isGood) return;
  failures++;
  console.log(output.replaceAll(/^/gm, "     | "));
}

/** Drops what a GOPATH has downloaded and looked up, but not the signed tree and the tiles that it has verified. */
function forget(gopath) {
  const cache = join(gopath, "pkg/mod/cache/download");
  for (const path of [
    join(gopath, "pkg/mod/example.com"),
    join(cache, "example.com"),
    join(cache, "sumdb", keyName, "lookup"),
  ]) {
    rmSync(path, { recursive: true, force: true });
  }
}

function fresh(name) {
  const path = join(work, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function checkAccepted(what, { status, output }) {
  check(what, status === 0 && !output.includes("SECURITY ERROR"), output);
}

function checkRefused(what, { status, output }, ...patterns) {
  check(what, status !== 0 && patterns.every((pattern) => pattern.test(output)), output);
}

async function main() {
  const version = spawnSync("go", ["version"], { encoding: "utf8" });
  if (version.status !== 0) {
    console.log("FAIL there is no go command on the PATH (Debian: apt-get install golang-go)");
    failures++;
    return;
  }
  console.log(`     ${version.stdout.trim()}`);
  const proxy = fresh("proxy");
  for (const module of [...modules, late]) publish(proxy, module);

  // The hashes as the go command itself computes them.
  const computed = download(fresh("compute"), proxy, "off", [...modules, late], ["-json"]);
  if (computed.status !== 0) throw new Error(computed.output);
  const sums = new Map();
  for (const { Path, Version, Sum, GoModSum } of JSON.parse(`[${computed.stdout.replaceAll(/^\}\n\{/gm, "},{")}]`)) {
    sums.set(`${Path}@${Version}`, `${Path} ${Version} ${Sum}\n${Path} ${Version}/go.mod ${GoModSum}\n`);
  }
  const linesOf = (list) => list.map((module) => sums.get(nameOf(module))).join("");
  const data = fresh("data");
  const goSum = join(work, "go.sum");
  const firstSize = 600 + modules.length;
  writeFileSync(goSum, filler(600) + linesOf(modules) + filler(300, 600) + linesOf([late]));
  const server = await serve(goSum, data, "--size", String(firstSize), "--test-control");

  const user = fresh("user");
  const first = download(user, proxy, server.sumdb, modules);
  checkAccepted("go accepts every module that the database holds, from an empty cache", first);
  const state = join(user, "pkg/sumdb", keyName, "latest");
  const latest = existsSync(state) ? readFileSync(state, "utf8") : "";
  check(
    "go has verified and kept the database's signed tree head",
    latest.startsWith(`go.sum database tree\n${firstSize}\n`),
    latest,
  );
  const lookups = join(user, "pkg/mod/cache/download/sumdb", keyName, "lookup");
  for (const { path, version: v } of modules) {
    check(`go has looked up ${path}@${v}`, existsSync(join(lookups, `${escapeCase(path)}@${escapeCase(v)}`)));
  }

  for (const [what, change] of [
    ["zip", { twist: " tampered" }],
    ["go.mod", { mod: "\nretract v1.0.0\n" }],
  ]) {
    const tampered = fresh(`tampered-${what}`);
    publish(tampered, modules[0], change);
    const result = download(fresh(`victim-${what}`), tampered, server.sumdb, [modules[0]]);
    checkRefused(`go refuses a tampered ${what}`, result, /SECURITY ERROR/, /checksum mismatch/);
  }

  checkRefused(
    "go refuses a module that the signed tree does not hold yet",
    download(user, proxy, server.sumdb, [late]),
    /404 Not Found/,
  );
  const otherKey = await serve(goSum, fresh("other-data"));
  checkRefused(
    "go refuses a database with another key",
    download(fresh("other-user"), proxy, `${server.vkey} ${otherKey.url}`, modules),
    /no verifiable signatures/,
  );

  const grown = await fetch(`${server.url}/ctl/size?n=${server.records}`, { method: "POST" });
  check("the database grows on test control", grown.status === 200);
  checkAccepted(
    "go accepts the grown database, and the module that came with it",
    download(user, proxy, server.sumdb, [late]),
  );
  const later = readFileSync(state, "utf8");
  check(
    "go has moved on to the larger signed tree head",
    later.startsWith(`go.sum database tree\n${server.records}\n`),
    later,
  );

  const older = await serve(goSum, data, "--size", "650");
  forget(user);
  checkAccepted("go accepts an older tree of the same log", download(user, proxy, older.sumdb, modules));

  // The same key signs a log in which one early record is another.
  const forkedSum = join(work, "forked.sum");
  writeFileSync(
    forkedSum,
    filler(300) + filler(1, 300, "forked") + filler(299, 301) + linesOf(modules) + filler(800, 600) + linesOf([late]),
  );
  for (const [what, size] of [
    ["larger", []],
    ["smaller", ["--size", "700"]],
    ["equally large", ["--size", String(server.records)]],
  ]) {
    const forked = await serve(forkedSum, data, ...size);
    check(`the ${what} forked database signs with the same key`, forked.vkey === server.vkey);
    forget(user);
    const result = download(user, proxy, forked.sumdb, [modules[0]]);
    checkRefused(
      `go refuses the ${what} forked database, and shows its misbehavior`,
      result,
      /SECURITY ERROR/,
      /misbehavior/,
    );
  }
}

try {
  await main();
} catch (error) {
  failures++;
  console.log(`FAIL ${error.stack}`);
} finally {
  for (const child of servers) {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
  }
  rmSync(work, { recursive: true, force: true });
}
console.log(failures === 0 ? "go interoperates" : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
