import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatH1 } from "../../src/vindex/record.ts";
import { Command, MAIN } from "../cli/process.ts";
import { findSnippets, root, type Snippet } from "./snippet.ts";

/** How the blocks of a session are run. */
export interface Session {
  /** True: with `PROOFDNS_SERVER`, `PROOFDNS_POLICY` and `GOSUMDB` of a server that is there. False: the blocks start their own. */
  readonly hasServer: boolean;
  /** Run by `npm run test:heavy`, not by `npm test`. */
  readonly isHeavy: boolean;
}

/** All sessions that blocks may name. */
export const sessions: ReadonlyMap<string, Session> = new Map([
  ["run-one", { hasServer: false, isHeavy: false }],
  ["check-project", { hasServer: true, isHeavy: true }],
  ["cli", { hasServer: true, isHeavy: true }],
  // A workflow, which no shell runs: action.test.ts holds it against action.yml.
  ["action", { hasServer: false, isHeavy: false }],
  ["build", { hasServer: false, isHeavy: true }],
  ["generate", { hasServer: false, isHeavy: true }],
  ["audit", { hasServer: true, isHeavy: true }],
  ["library", { hasServer: true, isHeavy: true }],
]);

/** Module, version. The log of all sessions that have a server, in this order. */
const VERSIONS = [
  ["example.com/hello", "v1.2.2"],
  ["example.com/hello", "v1.2.3"],
  ["example.com/hello/v2", "v2.0.1"],
  ["example.org/widget", "v0.4.0"],
  ["example.org/widget", "v0.4.1"],
  ["example.org/widget", "v0.5.0"],
  ["example.net/untagged", "v0.0.0-20240101120000-0123456789ab"],
  ["golang.org/toolchain", "v0.0.1-go1.25.1.linux-amd64"],
] as const;

const GO_MOD = `module example.com/project

go 1.25

require (
	example.com/hello v1.2.3
	example.org/widget v0.4.0
)

require example.net/untagged v0.0.0-20240101120000-0123456789ab // indirect
`;

/** The h1 of a version: any 32 bytes will do, but no two alike. */
function h1(i: number): string {
  return formatH1(new Uint8Array(32).fill(i + 1));
}

function goSum(versions: readonly (readonly [string, string])[]): string {
  const lines = versions.flatMap(([path, version]) => {
    const i = VERSIONS.findIndex(([p, v]) => p === path && v === version);
    return [`${path} ${version} ${h1(2 * i)}\n`, `${path} ${version}/go.mod ${h1(2 * i + 1)}\n`];
  });
  return lines.join("");
}

/** A server over `VERSIONS`. */
export interface LocalServer {
  readonly address: string;
  readonly policy: string;
  /** `GOSUMDB`: key and URL of its checksum database. */
  readonly sumdb: string;
  readonly vkey: string;
  /** The line that `serve` printed. */
  readonly ready: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Starts a checksum database and an index over it, as the README does. */
export async function startServer(): Promise<LocalServer> {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-docs-server-"));
  const rows = VERSIONS.map(([path, version], i) => `${path}\t${version}\t${h1(2 * i)}\t${h1(2 * i + 1)}\n`);
  writeFileSync(join(folder, "records.tsv"), rows.join(""));
  const listen = ["--listen", "127.0.0.1:0"];
  const sumdb = new Command([
    "sumdb",
    "--records",
    join(folder, "records.tsv"),
    ...listen,
    "--data",
    join(folder, "sumdb"),
  ]);
  const { vkey, url } = await sumdb.json();
  const data = ["--data", join(folder, "index"), "--max-stall", "off"];
  const index = new Command(["serve", "--zone", "l.example.org", ...listen, ...data, "--sumdb", `${vkey} ${url}`]);
  const ready = await index.json();
  return {
    address: String(ready["listen"]),
    policy: String(ready["policy"]),
    sumdb: `${vkey} ${url}`,
    vkey: String(vkey),
    ready,
    async close() {
      await index.stop();
      await sumdb.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  server.close();
  assert.ok(address !== null && typeof address === "object");
  return String(address.port);
}

/** A project's folder with this checkout's commands in `bin`, and `proofdns` to be imported. */
export function makeProject(): { folder: string; env: Record<string, string> } {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-docs-"));
  mkdirSync(join(folder, "bin"));
  const command = [process.execPath, ...MAIN.map((arg) => (arg === "tsx" ? import.meta.resolve("tsx") : arg))];
  const quoted = command.map((arg) => `'${arg}'`).join(" ");
  writeFileSync(join(folder, "bin", "proofdns"), `#!/bin/sh\nexec ${quoted} "$@"\n`);
  const other = `exec '${process.execPath}' --import '${import.meta.resolve("tsx")}' "$@"`;
  writeFileSync(
    join(folder, "bin", "npx"),
    `#!/bin/sh\nname="$1"\nshift\n[ "$name" = tsx ] && ${other}\nexec ${quoted} "$@"\n`,
  );
  symlinkSync(join(root, "bench"), join(folder, "bench"));
  for (const name of ["proofdns", "npx"]) chmodSync(join(folder, "bin", name), 0o755);
  // What a dependent has in node_modules, but for being compiled.
  const dependency = join(folder, "node_modules", "proofdns");
  mkdirSync(dependency, { recursive: true });
  symlinkSync(join(root, "src"), join(dependency, "src"));
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, unknown>;
  };
  const source = (target: unknown): string =>
    typeof target === "string"
      ? target.replace("./dist/", "./src/").replace(/\.js$/, ".ts")
      : source((target as Record<string, unknown>)["node"] ?? (target as Record<string, unknown>)["default"]);
  const mapped = Object.entries(exports).map(([name, target]) => [name, source(target)]);
  const manifest = { name: "proofdns", type: "module", exports: Object.fromEntries(mapped) };
  writeFileSync(join(dependency, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "go.mod"), GO_MOD);
  const required = VERSIONS.filter(([path, version]) => GO_MOD.includes(`${path} ${version}`));
  writeFileSync(join(folder, "go.sum"), goSum(required));
  const env = {
    PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
    HOME: folder,
    XDG_STATE_HOME: join(folder, "state"),
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_CONFIG_HOME: join(folder, "config"),
  };
  return { folder, env };
}

/** One script of all blocks: each prints a line of its own before and after, so that outputs are told apart. */
function makeScript(
  session: string,
  folder: string,
  blocks: readonly Snippet[],
  ports: (text: string) => string,
): string {
  const tsx = import.meta.resolve("tsx");
  const lines = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"];
  if (session === "build") lines.push("npx tsx bench/generate/run.ts --out ./tiles --records 2000 --modules 100 >&2");
  for (const [i, { language, text, mark }] of blocks.entries()) {
    assert.ok(mark?.kind === "test");
    lines.push(`echo '@@ block ${i}'`);
    let body = ports(text);
    if (language === "js" || language === "ts") {
      const file = join(folder, `snippet-${i}.m${language}`);
      writeFileSync(file, body);
      body = `'${process.execPath}' --import '${tsx}' '${file}'\n`;
    } else assert.equal(language, "sh", `${blocks[i]?.page}:${blocks[i]?.line}: cannot be run`);
    // The block's last command is the one whose exit code is told.
    const run =
      mark.exitCode === 0
        ? body
        : `set +e\n${body}code=$?\nset -e\n[ "$code" = ${mark.exitCode} ] || { echo "ends with $code, not ${mark.exitCode}" >&2; exit 9; }\n`;
    lines.push(run.trimEnd());
  }
  lines.push("echo '@@ end'");
  return `${lines.join("\n")}\n`;
}

/** What the blocks printed, one text a block. */
export async function runSession(page: string, name: string, server?: LocalServer): Promise<string[]> {
  const session = sessions.get(name);
  const all = findSnippets(page);
  const blocks = all.filter(({ mark }) => mark?.kind === "test" && mark.session === name);
  assert.ok(session !== undefined && blocks.length > 0, `${page} has the session ${name}`);
  const { folder, env } = makeProject();
  try {
    const [web, dns] = [await freePort(), await freePort()];
    const ports = (text: string): string => text.replaceAll("8080", web).replaceAll("5300", dns);
    const script = makeScript(name, folder, blocks, ports);
    const asked = server && {
      PROOFDNS_SERVER: server.address,
      PROOFDNS_POLICY: server.policy,
      GOSUMDB: server.sumdb,
      SUMDB_KEY: server.vkey,
    };
    const ended = await runShell(script, folder, { ...process.env, NODE_TEST_CONTEXT: "", ...env, ...asked });
    assert.equal(ended.code, 0, `${page}, ${name}:\n${ended.stdout}\n${ended.stderr}`);
    const parts = ended.stdout.split(/^@@ (?:block \d+|end)\n/m).slice(1, -1);
    assert.equal(parts.length, blocks.length);
    for (const [i, block] of blocks.entries()) checkOutput(all, block, parts[i] ?? "");
    return parts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** If a block of output follows, it is what was printed; `…` stands for anything on its line, a line of its own for any lines. */
function checkOutput(all: readonly Snippet[], block: Snippet, printed: string): void {
  const next = all[all.indexOf(block) + 1];
  if (next?.mark?.kind !== "output") return;
  const quote = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // How wide a column is depends on all its rows, and says nothing.
  const narrow = (text: string): string => text.replaceAll(/ {2,}/g, "  ").replaceAll(/[ \t]+$/gm, "");
  const pattern = narrow(next.text)
    .split("\n")
    .map((line) => (line === "…" ? "[\\s\\S]*" : line.split("…").map(quote).join("[^\\n]*")))
    .join("\n");
  assert.match(narrow(printed), new RegExp(`^${pattern}$`), `${next.page}:${next.line}, printed:\n${printed}`);
}

export async function runShell(
  script: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn("bash", ["-c", script], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const outputs = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      outputs[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), 120_000);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { code, ...outputs };
}
