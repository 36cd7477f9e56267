import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { parseVerifierKey } from "../../src/vindex/note.ts";
import { parsePolicy } from "../../src/vindex/policy.ts";
import { computeLeaves, makeFolder, ZONE } from "../service/world.ts";
import { Command, type Ended, run } from "./process.ts";

const folder = makeFolder("commands");
const data = join(folder, "data");
const SIZES = [1700, 2300, 3000] as const;

/** The sample, and toolchains, which it has none of. */
const texts = [
  ...makeSampleRecords().slice(0, 998),
  ...["v0.0.1-go1.21.0.linux-amd64", "v0.0.1-go1.22rc1.linux-amd64"].map(
    (version) => `golang.org/toolchain ${version} ${hash(1)}\ngolang.org/toolchain ${version}/go.mod ${hash(2)}\n`,
  ),
  ...makeSampleRecords().slice(998),
];
function hash(byte: number): string {
  return `h1:${Buffer.alloc(32, byte).toString("base64")}`;
}
const roots = computeLeaves(texts.map(encodeUtf8), SIZES).map(({ mapRoot }) => formatHex(mapRoot));
const paths = new Set(texts.slice(0, SIZES[0]).map((text) => text.slice(0, text.indexOf(" "))));

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));

let sumdb: Command;
let sumdbReady: Record<string, unknown>;
let server: Command;
let ready: Record<string, unknown>;

function serve(at: string, listen = "127.0.0.1:0"): Command {
  const source = `${sumdbReady["vkey"]} ${sumdbReady["url"]}`;
  const times = ["--poll", "1s", "--heartbeat", "1s", "--epoch-interval", "0s"];
  return new Command(["serve", "--zone", ZONE, "--listen", listen, "--data", at, "--sumdb", source, ...times]);
}

function latest(...args: string[]): Promise<Ended> {
  const where = [
    "--server",
    String(ready["listen"]),
    "--policy",
    String(ready["policy"]),
    "--sumdb-key",
    String(ready["sumdbKey"]),
  ];
  const home = { XDG_STATE_HOME: join(folder, "state"), XDG_CACHE_HOME: join(folder, "cache") };
  // The log grows from test to test, faster than answers expire.
  return run(["latest", "--zone", ZONE, "--no-cache", ...where, ...args], home);
}

before(async () => {
  const rows = texts.map((text) => {
    const [first = "", second = ""] = text.split("\n");
    const [path, version, zip] = first.split(" ");
    return `${path}\t${version}\t${zip}\t${second.split(" ")[2]}\n`;
  });
  writeFileSync(join(folder, "records.tsv"), rows.join(""));
  const where = ["--records", join(folder, "records.tsv"), "--listen", "127.0.0.1:0", "--data", join(folder, "sumdb")];
  sumdb = new Command(["sumdb", ...where, "--size", String(SIZES[0]), "--test-control"]);
  sumdbReady = await sumdb.json();
  server = serve(data);
  ready = await server.json();
});
after(async () => {
  await server.stop();
  await sumdb.stop();
});

/** Removes the store and what is kept beside it. */
function removeStore(): void {
  for (const name of readdirSync(data)) {
    if (name.startsWith("store")) rmSync(join(data, name), { recursive: true });
  }
}

async function grow(size: number): Promise<void> {
  const response = await fetch(`${sumdbReady["url"]}/ctl/size?n=${size}`, { method: "POST" });
  assert.equal(response.status, 200);
}

const tail = ["epoch", "sumdbSize", "asOf", "answerBytes", "queries"];
const head = ["schemaVersion", "subject", "status"];

describe("proofdns sumdb, serve and latest", () => {
  it("print one line when they are ready, with the documented fields", () => {
    assert.deepEqual(Object.keys(sumdbReady), ["ready", "listen", "url", "vkey", "size", "records", "leftOut"]);
    assert.deepEqual(Object.keys(ready), [
      "ready",
      "zone",
      "listen",
      "policy",
      "sumdbKey",
      "ds",
      "epoch",
      "sumdbSize",
      "mapRoot",
    ]);
    assert.match(String(ready["listen"]), /^127\.0\.0\.1:[1-9][0-9]*$/);
    const { listen, ds, ...rest } = ready;
    assert.match((ds as string[]).join(), /^[0-9]+ 13 2 [0-9A-F]{64}$/);
    assert.deepEqual(rest, {
      ready: true,
      zone: `${ZONE}.`,
      policy: join(data, "policy"),
      sumdbKey: sumdbReady["vkey"],
      epoch: 1,
      sumdbSize: SIZES[0],
      mapRoot: roots[0],
    });
  });

  it("keep keys that only their owner can read, and write a policy that names them", async () => {
    const [tag] = String((ready["ds"] as string[])[0]).split(" ");
    const keys = ["log.key", "clock.key", "cookie.secrets", "dnssec/keys.json", `dnssec/key-${tag}.pem`];
    for (const key of [...keys.map((name) => join(data, name)), join(folder, "sumdb", "sumdb.key")]) {
      assert.equal(statSync(key).mode & 0o777, 0o600, key);
    }
    assert.equal(statSync(data).mode & 0o777, 0o700);
    const { logs, witnesses, quorum } = parsePolicy(readFileSync(join(data, "policy")));
    assert.deepEqual(
      logs.map(({ verifierKey }) => verifierKey.keyName),
      [`${ZONE}/p1`],
    );
    assert.deepEqual(
      witnesses.map(({ verifierKey }) => verifierKey.keyName),
      [`${ZONE}/clock`],
    );
    assert.equal(quorum?.kind, "witness");
    parseVerifierKey(String(sumdbReady["vkey"]));
  });

  it("prints a module, an absent one and an untagged one as objects with the documented fields, and ends with 1", async () => {
    const modules = ["example.com/hello", "example.com/no/such", "example.net/untagged"];
    assert.ok(paths.has("example.com/hello") && paths.has("example.net/untagged"));
    const { code, stdout, stderr } = await latest("--json", ...modules);
    assert.deepEqual([code, stderr], [1, ""]);
    const [found, absent, untagged] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const fields = ["version", "kind", "index", "zipHash", "goModHash", "hashesProvenBy", "others"];
    assert.deepEqual(Object.keys(found ?? {}), [...head, ...fields, ...tail]);
    assert.deepEqual(Object.keys(untagged ?? {}), [...head, ...fields, ...tail]);
    assert.deepEqual(Object.keys(absent ?? {}), [...head, ...tail]);
    assert.deepEqual(
      [found, absent, untagged].map((one) => one?.["status"]),
      ["latest", "absent", "untagged"],
    );
    assert.deepEqual(
      [found, absent, untagged].map((one) => one?.["subject"]),
      modules,
    );
    assert.deepEqual(
      [found?.["schemaVersion"], found?.["epoch"], found?.["sumdbSize"], found?.["hashesProvenBy"]],
      [1, 1, SIZES[0], "map"],
    );
    const index = found?.["index"] as number;
    const [first = "", second = ""] = (texts[index] as string).split("\n");
    assert.equal(first, `example.com/hello ${found?.["version"]} ${found?.["zipHash"]}`);
    assert.equal(second, `example.com/hello ${found?.["version"]}/go.mod ${found?.["goModHash"]}`);
    assert.equal(untagged?.["kind"], "pseudo");
  });

  it("ends with 0 for a module that is there, says so in one line, and proves its record if asked", async () => {
    const [plain, proven] = await Promise.all([
      latest("example.com/hello"),
      latest("--json", "--record", "--versions", "example.com/hello"),
    ]);
    assert.deepEqual([plain.code, plain.stderr], [0, ""]);
    assert.match(
      plain.stdout,
      /^example\.com\/hello v[0-9.]+ \(release, index [0-9]+, epoch 1, [0-9]+ s old[^\n]*\)\n$/,
    );
    assert.equal(proven.code, 0, proven.stderr);
    const object = JSON.parse(proven.stdout) as Record<string, unknown>;
    assert.equal(object["hashesProvenBy"], "record");
    const versions = object["versions"] as Record<string, unknown>[];
    assert.equal(
      versions.length,
      texts.slice(0, SIZES[0]).filter((text) => text.startsWith("example.com/hello ")).length,
    );
    assert.deepEqual(Object.keys(versions[0] ?? {}), ["version", "index", "zipHash", "goModHash"]);
  });

  it("prints majors and toolchains as objects with the documented fields", async () => {
    const [majors, toolchain] = await Promise.all([
      latest("--json", "--majors", "example.com/hello"),
      latest("--json", "--toolchain"),
    ]);
    assert.deepEqual([majors.code, toolchain.code], [0, 0], majors.stderr + toolchain.stderr);
    const family = JSON.parse(majors.stdout) as Record<string, unknown>;
    assert.deepEqual(Object.keys(family), [...head, "majors", "complete", ...tail]);
    assert.deepEqual(Object.keys((family["majors"] as object[])[0] ?? {}), [
      "suffix",
      "path",
      "version",
      "kind",
      "index",
    ]);
    const tools = JSON.parse(toolchain.stdout) as Record<string, unknown>;
    assert.deepEqual(Object.keys(tools), [...head, "toolchains", ...tail]);
    const items = tools["toolchains"] as Record<string, unknown>[];
    assert.deepEqual(Object.keys(items[0] ?? {}), ["version", "kind", "index"]);
    assert.deepEqual(new Set(items.map((item) => item["index"])), new Set([998, 999]));
  });

  it("prints one line for each later epoch, and a client that remembers the earlier one follows", async () => {
    await grow(SIZES[1]);
    assert.deepEqual(await server.json(1), { epoch: 2, sumdbSize: SIZES[1], mapRoot: roots[1] });
    const { code, stdout, stderr } = await latest("--json", "example.com/hello");
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as Record<string, unknown>)["epoch"], 2);
  });

  it("refuses a second server on the same folder, in a sentence, while the first one goes on", async () => {
    const { code, stdout, stderr } = await serve(data).ended;
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(
      stderr,
      /^proofdns: cannot open the store [^\n]*: another process has it open; stop that one first\n$/,
    );
    assert.equal((await latest("example.com/hello")).code, 0);
  });

  it("stops on SIGTERM with 0, and goes on from its store", async () => {
    const { code, stderr } = await server.stop();
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, / {4}at |alarm/);
    server = serve(data);
    ready = await server.json();
    assert.deepEqual([ready["epoch"], ready["sumdbSize"], ready["mapRoot"]], [2, SIZES[1], roots[1]]);
    await grow(SIZES[2]);
    assert.deepEqual(await server.json(1), { epoch: 3, sumdbSize: SIZES[2], mapRoot: roots[2] });
    const { code: found, stderr: said } = await latest("example.com/hello");
    assert.equal(found, 0, said);
  });

  it("comes back with the same key after a crash between the key and the store, or between the store and the key's name", async () => {
    await server.stop("SIGINT");
    const key = join(data, "log.key");
    const text = readFileSync(key, "utf8");
    // The store was made, and the key not yet given its name.
    renameSync(key, `${key}.new`);
    server = serve(data);
    ready = await server.json();
    assert.equal(ready["epoch"], 3);
    assert.equal(readFileSync(key, "utf8"), text);
    await server.stop();
    // The key was made, and no store yet.
    renameSync(key, `${key}.new`);
    removeStore();
    server = serve(data);
    ready = await server.json();
    assert.deepEqual([ready["epoch"], ready["mapRoot"]], [1, roots[2]]);
    assert.equal(readFileSync(key, "utf8"), text);
  });

  it("begins again with a key whose store is gone only with --new-log", async () => {
    await server.stop();
    removeStore();
    const refused = await serve(data).ended;
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.match(refused.stderr, /signing again could fork the log/);
    const source = `${sumdbReady["vkey"]} ${sumdbReady["url"]}`;
    server = new Command([
      "serve",
      "--zone",
      ZONE,
      "--listen",
      "127.0.0.1:0",
      "--data",
      data,
      "--sumdb",
      source,
      "--new-log",
    ]);
    ready = await server.json();
    assert.equal(ready["epoch"], 1);
  });

  it("serve and answer by IPv6 where there is any", async (t) => {
    if (!hasIpv6) return t.diagnostic("no ::1 on this machine");
    const other = serve(join(folder, "six"), "[::1]:0");
    const six = await other.json();
    assert.match(String(six["listen"]), /^\[::1\]:[1-9][0-9]*$/);
    const where = [
      "--server",
      String(six["listen"]),
      "--policy",
      String(six["policy"]),
      "--sumdb-key",
      String(six["sumdbKey"]),
    ];
    const args = ["latest", "--zone", ZONE, ...where, "--state", join(folder, "state-six"), "example.com/hello"];
    const { code, stderr } = await run(args);
    assert.equal(code, 0, stderr);
    assert.equal((await other.stop()).code, 0);
  });
});
