import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { UntrustedEpoch } from "../../src/audit/log-file.ts";
import { runAudit } from "../../src/cli/audit.ts";
import { foldEpochs, RECORDS, SIZES, sumdbVkey } from "../audit/folds.ts";
import { fileOf, logVkey, policyText, publish, signEpochs, sumdbServer } from "../audit/log.ts";
import { makeFolder } from "../service/world.ts";
import { Command } from "./process.ts";

/** What whoever hosts the files of an honest log can make of it: never a wrong one. */

const folder = makeFolder("audit");
after(() => rmSync(folder, { recursive: true, force: true }));
const policy = join(folder, "policy");
writeFileSync(policy, policyText);
const honest = publish(foldEpochs(RECORDS, SIZES));
const now = (): number => Math.floor(Date.now() / 1000);
const epochs = signEpochs(
  honest.epochs.map(({ leafText }) => leafText),
  now(),
);

/** Published files of the honest log. */
function files(name: string, shown: readonly UntrustedEpoch[] = epochs): string {
  const at = join(folder, name);
  for (const kind of ["log", "transition"]) mkdirSync(join(at, kind), { recursive: true });
  for (const epoch of shown) {
    writeFileSync(join(at, "log", `${epoch.epoch}`), fileOf(epoch));
    writeFileSync(join(at, "transition", `${epoch.epoch}`), honest.transitions.get(epoch.epoch) as Uint8Array);
    writeFileSync(join(at, "latest"), fileOf(epoch));
  }
  return at;
}

async function run(given: Partial<Parameters<typeof runAudit>[0]>) {
  const said: string[] = [];
  const error = console.error;
  console.error = (line: string) => void said.push(line);
  let line: { [field: string]: unknown } = {};
  try {
    const code = await runAudit({ from: "1", poll: "60s", maxAge: "24h", ...given }, (text) => {
      line = JSON.parse(text) as typeof line;
    });
    return { code, line, said: said.join("\n") };
  } finally {
    console.error = error;
  }
}

const base = { policy, stateless: true, vkey: sumdbVkey };
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

describe("proofdns audit of files that someone spoilt", () => {
  it("finds the honest log right as it is", async () => {
    const { code, line } = await run({ ...base, published: files("right") });
    assert.deepEqual([code, line["result"], line["to"]], [0, "right", SIZES.length]);
  });

  const third = honest.transitions.get(3) as Uint8Array;
  const SPOILT: { readonly [name: string]: readonly [file: string, bytes: Uint8Array | string, to: number] } = {
    "a page of HTML as latest": ["latest", "<html>down for maintenance</html>\n", 0],
    "a page of HTML as an epoch": ["log/3", "<html>", 2],
    "another epoch": ["log/3", fileOf(epochs[3] as UntrustedEpoch), 2],
    "an epoch with a bit turned": ["log/3", flipped(fileOf(epochs[2] as UntrustedEpoch), 5), 2],
    "a transition of another epoch": ["transition/3", honest.transitions.get(2) as Uint8Array, 2],
    "a transition with a bit turned": ["transition/3", flipped(third, third.length - 3), 2],
    "a transition that is empty": ["transition/3", "", 2],
  };
  for (const [name, [file, bytes, to]] of Object.entries(SPOILT)) {
    it(`says of ${name} that it proves nothing against the log`, async () => {
      const published = files(name.replaceAll(" ", "-"));
      writeFileSync(join(published, file), bytes);
      const { code, line, said } = await run({ ...base, published });
      assert.deepEqual([code, line["result"], line["to"], line["firstWrong"]], [2, "unchecked", to, null]);
      assert.match(said, /is refused.*proves nothing against the log/);
    });
  }

  it("takes a spoilt cosignature for none", async () => {
    const [last] = epochs.slice(-1) as [UntrustedEpoch];
    const cosignatures = last.cosignatures.map((old) => ({ ...old, signature: flipped(old.signature, 0) }));
    const published = files("cosignature", [...epochs.slice(0, -1), { ...last, cosignatures }]);
    const { code, line } = await run({ ...base, published });
    assert.deepEqual([code, line["result"], line["to"]], [3, "stale", SIZES.length]);
    const other = await run({ stateless: true, vkey: sumdbVkey, logKey: logVkey, published });
    assert.deepEqual([other.code, other.line["result"]], [0, "right"]);
  });

  it("reads no pipe, no device and no folder", { skip: process.platform === "win32" }, async () => {
    const published = files("pipe");
    for (const [file, make] of [
      ["transition/3", (path: string) => symlinkSync("/dev/zero", path)],
      ["log/2", (path: string) => execFileSync("mkfifo", [path])],
      ["latest", (path: string) => execFileSync("mkfifo", [path])],
    ] as const) {
      rmSync(join(published, file));
      make(join(published, file));
      const { code, line, said } = await run({ ...base, published });
      assert.deepEqual([code, line["result"]], [2, "unchecked"]);
      assert.match(said, /no regular file/);
    }
    const tiles = join(folder, "tiles");
    mkdirSync(tiles);
    execFileSync("mkfifo", [join(tiles, "latest")]);
    const { code, said } = await run({ ...base, stateless: false, tiles, published: files("piped-tiles") });
    assert.equal(code, 2);
    assert.match(said, /no regular file/);
  });

  it("names the epoch before --from if that one is wrong already", async () => {
    const lied = foldEpochs(RECORDS, SIZES, { epoch: 2, changes: ({ changes }) => changes.slice(1) });
    const published = files("lied", signEpochs(lied.map(({ after: { leafText } }) => leafText)));
    const server = sumdbServer(RECORDS);
    const { host, port } = await server.listen({ host: "127.0.0.1", port: 0 });
    try {
      const sumdb = `${sumdbVkey} http://${host}:${port}`;
      const { code, line } = await run({ sumdb, logKey: logVkey, published, from: "3" });
      assert.deepEqual([code, line["result"], line["epochs"]], [3, "wrong", 0]);
      const { epoch, message } = line["firstWrong"] as { [field: string]: unknown };
      assert.equal(epoch, 2);
      assert.match(String(message), /epoch 2 is WRONG already/);
    } finally {
      await server.close();
    }
  });
});

describe("proofdns audit --follow", () => {
  const follow = (published: string, ...more: string[]): Command =>
    new Command([
      ...["audit", "--follow", "--poll", "1s", "--stateless", "--vkey", sumdbVkey, "--policy", policy],
      ...["--published", published, ...more],
    ]);
  const until = async (command: Command, pattern: RegExp): Promise<void> => {
    while (!pattern.test(command.stderr)) {
      assert.equal(command.child.exitCode, null, command.stderr);
      await delay(50);
    }
  };

  it("has checked nothing if it is stopped while a server hangs, and ends at once", async () => {
    let tell = (): void => {};
    const asked = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const server = createServer(() => tell());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const command = follow(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      await asked;
      const { code, stdout } = await command.stop();
      assert.equal(code, 2);
      assert.equal((JSON.parse(stdout) as { result: string }).result, "unchecked");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("has checked nothing if no file was ever there", async () => {
    const command = follow(join(folder, "nothing"));
    await until(command, /there is no latest.*asking again/);
    const { code, stdout } = await command.stop();
    assert.deepEqual([code, (JSON.parse(stdout) as { result: string }).result], [2, "unchecked"]);
  });

  it("says stale when the newest epoch falls back and its quorum has grown old", async () => {
    const fresh = signEpochs(
      honest.epochs.map(({ leafText }) => leafText),
      now(),
    );
    const published = files("frozen", fresh);
    const command = follow(published, "--max-age", "4s");
    await until(command, /epoch 6 of 6 is right/);
    writeFileSync(join(published, "latest"), fileOf(fresh[2] as UntrustedEpoch));
    await until(command, /the freshest quorum on epoch 6 is/);
    const { code, stdout } = await command.stop();
    assert.deepEqual([code, (JSON.parse(stdout) as { result: string }).result], [3, "stale"]);
  });
});
