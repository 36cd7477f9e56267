import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { selectProven } from "../../src/check/select.ts";
import { adjustExitCode, exitCodeOfModule, exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { denial, hide, lying, tamper } from "../attack/liars.ts";
import { CheckScene, line, resultOf, versions } from "./scene.ts";

/** Each module alone, against a real index of invented modules, and the exit code that it gives. */

let scene: CheckScene;
before(async () => {
  scene = await CheckScene.make({
    old: [
      ...versions("example.com/plain", "v1.0.0", "v1.0.1", "v1.1.0", "v1.2.0"),
      ...versions("example.com/inverted", "v1.3.0", "v1.10.0", "v1.9.9"),
      ...versions("example.com/pre", "v1.0.0", "v1.1.0-rc.1", "v1.1.0-rc.2"),
      ...versions("example.com/onlypre", "v0.1.0-alpha.1", "v0.1.0-alpha.2"),
      ...versions("example.com/untagged", "v0.0.0-20240102030405-0123456789ab", "v0.0.0-20230102030405-0123456789ab"),
      ...versions("example.com/mixed", "v1.0.0", "v1.0.1-0.20240102030405-0123456789ab", "v1.1.0"),
      ...versions(
        "example.com/forged",
        "v1.2.0",
        "v1.2.1-0.20181028125025-b2ce2384e17b",
        "v1.2.1-0.20991231000000-eeeeeeeeeeee",
      ),
      ...versions("example.com/compat", "v1.9.3", "v2.0.0+incompatible"),
      { path: "example.com/incompat", version: "v1.6.2" },
      { path: "example.com/incompat", version: "v28.5.2+incompatible" },
      ...versions("example.com/fam", "v1.4.0"),
      ...versions("example.com/fam/v2", "v2.1.0"),
      ...versions("example.com/fam/v3", "v3.0.0-20240102030405-0123456789ab"),
      ...versions("example.com/fam/v4", "v4.0.0-rc.1"),
      ...versions("example.com/gap", "v1.2.0"),
      ...versions("example.com/gap/v7", "v7.0.1"),
      { path: "example.com/old", version: "v5.0.0+incompatible" },
      ...versions("example.com/old/v2", "v2.0.0"),
      ...versions("gopkg.in/thing.v1", "v1.2.3"),
      ...versions("gopkg.in/thing.v2", "v2.0.1"),
    ],
  });
});
after(() => scene.close());

const CASES: readonly (readonly [named: string, expected: string, exitCode: number, options?: object])[] = [
  ["example.com/plain@v1.2.0", "current", 0],
  ["example.com/plain@v1.0.0", "outdated minor v1.2.0", 1],
  ["example.com/plain@v1.1.0", "outdated minor v1.2.0", 1],
  ["example.com/plain@v1.0.0", "outdated patch v1.0.1", 1, { isPatchOnly: true }],
  ["example.com/plain@v1.0.1", "current", 0, { isPatchOnly: true }],
  ["example.com/plain@v1.1.0", "current", 0, { isPatchOnly: true }],
  // The last record is not the highest version.
  ["example.com/inverted@v1.9.9", "outdated minor v1.10.0", 1],
  // A version that nobody has logged: above the latest, and below it.
  ["example.com/plain@v1.9.0", "unlisted", 1],
  ["example.com/plain@v1.2.1-rc.1", "unlisted", 1],
  ["example.com/plain@v0.9.0", "outdated major v1.2.0", 1],
  // Pre-releases are for those on one, and for --pre.
  ["example.com/pre@v1.0.0", "current", 0],
  ["example.com/pre@v1.0.0", "outdated pre v1.1.0-rc.2", 1, { withPre: true }],
  ["example.com/pre@v1.1.0-rc.1", "outdated pre v1.1.0-rc.2", 1],
  ["example.com/pre@v1.1.0-rc.2", "ahead", 0],
  ["example.com/plain@v1.2.0", "current", 0, { withPre: true }],
  ["example.com/onlypre@v0.1.0-alpha.1", "outdated pre v0.1.0-alpha.2", 1],
  ["example.com/onlypre@v0.1.0-alpha.2", "current", 0],
  // Untagged is never outdated, whatever commit is in use.
  ["example.com/untagged@v0.0.0-20230102030405-0123456789ab", "untagged", 1],
  ["example.com/untagged@v0.0.0-20240102030405-0123456789ab", "untagged", 1],
  ["example.com/untagged@v0.0.0-20990102030405-0123456789ab", "untagged", 1],
  ["example.com/untagged@v0.1.0", "unlisted", 1],
  ["example.com/mixed@v1.0.1-0.20240102030405-0123456789ab", "outdated minor v1.1.0", 1],
  // A pseudo-version is never an update: anybody can have one logged, with any time in it.
  ["example.com/forged@v1.2.1-0.20181028125025-b2ce2384e17b", "ahead", 0],
  ["example.com/forged@v1.2.1-0.20181028125025-b2ce2384e17b", "ahead", 0, { isPatchOnly: true }],
  ["example.com/forged@v1.2.1-0.20181028125025-b2ce2384e17b", "ahead", 0, { withPre: true }],
  ["example.com/forged@v1.2.1-0.20170101000000-0123456789ab", "unlisted", 1],
  ["example.com/forged@v1.1.1-0.20181028125025-b2ce2384e17b", "outdated minor v1.2.0", 1],
  ["example.com/forged@v1.2.0", "current", 0],
  ["example.com/forged@upgrade", "latest v1.2.0", 0],
  ["example.com/forged@>=v1.2.1", "unmatched", 1],
  // +incompatible counts only where the last compatible version has no go.mod.
  ["example.com/compat@v1.9.3", "current", 0],
  ["example.com/compat@v2.0.0+incompatible", "ahead", 0],
  ["example.com/incompat@v1.6.2", "outdated major v28.5.2+incompatible", 1],
  ["example.com/nowhere@v1.0.0", "absent", 1],
  // Newer majors: the highest with a tag, also over gaps, from +incompatible, and at gopkg.in.
  ["example.com/fam@v1.4.0", "current", 0],
  ["example.com/fam@v1.4.0", "newer-major major example.com/fam/v2@v2.1.0", 1, { withMajors: true }],
  ["example.com/fam@v1.4.0", "newer-major pre example.com/fam/v4@v4.0.0-rc.1", 1, { withMajors: true, withPre: true }],
  ["example.com/fam/v2@v2.1.0", "current", 0, { withMajors: true }],
  ["example.com/gap@v1.2.0", "newer-major major example.com/gap/v7@v7.0.1", 1, { withMajors: true }],
  ["example.com/old@v5.0.0+incompatible", "current", 0, { withMajors: true }],
  ["example.com/old/v2@v2.0.0", "newer-major major example.com/old@v5.0.0+incompatible", 1, { withMajors: true }],
  ["gopkg.in/thing.v1@v1.2.3", "newer-major major gopkg.in/thing.v2@v2.0.1", 1, { withMajors: true }],
  ["gopkg.in/thing.v2@v2.0.1", "current", 0, { withMajors: true }],
  ["gopkg.in/thing.v1-unstable@v1.0.0", "absent", 1, { withMajors: true }],
  ["example.com/plain@v1.0.0", "outdated minor v1.2.0", 1, { withMajors: true }],
  // Queries in place of a version in use.
  ["example.com/plain@latest", "latest v1.2.0", 0],
  ["example.com/plain@v1", "latest v1.2.0", 0],
  ["example.com/plain@v1.0", "latest v1.0.1", 0],
  ["example.com/plain@<v1.1.0", "latest v1.0.1", 0],
  ["example.com/plain@>=v1.0.1", "latest v1.0.1", 0],
  ["example.com/plain@v9", "unmatched", 1],
  ["example.com/pre@v1.1", "unmatched", 1],
  ["example.com/nowhere@v1", "absent", 1],
  ["example.com/untagged@latest", "untagged", 1],
];

for (const [named, expected, exitCode, options] of CASES) {
  test(`${named}${options === undefined ? "" : ` with ${JSON.stringify(options)}`} is ${expected}`, async () => {
    const report = await scene.list([named], options);
    const [result, ...others] = report.modules;
    assert.ok(result !== undefined && others.length === 0 && report.problems.length === 0);
    assert.equal(line(result), expected);
    assert.equal(exitCodeOfReport(report), exitCode);
  });
}

test("asks each module once, however often and at however many versions it is named", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0", "example.com/plain@v1.2.0", "example.com/plain@v1.0.0"]);
  assert.deepEqual(report.modules.map(line), ["outdated minor v1.2.0", "current"]);
  assert.equal(report.modules[0]?.item.places.length, 2);
  assert.deepEqual([...scene.asked].sort(), ["_head", "plain._.example.com"]);
});

test("asks nothing at all for private modules, and says how many there are", async () => {
  const goEnv = { GONOSUMDB: "example.com/plain,example.com/f*" };
  const report = await scene.list(["example.com/plain@v1.0.0", "example.com/fam/v2@v2.1.0", "example.com/pre@v1.0.0"], {
    goEnv,
    withMajors: true,
    withRetractions: true,
  });
  assert.deepEqual(report.skipped.map(({ name, reason }) => `${reason} ${name}`).sort(), [
    "private example.com/fam/v2",
    "private example.com/plain",
  ]);
  assert.deepEqual(
    scene.asked.filter((name) => /plain|fam/.test(name)),
    [],
  );
  assert.equal(exitCodeOfReport(report), 0);
});

test("asks nothing of anybody where GOSUMDB is off", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0"], { goEnv: { GOSUMDB: "off" }, withAges: true });
  assert.deepEqual(scene.asked, []);
  assert.deepEqual(
    report.skipped.map(({ reason, detail }) => `${reason}: ${detail}`),
    ["private: GOSUMDB=off, never sent"],
  );
  assert.equal(exitCodeOfReport(report), 2, "nothing was checked");
});

test("a private base path is not asked for the majors of a path that is not private", async () => {
  const report = await scene.list(["gopkg.in/thing.v1@v1.2.3"], {
    goEnv: { GONOSUMDB: "gopkg.in/thing" },
    withMajors: true,
  });
  assert.deepEqual(report.modules.map(line), ["current"]);
  assert.deepEqual(
    scene.asked.filter((name) => name.includes("_majors")),
    [],
  );
});

test("a newer major at a private path is not offered", async () => {
  const report = await scene.list(["example.com/fam@v1.4.0"], {
    goEnv: { GONOSUMDB: "example.com/fam/v2" },
    withMajors: true,
  });
  assert.deepEqual(report.modules.map(line), ["current"]);
});

test("one module that fails leaves the others proven, and the exit code is that of a failed proof", async () => {
  const report = await scene.list(["example.com/plain@v1.2.0", "example.com/pre@v1.0.0"], {
    transport: (honest) =>
      tamper(honest, /^plain\._/, (payload) => payload.map((byte, i) => (i === payload.length - 1 ? byte ^ 1 : byte))),
  });
  assert.equal(line(resultOf(report, "example.com/pre")), "current");
  const failed = resultOf(report, "example.com/plain");
  assert.deepEqual([failed.status, failed.latest, failed.offered], ["error", undefined, undefined]);
  assert.equal(failed.errors[0]?.code, "BAD_PROOF");
  assert.equal(exitCodeOfReport(report), 3);
});

test("one module that cannot be had gives 2, and wins over others that are outdated", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0", "example.com/pre@v1.0.0"], {
    transport: (honest) => hide(honest, /^pre\._/),
  });
  assert.equal(line(resultOf(report, "example.com/plain")), "outdated minor v1.2.0");
  assert.equal(resultOf(report, "example.com/pre").errors[0]?.code, "NO_ANSWER");
  assert.equal(exitCodeOfReport(report), 2);
});

test("a version list that cannot be had is no verdict: 2, and nothing is offered", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0"], {
    isPatchOnly: true,
    transport: (honest) => hide(honest, /_p0\._versions/),
  });
  assert.deepEqual(report.modules.map(line), ["error"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("majors that cannot be had make the module unchecked, and what was proven of it stays", async () => {
  const report = await scene.list(["example.com/fam@v1.4.0"], {
    withMajors: true,
    transport: (honest) => hide(honest, /_majors/),
  });
  const result = resultOf(report, "example.com/fam");
  assert.deepEqual([result.status, result.latest?.version], ["error", "v1.4.0"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("a server that answers for nothing gives an error a module and no verdict", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0", "example.com/pre@v1.0.0"], {
    transport: (honest) => lying(honest, () => denial()),
  });
  assert.deepEqual(report.modules.map(line), ["error", "error"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("what is interrupted is said not to be checked, and what was proven before stays", async () => {
  const controller = new AbortController();
  const report = await scene.list(["example.com/plain@v1.2.0", "example.com/pre@v1.0.0"], {
    signal: controller.signal,
    withAges: true,
    transport: (honest) => ({
      query: async (name, options) => {
        if (honest.asked.some((asked) => asked.startsWith("plain"))) controller.abort(new Error("Ctrl-C"));
        return honest.query(name, options);
      },
    }),
  });
  assert.ok(report.modules.some(({ status }) => status === "error"));
  for (const { status, errors } of report.modules) {
    if (status === "error") assert.match(errors[0]?.message ?? "", /interrupted/);
  }
  assert.equal(exitCodeOfReport(report), 2);
});

test("an exclude of the go.mod is honoured: the next best version is offered", async () => {
  const report = await scene.goMod(
    "module example.com/me\n\nrequire example.com/plain v1.0.0\n\nexclude example.com/plain v1.2.0\n",
  );
  const result = resultOf(report, "example.com/plain");
  assert.equal(line(result), "outdated minor v1.1.0");
  assert.deepEqual(
    result.withheld.map(({ version, reason }) => `${version} ${reason}`),
    ["v1.2.0 excluded"],
  );
});

test("a pseudo-version is not offered in place of tags that are excluded, nor to who uses none", async () => {
  const use = "v1.1.1-0.20181028125025-b2ce2384e17b";
  const report = await scene.goMod(
    `module example.com/me\n\nrequire example.com/forged ${use}\n\nexclude example.com/forged v1.2.0\n`,
  );
  assert.equal(line(resultOf(report, "example.com/forged")), "unlisted");
  const ahead = await scene.list(["example.com/forged@v1.2.1-0.20181028125025-b2ce2384e17b"]);
  assert.match(resultOf(ahead, "example.com/forged").notes.join(), /ahead of every tag/);
});

test("only 1 is changed by --exit-code and --no-fail", () => {
  for (const code of [0, 2, 3]) assert.equal(adjustExitCode(code, { found: 9 }), code);
  assert.equal(adjustExitCode(1, { found: 9 }), 9);
  assert.equal(adjustExitCode(1, { found: 0 }), 0);
});

test("the exit code of a module that is withheld for want of a date is 2, and 0 if it is only young", async () => {
  const report = await scene.list(["example.com/plain@v1.0.0"]);
  const result = resultOf(report, "example.com/plain");
  const withheld = (reason: "young" | "undated" | "unproven") => ({
    ...result,
    status: "withheld" as const,
    withheld: [{ path: result.item.path, version: "v1.2.0", reason, detail: "" }],
  });
  assert.equal(exitCodeOfModule(withheld("young")), 0);
  assert.equal(exitCodeOfModule(withheld("undated")), 2);
  assert.equal(exitCodeOfModule(withheld("unproven")), 2);
});

test("version queries are answered from the proven list", async () => {
  const cases: readonly (readonly [path: string, query: string, expected: string | undefined])[] = [
    ["example.com/plain", "latest", "v1.2.0"],
    ["example.com/plain", "v1.0", "v1.0.1"],
    ["example.com/plain", "v1.1.0", "v1.1.0"],
    ["example.com/plain", "<v1.1.0", "v1.0.1"],
    ["example.com/plain", "v2", undefined],
    ["example.com/incompat", "v28", "v28.5.2+incompatible"],
    ["example.com/compat", "latest", "v1.9.3"],
  ];
  for (const [path, query, expected] of cases) {
    const { versions } = await scene.client().lookup({ kind: "module", path, withVersions: true });
    assert.ok(versions !== undefined);
    assert.equal(selectProven(path, versions, query)?.version, expected, `${path}@${query}`);
  }
  for (const query of ["master", "", "patch", "v1.2.x", "\u001b[2J"]) {
    assert.throws(() => selectProven("example.com/plain", [], query), { code: "MALFORMED_INPUT" }, query);
  }
});

test("a bug in what is asked is thrown, and is no verdict", async () => {
  const broken = scene.list(["example.com/plain@v1.2.0"], {
    transport: () => ({ query: () => Promise.reject(new TypeError("a bug")) }),
  });
  await assert.rejects(broken, /a bug/);
});
