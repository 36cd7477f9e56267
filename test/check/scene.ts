import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckOptions, check } from "../../src/check/check.ts";
import { type InputOptions, readInputs } from "../../src/check/inputs.ts";
import type { ModuleResult, Report } from "../../src/check/result.ts";
import { makeAsker } from "../../src/cli/check.ts";
import type { Session } from "../../src/cli/client-options.ts";
import { Later } from "../../src/cli/later.ts";
import { NoAnswerCache } from "../../src/client/answer-cache.ts";
import { FolderAnswerCache } from "../../src/client/answer-cache-folder.ts";
import { Client } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import { NoMemoryStore } from "../../src/client/memory-store.ts";
import type { Transport } from "../../src/client/transport.ts";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { GoModSource } from "../../src/go/go-mod-source.ts";
import type { GoEnv } from "../../src/go/index.ts";
import { hashGoMod } from "../../src/go/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { cosign } from "../../src/vindex/cosignature.ts";
import { formatRecord, parseH1 } from "../../src/vindex/record.ts";
import { ZoneTransport } from "../attack/liars.ts";
import { ed25519, sha256, timeOf, trustOf, World } from "../attack/world.ts";

/** A log of invented modules, each with a go.mod that a proxy of the test serves, and a client that checks against it. */

/** A module version of a scene. */
export interface Published {
  readonly path: string;
  readonly version: string;
  /** Undefined: as many had before modules, none. */
  readonly goMod?: string | undefined;
}

/** A record whose go.mod hash is that of `goMod`, or of the one that a version without one is served with. */
export function recordOf({ path, version, goMod }: Published): string {
  const goModHash = parseH1(hashGoMod(encodeUtf8(goMod ?? `module ${path}\n`)));
  if (goModHash === undefined) throw new TypeError("no hash");
  return formatRecord(path, version, sha256(encodeUtf8(`zip ${path} ${version}`)), goModHash);
}

/** Versions of one module, all with a plain go.mod of their own. */
export function versions(path: string, ...list: string[]): Published[] {
  return list.map((version) => ({ path, version, goMod: `module ${path}\n\ngo 1.21\n` }));
}

/** The same, with the go.mod of one of them, which the others get too if it is the last. */
export function versionsWith(
  path: string,
  list: readonly string[],
  goMods: Readonly<Record<string, string>>,
): Published[] {
  return list.map((version) => ({ path, version, goMod: goMods[version] ?? `module ${path}\n\ngo 1.21\n` }));
}

const WEEK = 7 * 86_400;

/** So that every epoch has something new. */
function filler(n: number): Published[] {
  return versions("example.org/filler", `v0.0.${n}`);
}

/** What a log holds. */
export interface SceneOptions {
  /** Records that were public more than a week before `CheckScene.now`. */
  readonly old: readonly Published[];
  /** Records that were not. */
  readonly young?: readonly Published[];
  /** Texts of records, as old as any. */
  readonly raw?: readonly string[];
}

/** Settings of a run beside those of `check`. */
export interface RunOptions extends Partial<Omit<CheckOptions, "sha256">> {
  readonly input?: Partial<Omit<InputOptions, "inputs" | "workingFolder">>;
  readonly goEnv?: Partial<GoEnv>;
  readonly transport?: (honest: ZoneTransport) => Transport;
  /** What GOPROXY says; by default the go.mod files of the scene. */
  readonly fetchGoMod?: (path: string, version: string) => Promise<Uint8Array>;
  readonly signal?: AbortSignal;
  readonly isOffline?: boolean;
  /** Folder of what is remembered and kept; without it nothing is. */
  readonly folder?: string;
}

/** A log, its server, and whoever checks against it. */
export class CheckScene {
  readonly world: World;
  readonly published: readonly Published[];
  /** What the proxy was asked for. */
  readonly fetched: string[] = [];
  /** What the last run asked the server. */
  asked: readonly string[] = [];

  private constructor(world: World, published: readonly Published[]) {
    this.world = world;
    this.published = published;
  }

  /** Epoch 5 is the last one that was there a week before `now`. */
  static async make({ old, young = [], raw = [] }: SceneOptions): Promise<CheckScene> {
    const epochs = [old, filler(2), filler(3), filler(4), filler(5), [...young, ...filler(6)], filler(7)];
    const published = [...filler(1), ...epochs.flat()];
    let size = raw.length + 1;
    const sizes = epochs.map((epoch) => {
      size += epoch.length;
      return size;
    });
    const world = await World.build({ records: [...raw, ...published.map(recordOf)], sizes });
    return new CheckScene(world, published);
  }

  /** A week and a little after the sixth epoch began. */
  readonly now: number = timeOf(6) + WEEK + 1800;

  /** The newest epoch, which has been cosigned a minute ago for the last time. */
  #answers(): EpochAnswers {
    const snapshot = this.world.snapshot(this.world.size);
    const text = this.world.checkpointText(this.world.size);
    const keys = Object.values(this.world.keys.cosigners);
    const cosignatures = snapshot.cosignatures.map((kept) => {
      const key = keys.find(({ verifierKey }) => verifierKey.keyId === kept.first.keyId);
      return key === undefined ? kept : { ...kept, last: cosign(text, this.now - 60, key, ed25519) };
    });
    return new EpochAnswers({ ...snapshot, cosignatures });
  }

  /** Checks a list of `module@version` lines. */
  async list(lines: readonly string[], options: RunOptions = {}): Promise<Report> {
    async function* stdin(): AsyncGenerator<Uint8Array> {
      yield encodeUtf8(lines.map((line) => `${line}\n`).join(""));
    }
    return this.run(["-"], { ...options, input: { stdin: stdin(), ...options.input } });
  }

  /** Checks the text of a go.mod. */
  async goMod(text: string, options: RunOptions = {}): Promise<Report> {
    const folder = await mkdtemp(join(tmpdir(), "proofdns-check-"));
    try {
      await writeFile(join(folder, "go.mod"), text);
      return await this.run([join(folder, "go.mod")], options);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async run(inputs: readonly string[], options: RunOptions = {}): Promise<Report> {
    const { input, goEnv, transport, fetchGoMod, signal, isOffline, folder, ...rest } = options;
    const now = options.now ?? this.now;
    const honest = new ZoneTransport(this.#answers(), now);
    const trust = trustOf(this.world.keys);
    const asked = transport?.(honest) ?? honest;
    const memory = folder === undefined ? new NoMemoryStore() : new FolderMemoryStore(join(folder, "state"), trust);
    const keptIn = { folder: join(folder ?? "", "cache"), trust, memory, now: () => now };
    const session: Session = {
      client: new Client({ trust, transport: asked, memory, now: () => now }),
      trust,
      transport: asked,
      memory,
      cache: folder === undefined ? new NoAnswerCache() : new FolderAnswerCache(keptIn),
      goMods: new GoModSource({ moduleCache: "", folder: undefined, onIgnored: () => {} }),
      later: new Later(),
      goEnv: { GOSUMDB: "sum.golang.org", GONOSUMDB: "", GONOPROXY: "", GOPROXY: "off", ...goEnv } as GoEnv,
      jobs: 16,
      isOffline: isOffline === true,
      isStrict: false,
      keptForks: [],
      close: () => {},
    };
    const asker = {
      ...makeAsker(session, signal ?? new AbortController().signal),
      fetchGoMod: async (path: string, version: string) => {
        this.fetched.push(`${path}@${version}`);
        return fetchGoMod === undefined ? this.#goModOf(path, version) : fetchGoMod(path, version);
      },
    };
    const found = await readInputs({
      inputs,
      workingFolder: tmpdir(),
      stdin: (async function* () {})(),
      ...input,
    });
    const { report, finish } = await check(found, asker, { now, sha256: trust.sha256, ...rest });
    await finish();
    if (folder !== undefined) await session.client.commit();
    await session.later.done();
    this.asked = honest.asked;
    return report;
  }

  /** A client of its own, without a memory. */
  client(): Client {
    const transport = new ZoneTransport(this.#answers(), this.now);
    return new Client({ trust: trustOf(this.world.keys), transport, now: () => this.now });
  }

  close(): Promise<void> {
    return this.world.close();
  }

  #goModOf(path: string, version: string): Uint8Array {
    const found = this.published.find((one) => one.path === path && one.version === version);
    return encodeUtf8(found?.goMod ?? `module ${path}\n`);
  }
}

/** The result of a module; it must be there once. */
export function resultOf(report: Report, path: string): ModuleResult {
  const found = report.modules.filter((result) => result.item.path === path);
  if (found.length !== 1) throw new Error(`${found.length} results of ${path}`);
  return found[0] as ModuleResult;
}

/** Status, step and what is offered, in one line: `outdated minor v1.2.0`. */
export function line(result: ModuleResult): string {
  const { status, step, offered, newerMajor } = result;
  const major = newerMajor === undefined ? "" : `${newerMajor.path}@${newerMajor.version}`;
  return [status, step ?? "", offered?.version ?? "", major].filter((text) => text !== "").join(" ");
}
