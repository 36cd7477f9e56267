import {
  type Bytes,
  concat,
  fill,
  hashOf,
  hex,
  type Key,
  makeKey,
  noteLine,
  sha256,
  sign,
  unpadded,
  utf8,
} from "./bytes.ts";
import { type GoMap, goMap, type Indexed, syntheticGoMod } from "./gomod.ts";
import { checkpointText, leafText, treeHeadText } from "./log.ts";
import { EXAMPLE, makeRecord } from "./map-fold.ts";
import {
  consistencyProof,
  coverHashes,
  leafHash,
  logRoot,
  mapPath,
  mapRoot,
  type Pair,
  pairsOf,
  peaks,
} from "./merkle.ts";
import {
  type Cosignature,
  cosign,
  cosignatureSection,
  type HeadParts,
  hashSection,
  headSection,
  logProof,
  proofSection,
  sorted,
  TAG,
} from "./payload.ts";

/** A small zone with its keys, its checksum database and its log, for the vectors of client.md. */

export const ZONE = "l.example.org";
export const ORIGIN = `${ZONE}/p1`;

export const keys = {
  log: makeKey(ORIGIN, 1, 1),
  clock: makeKey(`${ZONE}/clock`, 4, 2),
  w1: makeKey("w1.example.org", 4, 3),
  w2: makeKey("w2.example.org", 4, 4),
  w3: makeKey("w3.example.org", 4, 5),
  sumdb: makeKey("sum.example.org", 1, 6),
  stranger: makeKey("stranger.example.org", 4, 7),
  otherLog: makeKey(ORIGIN, 1, 8),
  otherSumdb: makeKey("sum.example.org", 1, 9),
} as const;

const log = `log ${keys.log.vkey}\n`;
const witness = (name: "clock" | "w1" | "w2" | "w3") => `witness ${name} ${keys[name].vkey}\n`;

export const policies = {
  clock: `${log}${witness("clock")}quorum clock\n`,
  both: `${log}${witness("clock")}${witness("w1")}group both all clock w1\nquorum both\n`,
  /** Clock, and two of three witnesses. */
  nested: `${log}${witness("clock")}${witness("w1")}${witness("w2")}${witness("w3")}group witnesses 2 w1 w2 w3\ngroup q all clock witnesses\nquorum q\n`,
  any: `${log}${witness("clock")}${witness("w1")}group any any clock w1\nquorum any\n`,
  none: `${log}${witness("clock")}quorum none\n`,
} as const;

export const NOW = 1_700_000_000;
export const MAX_AGE = 86_400;
export const MAX_LAG = 900;

/** What one epoch is made of. */
export interface Epoch {
  readonly mapRoot: Bytes;
  readonly pairs: readonly Pair[];
  readonly sumdbSize: number;
  readonly sumdbRoot: Bytes;
  readonly sumdbSignature: Bytes;
  readonly leaf: string;
}

export function makeEpoch(
  pairs: readonly Pair[],
  sumdbSize: number,
  sumdbRoot: Bytes,
  root = mapRoot(pairs),
  key: Key = keys.sumdb,
): Epoch {
  const sumdbSignature = sign(key, treeHeadText(sumdbSize, sumdbRoot));
  const leaf = leafText(root, sumdbSize, sumdbRoot, sumdbSignature, keys.sumdb);
  return { mapRoot: root, pairs, sumdbSize, sumdbRoot, sumdbSignature, leaf };
}

export interface MemoryFields {
  readonly epoch: number;
  readonly peaks: readonly string[];
  readonly logSignature: string;
  readonly leaf: string;
  readonly ageTime: number;
}

export interface HeadOptions {
  /** The memory's epoch; plain if left out. */
  readonly since?: number;
  readonly cosignatures?: readonly (readonly [keyof typeof keys, number])[];
  /** Changes to what is signed and sent. */
  readonly parts?: Partial<HeadParts>;
  readonly hashes?: readonly Bytes[];
  readonly logKey?: Key;
  /** Instead of those made of `cosignatures`. */
  readonly made?: readonly Cosignature[];
}

export interface HeadFields {
  readonly form: "plain" | "since";
  readonly epoch: number | null;
  readonly payload: string;
  readonly consistency: string | null;
}

/** A log: the epochs from 1 on. */
export class Log {
  readonly epochs: readonly Epoch[];
  readonly leaves: readonly Bytes[];

  constructor(epochs: readonly Epoch[]) {
    this.epochs = epochs;
    this.leaves = epochs.map(({ leaf }) => leafHash(utf8(leaf)));
  }

  epoch(epoch: number): Epoch {
    const found = this.epochs[epoch - 1];
    if (found === undefined) throw new RangeError(`no epoch ${epoch}`);
    return found;
  }

  /** A log that goes another way from an epoch on. */
  fork(epoch: number, change: (old: Epoch) => Epoch): Log {
    return new Log(this.epochs.map((old, i) => (i + 1 >= epoch ? change(old) : old)));
  }

  root(epoch: number): Bytes {
    return logRoot(this.leaves.slice(0, epoch));
  }

  checkpoint(epoch: number): string {
    return checkpointText(ORIGIN, epoch, this.root(epoch));
  }

  note(epoch: number, key: Key = keys.log): string {
    const text = this.checkpoint(epoch);
    return `${text}\n${noteLine(key, sign(key, text))}`;
  }

  parts(epoch: number, key: Key = keys.log): HeadParts {
    const { mapRoot: root, sumdbSize, sumdbRoot, sumdbSignature } = this.epoch(epoch);
    return {
      epoch,
      logSignature: sign(key, this.checkpoint(epoch)),
      mapRoot: root,
      sumdbSize,
      sumdbRoot,
      sumdbSignature,
    };
  }

  cosign(epoch: number, list: readonly (readonly [keyof typeof keys, number])[]): Cosignature[] {
    return sorted(list.map(([name, time]) => cosign(keys[name], this.checkpoint(epoch), time)));
  }

  head(epoch: number, options: HeadOptions = {}): Bytes {
    const { since, cosignatures = [["clock", NOW - 60]], parts = {} } = options;
    const made = options.made ?? this.cosign(epoch, cosignatures);
    const before = this.leaves.slice(0, epoch - 1);
    const hashes = options.hashes ?? (since === undefined ? peaks(before) : coverHashes(since, epoch - 1, before));
    return concat(
      headSection({ ...this.parts(epoch, options.logKey), ...parts }),
      cosignatureSection(made),
      hashSection(since === undefined ? TAG.frontier : TAG.extension, hashes),
    );
  }

  /** Head input as in the vectors, with a true consistency proof from or to `beside`, if given. */
  ask(epoch: number, options: HeadOptions & { asked?: number; beside?: number } = {}): HeadFields {
    const { since, beside, asked } = options;
    return {
      form: since === undefined ? "plain" : "since",
      epoch: asked ?? null,
      payload: hex(this.head(epoch, options)),
      consistency: beside === undefined ? null : hex(this.consistency(beside, epoch)),
    };
  }

  consistencyHashes(a: number, b: number): Bytes[] {
    return consistencyProof(Math.min(a, b), this.leaves.slice(0, Math.max(a, b)));
  }

  consistency(a: number, b: number): Bytes {
    return logProof(this.consistencyHashes(a, b));
  }

  memory(epoch: number, ageTime = NOW - 7200): MemoryFields {
    return {
      epoch,
      peaks: peaks(this.leaves.slice(0, epoch)).map(hex),
      logSignature: hex(sign(keys.log, this.checkpoint(epoch))),
      leaf: this.epoch(epoch).leaf,
      ageTime,
    };
  }

  /** The expectation of a verified head. */
  verified(epoch: number, ageTime = NOW - 60) {
    const { mapRoot: root, sumdbSize, sumdbRoot, leaf } = this.epoch(epoch);
    return {
      epoch,
      root: hex(this.root(epoch)),
      mapRoot: hex(root),
      sumdbSize,
      sumdbRoot: hex(sumdbRoot),
      ageTime,
      peaks: peaks(this.leaves.slice(0, epoch)).map(hex),
      leaf,
    };
  }

  /** A true answer for a subject: its value and proof, or the proof of its absence; sections are appended. */
  answer(epoch: number, subject: string, ...sections: readonly Bytes[]): Bytes {
    const { pairs } = this.epoch(epoch);
    if (pairs.length === 0) return proofSection(epoch, { kind: "emptyMap" });
    const key = sha256(utf8(subject));
    const { bits, siblings, end } = mapPath(pairs, key);
    if (hex(end[0]) === hex(key))
      return concat(end[1], proofSection(epoch, { kind: "inclusion", bits, siblings }), ...sections);
    return proofSection(epoch, { kind: "nonInclusion", bits, siblings, other: end });
  }
}

/** The records of the sumdb, and where each epoch of the log ends. */
export class World {
  readonly records: readonly Bytes[];
  readonly hashes: readonly Bytes[];
  readonly maps: readonly GoMap[];
  readonly log: Log;

  constructor(records: readonly Bytes[], cuts: readonly number[]) {
    this.records = records;
    this.hashes = records.map(leafHash);
    this.maps = cuts.map((size) => goMap(records.slice(0, size)));
    this.log = new Log(
      cuts.map((size, i) =>
        makeEpoch(pairsOf((this.maps[i] as GoMap).subjects), size, logRoot(this.hashes.slice(0, size))),
      ),
    );
  }

  map(epoch: number): GoMap {
    const found = this.maps[epoch - 1];
    if (found === undefined) throw new RangeError(`no epoch ${epoch}`);
    return found;
  }

  state(epoch: number, path: string): string {
    return this.map(epoch).states.get(path) as string;
  }

  value(epoch: number, subject: string): string {
    return this.map(epoch).subjects.get(subject) as string;
  }

  /** The records of a module, as of an epoch. */
  module(epoch: number, path: string): readonly Indexed[] {
    return this.map(epoch).modules.get(path) ?? [];
  }
}

const T = "20200102030405";
const mod = (n: number, path: string, version: string, goMod?: Bytes) => makeRecord(path, version, n, goMod);

/** Index from which the long module stands. */
function longModule(): Bytes[] {
  const out: Bytes[] = [];
  for (let i = 0; i < 257; i++) out.push(mod(i, "example.com/two", `v0.${i}.0`));
  // Three pages, of records of which some repeat.
  for (let i = 0; i < 515; i++)
    out.push(
      mod(i, "example.com/three", i % 100 === 99 ? `v0.0.0-${String(20_200_000_000_000 + i)}-a` : `v0.${i % 400}.0`),
    );
  return out;
}

const first: readonly Bytes[] = [
  utf8("this is no record\n"),
  mod(1, "example.com/first", "v0.1.0"),
  ...EXAMPLE,
  mod(2, "example.com/first", "v0.2.0"),
];

const second: readonly Bytes[] = [
  mod(3, "example.com/other", "v0.3.0"),
  mod(4, "example.com/mod/v2", "v2.0.0"),
  mod(5, "example.com/mod/v2", "v2.1.0-rc.1"),
  mod(6, "example.com/mod/v10", `v10.0.0-${T}-abc`),
  mod(7, "gopkg.in/yaml.v3", "v3.0.1"),
  mod(8, "gopkg.in/yaml.v2", "v2.4.0"),
  mod(9, "example.com/pseudo", `v0.0.0-${T}-abc`),
  mod(10, "example.com/pre", "v1.0.0-rc.1"),
  ...Array.from({ length: 12 }, (_, i) => mod(i, `example.com/big/v${i + 2}`, `v${i + 2}.10.100`)),
  mod(11, "example.com/big", "v1.0.0"),
  ...["go1.20.14", "go1.21.7", "go1.22.0", "go1.23rc1"].map((go, i) =>
    mod(i, "golang.org/toolchain", `v0.0.1-${go}.linux-amd64`),
  ),
  ...Array.from({ length: 6 }, (_, i) =>
    mod(i, "example.com/incompatible", `v${i + 2}.0.0+incompatible`, syntheticGoMod("example.com/incompatible")),
  ),
  mod(12, "example.com/repeated", "v1.0.0"),
  mod(13, "example.com/repeated", "v1.0.0"),
  mod(14, "gopkg.in/x.v1.v2", "v2.0.0"),
];

const later = Array.from({ length: 12 }, (_, i) => mod(i, `example.com/later${i}`, `v1.${i}.0`));

function build(): World {
  const records = [...first, ...second, ...longModule(), ...later];
  const a = first.length;
  const b = a + second.length;
  const cuts = [
    1,
    2,
    4,
    7,
    a,
    a + 5,
    a + 20,
    b,
    records.length - 12,
    ...Array.from({ length: 11 }, (_, i) => records.length - 11 + i),
    records.length,
  ];
  return new World(
    records,
    cuts.filter((cut, i) => cuts.indexOf(cut) === i),
  );
}

/** Epochs 1 (an empty map), 2 (a map of one leaf), 3 … ; from 9 on the map holds everything. */
export const world: World = build();

/** The same log with other maps from an epoch on: a fork, with true signatures. */
export function forkedAt(epoch: number): Log {
  return world.log.fork(epoch, (old) =>
    makeEpoch(old.pairs, old.sumdbSize, old.sumdbRoot, hashOf(`fork ${hex(old.mapRoot)}`)),
  );
}

/** The value of a module with another state hash, or whatever a text says. */
export function withStateHash(value: string, state: string): string {
  return value.replace(/ s=[A-Za-z0-9+/]{43}/, ` s=${unpadded(sha256(utf8(state)))}`);
}

export const ZEROS: Bytes = fill(0);
