import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { IndexedRecord } from "../../src/vindex/map-function.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHashOf, makeRecord, parseH1 } from "../../src/vindex/record.ts";

/** Where reference data of other projects lies, if it does. */
const testData: string | undefined = process.env["PROOFDNS_TESTDATA"];

/** Options of a test that reads it. */
export const needsTestData: { skip: string | false } = {
  skip: testData === undefined ? "PROOFDNS_TESTDATA is not set" : false,
};

/** Bytes of a reference file. Only for tests with `needsTestData`. */
export function readReference(...path: string[]): Uint8Array {
  return readFileSync(join(testData as string, ...path));
}

/** A JSON file of vectors. */
export function readVectors<T>(name: string): T {
  return JSON.parse(Buffer.from(readReference("vectors", name)).toString()) as T;
}

/** The lines of a tab-separated file, without comments, split. */
export function readRows(...path: string[]): string[][] {
  const bytes = readReference(...path);
  const text = (path.at(-1)?.endsWith(".gz") ? gunzipSync(bytes) : Buffer.from(bytes)).toString();
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("\t"));
}

/** The real records, in log order. */
export function readRealRecords(): IndexedRecord[] {
  return readRows("data", "sumdb-dev.tsv.gz").map(([path = "", version = "", zip = "", goMod = ""], logIndex) => {
    const [zipHash, goModHash] = [parseH1(zip), parseH1(goMod)];
    const record = zipHash && goModHash ? makeRecord(path, version, zipHash, goModHash) : undefined;
    if (record === undefined) throw new Error(`the reference data hold a malformed record: ${path} ${version}`);
    return { record, logIndex, recordHash: computeRecordHashOf(record, nodeSha256) };
  });
}

/** Key of all signed tree heads of sum.golang.org. */
export const SUM_GOLANG_ORG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
