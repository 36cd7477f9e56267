import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type CachedModule, listModuleCache, readCachedGoMod } from "../../src/go/index.ts";

const root = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content = ""): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), content);
}

describe("a module cache", () => {
  it("is listed by module version, escapes undone", async () => {
    const at = "cache/download/github.com/!azure/sdk/v2/@v";
    for (const name of [
      "v2.0.0.zip",
      "v2.0.0.ziphash",
      "v2.0.0.mod",
      "v2.0.0.info",
      "v2.0.0.lock",
      "list",
      "v2.1.0.info",
      "v2.2.0-!r!c1.mod",
    ])
      put(`${at}/${name}`);
    put("github.com/!azure/sdk/v2@v2.0.0/go.mod");
    put("github.com/!azure/sdk/v2@v2.0.0/x@y/z");
    put("cache/download/example.com/half/@v/v1.0.0.partial");
    put("example.com/half@v1.0.0/x.go");
    put("cache/download/example.com/half/sub/@v/v1.0.0.mod", "module x\n");
    // None of these is a module version.
    put("cache/download/sumdb/sum.golang.org/lookup/x@v1");
    put("cache/vcs/0123/HEAD");
    put("cache/lock");
    put("cache/download/example.com/Upper/@v/v1.0.0.zip");
    put("cache/download/example.com/bang!/@v/v1.0.0.zip");
    put("cache/download/example.com/..x/@v/v1.0.0.zip");
    put("cache/download/example.com/x/@v/.zip");
    put("example.com/bad@v1!0/x");
    put("@v1.0.0/x");
    symlinkSync("/etc", join(root, "example.com", "link@v1.0.0"));
    symlinkSync(root, join(root, "example.com", "loop"));

    const found: CachedModule[] = [];
    const skipped: string[] = [];
    for await (const one of listModuleCache(root, {
      onSkipped: (file, why) => skipped.push(`${file.slice(root.length + 1)}: ${why}`),
    }))
      found.push(one);
    const cached = (name: string) => join(root, at, name);
    assert.deepEqual(found, [
      { path: "example.com/half", version: "v1.0.0", isPartial: true, folder: join(root, "example.com/half@v1.0.0") },
      {
        path: "example.com/half/sub",
        version: "v1.0.0",
        goMod: join(root, "cache/download/example.com/half/sub/@v/v1.0.0.mod"),
      },
      {
        path: "github.com/Azure/sdk/v2",
        version: "v2.0.0",
        zip: cached("v2.0.0.zip"),
        zipHashFile: cached("v2.0.0.ziphash"),
        goMod: cached("v2.0.0.mod"),
        folder: join(root, "github.com/!azure/sdk/v2@v2.0.0"),
      },
      { path: "github.com/Azure/sdk/v2", version: "v2.2.0-RC1", goMod: cached("v2.2.0-!r!c1.mod") },
    ]);
    const unnamed = "its name is not that of a module version";
    assert.deepEqual(skipped.sort(), [
      `@v1.0.0: ${unnamed}`,
      `cache/download/example.com/..x/@v/v1.0.0.zip: ${unnamed}`,
      `cache/download/example.com/Upper/@v/v1.0.0.zip: ${unnamed}`,
      `cache/download/example.com/bang!/@v/v1.0.0.zip: ${unnamed}`,
      `cache/download/example.com/x/@v/.zip: ${unnamed}`,
      `example.com/bad@v1!0: ${unnamed}`,
      "example.com/link@v1.0.0: it is a link",
      "example.com/loop: it is a link",
    ]);
    assert.equal(new TextDecoder().decode(await readCachedGoMod(root, "example.com/half/sub", "v1.0.0")), "module x\n");
    assert.equal(await readCachedGoMod(root, "example.com/half", "v1.0.0"), undefined);
    assert.equal(await readCachedGoMod("", "example.com/half/sub", "v1.0.0"), undefined);
    await assert.rejects(readCachedGoMod(root, "../x", "v1.0.0"), { code: "MALFORMED_INPUT" });
    await assert.rejects(readCachedGoMod(root, "example.com/x", "../v1"), { code: "MALFORMED_INPUT" });
  });

  it("is refused if it is not there, and empty if nothing is in it", async () => {
    const list = async (folder: string): Promise<CachedModule[]> => {
      const found: CachedModule[] = [];
      for await (const one of listModuleCache(folder)) found.push(one);
      return found;
    };
    await assert.rejects(list(join(root, "none")), {
      code: "MALFORMED_INPUT",
      message: /no module cache can be read there \(ENOENT\)/,
    });
    await assert.rejects(list(join(root, "cache/lock")), { code: "MALFORMED_INPUT", message: /ENOTDIR/ });
    mkdirSync(join(root, "empty"));
    assert.deepEqual(await list(join(root, "empty")), []);
  });
});
