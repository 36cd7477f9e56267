import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  type CachedModule,
  formatVersionM,
  hashFolder,
  hashZip,
  inspectBinary,
  listModuleCache,
  readBuildInfo,
  readGoEnv,
} from "../../src/go/index.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { askAll, goEnvironment, makeOracle, runGo, whyNoOracle } from "./differential.ts";
import {
  ELF_ADDRESS,
  inlineInfo,
  MACH_O_ADDRESS,
  makeElf,
  makeMachO,
  makePe,
  PE_ADDRESS,
  pointerInfo,
} from "./images.ts";
import { Random } from "./random.ts";
import { makeZip } from "./zip-file.ts";

const CASES = Number(process.env["PROOFDNS_GO_CASES"] ?? 3000);
const SEED = Number(process.env["PROOFDNS_GO_SEED"] ?? 1);

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
// The go command writes its module cache read-only.
after(() => {
  runGo(folder, ["clean", "-modcache"]);
  rmSync(folder, { recursive: true, force: true });
});

/** Linux, macOS and Windows, of 32 and 64 bits, of both byte orders. */
const TARGETS = [
  { GOOS: "linux", GOARCH: "amd64", flags: ["-trimpath", "-ldflags=-s -w"] },
  { GOOS: "linux", GOARCH: "s390x", flags: ["-ldflags=-X main.v=a=b"] },
  { GOOS: "windows", GOARCH: "386", flags: [] },
  { GOOS: "darwin", GOARCH: "arm64", flags: [] },
];

/** A proxy with one module, and a project that uses it, another one in its place, and a folder. */
function writeProject(): { project: string; proxy: string } {
  const [project, proxy] = [join(folder, "project"), join(folder, "proxy")];
  for (const [path, version] of [
    ["example.com/Dep", "v1.2.3"],
    ["example.com/fork", "v1.3.0"],
  ] as const) {
    const place = join(proxy, path.replace("D", "!d"), "@v");
    mkdirSync(place, { recursive: true });
    const goMod = `module ${path}\n`;
    writeFileSync(join(place, `${version}.info`), JSON.stringify({ Version: version, Time: "2020-01-01T00:00:00Z" }));
    writeFileSync(join(place, `${version}.mod`), goMod);
    const prefix = `${path}@${version}/`;
    const source = `package x\n\nfunc ${path.endsWith("k") ? "Fork" : "Dep"}() int { return 1 }\n`;
    writeFileSync(
      join(place, `${version}.zip`),
      makeZip([
        { name: `${prefix}go.mod`, content: goMod },
        { name: `${prefix}x.go`, content: source },
        { name: `${prefix}sub dir/ä.txt`, content: "text" },
      ]),
    );
  }
  mkdirSync(join(project, "local"), { recursive: true });
  writeFileSync(join(project, "local", "go.mod"), "module example.com/local\n");
  writeFileSync(join(project, "local", "x.go"), "package x\n\nfunc Local() int { return 1 }\n");
  writeFileSync(
    join(project, "main.go"),
    'package main\n\nimport (\n\ta "example.com/Dep"\n\tb "example.com/local"\n\tc "example.com/old"\n)\n\nvar v string\n\nfunc main() { println(v, a.Dep(), b.Local(), c.Fork()) }\n',
  );
  writeFileSync(
    join(project, "go.mod"),
    "module example.com/app\n\ngo 1.18\n\nrequire (\n\texample.com/Dep v1.2.3\n\texample.com/local v0.0.1\n\texample.com/old v1.0.0\n)\n\nreplace example.com/local => ./local\n\nreplace example.com/old => example.com/fork v1.3.0\n",
  );
  return { project, proxy };
}

describe("what the go command makes", { skip: whyNoOracle() ?? false }, () => {
  let oracle = "";
  before(() => {
    oracle = makeOracle(folder);
    const { project, proxy } = writeProject();
    for (const { GOOS, GOARCH, flags } of TARGETS) {
      const out = join(folder, "bin", `${GOOS}-${GOARCH}`);
      assert.ok(
        runGo(folder, ["build", ...flags, "-o", out, "."], { GOOS, GOARCH, GOPROXY: `file://${proxy}` }, project) !==
          undefined,
        out,
      );
    }
  });

  it("is printed of a binary as go version -m does, for Linux, Windows and macOS", async () => {
    for (const name of readdirSync(join(folder, "bin"))) {
      const file = join(folder, "bin", name);
      const info = await readBuildInfo(file);
      assert.ok(info !== undefined);
      assert.deepEqual(
        info.deps.map(({ path, replace }) => [path, replace?.path]),
        [
          ["example.com/Dep", undefined],
          ["example.com/local", "./local"],
          ["example.com/old", "example.com/fork"],
        ],
      );
      assert.equal(formatVersionM(file, info), runGo(folder, ["version", "-m", file]), name);
    }
  });

  it("is hashed in its module cache as the go command did, zip and folder, and as the binaries state", async () => {
    const info = await readBuildInfo(join(folder, "bin", "linux-amd64"));
    const found: CachedModule[] = [];
    for await (const one of listModuleCache(goEnvironment(folder)["GOMODCACHE"] ?? "")) found.push(one);
    assert.deepEqual(
      found.map(({ path }) => path),
      ["example.com/Dep", "example.com/fork"],
    );
    for (const { path, version, zip = "", zipHashFile = "", folder: extracted = "" } of found) {
      const stated = readFileSync(zipHashFile, "utf8").trim();
      assert.equal(await hashZip(zip, path, version), stated);
      assert.equal(await hashFolder(extracted, `${path}@${version}`), stated);
      const [zipAnswer, folderAnswer] = await askAll(oracle, [
        { Op: "hash-zip", A: zip },
        { Op: "hash-folder", A: extracted, B: `${path}@${version}` },
      ]);
      assert.deepEqual([zipAnswer?.Text, folderAnswer?.Text], [stated, stated]);
    }
    const cached = new Set(await Promise.all(found.map(({ zip = "", path, version }) => hashZip(zip, path, version))));
    const sums = info?.deps.flatMap(({ sum, replace }) => replace?.sum ?? sum ?? []);
    assert.deepEqual(new Set(sums), cached);
  });

  it("is read of its settings as go env does", async () => {
    const random = new Random(SEED);
    const names = [
      "GOPRIVATE",
      "GONOSUMDB",
      "GONOPROXY",
      "GOPROXY",
      "GOSUMDB",
      "GOFLAGS",
      "GOBIN",
      "GOPATH",
      "GOMODCACHE",
      "GOINSECURE",
    ] as const;
    for (let i = 0; i < 25; i++) {
      const value = (name: string): string =>
        /PATH|BIN|CACHE/.test(name)
          ? random.pick(["/a", "/b c", ""])
          : name === "GOFLAGS"
            ? random.pick(["-mod=mod", "", "-modcacherw"])
            : random.pick(["x.example", "*.y/z,w", "off", "direct", "", "#"]);
      const config = join(folder, `config${i}`);
      mkdirSync(join(config, "go"), { recursive: true });
      writeFileSync(
        join(config, "go", "env"),
        names
          .flatMap((name) => (random.chance(40) ? [`${random.pick(["", "", "", "#"])}${name}=${value(name)}\n`] : []))
          .join(""),
      );
      const env: NodeJS.ProcessEnv = {
        PATH: process.env["PATH"],
        HOME: "/home/x",
        XDG_CONFIG_HOME: config,
        GOCACHE: goEnvironment(folder)["GOCACHE"],
      };
      for (const name of names) if (random.chance(30)) env[name] = value(name);
      if (random.chance(20)) env["GOENV"] = random.pick(["off", join(folder, "none")]);
      const unset = Object.fromEntries(Object.keys(goEnvironment(folder)).map((name) => [name, undefined]));
      const out = runGo(folder, ["env", "-json", ...names], { ...unset, ...env });
      const goEnv = await readGoEnv(env);
      const own = Object.fromEntries(names.map((name) => [name, goEnv[name]]));
      assert.deepEqual(own, JSON.parse(out ?? "null"), JSON.stringify(env));
    }
  });

  it("is recognized in damaged executables at least where debug/buildinfo recognizes it, and never as anything else", async () => {
    const random = new Random(SEED);
    const modules = "path\ta.b/c\nmod\ta.b/c\tv1.0.0\th1:x=\ndep\td.e\tv1.2.3\nbuild\tGOOS=linux\n";
    // Go 1.19 does not find a string that ends with the data.
    const padded = (info: Buffer): Buffer => Buffer.concat([info, Buffer.alloc(16)]);
    // Where their data begins. Of damaged headers debug/macho and its kin may die in Go 1.19, for want of memory.
    const images: [number, Buffer][] = [
      [256, makeElf(padded(inlineInfo("go1.19", modules)))],
      [256, makeElf(padded(inlineInfo("go1.19", modules)), { hasSection: false, padding: 64 })],
      [256, makeElf(padded(pointerInfo("go1.17", modules, ELF_ADDRESS, 4, false)), { is64: false, isLittle: false })],
      [512, makeMachO(padded(inlineInfo("go1.19", modules)))],
      [512, makeMachO(padded(pointerInfo("go1.17", modules, MACH_O_ADDRESS, 8, true)), { hasSection: false })],
      [1024, makePe(padded(inlineInfo("go1.19", modules)))],
      [1024, makePe(padded(pointerInfo("go1.17", modules, PE_ADDRESS, 4, true)), { is64: false })],
    ];
    const damaged = Array.from({ length: CASES }, () => {
      const [start, original] = random.pick(images);
      const image = Buffer.from(original);
      const end = Math.min(image.length, start + 200);
      for (let i = random.below(3); i >= 0; i--) {
        const value = random.pick([0, 1, 2, 9, 0x0a, 0x22, 0x7f, 0x80, 0xff, random.below(256)]);
        image[start + random.below(end - start)] = value;
      }
      return image;
    });
    const answers = await askAll(
      oracle,
      damaged.map((image) => ({ Op: "binary", Data: image.toString("base64") })),
    );
    let both = 0;
    for (const [i, image] of damaged.entries()) {
      const answer = answers[i];
      let found: Awaited<ReturnType<typeof inspectBinary>> | undefined;
      try {
        found = await inspectBinary(image);
      } catch (error) {
        if (!(error instanceof ProofdnsError) || error.code !== "MALFORMED_INPUT") throw error;
      }
      if (found?.info === undefined || answer?.Error !== undefined) {
        if (process.env["PROOFDNS_GO_VERBOSE"] && (found?.info !== undefined || answer?.Error === undefined))
          console.log(i, found, answer);
        continue;
      }
      both++;
      // What a terminal would obey is printed otherwise here.
      if (/[\p{Cf}\p{Zl}\p{Zp}]|(?![\t\n])\p{Cc}/u.test(answer?.Text ?? "")) continue;
      const { info } = found;
      const text = formatVersionM("f", info)
        .split("\n")
        .slice(1)
        .map((line) => line.slice(1))
        .join("\n");
      assert.deepEqual([info.goVersion, text], [answer?.GoVersion, answer?.Text ?? ""], image.toString("base64"));
    }
    assert.ok(both > CASES / 4, `only ${both} were read by both`);
  });

  it("is the same in a damaged zip, if both take it", async () => {
    const random = new Random(SEED);
    const prefix = "a.b/c@v1.0.0/";
    const files = [
      { name: `${prefix}go.mod`, content: "module a.b/c\n" },
      { name: `${prefix}x.go`, content: "package x\n".repeat(20) },
      { name: `${prefix}y`, content: "", method: 0 as const },
    ];
    const [small, large] = [makeZip(files), makeZip(files, true)];
    const zips = join(folder, "zips");
    mkdirSync(zips);
    const names = Array.from({ length: Math.min(CASES, 5000) }, (_, i) => join(zips, `${i}.zip`));
    for (const name of names) {
      let zip = Buffer.from(random.chance(70) ? small : large);
      for (let i = random.below(3); i >= 0; i--) {
        // Most of it in the directory and the records behind it, where programs can differ.
        const at = random.chance(30)
          ? random.below(zip.length)
          : zip.length - 1 - random.below(Math.min(zip.length, 300));
        if (random.chance(15)) {
          const piece = zip.subarray(random.below(zip.length), random.below(zip.length));
          zip = Buffer.concat([zip.subarray(0, at), piece, zip.subarray(at)]);
        } else zip[at] = random.pick([0, 1, 2, 3, 0xff, 0x80, random.below(256)]);
      }
      writeFileSync(name, zip);
    }
    const answers = await askAll(
      oracle,
      names.map((A) => ({ Op: "hash-zip", A })),
    );
    let both = 0;
    for (const [i, name] of names.entries()) {
      let hash: string | undefined;
      try {
        hash = await hashZip(name, "a.b/c", "v1.0.0");
      } catch (error) {
        if (!(error instanceof ProofdnsError) || error.code !== "MALFORMED_INPUT") throw error;
      }
      // What the go command does not take it does not unpack.
      if (hash === undefined || answers[i]?.Error !== undefined) continue;
      assert.equal(answers[i]?.Text, hash, readFileSync(name).toString("base64"));
      both++;
    }
    assert.ok(both > names.length / 20, `only ${both} of ${names.length} were read`);
  });
});
