import assert from "node:assert/strict";
import { formatBase64Unpadded } from "../src/vindex/base64.ts";
import { isAllItems, parseMajorItems, parseMajorsValue } from "../src/vindex/majors-value.ts";
import { parseModuleValue } from "../src/vindex/module-value.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import {
  compareGoVersions,
  formatToolchainValue,
  goVersionOf,
  parseGoVersion,
  parseToolchainValue,
} from "../src/vindex/toolchain-value.ts";
import { joinItems } from "../src/vindex/value-text.ts";
import { Input, latin1Of, textOf } from "./input.ts";
import { H } from "./oracle/merkle.ts";
import { cutItems } from "./oracle/module-state.ts";
import {
  compareGo,
  naiveGo,
  naiveMajorItems,
  naiveMajorsValue,
  naiveModuleValue,
  naiveToolchain,
} from "./oracle/values.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** Texts of committed values, read back: exactly the forms of spec/client.md §5. */
export const target: Target = { maxLength: 1024, plants: ["url-alphabet", "any-case"] };

/** Bug: hashes may be written in the alphabet of URLs. */
const readModule = plant("url-alphabet", parseModuleValue, (text, path, size) =>
  parseModuleValue(
    text.replaceAll(/ [hms]=[A-Za-z0-9+/_-]{43}/g, (field) => field.replaceAll("-", "+").replaceAll("_", "/")),
    path,
    size,
  ),
);

/** Bug: letters may be of any case. */
const readToolchain = plant("any-case", parseToolchainValue, (text, size) =>
  parseToolchainValue(text.toLowerCase(), size),
);

const PATHS = [
  "example.com/m",
  "example.com/m/v2",
  "example.com/m/v3",
  "gopkg.in/x.v1",
  "gopkg.in/x.v2-unstable",
  "gopkg.in/x",
  "golang.org/toolchain",
];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([moduleValue, majorsValue, majorItems, toolchainValue, goVersions, items])(input);
}

interface Place {
  readonly path: string;
  readonly size: number;
  readonly text: string;
}

/** Path, size of the checksum database, text. */
function placeOf(input: Input): Place {
  const at = input.byte();
  const path = PATHS[at % 16] ?? latin1Of(input.take(at % 32));
  const size = input.byte() % 2 === 0 ? input.uint16() : Number.MAX_SAFE_INTEGER;
  return { path, size, text: textOf(input.rest()) };
}

function moduleValue(input: Input): void {
  const { path, size, text } = placeOf(input);
  const { value } = withinTime("a value", () => outcomeOf(() => readModule(text, path, size), "BAD_VALUE"));
  const naive = naiveModuleValue(text, path, size);
  assert.equal(value !== undefined, naive !== undefined, text);
  if (value === undefined || naive === undefined) return;
  const all = [value.latest, ...value.others].map(({ version, logIndex }) => ({
    version: version.text,
    index: logIndex,
  }));
  assert.deepEqual(all, naive.items);
  assert.equal(value.kind, naive.kind);
  const hashes = [value.zipHash, value.goModHash, value.stateHash].map(formatBase64Unpadded);
  assert.deepEqual(hashes, naive.hashes);
}

function majorsValue(input: Input): void {
  const { path, size, text } = placeOf(input);
  const { value } = withinTime("majors", () => outcomeOf(() => parseMajorsValue(text, path, size), "BAD_VALUE"));
  const naive = naiveMajorsValue(text, path, size);
  assert.equal(value !== undefined, naive !== undefined, text);
  if (value === undefined || naive === undefined) return;
  assert.equal(value.shown, naive.shown);
  assert.equal(formatBase64Unpadded(value.itemsHash), naive.hash);
  assert.equal(value.items.length, naive.items.length);
  const isAll = Buffer.from(H(naive.shown)).toString("base64").slice(0, 43) === naive.hash;
  assert.equal(isAllItems(value, value.shown, nodeSha256), isAll);
}

function majorItems(input: Input): void {
  const { path, size, text } = placeOf(input);
  const { value } = withinTime("items", () => outcomeOf(() => parseMajorItems(text, path, size), "BAD_VALUE"));
  const naive = naiveMajorItems(text, path, size);
  assert.equal(value !== undefined, naive !== undefined, text);
  const rows = value?.map(({ major, path: member, version, logIndex }) => ({
    suffix: major === undefined ? "-" : `v${major}`,
    path: member,
    version: version.text,
    index: logIndex,
  }));
  assert.deepEqual(rows, naive);
}

function toolchainValue(input: Input): void {
  const { size, text } = placeOf(input);
  const { value } = withinTime("a toolchain", () => outcomeOf(() => readToolchain(text, size), "BAD_VALUE"));
  const naive = naiveToolchain(text, size);
  assert.equal(value !== undefined, naive !== undefined, text);
  if (value === undefined) return;
  assert.equal(formatToolchainValue(value), text);
  assert.deepEqual(
    value.map(({ version, kind, logIndex }) => ({ go: version.text, kind, index: logIndex })),
    naive,
  );
}

function goVersions(input: Input): void {
  const texts = textOf(input.rest()).split(" ").slice(0, 8);
  for (const text of texts) {
    const version = parseGoVersion(text);
    const naive = naiveGo(text);
    assert.deepEqual(
      version && { minor: BigInt(version.minor), stage: version.stage as number, number: BigInt(version.number) },
      naive,
      text,
    );
    assert.equal(goVersionOf(`v0.0.1-${text}.linux-amd64`)?.text, version?.text);
    const prefixed = goVersionOf(text);
    if (prefixed !== undefined) assert.ok(text.startsWith(`v0.0.1-${prefixed.text}.`));
  }
  const versions = texts.flatMap((text) => parseGoVersion(text) ?? []);
  for (const a of versions)
    for (const b of versions) assert.equal(Math.sign(compareGoVersions(a, b)), Math.sign(compareGo(a.text, b.text)));
}

function items(input: Input): void {
  const texts: string[] = [];
  while (!input.isDone) texts.push("x".repeat(1 + input.byte()));
  // An item is never empty, and cutting ends at the first that does not fit.
  assert.equal(joinItems(texts), cutItems(texts));
}
