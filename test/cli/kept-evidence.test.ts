import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import type { Command } from "commander";
import { exitCodeOf, messageOf } from "../../src/cli/exit-code.ts";
import { findKeptForks } from "../../src/cli/kept-evidence.ts";
import { makeLatestCommand } from "../../src/cli/latest.ts";
import { makeProveCommand } from "../../src/cli/prove.ts";
import { makeVerifyCommand } from "../../src/cli/verify.ts";
import { makeVersionCommand } from "../../src/cli/version.ts";
import type { Trust } from "../../src/client/verify/index.ts";
import { formatCheckpoint, formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { makeForkEvidence } from "../../src/vindex/evidence.ts";
import {
  formatKeyId,
  formatNote,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  makeSignerKey,
  type SignerKey,
  signNote,
} from "../../src/vindex/note.ts";
import { recordOf, versions } from "../check/scene.ts";
import { Served } from "../check/served.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { identity } from "../service/operator.ts";
import { ed25519, logKey, sumdbKey, ZONE } from "../service/world.ts";
import { type Outcome, withEnvironment } from "./in-process.ts";
import { run as spawn } from "./process.ts";

/** A fork that was proven once counts in every later run, whatever the server answers by then. */

const published = versions("example.com/a", "v1.0.0", "v1.1.0");
const [first] = published;
const other = makeSignerKey("elsewhere.example.org/p1", KEY_TYPE_ED25519, new Uint8Array(32).fill(9), ed25519);

/** Two trees of one size under the signature of `key`. */
function forkOf(key: SignerKey, format: (rootHash: Uint8Array) => string): object {
  const [one = "", two = ""] = [1, 2].map((byte) => {
    const text = format(new Uint8Array(32).fill(byte));
    return formatNote(text, [signNote(text, key, ed25519)]);
  });
  return makeForkEvidence(formatVerifierKey(key.verifierKey), one, two);
}

const checkpoint = (origin: string) => (rootHash: Uint8Array) => formatCheckpoint({ origin, treeSize: 9, rootHash });
const ofLog = forkOf(logKey, checkpoint(`${ZONE}/p1`));
const ofSumdb = forkOf(sumdbKey, (rootHash) => formatTreeHead({ treeSize: 9, rootHash }));
const SAID = /a fork was seen: trust nothing of l\.example\.org\/p1 .* until the file is moved away \[FORK\]\n/;
const SAID_OF_SUMDB =
  /a fork was seen: trust nothing of sumdb\.example\.org .* until the file is moved away \[SUMDB_FORK\]\n/;

let served: Served;
let state: string;
let sum: string;
let binary: string;
before(async () => {
  served = await Served.start(published);
  state = join(served.folder, "home", "state", "proofdns");
  sum = served.write("project/go.sum", published.map((one) => recordOf(one)).join(""));
  const zip = first === undefined ? "" : (recordOf(first).split(/\s+/)[2] ?? "");
  const text = `path\texample.com/a\nmod\texample.com/a\tv1.0.0\t${zip}\n`;
  binary = served.write("bin/a", makeElf(inlineInfo("go1.22.1", text)));
});
after(() => served.close());
beforeEach(() => {
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { recursive: true });
});

let files = 0;
/** Keeps evidence as a client does, and gives the path. */
function keep(evidence: object | string): string {
  const path = join(state, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-${files++}.json`);
  writeFileSync(path, typeof evidence === "string" ? evidence : `${JSON.stringify(evidence, undefined, 2)}\n`);
  return path;
}

async function run(t: TestContext, command: Command, args: readonly string[]): Promise<Outcome> {
  const said = { log: "", error: "" };
  const mocks = (["log", "error"] as const).map((name) =>
    t.mock.method(console, name, (text: string) => {
      said[name] += `${text}\n`;
    }),
  );
  const code = await withEnvironment(served.env(), async () => {
    try {
      await command.exitOverride().parseAsync([...args, "--sumdb-key", identity.sumdbKey], { from: "user" });
    } catch (error) {
      said.error += `${messageOf(error)}\n`;
      process.exitCode = exitCodeOf(error);
    }
  });
  for (const { mock } of mocks) mock.restore();
  return { code, stdout: said.log, stderr: said.error };
}

async function check(t: TestContext, args: readonly string[], env = {}): Promise<Outcome> {
  const said = t.mock.method(console, "error", () => {});
  const outcome = await served.check(args, env);
  const lines = said.mock.calls.map(({ arguments: [line] }) => `${String(line)}\n`).join("");
  said.mock.restore();
  return { ...outcome, stderr: lines + outcome.stderr };
}

function linesOf({ stdout }: Outcome): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("kept evidence of a fork", () => {
  for (const [what, evidence, says] of [
    ["the log", ofLog, SAID],
    ["the checksum database", ofSumdb, SAID_OF_SUMDB],
  ] as const) {
    it(`makes every asking command end with 3 if it is of ${what}, with what they proved`, async (t) => {
      keep(evidence);
      const outcomes = [
        await check(t, ["example.com/a@v1.1.0"]),
        await run(t, makeLatestCommand(), ["example.com/a"]),
        await run(t, makeVerifyCommand(), ["--all", sum]),
        await run(t, makeProveCommand(), ["example.com/a", "--force", "-o", join(served.folder, "a.tlog-proof")]),
        await run(t, makeVersionCommand(), ["-h", binary]),
      ];
      for (const { code, stdout, stderr } of outcomes) {
        assert.equal(code, 3, stderr);
        assert.match(stdout, /example\.com\/a/);
        assert.match(stderr, says);
        assert.equal(stderr.match(/a fork was seen/g)?.length, 1);
      }
    });
  }

  it("stands in the JSON of each", async (t) => {
    const path = keep(ofLog);
    const summary = linesOf(await check(t, ["--json", "example.com/a@v1.1.0"])).at(-1);
    assert.equal(summary?.["exitCode"], 3);
    const [error] = summary["errors"] as { code: string; kind: string; message: string }[];
    assert.deepEqual([error?.code, error?.kind], ["FORK", "false"]);
    assert.ok(error?.message.includes(path));
    const latest = linesOf(await run(t, makeLatestCommand(), ["--json", "example.com/a"]));
    assert.deepEqual(
      latest.map(({ subject, status, code }) => [subject, status, code]),
      [
        ["example.com/a", "latest", undefined],
        [null, "error", "FORK"],
      ],
    );
    const verified = linesOf(await run(t, makeVerifyCommand(), ["--json", sum]));
    const problem = verified.find(({ type }) => type === "problem");
    assert.deepEqual([problem?.["code"], problem?.["file"]], ["FORK", path]);
    assert.deepEqual([verified.at(-1)?.["errors"], verified.at(-1)?.["exitCode"]], [1, 3]);
    const proof = join(served.folder, "b.tlog-proof");
    const [proven] = linesOf(await run(t, makeProveCommand(), ["example.com/a", "--json", "-o", proof]));
    const [failure] = (proven?.["errors"] ?? []) as { code: string }[];
    assert.equal(failure?.code, "FORK");
  });

  it("stays 3 with --no-fail, --exit-code and --quiet, and stands in annotations and the step summary", async (t) => {
    keep(ofLog);
    const target = served.write("step.md", "");
    for (const option of ["--no-fail", "--exit-code=0", "--quiet", "--emit=go-get"]) {
      const { code, stderr } = await check(t, [option, "example.com/a@v1.0.0"]);
      assert.deepEqual([code, SAID.test(stderr)], [3, true], option);
    }
    const outcome = await check(t, ["-q", "--github", "example.com/a@v1.1.0"], { GITHUB_STEP_SUMMARY: target });
    assert.match(outcome.stdout, /^::error title=FORK::a fork was seen/m);
    assert.match(execFileSync("cat", [target], { encoding: "utf8" }), /^- FORK: a fork was seen/m);
  });

  it("counts without a network too, for what was kept and for what was not", async (t) => {
    assert.equal((await run(t, makeLatestCommand(), ["example.com/a"])).code, 0);
    keep(ofLog);
    const offline = await run(t, makeLatestCommand(), ["--offline", "example.com/a"]);
    assert.equal(offline.code, 3);
    assert.match(offline.stdout, /^example\.com\/a v1\.1\.0/);
    assert.equal((await check(t, ["--offline", "example.com/a@v1.1.0"])).code, 3);
    // An error that ends the command would be 2 alone.
    const args = ["prove", "example.com/none", "--offline", "-o", "-", "--sumdb-key", identity.sumdbKey];
    const ended = await spawn(args, served.env());
    assert.equal(ended.code, 3, ended.stderr);
    assert.match(ended.stderr, SAID);
    assert.match(ended.stderr, /no cached answer for/);
  });

  it("counts no more once the file is moved away", async (t) => {
    const path = keep(ofLog);
    assert.equal((await check(t, ["example.com/a@v1.1.0"])).code, 3);
    renameSync(path, join(served.folder, "explained.json"));
    const { code, stderr } = await check(t, ["example.com/a@v1.1.0"]);
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("counts behind any number of suspicions, which have another name and are not looked at", async (t) => {
    const id = formatKeyId(logKey.verifierKey.keyId);
    for (let i = 0; i < 3; i++) writeFileSync(join(state, `evidence-suspicion-${id}-${i}.json`), "no JSON");
    assert.deepEqual(await check(t, ["example.com/a@v1.1.0"]).then(({ code, stderr }) => [code, stderr]), [0, ""]);
    for (let i = 0; i < 150; i++) keep({ type: "proofdns-suspicion/1", n: i });
    const path = join(state, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-z.json`);
    writeFileSync(path, JSON.stringify(ofLog));
    assert.equal((await check(t, ["example.com/a@v1.1.0"])).code, 3);
  });
});

describe("what is no evidence against one's own keys", () => {
  const text = JSON.stringify(ofLog);
  const stranger = forkOf({ ...logKey, seed: new Uint8Array(32).fill(77) }, checkpoint(`${ZONE}/p1`));
  // With what is said of it: it may have been evidence.
  const cases: readonly (readonly [string, object | string, RegExp?])[] = [
    ["evidence about another log key", forkOf(other, checkpoint("elsewhere.example.org/p1"))],
    ["evidence with one's own key that another has signed", stranger, /\[BAD_SIGNATURE\]/],
    ["a file that is cut off", text.slice(0, -20), /it is no JSON: it was changed or cut off/],
    ["an empty file", "", /it is no JSON/],
    ["a file that is no JSON at all", "\u0000\u001b[2J proofdns-evidence/1", /it is no JSON/],
    [
      "evidence with a changed signature",
      text.replace(/(.{20})\\n"\]/, 'AAAAAAAAAAAAAAAAAAAA\\n"]'),
      /\[BAD_SIGNATURE\]/,
    ],
    [
      "two notes of the same tree",
      { ...ofLog, notes: Array(2).fill((ofLog as { notes: string[] }).notes[0]) },
      /\[BAD_PROOF\]/,
    ],
    ["a suspicion", { ...ofLog, type: "proofdns-suspicion/1", kind: "proofdns-evidence/1" }],
    ["evidence of another kind", { ...ofLog, kind: "epoch" }],
    ["a huge file", JSON.stringify({ ...ofLog, more: "x".repeat(2 << 20) }), /at most 1048576 are expected/],
  ];
  for (const [what, evidence, says] of cases) {
    it(`blocks nothing${says === undefined ? "" : ", and is named"}: ${what}`, async (t) => {
      assert.notEqual(evidence, text);
      const path = keep(evidence);
      const { code, stderr } = await check(t, ["-q", "example.com/a@v1.1.0"]);
      assert.equal(code, 0);
      if (says === undefined) return assert.equal(stderr, "");
      assert.ok(stderr.startsWith(`proofdns: ${path} is kept as evidence and counts for nothing: `), stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr.trimEnd(), /\p{Cc}/u);
    });
  }

  it("blocks nothing, and nobody waits for it: a folder, a link to nowhere, a pipe of that name", async (t) => {
    const name = (end: string): string => join(state, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-${end}.json`);
    mkdirSync(name("folder"));
    execFileSync("ln", ["-s", "nowhere", name("link")]);
    execFileSync("mkfifo", [name("pipe")]);
    const { code, stderr } = await check(t, ["example.com/a@v1.1.0"]);
    assert.equal(code, 0);
    for (const why of [
      /-folder\.json is .*: it is a directory/,
      /-link\.json .*no such file/,
      /-pipe\.json .*no regular file/,
    ])
      assert.match(stderr, why);
  });

  it("is named if it cannot be read, at most five times, and what holds behind it counts", async (t) => {
    for (let i = 0; i < 70; i++)
      mkdirSync(join(state, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-${1000 + i}.json`));
    const { code, stderr } = await check(t, ["example.com/a@v1.1.0"]);
    assert.deepEqual([code, stderr.match(/counts for nothing/g)?.length], [0, 5]);
    assert.match(stderr, /^proofdns: 65 more files that are kept as evidence count for nothing$/m);
    writeFileSync(join(state, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-z.json`), text);
    assert.equal((await check(t, ["example.com/a@v1.1.0"])).code, 3);
  });

  it("is said where there are more files than are looked through, or the folder cannot be listed", async () => {
    const said: string[] = [];
    const note = (sentence: string): number => said.push(sentence);
    const trust = {
      logKey: logKey.verifierKey,
      sumdbKey: sumdbKey.verifierKey,
      origin: "o",
      ed25519,
    } as unknown as Trust;
    const folder = mkdtempSync(join(tmpdir(), "proofdns-evidence-"));
    try {
      const unlisted = join(folder, "x".repeat(300));
      assert.deepEqual(await findKeptForks(unlisted, trust, { note, maxFiles: 100 }), []);
      assert.match(said.join(), /^kept evidence of forks was not looked for: cannot read .*xxx.*: /);
      said.length = 0;
      assert.deepEqual(await findKeptForks(join(folder, "none"), trust, { note, maxFiles: 100 }), []);
      assert.equal(said.length, 0);
      const first = join(folder, `evidence-${formatKeyId(logKey.verifierKey.keyId)}-0.json`);
      writeFileSync(first, JSON.stringify({ type: "proofdns-suspicion/1" }));
      for (let i = 1; i < 101; i++) linkSync(first, first.replace("-0.json", `-${i}.json`));
      assert.deepEqual(await findKeptForks(folder, trust, { note, maxFiles: 100 }), []);
      assert.match(said.join("\n"), /^\S+ has 101 files of evidence .* only the first 100 were looked at: /);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("blocks nothing: evidence that was kept for another log", async (t) => {
    writeFileSync(join(state, "evidence-01020304-0a0b0c0d0e0f.json"), text);
    assert.equal((await check(t, ["example.com/a@v1.1.0"])).code, 0);
  });
});
