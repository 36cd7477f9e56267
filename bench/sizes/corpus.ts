import { join } from "node:path";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { readRecordsFile } from "../../src/sumdb/records-file.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { foldWindow, type IndexedRecord } from "../../src/vindex/map-function.ts";
import { familyOf, majorsSubject } from "../../src/vindex/module-path.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHash, formatRecord, parseRecord } from "../../src/vindex/record.ts";

/** Records of the checksum database that the indexes of the corpus are spread over. */
export const SUMDB_SIZE = 67_000_000;

/** A module as it is answered for. */
export interface CorpusModule {
  readonly path: string;
  readonly value: string;
  readonly stateText: string;
  readonly records: readonly IndexedRecord[];
}

/** A family of majors as it is answered for. */
export interface CorpusFamily {
  readonly basePath: string;
  readonly value: string;
  readonly uncutItems: string | undefined;
}

/** What a few thousand modules look like in a map: names, values, state texts and versions. */
export interface Corpus {
  readonly source: string;
  readonly recordCount: number;
  readonly modules: readonly CorpusModule[];
  readonly families: readonly CorpusFamily[];
}

/**
 * The corpus of the real records where `PROOFDNS_TESTDATA` names a folder that has them, else of sample records. Their
 * log indexes are spread evenly over 67 million, so that they have as many digits as in the real log.
 */
export async function readCorpus(): Promise<Corpus> {
  const { PROOFDNS_TESTDATA: folder } = process.env;
  const texts: string[] = [];
  if (folder === undefined) texts.push(...makeSampleRecords(1, 2_000));
  else {
    for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(
      join(folder, "data", "sumdb-dev.tsv.gz"),
    )) {
      texts.push(formatRecord(modulePath, version, zipHash, goModHash));
    }
  }
  const source =
    folder === undefined
      ? "invented sample records (set PROOFDNS_TESTDATA for real ones)"
      : "real records of the Go checksum database";
  return makeCorpus(texts, source);
}

/** Folds record texts, in log order, into a corpus. */
export function makeCorpus(texts: readonly string[], source: string): Corpus {
  const records = texts.map((text, i): IndexedRecord => {
    const bytes = encodeUtf8(text);
    const record = parseRecord(bytes);
    if (record === undefined) throw new TypeError(`not a well-formed record: ${JSON.stringify(text)}`);
    const logIndex = Math.floor((i * SUMDB_SIZE) / texts.length);
    return { record, logIndex, recordHash: computeRecordHash(bytes, nodeSha256) };
  });
  const after = foldWindow({ state: () => undefined, family: () => [], toolchain: [] }, records, nodeSha256);
  const values = new Map(after.changes.map(({ indexKey, value }) => [hexOf(indexKey), value]));
  const textOf = (indexKey: Uint8Array): string => {
    const value = values.get(hexOf(indexKey));
    return (value === undefined ? undefined : decodeUtf8(value)) ?? "";
  };
  const modules = after.modules.map(({ path, indexKey, stateText, records: own }) => ({
    path,
    value: textOf(indexKey),
    stateText,
    records: own,
  }));
  const bases = new Set(modules.flatMap(({ path }) => familyOf(path)?.basePath ?? []));
  const uncut = new Map(after.uncutMajors.map(({ indexKey, items }) => [hexOf(indexKey), items]));
  const families = [...bases].map((basePath) => {
    const key = nodeSha256(encodeUtf8(majorsSubject(basePath)));
    return { basePath, value: textOf(key), uncutItems: uncut.get(hexOf(key)) };
  });
  return { source, recordCount: texts.length, modules, families };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
