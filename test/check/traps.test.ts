import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { readRecordsFile } from "../../src/sumdb/records-file.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { needsTestData, testData } from "../sumdb/small-log.ts";
import { CheckScene, line, resultOf, versions, versionsWith } from "./scene.ts";

/**
 * Modules that trip other tools. The real ones stand in the reference data and are checked against it, where it is at hand; where it lacks
 * one, or the text of its go.mod, an invented module of the same shape under example.com stands for it.
 */

/** Real modules: what is in use, what comes of it, and why. */
const REAL: readonly (readonly [used: string, expected: string, why: string])[] = [
  [
    "k8s.io/client-go@v0.30.0",
    "outdated major v1.5.2",
    "v1.5.2 has a go.mod, so v12.0.0+incompatible is out; that v1.5.2 takes itself back stands in no leaf",
  ],
  ["k8s.io/client-go@v12.0.0+incompatible", "ahead", "never a step back to v1.5.2"],
  [
    "github.com/google/go-github@v17.0.0+incompatible",
    "newer-major major github.com/google/go-github/v90@v90.0.0",
    "majors with gaps, from +incompatible",
  ],
  [
    "github.com/google/go-github/v53@v53.0.0",
    "outdated minor v53.2.0 github.com/google/go-github/v90@v90.0.0",
    "both: newer at this path, and a newer major",
  ],
  ["gopkg.in/yaml.v2@v2.2.1", "outdated minor v2.4.0 gopkg.in/yaml.v3@v3.0.1", "gopkg.in writes majors with a dot"],
  ["gopkg.in/yaml.v3@v3.0.1", "current", "the highest major has no newer one"],
  [
    "github.com/coreos/go-systemd@v0.0.0-20190321100706-95778dfbb74e",
    "untagged",
    "no tag at this path in the data: never outdated",
  ],
  ["golang.org/x/xerrors@v0.0.0-20190717185122-a985d3407aa7", "untagged", "no tag at all"],
  ["gopkg.in/check.v1@v1.0.0-20160105164936-4f90aeace3a2", "untagged", "no tag, under gopkg.in"],
  [
    "github.com/sigstore/rekor-tiles/v2@v2.0.0-rc2",
    "outdated minor v2.3.0",
    "from a candidate to the releases after it",
  ],
  ["github.com/exoscale/egoscale/v3@v3.1.5", "outdated patch v3.1.44", "44 > 5 as numbers, not as text"],
  ["github.com/Azure/kubelogin@v0.2.9", "outdated patch v0.2.19", "19 > 9, and upper case in the path"],
  ["rsc.io/sampler@v1.3.1", "outdated minor v1.99.99", "the last in the log is v1.0.0"],
  ["tailscale.com@v1.94.0", "outdated minor v1.102.0", "102 > 94, and a path that is a host"],
  [
    "github.com/docker/docker@v1.6.2",
    "outdated major v28.5.2+incompatible",
    "v1.6.2 has no go.mod: +incompatible counts",
  ],
  ["github.com/gomodule/redigo@v1.9.3", "current", "v1.9.3 has a go.mod: v2.0.0+incompatible does not count"],
  ["github.com/gomodule/redigo@v2.0.0+incompatible", "ahead", "and whoever uses it is not sent back"],
  ["code.gitea.io/gitea@v1.5.2", "current", "v1.11.0-dev is a pre-release, not the latest"],
  ["code.gitea.io/gitea@v1.11.0-dev", "ahead", "on a pre-release above the latest release"],
  [
    "github.com/posener/complete/v2@v2.0.1-alpha.12",
    "current",
    "a pre-release is the latest only where there is no release",
  ],
  [
    "github.com/dgraph-io/badger@v1.6.2",
    "newer-major major github.com/dgraph-io/badger/v2@v2.2007.4",
    "v2.0.0-rc.2+incompatible is out, /v2 is a path of its own",
  ],
  ["github.com/dgraph-io/badger/v2@v2.0.3", "outdated minor v2.2007.4", "a year in the minor is a number"],
  [
    "github.com/decred/dcrd/dcrec/secp256k1@v1.0.4",
    "newer-major major github.com/decred/dcrd/dcrec/secp256k1/v3@v3.0.0",
    "over v2",
  ],
];

let real: CheckScene | undefined;
let invented: CheckScene;

before(async () => {
  invented = await CheckScene.make({
    old: [
      // fullstorydev/grpcui v1.5.0: a tag that was there for a minute and is in the log for ever.
      ...versions("example.com/ghost", "v1.4.1", "v1.5.0", "v1.4.2"),
      // The same, where the authors take it back with the next release, as the only remedy there is.
      ...versionsWith("example.com/mended", ["v1.4.1", "v1.5.0", "v1.5.1"], {
        "v1.5.1": "module example.com/mended\n\nretract [v1.5.0, v1.5.1] // ghost tag\n",
      }),
      // k8s.io/client-go: v1.5.2 takes back all of v1 and the +incompatible ones; users want v0.
      ...versionsWith(
        "example.com/client-go",
        ["v0.35.0", "v0.36.4", "v0.37.0-rc.0", "v1.4.0", "v1.5.2", "v11.0.0+incompatible"],
        {
          "v1.5.2":
            "module example.com/client-go\n\nretract (\n\tv1.5.2\n\t[v1.0.0, v1.5.1]\n\t[v2.0.0+incompatible, v12.0.0+incompatible]\n)\n",
        },
      ),
      { path: "example.com/kept", version: "v2.0.0+incompatible" },
      ...versionsWith("example.com/kept", ["v1.0.0"], { "v1.0.0": "module example.com/kept\n\nretract v1.0.0\n" }),
      // exoscale/egoscale: the go.mod of the highest version counts, not that of the one in use.
      ...versionsWith("example.com/egoscale", ["v0.100.0", "v0.101.0", "v1.19.0"], {
        "v0.101.0": "module example.com/egoscale\n\nretract v0.101.0\n",
        "v1.19.0": "module example.com/egoscale\n\nretract [v1.0.0, v1.19.0]\n",
      }),
      // jferrl/go-githubauth: all of v2 taken back.
      ...versions("example.com/go-githubauth", "v1.5.0"),
      ...versionsWith("example.com/go-githubauth/v2", ["v2.0.0", "v2.0.1"], {
        "v2.0.1": "module example.com/go-githubauth/v2\n\nretract [v2.0.0, v2.0.1]\n",
      }),
      // stripe/stripe-go: v72, v76 and v78, no v77, and +incompatible at the base path.
      { path: "example.com/stripe-go", version: "v70.15.0+incompatible" },
      ...["v72", "v76", "v78"].flatMap((v) => versions(`example.com/stripe-go/${v}`, `${v}.1.0`)),
      // robfig/cron: v1, then v3.
      ...versions("example.com/cron", "v1.2.0"),
      ...versions("example.com/cron/v3", "v3.0.1"),
      // coreos/go-systemd: no tag below v22.
      ...versions("example.com/go-systemd", "v0.0.0-20191104093116-d3cd4ed1dbcf"),
      ...versions("example.com/go-systemd/v22", "v22.5.0"),
      // uber/h3-go: +incompatible v3 at the base path, then /v3 and /v4.
      { path: "example.com/h3-go", version: "v3.0.1+incompatible" },
      ...versions("example.com/h3-go/v3", "v3.7.1"),
      ...versions("example.com/h3-go/v4", "v4.2.0"),
      // The same without a later one: it has only moved.
      { path: "example.com/moved", version: "v3.0.1+incompatible" },
      ...versions("example.com/moved/v3", "v3.7.1"),
      // tailscale#21325: tags of forks and of builds look like versions.
      ...versions("example.com/forked", "v1.2.0", "v1.3.0-fork.1", "v1.2.1-0.20240102030405-0123456789ab"),
      // A maintained older line beside a newer one.
      ...versions("example.com/lines", "v1.4.7", "v1.5.0", "v1.4.8", "v1.4.9-rc.1"),
      // A mirror of the toolchain's odd versions: they parse as pre-releases.
      ...versions("golang.org/toolchain", "v0.0.1-go1.23.5.linux-amd64", "v0.0.1-go1.23.6.linux-amd64"),
    ],
  });
  if (testData === undefined) return;
  const wanted =
    /^(k8s\.io\/client-go|github\.com\/google\/go-github(\/v\d+)?|gopkg\.in\/(yaml|check)\.v\d+|github\.com\/coreos\/go-systemd|golang\.org\/x\/xerrors|github\.com\/sigstore\/rekor-tiles\/v2|github\.com\/exoscale\/egoscale\/v3|github\.com\/Azure\/kubelogin|rsc\.io\/sampler|tailscale\.com|github\.com\/docker\/docker|github\.com\/gomodule\/redigo|code\.gitea\.io\/gitea|github\.com\/posener\/complete\/v2|github\.com\/dgraph-io\/badger(\/v\d+)?|github\.com\/decred\/dcrd\/dcrec\/secp256k1(\/v\d+)?)$/;
  const raw: string[] = [];
  for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(
    join(testData, "data", "sumdb-dev.tsv.gz"),
  )) {
    if (wanted.test(modulePath)) raw.push(formatRecord(modulePath, version, zipHash, goModHash));
  }
  real = await CheckScene.make({ old: [], raw });
});
after(async () => {
  await invented.close();
  await real?.close();
});

for (const [used, expected, why] of REAL) {
  test(`real: ${used} is ${expected}: ${why}`, needsTestData, async () => {
    const report = await (real as CheckScene).list([used], { withMajors: true });
    assert.deepEqual(report.modules.map(line), [expected]);
  });
}

const on = { withRetractions: true };
const INVENTED: readonly (readonly [used: string, expected: string, options?: object])[] = [
  ["example.com/ghost@v1.4.2", "outdated minor v1.5.0"],
  ["example.com/ghost@v1.4.2", "outdated minor v1.5.0", on],
  ["example.com/mended@v1.4.1", "current", on],
  ["example.com/mended@v1.5.0", "retracted", on],
  ["example.com/client-go@v0.36.4", "outdated major v1.5.2"],
  ["example.com/client-go@v0.35.0", "outdated minor v0.36.4", on],
  ["example.com/client-go@v0.36.4", "current", on],
  ["example.com/client-go@v11.0.0+incompatible", "retracted", on],
  ["example.com/client-go@v1.5.2", "retracted", on],
  // What is not taken back is offered, even if it only counts because all that kept it out was.
  ["example.com/kept@v1.0.0", "outdated major v2.0.0+incompatible", on],
  ["example.com/kept@v1.0.0", "current"],
  ["example.com/egoscale@v0.100.0", "outdated minor v0.101.0", on],
  ["example.com/egoscale@v1.19.0", "retracted", on],
  ["example.com/go-githubauth@v1.5.0", "newer-major major example.com/go-githubauth/v2@v2.0.1", { withMajors: true }],
  ["example.com/go-githubauth@v1.5.0", "current", { ...on, withMajors: true }],
  ["example.com/go-githubauth/v2@v2.0.0", "retracted", on],
  [
    "example.com/stripe-go@v70.15.0+incompatible",
    "newer-major major example.com/stripe-go/v78@v78.1.0",
    { withMajors: true },
  ],
  ["example.com/stripe-go/v76@v76.1.0", "newer-major major example.com/stripe-go/v78@v78.1.0", { withMajors: true }],
  ["example.com/cron@v1.2.0", "newer-major major example.com/cron/v3@v3.0.1", { withMajors: true }],
  ["example.com/go-systemd@v0.0.0-20191104093116-d3cd4ed1dbcf", "untagged", {}],
  ["example.com/h3-go@v3.0.1+incompatible", "newer-major major example.com/h3-go/v4@v4.2.0", { withMajors: true }],
  ["example.com/moved@v3.0.1+incompatible", "newer-major minor example.com/moved/v3@v3.7.1", { withMajors: true }],
  ["example.com/forked@v1.2.0", "current"],
  ["example.com/forked@v1.2.1-0.20240102030405-0123456789ab", "outdated pre v1.3.0-fork.1"],
  ["example.com/forked@v1.2.0", "outdated pre v1.3.0-fork.1", { withPre: true }],
  ["example.com/lines@v1.4.7", "outdated patch v1.4.8", { isPatchOnly: true }],
  ["example.com/lines@v1.4", "latest v1.4.8"],
  ["example.com/lines@v1.4", "latest v1.4.8", on],
];

for (const [used, expected, options] of INVENTED) {
  test(`${used}${options === undefined ? "" : ` with ${Object.keys(options).join(" and ")}`} is ${expected}`, async () => {
    const report = await invented.list([used], options);
    assert.deepEqual(report.modules.map(line), [expected]);
  });
}

test("an untagged module has a newer major all the same, which is said beside it", async () => {
  const report = await invented.list(["example.com/go-systemd@v0.0.0-20191104093116-d3cd4ed1dbcf"], {
    withMajors: true,
  });
  const result = resultOf(report, "example.com/go-systemd");
  assert.deepEqual(
    [result.status, result.offered, result.newerMajor?.path],
    ["untagged", undefined, "example.com/go-systemd/v22"],
  );
});

test("a version of the toolchain module is compared as the pre-release that it is", async () => {
  const report = await invented.list(["golang.org/toolchain@v0.0.1-go1.23.5.linux-amd64"]);
  assert.deepEqual(report.modules.map(line), ["outdated pre v0.0.1-go1.23.6.linux-amd64"]);
  assert.equal(exitCodeOfReport(report), 1);
});

test("no trap is asked more than once for its answer, its majors and each page", async () => {
  const used = ["example.com/client-go@v0.35.0", "example.com/client-go@v0.36.4", "example.com/client-go@v1.5.2"];
  await invented.list(used, { ...on, withMajors: true });
  assert.deepEqual(
    invented.asked.filter((name, i) => invented.asked.indexOf(name) !== i),
    [],
  );
});
