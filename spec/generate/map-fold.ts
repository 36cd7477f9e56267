import { type Bytes, fill, hex, utf8 } from "./bytes.ts";
import { goMap, recordText, syntheticGoMod } from "./gomod.ts";
import type { Vector } from "./vector.ts";

/** Vectors of map.md §5 to §10: whole small databases, and the map made of them. */

const T = "20200102030405";
const P = "example.com/mod";

/** A record with invented hashes: the zip hash of equal bytes `zip`, the go.mod hash of equal bytes 0x41 unless given. */
export function makeRecord(path: string, version: string, zip: number, goMod: Bytes = fill(0x41)): Bytes {
  return utf8(recordText(path, version, fill(zip % 256), goMod));
}

/** Records of one module, in the order of its versions. */
function module(path: string, versions: readonly string[], goMod?: Bytes): Bytes[] {
  return versions.map((version, i) => makeRecord(path, version, i + 1, goMod));
}

const go = (...names: string[]) =>
  names.map((name) => (name.includes(".") && name.includes("-") ? `v0.0.1-${name}` : `v0.0.1-${name}.linux-amd64`));
const toolchain = (...names: string[]) => module("golang.org/toolchain", go(...names));

export const EXAMPLE: readonly Bytes[] = module(P, [
  "v1.0.0",
  "v1.1.0",
  "v1.0.1",
  "v1.2.0-rc.1",
  "v2.0.0+incompatible",
  "v0.9.0",
  "v1.1.1-0.20200101000000-0123456789ab",
]);

const synthetic = syntheticGoMod(P);
const malformed = [utf8("no record\n"), new Uint8Array(0), Uint8Array.of(0xff, 0xfe)];

/** An incompatible version whose text is as long as asked. */
function long(major: number, length: number): string {
  return `v${major}.0.${"7".repeat(length - `v${major}.0.+incompatible`.length)}+incompatible`;
}

function shuffle<T>(list: readonly T[], step: number): T[] {
  return list.map((_, i) => list[(i * step + 1) % list.length] as T);
}

function mod(n: number, path: string, version: string): Bytes {
  return makeRecord(path, version, n);
}

const FOLDS: readonly (readonly [name: string, records: readonly Bytes[]])[] = [
  ["no records", []],
  ["only malformed records", malformed],
  ["the worked example", EXAMPLE],
  [
    "malformed records count in the numbering",
    [malformed[0] as Bytes, ...EXAMPLE.slice(0, 2), malformed[1] as Bytes, ...EXAMPLE.slice(2)],
  ],
  ["one release", module(P, ["v1.0.0"])],
  ["a release of major 0 below major 1", module(P, ["v0.9.9", "v1.0.0", "v0.10.0"])],
  ["a lower release does not replace", module(P, ["v1.10.0", "v1.9.0"])],
  ["a repeated release: the first record stays", module(P, ["v1.0.0", "v1.0.0", "v1.0.0"])],
  ["a repeated release after a higher one", module(P, ["v1.0.0", "v1.1.0", "v1.0.0", "v1.1.0"])],
  [
    "a repeated pre-release and pseudo-version",
    module(P, ["v1.0.0-rc.1", `v0.0.0-${T}-a`, "v1.0.0-rc.1", `v0.0.0-${T}-a`]),
  ],
  [
    "only pre-releases: the highest is the latest",
    module(P, ["v1.0.0-rc.1", "v1.0.0-rc.2", "v0.5.0-beta", "v1.0.0-rc.1.x"]),
  ],
  ["a release below a pre-release of its own core", module(P, ["v1.0.0", "v1.0.0-rc.1"])],
  ["a pre-release higher than the latest is shown", module(P, ["v1.0.0", "v1.1.0-rc.1"])],
  ["the pre-release shown is the highest of all majors", module(P, ["v0.9.0", "v0.10.0-rc.1", "v1.0.0-alpha"])],
  ["the highest pre-release is below the latest", module(P, ["v0.9.0", "v0.10.0-rc.1", "v1.0.0", "v1.0.0-alpha"])],
  [
    "only pseudo-versions: the newest by timestamp",
    module(P, ["v0.0.0-20200102030405-zzz", "v0.0.0-20210102030405-aaa", "v1.0.1-0.20190102030405-bbb"]),
  ],
  [
    "pseudo-versions of one timestamp: the higher version",
    module(P, [`v0.0.0-${T}-b`, `v0.0.0-${T}-c`, `v0.0.0-${T}-a`]),
  ],
  [
    "pseudo-versions of one timestamp and different cores",
    module(P, [`v1.0.1-0.${T}-a`, `v0.9.9-0.${T}-b`, `v1.0.1-0.${T}-a`]),
  ],
  ["an older pseudo-version after a newer one", module(P, ["v0.0.0-20210102030405-a", "v1.9.9-0.20200102030405-z"])],
  ["incompatible pseudo-versions only", module(P, [`v2.0.1-0.${T}-a+incompatible`, `v3.0.1-0.${T}-a+incompatible`])],
  ["pseudo-versions beside a release: a line, and not the latest", module(P, ["v0.1.0", "v0.1.1-0.20990102030405-a"])],
  ["near misses of pseudo-versions are pre-releases", module(P, [`v1.1.0-${T}-a`, `v1.1.1-1.${T}-a`])],
  [
    "incompatible without anything else",
    module(P, ["v2.0.0+incompatible", "v10.0.0+incompatible", "v3.0.0+incompatible"]),
  ],
  ["incompatible not considered: the last compatible has a go.mod", module(P, ["v1.0.0", "v2.0.0+incompatible"])],
  [
    "incompatible considered: the go.mod is synthetic",
    module(P, ["v1.0.0", "v2.0.0+incompatible", "v0.5.0"], synthetic),
  ],
  [
    "a go.mod hash that is synthetic for another path",
    module(P, ["v1.0.0", "v2.0.0+incompatible"], syntheticGoMod("example.com/mud")),
  ],
  [
    "the last compatible is a pre-release with a go.mod",
    [mod(1, P, "v2.0.0+incompatible"), makeRecord(P, "v1.0.0", 2, synthetic), mod(3, P, "v1.1.0-rc.1")],
  ],
  [
    "the last compatible is a pre-release with a synthetic go.mod",
    [mod(1, P, "v2.0.0+incompatible"), mod(2, P, "v1.0.0"), makeRecord(P, "v1.1.0-rc.1", 3, synthetic)],
  ],
  [
    "the only compatible is a pre-release with a go.mod: it is the latest",
    module(P, ["v2.0.0+incompatible", "v1.0.0-rc.1"]),
  ],
  [
    "the only compatible is a pre-release with a synthetic go.mod",
    module(P, ["v2.0.0+incompatible", "v1.0.0-rc.1"], synthetic),
  ],
  [
    "only the highest compatible version decides",
    [makeRecord(P, "v1.1.0", 1, synthetic), mod(2, P, "v1.0.0"), mod(3, P, "v2.0.0+incompatible")],
  ],
  [
    "a pseudo-version with a go.mod does not decide",
    [mod(1, P, `v1.0.1-0.${T}-a`), makeRecord(P, "v1.0.0", 2, synthetic), mod(3, P, "v2.0.0+incompatible")],
  ],
  [
    "an incompatible pre-release higher than the latest",
    module(P, ["v1.0.0", "v2.0.0+incompatible", "v3.0.0-rc.1+incompatible"], synthetic),
  ],
  [
    "incompatible pre-releases only, and a pseudo-version",
    module(P, ["v3.0.0-rc.1+incompatible", "v2.0.0-rc.2+incompatible", `v0.0.0-${T}-a`]),
  ],
  [
    "a compatible pseudo-version leaves incompatible ones considered",
    module(P, [`v0.0.0-${T}-a`, "v2.0.0+incompatible"]),
  ],
  [
    "16 incompatible majors",
    module(
      P,
      Array.from({ length: 16 }, (_, i) => `v${i + 2}.0.0+incompatible`),
    ),
  ],
  [
    "17 incompatible majors: the lowest is dropped",
    module(
      P,
      Array.from({ length: 17 }, (_, i) => `v${i + 2}.0.0+incompatible`),
    ),
  ],
  [
    "20 incompatible majors in another order",
    module(
      P,
      shuffle(
        Array.from({ length: 20 }, (_, i) => `v${i + 2}.0.0+incompatible`),
        7,
      ),
    ),
  ],
  [
    "a dropped major does not come back",
    module(P, [...Array.from({ length: 17 }, (_, i) => `v${i + 2}.0.0+incompatible`), "v2.1.0+incompatible"]),
  ],
  [
    "17 incompatible majors, some by pre-releases",
    module(
      P,
      Array.from({ length: 18 }, (_, i) => `v${i + 2}.0.0${i % 2 ? "-rc.1" : ""}+incompatible`),
    ),
  ],
  [
    "pseudo-versions make no incompatible major",
    module(P, [...Array.from({ length: 16 }, (_, i) => `v${i + 2}.0.0+incompatible`), `v99.0.1-0.${T}-a+incompatible`]),
  ],
  [
    "compatible majors beside 17 incompatible ones are all kept",
    module(
      P,
      ["v0.1.0", "v1.0.0-rc.1", ...Array.from({ length: 17 }, (_, i) => `v${i + 2}.0.0+incompatible`)],
      synthetic,
    ),
  ],
  [
    "numbers beyond 2^53",
    module(
      P,
      [
        "v1.0.9007199254740993",
        "v1.0.9007199254740992",
        `v${"9".repeat(25)}.0.0+incompatible`,
        `v1${"0".repeat(25)}.0.0+incompatible`,
      ],
      synthetic,
    ),
  ],
  ["a value of 255 bytes", module(P, ["v10.0.0+incompatible", long(9, 56), "v8.0.0+incompatible"])],
  ["a value of one byte too many", module(P, ["v10.0.0+incompatible", long(9, 57), "v8.0.0+incompatible"])],
  ["a value whose second item does not fit", module(P, ["v10.0.0+incompatible", long(9, 90), "v8.0.0+incompatible"])],
  [
    "a value cut, with a shorter item behind the cut",
    module(P, ["v10.0.0+incompatible", "v9.0.0+incompatible", long(8, 70), "v7.0.0+incompatible"]),
  ],
  [
    "a value of 255 bytes with its pre-release",
    module(P, ["v10.0.0+incompatible", long(9, 44), "v11.0.0-rc.1+incompatible"]),
  ],
  ["a value cut before its pre-release", module(P, ["v10.0.0+incompatible", long(9, 45), "v11.0.0-rc.1+incompatible"])],
  ["a latest of 90 bytes", module(P, [`v1.0.${"8".repeat(85)}`, "v0.1.0"])],
  ["a module with a suffix, and its family", module(`${P}/v2`, ["v2.0.0", "v2.1.0"])],
  [
    "a family with its base path",
    [mod(1, P, "v1.0.0"), mod(2, `${P}/v2`, "v2.0.0"), mod(3, `${P}/v10`, "v10.0.0"), mod(4, `${P}/v3`, "v3.0.0")],
  ],
  ["the base path comes after its family", [mod(1, `${P}/v2`, "v2.0.0"), mod(2, P, "v1.0.0")]],
  ["a base path alone has no family", module(P, ["v1.0.0"])],
  [
    "kinds in a family",
    [mod(1, P, `v0.0.0-${T}-a`), mod(2, `${P}/v2`, "v2.0.0-rc.1"), mod(3, `${P}/v3`, `v3.0.0-${T}-a`)],
  ],
  [
    "a base path with a suffix of its own",
    [mod(1, "example.com/v2/v3", "v3.0.0"), mod(2, "example.com/v2", "v2.0.0"), mod(3, "example.com", "v1.0.0")],
  ],
  ["a base path that is no module path", [mod(1, "example.com/v1/v2", "v2.0.0")]],
  ["a suffix of 20 digits", [mod(1, `${P}/v${"9".repeat(20)}`, `v${"9".repeat(20)}.0.0`), mod(2, `${P}/v2`, "v2.0.0")]],
  ["a suffix of 21 digits is in no family", [mod(1, `${P}/v${"1".repeat(21)}`, `v${"1".repeat(21)}.0.0`)]],
  [
    "a suffix of 21 digits beside a family",
    [mod(1, `${P}/v${"1".repeat(21)}`, `v${"1".repeat(21)}.0.0`), mod(2, `${P}/v2`, "v2.0.0")],
  ],
  [
    "gopkg.in",
    [
      mod(1, "gopkg.in/yaml.v2", "v2.4.0"),
      mod(2, "gopkg.in/yaml.v3", "v3.0.1"),
      mod(3, "gopkg.in/yaml.v1", `v0.0.0-${T}-a`),
      mod(4, "gopkg.in/yaml.v0", "v0.1.0"),
    ],
  ],
  ["gopkg.in, a base path with a suffix", [mod(1, "gopkg.in/x.v1.v2", "v2.0.0"), mod(2, "gopkg.in/x.v1", "v1.0.0")]],
  ["-unstable is in no family", [mod(1, "gopkg.in/yaml.v2-unstable", "v2.0.0")]],
  ["-unstable beside a family", [mod(1, "gopkg.in/yaml.v2-unstable", "v2.9.0"), mod(2, "gopkg.in/yaml.v2", "v2.0.0")]],
  [
    "a family whose value is cut",
    Array.from({ length: 12 }, (_, i) => mod(i + 1, `${P}/v${i + 2}`, `v${i + 2}.10.100`)),
  ],
  [
    "a family of one long item",
    [mod(1, `${P}/v2`, `v2.0.0-${"a".repeat(83)}`), mod(2, `${P}/v3`, `v3.0.0-${"a".repeat(83)}`)],
  ],
  [
    "a family of 255 bytes",
    [mod(1, `${P}/v2`, `v2.0.${"7".repeat(84)}`), mod(2, `${P}/v3333333`, `v3333333.0.${"7".repeat(79)}`)],
  ],
  [
    "a family of one byte too many",
    [mod(1, `${P}/v2`, `v2.0.${"7".repeat(85)}`), mod(2, `${P}/v3333333`, `v3333333.0.${"7".repeat(79)}`)],
  ],
  ["toolchain: a release", toolchain("go1.21.0")],
  [
    "toolchain: cur, prev and next",
    toolchain("go1.20.14", "go1.21.7", "go1.22.0", "go1.23rc1", "go1.22.1", "go1.21.8"),
  ],
  [
    "toolchain: beta below candidate below release",
    toolchain("go1.22beta2", "go1.22rc1", "go1.22beta3", "go1.22.0", "go1.22rc2"),
  ],
  ["toolchain: only betas", toolchain("go1.21beta1", "go1.21beta10", "go1.21beta9")],
  [
    "toolchain: a candidate of a higher minor stays next",
    toolchain("go1.23rc2", "go1.22.0", "go1.23rc1", "go1.23beta9"),
  ],
  ["toolchain: next goes with its release", toolchain("go1.23rc2", "go1.22.9", "go1.23.0")],
  ["toolchain: prev skips minors", toolchain("go1.18.1", "go1.22.0")],
  ["toolchain: no prev of the same minor", toolchain("go1.22.0", "go1.22.1")],
  ["toolchain: numbers, not text", toolchain("go1.9.10", "go1.10.9", "go1.9.9", "go1.10.10")],
  [
    "toolchain: go1.21 and go1.21.0 are tied and differ as bytes",
    toolchain("go1.21", "go1.21.0", "go1.20.0", "go1.20"),
  ],
  [
    "toolchain: the first record of any platform",
    toolchain("go1.21.0", "go1.21.0.darwin-arm64", "go1.21.0.windows-386", "go1.21.0"),
  ],
  [
    "toolchain: a go that was dropped is seen again",
    toolchain("go1.20.1", "go1.20.2", "go1.21.0", "go1.20.1", "go1.20.2.darwin-arm64"),
  ],
  [
    "toolchain: spellings that do not count",
    toolchain(
      "go1.21.0.Linux-amd64",
      "go1.21.0.linux",
      "go2.0.0.linux-amd64",
      "go1.21rc0.linux-amd64",
      "go1.21beta0.linux-amd64",
      "go1.21rc1.1.linux-amd64",
      "go1.21-rc1.linux-amd64",
      "go1.21.0.linux-amd64-x",
      "go1.21.linux-amd-64",
      "go1.021.0.linux-amd64",
      "go1.21.0.linux-amd64.x",
      "go1.20.0.linux-amd64",
    ),
  ],
  [
    "toolchain: another patch of the module version",
    [mod(1, "golang.org/toolchain", "v0.0.2-go1.21.0.linux-amd64"), mod(2, "golang.org/toolchain", "v0.0.1")],
  ],
  ["toolchain: a go of 40 bytes", toolchain(`go1.${"1".repeat(36)}`)],
  ["toolchain: a go of 41 bytes", toolchain(`go1.${"1".repeat(37)}`)],
  ["toolchain: a pseudo-version that names a go", [mod(1, "golang.org/toolchain", `v0.0.1-go1.0.${T}-amd64`)]],
  ["toolchain: another module with such versions", module("example.com/toolchain", go("go1.21.0"))],
  [
    "toolchain: three items of 40 bytes",
    toolchain(`go1.9.${"1".repeat(34)}`, `go1.10.${"1".repeat(33)}`, `go1.11rc${"1".repeat(32)}`),
  ],
];

export function fields(records: readonly Bytes[]) {
  const { subjects, states, root } = goMap(records);
  const sorted = [...states].sort(([a], [b]) => (a < b ? -1 : 1));
  return { subjects: Object.fromEntries(subjects), states: Object.fromEntries(sorted), mapRoot: hex(root) };
}

export function mapFoldVectors(): Vector[] {
  const out: Vector[] = FOLDS.map(([name, records]) => {
    return { name, operation: "map", records: records.map(hex), expect: fields(records) } as Vector;
  });
  const many = FOLDS.flatMap(([, records]) => records).slice(0, 160);
  const last = many.length;
  const all: readonly (readonly [string, readonly number[]])[] = [
    ["one epoch", [last]],
    ["three epochs", [20, 90, last]],
    ["an epoch for each record", Array.from({ length: 60 }, (_, i) => i + 1)],
    ["epochs of all lengths", [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78, 91, 105, 120, 136, last]],
  ];
  for (const [name, cuts] of all) {
    const mapRoots = cuts.map((size) => hex(goMap(many.slice(0, size)).root));
    const records = many.slice(0, cuts.at(-1)).map(hex);
    out.push({ name, operation: "cuts", records, cuts, expect: { mapRoots } } as Vector);
  }
  const reversed = EXAMPLE.toReversed();
  out.push({
    name: "the worked example backwards",
    operation: "map",
    records: reversed.map(hex),
    expect: fields(reversed),
  } as Vector);
  return out;
}
