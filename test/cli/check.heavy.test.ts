import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { versions } from "../check/scene.ts";
import { Served } from "../check/served.ts";
import { identity } from "../service/operator.ts";
import { type Ended, MAIN } from "./process.ts";

/** `proofdns check` as a process: pipes that close, Ctrl-C, standard input, a terminal. */

const MANY = Array.from({ length: 500 }, (_, i) => `example.com/m${i}`);
let served: Served;
let goMod = "";
before(async () => {
  served = await Served.start(MANY.flatMap((path) => versions(path, "v1.0.0", "v1.1.0")));
  const lines = MANY.map((path) => `\t${path} v1.0.0\n`).join("");
  goMod = served.write("go.mod", `module example.com/me\n\ngo 1.22\n\nrequire (\n${lines})\n`);
});
after(() => served.close());

interface Run {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** What is done with standard input: nothing is there, or this text. */
  readonly stdin?: "closed" | { readonly text: string };
  /** Standard output is closed after so many bytes. */
  readonly closeAfter?: number;
  /** Sends signals to the command, which runs by then. */
  readonly interrupt?: (kill: (name: NodeJS.Signals) => void) => Promise<void>;
}

async function run({ args, env = {}, stdin = "closed", closeAfter, interrupt }: Run): Promise<Ended> {
  const child = spawn(process.execPath, [...MAIN, "check", ...args, "--sumdb-key", identity.sumdbKey], {
    env: { ...process.env, NODE_TEST_CONTEXT: "", ...served.env(env) },
    stdio: [stdin === "closed" ? "ignore" : "pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    if (closeAfter !== undefined && stdout.length > closeAfter) child.stdout?.destroy();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  if (stdin !== "closed") child.stdin?.end(stdin.text);
  void interrupt?.((name) => child.kill(name));
  const killer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  const code = await new Promise<Ended["code"]>((resolve) => {
    child.once("close", (exitCode, signal) => resolve(signal ?? exitCode));
  });
  clearTimeout(killer);
  return { code, stdout, stderr };
}

test("a reader that closes the pipe, like head, changes neither exit code nor anything else", async () => {
  for (const form of [[], ["--json"], ["--emit", "go-get"]]) {
    const { code, stderr } = await run({ args: [goMod, ...form], closeAfter: 100 });
    assert.deepEqual([code, stderr], [1, ""]);
  }
});

test("500 modules at once, each proven", async () => {
  const { code, stdout } = await run({ args: [goMod, "--json", "--no-age"] });
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual([lines.length, code], [501, 1]);
  const summary = JSON.parse(lines.at(-1) ?? "") as Record<string, unknown>;
  assert.deepEqual(summary["statuses"], { outdated: 500 });
});

test("a list is read from standard input, and one that is closed is refused", async () => {
  const list = await run({ args: ["-", "-q", "--no-age"], stdin: { text: "example.com/m1@v1.0.0\n" } });
  assert.match(list.stdout, /example\.com\/m1 +v1\.0\.0 +v1\.1\.0 +minor/);
  const closed = await run({ args: ["-"] });
  assert.match(closed.stderr, /the list on stdin is empty/);
  assert.deepEqual([list.code, closed.code], [1, 2]);
});

test("Ctrl-C prints what is proven and says what is not checked; a second one ends it at the latest", async () => {
  // Takes every question, and answers none.
  const silent = createSocket("udp4");
  await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
  const env = { PROOFDNS_SERVER: `127.0.0.1:${silent.address().port}` };
  // It is asking when the first question is there.
  const asked = (): Promise<void> => new Promise((resolve) => silent.once("message", () => resolve()));
  try {
    const args = [goMod, "--json", "--timeout", "20s", "--no-cache"];
    const once = await run({ args, env, interrupt: async (kill) => asked().then(() => kill("SIGINT")) });
    const lines = once.stdout.trimEnd().split("\n");
    assert.equal(lines.length, 501);
    for (const line of lines) assert.doesNotThrow(() => JSON.parse(line));
    assert.match(once.stderr, /interrupted/);
    assert.equal(once.code, 2);
    // The second comes while the first is being dealt with, or after everything is said.
    const twice = await run({
      args,
      env,
      interrupt: async (kill) => {
        await asked();
        kill("SIGINT");
        await sleep(5);
        kill("SIGINT");
      },
    });
    assert.ok(twice.code === 130 || twice.code === 2 || twice.code === "SIGINT", String(twice.code));
  } finally {
    silent.close();
  }
});

test("a server that is down is one sentence on stderr and exit code 2, not 500", async () => {
  const { code, stdout, stderr } = await run({ args: [goMod, "--no-cache"], env: { PROOFDNS_SERVER: "127.0.0.1:1" } });
  assert.equal(code, 2);
  assert.match(stdout, /500 modules: 500 not checked/);
  assert.ok(stderr.split("\n").length < 10, stderr.slice(0, 2000));
});
