import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { makeSumdbCommand } from "../../src/cli/sumdb.ts";
import { SumdbFollower } from "../../src/sumdb/follower.ts";
import { HttpSumdbSource } from "../../src/sumdb/http-source.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { parseVerifierKey } from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { nothing } from "../sumdb/small-log.ts";

const directory = mkdtempSync(join(tmpdir(), "proofdns-sumdb-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
const fresh = (): string => join(directory, `entry-${files++}`);
function file(content: string): string {
  const path = fresh();
  writeFileSync(path, content);
  return path;
}

const h1 = (text: string): string => formatH1(nodeSha256(encodeUtf8(text)));
const records = file(
  Array.from({ length: 20 }, (_, i) => `example.com/m\tv1.${i}.0\t${h1(`z${i}`)}\t${h1(`m${i}`)}\n`).join(""),
);

interface Ready {
  readonly ready: boolean;
  readonly listen: string;
  readonly url: string;
  readonly vkey: string;
  readonly size: number;
  readonly records: number;
  readonly leftOut: number;
}

/** Runs the command as its own process until it is ready. */
async function start(...args: string[]): Promise<{ child: ChildProcess; ready: Ready; stdout: () => string }> {
  const command = fileURLToPath(new URL("../../src/cli/sumdb.ts", import.meta.url));
  const run = `import { makeSumdbCommand } from ${JSON.stringify(command)}; await makeSumdbCommand().parseAsync(process.argv.slice(1), { from: "user" });`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", run, "--", ...args]);
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (stdout.includes("\n")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`exit ${code}: ${stderr}`)));
  });
  return { child, ready: JSON.parse(stdout) as Ready, stdout: () => stdout };
}

function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  return new Promise((resolve) => {
    child.removeAllListeners("exit");
    child.once("exit", (code, by) => resolve(code ?? by));
    child.kill(signal);
  });
}

describe("proofdns sumdb", () => {
  it("serves a records file, prints one line when ready, grows on test control, and stops cleanly", async () => {
    const data = fresh();
    const args = ["--records", records, "--listen", "127.0.0.1:0", "--data", data, "--size", "5", "--test-control"];
    const { child, ready, stdout } = await start(...args);
    assert.deepEqual(Object.keys(ready), ["ready", "listen", "url", "vkey", "size", "records", "leftOut"]);
    assert.deepEqual([ready.ready, ready.size, ready.records, ready.leftOut], [true, 5, 20, 0]);
    assert.match(ready.listen, /^127\.0\.0\.1:[1-9][0-9]*$/);
    assert.equal(ready.url, `http://${ready.listen}`);
    assert.equal(statSync(join(data, "sumdb.key")).mode & 0o777, 0o600);
    const follower = new SumdbFollower({
      verifierKey: parseVerifierKey(ready.vkey),
      source: new HttpSumdbSource(ready.url),
    });
    assert.equal((await follower.poll(nothing))?.treeHead.treeSize, 5);
    assert.equal((await fetch(`${ready.url}/ctl/size?n=20`, { method: "POST" })).status, 200);
    assert.equal((await follower.poll(nothing))?.treeHead.treeSize, 20);
    assert.equal(await stop(child, "SIGTERM"), 0);
    assert.equal(stdout().split("\n").length, 2);

    // The second start has the same key.
    const again = await start("--records", records, "--listen", "localhost:0", "--data", data);
    assert.equal(again.ready.vkey, ready.vkey);
    assert.equal((await fetch(`${again.ready.url}/ctl/size?n=20`, { method: "POST" })).status, 405);
    assert.equal(await stop(again.child, "SIGINT"), 0);
  });

  it("serves go.sum files, in their order, and says how many versions it left out", async () => {
    const one = file(
      `example.com/b v1.0.0 ${h1("1")}\nexample.com/b v1.0.0/go.mod ${h1("2")}\nexample.com/c v1.0.0/go.mod ${h1("3")}\n`,
    );
    const two = file(`example.com/a v1.0.0 ${h1("4")}\nexample.com/a v1.0.0/go.mod ${h1("5")}\n`);
    const { child, ready } = await start(
      "--go-sum",
      one,
      two,
      "--listen",
      "127.0.0.1:0",
      "--data",
      fresh(),
      "--name",
      "sum.example.org/x",
    );
    assert.deepEqual([ready.size, ready.records, ready.leftOut], [2, 2, 1]);
    assert.match(ready.vkey, /^sum\.example\.org\/x\+/);
    const lookup = async (name: string): Promise<string> => (await fetch(`${ready.url}/lookup/${name}`)).text();
    assert.match(await lookup("example.com/b@v1.0.0"), /^0\n/);
    assert.match(await lookup("example.com/a@v1.0.0"), /^1\n/);
    assert.equal(await stop(child, "SIGTERM"), 0);
  });

  const listen = ["--listen", "127.0.0.1:0"];
  const conflict = file(`example.com/b v1.0.0 ${h1("1")}\nexample.com/b v1.0.0 ${h1("2")}\n`);
  const bad: Record<string, { args: string[]; code: string }> = {
    "no input": { args: listen, code: "MALFORMED_INPUT" },
    "two inputs": { args: [...listen, "--records", records, "--go-sum", conflict], code: "MALFORMED_INPUT" },
    "a missing file": { args: [...listen, "--records", join(directory, "none")], code: "MALFORMED_INPUT" },
    "a malformed file": { args: [...listen, "--records", conflict], code: "MALFORMED_INPUT" },
    "go.sum files that disagree": { args: [...listen, "--go-sum", conflict], code: "CONFLICT" },
    "a size beyond the records": { args: [...listen, "--records", records, "--size", "21"], code: "MALFORMED_INPUT" },
    "a size that is no number": { args: [...listen, "--records", records, "--size", "0x5"], code: "MALFORMED_INPUT" },
    "an address without a port": { args: ["--listen", "localhost", "--records", records], code: "MALFORMED_INPUT" },
    "a name that is no host": { args: [...listen, "--records", records, "--name", "a b"], code: "MALFORMED_INPUT" },
    "a name that ends in a slash": { args: [...listen, "--records", records, "--name", "a/"], code: "MALFORMED_INPUT" },
    "a name with a plus": { args: [...listen, "--records", records, "--name", "a+b"], code: "MALFORMED_INPUT" },
  };
  for (const [what, { args, code }] of Object.entries(bad)) {
    it(`refuses ${what} in one line, and writes nothing`, async () => {
      const data = fresh();
      const run = makeSumdbCommand().parseAsync([...args, "--data", data], { from: "user" });
      await assert.rejects(run, (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
      assert.equal(existsSync(data), false);
    });
  }

  it("refuses a data directory that cannot be one, a key of another name, and a port that is taken", async () => {
    const run = (...args: string[]): Promise<unknown> =>
      makeSumdbCommand().parseAsync(["--records", records, ...args], { from: "user" });
    await assert.rejects(run(...listen, "--data", records), { code: "KEY_UNUSABLE" });
    const data = fresh();
    const { child, ready } = await start("--records", records, ...listen, "--data", data);
    await assert.rejects(run(...listen, "--data", data, "--name", "other.example.org"), { code: "KEY_UNUSABLE" });
    await assert.rejects(run("--listen", ready.listen, "--data", data), {
      code: "MALFORMED_INPUT",
      message: /EADDRINUSE/,
    });
    assert.equal(await stop(child, "SIGTERM"), 0);
  });
});
