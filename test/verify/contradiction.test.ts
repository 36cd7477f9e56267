import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { exitCodeOfReport, formatReport, reportToJson, type VerifyReport } from "../../src/cli/verify-output.ts";
import { type Claims, noClaims } from "../../src/verify/claim.ts";
import { addGoSumClaims } from "../../src/verify/go-sum.ts";
import { type RecordAsker, verifyClaims } from "../../src/verify/verify.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { ZoneTransport } from "../attack/liars.ts";
import { record } from "../attack/records.ts";
import { timeOf, World } from "../attack/world.ts";
import { Scene } from "../client/scene.ts";

/** A checksum database that has several records of one version. */

const honest = record("example.com/x", "v1.0.0");
const evil = record("example.com/x", "v1.0.0", "evil");
const twice = record("example.com/twice", "v1.0.0");
/** The zip of one, the go.mod of the other. */
const [zipLine = "", goModLine = ""] = record("example.com/half", "v1.0.0").split("\n");
const [, otherGoModLine = ""] = record("example.com/half", "v1.0.0", "evil").split("\n");
const fillers = [1, 2, 3].map((n) => record("example.com/filler", `v1.${n}.0`));

let world: World;
let scene: Scene;
before(async () => {
  const texts = [
    honest,
    twice,
    ...fillers.slice(0, 2),
    evil,
    twice,
    `${zipLine}\n${goModLine}\n`,
    `${zipLine}\n${otherGoModLine}\n`,
    ...fillers.slice(2),
  ];
  world = await World.build({ records: texts, sizes: [2, texts.length] });
  scene = await Scene.make(world);
});
after(async () => {
  await scene.remove();
  await world.close();
});

async function verify(
  text: string,
  proveRecord?: (logIndex: number, prove: () => Promise<void>) => Promise<void>,
): Promise<VerifyReport & { claims: Claims }> {
  const now = timeOf(2) + 60;
  const client = scene.client(new ZoneTransport(world.answers(2), now), { now });
  const asker: RecordAsker = {
    async lookupAll(subjects, each) {
      for (const [i, subject] of subjects.entries()) each(i, { lookup: await client.lookup(subject) });
    },
    proveRecord: (one) => {
      const prove = (): Promise<void> => client.proveRecord(one);
      return proveRecord === undefined ? prove() : proveRecord(one.logIndex, prove);
    },
    whyPrivate: () => undefined,
    jobs: 2,
  };
  const claims = noClaims();
  addGoSumClaims(claims, text, "go.sum");
  return { claims, verdicts: await verifyClaims(claims.claims, asker), privateModules: new Set() };
}

const statuses = ({ verdicts }: VerifyReport): string => verdicts.map(({ status }) => status).join(" ");

describe("records of one version that contradict each other", () => {
  it("fail every line of that version, whichever of them it agrees with, and both indexes are named", async () => {
    for (const text of [honest, evil, record("example.com/x", "v1.0.0", "third")]) {
      const report = await verify(text);
      assert.equal(statuses(report), "contradicted contradicted");
      assert.equal(exitCodeOfReport(report), 3);
      const shown = [...formatReport(report, false)].join("\n");
      assert.match(shown, /CONTRADICTED {2}example\.com\/x@v1\.0\.0 module: .*records of it, 0 and 4 {2}\(go\.sum:1\)/);
      assert.match(shown, /^0 checksums proven, 2 CONTRADICTED within the checksum database/m);
      assert.ok(shown.includes(honest.split(/\s/)[2] ?? "-") && shown.includes(evil.split(/\s/)[2] ?? "-"), shown);
      const [json] = reportToJson(report, 3);
      assert.equal(json?.["status"], "contradicted");
      assert.match(
        JSON.stringify(json),
        /"records":\[\{"index":0,"proven":"h1:[^"]*"\},\{"index":4,"proven":"h1:[^"]*"\}\]/,
      );
    }
  });

  it("fail the line of the zip too if only the go.mod differs", async () => {
    const report = await verify(`${zipLine}\n${goModLine}\n`);
    assert.equal(statuses(report), "contradicted contradicted");
  });

  it("take nothing from other versions and modules", async () => {
    const report = await verify(`${fillers.join("")}${honest}`);
    assert.equal(statuses(report), "proven proven proven proven proven proven contradicted contradicted");
    assert.equal(exitCodeOfReport(report), 3);
  });

  it("are no contradiction where they agree: all are proven, and the first is named", async () => {
    const asked: number[] = [];
    const report = await verify(twice, (logIndex, prove) => {
      asked.push(logIndex);
      return prove();
    });
    assert.deepEqual(report.verdicts, [
      { status: "proven", logIndex: 1 },
      { status: "proven", logIndex: 1 },
    ]);
    assert.deepEqual(asked, [1, 5]);
  });

  it("are not said to be so before each is proven, and a proof that fails goes before one that is missing", async () => {
    for (const [codes, expected, exitCode] of [
      [["NO_ANSWER", undefined], "NO_ANSWER", 2],
      [[undefined, "NO_ANSWER"], "NO_ANSWER", 2],
      [["NO_ANSWER", "BAD_RECORD_PROOF"], "BAD_RECORD_PROOF", 3],
    ] as const) {
      const report = await verify(honest, (logIndex, prove) => {
        const code = codes[logIndex === 0 ? 0 : 1];
        return code === undefined ? prove() : Promise.reject(new ProofdnsError(code, "no proof"));
      });
      const [verdict] = report.verdicts;
      assert.equal(verdict?.status === "error" && verdict.error.code, expected);
      assert.equal(exitCodeOfReport(report), exitCode);
    }
  });
});
