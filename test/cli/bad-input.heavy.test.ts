import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { formatHostPort } from "../../src/cli/host-port.ts";
import type { SumdbServer } from "../../src/sumdb/server.ts";
import {
  formatSignerKey,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
} from "../../src/vindex/note.ts";
import { formatPolicy } from "../../src/vindex/policy.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { makeSumdb, type Operator, startOperator } from "../service/operator.ts";
import { clockKey, ed25519, logKey, makeFolder, sampleRecords, sumdbKey, ZONE } from "../service/world.ts";
import { run, snapshot } from "./process.ts";

const folder = makeFolder("bad-input");
let folders = 0;

const vkey = formatVerifierKey(sumdbKey.verifierKey);
const strange = (name: string, type: typeof KEY_TYPE_ED25519 | typeof KEY_TYPE_COSIGNATURE) =>
  makeSignerKey(name, type, new Uint8Array(32).fill(99), ed25519);
const otherSumdbKey = formatVerifierKey(strange("sumdb.example.org", KEY_TYPE_ED25519).verifierKey);
const clock = { name: "clock", verifierKey: clockKey.verifierKey };
const h1 = formatH1(new Uint8Array(32).fill(1));
const otherH1 = formatH1(new Uint8Array(32).fill(2));

/** Servers that answer, and ports that do not. */
let sumdb: SumdbServer;
let sumdbUrl = "";
let operator: Operator;
let holder: Server;
let taken = "";
let dead = "";

before(async () => {
  const records = sampleRecords();
  sumdb = makeSumdb(records, 200);
  sumdbUrl = `http://${formatHostPort(await sumdb.listen({ host: "127.0.0.1", port: 0 }))}`;
  operator = await startOperator({ folder: join(folder, "operator"), sumdb });
  holder = createServer();
  const listenOn = (server: Server): Promise<string> =>
    new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`));
    });
  taken = await listenOn(holder);
  const gone = createServer();
  dead = await listenOn(gone);
  await new Promise((resolve) => gone.close(resolve));
});
after(async () => {
  await operator.close();
  await sumdb.close();
  holder.close();
});

interface Case {
  /** Completes "proofdns …". */
  readonly name: string;
  /** The arguments; `at` is a folder of its own, where files can be made. */
  readonly args: (at: string) => readonly string[];
  /** What the sentence on stderr is. */
  readonly says: RegExp;
  /** Default 2. */
  readonly code?: 2 | 3;
  /** True where commander adds where help is. */
  readonly hint?: true;
  /** True if folder, keys and store were made by then, whole. */
  readonly makes?: true;
}

/** Makes a file in `at` and gives its path. */
function file(at: string, name: string, content: string | Uint8Array): string {
  const path = join(at, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function check({ name, args, says, code = 2, hint, makes }: Case): void {
  it(`${name}`, async () => {
    const at = join(folder, `case-${folders++}`);
    mkdirSync(at);
    const list = args(at);
    const before = snapshot(at);
    const {
      code: found,
      stdout,
      stderr,
    } = await run(list, {
      XDG_STATE_HOME: at,
      XDG_CACHE_HOME: join(at, "cache"),
      XDG_CONFIG_HOME: at,
      PROOFDNS_POLICY: "",
    });
    assert.equal(found, code, stderr);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /\n {4}at |node:internal|TypeError|undefined/);
    // What a server says of its work while it runs has a time before it.
    const lines = stderr
      .trimEnd()
      .split("\n")
      .filter((line) => !/^\d{4}-\d\d-\d\dT\S+ (info|alarm) /.test(line));
    if (hint) {
      assert.equal(lines.pop(), "(--help shows the options)");
      if (/^\(Did you mean .*\?\)$/.test(lines.at(-1) ?? "")) lines.pop();
    }
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0] as string, hint ? /^error: / : /^proofdns: /);
    assert.match(lines[0] as string, says);
    if (makes !== true) assert.deepEqual(snapshot(at), before);
    else
      assert.deepEqual(
        [...snapshot(at).keys()].filter((path) => path.endsWith(".tmp")),
        [],
      );
  });
}

const latest = (...rest: string[]): string[] => [
  ...["latest", "--zone", ZONE, "--server", operator.listen, "--policy", join(folder, "policy"), "--sumdb-key", vkey],
  ...rest,
];
before(() => writeFileSync(join(folder, "policy"), formatPolicy(logKey.verifierKey, [clock])));

describe("proofdns latest", { concurrency: 4 }, () => {
  const module = "example.com/hello";
  const ask = (changes: Record<string, string>, ...rest: string[]): string[] => {
    const options = {
      "--zone": ZONE,
      "--server": operator.listen,
      "--policy": join(folder, "policy"),
      "--sumdb-key": vkey,
      ...changes,
    };
    return ["latest", ...Object.entries(options).flat(), ...rest];
  };
  const cases: Case[] = [
    {
      name: "refuses to be called without its options",
      args: () => ["latest", module],
      says: /no policy says which keys to trust .*; give one with --policy FILE or \$PROOFDNS_POLICY/,
    },
    {
      name: "refuses an unknown option",
      args: () => latest("--frobnicate", module),
      says: /unknown option '--frobnicate'/,
      hint: true,
    },
    { name: "refuses no modules", args: () => latest(), says: /no modules given; name at least one/ },
    {
      name: "refuses a URL for a module path",
      args: () => latest("https://golang.org/x/mod"),
      says: /is not a Go module path/,
    },
    { name: "refuses an empty module path", args: () => latest(""), says: /is not a Go module path/ },
    {
      name: "refuses a module path with what is no version query",
      args: () => latest("example.com/hello@main"),
      says: /"main" is no version query/,
    },
    {
      name: "refuses --majors with --versions",
      args: () => latest("--majors", "--versions", module),
      says: /exclude each other/,
    },
    {
      name: "refuses --toolchain with modules",
      args: () => latest("--toolchain", module),
      says: /--toolchain takes no modules/,
    },
    {
      name: "refuses --toolchain with --record",
      args: () => latest("--toolchain", "--record"),
      says: /--record goes with modules only/,
    },
    {
      name: "refuses --majors of what is no base path",
      args: () => latest("--majors", "a b"),
      says: /is not a base path/,
    },
    {
      name: "refuses a duration without a unit",
      args: () => latest("--max-age", "90", module),
      says: /--(?:timeout|max-age) "90": it has no unit/,
    },
    {
      name: "refuses a server without a host",
      args: () => ask({ "--server": ":53" }, module),
      says: /server ":53": expected HOST/,
    },
    {
      name: "refuses a server with a port that is none",
      args: () => ask({ "--server": "127.0.0.1:99999" }, module),
      says: /expected HOST/,
    },
    {
      name: "refuses a policy that is not there",
      args: (at) => ask({ "--policy": join(at, "none") }, module),
      says: /cannot read the policy .*: there is no such file/,
    },
    {
      name: "refuses a folder as a policy",
      args: (at) => ask({ "--policy": at }, module),
      says: /cannot read the policy .*: it is a directory/,
    },
    {
      name: "refuses an empty policy",
      args: (at) => ask({ "--policy": file(at, "p", "") }, module),
      says: /no quorum line/,
    },
    {
      name: "refuses a malformed policy and names the line",
      args: (at) => ask({ "--policy": file(at, "p", "# mine\nlogs x\n") }, module),
      says: /policy, line 2: /,
    },
    {
      name: "refuses a binary policy",
      args: (at) => ask({ "--policy": file(at, "p", gzipSync("log")) }, module),
      says: /policy, line 1: /,
    },
    {
      name: "refuses a zone of which the policy has no log",
      args: () => ask({ "--zone": "m.example.org" }, module),
      says: /the policy has no log named m\.example\.org\/p1 \(it has l\.example\.org\/p1\)/,
    },
    {
      name: "refuses a malformed key of the checksum database",
      args: () => ask({ "--sumdb-key": "sum.golang.org" }, module),
      says: /--sumdb(?:-key)?: verifier key: it has no three parts; .* the operator of the checksum database gives it out/,
    },
    {
      name: "refuses a cosigner's key for the checksum database",
      args: () => ask({ "--sumdb-key": formatVerifierKey(clockKey.verifierKey) }, module),
      says: /type 0x01/,
    },
    {
      name: "says that no server is there",
      args: () => ask({ "--server": dead }, module),
      says: /cannot be reached.*; is the server right, and the network up\? --server names another \[UNREACHABLE\]$/,
    },
    {
      name: "says that the server does not serve the zone",
      args: (at) => {
        const key = strange("other.example.com/p1", KEY_TYPE_ED25519).verifierKey;
        return ask({ "--zone": "other.example.com", "--policy": file(at, "p", formatPolicy(key, [clock])) }, module);
      },
      says: /does not serve this zone.*\[REFUSED\]$/,
    },
    {
      name: "ends with 3 if the log has another key",
      args: (at) => {
        const key = strange(`${ZONE}/p1`, KEY_TYPE_ED25519).verifierKey;
        return ask({ "--policy": file(at, "p", formatPolicy(key, [clock])) }, module);
      },
      says: /\[BAD_LOG_SIGNATURE\]$/,
      code: 3,
    },
    {
      name: "ends with 3 if the clock has another key",
      args: (at) => {
        const verifierKey = strange(`${ZONE}/clock`, KEY_TYPE_COSIGNATURE).verifierKey;
        return ask(
          { "--policy": file(at, "p", formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey }])) },
          module,
        );
      },
      says: /\[NO_QUORUM\]$/,
      code: 3,
    },
    {
      name: "ends with 3 if the checksum database has another key",
      args: () => ask({ "--sumdb-key": otherSumdbKey }, module),
      says: /\[BAD_(SUMDB|LOG)_SIGNATURE\]$/,
      code: 3,
    },
    {
      name: "refuses a state file that it cannot read, and keeps it",
      args: (at) => {
        const { keyName, keyId } = logKey.verifierKey;
        file(at, `${keyName.replace("/", "_")}+${keyId.toString(16).padStart(8, "0")}.json`, "{");
        return latest("--state", at, module);
      },
      says: /it protects from rollback, so it is not ignored.*\[MALFORMED_MEMORY\]$/,
    },
  ];
  for (const one of cases) check(one);

  it("refuses a file as the state folder, after what it has proven was printed", async () => {
    const path = join(folder, "state-file");
    writeFileSync(path, "x");
    const { code, stdout, stderr } = await run(latest("--state", path, module));
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^proofdns: the state file .* cannot be used: [^\n]*; name another folder with --state[^\n]*\n$/,
    );
    assert.doesNotMatch(stdout, /error/);
  });

  it("prints an error as an object with --json, one for each module, and nothing else", async () => {
    const { code, stdout, stderr } = await run(ask({ "--server": dead }, "--json", module, "example.com/other"));
    assert.equal(code, 2);
    assert.equal(stderr, "");
    const objects = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      objects.map(({ subject, status, code: what }) => [subject, status, what]),
      [
        [module, "error", "UNREACHABLE"],
        ["example.com/other", "error", "UNREACHABLE"],
      ],
    );
    assert.deepEqual(Object.keys(objects[0] ?? {}), ["schemaVersion", "subject", "status", "code", "message"]);
  });
});

describe("proofdns sumdb", { concurrency: 4 }, () => {
  const serve = (at: string, ...rest: string[]): string[] => [
    "sumdb",
    "--listen",
    "127.0.0.1:0",
    "--data",
    join(at, "data"),
    ...rest,
  ];
  const tsv = (at: string, content = `example.com/a\tv1.0.0\t${h1}\t${h1}\n`): string => file(at, "r.tsv", content);
  const cases: Case[] = [
    {
      name: "refuses to be called without its options",
      args: () => ["sumdb"],
      says: /required option '--listen <host:port>'/,
      hint: true,
    },
    {
      name: "refuses an unknown option",
      args: (at) => serve(at, "--record", "x"),
      says: /unknown option '--record'/,
      hint: true,
    },
    { name: "refuses no records", args: (at) => serve(at), says: /give either --records FILE or --go-sum FILE/ },
    {
      name: "refuses both kinds of records",
      args: (at) => serve(at, "--records", tsv(at), "--go-sum", tsv(at)),
      says: /and not both/,
    },
    {
      name: "refuses records that are not there",
      args: (at) => serve(at, "--records", join(at, "none")),
      says: /none: .*ENOENT/,
    },
    { name: "refuses a folder as records", args: (at) => serve(at, "--records", at), says: /EISDIR/ },
    {
      name: "refuses a record with too few fields, and names the line",
      args: (at) => serve(at, "--records", tsv(at, "a\tb\n")),
      says: /r\.tsv:1: 2 fields where 4 are expected/,
    },
    {
      name: "refuses a record with a hash that is none",
      args: (at) => serve(at, "--records", tsv(at, `example.com/a\tv1.0.0\th1:x\t${h1}\n`)),
      says: /r\.tsv:1: the zip hash/,
    },
    {
      name: "refuses a damaged gzip file",
      args: (at) => serve(at, "--records", file(at, "r.gz", gzipSync("a\tb\n").subarray(0, 15))),
      says: /r\.gz/,
    },
    {
      name: "refuses a go.sum line with two fields",
      args: (at) => serve(at, "--go-sum", file(at, "go.sum", "example.com/a v1.0.0\n")),
      says: /go\.sum:1: 2 fields/,
    },
    {
      name: "refuses two hashes for one module version, and names both lines",
      args: (at) =>
        serve(at, "--go-sum", file(at, "go.sum", `example.com/a v1.0.0 ${h1}\nexample.com/a v1.0.0 ${otherH1}\n`)),
      says: /go\.sum:2: .*go\.sum:1/,
    },
    {
      name: "refuses an address without a port",
      args: (at) => ["sumdb", "--listen", "127.0.0.1", "--data", at, "--records", tsv(at)],
      says: /--listen "127\.0\.0\.1": it has no port/,
    },
    {
      name: "refuses a size beyond the records",
      args: (at) => serve(at, "--records", tsv(at), "--size", "2"),
      says: /--size 2: give a number from 0 to 1/,
    },
    {
      name: "refuses a key name that is none",
      args: (at) => serve(at, "--records", tsv(at), "--name", "a b"),
      says: /--name "a b"/,
    },
    {
      name: "refuses a file as its folder",
      args: (at) => ["sumdb", "--listen", "127.0.0.1:0", "--data", tsv(at), "--records", tsv(at)],
      says: /cannot make the directory|EEXIST|ENOTDIR/,
    },
    {
      name: "refuses a folder that cannot be made",
      args: (at) => ["sumdb", "--listen", "127.0.0.1:0", "--data", "/dev/null/x", "--records", tsv(at)],
      says: /cannot make the directory \/dev\/null\/x: /,
    },
    {
      name: "refuses a key file that holds no key, and never shows it",
      args: (at) => {
        mkdirSync(join(at, "data"));
        file(at, "data/sumdb.key", "PRIVATE+KEY+sumdb.localhost+SECRET\n");
        return serve(at, "--records", tsv(at));
      },
      says: /signing key .*sumdb\.key: (?!.*SECRET)/,
    },
    {
      name: "refuses the key of another name",
      args: (at) => {
        mkdirSync(join(at, "data"));
        file(at, "data/sumdb.key", `${formatSignerKey(sumdbKey)}\n`);
        return serve(at, "--records", tsv(at));
      },
      says: /it holds the key of sumdb\.example\.org, not of sumdb\.localhost/,
    },
    {
      name: "refuses a port that is taken",
      args: (at) => ["sumdb", "--listen", taken, "--data", at, "--records", tsv(at)],
      says: /cannot listen on .*EADDRINUSE.*choose another --listen/,
      makes: true,
    },
  ];
  for (const one of cases) check(one);
});

describe("proofdns demo", { concurrency: 4 }, () => {
  const cases: Case[] = [
    {
      name: "refuses an unknown option",
      args: () => ["demo", "--twice"],
      says: /unknown option '--twice'/,
      hint: true,
    },
    {
      name: "refuses records that are not there",
      args: (at) => ["demo", "--once", "--records", join(at, "none")],
      says: /ENOENT/,
    },
    {
      name: "refuses empty records",
      args: (at) => ["demo", "--once", "--records", file(at, "r.tsv", "")],
      says: /there are no records/,
    },
    {
      name: "refuses a go.sum without a whole module version",
      args: (at) => ["demo", "--once", "--json", "--go-sum", file(at, "go.sum", "")],
      says: /there are no records/,
    },
    {
      name: "refuses both kinds of records",
      args: (at) => ["demo", "--records", file(at, "a", ""), "--go-sum", file(at, "b", "")],
      says: /and not both/,
    },
    {
      name: "refuses an address that is none",
      args: () => ["demo", "--once", "--listen", "localhost"],
      says: /it has no port/,
    },
  ];
  for (const one of cases) check(one);
});

describe("proofdns serve", { concurrency: 4 }, () => {
  const serve = (at: string, changes: Record<string, string> = {}, ...rest: string[]): string[] => {
    const options = {
      "--zone": ZONE,
      "--listen": "127.0.0.1:0",
      "--data": join(at, "data"),
      "--sumdb": `${vkey} ${sumdbUrl}`,
      ...changes,
    };
    return ["serve", ...Object.entries(options).flat(), ...rest];
  };
  const data = (at: string): string => {
    mkdirSync(join(at, "data"), { mode: 0o700 });
    return join(at, "data");
  };
  const cases: Case[] = [
    {
      name: "refuses to be called without its options",
      args: () => ["serve", "--zone", ZONE],
      says: /required option '--listen <host:port>'/,
      hint: true,
    },
    {
      name: "refuses an unknown option",
      args: (at) => serve(at, {}, "--daemon"),
      says: /unknown option '--daemon'/,
      hint: true,
    },
    {
      name: "refuses an address without a port",
      args: (at) => serve(at, { "--listen": "localhost" }),
      says: /it has no port/,
    },
    { name: "refuses an empty zone", args: (at) => serve(at, { "--zone": "" }), says: /name|zone/ },
    {
      name: "refuses a zone with an empty label",
      args: (at) => serve(at, { "--zone": "l..example.org" }),
      says: /l\.\.example\.org/,
    },
    { name: "refuses a duration that is none", args: (at) => serve(at, { "--poll": "soon" }), says: /--poll "soon"/ },
    {
      name: "refuses to poll without a pause",
      args: (at) => serve(at, { "--poll": "0s" }),
      says: /--poll and --heartbeat are at least 1s/,
    },
    {
      name: "refuses a stall that is none",
      args: (at) => serve(at, { "--max-stall": "never" }),
      says: /--max-stall "never"/,
    },
    {
      name: "refuses a checksum database that is none",
      args: (at) => serve(at, { "--sumdb": "sum.golang.org" }),
      says: /--sumdb(?:-key)?: verifier key: it has no three parts; .* the operator of the checksum database gives it out/,
    },
    {
      name: "refuses a URL of another scheme",
      args: (at) => serve(at, { "--sumdb": `${vkey} ftp://x` }),
      says: /not http or https/,
      makes: true,
    },
    {
      name: "refuses a witness without a URL",
      args: (at) => serve(at, { "--witness": formatVerifierKey(clockKey.verifierKey) }),
      says: /expected a verifier key and an http or https URL/,
    },
    {
      name: "refuses a size to override that is no number",
      args: (at) => serve(at, { "--override-size": "ten" }),
      says: /--override-size ".*": give the size/,
    },
    {
      name: "refuses a folder that cannot be made",
      args: (at) => serve(at, { "--data": "/dev/null/x" }),
      says: /cannot make the folder \/dev\/null\/x: ENOTDIR/,
    },
    {
      name: "refuses a file as its folder",
      args: (at) => serve(at, { "--data": file(at, "data", "x") }),
      says: /cannot make the folder .*EEXIST/,
    },
    {
      name: "says that the checksum database is away",
      args: (at) => serve(at, { "--sumdb": `${vkey} http://${dead}` }),
      says: /cannot read http:.*ECONNREFUSED/,
      makes: true,
    },
    {
      name: "ends with 3 if the checksum database has another key",
      args: (at) => serve(at, { "--sumdb": `${otherSumdbKey} ${sumdbUrl}` }),
      says: /not signed by .*; http:.* has to sign with .*, the key in --sumdb: ask its operator/,
      code: 3,
      makes: true,
    },
    {
      name: "says that its port is taken",
      args: (at) => serve(at, { "--listen": taken }),
      says: /cannot listen on 127\.0\.0\.1.*EADDRINUSE.*choose another --listen/,
      makes: true,
    },
    {
      name: "refuses a key without its store",
      args: (at) => {
        file(data(at), "log.key", `${formatSignerKey(logKey)}\n`);
        return serve(at);
      },
      says: /log\.key exists and the store .* does not: signing again could fork the log/,
    },
    {
      name: "refuses a store without its key",
      args: (at) => {
        mkdirSync(join(data(at), "store"));
        file(at, "data/store/CURRENT", "MANIFEST-000001\n");
        return serve(at);
      },
      says: /store .* exists and its key .*log\.key does not; restore the key/,
    },
    {
      name: "refuses a key file that holds no key, and never shows it",
      args: (at) => {
        file(data(at), "log.key", "PRIVATE+KEY+SECRET\n");
        return serve(at, {}, "--new-log");
      },
      says: /signing key .*log\.key: (?!.*SECRET)/,
    },
    {
      name: "refuses the key of another zone",
      args: (at) => {
        file(data(at), "log.key", `${formatSignerKey(logKey)}\n`);
        return serve(at, { "--zone": "m.example.org" }, "--new-log");
      },
      says: /it holds the key of l\.example\.org\/p1, not of m\.example\.org\/p1/,
    },
    {
      name: "refuses a policy of another log",
      args: (at) => {
        file(data(at), "log.key", `${formatSignerKey(logKey)}\n`);
        file(at, "data/policy", formatPolicy(strange(`${ZONE}/p1`, KEY_TYPE_ED25519).verifierKey, [clock]));
        return serve(at, {}, "--new-log");
      },
      says: /names another key for l\.example\.org\/p1/,
      makes: true,
    },
    {
      name: "refuses a malformed policy",
      args: (at) => {
        file(data(at), "policy", "quorum\n");
        return serve(at);
      },
      says: /policy, line 1: /,
      makes: true,
    },
  ];
  for (const one of cases) check(one);
});

describe("proofdns", { concurrency: 4 }, () => {
  const cases: Case[] = [
    { name: "refuses an unknown command", args: () => ["lastest"], says: /unknown command 'lastest'/, hint: true },
    {
      name: "refuses an unknown option before the command",
      args: () => ["--verbose", "latest"],
      says: /unknown option '--verbose'/,
      hint: true,
    },
  ];
  for (const one of cases) check(one);

  it("shows its help by itself on stderr, and ends with 2", async () => {
    const { code, stdout, stderr } = await run([]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^Usage: proofdns .*\n[\s\S]*Exit codes, the highest that applies/);
  });

  it("shows help on stdout when asked, and ends with 0", async () => {
    const { code, stdout, stderr } = await run(["serve", "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^Usage: proofdns serve /);
  });
});
