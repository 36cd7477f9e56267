import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { inspect } from "node:util";
import { readOrMakeSignerKey, readSignerKey } from "../../src/cli/key-file.ts";
import { formatBase64 } from "../../src/vindex/base64.ts";
import {
  formatSignerKey,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  parseSignerKey,
} from "../../src/vindex/note.ts";

const directory = mkdtempSync(join(tmpdir(), "proofdns-keys-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => {
  const path = join(directory, `dir-${count++}`);
  mkdirSync(path);
  return join(path, "key");
};
const NAME = "log.example.org/p1";
const key = makeSignerKey(NAME, KEY_TYPE_ED25519, new Uint8Array(32).fill(7));
const text = formatSignerKey(key);
const seed = formatBase64(key.seed).slice(0, 20);

describe("key files", () => {
  it("are made once, private, and read from then on", async () => {
    for (const type of [KEY_TYPE_ED25519, KEY_TYPE_COSIGNATURE] as const) {
      const path = fresh();
      const made = await readOrMakeSignerKey(path, NAME, type);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(made.verifierKey.type, type);
      assert.equal(made.verifierKey.keyName, NAME);
      const content = readFileSync(path, "utf8");
      assert.deepEqual(parseSignerKey(content.slice(0, -1)), made);
      assert.ok(content.endsWith("\n"));
      assert.deepEqual(await readOrMakeSignerKey(path, NAME, type), made);
      assert.equal(readFileSync(path, "utf8"), content);
      assert.deepEqual(readdirSync(join(path, "..")), ["key"]);
    }
  });

  it("differ each time", async () => {
    const [a, b] = [await readOrMakeSignerKey(fresh(), NAME, 1), await readOrMakeSignerKey(fresh(), NAME, 1)];
    assert.notEqual(formatVerifierKey(a.verifierKey), formatVerifierKey(b.verifierKey));
  });

  it("made by many at once are one key", async () => {
    const path = fresh();
    const keys = await Promise.all(Array.from({ length: 20 }, () => readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519)));
    assert.equal(new Set(keys.map((made) => formatVerifierKey(made.verifierKey))).size, 1);
    assert.deepEqual(readdirSync(join(path, "..")), ["key"]);
  });

  it("may be written by hand, with or without the line feed", async () => {
    for (const content of [text, `${text}\n`]) {
      const path = fresh();
      writeFileSync(path, content, { mode: 0o600 });
      assert.deepEqual(await readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519), key);
    }
  });

  it("that others can read raise a warning without the key, and work", async () => {
    for (const mode of [0o640, 0o604, 0o660, 0o644]) {
      const path = fresh();
      writeFileSync(path, text);
      chmodSync(path, mode);
      const warnings: string[] = [];
      await readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519, (message) => warnings.push(message));
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.includes(path) && !warnings[0].includes(seed));
    }
    const path = fresh();
    writeFileSync(path, text, { mode: 0o600 });
    await readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519, () => assert.fail("warned"));
  });

  const bad: Record<string, string> = {
    "no content": "",
    "a line feed": "\n",
    "a verifier key": formatVerifierKey(key.verifierKey),
    "two lines": `${text}\n${text}\n`,
    "two line feeds": `${text}\n\n`,
    "a carriage return": `${text}\r\n`,
    "a space in front": ` ${text}`,
    "a cut": text.slice(0, -3),
    "another key id": text.replace(/\+[0-9a-f]{8}\+/, "+00000000+"),
    "a NUL": `${text}\u0000`,
    "too much": text + "A".repeat(5000),
  };
  for (const [what, content] of Object.entries(bad)) {
    it(`with ${what} are refused, left alone, and never shown`, async () => {
      const path = fresh();
      writeFileSync(path, content, { mode: 0o600 });
      await assert.rejects(readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519), (error: Error & { code?: string }) => {
        assert.equal(error.code, "KEY_UNUSABLE");
        assert.ok(error.message.includes(path) && !error.message.includes("\n"));
        assert.ok(!inspect(error, { depth: 10 }).includes(seed));
        return true;
      });
      assert.equal(readFileSync(path, "utf8"), content);
    });
  }

  it("of another name or type are refused", async () => {
    const path = fresh();
    writeFileSync(path, text, { mode: 0o600 });
    for (const [name, type] of [
      ["other.example.org/p1", KEY_TYPE_ED25519],
      [NAME, KEY_TYPE_COSIGNATURE],
    ] as const) {
      await assert.rejects(readOrMakeSignerKey(path, name, type), (error: Error & { code?: string }) => {
        assert.equal(error.code, "KEY_UNUSABLE");
        assert.ok(!inspect(error, { depth: 10 }).includes(seed));
        return true;
      });
    }
  });

  it("that cannot be read or made are refused", async () => {
    const path = fresh();
    mkdirSync(path);
    await assert.rejects(readOrMakeSignerKey(path, NAME, KEY_TYPE_ED25519), { code: "KEY_UNUSABLE" });
    await assert.rejects(readOrMakeSignerKey(join(path, "none/key"), NAME, KEY_TYPE_ED25519), { code: "KEY_UNUSABLE" });
    writeFileSync(join(path, "file"), "");
    await assert.rejects(readOrMakeSignerKey(join(path, "file/key"), NAME, KEY_TYPE_ED25519), { code: "KEY_UNUSABLE" });
    assert.equal(await readSignerKey(join(path, "none")), undefined);
  });
});
