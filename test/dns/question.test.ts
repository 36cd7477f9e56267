import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Meaning, parseMeaning } from "../../src/dns/question.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { formatBase32 } from "../../src/vindex/base64.ts";
import { makeTestZone } from "./fake-zone.ts";

const zone = makeTestZone();
const labelsOf = (name: string): string[] => (name === "" ? [] : name.split(".").reverse());
const meaning = (name: string): Meaning => parseMeaning(labelsOf(name), zone);
const kind = (name: string): string => meaning(name).kind;

const indexKey = Uint8Array.from({ length: 32 }, (_, i) => i);
const key32 = formatBase32(indexKey);
const path = (subject: string) => ({ subject });

describe("meanings of names", () => {
  const table: [name: string, meaning: Meaning][] = [
    ["", { kind: "apex" }],
    ["p1", { kind: "log-root" }],
    ["v0", { kind: "v0-root" }],
    ["org.p1", { kind: "module", asked: path("org") }],
    ["golang.org.p1", { kind: "module", asked: path("golang.org") }],
    ["_.golang.org.p1", { kind: "empty-non-terminal" }],
    ["x._.golang.org.p1", { kind: "module", asked: path("golang.org/x") }],
    ["mod.x._.golang.org.p1", { kind: "module", asked: path("golang.org/x/mod") }],
    ["_4dox.mjl_2d._.github.com.p1", { kind: "module", asked: path("github.com/mjl-/Mox") }],
    [`${key32}._k.p1`, { kind: "module", asked: { indexKey } }],
    ["_k.p1", { kind: "empty-non-terminal" }],
    ["_toolchain.p1", { kind: "toolchain", asked: path("toolchain") }],
    ["_majors.p1", { kind: "empty-non-terminal" }],
    ["_.github.com._majors.p1", { kind: "empty-non-terminal" }],
    ["gonum._.gonum.org._majors.p1", { kind: "majors", asked: path("gonum.org/gonum/v*") }],
    ["go4.org._majors.p1", { kind: "majors", asked: path("go4.org/v*") }],
    ["gopkg.in._majors.p1", { kind: "majors", asked: path("gopkg.in/v*") }],
    ["yaml._.gopkg.in._majors.p1", { kind: "majors", asked: path("gopkg.in/yaml.v*") }],
    ["go-git.src-d._.gopkg.in._majors.p1", { kind: "majors", asked: path("gopkg.in/src-d/go-git.v*") }],
    ["x._.gopkg.in.org._majors.p1", { kind: "majors", asked: path("gopkg.in.org/x/v*") }],
    ["_versions.p1", { kind: "empty-non-terminal" }],
    ["mod.x._.golang.org._versions.p1", { kind: "versions", asked: path("golang.org/x/mod") }],
    ["org._versions.p1", { kind: "versions", asked: path("org") }],
    ["_.org._versions.p1", { kind: "empty-non-terminal" }],
    ["_k._versions.p1", { kind: "empty-non-terminal" }],
    [`${key32}._k._versions.p1`, { kind: "versions", asked: { indexKey } }],
    ["_p0._versions.p1", { kind: "empty-non-terminal" }],
    ["_k._p0._versions.p1", { kind: "empty-non-terminal" }],
    ["_.golang.org._p0._versions.p1", { kind: "empty-non-terminal" }],
    ["mod.x._.golang.org._p12._versions.p1", { kind: "page", asked: path("golang.org/x/mod"), page: 12 }],
    [`${key32}._k._p0._versions.p1`, { kind: "page", asked: { indexKey }, page: 0 }],
    ["_head.p1", { kind: "head" }],
    ["s0._head.p1", { kind: "head", since: 0 }],
    ["s17._head.p1", { kind: "head", since: 17 }],
    ["e5._head.p1", { kind: "head", epoch: 5 }],
    ["s3.e5._head.p1", { kind: "head", epoch: 5, since: 3 }],
    ["s9.e5._head.p1", { kind: "head", epoch: 5, since: 9 }],
    ["t1800000000._head.p1", { kind: "head-at", time: 1_800_000_000 }],
    ["_consistency.p1", { kind: "empty-non-terminal" }],
    ["9._consistency.p1", { kind: "empty-non-terminal" }],
    ["3.9._consistency.p1", { kind: "consistency", oldSize: 3, newSize: 9 }],
    ["_sumdb.p1", { kind: "empty-non-terminal" }],
    ["9._sumdb.p1", { kind: "empty-non-terminal" }],
    ["3.9._sumdb.p1", { kind: "sumdb-consistency", oldSize: 3, newSize: 9 }],
    ["_record.p1", { kind: "empty-non-terminal" }],
    ["0._record.p1", { kind: "empty-non-terminal" }],
    ["0.9007199254740991._record.p1", { kind: "record", logIndex: 0, treeSize: 9_007_199_254_740_991 }],
    ["com.v0", { kind: "v0", subject: "com", labels: ["com"] }],
    ["_.github.com.v0", { kind: "v0", subject: undefined, labels: ["com", "github", "_"] }],
    ["a.b._.github.com.v0", { kind: "v0", subject: "github.com/b/a", labels: ["com", "github", "_", "b", "a"] }],
    ["toolchain.v0", { kind: "v0", subject: "toolchain", labels: ["toolchain"] }],
    ["ns", { kind: "empty-non-terminal" }],
  ];
  for (const [name, expected] of table) {
    it(`${name || "the apex"} is ${expected.kind}`, () => assert.deepEqual(meaning(name), expected));
  }

  it("the zone's own name servers are there", () => {
    assert.equal(kind("ns1"), "name-server");
    assert.equal(kind("a.ns"), "name-server");
  });

  for (const name of [
    "x",
    "p2",
    "_p1",
    "p1.p1x",
    "x.ns1",
    "b.ns",
    "x.a.ns",
    "ns.ns",
    "_.p1",
    "x._.p1",
    "_foo.p1",
    "_x5.p1",
    "_heads.p1",
    "_k_.p1",
    "a_b.p1",
    "golang.o_rg.p1",
    "golang.org.\u00ff.p1",
    "_5f.p1",
    "_._.golang.org.p1",
    "x._._.golang.org.p1",
    "_6dox._.github.com.p1",
    "mox.mjl-._.github.com.p1",
    "mox._a.mjl_2d._.github.com.p1",
    "a_5._.h.p1",
    "a_2fb._.h.p1",
    "a_80._.h.p1",
    "_head.golang.org.p1",
    "x._toolchain.p1",
    "golang.org._toolchain.p1",
    "x._k.p1",
    `${key32.slice(1)}._k.p1`,
    `${key32}a._k.p1`,
    `${key32.slice(0, 51)}z._k.p1`,
    `${key32.slice(0, 51)}1._k.p1`,
    `x.${key32}._k.p1`,
    `_k.${key32}._k.p1`,
    "_._majors.p1",
    "_k._majors.p1",
    `${key32}._k._majors.p1`,
    "_versions._majors.p1",
    "_majors._versions.p1",
    "_._versions.p1",
    "_p._versions.p1",
    "_p00._versions.p1",
    "_p01._versions.p1",
    "_p-1._versions.p1",
    "_p1x._versions.p1",
    "_p9007199254740992._versions.p1",
    "_p12345678901234567._versions.p1",
    "_._p0._versions.p1",
    "_p1._p0._versions.p1",
    "_versions._p0._versions.p1",
    "_majors._p0._versions.p1",
    "x._k._p0._versions.p1",
    `x.${key32}._k._p0._versions.p1`,
    `_p0.${key32}._k._versions.p1`,
    "_p0.golang.org._versions.p1",
    "_k._k._versions.p1",
    "5._head.p1",
    "e._head.p1",
    "s._head.p1",
    "t._head.p1",
    "e05._head.p1",
    "e+5._head.p1",
    "e 5._head.p1",
    "e1e3._head.p1",
    "e0x5._head.p1",
    "x5._head.p1",
    "e5.s3._head.p1",
    "s3.s3._head.p1",
    "e3.e5._head.p1",
    "t3600.e5._head.p1",
    "s3.t3600._head.p1",
    "x.s3._head.p1",
    "x.s3.e5._head.p1",
    "s3.e5.e5._head.p1",
    "golang.org._head.p1",
    "e9999999999999999._head.p1",
    "x._consistency.p1",
    "-1._consistency.p1",
    "01._consistency.p1",
    "x.9._consistency.p1",
    "00.9._consistency.p1",
    "1.2.3._consistency.p1",
    "e1.e2._consistency.p1",
    "1.2.3._record.p1",
    "1.2.3._sumdb.p1",
    ".9._sumdb.p1",
    "_head._head.p1",
  ]) {
    it(`${name} does not exist`, () => assert.equal(kind(name), "nonexistent"));
  }

  it("a label with a dot inside is not two labels", () => {
    assert.equal(parseMeaning(["p1", "golang.org"], zone).kind, "nonexistent");
    assert.equal(parseMeaning(["a.ns"], zone).kind, "nonexistent");
    assert.equal(parseMeaning(["p1", "_consistency", "3.9"], zone).kind, "nonexistent");
  });

  it("a name server may be the apex, and one may stand under another", () => {
    const other = makeZone({
      apex: "example.org",
      nameServers: [
        { name: "example.org", addresses: ["192.0.2.1"] },
        { name: "ns.example.org", addresses: ["192.0.2.2"] },
        { name: "a.b.ns.example.org", addresses: ["192.0.2.3"] },
      ],
      hostmaster: "hostmaster.example.org",
    });
    assert.equal(parseMeaning([], other).kind, "apex");
    assert.equal(parseMeaning(["ns"], other).kind, "name-server");
    assert.equal(parseMeaning(["ns", "b"], other).kind, "empty-non-terminal");
    assert.equal(parseMeaning(["ns", "b", "a"], other).kind, "name-server");
    assert.equal(parseMeaning(["ns", "c"], other).kind, "nonexistent");
  });
});

describe("existence", () => {
  const words = [
    ..."p1 v0 _ _k _toolchain _majors _versions _p0 _p17 _head _consistency _sumdb _record".split(" "),
    ..."ns1 ns a org com github golang x mod _4dox mjl_2d e5 s3 t3600 0 9 17 toolchain go-git -".split(" "),
    key32,
  ];
  const name = fc.array(fc.constantFrom(...words), { maxLength: 9 });
  const logName = name.map((labels) => ["p1", ...labels]);
  const serviceName = fc
    .tuple(fc.constantFrom("_versions", "_majors", "_head", "_k", "_consistency"), name)
    .map(([service, labels]) => ["p1", service, ...labels]);

  it("of a name is existence of all its ancestors", () => {
    fc.assert(
      fc.property(fc.oneof(name, logName, serviceName), (labels) => {
        if (parseMeaning(labels, zone).kind === "nonexistent") return;
        for (let n = labels.length - 1; n >= 0; n--) {
          assert.notEqual(parseMeaning(labels.slice(0, n), zone).kind, "nonexistent", labels.join(" < "));
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it("is decided for any labels, without an error", () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((b) => String.fromCharCode(...b));
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes, fc.constantFrom(...words)), { maxLength: 126 }), (labels) => {
        parseMeaning(labels, zone);
        parseMeaning(["p1", ...labels], zone);
      }),
      { numRuns: 2000 },
    );
  });
});
