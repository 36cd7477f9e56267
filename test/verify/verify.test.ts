import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Client } from "../../src/client/client.ts";
import type { BuildInfo } from "../../src/go/build-info.ts";
import { parseGoMod } from "../../src/go/go-mod.ts";
import { addBinaryClaims } from "../../src/verify/binary.ts";
import { type Claims, noClaims } from "../../src/verify/claim.ts";
import { addMissingLines } from "../../src/verify/go-mod.ts";
import { addGoSumClaims } from "../../src/verify/go-sum.ts";
import { readClaims } from "../../src/verify/inputs.ts";
import { type RecordAsker, type Verdict, verifyClaims } from "../../src/verify/verify.ts";
import { isProofdnsError, ProofdnsError } from "../../src/vindex/error.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { lying, type ZoneTransport } from "../attack/liars.ts";
import type { World } from "../attack/world.ts";
import { EPOCHS, makeWorld, records, Scene, sizeOf } from "../client/scene.ts";
import { inlineInfo, makeElf } from "../go/images.ts";
import { makeFolder } from "../service/world.ts";

let world: World;
let scene: Scene;
before(async () => {
  world = await makeWorld();
  scene = await Scene.make(world);
});
after(async () => {
  await scene.remove();
  await world.close();
});

/** Records that the newest epoch covers. */
const covered = records.slice(0, sizeOf(EPOCHS));

function asker(client: Client, privates: readonly string[] = []): RecordAsker {
  return {
    async lookupAll(subjects, each) {
      for (const [i, subject] of subjects.entries()) {
        try {
          each(i, { lookup: await client.lookup(subject) });
        } catch (error) {
          if (!isProofdnsError(error)) throw error;
          each(i, { error });
        }
      }
    },
    proveRecord: (record) => client.proveRecord(record),
    whyPrivate: (path) => (privates.includes(path) ? "GOPRIVATE" : undefined),
    jobs: 4,
  };
}

function claimsOf(text: string): Claims {
  const claims = noClaims();
  addGoSumClaims(claims, text, "go.sum");
  return claims;
}

async function verify(
  text: string,
  privates: readonly string[] = [],
): Promise<{ verdicts: Verdict[]; transport: ZoneTransport }> {
  const transport = scene.server();
  const verdicts = await verifyClaims(claimsOf(text).claims, asker(scene.client(transport), privates));
  return { verdicts, transport };
}

const statuses = (verdicts: readonly Verdict[]): string => verdicts.map(({ status }) => status).join(" ");

describe("claims against the checksum database", () => {
  it("are proven line by line, each module looked up once and each record proven once", async () => {
    const text = covered.slice(-20).join("");
    const { verdicts, transport } = await verify(text + text);
    assert.equal(verdicts.length, 80);
    assert.equal(statuses(verdicts), Array(80).fill("proven").join(" "));
    const asked = new Set(transport.asked);
    assert.equal(asked.size, transport.asked.length, "nothing is asked twice");
    assert.equal(transport.asked.filter((name) => name.endsWith("._record")).length, new Set(covered.slice(-20)).size);
  });

  it("differ where one bit of a hash does, in the zip and in the go.mod, with the proven hash beside", async () => {
    const [text = ""] = covered.slice(-1);
    const [zip = "", goMod = ""] = text.split("\n");
    const other = formatH1(new Uint8Array(32).fill(9));
    const spoil = (line: string): string => line.replace(/h1:.*/, other);
    const { verdicts } = await verify(`${zip}\n${spoil(zip)}\n${goMod}\n${spoil(goMod)}\n`);
    assert.equal(statuses(verdicts), "proven differs proven differs");
    const [, differs] = verdicts;
    assert.equal(differs?.status === "differs" && formatH1(differs.provenHash), zip.split(" ")[2]);
  });

  it("are absent where the module or the version is, by the complete list", async () => {
    const h1 = formatH1(new Uint8Array(32));
    const { verdicts, transport } = await verify(
      `example.com/nope v1.0.0 ${h1}\nexample.com/m1 v9.9.9 ${h1}\nexample.com/m1 v1.999.0/go.mod ${h1}\n`,
    );
    assert.ok(verdicts[0]?.status === "absent" && verdicts[0].isModuleAbsent);
    assert.equal(verdicts[1]?.status, "error", "v9.9.9 cannot be a version of that path");
    assert.ok(verdicts[2]?.status === "absent" && !verdicts[2].isModuleAbsent);
    assert.equal(transport.asked.filter((name) => name.endsWith("._record")).length, 0);
  });

  it("of private modules are not sent", async () => {
    const { verdicts, transport } = await verify(covered.slice(-30).join(""), ["example.com/m1"]);
    assert.ok(verdicts.some(({ status }) => status === "private"));
    assert.deepEqual(
      transport.asked.filter((name) => name.includes("m1")),
      [],
    );
  });

  it("are not proven by the map alone: without a record proof nothing is said of a hash", async () => {
    const [text = ""] = covered.slice(-1);
    for (const code of ["NO_ANSWER", "BAD_RECORD_PROOF"] as const) {
      const client = scene.client(scene.server());
      const verdicts = await verifyClaims(claimsOf(text + text.replaceAll(/h1:./g, "h1:0")).claims, {
        ...asker(client),
        proveRecord: () => Promise.reject(new ProofdnsError(code, "no proof")),
      });
      assert.equal(statuses(verdicts), "error error error error", "not even that a hash differs");
    }
  });

  it("are errors where the server lies or is silent, and only of what it lies about", async () => {
    const text = covered.slice(-12).join("");
    const server = scene.server();
    const transport = lying(server, async (asked, honest) => {
      if (!asked.name.includes("m3")) return undefined;
      const reply = await honest();
      return reply.kind === "txt" ? { ...reply, payload: reply.payload.map((b, i) => (i === 40 ? b ^ 1 : b)) } : reply;
    });
    const claims = claimsOf(text).claims;
    const verdicts = await verifyClaims(claims, asker(scene.client(transport)));
    for (const [i, { path }] of claims.entries()) {
      assert.equal(verdicts[i]?.status, path === "example.com/m3" ? "error" : "proven", path);
    }
  });
});

describe("lines of go.sum", () => {
  const h1 = formatH1(new Uint8Array(32).fill(1));

  it("are claims of a zip or of a go.mod, with their place", () => {
    const { claims, passed } = claimsOf(`example.com/x v1.0.0 ${h1}\r\n\nexample.com/x v1.0.0/go.mod\t${h1}`);
    assert.deepEqual(
      claims.map(({ kind, place }) => [kind, place.line]),
      [
        ["zip", 1],
        ["go.mod", 3],
      ],
    );
    assert.deepEqual(passed, []);
  });

  it("of other hashes, and of the empty go.mod that old versions wrote, are passed over and said", () => {
    const { claims, passed } = claimsOf(
      `example.com/x v1.0.0 h2:${"A".repeat(44)}\nexample.com/x v1.0.0/go.mod h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=\n`,
    );
    assert.equal(claims.length, 0);
    assert.deepEqual(
      passed.map(({ reason }) => reason),
      ["other-hash", "empty-go-mod"],
    );
  });

  it("are refused with their number if they are none", () => {
    for (const [line, why] of [
      ["example.com/x v1.0.0", /go\.sum:2: 2 fields where a go\.sum line has 3/],
      [`example.com/x v1.0.0 ${h1} more`, /4 fields/],
      [`example.com/x v1.0.0 ${h1.slice(0, -1)}`, /not h1: and base64/],
      ["example.com/x v1.0.0 junk", /no kind/],
      [`a\0b v1.0.0 ${h1}`, /not a module path/],
      [`\ufeffexample.com/x v1.0.0 ${h1}`, /not a module path/],
      ["x".repeat(9000), /more than 8192/],
    ] as const) {
      const { claims, problems } = claimsOf(`\n${line}\nexample.com/y v1.0.0 ${h1}\n`);
      assert.equal(problems[0]?.error.code, "MALFORMED_INPUT");
      assert.match(problems[0]?.error.message ?? "", why);
      assert.deepEqual([problems.length, problems[0]?.place], [1, { file: "go.sum", line: 2 }]);
      assert.deepEqual([claims.length, claims[0]?.path], [1, "example.com/y"], "the line behind it is read");
    }
  });

  it("that are none are named up to a number, and the rest is counted", () => {
    const { claims, problems } = claimsOf(`${"<<<<<<< HEAD\n".repeat(1000)}example.com/y v1.0.0 ${h1}\n`);
    assert.deepEqual([claims.length, problems.length], [1, 21]);
    assert.match(problems.at(-1)?.error.message ?? "", /go\.sum:1000: the last of 980 more lines/);
  });

  it("are read in time that grows with their number, whatever they hold", () => {
    const text = `${"example.com/x v1.0.0 ".padEnd(8000, " ")}\n`.repeat(2000);
    assert.equal(claimsOf(text).problems.length, 21);
  });
});

describe("a folder of binaries", () => {
  it("is read with the folders that go install makes for other platforms", async () => {
    const folder = makeFolder("verify-bin");
    const tool = makeElf(
      inlineInfo("go1.24.3", `path\texample.com/a\nmod\texample.com/a\tv1.0.0\th1:${"A".repeat(43)}=\n`),
    );
    for (const name of ["windows_amd64", "linux_arm64", "other"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "a"), tool);
    }
    const files = async (): Promise<string[]> =>
      (await readClaims([folder])).claims.map(({ place }) => relative(folder, place.file));
    assert.deepEqual(await files(), ["linux_arm64/a", "windows_amd64/a"]);
    writeFileSync(join(folder, "a"), tool);
    assert.deepEqual(await files(), ["a", "linux_arm64/a", "windows_amd64/a"]);
  });

  it("passes no file over because of its name", async () => {
    const folder = makeFolder("verify-names");
    const tool = makeElf(
      inlineInfo("go1.24.3", `path\texample.com/a\nmod\texample.com/a\tv1.0.0\th1:${"A".repeat(43)}=\n`),
    );
    // One that has the character of lost bytes is read.
    for (const name of ["good", "\ufffd"]) writeFileSync(join(folder, name), tool);
    assert.equal((await readClaims([folder])).problems.length, 0);
    writeFileSync(Buffer.concat([Buffer.from(join(folder, "bad")), Buffer.of(0xff)]), tool);
    mkdirSync(Buffer.concat([Buffer.from(join(folder, "folder")), Buffer.of(0xff)]));
    const { claims, problems } = await readClaims([folder]);
    assert.equal(claims.length, 2);
    assert.deepEqual(
      problems.map(({ error }) => /bad\ufffd: its name is not UTF-8/.test(error.message)),
      [true],
    );
  });
});

describe("a go.sum with lines that are none", () => {
  it("is held against the checksum database all the same, so that no bad line hides a forged one", async () => {
    const [text = ""] = covered.slice(-1);
    const [zip = "", goMod = ""] = text.split("\n");
    const forged = zip.replace(/h1:.*/, formatH1(new Uint8Array(32).fill(9)));
    const file = join(makeFolder("verify-conflict"), "go.sum");
    const bytes = Buffer.from(`<<<<<<< HEAD\n${forged}\n=======\n${goMod}\n>>>>>>> x\nZZ v1.0.0 h1:x\n`);
    // A byte that is no UTF-8 spoils its line alone.
    bytes[bytes.indexOf("ZZ")] = 0xff;
    writeFileSync(file, bytes);
    const { claims, problems } = await readClaims([file]);
    assert.deepEqual(
      problems.map(({ place }) => place.line),
      [1, 3, 5, 6],
    );
    assert.match(problems.at(-1)?.error.message ?? "", /not UTF-8/);
    assert.equal(statuses(await verifyClaims(claims, asker(scene.client(scene.server())))), "differs proven");
  });
});

describe("go.mod against go.sum", () => {
  const h1 = formatH1(new Uint8Array(32).fill(1));
  const files = { goMod: "go.mod", goSum: "go.sum" };
  const missing = (goMod: string, goSum: string) => {
    const into = noClaims();
    addMissingLines(into, parseGoMod(goMod, "go.mod"), claimsOf(goSum), files);
    return into;
  };
  const head = "module example.com/own\n\ngo 1.21\n\n";

  it("is complete with both lines of what is required directly, and the go.mod line of the rest", () => {
    const goMod = `${head}require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0 // indirect\n)\n`;
    const goSum = `example.com/a v1.0.0 ${h1}\nexample.com/a v1.0.0/go.mod ${h1}\nexample.com/b v1.0.0/go.mod ${h1}\n`;
    assert.deepEqual(missing(goMod, goSum).problems, []);
  });

  it("says what is missing, and where it is required", () => {
    const goMod = `${head}require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0 // indirect\n)\n`;
    const { problems } = missing(goMod, `example.com/a v1.0.0/go.mod ${h1}\nexample.com/b v1.1.0/go.mod ${h1}\n`);
    assert.deepEqual(
      problems.map(({ place, error }) => [place.line, /hash of the (.*?) of (\S+), so /.exec(error.message)?.slice(1)]),
      [
        [6, ["module", "example.com/a@v1.0.0"]],
        [7, ["go.mod", "example.com/b@v1.0.0"]],
      ],
    );
  });

  it("asks for the lines of what replaces a module, and for none of a folder", () => {
    const goMod = `${head}require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0\n)\nreplace example.com/a => ../a\nreplace example.com/b v1.0.0 => example.com/c v1.2.0\n`;
    const { problems, passed } = missing(goMod, `example.com/b v1.0.0 ${h1}\nexample.com/b v1.0.0/go.mod ${h1}\n`);
    assert.deepEqual(
      passed.map(({ name, reason }) => [name, reason]),
      [["example.com/a@v1.0.0", "replaced"]],
    );
    assert.match(
      problems.map(({ error }) => error.message).join(),
      /example\.com\/c@v1\.2\.0, which replaces example\.com\/b,/,
    );
  });
});

describe("a binary's checksums", () => {
  const sum = formatH1(new Uint8Array(32).fill(1));
  const module = (path: string, version: string, more: object = {}) => ({
    path,
    version,
    sum: undefined,
    replace: undefined,
    ...more,
  });
  const info = (main: BuildInfo["main"], deps: BuildInfo["deps"]): BuildInfo => ({
    format: "elf",
    style: "inline",
    goVersion: "go1.22.0",
    path: "example.com/prog",
    main,
    deps,
    settings: [],
  });

  it("are claims of zips; a replacement stands for what it replaces", () => {
    const into = noClaims();
    const replace = module("example.com/c", "v1.2.0", { sum });
    const deps = [module("example.com/a", "v1.0.0", { sum }), module("example.com/b", "v1.0.0", { replace })];
    addBinaryClaims(into, info(module("example.com/prog", "v1.1.0", { sum }), deps), "prog");
    assert.deepEqual(
      into.claims.map(({ path, version }) => `${path}@${version}`),
      ["example.com/prog@v1.1.0", "example.com/a@v1.0.0", "example.com/c@v1.2.0"],
    );
  });

  it("that are not there are said, with the reason", () => {
    const into = noClaims();
    const deps = [
      module("example.com/a", "v1.0.0"),
      module("example.com/b", "v1.0.0", { replace: module("../b", "") }),
      module("example.com/d", "v1.0.0", { replace: module("./d", "(devel)") }),
      module("example.com/e", "v1.0.0", { replace: module("example.com/f", "v1.0.0") }),
      module("example.com/c", "v1.0.0", { sum: "h1:junk" }),
    ];
    addBinaryClaims(into, info(module("example.com/prog", "(devel)"), deps), "prog");
    assert.deepEqual(
      into.passed.map(({ reason }) => reason),
      ["main-module", "vendored", "replaced", "replaced", "vendored"],
    );
    assert.equal(into.problems.length, 1);
    assert.deepEqual(into.claims, []);
  });
});
