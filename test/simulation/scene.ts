import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { record, showcase } from "../attack/records.ts";
import { makeKeys, policyOf, World, ZONE } from "../attack/world.ts";
import { type Ended, run } from "../cli/process.ts";

/** The command itself, in a process of its own, against servers that go wrong over a log whose newest epoch is of this minute. */

export const EPOCHS = 14;
/** The first epoch with `example.com/late-comer`. */
export const LATE_COMER = 10;
/** Where the fork begins. */
export const FORKED_AT = 6;

const steady = [...showcase(), record("example.com/steady", "v1.0.0")];
const growth = (salt = ""): string[] =>
  Array.from({ length: EPOCHS * 3 }, (_, i) =>
    i === (LATE_COMER - 1) * 3
      ? record("example.com/late-comer", "v1.0.0")
      : record("example.com/m", `v1.${i}.0`, salt),
  );
const sizes = Array.from({ length: EPOCHS }, (_, i) => steady.length + 3 * (i + 1));

/** A log whose epochs are `step` seconds apart, the newest a minute old. */
export function makeTimedWorld(step = 600): Promise<World> {
  const now = Math.floor(Date.now() / 1000);
  return World.build({
    records: [...steady, ...growth()],
    sizes,
    timeOf: (epoch) => now - 60 - (EPOCHS - epoch) * step,
  });
}

/** The same log with the same keys and times up to epoch 5; then the operator commits to one record more. */
export function makeTimedFork(world: World): Promise<World> {
  return World.build({
    records: [...steady, ...growth(), record("example.com/m", "v9.9.9")],
    sizes: sizes.map((size, i) => (i + 1 < FORKED_AT ? size : size + 1)),
    timeOf: world.timeOf,
  });
}

/** A user: folders, a policy, and the command. */
export class User {
  readonly folder: string;
  readonly #sumdbKey: string;
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, sumdbKey: string, env: Readonly<Record<string, string>> = {}) {
    this.folder = folder;
    this.#sumdbKey = sumdbKey;
    this.#env = {
      HOME: folder,
      XDG_STATE_HOME: join(folder, "state"),
      XDG_CACHE_HOME: join(folder, "cache"),
      XDG_CONFIG_HOME: join(folder, "config"),
      PROOFDNS_POLICY: join(folder, "test.policy"),
      GOENV: "off",
      GOSUMDB: "",
      GOPRIVATE: "",
      GONOSUMDB: "",
      NO_COLOR: "1",
      ...env,
    };
    this.#args = ["--zone", ZONE, "--policy", join(folder, "test.policy"), "--sumdb-key", sumdbKey, "--no-cache"];
  }

  static async make(keys = makeKeys(), policy = policyOf(keys)): Promise<User> {
    const folder = await mkdtemp(join(tmpdir(), "proofdns-user-"));
    await mkdir(join(folder, "config"));
    await writeFile(join(folder, "test.policy"), policy);
    return new User(folder, formatVerifierKey(keys.sumdb.verifierKey));
  }

  /** The same user with other variables. */
  with(env: Readonly<Record<string, string>>): User {
    return new User(this.folder, this.#sumdbKey, env);
  }

  /** Runs `proofdns latest --json`; nothing on standard output may be without its proof. */
  latest(server: string, modules: readonly string[], ...more: string[]): Promise<Ended> {
    return this.run("latest", "--server", server, "--json", ...more, ...modules);
  }

  /** Runs `proofdns check --json` on modules in use. */
  check(server: string, uses: readonly string[], ...more: string[]): Promise<Ended> {
    return this.run("check", "--server", server, "--json", "--no-age", ...more, ...uses);
  }

  /** Runs a command that asks an index. */
  run(command: string, ...args: string[]): Promise<Ended> {
    return run([command, ...this.#args, ...args], this.#env, 60_000);
  }

  /** Runs a command that asks nobody. */
  runAlone(...args: string[]): Promise<Ended> {
    return run(args, this.#env, 60_000);
  }

  /** All files that are remembered, by name; evidence apart. */
  async state(): Promise<Map<string, string>> {
    const files = await this.#files();
    return new Map([...files].filter(([name]) => !name.startsWith("evidence-")));
  }

  /** Paths of the evidence that was kept. */
  async evidence(): Promise<string[]> {
    const files = await this.#files();
    return [...files.keys()]
      .filter((name) => name.startsWith("evidence-"))
      .map((name) => join(this.#stateFolder, name));
  }

  get #stateFolder(): string {
    return join(this.folder, "state", "proofdns");
  }

  async #files(): Promise<Map<string, string>> {
    const names = await readdir(this.#stateFolder).catch(() => []);
    const texts = await Promise.all(names.map((name) => readFile(join(this.#stateFolder, name), "latin1")));
    return new Map(names.map((name, i) => [name, texts[i] as string]));
  }

  /** Fails unless the command ended with an exit code, with the state as it was. */
  async assertRefused(ended: Ended, before: Map<string, string>, code: number, pattern: RegExp): Promise<void> {
    const shown = `${ended.code}\n${ended.stdout}\n${ended.stderr}`;
    assert.equal(ended.code, code, shown);
    assert.match(ended.stdout + ended.stderr, pattern, shown);
    assert.deepEqual(await this.state(), before, "the state has changed");
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
