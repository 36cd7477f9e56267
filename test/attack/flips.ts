import assert from "node:assert/strict";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { readRecords } from "./records.ts";
import { World } from "./world.ts";

/**
 * Changing every single bit of a payload, and counting what comes of it. Every bit is tried with PROOFDNS_EXHAUSTIVE=1;
 * otherwise every ninth bit, beginning at another one for each payload, to keep `npm test` short.
 */
const isExhaustive = process.env["PROOFDNS_EXHAUSTIVE"] === "1";
// Nine, so that all eight bits of bytes have their turn.
const STEP = isExhaustive ? 1 : 9;

/** What came of many changes: how many, and how often each code. */
export class Tally {
  payloads = 0;
  bits = 0;
  readonly codes = new Map<string, number>();

  toString(): string {
    const codes = [...this.codes].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
    const which = isExhaustive ? "every bit" : "every ninth bit";
    return `${this.payloads} payloads, ${which}, ${this.bits} changes, all refused: ${codes.join(", ")}`;
  }
}

/** Changes each bit of a payload that `verify` takes; every change must be refused with a code. */
export function flipAll(
  tally: Tally,
  what: string,
  payload: Uint8Array,
  verify: (payload: Uint8Array) => unknown,
): void {
  assert.doesNotThrow(() => verify(payload), `${what}: the true payload is refused`);
  const changed = payload.slice();
  for (let bit = tally.payloads % STEP; bit < changed.length * 8; bit += STEP) {
    const at = bit >> 3;
    changed[at] = (changed[at] as number) ^ (0x80 >> (bit & 7));
    const code = refusalOf(() => verify(changed));
    if (code === undefined) assert.fail(`${what}: accepted with bit ${bit & 7} of byte ${at} changed`);
    tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
    changed[at] = payload[at] as number;
    tally.bits++;
  }
  tally.payloads++;
}

/** The code of a refusal; undefined if nothing is refused. What is thrown but no refusal fails the test. */
export function refusalOf(f: () => unknown): string | undefined {
  try {
    f();
    return undefined;
  } catch (error) {
    if (error instanceof ProofdnsError) return error.code;
    throw error;
  }
}

/** Number of epochs of `makeLargeWorld`. */
export const EPOCHS = 40;

/** A world of all records that are at hand. Its epochs are one record apart, but for the first. */
export async function makeLargeWorld(): Promise<{ world: World; records: readonly string[]; isReal: boolean }> {
  const { records, isReal } = await readRecords();
  const sizes = Array.from({ length: EPOCHS }, (_, i) => records.length - EPOCHS + i + 1);
  return { world: await World.build({ records, sizes }), records, isReal };
}
