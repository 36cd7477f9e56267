import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, it } from "node:test";
import { hashGoMod } from "../../src/go/dir-hash.ts";
import { GoModSource } from "../../src/go/go-mod-source.ts";
import { goModFileOf } from "../../src/go/module-cache.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { parseH1 } from "../../src/vindex/record.ts";
import type { Hash } from "../../src/vindex/sha256.ts";

const [PATH, VERSION] = ["example.com/Upper/a", "v1.2.3-RC.1"];
/** With a byte order mark, and bytes that are no UTF-8: what is kept is what was hashed. */
const GO_MOD = Uint8Array.from([0xef, 0xbb, 0xbf, ...Buffer.from("module example.com/Upper/a // "), 0xff, 0x0a]);
const HASH = parseH1(hashGoMod(GO_MOD)) as Hash;

let root: string;
let ignored: string[];
let asked: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "proofdns-go-mod-"));
  ignored = [];
  asked = 0;
  return () => rmSync(root, { recursive: true, force: true });
});

function source(options: { moduleCache?: string; folder?: string | undefined } = {}): GoModSource {
  const settings = { moduleCache: join(root, "mod"), folder: join(root, "kept"), ...options };
  return new GoModSource({ ...settings, onIgnored: (message) => ignored.push(message) });
}

const fetchOf =
  (bytes: Uint8Array): (() => Promise<Uint8Array>) =>
  () => {
    asked++;
    return Promise.resolve(bytes);
  };
const get = (from: GoModSource, bytes: Uint8Array | undefined = GO_MOD): Promise<Uint8Array> =>
  from.get(PATH, VERSION, HASH, fetchOf(bytes));
const getAlone = (from: GoModSource): Promise<Uint8Array> => from.get(PATH, VERSION, HASH, undefined);

function intoModuleCache(bytes: Uint8Array): string {
  const file = goModFileOf(join(root, "mod"), PATH, VERSION);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return file;
}

describe("the go.mod of a version whose hash is proven", () => {
  it("comes from the module cache, where capital letters are escaped, and nobody is asked", async () => {
    assert.match(intoModuleCache(GO_MOD), /example\.com\/!upper\/a\/@v\/v1\.2\.3-!r!c\.1\.mod$/);
    assert.deepEqual(await get(source()), GO_MOD);
    assert.deepEqual(await getAlone(source()), GO_MOD);
    assert.deepEqual([asked, ignored], [0, []]);
    assert.ok(!existsSync(join(root, "kept")), "what is at hand is not kept twice");
  });

  it("is fetched once, and kept byte for byte, by its hash and no name", async () => {
    assert.deepEqual(await get(source()), GO_MOD);
    assert.deepEqual(await get(source()), GO_MOD);
    assert.deepEqual(await getAlone(source()), GO_MOD);
    assert.equal(asked, 1);
    const [name = "", ...others] = readdirSync(join(root, "kept"));
    assert.deepEqual([others, /^[0-9a-f]{64}\.mod$/.test(name)], [[], true]);
  });

  it("is not kept if it is false: what a proxy sent goes to who accuses it", async () => {
    const other = Buffer.from("module example.com/Upper/a\n");
    assert.deepEqual(await get(source(), other), other);
    assert.ok(!existsSync(join(root, "kept")));
  });

  it("is not kept if it is huge, and fetched anew", async () => {
    const huge = Buffer.alloc(2 * 1024 * 1024, "\n");
    const hash = parseH1(hashGoMod(huge)) as Hash;
    for (let i = 0; i < 2; i++) await source().get(PATH, VERSION, hash, fetchOf(huge));
    assert.deepEqual([asked, existsSync(join(root, "kept"))], [2, false]);
  });

  it("is not that of this machine if that has another hash, which is named, and the next place is asked", async () => {
    const file = intoModuleCache(Buffer.from("module example.com/Upper/a\n"));
    assert.deepEqual(await get(source()), GO_MOD);
    assert.equal(asked, 1);
    assert.ok(ignored[0]?.startsWith(`ignored ${file}: its hash is not the one that the checksum database has`));
    assert.deepEqual(await getAlone(source()), GO_MOD, "and then it is kept");
  });

  it("is fetched anew, and mended, if what is kept is damaged", async () => {
    await get(source());
    const file = join(root, "kept", readdirSync(join(root, "kept"))[0] as string);
    for (const bytes of [Buffer.alloc(0), Buffer.from("junk"), GO_MOD.subarray(1), Buffer.alloc(3_000_000)]) {
      writeFileSync(file, bytes);
      const error = await getAlone(source()).catch((caught: unknown) => caught);
      assert.ok(isProofdnsError(error, "NO_ANSWER"));
      assert.match(error.message, /neither kept nor in the module cache: run this once without --offline, or `go mod/);
      assert.deepEqual(await get(source()), GO_MOD);
      assert.deepEqual(new Uint8Array(readFileSync(file)), GO_MOD);
    }
    assert.equal(ignored.length, 8);
  });

  it("is not read from a folder or a pipe, which might never end", { skip: process.platform === "win32" }, async () => {
    const file = intoModuleCache(GO_MOD);
    rmSync(file);
    execFileSync("mkfifo", [file]);
    assert.deepEqual(await get(source({ folder: undefined })), GO_MOD);
    assert.match(ignored[0] ?? "", /ignored a file of the module cache: .* is no regular file/);
    rmSync(file);
    mkdirSync(file);
    assert.deepEqual(await get(source({ folder: undefined })), GO_MOD);
    assert.equal(asked, 2);
  });

  it("is given all the same where nothing can be kept, or there is no module cache", async () => {
    for (const folder of ["/dev/null/none", undefined]) {
      assert.deepEqual(await get(source({ folder, moduleCache: "" })), GO_MOD);
    }
    assert.equal(asked, 2);
  });

  it("is no longer kept after a month in which nobody used it", async () => {
    await get(source());
    const file = join(root, "kept", readdirSync(join(root, "kept"))[0] as string);
    const long = Date.now() / 1000 - 31 * 86_400;
    utimesSync(file, long, long);
    await getAlone(source());
    // The time of its use is set beside the reading.
    while (statSync(file).mtimeMs / 1000 < long + 1) await new Promise((resolve) => setImmediate(resolve));
    await source().prune();
    assert.ok(existsSync(file));
    utimesSync(file, long, long);
    await source().prune();
    assert.ok(!existsSync(file));
  });
});
