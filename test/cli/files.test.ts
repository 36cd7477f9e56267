import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { formatSpan, formatTime } from "../../src/cli/age-text.ts";
import { InOrder } from "../../src/cli/in-order.ts";
import { refuseExisting, writeOutputFile } from "../../src/cli/output-file.ts";
import { makeVersionCommand } from "../../src/cli/version.ts";
import { readInputFile } from "../../src/input/input-file.ts";
import { printable } from "../../src/input/printable.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { makeFolder } from "../service/world.ts";
import { type Outcome, withEnvironment } from "./in-process.ts";

const folder = makeFolder("cli-files");
const at = (name: string): string => join(folder, name);

describe("files that a user names", () => {
  it("are read whole, up to a limit", async () => {
    writeFileSync(at("ten"), "0123456789");
    assert.equal(Buffer.from(await readInputFile(at("ten"), 10, "the file")).toString(), "0123456789");
    await assert.rejects(readInputFile(at("ten"), 9, "the file"), {
      code: "MALFORMED_INPUT",
      message: /10 bytes, and at most 9/,
    });
    writeFileSync(at("empty"), "");
    assert.equal((await readInputFile(at("empty"), 9, "the file")).length, 0);
    if (process.platform === "linux") {
      // Its size is said to be 0, and it has bytes all the same.
      assert.ok((await readInputFile("/proc/self/status", 1 << 20, "the file")).length > 100);
      await assert.rejects(readInputFile("/proc/self/status", 50, "the file"), /more than 50 bytes/);
    }
  });

  it("are refused with a sentence if they are none, and a pipe is never waited for", {
    skip: process.platform === "win32",
  }, async () => {
    execFileSync("mkfifo", [at("pipe")]);
    mkdirSync(at("dir"));
    symlinkSync(at("loop"), at("loop"));
    writeFileSync(at("sparse"), "");
    truncateSync(at("sparse"), 2 ** 40);
    for (const [name, why] of [
      ["pipe", /it is no regular file/],
      ["dir", /it is a directory; name a file/],
      ["loop", /lead in a circle/],
      ["none", /there is no such file/],
      ["ten/none", /a part of its path is no directory/],
      ["sparse", /1099511627776 bytes/],
    ] as const) {
      await assert.rejects(readInputFile(at(name), 1 << 20, "the policy", "MALFORMED_POLICY"), {
        code: "MALFORMED_POLICY",
        message: why,
      });
    }
    await assert.rejects(
      readInputFile("\u001b[31mred\0", 10, "the file"),
      (error: Error) => !/\p{Cc}/u.test(error.message),
    );
  });
});

describe("binaries that `version` is to read", () => {
  const run = async (t: TestContext, ...args: string[]): Promise<Outcome> => {
    let [stdout, stderr] = ["", ""];
    t.mock.method(console, "error", (text: string) => {
      stderr += `${text}\n`;
    });
    t.mock.method(console, "log", (text: string) => {
      stdout += `${text}\n`;
    });
    const code = await withEnvironment({}, async () => {
      await makeVersionCommand().parseAsync(args, { from: "user" });
    });
    t.mock.restoreAll();
    return { code, stdout, stderr };
  };
  const tool = Buffer.from(makeElf(inlineInfo("go1.24.3", "path\texample.com/a\n")));

  it("are all told, and one that is cut off counts for the exit code, below a folder too", async (t) => {
    mkdirSync(at("bin"));
    writeFileSync(join(at("bin"), "cut"), tool.subarray(0, 100));
    writeFileSync(join(at("bin"), "notes"), "no binary");
    const none = await run(t, at("bin"));
    assert.deepEqual([none.code, none.stdout], [2, ""]);
    assert.match(none.stderr, /bin\/cut: the file is cut off/);
    assert.equal((await run(t, "-h", at("bin"))).code, 2);
    writeFileSync(join(at("bin"), "tool"), tool);
    const some = await run(t, at("none"), at("bin"), join(at("bin"), "tool"));
    assert.equal(some.code, 2);
    assert.deepEqual(some.stdout.match(/tool: go1\.24\.3\n/g)?.length, 2);
    assert.equal((await run(t, join(at("bin"), "tool"))).code, 0);
  });

  it("are told in the order of the go command: by name, what is in a folder in its place", async (t) => {
    const names = ["B", "a.d/y", "a-b", "a/w", "b/x", "b.x", "darwin_arm64/go", "windows_amd64/go.exe", "z"];
    for (const name of names) {
      mkdirSync(join(at("tree"), name, ".."), { recursive: true });
      writeFileSync(join(at("tree"), name), tool);
    }
    const { code, stdout } = await run(t, at("tree"));
    const told = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(at("tree").length + 1).replace(/: .*/, ""));
    // As `go version` printed these.
    const sorted = ["B", "a/w", "a-b", "a.d/y", "b/x", "b.x", "darwin_arm64/go", "windows_amd64/go.exe", "z"];
    assert.deepEqual([code, told], [0, sorted]);
  });

  it("are refused with a sentence of our own where there is nothing", async (t) => {
    for (const name of ["nosuch", "ten/nosuch"]) {
      const { code, stderr } = await run(t, at(name));
      assert.equal(code, 2);
      assert.match(stderr, /^proofdns: there is no .*nosuch; name a Go binary, or a folder.*\[MALFORMED_INPUT\]\n$/);
      assert.ok(!stderr.includes("ENOENT"));
    }
  });
});

describe("files that a command writes", () => {
  it("replace nothing unless they are forced to, and leave nothing else behind", async () => {
    mkdirSync(at("out"));
    const path = join(at("out"), "x");
    await writeOutputFile(path, "one", false);
    await assert.rejects(writeOutputFile(path, "two", false), {
      code: "MALFORMED_INPUT",
      message: /--force replaces it/,
    });
    await assert.rejects(refuseExisting(path), /--force replaces it/);
    assert.equal(readFileSync(path, "utf8"), "one");
    await writeOutputFile(path, "three", true);
    assert.equal(readFileSync(path, "utf8"), "three");
    mkdirSync(join(at("out"), "dir"));
    await assert.rejects(writeOutputFile(join(at("out"), "dir"), "x", true), /it is a folder; name a file/);
    await assert.rejects(writeOutputFile(join(at("out"), "none", "x"), "x", true), /there is no such folder/);
    assert.deepEqual(readdirSync(at("out")).sort(), ["dir", "x"]);
  });

  it("are one of those that many write at once, whole", async () => {
    mkdirSync(at("many"));
    const path = join(at("many"), "x");
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000));
    const done = await Promise.allSettled(texts.map((text) => writeOutputFile(path, text, false)));
    assert.equal(done.filter(({ status }) => status === "fulfilled").length, 1);
    assert.ok(texts.includes(readFileSync(path, "utf8")));
    assert.deepEqual(readdirSync(at("many")), ["x"]);
  });
});

describe("text for people", () => {
  it("has no characters that a terminal obeys", () => {
    assert.equal(printable("a\u001b[2Jb\r\n\u009bc\u202ed\u2066"), "a\ufffd[2Jb\ufffd\ufffd\ufffdc\ufffdd\ufffd");
    assert.equal(printable("x".repeat(400)), `${"x".repeat(300)}…`);
    assert.equal(printable("gräf 漢字"), "gräf 漢字");
  });

  it("tells spans and times", () => {
    assert.deepEqual([-5, 0, 119, 120, 7199, 7200, 172_799, 172_800].map(formatSpan), [
      ...["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"],
    ]);
    assert.equal(formatTime(1_700_000_000), "2023-11-14T22:13:20Z");
  });

  it("comes in the order of what was asked, whenever it is there", () => {
    const out: string[] = [];
    const printer = new InOrder((text) => out.push(text));
    printer.put(2, "c");
    printer.put(1, undefined);
    assert.deepEqual(out, []);
    printer.put(0, "a");
    assert.deepEqual(out, ["a", "c"]);
  });
});

it("no part of the library leans on a command", () => {
  const source = new URL("../../src/", import.meta.url);
  const leaning = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.startsWith("cli/"))
    .filter((path) => /(?:from|import\() ?"(?:\.\.\/)+cli\//.test(readFileSync(new URL(path, source), "utf8")));
  assert.deepEqual(leaning, []);
});
