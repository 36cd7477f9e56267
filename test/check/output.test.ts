import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckItem, Place, Skipped } from "../../src/check/item.ts";
import type { CheckStatus, ModuleResult, Report, ToolchainResult } from "../../src/check/result.ts";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { formatAnnotations, formatStepSummary } from "../../src/cli/check-github.ts";
import { formatGoGet } from "../../src/cli/check-go-get.ts";
import { formatJsonLine, reportToJson } from "../../src/cli/check-json.ts";
import { formatDays } from "../../src/cli/check-notes.ts";
import { whyUnchecked } from "../../src/cli/check-skipped.ts";
import { formatTable, type TableOptions } from "../../src/cli/check-table.ts";
import { Progress, readTerminal, widthOf, wrap } from "../../src/cli/check-terminal.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { parseVersion } from "../../src/vindex/version.ts";

/** How results are printed: tables, JSON lines, commands, annotations. The results are invented. */

interface Invented {
  readonly path?: string;
  readonly current?: string;
  readonly to?: string;
  readonly status?: CheckStatus;
  readonly isIndirect?: boolean;
  readonly places?: readonly Place[];
  readonly program?: string;
  readonly more?: Partial<ModuleResult>;
}

function moduleResult(invented: Invented = {}): ModuleResult {
  const {
    path = "example.com/x",
    current = "v1.0.0",
    to,
    status = to === undefined ? "current" : "outdated",
  } = invented;
  const item: CheckItem = {
    path,
    current: parseVersion(current),
    query: undefined,
    isIndirect: invented.isIndirect === true,
    program: invented.program,
    places: invented.places ?? [{ file: "go.mod", line: 7 }],
    excluded: new Set(),
  };
  const version = { path, version: to ?? current, kind: "release", logIndex: 9, isRecordProven: false } as const;
  return {
    item,
    status,
    latest: version,
    offered: to === undefined ? undefined : version,
    step: to === undefined ? undefined : "minor",
    newerMajor: undefined,
    nextBest: undefined,
    age: { atLeast: 90 * 86_400, publicSince: 1_700_000_000, isProven: false },
    withheld: [],
    retracted: undefined,
    deprecated: undefined,
    notes: [],
    errors: [],
    epoch: 3,
    ...invented.more,
  };
}

function reportOf(modules: readonly ModuleResult[], more: Partial<Report> = {}): Report {
  return {
    modules,
    toolchains: [],
    skipped: [],
    problems: [],
    remarks: [],
    goModFiles: ["go.mod"],
    failures: [],
    asOf: { epoch: 3, sumdbSize: 40, ageTime: 1_700_000_000 },
    ...more,
  };
}

const plain: TableOptions = {
  terminal: { hasColor: false, width: undefined },
  isOutdatedOnly: false,
  isQuiet: false,
  now: 1_700_000_060,
};
const skippedOf = (name: string, reason: Skipped["reason"]): Skipped => ({
  name,
  version: "v1.0.0",
  reason,
  detail: `because it is ${reason}`,
  isIndirect: false,
  places: [],
});
// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal would obey
const ESCAPE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const HOSTILE = "\u001b[2J\u001b]0;title\u0007\u202e\u0085a\nb|c`<script>::error::x%0A";

test("a table has a row for each module, direct ones first, and one line about it all", () => {
  const text = formatTable(
    reportOf([
      moduleResult({ path: "example.com/b", to: "v1.2.0" }),
      moduleResult({ path: "example.com/a", isIndirect: true }),
    ]),
    plain,
  );
  assert.equal(
    text,
    `MODULE         CURRENT  LATEST  STEP   AGE
# direct
example.com/b  v1.0.0   v1.2.0  minor  ≥90d claimed
# indirect
example.com/a  v1.0.0   v1.0.0         ≥90d claimed

2 modules: 1 current, 1 outdated; proven in epoch 3, 40 records, 60 s old
`,
  );
});

test("a module that stands there at several versions has a row for each, which says where", () => {
  const at = (file: string): Place => ({ file, line: 3 });
  const text = formatTable(
    reportOf([
      moduleResult({ current: "v0.9.0", to: "v1.0.0", places: [at("a/go.mod"), at("a/go.mod"), at("b/go.mod")] }),
      moduleResult({ places: ["c/go.mod", "d\u001b/go.mod", "e/go.mod"].map(at) }),
      moduleResult({ path: "example.com/once" }),
    ]),
    plain,
  );
  assert.match(text, /^example\.com\/x +v0\.9\.0 .* in a\/go\.mod, b\/go\.mod$/m);
  assert.match(text, /^example\.com\/x +v1\.0\.0 .* in c\/go\.mod and 2 more$/m);
  assert.doesNotMatch(text, /once.* in /);
  assert.ok(!text.includes("\u001b"));
});

test("a table off a terminal is never cut and has no colours, whatever is in it", () => {
  const long = `example.com/${"x".repeat(300)}`;
  const text = formatTable(reportOf([moduleResult({ path: long, to: "v1.2.0" })]), plain);
  assert.ok(text.includes(long));
  assert.ok(!ESCAPE.test(text));
});

test("a table on a terminal loses nothing: what does not fit stands below, and only a long word is wider", () => {
  const modules = [
    moduleResult({
      path: `example.com/${"x".repeat(200)}/v12`,
      to: "v1.2.0",
      more: { deprecated: "漢字 ".repeat(100).trim() },
    }),
    moduleResult({ path: "example.com/y", current: "v0.0.0-20240102030405-0123456789ab", to: "v1.10.0" }),
    moduleResult({
      path: "example.com/noted",
      to: "v1.2.0",
      more: { notes: ["a note of some length that would not stand beside the row on a terminal", "another"] },
    }),
  ];
  const report = reportOf(modules, {
    skipped: [skippedOf("example.com/replaced", "replaced")],
    remarks: ["a remark that is long enough to be broken into lines on a terminal of eighty columns or fewer of them"],
  });
  const wordsOf = (text: string): string => [...new Set(text.split(/[\s;]+/))].sort().join(" ");
  const whole = formatTable(report, plain);
  for (const width of [40, 60, 80, 100, 120, 1000]) {
    const text = formatTable(report, { ...plain, terminal: { hasColor: false, width } });
    for (const line of text.split("\n")) {
      const isOneWord = !line.trim().includes(" ");
      assert.ok(isOneWord || widthOf(line) <= width, `${width}: ${widthOf(line)} ${line}`);
    }
    const words = new Set(wordsOf(text).split(" "));
    for (const word of wordsOf(whole).split(" ")) {
      if (word !== "NOTES") assert.ok(words.has(word), `${width}: ${word}`);
    }
  }
});

test("a table on a terminal has columns for the rows that fit, and notes below the row or beside it", () => {
  const report = reportOf([
    moduleResult({ path: "example.com/short", to: "v1.2.0", more: { notes: ["one note", "and another one"] } }),
    moduleResult({
      path: "example.com/an/uncommonly/long/module/path",
      current: "v0.0.0-20240102030405-0123456789ab",
      to: "v1.2.0",
      more: { notes: ["long"] },
    }),
    moduleResult({ path: "example.com/b", to: "v1.2.0", more: { notes: ["short"] } }),
  ]);
  const text = formatTable(report, { ...plain, terminal: { hasColor: false, width: 64 } });
  assert.equal(
    text,
    `MODULE             CURRENT  LATEST  STEP   AGE           NOTES
example.com/short  v1.0.0   v1.2.0  minor  ≥90d claimed
    one note
    and another one
example.com/an/uncommonly/long/module/path
    v0.0.0-20240102030405-0123456789ab → v1.2.0  minor  ≥90d
    claimed
    long
example.com/b      v1.0.0   v1.2.0  minor  ≥90d claimed  short

3 modules: 3 outdated; proven in epoch 3, 40 records, 60 s old
`,
  );
});

test("the summary is wrapped and its age told in a unit that people read", () => {
  const terminal = { hasColor: false, width: 40 };
  const text = formatTable(reportOf([moduleResult()]), { ...plain, terminal, now: 1_700_093_617 });
  assert.ok(text.endsWith("\n1 module: 1 current; proven in epoch\n  3, 40 records, 26 h old\n"), text);
});

test("colours are only written where they are wanted, and end on each line", () => {
  const text = formatTable(reportOf([moduleResult({ to: "v1.2.0" })]), {
    ...plain,
    terminal: { hasColor: true, width: 100 },
  });
  const row = text.split("\n")[1] ?? "";
  assert.ok(row.startsWith("\u001b[33mexample.com/x ") && row.endsWith("\u001b[0m"), JSON.stringify(row));
});

test("--outdated and -q leave out what they say, and an empty table is no text", () => {
  const report = reportOf([moduleResult(), moduleResult({ path: "example.com/y", to: "v1.1.0" })]);
  const text = formatTable(report, { ...plain, isOutdatedOnly: true, isQuiet: true });
  assert.ok(!text.includes("example.com/x") && text.includes("example.com/y") && !text.includes("epoch"));
  assert.equal(formatTable(reportOf([moduleResult()]), { ...plain, isOutdatedOnly: true, isQuiet: true }), "");
});

test("private modules are counted and not named, all others that are not checked are named with their reason", () => {
  const text = formatTable(
    reportOf([], {
      skipped: [
        { ...skippedOf("corp.example/secret", "private"), detail: "private by a pattern, never sent" },
        { ...skippedOf("corp.example/other", "private"), detail: "private by a pattern, never sent" },
        skippedOf("example.com/r", "replaced"),
      ],
    }),
    plain,
  );
  assert.ok(!text.includes("secret"));
  assert.match(text, /^not checked: 2 modules: private by a pattern, never sent$/m);
  assert.match(text, /example\.com\/r v1\.0\.0: because it is replaced/);
});

test("a remark stands once in the table, in the summary line of JSON, and escaped in the step summary", () => {
  const report = reportOf([moduleResult()], { remarks: ["retractions <b>were</b> not looked at"] });
  assert.equal(formatTable(report, plain).split("note: retractions").length, 2);
  assert.ok(!formatTable(report, { ...plain, isQuiet: true }).includes("retractions"));
  assert.deepEqual(reportToJson(report, 0, false).at(-1)?.["remarks"], report.remarks);
  const summary = formatStepSummary(report, 1_700_000_060);
  assert.equal(summary.split("retractions").length, 2);
  assert.ok(!summary.includes("<b>"), summary);
  assert.deepEqual(formatGoGet(report), []);
});

test("freshness that nothing proves is said not to be proven", () => {
  const text = formatTable(reportOf([], { asOf: { epoch: 3, sumdbSize: 40, ageTime: 0 } }), plain);
  assert.match(text, /freshness not proven/);
});

test("nothing that a file or a server made up reaches a terminal as more than text", () => {
  const report = reportOf(
    [moduleResult({ more: { errors: [new ProofdnsError("NO_ANSWER", HOSTILE)], status: "error" } })],
    {
      skipped: [{ ...skippedOf(HOSTILE, "replaced"), version: HOSTILE, places: [{ file: HOSTILE, line: 1 }] }],
      problems: [
        { input: HOSTILE, place: { file: HOSTILE, line: 2 }, error: new ProofdnsError("MALFORMED_INPUT", HOSTILE) },
      ],
      toolchains: [toolchainResult({ current: HOSTILE })],
    },
  );
  assert.ok(!ESCAPE.test(formatTable(report, plain)), "table");
  for (const object of reportToJson(report, 2, false)) {
    const line = formatJsonLine(object);
    assert.ok(!ESCAPE.test(line) && !line.includes("\n"), "json");
    assert.doesNotThrow(() => JSON.parse(line));
  }
  for (const line of formatAnnotations(report, "/workspace")) {
    assert.ok(!ESCAPE.test(line) && !line.includes("\n"), line);
    assert.match(line, /^::(error|warning|notice) [^\n]*::/);
  }
  const summary = formatStepSummary(report, 1_700_000_060);
  assert.ok(!ESCAPE.test(summary) && !summary.includes("<script>"), summary);
});

function toolchainResult(more: { current?: string } & Partial<ToolchainResult> = {}): ToolchainResult {
  const { current = "go1.24.1", ...rest } = more;
  return {
    use: { current, kind: "built", places: [{ file: "bin/tool", line: undefined }] },
    status: "outdated",
    offered: "go1.24.4",
    step: "patch",
    age: undefined,
    withheld: [],
    notes: [],
    errors: [],
    ...rest,
  };
}

test("JSON lines: an object for each module with a schema version, and a summary last", () => {
  const lines = reportToJson(
    reportOf([moduleResult({ to: "v1.2.0" }), moduleResult({ path: "example.com/y" })], {
      toolchains: [toolchainResult()],
      skipped: [skippedOf("example.com/r", "replaced")],
    }),
    1,
    false,
  ).map((object) => JSON.parse(formatJsonLine(object)) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ schemaVersion, type, status }) => `${schemaVersion} ${type} ${status}`),
    ["1 module outdated", "1 module current", "1 toolchain outdated", "1 skipped skipped", "1 summary undefined"],
  );
  const [first] = lines;
  assert.deepEqual(
    [first?.["module"], first?.["current"], first?.["latest"], first?.["step"], first?.["direct"]],
    ["example.com/x", "v1.0.0", "v1.2.0", "minor", true],
  );
  assert.deepEqual(first?.["age"], { atLeast: 7_776_000, publicSince: 1_700_000_000, proven: false });
  const summary = lines.at(-1);
  assert.deepEqual(
    [summary?.["modules"], summary?.["statuses"], summary?.["exitCode"], summary?.["epoch"]],
    [2, { outdated: 1, current: 1 }, 1, 3],
  );
});

test("JSON has each failure once, however often it was met", () => {
  const failures = ["old", "old", "older", "old"].map((message) => new ProofdnsError("STALE", message));
  const [, summary] = reportToJson(reportOf([moduleResult()], { failures }), 3, false);
  assert.deepEqual(summary?.["errors"], [
    { code: "STALE", kind: "false", message: "old" },
    { code: "STALE", kind: "false", message: "older" },
  ]);
  assert.equal(formatAnnotations(reportOf([], { failures }), "/workspace").length, 2);
});

test("JSON of a report in which everything failed is valid, and a status of a hostile name does no harm", () => {
  const failed = moduleResult({
    path: "example.com/z",
    status: "error",
    more: { errors: [new ProofdnsError("STALE", "old")] },
  });
  const lines = reportToJson(reportOf([failed], { asOf: undefined }), 3, false);
  assert.deepEqual(JSON.parse(formatJsonLine(lines[0] ?? {}))["errors"], [
    { code: "STALE", kind: "false", message: "old" },
  ]);
});

const newerMajor = {
  path: "example.com/fam/v2",
  version: "v2.0.0",
  kind: "release",
  logIndex: 3,
  isRecordProven: false,
} as const;

test("commands: go get for modules, go install for programs, each once, newer majors as a comment", () => {
  const report = reportOf([
    moduleResult({ to: "v1.2.0" }),
    moduleResult({ to: "v1.2.0", current: "v0.9.0" }),
    moduleResult({ path: "example.com/current" }),
    moduleResult({ path: "example.com/tool", to: "v1.1.0", program: "example.com/tool/cmd/x", places: [binary] }),
    moduleResult({ path: "example.com/fam", status: "newer-major", more: { newerMajor } }),
    moduleResult({ path: "example.com/asked", to: "v1.3.0", places: [argument] }),
  ]);
  assert.deepEqual(formatGoGet(report), [
    "go get example.com/x@v1.2.0",
    "go install example.com/tool/cmd/x@v1.1.0",
    "# newer major: example.com/fam/v2@v2.0.0 (another import path than example.com/fam)",
    "go get example.com/asked@v1.3.0",
  ]);
});

const binary: Place = { file: "bin/tool", line: undefined };
const argument: Place = { file: "argument 1", line: undefined, from: { argument: 1 } };

test("commands: none of what a binary or a list of one is made of, whatever stands beside it", () => {
  const listed: Place = { file: "stdin", line: 3, from: "stdin" };
  const built = toolchainResult({ status: "current", offered: undefined });
  const made = ["# no command: 1 module that a binary is made of has something newer"];
  const dep = moduleResult({ to: "v1.2.0", isIndirect: true, places: [binary], more: { newerMajor } });
  assert.deepEqual(formatGoGet(reportOf([dep], { toolchains: [built] })), made);
  // More binaries than the places of a toolchain that are kept.
  assert.deepEqual(formatGoGet(reportOf([dep])), made);
  const list = moduleResult({ to: "v1.2.0", places: [listed] });
  assert.deepEqual(formatGoGet(reportOf([list])), ["go get example.com/x@v1.2.0"]);
  const ofStdin = { ...built, use: { ...built.use, places: [listed] } };
  assert.deepEqual(formatGoGet(reportOf([list], { toolchains: [ofStdin] })), made);
  const both = moduleResult({ to: "v1.2.0", places: [binary, { file: "go.mod", line: 3 }] });
  assert.deepEqual(formatGoGet(reportOf([both], { toolchains: [built] })), ["go get example.com/x@v1.2.0"]);
});

test("commands: a binary that no version installs is named in a comment of one line", () => {
  const skipped = { ...skippedOf(HOSTILE, "devel"), places: [{ file: HOSTILE, line: undefined }] };
  const lines = formatGoGet(reportOf([], { skipped: [skipped, { ...skipped, isIndirect: true, reason: "vendored" }] }));
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? "", /^# .*: no command renews it: .* is because it is devel$/);
  assert.match(lines[1] ?? "", /^# not checked: .*: because it is devel/);
  assert.ok(!ESCAPE.test(lines[0] ?? ""));
  const replaced = { ...skippedOf("example.com/r", "replaced"), places: [{ file: "go.mod", line: 4 }] };
  assert.deepEqual(formatGoGet(reportOf([], { skipped: [replaced] })), [
    "# not checked: example.com/r v1.0.0: because it is replaced (go.mod:4)",
  ]);
});

test("commands of a go.mod elsewhere go there first, in a folder that is quoted for a shell and no option of cd", () => {
  const files = ["a/go.mod", "it's $HOME/go.mod", "-P/go.mod", "../b/go.mod", "/c/go.mod", "go.mod", "./go.mod"];
  const places = files.map((file, i) => ({ file, line: i + 3 }));
  const report = reportOf([moduleResult({ to: "v1.2.0", places })], { goModFiles: files });
  assert.deepEqual(formatGoGet(report), [
    "(cd ./a && go get example.com/x@v1.2.0)",
    "(cd './it'\\''s $HOME' && go get example.com/x@v1.2.0)",
    "(cd ./-P && go get example.com/x@v1.2.0)",
    "(cd ../b && go get example.com/x@v1.2.0)",
    "(cd /c && go get example.com/x@v1.2.0)",
    "go get example.com/x@v1.2.0",
  ]);
});

test("what could not be checked gives no command, even where a version is known", () => {
  const result = moduleResult({ to: "v1.2.0", status: "error" });
  assert.deepEqual(formatGoGet(reportOf([{ ...result, offered: result.latest }])), [
    "# not checked: example.com/x v1.0.0",
  ]);
});

test("annotations of arguments and of standard input name no file", () => {
  const report = reportOf(
    [
      moduleResult({ to: "v1.2.0", places: [argument] }),
      moduleResult({ path: "example.com/y", to: "v1.2.0", places: [{ file: "stdin", line: 3, from: "stdin" }] }),
    ],
    {
      skipped: [skippedOf("nothing.txt", "no-build-info")],
      problems: ["-", "example.com/x@bad"].map((input) => ({
        input,
        place: undefined,
        error: new ProofdnsError("MALFORMED_INPUT", "no"),
      })),
    },
  );
  for (const line of formatAnnotations(report, process.cwd())) assert.match(line, /^::(error|warning) title=/);
});

test("annotations: file and line below the workspace, escaped, errors before warnings", () => {
  const report = reportOf(
    [
      moduleResult({ to: "v1.2.0", places: [{ file: `${process.cwd()}/sub/a,b:c%.mod`, line: 12 }] }),
      moduleResult({ path: "example.com/u", status: "untagged" }),
      moduleResult({ path: "example.com/ok" }),
      moduleResult({
        path: "example.com/e",
        status: "error",
        more: { errors: [new ProofdnsError("STALE", "50% old\nor so")] },
      }),
    ],
    { toolchains: [toolchainResult()] },
  );
  assert.deepEqual(formatAnnotations(report, process.cwd()), [
    "::error file=go.mod,line=7,title=example.com/e::STALE: 50%25 old\ufffdor so",
    "::warning file=sub/a%2Cb%3Ac%25.mod,line=12,title=example.com/x::v1.0.0 can go to v1.2.0 (minor, ≥90d claimed)",
    "::warning file=bin/tool,title=Go toolchain::go1.24.1: the newest is go1.24.4",
    "::notice file=go.mod,line=7,title=example.com/u::untagged: the module has no version of its own, only commits",
  ]);
});

test("a step summary has a row for what is not current, and no Markdown of others in it", () => {
  const text = formatStepSummary(
    reportOf([
      moduleResult({ to: "v1.2.0", more: { deprecated: "use [this](https://evil.example) | <b>now</b>" } }),
      moduleResult({ path: "example.com/ok" }),
    ]),
    1_700_000_060,
  );
  assert.equal(text.split("\n").filter((line) => line.startsWith("| ")).length, 3);
  assert.ok(!text.includes("](") && !text.includes("<b>") && !text.includes("example.com/ok"));
});

test("places: a file called as a stream is a file, and arguments and lists are none", () => {
  const places: Place[] = [
    { file: "stdin", line: 2 },
    { file: "stdin", line: 2, from: "stdin" },
    { file: "stdin", line: undefined, from: "stdin" },
    argument,
  ];
  const report = reportOf([moduleResult({ to: "v1.2.0", places })], { goModFiles: [] });
  assert.deepEqual(reportToJson(report, 1, false)[0]?.["places"], [
    { file: "stdin", line: 2 },
    { stdin: true, line: 2 },
    { stdin: true },
    { argument: 1 },
  ]);
  const named = formatAnnotations(report, process.cwd()).filter((line) => line.includes("file="));
  assert.deepEqual(named.length, 1);
});

const failedOf = (code: "STALE" | "FORK" | "NO_ANSWER", more: Invented = {}): ModuleResult =>
  moduleResult({ status: "error", more: { errors: [new ProofdnsError(code, "why")] }, ...more });

test("a summary calls failed what failed, and only what had no answer not checked", () => {
  const failed = [failedOf("STALE"), failedOf("FORK"), failedOf("NO_ANSWER")];
  const failures = [new ProofdnsError("FORK", "a fork"), new ProofdnsError("NO_ANSWER", "none")];
  const toolchains = [
    toolchainResult({ status: "error", offered: undefined, errors: [new ProofdnsError("STALE", "old")] }),
  ];
  const text = formatTable(reportOf(failed, { failures, toolchains }), plain);
  assert.match(
    text,
    /\n3 modules: 2 FAILED verification, 1 not checked; 1 Go version FAILED verification; 1 check of the log FAILED; 1 answer of the log missing; /,
  );
});

test("Go versions that count are counted beside the modules, in words and in JSON", () => {
  const unknown = toolchainResult({ status: "unknown", offered: undefined, step: undefined });
  const named = { ...unknown, use: { ...unknown.use, kind: "named" as const } };
  const report = reportOf([moduleResult()], { toolchains: [unknown, toolchainResult(), named] });
  assert.match(formatTable(report, plain), /\n1 module: 1 current; 1 Go version outdated, 1 Go version unknown; /);
  const summary = reportToJson(report, 1, false).at(-1);
  assert.deepEqual([summary?.["statuses"], summary?.["toolchains"]], [{ current: 1 }, { unknown: 1, outdated: 1 }]);
  assert.equal(exitCodeOfReport(report), 1);
});

test("nothing checked is no clean bill, whyever all of it was passed over", () => {
  const reasons: readonly Skipped["reason"][] = [
    "private",
    "ignored",
    "replaced",
    "main-module",
    "devel",
    "no-build-info",
  ];
  for (const reason of reasons) {
    const report = reportOf([], { skipped: [skippedOf("example.com/r", reason)] });
    assert.equal(exitCodeOfReport(report), 2, reason);
    assert.match(formatTable(report, plain), /\nnothing was checked; /, reason);
    assert.match(formatStepSummary(report, 0), /nothing was checked/, reason);
    assert.match(whyUnchecked(report).join("\n"), /^not checked: .*\nnothing was checked$/, reason);
    assert.equal(reportToJson(report, 2, false).at(-1)?.["nothingChecked"], true, reason);
    const withOne = reportOf([moduleResult()], { skipped: report.skipped });
    assert.equal(exitCodeOfReport(withOne), reason === "no-build-info" ? 2 : 0, reason);
    assert.equal(whyUnchecked(withOne).length, reason === "no-build-info" ? 1 : 0, reason);
  }
  for (const empty of [reportOf([]), reportOf([], { skipped: [skippedOf("example.com/w", "workspace")] })]) {
    assert.equal(exitCodeOfReport(empty), 0);
    assert.ok(!formatTable(empty, plain).includes("nothing was checked"));
    assert.ok(!("nothingChecked" in (reportToJson(empty, 0, false).at(-1) ?? {})));
  }
  const skipped = [skippedOf("example.com/main", "devel")];
  const readable = toolchainResult({ status: "current", offered: undefined });
  assert.equal(exitCodeOfReport(reportOf([], { skipped, toolchains: [readable] })), 0);
  const unreadable = { ...readable, status: "unreadable" as const };
  assert.equal(exitCodeOfReport(reportOf([], { skipped, toolchains: [unreadable] })), 2);
  const named = { ...readable, use: { ...readable.use, kind: "named" as const } };
  assert.equal(exitCodeOfReport(reportOf([], { skipped, toolchains: [named] })), 2);
});

test("a step summary has the Go versions, what was not checked, the remarks and what failed of the log", () => {
  const report = reportOf([], {
    toolchains: [
      toolchainResult({ status: "unknown", offered: undefined, notes: ["the index has no Go toolchains"] }),
      toolchainResult({ current: "go1.25.1", status: "current", offered: undefined }),
    ],
    skipped: [skippedOf("example.com/r", "replaced"), skippedOf("corp.example/secret", "private")],
    remarks: ["a remark"],
    failures: [new ProofdnsError("FORK", "two trees")],
  });
  const text = formatStepSummary(report, 1_700_000_060);
  assert.match(text, /^\| Go toolchain \| go1\.24\.1 \| &#45; \| .* in bin\/tool \|$/m);
  assert.ok(!text.includes("go1.25.1"));
  for (const said of [/example.com\/r v1.0.0: because it is replaced/, /1 module: /, /a remark/, /FORK: two trees/]) {
    assert.match(text, said);
  }
  assert.ok(!text.includes("secret"));
});

test("a step summary stays below the megabyte that the runner takes", () => {
  const deprecated = "|".repeat(2000);
  const modules = Array.from({ length: 1500 }, (_, i) =>
    moduleResult({ path: `example.com/${i}`, to: "v1.2.0", more: { deprecated } }),
  );
  const text = formatStepSummary(reportOf(modules, { remarks: [deprecated] }), 0);
  assert.ok(Buffer.byteLength(text) < 1_000_000, `${text.length}`);
  assert.ok(text.endsWith("\nMore is not shown.\n"));
});

test("commands leave nothing out in silence: what has none stands in comments behind them", () => {
  const absent = moduleResult({ path: "example.com/absent", status: "absent", more: { latest: undefined } });
  const lines = formatGoGet(
    reportOf([absent, moduleResult({ to: "v1.2.0" }), failedOf("STALE", { path: "example.com/old" })], {
      toolchains: [toolchainResult()],
      skipped: [skippedOf("corp.example/secret", "private"), skippedOf("example.com/r", "replaced")],
      problems: [{ input: "x", place: undefined, error: new ProofdnsError("MALFORMED_INPUT", "no x\nrm -rf /") }],
    }),
  );
  assert.deepEqual(lines, [
    "go get example.com/x@v1.2.0",
    "# no command: example.com/absent v1.0.0: not in the index: proven absent",
    "# FAILED: example.com/old v1.0.0: STALE: why",
    "# no command: toolchain go1.24.1: the newest is go1.24.4 (bin/tool)",
    "# not checked: no x\ufffdrm -rf /",
    "# not checked: example.com/r v1.0.0: because it is replaced",
    "# not checked: 1 module: because it is private",
  ]);
});

test("commands are comments, behind what failed, where a fork of the log was seen or its heads failed", () => {
  const places = [{ file: "a/go.mod", line: 3 }];
  const modules = [moduleResult({ to: "v1.2.0", places }), moduleResult({ path: "example.com/y", to: "v1.2.0" })];
  const goModFiles = ["go.mod", "a/go.mod"];
  for (const code of ["FORK", "SUMDB_FORK", "BAD_LOG_SIGNATURE"] as const) {
    const lines = formatGoGet(reportOf(modules, { goModFiles, failures: [new ProofdnsError(code, "no\nrm -rf /")] }));
    assert.deepEqual(lines, [
      `# FAILED: ${code}: no\ufffdrm -rf /`,
      "# no command below is to be run: what proved it failed itself",
      "# (cd ./a && go get example.com/x@v1.2.0)",
      "# go get example.com/y@v1.2.0",
    ]);
  }
  // Met only now, in the answer for another module.
  const seen = failedOf("FORK", { path: "example.com/z" });
  const lines = formatGoGet(reportOf([...modules, seen], { goModFiles }));
  assert.match(lines[0] ?? "", /^# FAILED: FORK: /);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith("# ")),
    [],
  );
  // That one module has no answer says nothing of the others.
  const unanswered = failedOf("NO_ANSWER", { path: "example.com/z" });
  assert.equal(
    formatGoGet(reportOf([...modules, unanswered], { goModFiles }))[0],
    "(cd ./a && go get example.com/x@v1.2.0)",
  );
});

test("commands: a folder with control characters in its name gets none, and the name is not printed as it is", () => {
  const files = ["esc\u001b[31mred/go.mod", "cr\rtouch PWN5/go.mod", "x\ntouch PWN1/go.mod", "\u202egnp/go.mod"];
  const places = files.map((file) => ({ file, line: 3 }));
  const report = reportOf([moduleResult({ to: "v1.2.0", places })], { goModFiles: files });
  const lines = formatGoGet(report);
  assert.equal(lines.length, 4);
  for (const line of lines) {
    assert.match(line, /^# no command: the folder .*\ufffd.* has control characters in its name: go get example\.com/);
    assert.ok(!ESCAPE.test(line) && !line.includes("\n"), JSON.stringify(line));
  }
});

test("a step summary says each failure of the log once, and makes no link nor formula of what others wrote", () => {
  const rationale = "see https://evil.example/a, WWW.evil.example, ftp://b and who@evil.example: $x$ costs $$y$$";
  const text = formatStepSummary(
    reportOf([moduleResult({ to: "v1.2.0", more: { retracted: rationale } })], {
      failures: [new ProofdnsError("FORK", "two trees"), new ProofdnsError("FORK", "two trees")],
      remarks: [rationale],
    }),
    0,
  );
  assert.equal(text.split("FORK: two trees").length, 2, text);
  assert.doesNotMatch(text, /:\/\/|www\.|@|&#64;[0-9a-z]/i);
  assert.doesNotMatch(text.replaceAll("<span>$</span>", ""), /\$/);
  assert.match(text, /https&#58;<!-- -->\/\/evil\.example/);
});

test("the latest that was taken back is not shown as what there is to go to", () => {
  const taken = {
    path: "example.com/x",
    version: "v1.0.1",
    kind: "release",
    logIndex: 4,
    isRecordProven: true,
  } as const;
  const cellOf = (more: Invented): string | undefined =>
    formatTable(reportOf([moduleResult(more)]), plain)
      .split("\n")[1]
      ?.split(/ {2,}/)[2];
  const best = { ...taken, version: "v1.0.0" };
  const inUse = { current: "v1.0.1", status: "retracted" } as const;
  assert.equal(cellOf({ ...inUse, more: { latest: taken, retracted: "oops", nextBest: best } }), "v1.0.0");
  assert.equal(cellOf({ ...inUse, more: { latest: taken, retracted: "oops" } }), "-");
  const withheld = [{ path: taken.path, version: taken.version, reason: "retracted", detail: "retracted" }] as const;
  assert.equal(cellOf({ current: "v1.0.0", more: { latest: taken, withheld } }), "v1.0.0");
  assert.equal(cellOf({ current: "v1.0.0", more: { latest: taken } }), "v1.0.1");
});

test("--outdated hides nothing that makes the exit code", () => {
  const withheld = [{ path: "example.com/x", version: "v1.3.0", reason: "undated", detail: "age unknown" }] as const;
  const report = reportOf([moduleResult({ status: "latest", more: { withheld } }), moduleResult({ status: "latest" })]);
  assert.equal(exitCodeOfReport(report), 2);
  assert.equal(reportToJson(report, 2, true).length, 2);
  assert.match(formatTable(report, { ...plain, isOutdatedOnly: true, isQuiet: true }), /age unknown/);
});

test("colours: the flag, then NO_COLOR, FORCE_COLOR, a dumb terminal, a terminal", () => {
  const tty = { isTTY: true, columns: 100 };
  assert.deepEqual(readTerminal(tty, {}), { hasColor: true, width: 100 });
  assert.deepEqual(readTerminal({}, {}), { hasColor: false, width: undefined });
  assert.equal(readTerminal(tty, { NO_COLOR: "1" }).hasColor, false);
  assert.equal(readTerminal(tty, { NO_COLOR: "" }).hasColor, true);
  assert.equal(readTerminal(tty, { TERM: "dumb" }).hasColor, false);
  assert.equal(readTerminal({}, { FORCE_COLOR: "1" }).hasColor, true);
  assert.equal(readTerminal({}, { FORCE_COLOR: "0" }).hasColor, false);
  assert.equal(readTerminal(tty, { FORCE_COLOR: "1", NO_COLOR: "1" }).hasColor, false);
  assert.equal(readTerminal(tty, { FORCE_COLOR: "1" }, false).hasColor, false);
  assert.equal(readTerminal({ isTTY: true, columns: 3 }, {}).width, 40);
});

test("progress is shown on a terminal only, never in CI, and taken away at the end", () => {
  const written: string[] = [];
  const tty = { isTTY: true, write: (text: string) => written.push(text) };
  const on = new Progress(tty, {}, false);
  on.show(1, 2, 1000);
  on.show(1, 2, 1001);
  on.show(2, 2, 1002);
  on.end();
  assert.deepEqual(written, ["\r[############------------] 1/2", "\r[########################] 2/2", "\r\u001b[K"]);
  written.length = 0;
  for (const [stream, env, isQuiet] of [
    [tty, { CI: "true" }, false],
    [tty, { TERM: "dumb" }, false],
    [tty, {}, true],
    [{ write: (text: string) => written.push(text) }, {}, false],
  ] as const) {
    const off = new Progress(stream, env, isQuiet);
    off.show(1, 2);
    off.end();
  }
  assert.deepEqual(written, []);
});

test("texts are broken at spaces, wide characters counted twice, and a long word is left whole", () => {
  assert.deepEqual(wrap("ab cd ef", 5), ["ab cd", "ef"]);
  assert.deepEqual(wrap("漢字 漢字 a", 6), ["漢字", "漢字 a"]);
  assert.deepEqual(wrap("a example.com/abcdefgh/v2 b", 12), ["a", "example.com/abcdefgh/v2", "b"]);
  assert.deepEqual([wrap("", 5), wrap("a  b", 5), wrap("abc  d", 4)], [[""], ["a  b"], ["abc", "d"]]);
  assert.deepEqual([7 * 86_400, 36 * 3600, 90 * 60, 5].map(formatDays), ["7d", "36h", "90m", "5s"]);
});
