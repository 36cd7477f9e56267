import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { hashFolder, hashGoMod, hashZip } from "../../src/go/index.ts";
import { makeZip, type ZipEntry } from "./zip-file.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const PREFIX = "example.com/Mod@v1.0.0/";

/** The hash by its definition, over names and contents. */
function h1(files: readonly (readonly [string, string])[]): string {
  const lines = files
    .map(([name, content]) => [Buffer.from(name), createHash("sha256").update(content).digest("hex")] as const)
    .sort(([a], [b]) => Buffer.compare(a, b))
    .map(([name, hash]) => Buffer.concat([Buffer.from(`${hash}  `), name, Buffer.from("\n")]));
  return `h1:${createHash("sha256").update(Buffer.concat(lines)).digest("base64")}`;
}

let count = 0;
function zip(entries: readonly ZipEntry[] | Buffer): string {
  const file = join(folder, `${count++}.zip`);
  writeFileSync(file, Buffer.isBuffer(entries) ? entries : makeZip(entries));
  return file;
}

const hash = (entries: readonly ZipEntry[] | Buffer) => hashZip(zip(entries), "example.com/Mod", "v1.0.0");

async function refused(entries: readonly ZipEntry[] | Buffer, message: RegExp): Promise<void> {
  await assert.rejects(hash(entries), { code: "MALFORMED_INPUT", message });
}

const FILES = [
  ["go.mod", "module example.com/Mod\n"],
  ["a.go", "package a\n"],
  ["a/b.go", ""],
  ["ä.go", "x".repeat(100_000)],
  ["Z", "z"],
  ["a-b", "z"],
  ["\u{10000}", "astral"],
  ["\uffff", "bmp"],
] as const;

describe("the h1 hash", () => {
  it("of a go.mod is the one that the checksum database states", () => {
    // google/uuid v1.0.0 has no go.mod of its own; golang.org/toolchain never has.
    assert.equal(
      hashGoMod(Buffer.from("module github.com/google/uuid\n")),
      "h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=",
    );
    assert.equal(
      hashGoMod(Buffer.from("module golang.org/toolchain\n")),
      "h1:8wlg68NqwW7eMnI1aABk/C2pDYXj8mrMY4TyRfiLeS0=",
    );
    assert.equal(hashGoMod(Buffer.alloc(0)), "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=");
  });

  it("of a zip and of the folder that it was extracted to is over names and contents alone", async () => {
    const expected = h1(FILES.map(([name, content]) => [PREFIX + name, content]));
    const entries = FILES.map(([name, content]) => ({ name: PREFIX + name, content }));
    assert.equal(await hash(entries), expected);
    assert.equal(
      await hash([...entries].reverse().map((entry) => ({ ...entry, method: 0 as const, flags: 0 }))),
      expected,
    );
    const root = join(folder, "tree");
    for (const [name, content] of FILES) {
      mkdirSync(join(root, name, ".."), { recursive: true });
      writeFileSync(join(root, name), content);
    }
    mkdirSync(join(root, "empty/deeper"), { recursive: true });
    assert.equal(await hashFolder(root, "example.com/Mod@v1.0.0"), expected);
    writeFileSync(join(root, "a/c.go"), "");
    assert.notEqual(await hashFolder(root, "example.com/Mod@v1.0.0"), expected);
  });

  it("of names that are not UTF-8 is over their bytes", async () => {
    const name = Buffer.concat([Buffer.from(PREFIX), Buffer.from([0xff, 0xfe])]);
    const line = Buffer.concat([Buffer.from(`${createHash("sha256").digest("hex")}  `), name, Buffer.from("\n")]);
    const expected = `h1:${createHash("sha256").update(line).digest("base64")}`;
    assert.equal(await hash([{ name, content: "", flags: 0 }]), expected);
    const root = join(folder, "latin1");
    mkdirSync(root);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), "");
    assert.equal(await hashFolder(root, PREFIX.slice(0, -1)), expected);
  });

  it("has an entry of a folder as an empty file, as the go command does", async () => {
    assert.equal(await hash([{ name: `${PREFIX}a/`, content: "", method: 0 }]), h1([[`${PREFIX}a/`, ""]]));
  });

  it("is not made of a zip whose names lead elsewhere or are not those of the version", async () => {
    const names: [string, RegExp][] = [
      ["/etc/passwd", /is not below "example\.com\/Mod@v1\.0\.0\/"/],
      ["../x", /is not below/],
      ["example.com/mod@v1.0.0/x", /is not below/],
      ["example.com/Mod@v1.0.1/x", /is not below/],
      [PREFIX.slice(0, -1), /is not below/],
      [`${PREFIX}../x`, /does not name a file/],
      [`${PREFIX}a/../../x`, /does not name a file/],
      [`${PREFIX}./x`, /does not name a file/],
      [`${PREFIX}/x`, /does not name a file/],
      [`${PREFIX}a//x`, /does not name a file/],
      [`${PREFIX}/`, /does not name a file/],
      [`${PREFIX}a\\b`, /backslash/],
      [`${PREFIX}a\nb`, /control character/],
      [`${PREFIX}a\0b`, /control character/],
      [`${PREFIX}\x1b[31m`, /control character/],
    ];
    for (const [name, message] of names) await refused([{ name, content: "x" }], message);
  });

  it("is not made of a zip that has a name twice", async () => {
    await refused(
      [
        { name: `${PREFIX}a`, content: "x" },
        { name: `${PREFIX}b`, content: "x" },
        { name: `${PREFIX}a`, content: "y" },
      ],
      /twice/,
    );
  });

  it("is not made of a zip that unpacks to other sizes than it announces, or to too much", async () => {
    const bomb = Buffer.alloc(3_000_000);
    await refused([{ name: `${PREFIX}a`, content: bomb, size: 10 }], /cannot? be read whole|too many bytes|read whole/);
    await refused([{ name: `${PREFIX}a`, content: "short", size: 1000 }], /read whole/);
    await refused([{ name: `${PREFIX}a`, content: "short", crc: 1 }], /does not have the checksum/);
    await refused(
      [{ name: `${PREFIX}a`, content: "x", size: 0x7fffffff }],
      /makes it more than 524288000 bytes unpacked/,
    );
    const many = Array.from({ length: 6 }, (_, i) => ({ name: `${PREFIX}${i}`, content: "x", size: 100_000_000 }));
    await refused(many, /read whole|unpacked/);
  });

  it("of large files, and of a zip that is not held whole, is the same", async () => {
    const large = "x".repeat(5 * 1024 * 1024);
    const huge = "y".repeat(33 * 1024 * 1024);
    const small = { name: `${PREFIX}a`, content: "a" };
    assert.equal(
      await hash([small, { name: `${PREFIX}b`, content: large }]),
      h1([
        [`${PREFIX}a`, "a"],
        [`${PREFIX}b`, large],
      ]),
    );
    assert.equal(
      await hash([small, { name: `${PREFIX}b`, content: huge, method: 0 }]),
      h1([
        [`${PREFIX}a`, "a"],
        [`${PREFIX}b`, huge],
      ]),
    );
    await refused([{ name: `${PREFIX}a`, content: large, size: 5 * 1024 * 1024 - 1 }], /read whole/);
    await refused([{ name: `${PREFIX}a`, content: large, size: 5 * 1024 * 1024 + 1 }], /read whole/);
    await refused([{ name: `${PREFIX}a`, content: large, crc: 7 }], /does not have the checksum/);
  });

  it("of a zip with the records for very many files is the same", async () => {
    const entries = FILES.map(([name, content]) => ({ name: PREFIX + name, content }));
    assert.equal(await hash(makeZip(entries, true)), await hash(entries));
  });

  it("is not made of a zip that other programs may read otherwise", async () => {
    const misleading = /may unpack other files|no zip/;
    const good = makeZip([{ name: `${PREFIX}a`, content: "good" }]);
    const evil = makeZip([{ name: `${PREFIX}a`, content: "evil" }]);
    const end = good.length - 22;
    const directoryOf = (zip: Buffer): Buffer => zip.subarray(zip.readUInt32LE(zip.length - 6), zip.length - 22);
    // The go command goes back from the end by the size and finds the second directory; the offset leads to the first.
    await refused(Buffer.concat([good.subarray(0, end), directoryOf(evil), good.subarray(end)]), misleading);
    // The go command reads headers while there are any, others as many as are announced.
    const two = Buffer.concat([good.subarray(0, end), directoryOf(good), good.subarray(end)]);
    two.writeUInt32LE(2 * directoryOf(good).length, two.length - 10);
    await refused(two, misleading);
    // Anything before, behind or between.
    await refused(Buffer.concat([Buffer.from("x"), good]), misleading);
    await refused(Buffer.concat([good, Buffer.from("x")]), misleading);
    await refused(Buffer.concat([good.subarray(0, end), Buffer.from("x"), good.subarray(end)]), misleading);
    // A locator of the larger records, where they do not count.
    const locator = Buffer.concat([Buffer.from("PK\x06\x07", "latin1"), Buffer.alloc(16)]);
    await refused(Buffer.concat([good.subarray(0, end), locator, good.subarray(end)]), misleading);
    for (const at of [32, 40, 48, 64, 86, 88, 92]) {
      const large = makeZip([{ name: `${PREFIX}a`, content: "good" }], true);
      const place = large.length - 98 + at;
      large[place] = ((large[place] ?? 0) + 1) % 256;
      await refused(large, misleading);
    }
    const commented = Buffer.concat([good, Buffer.from("comment")]);
    commented.writeUInt16LE(7, good.length - 2);
    assert.equal(await hash(commented), await hash(good));
  });

  it("is not made of what is no zip, is cut off, encrypted or packed otherwise", async () => {
    await refused(Buffer.from("hello"), /no zip that can be read whole/);
    await refused(Buffer.alloc(0), /no zip that can be read whole/);
    await refused([{ name: `${PREFIX}a`, content: "x", method: 99 }], /no zip that can be read whole/);
    await refused([{ name: `${PREFIX}a`, content: "x", flags: 1 }], /no zip that can be read whole/);
    const whole = makeZip(FILES.map(([name, content]) => ({ name: PREFIX + name, content })));
    for (let length = 0; length < whole.length; length += 61) await refused(whole.subarray(0, length), /no zip/);
    await assert.rejects(hashZip(join(folder, "none"), "a.b", "v1.0.0"), {
      code: "MALFORMED_INPUT",
      message: /ENOENT/,
    });
    await assert.rejects(hashZip(folder, "a.b", "v1.0.0"), { code: "MALFORMED_INPUT", message: /no regular file/ });
  });

  it("ends in a refusal or the same content whatever byte of a zip is another", async () => {
    const whole = makeZip(FILES.slice(0, 3).map(([name, content]) => ({ name: PREFIX + name, content })));
    for (let at = 0; at < whole.length; at += 7) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      try {
        assert.match(await hash(changed), /^h1:/);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "MALFORMED_INPUT", String(error));
      }
    }
  });

  it("is not made of a folder with anything but files and folders in it", async () => {
    const root = join(folder, "links");
    mkdirSync(join(root, "a"), { recursive: true });
    writeFileSync(join(root, "go.mod"), "module x\n");
    symlinkSync("/etc/passwd", join(root, "a", "l\x1bink"));
    await assert.rejects(hashFolder(root, "x"), {
      code: "MALFORMED_INPUT",
      message: /a\/l\ufffdink: is neither a folder nor a regular file/,
    });
    rmSync(join(root, "a", "l\x1bink"));
    symlinkSync(root, join(root, "loop"));
    await assert.rejects(hashFolder(root, "x"), { code: "MALFORMED_INPUT", message: /loop: is neither/ });
    rmSync(join(root, "loop"));
    writeFileSync(join(root, "a\nb"), "");
    await assert.rejects(hashFolder(root, "x"), { code: "MALFORMED_INPUT", message: /line end in its name/ });
    await assert.rejects(hashFolder(join(folder, "none"), "x"), { code: "MALFORMED_INPUT", message: /ENOENT/ });
    await assert.rejects(hashFolder(join(root, "go.mod"), "x"), { code: "MALFORMED_INPUT", message: /ENOTDIR/ });
  });
});
