import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { runGo } from "../go/differential.ts";
import { makeRandom } from "../service/world.ts";
import { CheckScene, type Published } from "./scene.ts";

/**
 * `go list -m -u -retracted -json` of a project, over a proxy that has what the log has, against what a check says of the same project with
 * `--retractions`. The go command trusts its proxy; the check proves what it says: they must agree on every module.
 */

const folder = mkdtempSync(join(tmpdir(), "proofdns-go-list-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const MODULES = 60;
const SEED = Number(process.env["PROOFDNS_GO_SEED"] ?? 1);

/** A module with some versions, of which the highest perhaps takes some back, and one that is in use. */
function invent(n: number, random: () => number): { published: Published[]; used: string } {
  const below = (count: number): number => Math.floor(random() * count);
  const path = `example.com/m${n}`;
  const list = new Map<string, Published>();
  for (let i = 1 + below(7); i > 0; i--) {
    const major = below(3);
    const isIncompatible = major === 2;
    const suffix = ["", "", "", "-rc.1", "-beta.2"][below(5)] ?? "";
    const version = `v${major}.${below(3)}.${below(3)}${suffix}${isIncompatible ? "+incompatible" : ""}`;
    const retract =
      below(3) > 0 ? "" : `\nretract [v${below(2)}.${below(3)}.0, v${below(2)}.${below(3)}.${below(3)}] // oops ${i}\n`;
    const hasGoMod = !isIncompatible && below(4) > 0;
    const deprecated = below(6) === 0 ? "// Deprecated: use another.\n" : "";
    const goMod = hasGoMod ? `${deprecated}module ${path}\n${retract}` : undefined;
    list.set(version, { path, version, goMod });
  }
  const published = [...list.values()];
  return { published, used: published[below(published.length)]?.version ?? "" };
}

interface Listed {
  readonly Path: string;
  readonly Version?: string;
  readonly Main?: boolean;
  readonly Update?: { readonly Version: string };
  readonly Retracted?: readonly string[];
  readonly Deprecated?: string;
}

function writeProxy(published: readonly Published[]): void {
  const lists = new Map<string, string[]>();
  for (const { path, version, goMod } of published) {
    const at = join(folder, "proxy", path, "@v");
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, `${version}.mod`), goMod ?? `module ${path}\n`);
    writeFileSync(join(at, `${version}.info`), JSON.stringify({ Version: version, Time: "2024-01-02T03:04:05Z" }));
    lists.set(at, [...(lists.get(at) ?? []), version]);
  }
  for (const [at, list] of lists) writeFileSync(join(at, "list"), list.map((version) => `${version}\n`).join(""));
}

const hasGo = runGo(folder, ["version"]) !== undefined;

test("go list -m -u and a check with --retractions agree on every module", {
  skip: hasGo ? false : "there is no go command",
}, async () => {
  const random = makeRandom(SEED);
  const invented = Array.from({ length: MODULES }, (_, n) => invent(n, random));
  const published = invented.flatMap((one) => one.published);
  writeProxy(published);
  const lines = invented.map(({ used }, n) => `\texample.com/m${n} ${used}\n`).join("");
  const goMod = `module example.com/me\n\ngo 1.16\n\nrequire (\n${lines})\n`;
  mkdirSync(join(folder, "project"));
  writeFileSync(join(folder, "project", "go.mod"), goMod);
  const env = { GOPROXY: pathToFileURL(join(folder, "proxy")).href };
  const output = runGo(folder, ["list", "-m", "-u", "-json", "all"], env, join(folder, "project"));
  assert.ok(output !== undefined, "go list failed");
  const listed = (JSON.parse(`[${output.replaceAll("}\n{", "},{")}]`) as Listed[]).filter(({ Main }) => Main !== true);
  const scene = await CheckScene.make({ old: published });
  try {
    const report = await scene.goMod(goMod, { withRetractions: true });
    const said = new Map(report.modules.map((result) => [result.item.path, result]));
    assert.equal(listed.length, MODULES);
    for (const { Path, Version, Update, Retracted, Deprecated } of listed) {
      const result = said.get(Path);
      const shown = `${Path} at ${Version}: ${invented[Number(Path.slice("example.com/m".length))]?.published.map(({ version, goMod }) => `${version}${goMod === undefined ? " without go.mod" : ""} ${/retract.*/.exec(goMod ?? "")?.[0] ?? ""}`).join(" | ")}`;
      // From a release that was taken back the go command goes on to a pre-release; a check leaves that to --pre.
      const isToPre = !Version?.includes("-") && /-(rc|beta)/.test(Update?.Version ?? "");
      assert.equal(
        result?.offered?.version,
        isToPre && result?.offered === undefined ? undefined : Update?.Version,
        shown,
      );
      assert.equal(result?.retracted !== undefined, Retracted !== undefined, shown);
      assert.equal(result?.deprecated !== undefined, Deprecated !== undefined, shown);
    }
  } finally {
    await scene.close();
  }
});

test("what is named in place of a version that was taken back is what the go command's latest gives", {
  skip: hasGo ? false : "there is no go command",
}, async () => {
  const random = makeRandom(SEED);
  const below = (n: number): number => Math.floor(random() * n);
  // The last of each list is its latest by the map, so its go.mod counts.
  const pools = [
    ["v0.1.0", "v0.2.0", "v1.0.0", "v1.1.0"],
    ["v1.0.0-rc.1", "v1.0.0", "v1.1.0-beta.1", "v1.1.0"],
    ["v1.0.0-rc.1", "v1.0.0-rc.2"],
    ["v2.0.0+incompatible", "v3.0.0+incompatible", "v1.0.0"],
    ["v1.2.0-rc.1", "v1.0.0", "v1.1.0"],
  ];
  const published = Array.from({ length: MODULES }, (_, n): Published[] => {
    const path = `example.com/r${n}`;
    const list = pools[below(pools.length)] as string[];
    const highest = list.at(-1) as string;
    const low = list[below(list.length)] as string;
    // `[v2.0.0+incompatible, v1.0.0]` is none: then the one itself, and perhaps another.
    const range = low.includes("+") ? `${highest}\nretract ${low}` : `[${low}, ${highest}]`;
    return list.map((version) => ({
      path,
      version,
      goMod: version.includes("+") ? undefined : `module ${path}\n${version === highest ? `\nretract ${range}\n` : ""}`,
    }));
  }).flat();
  writeProxy(published);
  const scene = await CheckScene.make({ old: published });
  try {
    const report = await scene.list(
      published.map(({ path, version }) => `${path}@${version}`),
      { withRetractions: true },
    );
    const stuck = report.modules.filter(({ retracted, offered }) => retracted !== undefined && offered === undefined);
    const paths = [...new Set(stuck.map(({ item }) => item.path))];
    mkdirSync(join(folder, "empty"));
    writeFileSync(join(folder, "empty", "go.mod"), "module example.com/me\n\ngo 1.16\n");
    const env = { GOPROXY: pathToFileURL(join(folder, "proxy")).href };
    const asked = paths.map((path) => `${path}@latest`);
    const output = runGo(folder, ["list", "-m", "-e", "-json", ...asked], env, join(folder, "empty"));
    assert.ok(output !== undefined, "go list failed");
    const answers = JSON.parse(`[${output.replaceAll("}\n{", "},{")}]`) as (Listed & { readonly Error?: object })[];
    const latest = new Map(answers.map((one) => [one.Path, one.Error === undefined ? one.Version : undefined]));
    for (const { item, nextBest, notes } of stuck) {
      const shown = `${item.path}@${item.current?.text}: ${published
        .filter(({ path }) => path === item.path)
        .map(({ version, goMod }) => `${version} ${/retract.*/s.exec(goMod ?? "")?.[0] ?? ""}`)
        .join(" | ")}`;
      assert.ok(latest.has(item.path), shown);
      assert.equal(nextBest?.version, latest.get(item.path), shown);
      assert.equal(notes.includes("no other version of it is left to go to"), nextBest === undefined, shown);
    }
    const named = stuck.filter(({ nextBest }) => nextBest !== undefined).length;
    assert.ok(named > 10 && stuck.length > named, `${named} of ${stuck.length}`);
  } finally {
    await scene.close();
  }
});

test("in a workspace go list -m -u and a check agree on what a module excludes that another one requires", {
  skip: hasGo ? false : "there is no go command",
}, async () => {
  const random = makeRandom(SEED);
  const below = (n: number): number => Math.floor(random() * n);
  const parts = ["a", "b", "c"].map((name) => ({ name, require: "", exclude: "" }));
  const published = Array.from({ length: MODULES }, (_, n): Published[] => {
    const path = `example.com/w${n}`;
    const list = ["v1.0.0", "v1.1.0", "v1.2.0-rc.1", "v1.2.0", "v1.3.0"].filter((_, i) => i === 0 || below(3) > 0);
    const used = list[below(list.length)] ?? "";
    const owner = below(3);
    for (const [i, part] of parts.entries()) {
      if (i === owner) part.require += `\t${path} ${used}\n`;
      for (const version of list)
        if (version !== used && below(3) === 0) part.exclude += `exclude ${path} ${version}\n`;
    }
    return list.map((version) => ({ path, version, goMod: `module ${path}\n` }));
  }).flat();
  writeProxy(published);
  for (const { name, require, exclude } of parts) {
    mkdirSync(join(folder, "work", name), { recursive: true });
    const text = `module example.com/work/${name}\n\ngo 1.18\n\nrequire (\n${require})\n${exclude}`;
    writeFileSync(join(folder, "work", name, "go.mod"), text);
  }
  writeFileSync(join(folder, "work", "go.work"), "go 1.18\n\nuse (\n\t./a\n\t./b\n\t./c\n)\n");
  // In a workspace the go command writes no go.mod, and refuses to be told to.
  const env = { GOPROXY: pathToFileURL(join(folder, "proxy")).href, GOFLAGS: "" };
  const output = runGo(folder, ["list", "-m", "-u", "-json", "all"], env, join(folder, "work"));
  assert.ok(output !== undefined, "go list failed");
  const listed = (JSON.parse(`[${output.replaceAll("}\n{", "},{")}]`) as Listed[]).filter(({ Main }) => Main !== true);
  assert.equal(listed.length, MODULES);
  const scene = await CheckScene.make({ old: published });
  try {
    // Whether the workspace is named, or one of its modules.
    for (const inputs of [["work"], ["work/a/go.mod", "work/b/go.mod", "work/c/go.mod"]]) {
      const report = await scene.run(inputs.map((input) => join(folder, input)));
      const said = new Map(report.modules.map((result) => [result.item.path, result.offered?.version]));
      for (const { Path, Update } of listed) assert.equal(said.get(Path), Update?.Version, Path);
    }
  } finally {
    await scene.close();
  }
});
