import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBase64Unpadded } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import type { IndexedRecord, MapBefore } from "../../src/vindex/map-function.ts";
import { foldRecord, type ModuleState } from "../../src/vindex/module-state.ts";
import { nodeEd25519, nodeSha256 } from "../../src/vindex/platform.ts";
import { computeRecordHashOf, makeRecord } from "../../src/vindex/record.ts";

/** Keys, hashes, records and arbitraries that these tests share. */

export const sha256 = nodeSha256;
export const ed25519 = nodeEd25519();

/** Some hash, another for each `n`. */
export const hashOf = (n: number | string): Uint8Array => sha256(encodeUtf8(`hash ${n}`));
/** A seed of 32 equal bytes. */
export const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
export const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A copy with bit `bit` flipped. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = new Uint8Array(bytes);
  out[bit >> 3] = (out[bit >> 3] as number) ^ (0x80 >> (bit & 7));
  return out;
}

/** A view into the middle of a larger buffer: what is read with the wrong offset shows. */
export function offsetView(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(bytes.length + 13).fill(0xa5);
  larger.set(bytes, 5);
  return larger.subarray(5, 5 + bytes.length);
}

/** What `f` returns, or undefined if it refuses; anything thrown but a ProofdnsError fails the test. */
export function refusalOf<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch (error) {
    if (error instanceof ProofdnsError) return undefined;
    throw error;
  }
}

/** Runs `f` and fails if it took a second; what is called so takes milliseconds (measured), and minutes if quadratic. */
export function inBoundedTime<T>(what: string, f: () => T): T {
  const start = performance.now();
  const out = f();
  const took = performance.now() - start;
  assert.ok(took < 1000, `${what} took ${Math.round(took)} ms`);
  return out;
}

/** Long inputs that make careless parsers slow: each pattern, repeated, alone and behind what parsers look for first. */
export function longTexts(length = 100_000): string[] {
  const patterns = ["a", "0", " ", "\n", ".", "/", "-", "~1", ".v1", "v1.", "=", "; ", "\u00a0"];
  patterns.push("\u2014 ", "\u2014 a AAAA\n", "p ", "n 1\n", "group a 1 b\n", "0.", "\u{1f600}");
  return patterns.flatMap((pattern) => {
    const body = pattern.repeat(Math.ceil(length / pattern.length));
    return [body, `v1.0.0-${body}!`, `a\n\n\u2014 a ${body}\n`];
  });
}

/** Any well-formed text. (fast-check's own takes a second to set up.) */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc
    .oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0, max: 0xd7ff }),
      fc.integer({ min: 0xe000, max: 0x10ffff }),
    )
    .map((c) => String.fromCodePoint(c)),
});

export const hash: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 32, maxLength: 32 });
export const signature: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 64, maxLength: 64 });
export const safeInteger: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(0, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
);

const num = fc.oneof(fc.nat(12).map(String), fc.constantFrom("0", "1", "10", "20230101", "99999999999999999999"));
const ident = fc.constantFrom(
  "0",
  "1",
  "9",
  "10",
  "alpha",
  "beta",
  "rc1",
  "rc",
  "-",
  "a-b",
  "0a",
  "00a",
  "A",
  "x-0",
  "1-1",
);
const pre = fc.array(ident, { minLength: 1, maxLength: 4 }).map((idents) => idents.join("."));
const stamp = fc
  .record({ year: fc.constantFrom("2019", "2024", "0000", "9999"), rest: fc.constantFrom("0101000000", "1231235959") })
  .map(({ year, rest }) => year + rest);
const revision = fc.constantFrom("0123456789ab", "a", "Z9", "868af2e9e5cb63f114a445a00d595c028026c28c");
const pseudo = fc
  .tuple(num, num, num, fc.constantFrom("first", "0.", "pre.0.", "rc.1.0."), stamp, revision)
  .map(([x, y, z, front, time, rev]) =>
    front === "first" ? `v${x}.0.0-${time}-${rev}` : `v${x}.${y}.${z}-${front}${time}-${rev}`,
  );
/** Canonical versions of all kinds and any major, without `+incompatible`. */
export const plainVersion: fc.Arbitrary<string> = fc
  .oneof(
    fc.tuple(num, num, num).map(([x, y, z]) => `v${x}.${y}.${z}`),
    fc.tuple(num, num, num, pre).map(([x, y, z, p]) => `v${x}.${y}.${z}-${p}`),
    pseudo,
  )
  .filter((text) => text.length <= 77);
/** Canonical versions of all kinds. */
export const versionText: fc.Arbitrary<string> = fc
  .tuple(plainVersion, fc.boolean())
  .map(([text, isIncompatible]) => (isIncompatible ? `${text}+incompatible` : text));

/** Paths of one family and others, so that random logs meet. */
export const PATHS = [
  "example.com/m",
  "example.com/m/v2",
  "example.com/m/v2/v3",
  "example.com/m/v10",
  "example.com/m/v99999999999999999999",
  "example.com/m/v999999999999999999999",
  "gopkg.in/x.v0",
  "gopkg.in/x.v1",
  "gopkg.in/x.v2",
  "gopkg.in/x.v2-unstable",
  "golang.org/toolchain",
  "go4.org",
  "Example",
];

/** Version of about `path`, so that most records of a random log are well-formed. */
function fit(path: string, version: string, wantsIncompatible: boolean): string {
  const suffix = /[/.]v(\d+)(?:-unstable)?$/.exec(path)?.[1];
  if (suffix !== undefined) return version.replace(/^v\d+/, `v${suffix}`);
  if (path === "golang.org/toolchain") {
    const [, minor, patch = "0", pre = ""] = /^v\d+\.(\d+)\.(\d+)(.*)$/.exec(version) ?? [];
    const end = pre === "" ? `.${patch}` : pre.includes("a") ? `beta${patch}` : pre.includes("1") ? `rc${patch}` : "";
    return `v0.0.1-go1.${minor}${end}.linux-amd64`;
  }
  const major = Number(/^v(\d+)/.exec(version)?.[1]);
  if (wantsIncompatible && major >= 2) return `${version}+incompatible`;
  return major >= 2 ? version.replace(/^v\d+/, `v${major % 2}`) : version;
}

/** Makes a record of its parts, with hashes that `salt` and, for one path, the presence of a go.mod decide. */
export function makeIndexed(
  path: string,
  version: string,
  logIndex: number,
  hasGoMod = true,
): IndexedRecord | undefined {
  const synthetic = sha256(encodeUtf8(`${toHex(sha256(encodeUtf8(`module ${path}\n`)))}  go.mod\n`));
  const record = makeRecord(path, version, hashOf(`zip ${logIndex}`), hasGoMod ? hashOf(`mod ${logIndex}`) : synthetic);
  return record === undefined ? undefined : { record, logIndex, recordHash: computeRecordHashOf(record, sha256) };
}

/** Random logs: well-formed records with ascending indexes and gaps between them. */
export function recordLog(paths: readonly string[] = PATHS, maxLength = 60): fc.Arbitrary<IndexedRecord[]> {
  const one = fc.record({
    path: fc.constantFrom(...paths),
    version: plainVersion,
    wantsIncompatible: fc.boolean(),
    hasGoMod: fc.boolean(),
    gap: fc.integer({ min: 1, max: 3 }),
  });
  return fc.array(one, { maxLength, size: "max" }).map((items) => {
    let logIndex = 0;
    return items.flatMap(({ path, version, wantsIncompatible, hasGoMod, gap }) => {
      logIndex += gap;
      const indexed = makeIndexed(path, fit(path, version, wantsIncompatible), logIndex, hasGoMod);
      return indexed === undefined ? [] : [indexed];
    });
  });
}

export const nothingBefore: MapBefore = { state: () => undefined, family: () => [], toolchain: [] };

/** State of one module after some records. */
export function stateOf(records: readonly IndexedRecord[]): ModuleState | undefined {
  let state: ModuleState | undefined;
  for (const { record, logIndex, recordHash } of records)
    state = foldRecord(state, record, logIndex, recordHash, sha256);
  return state;
}

/** 43 characters of a hash. */
export const text43 = (n: number | string): string => formatBase64Unpadded(hashOf(n));
