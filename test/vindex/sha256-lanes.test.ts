import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, it } from "node:test";
import { Sha256Lanes } from "../../src/vindex/sha256-lanes.ts";

const lanes = Sha256Lanes.create();
/** Runs a batch, and hashes the same messages one by one. */
function runBoth(
  l: Sha256Lanes,
  starts: readonly number[],
  lengths: readonly number[],
): [found: string, expected: string] {
  const count = starts.length;
  const out = new Uint8Array(32 * count + 20).fill(0xa5);
  l.run(Int32Array.from(starts), Int32Array.from(lengths), count, out, 10);
  assert.ok(
    [...out.subarray(0, 10), ...out.subarray(10 + 32 * count)].every((b) => b === 0xa5),
    "written beside it",
  );
  const expected = starts.map((start, i) => hash("sha256", l.memory.subarray(start, start + (lengths[i] ?? 0)), "hex"));
  return [Buffer.from(out.subarray(10, 10 + 32 * count)).toString("hex"), expected.join("")];
}
const sequence = (count: number, f: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => f(i));

describe("SHA-256 in lanes", { skip: lanes === undefined ? "this engine has no WebAssembly SIMD" : false }, () => {
  const l = lanes as Sha256Lanes;
  for (let i = 0; i < (lanes?.memory.length ?? 0); i++) l.memory[i] = i * 31 + (i >> 8);

  it("is that of node:crypto for every length from 0 to 200, in every lane", () => {
    for (let length = 0; length <= 200; length++) {
      for (const count of [1, 2, 3, 4, 5, 7]) {
        const [found, expected] = runBoth(
          l,
          sequence(count, (i) => 1000 * i + length),
          sequence(count, () => length),
        );
        assert.equal(found, expected, `${count} of ${length} bytes`);
      }
    }
  });

  it("is that of node:crypto for batches of mixed lengths, in their order", () => {
    for (const count of [1, 4, 6, 100, 201, 1023, 1024, 1025, 3000]) {
      const starts = sequence(count, (i) => (i * 977) % 100_000);
      const [found, expected] = runBoth(
        l,
        starts,
        sequence(count, (i) => (i * i * 7 + count) % 201),
      );
      assert.equal(found, expected, `${count}`);
    }
  });

  it("is that of node:crypto for long messages, up to the whole input area and at its end", () => {
    const end = l.memory.length;
    const lengths = [end, 5000, 5001, 4096, 0, 1, 64, 55, 56, 119, 120];
    const [found, expected] = runBoth(
      l,
      lengths.map((length) => end - length),
      lengths,
    );
    assert.equal(found, expected);
  });

  it("leaves the messages as they are", () => {
    const before = l.memory.slice(0, 5000);
    runBoth(
      l,
      sequence(50, (i) => 90 * i),
      sequence(50, (i) => i),
    );
    assert.deepEqual(l.memory.slice(0, 5000), before);
  });

  it("does nothing for no messages", () => {
    l.run(new Int32Array(0), new Int32Array(0), 0, new Uint8Array(0), 0);
  });

  it("refuses messages outside the input area, and goes on afterwards", () => {
    const end = l.memory.length;
    const out = new Uint8Array(3200);
    for (const [start, length] of [
      [-1, 3],
      [end, 1],
      [end + 1, 0],
      [0, end + 1],
      [end - 10, 11],
      [5, -1],
    ] as const) {
      assert.throws(() => l.run(Int32Array.of(0, 7, start), Int32Array.of(3, 3, length), 3, out, 0), RangeError);
      const [found, expected] = runBoth(l, [0, 64, 128], [3, 3, 70]);
      assert.equal(found, expected);
    }
    assert.throws(() => l.run(Int32Array.of(0), Int32Array.of(1), 2, out, 0), RangeError);
  });

  it("refuses an output that is too small", () => {
    for (const [size, at] of [
      [31, 0],
      [64, 33],
      [64, -1],
    ] as const) {
      assert.throws(() => l.run(Int32Array.of(0), Int32Array.of(1), 1, new Uint8Array(size), at), RangeError);
    }
  });

  it("does not exist without WebAssembly or where its module is refused", () => {
    const { WebAssembly: engine } = globalThis as { WebAssembly?: object };
    class CompileError extends Error {}
    const refusing = {
      CompileError,
      Module: class {
        constructor() {
          throw new CompileError("no SIMD");
        }
      },
    };
    try {
      for (const other of [undefined, refusing]) {
        Object.assign(globalThis, { WebAssembly: other });
        assert.equal(Sha256Lanes.create(), undefined);
      }
    } finally {
      Object.assign(globalThis, { WebAssembly: engine });
    }
  });

  it("does not exist where it computes something else", () => {
    const { WebAssembly: engine } = globalThis as { WebAssembly?: Record<string, unknown> };
    const wrong = {
      CompileError: class extends Error {},
      Module: class {},
      Instance: class {
        exports = { memory: { buffer: new ArrayBuffer(1 << 20) }, hash: () => {} };
      },
    };
    try {
      Object.assign(globalThis, { WebAssembly: wrong });
      assert.equal(Sha256Lanes.create(), undefined);
    } finally {
      Object.assign(globalThis, { WebAssembly: engine });
    }
  });
});
