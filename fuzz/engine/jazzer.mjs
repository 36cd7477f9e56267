// Runs a target under jazzer.js: libFuzzer in this process's Node, with the coverage of the compiled code.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { collectFindings } from "./findings.mjs";

const require = createRequire(import.meta.url);

/** Milliseconds after which one input counts as a hang. */
const INPUT_TIMEOUT = 10_000;
const MEMORY_LIMIT_MB = 4096;

/** Undefined if the engine's native addon loads here, else why it does not. */
export function whyNotJazzer() {
  const probe = spawnSync(process.execPath, ["-e", 'require("@jazzer.js/fuzzer")'], {
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
  });
  if (probe.status === 0) return undefined;
  const line = probe.stderr.split("\n").find((text) => text.startsWith("Error:") || text.includes("Error:"));
  return (line ?? `the probe ended with ${probe.signal ?? probe.status}`).trim();
}

/** Runs one target for `seconds`. Resolves to a result; it never rejects for what the target does. */
export function runJazzer({ root, compiled, name, target, folders, work, seconds, seed, plant }) {
  const cli = join(require.resolve("@jazzer.js/core/package.json"), "..", "dist", "cli.js");
  const findings = join(work, "findings");
  const args = [
    cli,
    compiled,
    // Substrings of file names. The naive second implementations are instrumented too: their branches guide the
    // engine where the source has a regular expression, which shows it nothing.
    "--includes=build/fuzz/",
    "--excludes=node_modules",
    "--disableBugDetectors=.*",
    `--timeout=${INPUT_TIMEOUT}`,
    ...(target.isAsync === true ? [] : ["--sync"]),
    "--",
    join(work, "corpus"),
    ...folders,
    `-max_total_time=${seconds}`,
    `-max_len=${target.maxLength}`,
    `-seed=${seed}`,
    `-rss_limit_mb=${MEMORY_LIMIT_MB}`,
    `-artifact_prefix=${findings}/`,
    "-use_value_profile=1",
    "-print_final_stats=1",
    "-len_control=20",
  ];
  // To a file: libFuzzer loses what does not fit a pipe that Node has made non-blocking.
  const logFile = join(work, "log.txt");
  const out = openSync(logFile, "w");
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ["ignore", out, out],
    env: {
      ...process.env,
      PROOFDNS_FUZZ_ENGINE: "jazzer",
      ...(plant === undefined ? {} : { PROOFDNS_FUZZ_PLANT: plant }),
    },
  });
  closeSync(out);
  const started = performance.now();
  // The engine ends by itself; a process that hangs outside of an input does not.
  const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000 + 6 * INPUT_TIMEOUT);
  return new Promise((resolve) => {
    let failure = "";
    child.on("error", (error) => {
      failure = String(error);
    });
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      const log = readLog(readFileSync(logFile, "utf8"));
      const found = collectFindings(findings, name);
      const took = (performance.now() - started) / 1000;
      resolve({
        ...log,
        rate: Math.round(log.executions / took),
        tail: `${log.tail}\n${failure}`.trim(),
        engine: "jazzer",
        findings: found,
        ran: (status === 0 && log.isDone) || found.length > 0,
        status,
        signal,
      });
    });
  });
}

/** Reads what libFuzzer printed. */
function readLog(text) {
  const log = {
    executions: 0,
    edges: 0,
    features: 0,
    corpus: 0,
    seedCoverage: { edges: 0, features: 0 },
    isDone: false,
  };
  const others = [];
  for (const line of text.split("\n")) {
    const status = /^#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/.exec(line);
    if (status !== null) {
      const [executions, edges, features, corpus] = [1, 3, 4, 5].map((i) => Number(status[i]));
      Object.assign(log, { executions, edges, features, corpus });
      if (status[2] === "INITED") log.seedCoverage = { edges, features };
      if (status[2] === "DONE") log.isDone = true;
      continue;
    }
    const units = /^stat::number_of_executed_units:\s*(\d+)/.exec(line);
    if (units !== null) log.executions = Number(units[1]);
    if (line.trim() !== "") others.push(line);
  }
  const at = others.findIndex((line) => /Uncaught Exception|^ALARM|ERROR: libFuzzer/.test(line));
  return { ...log, message: at < 0 ? "" : others.slice(at, at + 30).join("\n"), tail: others.slice(-40).join("\n") };
}
