import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ClaimedRecord, Client, type LookupOptions } from "../../src/client/client.ts";
import { FolderMemoryStore } from "../../src/client/memory-folder.ts";
import type { Transport, TxtReply } from "../../src/client/transport.ts";
import { verifyForkEvidence } from "../../src/client/verify/files.ts";
import type { Subject, Trust } from "../../src/client/verify/index.ts";
import type { EpochAnswers } from "../../src/dns/answers.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { type Donor, type Mutation, mutate } from "./hostile-mutations.ts";
import { encodeNameBelowLog } from "./hostile-names.ts";
import { splitPayload } from "./hostile-pieces.ts";
import type { PayloadForm, Schema } from "./hostile-schema.ts";
import {
  assertTrue,
  assertTrueAge,
  assertTrueProofHead,
  claimedRecord,
  EPOCHS,
  emptyAnswers,
  NOW,
  REMEMBERED,
  sizes,
} from "./hostile-world.ts";
import { denial, shownName, txtReply, ZoneTransport } from "./liars.ts";
import { timeOf, trustOf, type World } from "./world.ts";

/** Everyday uses of a client that between them ask for every kind of answer. */

export interface SceneKind {
  readonly name: string;
  readonly subject?: Subject;
  readonly options?: LookupOptions;
  /** Instead of a lookup: the age of records at this time. */
  readonly ageAt?: number;
  /** Instead: proves that a record stands in the checksum database; a false one must be refused whatever is served. */
  readonly record?: ClaimedRecord;
  readonly isFalse?: boolean;
  /** Instead: the newest head in the form that stands alone. */
  readonly isForProof?: boolean;
  /** Epoch that is remembered. */
  readonly remembered?: number;
  /** Epoch of the server, for all names but heads. */
  readonly answersOf?: number;
  /** The newest map is empty. */
  readonly isEmpty?: boolean;
  /** Names at which the server says that there is nothing, so that nobody can make up for a mutation. */
  readonly hides?: RegExp;
}

const module = (path: string, more = {}): Subject => ({ kind: "module", path, ...more });
const HOUR = 3600;
const withRecord = { withRecord: true };

export const SCENES: readonly SceneKind[] = [
  { name: "first time", subject: module("example.com/m1"), options: withRecord },
  { name: "again", subject: module("example.com/m1"), options: withRecord, remembered: REMEMBERED },
  {
    name: "again, since only",
    subject: module("example.com/m1"),
    remembered: REMEMBERED,
    hides: /^(?:e\d+\.)?_head$/,
  },
  { name: "between epochs", subject: module("example.com/m1"), remembered: REMEMBERED, answersOf: EPOCHS - 1 },
  { name: "absent", subject: module("example.com/nothing"), remembered: REMEMBERED },
  { name: "absent in an empty map", subject: module("example.com/nothing"), isEmpty: true },
  { name: "toolchain", subject: { kind: "toolchain" }, remembered: REMEMBERED },
  { name: "majors", subject: { kind: "majors", basePath: "example.com/small" }, remembered: REMEMBERED },
  { name: "many majors", subject: { kind: "majors", basePath: "example.com/big" }, remembered: REMEMBERED },
  { name: "versions", subject: module("example.com/m2", { withVersions: true }), remembered: REMEMBERED },
  { name: "pages of versions", subject: module("example.com/deep", { withVersions: true }), remembered: REMEMBERED },
  { name: "record", record: claimedRecord("example.com/m1", "v1.3.0"), remembered: REMEMBERED },
  {
    name: "false record",
    record: claimedRecord("example.com/m2", "v0.3.1", true),
    isFalse: true,
    remembered: REMEMBERED,
  },
  { name: "proof file", isForProof: true, remembered: REMEMBERED },
  { name: "age", ageAt: timeOf(8) - (timeOf(8) % HOUR), remembered: REMEMBERED },
];

/** The payload form of what stands at a name. */
export function formOf(schema: Schema, name: string, payload: Uint8Array): PayloadForm {
  const isPresent = (payload[0] ?? 0) >= 0x20;
  const wanted = name.endsWith("_head")
    ? name.startsWith("s")
      ? /^head, since/
      : /^head, plain$/
    : /_(?:consistency|sumdb|record)$/.test(name)
      ? /^log proof$/
      : /(?:^|\.)_p\d+\._versions$/.test(name)
        ? /^page$/
        : isPresent
          ? /present$/
          : /absent$/;
  const form = schema.payloads.find((other) => wanted.test(other.name));
  if (form === undefined) throw new Error(`the specification has no payload ${wanted}`);
  return form;
}

/** The name of the same kind that stands for something else. */
function foreignName(name: string): string {
  const changes: readonly (readonly [RegExp, (...parts: string[]) => string])[] = [
    [/^s(\d+)(.*_head)$/, (_, m, rest) => `s${Number(m) - 1}${rest}`],
    [/^e(\d+)\._head$/, (_, e) => `e${Number(e) - 2}._head`],
    [/^t(\d+)\._head$/, (_, t) => `t${Number(t) - HOUR}._head`],
    [/^_head$/, () => "e7._head"],
    [/^(\d+)\.(\d+)\._(consistency|sumdb)$/, (_, m, n, kind) => `${Number(m) - 1}.${n}._${kind}`],
    [/^(\d+)\.(\d+)\._record$/, (_, i, n) => `${Number(i) - 1}.${n}._record`],
    [/^_toolchain$/, () => "steady._.example.com"],
    [/^nothing\./, () => "void."],
    [/^(?:m1|m2|deep)\./, (match) => (match === "m2." ? "m1." : "m2.")],
    [/^small\./, () => "big."],
    [/^big\./, () => "small."],
  ];
  for (const [pattern, change] of changes) if (pattern.test(name)) return name.replace(pattern, change);
  throw new Error(`no foreign name for ${name}`);
}

export type Outcome = { readonly code: string } | { readonly code: undefined };

/** One use of a client, with what it asks honestly answered once and kept. */
export class HostileScene {
  readonly kind: SceneKind;
  /** True payloads, by name. */
  readonly payloads = new Map<string, Uint8Array>();
  readonly #world: World;
  readonly #trust: Trust;
  readonly #folder: string;
  readonly #store: FolderMemoryStore;
  readonly #honest: Transport;
  readonly #replies = new Map<string, Promise<TxtReply>>();
  #state: string | undefined;

  private constructor(kind: SceneKind, world: World, folder: string) {
    this.kind = kind;
    this.#world = world;
    this.#trust = trustOf(world.keys);
    this.#folder = folder;
    this.#store = new FolderMemoryStore(folder, this.#trust);
    this.#honest = transportOf(kind, world);
  }

  static async make(kind: SceneKind, world: World): Promise<HostileScene> {
    const folder = await mkdtemp(join(tmpdir(), "proofdns-hostile-"));
    const scene = new HostileScene(kind, world, folder);
    if (kind.remembered !== undefined) await scene.#store.write(world.memory(kind.remembered));
    scene.#state = await scene.#read();
    const outcome = await scene.run("", undefined, `${kind.name}: honest`);
    if ((outcome.code !== undefined) !== (kind.isFalse === true))
      throw new Error(`${kind.name}: the honest server is refused: ${outcome.code}`);
    return scene;
  }

  /** All mutations of the true answer at a name. */
  mutationsOf(name: string, schema: Schema, donors: readonly DonorSource[]): Mutation[] {
    const payload = this.payloads.get(name) as Uint8Array;
    const form = formOf(schema, name, payload);
    const found = donors.flatMap(({ kind, name: whose, payloadAt }): Donor[] => {
      const other = payloadAt(this.kind, kind === "foreign" && whose === "another name" ? foreignName(name) : name);
      if (other === undefined) return [];
      return [{ kind, name: whose, pieces: splitPayload(schema, formOf(schema, name, other), other) }];
    });
    return mutate(`${this.kind.name}: ${name}`, splitPayload(schema, form, payload), found);
  }

  /** Runs the use with another payload at a name; throws unless it ends in a code or the truth, with the state as it must be. */
  async run(name: string, payload: Uint8Array | undefined, what: string): Promise<Outcome> {
    const transport: Transport = {
      query: async (wire, options) => {
        const shown = shownName(wire);
        if (payload !== undefined && shown === name) return txtReply(payload, options?.tcp === true);
        if (this.kind.hides?.test(shown) === true) return denial("nodata", options?.tcp === true);
        let reply = this.#replies.get(shown);
        if (reply === undefined) {
          reply = this.#honest.query(wire);
          this.#replies.set(shown, reply);
          const got = await reply;
          if (payload === undefined && got.kind === "txt") this.payloads.set(shown, got.payload);
        }
        const got = await reply;
        return options?.tcp === true ? { ...got, transport: "tcp" } : got;
      },
    };
    const client = new Client({ trust: this.#trust, transport, memory: this.#store, now: () => NOW });
    const { subject, options, ageAt, record, isForProof, isEmpty } = this.kind;
    let code: string | undefined;
    try {
      if (subject !== undefined) assertTrue(this.#world, subject, await client.lookup(subject, options), what, isEmpty);
      if (record !== undefined) {
        await client.proveRecord(record);
        assert.ok(this.kind.isFalse !== true, `${what}: a false record is proven`);
      }
      if (isForProof === true) {
        assertTrueProofHead(this.#world, await client.headForProof(await client.head()), what);
      }
      if (ageAt !== undefined) {
        const age = await client.age(ageAt);
        // "No such epoch" is an answer that nothing proves: no age is claimed then.
        if (age !== undefined) assertTrueAge(this.#world, age, ageAt, what);
      }
    } catch (error) {
      if (!(error instanceof ProofdnsError)) throw new Error(`${what}: ${error}`, { cause: error });
      code = error.code;
      // Nobody is accused of a fork without a proof that anyone can check.
      if (code === "FORK" || code === "SUMDB_FORK") verifyForkEvidence(error.evidence);
    }
    await client.commit();
    const state = await this.#read();
    if (code !== undefined) {
      if (state !== this.#state) throw new Error(`${what}: refused with ${code}, and the state has changed`);
      await this.#removeEvidence(what);
      return { code };
    }
    if (state !== this.#state) await this.#restore();
    return { code };
  }

  async #restore(): Promise<void> {
    if (this.#state === undefined) await rm(this.#store.path, { force: true });
    else await writeFile(this.#store.path, this.#state, "latin1");
  }

  #read(): Promise<string | undefined> {
    return readFile(this.#store.path, "latin1").catch(() => undefined);
  }

  async #removeEvidence(what: string): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (name === basename(this.#store.path)) continue;
      if (!name.startsWith("evidence-")) throw new Error(`${what}: left ${name} behind`);
      await rm(join(this.#folder, name));
    }
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function transportOf(kind: SceneKind, world: World): Transport {
  const data = kind.isEmpty === true ? emptyAnswers(world) : world.answers();
  const newest = new ZoneTransport(data, NOW);
  if (kind.answersOf === undefined) return newest;
  const older = new ZoneTransport(world.answers(kind.answersOf), NOW);
  return {
    query: (name, options) =>
      (/_(?:head|consistency|sumdb|record)$/.test(shownName(name)) ? newest : older).query(name, options),
  };
}

/** Where true payloads from elsewhere come from. */
export interface DonorSource {
  readonly kind: Donor["kind"];
  readonly name: string;
  payloadAt(scene: SceneKind, name: string): Uint8Array | undefined;
}

/** The name under which an earlier epoch says what a name says now. */
function oldName(name: string, epoch: number): string {
  const size = sizes[epoch - 1] as number;
  return name
    .replace(/^(\d+)\.\d+\._consistency$/, `$1.${epoch}._consistency`)
    .replace(/^(\d+)\.\d+\._sumdb$/, `$1.${size}._sumdb`)
    .replace(/^\d+\.\d+\._record$/, `${size - 3}.${size}._record`)
    .replace(/^e\d+\._head$/, `e${epoch}._head`);
}

/** What else the server could say that is or was true: of an earlier epoch, of another name, of a log of other keys. */
export async function makeDonors(world: World, other: World, names: readonly string[]): Promise<DonorSource[]> {
  const collect = async (
    answers: EpochAnswers,
    nameAt: (name: string) => string = (name) => name,
  ): Promise<Map<string, Uint8Array>> => {
    const transport = new ZoneTransport(answers, NOW);
    const found = new Map<string, Uint8Array>();
    for (const name of new Set([...names, ...names.map(foreignName)])) {
      const reply = await transport.query(encodeNameBelowLog(nameAt(name))).catch(() => undefined);
      if (reply?.kind === "txt") found.set(name, reply.payload);
    }
    return found;
  };
  const [old, older, newest, foreign, foreignOld, empty, emptyElsewhere] = await Promise.all([
    collect(world.answers(OLD), (name) => oldName(name, OLD)),
    collect(world.answers(EARLY), (name) => oldName(name, EARLY)),
    collect(world.answers()),
    collect(other.answers()),
    collect(other.answers(OLD - 1)),
    collect(emptyAnswers(world, OLD)),
    collect(emptyAnswers(other, OLD - 1)),
  ]);
  const from = (
    kind: Donor["kind"],
    name: string,
    full: Map<string, Uint8Array>,
    ofEmpty?: Map<string, Uint8Array>,
  ): DonorSource => ({
    kind,
    name,
    payloadAt: ({ isEmpty }, asked) => (isEmpty === true && ofEmpty !== undefined ? ofEmpty : full).get(asked),
  });
  return [
    from("old", "an earlier epoch", old, empty),
    from("old", "an early epoch", older),
    from("foreign", "another name", newest),
    from("foreign", "another log", foreign, emptyElsewhere),
    from("foreign", "another log's earlier epoch", foreignOld, emptyElsewhere),
  ];
}

const OLD = EPOCHS - 3;
const EARLY = 2;
