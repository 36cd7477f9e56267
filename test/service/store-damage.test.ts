import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { Level } from "level";
import { makeTrust, verifyHead } from "../../src/client/verify/index.ts";
import { Store } from "../../src/store/store.ts";
import { encodeUtf8, parseHex } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { decodeLogProof } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { clientOf, identity, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { makeFolder, makeRandom, sampleRecords, ZONE } from "./world.ts";

const folder = makeFolder("damage");
const base = join(folder, "base");
let copies = 0;

/** The sample and a few toolchains, so that every kind of key is there. */
const records = [
  ...sampleRecords().slice(0, 1500),
  ...["v0.0.1-go1.21.0.linux-amd64", "v0.0.1-go1.22.1.linux-amd64"].map(toolchainRecord),
];
function toolchainRecord(version: string): Uint8Array {
  const hash = nodeSha256(encodeUtf8(version));
  return encodeUtf8(formatRecord("golang.org/toolchain", version, hash, hash));
}
const sumdb = makeSumdb(records, 700);
const SIZES = [700, 1000, 1300, records.length];
let roots: string[] = [];
/** All keys of the store. */
const keys: string[] = [];

before(async () => {
  const sumdbNow = makeSumdb(records, SIZES[0] as number);
  const operator = await startOperator({ folder: base, sumdb: sumdbNow });
  for (const [i, size] of SIZES.entries()) {
    sumdbNow.setSize(size);
    await until(`epoch ${i + 1}`, () => operator.served.length === i + 1);
  }
  roots = operator.served.map(({ mapRoot }) => mapRoot);
  await operator.close();
  // To open a store is to write it anew: the copies are to have it as the service left it.
  const copy = join(folder, "keys");
  cpSync(base, copy, { recursive: true });
  const db = await openRaw(copy);
  for await (const key of db.keys()) keys.push(key);
  await db.close();
});

async function openRaw(at: string): Promise<Level<string, Uint8Array>> {
  const db = new Level<string, Uint8Array>(join(at, "store"), { keyEncoding: "utf8", valueEncoding: "view" });
  await db.open();
  return db;
}

/** A copy of the store with one value changed; undefined removes it. */
async function damage(key: string, change: (value: Uint8Array) => Uint8Array | undefined): Promise<string> {
  const copy = join(folder, `copy-${copies++}`);
  cpSync(base, copy, { recursive: true });
  const db = await openRaw(copy);
  const changed = change((await db.get(key)) as Uint8Array);
  if (changed === undefined) await db.del(key);
  else await db.put(key, changed);
  await db.close();
  return copy;
}

function flip(at: number, bit = 0): (value: Uint8Array) => Uint8Array {
  return (value) => {
    const out = value.slice();
    out[at % out.length] = (out[at % out.length] as number) ^ (1 << bit);
    return out;
  };
}

/** Starts on a copy while the checksum database is away: only what is stored can be served. */
function start(at: string): Promise<Operator> {
  const change = (): never => {
    throw new ProofdnsError("UNREACHABLE", "away");
  };
  return startOperator({ folder: at, sumdb, change });
}

/** What every refusal is for, and that it says so in one line. */
async function refusal(at: string): Promise<ErrorCode | "served"> {
  try {
    const operator = await start(at);
    // Then it must be what was signed.
    assert.equal(operator.served[0]?.mapRoot, roots[(operator.served[0]?.epoch ?? 0) - 1]);
    await operator.close();
    return "served";
  } catch (error) {
    assert.ok(isProofdnsError(error), `not a ProofdnsError: ${(error as Error).stack}`);
    assert.doesNotMatch(error.message, /\n/);
    return error.code;
  }
}

/** A copy of the data folder with all values of a kind changed. */
async function damageAll(kind: string, change: (value: Uint8Array) => Uint8Array): Promise<string> {
  const copy = join(folder, `copy-${copies++}`);
  cpSync(base, copy, { recursive: true });
  const db = await openRaw(copy);
  for await (const [key, value] of db.iterator({ gt: `${kind}/`, lt: `${kind}/~` })) await db.put(key, change(value));
  await db.close();
  return copy;
}

/** A copy of the data folder with one large file changed; undefined removes it. */
function damageFile(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): string {
  const copy = join(folder, `copy-${copies++}`);
  cpSync(base, copy, { recursive: true });
  const path = join(copy, "files", name);
  const changed = change(new Uint8Array(readFileSync(path)));
  if (changed === undefined) rmSync(path);
  else writeFileSync(path, changed);
  return copy;
}

const keysOf = (kind: string): string[] => keys.filter((key) => key.startsWith(`${kind}/`));

describe("a store with one flipped bit", () => {
  it("serves its newest epoch when nothing is flipped", async () => {
    const operator = await start(await damage("meta", (value) => value));
    assert.deepEqual(operator.served, [{ epoch: 4, sumdbSize: records.length, mapRoot: roots[3] }]);
    await operator.close();
  });

  it("is refused if it is anywhere in what an epoch changed in the map", async () => {
    const random = makeRandom(1);
    for (const key of keysOf("journal")) {
      for (let i = 0; i < 4; i++) {
        const code = await refusal(await damage(key, flip(Math.floor(random() * 20_000), i * 2)));
        // What a later epoch changed again is no part of the map any more: then there is nothing to refuse.
        assert.ok(["MAP_ROOT_MISMATCH", "STORE_UNUSABLE", "served"].includes(code), code);
        if (key === keysOf("journal").at(-1)) assert.notEqual(code, "served");
      }
    }
  });

  it("is refused if what an epoch changed is missing", async () => {
    for (const key of keysOf("journal"))
      assert.equal(await refusal(await damage(key, () => undefined)), "STORE_UNUSABLE");
  });

  it("is told and not served if it is in a module's state, or the state is missing", async () => {
    const random = makeRandom(1);
    const states = keysOf("state");
    for (let i = 0; i < 7; i++) {
      const key = states[Math.floor(random() * states.length)] as string;
      const gone = i === 6;
      const copy = await damage(key, gone ? () => undefined : flip(Math.floor(random() * 400), i % 8));
      const operator = await start(copy);
      const indexKey = parseHex(key.slice("state/".length)) as Uint8Array;
      // The value is the tree's and is served; what belongs to it is not.
      assert.ok(operator.service.data.moduleAnswer(indexKey).length > 0);
      for (const ask of [
        () => operator.service.data.versionsAnswer(indexKey),
        () => operator.service.data.versionsPage(indexKey, 0),
      ]) {
        assert.throws(ask, (error) => isProofdnsError(error, "STORE_UNUSABLE"));
      }
      assert.ok(operator.logged.some((line) => /^alarm the store is damaged: .*SERVFAIL$/.test(line)));
      await operator.close();
    }
  });

  it("stops the next epoch that folds records into a damaged state, and the old one is served on", async () => {
    const copy = await damageAll("state", flip(60));
    const more = [...records, ...sampleRecords().slice(1500, 1900)];
    const operator = await startOperator({ folder: copy, sumdb: makeSumdb(more, more.length) });
    await until("an alarm", () =>
      operator.logged.some((line) => /the stored state of .* is not the one in the map/.test(line)),
    );
    assert.equal(operator.service.data.epoch, 4);
    assert.equal(operator.served.at(-1)?.mapRoot, roots[3]);
    await operator.close();
  });

  it("is refused if it is anywhere in the leaf of any epoch", async () => {
    const random = makeRandom(2);
    for (const key of keysOf("epoch")) {
      for (let i = 0; i < 4; i++) {
        const code = await refusal(await damage(key, flip(Math.floor(random() * 280), i)));
        assert.ok(["MALFORMED_LEAF", "EQUIVOCATION", "MAP_ROOT_MISMATCH", "STORE_UNUSABLE"].includes(code), code);
      }
    }
  });

  it("is refused if the leaf of an epoch before the newest is missing, or the newest one", async () => {
    const [first, , , last] = keysOf("epoch") as [string, string, string, string];
    assert.equal(await refusal(await damage(first, () => undefined)), "STORE_UNUSABLE");
    const code = await refusal(await damage(last, () => undefined));
    assert.ok(["MAP_ROOT_MISMATCH", "STORE_UNUSABLE"].includes(code), code);
  });

  it("is refused if it is in the newest signature, and no other signature is made", async () => {
    const key = keysOf("signature").at(-1) as string;
    for (const at of [0, 31, 63]) assert.equal(await refusal(await damage(key, flip(at))), "EQUIVOCATION");
  });

  it("is refused if an old leaf changed and the newest epoch is not signed yet", async () => {
    const copy = await damage(keysOf("signature").at(-1) as string, () => undefined);
    const db = await openRaw(copy);
    const key = keysOf("epoch")[1] as string;
    const leaf = (await db.get(key)) as Uint8Array;
    // A digit of the map root that stays a digit.
    const at = [...leaf.subarray(0, 64)].findIndex((byte) => byte >= 0x32 && byte <= 0x37);
    await db.put(key, flip(at)(leaf));
    await db.close();
    assert.equal(await refusal(copy), "EQUIVOCATION");
  });

  it("is refused if it is in a hash that the sumdb's root is made of, or a file of hashes is short or missing", async () => {
    const last = 32 * records.length - 32;
    assert.equal(await refusal(damageFile("hashes-0", flip(last))), "STORE_UNUSABLE");
    assert.equal(await refusal(damageFile("hashes-0", (bytes) => bytes.subarray(0, last))), "STORE_UNUSABLE");
    assert.equal(await refusal(damageFile("hashes-1", flip(40))), "STORE_UNUSABLE");
    assert.equal(await refusal(damageFile("hashes-1", () => undefined)), "STORE_UNUSABLE");
  });

  it("is no matter behind the hashes of the committed size: a crash leaves such bytes", async () => {
    const copy = damageFile("hashes-0", (bytes) => Buffer.concat([bytes, Buffer.alloc(77, 0xee)]));
    const more = [...records, ...sampleRecords().slice(1500, 1900)];
    const operator = await startOperator({ folder: copy, sumdb: makeSumdb(more, more.length) });
    await until("epoch 5", () => operator.service.data.epoch === 5);
    const client = clientOf(operator);
    await client.lookup({ kind: "module", path: "example.com/hello" }, { withRecord: true });
    await operator.close();
  });

  it("is refused if it is in what the store says that it is of", async () => {
    const meta = ["format", "origin", "logKey", "sumdbKey"];
    for (const field of meta) {
      const code = await refusal(await damage("meta", (value) => flip(Buffer.from(value).indexOf(field))(value)));
      assert.equal(code, "STORE_UNUSABLE");
    }
    assert.equal(await refusal(await damage("meta", () => undefined)), "STORE_UNUSABLE");
  });

  it("is told and not served if it is in a version entry, which no start reads", async () => {
    const operator = await start(await damageAll("entry", flip(20)));
    const client = clientOf(operator);
    await client.lookup({ kind: "module", path: "example.com/hello" });
    await assert.rejects(client.lookup({ kind: "module", path: "example.com/hello", withVersions: true }), (error) =>
      isProofdnsError(error, "REFUSED", "NO_ANSWER", "UNREACHABLE", "VERSIONS_MISSING"),
    );
    assert.ok(operator.logged.some((line) => /the records of .* do not give its proven state/.test(line)));
    await operator.close();
  });

  it("is told and not served if it is in a hash that no start reads", async () => {
    const size = records.length;
    const full = size - (size % 256);
    const copy = damageFile("hashes-0", (bytes) => bytes.map((byte, i) => (i < 32 * full ? byte ^ 1 : byte)));
    const operator = await start(copy);
    for (const logIndex of [0, 5, 300, full - 1]) {
      assert.throws(
        () => operator.service.data.recordProof(logIndex, size),
        (error) => isProofdnsError(error, "STORE_UNUSABLE"),
      );
    }
    assert.throws(
      () => operator.service.data.sumdbConsistency(301, size),
      (error) => isProofdnsError(error, "STORE_UNUSABLE"),
    );
    assert.ok(operator.logged.some((line) => /of hashes-0 are not those of the signed log/.test(line)));
    // What stands behind the last full tile is in memory and was verified at the start.
    decodeLogProof(operator.service.data.sumdbConsistency(full, size));
    await operator.close();
  });

  it("is noticed by the client if it is in the signature of an old epoch", async () => {
    const copy = await damage(keysOf("signature")[0] as string, flip(5));
    const operator = await start(copy);
    const trust = makeTrust({ zone: ZONE, policy: operator.policy, sumdbKey: identity.sumdbKey });
    const untrustedHead = operator.service.data.head(1);
    const now = Math.floor(Date.now() / 1000);
    assert.throws(
      () => verifyHead({ trust, memory: undefined, now, question: { epoch: 1 }, untrustedHead }),
      (error) => isProofdnsError(error, "BAD_LOG_SIGNATURE"),
    );
    await operator.close();
  });
});

describe("files of a store that were damaged", () => {
  it("never give a map root that no epoch had: the start is refused, or an epoch is served as it was", async () => {
    const random = makeRandom(3);
    const wal = join("store", readdirSync(join(base, "store")).find((name) => name.endsWith(".log")) as string);
    const bytes = readFileSync(join(base, wal));
    let refused = 0;
    let served = 0;
    for (let i = 0; i < 24; i++) {
      const copy = join(folder, `copy-${copies++}`);
      cpSync(base, copy, { recursive: true });
      // Without the mark a lost epoch is no epoch that was signed.
      if (i % 3 > 0) rmSync(join(copy, "store.signed"));
      const at = Math.floor(random() * bytes.length);
      const out = Buffer.from(bytes);
      out[at] = (out[at] as number) ^ (1 << (i % 8));
      writeFileSync(join(copy, wal), i % 2 === 0 ? out : out.subarray(0, at));
      let operator: Operator;
      try {
        operator = await start(copy);
      } catch (error) {
        assert.ok(isProofdnsError(error), (error as Error).stack);
        refused++;
        continue;
      }
      const [first] = operator.served;
      assert.equal(first?.mapRoot, roots[(first?.epoch ?? 0) - 1]);
      served++;
      await operator.close();
    }
    assert.ok(refused > 0 && served > 0, `${refused} refused, ${served} served`);
  });

  for (const name of ["CURRENT", "MANIFEST"]) {
    it(`refuses a store whose ${name} was overwritten, with a sentence`, async () => {
      const copy = join(folder, `copy-${copies++}`);
      cpSync(base, copy, { recursive: true });
      const file = readdirSync(join(copy, "store")).find((entry) => entry.startsWith(name)) as string;
      writeFileSync(join(copy, "store", file), "garbage\n");
      assert.equal(await refusal(copy), "STORE_UNUSABLE");
    });
  }

  it("refuses a store of a log with another key, or of another checksum database, and leaves it as it is", async () => {
    for (const other of [{ origin: "m.example.org/p1" }, { logKey: "x" }, { sumdbKey: "y" }]) {
      await assert.rejects(Store.open(base, { ...identity, ...other }), (error) => {
        assert.ok(isProofdnsError(error, "STORE_UNUSABLE"));
        assert.match(error.message, /was made for something else/);
        return true;
      });
    }
    const operator = await start(await damage("meta", (value) => value));
    await operator.close();
  });

  it("refuses a folder of another program's store", async () => {
    const foreign = join(folder, "foreign");
    const db = await openRaw(foreign);
    await db.put("hello", encodeUtf8("world"));
    await db.close();
    assert.equal(await refusal(foreign), "STORE_UNUSABLE");
    const again = await openRaw(foreign);
    assert.equal(await again.get("meta"), undefined);
    await again.close();
  });
});
