import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, it } from "node:test";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { clientOf, makeSumdb, type Operator, startOperator, until } from "../service/operator.ts";
import { makeFolder, makeRandom, sampleRecords } from "../service/world.ts";

const folder = makeFolder("leveldb");
const base = join(folder, "base");
const records = sampleRecords();
const SIZES = [800, 1600, 2400];
let roots: string[] = [];
let copies = 0;

before(async () => {
  const sumdb = makeSumdb(records, SIZES[0] as number);
  const operator = await startOperator({ folder: base, sumdb });
  for (const size of SIZES) {
    sumdb.setSize(size);
    await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
  }
  roots = operator.served.map(({ mapRoot }) => mapRoot);
  await operator.close();
  // What is opened again stands in tables instead of the log.
  await (await startOperator({ folder: base, sumdb })).close();
});

it("a table of LevelDB with flipped bits is refused, or told of when it is met, and never gives another root or answer", async () => {
  const random = makeRandom(21);
  const tables = readdirSync(join(base, "store")).filter((name) => name.endsWith(".ldb"));
  assert.ok(tables.length > 0, "no table was written");
  let [refused, served, told] = [0, 0, 0];
  for (let i = 0; i < 24; i++) {
    const copy = join(folder, `copy-${copies++}`);
    cpSync(base, copy, { recursive: true });
    const table = join(copy, "store", tables[i % tables.length] as string);
    const bytes = readFileSync(table);
    for (let n = 0; n <= i; n++) {
      const at = Math.floor(random() * bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << (n % 8));
    }
    writeFileSync(table, bytes);
    let operator: Operator;
    try {
      operator = await startOperator({ folder: copy, sumdb: makeSumdb(records, SIZES[2] as number) });
    } catch (error) {
      assert.ok(isProofdnsError(error), (error as Error).stack);
      assert.doesNotMatch(error.message, /\n/);
      refused++;
      rmSync(copy, { recursive: true });
      continue;
    }
    const first = operator.served[0];
    assert.equal(first?.mapRoot, roots[(first?.epoch ?? 0) - 1]);
    served++;
    const path = "example.com/hello";
    await clientOf(operator)
      .lookup({ kind: "module", path, withVersions: true }, { withRecord: true })
      .catch((error: unknown) => {
        assert.ok(isProofdnsError(error) && error.kind === "unavailable", (error as Error).message);
        told++;
      });
    await operator.close();
    rmSync(copy, { recursive: true });
  }
  assert.ok(refused > 0, `${refused} refused, ${served} served, ${told} told`);
});
