import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { LOG_LEVELS, type Logger, type LoggerOptions, makeLogger, parseLogLevel } from "../../src/service/log.ts";
import type { ServiceLog } from "../../src/service/service.ts";

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** A logger, and what it wrote. */
function capture(options: LoggerOptions = {}): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return { log: makeLogger({ write: (line) => lines.push(line), now: () => TIME, ...options }), lines };
}

describe("the text form", () => {
  it("is the time, the level and the message", () => {
    const { log, lines } = capture();
    log("info", "serving l.example.org. on 127.0.0.1:53");
    log("alarm", "the clock stops");
    assert.deepEqual(lines, [
      "2026-01-02T03:04:05.678Z info serving l.example.org. on 127.0.0.1:53\n",
      "2026-01-02T03:04:05.678Z alarm the clock stops\n",
    ]);
  });

  it("has the fields behind it, words bare and all else as JSON strings", () => {
    const { log, lines } = capture();
    log("info", "m", { n: 1.5, ok: false, word: "a-b_c:1/2@x", gone: undefined, two: "a b", no: "", quote: 'x="y"' });
    assert.equal(
      lines[0],
      '2026-01-02T03:04:05.678Z info m n=1.5 ok=false word=a-b_c:1/2@x two="a b" no="" quote="x=\\"y\\""\n',
    );
  });
});

describe("the JSON form", () => {
  it("is one object a line, with the fields beside time, level and message", () => {
    const { log, lines } = capture({ format: "json" });
    log("info", 'served "x"', { epoch: 7, ok: true, gone: undefined });
    assert.equal(
      lines[0],
      '{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"served \\"x\\"","epoch":7,"ok":true}\n',
    );
  });

  it("lets no field take the place of time, level or message", () => {
    const { log, lines } = capture({ format: "json" });
    log("info", "true", { message: "forged", level: "alarm", time: "never", __proto__x: "y" });
    assert.deepEqual(JSON.parse(lines[0] as string), {
      time: "2026-01-02T03:04:05.678Z",
      level: "info",
      message: "true",
      __proto__x: "y",
    });
  });

  it("carries every well-formed string", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const { log, lines } = capture({ format: "json", level: "trace" });
        log("trace", text, { qname: text });
        const parsed = JSON.parse(lines[0] as string) as Record<string, unknown>;
        assert.deepEqual([parsed["message"], parsed["qname"]], [text, text]);
      }),
    );
  });
});

describe("a level", () => {
  it("lets the graver ones pass and no other", () => {
    LOG_LEVELS.forEach((least, depth) => {
      const { log, lines } = capture({ level: least });
      for (const level of LOG_LEVELS) log(level, level);
      assert.deepEqual(
        lines.map((line) => line.trim().split(" ")[2]),
        LOG_LEVELS.slice(0, depth + 1),
      );
      for (const level of LOG_LEVELS) assert.equal(log.writes(level), LOG_LEVELS.indexOf(level) <= depth);
    });
  });

  it("is info if none is given, so that debug and trace are silent", () => {
    const { log, lines } = capture();
    log("debug", "x");
    log("trace", "x");
    assert.deepEqual(lines, []);
  });

  it("is parsed by its exact name", () => {
    for (const level of LOG_LEVELS) assert.equal(parseLogLevel(level), level);
    for (const text of ["", "Info", "info ", "warn", "toString", "0"]) assert.equal(parseLogLevel(text), undefined);
  });
});

describe("what was asked, and by whom", () => {
  for (const format of ["text", "json"] as const) {
    it(`is shown at trace and nowhere else, as ${format}`, () => {
      for (const level of LOG_LEVELS) {
        const { log, lines } = capture({ level: "trace", format });
        log(level, "a query", { qname: "secret.example", client: "192.0.2.77", type: "TXT" });
        const isShown = level === "trace";
        assert.equal(lines[0]?.includes("secret.example"), isShown, level);
        assert.equal(lines[0]?.includes("192.0.2.77"), isShown, level);
        assert.ok(lines[0]?.includes("TXT"));
      }
    });
  }
});

describe("a hostile name", () => {
  const hostile = [
    "a\n2026-01-02T03:04:05.678Z alarm SECURITY: forged",
    "a\r\nb",
    "a\u2028b\u2029c",
    "a\u0085b",
    "\u001b[2J\u001b]0;title\u0007",
    "\u0000\u0008\u007f\u009b31m",
    "a\u202eb\u2066c\u200f",
    "\ud800x\udc00",
    "\ufeffx",
  ];

  for (const format of ["text", "json"] as const) {
    it(`forges no line and controls no terminal, as ${format}`, () => {
      for (const text of hostile) {
        const { log, lines } = capture({ level: "trace", format });
        log("trace", text, { qname: text, [text]: 1 });
        assert.equal(lines.length, 1);
        const line = lines[0] as string;
        assert.equal(line.indexOf("\n"), line.length - 1, inspect(text));
        assert.doesNotMatch(
          line.slice(0, -1),
          /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u,
        );
      }
    });

    it(`of any characters stays on its line, as ${format}`, () => {
      fc.assert(
        fc.property(fc.string({ unit: "binary" }), (text) => {
          const { log, lines } = capture({ format });
          log("info", text, { text });
          assert.match(lines[0] as string, /^[^\p{Cc}\u2028\u2029]*\n$/u);
          if (format === "json") JSON.parse(lines[0] as string);
        }),
        { numRuns: 500 },
      );
    });
  }

  it("is still to be read", () => {
    const { log, lines } = capture();
    log("info", "ä\u001b[31m€ \u2028");
    assert.equal(lines[0], "2026-01-02T03:04:05.678Z info ä\\x1b[31m€ \\u{2028}\n");
  });
});

describe("a logger", () => {
  it("takes the place of a service's log", () => {
    const { log, lines } = capture();
    const serviceLog: ServiceLog = log;
    serviceLog("alarm", "x");
    assert.equal(lines.length, 1);
  });

  it("gives the time of each event", () => {
    let now = TIME;
    const { log, lines } = capture({ now: () => now });
    log("info", "a");
    now += 1001;
    log("info", "b");
    assert.ok(lines[1]?.startsWith("2026-01-02T03:04:06.679Z "));
  });
});
