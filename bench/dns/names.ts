import { join } from "node:path";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { Questions } from "../../src/client/questions.ts";
import type { WireName } from "../../src/dns/name.ts";
import { readRecordsFile } from "../../src/sumdb/records-file.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { isModulePath } from "../../src/vindex/module-path.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatRecord } from "../../src/vindex/record.ts";

/** Records of a checksum database in log order, and where they are from. */
export interface Records {
  readonly texts: readonly Uint8Array[];
  readonly source: "real" | "sample";
}

/** The real records where `PROOFDNS_TESTDATA` names a folder that has them, else `sampleModules` generated modules. */
export async function readRecords(sampleModules = 2_000): Promise<Records> {
  const { PROOFDNS_TESTDATA: folder } = process.env;
  if (folder === undefined) return { texts: makeSampleRecords(1, sampleModules).map(encodeUtf8), source: "sample" };
  const texts: Uint8Array[] = [];
  for await (const record of readRecordsFile(join(folder, "data", "sumdb-dev.tsv.gz"))) {
    texts.push(encodeUtf8(formatRecord(record.modulePath, record.version, record.zipHash, record.goModHash)));
  }
  return { texts, source: "real" };
}

/** The module paths of records, each once, in the order of their first record. */
export function modulePaths(texts: Iterable<Uint8Array>): string[] {
  const paths = new Set<string>();
  for (const text of texts) {
    const line = decodeUtf8(text) ?? "";
    const path = line.slice(0, line.indexOf(" "));
    if (isModulePath(path)) paths.add(path);
  }
  return [...paths];
}

/** The names of modules under the log of `zone`, as they are asked. */
export function moduleNames(zone: string, paths: readonly string[]): WireName[] {
  const questions = new Questions(zone, nodeSha256);
  return paths.map((path) => questions.subject({ kind: "module", path }));
}

/** A seeded generator (Mulberry32, public domain) of numbers from 0 to below 1, so that two runs ask the same. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
