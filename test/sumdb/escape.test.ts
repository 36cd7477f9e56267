import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { escapePath, escapeVersion, unescapePath, unescapeVersion } from "../../src/sumdb/escape.ts";

const malformed = { code: "MALFORMED_INPUT" };
const element = fc
  .stringMatching(/^[A-Za-z0-9\-._~]{1,12}$/)
  .filter((text) => !text.startsWith(".") && !text.endsWith("."));
const path = fc.array(element, { minLength: 1, maxLength: 5 }).map((elements) => elements.join("/"));

describe("escaping", () => {
  it("writes an upper-case letter as an exclamation mark and its lower case", () => {
    assert.equal(escapePath("github.com/Azure/azure-SDK"), "github.com/!azure/azure-!s!d!k");
    assert.equal(escapeVersion("v1.0.0-RC1+incompatible"), "v1.0.0-!r!c1+incompatible");
    assert.equal(unescapePath("github.com/!azure"), "github.com/Azure");
    assert.equal(unescapeVersion("v1.0.0-!r!c1"), "v1.0.0-RC1");
  });

  it("is undone by unescaping, for every path and version", () => {
    fc.assert(fc.property(path, (text) => unescapePath(escapePath(text)) === text));
    fc.assert(fc.property(element, (text) => unescapeVersion(escapeVersion(text)) === text));
  });

  it("gives what differs only in case names that differ in more", () => {
    fc.assert(
      fc.property(path, (text) => {
        assert.equal(escapePath(text), escapePath(text).toLowerCase());
      }),
    );
  });

  it("accepts as escaped only what escaping makes", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9!/.+%~-]{0,12}$/), (text) => {
        let plain: string;
        try {
          plain = unescapePath(text);
        } catch {
          return;
        }
        assert.equal(escapePath(plain), text);
      }),
    );
  });

  const badPaths = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    ".a/b",
    "a./b",
    "a/b.",
    "a b",
    "a\tb",
    "a\nb",
    "a\r",
    "a\u0000",
    "a!b",
    "a@b",
    "a?b",
    "a#b",
    "a%2fb",
    "a\\b",
    "a:b",
    "é",
    "\u212A",
    "a\n",
    "a+b",
    "a".repeat(1025),
  ];
  for (const text of badPaths) {
    it(`refuses the path ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => escapePath(text), malformed);
    });
  }
  for (const text of ["", "v1/2", "..", ".v1", "v1.", "v1 ", "v1@", "v1!a", "v1\n", "v1%", "vé", "v".repeat(1025)]) {
    it(`refuses the version ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => escapeVersion(text), malformed);
    });
  }
  for (const text of ["A", "!", "a!", "!A", "!!a", "!1", "a!/b", "!\u00e9", "a!%61", "../x", "a//b", "!a\n"]) {
    it(`refuses the escaped text ${JSON.stringify(text)}`, () => {
      assert.throws(() => unescapePath(text), malformed);
      assert.throws(() => unescapeVersion(text), malformed);
    });
  }

  it("takes linear time on long hostile text", () => {
    const started = performance.now();
    for (const text of ["!a".repeat(1e6), "a/".repeat(1e6), ".".repeat(1e6), "a".repeat(1e6)]) {
      assert.throws(() => unescapePath(text), malformed);
      assert.throws(() => escapePath(text), malformed);
    }
    assert.ok(performance.now() - started < 1000);
  });
});
