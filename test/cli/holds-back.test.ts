import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { existsSync, readdirSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import type { Command } from "commander";
import { EXIT, exitCodeOf, messageOf } from "../../src/cli/exit-code.ts";
import { holdsBack } from "../../src/cli/holds-back.ts";
import { makeLatestCommand } from "../../src/cli/latest.ts";
import { makeProveCommand } from "../../src/cli/prove.ts";
import { makeVerifyCommand } from "../../src/cli/verify.ts";
import { errorCodes, ProofdnsError } from "../../src/vindex/error.ts";
import { type Published, versions, versionsWith } from "../check/scene.ts";
import { Served } from "../check/served.ts";
import { clockPolicy, identity } from "../service/operator.ts";
import { type Outcome, withEnvironment } from "./in-process.ts";

/** What a run remembers although something in it failed, against a real server on loopback. */

const published: Published[] = [
  ...versions("example.com/a", "v1.0.0", "v1.1.0"),
  ...versionsWith("example.com/taken", ["v1.0.0", "v1.1.0"], { "v1.1.0": "module example.com/taken\n\ngo 1.22\n" }),
];
const HASH = `h1:${"A".repeat(43)}=`;

let served: Served;
before(async () => {
  served = await Served.start(published);
});
after(() => served.close());

let folders = 0;
/** Options for a state folder and a cache of one's own. */
function fresh(): { readonly state: string; readonly args: readonly string[] } {
  const own = join(served.folder, `own-${folders++}`);
  return { state: join(own, "state"), args: ["--state", join(own, "state"), "--cache", join(own, "cache")] };
}

function remembers(state: string): boolean {
  try {
    return readdirSync(state).some((name) => name.endsWith(".json") && !name.startsWith("evidence"));
  } catch {
    return false;
  }
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

describe("what failed holds the memory back", () => {
  it("only if it says something false of the log, an answer or a proof", () => {
    const harmless = errorCodes.filter((code) => !holdsBack(new ProofdnsError(code, "")));
    assert.deepEqual(harmless, [
      "MALFORMED_NAME",
      "MALFORMED_INPUT",
      "BAD_CHECKSUM",
      "TOO_YOUNG",
      "NO_LOG_KEY",
      "NO_FRESHNESS",
      "VERSIONS_MISSING",
      "NO_ANSWER",
      "PRIVATE_MODULE",
      "REFUSED",
      "UNREACHABLE",
      "STORE_UNUSABLE",
      "KEY_UNUSABLE",
    ]);
    for (const bug of [new TypeError("bug"), undefined, "text"]) assert.ok(holdsBack(bug));
  });

  it("and not because a module proxy has nothing", async () => {
    const { state, args } = fresh();
    const list = served.write("retractions.mod", "module m\n\ngo 1.22\n\nrequire example.com/taken v1.1.0\n");
    const ended = await served.check([list, "--retractions", ...args], { GOPROXY: "off" });
    assert.equal(ended.code, 2, ended.stdout);
    assert.match(ended.stderr, /GOPROXY/);
    assert.ok(remembers(state));
  });

  it("and not because lines of a go.sum are absent, differ or make no sense", async (t) => {
    const { state, args } = fresh();
    const sum = served.write(
      "absent/go.sum",
      `example.com/a v1.0.0 ${HASH}\nexample.com/a v1.7.0 ${HASH}\nexample.com/none v1.0.0 ${HASH}\n`,
    );
    const ended = await run(t, makeVerifyCommand(), [sum, "-q", ...args]);
    assert.equal(ended.code, EXIT.failed, ended.stderr);
    assert.match(ended.stdout, /example\.com\/a@?.*v1\.7\.0/);
    assert.ok(remembers(state));
  });

  it("and not because one version of what is looked up is absent", async (t) => {
    const [latest, prove] = [fresh(), fresh()];
    assert.equal((await run(t, makeLatestCommand(), ["example.com/none", ...latest.args])).code, 1);
    assert.ok(remembers(latest.state));
    const output = join(served.folder, "absent.tlog-proof");
    const ended = await run(t, makeProveCommand(), ["example.com/a@v1.7.0", "-o", output, ...prove.args]);
    assert.equal(ended.code, 1, ended.stderr);
    assert.ok(remembers(prove.state));
  });

  it("but a false proof of one record does", async (t) => {
    const { state, args } = fresh();
    const sum = served.write("false/go.sum", `example.com/a v1.0.0 ${HASH}\n`);
    const relay = await Relay.start(served.operator.listen, "spoil");
    const env = { PROOFDNS_SERVER: relay.listen };
    const ended = await run(t, makeVerifyCommand(), [sum, "-q", "--timeout", "1s", ...args], env);
    const output = join(served.folder, "false.tlog-proof");
    const more = ["--record", "-o", output, "--timeout", "1s", ...args];
    const proved = await run(t, makeProveCommand(), ["example.com/a", ...more], env);
    relay.close();
    assert.equal(ended.code, EXIT.failed, ended.stdout);
    assert.match(ended.stdout, /MALFORMED_ANSWER|BAD_RECORD_PROOF/);
    // That the second way was silent does not undo what the first one showed.
    assert.equal(proved.code, EXIT.failed, proved.stderr);
    assert.doesNotMatch(proved.stderr, /within 1 s/);
    assert.ok(!existsSync(output));
    assert.ok(!remembers(state));
  });

  it("but nothing is remembered of a log whose key is another", async (t) => {
    const { state, args } = fresh();
    const ended = await run(t, makeLatestCommand(), ["example.com/a", "--zone", "other.example.org", ...args]);
    assert.ok(ended.code >= 2, ended.stderr);
    assert.ok(!remembers(state));
  });
});

describe("options that cannot be honoured", () => {
  it("are refused: --strict asks for proofs, and --offline asks nothing", async (t) => {
    const ended = await run(t, makeVerifyCommand(), ["go.sum", "--strict", "--offline"]);
    assert.deepEqual([ended.code, ended.stdout], [2, ""]);
    assert.match(ended.stderr, /--strict asks for proofs/);
  });

  it("are refused for times that no timer has", async (t) => {
    for (const timeout of ["0s", "2d", "99999d", "x"]) {
      const ended = await run(t, makeLatestCommand(), ["example.com/a", "--timeout", timeout]);
      assert.deepEqual([ended.code, ended.stdout], [2, ""], timeout);
      assert.match(ended.stderr, /--timeout|duration/);
    }
  });
});

describe("an argument of `latest` that names nothing to look up", () => {
  it("is an error of its own in its place, and the others are looked up and remembered", async (t) => {
    const { state, args } = fresh();
    const asked = ["Bad..path", "example.com/a", "example.com/a@main", "example.com/a@v1.0", "", "\u001b[2J"];
    const json = await run(t, makeLatestCommand(), [...asked, "--json", ...args]);
    assert.deepEqual([json.code, json.stderr], [2, ""]);
    const lines = json.stdout.trimEnd().split("\n");
    const objects = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      objects.map(({ subject, status, code }) => [subject, status, code]),
      [
        ["Bad..path", "error", "MALFORMED_INPUT"],
        ["example.com/a", "latest", undefined],
        ["example.com/a@main", "error", "MALFORMED_INPUT"],
        ["example.com/a", "latest", undefined],
        ["", "error", "MALFORMED_INPUT"],
        [objects[5]?.["subject"], "error", "MALFORMED_INPUT"],
      ],
    );
    assert.doesNotMatch(json.stdout.replaceAll("\n", ""), /\p{Cc}|\\u001b/u);
    assert.ok(remembers(state));
    const text = await run(t, makeLatestCommand(), ["Bad..path", "example.com/a", ...args]);
    assert.equal(text.code, 2);
    assert.match(text.stdout, /^example\.com\/a v1\.1\.0 .*\n$/);
    assert.match(text.stderr, /^proofdns: .*Bad\.\.path.* \[MALFORMED_INPUT\]\n$/);
  });

  it("needs no policy where there is nothing else, and is the last where options do not go together", async (t) => {
    const policy = ["--policy", join(served.folder, "none")];
    const alone = await run(t, makeLatestCommand(), ["Bad..path", "--json", ...policy]);
    assert.deepEqual([alone.code, JSON.parse(alone.stdout).code, alone.stderr], [2, "MALFORMED_INPUT", ""]);
    const both = await run(t, makeLatestCommand(), ["Bad..path", "example.com/a", "--json", ...policy]);
    assert.deepEqual([both.code, both.stdout], [2, ""]);
    const odd = await run(t, makeLatestCommand(), ["Bad..path", "--majors", "--versions", "--json"]);
    assert.deepEqual([odd.code, odd.stdout], [2, ""]);
  });
});

describe("an answer whose freshness nothing proves", () => {
  it("says so in JSON and in text, and has no time", async (t) => {
    const policy = served.write("none.policy", clockPolicy.replaceAll(/^quorum .*$/gm, "quorum none"));
    const { args } = fresh();
    const options = ["--policy", policy, "--no-freshness", ...args];
    for (const module of ["example.com/a", "example.com/a@v1.0"]) {
      const json = await run(t, makeLatestCommand(), [module, "--json", ...options]);
      assert.equal(json.code, 0, json.stderr);
      assert.equal((JSON.parse(json.stdout) as Record<string, unknown>)["asOf"], null);
      assert.match((await run(t, makeLatestCommand(), [module, ...options])).stdout, /freshness not proven/);
    }
  });
});

describe("proofdns prove", () => {
  it("ends in time where the record is never answered", async (t) => {
    const { state, args } = fresh();
    const output = join(served.folder, "late.tlog-proof");
    const relay = await Relay.start(served.operator.listen, "silence");
    const ended = await run(
      t,
      makeProveCommand(),
      ["example.com/a", "--record", "-o", output, "--timeout", "1s", ...args],
      { PROOFDNS_SERVER: relay.listen },
    );
    relay.close();
    assert.equal(ended.code, 2, ended.stdout);
    assert.match(ended.stderr, /no proof of the record of example\.com\/a@v1\.1\.0 within 1 s/);
    assert.ok(remembers(state), "what was answered is remembered");
  });
});

/** Hands everything on by UDP but what concerns records, and says nothing by TCP. */
class Relay {
  readonly #socket = createSocket("udp4");
  readonly #tcp = createServer((connection) => this.#connections.push(connection));
  readonly #connections: Socket[] = [];
  readonly #others = new Set<ReturnType<typeof createSocket>>();

  static async start(server: string, atRecords: "silence" | "spoil"): Promise<Relay> {
    const relay = new Relay();
    const port = Number(server.slice(server.lastIndexOf(":") + 1));
    relay.#socket.on("message", (query, from) => {
      const isRecord = query.toString("latin1").toLowerCase().includes("_record");
      if (isRecord && atRecords === "silence") return;
      const other = createSocket("udp4");
      relay.#others.add(other);
      other.on("message", (reply) => {
        const middle = reply.length >> 1;
        if (isRecord) reply[middle] = (reply[middle] as number) ^ 1;
        relay.#socket.send(reply, from.port, from.address);
      });
      other.send(query, port, "127.0.0.1");
    });
    await new Promise<void>((resolve) => relay.#tcp.listen(0, "127.0.0.1", resolve));
    const own = (relay.#tcp.address() as AddressInfo).port;
    await new Promise<void>((resolve) => relay.#socket.bind(own, "127.0.0.1", resolve));
    return relay;
  }

  get listen(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): void {
    this.#socket.close();
    this.#tcp.close();
    for (const connection of this.#connections) connection.destroy();
    for (const other of this.#others) other.close();
  }
}
