import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type BuildInfo, describeNotGo, inspectBinary, readBuildInfo } from "../../src/go/index.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import {
  ELF_ADDRESS,
  framed,
  header,
  inlineInfo,
  MACH_O_ADDRESS,
  makeElf,
  makeFat,
  makeMachO,
  makePe,
  PE_ADDRESS,
  pointerInfo,
} from "./images.ts";

const MODULES =
  "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\texample.com/dep\tv1.2.3\th1:AAAA=\n" +
  "=>\texample.com/fork\tv1.3.0\th1:BBBB=\nbuild\tGOOS=linux\n";

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function check(info: BuildInfo | undefined, format: string, style: string): void {
  assert.ok(info !== undefined);
  assert.deepEqual(
    [info.format, info.style, info.goVersion, info.path],
    [format, style, "go1.17.3", "example.com/app"],
  );
  assert.equal(info.main?.version, "(devel)");
  assert.equal(info.deps[0]?.replace?.path, "example.com/fork");
  assert.deepEqual(info.settings, [["GOOS", "linux"]]);
}

async function refusal(bytes: Uint8Array): Promise<string> {
  try {
    await inspectBinary(bytes);
  } catch (error) {
    assert.ok(error instanceof ProofdnsError && error.code === "MALFORMED_INPUT", String(error));
    return error.message;
  }
  return assert.fail("accepted");
}

const SHAPES = [true, false].flatMap((is64) =>
  [true, false].flatMap((isLittle) => [true, false].map((hasSection) => ({ is64, isLittle, hasSection }))),
);

describe("build information", () => {
  for (const shape of SHAPES) {
    const name = `of ${shape.is64 ? 64 : 32} bits, ${shape.isLittle ? "little" : "big"}-endian, ${shape.hasSection ? "with" : "without"} a section`;
    const size = shape.is64 ? 8 : 4;

    it(`is read from ELF ${name}, in both styles`, async () => {
      const options = { ...shape, padding: 48 };
      check(await readBuildInfo(makeElf(inlineInfo("go1.17.3", MODULES, size), options)), "elf", "inline");
      const pointers = pointerInfo("go1.17.3", MODULES, ELF_ADDRESS + 48, size, shape.isLittle);
      check(await readBuildInfo(makeElf(pointers, options)), "elf", "pointer");
    });

    it(`is read from Mach-O ${name}, in both styles`, async () => {
      const options = { ...shape, padding: 16 };
      check(await readBuildInfo(makeMachO(inlineInfo("go1.17.3", MODULES, size), options)), "macho", "inline");
      const pointers = pointerInfo("go1.17.3", MODULES, MACH_O_ADDRESS + 16, size, shape.isLittle);
      check(await readBuildInfo(makeMachO(pointers, options)), "macho", "pointer");
    });
  }

  for (const is64 of [true, false]) {
    it(`is read from PE of ${is64 ? 64 : 32} bits, in both styles`, async () => {
      check(await readBuildInfo(makePe(inlineInfo("go1.17.3", MODULES), { is64, padding: 32 })), "pe", "inline");
      const pointers = pointerInfo("go1.17.3", MODULES, PE_ADDRESS, is64 ? 8 : 4, true);
      check(await readBuildInfo(makePe(pointers, { is64 })), "pe", "pointer");
    });

    it(`is that of the first architecture of a universal file, with ${is64 ? 64 : 32} bits`, async () => {
      const parts = [MODULES, MODULES.replace("v1.2.3", "v9.9.9")].map((text) =>
        makeMachO(inlineInfo("go1.17.3", text)),
      );
      check(await readBuildInfo(makeFat(parts, is64)), "macho", "inline");
    });
  }

  it("is found behind what only looks like it, and far from the start", async () => {
    const info = inlineInfo("go1.17.3", MODULES);
    const decoy = Buffer.concat([Buffer.alloc(8), info.subarray(0, 14), Buffer.alloc(10 + 3 * 1024 * 1024)]);
    check(await readBuildInfo(makeElf(Buffer.concat([decoy, info]), { hasSection: false })), "elf", "inline");
    for (const before of [1024 * 1024 - 48, 1024 * 1024 - 32, 1024 * 1024 - 16, 1024 * 1024]) {
      check(await readBuildInfo(makeElf(info, { hasSection: false, padding: before })), "elf", "inline");
    }
  });

  it("is read from a file by its name", async () => {
    const file = join(folder, "app");
    writeFileSync(file, makeElf(inlineInfo("go1.17.3", MODULES)));
    check(await readBuildInfo(file), "elf", "inline");
  });

  it("may be of a program without modules", async () => {
    for (const bytes of [inlineInfo("go1.19", ""), pointerInfo("go1.12.1", "", ELF_ADDRESS, 8, true)]) {
      const info = await readBuildInfo(makeElf(bytes));
      assert.deepEqual([info?.path, info?.main, info?.deps, info?.settings], ["", undefined, [], []]);
    }
  });

  it("is not in what is no executable, and the reason says what it is instead", async () => {
    const cases: [string | Buffer, RegExp][] = [
      ["", /empty/],
      ["#!/bin/sh\n", /script/],
      ["\0asm....", /WebAssembly/],
      ["!<arch>\n", /archive/],
      ["PK\x03\x04", /zip/],
      ["\x01\xdf..", /AIX/],
      ["hello", /no executable/],
      ["a", /no executable/],
      [Buffer.concat([Buffer.from("MZ"), Buffer.alloc(200)]), /MS-DOS/],
      [Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62, 0xff)]), /Windows/],
      [
        header(64, false, [
          [0, 4, 0xcafebabe],
          [4, 4, 52],
        ]),
        /Java/,
      ],
      [makeElf(Buffer.alloc(64)), /no build information/],
      [makeElf(Buffer.alloc(64), { hasSection: false }), /no build information/],
      [makeMachO(Buffer.alloc(64)), /no build information/],
      [makePe(Buffer.alloc(64)), /no build information/],
      // Not where it has to be aligned.
      [makeElf(inlineInfo("go1.19", MODULES), { padding: 8 }), /no build information/],
    ];
    for (const [content, reason] of cases) {
      const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
      assert.equal(await readBuildInfo(bytes), undefined);
      assert.match((await describeNotGo(bytes)) ?? "", reason);
    }
    assert.equal(await describeNotGo(makeElf(inlineInfo("go1.19", MODULES))), undefined);
  });

  it("is refused with the name of the file if that cannot be read", async () => {
    mkdirSync(join(folder, "d"));
    await assert.rejects(readBuildInfo(join(folder, "d")), {
      code: "MALFORMED_INPUT",
      message: /\/d: is no regular file/,
    });
    await assert.rejects(readBuildInfo(join(folder, "none\x1b[31m")), {
      code: "MALFORMED_INPUT",
      message: /none\ufffd\[31m: cannot be read \(ENOENT\)/,
    });
  });
});

describe("hostile executables", () => {
  const info = inlineInfo("go1.17.3", MODULES);
  const images = [
    makeElf(info),
    makeElf(info, { is64: false }),
    makeMachO(info),
    makePe(info),
    makeFat([makeMachO(info)]),
  ];

  it("are refused wherever they are cut off, or are no executables any more", async () => {
    for (const image of images) {
      for (let length = 1; length < image.length; length += length < 300 ? 1 : 37) {
        const cut = image.subarray(0, length);
        try {
          await inspectBinary(cut);
        } catch (error) {
          assert.ok(error instanceof ProofdnsError && error.code === "MALFORMED_INPUT", `${length}: ${error}`);
        }
      }
    }
  });

  it("end in a refusal, a reason or an answer whatever four bytes of them say", async () => {
    for (const image of images) {
      for (let at = 0; at < Math.min(image.length - 4, 900); at += 4) {
        for (const value of [0, 0x7fffffff, 0xffffffff]) {
          const changed = Buffer.from(image);
          changed.writeUInt32LE(value, at);
          try {
            await inspectBinary(changed);
          } catch (error) {
            assert.ok(error instanceof ProofdnsError && error.code === "MALFORMED_INPUT", `${at}: ${error}`);
          }
        }
      }
    }
  });

  it("do not have strings of four gigabytes", async () => {
    const huge = Buffer.concat([info.subarray(0, 32), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])]);
    assert.match(await refusal(makeElf(huge)), /a string of 4294967295 bytes/);
    const endless = Buffer.concat([info.subarray(0, 32), Buffer.alloc(20, 0xff)]);
    assert.match(await refusal(makeElf(endless)), /cut off/);
    for (const size of [4, 8] as const) {
      const pointers = pointerInfo("go1.17", MODULES, ELF_ADDRESS, size, true);
      pointers.fill(0xff, 32 + size, 32 + 2 * size);
      assert.match(await refusal(makeElf(pointers)), /a string of (?:4294967295|Infinity) bytes/);
    }
  });

  it("do not point out of themselves", async () => {
    for (const at of [16, 24, 32, 48]) {
      const pointers = pointerInfo("go1.17", MODULES, ELF_ADDRESS, 8, true);
      pointers.fill(0xee, at, at + 6);
      assert.match(await refusal(makeElf(pointers)), /points nowhere/);
    }
    const none = pointerInfo("go1.17", MODULES, ELF_ADDRESS, 8, true);
    none.fill(0, 16, 24);
    assert.match(await refusal(makeElf(none)), /no Go version/);
  });

  it("have a known pointer size and byte order, and a frame around the modules", async () => {
    for (const [at, value] of [
      [14, 5],
      [14, 0],
      [15, 4],
      [15, 128],
    ] as const) {
      const pointers = pointerInfo("go1.17", MODULES, ELF_ADDRESS, 8, true);
      pointers[at] = value;
      assert.match(await refusal(makeElf(pointers)), /unknown form/);
    }
    assert.match(await refusal(makeElf(inlineInfo("go1.19", "path\tx"))), /does not end as it should/);
    assert.equal(framed("").length, 0);
  });

  it("have a Go version that a terminal can be shown", async () => {
    assert.match(await refusal(makeElf(inlineInfo("go1.19\x1b[2J", MODULES))), /not printable/);
    assert.match(await refusal(makeElf(inlineInfo("", MODULES))), /no Go version/);
    assert.match(
      await refusal(makeElf(inlineInfo("go1.\ufffd19".replace("\ufffd", "\u0085"), MODULES))),
      /not (?:text|printable)|list of modules|cut off/,
    );
  });

  it("have tables of the right size, and a loop of load commands ends", async () => {
    const elf = makeElf(info);
    elf.writeUInt16LE(55, 54);
    assert.match(await refusal(elf), /wrong size of table entries/);
    const macho = makeMachO(info);
    macho.writeUInt32LE(0, 32 + 4);
    assert.match(await refusal(macho), /do not fit each other/);
    const many = makeMachO(info);
    many.writeUInt32LE(0xffffffff, 16);
    assert.match(await refusal(many), /do not fit each other/);
    const wide = makeMachO(info);
    wide.writeUInt32LE(0xffffffff, 20);
    assert.match(await refusal(wide), /too many load commands/);
    const sections = makeMachO(info);
    sections.writeUInt32LE(0xffffffff, 32 + 72 + 64);
    assert.match(await refusal(sections), /fewer sections/);
    assert.match(await refusal(makeFat([])), /without an architecture/);
    assert.match(await refusal(makeFat([makeFat([makeMachO(info)])])), /no Mach-O/);
    const fat = makeFat([makeMachO(info)]);
    fat.writeUInt32BE(0xfffffff0, 16);
    assert.match(await refusal(fat), /past its end/);
  });
});
