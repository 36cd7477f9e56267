import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Published, versions, versionsWith } from "../check/scene.ts";
import { Served } from "../check/served.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { clockPolicy } from "../service/operator.ts";
import { snapshot } from "./process.ts";

/** `proofdns check` against a real server on loopback. */

const published: Published[] = [
  ...versions("example.com/a", "v1.0.0", "v1.1.0"),
  ...versions("example.com/current", "v1.0.0"),
  ...versions("example.com/fam", "v1.0.0"),
  ...versions("example.com/fam/v2", "v2.0.0"),
  ...versionsWith("example.com/taken", ["v1.0.0", "v1.1.0"], {
    "v1.1.0": "// Deprecated: use example.com/a.\nmodule example.com/taken\n\nretract v1.1.0 // a mistake\n",
  }),
  ...versions("example.com/Upper", "v1.0.0"),
  ...versions("golang.org/toolchain", "v0.0.1-go1.24.3.linux-amd64", "v0.0.1-go1.24.4.linux-amd64"),
];
const GO_MOD = `module example.com/me

go 1.22

require (
	example.com/a v1.0.0
	example.com/current v1.0.0 // indirect
)
`;

let served: Served;
let goMod = "";
before(async () => {
  served = await Served.start(published);
  goMod = served.write("project/go.mod", GO_MOD);
});
after(() => served.close());

const jsonOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("prints a table, JSON lines or commands, and ends with the same code in every form", async () => {
  const table = await served.check([goMod]);
  assert.match(table.stdout, /example\.com\/a +v1\.0\.0 +v1\.1\.0 +minor/);
  assert.match(table.stdout, /2 modules: 1 current, 1 outdated; proven in epoch 1, 10 records, \d+ s old/);
  assert.equal(table.stderr, "");
  const json = await served.check([goMod, "--json"]);
  const lines = jsonOf(json.stdout);
  assert.deepEqual(
    lines.map(({ schemaVersion, type, status }) => [schemaVersion, type, status]),
    [
      [1, "module", "outdated"],
      [1, "module", "current"],
      [1, "summary", undefined],
    ],
  );
  assert.deepEqual(lines[0]?.["places"], [{ file: goMod, line: 6 }]);
  assert.equal(lines.at(-1)?.["exitCode"], 1);
  const goGet = await served.check([goMod, "--emit", "go-get"]);
  assert.equal(goGet.stdout, `(cd ${dirname(goMod)} && go get example.com/a@v1.1.0)\n`);
  const quiet = await served.check([goMod, "-q", "--outdated", "--no-age"]);
  assert.equal(quiet.stdout, "MODULE         CURRENT  LATEST  STEP\nexample.com/a  v1.0.0   v1.1.0  minor\n");
  assert.deepEqual([table.code, json.code, goGet.code, quiet.code], [1, 1, 1, 1]);
});

test("--exit-code and --no-fail change 1, and nothing graver", async () => {
  assert.equal((await served.check([goMod, "--exit-code", "9"])).code, 9);
  assert.equal((await served.check([goMod, "--no-fail"])).code, 0);
  assert.equal((await served.check([goMod, join(served.folder, "nowhere"), "--no-fail"])).code, 2);
  assert.equal((await served.check([goMod, join(served.folder, "nowhere"), "--exit-code", "9", "--json"])).code, 2);
});

test("refuses bad usage in one sentence that says what is expected", async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["--exit-code", "256"], /--exit-code "256": expected a number from 0 to 255/],
    [["--exit-code", "-1"], /--exit-code "-1"/],
    [["--exit-code", "x"], /--exit-code "x"/],
    [["--cooldown", "soon"], /--cooldown "soon"/],
    [["--cooldown", "-7d"], /--cooldown "-7d"/],
    [["--cooldown", ""], /--cooldown ""/],
    [["--cooldown", "99999999999999999d"], /--cooldown "9+d": it is too long; write/],
    [["--format", "xml"], /Allowed choices are table, json/],
    [["--emit", "rm"], /Allowed choices are go-get/],
    [["--unknown"], /unknown option/],
    [["--jobs", "0"], /--jobs/],
    [["--server", "127.0.0.1:53,127.0.0.1:54"], /it takes one server; repeat --server for more/],
    [["--server", "https://a.example/q,https://b.example/q"], /it takes one server; repeat --server for more/],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await served.check([goMod, ...args]);
    assert.deepEqual([code, stdout], [2, ""], args.join(" "));
    assert.match(stderr, expected);
    assert.ok(!stderr.includes("    at "), "no stack trace");
  }
});

test("a bare number of a cooldown is days, and a log without a head so old leaves the check incomplete", async () => {
  const bare = await served.check([goMod, "--cooldown", "7"]);
  assert.match(bare.stdout, /v1\.1\.0 withheld: age unknown: the log has no head that is 7d old/);
  assert.equal(bare.code, 2);
  assert.equal((await served.check([goMod, "--cooldown", "0"])).code, 1);
});

test("--hashed says what it does not hide, on stderr alone, and so does --retractions beside it", async (t) => {
  const said = t.mock.method(console, "error", () => {});
  const notes = (): string => {
    const text = said.mock.calls.map(({ arguments: [line] }) => `${String(line)}\n`).join("");
    said.mock.resetCalls();
    return text;
  };
  const plain = await served.check(["example.com/current@v1.0.0", "--json", "--hashed"]);
  assert.match(notes(), /^proofdns: --hashed hides only names that nobody can guess; .*\n$/);
  assert.deepEqual([plain.code, plain.stderr, jsonOf(plain.stdout).length], [0, "", 2]);
  const both = await served.check(["example.com/current@v1.0.0", "--hashed", "--retractions"]);
  assert.match(both.stderr, /^proofdns: --retractions asks the proxies of GOPROXY by name/);
  notes();
  for (const more of [["--quiet"], ["--offline"]]) {
    const { stderr } = await served.check(["example.com/current@v1.0.0", "--hashed", "--retractions", ...more]);
    assert.doesNotMatch(stderr + notes(), /--hashed/, more.join());
  }
});

test("where nothing proves freshness a cooldown says that, and not that the log lacks a head which nobody asked for", async () => {
  const policy = served.write("none.policy", clockPolicy.replaceAll(/^quorum .*$/gm, "quorum none"));
  const state = join(served.folder, "none-state");
  const args = [goMod, "--policy", policy, "--no-freshness", "--state", state, "--no-cache", "--cooldown", "7d"];
  const { code, stdout } = await served.check(args);
  assert.equal(code, 2);
  assert.match(stdout, /v1\.1\.0 withheld: age unknown: freshness is not proven, so no age can be/);
  assert.doesNotMatch(stdout, /the log has no head/);
});

test("one input that cannot be read leaves the others checked, in JSON too", async () => {
  const { code, stdout, stderr } = await served.check([join(served.folder, "nowhere"), goMod, "--json"]);
  const lines = jsonOf(stdout);
  assert.deepEqual(
    lines.map(({ type }) => type),
    ["module", "module", "input", "summary"],
  );
  assert.match(stderr, /there is no .*nowhere/);
  assert.equal(code, 2);
});

test("the go.work above a project counts unless GOWORK is off, and a version that is a query is not guessed", async () => {
  const file = served.write(
    "ws/a/go.mod",
    "module corp.example/a\n\nrequire corp.example/secret v0.1.0\nrequire example.com/a v1.1.0\n",
  );
  served.write("ws/secret/go.mod", "module corp.example/secret\n");
  served.write("ws/go.work", "go 1.22\n\nuse ./a\nuse ./secret\n");
  const inWork = await served.check([file], { GOWORK: "" });
  assert.equal(inWork.code, 0);
  assert.match(inWork.stdout, /note: in the workspace of .*ws\/go\.work: /);
  assert.equal((await served.check([file], { GOWORK: "off" })).code, 1);
  const named = await served.check([file], { GOWORK: "go.work" });
  assert.equal(named.code, 2);
  assert.match(named.stderr, /GOWORK is "go\.work", which is not an absolute path/);

  const short = served.write("short/go.mod", "module me\n\nrequire example.com/a v1\n");
  const unread = await served.check([short], { GOWORK: "off" });
  assert.equal(unread.code, 2);
  assert.match(unread.stderr, /go\.mod:3: "v1" of example\.com\/a is not a canonical version/);
  const nameless = await served.check([served.write("nameless/go.mod", "")], { GOWORK: "off" });
  assert.equal(nameless.code, 2);
  assert.match(nameless.stderr, /go\.mod has no module line/);
});

test("--major and --retractions: from GOPROXY by a folder, and what is not there is said and not guessed", async () => {
  const list = ["example.com/fam@v1.0.0", "example.com/taken@v1.1.0", "example.com/Upper@v1.0.0"];
  const files: readonly (readonly [string, string])[] = published.map(({ path, version, goMod }) => [
    `proxy/${path.replace("Upper", "!upper")}/@v/${version}.mod`,
    goMod ?? "",
  ]);
  for (const [name, text] of files) served.write(name, text);
  const proxy = { GOPROXY: pathToFileURL(join(served.folder, "proxy")).href };
  const good = await served.check([...list, "--major", "--retractions", "--json"], proxy);
  const [upper, fam, taken] = jsonOf(good.stdout);
  assert.deepEqual([upper?.["module"], upper?.["status"]], ["example.com/Upper", "current"]);
  assert.deepEqual(
    [fam?.["status"], (fam?.["newerMajor"] as { module: string } | undefined)?.module],
    ["newer-major", "example.com/fam/v2"],
  );
  assert.deepEqual(
    [taken?.["status"], taken?.["retracted"], taken?.["deprecated"]],
    ["retracted", "a mistake", "use example.com/a."],
  );
  assert.deepEqual([good.code, good.stderr], [1, ""]);
  writeFileSync(join(served.folder, "proxy/example.com/taken/@v/v1.1.0.mod"), "module example.com/taken\n");
  const kept = await served.check([...list, "--retractions", "--no-fail"], { GOPROXY: "off" });
  assert.deepEqual([kept.code, kept.stderr], [0, ""], "what was fetched and proven once is not fetched again");
  const false_ = await served.check([...list, "--retractions", "--no-cache"], proxy);
  assert.match(false_.stderr, /example\.com\/taken: the go\.mod .* \[BAD_CHECKSUM\]/);
  assert.equal(false_.code, 3);
  const off = await served.check([...list, "--retractions", "--no-fail", "--no-cache"], { GOPROXY: "off" });
  assert.match(off.stderr, /cannot get the go\.mod .*GOPROXY/);
  assert.equal(off.code, 2);
});

test("the go.mod comes over HTTP too, and only the modules asked for are told to the proxy", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const found = published.find(({ path, version }) => request.url === `/${path}/@v/${version}.mod`);
    response.writeHead(found === undefined ? 404 : 200).end(found?.goMod ?? "");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const list = ["example.com/taken@v1.0.0", "example.com/fam@v1.0.0", "--retractions", "--no-cache"];
  const { code } = await served.check(list, {
    GOPROXY: `http://127.0.0.1:${port}`,
    GONOSUMDB: "example.com/fam",
  });
  server.close();
  assert.deepEqual([code, asked], [0, ["/example.com/taken/@v/v1.1.0.mod"]]);
});

test("GOPRIVATE is honoured from the file of go env -w, and the number of private modules is said", async () => {
  const env = served.write("go-env", "GOPRIVATE=example.com/a,*.corp.example\n");
  const { code, stdout } = await served.check([goMod], { GOENV: env });
  assert.ok(!stdout.includes("example.com/a "));
  assert.match(stdout, /1 module: private by GOPRIVATE or GONOSUMDB, never sent/);
  assert.equal(code, 0);
});

test("a Go binary is checked with the toolchain that built it, and go install brings it up to date", async () => {
  const bytes = makeElf(
    inlineInfo(
      "go1.24.3",
      "path\texample.com/a/cmd/a\nmod\texample.com/a\tv1.0.0\th1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" +
        "dep\texample.com/taken\tv1.0.0\th1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ),
  );
  const tool = served.write("bin/tool", bytes);
  const table = await served.check([join(served.folder, "bin")]);
  assert.match(table.stdout, /toolchain +go1\.24\.3 +go1\.24\.4 +patch/);
  assert.equal(table.code, 1);
  const install = await served.check([tool, "--emit", "go-get"]);
  assert.equal(
    install.stdout,
    `go install example.com/a/cmd/a@v1.1.0
# no command: 1 module that a binary is made of has something newer
# no command: toolchain go1.24.3: the newest is go1.24.4 (${tool})\n`,
  );
  const madeOf = await served.check([tool, "--json"]);
  assert.match(madeOf.stdout, /"module":"example\.com\/taken".*"status":"outdated"/, "it stands in no go.mod");
});

test("--github prints annotations and writes the step summary, and keeps them out of JSON", async () => {
  const summary = join(served.folder, "summary.md");
  const env = { GITHUB_STEP_SUMMARY: summary, GITHUB_WORKSPACE: served.folder };
  const table = await served.check([goMod, "--github"], env);
  assert.match(
    table.stdout,
    /\n::warning file=project\/go\.mod,line=6,title=example\.com\/a::v1\.0\.0 can go to v1\.1\.0 \(minor\)\n/,
  );
  assert.match(readFileSync(summary, "utf8"), /### proofdns check\n/);
  const json = await served.check([goMod, "--github", "--json"], env);
  assert.doesNotThrow(() => jsonOf(json.stdout));
  assert.match(json.stderr, /::warning file=/);
  const closed = await served.check([goMod, "--github"], { GITHUB_STEP_SUMMARY: served.folder });
  assert.match(closed.stderr, /cannot write the step summary/);
  assert.deepEqual([table.code, json.code, closed.code], [1, 1, 1]);
});

test("a second check within the time to live asks nothing, and one that remembers nothing asks", async () => {
  const folders = ["--cache", join(served.folder, "cache-twice"), "--state"];
  const own = [...folders, join(served.folder, "state-twice"), "--no-age", "--timeout", "1s"];
  const first = await served.check([goMod, ...own]);
  const nobody = { PROOFDNS_SERVER: "127.0.0.1:1" };
  const again = await served.check([goMod, ...own], nobody);
  assert.deepEqual([again.code, again.stderr], [1, ""]);
  assert.equal(again.stdout.split("\n")[2], first.stdout.split("\n")[2]);
  const forgetful = await served.check(
    [goMod, ...folders, join(served.folder, "no-state"), "--no-age", "--timeout", "1s"],
    nobody,
  );
  assert.match(forgetful.stderr, /UNREACHABLE/);
  assert.equal(forgetful.code, 2);
});

test("--offline answers from what was asked before, says how old it is, and asks nobody", async () => {
  const cache = join(served.folder, "cache-of-one");
  const online = await served.check([goMod, "--no-age", "--cache", cache]);
  const nobody = { PROOFDNS_SERVER: "127.0.0.1:1" };
  const offline = await served.check([goMod, "--offline", "--cache", cache], nobody);
  assert.equal(offline.stdout.split("\n")[2], online.stdout.split("\n")[2]);
  assert.match(offline.stdout, /proven in epoch 1, 10 records, \d+ s old/);
  assert.deepEqual([offline.code, offline.stderr], [1, ""]);
  const unknown = await served.check(["example.com/fam@v1.0.0", "--offline", "--cache", cache], nobody);
  assert.match(unknown.stderr, /no cached answer for .*example\.com\/fam/);
  assert.equal(unknown.code, 2);
});

test("refuses options that contradict each other, in a sentence", async () => {
  const cases: [string[], RegExp][] = [
    [["--offline", "--strict"], /--strict asks for proofs, and --offline asks nothing/],
    [["--exit-code", "7", "--no-fail"], /give one/],
    [["--json", "--emit", "go-get"], /leave out --json/],
    [["--ignore", ""], /--ignore: expected a pattern/],
  ];
  for (const [more, expected] of cases) {
    const { code, stdout, stderr } = await served.check([goMod, ...more]);
    assert.match(stderr, expected, more.join(" "));
    assert.deepEqual([code, stdout], [2, ""], more.join(" "));
  }
});

test("nothing is coloured off a terminal, unless it is asked for", async () => {
  assert.ok(!(await served.check([goMod])).stdout.includes("\u001b"));
  assert.ok((await served.check([goMod], { FORCE_COLOR: "1" })).stdout.includes("\u001b[33m"));
  assert.ok(!(await served.check([goMod, "--no-color"], { FORCE_COLOR: "1" })).stdout.includes("\u001b"));
  assert.ok(!(await served.check([goMod], { FORCE_COLOR: "1", NO_COLOR: "1" })).stdout.includes("\u001b"));
});

test("what was remembered before is left as it was by a check of which one lookup failed", async () => {
  const state = join(served.folder, "state-of-one");
  assert.equal((await served.check([goMod, "--state", state, "--no-cache"])).code, 1);
  const before = snapshot(state);
  assert.equal(before.size, 1);
  // Nobody answers there.
  const failed = await served.check([
    goMod,
    "example.com/a@v1.0.0",
    "--state",
    state,
    "--server",
    "127.0.0.1:1",
    "--no-cache",
  ]);
  assert.equal(failed.code, 2);
  assert.deepEqual(snapshot(state), before);
});

test("a check in which nothing was checked ends with 2 and says why, in every form and with -q", async () => {
  const file = served.write("note.txt", "no binary\n");
  const work = served.write("empty/go.work", "go 1.22\n");
  const cases: readonly (readonly [string[], Readonly<Record<string, string>>, RegExp])[] = [
    [[goMod], { GOSUMDB: "off" }, /not checked: 2 modules: GOSUMDB=off, never sent/],
    [[goMod], { GOPRIVATE: "*", GONOSUMDB: "*" }, /not checked: 2 modules: private by GOPRIVATE or GONOSUMDB/],
    [[goMod, "--ignore", "*"], {}, /not checked: example\.com\/a v1\.0\.0: ignored by --ignore/],
    [[file], {}, /not checked: .*note\.txt: not a Go binary: /],
  ];
  for (const [args, env, why] of cases) {
    const table = await served.check(args, env);
    assert.match(table.stdout, why);
    assert.match(table.stdout, /^nothing was checked$/m);
    assert.equal(table.stderr, "");
    for (const form of ["-q", "--json", "--emit=go-get"]) {
      const other = await served.check([...args, form], env);
      assert.match(other.stderr, why, form);
      assert.match(other.stderr, /^proofdns: nothing was checked$/m, form);
      assert.equal(other.code, 2, form);
    }
    assert.equal(table.code, 2);
    const json = jsonOf((await served.check([...args, "--json"], env)).stdout).at(-1);
    assert.deepEqual([json?.["nothingChecked"], json?.["exitCode"]], [true, 2]);
  }
  const empty = await served.check([work]);
  assert.match(empty.stderr, /go\.work uses no module/);
  assert.equal(empty.code, 2);
  const alone = served.write("alone/go.mod", "module example.com/alone\n\ngo 1.22\n");
  const clean = await served.check([alone], { GOWORK: "off" });
  assert.deepEqual([clean.code, clean.stderr], [0, ""]);
});

test("JSON says which argument named a module, and the table why no age is there", async () => {
  const { stdout } = await served.check(["example.com/current@v1.0.0", "example.com/a@latest", "--json"]);
  const lines = jsonOf(stdout);
  assert.deepEqual(
    lines.slice(0, 2).map(({ places }) => places),
    [[{ argument: 2 }], [{ argument: 1 }]],
  );
  const unknown = "ages unknown: the log has no head for this policy that is a day old";
  assert.ok((lines.at(-1)?.["remarks"] as string[] | undefined)?.includes(unknown));
  const args = ["example.com/current@v1.0.0"];
  assert.ok((await served.check(args)).stdout.includes(`\nnote: ${unknown}\n`));
  assert.ok(!(await served.check([...args, "--no-age"])).stdout.includes("ages unknown"));
  assert.ok(!(await served.check(["example.com/nowhere@v1.0.0"])).stdout.includes("ages unknown"));
});

test("--patch-only says that what it passes over is of another minor", async () => {
  const { code, stdout } = await served.check(["example.com/a@v1.0.0", "--patch-only", "-q"]);
  assert.match(stdout, /^example\.com\/a +v1\.0\.0 +v1\.1\.0 +nothing newer in v1\.0\.x$/m);
  assert.equal(code, 0);
});

test("what is wrong with a file of a folder is annotated at its line, and said with its place once in every form", async () => {
  served.write("wrong/in/go.mod", "module example.com/wrong\n\nwat\n");
  served.write("wrong/good/go.mod", GO_MOD);
  const env = { GITHUB_STEP_SUMMARY: served.write("summary.md", ""), GITHUB_WORKSPACE: served.folder };
  const wrong = join(served.folder, "wrong");
  const { code, stdout } = await served.check([wrong, "example.com/b@", "--github", "-q"], env);
  assert.equal(code, 2);
  const errors = stdout.split("\n").filter((line) => line.startsWith("::error"));
  assert.equal(errors.length, 2);
  assert.match(errors[0] ?? "", /^::error file=wrong\/in\/go\.mod,line=3,title=not read::/);
  assert.match(errors[1] ?? "", /^::error title=not read::argument 2: "" is neither/);
  const commands = await served.check([wrong, "example.com/b@", "--emit", "go-get"]);
  for (const text of [readFileSync(env.GITHUB_STEP_SUMMARY, "utf8").replaceAll(/&#46;|&#47;/g, "."), commands.stdout]) {
    assert.equal(text.match(/argument 2/g)?.length, 1, text);
    assert.equal(text.match(/go\.mod:3/g)?.length, 1, text);
  }
  const json = jsonOf((await served.check([join(wrong, "in"), "--json"])).stdout);
  assert.deepEqual(json[0]?.["places"], [{ file: join(wrong, "in/go.mod"), line: 3 }]);
});
