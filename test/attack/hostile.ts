import type { Mutation, MutationKind } from "./hostile-mutations.ts";
import { MUTATION_KINDS } from "./hostile-mutations.ts";
import { HostileScene, makeDonors, SCENES } from "./hostile-scenes.ts";
import { listFields, parseSchema, type Schema } from "./hostile-schema.ts";
import { makeForeignWorld, makeHostileWorld } from "./hostile-world.ts";
import type { World } from "./world.ts";

/** A mutation with the scene and the name at which it is served. */
export interface Attack {
  readonly scene: HostileScene;
  readonly name: string;
  readonly mutation: Mutation;
}

/** All attacks that the specification's table of sections gives. */
export interface Attacks {
  readonly schema: Schema;
  readonly world: World;
  readonly scenes: readonly HostileScene[];
  readonly attacks: readonly Attack[];
  close(): Promise<void>;
}

export async function makeAttacks(): Promise<Attacks> {
  const schema = parseSchema();
  const [world, other] = await Promise.all([makeHostileWorld(), makeForeignWorld()]);
  const scenes: HostileScene[] = [];
  for (const kind of SCENES) scenes.push(await HostileScene.make(kind, world));
  const names = new Set(scenes.flatMap(({ payloads }) => [...payloads.keys()]));
  const donors = await makeDonors(world, other, [...names]);
  const seen = new Set<string>();
  const attacks = scenes.flatMap((scene) =>
    [...scene.payloads.keys()].flatMap((name): Attack[] => {
      // What another scene asks as well is attacked there; unless here nothing can make up for it.
      const id = scene.kind.hides === undefined ? `${name} ${scene.kind.isEmpty === true}` : scene.kind.name + name;
      if (seen.has(id) || (scene.kind.hides !== undefined && !name.endsWith("_head"))) return [];
      seen.add(id);
      return scene.mutationsOf(name, schema, donors).map((mutation) => ({ scene, name, mutation }));
    }),
  );
  const close = async (): Promise<void> => {
    await Promise.all(scenes.map((scene) => scene.remove()));
    await Promise.all([world.close(), other.close()]);
  };
  return { schema, world, scenes, attacks, close };
}

/** What an earlier epoch or another answer has the same, whatever it is of. */
const SAME_EVERYWHERE = /\.(?:tag|count|length|bitmap length)$/;
/** No answer of an earlier epoch shows another one here. */
const SAME_BEFORE = new Set(["non-inclusion.other index key"]);

/** Fields that no mutation of some kind is made of: none, or the suite does not cover the specification. */
export function listUncovered(schema: Schema, mutations: readonly Mutation[]): string[] {
  const made = new Map<string, Set<MutationKind>>();
  for (const { field, kind } of mutations) made.set(field, (made.get(field) ?? new Set()).add(kind));
  const sections = new Set(schema.sections.map(({ name }) => name));
  return listFields(schema).flatMap((field) => {
    const kinds = made.get(field) ?? new Set();
    const isWhole = sections.has(field);
    return MUTATION_KINDS.filter((kind) => {
      if (kinds.has(kind)) return false;
      if (kind === "old" || kind === "foreign")
        return !isWhole && !SAME_EVERYWHERE.test(field) && !(kind === "old" && SAME_BEFORE.has(field));
      // A section as a whole has neither bounds nor a wrong value: its fields have.
      return !(isWhole && (kind === "wrong" || kind === "boundary"));
    }).map((kind) => `${field}: ${kind}`);
  });
}

/** Counts outcomes. */
export class HostileTally {
  readonly #codes = new Map<string, number>();
  readonly #kinds = new Map<MutationKind, number>();
  readonly #fields = new Map<string, number>();
  #true = 0;

  count({ mutation }: Attack, code: string | undefined): void {
    if (code === undefined) this.#true++;
    else this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#kinds.set(mutation.kind, (this.#kinds.get(mutation.kind) ?? 0) + 1);
    this.#fields.set(mutation.field, (this.#fields.get(mutation.field) ?? 0) + 1);
  }

  get total(): number {
    return [...this.#kinds.values()].reduce((sum, count) => sum + count, 0);
  }

  get refused(): number {
    return this.total - this.#true;
  }

  toString(): string {
    const list = (map: Map<string, number>): string =>
      [...map]
        .sort(([, a], [, b]) => b - a)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ");
    const mean = (this.total / this.#fields.size).toFixed(0);
    return `${this.#fields.size} fields × ${mean} mutations = ${this.total} (${list(this.#kinds)}): ${this.#true} made up for by other answers, and true; ${this.refused} refused: ${list(this.#codes)}`;
  }
}

/** Runs every `stride`-th attack; those of one scene one after the other, for they share a state. */
export async function runAttacks(attacks: readonly Attack[], stride = 1): Promise<HostileTally> {
  const tally = new HostileTally();
  const byScene = new Map<HostileScene, Attack[]>();
  for (let i = 0; i < attacks.length; i += stride) {
    const attack = attacks[i] as Attack;
    const list = byScene.get(attack.scene) ?? [];
    list.push(attack);
    byScene.set(attack.scene, list);
  }
  const run = async (list: readonly Attack[]): Promise<void> => {
    for (const attack of list) {
      const { scene, name, mutation } = attack;
      tally.count(attack, (await scene.run(name, mutation.payload, mutation.what)).code);
    }
  };
  await Promise.all([...byScene.values()].map(run));
  return tally;
}
