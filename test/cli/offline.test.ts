import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { exitCodeOf, messageOf } from "../../src/cli/exit-code.ts";
import { makeLatestCommand } from "../../src/cli/latest.ts";
import { makeProveCommand } from "../../src/cli/prove.ts";
import { makeVerifyCommand } from "../../src/cli/verify.ts";
import { makeVersionCommand } from "../../src/cli/version.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { type Published, recordOf, versions, versionsWith } from "../check/scene.ts";
import { Served } from "../check/served.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { identity, makeSumdb, startOperator, until } from "../service/operator.ts";
import { type Outcome, withEnvironment } from "./in-process.ts";

/** What ran once with a network runs again without one, against a real server on loopback. */

const TAKEN = "// Deprecated: use example.com/a.\nmodule example.com/taken\n\nretract v1.1.0 // a mistake\n";
const published: Published[] = [
  ...versions("example.com/a", "v1.0.0", "v1.1.0"),
  ...versionsWith("example.com/taken", ["v1.0.0", "v1.1.0"], { "v1.1.0": TAKEN }),
];
const goSum = published
  .filter(({ path }) => path.startsWith("example.com/"))
  .map((one) => recordOf(one))
  .join("");
/** Nobody is there, neither of a log nor of a proxy. */
const NOBODY = { PROOFDNS_SERVER: "127.0.0.1:1", GOPROXY: "http://127.0.0.1:1" };

let served: Served;
let sum: string;
let proxy: Readonly<Record<string, string>>;
before(async () => {
  served = await Served.start(published);
  sum = served.write("project/go.sum", goSum);
  for (const { path, version, goMod } of published) served.write(`proxy/${path}/@v/${version}.mod`, goMod ?? "");
  proxy = { GOPROXY: pathToFileURL(join(served.folder, "proxy")).href };
});
after(() => served.close());

let folders = 0;
/** Options for a state folder and a cache of one's own. */
function fresh(): { readonly folder: string; readonly cache: string; readonly args: readonly string[] } {
  const folder = join(served.folder, `own-${folders++}`);
  mkdirSync(folder);
  const cache = join(folder, "cache");
  return { folder, cache, args: ["--state", join(folder, "state"), "--cache", cache, "--timeout", "2s"] };
}

/** Runs a command in this process. */
async function run(
  t: TestContext,
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const said = { log: "", error: "" };
  const mocks = (["log", "error"] as const).map((name) =>
    t.mock.method(console, name, (text: string) => {
      said[name] += `${text}\n`;
    }),
  );
  const code = await withEnvironment(served.env(env), async () => {
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

/** Kept proofs of one kind, by the subject in them. */
function keptFiles(cache: string, subject: RegExp): string[] {
  return (readdirSync(cache, { recursive: true }) as string[])
    .map((name) => join(cache, name))
    .filter((path) => path.endsWith(".tlog-proof"))
    .filter((path) => {
      const extra = readFileSync(path, "utf8").split("\n")[1]?.slice("extra ".length) ?? "";
      return subject.test(Buffer.from(extra, "base64").toString("latin1"));
    });
}

const withoutAges = (text: string): string => text.replaceAll(/\d+ (s|min) old/g, "- old");

describe("what ran once with a network, run again with --offline", () => {
  it("verifies a go.sum the same, and says how old the lists and the records are", async (t) => {
    const own = fresh();
    const online = await run(t, makeVerifyCommand(), [sum, "--all", ...own.args]);
    assert.equal(online.code, 0, online.stdout);
    const offline = await run(t, makeVerifyCommand(), [sum, "--all", "--offline", ...own.args], NOBODY);
    assert.deepEqual([offline.code, offline.stderr], [0, ""]);
    const [last, ...lines] = offline.stdout.trimEnd().split("\n").reverse();
    assert.equal(lines.reverse().join("\n"), online.stdout.trimEnd());
    assert.match(last ?? "", /^offline: from what was kept; the oldest list of versions is \d+ s old$/);
    const json = await run(t, makeVerifyCommand(), [sum, "--json", "--offline", ...own.args], NOBODY);
    const summary = JSON.parse(json.stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
    assert.deepEqual([summary["offline"], typeof summary["asOf"], summary["exitCode"]], [true, "number", 0]);
    assert.equal(summary["recordsAsOf"], summary["asOf"]);
  });

  it("differs where a checksum does, with exit code 3, and nothing of that takes a network", async (t) => {
    const own = fresh();
    await run(t, makeVerifyCommand(), [sum, ...own.args]);
    const forged = served.write(
      "forged/go.sum",
      goSum.replace(/h1:./, (h1) => (h1 === "h1:A" ? "h1:B" : "h1:A")),
    );
    const offline = await run(t, makeVerifyCommand(), [forged, "--offline", ...own.args], NOBODY);
    assert.equal(offline.code, 3, offline.stdout);
    assert.match(offline.stdout, /^DIFFERS /m);
  });

  it("ends with 2 and what to do next for what is not kept", async (t) => {
    const own = fresh();
    const nothing = await run(t, makeVerifyCommand(), [sum, "--offline", ...own.args], NOBODY);
    assert.equal(nothing.code, 2);
    assert.match(nothing.stdout, /no cached answer for versions example\.com\/a; ask for it once without --offline/);
    assert.match(nothing.stdout, /offline: nothing about these modules is kept/);
    await run(t, makeLatestCommand(), ["example.com/a", "--versions", ...own.args]);
    const unproven = await run(t, makeVerifyCommand(), [sum, "--offline", ...own.args], NOBODY);
    assert.equal(unproven.code, 2, unproven.stdout);
    assert.match(unproven.stdout, /no proof of the record of example\.com\/a@v1\.0\.0 is kept; run this once without/);
    assert.match(unproven.stdout, /^nothing was proven, 8 could not be checked$/m);
  });

  it("tells what is too old from what is not kept, and says nothing of age where there was nothing to ask", async (t) => {
    const own = fresh();
    await run(t, makeVerifyCommand(), [sum, ...own.args]);
    const { mock } = t.mock.method(
      Date,
      "now",
      (() => {
        const later = Date.now() + 400 * 86_400_000;
        return () => later;
      })(),
    );
    const old = await run(t, makeVerifyCommand(), [sum, "--offline", ...own.args], NOBODY);
    mock.restore();
    assert.match(old.stdout, /\[STALE\]/);
    assert.match(old.stdout, /\noffline: nothing about these modules is kept that is new enough\n$/);
    const gofmt = served.write("bin/gofmt", makeElf(inlineInfo("go1.24.3", "path\tcmd/gofmt\n")));
    const nothing = await run(t, makeVerifyCommand(), [gofmt, "--offline", ...own.args], NOBODY);
    assert.deepEqual([nothing.code, nothing.stderr], [2, ""]);
    assert.equal(
      nothing.stdout,
      `no hash  ${gofmt}: built outside a module: its build info names none, so there is no checksum to check\nnothing was proven, 1 without a checksum\n`,
    );
    const json = await run(t, makeVerifyCommand(), [gofmt, "--json", ...own.args], NOBODY);
    const [passed] = json.stdout
      .split("\n")
      .map((line) => (line === "" ? {} : JSON.parse(line)) as { reason?: string });
    assert.equal(passed?.reason, "no-module");
    const odd = served.write("odd\u009b2J\u202e/go.sum", "example.com/a v1.0.0 h1:x\n");
    const told = await run(t, makeVerifyCommand(), [odd, "--json", ...own.args], NOBODY);
    assert.doesNotMatch(told.stdout.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
    assert.equal((JSON.parse(told.stdout.split("\n")[0] ?? "") as { file?: string }).file, odd);
  });

  it("is said by version -h too, with why nothing was proven: outside a module, a checkout, a vendored module", async (t) => {
    const own = fresh();
    const args = ["-h", "--offline", ...own.args];
    const hash = `h1:${"A".repeat(43)}=`;
    for (const [text, why] of [
      ["path\tcmd/gofmt\n", /no hash {2}\S+: built outside a module: .*\nproofdns: nothing was proven\n$/],
      [
        "path\texample.com/a\nmod\texample.com/a\t(devel)\n",
        /no hash {2}example\.com\/a@\(devel\): built from a checkout: .*\nproofdns: nothing was proven\n$/,
      ],
      [
        "path\texample.com/a\nmod\texample.com/a\t(devel)\ndep\texample.com/b\tv1.0.0\n",
        /no hash {2}example\.com\/b@v1\.0\.0: vendored: /,
      ],
      [
        `path\texample.com/a\nmod\texample.com/a\tv1.0.0\t${hash.slice(0, -9)}\n`,
        /checksum of example\.com\/a@v1\.0\.0 is not/,
      ],
    ] as const) {
      const tool = served.write("bin/told", makeElf(inlineInfo("go1.24.3", text)));
      const { code, stdout, stderr } = await run(t, makeVersionCommand(), [...args, tool], NOBODY);
      assert.deepEqual([code, stdout.startsWith(`${tool}: go1.24.3\n`)], [2, true]);
      assert.match(stderr, why);
      assert.doesNotMatch(stderr, /offline: /);
    }
  });

  it("is not proven for a version that no path of the module can have, which is said", async (t) => {
    for (const [subject, why] of [
      [
        "example.com/a@v9.9.9",
        /^v9\.9\.9 is no version that example\.com\/a can have: the end of a path says the major/,
      ],
      ["example.com/a/v2@v1.0.0", /^v1\.0\.0 is no version that example\.com\/a\/v2 can have: /],
      [
        "example.com/a@v1",
        /^"example\.com\/a@v1" names no exact version of the module, such as example\.com\/a@v1\.2\.3$/m,
      ],
    ] as const) {
      const { code, stderr } = await run(t, makeProveCommand(), [subject, "-o", "-", ...fresh().args]);
      assert.equal(code, 2);
      assert.match(stderr, why);
    }
  });

  it("is refused with --strict, which would find nothing that is kept", async (t) => {
    const own = fresh();
    const args = ["--strict", "--offline", ...own.args];
    for (const [command, ...more] of [
      [makeLatestCommand(), "example.com/a"],
      [makeProveCommand(), "example.com/a", "-o", "-"],
      [makeVersionCommand(), "-h", sum],
      [makeVerifyCommand(), sum],
    ] as const) {
      const { code, stdout, stderr } = await run(t, command, [...more, ...args], NOBODY);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, /^--strict asks for proofs, and --offline asks nothing: leave out one of them$/m);
    }
  });

  it("gives the latest with its record, and the record of a query's answer", async (t) => {
    for (const module of ["example.com/a", "example.com/a@v1.0"]) {
      const own = fresh();
      const args = [module, "--record", "--json", ...own.args];
      const online = await run(t, makeLatestCommand(), args);
      assert.deepEqual([online.code, online.stderr], [0, ""]);
      const offline = await run(t, makeLatestCommand(), [...args, "--offline"], NOBODY);
      assert.deepEqual([offline.code, offline.stderr], [0, ""]);
      const [first, again] = [online, offline].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>);
      assert.equal(again?.["hashesProvenBy"], "record");
      assert.deepEqual([again?.["version"], again?.["zipHash"]], [first?.["version"], first?.["zipHash"]]);
      for (const path of keptFiles(own.cache, /record example/)) rmSync(path);
      const without = await run(t, makeLatestCommand(), [...args, "--offline"], NOBODY);
      assert.equal(without.code, 2, "an answer of the map alone is no checksum");
    }
  });

  it("writes the same proof files", async (t) => {
    for (const subject of [["example.com/a", "--record"], ["example.com/a@v1.0.0"], ["example.com/a", "--versions"]]) {
      const own = fresh();
      const [one, two] = [join(own.folder, "one"), join(own.folder, "two")];
      const online = await run(t, makeProveCommand(), [...subject, "-o", one, ...own.args]);
      assert.deepEqual([online.code, online.stderr], [0, ""]);
      const offline = await run(t, makeProveCommand(), [...subject, "-o", two, "--offline", ...own.args], NOBODY);
      assert.deepEqual([offline.code, offline.stderr], [0, ""], subject.join(" "));
      assert.equal(readFileSync(two, "utf8"), readFileSync(one, "utf8"));
    }
  });

  it("checks retractions by the go.mod that was proven", async () => {
    const own = fresh();
    const args = ["example.com/a@v1.0.0", "example.com/taken@v1.1.0", "--retractions", "--no-age", ...own.args];
    const online = await served.check(args, proxy);
    assert.match(online.stdout, /a mistake/);
    const offline = await served.check([...args, "--offline"], NOBODY);
    assert.deepEqual([offline.code, offline.stderr], [online.code, ""]);
    assert.equal(withoutAges(offline.stdout), withoutAges(online.stdout));
    assert.match(offline.stdout, /\d+ s old/);
    rmSync(join(own.cache, "go-mod-files"), { recursive: true });
    const without = await served.check([...args, "--offline"], NOBODY);
    assert.equal(without.code, 2);
    assert.match(
      without.stderr,
      /go\.mod of example\.com\/taken@v1\.1\.0 is neither kept nor in the module cache: run/,
    );
    assert.doesNotMatch(without.stderr, /GOPROXY/);
  });

  it("takes the go.mod from the module cache, and so online too, where only the proven one counts", async (t) => {
    const own = fresh();
    const args = ["example.com/taken@v1.1.0", "--retractions", "--no-age", ...own.args];
    const file = served.write("modcache/cache/download/example.com/taken/@v/v1.1.0.mod", TAKEN);
    const modcache = { GOMODCACHE: join(served.folder, "modcache") };
    const online = await served.check(args, { GOPROXY: "off", ...modcache });
    assert.deepEqual([online.code, online.stderr], [1, ""]);
    assert.match(online.stdout, /a mistake/);
    const offline = await served.check([...args, "--offline"], { ...NOBODY, ...modcache });
    assert.deepEqual([offline.code, offline.stderr], [1, ""]);
    for (const spoilt of [TAKEN.replace("v1.1.0", "v1.0.0"), "", `${TAKEN}\n`]) {
      writeFileSync(file, spoilt);
      const { mock } = t.mock.method(console, "error", () => {});
      const other = await served.check([...args, "--offline"], { ...NOBODY, ...modcache });
      mock.restore();
      assert.equal(other.code, 2, "the file of this machine is ignored, and there is no other");
      const said = mock.calls.map((call) => String(call.arguments[0])).join("\n");
      assert.match(said, /ignored \S+v1\.1\.0\.mod: its hash is not the one that the checksum database has/);
      assert.doesNotMatch(other.stderr, /BAD_CHECKSUM/);
      const quiet = t.mock.method(console, "error", () => {});
      const next = await served.check([...args, "--no-cache"], { ...proxy, ...modcache });
      quiet.mock.restore();
      assert.equal(next.code, 1, "and GOPROXY is asked");
      assert.match(next.stdout, /a mistake/);
    }
  });

  it("asks for no record again, with a network too", async (t) => {
    const own = fresh();
    await run(t, makeVerifyCommand(), [sum, ...own.args]);
    const before = keptFiles(own.cache, /record example/);
    assert.equal(before.length, published.length);
    const times = before.map((path) => readFileSync(path, "utf8"));
    const again = await run(t, makeVerifyCommand(), [sum, ...own.args]);
    assert.equal(again.code, 0, again.stdout);
    assert.deepEqual(
      before.map((path) => readFileSync(path, "utf8")),
      times,
    );
  });

  it("ignores kept records that were damaged or changed places, and asks again where it may", async (t) => {
    const own = fresh();
    await run(t, makeVerifyCommand(), [sum, ...own.args]);
    const [one = "", two = "", ...others] = keptFiles(own.cache, /record example/);
    const [first, second] = [readFileSync(one), readFileSync(two)];
    writeFileSync(one, second);
    writeFileSync(two, first);
    for (const path of others) writeFileSync(path, readFileSync(path, "utf8").replace(/extra .{500}/, "extra AAAA"));
    const offline = await run(t, makeVerifyCommand(), [sum, "--offline", ...own.args], NOBODY);
    assert.equal(offline.code, 2, offline.stdout);
    assert.match(offline.stderr, /ignored a cached answer that does not verify: \S+: /);
    assert.match(offline.stdout, /nothing was proven/);
    const online = await run(t, makeVerifyCommand(), [sum, ...own.args]);
    assert.equal(online.code, 0, online.stdout);
    assert.equal((await run(t, makeVerifyCommand(), [sum, "--offline", ...own.args], NOBODY)).code, 0, "mended");
  });
});

describe("after the log has grown", () => {
  it("answers and records may be of two epochs: both hold, and one proof file of them is refused", async (t) => {
    const own = fresh();
    const all = [...published, ...versions("example.com/later", "v1.0.0")].map((one) => encodeUtf8(recordOf(one)));
    const sumdb = makeSumdb(all, all.length - 1);
    const operator = await startOperator({ folder: join(own.folder, "store"), sumdb });
    const env = { PROOFDNS_SERVER: operator.listen };
    const output = join(own.folder, "proof");
    const prove = ["example.com/a", "--record", "-o", output, "--force", ...own.args];
    assert.equal((await run(t, makeProveCommand(), prove, env)).code, 0);
    const [kept = ""] = keptFiles(own.cache, /record example/);
    const text = readFileSync(kept, "utf8");
    sumdb.setSize(all.length);
    await until("the second epoch", () => operator.service.data.epoch === 2);
    const answers = ["example.com/a", "--record", "--json", "--strict", ...own.args];
    const online = await run(t, makeLatestCommand(), answers, env);
    assert.deepEqual([online.code, online.stderr], [0, ""]);
    assert.equal(readFileSync(kept, "utf8"), text, "the record was not asked again");
    await operator.close();
    const again = await run(t, makeLatestCommand(), ["example.com/a", "--record", "--offline", ...own.args], NOBODY);
    assert.match(again.stdout, /epoch 2/);
    assert.equal(again.code, 0);
    const proof = await run(t, makeProveCommand(), [...prove, "--offline"], NOBODY);
    assert.equal(proof.code, 2);
    assert.match(proof.stderr, /was kept in epoch 2, and the proof of its record in epoch 1, .*run this once without/);
  });
});
