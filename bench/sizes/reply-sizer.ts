import { Cookies } from "../../src/dns/cookies.ts";
import { ALGORITHM, makeZoneKeys, ZoneSigner } from "../../src/dns/dnssec/index.ts";
import type { WireName } from "../../src/dns/name.ts";
import { Responder } from "../../src/dns/responder.ts";
import { encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { ELSEWHERE, type ZoneData } from "../../src/dns/zone-data.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { SUMDB_SIZE } from "./corpus.ts";

/** The zone that all names stand under; sizes grow with the length of its name. */
export const ZONE = "l.example.org";

/** What a reply carries beside its record. */
export interface Variant {
  /** DO is set: an RRSIG by a P-256 key (an Ed25519 one is as long). */
  readonly rrsig: boolean;
  /** The query has a client cookie: a COOKIE option of 24 bytes. */
  readonly cookie: boolean;
}

const NOW = 1_790_000_000;
/** Later than every epoch that is asked for. */
const EPOCH = 10_000_000;

/**
 * Sizes of DNS messages, taken from the server's own responder: it is asked for a name, gets the payload from here, and what
 * it answers by TCP is measured, without the two bytes before it. By UDP it is the same message where it fits.
 */
export class ReplySizer {
  readonly #responder: Responder;
  #payload: Uint8Array = new Uint8Array(0);
  readonly #data: ZoneData;

  constructor() {
    const zone = makeZone({ apex: ZONE, nameServers: [{ name: `ns1.${ZONE}` }], hostmaster: `hostmaster.${ZONE}` });
    const signer = new ZoneSigner(makeZoneKeys(ZONE, ALGORITHM.ECDSAP256SHA256, NOW));
    const cookies = new Cookies([new Uint8Array(16)]);
    this.#responder = new Responder({ zone, signer, cookies, sha256: nodeSha256 });
    const payload = (): Uint8Array => this.#payload;
    this.#data = {
      epoch: EPOCH,
      headVersion: 1,
      sumdbSize: 2 * SUMDB_SIZE,
      previousSumdbSize: SUMDB_SIZE,
      nextEpochTime: NOW + 600,
      hasRecordProofs: true,
      moduleAnswer: payload,
      versionsAnswer: payload,
      versionsPage: () => ({ payload: this.#payload, full: true }),
      head: payload,
      headSince: payload,
      headAt: () => ({ payload: this.#payload, epoch: 1 }),
      consistency: payload,
      sumdbConsistency: payload,
      recordProof: payload,
      v0Text: () => undefined,
      v0Exists: () => false,
    };
  }

  /** Bytes of the reply to a TXT query for `name` with this payload. @throws Error if the reply holds no such answer */
  size(name: WireName, payload: Uint8Array, { rrsig, cookie }: Variant): number {
    this.#payload = payload;
    const query = makeQuery(name, rrsig, cookie);
    const asker = { transport: "tcp", address: new Uint8Array(4) } as const;
    const reply = this.#responder.respond(query, asker, this.#data, NOW);
    // Byte 3 holds the code, 6 and 7 the number of records of the answer.
    if (reply === undefined || reply === ELSEWHERE || (reply[3] as number) % 16 !== 0 || reply[7] !== (rrsig ? 2 : 1)) {
      throw new Error("the responder did not answer the name that was asked");
    }
    return reply.length;
  }
}

function makeQuery(name: WireName, rrsig: boolean, cookie: boolean): Uint8Array {
  const query = encodeTxtQuery(name, 1);
  // The OPT stands last: the DO bit is the first of its flags, four bytes before its end.
  if (rrsig) query[query.length - 4] = 0x80;
  if (!cookie) return query;
  query[query.length - 1] = 12;
  return concatBytes(query, Uint8Array.of(0, 10, 0, 8), new Uint8Array(8).fill(7));
}
