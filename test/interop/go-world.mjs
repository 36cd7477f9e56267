// Invented modules with dependencies, a checksum database that signs them, an index of it, and binaries that the go command builds of
// them: everything on loopback and in a folder of its own.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nameOf, publishFiles } from "./go-proxy.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const ZONE = "l.example.org";
const PSEUDO = "v0.0.0-20240102030405-0123456789ab";
const BETTER_PSEUDO = "v0.0.0-20250102030405-abcdef012345";

/** Path, version and requirements of every module; `goMod: false` has none, `isProgram` is a main package. */
const MODULES = [
  { path: "example.com/deep", version: "v1.0.0" },
  { path: "example.com/deep", version: "v1.1.0" },
  { path: "example.com/alpha", version: "v1.0.0", needs: ["example.com/deep v1.0.0"] },
  { path: "example.com/alpha", version: "v1.1.0", needs: ["example.com/deep v1.0.0"] },
  { path: "example.com/alpha", version: "v1.2.0", needs: ["example.com/deep v1.1.0"] },
  { path: "example.com/alpha", version: "v1.3.0-rc.1", needs: ["example.com/deep v1.1.0"] },
  { path: "example.com/Upper/Beta", version: "v0.3.0" },
  { path: "example.com/Upper/Beta", version: "v0.3.2" },
  { path: "example.com/gamma/v2", version: "v2.1.0" },
  { path: "example.com/gamma/v3", version: "v3.0.0" },
  { path: "example.com/legacy", version: "v2.0.0+incompatible", goMod: false },
  { path: "example.com/untagged", version: PSEUDO },
  { path: "example.com/untagged", version: BETTER_PSEUDO },
  { path: "example.com/pre", version: "v1.0.0-rc.1" },
  { path: "example.com/pre", version: "v1.0.0-rc.2" },
  { path: "example.com/replaced", version: "v1.0.0" },
  { path: "example.com/replaced", version: "v1.5.0" },
  { path: "example.com/fork", version: "v1.0.1" },
  { path: "example.com/local", version: "v1.0.0" },
  ...["v1.0.0", "v1.1.0", "v1.2.0"].map((version) => ({ path: "example.com/taken", version })),
  {
    path: "example.com/taken",
    version: "v1.3.0",
    more: "\nretract v1.1.0 // \x1b[31mred\n\nretract v1.3.0 // published by mistake\n",
  },
  { path: "example.com/old", version: "v1.0.0" },
  { path: "example.com/old", version: "v1.0.1", deprecated: "use example.com/\x1b[2Jnew instead." },
  {
    path: "example.com/tool",
    version: "v1.0.0",
    needs: ["example.com/alpha v1.1.0", "example.com/deep v1.0.0"],
    isProgram: true,
  },
  {
    path: "example.com/tool",
    version: "v1.0.1",
    needs: ["example.com/alpha v1.1.0", "example.com/deep v1.0.0"],
    isProgram: true,
  },
];

/** What the project requires, directly. */
const REQUIRED = [
  "example.com/alpha v1.0.0",
  "example.com/Upper/Beta v0.3.0",
  "example.com/gamma/v2 v2.1.0",
  "example.com/legacy v2.0.0+incompatible",
  `example.com/untagged ${PSEUDO}`,
  "example.com/pre v1.0.0-rc.1",
  "example.com/replaced v1.0.0",
  "example.com/local v1.0.0",
  "example.com/taken v1.0.0",
  "example.com/old v1.0.0",
];

/** By hand: what a check must say of the project, and of binaries of it, for each module. */
export const EXPECTED = new Map([
  ["example.com/alpha", { status: "outdated", current: "v1.0.0", latest: "v1.2.0", step: "minor" }],
  ["example.com/Upper/Beta", { status: "outdated", current: "v0.3.0", latest: "v0.3.2", step: "patch" }],
  ["example.com/gamma/v2", { status: "current", current: "v2.1.0", latest: "v2.1.0" }],
  ["example.com/legacy", { status: "current", current: "v2.0.0+incompatible", latest: "v2.0.0+incompatible" }],
  ["example.com/untagged", { status: "untagged", current: PSEUDO, latest: BETTER_PSEUDO }],
  ["example.com/pre", { status: "outdated", current: "v1.0.0-rc.1", latest: "v1.0.0-rc.2", step: "pre" }],
  ["example.com/deep", { status: "outdated", current: "v1.0.0", latest: "v1.1.0", step: "minor" }],
  // Without --retractions.
  ["example.com/taken", { status: "outdated", current: "v1.0.0", latest: "v1.3.0", step: "minor" }],
  ["example.com/old", { status: "outdated", current: "v1.0.0", latest: "v1.0.1", step: "patch" }],
]);
/** Replaced by another module, and by a folder. */
export const REPLACED = ["example.com/replaced", "example.com/local"];
/** The same for the program that is installed by its version. */
export const EXPECTED_TOOL = new Map([
  ["example.com/tool", { status: "outdated", current: "v1.0.0", latest: "v1.0.1", step: "patch" }],
  ["example.com/alpha", { status: "outdated", current: "v1.1.0", latest: "v1.2.0", step: "minor" }],
  ["example.com/deep", { status: "outdated", current: "v1.0.0", latest: "v1.1.0", step: "minor" }],
]);

/** Go's name for the package of a module. */
const packageOf = (path) =>
  path
    .replace(/\/v\d+$/, "")
    .split("/")
    .at(-1)
    .toLowerCase();

function goModOf({ path, needs = [], more = "", deprecated }) {
  const comment = deprecated === undefined ? "" : `// Deprecated: ${deprecated}\n`;
  return `${comment}module ${path}\n\ngo 1.19\n${needs.map((need) => `\nrequire ${need}\n`).join("")}${more}`;
}

function sourceOf({ path, version, needs = [], isProgram }) {
  const imports = needs.map((need) => `import _ "${need.split(" ")[0]}"\n`).join("");
  const body = isProgram ? `func main() { println("${version}") }\n` : `const Version = "${version}"\n`;
  return `package ${isProgram ? "main" : packageOf(path)}\n\n${imports}\n${body}`;
}

/** Runs go in a folder with settings of its own; `more` are further variables. */
export function go(world, folder, args, more = {}) {
  const { status, stdout, stderr, error } = spawnSync("go", args, {
    cwd: folder,
    encoding: "utf8",
    env: {
      PATH: process.env.PATH,
      HOME: world.home,
      ...world.goEnv,
      ...more,
    },
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

function mustGo(world, folder, args, more) {
  const ended = go(world, folder, args, more);
  if (ended.status !== 0) throw new Error(`go ${args.join(" ")}: ${ended.stderr}`);
  return ended.stdout;
}

const children = [];

/** Starts a command of the project, and gives what its first line of JSON says. */
async function start(...args) {
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "src/cli/main.ts"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
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
    child.once("exit", (code) => reject(new Error(`proofdns ${args[0]} ended with ${code}: ${stderr}`)));
  });
  return JSON.parse(stdout.slice(0, stdout.indexOf("\n")));
}

/** Ends all servers. */
export function stopAll() {
  for (const child of children) {
    child.removeAllListeners("exit");
    child.kill("SIGTERM");
  }
}

/** Runs a command of the project to its end, as a user of the world. */
export function proofdns(world, args, input) {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    ["--import", "tsx", join(root, "src/cli/main.ts"), ...args],
    {
      cwd: root,
      encoding: "utf8",
      input,
      env: { PATH: process.env.PATH, HOME: world.home, ...world.goEnv, ...world.userEnv },
    },
  );
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Makes the modules, their sums, the servers and the project in `folder`. */
export async function makeGoWorld(folder) {
  const at = (...names) => join(folder, ...names);
  for (const name of ["proxy", "home", "project/local", "user"]) mkdirSync(at(name), { recursive: true });
  for (const module of MODULES) {
    const file = module.isProgram ? "main.go" : "x.go";
    publishFiles(at("proxy"), module, module.goMod === false ? undefined : goModOf(module), [[file, sourceOf(module)]]);
  }
  const world = {
    folder,
    home: at("home"),
    project: at("project"),
    goEnv: {
      GOPATH: at("home", "go"),
      GOMODCACHE: at("home", "go", "pkg", "mod"),
      GOCACHE: at("home", "build-cache"),
      GOENV: "off",
      GO111MODULE: "on",
      GOTOOLCHAIN: "local",
      GOFLAGS: "-modcacherw",
      GOPROXY: pathToFileURL(at("proxy")).href,
      GOSUMDB: "off",
      CGO_ENABLED: "0",
    },
  };
  // The hashes as the go command itself computes them.
  writeFileSync(at("user", "go.mod"), "module example.com/user\n\ngo 1.19\n");
  const listed = mustGo(world, at("user"), ["mod", "download", "-json", ...MODULES.map(nameOf)], {
    GOFLAGS: "-mod=mod -modcacherw",
  });
  const sums = JSON.parse(`[${listed.replaceAll(/^\}\n\{/gm, "},{")}]`).map(
    ({ Path, Version, Sum, GoModSum }) => `${Path} ${Version} ${Sum}\n${Path} ${Version}/go.mod ${GoModSum}\n`,
  );
  writeFileSync(at("all.sum"), sums.join(""));
  const sumdb = await start(
    ...[
      "sumdb",
      "--go-sum",
      at("all.sum"),
      "--listen",
      "127.0.0.1:0",
      "--data",
      at("sumdb"),
      "--name",
      "sum.example.com",
    ],
  );
  const serve = await start(
    ...["serve", "--zone", ZONE, "--listen", "127.0.0.1:0", "--data", at("serve")],
    ...["--sumdb", `${sumdb.vkey} ${sumdb.url}`],
  );
  world.goEnv.GOSUMDB = `${sumdb.vkey} ${sumdb.url}`;
  world.userEnv = {
    PROOFDNS_SERVER: serve.listen,
    PROOFDNS_POLICY: serve.policy,
    XDG_STATE_HOME: at("home", "state"),
    XDG_CACHE_HOME: at("home", "cache"),
    XDG_CONFIG_HOME: at("home", "config"),
    NO_COLOR: "1",
  };
  world.sumdbKey = serve.sumdbKey;
  writeProject(world);
  return world;
}

function writeProject(world) {
  const at = (...names) => join(world.project, ...names);
  writeFileSync(
    at("go.mod"),
    `module example.com/app\n\ngo 1.19\n\nrequire (\n${REQUIRED.map((need) => `\t${need}\n`).join("")})\n
replace example.com/replaced => example.com/fork v1.0.1

replace example.com/local => ./local
`,
  );
  const imports = REQUIRED.map((need) => need.split(" ")[0]);
  writeFileSync(
    at("main.go"),
    `package main\n\n${imports.map((path) => `import _ "${path}"\n`).join("")}\nfunc main() { println("app") }\n`,
  );
  writeFileSync(at("local", "go.mod"), "module example.com/local\n\ngo 1.19\n");
  writeFileSync(at("local", "x.go"), "package local\n");
  // A fork declares its own path; what it stands for imports it by the other.
  mustGo(world, world.project, ["mod", "tidy"], { GOFLAGS: "-mod=mod -modcacherw" });
}

/** How binaries are built: a name, and arguments of `go build`. */
export const BUILDS = [
  { name: "plain", args: [] },
  { name: "stripped", args: ["-ldflags=-s -w"] },
  { name: "trimmed", args: ["-trimpath"] },
  { name: "vendored", args: ["-mod=vendor"] },
];
export const TARGETS = ["linux", "windows", "darwin"].flatMap((os) => ["amd64", "arm64"].map((arch) => ({ os, arch })));

/** Builds the project for a target. Gives the path of the binary. */
export function build(world, { os, arch }, { name, args }) {
  const out = join(world.folder, "bin", `app-${os}-${arch}-${name}${os === "windows" ? ".exe" : ""}`);
  if (name === "vendored") mustGo(world, world.project, ["mod", "vendor"]);
  const mode = name === "vendored" ? [] : ["-mod=readonly"];
  mustGo(world, world.project, ["build", ...mode, ...args, "-o", out, "."], { GOOS: os, GOARCH: arch });
  return out;
}

/** Installs the tool by its version, as `go install` does. */
export function installTool(world) {
  const bin = join(world.folder, "bin");
  mkdirSync(bin, { recursive: true });
  mustGo(world, world.home, ["install", "example.com/tool@v1.0.0"], { GOBIN: bin });
  return join(bin, "tool");
}
