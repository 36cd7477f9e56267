import assert from "node:assert/strict";
import { damaged } from "../src/store/damage.ts";
import { parseFileSet } from "../src/store/file-set.ts";
import { parseIdentity } from "../src/store/identity.ts";
import { decodeJournal, encodeJournal, type JournalChange } from "../src/store/journal.ts";
import { decodeCosignatures, decodeEntry, decodeState, encodeEntry, encodeState } from "../src/store/records.ts";
import { decodeSignedLeaves, encodeSignedLeaf, formatManifest, parseManifest } from "../src/store/snapshot-format.ts";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import { Input, textOf } from "./input.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * What a store or a snapshot holds, as a damaged disk or a stranger may give it: it is read, or refused as damage. What is
 * read and has one encoding is written to the same bytes.
 */
export const target: Target = { maxLength: 1024, plants: ["last-value-cut", "any-layout"] };

/** Bug: of the last value of a journal what is there is taken, however much it should be. */
const readJournal = plant("last-value-cut", decodeJournal, (bytes) => {
  const changes: JournalChange[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + 32];
    if (length === undefined) throw damaged("the journal is cut off");
    changes.push({ indexKey: bytes.subarray(at, at + 32), value: bytes.subarray(at + 33, at + 33 + length) });
    at += 33 + length;
  }
  return changes;
});

/** Bug: a manifest may be laid out in any way. */
const readManifest = plant("any-layout", parseManifest, (bytes) => {
  let json: unknown;
  try {
    json = JSON.parse(textOf(bytes));
  } catch {
    return parseManifest(bytes);
  }
  return parseManifest(encodeUtf8(`${JSON.stringify(json, undefined, 1)}\n`));
});

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick(CASES)(input);
}

const CASES = [journal, manifest, leaves, cosignatures, state, entry, fileSet, identity] as const;

function journal(input: Input): void {
  const bytes = input.rest();
  const { value } = outcomeOf(() => readJournal(bytes, 7), "STORE_UNUSABLE");
  if (value !== undefined) assert.ok(equalBytes(encodeJournal(value), bytes));
}

function manifest(input: Input): void {
  const bytes = input.rest();
  const { value } = withinTime("a manifest", () => outcomeOf(() => readManifest(bytes), "BAD_SNAPSHOT"));
  if (value !== undefined) assert.ok(equalBytes(encodeUtf8(formatManifest(value)), bytes));
}

function leaves(input: Input): void {
  const bytes = input.rest();
  const read = (from: Uint8Array) => [...decodeSignedLeaves(from)];
  const { value } = withinTime("leaves", () => outcomeOf(() => read(bytes), "BAD_SNAPSHOT"));
  if (value === undefined) return;
  // JSON has many texts of one meaning; what is written is read to the same.
  const written = concatBytes(...value.map(encodeSignedLeaf));
  assert.ok(equalBytes(concatBytes(...read(written).map(encodeSignedLeaf)), written));
}

function cosignatures(input: Input): void {
  const bytes = input.rest();
  outcomeOf(() => decodeCosignatures(bytes), "STORE_UNUSABLE");
}

function state(input: Input): void {
  const bytes = input.rest();
  const { value } = outcomeOf(() => decodeState(bytes), "STORE_UNUSABLE");
  // What is no text is found by the hashes that the map has of it.
  if (value === undefined || decodeUtf8(bytes)?.includes("\n") !== true) return;
  assert.ok(equalBytes(encodeState(value.path, value.stateText), bytes));
}

function entry(input: Input): void {
  const bytes = input.rest();
  const { value } = outcomeOf(() => decodeEntry(bytes), "STORE_UNUSABLE");
  // A version that is no text is read as none.
  if (value === undefined || value.version === "") return;
  assert.ok(equalBytes(encodeEntry(value), bytes));
}

function fileSet(input: Input): void {
  const text = textOf(input.rest());
  outcomeOf(() => parseFileSet(text), "STORE_UNUSABLE");
}

function identity(input: Input): void {
  const text = textOf(input.rest());
  outcomeOf(() => parseIdentity(text, "store"), "STORE_UNUSABLE");
}
