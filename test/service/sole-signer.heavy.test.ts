import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { Command, run } from "../cli/process.ts";
import { writeSampleFile } from "../dns/sample-file.ts";
import { until } from "./operator.ts";
import { makeFolder, ZONE } from "./world.ts";

const folder = makeFolder("sole-signer");
const path = (name: string): string => join(folder, name);

it("a loaded snapshot signs by the command line only with --sole-signer, and then without it", async () => {
  writeSampleFile(path("records.tsv"));
  const records = ["--records", path("records.tsv"), "--size", "1000", "--test-control"];
  const sumdb = new Command(["sumdb", "--listen", "127.0.0.1:0", "--data", path("sumdb"), ...records]);
  const { vkey, url } = await sumdb.json();
  const grow = async (size: number): Promise<void> => {
    assert.equal((await fetch(`${url}/ctl/size?n=${size}`, { method: "POST" })).status, 200);
  };
  const serve = (data: string, ...args: string[]): Command => {
    const where = ["--zone", ZONE, "--listen", "127.0.0.1:0", "--data", path(data), "--sumdb", `${vkey} ${url}`];
    const times = ["--poll", "1s", "--heartbeat", "1s", "--epoch-interval", "0s", "--threads", "0"];
    return new Command(["serve", ...where, ...times, ...args]);
  };
  try {
    const first = serve("data");
    assert.equal((await first.json())["epoch"], 1);
    await first.stop();
    const logKey = /^log (\S+)/m.exec(readFileSync(path("data/policy"), "utf8"))?.[1] ?? "";
    const keys = ["--log-key", logKey, "--sumdb-key", String(vkey)];
    for (const args of [
      ["save", path("saved"), "--data", path("data")],
      ["load", path("saved"), "--data", path("copy"), ...keys],
    ]) {
      const { code, stderr } = await run(["snapshot", ...args]);
      assert.equal(code, 0, stderr);
    }
    // All that the first server had beside its store.
    for (const file of ["log.key", "clock.key", "policy"]) {
      if (existsSync(path(`data/${file}`))) copyFileSync(path(`data/${file}`), path(`copy/${file}`));
    }
    await grow(2000);

    const held = serve("copy");
    assert.equal((await held.json())["epoch"], 1);
    await until("two refusals", () => held.stderr.split("epoch 2 is not signed").length > 2);
    assert.match(held.stderr, /or --sole-signer if no other server signs with this key/);
    assert.equal((await held.stop()).stdout.split("\n").length, 2, "one line, of epoch 1");

    const sole = serve("copy", "--sole-signer");
    await sole.json();
    assert.deepEqual([(await sole.json(1))["epoch"], (await sole.json(1))["sumdbSize"]], [2, 2000]);
    await sole.stop();

    await grow(2500);
    const again = serve("copy");
    await again.json();
    assert.equal((await again.json(1))["epoch"], 3);
    assert.doesNotMatch(again.stderr, /is not signed/);
    await again.stop();
  } finally {
    await sumdb.stop();
  }
});
