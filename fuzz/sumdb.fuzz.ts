import assert from "node:assert/strict";
import { formatDataTile, isRecordText, splitDataTile } from "../src/sumdb/data-tile.ts";
import { escapePath, escapeVersion, unescapePath, unescapeVersion } from "../src/sumdb/escape.ts";
import { parseLookup } from "../src/sumdb/lookup.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { formatTilePath, parseTilePath, type Tile } from "../src/vindex/tile.ts";
import { Input, latin1Of, textOf } from "./input.ts";
import { isDigit, isLetter } from "./oracle/semver.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** What a checksum database is asked and answers: data tiles, lookups, tile paths, escaped names. */
export const target: Target = { maxLength: 1024, plants: ["tile-leftover", "padded-index", "partial-full-tile"] };

/** Bug: what stands behind the records that were asked is not noticed unless it is a whole record. */
const splitTile = plant("tile-leftover", splitDataTile, (bytes, width) => {
  const parts = latin1Of(bytes).split("\n\n");
  const rest = parts.length === width + 1 ? (parts.at(-1)?.length ?? 0) : 0;
  return splitDataTile(rest > 1 ? bytes.subarray(0, bytes.length - rest) : bytes, width);
});

/** Bug: an index of up to 16 digits may have leading zeros. */
const readLookup = plant("padded-index", parseLookup, (bytes) => {
  const text = latin1Of(bytes);
  return parseLookup(Buffer.from(text.replace(/^0+(?=[0-9]{1,15}\n)/, ""), "latin1"));
});

/** Bug: a full tile may be named as a partial one of its whole width. */
const readTilePath = plant("partial-full-tile", parseTilePath, (path) => parseTilePath(path.replace(/\.p\/256$/, "")));

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([dataTile, recordTexts, lookup, tilePath, tileNumbers, escapes, unescapes])(input);
}

function dataTile(input: Input): void {
  const width = 1 + (input.byte() % 8);
  const bytes = input.rest();
  const { value: texts } = withinTime("a data tile", () => outcomeOf(() => splitTile(bytes, width), "MALFORMED_TILE"));
  const naive = naiveTile(latin1Of(bytes), width);
  assert.deepEqual(texts?.map(latin1Of), naive);
  if (texts === undefined) return;
  assert.ok(texts.every(isRecordText));
  assert.ok(equalBytes(formatDataTile(texts), bytes));
}

/** Cuts after the first LF that another one follows, again and again. */
function naiveTile(text: string, width: number): string[] | undefined {
  const out: string[] = [];
  let record = "";
  for (let i = 0; i < text.length; i++) {
    record += text[i];
    if (text[i] !== "\n" || text[i + 1] !== "\n") continue;
    out.push(record);
    record = "";
    i++;
  }
  return record === "" && out.length === width ? out : undefined;
}

function recordTexts(input: Input): void {
  const texts: Uint8Array[] = [];
  while (!input.isDone && texts.length < 256) texts.push(input.take(input.byte() % 32));
  const good = texts.filter((text) => {
    const isText = isRecordText(text);
    const latin1 = latin1Of(text);
    assert.equal(isText, latin1.endsWith("\n") && !latin1.includes("\n\n"));
    return isText;
  });
  if (good.length === 0) return;
  assert.deepEqual(splitTile(formatDataTile(good), good.length).map(latin1Of), good.map(latin1Of));
}

function lookup(input: Input): void {
  const bytes = input.rest();
  const text = latin1Of(bytes);
  const { value } = withinTime("a lookup", () => outcomeOf(() => readLookup(bytes), "MALFORMED_LOOKUP"));
  const lf = text.indexOf("\n");
  const id = text.slice(0, Math.max(lf, 0));
  const isNumber = id !== "" && [...id].every(isDigit) && String(BigInt(id)) === id && BigInt(id) < 2n ** 53n;
  const blank = text.indexOf("\n\n", lf + 1);
  assert.equal(value !== undefined, lf >= 0 && isNumber && blank >= 0);
  if (value === undefined) return;
  const { logIndex, recordText, note } = value;
  assert.ok(isRecordText(recordText));
  assert.equal(`${logIndex}\n${latin1Of(recordText)}\n${latin1Of(note)}`, text);
}

function tilePath(input: Input): void {
  const path = textOf(input.rest());
  const { value } = withinTime("a tile path", () => outcomeOf(() => readTilePath(path), "MALFORMED_TILE"));
  const naive = naiveTilePath(path);
  assert.deepEqual(value && { ...value }, naive);
  if (value !== undefined) assert.equal(formatTilePath(value), path);
}

function naiveTilePath(path: string): Tile | undefined {
  const decimal = (text: string | undefined): number | undefined =>
    text !== undefined && text !== "" && [...text].every(isDigit) && String(BigInt(text)) === text && text.length < 16
      ? Number(text)
      : undefined;
  const [start, heightText, levelText, ...rest] = path.split("/");
  const height = decimal(heightText);
  const level = levelText === "data" ? -1 : decimal(levelText);
  if (start !== "tile" || height === undefined || height < 1 || height > 30) return undefined;
  if (level === undefined || level > 63 || path.length > 100) return undefined;
  let width = 2 ** height;
  if (rest.at(-2)?.endsWith(".p")) {
    const partial = decimal(rest.pop());
    rest.push((rest.pop() as string).slice(0, -2));
    if (partial === undefined || partial < 1 || partial >= width) return undefined;
    width = partial;
  }
  let index = "";
  for (const [i, group] of rest.entries()) {
    const digits = i < rest.length - 1 && group.startsWith("x") ? group.slice(1) : group;
    if (i < rest.length - 1 !== group.startsWith("x") || digits.length !== 3 || ![...digits].every(isDigit))
      return undefined;
    index += digits;
  }
  if (rest.length === 0 || (rest.length > 1 && index.startsWith("000"))) return undefined;
  return BigInt(index) < 2n ** 53n ? { height, level, index: Number(index), width } : undefined;
}

function tileNumbers(input: Input): void {
  const height = 1 + (input.byte() % 30);
  const level = (input.byte() % 65) - 1;
  const width = 1 + (input.uint53() % 2 ** height);
  const tile = { height, level, index: input.uint53(), width };
  assert.deepEqual({ ...readTilePath(formatTilePath(tile)) }, tile);
}

function escapes(input: Input): void {
  const text = textOf(input.rest());
  const path = withinTime("a path", () => outcomeOf(() => escapePath(text), "MALFORMED_INPUT"));
  assert.equal(path.code === undefined, isPlain(text, "-._~/"));
  const version = withinTime("a version", () => outcomeOf(() => escapeVersion(text), "MALFORMED_INPUT"));
  assert.equal(version.code === undefined, isPlain(text, "-._~+"));
  if (path.value !== undefined) assert.equal(unescapePath(path.value), text);
  if (version.value !== undefined) assert.equal(unescapeVersion(version.value), text);
  // Escaped names are told apart by file systems that ignore case.
  for (const { value } of [path, version]) assert.equal(value?.toLowerCase(), value);
}

function isPlain(text: string, signs: string): boolean {
  if (text.length < 1 || text.length > 1024) return false;
  for (const c of text) if (!isDigit(c) && !isLetter(c) && !signs.includes(c)) return false;
  const elements = signs.includes("/") ? text.split("/") : [text];
  return elements.every((element) => element !== "" && element[0] !== "." && element.at(-1) !== ".");
}

function unescapes(input: Input): void {
  const text = textOf(input.rest());
  const path = withinTime("an escaped path", () => outcomeOf(() => unescapePath(text), "MALFORMED_INPUT"));
  if (path.value !== undefined) assert.equal(escapePath(path.value), text);
  const version = withinTime("an escaped version", () => outcomeOf(() => unescapeVersion(text), "MALFORMED_INPUT"));
  if (version.value !== undefined) assert.equal(escapeVersion(version.value), text);
  const plain = naiveUnescape(text);
  assert.equal(path.value, plain !== undefined && isPlain(plain, "-._~/") ? plain : undefined);
  assert.equal(version.value, plain !== undefined && isPlain(plain, "-._~+") ? plain : undefined);
}

function naiveUnescape(text: string): string | undefined {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c >= "A" && c <= "Z") return undefined;
    if (c !== "!") out += c;
    else {
      const letter = text[++i];
      if (letter === undefined || letter < "a" || letter > "z") return undefined;
      out += letter.toUpperCase();
    }
  }
  return out;
}
