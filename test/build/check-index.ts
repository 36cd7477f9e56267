import assert from "node:assert/strict";
import { join } from "node:path";
import { Builder } from "../../src/store/builder.ts";
import { EntryFile } from "../../src/store/entry-file.ts";
import { StateFile } from "../../src/store/state-file.ts";
import { Store } from "../../src/store/store.ts";
import { readValuesFile } from "../../src/store/values-file.ts";
import { decodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { computeReference, sumdbKey } from "./world.ts";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** The identity of the stores that are built. */
export const identity = { sumdbKey: formatVerifierKey(sumdbKey.verifierKey) };

/** Compares everything in a built index with what the map function makes of the records. */
export async function checkIndex(folder: string, records: readonly Uint8Array[]): Promise<void> {
  const expected = computeReference(records);
  const pairs = readValuesFile(join(folder, "files", "values-0000000000000001"));
  const values = new Map<string, string>();
  for (let i = 0, at = 0; i < pairs.count; i++) {
    const end = at + (pairs.lengths[i] as number);
    values.set(hexOf(pairs.keys.slice(32 * i, 32 * i + 32)), decodeUtf8(pairs.values.slice(at, end)) as string);
    at = end;
  }
  assert.equal(values.size, expected.changes.length);
  for (const { indexKey, value } of expected.changes)
    assert.equal(values.get(hexOf(indexKey)), decodeUtf8(value ?? new Uint8Array(0)));
  const states = StateFile.open(join(folder, "files", "states"));
  const entries = EntryFile.open(join(folder, "files", "entries"));
  assert.equal(states.count, expected.modules.length);
  assert.equal(entries.count, records.length - expected.malformed);
  for (const { path, indexKey, stateText, records: own } of expected.modules) {
    const found = states.get(indexKey);
    assert.equal(found?.path, path);
    assert.equal(found?.stateText, stateText);
    assert.equal(found?.entryCount, own.length);
    assert.deepEqual(
      entries
        .read(found?.entryOffset ?? 0, own.length, 0, own.length)
        .map(({ logIndex, version, zipHash, goModHash }) => [logIndex, version, hexOf(zipHash), hexOf(goModHash)]),
      own.map(({ logIndex, record }) => [
        logIndex,
        record.version.text,
        hexOf(record.zipHash),
        hexOf(record.goModHash),
      ]),
    );
  }
  states.close();
  entries.close();
  const store = await Store.open(folder, identity);
  try {
    const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey });
    try {
      const { epoch, tree, modules, malformed, leaf } = builder.state;
      assert.equal(epoch, 1);
      assert.equal(formatHex(tree.rootHash()), expected.mapRoot);
      assert.equal(formatHex(leaf?.mapRoot ?? new Uint8Array(0)), expected.mapRoot);
      assert.equal(modules, expected.modules.length);
      assert.equal(malformed, expected.malformed);
      assert.equal(leaf?.treeHead.treeSize, records.length);
    } finally {
      await builder.close();
    }
    const reader = store.snapshot();
    for (const { indexKey, items } of expected.uncutMajors) assert.equal(reader.majors(indexKey), items);
    await reader.close();
  } finally {
    await store.close();
  }
}
