import assert from "node:assert/strict";
import { GoSumCollector } from "../src/sumdb/go-sum.ts";
import { formatH1 } from "../src/vindex/record.ts";
import { textOf } from "./input.ts";
import { isDigit, isLetter } from "./oracle/semver.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** go.sum files, in lines. */
export const target: Target = { maxLength: 2048, plants: ["first-wins"] };

/** Bug: a go.mod hash that contradicts an earlier one is passed over. */
const conflictOf = plant(
  "first-wins",
  (outcome: Outcome<Rows>) => outcome.code,
  (outcome) => (outcome.error?.message.includes("go.mod hash") ? undefined : outcome.code),
);

interface Rows {
  /** `path version zip goMod`, in order. */
  readonly records: readonly string[];
  readonly leftOut: number;
  readonly otherHashes: number;
}

export function fuzz(data: Uint8Array): void {
  const lines = textOf(data).split("\n");
  const outcome = withinTime("a go.sum file", () => outcomeOf(() => collect(lines), "MALFORMED_INPUT", "CONFLICT"));
  const naive = naiveGoSum(lines);
  const code = conflictOf(outcome);
  assert.equal(code, typeof naive === "string" ? naive : undefined, outcome.error?.message);
  if (outcome.value !== undefined) assert.deepEqual(outcome.value, naive);
  else assert.match(outcome.error.message, /^go\.sum:[0-9]+: /);
}

function collect(lines: readonly string[]): Rows {
  const collector = new GoSumCollector();
  for (const [i, text] of lines.entries()) collector.add({ text, number: i + 1 }, "go.sum");
  const { records, leftOut, otherHashes } = collector.result();
  const rows = records.map((r) => [r.modulePath, r.version, formatH1(r.zipHash), formatH1(r.goModHash)].join(" "));
  return { records: rows, leftOut, otherHashes };
}

/** White space to the go command (unicode.IsSpace). */
const SPACES =
  " \t\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";
const EMPTY = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";

function naiveGoSum(lines: readonly string[]): Rows | "MALFORMED_INPUT" | "CONFLICT" {
  const hashes: { name: string; isGoMod: boolean; h1: string }[] = [];
  let otherHashes = 0;
  for (const line of lines) {
    const fields = [""];
    for (const c of line) {
      if (SPACES.includes(c)) fields.push("");
      else fields.push(fields.pop() + c);
    }
    const [path, field, h1, ...more] = fields.filter((text) => text !== "");
    if (path === undefined) continue;
    if (field === undefined || h1 === undefined || more.length > 0) return "MALFORMED_INPUT";
    const isGoMod = field.endsWith("/go.mod");
    const version = isGoMod ? field.slice(0, -7) : field;
    if (!path.split("/").every((element) => isName(element, "-._~")) || path.length > 1024) return "MALFORMED_INPUT";
    if (!isName(version, "-._~+") || version.length > 1024) return "MALFORMED_INPUT";
    if (!h1.startsWith("h1:")) {
      const colon = h1.indexOf(":");
      if (colon < 1 || colon === h1.length - 1) return "MALFORMED_INPUT";
      for (const c of h1.slice(0, colon)) if (!isDigit(c) && !isLetter(c)) return "MALFORMED_INPUT";
      otherHashes++;
      continue;
    }
    const bytes = Buffer.from(h1.slice(3), "base64");
    if (bytes.length !== 32 || `h1:${bytes.toString("base64")}` !== h1) return "MALFORMED_INPUT";
    if (h1 === EMPTY) continue;
    const name = `${path} ${version}`;
    if (hashes.some((other) => other.name === name && other.isGoMod === isGoMod && other.h1 !== h1)) return "CONFLICT";
    hashes.push({ name, isGoMod, h1 });
  }
  const names = [...new Set(hashes.map(({ name }) => name))];
  const records = names.flatMap((name) => {
    const find = (isGoMod: boolean) => hashes.find((one) => one.name === name && one.isGoMod === isGoMod)?.h1;
    const [zip, goMod] = [find(false), find(true)];
    return zip === undefined || goMod === undefined ? [] : [`${name} ${zip} ${goMod}`];
  });
  return { records, leftOut: names.length - records.length, otherHashes };
}

function isName(text: string, signs: string): boolean {
  if (text === "" || text.startsWith(".") || text.endsWith(".")) return false;
  for (const c of text) if (!isDigit(c) && !isLetter(c) && !signs.includes(c)) return false;
  return true;
}
