import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { Report } from "../../src/check/result.ts";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { notesOf } from "../../src/cli/check-notes.ts";
import { CheckScene, line, type RunOptions, resultOf, versions } from "./scene.ts";

/** What a check says of ages without a network, by the heads that checks before it kept (spec/check.md §5, spec/client.md §10). */

const HOUR = 3600;
const DAY = 24 * HOUR;
const WEEK = { seconds: 7 * DAY, text: "7d" };
const LIST = ["example.com/a@v1.0.0", "example.com/fresh@v0.1.0", "example.com/quiet@v1.0.0"];
let scene: CheckScene;
let folder: string;
before(async () => {
  scene = await CheckScene.make({
    old: [
      ...versions("example.com/a", "v1.0.0", "v1.1.0", "v1.2.0"),
      ...versions("example.com/fresh", "v0.1.0"),
      ...versions("example.com/quiet", "v1.0.0"),
    ],
    young: [...versions("example.com/a", "v1.3.0"), ...versions("example.com/fresh", "v0.2.0")],
  });
});
after(() => scene.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "proofdns-offline-"));
  return () => rmSync(folder, { recursive: true });
});

const DATED: RunOptions = { cooldown: WEEK, withAges: true };

async function check(more: RunOptions = {}): Promise<Report> {
  return scene.list(LIST, { folder, ...DATED, ...more });
}

const offline = (more: RunOptions = {}): Promise<Report> => check({ isOffline: true, ...more });

const shown = ({ modules }: Report): unknown[] =>
  modules.map((result) => [
    line(result),
    result.age,
    result.offered?.isRecordProven,
    result.withheld.map(({ version, reason }) => `${version} ${reason}`),
    notesOf(result),
  ]);

function keptFiles(end: string): string[] {
  const [log = ""] = readdirSync(join(folder, "cache"));
  return readdirSync(join(folder, "cache", log))
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, "cache", log, name));
}

const ageFiles = (): string[] => keptFiles(".head");

test("a check with a cooldown and ages says the same without a network, and asks nobody", async () => {
  const online = await check();
  const again = await offline();
  assert.deepEqual(scene.asked, []);
  assert.deepEqual(shown(again), shown(online));
  assert.equal(line(resultOf(again, "example.com/a")), "outdated minor v1.2.0");
  assert.equal(exitCodeOfReport(again), exitCodeOfReport(online));
  assert.deepEqual(again.asOf, online.asOf);
});

test("a clock that goes on makes nothing older without a network: the head that proved the time does not", async () => {
  const online = await check();
  const now = scene.now + 20 * HOUR;
  const later = await offline({ now });
  assert.deepEqual(shown(later), shown(online), "v1.3.0 is not a week old, whatever the clock says");
});

test("without a kept head every age is unknown: all is withheld, and it is said what to do", async () => {
  await scene.list(LIST, { folder, withAges: false });
  const report = await offline();
  assert.deepEqual(scene.asked, []);
  const { withheld, age } = resultOf(report, "example.com/fresh");
  assert.deepEqual([withheld[0]?.reason, age], ["undated", undefined]);
  assert.match(withheld[0]?.detail ?? "", /no head is kept that is 7d old: check once without --offline/);
  assert.equal(exitCodeOfReport(report), 2);
});

test("where answers are kept and no head is remembered that is said, and not that freshness is not proven", async () => {
  await check();
  rmSync(join(folder, "state"), { recursive: true });
  const report = await offline({ ...DATED, cooldown: WEEK });
  const { withheld } = resultOf(report, "example.com/fresh");
  assert.equal(withheld[0]?.detail, "age unknown: no head is remembered that proves what time it is");
  assert.doesNotMatch(JSON.stringify([report.remarks, withheld]), /freshness is not proven/);
  const plain = await offline({ ...DATED, cooldown: undefined });
  assert.match(plain.remarks.join(), /ages unknown: no head is remembered that proves what time it is; /);
});

test("a version that is old enough is withheld where its record is not kept", async () => {
  const online = await scene.list(["example.com/a@v1.2.0"], { folder, ...DATED });
  assert.deepEqual(online.modules.map(line), ["withheld"]);
  const report = await offline({ cooldown: WEEK });
  const { withheld, offered } = resultOf(report, "example.com/a");
  assert.deepEqual([offered, withheld.at(-1)?.reason], [undefined, "unproven"]);
  assert.equal(exitCodeOfReport(report), 2);
});

test("a version whose record is kept is withheld where nothing kept connects it with the head that dates it", async () => {
  await check();
  const files = keptFiles(".sumdb");
  assert.ok(files.length > 0);
  const expected = shown(await offline());
  for (const change of [
    (text: string) => text.replace(/^./, (first) => (first === "A" ? "B" : "A")),
    (text: string) => text.slice(0, -20),
    () => "",
    undefined,
  ]) {
    const honest = files.map((file) => readFileSync(file, "utf8"));
    for (const [i, file] of files.entries()) {
      if (change === undefined) rmSync(file);
      else writeFileSync(file, change(honest[i] as string));
    }
    const report = await offline();
    const { offered, withheld, errors } = resultOf(report, "example.com/a");
    assert.deepEqual([offered, withheld.at(-1)?.reason], [undefined, "unproven"]);
    assert.match(errors[0]?.message ?? "", /is kept; run this once without --offline, which keeps it$/);
    assert.equal(exitCodeOfReport(report), 2);
    for (const [i, file] of files.entries()) writeFileSync(file, honest[i] as string);
    assert.deepEqual(shown(await offline()), expected);
  }
});

test("one file of an extension with a size that is no exact number is as if it were not there", async () => {
  await check();
  const expected = shown(await offline());
  for (const file of keptFiles(".sumdb")) {
    const [older = "", , payload = ""] = readFileSync(file, "utf8").split("\n");
    const newer = Buffer.alloc(32, 7);
    const id = createHash("sha256").update(Buffer.from(older, "base64")).update(newer).digest("hex").slice(0, 32);
    const name = file.replace(/\.\d+\.[0-9a-f]{32}\.sumdb$/, `.9007199254740994.${id}.sumdb`);
    assert.notEqual(name, file);
    writeFileSync(name, `${older}\n${newer.toString("base64")}\n${payload}\n`);
  }
  assert.deepEqual(shown(await offline()), expected);
});

test("an earlier head that is kept dates what it covers, and calls nothing else too young", async () => {
  await check();
  // Asked for a head of three hours later, by which v1.3.0 was public, there is only that of a week ago.
  const report = await offline({ cooldown: { seconds: WEEK.seconds - 3 * HOUR, text: "165h" } });
  const a = resultOf(report, "example.com/a");
  assert.equal(line(a), "outdated minor v1.2.0", "what it covers was public then, and so a week ago");
  assert.deepEqual(
    a.withheld.map(({ reason }) => reason),
    ["undated"],
  );
  const fresh = resultOf(report, "example.com/fresh");
  assert.match(
    fresh.withheld[0]?.detail ?? "",
    /the kept heads are too old to tell if it is 165h old: check once without/,
  );
  assert.equal(exitCodeOfReport(report), 2);
});

test("an hour more or less is none: what the head of the hour before does not cover is too young", async () => {
  const online = await check();
  const report = await offline({ cooldown: { seconds: WEEK.seconds - HOUR, text: "167h" } });
  assert.deepEqual(report.modules.map(line), online.modules.map(line));
  assert.equal(resultOf(report, "example.com/fresh").withheld[0]?.reason, "young");
  assert.equal(exitCodeOfReport(report), exitCodeOfReport(online));
});

test("a later head that nothing connects with a record hides no earlier one that something does", async () => {
  await check();
  const day = { seconds: DAY, text: "1d" };
  const spoilt = await offline({ cooldown: day });
  const a = resultOf(spoilt, "example.com/a");
  // The head of a day ago covers v1.3.0, whose record is not kept: without that head v1.2.0 is offered by the one of a week ago.
  assert.equal(line(a), "outdated minor v1.2.0");
  assert.deepEqual([a.age?.isProven, a.withheld.at(-1)?.reason, a.errors], [true, "undated", []]);
  const fresh = resultOf(spoilt, "example.com/fresh");
  assert.deepEqual([fresh.status, fresh.withheld.at(-1)?.reason], ["withheld", "unproven"]);
  for (const file of keptFiles(".sumdb")) rmSync(file);
  const bare = resultOf(await offline({ cooldown: day }), "example.com/a");
  assert.deepEqual([bare.offered, bare.withheld.at(-1)?.reason], [undefined, "unproven"]);
});

test("a head that is kept for a later time than asked dates nothing", async () => {
  await check();
  for (const file of ageFiles()) {
    const time = Number(/t(\d+)\.head$/.exec(file)?.[1]);
    renameSync(file, file.replace(String(time), String(time + 100 * DAY)));
  }
  const report = await offline();
  assert.deepEqual(
    report.modules.map(({ age }) => age),
    [undefined, undefined, undefined],
  );
  assert.equal(resultOf(report, "example.com/fresh").withheld[0]?.reason, "undated");
});

test("a kept head that was changed, cut or emptied dates nothing, wherever it was changed", async () => {
  await check();
  const files = ageFiles();
  const honest = files.map((file) => readFileSync(file, "utf8"));
  const expected = shown(await offline());
  const length = Math.max(...honest.map((text) => text.length));
  for (let at = 0; at < length; at += 37) {
    for (const [i, file] of files.entries()) {
      const text = honest[i] as string;
      const to = text[at] === "A" ? "B" : "A";
      writeFileSync(file, text.slice(0, at) + to + text.slice(at + 1));
    }
    const report = await offline();
    // A signature that does not hold dates nothing; one of a key that is in no policy is not looked at.
    if (JSON.stringify(shown(report)) === JSON.stringify(expected)) continue;
    assert.equal(resultOf(report, "example.com/fresh").withheld[0]?.reason, "undated", `at ${at}`);
    assert.equal(exitCodeOfReport(report), 2);
  }
  for (const content of ["", "x", "AAAA", "\u0000".repeat(100), honest[0]?.slice(0, 200) ?? ""]) {
    for (const file of files) writeFileSync(file, content);
    assert.equal(exitCodeOfReport(await offline()), 2);
  }
});

test("without a remembered head nothing proves the time, and no kept head dates anything", async () => {
  await check();
  rmSync(join(folder, "state"), { recursive: true });
  const report = await offline();
  assert.deepEqual(
    report.modules.map(({ age }) => age),
    [undefined, undefined, undefined],
  );
  assert.equal(exitCodeOfReport(report), 2);
});
