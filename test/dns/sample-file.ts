import { writeFileSync } from "node:fs";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";

/** Writes the invented records of the sample as the file that `proofdns sumdb --records` reads. */
export function writeSampleFile(path: string): void {
  const rows = makeSampleRecords().map((text) => {
    const [first = "", second = ""] = text.split("\n");
    const [module, version, zipHash] = first.split(" ");
    return `${module}\t${version}\t${zipHash}\t${second.split(" ")[2]}\n`;
  });
  writeFileSync(path, rows.join(""));
}
