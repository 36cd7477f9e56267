import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Report } from "../../src/check/result.ts";
import { exitCodeOfReport } from "../../src/cli/check-exit.ts";
import { denial, lying, shownName } from "../attack/liars.ts";
import { makeRandom } from "../service/world.ts";
import { CheckScene, line, type RunOptions, versions, versionsWith } from "./scene.ts";

/** Every answer of a whole check, changed in one bit, cut or left out: what is printed is what was proven, or nothing. */

const LIST = [
  "example.com/a@v1.0.0",
  "example.com/taken@v1.0.0",
  "example.com/fam@v1.0.0",
  "example.com/quiet@v1.0.0",
  "example.com/pre@v1.1.0-rc.1",
  "example.com/gone@v1.0.0",
];
const OPTIONS: RunOptions = {
  withMajors: true,
  withRetractions: true,
  withAges: true,
  cooldown: { seconds: 7 * 86_400, text: "7d" },
};

let scene: CheckScene;
let honest: Report;
let names: readonly string[] = [];
before(async () => {
  scene = await CheckScene.make({
    old: [
      ...versions("example.com/a", "v1.0.0", "v1.1.0", "v1.2.0"),
      ...versionsWith("example.com/taken", ["v1.0.0", "v1.1.0", "v1.2.0"], {
        "v1.2.0": "module example.com/taken\n\nretract v1.2.0\n",
      }),
      ...versions("example.com/fam", "v1.0.0"),
      ...versions("example.com/fam/v2", "v2.0.0"),
      ...versions("example.com/quiet", "v1.0.0"),
      ...versions("example.com/pre", "v1.0.0", "v1.1.0-rc.1", "v1.1.0-rc.2"),
    ],
    young: [...versions("example.com/a", "v1.3.0"), ...versions("example.com/fam/v3", "v3.0.0")],
  });
  honest = await scene.list(LIST, OPTIONS);
  names = [...new Set(scene.asked.map((name) => name.replace(/^tcp /, "")))];
});
after(() => scene.close());

/** What may be said beside a liar: what was said without, or that it is not known. */
function assertHonest(report: Report, shown: string): void {
  let isWorse = report.failures.length > 0;
  for (const [i, result] of report.modules.entries()) {
    const truth = honest.modules[i];
    assert.ok(truth !== undefined);
    if (result.offered !== undefined) assert.deepEqual(result.offered.version, truth.offered?.version, shown);
    if (result.newerMajor !== undefined) assert.deepEqual(result.newerMajor.version, truth.newerMajor?.version, shown);
    if (result.latest !== undefined) assert.deepEqual(result.latest.version, truth.latest?.version, shown);
    if (result.age !== undefined && truth.age !== undefined) assert.ok(result.age.atLeast <= truth.age.atLeast, shown);
    if (line(result) !== line(truth)) {
      isWorse = true;
      assert.ok(
        result.status === "error" || result.status === "withheld" || result.errors.length > 0,
        `${shown} ${line(result)}`,
      );
    }
  }
  // Whatever is not as it would have been is not a clean bill.
  if (isWorse) assert.ok(exitCodeOfReport(report) >= 2, shown);
}

test("the honest check has all kinds of results", () => {
  assert.deepEqual(honest.modules.map(line), [
    "outdated minor v1.2.0",
    "newer-major major example.com/fam/v2@v2.0.0",
    "absent",
    "outdated pre v1.1.0-rc.2",
    "current",
    "outdated minor v1.1.0",
  ]);
  assert.ok(names.length > 20, names.join(" "));
});

test("one bit changed anywhere in any answer, by every way, changes nothing that is printed", async () => {
  const random = makeRandom(41);
  for (const name of names) {
    for (let round = 0; round < 6; round++) {
      const [at, bit] = [random(), Math.floor(random() * 8)];
      const report = await scene.list(LIST, {
        ...OPTIONS,
        transport: (inner) =>
          lying(inner, async (asked, ask) => {
            if (asked.name !== name) return undefined;
            const reply = await ask();
            if (reply.kind !== "txt") return reply;
            const payload = reply.payload.slice();
            const i = Math.floor(at * payload.length);
            payload[i] = (payload[i] as number) ^ (1 << bit);
            return { ...reply, payload };
          }),
      });
      assertHonest(report, `${name} byte ${at} bit ${bit}`);
    }
  }
});

test("any answer that is denied, cut or another's makes the check incomplete at worst", async () => {
  const random = makeRandom(42);
  for (const name of names) {
    for (const lie of ["denied", "cut", "swapped"] as const) {
      const report = await scene.list(LIST, {
        ...OPTIONS,
        transport: (inner) => ({
          query: async (wire, options) => {
            const reply = await inner.query(wire, options);
            if (shownName(wire) !== name || reply.kind !== "txt") return reply;
            if (lie === "denied") return denial("nodata", options?.tcp === true);
            if (lie === "cut")
              return { ...reply, payload: reply.payload.slice(0, Math.floor(random() * reply.payload.length)) };
            return { ...reply, payload: await payloadOf(inner, wire) };
          },
        }),
      });
      assertHonest(report, `${lie} ${name}`);
    }
  }
});

/** The payload of another question. */
async function payloadOf(
  inner: { query: (name: Uint8Array) => Promise<{ kind: string; payload?: Uint8Array }> },
  wire: Uint8Array,
): Promise<Uint8Array> {
  const other = wire.slice();
  // Another name of the same length exists nowhere: then an empty payload stands for it.
  other[1] = (other[1] as number) ^ 1;
  const reply = await inner.query(other).catch(() => ({ kind: "none" }) as const);
  return "payload" in reply && reply.payload !== undefined ? reply.payload : new Uint8Array(0);
}
