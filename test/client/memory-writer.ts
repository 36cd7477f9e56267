import { readFile } from "node:fs/promises";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import { parseMemory } from "../../src/client/verify/files.ts";
import { makeTrust } from "../../src/client/verify/index.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";

/**
 * A process of memory-store.test.ts: writes memories into one folder, again and again, beside others that do the same.
 * After each write the newest that it has seen must still be there.
 */

/** What the parent hands over, as a file. */
export interface WriterJob {
  readonly folder: string;
  readonly zone: string;
  readonly policy: string;
  readonly sumdbKey: string;
  /** Texts of memories, of ascending epochs. */
  readonly memories: readonly string[];
}

const [file, first, step] = process.argv.slice(2) as [string, string, string];
const { folder, zone, policy, sumdbKey, memories } = JSON.parse(await readFile(file, "utf8")) as WriterJob;
const trust = makeTrust({ zone, policy, sumdbKey, sha256: nodeSha256, ed25519: nodeEd25519() });
const store = new FolderMemoryStore(folder, trust);
const parsed = memories.map((text) => parseMemory(text, trust));
let newest = 0;
console.log("ready");
for (let i = Number(first); i < parsed.length; i += Number(step)) {
  const memory = parsed[i];
  if (memory === undefined) break;
  newest = Math.max(newest, memory.epoch);
  let found = await store.read();
  do {
    await store.write(memory, found);
    // Another one may have been there first: then it is compared with that, as a client does.
    found = await store.read();
  } while (found !== undefined && found.epoch < memory.epoch);
  if (found === undefined || found.epoch < newest) throw new Error(`epoch ${newest} was there, now ${found?.epoch}`);
  newest = found.epoch;
}
