import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Builder } from "../../src/store/builder.ts";
import { writeEntryFile } from "../../src/store/entry-file.ts";
import { HashFiles } from "../../src/store/hash-files.ts";
import { writeStateFile } from "../../src/store/state-file.ts";
import { Store } from "../../src/store/store.ts";
import { ValuesFileWriter, valuesFileName } from "../../src/store/values-file.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { formatLeaf } from "../../src/vindex/leaf.ts";
import { parseModuleState } from "../../src/vindex/module-state.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import { identity } from "../service/operator.ts";
import { makeFolder, sumdbKey } from "../service/world.ts";
import { makeLog, signHead } from "../sumdb/small-log.ts";

/** Makes in `folder` what a build from scratch makes of these records: base files, one epoch, and nothing signed. */
export async function makeBaseStore(folder: string, records: readonly Uint8Array[]): Promise<void> {
  const log = makeLog(records);
  const treeHead = log.treeHead(records.length);
  const recordHashes = records.map((text) => computeLeafHash(text, nodeSha256));
  const store = await Store.open(join(makeFolder("base"), "data"), identity);
  const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey });
  const { tree, leaf, modules, malformed } = await builder.build(
    {
      treeHead,
      signedTreeHead: signHead(treeHead, sumdbKey),
      async *batches() {
        yield { firstIndex: 0, texts: records, recordHashes };
      },
    },
    1_700_000_000,
  );
  const files = join(folder, "files");
  mkdirSync(files, { recursive: true });
  const values = new ValuesFileWriter(join(files, valuesFileName(1)), tree.size);
  for (const { indexKey, value } of tree.leaves()) values.add(indexKey, value);
  values.finish();
  const snapshot = store.snapshot();
  const states: { indexKey: Uint8Array; path: string; stateText: string }[] = [];
  for (const { indexKey } of tree.leaves()) {
    const state = snapshot.state(indexKey);
    if (state !== undefined) states.push({ indexKey, path: state.path, stateText: state.stateText });
  }
  const counts = states.map(({ path, stateText }) => parseModuleState(stateText, path, nodeSha256).subLog.treeSize);
  const offsets = writeEntryFile(
    join(files, "entries"),
    states.map(({ indexKey }, i) => snapshot.entries(indexKey, 0, counts[i] as number)),
  );
  writeStateFile(
    join(files, "states"),
    states.map((state, i) => ({ ...state, entryOffset: offsets[i] as number, entryCount: counts[i] as number })),
  );
  const hashes = HashFiles.open(files, 0, Frontier.empty(nodeSha256).root(), nodeSha256);
  await hashes.write(hashes.prepare(recordHashes));
  hashes.close();
  const uncutMajors: { indexKey: Uint8Array; items: string }[] = [];
  for await (const [key, items] of store.overlay("majors")) {
    uncutMajors.push({ indexKey: Buffer.from(key, "hex"), items: Buffer.from(items).toString() });
  }
  const { frontier } = builder.known();
  await snapshot.close();
  await builder.close();
  await store.close();
  const built = await Store.open(folder, { sumdbKey: identity.sumdbKey });
  await built.commitBase({
    leafTexts: [formatLeaf(leaf as NonNullable<typeof leaf>, sumdbKey.verifierKey)],
    files: { values: 1, paths: undefined, base: true, hashes: true },
    uncutMajors,
    counters: { modules, malformed },
    frontier,
    growthTime: 1_700_000_000,
  });
  await built.close();
}
