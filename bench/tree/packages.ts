import { hash } from "node:crypto";
import { createRequire } from "node:module";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import type { SortedPairs } from "../../src/vindex/tree-slab.ts";
import { makeRandom } from "../dns/names.ts";
import { measureAsync } from "../timing.ts";
import { keyAt } from "./pairs.ts";

/** What another package's tree costs with the same keys and values, with SHA-256, in this process. */
export interface PackageCosts {
  readonly name: string;
  readonly keys: number;
  /** Keys a CPU second. */
  readonly built: number;
  /** Proofs made, and proofs verified, a CPU second. */
  readonly proofs: number;
  readonly verified: number;
  /** Milliseconds for a change of 200 keys. */
  readonly update200: number;
}

/** A tree of another package. */
interface OtherTree {
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  /** For a key that is there already. */
  replace(key: Uint8Array, value: Uint8Array): Promise<void>;
  prove(key: Uint8Array): Promise<unknown>;
  verify(key: Uint8Array, proof: unknown): Promise<boolean>;
}

interface SparseMerkleTree {
  add(key: string, value: string): void;
  update(key: string, value: string): void;
  createProof(key: string): unknown;
  verifyProof(proof: unknown): boolean;
}

interface PatriciaTrie {
  root(): Uint8Array;
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
}

interface PatriciaModule {
  createMPT(options: object): Promise<PatriciaTrie>;
  createMerkleProof(trie: PatriciaTrie, key: Uint8Array): Promise<Uint8Array[]>;
  verifyMPTWithMerkleProof(
    trie: PatriciaTrie,
    root: Uint8Array,
    key: Uint8Array,
    proof: Uint8Array[],
  ): Promise<Uint8Array | null>;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function makeSparse(load: NodeJS.Require): OtherTree {
  const { SparseMerkleTree } = load("@zk-kit/sparse-merkle-tree") as {
    SparseMerkleTree: new (hash: (children: string[]) => string) => SparseMerkleTree;
  };
  const tree = new SparseMerkleTree((children) => hash("sha256", Buffer.from(children.map(padded).join(""), "hex")));
  return {
    // It takes no value of over 32 bytes: the hash stands for it.
    put: async (key, value) => tree.add(hexOf(key), hash("sha256", value)),
    replace: async (key, value) => tree.update(hexOf(key), hash("sha256", value)),
    prove: async (key) => tree.createProof(hexOf(key)),
    verify: async (_key, proof) => tree.verifyProof(proof),
  };
}

const padded = (hex: string): string => (hex.length % 2 === 0 ? hex : `0${hex}`);

async function makePatricia(load: NodeJS.Require): Promise<OtherTree> {
  const { createMPT, createMerkleProof, verifyMPTWithMerkleProof } = load("@ethereumjs/mpt") as PatriciaModule;
  const trie = await createMPT({ useKeyHashingFunction: nodeSha256 });
  const put = (key: Uint8Array, value: Uint8Array): Promise<void> => trie.put(key, value);
  return {
    put,
    replace: put,
    prove: (key) => createMerkleProof(trie, key),
    verify: async (key, proof) =>
      (await verifyMPTWithMerkleProof(trie, trie.root(), key, proof as Uint8Array[])) !== null,
  };
}

/** Measures one package; undefined if bench/compare is not installed. */
export async function measurePackage(
  name: "@zk-kit/sparse-merkle-tree" | "@ethereumjs/mpt",
  pairs: SortedPairs,
): Promise<PackageCosts | undefined> {
  const load = createRequire(new URL("../compare/package.json", import.meta.url));
  try {
    load.resolve(name);
  } catch {
    return undefined;
  }
  const tree = name === "@ethereumjs/mpt" ? await makePatricia(load) : makeSparse(load);
  const keys = Array.from({ length: pairs.count }, (_, i) => keyAt(pairs, i).slice());
  let offset = 0;
  const values = keys.map((_, i) => {
    const from = offset;
    offset += pairs.lengths[i] as number;
    return pairs.values.slice(from, offset);
  });
  const order = shuffled(keys.length);
  const build = await measureAsync(
    1,
    async () => {
      for (const i of order) await tree.put(keys[i] as Uint8Array, values[i] as Uint8Array);
    },
    false,
  );
  const asked = order.slice(0, 1_000).map((i) => keys[i] as Uint8Array);
  const proofs: unknown[] = [];
  const prove = await measureAsync(5, async () => {
    proofs.length = 0;
    for (const key of asked) proofs.push(await tree.prove(key));
  });
  const verify = await measureAsync(5, async () => {
    for (const [i, key] of asked.entries()) {
      if (!(await tree.verify(key, proofs[i]))) throw new Error(`${name}: a proof does not verify`);
    }
  });
  const update = await measureAsync(5, async (round) => {
    const value = new Uint8Array(170).fill(round + 1);
    for (const i of order.slice(200 * round, 200 * (round + 1))) await tree.replace(keys[i] as Uint8Array, value);
  });
  const rate = (count: number, cpu: number): number => (1000 * count) / cpu;
  return {
    name,
    keys: pairs.count,
    built: rate(keys.length, build.cpu),
    proofs: rate(asked.length, prove.cpu),
    verified: rate(asked.length, verify.cpu),
    update200: update.cpu,
  };
}

function shuffled(count: number): number[] {
  const random = makeRandom(17);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
