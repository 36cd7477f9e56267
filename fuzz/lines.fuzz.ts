import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { splitLines } from "../src/sumdb/lines.ts";
import { Input } from "./input.ts";
import { outcomeOfAsync } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";

/** Lines of an input file, however it comes in pieces. */
export const target: Target = { maxLength: 12_000, plants: ["lost-line-feed"], isAsync: true };

const MAX_LINE = 8192;

async function* whole(pieces: readonly Uint8Array[]): AsyncGenerator<string> {
  for await (const { text } of splitLines(chunks(pieces), "input")) yield text;
}

/** Bug: a line feed that ends a piece is lost if the piece is of one byte. */
const lines = plant("lost-line-feed", whole, (pieces) =>
  whole(pieces.filter((piece, i) => piece.length !== 1 || piece[0] !== 10 || i === 0 || i === pieces.length - 1)),
);

async function* chunks(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data);
  const cuts = Array.from({ length: input.byte() % 6 }, () => input.uint16());
  const repeat = input.byte();
  const given = input.rest();
  // Long lines need long inputs.
  const bytes = repeat >= 0xf8 ? Buffer.concat(Array.from({ length: repeat - 0xe0 }, () => given)) : Buffer.from(given);
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
  const outcome = await outcomeOfAsync(async () => {
    const out: string[] = [];
    for await (const line of lines(pieces)) out.push(line);
    return out;
  }, "MALFORMED_INPUT");
  const all = bytes.toString("latin1").split("\n");
  if (all.at(-1) === "") all.pop();
  const isGood = all.every((line) => line.length <= MAX_LINE && isUtf8(Buffer.from(line, "latin1")));
  assert.equal(outcome.code, isGood ? undefined : "MALFORMED_INPUT", outcome.error?.message);
  if (outcome.value === undefined) return;
  assert.deepEqual(
    outcome.value,
    all.map((line) => Buffer.from(line, "latin1").toString()),
  );
}
