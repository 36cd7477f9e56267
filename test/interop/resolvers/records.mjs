// The records of the checksum database that the resolvers are asked about.
import { writeFile } from "node:fs/promises";
import { tsImport } from "tsx/esm/api";

const { makeSampleRecords } = await tsImport("../../../src/cli/sample-records.ts", import.meta.url);

/** Majors of the family `example.com/wide`: its uncut items fill about 50 KB, near the most that a TXT can hold. */
const WIDE_MAJORS = 1_900;
/** Versions of `example.com/deep`: more than a page of 256. */
const DEEP_VERSIONS = 300;

/** A path of one element of 63 bytes, the longest label there is. */
export const LABEL_63 = `example.com/${"l".repeat(63)}`;

/** A path of `count` elements of one letter: a name of that many labels and more. */
export function pathOfManyLabels(count) {
  return `example.com/${Array.from({ length: count }, (_, i) => "abcdefghij"[i % 10]).join("/")}`;
}

/** A path whose name below `p1.<zone>` has `wireLength` bytes on the wire: elements of at most 40 bytes, without escapes. */
export function pathOfLength(wireLength, zone) {
  // The final zero, the zone, `p1`, `com`, `example` and `_`, each with its length byte.
  let rest = wireLength - 1 - (zone.length + 1) - 3 - 4 - 8 - 2;
  const elements = [];
  while (rest > 0) {
    const length = rest > 82 ? 40 : rest > 41 ? Math.floor(rest / 2) - 1 : rest - 1;
    elements.push("n".repeat(length));
    rest -= length + 1;
  }
  return `example.com/${elements.join("/")}`;
}

/**
 * Writes a records file as `proofdns sumdb --records` reads it: the sample of the demo, and modules that have large answers
 * and long names. Nothing in it is a checksum of a real module.
 */
export async function writeRecords(file, paths) {
  const versions = [
    ...Array.from({ length: DEEP_VERSIONS }, (_, i) => ["example.com/deep", `v1.${i}.0`]),
    ...Array.from({ length: WIDE_MAJORS }, (_, i) => [`example.com/wide/v${i + 2}`, `v${i + 2}.0.0`]),
    // Its state: a line of about 115 bytes for each of 16 majors.
    ...Array.from({ length: 16 }, (_, i) => ["example.com/state", `v${i + 2}.0.0+incompatible`]),
    ["example.org/v1/tool", "v1.4.2"],
    ["golang.org/toolchain", "v0.0.1-go1.22.1.linux-amd64"],
    ["golang.org/toolchain", "v0.0.1-go1.21.9.linux-amd64"],
    ...paths.map((path) => [path, "v1.0.0"]),
  ];
  const hash = (i, what) => `h1:${Buffer.from(`${what} ${i}`.padEnd(32, ".")).toString("base64")}`;
  const lines = versions.map(([path, version], i) => `${path}\t${version}\t${hash(i, "zip")}\t${hash(i, "mod")}\n`);
  const sample = makeSampleRecords().map((record) => {
    const [zip, mod] = record.split("\n");
    const [path, version, zipHash] = zip.split(" ");
    return `${path}\t${version}\t${zipHash}\t${mod.split(" ")[2]}\n`;
  });
  await writeFile(file, [...sample, ...lines].join(""));
  return sample.length + lines.length;
}
