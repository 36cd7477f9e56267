import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseMajorsValue } from "../../src/vindex/majors-value.ts";
import {
  foldWindow,
  type IndexedRecord,
  type MapAfter,
  type MapBefore,
  pathsToLoad,
} from "../../src/vindex/map-function.ts";
import { familyOf, majorsSubject } from "../../src/vindex/module-path.ts";
import type { ModuleState } from "../../src/vindex/module-state.ts";
import { formatModuleState, parseModuleState } from "../../src/vindex/module-state.ts";
import { computeIndexKey, parseModuleValue } from "../../src/vindex/module-value.ts";
import { pathProofOf, verifyInclusionProof, verifyNonInclusionProof } from "../../src/vindex/path-proof.ts";
import { PrefixTree } from "../../src/vindex/prefix-tree.ts";
import { formatToolchainValue, type ToolchainItem } from "../../src/vindex/toolchain-value.ts";
import { byModule, naiveLatest, naiveMap, naiveState, rowOf } from "./naive-map.ts";
import { needsTestData, readRealRecords } from "./reference.ts";
import { makeIndexed, nothingBefore, PATHS, recordLog, sha256, toHex } from "./samples.ts";
import { naiveMapRoot } from "./trees.ts";

const REAL_ROOT = "46a19e28f850d26eedd0f25c293f13a85b87d412417fa341a77ca89d25713868";

/** What an index keeps, and its map, epoch by epoch. */
class Index {
  readonly states = new Map<string, ModuleState>();
  readonly families = new Map<string, Set<string>>();
  toolchain: readonly ToolchainItem[] = [];
  tree: PrefixTree = PrefixTree.empty(sha256);
  readonly asked = new Set<string>();

  before(): MapBefore {
    const state = (path: string): ModuleState | undefined => {
      this.asked.add(path);
      return this.states.get(path);
    };
    return { state, family: (basePath) => this.families.get(basePath) ?? [], toolchain: this.toolchain };
  }

  append(records: readonly IndexedRecord[]): MapAfter {
    const toLoad = pathsToLoad(records, this.before().family);
    this.asked.clear();
    const after = foldWindow(this.before(), records, sha256);
    for (const path of this.asked)
      assert.ok(toLoad.has(path) || !this.states.has(path), `${path} was not to be loaded`);
    this.tree = this.tree.update(after.changes);
    for (const { path, state } of after.modules) {
      this.states.set(path, state);
      const member = familyOf(path);
      if (member === undefined) continue;
      const family = this.families.get(member.basePath) ?? new Set();
      this.families.set(member.basePath, family.add(member.major));
    }
    this.toolchain = after.toolchain;
    return after;
  }
}

function fromScratch(records: readonly IndexedRecord[]): PrefixTree {
  return PrefixTree.of(
    foldWindow(nothingBefore, records, sha256).changes.map(({ indexKey, value }) => ({
      indexKey,
      value: value as Uint8Array,
    })),
    sha256,
  );
}

/** Value of a subject as text. */
function valueIn(tree: PrefixTree, subject: string): string | undefined {
  const value = tree.get(computeIndexKey(subject, sha256));
  return value === undefined ? undefined : Buffer.from(value).toString("latin1");
}

/** A generator of numbers from 0 to n − 1, another for each seed (mulberry32). */
function randomOf(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** The whole map by its definition, compared subject by subject. */
function assertNaive(tree: PrefixTree, records: readonly IndexedRecord[]): void {
  const map = naiveMap(records.map(rowOf));
  for (const [subject, value] of map) assert.equal(valueIn(tree, subject), value, subject);
  assert.equal(tree.size, map.size);
}

describe("the map function", () => {
  it("gives the map of the definition, for any records", () => {
    fc.assert(
      fc.property(recordLog(), (records) => assertNaive(fromScratch(records), records)),
      { numRuns: 200 },
    );
  });

  it("gives the same map however the records are cut into windows", () => {
    fc.assert(
      fc.property(recordLog(), fc.array(fc.integer({ min: 1, max: 20 })), (records, steps) => {
        const index = new Index();
        let at = 0;
        for (const step of [...steps, records.length]) {
          index.append(records.slice(at, at + step));
          at += step;
          assert.deepEqual(index.tree.rootHash(), fromScratch(records.slice(0, at)).rootHash());
        }
        for (const [path, state] of index.states) {
          const own = records.filter(({ record }) => record.path === path);
          assert.equal(formatModuleState(state), naiveState(own.map(rowOf)));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("gives one change for each touched subject, with a value", () => {
    fc.assert(
      fc.property(recordLog(), fc.nat(60), (records, at) => {
        const index = new Index();
        index.append(records.slice(0, at));
        const before = index.tree;
        const after = index.append(records.slice(at));
        const keys = after.changes.map(({ indexKey }) => toHex(indexKey));
        assert.equal(new Set(keys).size, keys.length);
        for (const { value } of after.changes)
          assert.ok(value !== undefined && value.length > 0 && value.length <= 255);
        // What has no change is as it was.
        const touched = new Set(keys);
        for (const subject of naiveMap(records.map(rowOf)).keys()) {
          if (!touched.has(toHex(computeIndexKey(subject))))
            assert.equal(valueIn(index.tree, subject), valueIn(before, subject));
        }
      }),
    );
  });

  it("reports the touched modules with their records, states and texts", () => {
    fc.assert(
      fc.property(recordLog(), (records) => {
        const { modules } = foldWindow(nothingBefore, records, sha256);
        assert.deepEqual(
          modules.map(({ path }) => path),
          [...new Set(records.map(({ record }) => record.path))],
        );
        for (const { path, indexKey, state, stateText, records: own } of modules) {
          assert.deepEqual(indexKey, computeIndexKey(path));
          assert.deepEqual(
            own,
            records.filter(({ record }) => record.path === path),
          );
          assert.equal(stateText, formatModuleState(state));
          assert.equal(formatModuleState(parseModuleState(stateText, path)), stateText);
        }
      }),
    );
  });

  it("changes nothing without records", () => {
    const after = foldWindow(nothingBefore, [], sha256);
    assert.deepEqual([after.changes, after.modules, after.toolchain, after.uncutMajors], [[], [], [], []]);
  });

  it("changes the family when its base path or any member changes", () => {
    const log = [
      ["example.com/m", "v1.0.0"],
      ["example.com/m/v2", "v2.0.0"],
      ["example.com/m", "v1.1.0"],
      ["example.com/m/v2", "v2.1.0"],
      ["example.com/m/v2/v3", "v3.0.0"],
    ];
    const index = new Index();
    const shown: (string | undefined)[] = [];
    for (const [i, [path = "", version = ""]] of log.entries()) {
      index.append([makeIndexed(path, version, i) as IndexedRecord]);
      const texts = [valueIn(index.tree, "example.com/m/v*"), valueIn(index.tree, "example.com/m/v2/v*")];
      shown.push(...texts.map((text) => text?.replace(/ s=\S{43}/, "")));
    }
    assert.deepEqual(shown, [
      ...[undefined, undefined],
      ...["p=v2 v=v2.0.0 i=1; p=- v=v1.0.0 i=0", undefined],
      ...["p=v2 v=v2.0.0 i=1; p=- v=v1.1.0 i=2", undefined],
      ...["p=v2 v=v2.1.0 i=3; p=- v=v1.1.0 i=2", undefined],
      ...["p=v2 v=v2.1.0 i=3; p=- v=v1.1.0 i=2", "p=v3 v=v3.0.0 i=4; p=- v=v2.1.0 i=3"],
    ]);
  });

  it("makes no family of unstable paths, and none of suffixes over 20 digits", () => {
    const paths = [
      ["gopkg.in/x.v2-unstable", "v2.0.0"],
      ["example.com/m/v999999999999999999999", "v999999999999999999999.0.0"],
      ["example.com/m", "v1.0.0"],
    ];
    const tree = fromScratch(
      paths.map(([path = "", version = ""], i) => makeIndexed(path, version, i) as IndexedRecord),
    );
    assert.equal(tree.size, 3);
    for (const subject of ["gopkg.in/x.v*", "gopkg.in/x.v2-unstable.v*", "example.com/m/v*"])
      assert.equal(valueIn(tree, subject), undefined);
  });

  it("keeps the uncut items of a family that does not fit, and only of such", () => {
    const records = Array.from(
      { length: 12 },
      (_, i) => makeIndexed(`example.com/m/v${i + 2}`, `v${i + 2}.0.0`, i) as IndexedRecord,
    );
    const few = foldWindow(nothingBefore, records.slice(0, 3), sha256);
    const many = foldWindow(nothingBefore, records, sha256);
    assert.deepEqual(
      few.uncutMajors.map(({ items }) => items),
      [undefined],
    );
    const [cut] = many.uncutMajors;
    assert.equal(cut?.items?.split("; ").length, 12);
    assert.deepEqual(cut?.indexKey, computeIndexKey("example.com/m/v*"));
    const value = valueIn(fromScratch(records), "example.com/m/v*") as string;
    assert.ok(parseMajorsValue(value, "example.com/m", 12).items.length < 12);
  });

  it("takes the subject of the toolchain and its module for two", () => {
    const records = ["v0.0.1-go1.21.0.linux-amd64", "v0.0.1-go1.22.0.linux-amd64", "v0.0.1-odd"].map(
      (version, i) => makeIndexed("golang.org/toolchain", version, i) as IndexedRecord,
    );
    const tree = fromScratch(records);
    assert.equal(valueIn(tree, "toolchain"), "v=go1.22.0 k=cur i=1; v=go1.21.0 k=prev i=0");
    assert.match(valueIn(tree, "golang.org/toolchain") ?? "", /^v=v0\.0\.1-odd k=pre i=2 /);
    assert.equal(fromScratch(records.slice(2)).size, 1);
  });

  it("ignores versions that only look like a toolchain's in other modules", () => {
    const tree = fromScratch([makeIndexed("example.com/toolchain", "v0.0.1-go1.21.0.linux-amd64", 0) as IndexedRecord]);
    assert.equal(valueIn(tree, "toolchain"), undefined);
  });
});

describe("the map of 20,047 real records", () => {
  type Real = { records: readonly IndexedRecord[]; tree: PrefixTree; map: Map<string, string> };
  let known: Real | undefined;
  const real = (): Real => {
    if (known === undefined) {
      const records = readRealRecords();
      known = { records, tree: fromScratch(records), map: naiveMap(records.map(rowOf)) };
    }
    return known;
  };

  it("has the known root and 2,438 subjects", needsTestData, () => {
    const { tree } = real();
    assert.equal(toHex(tree.rootHash()), REAL_ROOT);
    assert.equal(tree.size, 2438);
  });

  it("holds the values of the definition, all of them", needsTestData, () => {
    const { tree, map } = real();
    for (const [subject, value] of map) assert.equal(valueIn(tree, subject), value, subject);
    assert.equal(map.size, 2438);
    const pairs = [...map].map(([subject, value]) => ({
      indexKey: computeIndexKey(subject),
      value: new Uint8Array(Buffer.from(value)),
    }));
    assert.equal(toHex(naiveMapRoot(pairs)), REAL_ROOT);
  });

  it("holds what the go command selects, for all 2,160 modules", needsTestData, () => {
    const { records, tree } = real();
    const modules = byModule(records.map(rowOf));
    assert.equal(modules.size, 2160);
    for (const [path, rows] of modules) {
      const value = parseModuleValue(valueIn(tree, path) as string, path, records.length);
      const latest = naiveLatest(rows);
      assert.deepEqual([value.latest.version.text, value.latest.logIndex], [latest.version, latest.index], path);
    }
  });

  it("holds the values of the worked example", needsTestData, () => {
    const { tree } = real();
    assert.equal(
      valueIn(tree, "gopkg.in/yaml.v*"),
      "p=v3 v=v3.0.1 i=6504 s=PrePVKoDmq4RpitW3pzB9owRzVBjrjtL5JuoNXTryRg; p=v2 v=v2.4.0 i=3418; p=v1 v=v1.0.0-20140924161607-9f9df34309c0 k=pseudo i=110",
    );
    assert.equal(valueIn(tree, "toolchain"), "v=go1.25.11 k=cur i=19192; v=go1.24.6 k=prev i=16400");
    assert.equal(
      valueIn(tree, "k8s.io/client-go"),
      "v=v1.5.2 i=3814 h=JOxmv4FxrCIOS54kAABbN8/hA9jqGpns+Zc6soNgd8U m=OmM68YRko3DQ0sjlnWxzjQF9lcSLHJXuGMTo23rc7wI s=1DQklu3f/xVC/5T3+zK+owtD31RvzrsE1m4a/EWdT2I; v=v0.36.4 i=20006",
    );
  });

  it("holds these modules for these reasons", needsTestData, () => {
    const { tree } = real();
    for (const [subject, shown] of Object.entries(NAMED)) {
      const value = valueIn(tree, subject)
        ?.replace(/ h=\S{43} m=\S{43}/, "")
        .replace(/ s=[^ ;]{43}/, "");
      assert.equal(value, shown, subject);
    }
    for (const subject of ABSENT) {
      const key = computeIndexKey(subject);
      const path = tree.path(key);
      verifyNonInclusionProof(pathProofOf(path), key, path.leaf ?? assert.fail(), tree.rootHash());
    }
  });

  it("proves each of its pairs", needsTestData, () => {
    const { tree, map } = real();
    const root = tree.rootHash();
    for (const subject of map.keys()) {
      const key = computeIndexKey(subject, sha256);
      const path = tree.path(key);
      verifyInclusionProof(pathProofOf(path), key, tree.get(key) as Uint8Array, root, sha256);
    }
  });

  it("is the same after 50 random epochs as from scratch, at every cut", needsTestData, () => {
    assertEpochs(real().records, 1);
  });

  it("is the same after 50 random epochs for an eighth of the modules, with four seeds", needsTestData, () => {
    const { records } = real();
    for (const seed of [2, 3, 4, 5]) {
      const random = randomOf(1000 + seed);
      const chosen = new Map<string, boolean>();
      const some = records.filter(({ record: { path } }) => {
        // Whole families go in or stay out together.
        const base = familyOf(path)?.basePath ?? path;
        const isIn = chosen.get(base) ?? random(8) === 0;
        chosen.set(base, isIn);
        return isIn || path === "golang.org/toolchain";
      });
      assertEpochs(some, seed);
    }
  });

  it("does not depend on the order of its pairs or on the batches of the tree", needsTestData, () => {
    const pairs = foldWindow(nothingBefore, real().records, sha256).changes;
    for (const seed of [1, 2, 3]) {
      const random = randomOf(seed);
      const order = pairs.map((pair) => ({ pair, at: random(2 ** 30) })).sort((a, b) => a.at - b.at);
      let tree = PrefixTree.empty(sha256);
      for (let at = 0; at < order.length; ) {
        const size = 1 + random(200);
        tree = tree.update(order.slice(at, at + size).map(({ pair }) => pair));
        at += size;
      }
      assert.equal(toHex(tree.rootHash()), REAL_ROOT, `seed ${seed}`);
    }
  });
});

/** Cuts the records at 50 random places; after each, the index has the root that it has from scratch. */
function assertEpochs(records: readonly IndexedRecord[], seed: number): void {
  const random = randomOf(seed);
  const cuts = new Set([records.length]);
  // More cuts at the start, where from scratch is cheap and every record is new.
  while (cuts.size < 50) cuts.add(1 + Math.floor((random(2 ** 30) / 2 ** 30) ** 3 * records.length));
  const index = new Index();
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    index.append(records.slice(at, cut));
    at = cut;
    const whole = fromScratch(records.slice(0, cut));
    assert.equal(toHex(index.tree.rootHash()), toHex(whole.rootHash()), `seed ${seed}, cut at ${cut}`);
    assert.equal(index.tree.size, whole.size);
  }
  assert.equal(formatToolchainValue(index.toolchain), valueIn(index.tree, "toolchain") ?? "");
}

/** Values without their hashes. Beside each what decides it. */
const NAMED: Record<string, string> = {
  // Highest compatible version v1.5.2 has a go.mod, so v12.0.0+incompatible does not count. (v1.5.2 is retracted by its own go.mod.)
  "k8s.io/client-go": "v=v1.5.2 i=3814; v=v0.36.4 i=20006",
  // The only compatible version, v0.2.0-beta, has no go.mod, so +incompatible counts, and a release beats it.
  "github.com/Azure/azure-sdk-for-go":
    "v=v68.0.0+incompatible i=8080; v=v67.3.0+incompatible i=8049; v=v66.0.0+incompatible i=6669",
  // v1.6.2 has no go.mod; the last record of the module, v25.0.16+incompatible, is not its latest.
  "github.com/docker/docker":
    "v=v28.5.2+incompatible i=17224; v=v27.5.1+incompatible i=14213; v=v26.1.5+incompatible i=12753",
  // +incompatible in the path itself and a /vN family beside it.
  "github.com/golang-jwt/jwt": "v=v3.2.2+incompatible i=4627; v=v1.0.2 i=4289",
  "github.com/golang-jwt/jwt/v*": "p=v4 v=v4.5.2 i=15007; p=- v=v3.2.2+incompatible i=4627",
  // v1.6.2 has a go.mod, so v2.0.0-rc.2+incompatible is not even shown.
  "github.com/dgraph-io/badger": "v=v1.6.2 i=3093",
  "github.com/dgraph-io/badger/v*": "p=v2 v=v2.2007.4 i=4792; p=- v=v1.6.2 i=3093",
  // v1.9.3 has a go.mod: v2.0.0+incompatible does not count.
  "github.com/gomodule/redigo": "v=v1.9.3 i=16997",
  // Only +incompatible releases; the last record, v9.0.0+incompatible, is not the latest.
  "github.com/google/go-github":
    "v=v17.0.0+incompatible i=73; v=v16.0.0+incompatible i=682; v=v15.0.0+incompatible i=630; v=v9.0.0+incompatible i=970",
  // More majors than fit: cut after v53.
  "github.com/google/go-github/v*":
    "p=v90 v=v90.0.0 i=19839; p=v75 v=v75.0.0 i=16708; p=v73 v=v73.0.0 i=15987; p=v68 v=v68.0.0 i=14011; p=v67 v=v67.0.0 i=13639; p=v66 v=v66.0.0 i=13265; p=v55 v=v55.0.0 i=9879; p=v53 v=v53.2.0 i=9244",
  // v1.0.0 came a thousand records after v2.0.1+incompatible, and has no go.mod: both count.
  "github.com/peterbourgon/diskv": "v=v2.0.1+incompatible i=119; v=v1.0.0 i=1215",
  // v1.5.5 has a go.mod: v4.1.2+incompatible, though newer than most v1 records, does not count.
  "github.com/go-chi/chi": "v=v1.5.5 i=12882",
  // A release before a higher pre-release, which is shown beside it.
  "code.gitea.io/gitea": "v=v1.5.2 i=1196; v=v1.11.0-dev k=pre i=1636",
  // The same; v1.1.12-0.2024… is a pseudo-version and neither.
  "github.com/containerd/imgcrypt": "v=v1.1.8 i=11972; v=v1.2.0-rc1 k=pre i=12591",
  // No release at all: the highest pre-release.
  "github.com/omnition/opencensus-proto": "v=v0.3.0-gogo k=pre i=1176",
  // Pseudo-versions only: the newest.
  "golang.org/x/xerrors": "v=v0.0.0-20240903120638-7835f813f4da k=pseudo i=12961",
  // The newest by time, 2025-03, not the highest as a version, v3.10.1-0.2024….
  "github.com/taran-p/madmin-go/v3": "v=v3.0.55-0.20250325221636-f5498832320f k=pseudo i=14886",
  // The same with +incompatible: v2.2.1-0.2020…+incompatible is the highest version and the oldest.
  "github.com/joncrlsn/dque": "v=v0.0.0-20241024143830-7723fd131a64 k=pseudo i=13457",
  // Release before a higher pseudo-version v1.2.1-0.2018….
  "github.com/satori/go.uuid": "v=v1.2.0 i=74",
  // The last record is v1.4.0.
  "rsc.io/quote": "v=v1.5.2 i=157",
  // The first record of the three is the latest.
  "github.com/nats-io/gnatsd": "v=v1.4.1 i=6",
  // Upper case in the path; two majors.
  "github.com/BurntSushi/toml": "v=v1.6.0 i=17530; v=v0.4.1 i=4676",
  // Two paths that differ in case alone are two modules.
  "github.com/MetaCubeX/sing-wireguard": "v=v0.0.0-20221109081324-ec09c458d37a k=pseudo i=7572",
  "github.com/metacubex/sing-wireguard": "v=v0.0.0-20241126021510-0827d417b589 k=pseudo i=13670",
  // A tilde.
  "git.sr.ht/~sbinet/gg": "v=v0.8.0 i=19599",
  // A host alone, with a tagged version and without.
  "tailscale.com": "v=v1.102.0 i=19795",
  "go4.org": "v=v0.0.0-20260112195520-a5071408f32f k=pseudo i=18028",
  // gopkg.in: a suffix with a point, .v0, and pseudo-versions under .v1.
  "gopkg.in/yaml.v2": "v=v2.4.0 i=3418",
  "gopkg.in/inf.v0": "v=v0.9.1 i=17",
  "gopkg.in/check.v1": "v=v1.0.0-20201130134442-10cb98267c6c k=pseudo i=3425",
  // Majors without the base path (it has no record), and with it.
  "github.com/cenkalti/backoff/v*": "p=v7 v=v7.0.0 i=19550; p=v6 v=v6.0.1 i=19402; p=v4 v=v4.3.0 i=11556",
  "github.com/decred/dcrd/dcrec/secp256k1/v*": "p=v3 v=v3.0.0 i=3834; p=v2 v=v2.0.1 i=9228; p=- v=v1.0.4 i=9158",
  // The toolchain as a module: its versions parse as pre-releases; "11.linux-amd64" is two identifiers.
  "golang.org/toolchain": "v=v0.0.1-go1.25.11.linux-amd64 k=pre i=19192",
};

/** Subjects without records: near names, a base path without records, a family without members. */
const ABSENT = [
  "github.com/google/UUID",
  "github.com/cenkalti/backoff",
  majorsSubject("github.com/google/uuid"),
  majorsSubject("gopkg.in/check.v1"),
  "gopkg.in/yaml",
  "github.com/google/uuid/v2",
  "Toolchain",
  "",
  ...PATHS.slice(0, 1),
];
