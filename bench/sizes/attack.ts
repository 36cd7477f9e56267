import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { KeyPaths } from "./key-paths.ts";

/**
 * Levels that an attacker adds to a victim's path with 2^`logTrials` names, all of whose keys that help are put into the
 * map: a name is of use at bit b if its key agrees with the victim's on all bits before b and differs there, which one in
 * 2^(b+1) does. `natural` are the bits at which the path branches anyway.
 */
export function expectedLevels(natural: readonly number[], logTrials: number): number {
  const taken = new Set(natural);
  let levels = 0;
  for (let bit = 0; bit < 256; bit++) {
    if (!taken.has(bit)) levels += 1 - Math.exp(-(2 ** (logTrials - bit - 1)));
  }
  return levels;
}

/** A path of typical shape among `keys` random keys: a branch at each of the first bits. */
export function typicalBits(depth: number): number[] {
  return Array.from({ length: depth }, (_, i) => i);
}

/** What a real search found, beside what the formula says. */
export interface Grind {
  readonly keys: number;
  readonly victims: number;
  readonly logTrials: number;
  readonly naturalDepth: number;
  /** Mean levels added to a victim's path. */
  readonly foundLevels: number;
  readonly expectedLevels: number;
}

/** Hashes 2^`logTrials` names of modules and counts what they add to the paths of some keys among 2^`logKeys` random ones. */
export function grind(logKeys: number, logTrials: number, victims: number, seed: number): Grind {
  const keys = 2 ** logKeys;
  const tree = KeyPaths.random(keys, seed);
  const chosen = Array.from({ length: victims }, (_, i) => Math.floor((i * keys) / victims));
  const natural = chosen.map((key) => tree.branchBits(key));
  const found = chosen.map(() => new Set<number>());
  for (let trial = 0; trial < 2 ** logTrials; trial++) {
    const key = nodeSha256(encodeUtf8(`example.com/${trial}`));
    const high = wordAt(key, 0);
    const low = wordAt(key, 4);
    for (let v = 0; v < victims; v++) {
      found[v]?.add(tree.sharedWith(chosen[v] as number, high, low));
    }
  }
  const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  return {
    keys,
    victims,
    logTrials,
    naturalDepth: mean(natural.map((bits) => bits.length)),
    foundLevels: mean(
      natural.map((bits, v) => bits.reduce((n, bit) => n - Number(found[v]?.has(bit)), found[v]?.size ?? 0)),
    ),
    expectedLevels: mean(natural.map((bits) => expectedLevels(bits, logTrials))),
  };
}

function wordAt(bytes: Uint8Array, at: number): number {
  const [a, b, c, d] = bytes.subarray(at, at + 4) as unknown as [number, number, number, number];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
