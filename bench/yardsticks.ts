import { hash } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure, median } from "./timing.ts";

/** What a figure is compared with: measured in the same process, at nearly the same time. */

/** Bytes of an inner node's hash input at bits below 128. */
export const NODE_INPUT = 66;

/** Hashes a CPU second: the one-shot call of this Node, to a latin1 string, of `length` bytes. */
export function oneShotHashRate(length: number = NODE_INPUT, count = 200_000): number {
  const message = new Uint8Array(length).fill(0x5c);
  let seen = 0;
  const { cpu } = measure(5, () => {
    for (let i = 0; i < count; i++) {
      message[i % length] = i;
      seen += hash("sha256", message, "latin1" as "hex").length;
    }
  });
  if (seen === 0) throw new Error("nothing was hashed");
  return (1000 * count) / cpu;
}

/**
 * Nanoseconds of a read of 4 bytes whose place the read before tells, in an area of `bytes`: what following a pointer
 * costs.
 */
export function dependentReadTime(bytes: number, count = 500_000): number {
  const words = new Uint32Array(Math.max(2, 2 ** Math.floor(Math.log2(Math.min(bytes, 2 ** 31) / 4))));
  // One cycle through all: x → a·x + c modulo a power of two, of full period (Hull–Dobell).
  for (let i = 0; i < words.length; i++) words[i] = (Math.imul(i, 1_664_525) + 1_013_904_223) & (words.length - 1);
  let at = 0;
  const { cpu } = measure(5, () => {
    for (let i = 0; i < count; i++) at = words[at] as number;
  });
  if (at >= words.length) throw new Error("a read outside");
  return (1e6 * cpu) / count;
}

/** Milliseconds of a write of `bytes` and `fdatasync`, the median of `rounds`, in the folder for temporary files. */
export function fdatasyncTime(bytes: number, rounds = 15): number {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-bench-"));
  try {
    const fd = openSync(join(folder, "file"), "w");
    try {
      const data = new Uint8Array(bytes).fill(1);
      const times = Array.from({ length: rounds }, () => {
        const started = performance.now();
        writeSync(fd, data);
        fdatasyncSync(fd);
        return performance.now() - started;
      });
      return median(times);
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
