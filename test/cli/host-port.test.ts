import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatHostPort, parseHostPort } from "../../src/cli/host-port.ts";

describe("addresses to listen on", () => {
  for (const [text, host, port] of [
    ["127.0.0.1:5300", "127.0.0.1", 5300],
    ["0.0.0.0:0", "0.0.0.0", 0],
    ["[::1]:53", "::1", 53],
    ["[::]:65535", "::", 65535],
    ["localhost:0", "localhost", 0],
    ["ns1.example.org:53", "ns1.example.org", 53],
    ["[fe80::1%eth0]:53", "fe80::1%eth0", 53],
  ] as const) {
    it(`reads ${text} and writes it back`, () => {
      assert.deepEqual(parseHostPort(text), { host, port });
      assert.equal(formatHostPort({ host, port }), text);
    });
  }

  for (const text of [
    "",
    ":",
    ":53",
    "53",
    "localhost",
    "localhost:",
    "localhost:-1",
    "localhost:+1",
    "localhost:053",
    "localhost:65536",
    "localhost:5e1",
    "localhost:0x35",
    "localhost: 53",
    "localhost:53 ",
    "localhost:53\n",
    "local host:53",
    "::1",
    "::1:53",
    "[::1]",
    "[::1]53",
    "[::1:53",
    "::1]:53",
    "[]:53",
    "[127.0.0.1]:53",
    "[localhost]:53",
    "[[::1]]:53",
    "256.0.0.1:53",
    "1.2.3:53",
    "1.2.3.4.5:53",
    "-a.example:53",
    "a..b:53",
    ".a:53",
    "a_b:53",
    "http://localhost:53",
    "user@localhost:53",
    "*:53",
    "\u00e9.example:53",
    `${"a".repeat(64)}:53`,
    `${"a.".repeat(127)}a:53`,
    "9".repeat(1e5),
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))} in one sentence`, () => {
      assert.throws(
        () => parseHostPort(text),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, "MALFORMED_INPUT");
          assert.ok(error.message.length < 500 && !error.message.includes("\n"));
          return true;
        },
      );
    });
  }

  it("writes back whatever it reads", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().map((ip) => `[${ip}]`),
          fc.domain(),
        ),
        fc.nat(65535),
        (host, port) => {
          assert.equal(formatHostPort(parseHostPort(`${host}:${port}`)), `${host}:${port}`);
        },
      ),
    );
  });
});
