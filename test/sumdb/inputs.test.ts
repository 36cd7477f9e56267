import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { type GoSum, GoSumCollector, readGoSumFiles } from "../../src/sumdb/go-sum.ts";
import { splitLines } from "../../src/sumdb/lines.ts";
import { type ModuleRecord, readRecordsFile } from "../../src/sumdb/records-file.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { needsTestData, testData } from "./small-log.ts";

const directory = mkdtempSync(join(tmpdir(), "proofdns-inputs-"));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;
function file(content: string | Uint8Array): string {
  const path = join(directory, `input-${files++}`);
  writeFileSync(path, content);
  return path;
}

const h1 = (text: string): string => formatH1(nodeSha256(encodeUtf8(text)));
const A = h1("a");
const B = h1("b");

async function readAll(path: string): Promise<ModuleRecord[]> {
  const out: ModuleRecord[] = [];
  for await (const record of readRecordsFile(path)) out.push(record);
  return out;
}

const show = ({ modulePath, version, zipHash, goModHash }: ModuleRecord): string =>
  `${modulePath} ${version} ${formatH1(zipHash)} ${formatH1(goModHash)}`;

describe("records files", () => {
  const lines = [`example.com/A/b\tv1.0.0\t${A}\t${B}`, `example.com/a\tv0.0.0-x+incompatible\t${B}\t${A}`];
  const shown = lines.map((line) => line.replaceAll("\t", " "));

  it("are read in order, gzipped or not, with or without the last line feed", async () => {
    const plain = `${lines.join("\n")}\n`;
    for (const content of [
      plain,
      plain.slice(0, -1),
      gzipSync(plain),
      Buffer.concat(lines.map((line) => gzipSync(`${line}\n`))),
    ]) {
      assert.deepEqual((await readAll(file(content))).map(show), shown);
    }
    assert.deepEqual(await readAll(file("")), []);
    assert.deepEqual(await readAll(file(gzipSync(""))), []);
  });

  const [good = ""] = lines;
  const bad: Record<string, string | Uint8Array> = {
    "a blank line": `${good}\n\n${good}\n`,
    "three fields": `${good}\nexample.com/a\tv1.0.0\t${A}\n`,
    "five fields": `${good}\n${good}\tx\n`,
    "spaces for tabs": `${good}\n${good.replaceAll("\t", " ")}\n`,
    "a carriage return": `${good}\n${good}\r\n`,
    "an empty module": `${good}\n\tv1.0.0\t${A}\t${B}\n`,
    "an empty version": `${good}\nexample.com/a\t\t${A}\t${B}\n`,
    "a module with a space": `${good}\nexample.com/a b\tv1.0.0\t${A}\t${B}\n`,
    "a module that climbs": `${good}\n../a\tv1.0.0\t${A}\t${B}\n`,
    "a module of another script": `${good}\nexample.com/\u00e9\tv1.0.0\t${A}\t${B}\n`,
    "a NUL": `${good}\nexample.com/a\u0000\tv1.0.0\t${A}\t${B}\n`,
    "a hash without its kind": `${good}\nexample.com/a\tv1.0.0\t${A.slice(3)}\t${B}\n`,
    "a hash of another kind": `${good}\nexample.com/a\tv1.0.0\t${A}\th2:${B.slice(3)}\n`,
    "a short hash": `${good}\nexample.com/a\tv1.0.0\t${A}\th1:AAAA\n`,
    "a hash without padding": `${good}\nexample.com/a\tv1.0.0\t${A.slice(0, -1)}\t${B}\n`,
    "a hash with spare bits": `${good}\nexample.com/a\tv1.0.0\th1:${"A".repeat(42)}B=\t${B}\n`,
    "a hash in the URL alphabet": `${good}\nexample.com/a\tv1.0.0\th1:${"_".repeat(42)}8=\t${B}\n`,
    "a cut": `${good}\n${good.slice(0, -5)}`,
    "bytes that are not UTF-8": Buffer.concat([Buffer.from(`${good}\n`), Uint8Array.of(0xff, 0x0a)]),
    "a byte order mark": `${good}\n\ufeff${good}\n`,
    "a long line": `${good}\n${"a".repeat(10_000)}\n`,
    "a line of a hundred megabytes, packed": gzipSync(
      Buffer.concat([Buffer.from(`${good}\n`), Buffer.alloc(100 << 20, 0x61)]),
    ),
  };
  for (const [what, content] of Object.entries(bad)) {
    it(`are refused with ${what}, naming the line`, async () => {
      const path = file(content);
      await assert.rejects(readAll(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, "MALFORMED_INPUT");
        assert.ok(error.message.startsWith(`${path}:2: `), error.message);
        assert.ok(error.message.length < 400 && !error.message.includes("\n"));
        return true;
      });
    });
  }

  it("are refused if they cannot be read or unpacked, naming the file", async () => {
    const packed = gzipSync(`${lines.join("\n")}\n`);
    const flipped = Buffer.from(packed);
    flipped[packed.length - 6] = (flipped[packed.length - 6] as number) ^ 1;
    for (const path of [
      join(directory, "none"),
      directory,
      file(packed.subarray(0, -5)),
      file(packed.subarray(0, 12)),
      file(flipped),
      file(Uint8Array.of(0x1f, 0x8b)),
    ]) {
      await assert.rejects(readAll(path), (error: Error & { code?: string }) => {
        assert.equal(error.code, "MALFORMED_INPUT");
        assert.ok(error.message.includes(path));
        return true;
      });
    }
  });

  it("may be pipes", async () => {
    for (const content of [good, gzipSync(good)]) {
      const path = join(directory, `pipe-${files++}`);
      execFileSync("mkfifo", [path]);
      const [records] = await Promise.all([readAll(path), writeFile(path, content)]);
      assert.equal(records.length, 1);
    }
  });

  it("may be left before their end", async () => {
    for await (const { version } of readRecordsFile(file(gzipSync(`${good}\n`.repeat(100_000))))) {
      assert.equal(version, "v1.0.0");
      break;
    }
  });

  it("split into the same lines however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 60, unit: fc.constantFrom("a", "\n", "\u00e9", "\r") }),
        fc.array(fc.nat(60)),
        async (text, cuts) => {
          const bytes = encodeUtf8(text);
          const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
          async function* chunks(): AsyncGenerator<Uint8Array> {
            for (let i = 1; i < at.length; i++) yield bytes.subarray(at[i - 1], at[i]);
          }
          const got: string[] = [];
          for await (const line of splitLines(chunks(), "x")) {
            got.push(line.text);
            assert.equal(line.number, got.length);
          }
          const expected = text.split("\n");
          if (expected.at(-1) === "") expected.pop();
          assert.deepEqual(got, expected);
        },
      ),
    );
  });

  it("of real records are read whole", needsTestData, async () => {
    const records = await readAll(join(testData ?? "", "data/sumdb-dev.tsv.gz"));
    assert.equal(records.length, 20_047);
  });
});

describe("go.sum files", () => {
  const collect = (...contents: string[]): GoSum => {
    const collector = new GoSumCollector();
    for (const [i, content] of contents.entries()) {
      for (const [n, text] of content.split("\n").entries()) collector.add({ text, number: n + 1 }, `file${i}`);
    }
    return collector.result();
  };
  const version = (module: string, v: string, zip = A, mod = B): string =>
    `${module} ${v} ${zip}\n${module} ${v}/go.mod ${mod}\n`;

  it("give their records in order of first appearance, over all files", () => {
    const { records, leftOut } = collect(
      `${version("example.com/b", "v1.0.0")}example.com/split v1.0.0/go.mod ${B}\n${version("example.com/a", "v1.0.0")}`,
      `${version("example.com/a", "v0.9.0")}example.com/split v1.0.0 ${A}\n${version("example.com/b", "v1.0.0")}`,
    );
    assert.deepEqual(
      records.map(({ modulePath, version: v }) => `${modulePath}@${v}`),
      ["example.com/b@v1.0.0", "example.com/split@v1.0.0", "example.com/a@v1.0.0", "example.com/a@v0.9.0"],
    );
    assert.equal(leftOut, 0);
    assert.deepEqual(records.map(show)[0], `example.com/b v1.0.0 ${A} ${B}`);
  });

  it("leave out and count the versions with one of their two lines", () => {
    const { records, leftOut } = collect(
      `${version("example.com/a", "v1.0.0")}example.com/b v1.0.0/go.mod ${B}\nexample.com/c v1.0.0 ${A}\n`,
    );
    assert.equal(records.length, 1);
    assert.equal(leftOut, 2);
  });

  it("may have CRLF, blank lines, several spaces, and no last line feed, as for the go command", async () => {
    const text = `\r\n  example.com/a \t v1.0.0   ${A}  \r\n\n\u00a0\u2003\n\texample.com/a v1.0.0/go.mod\u00a0${B}`;
    assert.deepEqual(collect(text).records.map(show), [`example.com/a v1.0.0 ${A} ${B}`]);
    const { records } = await readGoSumFiles([file(text), file("")]);
    assert.deepEqual(records.map(show), [`example.com/a v1.0.0 ${A} ${B}`]);
  });

  it("may repeat a line, also in another file", () => {
    const text = version("example.com/a", "v1.0.0");
    assert.equal(collect(text + text, text).records.length, 1);
  });

  it("are refused if they disagree, naming both places", async () => {
    for (const [first, second] of [
      [version("example.com/a", "v1.0.0"), `example.com/a v1.0.0 ${B}\n`],
      [version("example.com/a", "v1.0.0"), `example.com/a v1.0.0/go.mod ${A}\n`],
    ] as const) {
      const one = file(first);
      const two = file(`\n${second}`);
      await assert.rejects(readGoSumFiles([one, two]), (error: Error & { code?: string }) => {
        assert.equal(error.code, "CONFLICT");
        assert.ok(error.message.includes(`${two}:2`) && error.message.includes(`${one}:`), error.message);
        return true;
      });
      assert.throws(() => collect(first + second), { code: "CONFLICT" });
    }
  });

  it("pass over and count hashes of other kinds", () => {
    const { records, otherHashes, leftOut } = collect(
      `${version("example.com/a", "v1.0.0")}example.com/a v1.0.0 h2:whatever\nexample.com/z v1.0.0 h9:x\n`,
    );
    assert.equal(records.length, 1);
    assert.equal(otherHashes, 2);
    assert.equal(leftOut, 0);
  });

  it("pass over the hash of an empty go.mod, which early go commands wrote by mistake", () => {
    const content = createHash("sha256").digest("hex");
    const empty = `h1:${createHash("sha256").update(`${content}  go.mod\n`).digest("base64")}`;
    const { records, leftOut } = collect(`${version("example.com/a", "v1.0.0")}example.com/a v1.0.0/go.mod ${empty}\n`);
    assert.equal(records.length, 1);
    assert.equal(leftOut, 0);
  });

  for (const [what, line] of Object.entries({
    "two fields": `example.com/a v1.0.0`,
    "four fields": `example.com/a v1.0.0 ${A} x`,
    "one field": "x",
    "no hash kind": `example.com/a v1.0.0 ${A.slice(3)}`,
    "an empty hash kind": `example.com/a v1.0.0 :${A.slice(3)}`,
    "an empty h1": "example.com/a v1.0.0 h1:",
    "a short h1": "example.com/a v1.0.0 h1:AAAA",
    "an h1 with spare bits": `example.com/a v1.0.0 h1:${"A".repeat(42)}B=`,
    "a module that climbs": `../../x v1.0.0 ${A}`,
    "a version that climbs": `example.com/a ../v1 ${A}`,
    "a module with a byte order mark": `\ufeffexample.com/a v1.0.0 ${A}`,
    "an empty version before /go.mod": `example.com/a /go.mod ${A}`,
    "a version with /go.mod twice": `example.com/a v1.0.0/go.mod/go.mod ${A}`,
    "a NUL": `example.com/a\u0000 v1.0.0 ${A}`,
    "a merge conflict": "<<<<<<< HEAD",
  })) {
    it(`are refused with ${what}, naming file and line`, () => {
      assert.throws(() => collect(`\n${line}\n`), { code: "MALFORMED_INPUT", message: /^file0:2: / });
    });
  }

  it("keep names that objects have by birth", () => {
    assert.equal(collect(version("__proto__", "constructor")).records.length, 1);
  });

  it("give the same records in any white space and however repeated", () => {
    const module = fc.constantFrom("example.com/a", "example.com/b", "example.com/B");
    const entry = fc.record({
      module,
      v: fc.constantFrom("v1.0.0", "v1.1.0-rc1", "v2.0.0+incompatible"),
      isMod: fc.boolean(),
      gap: fc.constantFrom(" ", "  ", "\t", "\u2003"),
      end: fc.constantFrom("", "\r", " ", "\n"),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
        const hash = (e: { module: string; v: string; isMod: boolean }): string => h1(`${e.module} ${e.v} ${e.isMod}`);
        const text = entries
          .map((e) => `${e.module}${e.gap}${e.v}${e.isMod ? "/go.mod" : ""}${e.gap}${hash(e)}${e.end}\n`)
          .join("");
        const { records, leftOut } = collect(text);
        const names = [...new Set(entries.map((e) => `${e.module} ${e.v}`))];
        const whole = names.filter((name) =>
          [true, false].every((isMod) => entries.some((e) => `${e.module} ${e.v}` === name && e.isMod === isMod)),
        );
        assert.deepEqual(
          records.map(({ modulePath, version: v }) => `${modulePath} ${v}`),
          whole,
        );
        assert.equal(leftOut, names.length - whole.length);
        assert.deepEqual(collect(text + text, text).records, records);
        for (const record of records) {
          assert.equal(formatH1(record.zipHash), h1(`${record.modulePath} ${record.version} false`));
        }
      }),
    );
  });
});
