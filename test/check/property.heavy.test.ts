import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseByValue, chooseFromList, type Wish } from "../../src/check/choose.ts";
import { type Limits, whyNot } from "../../src/check/limits.ts";
import { NO_RETRACTIONS } from "../../src/check/retractions.ts";
import { resolveVersionQuery } from "../../src/go/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { foldRecord, formatModuleState, type ModuleState } from "../../src/vindex/module-state.ts";
import { computeModuleValue, computeSyntheticGoModHash, parseModuleValue } from "../../src/vindex/module-value.ts";
import type { VersionEntry } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHashOf, makeRecord } from "../../src/vindex/record.ts";
import { compareVersions, parseVersion, type Version } from "../../src/vindex/version.ts";
import { makeRandom } from "../service/world.ts";

/** What the value of a module says must be what the complete list of its versions says, for every module that there can be. */

const PATH = "example.com/x";
const SYNTHETIC = computeSyntheticGoModHash(PATH, nodeSha256);

interface Invented {
  readonly entries: VersionEntry[];
  readonly valueText: string;
}

function invent(random: () => number): Invented | undefined {
  const below = (n: number): number => Math.floor(random() * n);
  const entries: VersionEntry[] = [];
  let state: ModuleState | undefined;
  const count = 1 + below(9);
  for (let logIndex = 0; logIndex < count; logIndex++) {
    const major = below(4);
    const core = `v${major}.${below(3)}.${below(3)}`;
    const suffix = ["", "", "", "-rc.1", "-beta.2", "-0.20240102030405-0123456789ab"][below(6)] ?? "";
    const version = `${core}${suffix}${major > 1 ? "+incompatible" : ""}`;
    const goModHash = below(2) === 0 ? SYNTHETIC : nodeSha256(encodeUtf8(version));
    const record = makeRecord(PATH, version, nodeSha256(encodeUtf8(`zip ${version}`)), goModHash);
    // A pre-release of a pseudo-version's form fits no v0.0.0, and a version is logged once.
    if (record === undefined || entries.some((entry) => entry.version === version)) continue;
    entries.push({ version, logIndex, zipHash: record.zipHash, goModHash });
    state = foldRecord(state, record, logIndex, computeRecordHashOf(record, nodeSha256), nodeSha256);
  }
  if (state === undefined) return undefined;
  return { entries, valueText: computeModuleValue(PATH, state, formatModuleState(state), nodeSha256) };
}

const limits: Limits = { path: PATH, excluded: new Set(), retractions: NO_RETRACTIONS, cooldown: undefined };

test("the value alone gives what the complete list gives, and what the go command's query gives", () => {
  const random = makeRandom(2026);
  let fast = 0;
  for (let round = 0; round < 3000; round++) {
    const invented = invent(random);
    if (invented === undefined) continue;
    const { entries, valueText } = invented;
    const value = parseModuleValue(valueText, PATH, 100);
    if (value.kind === "pseudo") continue;
    const used: (Version | undefined)[] = [undefined, ...entries.map(({ version }) => parseVersion(version))];
    for (const text of ["v1.1.1", "v1.9.0-rc.1", "v3.9.9+incompatible", "v0.0.0-20240102030405-0123456789ab"]) {
      used.push(parseVersion(text));
    }
    for (const current of used) {
      for (const isPatchOnly of [false, true]) {
        const wish: Wish = { current, query: undefined, isPatchOnly, withPre: false };
        const shown = `${current?.text} ${isPatchOnly} of ${entries.map(({ version }) => version).join(" ")}`;
        const list = chooseFromList(PATH, entries, wish, limits, nodeSha256);
        const byValue = chooseByValue(value, wish, limits);
        if (byValue !== undefined) {
          fast++;
          assert.equal(byValue.choice?.version.text, list.choice?.version.text, shown);
          if (byValue.isListed !== undefined) assert.equal(byValue.isListed, list.isListed, shown);
        }
        const query = current === undefined ? "latest" : isPatchOnly ? "patch" : "upgrade";
        const isWithout = (text: string): boolean =>
          entries.some(({ version, goModHash }) => version === text && goModHash === SYNTHETIC);
        const selected = resolveVersionQuery(
          query,
          entries.map(({ version }) => version),
          {
            path: PATH,
            hasGoMod: (text) => !isWithout(text),
            ...(current === undefined ? {} : { current: current.text }),
          },
        );
        const chosen = list.choice?.version;
        if (chosen !== undefined) assert.equal(chosen.text, selected, shown);
        if (chosen !== undefined && current !== undefined) assert.ok(compareVersions(chosen, current) > 0, shown);
      }
    }
  }
  assert.ok(fast > 5000, String(fast));
});

test("whatever is excluded, retracted or too young is never chosen, and what is withheld is never older than what is in use", () => {
  const random = makeRandom(7);
  for (let round = 0; round < 2000; round++) {
    const invented = invent(random);
    if (invented === undefined) continue;
    const { entries, valueText } = invented;
    const value = parseModuleValue(valueText, PATH, 100);
    if (value.kind === "pseudo") continue;
    const out = new Set(entries.filter(() => random() < 0.3).map(({ version }) => version));
    const sumdbSize = Math.floor(random() * 9);
    const bounded: Limits = {
      ...limits,
      excluded: out,
      cooldown: { seconds: 1, text: "1s", head: { atLeast: 1, publicSince: 1, sumdbSize } },
    };
    for (const current of entries.map(({ version }) => parseVersion(version))) {
      const wish: Wish = { current, query: undefined, isPatchOnly: false, withPre: random() < 0.3 };
      const list = chooseFromList(PATH, entries, wish, bounded, nodeSha256);
      const byValue = chooseByValue(value, wish, bounded);
      // Which versions make +incompatible ones count is itself a matter of what is left out, of which the value knows nothing.
      const isPlain = entries.every(({ version }) => !version.endsWith("+incompatible"));
      if (byValue !== undefined && isPlain) assert.equal(byValue.choice?.version.text, list.choice?.version.text);
      if (byValue?.choice !== undefined) assert.equal(whyNot(bounded, byValue.choice.entry), undefined);
      const { choice, withheld } = list;
      if (choice !== undefined) {
        assert.ok(!out.has(choice.version.text) && choice.entry.logIndex < sumdbSize);
        assert.ok(current === undefined || compareVersions(choice.version, current) > 0);
      }
      for (const { version } of withheld) {
        const held = parseVersion(version) as Version;
        assert.ok(current === undefined || compareVersions(held, current) > 0);
      }
    }
  }
});
