import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseFromList, type Wish } from "../../src/check/choose.ts";
import type { Limits } from "../../src/check/limits.ts";
import { familyBaseOf, newerMajors } from "../../src/check/majors.ts";
import { isRetracted, NO_RETRACTIONS, type Retractions, readRetractions } from "../../src/check/retractions.ts";
import { isVersionQuery, selectVersion } from "../../src/check/select.ts";
import { judgeToolchain, readGoVersion } from "../../src/check/toolchain.ts";
import { hashGoMod, retractionsOf } from "../../src/go/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { computeSyntheticGoModHash } from "../../src/vindex/module-value.ts";
import type { VersionEntry } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { parseH1 } from "../../src/vindex/record.ts";
import { parseGoVersion, type ToolchainItem } from "../../src/vindex/toolchain-value.ts";
import { parseVersion } from "../../src/vindex/version.ts";

/** The rules as functions of what was proven, on invented data. */

function entries(...versions: string[]): VersionEntry[] {
  const hash = new Uint8Array(32).fill(1);
  return versions.map((version, logIndex) => ({ version, logIndex, zipHash: hash, goModHash: hash }));
}

function version(text: string): NonNullable<ReturnType<typeof parseVersion>> {
  const parsed = parseVersion(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

const wish = (more: Partial<Wish>): Wish => ({
  current: undefined,
  query: undefined,
  isPatchOnly: false,
  withPre: false,
  ...more,
});
const limits = (more: Partial<Limits> = {}): Limits => ({
  path: "example.com/x",
  excluded: new Set(),
  retractions: NO_RETRACTIONS,
  cooldown: undefined,
  ...more,
});

/** Retractions as `readRetractions` makes them of a go.mod with these lines. */
async function retractions(...lines: string[]): Promise<Retractions> {
  const text = encodeUtf8(`module example.com/x\n\n${lines.map((line) => `retract ${line}\n`).join("")}`);
  const goModHash = parseH1(hashGoMod(text)) as Uint8Array;
  const asker = { proveRecord: async () => {}, fetchGoMod: async () => text };
  const record = { path: "example.com/x", version: "v9.0.0", zipHash: goModHash, goModHash, logIndex: 0 };
  return readRetractions(asker, record, nodeSha256);
}

test("ranges of retractions, joined, take back exactly what each of them does", async () => {
  const lists = [
    ["v1.0.0"],
    ["[v1.0.0, v1.2.0]", "v1.1.0", "[v1.1.5, v1.3.0]"],
    ["[v1.5.0, v1.2.0]"],
    ["[v0.0.0-0, v0.9.9]", "v2.0.0+incompatible"],
    ["[nonsense, v1.0.0]"],
    ["[v1.0.0, nonsense]"],
    ["v1.0.0-rc.1", "[v1.0.0-rc.3, v1.0.0]"],
    ["[v1.0.0, v1.0.0]", "[v1.0.1, v1.0.1]"],
  ];
  const versions = [
    ...["v0.0.0-20200101000000-0123456789ab", "v0.9.9", "v1.0.0-rc.1", "v1.0.0-rc.2", "v1.0.0-rc.3", "v1.0.0"],
    ...["v1.0.1", "v1.1.0", "v1.2.0", "v1.2.9", "v1.3.0", "v1.3.1", "v1.5.0", "v2.0.0+incompatible", "v3.0.0"],
  ];
  for (const list of lists) {
    const taken = await retractions(...list);
    for (const text of versions) {
      assert.equal(isRetracted(taken, text), retractionsOf(taken, text).length > 0, `${list.join()} ${text}`);
    }
  }
});

test("of a version that is in the list twice the first record counts", () => {
  const list = [...entries("v1.0.0", "v1.1.0"), { ...(entries("v1.1.0")[0] as VersionEntry), logIndex: 99 }];
  const chosen = chooseFromList("example.com/x", list, wish({ current: version("v1.0.0") }), limits(), nodeSha256);
  assert.equal(chosen.choice?.entry.logIndex, 1);
});

test("nothing lower than the version in use is ever chosen, whatever speaks against the others", () => {
  const list = entries("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0-rc.1");
  for (const text of ["v1.2.0", "v1.3.0-rc.1", "v1.3.0-rc.2", "v1.2.1-0.20240102030405-0123456789ab", "v9.9.9"]) {
    for (const more of [{}, { isPatchOnly: true }]) {
      const { choice } = chooseFromList(
        "example.com/x",
        list,
        wish({ current: version(text), ...more }),
        limits({ excluded: new Set(["v1.2.0"]) }),
        nodeSha256,
      );
      assert.ok(choice === undefined || choice.version.text === "v1.3.0-rc.1", `${text} ${choice?.version.text}`);
    }
  }
});

test("an empty list gives nothing, and says that the version in use is not in it", () => {
  const chosen = chooseFromList("example.com/x", [], wish({ current: version("v1.0.0") }), limits(), nodeSha256);
  assert.deepEqual(chosen, { choice: undefined, nextBest: undefined, withheld: [], isListed: false });
});

test("in place of a version that was taken back stands the latest of what is left, and what must wait is said", async () => {
  const next = async (used: string, retract: string[], list: string[], more: object = {}): Promise<string[]> => {
    const head = { atLeast: 7, publicSince: 1, sumdbSize: 3 };
    const { withOld = false, ...rest } = more as { withOld?: boolean };
    const bound = limits({
      retractions: await retractions(...retract),
      cooldown: withOld ? { seconds: 7, text: "7s", head } : undefined,
    });
    const wished = wish({ current: version(used), ...rest });
    const chosen = chooseFromList("example.com/x", entries(...list), wished, bound, nodeSha256);
    assert.ok(chosen.nextBest === undefined || chosen.choice === undefined);
    return [chosen.nextBest?.version.text ?? "none", ...chosen.withheld.map((one) => `${one.version} ${one.reason}`)];
  };
  const some = ["v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1", "v1.3.0-rc.1"];
  assert.deepEqual(await next("v1.2.1", ["v1.2.1"], some), ["v1.2.0"]);
  assert.deepEqual(await next("v1.2.1", ["[v1.2.0, v1.2.1]"], some), ["v1.1.0"]);
  // Something newer is offered: no next best beside it.
  assert.deepEqual(await next("v1.1.0", ["v1.1.0"], some), ["none"]);
  assert.deepEqual(await next("v1.2.1", ["v1.2.1"], some, { isPatchOnly: true }), ["v1.2.0"]);
  assert.deepEqual(await next("v1.2.1", ["[v1.2.0, v1.2.1]"], some, { isPatchOnly: true }), ["none"]);
  // All releases were taken back: a pre-release is what the go command's latest selects then.
  assert.deepEqual(await next("v1.2.1", ["[v1.0.0, v1.2.1]"], some), ["v1.3.0-rc.1"]);
  assert.deepEqual(await next("v1.2.1", ["[v1.0.0, v1.3.0]"], some), ["none"]);
  // Never a commit, whatever its time.
  const commit = "v1.3.1-0.20300102030405-0123456789ab";
  assert.deepEqual(await next("v1.0.0", ["v1.0.0"], ["v1.0.0", commit]), ["none"]);
  // Too young by its record, though lower.
  const late = ["v1.1.0", "v1.0.0", "v0.8.0", "v0.9.0"];
  assert.deepEqual(await next("v1.1.0", ["v1.1.0"], late, { withOld: true }), ["v1.0.0"]);
  const younger = ["v1.1.0", "v0.8.0", "v1.0.0", "v1.0.1"];
  assert.deepEqual(await next("v1.1.0", ["v1.1.0"], younger, { withOld: true }), ["v1.0.0", "v1.0.1 young"]);
  // +incompatible counts only without a compatible version that has a go.mod.
  const mixed = ["v1.0.0", "v2.0.0+incompatible", "v3.0.0+incompatible"];
  assert.deepEqual(await next("v3.0.0+incompatible", ["v3.0.0+incompatible"], mixed), ["v1.0.0"]);
});

test("a cooldown without a head withholds all, with one says what is too young", () => {
  const list = entries("v1.0.0", "v1.1.0", "v1.2.0");
  const at = (sumdbSize: number | undefined): string[] => {
    const head = sumdbSize === undefined ? undefined : { atLeast: 7, publicSince: 1, sumdbSize };
    const { choice, withheld } = chooseFromList(
      "example.com/x",
      list,
      wish({ current: version("v1.0.0") }),
      limits({ cooldown: { seconds: 7, text: "7s", head } }),
      nodeSha256,
    );
    return [choice?.version.text ?? "none", ...withheld.map((one) => `${one.version} ${one.reason}`)];
  };
  assert.deepEqual(at(undefined), ["none", "v1.2.0 undated"]);
  assert.deepEqual(at(0), ["none", "v1.2.0 young"]);
  assert.deepEqual(at(2), ["v1.1.0", "v1.2.0 young"]);
  assert.deepEqual(at(3), ["v1.2.0"]);
});

test("a pseudo-version is never chosen while there is a tag, even one that is too young, taken back or excluded", () => {
  const pseudo = "v1.2.1-0.20991231000000-eeeeeeeeeeee";
  const list = entries(pseudo, "v1.2.0");
  const head = { atLeast: 7, publicSince: 1, sumdbSize: 1 };
  const bounds = [limits({ cooldown: { seconds: 7, text: "7s", head } }), limits({ excluded: new Set(["v1.2.0"]) })];
  const inUse = [undefined, "v1.0.0", "v1.1.1-0.20181028125025-b2ce2384e17b"];
  for (const bound of bounds) {
    for (const current of inUse) {
      for (const more of [{}, { isPatchOnly: true }, { withPre: true }]) {
        const wanted = wish({ current: current === undefined ? undefined : version(current), ...more });
        const chosen = chooseFromList("example.com/x", list, wanted, bound, nodeSha256);
        assert.equal(chosen.choice, undefined, `${current} ${JSON.stringify(more)}`);
      }
    }
  }
});

test("what is a query that needs no version in use, and what is not", () => {
  for (const query of ["latest", "upgrade", "v1", "v1.4", "v1.4.2", "<v1.5.0", "<=v1.4.2", ">v1.4.0", ">=v1"]) {
    assert.ok(isVersionQuery(query), query);
  }
  for (const query of [
    "",
    "patch",
    "master",
    "v",
    "1.4",
    "v01",
    "<",
    "<v",
    "<=v1.4",
    "v1.x",
    "\u001b[2J",
    "v1 ",
    "@v1",
  ]) {
    assert.ok(!isVersionQuery(query), JSON.stringify(query));
  }
});

test("with pre-releases the highest tag is selected, by the rule for +incompatible all the same", () => {
  const path = "example.com/x";
  const hashes = { plain: new Uint8Array(32).fill(1), none: computeSyntheticGoModHash(path, nodeSha256) };
  const list = (goModHash: Uint8Array): VersionEntry[] =>
    entries("v1.0.0", "v1.1.0-rc.1", "v2.0.0+incompatible").map((entry) => ({ ...entry, goModHash }));
  const select = (of: VersionEntry[], current?: string): string | undefined =>
    selectVersion(
      path,
      of,
      { current: current === undefined ? undefined : version(current), withPre: true },
      nodeSha256,
    );
  assert.equal(select(list(hashes.plain)), "v1.1.0-rc.1");
  assert.equal(select(list(hashes.none)), "v2.0.0+incompatible");
  assert.equal(select(list(hashes.plain), "v2.0.0+incompatible"), "v2.0.0+incompatible");
});

const ITEMS: ToolchainItem[] = (
  [
    ["go1.25.3", "cur"],
    ["go1.24.9", "prev"],
    ["go1.26rc2", "next"],
  ] as const
).map(([text, kind], logIndex) => ({ version: parseGoVersion(text) as ToolchainItem["version"], kind, logIndex }));

test("Go versions against the newest: releases, candidates, old minors, what vendors add, what is no release", () => {
  const judge = (text: string, options = {}): string => {
    const verdict = judgeToolchain(text, ITEMS, options);
    if (verdict.status === "outdated") return `${verdict.step} ${verdict.item.version.text}`;
    return verdict.status;
  };
  const cases: readonly (readonly [string, string, object?])[] = [
    ["go1.25.3", "current"],
    ["go1.25.1", "patch go1.25.3"],
    ["go1.24.9", "minor go1.25.3"],
    ["go1.24.9", "current", { isPatchOnly: true }],
    ["go1.24.1", "patch go1.24.9", { isPatchOnly: true }],
    ["go1.20.1", "current", { isPatchOnly: true }],
    ["go1.20", "minor go1.25.3"],
    ["go1.13beta1", "minor go1.25.3"],
    ["go1.26rc1", "pre go1.26rc2"],
    ["go1.26rc2", "current"],
    ["go1.26rc3", "ahead"],
    ["go1.27.0", "ahead"],
    ["go1.25.3", "pre go1.26rc2", { withPre: true }],
    ["go1.25rc1", "patch go1.25.3"],
    ["go1.25.1 X:nodwarf5", "patch go1.25.3"],
    ["go1.25.1-custom", "patch go1.25.3"],
    ["go1.25.1 (Red Hat 1.25.1-1.el9)", "patch go1.25.3"],
    ["go1.25-20250209-RC00 cl/724970549 +ff27d270c9 X:fieldtrack", "unreadable"],
    ["devel go1.26-abcdef Mon", "unreadable"],
    ["", "unreadable"],
    ["go2.0.0", "unreadable"],
    ["go1.025", "unreadable"],
    [`go1.${"9".repeat(5000)}`, "unreadable"],
    ["\u001b[31mgo1.25.1", "unreadable"],
  ];
  for (const [text, expected, options] of cases) assert.equal(judge(text, options), expected, text);
  assert.equal(readGoVersion("1.25.1")?.text, "go1.25.1");
});

test("the family of a path, and which of its members are newer majors", () => {
  assert.equal(familyBaseOf("example.com/x"), "example.com/x");
  assert.equal(familyBaseOf("example.com/x/v12"), "example.com/x");
  assert.equal(familyBaseOf("gopkg.in/yaml.v2"), "gopkg.in/yaml");
  assert.equal(familyBaseOf("gopkg.in/yaml.v2-unstable"), undefined);
  const items = [
    ["example.com/x/v4", "v4.0.0-20240102030405-0123456789ab"],
    ["example.com/x/v3", "v3.0.0-rc.1"],
    ["example.com/x/v2", "v2.1.0"],
    ["example.com/x", "v5.0.0+incompatible"],
  ].map(([path = "", text = ""], logIndex) => ({ path, major: undefined, version: version(text), logIndex }));
  const newer = (path: string, current: string, withPre = false): string[] =>
    newerMajors(path, version(current), items, withPre).map(({ version }) => version.text);
  assert.deepEqual(newer("example.com/x", "v1.0.0"), ["v2.1.0"]);
  assert.deepEqual(newer("example.com/x", "v1.0.0", true), ["v3.0.0-rc.1", "v2.1.0"]);
  assert.deepEqual(newer("example.com/x/v2", "v2.0.0"), ["v5.0.0+incompatible"]);
  assert.deepEqual(newer("example.com/x", "v2.0.0+incompatible"), ["v2.1.0"]);
  assert.deepEqual(newer("example.com/x/v9", "v9.0.0"), []);
});
