import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { hashFolder, hashGoMod } from "../../src/go/dir-hash.ts";
import { hashZip } from "../../src/go/zip-hash.ts";
import type { SumdbServer } from "../../src/sumdb/server.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatCheckpoint } from "../../src/vindex/checkpoint.ts";
import { makeForkEvidence } from "../../src/vindex/evidence.ts";
import { formatNote, formatVerifierKey, signNote } from "../../src/vindex/note.ts";
import { formatPolicy } from "../../src/vindex/policy.ts";
import { formatH1, formatRecord, parseH1 } from "../../src/vindex/record.ts";
import type { Hash } from "../../src/vindex/sha256.ts";
import { makeZip } from "../go/zip-file.ts";
import { makeSumdb, type Operator, startOperator } from "../service/operator.ts";
import { clockKey, ed25519, logKey, makeFolder, sampleRecords, sumdbKey, ZONE } from "../service/world.ts";
import { type Ended, run, snapshot } from "./process.ts";

const folder = makeFolder("client-commands");
const at = (...names: string[]): string => join(folder, ...names);
const vkey = formatVerifierKey(sumdbKey.verifierKey);
const policy = formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }]);
const CACHED = "example.com/cached";

let sumdb: SumdbServer;
let operator: Operator;
/** Records that the index covers, as text. */
let texts: string[];

before(async () => {
  const cached = await makeModuleCache();
  const records = [...sampleRecords().slice(0, 220), encodeUtf8(cached)];
  texts = records.map((record) => new TextDecoder().decode(record));
  sumdb = makeSumdb(records, records.length);
  operator = await startOperator({ folder: at("operator"), sumdb });
  writeFileSync(at("policy"), policy);
  mkdirSync(at("config", "proofdns", "policies"), { recursive: true });
  writeFileSync(at("config", "proofdns", "policies", "default.policy"), policy);
});
after(async () => {
  await operator.close();
  await sumdb.close();
});

/** A module cache of one module; returns its record. */
async function makeModuleCache(): Promise<string> {
  const version = "v1.0.0";
  const files = { "go.mod": `module ${CACHED}\n`, "x.go": "package x\n" };
  const download = at("modcache", "cache", "download", CACHED, "@v");
  const tree = at("modcache", `${CACHED}@${version}`);
  mkdirSync(download, { recursive: true });
  mkdirSync(tree, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(tree, name), text);
  const entries = Object.entries(files).map(([name, text]) => ({
    name: `${CACHED}@${version}/${name}`,
    content: text,
  }));
  writeFileSync(join(download, `${version}.zip`), makeZip(entries));
  writeFileSync(join(download, `${version}.mod`), files["go.mod"]);
  const zipHash = await hashZip(join(download, `${version}.zip`), CACHED, version);
  assert.equal(await hashFolder(tree, `${CACHED}@${version}`), zipHash);
  writeFileSync(join(download, `${version}.ziphash`), zipHash);
  return formatRecord(
    CACHED,
    version,
    parseH1(zipHash) as Hash,
    parseH1(hashGoMod(Buffer.from(files["go.mod"]))) as Hash,
  );
}

let homes = 0;
interface Home {
  readonly state: string;
  readonly env: Record<string, string>;
}
/** A user of their own. */
function makeHome(more: Record<string, string> = {}): Home {
  const home = at(`home-${homes++}`);
  const env = {
    HOME: home,
    XDG_STATE_HOME: join(home, "state"),
    XDG_CACHE_HOME: join(home, "cache"),
    XDG_CONFIG_HOME: at("config"),
    PROOFDNS_SERVER: operator.listen,
    PROOFDNS_POLICY: "",
    PROOFDNS_ZONE: "",
    GOENV: "off",
    GOSUMDB: vkey,
    GOPRIVATE: "",
    GONOSUMDB: "",
    ...more,
  };
  mkdirSync(home);
  return { state: join(home, "state"), env };
}

async function pd(home: Home, ...args: string[]): Promise<Ended> {
  const ended = await run(args, home.env);
  assert.doesNotMatch(ended.stderr, /\n {4}at |node:internal|TypeError/);
  return ended;
}

/** A name server that nobody answers at: whoever asks it fails. */
const NOBODY = { PROOFDNS_SERVER: "127.0.0.1:1" };

describe("proofdns prove and verify-proof", { concurrency: 4 }, () => {
  it("write a proof and check it, without a network and without a trace", async () => {
    const home = makeHome();
    const file = at("hello.tlog-proof");
    const proved = await pd(home, "prove", "example.com/hello", "-o", file, "--record");
    assert.equal(proved.code, 0, proved.stderr);
    assert.match(
      proved.stdout,
      /^proven: example\.com\/hello latest v\S+\n {2}v\S+ is record \d+ of the checksum database/,
    );
    const offline = makeHome(NOBODY);
    const before = snapshot(offline.env["HOME"] as string);
    const checked = await pd(offline, "verify-proof", file, "--policy", at("policy"));
    assert.equal(checked.code, 0, checked.stderr);
    assert.match(checked.stdout, / as of 20\S+Z, \d+ \S+ ago, by a quorum of the policy's cosigners\n/);
    assert.match(checked.stdout, /Nothing was asked and nothing was remembered/);
    const byKey = await pd(offline, "verify-proof", "--json", file, "--log-key", formatVerifierKey(logKey.verifierKey));
    assert.equal(byKey.code, 0, byKey.stderr);
    const json = JSON.parse(byKey.stdout) as Record<string, unknown>;
    assert.deepEqual([json["status"], json["asOf"], json["log"]], ["latest", null, `${ZONE}/p1`]);
    assert.deepEqual(snapshot(offline.env["HOME"] as string), before);

    const again = await pd(home, "prove", "example.com/hello", "-o", file);
    assert.deepEqual([again.code, again.stdout], [2, ""]);
    assert.match(again.stderr, /it is there already; --force replaces it/);
    assert.equal((await pd(home, "prove", "example.com/none", "-o", file, "--force")).code, 1, "absent");
    assert.match((await pd(offline, "verify-proof", file)).stdout, /proven: the index had no example\.com\/none/);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  it("prove one version in the checksum database, or that there is none", async () => {
    const home = makeHome();
    const file = at("cached.tlog-proof");
    const proved = await pd(home, "prove", `${CACHED}@v1.0.0`, "-o", file);
    assert.equal(proved.code, 0, proved.stderr);
    const checked = await pd(makeHome(NOBODY), "verify-proof", file);
    assert.match(checked.stdout, new RegExp(`proven: ${CACHED}@v1\\.0\\.0 is in the checksum database`));
    const missing = await pd(home, "prove", `${CACHED}@v1.9.9`, "-o", at("missing"));
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /none of its 1 records is of this version/);
    assert.ok(!readdirSync(folder).includes("missing"));
  });

  it("refuse a file that was changed, or is of another zone, key or checksum database, with exit code 3", async () => {
    const home = makeHome();
    const file = at("changed.tlog-proof");
    await pd(home, "prove", "example.com/hello", "-o", file);
    const text = readFileSync(file, "utf8");
    const changed = at("changed-2.tlog-proof");
    writeFileSync(
      changed,
      text.replace(/\n— \S+\/clock .{30}/, (line) => `${line.slice(0, -1)}${line.endsWith("A") ? "B" : "A"}`),
    );
    const other = "example.net/p1+2bb8b8f9+AWRSFuYyqXMOwmmcQeXPZBUMHFNpsMqvZZYV0xnvUJnR";
    const cases: [string[], number, RegExp][] = [
      [["verify-proof", changed], 3, /\[(?:BAD_COSIGNATURE|NO_QUORUM)\]/],
      [["verify-proof", file, changed], 3, /\[/],
      [
        ["verify-proof", file, "--sumdb-key", "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"],
        3,
        /BAD_SUMDB_SIGNATURE/,
      ],
      [["verify-proof", file, "--log-key", other], 2, /MALFORMED_VERIFIER_KEY|key id/],
      [["verify-proof", file, "--policy", at("none")], 2, /there is no such file/],
      [["verify-proof", at("policy")], 2, /is no proof file: those begin with/],
      [["verify-proof", folder], 2, /it is a directory; name a file/],
    ];
    for (const [args, code, says] of cases) {
      const ended = await pd(home, ...args);
      assert.equal(ended.code, code, `${args.join(" ")}: ${ended.stderr}`);
      assert.match(ended.stderr, says);
    }
  });
});

describe("proofdns evidence", { concurrency: 4 }, () => {
  const sign = (byte: number, size = 5): string => {
    const text = formatCheckpoint({ origin: `${ZONE}/p1`, treeSize: size, rootHash: new Uint8Array(32).fill(byte) });
    return formatNote(text, [signNote(text, logKey, ed25519)]);
  };
  const write = (name: string, value: unknown): string => {
    writeFileSync(at(name), JSON.stringify(value));
    return at(name);
  };
  const key = formatVerifierKey(logKey.verifierKey);

  it("explains a fork and ends with 3, with or without keys", async () => {
    const file = write("fork.json", makeForkEvidence(key, sign(1), sign(2)));
    for (const home of [makeHome(NOBODY), makeHome({ ...NOBODY, XDG_CONFIG_HOME: at("nowhere") })]) {
      const { code, stdout } = await pd(home, "evidence", file);
      assert.equal(code, 3);
      assert.match(stdout, /proof that l\.example\.org\/p1 has forked/);
      assert.match(
        stdout,
        home.env["XDG_CONFIG_HOME"] === at("config") ? /the log's of your policy/ : /No policy was given/,
      );
    }
  });

  it("explains a wrong epoch, and checks it by the user's checksum database key, never by that of the file", async () => {
    const { vectors } = JSON.parse(readFileSync(new URL("../../spec/vectors/audit.json", import.meta.url), "utf8")) as {
      vectors: { operation: string; expect: object; evidence: { log: string; sumdb: string } }[];
    };
    const found = vectors.find(({ operation, expect }) => operation === "audit-evidence" && !("refused" in expect));
    assert.ok(found);
    const file = write("epoch.json", found.evidence);
    const nobody = makeHome({ ...NOBODY, XDG_CONFIG_HOME: at("nowhere") });
    assert.match((await pd(nobody, "evidence", file)).stderr, /another key than the expected one/);
    const keys = ["--log-key", found.evidence.log, "--sumdb-key", found.evidence.sumdb];
    const { code, stdout } = await pd(nobody, "evidence", file, ...keys);
    assert.equal(code, 3);
    assert.match(stdout, /has published a wrong epoch 6: its map root is not the one that the records give/);
  });

  it("says what proves nothing, and ends with 2", async () => {
    const home = makeHome(NOBODY);
    const fork = makeForkEvidence(key, sign(1), sign(2));
    for (const [name, value, says] of [
      ["same.json", makeForkEvidence(key, sign(1), sign(1)), /both notes sign the same tree/],
      ["unsigned.json", { ...fork, notes: [sign(1), sign(2).replace(/A/g, "B")] }, /proves nothing/],
      ["foreign.json", { ...fork, key: vkey }, /not signed by/],
      ["other.json", { hello: 1 }, /its type is neither/],
      ["list.json", [1, 2], /its type is neither/],
    ] as const) {
      const { code, stdout, stderr } = await pd(home, "evidence", write(name, value));
      assert.deepEqual([code, stdout], [2, ""], name);
      assert.match(stderr, says);
    }
    const suspicion = { type: "proofdns-suspicion/1", key, notes: [sign(1), sign(2, 6)] };
    const { code, stdout } = await pd(home, "evidence", write("suspicion.json", suspicion), "--json");
    assert.equal(code, 2);
    assert.equal((JSON.parse(stdout) as { holds: boolean }).holds, false);
  });
});

describe("proofdns verify", { concurrency: 4 }, () => {
  it("checks every line of a go.sum, and tells what differs, is absent or private", async () => {
    const sum = at("go.sum");
    writeFileSync(sum, texts.slice(0, 60).join(""));
    const home = makeHome();
    const all = await pd(home, "verify", sum);
    assert.deepEqual([all.code, all.stdout], [0, "120 checksums proven\n"], all.stderr);

    const h1 = formatH1(new Uint8Array(32).fill(3));
    const bad = at("bad.sum");
    const [line = ""] = (texts[3] ?? "").split("\n");
    writeFileSync(bad, `${line.replace(/h1:.*/, h1)}\nexample.com/none v1.0.0 ${h1}\n`);
    const differs = await pd(home, "verify", bad, sum, "--json");
    assert.equal(differs.code, 3);
    const lines = differs.stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    assert.deepEqual(
      lines.slice(0, 2).map(({ status }) => status),
      ["differs", "absent"],
    );
    assert.equal(lines[0]?.["proven"], line.split(" ")[2]);
    assert.deepEqual(lines.at(-1), {
      schemaVersion: 1,
      type: "summary",
      proven: 120,
      differ: 1,
      contradicted: 0,
      absent: 1,
      errors: 0,
      withoutChecksum: 0,
      privateModules: 0,
      exitCode: 3,
    });
    const privately = await pd(makeHome({ ...NOBODY, GOSUMDB: "off" }), "verify", sum);
    assert.equal(privately.code, 2);
    assert.match(privately.stdout, /^nothing was proven, \d+ private modules, not sent\n$/);
  });

  it("checks zips, extracted trees and go.mod files of a module cache", async () => {
    const home = makeHome({ GOMODCACHE: at("modcache") });
    const right = await pd(home, "verify", "--modcache");
    assert.deepEqual([right.code, right.stdout], [0, "4 checksums proven\n"], right.stderr);
    const changed = at("changed-cache");
    execFileSync("cp", ["-r", at("modcache"), changed]);
    writeFileSync(join(changed, `${CACHED}@v1.0.0`, "x.go"), "package y\n");
    const wrong = await pd(home, "verify", "--modcache", changed);
    assert.equal(wrong.code, 3);
    assert.match(
      wrong.stdout,
      /^DIFFERS {2}\S+@v1\.0\.0 extracted tree {2}\(.*\n {9}here {4}h1:\S+\n {9}proven {2}h1:\S+ \(record 220\)\n3 checksums proven, 1 DIFFER/,
    );
  });

  it("holds go.mod against go.sum", async () => {
    const project = at("project");
    mkdirSync(project);
    const [path = "", version = ""] = (texts[3] ?? "").split(" ");
    writeFileSync(join(project, "go.mod"), `module example.com/own\n\ngo 1.21\n\nrequire ${path} ${version}\n`);
    const home = makeHome();
    const none = await pd(home, "verify", project);
    assert.equal(none.code, 2);
    assert.match(none.stdout, /has no go\.sum beside it; `go mod tidy` makes it/);
    writeFileSync(join(project, "go.sum"), texts[4] ?? "");
    assert.match((await pd(home, "verify", project)).stdout, /has no hash of the go\.mod and the module of/);
    writeFileSync(join(project, "go.sum"), texts[3] ?? "");
    assert.deepEqual((await pd(home, "verify", join(project, "go.mod"))).stdout, "2 checksums proven\n");
  });

  it("refuses what is nothing to verify, and never waits for a pipe", {
    skip: process.platform === "win32",
  }, async () => {
    const home = makeHome();
    mkdirSync(at("empty"));
    execFileSync("mkfifo", [at("pipe.sum")]);
    symlinkSync(at("loop"), at("loop"));
    writeFileSync(at("empty.sum"), "");
    writeFileSync(at("nul.sum"), "a\0b v1.0.0 h1:x\n");
    for (const [args, says] of [
      [[at("empty")], /nothing to verify/],
      [[at("pipe.sum")], /neither a file nor a folder/],
      [[at("loop")], /its symbolic links lead in a circle/],
      [[at("empty.sum")], /has no checksum in it/],
      [[at("nul.sum")], /nul\.sum:1: /],
      [[at("policy")], /is no Go binary/],
      [[at("nothing")], /there is no /],
      [["--modcache", at("empty")], /has no module in it/],
      [["--modcache", at("nul.sum")], /no such folder/],
    ] as const) {
      const { code, stdout, stderr } = await pd(home, "verify", ...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(stdout + stderr, says);
    }
  });
});

describe("proofdns policy, and what is asked with one", { concurrency: 4 }, () => {
  it("keeps policies by name, explains them, and never takes a name for a file here", async () => {
    const home = makeHome({ XDG_CONFIG_HOME: at("own-config") });
    const none = await pd(home, "latest", "example.com/hello");
    assert.equal(none.code, 2);
    assert.match(none.stderr, /no policy says which keys to trust .*proofdns policy add default FILE/);
    const added = await pd(home, "policy", "add", "mine", at("policy"));
    assert.equal(added.code, 0, added.stderr);
    assert.match(added.stdout, /quorum {3}clock\n[\s\S]*freshness is the operator's word/);
    assert.equal((await pd(home, "policy", "add", "mine", at("policy"))).code, 2);
    assert.equal((await pd(home, "policy", "add", "../mine", at("policy"))).code, 2);
    assert.equal((await pd(home, "policy", "list")).stdout, `mine\t${ZONE}/p1\tclock\n`);
    assert.equal((await pd(home, "latest", "--policy", "mine", "example.com/hello")).code, 0);
    assert.match(
      (await pd(home, "latest", "--policy", "package", "example.com/hello")).stderr,
      /no policy named package/,
    );
  });

  it("ends with 2 where the quorum is none, but for --no-freshness, which says so", async () => {
    writeFileSync(at("none.policy"), `log ${formatVerifierKey(logKey.verifierKey)}\nquorum none\n`);
    const home = makeHome();
    const refused = await pd(home, "latest", "--policy", at("none.policy"), "example.com/hello");
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /or say --no-freshness/);
    const taken = await pd(home, "latest", "--policy", at("none.policy"), "--no-freshness", "example.com/hello");
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, /freshness not proven/);
  });

  it("asks nobody with --offline, and answers from what was proven before", async () => {
    const home = makeHome();
    const first = await pd(home, "latest", "example.com/hello");
    const offline: Home = { ...home, env: { ...home.env, ...NOBODY } };
    const again = await pd(offline, "latest", "--offline", "example.com/hello");
    assert.equal(again.code, 0, again.stderr);
    assert.equal(again.stdout.replace(/\d+ s old/, ""), first.stdout.replace(/\d+ s old/, ""));
    const unknown = await pd(offline, "latest", "--offline", "example.com/hello", "example.com/none");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no cached answer for module example\.com\/none; ask for it once without --offline/);
  });

  it("sends nothing about private modules, by the environment or the file of `go env -w`", async () => {
    writeFileSync(at("go-env"), "GOPRIVATE=example.com/hello\n");
    for (const more of [
      { GOPRIVATE: "example.com" },
      { GONOSUMDB: "*.com" },
      { GOSUMDB: "off" },
      { GOENV: at("go-env"), GOPRIVATE: "" },
    ]) {
      const { code, stdout, stderr } = await pd(
        makeHome({ ...NOBODY, ...more }),
        "latest",
        "example.com/hello",
        "--timeout",
        "5s",
      );
      assert.deepEqual([code, stdout], [2, ""], JSON.stringify(more));
      assert.match(stderr, /was not asked for: it is private .*\[PRIVATE_MODULE\]/);
    }
  });

  it("answers version queries from the proven list", async () => {
    const home = makeHome();
    const { code, stdout, stderr } = await pd(
      home,
      "latest",
      `${CACHED}@v1`,
      `${CACHED}@v2`,
      `${CACHED}@latest`,
      "--json",
    );
    assert.equal(code, 1, stderr);
    const lines = stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ query, status, version }) => [query, status, version]),
      [
        ["v1", "latest", "v1.0.0"],
        ["v2", "absent", undefined],
        [undefined, "latest", "v1.0.0"],
      ],
    );
  });
});

describe("proofdns version", () => {
  it("needs no policy without -h, which is its own and no help", async () => {
    const home = makeHome({ ...NOBODY, XDG_CONFIG_HOME: at("nowhere") });
    const none = await pd(home, "version", "-m", at("policy"));
    assert.equal(none.code, 2);
    assert.match(none.stderr, /is no Go binary/);
    assert.match((await pd(home, "version", "--help")).stdout, /-h, --hashes/);
    rmSync(at("pipe.bin"), { force: true });
  });
});
