import { join } from "node:path";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { readRecordsFile } from "../../src/sumdb/records-file.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatRecord } from "../../src/vindex/record.ts";
import { sha256 } from "./world.ts";

/** Records for the worlds: real ones if they are at hand, else invented ones, and some that show every rule. */

export const { PROOFDNS_TESTDATA: testData } = process.env;

export function record(path: string, version: string, salt = ""): string {
  const hash = (what: string): Uint8Array => sha256(encodeUtf8(`${what} ${path} ${version} ${salt}`));
  return formatRecord(path, version, hash("zip"), hash("go.mod"));
}

/** One module or family for each kind of answer. */
export function showcase(): string[] {
  const majors = Array.from({ length: 12 }, (_, i) => record(`example.com/big/v${i + 2}`, `v${i + 2}.10.100`));
  const toolchain = ["go1.20.14", "go1.21.7", "go1.22.0", "go1.23rc1"].map((go) =>
    record("golang.org/toolchain", `v0.0.1-${go}.linux-amd64`),
  );
  return [
    record("example.com/big", "v1.0.0"),
    ...majors,
    ...toolchain,
    record("example.com/small/v2", "v2.0.0"),
    record("example.com/small", "v1.9.9"),
    record("example.com/pre", "v1.0.0-rc.1"),
    record("example.com/pre", "v1.0.0-rc.2"),
    record("example.com/both", "v1.0.0"),
    record("example.com/both", "v1.1.0-beta.1"),
    record("example.com/untagged", "v0.0.0-20240102030405-0123456789ab"),
    record("example.com/Mixed", "v1.0.0"),
    record("example.com/late", "v1.0.0"),
    record("example.com/late", "v2.0.0+incompatible"),
    record("gopkg.in/thing.v1", "v1.2.3"),
    record("gopkg.in/thing.v2", "v2.0.1"),
  ];
}

/** All records that are at hand: the development set where it is, else the sample; then the showcase. */
export async function readRecords(): Promise<{ records: string[]; isReal: boolean }> {
  if (testData === undefined) return { records: [...makeSampleRecords(), ...showcase()], isReal: false };
  const records: string[] = [];
  for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(
    join(testData, "data", "sumdb-dev.tsv.gz"),
  )) {
    records.push(formatRecord(modulePath, version, zipHash, goModHash));
  }
  return { records: [...records, ...showcase()], isReal: true };
}

/** Paths of records, each once, in their order. */
export function pathsOf(records: readonly string[]): string[] {
  return [...new Set(records.map((text) => text.slice(0, text.indexOf(" "))))];
}
