import assert from "node:assert/strict";
import { formatHex } from "../src/vindex/bytes.ts";
import { foldWindow, type IndexedRecord } from "../src/vindex/map-function.ts";
import { familyMemberPath, familyOf } from "../src/vindex/module-path.ts";
import type { ModuleState } from "../src/vindex/module-state.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { computeRecordHashOf, makeRecord } from "../src/vindex/record.ts";
import { byModule, naiveMap, naiveState, rowOf } from "../test/vindex/naive-map.ts";
import { Input } from "./input.ts";
import { H } from "./oracle/merkle.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/**
 * The map function over records that the input chooses, cut into windows where it says so: the map is that of a second
 * implementation, which sorts all records at once.
 */
export const target: Target = { maxLength: 300, plants: ["window-order", "fourteen-majors"] };

const PATHS = [
  "example.com/m",
  "example.com/m/v2",
  "example.com/m/v2/v3",
  "example.com/m/v10",
  "example.com/m/v99999999999999999999",
  "gopkg.in/x.v0",
  "gopkg.in/x.v1",
  "gopkg.in/x.v2",
  "gopkg.in/x.v2-unstable",
  "golang.org/toolchain",
  "go4.org",
];
const TAILS = [
  "",
  "",
  "",
  "-rc.1",
  "-rc.10",
  "-alpha",
  "-0.20240101000000-0123456789ab",
  "-0.20230101000000-0123456789ab",
  "-pre.0.20240101000000-abcdefabcdef",
];
const GO = [
  "go1.21.7",
  "go1.22.0",
  "go1.22.1",
  "go1.9",
  "go1.23rc1",
  "go1.23rc2",
  "go1.23beta1",
  "go1.100.0",
  "go1.8rc3",
];

/** Bug: a pseudo-version with the timestamp of the newest one of an earlier window is skipped. */
const fold = plant("window-order", foldWindow, (before, records, sha256) => {
  const kept = records.filter(({ record }) => {
    const known = before.state(record.path)?.newestPseudo?.version;
    return record.version.kind !== "pseudo" || known?.timestamp !== record.version.timestamp;
  });
  return foldWindow(before, kept, sha256);
});

/** Bug: where there is a pseudo-version, of the majors with `+incompatible` only fourteen are kept. */
const textsOf = plant(
  "fourteen-majors",
  (states: ReadonlyMap<string, string>) => states,
  (states) =>
    new Map(
      [...states].map(([path, text]) => {
        const lines = text.split("\n");
        const isMany = lines.filter((line) => line.includes("+incompatible ")).length > 14 && text.includes("\nu ");
        const at = lines.findIndex((line) => line.includes("+incompatible "));
        return [path, isMany ? lines.filter((_, i) => i !== at).join("\n") : text];
      }),
    ),
);

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const windows: IndexedRecord[][] = [[]];
  let logIndex = 0;
  for (let i = 0; !input.isDone && i < 60; i++) {
    const control = input.byte();
    if (control >= 0xf0) windows.push([]);
    logIndex += 1 + (control >> 6);
    const indexed = indexedOf(PATHS[(control & 0x3f) % PATHS.length] as string, input.byte(), input.byte(), logIndex);
    if (indexed !== undefined) windows.at(-1)?.push(indexed);
  }
  const rows = windows.flat().map(rowOf);
  const { values, states } = foldAll(windows);
  const naive = naiveMap(rows);
  const expected = new Map([...naive].map(([subject, value]) => [formatHex(H(subject)), value]));
  assert.deepEqual(sorted(values), sorted(expected));
  const naiveStates = new Map([...byModule(rows)].map(([path, own]) => [path, naiveState(own)]));
  assert.deepEqual(sorted(textsOf(states)), sorted(naiveStates));
}

function indexedOf(path: string, numbers: number, tail: number, logIndex: number): IndexedRecord | undefined {
  const suffix = familyOf(path.replace(/-unstable$/, ""))?.major;
  const isToolchain = path === "golang.org/toolchain" && tail % 4 !== 0;
  const isIncompatible = suffix === undefined && tail >= 0xa0;
  const major = suffix ?? String(isIncompatible ? 2 + (numbers % 24) : numbers % 2);
  const version = isToolchain
    ? `v0.0.1-${GO[numbers % GO.length]}.linux-${tail % 8 < 4 ? "amd64" : "arm64"}`
    : `v${major}.${(numbers >> 1) % 4}.${numbers >> 6}${TAILS[tail % TAILS.length]}${isIncompatible ? "+incompatible" : ""}`;
  const synthetic = H(`${formatHex(H(`module ${path}\n`))}  go.mod\n`);
  const record = makeRecord(path, version, H(`zip ${logIndex}`), tail % 5 === 0 ? synthetic : H(`mod ${logIndex}`));
  return record === undefined ? undefined : { record, logIndex, recordHash: computeRecordHashOf(record, nodeSha256) };
}

/** Folds the windows one by one, each knowing what those before it left. */
function foldAll(windows: readonly (readonly IndexedRecord[])[]): {
  values: Map<string, string>;
  states: Map<string, string>;
} {
  const known = new Map<string, ModuleState>();
  const states = new Map<string, string>();
  const values = new Map<string, string>();
  const families = new Map<string, Set<string>>();
  let toolchain: Parameters<typeof foldWindow>[0]["toolchain"] = [];
  for (const window of windows) {
    const before = {
      state: (path: string) => known.get(path),
      family: (base: string) => families.get(base) ?? [],
      toolchain,
    };
    const after = fold(before, window, nodeSha256);
    for (const { path, state, stateText, indexKey } of after.modules) {
      known.set(path, state);
      states.set(path, stateText);
      assert.equal(formatHex(indexKey), formatHex(computeIndexKey(path, nodeSha256)));
      const member = familyOf(path);
      if (member === undefined) continue;
      assert.equal(familyMemberPath(member.basePath, member.major), path);
      families.set(member.basePath, (families.get(member.basePath) ?? new Set()).add(member.major));
    }
    toolchain = after.toolchain;
    for (const { indexKey, value } of after.changes) {
      assert.ok(value !== undefined && value.length > 0 && value.length <= 255);
      values.set(formatHex(indexKey), Buffer.from(value).toString("latin1"));
    }
  }
  return { values, states };
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
