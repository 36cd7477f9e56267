// Prints what transitions cost over maps of growing size: node --import tsx test/audit/measure.ts [modules…]
import { loadavg } from "node:os";
import { costOf, makeCostMap } from "./cost.ts";

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1_000, 10_000, 100_000];
console.log(`load average ${loadavg()[0]?.toFixed(2)}; milliseconds of the processor, best of three`);
console.log(
  "modules    changed      bytes  a change  proof, a change  hashes, a change  encode ms  verify ms  verify µs, a change",
);
for (const modules of sizes) {
  const map = makeCostMap(modules);
  for (const changed of [20, 200, 2000]) {
    if (changed > modules / 2) continue;
    const { bytes, fixedBytes, hashes, encodeMs, verifyMs } = costOf(map, changed);
    const cells = [
      modules,
      changed,
      bytes,
      Math.round(bytes / changed),
      Math.round((bytes - fixedBytes) / changed),
      Math.round(hashes / changed),
      encodeMs.toFixed(1),
      verifyMs.toFixed(1),
      Math.round((1000 * verifyMs) / changed),
    ];
    const widths = [7, 10, 10, 9, 16, 17, 10, 10, 20];
    console.log(cells.map((cell, i) => String(cell).padStart(widths[i] as number)).join(" "));
  }
}
