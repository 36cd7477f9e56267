import assert from "node:assert/strict";
import { formatBase64 } from "../src/vindex/base64.ts";
import { encodeUtf8, equalBytes } from "../src/vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead, parseCheckpoint, parseTreeHead } from "../src/vindex/checkpoint.ts";
import {
  cosign,
  cosignatureFromNote,
  cosignatureMessage,
  cosignatureToNote,
  verifyCosignature,
} from "../src/vindex/cosignature.ts";
import { formatLeaf, parseLeaf } from "../src/vindex/leaf.ts";
import {
  formatNote,
  formatNoteSignature,
  formatSignerKey,
  formatVerifierKey,
  parseNote,
  parseNoteSignature,
  parseSignerKey,
  parseVerifierKey,
  signNote,
  verifyNote,
} from "../src/vindex/note.ts";
import { Input, textOf } from "./input.ts";
import { isNaiveName, naiveKeyType } from "./oracle/vkey.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import { fakeEd25519, seal } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { cosigners, logKey, sumdbKey } from "./world.ts";

/** Signed notes, keys, checkpoints, cosignatures and leaves: text in, the same text out, or a refusal. */
export const target: Target = {
  maxLength: 2048,
  plants: ["checkpoint-extension", "signature-of-another", "short-cosignature"],
};

/** Bug: extension lines behind a root are passed over. */
const readCheckpoint = plant("checkpoint-extension", parseCheckpoint, (text) =>
  parseCheckpoint(text.replace(/^([^\n]+\n[0-9]+\n[A-Za-z0-9+/]{43}=\n)[^\n]+\n$/, "$1")),
);

/** Bug: a signature counts for a key if the key ids are the same, whatever name stands there. */
const verify = plant("signature-of-another", verifyNote, (note, key, scheme) =>
  verifyNote(
    note.replace(/^\u2014 [^ \n]+ ([A-Za-z0-9+/=]+)$/gm, (line, data: string) => {
      const id = Buffer.from(data, "base64");
      return id.length > 4 && id.readUInt32BE(0) === key.keyId ? `\u2014 ${key.keyName} ${data}` : line;
    }),
    key,
    scheme,
  ),
);

/** Bug: the first byte of a cosignature's time is not looked at. */
const readCosignature = plant("short-cosignature", cosignatureFromNote, (signature) => {
  const blob = Uint8Array.from(signature.blob);
  if (blob.length === 72) blob[0] = 0;
  return cosignatureFromNote({ ...signature, blob });
});

const SIGNER = logKey;

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([note, signatureLine, verifierKey, signerKey, checkpoint, leaf, signedNote])(input);
}

/** Text of any bytes, also with lone surrogates. */
function anyText(input: Input): string {
  const isWide = input.byte() === 0xff;
  const bytes = input.rest();
  return isWide ? Buffer.from(bytes).toString("utf16le") : textOf(bytes);
}

function note(input: Input): void {
  const text = anyText(input);
  const { value } = withinTime("a note", () => outcomeOf(() => parseNote(text), "MALFORMED_NOTE"));
  assert.equal(value !== undefined, isNaiveNote(text));
  if (value === undefined) return;
  assert.equal(formatNote(value.text, value.signatures), text);
  assert.ok(value.text.endsWith("\n"));
  assert.ok(encodeUtf8(text).length >= text.length && value.signatures.length <= 100);
}

/** The rules of a signed note, in another order than the source has them. */
function isNaiveNote(text: string): boolean {
  const parts = text.split("\n\n");
  if (parts.length < 2 || text.length > 1_000_000 || Buffer.from(text).toString() !== text) return false;
  for (const c of text) if (c < " " && c !== "\n") return false;
  // Of three and more LFs in a row the last two are the blank line.
  let end = text.length - 1;
  while (end > 0 && !(text[end] === "\n" && text[end - 1] === "\n")) end--;
  const rest = text.slice(end + 1);
  if (!rest.endsWith("\n")) return false;
  const lines = rest.slice(0, -1).split("\n");
  return lines.length <= 100 && lines.every(isNaiveSignature);
}

function isNaiveSignature(line: string): boolean {
  const [dash, name, data, ...more] = line.split(" ");
  if (dash !== "\u2014" || name === undefined || data === undefined || more.length > 0) return false;
  const bytes = Buffer.from(data, "base64");
  return isNaiveName(name) && bytes.length >= 5 && bytes.toString("base64") === data;
}

function signatureLine(input: Input): void {
  const line = anyText(input);
  const parsed = withinTime("a signature", () => parseNoteSignature(line));
  if (!line.includes("\n")) assert.equal(parsed !== undefined, isNaiveSignature(line));
  if (parsed === undefined) return;
  assert.equal(formatNoteSignature(parsed), `${line}\n`);
  const cosignature = readCosignature(parsed);
  const isTimed = parsed.blob.length === 72;
  const time = isTimed ? Buffer.from(parsed.blob).readBigUInt64BE(0) : 0n;
  assert.equal(cosignature !== undefined, isTimed && time >= 1n && time < 2n ** 53n);
  if (cosignature === undefined) return;
  assert.equal(BigInt(cosignature.time), time);
  assert.deepEqual(cosignatureToNote(cosignature, parsed.keyName), parsed);
}

function verifierKey(input: Input): void {
  const text = anyText(input);
  const { value } = withinTime("a key", () => outcomeOf(() => parseVerifierKey(text), "MALFORMED_VERIFIER_KEY"));
  assert.equal(value?.type, naiveKeyType(text));
  if (value !== undefined) assert.equal(formatVerifierKey(value), text);
}

function signerKey(input: Input): void {
  const text = anyText(input);
  const { value, error } = withinTime("a signing key", () =>
    outcomeOf(() => parseSignerKey(text, fakeEd25519), "MALFORMED_SIGNER_KEY"),
  );
  const publicData = (data: Uint8Array): Uint8Array =>
    Buffer.concat([data.subarray(0, 1), fakeEd25519.publicKey(data.subarray(1))]);
  const isKey = text.startsWith("PRIVATE+KEY+") && naiveKeyType(text.slice(12), publicData) !== undefined;
  assert.equal(value !== undefined, isKey);
  if (value !== undefined) assert.equal(formatSignerKey(value), text);
  // A refusal ends up in logs. It may print the name of the key, which may look like the secret.
  const [, , keyName = ""] = text.split("+");
  const secret = text.split("+").at(-1) ?? "";
  const said = error?.message.replace(`signing key of ${keyName}: `, "") ?? "";
  if (secret.length > 20) assert.ok(!said.includes(secret.slice(0, 16)));
}

function checkpoint(input: Input): void {
  const text = anyText(input);
  const { value } = outcomeOf(() => readCheckpoint(text), "MALFORMED_CHECKPOINT");
  const [origin = "", size = "", root = "", end, ...more] = text.split("\n");
  const isSize = /^[0-9]+$/.test(size) && String(BigInt(size)) === size && BigInt(size) < 2n ** 53n;
  const hash = Buffer.from(root, "base64");
  const isRoot = hash.length === 32 && hash.toString("base64") === root;
  assert.equal(value !== undefined, origin !== "" && isSize && isRoot && end === "" && more.length === 0);
  if (value !== undefined) assert.equal(formatCheckpoint(value), text);
  const treeHead = outcomeOf(() => parseTreeHead(text), "MALFORMED_TREE_HEAD");
  assert.equal(treeHead.value !== undefined, value !== undefined && origin === "go.sum database tree");
  if (treeHead.value !== undefined) assert.equal(formatTreeHead(treeHead.value), text);
}

function leaf(input: Input): void {
  const text = anyText(input);
  const { verifierKey: key } = sumdbKey;
  const { value } = withinTime("a leaf", () => outcomeOf(() => parseLeaf(text, key), "MALFORMED_LEAF"));
  if (value === undefined) return;
  assert.equal(formatLeaf(value, key), text);
  assert.equal(text.split("\n").length, 7);
  assert.match(text, /^[0-9a-f]{64}\ngo\.sum database tree\n/);
  assert.equal(value.sumdbSignature.length, 64);
}

/** A text with signature lines of which some are true, in any order and under any name. */
function signedNote(input: Input): void {
  const { keyName, keyId, publicKey } = SIGNER.verifierKey;
  const lines = Array.from({ length: input.byte() % 5 }, () => {
    const [who, what] = [input.byte(), input.byte()];
    const name = who % 4 === 0 ? "other.example" : who % 4 === 1 ? `${keyName}x` : keyName;
    const id = who >= 0x80 && who % 8 === 0 ? keyId + 1 : keyId;
    return { name, id: id % 2 ** 32, isTrue: what % 2 === 0, spare: what % 16 === 3 };
  });
  const text = `${textOf(input.rest()).replaceAll(/[^\n -~]/g, "?")}\n`;
  const message = encodeUtf8(text);
  const signatures = lines.map(({ name, id, isTrue, spare }) => {
    const blob = seal(publicKey, isTrue ? message : encodeUtf8(`${text}x`));
    return { keyName: name, keyId: id, blob: spare ? blob.slice(1) : blob, holds: isTrue && !spare };
  });
  const note = formatNote(text, signatures);
  const { code, value } = outcomeOf(
    () => verify(note, SIGNER.verifierKey, fakeEd25519),
    "MALFORMED_NOTE",
    "BAD_SIGNATURE",
  );
  const own = signatures.filter((one) => one.keyName === keyName && one.keyId === keyId);
  const isSigned = own.length > 0 && own.every(({ holds }) => holds);
  const expected = signatures.length === 0 ? "MALFORMED_NOTE" : isSigned ? undefined : "BAD_SIGNATURE";
  // Without signatures, what looks like some at the end of the text could be taken for them.
  if (signatures.length > 0) assert.equal(code, expected);
  if (value !== undefined) assert.equal(value.text, text);
  if (signatures.length === 0) assert.notEqual(code, undefined);
  const own2 = signNote(text, SIGNER, fakeEd25519);
  assert.equal(verify(formatNote(text, [own2]), SIGNER.verifierKey, fakeEd25519).text, text);
  const [clock] = cosigners;
  if (clock === undefined) return;
  const time = 1 + lines.length;
  const cosignature = cosign(text, time, clock, fakeEd25519);
  assert.equal(verifyCosignature(text, cosignature, clock.verifierKey, fakeEd25519), time);
  const later = { ...cosignature, time: time + 1 };
  const refused = outcomeOf(() => verifyCosignature(text, later, clock.verifierKey, fakeEd25519), "BAD_COSIGNATURE");
  assert.equal(refused.code, "BAD_COSIGNATURE");
  assert.ok(equalBytes(cosignature.signature, seal(clock.verifierKey.publicKey, cosignatureMessage(text, time))));
  assert.equal(formatBase64(cosignature.signature).length, 88);
}
