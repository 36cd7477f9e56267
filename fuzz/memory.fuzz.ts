import assert from "node:assert/strict";
import { formatMemory, parseMemory } from "../src/client/verify/files.ts";
import { encodeUtf8 } from "../src/vindex/bytes.ts";
import { formatVerifierKey } from "../src/vindex/note.ts";
import { Input, textOf } from "./input.ts";
import { checkpointText } from "./oracle/head.ts";
import { coverSizes, rootOfPeaks } from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519, seal } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { EPOCHS, logKey, trustOf, verifiedHead, ZONE } from "./world.ts";

/** The file of a remembered head: what was written is read back, and what was damaged or exchanged is refused. */
export const target: Target = { maxLength: 2000, plants: ["age-below-zero", "unsigned-epoch"] };

/** Bug: the age time may be any whole number, also a negative one. */
const read = plant("age-below-zero", parseMemory, (text, trust) =>
  parseMemory(text.replace(/"ageTime": ?-[0-9]{1,15}(?=[\n}])/, '"ageTime": 1'), trust),
);

/** Bug: the log's signature is not checked if the epoch is a power of two. */
const readUnsigned = plant("unsigned-epoch", read, (text, trust) => {
  const epoch = Number(/"epoch": ?([0-9]+)/.exec(text)?.[1]);
  if (epoch < 4 || coverSizes(0, epoch).length !== 1) return read(text, trust);
  const ed25519 = { ...trust.ed25519, verify: () => true };
  return read(text, { ...trust, ed25519 });
});

const trust = trustOf();
const texts = Array.from({ length: EPOCHS }, (_, i) => formatMemory(verifiedHead(i + 1, trust), trust));

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([edited, anyText])(input);
}

interface Fields {
  [key: string]: unknown;
}

/** An honest memory in which the input exchanges fields, with those of another epoch or with anything. */
function edited(input: Input): void {
  const fields = JSON.parse(texts[input.byte() % EPOCHS] as string) as Fields;
  const other = JSON.parse(texts[input.byte() % EPOCHS] as string) as Fields;
  const names = Object.keys(fields);
  for (let n = input.byte() % 4; n > 0; n--) {
    const name = input.pick(names);
    const how = input.byte() % 8;
    if (how === 0) delete fields[name];
    else if (how <= 2) fields[name] = other[name];
    else if (how === 3) fields[name] = input.uint53();
    else if (how === 4) fields[name] = input.byte() - 128;
    else if (how === 5) fields[name] = textOf(input.block());
    else if (how === 6) fields[name] = [fields[name], other[name]];
    else if (typeof fields[name] === "string") {
      const text = fields[name] as string;
      const at = input.byte() % (text.length + 1);
      fields[name] = text.slice(0, at) + textOf(input.take(1)) + text.slice(at + (input.byte() % 2));
    }
  }
  // Whoever has the log's key signs what stands there.
  if (input.byte() % 4 === 0) resign(fields);
  check(JSON.stringify(fields, undefined, input.byte() % 3));
}

function resign(fields: Fields): void {
  const { epoch, peaks } = fields;
  if (typeof epoch !== "number" || epoch < 1 || !Number.isSafeInteger(epoch) || !Array.isArray(peaks)) return;
  const hashes = peaks.map((peak) => Buffer.from(String(peak), "base64"));
  const sizes = coverSizes(0, epoch);
  if (sizes.length !== hashes.length) return;
  const root = rootOfPeaks(hashes.map((hash, i) => ({ size: sizes[i] as number, hash })));
  const text = encodeUtf8(checkpointText(`${ZONE}/p1`, epoch, root));
  fields["logSignature"] = Buffer.from(seal(logKey.verifierKey.publicKey, text)).toString("base64");
}

function anyText(input: Input): void {
  check(textOf(input.rest()));
}

function check(text: string): void {
  const { value } = withinTime("a memory", () => outcomeOf(() => readUnsigned(text, trust), "MALFORMED_MEMORY"));
  if (value === undefined) {
    assert.ok(!texts.includes(text), "what was written is not read");
    return;
  }
  const { epoch, ageTime, rootHash, frontier, logSignature } = value;
  assert.ok(Number.isSafeInteger(epoch) && epoch >= 1 && Number.isSafeInteger(ageTime) && ageTime >= 0);
  assert.equal(frontier.treeSize, epoch);
  const sizes = coverSizes(0, epoch);
  assert.equal(frontier.peaks.length, sizes.length);
  const peaks = frontier.peaks.map((hash, i) => ({ size: sizes[i] as number, hash }));
  assert.deepEqual(Buffer.from(rootHash), Buffer.from(rootOfPeaks(peaks)));
  const signed = encodeUtf8(checkpointText(`${ZONE}/p1`, epoch, rootHash));
  assert.ok(fakeEd25519.verify(logKey.verifierKey.publicKey, signed, logSignature), "not signed by the log");
  const again = formatMemory(value, trust);
  assert.equal(formatMemory(readUnsigned(again, trust), trust), again);
  // What was read is what stands there, field by field.
  const fields = JSON.parse(text) as Fields;
  for (const [name, field] of Object.entries(JSON.parse(again) as Fields)) assert.deepEqual(fields[name], field, name);
  assert.equal(fields["log"], formatVerifierKey(logKey.verifierKey));
}
