import { type Bytes, base64, fill, hex, utf8 } from "./bytes.ts";
import { order, path, record, recordText, version } from "./gomod.ts";
import { agree, type Vector } from "./vector.ts";

/** Vectors of map.md §1 to §3: records, versions, their order, and module paths. What is expected is stated, and checked. */

const T = "20200102030405";
const NINES = "9".repeat(30);

type VersionRow = readonly [
  text: string,
  name: string,
  kind?: "release" | "pre" | "pseudo",
  major?: string,
  time?: string,
];

const VERSIONS: readonly VersionRow[] = [
  ["v1.2.3", "three numbers", "release", "1"],
  ["v0.0.0", "zeros", "release", "0"],
  [`v${NINES}.0.0`, "a major of thirty digits", "release", NINES],
  [`v1.${NINES}.${NINES}`, "huge minor and patch", "release", "1"],
  ["v1.2.3-rc.1", "a pre-release", "pre", "1"],
  ["v1.2.3-0", "a pre-release that is the number 0", "pre", "1"],
  ["v1.2.3-0a", "a leading zero beside a letter", "pre", "1"],
  ["v1.2.3--", "a pre-release that is a hyphen", "pre", "1"],
  ["v1.2.3-a-b.0-0", "hyphens in idents", "pre", "1"],
  ["v1.2.3-A.b.9", "upper case", "pre", "1"],
  ["v2.0.0+incompatible", "incompatible", "release", "2"],
  ["v2.0.0-rc.1+incompatible", "an incompatible pre-release", "pre", "2"],
  ["v0.0.0+incompatible", "canonical as a version, whatever the path says", "release", "0"],
  ["1.2.3", "no v"],
  ["V1.2.3", "an upper-case v"],
  ["v1.2", "two numbers"],
  ["v1", "one number"],
  ["v1.2.3.4", "four numbers"],
  ["v01.2.3", "a leading zero in the major"],
  ["v1.02.3", "a leading zero in the minor"],
  ["v1.2.03", "a leading zero in the patch"],
  ["v1.2.3-", "an empty pre-release"],
  ["v1.2.3-a..b", "an empty ident"],
  ["v1.2.3-a.", "an empty last ident"],
  ["v1.2.3-.a", "an empty first ident"],
  ["v1.2.3-01", "a number with a leading zero as ident"],
  ["v1.2.3-a.00", "two zeros as ident"],
  ["v1.2.3-a_b", "an underscore"],
  ["v1.2.3+meta", "other build metadata"],
  ["v1.2.3+incompatible.1", "more after incompatible"],
  ["v1.2.3+Incompatible", "incompatible in upper case"],
  ["v1.2.3+incompatible-x", "a pre-release after incompatible"],
  ["v1.2.3 ", "a space at the end"],
  ["v1.2.3\n", "a line feed at the end"],
  ["", "nothing"],
  ["v", "a v alone"],
  ["v-1.2.3", "a sign"],
  ["v1.2.é", "not ASCII"],
  [`v1.0.0-${"a".repeat(83)}`, "90 bytes", "pre", "1"],
  [`v1.0.0-${"a".repeat(84)}`, "91 bytes"],
  [`v1.0.0-${"a".repeat(70)}+incompatible`, "90 bytes with incompatible", "pre", "1"],
  [`v1.0.0-${"a".repeat(71)}+incompatible`, "91 bytes with incompatible"],
  [`v0.0.0-${T}-0123456789ab`, "a pseudo-version without a version before it", "pseudo", "0", T],
  [`v1.2.4-0.${T}-0123456789ab`, "a pseudo-version after a release", "pseudo", "1", T],
  [`v1.2.3-rc.1.0.${T}-0123456789ab`, "a pseudo-version after a pre-release", "pseudo", "1", T],
  [`v2.0.1-0.${T}-0123456789ab+incompatible`, "an incompatible pseudo-version", "pseudo", "2", T],
  [`v1.0.0-${T}-a`, "a revision of one letter", "pseudo", "1", T],
  [`v1.0.0-${T}-0123456789abcdef0123456789abcdef01234567`, "a long revision", "pseudo", "1", T],
  [`v1.0.0-${T}-ABCxyz`, "a revision that is not hexadecimal", "pseudo", "1", T],
  [`v1.0.0-a-b.0.${T}-c`, "hyphens before the 0", "pseudo", "1", T],
  [`v1.0.0-0.0.${T}-c`, "a number before the 0", "pseudo", "1", T],
  [
    "v1.0.0-00000000000000-c",
    "zeros are a timestamp, since the hyphen makes them no number",
    "pseudo",
    "1",
    "00000000000000",
  ],
  ["v1.0.0-0.99999999999999-c", "any digits are a timestamp", "pseudo", "1", "99999999999999"],
  [`v1.1.0-${T}-0123456789ab`, "near miss: a minor before a bare timestamp", "pre", "1"],
  [`v1.0.1-${T}-0123456789ab`, "near miss: a patch before a bare timestamp", "pre", "1"],
  [`v1.0.0-1.${T}-0123456789ab`, "near miss: 1 before the timestamp", "pre", "1"],
  [`v1.0.0-00a.${T}-0123456789ab`, "near miss: no 0 before the timestamp", "pre", "1"],
  [`v1.0.0-b0.${T}-0123456789ab`, "near miss: an ident that ends in 0", "pre", "1"],
  [`v1.0.0-a.b0.${T}-0123456789ab`, "near miss: a later ident that ends in 0", "pre", "1"],
  [`v1.0.0-0${T}-0123456789ab`, "near miss: fifteen digits", "pre", "1"],
  ["v1.0.0-2020010203040-0123456789ab", "near miss: thirteen digits", "pre", "1"],
  [`v1.0.0-0.${T}-`, "near miss: an empty revision", "pre", "1"],
  [`v1.0.0-0.${T}`, "near miss: no revision", "pre", "1"],
  [`v1.0.0-0.${T}-ab.c`, "near miss: a dot in the revision", "pre", "1"],
  [`v1.0.0-0.${T}-ab-c`, "near miss: a hyphen in the revision", "pre", "1"],
  [`v1.0.0-0-${T}-ab`, "near miss: a hyphen before the timestamp", "pre", "1"],
  [`v1.0.0-x.${T}-ab`, "near miss: a letter before the timestamp", "pre", "1"],
];

type PathRow = readonly [path: string, name: string, base?: string, major?: string | null, family?: string | null];

const plain = (p: string, name: string): PathRow => [p, name, p, null, null];
const bad = (p: string, name: string): PathRow => [p, name];

const PATHS: readonly PathRow[] = [
  plain("example.com", "a host"),
  plain("example.com/mod", "a host and an element"),
  plain("example.com/A-b_c~d.e/Z", "all characters"),
  plain("1.2", "digits and a dot"),
  plain("a-.b", "a hyphen before the dot"),
  plain("a..b/x", "two dots in the host"),
  plain("example.com/-x", "a hyphen at the beginning of a later element"),
  plain("example.com/x-", "a hyphen at the end of an element"),
  plain("example.com/a..b", "two dots in an element"),
  bad("", "nothing"),
  bad("-example.com/x", "a hyphen at the beginning"),
  bad("/example.com", "an empty first element"),
  bad("example.com/", "an empty last element"),
  bad("example.com//x", "an empty element"),
  bad("example.com/a b", "a space"),
  bad("example.com/a+b", "a plus"),
  bad("example.com/a@b", "an at sign"),
  bad("example.com/é", "not ASCII"),
  bad("example.com/a\n", "a line feed"),
  bad("example.com/a!b", "an exclamation mark"),
  bad("example.com/.x", "a dot at the beginning of an element"),
  bad("example.com/x.", "a dot at the end of an element"),
  bad("example.com/.", "a dot alone"),
  bad("example.com/..", "two dots alone"),
  bad(".example.com/x", "a dot at the beginning of the host"),
  bad("example.com./x", "a dot at the end of the host"),
  bad("localhost/x", "a host without a dot"),
  bad("Example.com/x", "upper case in the host"),
  bad("example_a.com/x", "an underscore in the host"),
  bad("example~a.com/x", "a tilde in the host"),
  ...["CON", "con", "Prn", "AUX", "nul", "COM1", "com9", "lpt1", "LPT9"].map((w) =>
    bad(`example.com/${w}/x`, `${w}, a name of Windows`),
  ),
  bad("example.com/con.go", "a name of Windows before a dot"),
  bad("con.example/x", "a name of Windows in the host"),
  plain("example.com/com0", "COM0 is no name of Windows"),
  plain("example.com/com10", "COM10 is no name of Windows"),
  plain("example.com/lpt", "LPT without a digit"),
  plain("example.com/cons", "CONS is no name of Windows"),
  plain("example.com/x.con", "a name of Windows after a dot"),
  bad("example.com/x~1", "a short name of Windows"),
  bad("example.com/x~12.go", "a short name of Windows before a dot"),
  bad("example.com/~1", "a short name that is only a tilde and a digit"),
  plain("example.com/x~1a", "a tilde and a digit, not at the end"),
  plain("example.com/x~", "a tilde at the end"),
  plain("example.com/x.y~1", "a short name of Windows after a dot"),
  ["example.com/x/v2", "a suffix", "example.com/x", "2", "example.com/x/v*"],
  ["example.com/v2", "a suffix behind the host", "example.com", "2", "example.com/v*"],
  ["example.com/x/v10", "a suffix of two digits that ends in 0", "example.com/x", "10", "example.com/x/v*"],
  ["example.com/v2/v3", "a base path with a suffix of its own", "example.com/v2", "3", "example.com/v2/v*"],
  ["example.com/v1/v2", "a base path that is no module path", "example.com/v1", "2", "example.com/v1/v*"],
  [`example.com/x/v${"9".repeat(20)}`, "a suffix of 20 digits", "example.com/x", "9".repeat(20), "example.com/x/v*"],
  [`example.com/x/v${"9".repeat(21)}`, "a suffix of 21 digits is in no family", "example.com/x", "9".repeat(21), null],
  bad("example.com/x/v0", "the suffix /v0"),
  bad("example.com/x/v1", "the suffix /v1"),
  bad("example.com/x/v01", "the suffix /v01"),
  bad("example.com/x/v02", "the suffix /v02"),
  bad("example.com/x/v2.3", "the suffix /v2.3"),
  bad("example.com/x/v2.0", "the suffix /v2.0"),
  bad("example.com/x/v.2", "the suffix /v.2"),
  plain("example.com/x/v2a", "/v2a is no suffix"),
  plain("example.com/x/V2", "/V2 is no suffix"),
  plain("example.com/x/v", "/v is no suffix"),
  plain("example.com/xv2", "a v2 that is not an element"),
  plain("example.com/x/2", "a number alone"),
  plain("example.com/x1.5", "a number at the end of an element"),
  plain("example.com/x/v-2", "a sign"),
  plain("example.com/x.v2", "the suffix of gopkg.in elsewhere"),
  plain("example.com/v1/x", "a suffix that is not at the end"),
  ["a.b/v2", "a short host with a suffix", "a.b", "2", "a.b/v*"],
  ["gopkg.in/yaml.v3", "gopkg.in", "gopkg.in/yaml", "3", "gopkg.in/yaml.v*"],
  ["gopkg.in/user/pkg.v0", "gopkg.in takes .v0", "gopkg.in/user/pkg", "0", "gopkg.in/user/pkg.v*"],
  ["gopkg.in/yaml.v1", "gopkg.in takes .v1", "gopkg.in/yaml", "1", "gopkg.in/yaml.v*"],
  ["gopkg.in/yaml.v2-unstable", "-unstable is in no family", "gopkg.in/yaml", "2", null],
  ["gopkg.in/x.v1.v2", "gopkg.in with a base path that has a suffix", "gopkg.in/x.v1", "2", "gopkg.in/x.v1.v*"],
  [`gopkg.in/x.v${"9".repeat(20)}`, "gopkg.in with 20 digits", "gopkg.in/x", "9".repeat(20), "gopkg.in/x.v*"],
  [`gopkg.in/x.v${"9".repeat(21)}`, "gopkg.in with 21 digits", "gopkg.in/x", "9".repeat(21), null],
  bad("gopkg.in/yaml", "gopkg.in without a suffix"),
  bad("gopkg.in/yaml.v03", "gopkg.in with a leading zero"),
  bad("gopkg.in/yaml.v00", "gopkg.in with two zeros"),
  bad("gopkg.in/yaml.v0-unstable", "gopkg.in with .v0-unstable"),
  bad("gopkg.in/yaml.v", "gopkg.in without digits"),
  bad("gopkg.in/yaml.v2.3", "gopkg.in with a dot in the digits"),
  bad("gopkg.in/yaml/v3", "gopkg.in with a slash"),
  bad("gopkg.in/yaml.v3/sub", "gopkg.in with the suffix not at the end"),
  bad("gopkg.in/yaml.v2-unstable-unstable", "gopkg.in with -unstable twice"),
  bad("gopkg.in/yaml-unstable", "gopkg.in with -unstable and no suffix"),
  bad("gopkg.in/.v3", "gopkg.in with nothing before the suffix"),
  bad("gopkg.in/yaml.V3", "gopkg.in with an upper-case V"),
  plain("gopkg.in", "the host gopkg.in alone"),
  plain("gopkg.info/x", "a host that begins like gopkg.in"),
  plain("golang.org/toolchain", "the toolchain is a module, too"),
];

interface RecordRow {
  readonly name: string;
  readonly bytes: Bytes;
  readonly ok: boolean;
}

function records(): RecordRow[] {
  const [zip, mod] = [fill(1), fill(2)];
  const rows: RecordRow[] = [];
  const add = (name: string, text: string | Bytes, ok = false) =>
    rows.push({ name, bytes: typeof text === "string" ? utf8(text) : text, ok });
  const pair = (name: string, p: string, v: string, ok: boolean) => add(name, recordText(p, v, zip, mod), ok);
  const good = recordText("example.com/mod", "v1.2.3", zip, mod);
  const [first, second] = good.split("\n") as [string, string];
  add("well-formed", good, true);
  add("nothing", "");
  add("one line", `${first}\n`);
  add("the lines the other way round", `${second}\n${first}\n`);
  add("no line feed at the end", good.slice(0, -1));
  add("two line feeds at the end", `${good}\n`);
  add("a line more", `${good}${first}\n`);
  add("a carriage return", good.replaceAll("\n", "\r\n"));
  add("two spaces", good.replace(" v1.2.3 ", "  v1.2.3 "));
  add("a space at the end of a line", good.replace("\n", " \n"));
  add("a space at the beginning", ` ${good}`);
  add("a tab", good.replace(" v1.2.3 ", "\tv1.2.3 "));
  add("four fields", good.replace(" h1:", " x h1:"));
  add("another path on the second line", `${first}\n${second.replace("mod ", "mud ")}\n`);
  add("another version on the second line", `${first}\n${second.replace("v1.2.3/", "v1.2.4/")}\n`);
  add("no /go.mod", `${first}\n${first}\n`);
  add("/go.mod on both lines", `${second}\n${second}\n`);
  add("/go.sum", good.replace("/go.mod", "/go.sum"));
  add("h2", good.replace("h1:", "h2:"));
  add("no h1", good.replace("h1:", ""));
  add("H1", good.replace("h1:", "H1:"));
  add(
    "the hash of the URL alphabet",
    recordText("example.com/mod", "v1.2.3", fill(0xff), mod)
      .replaceAll("/", "_")
      .replace("_go.mod", "/go.mod")
      .replaceAll("com_mod", "com/mod"),
  );
  add("a hash with both special characters", recordText("example.com/mod", "v1.2.3", fill(0xff), fill(0xfb)), true);
  add("no padding", good.replace("=", ""));
  add("spare bits in the first hash", good.replace("E=", "F="));
  add("spare bits in the second hash", good.replace("I=", "J="));
  add("a hash of 31 bytes", good.replace(base64(zip), base64(fill(1, 31))));
  add("a hash of 33 bytes", good.replace(base64(zip), base64(fill(1, 33))));
  add("a go.mod hash of 31 bytes", good.replace(base64(mod), base64(fill(2, 31))));
  add("an empty hash", good.replace(base64(zip), ""));
  add("bytes that are not UTF-8", Uint8Array.from([...utf8("example.com/"), 0xff, ...utf8(good.slice(13))]));
  add("a byte order mark", `\ufeff${good}`);
  add("a NUL", good.replace("mod", "m\0d"));
  pair("a path that is none", "localhost/mod", "v1.2.3", false);
  pair("a version that is not canonical", "example.com/mod", "v1.2", false);
  pair("a version of 90 bytes", "example.com/mod", `v1.0.0-${"a".repeat(83)}`, true);
  pair("a version of 91 bytes", "example.com/mod", `v1.0.0-${"a".repeat(84)}`, false);
  pair("major 0 without suffix", "example.com/mod", "v0.1.0", true);
  pair("major 2 without suffix", "example.com/mod", "v2.0.0", false);
  pair("major 2 without suffix, incompatible", "example.com/mod", "v2.0.0+incompatible", true);
  pair("major 1, incompatible", "example.com/mod", "v1.0.0+incompatible", false);
  pair("major 0, incompatible", "example.com/mod", "v0.1.0+incompatible", false);
  pair("a huge incompatible major", "example.com/mod", `v${NINES}.0.0+incompatible`, true);
  pair("an incompatible pre-release", "example.com/mod", "v2.0.0-rc.1+incompatible", true);
  pair("an incompatible pseudo-version", "example.com/mod", `v2.0.1-0.${T}-abc+incompatible`, true);
  pair("a suffix and its major", "example.com/mod/v2", "v2.3.4", true);
  pair("a suffix and another major", "example.com/mod/v2", "v3.0.0", false);
  pair("a suffix and major 1", "example.com/mod/v2", "v1.0.0", false);
  pair("a suffix and a major that begins with it", "example.com/mod/v2", "v20.0.0", false);
  pair("a suffix and an incompatible version", "example.com/mod/v2", "v2.0.0+incompatible", false);
  pair("a suffix and a pseudo-version of major 0", "example.com/mod/v2", `v0.0.0-${T}-abc`, false);
  pair("gopkg.in and its major", "gopkg.in/yaml.v3", "v3.0.1", true);
  pair("gopkg.in and another major", "gopkg.in/yaml.v3", "v2.0.0", false);
  pair("gopkg.in .v0", "gopkg.in/yaml.v0", "v0.1.0", true);
  pair("gopkg.in .v0 and major 1", "gopkg.in/yaml.v0", "v1.0.0", false);
  pair("gopkg.in .v1", "gopkg.in/yaml.v1", "v1.0.0", true);
  pair("gopkg.in .v1 and a version that begins with v0.0.0-", "gopkg.in/yaml.v1", `v0.0.0-${T}-abc`, true);
  pair("gopkg.in .v1 and a pre-release that begins with v0.0.0-", "gopkg.in/yaml.v1", "v0.0.0-rc.1", true);
  pair("gopkg.in .v1 and v0.0.0", "gopkg.in/yaml.v1", "v0.0.0", false);
  pair("gopkg.in .v1 and another version of major 0", "gopkg.in/yaml.v1", "v0.1.0", false);
  pair("gopkg.in .v2 and a version that begins with v0.0.0-", "gopkg.in/yaml.v2", `v0.0.0-${T}-abc`, false);
  pair("gopkg.in and an incompatible version", "gopkg.in/yaml.v2", "v2.0.0+incompatible", false);
  pair("gopkg.in -unstable", "gopkg.in/yaml.v2-unstable", "v2.0.0", true);
  pair(
    "gopkg.in .v1-unstable and a version that begins with v0.0.0-",
    "gopkg.in/yaml.v1-unstable",
    `v0.0.0-${T}-abc`,
    true,
  );
  pair("gopkg.in -unstable and another major", "gopkg.in/yaml.v2-unstable", "v3.0.0", false);
  return rows;
}

const ORDERS: readonly (readonly [name: string, ...ascending: string[]])[] = [
  [
    "the example of semver 2.0.0",
    "v1.0.0-alpha",
    "v1.0.0-alpha.1",
    "v1.0.0-alpha.beta",
    "v1.0.0-beta",
    "v1.0.0-beta.2",
    "v1.0.0-beta.11",
    "v1.0.0-rc.1",
    "v1.0.0",
  ],
  ["numbers, not text", "v1.2.3", "v1.2.10", "v1.10.0", "v2.0.0", "v10.0.0"],
  [
    "numbers beyond 2^53 and 2^64",
    "v1.0.9007199254740992",
    "v1.0.9007199254740993",
    "v1.0.18446744073709551615",
    "v1.0.18446744073709551616",
    `v1.0.${NINES}`,
    `v1.0.1${"0".repeat(30)}`,
  ],
  [
    "huge majors and minors",
    `v${NINES}.0.0`,
    `v${NINES}.9007199254740992.0`,
    `v${NINES}.9007199254740993.0`,
    `v1${"0".repeat(30)}.0.0`,
  ],
  [
    "huge numbers in pre-releases",
    "v1.0.0-9007199254740992",
    "v1.0.0-9007199254740993",
    `v1.0.0-${NINES}`,
    `v1.0.0-1${"0".repeat(30)}`,
    "v1.0.0-0a",
  ],
  [
    "numbers below words, upper case below lower",
    "v1.0.0-9",
    "v1.0.0-10",
    "v1.0.0--",
    "v1.0.0-A",
    "v1.0.0-Z",
    "v1.0.0-a",
    "v1.0.0-aa",
  ],
  ["the longer list is higher", "v1.0.0-a", "v1.0.0-a.0", "v1.0.0-a.0.0", "v1.0.0-a.1", "v1.0.0-a.a"],
  ["a hyphen belongs to its ident", "v1.0.0-a.b", "v1.0.0-a-b", "v1.0.0-a-b.c"],
  [
    "incompatible is ignored, then decides a tie",
    "v2.0.0-rc.1",
    "v2.0.0-rc.1+incompatible",
    "v2.0.0",
    "v2.0.0+incompatible",
    "v2.0.1",
  ],
  [
    "pseudo-versions between releases",
    "v1.2.2",
    "v1.2.3-0.20200102030405-abc",
    "v1.2.3-0.20200102030406-aaa",
    "v1.2.3-pre",
    "v1.2.3-pre.0.20200102030405-abc",
    "v1.2.3",
  ],
];

export function mapTextVectors(): Vector[] {
  const out: Vector[] = [];
  for (const [text, name, kind, major, timestamp = ""] of VERSIONS) {
    const expect = kind === undefined ? null : { kind, major, timestamp };
    const v = version(text);
    agree(`version ${text}`, expect, v && { kind: v.kind, major: v.numbers[0].toString(), timestamp: v.timestamp });
    out.push({ name, operation: "version", text, expect } as Vector);
  }
  for (const [name, ...ascending] of ORDERS) {
    const sorted = ascending.map((text) => version(text)).sort((a, b) => (a && b ? order(a, b) : Number.NaN));
    agree(
      `order ${name}`,
      ascending,
      sorted.map((v) => v?.text),
    );
    // A fixed shuffle: every third.
    const versions = [0, 1, 2].flatMap((k) => ascending.filter((_, i) => i % 3 === k)).reverse();
    out.push({ name, operation: "order", versions, expect: ascending } as Vector);
  }
  for (const [p, name, basePath, major, family] of PATHS) {
    const expect = basePath === undefined ? null : { basePath, major, family };
    agree(`path ${p}`, expect, path(p));
    out.push({ name, operation: "path", path: p, expect } as Vector);
  }
  for (const { name, bytes: data, ok } of records()) {
    const r = record(data);
    agree(`record ${name}`, ok, r !== null);
    const expect = r && {
      path: r.path,
      version: r.version.text,
      kind: r.version.kind,
      zipHash: hex(r.zipHash),
      goModHash: hex(r.goModHash),
    };
    out.push({ name, operation: "record", record: hex(data), expect } as Vector);
  }
  return out;
}
