// Kills `proofdns serve` with SIGKILL at 50 distinct points of a run of more than 100 epochs, at random times, and at 50
// distinct points of its work in the background (files of values and paths, sorting), and `proofdns snapshot save` and
// `load` at 50 each, and checks after each kill that nothing was lost, changed, half made or signed twice (spec/log.md §3, §5, §8).
//
//     npm run test:crash [-- --json] [--kills N]
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { formatHostPort } from "../../src/cli/host-port.ts";
import { readSignerKey } from "../../src/cli/key-file.ts";
import { Client } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import { Questions } from "../../src/client/questions.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { makeTrust, type Trust } from "../../src/client/verify/index.ts";
import type { ServiceStep } from "../../src/service/service.ts";
import { Store } from "../../src/store/store.ts";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { decodeUtf8, encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { formatCheckpoint } from "../../src/vindex/checkpoint.ts";
import { computeEpochLeafHash, formatLeaf } from "../../src/vindex/leaf.ts";
import { isModulePath } from "../../src/vindex/module-path.ts";
import { formatVerifierKey, type VerifierKey } from "../../src/vindex/note.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { decodeHead } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import {
  computeLeaves,
  ed25519,
  makeFolder,
  makeRandom,
  randomSizes,
  realRecords,
  sampleRecords,
  sumdbKey,
  testData,
  ZONE,
} from "../service/world.ts";
import type { CrashOrder } from "./server.ts";
import { killSnapshots } from "./snapshots.ts";

/** Kills of each kind; `--kills N` for a shorter run. */
const KILLS = takeNumber("--kills", 50);
/** Epochs that a run of so many kills takes. */
const epochsFor = (kills: number): number => 2 * kills + 3;
/** No process needs as long to come up or to make an epoch. */
const PATIENCE = 20_000;

/**
 * A step to be killed at, `ahead` epochs after the newest (0: the newest itself, which every start signs, cosigns and serves once
 * more), or a time in milliseconds after the process was started.
 */
type Kill = { readonly step: ServiceStep; readonly ahead: number } | { readonly afterMs: number };

const isJson = process.argv.includes("--json");

function takeNumber(option: string, otherwise: number): number {
  const at = process.argv.indexOf(option);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

const violations: string[] = [];
function check(holds: boolean, what: string): void {
  if (holds) return;
  violations.push(what);
  console.error(`VIOLATION: ${what}`);
}

/** What is not committed when it is killed is made again. */
const BEFORE_COMMIT: readonly ServiceStep[] = ["fetched", "computed", "hashed"];

/** The kills in their order: groups at one epoch, and some at random times in between. */
function planKills(count: number, random: () => number): Kill[] {
  const groups: ServiceStep[][] = [
    ["committed"],
    ["fetched"],
    ["committed", "signed"],
    ["cosigned"],
    ["computed", "committed"],
    ["signed"],
    ["hashed"],
    ["committed", "cosigned", "served"],
    ["served"],
    ["fetched", "computed", "hashed", "committed", "signed", "cosigned", "served"],
  ];
  const kills: Kill[] = [];
  for (let i = 0; kills.length < count; i++) {
    let ahead = 1 + (i % 3);
    for (const step of groups[i % groups.length] as ServiceStep[]) {
      if (kills.length < count) kills.push({ step, ahead });
      ahead = BEFORE_COMMIT.includes(step) ? 1 : 0;
    }
  }
  for (let i = 0; i < Math.ceil(count / 4); i++) {
    kills.splice(Math.floor(random() * kills.length), 0, { afterMs: 250 + Math.floor(random() * 900) });
  }
  return kills;
}

/** Kills in the work that goes on in the background, each of another epoch. */
function planBusyKills(count: number): Kill[] {
  const steps: ServiceStep[] = ["flushing", "values written", "paths written", "flushed", "sorting", "sorted"];
  return Array.from({ length: count }, (_, i) => ({ step: steps[i % steps.length] as ServiceStep, ahead: 1 }));
}

interface Line {
  readonly ready?: true;
  readonly listen?: string;
  readonly epoch: number;
  readonly sumdbSize: number;
  readonly mapRoot: string;
}

/** One life of the server, from start to kill. */
class Life {
  readonly child: ChildProcess;
  readonly started = performance.now();
  readonly lines: Line[] = [];
  readonly dead: Promise<NodeJS.Signals | number | null>;
  restartMs: number | undefined;
  stderr = "";
  #wake: () => void = () => {};

  constructor(order: CrashOrder) {
    const script = fileURLToPath(new URL("./server.ts", import.meta.url));
    this.child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on("line", (text) => {
      const line = JSON.parse(text) as Line;
      if (line.ready) this.restartMs = Math.round(performance.now() - this.started);
      this.lines.push(line);
      this.#wake();
    });
    this.dead = new Promise((resolve) => {
      // `close` comes after the last line was read.
      this.child.once("close", (code, signal) => {
        resolve(signal ?? code);
        this.#wake();
      });
    });
  }

  get isDead(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Waits until a line of `epoch` was printed; false if the process died first. */
  async waitForEpoch(epoch: number): Promise<boolean> {
    const until = performance.now() + PATIENCE;
    while (!this.lines.some((line) => line.epoch >= epoch)) {
      if (this.isDead) {
        await this.dead;
        return this.lines.some((line) => line.epoch >= epoch);
      }
      if (performance.now() > until) throw new Error(`no epoch ${epoch} within ${PATIENCE} ms:\n${this.stderr}`);
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), sleep(200)]);
    }
    return true;
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.dead;
  }
}

/** Everything that was ever seen, and the checks against it. */
class Observer {
  readonly #reference: ReadonlyMap<number, { leafText: string; mapRoot: string }>;
  readonly #log = new OutputLog(nodeSha256);
  /** Leaf of each epoch that was ever seen committed or served. */
  readonly leaves: string[] = [];
  readonly #signatures = new Map<number, string>();
  /** First cosignature of each epoch, and the last one seen. */
  readonly #cosigned = new Map<string, { first: string; lastTime: number }>();
  #clockTime = 0;
  #served = 0;
  logKey: VerifierKey | undefined;
  headsSeen = 0;

  constructor(reference: ReadonlyMap<number, { leafText: string; mapRoot: string }>) {
    this.#reference = reference;
  }

  /** Newest epoch that was ever served or printed. */
  get served(): number {
    return this.#served;
  }

  seeServed(epoch: number): void {
    this.#served = Math.max(this.#served, epoch);
  }

  seeLine({ epoch, sumdbSize, mapRoot }: Line, what: string): void {
    this.seeServed(epoch);
    check(mapRoot === this.#reference.get(sumdbSize)?.mapRoot, `${what}: another map root at ${sumdbSize} records`);
  }

  seeLeaf(epoch: number, leafText: string, what: string): void {
    const size = Number(leafText.split("\n")[2]);
    check(leafText === this.#reference.get(size)?.leafText, `${what}: another leaf for ${size} records`);
    const known = this.leaves[epoch - 1];
    if (known !== undefined) {
      check(leafText === known, `${what}: a second leaf for epoch ${epoch}`);
    } else {
      check(epoch === this.leaves.length + 1, `${what}: epoch ${epoch} comes after ${this.leaves.length}`);
      this.leaves.push(leafText);
      this.#log.append(computeEpochLeafHash(leafText, nodeSha256));
    }
  }

  /** The signature must be of the one checkpoint that the leaves seen so far give. */
  seeSignature(epoch: number, signature: Uint8Array, what: string): void {
    const { keyName, publicKey } = this.logKey as VerifierKey;
    const text = formatCheckpoint({ origin: keyName, treeSize: epoch, rootHash: this.#log.root(epoch) });
    const hex = formatHex(signature);
    const known = this.#signatures.get(epoch);
    if (known !== undefined) check(known === hex, `${what}: a second signature for epoch ${epoch}`);
    else check(ed25519.verify(publicKey, encodeUtf8(text), signature), `${what}: epoch ${epoch} has another signature`);
    this.#signatures.set(epoch, hex);
  }

  seeCosignature(epoch: number, keyId: number, time: number, signature: Uint8Array, what: string): void {
    const id = `${epoch} ${keyId}`;
    const known = this.#cosigned.get(id);
    if (known !== undefined) check(time >= known.lastTime, `${what}: the last cosignature of epoch ${epoch} went back`);
    this.#cosigned.set(id, { first: known?.first ?? formatHex(signature), lastTime: time });
  }

  seeFirst(epoch: number, keyId: number, time: number, signature: Uint8Array, what: string): void {
    const id = `first ${epoch} ${keyId}`;
    const hex = `${time} ${formatHex(signature)}`;
    const known = this.#cosigned.get(id);
    if (known !== undefined) check(known.first === hex, `${what}: the first cosignature of epoch ${epoch} changed`);
    this.#cosigned.set(id, { first: known?.first ?? hex, lastTime: time });
  }

  /** Times that the clock signed, in the order in which they were signed. */
  seeClock(time: number, what: string): void {
    check(time >= this.#clockTime, `${what}: the clock went back from ${this.#clockTime} to ${time}`);
    this.#clockTime = Math.max(time, this.#clockTime);
  }
}

/** What a run of kills of one kind came to. */
interface Summary {
  readonly kills: number;
  readonly randomKills: number;
  readonly betweenCommitAndSignature: number;
  readonly epochs: number;
  readonly headsSeen: number;
  readonly restarts: readonly number[];
}

/** Kills `proofdns serve` again and again, and looks after each kill at what it left. */
async function killServe(
  name: string,
  records: readonly Uint8Array[],
  kills: readonly Kill[],
  isBusy: boolean,
): Promise<Summary> {
  const random = makeRandom(20_240);
  const pointCount = kills.filter((kill) => "step" in kill).length;
  const EPOCHS = isBusy ? pointCount + 3 : epochsFor(pointCount);
  // More sizes than epochs: after a kill before the commit the epoch may be made of a larger size than before.
  const sizes = randomSizes(records.length, EPOCHS + 40, random);
  const leaves = computeLeaves(records, sizes);
  const reference = new Map(
    leaves.map(({ treeHead, mapRoot, leafText }) => [treeHead.treeSize, { leafText, mapRoot: formatHex(mapRoot) }]),
  );
  const observer = new Observer(reference);
  const folder = makeFolder(`crash-${name}`);
  const data = join(folder, "data");
  const pointLog = join(folder, "points");
  const sumdb = new SumdbServer({ signerKey: sumdbKey, records, size: sizes[0], sha256: nodeSha256, ed25519 });
  const url = `http://${formatHostPort(await sumdb.listen({ host: "127.0.0.1", port: 0 }))}`;
  const vkey = formatVerifierKey(sumdbKey.verifierKey);
  const serve = {
    zone: ZONE,
    listen: "127.0.0.1:0",
    data,
    sumdb: `${vkey} ${url}`,
    poll: "1s",
    heartbeat: "1s",
    epochInterval: "0s",
    maxStall: "6h",
  };
  const paths = [...new Set(records.map((text) => (decodeUtf8(text) ?? "").split(" ")[0] ?? ""))].filter(isModulePath);
  let grown = 0;
  const grow = (): void => {
    const next = sizes[++grown];
    if (next === undefined) throw new Error("the sizes ran out");
    sumdb.setSize(next);
  };

  const restarts: number[] = [];
  let killNumber = 0;
  let pointKills = 0;
  let betweenCommitAndSignature = 0;
  /** Epochs in the store. */
  let committed = 0;

  const distinct = new Set<string>();
  for (const [index, kill] of kills.entries()) {
    const target = "step" in kill ? committed + kill.ahead : committed + 1;
    const killAt = "step" in kill ? `${kill.step} ${target}` : undefined;
    if (killAt !== undefined && !isBusy) distinct.add(killAt);
    const what = `${name}: kill ${index + 1} (${killAt ?? "at a random time"})`;
    const before = committed;
    // Some lives begin with a look at what is served, the others find new records at once.
    const isPending = committed === 0 || sumdb.size > Number(observer.leaves.at(-1)?.split("\n")[2]);
    const looksFirst = index % 3 === 0 && killAt !== undefined && target > committed && !isPending;
    if (target > committed && !isPending && !looksFirst) grow();
    const life = new Life({ serve, pointLog, killAt, isBusy });
    if ("afterMs" in kill) {
      await sleep(kill.afterMs);
      await life.kill();
    } else if (target > before) {
      if (looksFirst && (await life.waitForEpoch(before))) {
        await observe(life, observer, paths, random, trustOf(), what);
        grow();
      }
      for (let epoch = before + 1; epoch <= target && (await life.waitForEpoch(epoch)); epoch++) {
        if (epoch === target) break;
        await observe(life, observer, paths, random, trustOf(), what);
        grow();
      }
    }
    await Promise.race([life.dead, sleep(PATIENCE, undefined, { ref: false })]);
    check(life.isDead, `${what}: it never got there`);
    if (!life.isDead) await life.kill();
    const signal = await life.dead;
    check(signal === "SIGKILL", `${what}: it ended with ${signal} instead:\n${life.stderr}`);
    if (signal !== "SIGKILL") break;
    for (const line of life.lines) observer.seeLine(line, what);
    check((life.lines[0]?.epoch ?? Number.POSITIVE_INFINITY) >= before, `${what}: it came back with an earlier epoch`);
    const points = readPoints(pointLog);
    for (const point of points)
      if (point.startsWith("served ")) observer.seeServed(Number(point.slice("served ".length)));
    const isBackground = "step" in kill && isBusy;
    if (isBackground) {
      check(
        points.at(-1)?.startsWith(kill.step) === true,
        `${what}: the last points are ${points.slice(-12).join(", ")}`,
      );
      distinct.add(points.at(-1) as string);
    } else if (killAt !== undefined) check(points.at(-1) === killAt, `${what}: the last point is ${points.at(-1)}`);
    const found = await inspectStore(data, join(folder, "copy"), vkey, observer, what);
    committed = found.epochs;
    check(committed >= observer.served, `${what}: epoch ${observer.served} was served, the store has ${committed}`);
    if (killAt !== undefined) pointKills++;
    if ("step" in kill && kill.step === "committed") {
      check(committed === target, `${what}: the store has ${committed} epochs`);
      if (!found.isNewestSigned) betweenCommitAndSignature++;
    }
    if ("step" in kill && BEFORE_COMMIT.includes(kill.step)) {
      check(committed === target - 1, `${what}: the store has ${committed} epochs`);
      if (index % 2 === 1) grow();
    }
    if (life.restartMs !== undefined) restarts.push(life.restartMs);
    killNumber++;
    const restart = life.restartMs === undefined ? "killed before it was ready" : `ready after ${life.restartMs} ms`;
    if (!isJson)
      console.log(`${name} ${killNumber} ${"step" in kill ? kill.step : "random"} epoch ${committed} ${restart}`);
  }

  // The last life is not killed: it goes on to the last epoch, and stops when it is told to.
  const last = new Life({ serve, pointLog, killAt: undefined, isBusy });
  await last.waitForEpoch(Math.max(1, committed));
  committed = last.lines.at(-1)?.epoch ?? 0;
  await observe(last, observer, paths, random, trustOf(), "the last life");
  while (committed < EPOCHS) {
    grow();
    await last.waitForEpoch(committed + 1);
    committed = last.lines.at(-1)?.epoch ?? 0;
  }
  for (const line of last.lines) observer.seeLine(line, "the last life");
  await observe(last, observer, paths, random, trustOf(), "the last life");
  last.child.kill("SIGTERM");
  check((await last.dead) === 0, "the last life did not end with 0");
  const found = await inspectStore(data, join(folder, "copy"), vkey, observer, "at the end");
  check(found.epochs === committed, "the store lost an epoch at the end");
  await sumdb.close();

  check(
    pointKills === pointCount && distinct.size === pointCount,
    `${name}: ${pointKills} kills at ${distinct.size} points`,
  );
  check(
    isBusy || betweenCommitAndSignature >= pointCount / 6,
    `${betweenCommitAndSignature} kills between commit and signature`,
  );
  check(committed >= EPOCHS - 3, `${name}: ${committed} epochs`);
  const randomKills = killNumber - pointKills;
  const { headsSeen } = observer;
  return { kills: pointKills, randomKills, betweenCommitAndSignature, epochs: committed, headsSeen, restarts };

  function trustOf(): Trust {
    return makeTrust({
      zone: ZONE,
      policy: readFileSync(join(data, "policy")),
      sumdbKey: vkey,
      sha256: nodeSha256,
      ed25519,
    });
  }

  /** Asks by DNS: one lookup with a client that remembers all lives, and the heads of all epochs. */
  async function observe(
    life: Life,
    seen: Observer,
    modulePaths: readonly string[],
    rand: () => number,
    trust: Trust,
    what: string,
  ): Promise<void> {
    const listen = life.lines.find((line) => line.ready)?.listen as string;
    const transport = new DnsTransport({ server: listen });
    const memory = new FolderMemoryStore(join(folder, "memory"), trust);
    const path = modulePaths[Math.floor(rand() * modulePaths.length)] as string;
    try {
      const client = new Client({ trust, transport, memory });
      await client.lookup({ kind: "module", path, withVersions: rand() < 0.5 }, { withRecord: rand() < 0.5 });
      await client.commit();
    } catch (error) {
      check(false, `${what}: the client refuses ${path}: ${(error as Error).message}`);
    }
    seen.logKey = trust.logKey;
    const newest = (await memory.read())?.epoch ?? 0;
    check(newest >= seen.served, `${what}: the client saw epoch ${newest} after ${seen.served}`);
    const questions = new Questions(ZONE, nodeSha256);
    for (let epoch = 1; epoch <= newest; epoch++) {
      const reply = await transport.query(questions.head({ epoch }));
      check(reply.kind === "txt", `${what}: no head of epoch ${epoch}`);
      if (reply.kind !== "txt") continue;
      const head = decodeHead(reply.payload, "plain");
      seen.headsSeen++;
      const leaf = { mapRoot: head.mapRoot, treeHead: head.treeHead, sumdbSignature: head.sumdbSignature };
      seen.seeLeaf(epoch, formatLeaf(leaf, sumdbKey.verifierKey), what);
      seen.seeServed(epoch);
      seen.seeSignature(epoch, head.logSignature, what);
      for (const { keyId, time, signature } of head.cosignatures) {
        seen.seeCosignature(epoch, keyId, time, signature, what);
        if (epoch === newest) seen.seeClock(time, what);
      }
    }
  }
}

function readPoints(pointLog: string): string[] {
  return existsSync(pointLog) ? readFileSync(pointLog, "utf8").trimEnd().split("\n") : [];
}

/** Looks at a copy of the store, so that the next life meets the files as the kill left them. */
async function inspectStore(
  data: string,
  copy: string,
  sumdbVkey: string,
  observer: Observer,
  what: string,
): Promise<{ epochs: number; isNewestSigned: boolean }> {
  const keyPath = ["log.key", "log.key.new"].map((name) => join(data, name)).find(existsSync);
  if (keyPath === undefined || !existsSync(join(data, "store", "CURRENT"))) {
    check(observer.served === 0, `${what}: key or store is gone`);
    return { epochs: 0, isNewestSigned: false };
  }
  const key = await readSignerKey(keyPath);
  if (key === undefined) throw new Error("no key");
  observer.logKey = key.verifierKey;
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const name of ["store", "files"]) cpSync(join(data, name), join(copy, name), { recursive: true });
  const identity = {
    origin: key.verifierKey.keyName,
    logKey: formatVerifierKey(key.verifierKey),
    sumdbKey: sumdbVkey,
  };
  const store = await Store.open(copy, identity);
  try {
    let epoch = 0;
    let isNewestSigned = false;
    for await (const leafText of store.leaves()) {
      epoch++;
      observer.seeLeaf(epoch, leafText, what);
      const signature = await store.signature(epoch);
      isNewestSigned = signature !== undefined;
      if (signature !== undefined) observer.seeSignature(epoch, signature, what);
      for (const { first, last } of await store.cosignatures(epoch)) {
        observer.seeFirst(epoch, first.keyId, first.time, first.signature, what);
        observer.seeCosignature(epoch, last.keyId, last.time, last.signature, what);
      }
    }
    const clock = await store.clock();
    if (clock !== undefined) observer.seeClock(clock.time, what);
    return { epochs: epoch, isNewestSigned };
  } finally {
    await store.close();
  }
}

async function main(): Promise<void> {
  const began = performance.now();
  const records = testData === undefined ? sampleRecords() : await realRecords();
  const [epochs, busy, snapshots] = await Promise.all([
    killServe("epoch", records, planKills(KILLS, makeRandom(20_240)), false),
    killServe("background", records, planBusyKills(KILLS), true),
    killSnapshots(KILLS, sampleRecords(), check, isJson ? () => {} : (line) => console.log(line)),
  ]);
  const seconds = Math.round((performance.now() - began) / 1000);
  const restarts = [...epochs.restarts, ...busy.restarts].sort((a, b) => a - b);
  const restartMs = { median: restarts[Math.floor(restarts.length / 2)], max: restarts.at(-1) };
  const { restarts: _, ...ofEpochs } = epochs;
  const isOk = violations.length === 0;
  const summary = {
    ok: isOk,
    ...ofEpochs,
    background: { kills: busy.kills, epochs: busy.epochs },
    snapshots,
    records: records.length,
    restartMs,
    seconds,
    violations,
  };
  if (isJson) console.log(JSON.stringify(summary));
  else {
    const verdict = isOk ? "roots equal, no epoch lost, no second leaf" : `${violations.length} VIOLATIONS`;
    console.log(
      `${epochs.kills} kills in epochs (${epochs.betweenCommitAndSignature} between commit and signature) and ${busy.kills} in the background, over ${epochs.epochs} and ${busy.epochs} epochs; ${snapshots.save} in saving and ${snapshots.load} in loading a snapshot: ${verdict}`,
    );
    console.log(
      `and ${epochs.randomKills} kills at random times; ${epochs.headsSeen + busy.headsSeen} heads compared; restart ${restartMs.median} ms (median), ${restartMs.max} ms (most); ${seconds} s`,
    );
  }
  process.exitCode = isOk ? 0 : 1;
}

await main();
