import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  isPrivateModule,
  matchesPattern,
  matchesPrefixPatterns,
  parseGoSumdb,
  readGoEnv,
  SUMDB_OFF,
  whyPrivate,
} from "../../src/go/index.ts";

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
function withFile(text: string): string {
  const config = join(folder, String(count++));
  mkdirSync(join(config, "go"), { recursive: true });
  writeFileSync(join(config, "go", "env"), text);
  return config;
}

describe("the settings of the go command", () => {
  it("have their defaults", async () => {
    const goEnv = await readGoEnv({ HOME: "/home/x" }, join(folder, "none"));
    assert.deepEqual(goEnv, {
      GOPRIVATE: "",
      GONOSUMDB: "",
      GONOPROXY: "",
      GOPROXY: "https://proxy.golang.org,direct",
      GOSUMDB: "sum.golang.org",
      GOINSECURE: "",
      GOFLAGS: "",
      GOBIN: "",
      GOPATH: "/home/x/go",
      GOMODCACHE: "/home/x/go/pkg/mod",
      GOENV: join(folder, "none", "go", "env"),
      binFolder: "/home/x/go/bin",
    });
    assert.equal((await readGoEnv({}, "")).GOMODCACHE, "");
    assert.equal((await readGoEnv({}, "")).GOENV, "off");
  });

  it("come from the environment, then from the file of go env -w; empty ones are unset", async () => {
    const config = withFile(
      "GOPRIVATE=*.corp.example\nGOPROXY=https://a.example\nGOBIN=/b\n# GOSUMDB=off\nlower=x\nGOFLAGS\n=x\nGOPATH=/p:/q\nGOPATH=/r:/s",
    );
    const goEnv = await readGoEnv({ HOME: "/h", GOPROXY: "https://b.example", GOBIN: "" }, config);
    assert.deepEqual(
      [
        goEnv.GOPRIVATE,
        goEnv.GONOSUMDB,
        goEnv.GONOPROXY,
        goEnv.GOPROXY,
        goEnv.GOBIN,
        goEnv.binFolder,
        goEnv.GOMODCACHE,
        goEnv.GOSUMDB,
      ],
      [
        "*.corp.example",
        "*.corp.example",
        "*.corp.example",
        "https://b.example",
        "/b",
        "/b",
        "/r/pkg/mod",
        "sum.golang.org",
      ],
    );
    const own = await readGoEnv({ HOME: "/h", GONOSUMDB: "none" }, config);
    assert.deepEqual([own.GONOSUMDB, own.GONOPROXY], ["none", "*.corp.example"]);
  });

  it("are read from the file that GOENV names, or from none", async () => {
    const file = join(withFile("GOPRIVATE=a.example\n"), "go", "env");
    const other = withFile("GOPRIVATE=b.example\n");
    assert.equal((await readGoEnv({ GOENV: file }, other)).GOPRIVATE, "a.example");
    assert.equal((await readGoEnv({ GOENV: "off" }, other)).GOPRIVATE, "");
    assert.equal((await readGoEnv({ GOENV: devNull }, other)).GOPRIVATE, "");
    assert.equal((await readGoEnv({ XDG_CONFIG_HOME: other, HOME: "/h" })).GOPRIVATE, "b.example");
  });

  it("come from the Go installation last", async () => {
    const root = join(folder, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    writeFileSync(join(root, "bin", "go"), "");
    writeFileSync(join(root, "go.env"), "GOSUMDB=off\nGOPROXY=direct\n");
    assert.equal((await readGoEnv({ PATH: `relative::${join(root, "bin")}` }, "")).GOSUMDB, "off");
    assert.equal((await readGoEnv({ GOROOT: root }, "")).GOPROXY, "direct");
    assert.equal((await readGoEnv({ GOROOT: root, GOPROXY: "https://c.example" }, "")).GOPROXY, "https://c.example");
  });

  it("are refused if their file is there and cannot be read: it may say what is private", async () => {
    const large = withFile(`GOPRIVATE=x\n${"#".repeat(1 << 20)}`);
    await assert.rejects(readGoEnv({}, large), { code: "MALFORMED_INPUT", message: /which modules are private/ });
    if (process.getuid?.() !== 0) {
      const locked = withFile("GOPRIVATE=x\n");
      chmodSync(join(locked, "go", "env"), 0);
      await assert.rejects(readGoEnv({}, locked), { code: "MALFORMED_INPUT" });
    }
  });
});

describe("a private module", () => {
  it("is one that the go command would not ask a checksum database about", async () => {
    const of = (GONOSUMDB: string, path: string, GOSUMDB = "sum.golang.org") =>
      isPrivateModule({ GONOSUMDB, GOSUMDB }, path);
    assert.ok(of("git.corp.example", "git.corp.example/x"));
    assert.ok(of("*.corp.example/x", "git.corp.example/x/y"));
    assert.ok(of("a,git.corp.example/*/", "git.corp.example/x/y"));
    assert.ok(of("", "example.com/x", "off"));
    assert.ok(!of("git.corp.example/x", "git.corp.example"));
    assert.ok(!of("git.corp.example", "git.corp.example.evil/x"));
    assert.ok(!of("[,", "[/x"));
    assert.ok(!of("", "example.com/x"));
    assert.equal(whyPrivate({ GOSUMDB: "off", GONOSUMDB: "" }, "x"), SUMDB_OFF);
    assert.match(whyPrivate({ GOSUMDB: "x", GONOSUMDB: "q,a.*/" }, "a.b/c") ?? "", /"a\.\*\/"/);
  });

  it("is matched by path.Match", () => {
    const yes: [string, string][] = [
      ["*", ""],
      ["a*c", "abbc"],
      ["[a-c]x", "bx"],
      ["[^a]x", "bx"],
      ["\\*", "*"],
      ["[\\]]", "]"],
      ["[a-]", ""],
      ["?", "é"],
    ];
    for (const [pattern, text] of yes) assert.equal(matchesPattern(pattern, text), pattern !== "[a-]", pattern);
    for (const [pattern, text] of [
      ["*", "a/b"],
      ["?", "/"],
      ["a", "ab"],
      ["[", "["],
      ["\\", "\\"],
      ["[]a]", "]"],
      ["[a", "a"],
      ["[--0]", "-"],
    ] as const) {
      assert.ok(!matchesPattern(pattern, text), pattern);
    }
    assert.ok(!matchesPattern(`${"*a".repeat(200)}b`, "a".repeat(2000)));
    assert.ok(matchesPrefixPatterns(",,x.y//,x.y", "x.y/z"));
  });
});

describe("GOSUMDB", () => {
  it("is off, a key, or a known name, with a URL perhaps", () => {
    const known = parseGoSumdb("sum.golang.org");
    assert.ok(known.kind === "key" && known.vkey.startsWith("sum.golang.org+") && known.url === undefined);
    assert.deepEqual(parseGoSumdb("sum.golang.google.cn"), { ...known, url: "https://sum.golang.google.cn" });
    assert.deepEqual(parseGoSumdb(`  ${known.vkey}  https://mirror.example/x `), {
      ...known,
      url: "https://mirror.example/x",
    });
    assert.deepEqual(parseGoSumdb("off"), { kind: "off" });
    for (const text of [
      "",
      " ",
      "example.com",
      `${known.vkey}x`,
      `${known.vkey} ftp://x`,
      `${known.vkey} https://x y`,
      "Off",
    ]) {
      assert.throws(() => parseGoSumdb(text), { code: "MALFORMED_INPUT" }, text);
    }
  });
});
