// Makes a clone ready: installs what the lock file names and compiles src to dist, each only if it is out of date.
// Runs before `npm start` and `npm test`, so that both work on a fresh clone. Prints to stderr only.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`proofdns needs Node.js 20.19 or later; this is ${process.versions.node}.`);
  process.exit(2);
}

function run(command, args) {
  // stdout of the children goes to stderr: `npm start -- --json` owns stdout.
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (error !== undefined || status !== 0) {
    console.error(`proofdns: ${command} ${args.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}.`);
    process.exit(2);
  }
}

function digest(...texts) {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex");
}

/** True if `stamp` holds `wanted`; what it describes is then up to date. */
function isStamped(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

const lock = digest(readFileSync(join(root, "package-lock.json")), process.versions.node);
const installStamp = join(root, "node_modules", ".proofdns-install");
if (!isStamped(installStamp, lock)) {
  console.error("proofdns: installing packages (once) …");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(installStamp, lock);
}

function sources(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

const files = [...sources("src"), join(root, "tsconfig.json"), join(root, "tsconfig.build.json")];
const sourceDigest = digest(...files.flatMap((file) => [file.slice(root.length), readFileSync(file)]));
const buildStamp = join(root, "dist", ".proofdns-build");
if (
  !isStamped(buildStamp, sourceDigest) ||
  !statSync(join(root, "dist", "cli", "main.js"), { throwIfNoEntry: false })
) {
  console.error("proofdns: compiling …");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
  run(process.execPath, [join(root, "scripts", "executable.mjs")]);
  writeFileSync(buildStamp, sourceDigest);
}
