import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { Store } from "../../src/store/store.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { parseRecord } from "../../src/vindex/record.ts";
import {
  clientOf,
  identity,
  makeSumdb,
  type Operator,
  type OperatorOptions,
  startOperator,
  until,
} from "../service/operator.ts";
import { computeLeaves, makeFolder, sampleRecords } from "../service/world.ts";
import { makeBaseStore } from "./base-store.ts";

const folder = makeFolder("base-test");
const base = join(folder, "base");
const records = sampleRecords();
const BUILT = 1500;
const paths = [...new Set(records.slice(0, BUILT).map((text) => parseRecord(text)?.path ?? ""))].filter(
  (path) => path !== "",
);
let copies = 0;

before(async () => makeBaseStore(base, records.slice(0, BUILT)));

function copyOf(from = base): string {
  const to = join(folder, `copy-${copies++}`);
  cpSync(from, to, { recursive: true });
  return to;
}

const rootOf = (size: number): string => formatHex(computeLeaves(records, [size])[0]?.mapRoot as Uint8Array);

function serve(at: string, size: number, more: Partial<OperatorOptions> = {}): Promise<Operator> {
  return startOperator({ folder: at, sumdb: makeSumdb(records, size), ...more });
}

describe("a store that was built", () => {
  it("is of no log until it is served, and then of that one", async () => {
    const at = copyOf();
    const bare = await Store.open(at, { sumdbKey: identity.sumdbKey });
    assert.equal(bare.identity.logKey, undefined);
    await bare.close();
    await (await serve(at, BUILT)).close();
    const again = await Store.open(at, { sumdbKey: identity.sumdbKey });
    assert.deepEqual(again.identity, identity);
    await again.close();
    await assert.rejects(Store.open(at, { ...identity, logKey: "other" }), (error) =>
      isProofdnsError(error, "STORE_UNUSABLE"),
    );
    await assert.rejects(Store.open(copyOf(), { sumdbKey: "other" }), (error) =>
      isProofdnsError(error, "STORE_UNUSABLE"),
    );
  });

  it("serves, goes on, and gives the roots and proofs that the records give", async () => {
    const at = copyOf();
    const sumdb = makeSumdb(records, BUILT);
    const operator = await startOperator({ folder: at, sumdb });
    assert.equal(operator.served[0]?.mapRoot, rootOf(BUILT));
    const client = clientOf(operator);
    for (const size of [1700, 2600, records.length]) {
      sumdb.setSize(size);
      await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
      assert.equal(operator.served.at(-1)?.mapRoot, rootOf(size));
      for (const path of paths.filter((_, i) => i % 40 === 0)) {
        await client.lookup({ kind: "module", path, withVersions: true }, { withRecord: true });
      }
    }
    await operator.close();
    const again = await serve(at, records.length);
    assert.equal(again.served[0]?.mapRoot, rootOf(records.length));
    for (const path of paths.filter((_, i) => i % 40 === 7)) {
      await clientOf(again).lookup({ kind: "module", path, withVersions: true }, { withRecord: true });
    }
    await again.close();
  });

  it("knows which v0 names exist once its table is made, and until then says of none that it does not exist", async () => {
    const at = copyOf();
    const operator = await serve(at, BUILT);
    assert.equal(operator.service.data.v0Exists(["com", "nowhere"]), true);
    await until("a table", () => operator.steps.includes("flushed 1"));
    await operator.close();
    const again = await serve(at, BUILT);
    assert.equal(again.service.data.v0Exists(["com", "example"]), true);
    assert.equal(again.service.data.v0Exists(["com", "nowhere"]), false);
    await again.close();
  });

  it("tells of a damaged path table and makes it anew", async () => {
    const at = copyOf();
    const operator = await serve(at, BUILT);
    await until("a table", () => operator.steps.includes("flushed 1"));
    await operator.close();
    const table = join(at, "files", readdirSync(join(at, "files")).find((name) => name.startsWith("paths-")) as string);
    const bytes = readFileSync(table);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
    writeFileSync(table, bytes);
    const again = await serve(at, BUILT);
    assert.ok(again.logged.some((line) => /^alarm .*paths-.* is damaged/.test(line)));
    assert.equal(again.service.data.v0Exists(["com", "nowhere"]), true);
    await again.close();
  });
});

describe("a flush in the background", () => {
  it("takes the place of the journals, and a start from it gives the same root and names", async () => {
    const at = join(folder, "flushed");
    const sumdb = makeSumdb(records, 200);
    const operator = await startOperator({ folder: at, sumdb, flushAfter: 1 });
    for (let size = 400; size <= 2000; size += 200) {
      sumdb.setSize(size);
      await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
    }
    await until("a flush", () => operator.steps.some((step) => step.startsWith("flushed")));
    await operator.close();
    const again = await startOperator({ folder: at, sumdb: makeSumdb(records, 2000) });
    // What a flush that was stopped left is gone.
    const names = readdirSync(join(at, "files")).filter((name) => /^(?:values|paths)/.test(name));
    assert.equal(names.length, 2, names.join());
    assert.equal(again.served[0]?.mapRoot, rootOf(2000));
    assert.equal(again.service.data.v0Exists(["com", "example"]), true);
    assert.equal(again.service.data.v0Exists(["com", "nowhere"]), false);
    await again.close();
  });
});

describe("large files that were damaged", () => {
  const inValues = (at: string): string => join(at, "files", "values-0000000000000001");
  const flip = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ 4;
    writeFileSync(path, bytes);
  };
  const refusal = async (at: string): Promise<string> => {
    try {
      await (await serve(at, BUILT)).close();
    } catch (error) {
      assert.ok(isProofdnsError(error), (error as Error).stack);
      assert.doesNotMatch(error.message, /\n/);
      return error.code;
    }
    return "served";
  };

  it("refuse the start: one bit of the values anywhere, a values file cut off, too long or missing", async () => {
    const { length } = readFileSync(inValues(base));
    for (const place of [0, 9, 17, 25, 40, 5000, length >> 1, length - 1]) {
      const at = copyOf();
      flip(inValues(at), place);
      assert.ok(["MAP_ROOT_MISMATCH", "STORE_UNUSABLE"].includes(await refusal(at)), `byte ${place}`);
    }
    for (const change of [
      (path: string) => writeFileSync(path, readFileSync(path).subarray(0, -1)),
      (path: string) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)])),
      (path: string) => rmSync(path),
    ]) {
      const at = copyOf();
      change(inValues(at));
      assert.equal(await refusal(at), "STORE_UNUSABLE");
    }
  });

  it("refuse the start: states or entries cut off or missing", async () => {
    for (const name of ["states", "entries"]) {
      const at = copyOf();
      const path = join(at, "files", name);
      writeFileSync(path, readFileSync(path).subarray(0, -1));
      assert.equal(await refusal(at), "STORE_UNUSABLE");
      rmSync(path);
      assert.equal(await refusal(at), "STORE_UNUSABLE");
    }
  });

  it("never give another answer: one bit of the states or entries anywhere is a refusal, an error that is told, or nothing", async () => {
    const client = (operator: Operator, path: string) =>
      clientOf(operator)
        .lookup({ kind: "module", path, withVersions: true })
        .then(({ versions }) => JSON.stringify(versions));
    const good = await serve(copyOf(), BUILT);
    const some = paths.filter((_, i) => i % 25 === 0);
    const expected = new Map<string, string>();
    for (const path of some) expected.set(path, await client(good, path));
    await good.close();
    let failures = 0;
    for (const name of ["states", "entries"]) {
      const { length } = readFileSync(join(base, "files", name));
      for (let i = 0; i < 4; i++) {
        const at = copyOf();
        const path = join(at, "files", name);
        const bytes = readFileSync(path);
        // Many bits, so that most questions meet one.
        for (let place = 40 + i; place < length - 5000; place += 401)
          bytes[place] = (bytes[place] as number) ^ (1 << i);
        writeFileSync(path, bytes);
        const operator = await serve(at, BUILT).catch((error: unknown) => {
          assert.ok(isProofdnsError(error, "STORE_UNUSABLE"), (error as Error).stack);
        });
        if (operator === undefined) continue;
        for (const one of some) {
          try {
            assert.ok((await client(operator, one)) === expected.get(one), `another answer for ${one}`);
          } catch (error) {
            assert.ok(isProofdnsError(error) && error.kind === "unavailable", (error as Error).message);
            failures++;
          }
        }
        assert.ok(operator.logged.some((line) => line.startsWith("alarm") && line.endsWith("gets SERVFAIL")));
        await operator.close();
      }
    }
    assert.ok(failures > 10, `${failures}`);
  });
});

describe("serve without record proofs", () => {
  it("keeps no hashes, answers everything else, and says so to a start that wants them", async () => {
    const at = copyOf();
    const sumdb = makeSumdb(records, BUILT);
    const operator = await startOperator({ folder: at, sumdb, recordProofs: false });
    assert.equal(operator.service.data.hasRecordProofs, false);
    for (const size of [1600, 2100]) {
      sumdb.setSize(size);
      await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
      assert.equal(operator.served.at(-1)?.mapRoot, rootOf(size));
    }
    await clientOf(operator).lookup({ kind: "module", path: "example.com/hello", withVersions: true });
    await operator.close();
    const again = await startOperator({ folder: at, sumdb: makeSumdb(records, 2200) });
    assert.equal(again.service.data.hasRecordProofs, false);
    assert.ok(again.logged.some((line) => /^alarm the hashes of records were not kept/.test(line)));
    await until("an epoch", () => again.served.at(-1)?.sumdbSize === 2200);
    await again.close();
    assert.deepEqual(
      readdirSync(join(at, "files")).filter((name) => name.startsWith("hashes")),
      [],
    );
  });
});
