import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { Level } from "level";
import { makeTrust, verifyHead } from "../../src/client/verify/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { type ErrorCode, isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { parseLeaf } from "../../src/vindex/leaf.ts";
import { decodeLogProof } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { Store } from "../../src/vindex/store.ts";
import { computeLeafHash, verifyLogInclusionProof } from "../../src/vindex/tlog.ts";
import { clientOf, identity, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { makeFolder, makeRandom, sampleRecords, sumdbKey, ZONE } from "./world.ts";

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
  const db = new Level<string, Uint8Array>(at, { keyEncoding: "utf8", valueEncoding: "view" });
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
async function refusal(at: string): Promise<ErrorCode> {
  try {
    const operator = await start(at);
    await operator.close();
  } catch (error) {
    assert.ok(isProofdnsError(error), `not a ProofdnsError: ${(error as Error).stack}`);
    assert.doesNotMatch(error.message, /\n/);
    return error.code;
  }
  assert.fail("it was served");
}

const keysOf = (kind: string): string[] => keys.filter((key) => key.startsWith(`${kind}/`));

describe("a store with one flipped bit", () => {
  it("serves its newest epoch when nothing is flipped", async () => {
    const operator = await start(await damage("meta", (value) => value));
    assert.deepEqual(operator.served, [{ epoch: 4, sumdbSize: records.length, mapRoot: roots[3] }]);
    await operator.close();
  });

  it("is refused if it is in any module's state", async () => {
    const random = makeRandom(1);
    const states = keysOf("state");
    for (let i = 0; i < 14; i++) {
      const key = states[Math.floor(random() * states.length)] as string;
      const code = await refusal(await damage(key, flip(Math.floor(random() * 400), i % 8)));
      assert.ok(["MAP_ROOT_MISMATCH", "MALFORMED_STATE_TEXT"].includes(code), code);
    }
  });

  it("is refused if a module's state is missing", async () => {
    const key = keysOf("state")[17] as string;
    assert.equal(await refusal(await damage(key, () => undefined)), "MAP_ROOT_MISMATCH");
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

  it("is refused if it is in the toolchain's value or in a hash that the sumdb's root is made of", async () => {
    const toolchain = await refusal(await damage("toolchain", flip(3)));
    assert.ok(
      ["MAP_ROOT_MISMATCH", "MALFORMED_STATE_TEXT", "MALFORMED_ANSWER", "BAD_VALUE"].includes(toolchain),
      toolchain,
    );
    const last = keysOf("tile")
      .filter((key) => key.startsWith("tile/0/"))
      .at(-1) as string;
    assert.equal(await refusal(await damage(last, flip(0))), "STORE_UNUSABLE");
    assert.equal(await refusal(await damage(last, () => undefined)), "STORE_UNUSABLE");
    assert.equal(await refusal(await damage("tile/1/0000000000000000", flip(40))), "STORE_UNUSABLE");
  });

  it("is refused if it is in what the store says that it is of", async () => {
    const meta = ["format", "origin", "logKey", "sumdbKey"];
    for (const field of meta) {
      const code = await refusal(await damage("meta", (value) => flip(Buffer.from(value).indexOf(field))(value)));
      assert.equal(code, "STORE_UNUSABLE");
    }
    assert.equal(await refusal(await damage("meta", () => undefined)), "STORE_UNUSABLE");
  });

  it("is noticed by the client if it is in a version entry, which no start reads", async () => {
    const copy = join(folder, `copy-${copies++}`);
    cpSync(base, copy, { recursive: true });
    const db = await openRaw(copy);
    for await (const [key, value] of db.iterator({ gt: "entry/", lt: "entry/~" })) await db.put(key, flip(20)(value));
    await db.close();
    const operator = await start(copy);
    const client = clientOf(operator);
    await client.lookup({ kind: "module", path: "example.com/hello" });
    await assert.rejects(client.lookup({ kind: "module", path: "example.com/hello", withVersions: true }), (error) =>
      isProofdnsError(error, "BAD_VERSIONS"),
    );
    await operator.close();
  });

  it("is noticed by the client if it is in a hash tile that no start reads", async () => {
    const copy = join(folder, `copy-${copies++}`);
    cpSync(base, copy, { recursive: true });
    const db = await openRaw(copy);
    const full = keysOf("tile")
      .filter((key) => key.startsWith("tile/0/"))
      .slice(0, -1);
    for (const key of full)
      await db.put(
        key,
        ((await db.get(key)) as Uint8Array).map((byte) => byte ^ 1),
      );
    await db.close();
    const operator = await start(copy);
    const size = records.length;
    const proof = decodeLogProof(operator.service.data.recordProof(5, size));
    const root = operator.store.reader();
    const leaf = parseLeaf(root.leafText(4) as string, sumdbKey.verifierKey);
    await root.close();
    const hash = computeLeafHash(records[5] as Uint8Array, nodeSha256);
    assert.throws(
      () => verifyLogInclusionProof(proof, hash, 5, size, leaf.treeHead.rootHash, nodeSha256),
      (error) => isProofdnsError(error, "BAD_PROOF"),
    );
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
    const wal = readdirSync(base).find((name) => name.endsWith(".log")) as string;
    const bytes = readFileSync(join(base, wal));
    let refused = 0;
    let served = 0;
    for (let i = 0; i < 24; i++) {
      const copy = join(folder, `copy-${copies++}`);
      cpSync(base, copy, { recursive: true });
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
      const file = readdirSync(copy).find((entry) => entry.startsWith(name)) as string;
      writeFileSync(join(copy, file), "garbage\n");
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
