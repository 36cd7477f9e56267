import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Client, type LookupOptions } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import type { Transport } from "../../src/client/transport.ts";
import type { Subject, Trust } from "../../src/client/verify/index.ts";
import { type ErrorCode, ProofdnsError } from "../../src/vindex/error.ts";
import { ZoneTransport } from "../attack/liars.ts";
import { record, showcase } from "../attack/records.ts";
import { type CosignTimes, timeOf, trustOf, World } from "../attack/world.ts";

/** One log of 14 epochs, a fork of it from epoch 6 on, and a client with a folder of its own. */

export const EPOCHS = 14;
/** A minute after the newest epoch. */
export const NOW = timeOf(EPOCHS) + 60;
/** Where the other tree of the fork begins. */
export const FORKED_AT = 6;

export const records: readonly string[] = [
  ...showcase(),
  record("example.com/steady", "v1.0.0"),
  record("example.com/absentee", "v0.1.0"),
  ...Array.from({ length: 80 }, (_, i) => record(`example.com/m${i % 7}`, `v1.${i}.0`)),
];

/** Sumdb size of an epoch; that of epoch 9 is a power of two, 64. */
export function sizeOf(epoch: number): number {
  return 37 + 3 * epoch;
}

const sizes = Array.from({ length: EPOCHS }, (_, i) => sizeOf(i + 1));

export function makeWorld(): Promise<World> {
  return World.build({ records, sizes });
}

/** The same log up to epoch 5; from epoch 6 on its epochs cover one record more. */
export function makeFork(): Promise<World> {
  return World.build({ records, sizes: sizes.map((size, i) => (i + 1 < FORKED_AT ? size : size + 1)) });
}

export const STEADY: Subject = { kind: "module", path: "example.com/steady" };

export interface ClientSetup {
  readonly now?: number | (() => number);
  readonly trust?: Trust;
}

/** Folders of all scenes; a test that fails leaves none behind. */
const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A client's side: a state folder, what it remembers, what it asks. */
export class Scene {
  readonly world: World;
  readonly folder: string;
  readonly trust: Trust;
  readonly store: FolderMemoryStore;

  private constructor(world: World, folder: string, trust: Trust) {
    this.world = world;
    this.folder = folder;
    this.trust = trust;
    this.store = new FolderMemoryStore(folder, trust);
  }

  /** With a memory of an epoch, if one is given. */
  static async make(world: World, remembered?: number, trust: Trust = trustOf(world.keys)): Promise<Scene> {
    const parent = await mkdtemp(join(tmpdir(), "proofdns-client-"));
    folders.push(parent);
    const scene = new Scene(world, join(parent, "state"), trust);
    if (remembered !== undefined) await scene.store.write(world.memory(remembered));
    return scene;
  }

  /** The honest server at an epoch. */
  server(epoch: number = EPOCHS, times?: CosignTimes, now: number = NOW): ZoneTransport {
    return new ZoneTransport(this.world.answers(epoch, times), now);
  }

  client(transport: Transport, { now = NOW, trust = this.trust }: ClientSetup = {}): Client {
    const memory = new FolderMemoryStore(this.folder, trust);
    return new Client({ trust, transport, memory, now: typeof now === "number" ? () => now : now });
  }

  /** The text of the memory; undefined if there is none. */
  async state(): Promise<string | undefined> {
    return readFile(this.store.path, "latin1").catch(() => undefined);
  }

  /** Epoch of the memory. */
  async rememberedEpoch(): Promise<number | undefined> {
    return (await this.store.read())?.epoch;
  }

  /** Evidence that was kept, as read back from disk. */
  async evidence(): Promise<unknown[]> {
    const names = (await readdir(this.folder).catch(() => [])).filter((name) => name.startsWith("evidence-"));
    return Promise.all(
      names.map(async (name) => JSON.parse(await readFile(join(this.folder, name), "utf8")) as unknown),
    );
  }

  /** Names of all files in the state folder but the memory and evidence. */
  async strays(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names.filter((name) => name !== basename(this.store.path) && !name.startsWith("evidence-"));
  }

  /** A lookup that must be refused with `code`, and must leave the memory as it was, even if the caller commits. */
  async refuses(
    code: ErrorCode,
    transport: Transport,
    options: ClientSetup & { subject?: Subject; lookup?: LookupOptions } = {},
  ): Promise<ProofdnsError> {
    const before = await this.state();
    const client = this.client(transport, options);
    const error = await refusal(() => client.lookup(options.subject ?? STEADY, options.lookup));
    assert.equal(error.code, code, error.message);
    await client.commit();
    assert.equal(await this.state(), before, "the memory has changed");
    assert.deepEqual(await this.strays(), []);
    return error;
  }

  async remove(): Promise<void> {
    await rm(join(this.folder, ".."), { recursive: true, force: true });
  }
}

/** The error that `run` ends in; any other end fails the test. */
export async function refusal(run: () => Promise<unknown>): Promise<ProofdnsError> {
  let result: unknown;
  try {
    result = await run();
  } catch (error) {
    if (error instanceof ProofdnsError) return error;
    throw error;
  }
  assert.fail(
    `accepted: ${JSON.stringify(result, (_, value) => (value instanceof Uint8Array ? "…" : value))?.slice(0, 300)}`,
  );
}
