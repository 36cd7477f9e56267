import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRecordsFile } from "../src/sumdb/records-file.ts";
import { decodeUtf8, encodeUtf8 } from "../src/vindex/bytes.ts";
import { foldWindow, type IndexedRecord } from "../src/vindex/map-function.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { PrefixTree } from "../src/vindex/prefix-tree.ts";
import { computeRecordHash, formatRecord, parseRecord } from "../src/vindex/record.ts";

const testData = process.env["PROOFDNS_TESTDATA"];
const page = readFileSync(new URL("../docs/worked-examples.md", import.meta.url), "utf8");

test("docs/worked-examples.md agrees with the records that it is about", {
  skip: testData ? false : "PROOFDNS_TESTDATA is not set",
}, async () => {
  const records: IndexedRecord[] = [];
  let logIndex = 0;
  for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(
    join(testData ?? "", "data", "sumdb-dev.tsv.gz"),
  )) {
    const bytes = encodeUtf8(formatRecord(modulePath, version, zipHash, goModHash));
    const record = parseRecord(bytes);
    if (record !== undefined) records.push({ record, logIndex, recordHash: computeRecordHash(bytes, nodeSha256) });
    logIndex++;
  }
  const after = foldWindow({ state: () => undefined, family: () => [], toolchain: [] }, records, nodeSha256);
  const tree = PrefixTree.empty(nodeSha256).update(after.changes);
  const rows = [...page.matchAll(/^\|\s*`([^`]+)`\s*\|\s*(?:`([^`]+)`|absent)\s*\|/gm)];
  assert.ok(rows.length >= 15);
  for (const [, subject = "", value] of rows) {
    const found = tree.get(computeIndexKey(subject, nodeSha256));
    const text = found === undefined ? undefined : (decodeUtf8(found) ?? "").replaceAll(/ [hms]=\S{43}/g, "");
    assert.equal(text, value, subject);
  }
});
