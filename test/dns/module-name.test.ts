import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeElementLabel, decodePathName, encodeElementLabel, encodePathName } from "../../src/dns/module-name.ts";

const written = (path: string): string | undefined => encodePathName(path)?.join(".");

describe("path names", () => {
  const names: [path: string, name: string][] = [
    ["golang.org/x/mod", "mod.x._.golang.org"],
    ["github.com/mjl-/Mox", "_4dox.mjl_2d._.github.com"],
    ["gopkg.in/yaml.v3", "yaml_2ev3._.gopkg.in"],
    ["go4.org", "go4.org"],
    ["github.com/BurntSushi/toml", "toml._42urnt_53ushi._.github.com"],
    ["github.com/Masterminds/semver/v3", "v3.semver._4dasterminds._.github.com"],
    ["host.example/_", "_5f._.host.example"],
    ["github.com/a/-", "_2d.a._.github.com"],
    ["github.com/a/--", "_2d_2d.a._.github.com"],
    ["github.com/a/---", "_2d-_2d.a._.github.com"],
    ["github.com/-a-/_b", "_5fb._2da_2d._.github.com"],
    ["github.com/foo/bar~x", "bar_7ex.foo._.github.com"],
    ["host.example/a b", "a_20b._.host.example"],
    ["host.example/*", "_2a._.host.example"],
    ["-.--/x", "x._.-.--"],
    ["localhost", "localhost"],
    [`h.example/${"a".repeat(63)}`, `${"a".repeat(63)}._.h.example`],
    [`h.example/${"A".repeat(21)}`, `${"_41".repeat(21)}._.h.example`],
    [`${"h".repeat(63)}.example`, `${"h".repeat(63)}.example`],
  ];
  for (const [path, name] of names) {
    it(`writes ${path.slice(0, 40)} as ${name.slice(0, 40)} and reads it back`, () => {
      assert.equal(written(path), name);
      assert.equal(decodePathName(name.split(".")), path);
    });
  }

  for (const path of [
    "",
    "/",
    "/x",
    "golang.org/",
    "golang.org//x",
    ".",
    "a..b/x",
    ".a/x",
    "a./x",
    "GitHub.com/x",
    "host_a.example/x",
    "host a/x",
    "h.example/☺",
    "☺.example/x",
    "h.example/a\u007fb",
    "h.example/a\nb",
    "h.example/a\u0000",
    "h.example/\u00ff",
    "h.example/\u212a",
    `h.example/${"a".repeat(64)}`,
    `h.example/${"A".repeat(22)}`,
    `h.example/${"a".repeat(62)}-`,
    `${"h".repeat(64)}.example`,
  ]) {
    it(`has no name for ${JSON.stringify(path.slice(0, 40))}`, () => assert.equal(written(path), undefined));
  }

  for (const name of [
    "",
    "_",
    "_.golang.org",
    "_._.golang.org",
    "x._",
    "x._._.golang.org",
    "x.y.golang_org",
    "_6dox._.github.com",
    "mjl-._.github.com",
    "-a._.github.com",
    "a_5._.h.example",
    "a_._.h.example",
    "a_5._.h.example",
    "a_zz._.h.example",
    "a_2fb._.h.example",
    "a_80._.h.example",
    "a_ff._.h.example",
    "a_7f._.h.example",
    "a_1f._.h.example",
    "a_2E._.h.example",
    "a_2d._.h_example",
    "x_2dx._.h.example",
    "--x._.h.example",
    "a_20._k.h.example",
    "a b._.h.example",
    "a\u00ffb._.h.example",
    "x._.h\u00ff.example",
    "x._.h..example",
    "x.._.h.example",
    "_xyz.golang.org",
  ]) {
    it(`reads no path from ${JSON.stringify(name)}`, () => {
      assert.equal(decodePathName(name === "" ? [] : name.split(".")), undefined);
    });
  }

  it("reads no path from a label with a dot inside", () => {
    assert.equal(decodePathName(["x.y", "_", "h", "example"]), undefined);
    assert.equal(decodePathName(["x", "_", "h.example"]), undefined);
  });

  it("is a bijection on path texts that have a name", () => {
    const element = fc.string({ unit: fc.constantFrom(..."aZ09-_.~ +Ab!"), minLength: 1, maxLength: 24 });
    const hostLabel = fc.string({ unit: fc.constantFrom(..."az09-"), minLength: 1, maxLength: 20 });
    const path = fc
      .tuple(fc.array(hostLabel, { minLength: 1, maxLength: 4 }), fc.array(element, { maxLength: 5 }))
      .map(([host, elements]) => [host.join("."), ...elements].join("/"));
    fc.assert(
      fc.property(path, (text) => {
        const labels = encodePathName(text);
        if (labels === undefined) {
          // Only an element that is too long can fail here.
          assert.ok(text.split("/").some((e, i) => i > 0 && encodeElementLabel(e) === undefined));
          return;
        }
        assert.ok(labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label)));
        assert.equal(decodePathName(labels), text);
      }),
      { numRuns: 2000 },
    );
  });

  it("is a bijection on labels that say a path", () => {
    const label = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."a-_25f4d"), minLength: 1, maxLength: 10 }),
      fc.constantFrom("_", "com", "x"),
    );
    fc.assert(
      fc.property(fc.array(label, { maxLength: 7 }), (labels) => {
        const path = decodePathName(labels);
        if (path !== undefined) assert.deepEqual(encodePathName(path), labels);
      }),
      { numRuns: 5000 },
    );
  });

  it("never makes the separator of an element, nor an element of the separator", () => {
    assert.equal(decodeElementLabel("_"), undefined);
    for (let c = 0; c < 256; c++) assert.notEqual(encodeElementLabel(String.fromCharCode(c)), "_");
  });

  it("refuses what is long in time that does not grow with it", () => {
    const start = performance.now();
    assert.equal(written(`h.example/${"A".repeat(1_000_000)}`), undefined);
    assert.equal(decodePathName(["a".repeat(1_000_000), "_", "h"]), undefined);
    assert.ok(performance.now() - start < 500);
  });
});
