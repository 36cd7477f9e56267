import assert from "node:assert/strict";
import { parseLookup, verifyLookup } from "../src/sumdb/lookup.ts";
import { RecordLog } from "../src/sumdb/record-log.ts";
import type { SignedTreeHead } from "../src/sumdb/signed-head.ts";
import { encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import { formatTreeHead } from "../src/vindex/checkpoint.ts";
import { verifyForkEvidence } from "../src/vindex/evidence.ts";
import { formatNote, formatVerifierKey, signNote } from "../src/vindex/note.ts";
import { parseTilePath } from "../src/vindex/tile.ts";
import { Input } from "./input.ts";
import { outcomeOfAsync } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519 } from "./scheme.ts";
import type { Target } from "./target.ts";
import { recordLog, recordTexts, SIZES, sumdbKey, work } from "./world.ts";

/**
 * Lookups in a checksum database whose server lies as it likes, but has signatures of one honest log only. What is
 * verified is in that log, at that place, and about what was asked.
 */
export const target: Target = { maxLength: 1500, plants: ["record-of-another"], isAsync: true };

/** Bug: any line of the record may be about the question, not both path and version of one. */
const verify = plant("record-of-another", verifyLookup, async (untrusted, question, options) => {
  try {
    return await verifyLookup(untrusted, question, options);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("and not about")) throw error;
    const [path = "", version = ""] = Buffer.from(parseLookup(untrusted).recordText).toString().split(" ");
    return verifyLookup(untrusted, { modulePath: path, version }, options);
  }
});

const TILE_HEIGHT = 2;

function signedHead(size: number, log: RecordLog = recordLog): SignedTreeHead {
  const treeHead = log.treeHead(size);
  const text = formatTreeHead(treeHead);
  return { treeHead, signedTreeHead: formatNote(text, [signNote(text, sumdbKey, fakeEd25519)]) };
}
const heads = SIZES.map((size) => signedHead(size));
/** Heads of another log that the same key signed: its second record is another. */
const forked = new RecordLog(work.sha256);
for (const [i, text] of recordTexts.entries()) forked.append(encodeUtf8(i === 1 ? "another\n" : text));
const forkedHeads = SIZES.slice(1).map((size) => signedHead(size, forked));

export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data);
  const logIndex = input.byte() % recordTexts.length;
  const signed = heads[input.byte() % heads.length] as SignedTreeHead;
  const knownAt = input.byte();
  const isFork = knownAt >= 0xe0;
  const known = isFork ? forkedHeads[knownAt % forkedHeads.length] : heads[knownAt % (heads.length + 1)];
  const [path = "", version = ""] = (recordTexts[input.byte() % recordTexts.length] as string).split(" ");
  const lie = input.byte();
  // Tiles, with one byte of one of them changed.
  const [tileNumber, at, bits] = [input.byte(), input.byte(), input.byte()];
  const honest = Buffer.from(`${logIndex}\n${recordTexts[logIndex]}\n${signed.signedTreeHead}`);
  let sent: Uint8Array = honest;
  if (lie % 4 === 1) {
    const place = input.uint16() % honest.length;
    sent = Buffer.concat([
      honest.subarray(0, place),
      input.take(input.byte() % 8),
      honest.subarray(place + (input.byte() % 8)),
    ]);
  } else if (lie % 4 === 2) sent = input.rest();
  let asked = 0;
  const fetchTile = async (tilePath: string): Promise<Uint8Array | undefined> => {
    const { level, index, width } = parseTilePath(tilePath);
    if (lie >= 0xf0 && asked === lie - 0xf0) return undefined;
    const isCut = lie >= 0xe0 && asked === lie - 0xe0;
    const bytes = Uint8Array.from(recordLog.hashes(level * TILE_HEIGHT, index * 2 ** TILE_HEIGHT, width));
    if (++asked === tileNumber) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ bits;
    return isCut ? bytes.subarray(0, at) : bytes;
  };
  const outcome = await outcomeOfAsync(
    () =>
      verify(
        sent,
        { modulePath: path, version },
        {
          verifierKey: sumdbKey.verifierKey,
          fetchTile,
          known,
          tileHeight: TILE_HEIGHT,
          sha256: work.sha256,
          ed25519: work.ed25519,
        },
      ),
    "MALFORMED_LOOKUP",
    "MALFORMED_NOTE",
    "MALFORMED_TREE_HEAD",
    "MALFORMED_TILE",
    "MALFORMED_INPUT",
    "BAD_SUMDB_SIGNATURE",
    "BAD_LOOKUP",
    "BAD_TILE",
    "UNREACHABLE",
    "SUMDB_FORK",
  );
  if (outcome.code === "SUMDB_FORK") {
    assert.ok(isFork, "an honest log was accused");
    const evidence: unknown = JSON.parse(JSON.stringify(outcome.error.evidence));
    verifyForkEvidence(evidence, formatVerifierKey(sumdbKey.verifierKey), fakeEd25519);
  }
  const isHonest =
    equalBytes(sent, honest) && lie < 0xe0 && !isFork && (bits === 0 || asked < tileNumber || tileNumber === 0);
  const isAbout = recordTexts[logIndex]?.startsWith(`${path} ${version} h1:`) === true;
  if (isHonest && isAbout && logIndex < signed.treeHead.treeSize)
    assert.equal(outcome.code, undefined, outcome.error?.message);
  if (outcome.value === undefined) return;
  assert.ok(!isFork, "another log was taken for the known one");
  const { value } = outcome;
  const text = recordTexts[value.logIndex] as string;
  assert.ok(value.lines.length > 0 && value.lines.every((line) => text.split("\n").includes(line)));
  for (const line of value.lines)
    assert.ok(line.startsWith(`${path} ${version} `) || line.startsWith(`${path} ${version}/go.mod `));
  assert.ok(equalBytes(value.recordHash, recordLog.hashes(0, value.logIndex, 1)));
  const sizes = [value.head.treeHead.treeSize, known?.treeHead.treeSize ?? 0];
  assert.equal(Math.max(...sizes), sizes[0]);
  assert.ok(heads.some(({ signedTreeHead }) => signedTreeHead === value.head.signedTreeHead));
  assert.equal(encodeUtf8(text).length > 0, true);
}
