import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { SumdbServer } from "../../src/sumdb/server.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { makeSumdb, type Operator, startOperator } from "../service/operator.ts";
import { makeFolder, makeRandom, realRecords, sumdbKey, testData } from "../service/world.ts";
import { run } from "./process.ts";

/** A project of real modules: how many lines its go.sum has is how many a middling one has. */
const VERSIONS = 300;

const skip = testData === undefined ? "PROOFDNS_TESTDATA is not set" : false;

describe("proofdns verify, on real records", () => {
  const folder = makeFolder("verify-real");
  let sumdb: SumdbServer;
  let operator: Operator;
  let lines: string[];
  const env = (): Record<string, string> => ({
    HOME: folder,
    XDG_STATE_HOME: join(folder, "state"),
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_CONFIG_HOME: join(folder, "config"),
    PROOFDNS_SERVER: operator.listen,
    PROOFDNS_POLICY: join(folder, "policy"),
    GOENV: "off",
    GOSUMDB: formatVerifierKey(sumdbKey.verifierKey),
    GOPRIVATE: "",
    GONOSUMDB: "",
  });

  before(async () => {
    if (testData === undefined) return;
    const records = await realRecords();
    sumdb = makeSumdb(records, records.length);
    operator = await startOperator({ folder: join(folder, "operator"), sumdb });
    writeFileSync(join(folder, "policy"), operator.policy);
    const random = makeRandom(5);
    const picked = new Set<number>();
    while (picked.size < VERSIONS) picked.add(Math.floor(random() * records.length));
    lines = [...picked].flatMap((i) => new TextDecoder().decode(records[i]).trimEnd().split("\n"));
  });
  after(async () => {
    if (testData === undefined) return;
    await operator.close();
    await sumdb.close();
  });

  it("proves every line of a go.sum of 300 versions", { skip }, async () => {
    writeFileSync(join(folder, "go.sum"), `${lines.join("\n")}\n`);
    const { code, stdout, stderr } = await run(["verify", join(folder, "go.sum")], env());
    assert.deepEqual([code, stdout], [0, `${2 * VERSIONS} checksums proven\n`], stderr);
  });

  it("finds the two lines whose hashes were exchanged, and no other", { skip }, async () => {
    const [a = "", b = ""] = [lines[10], lines[400]];
    const [hashA = "", hashB = ""] = [a, b].map((line) => line.slice(line.lastIndexOf(" ")));
    const changed = lines.with(10, a.replace(hashA, hashB)).with(400, b.replace(hashB, hashA));
    writeFileSync(join(folder, "bad.sum"), `${changed.join("\n")}\n`);
    const { code, stdout, stderr } = await run(["verify", "--json", join(folder, "bad.sum")], env());
    assert.equal(code, 3, stderr);
    const found = stdout
      .split("\n")
      .flatMap((line) => (line.includes('"differs"') ? [JSON.parse(line) as { line: number }] : []));
    assert.deepEqual(
      found.map(({ line }) => line),
      [11, 401],
    );
  });
});
