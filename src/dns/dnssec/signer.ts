import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { compareBytes, concatBytes } from "../../vindex/bytes.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { CLASS_IN, TYPE } from "../message.ts";
import { parseName, scanName, type WireName } from "../name.ts";
import { ALGORITHM, type Algorithm, algorithmOf, publicKeyBytes, SIGNATURE_LENGTH } from "./algorithm.ts";
import { computeDs, computeKeyTag, encodeDnskey, formatDs } from "./dnskey.ts";
import { writeRawSignature } from "./ecdsa-signature.ts";
import { RRSIG_FIXED_LENGTH, verifyRrsig } from "./rrsig.ts";
import { isAnnounced, type KeyPhase, type ZoneKeys } from "./zone-keys.ts";

/** Seconds after which a signature that is kept must be made anew. */
export const SIGNATURE_REFRESH = 86_400;
/** Seconds for which a signature is valid from now on, at least (spec/dnssec.md §2). */
const VALIDITY = 7 * 86_400;
/** Bound of what is added to it, so that not everything expires at once. */
const JITTER = 86_400;
/** Seconds for which it is valid before now: clocks of validators may be slow. */
const BACKDATE = 3600;

/** What a record has between its owner and its RDATA: type, class, TTL and length. */
const RECORD_FIXED_LENGTH = 10;
const MAX_RDATA_LENGTH = 65_535;
/** Enough for every answer that fits UDP; grows for the others. */
const SCRATCH_LENGTH = 4096;

interface SigningKey {
  readonly phase: KeyPhase;
  readonly keyTag: number;
  readonly privateKey: KeyObject;
  readonly dnskey: Uint8Array;
  readonly ds: Uint8Array;
}

/**
 * Signs the records of one zone as they are asked for (spec/dnssec.md). Everything that `sign` uses is made here once;
 * the one buffer for signed data makes a signer the property of one thread.
 */
export class ZoneSigner {
  /** The zone's name in lower case, as RRSIGs hold it. */
  readonly apex: WireName;
  readonly algorithm: Algorithm;
  /** Tag of the key that signs the zone. */
  readonly keyTag: number;
  /** The zone's DNSKEY RRset: all keys, in the order in which they were given. */
  readonly dnskeyRdatas: readonly Uint8Array[];
  /** What the parent is to have as DS: of all keys but a retired one (spec/dnssec.md §6). */
  readonly cdsRdatas: readonly Uint8Array[];
  /** The same as keys. */
  readonly cdnskeyRdatas: readonly Uint8Array[];
  /** The same as text: `12345 13 2 0A1B…`. */
  readonly ds: readonly string[];
  /** Length of every RRSIG RDATA in bytes. */
  readonly rrsigLength: number;

  readonly #keys: readonly SigningKey[];
  readonly #active: SigningKey;
  /** RRSIG RDATA without the signature, then the records. Signer and algorithm stand in it from the beginning. */
  #scratch: Uint8Array;
  readonly #prefixLength: number;

  /**
   * Keys are taken as `readZoneKeys` or `makeZoneKeys` gives them.
   *
   * @throws RangeError unless exactly one key is active, all are of the algorithm, and the tags are theirs
   */
  constructor(keys: ZoneKeys) {
    this.apex = parseName(keys.zone);
    this.algorithm = keys.algorithm;
    this.#keys = keys.keys.map(({ privateKey, keyTag, phase }): SigningKey => {
      if (algorithmOf(privateKey) !== keys.algorithm) throw new RangeError(`key ${keyTag} is of another algorithm`);
      const dnskey = encodeDnskey(keys.algorithm, publicKeyBytes(privateKey));
      if (computeKeyTag(dnskey) !== keyTag) throw new RangeError(`key ${keyTag} has another tag`);
      return { phase, keyTag, privateKey: ownCopy(privateKey), dnskey, ds: computeDs(this.apex, dnskey) };
    });
    const [active, second] = this.#keys.filter(({ phase }) => phase === "active");
    if (active === undefined || second !== undefined) throw new RangeError("not exactly one active key");
    this.#active = active;
    this.keyTag = active.keyTag;
    const announced = this.#keys.filter(isAnnounced);
    this.dnskeyRdatas = this.#keys.map(({ dnskey }) => dnskey);
    this.cdsRdatas = announced.map(({ ds }) => ds);
    this.cdnskeyRdatas = announced.map(({ dnskey }) => dnskey);
    this.ds = this.cdsRdatas.map(formatDs);
    this.#prefixLength = RRSIG_FIXED_LENGTH + this.apex.length;
    this.rrsigLength = this.#prefixLength + SIGNATURE_LENGTH;
    this.#scratch = this.#makeScratch(SCRATCH_LENGTH);
  }

  /**
   * Signs an RRset: one RRSIG RDATA by the active key; for DNSKEY, CDS and CDNSKEY one by each key.
   *
   * `owner` is a whole lower-case name of the zone and `labelCount` the number of its labels, the root not counted.
   * `rdatas` are in canonical form (whole names, in lower case) and in any order. `originalTtl` is 0 to 2^31 − 1; a
   * record may be served with a lower TTL. `now` is in Unix seconds. Nothing is retained, and nothing that is returned
   * aliases anything.
   *
   * @throws RangeError if there is no record, one stands there twice, or one is longer than 65,535 bytes
   */
  sign(
    owner: WireName,
    labelCount: number,
    type: number,
    originalTtl: number,
    rdatas: readonly Uint8Array[],
    now: number,
  ): readonly Uint8Array[] {
    const length = this.#writeSignedData(owner, labelCount, type, originalTtl, rdatas, now);
    if (!isSignedByAll(type)) return [this.#sign(this.#active, length)];
    return this.#keys.map((key) => this.#sign(key, length));
  }

  /**
   * Signs one record, of a type that only the active key signs, and writes the RRSIG RDATA, `rrsigLength` bytes, at `at` of `out`.
   * Otherwise as `sign`, without memory of its own.
   */
  signInto(
    owner: WireName,
    labelCount: number,
    type: number,
    originalTtl: number,
    rdata: Uint8Array,
    now: number,
    out: Uint8Array,
    at: number,
  ): void {
    if (isSignedByAll(type)) throw new RangeError(`type ${type} is signed by all keys`);
    this.#signInto(this.#active, this.#writeSignedData(owner, labelCount, type, originalTtl, [rdata], now), out, at);
  }

  /**
   * Signs an RRset like the zone's SOA, and the DNSKEY RRset, with each key, and verifies the signatures.
   *
   * @throws ProofdnsError `KEY_UNUSABLE` if one does not verify: the private key is not that of the public one, or does
   *   not work here
   */
  selfCheck(now: number): void {
    const labelCount = scanName(this.apex, 0)?.labelOffsets.length ?? 0;
    const soa = concatBytes(this.apex, this.apex, new Uint8Array(20).fill(1));
    for (const key of this.#keys) {
      for (const [type, rdatas] of [
        [TYPE.SOA, [soa]],
        [TYPE.DNSKEY, this.dnskeyRdatas],
      ] as const) {
        try {
          const length = this.#writeSignedData(this.apex, labelCount, type, SIGNATURE_REFRESH, rdatas, now);
          const rrsig = this.#sign(key, length);
          verifyRrsig({ owner: this.apex, type, rdatas }, rrsig, this.apex, [key.dnskey], now);
        } catch (cause) {
          const why = cause instanceof Error ? cause.message : String(cause);
          throw new ProofdnsError("KEY_UNUSABLE", `DNSSEC key ${key.keyTag} does not sign as it must: ${why}`, {
            cause,
          });
        }
      }
    }
  }

  /** Writes what is signed (RFC 4034 §3.1.8.1), but for the key tag, and gives its length. */
  #writeSignedData(
    owner: WireName,
    labelCount: number,
    type: number,
    originalTtl: number,
    rdatas: readonly Uint8Array[],
    now: number,
  ): number {
    const sorted = rdatas.length === 1 ? rdatas : sortRdatas(rdatas);
    const ownerLength = owner.length;
    let length = this.#prefixLength;
    for (const rdata of sorted) {
      if (rdata.length > MAX_RDATA_LENGTH) throw new RangeError(`RDATA of ${rdata.length} bytes`);
      length += ownerLength + RECORD_FIXED_LENGTH + rdata.length;
    }
    if (length > this.#scratch.length) this.#scratch = this.#makeScratch(2 * length);
    const out = this.#scratch;
    // The owner of the first record. The jitter is a hash (FNV-1a) of it and the type: the same on every server.
    let at = this.#prefixLength;
    let hash = 0x811c9dc5 ^ type;
    for (let i = 0; i < ownerLength; i++) {
      const b = owner[i] as number;
      out[at++] = b;
      hash = Math.imul(hash ^ b, 0x01000193);
    }
    out[0] = type >> 8;
    out[1] = type;
    // A leftmost `*` does not count (RFC 4034 §3.1.3), although nothing here is made from a wildcard.
    out[3] = owner[0] === 1 && owner[1] === 0x2a ? labelCount - 1 : labelCount;
    writeUint32(out, 4, originalTtl);
    // Unix seconds modulo 2^32 (RFC 4034 §3.1.5): stores below take the low 32 bits.
    writeUint32(out, 8, now + VALIDITY + (((hash ^ (hash >>> 15)) >>> 0) % JITTER));
    writeUint32(out, 12, now - BACKDATE);
    for (let i = 0; ; at += ownerLength) {
      const rdata = sorted[i] as Uint8Array;
      out[at] = type >> 8;
      out[at + 1] = type;
      out[at + 2] = 0;
      out[at + 3] = CLASS_IN;
      writeUint32(out, at + 4, originalTtl);
      out[at + 8] = rdata.length >> 8;
      out[at + 9] = rdata.length;
      at += RECORD_FIXED_LENGTH;
      out.set(rdata, at);
      at += rdata.length;
      if (++i === sorted.length) return length;
      out.copyWithin(at, this.#prefixLength, this.#prefixLength + ownerLength);
    }
  }

  /** Signs the first `length` bytes of the scratch buffer; RRSIG RDATA. */
  #sign(key: SigningKey, length: number): Uint8Array {
    // Not of Node's buffer pool: sending a part of it to another thread would send all of it.
    const out = new Uint8Array(this.rrsigLength);
    this.#signInto(key, length, out, 0);
    return out;
  }

  #signInto(key: SigningKey, length: number, out: Uint8Array, at: number): void {
    const prefixLength = this.#prefixLength;
    const data = this.#scratch;
    data[16] = key.keyTag >> 8;
    data[17] = key.keyTag;
    for (let i = 0; i < prefixLength; i++) out[at + i] = data[i] as number;
    const signed = data.subarray(0, length);
    if (this.algorithm === ALGORITHM.ED25519) out.set(sign(null, signed, key.privateKey), at + prefixLength);
    else writeRawSignature(sign("sha256", signed, key.privateKey), out, at + prefixLength);
  }

  #makeScratch(length: number): Uint8Array {
    const scratch = new Uint8Array(length);
    scratch[2] = this.algorithm;
    scratch.set(this.apex, RRSIG_FIXED_LENGTH);
    return scratch;
  }
}

/** The keys announce themselves, and one another. */
function isSignedByAll(type: number): boolean {
  return type === TYPE.DNSKEY || type === TYPE.CDS || type === TYPE.CDNSKEY;
}

/** Canonical order (RFC 4034 §6.3). The caller's array stays as it is. */
function sortRdatas(rdatas: readonly Uint8Array[]): readonly Uint8Array[] {
  if (rdatas.length === 0) throw new RangeError("no records to sign");
  const sorted = [...rdatas].sort(compareBytes);
  for (let i = 1; i < sorted.length; i++) {
    if (compareBytes(sorted[i - 1] as Uint8Array, sorted[i] as Uint8Array) === 0) {
      throw new RangeError("the same record twice");
    }
  }
  return sorted;
}

/** Writes the low 32 bits of a whole number below 2^53. */
function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

/**
 * The same key as an object of its own. One that came from another thread shares its state with the original, locks and
 * reference counts too.
 */
function ownCopy(key: KeyObject): KeyObject {
  return createPrivateKey({ key: key.export({ format: "der", type: "pkcs8" }), format: "der", type: "pkcs8" });
}
