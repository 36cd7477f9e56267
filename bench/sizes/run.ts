/**
 * `npm run bench:sizes [-- --short]`: how long answers are on the wire, from the server's own responder, for maps of a
 * thousand to ten million keys. Prints tables, writes them into docs/sizes.md with plots beside it, and everything as JSON
 * into build/bench/sizes.json. What goes to docs is the same each time for the same records. Without `PROOFDNS_TESTDATA`
 * records are invented, and nothing is written to docs; nor is it with `--short`, which computes up to 100 k keys. Exits
 * with 1 if the goal is missed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatCount, formatKeys, formatTable, Report, replaceBetweenMarkers } from "../report.ts";
import { expectedLevels, grind, typicalBits } from "./attack.ts";
import { compareForms } from "./compare.ts";
import { readCorpus } from "./corpus.ts";
import { KeyPaths, type PathShapes } from "./key-paths.ts";
import {
  AnswerSizes,
  type ByVariant,
  consistencySizes,
  EPOCHS_A_YEAR,
  headSizes,
  ML_DSA_44_LENGTH,
  pageSizes,
  recordProofSizes,
  VARIANTS,
} from "./measure.ts";
import { answerPlot, attackPlot, type HeadPoint, headPlot, sharePlot, type TreePoint } from "./plots.ts";
import { renderSvg } from "./render.mjs";
import { ReplySizer, ZONE } from "./reply-sizer.ts";
import { formatShare, formatSizes, type SizeRow } from "./tables.ts";

const { values: flags } = parseArgs({ options: { short: { type: "boolean", default: false } } });
const isShort = flags.short;
const sizes = [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 2.5e6, 5e6, 1e7].filter((n) => !isShort || n <= 1e5);
/** The size that figures are quoted at: that of the real database. */
const MAIN = isShort ? 1e5 : 2.5e6;
const SAMPLES = isShort ? 200 : 4_000;
const ABSENT_SAMPLES = isShort ? 10_000 : 200_000;

const report = new Report("sizes", { short: isShort });
const corpus = await readCorpus();
const sizer = new ReplySizer();
const answers = new AnswerSizes(sizer, corpus);
const document: string[] = [];

/** Prints a table and, unless it is a short run, puts it into the document. */
function table(title: string, text: string): void {
  report.table(title, text);
  document.push(`### ${title}\n\n${text}`);
}

function say(text: string): void {
  report.say(`\n${text}`);
  document.push(text);
}

const variantNames = VARIANTS.map(({ rrsig, cookie }) =>
  [rrsig ? "RRSIG" : "", cookie ? "cookie" : ""].filter((part) => part !== "").join(" + "),
);
const rowsOf = (what: string, distributions: ByVariant): SizeRow[] =>
  distributions.map((distribution, i) => ({
    what: variantNames[i] === "" ? what : `${what}, ${variantNames[i]}`,
    summary: distribution.summarize(),
  }));
const rowOf = (what: string, distributions: ByVariant, variant: number): SizeRow => ({
  what,
  summary: (distributions[variant] as ByVariant[number]).summarize(),
});

say(
  `Names, values and versions: ${formatCount(corpus.modules.length)} modules and ${formatCount(corpus.families.length)} ` +
    `families of ${formatCount(corpus.recordCount)} ${corpus.source}, their log indexes spread over 67 million. Zone \`${ZONE}.\``,
);

// Module answers as the map grows. Each key's path with each module's name and value.
const points: TreePoint[] = [];
const bySize: { keys: number; shapes: PathShapes; present: ByVariant; absent: ByVariant }[] = [];
const pathRows: string[][] = [];
for (const keys of sizes) {
  const tree = KeyPaths.random(keys, keys + 1);
  const shapes = tree.inclusion();
  const absentShapes = tree.nonInclusion(ABSENT_SAMPLES, 5);
  const present = answers.present(shapes);
  const absent = answers.absent(absentShapes);
  bySize.push({ keys, shapes, present, absent });
  points.push({ keys, summary: rowOf("", present, 1).summary });
  pathRows.push([formatKeys(keys), ...describePaths(shapes), describePaths(absentShapes)[0] as string]);
}
const main = bySize.find(({ keys }) => keys === MAIN);
if (main === undefined) throw new TypeError("the main size is not among the sizes");

table(
  `Module answer with RRSIG, by keys in the map`,
  formatSizes(
    "keys",
    bySize.map(({ keys, present }) => rowOf(formatKeys(keys), present, 1)),
  ),
);
table(
  `Absence with RRSIG, by keys in the map`,
  formatSizes(
    "keys",
    bySize.map(({ keys, absent }) => rowOf(formatKeys(keys), absent, 1)),
  ),
);
table(
  `All kinds of answers at ${formatKeys(MAIN)} keys`,
  formatSizes("answer", [
    ...rowsOf("module", main.present),
    ...rowsOf("absence", main.absent),
    rowOf("`_majors`, RRSIG", answers.families(main.shapes), 1),
    rowOf("`_versions` (with state), RRSIG", answers.versions(main.shapes), 1),
    rowOf("page of versions, RRSIG", pageSizes(sizer, corpus), 1),
    rowOf("`_record` of 67 M, RRSIG", recordProofSizes(sizer, SAMPLES), 1),
    rowOf("`_sumdb` up to 67 M, RRSIG", consistencySizes(sizer, "sumdb", SAMPLES), 1),
    rowOf("`_consistency` in the second year, RRSIG", consistencySizes(sizer, "output", SAMPLES), 1),
  ]),
);
table("Siblings in a path", formatTable(["keys", "mean", "p50", "p99", "max", "absence, mean"], pathRows));

// Heads. The second year of a log of an epoch each ten minutes.
const cosigners = [
  { name: "no cosignature", kind: { count: 0, signatureLength: 64 } },
  { name: "3 Ed25519", kind: { count: 3, signatureLength: 64 } },
  { name: "10 Ed25519", kind: { count: 10, signatureLength: 64 } },
  { name: "3 ML-DSA-44", kind: { count: 3, signatureLength: ML_DSA_44_LENGTH } },
  { name: "10 ML-DSA-44", kind: { count: 10, signatureLength: ML_DSA_44_LENGTH } },
] as const;
const behinds = [
  ["1 epoch", 1],
  ["1 hour", 6],
  ["1 day", 144],
  ["1 week", 1008],
  ["30 days", 4320],
  ["1 year", EPOCHS_A_YEAR],
] as const;
const heads = (kind: (typeof cosigners)[number]["kind"], behind: number | undefined): ByVariant =>
  headSizes(sizer, kind, behind, EPOCHS_A_YEAR + 1, 2 * EPOCHS_A_YEAR, SAMPLES / 4);
const headPoints: HeadPoint[] = [];
const headRows = cosigners.flatMap(({ name, kind }) => [
  rowOf(`plain, ${name}`, heads(kind, undefined), 1),
  ...behinds.map(([what, behind]) => {
    const row = rowOf(`since ${what} ago, ${name}`, heads(kind, behind), 1);
    if (kind.signatureLength === 64) headPoints.push({ cosigners: name, behind, bytes: row.summary.p99 });
    return row;
  }),
]);
table("Heads with RRSIG, an epoch each ten minutes, in the log's second year", formatSizes("head", headRows));
table(
  "Heads with 3 Ed25519 cosignatures, with and without RRSIG and cookie",
  formatSizes("head", [
    ...rowsOf("plain", heads(cosigners[1].kind, undefined)),
    ...rowsOf("since a day ago", heads(cosigners[1].kind, 144)),
  ]),
);

// The same answers in other forms.
const forms = compareForms(sizer, corpus, main.shapes, isShort ? 40 : 5);
table(
  `The module answer at ${formatKeys(MAIN)} keys in other forms`,
  formatTable(
    ["form", "p50", "p90", "p99", "max", "≤ 1,232", "DNS replies (p50)"],
    forms.map(({ form, sizes: found, replies }) => {
      const { p50, p90, p99, max, fits } = found.summarize();
      const count = replies.quantile(0.5);
      return [
        form,
        ...[p50, p90, p99, max].map(formatCount),
        count > 1 ? "–" : formatShare(fits[1] as number),
        count === 0 ? "–" : String(count),
      ];
    }),
  ),
);

// Adversarial depth.
const found = grind(14, isShort ? 14 : 22, 64, 3);
const mainP50 = rowOf("", main.present, 1).summary.p50;
const depth = Math.round(meanDepth(main.shapes));
// A level is a sibling; its bit lengthens the bitmap every eighth, and TXT framing takes a byte of 255.
const attacked = (logTrials: number): { levels: number; bytes: number } => {
  const levels = expectedLevels(typicalBits(depth), logTrials);
  const deepest = Math.max(depth, Math.ceil(logTrials));
  const bitmap = Math.max(0, Math.ceil(deepest / 8) - Math.ceil(depth / 8));
  return { levels, bytes: Math.round(mainP50 + (levels * 32 + bitmap) * (1 + 1 / 255)) };
};
const steps = [20, 24, 28, 32, 36, 40, 48, 56, 64, 80];
table(
  `Adversarial depth: a typical module (p50, ${depth} siblings) at ${formatKeys(MAIN)} keys`,
  formatTable(
    ["names hashed", "levels added", "bytes with RRSIG", "fits 1,232"],
    steps.map((logTrials) => {
      const { levels, bytes } = attacked(logTrials);
      return [`2^${logTrials}`, levels.toFixed(1), formatCount(bytes), bytes <= 1232 ? "yes" : "no: TCP"];
    }),
  ),
);
say(
  `The formula against a real search: 2^${found.logTrials} names hashed against ${found.victims} keys of a map of ` +
    `${formatCount(found.keys)} (${found.naturalDepth.toFixed(2)} siblings by nature) added ${found.foundLevels.toFixed(2)} ` +
    `levels to a path on the mean; expected were ${found.expectedLevels.toFixed(2)}. Each level is a module of its own ` +
    "that the attacker must get into the checksum database.",
);

const goal = {
  what: `p99 of module answers with RRSIG at ${formatKeys(MAIN)} keys`,
  value: rowOf("", main.present, 1).summary.p99,
  limit: 1232,
  bound: "most",
  unit: "bytes",
} as const;
report.say("");
report.goal(goal);

report.keep("source", corpus.source);
report.keep("modules", corpus.modules.length);
report.keep(
  "answers",
  bySize.map(({ keys, present, absent }) => ({
    keys,
    present: rowsOf("module", present),
    absent: rowsOf("absence", absent),
  })),
);
report.keep("heads", headRows);
report.keep(
  "forms",
  forms.map(({ form, sizes: all, replies }) => ({ form, sizes: all.summarize(), replies: replies.summarize() })),
);
report.keep("grind", found);
report.keep(
  "attack",
  steps.map((logTrials) => ({ logTrials, ...attacked(logTrials) })),
);

const isReal = process.env["PROOFDNS_TESTDATA"] !== undefined;
if (!isShort && isReal) {
  const docs = new URL("../../docs/", import.meta.url);
  const page = new URL("sizes.md", docs);
  writeFileSync(page, replaceBetweenMarkers(readFileSync(page, "utf8"), "sizes", document.join("\n\n")));
  const curve = (name: string, distributions: ByVariant, variant: number) => ({
    name,
    shares: (distributions[variant] as ByVariant[number]).shares(),
  });
  const plots = {
    "sizes-answers.svg": answerPlot(points),
    "sizes-share.svg": sharePlot(`Module answers at ${formatKeys(MAIN)} keys (dashed: 1,232)`, [
      curve("unsigned", main.present, 0),
      curve("RRSIG", main.present, 1),
      curve("RRSIG + cookie", main.present, 3),
      curve("absence, RRSIG", main.absent, 1),
    ]),
    "sizes-heads.svg": headPlot(headPoints),
    "sizes-attack.svg": attackPlot(
      Array.from({ length: 61 }, (_, i) => ({ logTrials: 20 + i, bytes: attacked(20 + i).bytes })),
    ),
  };
  for (const [name, spec] of Object.entries(plots)) writeFileSync(new URL(name, docs), await renderSvg(spec));
  report.say(
    `wrote docs/sizes.md and ${Object.keys(plots)
      .map((name) => `docs/${name}`)
      .join(", ")}`,
  );
} else {
  report.say("nothing was written to docs: that takes a whole run with real records (PROOFDNS_TESTDATA)");
}
report.finish();
if (!report.isReached) process.exitCode = 1;

/** Mean, p50, p99 and max of the siblings. */
function describePaths(shapes: PathShapes): string[] {
  const byDepth = new Map<number, number>();
  let total = 0;
  for (const { depth: siblings, count } of shapes.entries()) {
    byDepth.set(siblings, (byDepth.get(siblings) ?? 0) + count);
    total += count;
  }
  const sorted = [...byDepth].sort(([a], [b]) => a - b);
  const quantile = (share: number): number => {
    let below = 0;
    for (const [siblings, count] of sorted) {
      below += count;
      if (below >= share * total) return siblings;
    }
    return 0;
  };
  return [meanDepth(shapes).toFixed(2), ...[0.5, 0.99, 1].map((share) => String(quantile(share)))];
}

function meanDepth(shapes: PathShapes): number {
  let sum = 0;
  let total = 0;
  for (const { depth: siblings, count } of shapes.entries()) {
    sum += siblings * count;
    total += count;
  }
  return sum / total;
}
