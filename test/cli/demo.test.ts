import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { formatHex } from "../../src/vindex/bytes.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { computeLeaves, makeFolder, sampleRecords } from "../service/world.ts";
import { Command, run } from "./process.ts";

const folder = makeFolder("demo");

interface DemoResult {
  readonly ok: boolean;
  readonly epoch: number;
  readonly sumdbSize: number;
  readonly mapRoot: string;
  readonly records: number;
  readonly lookups: readonly { readonly subject: string; readonly status: string; readonly value: string }[];
}

function lastLine(stdout: string): DemoResult {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as DemoResult;
}

describe("proofdns demo", { concurrency: 3 }, () => {
  it("ends after the lookups with one object on the last line, and the same map root in every run", async () => {
    const ends = await Promise.all([run(["demo", "--once", "--json"]), run(["demo", "--once", "--json"])]);
    const results = ends.map(({ code, stdout, stderr }) => {
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, / {4}at /);
      return lastLine(stdout);
    });
    const records = sampleRecords();
    const [leaf] = computeLeaves(records, [records.length]);
    for (const result of results) {
      assert.equal(result.ok, true);
      assert.deepEqual([result.epoch, result.sumdbSize, result.records], [1, records.length, records.length]);
      assert.equal(result.mapRoot, formatHex(leaf?.mapRoot as Uint8Array));
      const statuses = new Set(result.lookups.map(({ status }) => status));
      assert.deepEqual(statuses, new Set(["latest", "untagged", "absent"]));
    }
    assert.deepEqual(
      results[0]?.lookups.map(({ value }) => value),
      results[1]?.lookups.map(({ value }) => value),
    );
  });

  it("builds the index of a project's own go.sum, and looks its modules up", async () => {
    const file = join(folder, "go.sum");
    const h1 = (byte: number): string => formatH1(new Uint8Array(32).fill(byte));
    const lines = [
      `example.com/one v1.2.3 ${h1(1)}`,
      `example.com/one v1.2.3/go.mod ${h1(2)}`,
      `example.com/two/v2 v2.0.1 ${h1(3)}`,
      `example.com/two/v2 v2.0.1/go.mod ${h1(4)}`,
      `example.com/left/out v1.0.0/go.mod ${h1(5)}`,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const { code, stdout, stderr } = await run(["demo", "--once", "--json", "--go-sum", file]);
    assert.equal(code, 0, stderr);
    const result = lastLine(stdout);
    assert.deepEqual([result.ok, result.records, result.sumdbSize], [true, 2, 2]);
    assert.match(stderr, /left out 1 module version that lacks/);
    const values = new Map(result.lookups.map(({ subject, status, value }) => [subject, `${status} ${value}`]));
    assert.match(values.get("example.com/one") ?? "", /^latest v=v1\.2\.3 i=0 /);
    assert.match(values.get("example.com/two/v2") ?? "", /^latest v=v2\.0\.1 i=1 /);
    assert.equal(values.get("example.com/no/such/module"), "absent ");
  });

  it("serves on without --once until it is told to stop, and leaves nothing behind", async () => {
    const demo = new Command(["demo"], { TMPDIR: folder });
    while (!demo.lines.some((line) => line.startsWith("Ctrl-C"))) {
      if (demo.child.exitCode !== null) assert.fail(demo.stderr);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(
      demo.lines.join("\n"),
      /^Try: {2}dig @127\.0\.0\.1 -p [0-9]+ \+short TXT hello\._\.example\.com\.p1\.l\.example\.org$/m,
    );
    assert.ok(readdirSync(folder).some((name) => name.startsWith("proofdns-demo-")));
    const { code, stderr } = await demo.stop("SIGINT");
    // What takes longer than a second shows how far it is.
    const said = stderr.replaceAll(/^ +… [0-9]+ of [0-9]+ records verified\n/gm, "");
    assert.deepEqual([code, said], [0, ""]);
    assert.ok(!readdirSync(folder).some((name) => name.startsWith("proofdns-demo-")));
  });
});
