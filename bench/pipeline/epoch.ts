// Makes epochs on an index and says what they cost, in a process of its own, without the network and without signatures:
//
//     tsx bench/pipeline/epoch.ts DATA VERIFIER_KEY MODULES ROUNDS
//
// Prints one JSON line. The key is that of bench/generate, whose tree heads this signs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ReadWindow, SumdbWindow } from "../../src/store/builder.ts";
import { STATES_FILE } from "../../src/store/file-set.ts";
import { encodeUtf8, equalBytes } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { familyOf } from "../../src/vindex/module-path.ts";
import { formatNote, KEY_TYPE_ED25519, makeSignerKey, parseVerifierKey, signNote } from "../../src/vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHash, formatRecord } from "../../src/vindex/record.ts";
import type { Hash } from "../../src/vindex/sha256.ts";
import { loadDist } from "../dist.ts";
import { median } from "../timing.ts";
import { fdatasyncTime } from "../yardsticks.ts";

const { Builder } = await loadDist<typeof import("../../src/store/builder.ts")>("store/builder");
const { Store } = await loadDist<typeof import("../../src/store/store.ts")>("store/store");
const { StateFile } = await loadDist<typeof import("../../src/store/state-file.ts")>("store/state-file");

const [data, keyText, modulesText, roundsText] = process.argv.slice(2);
if (data === undefined || keyText === undefined) throw new Error("give DATA VERIFIER_KEY MODULES ROUNDS");
const changed = Number(modulesText ?? 2_000);
const rounds = Number(roundsText ?? 5);
/** Shares of the changed modules that have no record yet, as in the tree's benchmark. */
const NEW = 0.25;
const ed25519 = nodeEd25519();
const sumdbKey = parseVerifierKey(keyText);
const signer = makeSignerKey(sumdbKey.keyName, KEY_TYPE_ED25519, nodeSha256(encodeUtf8("generated 1")), ed25519);
if (!equalBytes(signer.verifierKey.publicKey, sumdbKey.publicKey)) throw new Error("the index is of other tiles");

const paths = pickPaths(Math.ceil(changed * (1 - NEW)) * (rounds + 1));
const store = await Store.open(data, { sumdbKey: keyText });
const started = performance.now();
const builder = await Builder.open({ store, sumdbKey, sha256: nodeSha256 });
const openSeconds = (performance.now() - started) / 1000;
await builder.idle();

const costs: {
  cpu: number;
  wall: number;
  readCpu: number;
  backgroundCpu: number;
  written: number;
  changedBytes: number;
}[] = [];
for (let round = 0; round <= rounds; round++) {
  const window = makeWindow(round);
  const before = { cpu: process.cpuUsage(), wall: performance.now(), written: writtenBytes() };
  const read = await builder.read(window);
  const readCpu = process.cpuUsage(before.cpu);
  const { tree } = await builder.commit(read, 1_800_000_000 + round);
  // What a server publishes: reads of that moment beside the tree, which is in shared memory already.
  const reader = builder.reader();
  const cpu = process.cpuUsage(before.cpu);
  const wall = performance.now() - before.wall;
  const written = writtenBytes() - before.written;
  await reader.close();
  const background = process.cpuUsage();
  builder.retire(tree);
  await builder.idle();
  const backgroundCpu = process.cpuUsage(background);
  // The first epoch warms up.
  if (round === 0) continue;
  const ms = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;
  const changedBytes = bytesOf(read);
  costs.push({ cpu: ms(cpu), wall, readCpu: ms(readCpu), backgroundCpu: ms(backgroundCpu), written, changedBytes });
}
await builder.close();
await store.close();
const middle = (of: (cost: (typeof costs)[number]) => number): number => median(costs.map(of));
console.log(
  JSON.stringify({
    keys: builder.state.tree.size,
    changed,
    openSeconds,
    // Milliseconds.
    cpu: middle(({ cpu }) => cpu),
    wall: middle(({ wall }) => wall),
    readCpu: middle(({ readCpu }) => readCpu),
    backgroundCpu: middle(({ backgroundCpu }) => backgroundCpu),
    // Bytes of the commit, and what it says that is new.
    written: middle(({ written }) => written),
    changedBytes: middle(({ changedBytes }) => changedBytes),
    fdatasync: fdatasyncTime(128 * 1024),
  }),
);

/** Paths of modules of the first major, spread over the map. */
function pickPaths(count: number): string[] {
  const states = StateFile.open(join(data as string, "files", STATES_FILE));
  const found: string[] = [];
  const step = Math.max(1, Math.floor(states.count / (2 * count)));
  let i = 0;
  for (const { path } of states.states()) {
    if (i++ % step !== 0 || familyOf(path) !== undefined || path.startsWith("gopkg.in/")) continue;
    if (path === "golang.org/toolchain") continue;
    found.push(path);
    if (found.length === count) break;
  }
  states.close();
  if (found.length < count) throw new Error(`the index has ${found.length} modules to change, ${count} are needed`);
  return found;
}

/** A window of a record for each changed module, verified: what a follower hands on. */
function makeWindow(round: number): SumdbWindow {
  const old = Math.ceil(changed * (1 - NEW));
  const texts: Uint8Array[] = [];
  for (let i = 0; i < changed; i++) {
    const path = i < old ? (paths[round * old + i] as string) : `example.com/new${round}/module${i}`;
    const hash = (what: string): Hash => nodeSha256(encodeUtf8(`${what} ${path}`));
    texts.push(encodeUtf8(formatRecord(path, `v1.999999.${round}`, hash("zip"), hash("mod"))));
  }
  const recordHashes = texts.map((text) => computeRecordHash(text, nodeSha256));
  const { frontier } = builder.known();
  const after = frontier.appendAll(recordHashes);
  const treeHead = { treeSize: after.treeSize, rootHash: after.root() };
  const text = formatTreeHead(treeHead);
  return {
    treeHead,
    signedTreeHead: formatNote(text, [signNote(text, signer, ed25519)]),
    async *batches() {
      yield { firstIndex: frontier.treeSize, texts, recordHashes };
    },
  };
}

/** Keys and values, state texts, versions and hashes that are new. */
function bytesOf({ fold, entries }: ReadWindow): number {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
  return (
    sum(fold.changes.map(({ value }) => 32 + (value?.length ?? 0))) +
    sum(fold.states.map(({ path, stateText }) => path.length + stateText.length)) +
    sum(entries.map(({ entry }) => 72 + entry.version.length)) +
    32 * entries.length
  );
}

/** Bytes that this process has written to files so far. */
function writtenBytes(): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1] ?? Number.NaN);
}
