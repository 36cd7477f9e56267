import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { ENTRIES, makeBundle } from "../../bench/bundle.ts";

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

describe("what a browser gets", () => {
  for (const [name, from] of Object.entries(ENTRIES)) {
    it(`as ${name} is this source and noble, and nothing else`, async () => {
      const { packages, externals, inputs, bytes, parts } = await makeBundle(from);
      assert.deepEqual(packages, ["@noble/ed25519", "@noble/hashes"]);
      assert.deepEqual(externals, []);
      for (const path of inputs) assert.match(path, /^(src\/(client|vindex|dns)|node_modules\/@noble)\//);
      const sum = parts.reduce((total, [, size]) => total + size, 0);
      assert.ok(sum <= bytes && sum > 0.9 * bytes, `${sum} of ${bytes} bytes are accounted for`);
    });
  }

  it("is what the package says", () => {
    const { exports } = JSON.parse(read("package.json")) as { exports: Record<string, Record<string, unknown>> };
    const root = exports["."];
    assert.deepEqual(Object.keys(root ?? {}), ["browser", "types", "default"]);
    assert.deepEqual(root?.["browser"], {
      types: ENTRIES.proofdns.replace(/^src\/(.*)\.ts$/, "./dist/$1.d.ts"),
      default: ENTRIES.proofdns.replace(/^src\/(.*)\.ts$/, "./dist/$1.js"),
    });
    const verify = ENTRIES["proofdns/verify"].replace(/^src\/(.*)\.ts$/, "./dist/$1.js");
    assert.equal(exports["./verify"]?.["default"], verify);
  });

  it("has the names of the package for Node, but for what needs Node", async () => {
    const [node, browser] = await Promise.all([
      import("../../src/client/index.ts"),
      import("../../src/client/browser.ts"),
    ]);
    const missing = Object.keys(node).filter((name) => !(name in browser));
    assert.deepEqual(missing.sort(), [
      "DnsTransport",
      "FolderAnswerCache",
      "FolderMemoryStore",
      "NoAnswerCache",
      "makeSystemTransport",
      "parseTransport",
    ]);
  });
});
