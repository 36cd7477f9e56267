import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { inspect } from "node:util";
import { readCookieSecrets, readOrMakeCookieSecrets } from "../../src/cli/cookie-file.ts";
import { Cookies } from "../../src/dns/cookies.ts";
import { formatHex } from "../../src/vindex/bytes.ts";

const directory = mkdtempSync(join(tmpdir(), "proofdns-cookies-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => {
  const path = join(directory, `dir-${count++}`);
  mkdirSync(path);
  return join(path, "cookies");
};
const FIRST = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const SECOND = "445536bcd2513298075a5d379663c962";

/** The secrets in a file of this content, in hex. */
async function read(content: string): Promise<readonly string[]> {
  const path = fresh();
  writeFileSync(path, content, { mode: 0o600 });
  const secrets = await readOrMakeCookieSecrets(path, () => assert.fail("warned"));
  assert.equal(readFileSync(path, "utf8"), content);
  new Cookies(secrets);
  return secrets.map(formatHex);
}

describe("cookie files", () => {
  it("are made once, private, and read from then on", async () => {
    const path = fresh();
    const made = await readOrMakeCookieSecrets(path, () => assert.fail("warned"));
    assert.equal(made.length, 1);
    assert.equal(made[0]?.length, 16);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const content = readFileSync(path, "utf8");
    assert.equal(content, `${made.map(formatHex)}\n`);
    assert.deepEqual(await readOrMakeCookieSecrets(path), made);
    assert.equal(readFileSync(path, "utf8"), content);
    assert.deepEqual(readdirSync(join(path, "..")), ["cookies"]);
  });

  it("differ each time", async () => {
    const [a, b] = [await readOrMakeCookieSecrets(fresh()), await readOrMakeCookieSecrets(fresh())];
    assert.notDeepEqual(a, b);
  });

  it("made by many at once hold one secret", async () => {
    const path = fresh();
    const all = await Promise.all(Array.from({ length: 20 }, () => readOrMakeCookieSecrets(path)));
    assert.equal(new Set(all.map((secrets) => secrets.map(formatHex).join())).size, 1);
    assert.deepEqual(readdirSync(join(path, "..")), ["cookies"]);
  });

  it("may be written by hand: one secret or two, any case, with or without the last line feed", async () => {
    assert.deepEqual(await read(FIRST), [FIRST]);
    assert.deepEqual(await read(`${FIRST}\n`), [FIRST]);
    assert.deepEqual(await read(`${FIRST}\n${SECOND}`), [FIRST, SECOND]);
    assert.deepEqual(await read(`${SECOND}\n${FIRST}\n`), [SECOND, FIRST]);
    assert.deepEqual(await read(`${FIRST.toUpperCase()}\n`), [FIRST]);
  });

  it("that others can read raise a warning without a secret, and work", async () => {
    for (const mode of [0o640, 0o604, 0o660, 0o644]) {
      const path = fresh();
      writeFileSync(path, FIRST);
      chmodSync(path, mode);
      const warnings: string[] = [];
      await readOrMakeCookieSecrets(path, (message) => warnings.push(message));
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]?.includes(path) && !warnings[0].includes(FIRST.slice(0, 12)));
    }
  });

  for (const [what, content] of Object.entries({
    "no content": "",
    "a line feed": "\n",
    spaces: "  \n",
    "a short secret": FIRST.slice(2),
    "half a byte too little": FIRST.slice(1),
    "a long secret": `${FIRST}00`,
    "a second that is short": `${FIRST}\n${SECOND.slice(2)}\n`,
    "three secrets": `${FIRST}\n${SECOND}\n${SECOND.replace("4", "5")}\n`,
    "the same secret twice": `${FIRST}\n${FIRST}\n`,
    "the same secret twice in two cases": `${FIRST}\n${FIRST.toUpperCase()}\n`,
    "an empty line at the end": `${FIRST}\n\n`,
    "an empty line in front": `\n${FIRST}\n`,
    "an empty line between": `${FIRST}\n\n${SECOND}\n`,
    "a carriage return": `${FIRST}\r\n`,
    "a space in front": ` ${FIRST}`,
    "a space behind": `${FIRST} \n`,
    "two on one line": `${FIRST} ${SECOND}`,
    "0x in front": `0x${FIRST.slice(2)}`,
    "a letter that is no digit": FIRST.replace("e", "g"),
    "a letter that looks like one": FIRST.replace("e", "\u0435"),
    "a NUL": `${FIRST}\0`,
    "a byte order mark": `\ufeff${FIRST}`,
    "a comment": `# secret\n${FIRST}\n`,
    "too much": FIRST.repeat(40),
  })) {
    it(`with ${what} are refused, left alone, and never shown`, async () => {
      const path = fresh();
      writeFileSync(path, content, { mode: 0o600 });
      await assert.rejects(readOrMakeCookieSecrets(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, "KEY_UNUSABLE");
        assert.match(error.message, /^cookie secrets [^\n]*$/);
        assert.ok(error.message.includes(path), error.message);
        const shown = inspect(error, { depth: 10 }).toLowerCase();
        for (const secret of [FIRST, SECOND]) assert.ok(!shown.includes(secret.slice(4, 16)), "shows a secret");
        return true;
      });
      assert.equal(readFileSync(path, "utf8"), content);
    });
  }

  it("that are long are not read", async () => {
    const path = fresh();
    writeFileSync(path, "0".repeat(10_000_000), { mode: 0o600 });
    await assert.rejects(readOrMakeCookieSecrets(path), /too long/);
  });

  it("that cannot be read or made are refused", async () => {
    const path = fresh();
    mkdirSync(path);
    await assert.rejects(readOrMakeCookieSecrets(path), { code: "KEY_UNUSABLE" });
    await assert.rejects(readOrMakeCookieSecrets(join(path, "none/cookies")), { code: "KEY_UNUSABLE" });
    writeFileSync(join(path, "file"), "");
    await assert.rejects(readOrMakeCookieSecrets(join(path, "file/cookies")), { code: "KEY_UNUSABLE" });
    assert.equal(await readCookieSecrets(join(path, "none")), undefined);
  });
});
