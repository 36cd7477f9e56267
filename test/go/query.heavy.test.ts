import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { resolveVersionQuery } from "../../src/go/index.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { runGo, whyNoOracle } from "./differential.ts";
import { Random } from "./random.ts";

const CASES = Number(process.env["PROOFDNS_GO_CASES"] ?? 300);
const SEED = Number(process.env["PROOFDNS_GO_SEED"] ?? 1);

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Case {
  readonly path: string;
  readonly versions: readonly string[];
  readonly withGoMod: ReadonlySet<string>;
  readonly query: string;
  readonly current: string | undefined;
}

function randomCase(random: Random, index: number): Case {
  const suffix = random.pick(["", "", "", "/v2", "/v3"]);
  const path = `example.com/m${index}${suffix}`;
  const majors = suffix === "" ? ["0", "1", "1"] : [suffix.slice(2)];
  const version = (): string => {
    const numbers = `${random.below(3)}.${random.below(3)}`;
    const pre = random.pick(["", "", "", "-rc.1", "-beta", "-0.pre"]);
    if (suffix === "" && random.chance(30)) return `v${2 + random.below(3)}.${numbers}${pre}+incompatible`;
    return `v${random.pick(majors)}.${numbers}${pre}`;
  };
  const versions = [...new Set(random.list(9, version))];
  const withGoMod = new Set(versions.filter((one) => !one.endsWith("+incompatible") && random.chance(60)));
  const numbers = (): string => `v${random.below(4)}.${random.below(3)}.${random.below(3)}`;
  const query = random.pick([
    ...["latest", "latest", "upgrade", "upgrade", "patch", "patch", "v0", "v1", "v2", "v3", "v1.1", "v2.0", "v0.2"],
    ...["<", "<=", ">", ">="].map((operator) => operator + numbers()),
    ...["<v2", ">=v1", ">=v1.1", "<v1.2", "<=v1", numbers(), `${numbers()}-rc.1`, `${numbers()}+incompatible`],
  ]);
  const current = versions.length > 0 && random.chance(70) ? random.pick(versions) : undefined;
  return { path, versions, withGoMod, query, current };
}

function writeProxy(proxy: string, { path, versions, withGoMod }: Case): void {
  const place = join(proxy, path, "@v");
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "list"), versions.map((version) => `${version}\n`).join(""));
  for (const version of versions) {
    const info = JSON.stringify({ Version: version, Time: "2020-01-01T00:00:00Z" });
    // A proxy also answers to the tag without the mark.
    for (const name of new Set([version, version.replace("+incompatible", "")]))
      writeFileSync(join(place, `${name}.info`), info);
    writeFileSync(join(place, `${version}.mod`), `module ${path}\n${withGoMod.has(version) ? "\ngo 1.17\n" : ""}`);
  }
}

describe("version queries", { skip: whyNoOracle() ?? false }, () => {
  it("are answered as the go command answers them from a proxy", () => {
    const random = new Random(SEED);
    const cases = Array.from({ length: CASES }, (_, i) => randomCase(random, i));
    const proxy = join(folder, "proxy");
    for (const one of cases) writeProxy(proxy, one);
    const project = join(folder, "project");
    mkdirSync(project);
    const requirements = cases.flatMap(({ path, current }) =>
      current === undefined ? [] : [`require ${path} ${current}\n`],
    );
    writeFileSync(join(project, "go.mod"), `module example.com/main\n\ngo 1.17\n\n${requirements.join("")}`);
    const queries = cases.map(({ path, query }) => `${path}@${query}`);
    const out = runGo(
      folder,
      ["list", "-m", "-e", "-f", "{{.Path}} {{.Version}} {{.Error}}", ...queries],
      { GOPROXY: `file://${proxy}` },
      project,
    );
    assert.ok(out !== undefined, "go list failed");
    // What cannot be answered at all has no line.
    const answers = new Map<string, string | undefined>();
    for (const line of out.split("\n")) {
      const [, path = "", version, error] = /^(\S+) (\S*) (.*)$/.exec(line) ?? [];
      answers.set(path, error === "<nil>" ? version : undefined);
    }
    let answered = 0;
    for (const one of cases) {
      const expected = answers.get(one.path);
      const options = {
        path: one.path,
        hasGoMod: (text: string) => one.withGoMod.has(text),
        ...(one.current === undefined ? {} : { current: one.current }),
      };
      let found: string | undefined;
      try {
        found = resolveVersionQuery(one.query, one.versions, options);
      } catch (refusal) {
        if (!(refusal instanceof ProofdnsError)) throw refusal;
      }
      assert.equal(found, expected, JSON.stringify({ ...one, withGoMod: [...one.withGoMod] }));
      if (found !== undefined) answered++;
    }
    assert.ok(answered > CASES / 4, `only ${answered} were answered`);
  });

  it("never lead from a pseudo-version in use to another one, as the go command does: any commit of a fork can be logged", () => {
    const inUse = "v1.2.1-0.20181028125025-b2ce2384e17b";
    const forged = "v1.2.1-0.20991231000000-eeeeeeeeeeee";
    const path = "example.com/forged";
    const proxy = join(folder, "forged-proxy");
    writeProxy(proxy, { path, versions: ["v1.2.0"], withGoMod: new Set(), query: "upgrade", current: inUse });
    const place = join(proxy, path, "@v");
    const info = (version: string, time: string): string => JSON.stringify({ Version: version, Time: time });
    writeFileSync(join(place, `${inUse}.info`), info(inUse, "2018-10-28T12:50:25Z"));
    writeFileSync(join(place, `${forged}.info`), info(forged, "2099-12-31T00:00:00Z"));
    for (const version of [inUse, forged]) writeFileSync(join(place, `${version}.mod`), `module ${path}\n`);
    writeFileSync(join(proxy, path, "@latest"), info(forged, "2099-12-31T00:00:00Z"));
    const project = join(folder, "forged");
    mkdirSync(project);
    writeFileSync(join(project, "go.mod"), `module example.com/main\n\ngo 1.17\n\nrequire ${path} ${inUse}\n`);
    for (const query of ["upgrade", "patch"]) {
      const args = ["list", "-m", "-f", "{{.Version}}", `${path}@${query}`];
      const out = runGo(folder, args, { GOPROXY: `file://${proxy}` }, project);
      // The one deliberate difference. The go command trusts its proxy for the head of the branch; a log has no such thing.
      assert.equal(out?.trim(), forged, query);
      assert.equal(resolveVersionQuery(query, ["v1.2.0", inUse, forged], { path, current: inUse }), inUse, query);
    }
  });
});
