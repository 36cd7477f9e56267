import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Asks the go command's own packages: `makeOracle` compiles `oracle/main.go` against the sources that come with Go (no
 * network), and `askAll` puts questions to it.
 */
export interface Question {
  readonly Op: string;
  readonly A?: string;
  readonly B?: string;
  /** Base64. */
  readonly Data?: string;
}

export interface OracleAnswer {
  readonly Error?: string;
  readonly Text?: string;
  readonly OK?: boolean;
  readonly Number?: number;
  readonly GoVersion?: string;
  readonly Go?: string;
  readonly Require?: readonly { Path: string; Version: string; Indirect: boolean }[];
  readonly Exclude?: readonly { Path: string; Version: string; Indirect: boolean }[];
  readonly Replace?: readonly { Path: string; Version: string; NewPath: string; NewVersion: string }[];
  readonly Retract?: readonly { Low: string; High: string; Rationale: string }[];
  readonly Use?: readonly string[];
}

/** Settings with which the go command stays off the network and out of the user's folders. */
export function goEnvironment(folder: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: join(folder, "home"),
    GOENV: "off",
    GOFLAGS: "-mod=mod",
    GOPROXY: "off",
    GOSUMDB: "off",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
    GOCACHE: process.env["GOCACHE"] ?? join(homedir(), ".cache", "go-build"),
    GOMODCACHE: join(folder, "modules"),
  };
}

/** Runs the go command; undefined if it fails or there is none. */
export function runGo(
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd = folder,
): string | undefined {
  const options = { cwd, env: { ...goEnvironment(folder), ...env }, encoding: "utf8" as const, maxBuffer: 1 << 26 };
  const { status, stdout } = spawnSync("go", args, options);
  return status === 0 ? stdout : undefined;
}

/** Why there is no oracle on this machine; undefined if there is one. */
export function whyNoOracle(): string | undefined {
  const { status, stdout } = spawnSync("go", ["env", "GOROOT"], { encoding: "utf8" });
  if (status !== 0) return "there is no go command";
  const sources = join(stdout.trim(), "src/cmd/vendor/golang.org/x/mod");
  return existsSync(join(sources, "modfile/rule.go"))
    ? undefined
    : "Go was installed without the sources of its command";
}

/** Compiles the oracle in a folder; gives its file. */
export function makeOracle(folder: string): string {
  const root = spawnSync("go", ["env", "GOROOT"], { encoding: "utf8" }).stdout.trim();
  const work = join(folder, "oracle");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  cpSync(join(root, "src/cmd/vendor/golang.org/x/mod"), join(work, "mod"), { recursive: true, dereference: true });
  writeFileSync(join(work, "mod/go.mod"), "module golang.org/x/mod\n\ngo 1.17\n");
  writeFileSync(
    join(work, "go.mod"),
    "module example.com/oracle\n\ngo 1.18\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n",
  );
  cpSync(fileURLToPath(new URL("oracle/main.go", import.meta.url)), join(work, "main.go"));
  if (runGo(folder, ["build", "-o", "oracle.bin", "."], {}, work) === undefined)
    throw new Error("the oracle does not compile");
  return join(work, "oracle.bin");
}

/** Puts questions to the oracle, in order. */
export async function askAll(oracle: string, questions: readonly Question[]): Promise<OracleAnswer[]> {
  const child = spawn(oracle, { stdio: ["pipe", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  await new Promise((resolve) => child.on("close", resolve));
  const lines = Buffer.concat(chunks).toString().split("\n").slice(0, -1);
  if (lines.length !== questions.length) throw new Error(`${lines.length} answers to ${questions.length} questions`);
  return lines.map((line) => JSON.parse(line) as OracleAnswer);
}
