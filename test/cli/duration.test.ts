import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDuration } from "../../src/cli/duration.ts";

describe("durations", () => {
  for (const [text, seconds] of [
    ["0s", 0],
    ["60s", 60],
    ["10m", 600],
    ["24h", 86_400],
    ["7d", 604_800],
    ["100000d", 8_640_000_000],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), seconds));
  }

  for (const text of [
    "",
    "s",
    "60",
    "1.5h",
    "-1s",
    "+1s",
    "01s",
    "1 s",
    " 1s",
    "1s ",
    "1s\n",
    "1S",
    "1ms",
    "1w",
    "1h30m",
    "1e3s",
    "0x1s",
    "off",
    "\u0661s",
    "9007199254740993s",
    "9007199254740991d",
    "9".repeat(1e5),
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => parseDuration(text), {
        code: "MALFORMED_INPUT",
        message: /write it like 90s, 10m, 24h or 7d$/,
      });
    });
  }

  it("says what is missing from a bare number", () => {
    assert.throws(() => parseDuration("60"), { message: /"60": it has no unit/ });
  });
});
