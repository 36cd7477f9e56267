import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { saveSnapshot } from "../../src/store/snapshot-save.ts";
import { formatHex } from "../../src/vindex/bytes.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { clientOf, makeSumdb, type Operator, startOperator, until } from "../service/operator.ts";
import { computeLeaves, makeFolder, sampleRecords } from "../service/world.ts";

const folder = makeFolder("disk");
const records = sampleRecords();
const rootOf = (size: number): string => formatHex(computeLeaves(records, [size])[0]?.mapRoot as Uint8Array);

/** A small file system of its own; undefined where this user may not mount one. */
function mountSmall(name: string, size: string): string | undefined {
  const at = join(folder, name);
  mkdirSync(at);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", at], { stdio: "ignore" });
  if (status !== 0) return undefined;
  process.prependOnceListener("exit", () => spawnSync("umount", ["-l", at], { stdio: "ignore" }));
  return at;
}

const remount = (at: string, options: string): void => {
  execFileSync("mount", ["-o", `remount,${options}`, at]);
};

/** What is served is what was signed, whatever the disk does. */
async function checkServed(operator: Operator): Promise<void> {
  const last = operator.served.at(-1);
  assert.equal(last?.mapRoot, rootOf(last?.sumdbSize ?? 0));
  await clientOf(operator).lookup(
    { kind: "module", path: "example.com/hello", withVersions: true },
    { withRecord: true },
  );
}

it("does not begin where the hashes of records cannot be written, and says that the disk is full", async () => {
  const at = join(folder, "full-hashes");
  mkdirSync(join(at, "files"), { recursive: true });
  // A device that is always full.
  symlinkSync("/dev/full", join(at, "files", "hashes-0"));
  await assert.rejects(startOperator({ folder: at, sumdb: makeSumdb(records, 500) }), (error) => {
    assert.ok(isProofdnsError(error, "STORE_UNUSABLE"), (error as Error).stack);
    assert.match(error.message, /record hashes: the disk is full; make room/);
    return true;
  });
});

it("serves on when the disk is full, says so, and goes on after a start with room", async () => {
  const at = mountSmall("small", "1m");
  // Without the right to mount, the test before this one is what can be seen of a full disk.
  if (at === undefined) return;
  const sumdb = makeSumdb(records, 200);
  const data = join(at, "data");
  const operator = await startOperator({ folder: data, sumdb, flushAfter: 100 });
  for (let size = 300; size <= records.length && !isTold(operator); size += 100) {
    sumdb.setSize(size);
    await until(`size ${size}`, () => isTold(operator) || operator.served.at(-1)?.sumdbSize === size);
  }
  assert.ok(isTold(operator), "the disk was never full");
  await checkServed(operator);
  const { epoch } = operator.service.data;
  await operator.close();
  remount(at, "size=64m");
  const again = await startOperator({ folder: data, sumdb });
  assert.ok((again.served[0]?.epoch ?? 0) >= epoch);
  assert.equal(again.served[0]?.mapRoot, rootOf(again.served[0]?.sumdbSize ?? 0));
  sumdb.setSize(records.length);
  await until("all records", () => again.served.at(-1)?.sumdbSize === records.length);
  await checkServed(again);
  await again.close();
  // A snapshot does not fit any more: nothing has its name, and nothing is left of it.
  execFileSync("sh", ["-c", `head -c 63m /dev/zero > ${join(at, "filler")} || true`], { stdio: "ignore" });
  await assert.rejects(saveSnapshot(data, join(at, "saved")), (error) => isProofdnsError(error, "STORE_UNUSABLE"));
  assert.equal(existsSync(join(at, "saved")) || existsSync(join(at, "saved.partial")), false);
});

function isTold(operator: Operator): boolean {
  return operator.logged.some((line) => line.startsWith("alarm") && line.includes("the disk is full; make room"));
}

it("refuses a folder that is read-only, with a sentence", async () => {
  const at = mountSmall("readonly", "32m");
  if (at === undefined) return;
  const sumdb = makeSumdb(records, 200);
  const data = join(at, "data");
  const operator = await startOperator({ folder: data, sumdb });
  await operator.close();
  remount(at, "ro");
  for (const folderOf of [data, join(at, "other")]) {
    await assert.rejects(startOperator({ folder: folderOf, sumdb }), (error) => {
      assert.ok(isProofdnsError(error, "STORE_UNUSABLE"), (error as Error).stack);
      assert.match(error.message, /read-only/i);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});
