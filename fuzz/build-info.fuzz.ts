import assert from "node:assert/strict";
import { parseBuildInfoText } from "../src/go/build-info-text.ts";
import { type BuildInfo, type BuildModule, formatVersionM, inspectBinary } from "../src/go/index.ts";
import {
  ELF_ADDRESS,
  inlineInfo,
  MACH_O_ADDRESS,
  makeElf,
  makeFat,
  makeMachO,
  makePe,
  PE_ADDRESS,
  pointerInfo,
} from "../test/go/images.ts";
import { Input, textOf } from "./input.ts";
import { outcomeOfAsync } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/**
 * Executables and their build information. The first byte chooses the kind of file, or that the rest is the file; the
 * second how many bytes of it are changed, each by its place and value; the rest is the module text.
 */
export const target: Target = { maxLength: 1024, plants: ["only-two-modules"], isAsync: true };

const MAKERS: readonly ((text: string) => Buffer)[] = [
  (text) => makeElf(inlineInfo("go1.22.3", text)),
  (text) => makeElf(pointerInfo("go1.17", text, ELF_ADDRESS, 4, false), { is64: false, isLittle: false }),
  (text) => makeElf(inlineInfo("go1.22.3", text), { hasSection: false, padding: 32 }),
  (text) => makeMachO(inlineInfo("go1.22.3", text)),
  (text) => makeMachO(pointerInfo("go1.17", text, MACH_O_ADDRESS, 8, true), { hasSection: false }),
  (text) => makeFat([makeMachO(inlineInfo("go1.22.3", text))]),
  (text) => makePe(inlineInfo("go1.22.3", text)),
  (text) => makePe(pointerInfo("go1.17", text, PE_ADDRESS, 4, true), { is64: false }),
];

/** Bug: the third module is lost. */
const modulesOf = plant(
  "only-two-modules",
  (info: BuildInfo) => info.deps,
  ({ deps }) => (deps.length === 3 ? deps.slice(0, 2) : deps),
);

export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data);
  const how = input.byte();
  const make = MAKERS[how];
  if (make === undefined) {
    await check(input.rest());
    return;
  }
  const changes = Array.from({ length: input.byte() % 8 }, () => [input.uint16(), input.byte()] as const);
  const text = textOf(input.rest());
  const image = make(text);
  for (const [at, value] of changes) image[at % image.length] = value;
  const info = await check(image);
  if (changes.length > 0 || text === "" || !text.endsWith("\n")) return;
  const naive = naiveModules(text);
  assert.equal(info === undefined, naive === undefined);
  if (info !== undefined)
    assert.deepEqual(
      modulesOf(info).map((one) => [one.path, one.version, one.sum ?? "", one.replace?.path]),
      naive,
    );
}

async function check(image: Uint8Array): Promise<BuildInfo | undefined> {
  const started = performance.now();
  const { value } = await outcomeOfAsync(() => inspectBinary(image), "MALFORMED_INPUT");
  assert.ok(performance.now() - started < 2000, "an executable took too long");
  if (value?.info === undefined) {
    if (value !== undefined) assert.match(value.reason, /^it /);
    return undefined;
  }
  const { info } = value;
  const printed = formatVersionM("f", info);
  assert.doesNotMatch(printed.replaceAll(/[\t\n]/g, ""), /[\p{Cc}\p{Cf}]/u);
  // What is printed is what is in the binary: read again, it says the same.
  const lines = printed.split("\n").slice(1, -1);
  const { path, main, deps, settings } = info;
  const again = parseBuildInfoText(lines.map((line) => `${line.slice(1)}\n`).join(""), "f");
  assert.deepEqual(again, { path, main: main && printedOf(main), deps: deps.map(printedOf), settings });
  return info;
}

/** The hash of a module that another one stands in for is not printed. */
function printedOf(module: BuildModule): BuildModule {
  return module.replace === undefined ? module : { ...module, sum: undefined };
}

/** The modules of a text, by lines and tabs; undefined if it is refused. */
function naiveModules(text: string): (string | undefined)[][] | undefined {
  const deps: (string | undefined)[][] = [];
  let last: (string | undefined)[] | undefined;
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.split("\t");
    if (rest.length === 0 || (word !== "path" && word !== "mod" && word !== "dep" && word !== "=>" && word !== "build"))
      continue;
    if (word === "build") {
      if (!isSetting(line.slice(6))) return undefined;
      continue;
    }
    const columns = word === "path" ? [rest.join("\t")] : rest;
    if (columns.some((column) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(column))) return undefined;
    if (word === "path") continue;
    if (columns.length > 3 || columns.length < (word === "=>" ? 3 : 2)) return undefined;
    if (word === "=>") {
      if (last === undefined) return undefined;
      last[3] = columns[0];
      last = undefined;
    } else {
      last = [columns[0], columns[1], columns[2] ?? "", undefined];
      if (word === "dep") deps.push(last);
    }
  }
  return deps;
}

/** A name without quotes and a value with or without: quoted names, and escapes, are left to the tests. */
function isSetting(text: string): boolean {
  try {
    parseBuildInfoText(`build\t${text}\n`, "f");
    return true;
  } catch {
    return false;
  }
}
