import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ageOf, provenNow, readAge, timeOfAge } from "../../src/check/ages.ts";
import type { ModuleResult, Report } from "../../src/check/result.ts";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { formatGoGet } from "../../src/cli/check-go-get.ts";
import { reportToJson } from "../../src/cli/check-json.ts";
import { notesOf, shownLatest } from "../../src/cli/check-notes.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { hide, tamper } from "../attack/liars.ts";
import { CheckScene, line, resultOf, versions, versionsWith } from "./scene.ts";

/** Ages and `--cooldown`, against a log of which some records are older than a week and some are not. */

const WEEK = { seconds: 7 * 86_400, text: "7d" };
let scene: CheckScene;
before(async () => {
  scene = await CheckScene.make({
    old: [
      ...versions("example.com/a", "v1.0.0", "v1.1.0", "v1.2.0"),
      ...versions("example.com/late", "v1.1.0"),
      ...versions("example.com/fresh", "v0.1.0"),
      ...versions("example.com/quiet", "v1.0.0"),
      ...versions("example.com/fam", "v1.0.0"),
      ...versions("example.com/fam/v2", "v2.0.0"),
      ...versions("golang.org/toolchain", "v0.0.1-go1.24.3.linux-amd64", "v0.0.1-go1.23.9.linux-amd64"),
    ],
    young: [
      ...versions("example.com/a", "v1.3.0"),
      // Lower than what is old, and newer all the same.
      ...versions("example.com/late", "v1.0.0"),
      ...versions("example.com/fresh", "v0.2.0"),
      ...versions("example.com/fam/v2", "v2.1.0"),
      ...versions("example.com/fam/v3", "v3.0.0"),
      ...versions("golang.org/toolchain", "v0.0.1-go1.24.4.linux-amd64"),
    ],
  });
});
after(() => scene.close());

const withheldOf = ({ withheld }: ModuleResult): string[] => withheld.map((one) => `${one.version} ${one.reason}`);

test("a version that is too young is withheld, and an older one offered that the record proves", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"], { cooldown: WEEK });
  const result = resultOf(report, "example.com/a");
  assert.equal(line(result), "outdated minor v1.2.0");
  assert.deepEqual(withheldOf(result), ["v1.3.0 young"]);
  assert.deepEqual(
    [result.offered?.isRecordProven, result.age?.isProven, result.age?.atLeast],
    [true, true, WEEK.seconds],
  );
  // One head for all, and one record for what is offered.
  assert.equal(scene.asked.filter((name) => name.startsWith("t")).length, 1);
  assert.equal(scene.asked.filter((name) => name.endsWith("_record")).length, 1);
  assert.equal(exitCodeOfReport(report), 1);
});

test("where only young versions are newer everything is withheld, which is nothing to act upon", async () => {
  const report = await scene.list(["example.com/fresh@v0.1.0"], { cooldown: WEEK });
  const result = resultOf(report, "example.com/fresh");
  assert.deepEqual([line(result), ...withheldOf(result)], ["withheld", "v0.2.0 young"]);
  assert.equal(exitCodeOfReport(report), 0);
});

test("the record of a version that is in use already is not asked for", async () => {
  const report = await scene.list(["example.com/a@v1.2.0", "example.com/quiet@v1.0.0"], { cooldown: WEEK });
  assert.deepEqual(report.modules.map(line), ["withheld", "current"]);
  assert.deepEqual(
    scene.asked.filter((name) => name.endsWith("_record")),
    [],
  );
});

test("a version is as old as its record, not as its number", async () => {
  const report = await scene.list(["example.com/late@latest"], { cooldown: WEEK });
  assert.equal(line(resultOf(report, "example.com/late")), "latest v1.1.0");
});

test("without a head so old every age is unknown: all is withheld, and the check is incomplete", async () => {
  const report = await scene.list(["example.com/a@v1.0.0", "example.com/quiet@v1.0.0"], {
    cooldown: { seconds: 400 * 86_400, text: "400d" },
  });
  assert.deepEqual(report.modules.map(line), ["withheld", "current"]);
  assert.deepEqual(withheldOf(resultOf(report, "example.com/a")), ["v1.3.0 undated"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("a head that is hidden withholds everything", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) => hide(honest, /^t[0-9]+\._head/),
  });
  assert.deepEqual(report.modules.map(line), ["withheld"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("a head that was tampered with withholds everything, and fails the check", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) =>
      tamper(honest, /^t[0-9]+\._head/, (payload) => payload.map((b, i) => (i === 40 ? b ^ 1 : b))),
  });
  assert.deepEqual(report.modules.map(line), ["withheld"]);
  assert.match(report.modules[0]?.withheld[0]?.detail ?? "", /^age unknown: what would tell it could not be checked$/);
  assert.equal(report.failures.length, 1);
  assert.equal(exitCodeOfReport(report), 3);
});

test("a record without a proof is withheld: its index is only claimed", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) => hide(honest, /_record$/),
  });
  const result = resultOf(report, "example.com/a");
  assert.deepEqual([line(result), ...withheldOf(result)], ["withheld", "v1.3.0 young", "v1.2.0 unproven"]);
  assert.equal(exitCodeOfReport(report), 2);
});

const questionsOf = (service: string): string[] => scene.asked.filter((name) => name.endsWith(service));

test("a record that is not proven to be in the older head is withheld, and an extension that fails is an error", async () => {
  const hidden = await scene.list(["example.com/a@v1.0.0", "example.com/quiet@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) => hide(honest, /_sumdb$/),
  });
  const result = resultOf(hidden, "example.com/a");
  assert.deepEqual([line(result), ...withheldOf(result)], ["withheld", "v1.3.0 young", "v1.2.0 unproven"]);
  assert.equal(
    result.withheld[1]?.detail,
    "the record is not proven to be in the older head, so its age is only claimed",
  );
  assert.equal(exitCodeOfReport(hidden), 2);
  const forged = await scene.list(["example.com/a@v1.0.0", "example.com/quiet@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) => tamper(honest, /_sumdb$/, (payload) => payload.map((b, i) => (i === 5 ? b ^ 1 : b))),
  });
  assert.deepEqual(forged.modules.map(line), ["error", "current"]);
  assert.equal(resultOf(forged, "example.com/a").errors[0]?.code, "SUMDB_EXTENSION_NOT_PROVEN");
  assert.equal(exitCodeOfReport(forged), 3);
});

test("an age is proven by one question for the head that it is by, and none is asked where none is proven", async () => {
  const lines = ["example.com/a@v1.0.0", "example.com/quiet@v0.1.0", "example.com/fam@v0.1.0"];
  const report = await scene.list(lines, { cooldown: WEEK, withAges: true });
  assert.deepEqual(
    report.modules.map(({ age, offered }) => [age?.isProven, age?.atLeast, offered?.isRecordProven]),
    [
      [true, WEEK.seconds, true],
      [true, WEEK.seconds, true],
      [true, WEEK.seconds, true],
    ],
  );
  assert.deepEqual(
    [questionsOf("_sumdb").length, questionsOf("_record").length, questionsOf("_head").length],
    [1, 3, 5],
  );
  const claimed = await scene.list(lines, { withAges: true });
  assert.deepEqual(
    claimed.modules.map(({ age }) => age?.isProven),
    [false, false, false],
  );
  assert.deepEqual([questionsOf("_sumdb"), questionsOf("_record"), questionsOf("_head").length], [[], [], 5]);
});

test("the age of a record that was proven for another reason is claimed without the extension, and fails with a false one", async () => {
  const list = ["example.com/quiet@v1.0.0"];
  const options = { withRetractions: true, withAges: true };
  const honest = await scene.list(list, options);
  assert.deepEqual([honest.modules[0]?.age?.isProven, questionsOf("_sumdb").length], [true, 1]);
  // The head of a day ago has the newest tree, which needs no proof.
  const day = await scene.list(list, { ...options, transport: (server) => hide(server, /_sumdb$/) });
  assert.deepEqual([day.modules[0]?.age?.isProven, day.modules[0]?.age?.atLeast], [true, 86_400]);
  const names = new RegExp(`_sumdb$|^t${timeOfAge(scene.now, 86_400)}\\._head$`);
  const hidden = await scene.list(list, { ...options, transport: (server) => hide(server, names) });
  const { latest, age } = resultOf(hidden, "example.com/quiet");
  assert.deepEqual([latest?.isRecordProven, age?.isProven, age?.atLeast], [true, false, WEEK.seconds]);
  assert.equal(exitCodeOfReport(hidden), 0);
  assert.match(JSON.stringify([...reportToJson(hidden, 0, false)][0]), /"age":\{[^}]*"proven":false\}/);
  const forged = await scene.list(list, {
    ...options,
    transport: (server) => tamper(server, /_sumdb$/, (payload) => payload.map((b, i) => (i === 5 ? b ^ 1 : b))),
  });
  assert.deepEqual([forged.modules[0]?.age?.atLeast, exitCodeOfReport(forged)], [86_400, 3]);
  assert.equal(forged.failures[0]?.code, "SUMDB_EXTENSION_NOT_PROVEN");
});

test("a record whose proof fails is an error of its module, and nothing of it is offered", async () => {
  const report = await scene.list(["example.com/a@v1.0.0", "example.com/quiet@v1.0.0"], {
    cooldown: WEEK,
    transport: (honest) => tamper(honest, /_record$/, (payload) => payload.map((b, i) => (i === 5 ? b ^ 1 : b))),
  });
  assert.deepEqual(report.modules.map(line), ["error", "current"]);
  assert.equal(resultOf(report, "example.com/a").errors[0]?.code, "BAD_RECORD_PROOF");
  assert.equal(exitCodeOfReport(report), 3);
});

test("a newer major must be old enough too: then the highest that is, at its highest old version", async () => {
  const report = await scene.list(["example.com/fam@v1.0.0"], { cooldown: WEEK, withMajors: true });
  const result = resultOf(report, "example.com/fam");
  assert.equal(line(result), "newer-major major example.com/fam/v2@v2.0.0");
  assert.equal(result.newerMajor?.isRecordProven, true);
  assert.deepEqual(withheldOf(result), ["v3.0.0 young", "v2.1.0 young"]);
});

test("where a newer major is all there is, and too young, the module is withheld and not current", async () => {
  const report = await scene.list(["example.com/fam/v2@v2.0.0"], { cooldown: WEEK, withMajors: true });
  const result = resultOf(report, "example.com/fam/v2");
  assert.deepEqual([line(result), ...withheldOf(result)], ["withheld", "v2.1.0 young", "v3.0.0 young"]);
  assert.equal(exitCodeOfReport(report), 0);
});

test("ages are claimed unless the record is proven, and asked by four heads for all modules", async () => {
  const report = await scene.list(["example.com/a@v1.0.0", "example.com/quiet@v1.0.0", "example.com/fresh@v0.1.0"], {
    withAges: true,
  });
  assert.deepEqual(resultOf(report, "example.com/quiet").age, {
    atLeast: WEEK.seconds,
    publicSince: resultOf(report, "example.com/quiet").age?.publicSince,
    isProven: false,
  });
  assert.equal(resultOf(report, "example.com/fresh").age?.atLeast, 86_400);
  assert.equal(scene.asked.filter((name) => /^t[0-9]+\._head$/.test(name)).length, 4);
});

test("without ages no old head is asked", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"]);
  assert.equal(resultOf(report, "example.com/a").age, undefined);
  assert.deepEqual(
    scene.asked.filter((name) => name.startsWith("t")),
    [],
  );
});

test("old heads that cannot be had leave ages out and change no verdict", async () => {
  const report = await scene.list(["example.com/a@v1.3.0"], {
    withAges: true,
    transport: (honest) => hide(honest, /^t[0-9]+\._head/),
  });
  assert.deepEqual([report.modules.map(line), report.modules[0]?.age], [["current"], undefined]);
  assert.equal(exitCodeOfReport(report), 0);
});

test("an old head that was forged fails the check, whatever it was asked for", async () => {
  const report = await scene.list(["example.com/a@v1.3.0"], {
    withAges: true,
    transport: (honest) =>
      tamper(honest, /^t[0-9]+\._head/, (payload) => payload.map((b, i) => (i === 40 ? b ^ 1 : b))),
  });
  assert.equal(report.modules[0]?.age, undefined);
  assert.equal(exitCodeOfReport(report), 3);
});

test("what a query selects is withheld, and not unmatched, where no proof of its age is to be had", async () => {
  for (const hidden of [/_sumdb$/, /_record$/]) {
    const transport = (honest: Parameters<typeof hide>[0]): ReturnType<typeof hide> => hide(honest, hidden);
    const report = await scene.list(["example.com/a@latest"], { cooldown: WEEK, transport });
    const { status, offered, withheld } = resultOf(report, "example.com/a");
    assert.deepEqual([status, offered, withheld.at(-1)?.reason], ["withheld", undefined, "unproven"]);
    assert.equal(exitCodeOfReport(report), 2);
  }
});

test("offline nothing is asked for ages or cooldown, and what has no date is withheld", async () => {
  const report = await scene.list(["example.com/a@v1.0.0"], { cooldown: WEEK, withAges: true, isOffline: true });
  assert.deepEqual(
    scene.asked.filter((name) => name.startsWith("t") || name.endsWith("_record")),
    [],
  );
  // The answer cache of this test is empty.
  assert.equal(exitCodeOfReport(report), 2);
});

test("the toolchain of a binary waits like a module, and its record proves its age", async () => {
  const build = JSON.stringify({
    GoVersion: "go1.23.8",
    Path: "example.com/a",
    Main: { Path: "example.com/a", Version: "v1.3.0", Sum: `h1:${"A".repeat(43)}=` },
  });
  const young = (await scene.list([build])).toolchains[0];
  assert.deepEqual([young?.status, young?.offered, young?.step], ["outdated", "go1.24.4", "minor"]);
  const old = await scene.list([build], { cooldown: WEEK });
  const [result] = old.toolchains;
  // go1.24.3 is old enough, and no longer in the value: what it lists is go1.24.4 and go1.23.9.
  assert.deepEqual([result?.status, result?.offered, result?.step], ["outdated", "go1.23.9", "patch"]);
  assert.deepEqual(
    result?.withheld.map(({ version, reason }) => `${version} ${reason}`),
    ["go1.24.4 young"],
  );
});

test("ages are asked for whole hours, and never for a time before the epoch of Unix", () => {
  assert.equal(timeOfAge(1_700_003_599 + 86_400, 86_400), 1_700_002_800);
  assert.equal(timeOfAge(1_700_002_800, 86_400) % 3600, 0);
  assert.equal(timeOfAge(1000, 10 ** 12), 0);
});

test("the time that dates is the proven one where this machine's clock is ahead of it, and none without freshness", () => {
  assert.equal(provenNow(1_700_000_000, 1_699_999_940), 1_700_000_000);
  // Behind, within what a clock may be wrong.
  assert.equal(provenNow(1_700_000_000, 1_700_000_200), 1_700_000_000);
  assert.equal(provenNow(1_700_000_000 + 82_000, 1_700_000_000), 1_700_000_300);
  assert.equal(provenNow(1_700_000_000, 0), undefined);
});

test("a clock that is ahead makes nothing older: the proven time must have passed too", async () => {
  // v1.3.0 is a week old within half an hour, and the newest head was cosigned a minute ago.
  for (const [days, offered] of [
    [WEEK, "outdated minor v1.2.0"],
    [{ seconds: WEEK.seconds - 2000, text: "166h" }, "outdated minor v1.3.0"],
  ] as const) {
    for (const ahead of [0, 82_000]) {
      const report = await scene.list(["example.com/a@v1.0.0"], {
        cooldown: days,
        withAges: true,
        now: scene.now + ahead,
      });
      assert.equal(line(resultOf(report, "example.com/a")), offered, `${days.text}, ${ahead} s ahead`);
    }
  }
});

test("without a proven time no head is asked, and every age is unknown", async () => {
  assert.equal(await readAge(() => assert.fail("asked"), undefined, 86_400), undefined);
});

test("of several heads the oldest that covers a record dates it", () => {
  const heads = [
    { atLeast: 30, publicSince: 1, sumdbSize: 10 },
    { atLeast: 7, publicSince: 2, sumdbSize: 20 },
  ];
  assert.equal(ageOf(heads, 9)?.atLeast, 30);
  assert.equal(ageOf(heads, 10)?.atLeast, 7);
  assert.equal(ageOf(heads, 20), undefined);
});

/** `--retractions`: only an authenticated go.mod of the highest version takes anything back. */
let taken: CheckScene;
before(async () => {
  taken = await CheckScene.make({
    old: [
      ...versionsWith("example.com/own", ["v1.0.0", "v1.1.0", "v1.2.0"], {
        "v1.2.0": "module example.com/own\n\n// published by mistake\nretract [v1.1.0, v1.2.0]\n",
      }),
      // Only the highest counts: what v1.0.0 takes back is forgotten.
      ...versionsWith("example.com/early", ["v1.0.0", "v1.1.0"], {
        "v1.0.0": "module example.com/early\n\nretract v1.1.0\n",
      }),
      ...versionsWith(
        "example.com/all",
        ["v2.0.0", "v2.0.1"].map((v) => v.replace("v2", "v1")),
        {
          "v1.0.1": "module example.com/all\n\nretract [v0.0.0, v1.0.1] // use another one\n",
        },
      ),
      ...versionsWith("example.com/gone", ["v1.0.0", "v1.5.0"], {
        "v1.5.0": "// Deprecated: use example.com/next instead.\nmodule example.com/gone\n",
      }),
      ...versionsWith("example.com/hostile", ["v1.0.0", "v1.1.0"], {
        "v1.1.0": "module example.com/hostile\n\nretract v1.1.0 // \u001b[31mred\u001b[0m\u202e\n",
      }),
      ...versionsWith("example.com/broken", ["v1.0.0", "v1.1.0"], {
        "v1.1.0": "module example.com/broken\n\nretract (\n\tv1.1.0\n",
      }),
      { path: "example.com/plain", version: "v1.0.0" },
      ...versions("example.com/fam", "v1.0.0"),
      ...versions("example.com/fam/v2", "v2.0.0"),
      ...versionsWith("example.com/fam/v3", ["v3.0.0"], {
        "v3.0.0": "module example.com/fam/v3\n\nretract [v3.0.0, v3.99.0]\n",
      }),
    ],
  });
});
after(() => taken.close());

const on = { withRetractions: true };

test("the next best version is offered in place of what the highest one takes back", async () => {
  const report = await taken.list(["example.com/own@v1.0.0"], on);
  const result = resultOf(report, "example.com/own");
  assert.deepEqual([line(result), result.latest?.version], ["current", "v1.2.0"]);
  assert.deepEqual(result.withheld, [
    {
      path: "example.com/own",
      version: "v1.2.0",
      reason: "retracted",
      detail: "retracted: published by mistake",
    },
  ]);
  assert.equal(exitCodeOfReport(report), 0);
});

test("with --patch-only a latest that was taken back is said to be, and not shown as what there is to go to", async () => {
  const shownOf = (report: Report, path: string): unknown[] => {
    const result = resultOf(report, path);
    return [result.status, shownLatest(result), ...notesOf(result)];
  };
  const patch = { ...on, isPatchOnly: true };
  const own = "v1.2.0 is retracted: published by mistake";
  assert.deepEqual(shownOf(await taken.list(["example.com/own@v1.0.0"], patch), "example.com/own"), [
    "current",
    "v1.0.0",
    own,
    "nothing newer in v1.0.x",
  ]);
  const report = await taken.list(
    ["example.com/own@v1.1.0", "example.com/all@v1.0.0", "example.com/own@v1.9.0"],
    patch,
  );
  assert.deepEqual(
    report.modules.map((result) => [result.status, shownLatest(result), ...notesOf(result)]),
    [
      [
        "retracted",
        "-",
        "v1.0.0 is retracted: use another one",
        "v1.0.1 is retracted: use another one",
        "no version of v1.0.x is left to go to",
      ],
      ["retracted", "-", "v1.1.0 is retracted: published by mistake", own, "no version of v1.1.x is left to go to"],
      ["unlisted", "-", "v1.9.0 is not in the checksum database", own],
    ],
  );
  assert.deepEqual(report.modules[1]?.withheld.length, 1);
});

test("without --retractions nothing is fetched, and the same module is outdated", async () => {
  taken.fetched.length = 0;
  const report = await taken.list(["example.com/own@v1.0.0"]);
  assert.equal(line(resultOf(report, "example.com/own")), "outdated minor v1.2.0");
  assert.deepEqual(taken.fetched, []);
});

test("a version in use that was taken back is said, even where nothing is left to offer", async () => {
  const report = await taken.list(["example.com/own@v1.2.0", "example.com/all@v1.0.0"], on);
  const own = resultOf(report, "example.com/own");
  assert.deepEqual([line(own), own.retracted], ["retracted", "published by mistake"]);
  const all = resultOf(report, "example.com/all");
  assert.deepEqual([line(all), all.retracted], ["retracted", "use another one"]);
  assert.deepEqual([all.nextBest, all.notes], [undefined, ["no other version of it is left to go to"]]);
  assert.equal(exitCodeOfReport(report), 1);
});

test("the next best in place of a version that was taken back may be lower: it is named, and never offered", async () => {
  const report = await taken.list(["example.com/own@v1.2.0"], on);
  const { offered, step, nextBest } = resultOf(report, "example.com/own");
  assert.deepEqual(
    [offered, step, nextBest?.version, nextBest?.isRecordProven],
    [undefined, undefined, "v1.0.0", false],
  );
  assert.ok(formatGoGet(report).every((command) => command.startsWith("#")));
  const [json] = reportToJson(report, 1, false);
  assert.deepEqual(json?.["nextBest"], {
    module: "example.com/own",
    version: "v1.0.0",
    kind: "release",
    index: nextBest?.logIndex,
    provenBy: "map",
  });
  assert.ok(notesOf(resultOf(report, "example.com/own")).includes("next best: v1.0.0, which is lower"));
});

test("what is excluded, of another minor with --patch-only, or too young, is not the next best", async () => {
  const require = "module m\n\nrequire example.com/own v1.2.0\n\nexclude example.com/own v1.0.0\n";
  assert.equal(resultOf(await taken.goMod(require, on), "example.com/own").nextBest, undefined);
  const patch = await taken.list(["example.com/own@v1.2.0"], { ...on, isPatchOnly: true });
  assert.equal(resultOf(patch, "example.com/own").nextBest, undefined);
  const old = resultOf(await taken.list(["example.com/own@v1.2.0"], { ...on, cooldown: WEEK }), "example.com/own");
  assert.deepEqual([line(old), old.nextBest?.version, old.nextBest?.isRecordProven], ["retracted", "v1.0.0", true]);
});

test("with a cooldown a record that cannot be proven is no next best, and one that fails is an error", async () => {
  const options = { ...on, cooldown: WEEK };
  const honest = resultOf(await taken.list(["example.com/own@v1.2.0"], options), "example.com/own");
  const name = new RegExp(`^${honest.nextBest?.logIndex}\\.[0-9]+\\._record$`);
  const hidden = await taken.list(["example.com/own@v1.2.0"], {
    ...options,
    transport: (server) => hide(server, name),
  });
  const unproven = resultOf(hidden, "example.com/own");
  assert.deepEqual([line(unproven), unproven.nextBest], ["retracted", undefined]);
  assert.ok(withheldOf(unproven).includes("v1.0.0 unproven"), String(withheldOf(unproven)));
  assert.equal(exitCodeOfReport(hidden), 2);
  const forged = await taken.list(["example.com/own@v1.2.0"], {
    ...options,
    transport: (server) => tamper(server, name, (payload) => payload.map((b, i) => (i === 5 ? b ^ 1 : b))),
  });
  const failed = resultOf(forged, "example.com/own");
  assert.deepEqual([line(failed), failed.nextBest, exitCodeOfReport(forged)], ["error", undefined, 3]);
});

test("that nobody looked for retractions is remarked once, where anything has a tag", async () => {
  const said = async (lines: string[], options: object = {}): Promise<number> =>
    (await taken.list(lines, options)).remarks.filter((remark) => remark.includes("--retractions")).length;
  assert.equal(await said(["example.com/own@v1.0.0", "example.com/early@v1.0.0", "example.com/none@v1.0.0"]), 1);
  assert.equal(await said(["example.com/own@v1.0.0"], on), 0);
  assert.equal(await said(["example.com/none@v1.0.0"]), 0);
  assert.equal(await said([]), 0);
});

test("only the go.mod of the highest version counts, which is fetched once and nothing else", async () => {
  taken.fetched.length = 0;
  const report = await taken.list(["example.com/early@v1.0.0", "example.com/early@v1.1.0"], on);
  assert.deepEqual(report.modules.map(line), ["outdated minor v1.1.0", "current"]);
  assert.deepEqual(taken.fetched, ["example.com/early@v1.1.0"]);
});

test("a deprecated module is said to be, and is otherwise what it is", async () => {
  const report = await taken.list(["example.com/gone@v1.5.0"], on);
  const result = resultOf(report, "example.com/gone");
  assert.deepEqual([line(result), result.deprecated], ["current", "use example.com/next instead."]);
  assert.equal(exitCodeOfReport(report), 0);
});

test("a version that never had a go.mod takes nothing back, and nothing is fetched for it", async () => {
  taken.fetched.length = 0;
  const report = await taken.list(["example.com/plain@v1.0.0"], on);
  assert.deepEqual([report.modules.map(line), taken.fetched], [["current"], []]);
});

test("a major of which all was taken back is not offered; the one below it is", async () => {
  const report = await taken.list(["example.com/fam@v1.0.0"], { ...on, withMajors: true });
  const result = resultOf(report, "example.com/fam");
  assert.equal(line(result), "newer-major major example.com/fam/v2@v2.0.0");
  assert.deepEqual(
    result.withheld.map(({ path, version, reason }) => `${path} ${version} ${reason}`),
    ["example.com/fam/v3 v3.0.0 retracted"],
  );
});

test("refuses a go.mod whose hash is not the proven one: exit 3, and nothing is offered", async () => {
  const report = await taken.list(["example.com/own@v1.0.0", "example.com/plain@v1.0.0"], {
    ...on,
    fetchGoMod: async () => encodeUtf8("module example.com/own\n"),
  });
  const result = resultOf(report, "example.com/own");
  assert.deepEqual([line(result), result.errors[0]?.code], ["error", "BAD_CHECKSUM"]);
  assert.equal(line(resultOf(report, "example.com/plain")), "current");
  assert.equal(exitCodeOfReport(report), 3);
});

for (const [what, bytes] of [
  ["an empty file", new Uint8Array(0)],
  ["bytes that are no text", Uint8Array.of(0xff, 0xfe)],
  ["the file of another version", encodeUtf8("module example.com/own\n\ngo 1.21\n")],
  [
    "the right file with a line more",
    encodeUtf8("module example.com/own\n\n// published by mistake\nretract [v1.1.0, v1.2.0]\n\n"),
  ],
] as const) {
  test(`refuses ${what} in place of the go.mod`, async () => {
    const report = await taken.list(["example.com/own@v1.0.0"], { ...on, fetchGoMod: async () => bytes });
    assert.equal(report.modules[0]?.errors[0]?.code, "BAD_CHECKSUM");
  });
}

test("what cannot be fetched is not guessed: 2, and nothing is offered", async () => {
  const report = await taken.list(["example.com/own@v1.0.0"], {
    ...on,
    fetchGoMod: () => Promise.reject(new ProofdnsError("UNREACHABLE", "GOPROXY ends with off")),
  });
  const result = resultOf(report, "example.com/own");
  assert.deepEqual([line(result), result.latest?.version], ["error", "v1.2.0"]);
  assert.match(result.errors[0]?.message ?? "", /GOPROXY ends with off/);
  assert.equal(exitCodeOfReport(report), 2);
});

for (const [code, message, said] of [
  [
    "UNREACHABLE",
    "GOPROXY ends with off",
    "GOPROXY ends with off; so its retractions are unknown: set GOPROXY to a proxy that has it, or leave out --retractions",
  ],
  [
    "MALFORMED_INPUT",
    "HTTP_PROXY: no",
    "HTTP_PROXY: no; so its retractions are unknown: mend that, or leave out --retractions",
  ],
  [
    "NO_ANSWER",
    "run this online",
    "run this online, or leave out --retractions; until then its retractions are unknown",
  ],
] as const) {
  test(`says what to do next where a go.mod is not to be had: ${code}`, async () => {
    const report = await taken.list(["example.com/own@v1.0.0"], {
      ...on,
      fetchGoMod: () => Promise.reject(new ProofdnsError(code, message)),
    });
    assert.equal(report.modules[0]?.errors[0]?.message, said);
  });
}

test("an authentic go.mod that cannot be read is no reason to guess either", async () => {
  const report = await taken.list(["example.com/broken@v1.0.0"], on);
  assert.deepEqual([report.modules.map(line), exitCodeOfReport(report)], [["error"], 2]);
});

test("a record without a proof authenticates no go.mod: nothing is fetched", async () => {
  taken.fetched.length = 0;
  const report = await taken.list(["example.com/own@v1.0.0"], {
    ...on,
    transport: (honest) => hide(honest, /_record$/),
  });
  assert.deepEqual([report.modules.map(line), taken.fetched, exitCodeOfReport(report)], [["error"], [], 2]);
});

test("a record whose proof fails authenticates no go.mod: exit 3", async () => {
  const report = await taken.list(["example.com/own@v1.0.0"], {
    ...on,
    transport: (honest) => tamper(honest, /_record$/, (payload) => payload.map((b, i) => (i === 5 ? b ^ 1 : b))),
  });
  assert.deepEqual([report.modules.map(line), exitCodeOfReport(report)], [["error"], 3]);
});

test("what a rationale holds that a terminal would obey is left out", async () => {
  const report = await taken.list(["example.com/hostile@v1.1.0"], on);
  const { retracted } = resultOf(report, "example.com/hostile");
  assert.match(retracted ?? "", /left out/);
});

test("the list that the next best version comes from must be complete: without it there is none", async () => {
  const report = await taken.list(["example.com/own@v1.0.0"], {
    ...on,
    transport: (honest) => hide(honest, /_p0\._versions/),
  });
  assert.deepEqual([report.modules.map(line), exitCodeOfReport(report)], [["error"], 2]);
});
