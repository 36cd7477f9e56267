import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { type Asker, Questioner } from "../src/check/asker.ts";
import { checkModule } from "../src/check/module-check.ts";
import type { Lookup } from "../src/client/client.ts";
import type { Subject, VerifiedAnswer, VerifiedHead } from "../src/client/verify/index.ts";
import { subjectText } from "../src/client/verify/index.ts";
import { readRecordsFile } from "../src/sumdb/records-file.ts";
import { decodeUtf8, encodeUtf8 } from "../src/vindex/bytes.ts";
import { parseMajorsValue } from "../src/vindex/majors-value.ts";
import { foldWindow, type IndexedRecord } from "../src/vindex/map-function.ts";
import { computeIndexKey, parseModuleValue } from "../src/vindex/module-value.ts";
import type { VersionEntry } from "../src/vindex/payload.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { PrefixTree } from "../src/vindex/prefix-tree.ts";
import { computeRecordHash, formatRecord, parseRecord } from "../src/vindex/record.ts";
import { parseVersion } from "../src/vindex/version.ts";

const testData = process.env["PROOFDNS_TESTDATA"];
const skip = testData ? false : "PROOFDNS_TESTDATA is not set";
const page = readFileSync(new URL("../docs/worked-examples.md", import.meta.url), "utf8");

let tree: PrefixTree;
let size = 0;
const lists = new Map<string, VersionEntry[]>();

before(async () => {
  if (skip !== false) return;
  const records: IndexedRecord[] = [];
  for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(
    join(testData ?? "", "data", "sumdb-dev.tsv.gz"),
  )) {
    const bytes = encodeUtf8(formatRecord(modulePath, version, zipHash, goModHash));
    const record = parseRecord(bytes);
    const logIndex = size++;
    if (record === undefined) continue;
    records.push({ record, logIndex, recordHash: computeRecordHash(bytes, nodeSha256) });
    const entry = { logIndex, version: record.version.text, zipHash: record.zipHash, goModHash: record.goModHash };
    const list = lists.get(record.path);
    if (list === undefined) lists.set(record.path, [entry]);
    else list.push(entry);
  }
  const after = foldWindow({ state: () => undefined, family: () => [], toolchain: [] }, records, nodeSha256);
  tree = PrefixTree.empty(nodeSha256).update(after.changes);
});

/** The committed text of a subject. */
function textOf(subject: string): string | undefined {
  const found = tree.get(computeIndexKey(subject, nodeSha256));
  return found === undefined ? undefined : decodeUtf8(found);
}

/** The cells of the rows of a table whose heading begins so. */
function rowsOf(heading: string): string[][] {
  const lines = page.split("\n");
  const start = lines.findIndex((line) => line.startsWith(heading));
  assert.notEqual(start, -1, heading);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  return lines.slice(start + 2, end === -1 ? undefined : end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
  );
}

test("docs/worked-examples.md agrees with the records that it is about", { skip }, () => {
  const rows = rowsOf("| subject ");
  assert.ok(rows.length >= 20);
  for (const [subject = "", value] of rows) {
    assert.equal(textOf(subject)?.replaceAll(/ [hms]=\S{43}/g, "") ?? "absent", value, subject);
  }
});

/** Answers from the map as if they had been looked up and proven. */
const asker: Asker = {
  lookupAll(subjects, each) {
    for (const [i, subject] of subjects.entries()) each(i, { lookup: lookup(subject) });
    return Promise.resolve();
  },
  head: () => Promise.resolve({ ageTime: 0 }),
  age: () => Promise.resolve(undefined),
  proveRecord: () => Promise.reject(new TypeError("no record proof is needed here")),
  proveAge: () => Promise.reject(new TypeError("no record proof is needed here")),
  fetchGoMod: () => Promise.reject(new TypeError("no go.mod is needed here")),
  isPrivate: () => false,
  jobs: 1,
  isOffline: false,
};

function lookup(subject: Subject): Lookup {
  const treeHead = { treeSize: size, rootHash: new Uint8Array(32) };
  const head = { epoch: 1, ageTime: 1, leaf: { treeHead } } as unknown as VerifiedHead;
  const text = textOf(subjectText(subject));
  const answer = ((): VerifiedAnswer => {
    if (text === undefined || subject.kind === "toolchain") return { kind: "absent", head };
    if (subject.kind === "majors") {
      const { items } = parseMajorsValue(text, subject.basePath, size);
      return { kind: "majors", text, items, isComplete: true, head };
    }
    const { path } = subject;
    return {
      kind: "module",
      path,
      text,
      value: parseModuleValue(text, path, size),
      state: undefined,
      stateText: undefined,
      head,
    };
  })();
  const isListed = subject.kind === "module" && subject.withVersions === true && text !== undefined;
  return { answer, versions: isListed ? lists.get(subject.path) : undefined } as Lookup;
}

test("check judges each line of docs/worked-examples.md as it is worked there", { skip }, async () => {
  const rows = rowsOf("| module ");
  assert.ok(rows.length >= 20);
  for (const [path = "", inUse = "", options = "", status, offered, step] of rows) {
    const current = parseVersion(inUse);
    assert.ok(current !== undefined, inUse);
    const item = {
      path,
      current,
      query: undefined,
      isIndirect: false,
      program: undefined,
      places: [{ file: "go.mod", line: 1 }],
      excluded: new Set<string>(),
    };
    const result = await checkModule(item, new Questioner(asker), {
      isPatchOnly: options === "--patch-only",
      withPre: options === "--pre",
      withMajors: options === "--major",
      withRetractions: false,
      cooldown: undefined,
      sha256: nodeSha256,
    });
    const where = `${path} ${inUse} ${options}`;
    assert.deepEqual(result.errors, [], where);
    assert.equal(result.status, status, where);
    const { newerMajor } = result;
    const shown =
      result.offered?.version ??
      (status === "newer-major" && newerMajor !== undefined ? `${newerMajor.path} ${newerMajor.version}` : "");
    assert.equal(shown, offered, where);
    assert.equal(result.step ?? "", step, where);
    if (offered === "v1.0.4") assert.equal(newerMajor?.version, "v3.0.0", where);
  }
});
