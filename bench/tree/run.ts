import { type BenchOptions, formatCount, formatFigure, formatKeys, formatTable, Report } from "../report.ts";
import { slope } from "../timing.ts";
import { MULTIPROOFS, measureTree, type TreeCosts, UPDATES } from "./ours.ts";
import { measurePackage } from "./packages.ts";
import { makePairs } from "./pairs.ts";

/** Most keys that the other packages are measured with: they take a minute for a hundred thousand. */
const MOST_FOR_PACKAGES = 100_000;
/** The size that the goals are about. */
const GOAL_KEYS = 2.5e6;

/** Measures the tree by size, and beside it two npm packages with the same keys; true if no goal is missed. */
export async function benchTree(options: BenchOptions): Promise<boolean> {
  const report = new Report("tree", options);
  const { short: isShort } = options;
  const sizes = [1e4, 1e5, 1e6, GOAL_KEYS, 5e6].filter((keys) => !isShort || keys <= 1e5);
  const costs: TreeCosts[] = [];
  for (const keys of sizes) {
    costs.push(await measureTree(keys, isShort));
    report.say(`measured ${formatKeys(keys)} keys`);
  }
  report.table("Build", buildTable(costs));
  report.table("Update, a quarter of the keys new (ms: wall / CPU of all threads)", updateTable(costs));
  report.table("Proofs", proofTable(costs));
  report.keep("costs", costs);
  tellSlopes(report, costs);
  await comparePackages(report, isShort);
  judgeGoals(report, costs);
  report.finish();
  return report.isReached;
}

function buildTable(costs: readonly TreeCosts[]): string {
  const threads = costs[0]?.threads ?? 0;
  return formatTable(
    [
      "keys",
      "CPU s",
      "k keys/s",
      "M hashes/s",
      "while hashing",
      "hasher alone",
      "one-shot, 66 B",
      "one-shot, same lengths",
      "hashing / one-shot",
      `wall s, ${threads} threads`,
      "B/key",
    ],
    costs.map((c) => [
      formatKeys(c.keys),
      formatFigure(c.buildCpu / 1000),
      formatFigure(c.keys / c.buildCpu),
      formatFigure(c.buildRate / 1e6),
      formatFigure(c.hashRate / 1e6),
      formatFigure(c.hasherRate / 1e6),
      formatFigure(c.oneShotRate / 1e6),
      formatFigure(c.oneShotMixedRate / 1e6),
      formatFigure(c.hashRate / c.oneShotMixedRate),
      formatFigure(c.buildWallThreads / 1000),
      formatFigure(c.bytesPerKey),
    ]),
  );
}

function updateTable(costs: readonly TreeCosts[]): string {
  return formatTable(
    ["keys", ...UPDATES.map((changed) => `${formatCount(changed)} changed`), "µs a key of 2,000"],
    costs.map((c) => {
      const of = (changed: number): TreeCosts["updates"][number] | undefined =>
        c.updates.find((update) => update.changed === changed);
      const cell = (times: ReturnType<typeof of>): string =>
        times === undefined ? "–" : `${formatFigure(times.wall)} / ${formatFigure(times.cpu)}`;
      const middle = of(2_000);
      return [
        formatKeys(c.keys),
        ...UPDATES.map((changed) => cell(of(changed))),
        middle === undefined ? "–" : formatFigure(middle.wall / 2),
      ];
    }),
  );
}

function proofTable(costs: readonly TreeCosts[]): string {
  return formatTable(
    [
      "keys",
      "siblings",
      "k proofs/s",
      "dependent read ns",
      "reads a proof",
      "verify µs",
      ...MULTIPROOFS.map((keys) => `${formatCount(keys)} keys: kB`),
      ...MULTIPROOFS.map((keys) => `${formatCount(keys)} keys: ms`),
    ],
    costs.map((c) => [
      formatKeys(c.keys),
      formatFigure(c.siblings),
      formatFigure(c.proofs / 1000),
      formatFigure(c.readTime),
      formatFigure(1e9 / c.proofs / c.readTime),
      formatFigure(c.verify),
      ...c.multiproofs.map(({ bytes }) => formatFigure(bytes / 1000)),
      ...c.multiproofs.map(({ cpu }) => formatFigure(cpu)),
    ]),
  );
}

/** How costs grow: the exponent of the number of keys. */
function tellSlopes(report: Report, costs: readonly TreeCosts[]): void {
  const exponent = (cost: (c: TreeCosts) => number | undefined): number =>
    slope(
      costs.flatMap((c) => {
        const value = cost(c);
        return value === undefined ? [] : [[c.keys, value] as const];
      }),
    );
  const slopes = {
    build: exponent((c) => c.buildCpu),
    update200: exponent((c) => c.updates.find(({ changed }) => changed === 200)?.cpu),
    proof: exponent((c) => 1 / c.proofs),
    verify: exponent((c) => c.verify),
  };
  report.keep("slopes", slopes);
  const text = Object.entries(slopes).map(([what, value]) => `${what} ${value.toFixed(2)}`);
  report.note(`exponents of growth with the number of keys: ${text.join(", ")}`);
}

async function comparePackages(report: Report, isShort: boolean): Promise<void> {
  const keys = isShort ? 2_000 : MOST_FOR_PACKAGES;
  const pairs = makePairs(keys, 1);
  const ours = await measureTree(keys, isShort);
  const others = [
    await measurePackage("@zk-kit/sparse-merkle-tree", pairs),
    await measurePackage("@ethereumjs/mpt", pairs),
  ];
  const update = ours.updates.find(({ changed }) => changed === 200)?.cpu ?? Number.NaN;
  const rows = [["proofdns", (1000 * keys) / ours.buildCpu, ours.proofs, 1e6 / ours.verify, update] as const];
  for (const other of others) {
    if (other !== undefined)
      rows.push([other.name as "proofdns", other.built, other.proofs, other.verified, other.update200]);
  }
  report.keep("packages", rows);
  report.table(
    `Beside npm packages, ${formatKeys(keys)} keys, SHA-256, the same keys and values`,
    formatTable(
      ["package", "k keys/s built", "k proofs/s", "k verified/s", "ms for 200 changed"],
      rows.map(([name, built, proofs, verified, ms]) => [
        name,
        formatFigure(built / 1000),
        formatFigure(proofs / 1000),
        formatFigure(verified / 1000),
        formatFigure(ms),
      ]),
    ),
  );
  if (others.includes(undefined)) report.say("not installed: npm ci --prefix bench/compare brings the other packages");
}

function judgeGoals(report: Report, costs: readonly TreeCosts[]): void {
  const c = costs.find(({ keys }) => keys === GOAL_KEYS);
  const why = "needs 2.5 M keys: without --short";
  const ratio = c === undefined ? undefined : (100 * c.hashRate) / c.oneShotMixedRate;
  // Wall time: a single thread works, and CPU time would count the collector's threads too.
  const update = c?.updates.find(({ changed }) => changed === 2_000)?.wall;
  const proofs = c === undefined ? undefined : c.proofs / 1000;
  report.say("");
  report.goal({
    what: "tree of 2.5 M keys: hashing in a build, of the one-shot rate for messages of the same lengths",
    value: ratio,
    limit: 70,
    bound: "least",
    unit: "%",
    why,
  });
  report.goal({ what: "update of 2,000 of 2.5 M keys", value: update, limit: 25, bound: "most", unit: "ms", why });
  report.goal({
    what: "proofs a second and core at 2.5 M keys",
    value: proofs,
    limit: 400,
    bound: "least",
    unit: "k",
    why,
  });
  report.goal({
    what: "memory at 2.5 M keys beside the values",
    value: c?.bytesPerKey,
    limit: 170,
    bound: "most",
    unit: "bytes a key",
    why,
  });
}
