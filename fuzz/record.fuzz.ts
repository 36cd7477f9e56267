import assert from "node:assert/strict";
import { equalBytes } from "../src/vindex/bytes.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import {
  computeRecordHash,
  computeRecordHashOf,
  formatH1,
  formatRecord,
  makeRecord,
  parseH1,
  parseRecord,
} from "../src/vindex/record.ts";
import { latin1Of } from "./input.ts";
import { H } from "./oracle/merkle.ts";
import { isNaivePath, naiveFits } from "./oracle/module-path.ts";
import { naiveVersion } from "./oracle/semver.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** Records of a checksum database: exactly the well-formed ones of spec/map.md §1 are read. */
export const target: Target = { maxLength: 600, plants: ["second-version", "incompatible-one"] };

/** Bug: the version of the second line may begin with that of the first and go on. */
const readRecord = plant("second-version", parseRecord, (bytes) => {
  const match = /^(\S+) (\S+) (\S+)\n(\1 \2)[^/\s]+(\/go\.mod \S+\n)$/.exec(latin1Of(bytes));
  return parseRecord(
    match === null ? bytes : Buffer.from(`${match[1]} ${match[2]} ${match[3]}\n${match[4]}${match[5]}`),
  );
});

/** Bug: `+incompatible` is taken for majors 0 and 1, too. */
const makeOne = plant("incompatible-one", makeRecord, (path, version, zip, goMod) => {
  const plain = version.replace(/\+incompatible$/, "");
  const isLow = /^v[01]\./.test(plain) && plain !== version;
  return isLow ? makeRecord(path, plain, zip, goMod) : makeRecord(path, version, zip, goMod);
});

export function fuzz(data: Uint8Array): void {
  const record = withinTime("a record", () => readRecord(data));
  const naive = naiveRecord(latin1Of(data));
  assert.equal(record !== undefined, naive !== undefined);
  if (record !== undefined && naive !== undefined) {
    assert.equal(record.path, naive.path);
    assert.equal(record.version.text, naive.version);
    const text = formatRecord(record.path, record.version.text, record.zipHash, record.goModHash);
    assert.equal(text, latin1Of(data));
    assert.ok(equalBytes(computeRecordHashOf(record, nodeSha256), H(Uint8Array.of(0), data)));
    assert.ok(equalBytes(computeRecordHash(data, nodeSha256), H(Uint8Array.of(0), data)));
  }
  // The first two words, whatever follows.
  const [path = "", version = ""] = latin1Of(data).split(/[ \n]/, 2);
  const hash = H(data);
  const made = makeOne(path, version, hash, hash);
  assert.equal(made !== undefined, isPair(path, version), `${path} ${version}`);
  if (made === undefined) return;
  const back = readRecord(Buffer.from(formatRecord(path, version, hash, hash)));
  assert.deepEqual(back && [back.path, back.version.text], [path, version]);
  assert.ok(equalBytes(parseH1(formatH1(hash)) ?? data, hash));
}

function isPair(path: string, version: string): boolean {
  return naiveVersion(version) !== undefined && isNaivePath(path) && naiveFits(path, version);
}

/** Takes the two lines apart at fixed places: hashes are 47 characters at the ends of the lines. */
function naiveRecord(text: string): { path: string; version: string } | undefined {
  const [first = "", second = "", end, ...more] = text.split("\n");
  if (end !== "" || more.length > 0) return undefined;
  const [path = "", version = ""] = first.split(" ");
  const [zip, goMod] = [first.slice(-47), second.slice(-47)];
  if (first !== `${path} ${version} ${zip}` || second !== `${path} ${version}/go.mod ${goMod}`) return undefined;
  if (![zip, goMod].every(isH1) || !isPair(path, version)) return undefined;
  return { path, version };
}

function isH1(text: string): boolean {
  const bytes = Buffer.from(text.slice(3), "base64");
  return text.startsWith("h1:") && bytes.length === 32 && `h1:${bytes.toString("base64")}` === text;
}
