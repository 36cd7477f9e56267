import assert from "node:assert/strict";
import { ALGORITHM } from "../src/dns/dnssec/algorithm.ts";
import { computeKeyTag } from "../src/dns/dnssec/dnskey.ts";
import { writeRawSignature } from "../src/dns/dnssec/ecdsa-signature.ts";
import { encodeNsecRdata } from "../src/dns/dnssec/index.ts";
import { formatKeyFile, formatKeyState, parseKeyFile, parseKeyState } from "../src/dns/dnssec/key-text.ts";
import { successorName } from "../src/dns/dnssec/nsec.ts";
import { decodePkcs8, encodePkcs8 } from "../src/dns/dnssec/pkcs8.ts";
import { decodeRrsig, verifyRrsig } from "../src/dns/dnssec/rrsig.ts";
import { equalBytes } from "../src/vindex/bytes.ts";
import { Input, textOf } from "./input.ts";
import { naiveName } from "./oracle/dns-message.ts";
import { compareNames, naiveKeyTag, naiveNsec, naiveSuccessor, wireOf } from "./oracle/dnssec.ts";
import { nsecRdata } from "./oracle/server.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { signers } from "./zone.ts";

/** What DNSSEC is made of: denials, signatures and their forms, key files. */
export const target: Target = { maxLength: 700, plants: ["successor-at-sign", "der-sign", "ttl-above"] };

/** Bug: after the byte 0x40 comes 0x41, which counts as 0x61. */
const successor = plant("successor-at-sign", successorName, (owner, apexLength) => {
  const out = Uint8Array.from(successorName(owner, apexLength));
  const at = out.indexOf(0x5b);
  const isStepped = out.length < owner.length + 1 && at > 0 && owner[owner.length - out.length + at] === 0x40;
  if (isStepped || (at > 0 && owner[at] === 0x40 && out.length <= owner.length)) out[at] = 0x41;
  return out;
});

/** Bug: a number with its first bit set is taken for a positive one. */
const writeRaw = plant("der-sign", writeRawSignature, (der, out, offset) => {
  const [second, last] = [6 + (der[3] ?? 0), der.length - 1];
  const isNegative = (der[second] ?? 0) >= 0x80 && second <= last && second === last;
  return writeRawSignature(
    isNegative ? Uint8Array.from([...der.slice(0, second), (der[second] as number) & 0x7f]) : der,
    out,
    offset,
  );
});

/** Bug: a TTL above the signed one is not noticed. */
const verify = plant("ttl-above", verifyRrsig, ({ ttl: _, ...rrset }, ...rest) => verifyRrsig(rrset, ...rest));

const APEX = ["l", "example", "org"];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([denials, derForms, rrsigs, tags, keyFiles, keyStates, pkcs8])(input);
}

/** A name of the zone in lower case, up to the longest there are. */
function nameFrom(input: Input): string[] {
  const labels: string[] = [];
  for (let n = 1 + (input.byte() % 5); n > 0 && !input.isDone; n--) {
    const length = 1 + (input.byte() % 63);
    const text = Buffer.from(input.take(4));
    const fill = input.byte();
    const bytes = Buffer.alloc(length, fill);
    text.copy(bytes, 0);
    text.copy(bytes, Math.max(0, length - text.length));
    labels.push([...bytes.toString("latin1")].map((c) => (c >= "A" && c <= "Z" ? c.toLowerCase() : c)).join(""));
  }
  while (wireOf([...labels, ...APEX]).length > 255) {
    const [first = "", ...rest] = labels;
    const over = wireOf([...labels, ...APEX]).length - 255;
    labels.splice(0, labels.length, ...(first.length > over ? [first.slice(over)] : []), ...rest);
  }
  return [...labels, ...APEX];
}

function denials(input: Input): void {
  const types = Array.from({ length: 1 + (input.byte() % 6) }, () => 1 + (input.uint16() % 65_535));
  const labels = nameFrom(input);
  const owner = wireOf(labels);
  const apexLength = wireOf(APEX).length;
  const next = withinTime("a next name", () => successor(owner, apexLength));
  assert.ok(equalBytes(next, wireOf(naiveSuccessor(labels, APEX.length))), "another next name");
  const parsed = naiveName(next, 0);
  assert.ok(parsed !== undefined && parsed.end === next.length && next.length <= 255, "not a name");
  const isLast = parsed.labels.length === APEX.length;
  assert.ok(isLast || compareNames(labels, parsed.labels) < 0, "the next name does not follow");
  const rdata = encodeNsecRdata(owner, types, apexLength);
  assert.ok(equalBytes(rdata, nsecRdata(naiveSuccessor(labels, APEX.length), types)));
  assert.deepEqual(
    naiveNsec(rdata)?.types,
    [...new Set(types)].sort((a, b) => a - b),
  );
}

/** DER of two numbers, made and read; and any bytes. */
function derForms(input: Input): void {
  const isMade = input.byte() % 2 === 0;
  const numbers = isMade ? [input.take(1 + (input.byte() % 33)), input.take(1 + (input.byte() % 33))] : [];
  const der = isMade ? derOf(numbers) : input.rest();
  const out = new Uint8Array(80).fill(0x77);
  let isRead = true;
  try {
    writeRaw(der, out, 8);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    isRead = false;
  }
  const naive = naiveDer(der);
  assert.equal(isRead, naive !== undefined);
  if (naive === undefined) return;
  assert.ok(equalBytes(out.subarray(8, 72), naive));
  assert.ok(out[7] === 0x77 && out[72] === 0x77, "written beside its place");
}

function derOf(numbers: readonly Uint8Array[]): Uint8Array {
  const parts = numbers.map((bytes) => {
    let value = [...bytes];
    while (value.length > 1 && value[0] === 0) value = value.slice(1);
    if (value.length === 0) value = [0];
    if ((value[0] as number) >= 0x80) value = [0, ...value];
    return [2, value.length, ...value];
  });
  const body = parts.flat();
  return Uint8Array.from([0x30, body.length, ...body]);
}

/** The 64 bytes, if the bytes are the one DER form of two numbers below 2^256. */
function naiveDer(der: Uint8Array): Uint8Array | undefined {
  const numbers: bigint[] = [];
  let at = 2;
  for (let i = 0; i < 2; i++) {
    const length = der[at + 1] ?? 0;
    const bytes = der.slice(at + 2, at + 2 + length);
    if (der[at] !== 2 || bytes.length !== length || length === 0) return undefined;
    numbers.push(BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
    at += 2 + length;
  }
  if (numbers.some((n) => n >= 2n ** 256n)) return undefined;
  const hex = numbers.map((n) => n.toString(16).padStart(64, "0"));
  const again = derOf(hex.map((text) => Buffer.from(text, "hex")));
  return equalBytes(again, der) ? new Uint8Array(Buffer.from(hex.join(""), "hex")) : undefined;
}

/** A signature of the zone, with a byte changed: then it is not one. */
function rrsigs(input: Input): void {
  const raw = input.byte();
  if (raw % 4 === 0) {
    const rdata = input.rest();
    const decoded = decodeRrsig(rdata);
    const name =
      rdata.length < 18 || rdata.subarray(18).some((b, i) => b >= 64 && isLengthByte(rdata, 18 + i))
        ? undefined
        : naiveName(rdata, 18);
    assert.equal(decoded !== undefined, name !== undefined);
    if (decoded === undefined || name === undefined) return;
    const again = Buffer.concat([rdata.subarray(0, 18), decoded.signer, decoded.signature]);
    assert.ok(again.equals(rdata) && decoded.signer.length === name.end - 18);
    return;
  }
  const signer = signers[raw % signers.length] as (typeof signers)[number];
  const labels = nameFrom(input);
  const owner = wireOf(labels);
  const now = 1_700_000_000 + input.uint16();
  const ttl = input.uint16();
  const rdatas = [Buffer.from(input.take(5)), Buffer.from("another")];
  const [rrsig] = signer.sign(owner, labels.length, 16, 3600, rdatas, now);
  if (rrsig === undefined) throw new Error("no signature");
  const changed = Uint8Array.from(rrsig);
  const [at, bits] = [input.byte(), input.byte()];
  if (at < changed.length) changed[at] = (changed[at] as number) ^ bits;
  const later = now + (input.uint16() - 0x8000) * 30;
  const outcome = outcomeOf(
    () => verify({ owner, type: 16, ttl, rdatas }, changed, signer.apex, signer.dnskeyRdatas, later),
    "BAD_SIGNATURE",
  );
  const fields = Buffer.from(rrsig);
  const isTime = later >= fields.readUInt32BE(12) && later <= fields.readUInt32BE(8);
  assert.equal(outcome.code === undefined, equalBytes(changed, rrsig) && ttl <= 3600 && isTime, outcome.error?.message);
}

function isLengthByte(bytes: Uint8Array, i: number): boolean {
  let at = 18;
  while (at < i) {
    const length = bytes[at] as number;
    if (length === 0) return false;
    at += 1 + length;
  }
  return at === i;
}

function tags(input: Input): void {
  const dnskey = input.rest();
  assert.equal(computeKeyTag(dnskey), naiveKeyTag(dnskey));
}

function keyFiles(input: Input): void {
  const text = textOf(input.rest());
  const parsed = withinTime("a key file", () => parseKeyFile(text));
  if (typeof parsed !== "string") {
    assert.equal(formatKeyFile(parsed), text);
    return;
  }
  // A refusal ends up in logs.
  const [body = ""] = /(?<=-\n)[A-Za-z0-9+/=\n]{40,}(?=\n-)/.exec(text) ?? [];
  assert.ok(body === "" || !parsed.includes(body.slice(20, 36)), "key material in a refusal");
}

function keyStates(input: Input): void {
  const text = textOf(input.rest());
  const parsed = withinTime("a key state", () => parseKeyState(text));
  if (typeof parsed === "string") return;
  assert.equal(formatKeyState(parsed), text);
  const { keys } = parsed;
  assert.equal(keys.filter(({ phase }) => phase === "active").length, 1);
  assert.ok(keys.length <= 2 && new Set(keys.map(({ keyTag }) => keyTag)).size === keys.length);
}

function pkcs8(input: Input): void {
  const algorithm = input.pick([ALGORITHM.ED25519, ALGORITHM.ECDSAP256SHA256]);
  const der = input.rest();
  const key = decodePkcs8(algorithm, der);
  if (key !== undefined && algorithm === ALGORITHM.ED25519) assert.ok(equalBytes(encodePkcs8(algorithm, key), der));
}
