import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type GoMod, parseGoMod } from "../../src/go/go-mod.ts";
import { quote, unquote } from "../../src/go/go-string.ts";
import { parseGoWork } from "../../src/go/go-work.ts";
import { canonicalVersion, comparePrecedence, parseAnyVersion } from "../../src/go/index.ts";
import { matchesPattern, matchesPrefixPatterns } from "../../src/go/path-pattern.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { askAll, makeOracle, type OracleAnswer, whyNoOracle } from "./differential.ts";
import { Random } from "./random.ts";
import { randomLiteral, randomModFile, randomPattern, randomPatterns, randomVersion } from "./texts.ts";

const CASES = Number(process.env["PROOFDNS_GO_CASES"] ?? 4000);
const SEED = Number(process.env["PROOFDNS_GO_SEED"] ?? 1);

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ProofdnsError) || error.code !== "MALFORMED_INPUT") throw error;
    return undefined;
  }
}

function flatten(goMod: GoMod): OracleAnswer {
  const moduleOf = ({ path, version }: { path: string; version: string }) => ({ Path: path, Version: version });
  return {
    Text: goMod.module,
    GoVersion: goMod.deprecated ?? "",
    Go: goMod.go ?? "",
    Require: goMod.require.map((one) => ({ ...moduleOf(one), Indirect: one.isIndirect })),
    Exclude: goMod.exclude.map((one) => ({ ...moduleOf(one), Indirect: false })),
    Replace: goMod.replace.map((one) => replaceOf(one)),
    Retract: goMod.retract.map(({ low, high, rationale }) => ({ Low: low, High: high, Rationale: rationale })),
  };
}

function replaceOf(one: GoMod["replace"][number]) {
  return { Path: one.path, Version: one.version ?? "", NewPath: one.newPath, NewVersion: one.newVersion ?? "" };
}

/**
 * What Go 1.19 does not know yet; and strings over the end of a line, which the go command passes over in directives that it
 * does not know, and which are refused here wherever they stand.
 */
function isOfLaterGo(text: string): boolean {
  return /\b1\.(?:21\.0|18beta1|2\.3(?!\.4))/.test(text) || text.includes("\\\n");
}

const reason = whyNoOracle();

describe("against the go command's own packages", { skip: reason ?? false }, () => {
  let oracle = "";
  before(() => {
    oracle = makeOracle(folder);
  });

  for (const Op of ["mod", "mod-lax"]) {
    it(`reads go.mod files the same (${Op})`, async () => {
      const random = new Random(SEED);
      const texts = Array.from({ length: CASES }, () => randomModFile(random, "mod")).filter(
        (text) => !isOfLaterGo(text),
      );
      const answers = await askAll(
        oracle,
        texts.map((A) => ({ Op, A })),
      );
      let accepted = 0;
      for (const [i, text] of texts.entries()) {
        const expected = answers[i] as OracleAnswer;
        const goMod = attempt(() => parseGoMod(text, "go.mod", { isDependency: Op === "mod-lax" }));
        if (expected.Error?.includes("Windows path")) continue;
        assert.equal(goMod === undefined, expected.Error !== undefined, `${JSON.stringify(text)}: ${expected.Error}`);
        if (goMod === undefined) continue;
        accepted++;
        const empty = { Text: "", GoVersion: "", Go: "", Require: [], Exclude: [], Replace: [], Retract: [] };
        assert.deepEqual(flatten(goMod), { ...empty, ...expected }, JSON.stringify(text));
      }
      assert.ok(accepted > texts.length / 100, `only ${accepted} of ${texts.length} were accepted`);
    });
  }

  it("reads go.work files the same", async () => {
    const random = new Random(SEED);
    const texts = Array.from({ length: CASES }, () => randomModFile(random, "work")).filter(
      (text) => !isOfLaterGo(text),
    );
    const answers = await askAll(
      oracle,
      texts.map((A) => ({ Op: "work", A })),
    );
    for (const [i, text] of texts.entries()) {
      const expected = answers[i] as OracleAnswer;
      const work = attempt(() => parseGoWork(text, "go.work"));
      if (expected.Error?.includes("Windows path")) continue;
      assert.equal(work === undefined, expected.Error !== undefined, `${JSON.stringify(text)}: ${expected.Error}`);
      if (work === undefined) continue;
      const found = { Go: work.go ?? "", Use: work.use.map(({ path }) => path), Replace: work.replace.map(replaceOf) };
      assert.deepEqual(found, { Go: "", Use: [], Replace: [], ...expected }, JSON.stringify(text));
    }
  });

  it("reads and writes string literals the same", async () => {
    const random = new Random(SEED);
    const texts = Array.from({ length: CASES }, () => randomLiteral(random));
    const answers = await askAll(
      oracle,
      texts.flatMap((A) => [
        { Op: "unquote", A },
        { Op: "quote", A },
      ]),
    );
    for (const [i, text] of texts.entries()) {
      const expected = answers[2 * i] as OracleAnswer;
      assert.equal(unquote(text), expected.OK === true ? (expected.Text ?? "") : undefined, JSON.stringify(text));
      assert.equal(quote(text), answers[2 * i + 1]?.Text, JSON.stringify(text));
    }
  });

  it("matches patterns the same", async () => {
    const random = new Random(SEED);
    const pairs = Array.from({ length: CASES }, () => randomPattern(random));
    const lists = Array.from({ length: CASES }, () => randomPatterns(random));
    const answers = await askAll(oracle, [
      ...pairs.map(([A, B]) => ({ Op: "match", A, B })),
      ...lists.map(([A, B]) => ({ Op: "prefix", A, B })),
    ]);
    for (const [i, [pattern, text]] of pairs.entries()) {
      assert.equal(matchesPattern(pattern, text), answers[i]?.OK === true, JSON.stringify([pattern, text]));
    }
    for (const [i, [patterns, path]] of lists.entries()) {
      assert.equal(
        matchesPrefixPatterns(patterns, path),
        answers[CASES + i]?.OK === true,
        JSON.stringify([patterns, path]),
      );
    }
  });

  it("orders versions and makes them canonical the same", async () => {
    const random = new Random(SEED);
    const texts = Array.from({ length: CASES }, () => randomVersion(random));
    const answers = await askAll(
      oracle,
      texts.flatMap((A, i) => [
        { Op: "canonical", A },
        { Op: "compare", A, B: texts[(i + 1) % CASES] ?? "" },
      ]),
    );
    for (const [i, text] of texts.entries()) {
      assert.equal(canonicalVersion(text) ?? "", answers[2 * i]?.Text ?? "", text);
      const [a, b] = [parseAnyVersion(text), parseAnyVersion(texts[(i + 1) % CASES] ?? "")];
      if (a !== undefined && b !== undefined) {
        assert.equal(Math.sign(comparePrecedence(a, b)), answers[2 * i + 1]?.Number ?? 0, `${a.text} ${b.text}`);
      }
    }
  });
});
