import { verifyRrsig, ZoneSigner } from "../dns/dnssec/index.ts";
import { CLASS_IN, EDNS_DO, FLAG, QNAME_OFFSET, readUint16, skipOwner, TYPE } from "../dns/message.ts";
import { foldByte } from "../dns/name.ts";
import { Responder } from "../dns/responder.ts";
import { ELSEWHERE } from "../dns/zone-data.ts";
import { concatBytes } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { NOTHING_YET } from "./nothing-yet.ts";
import type { ResponderConfig } from "./responder-config.ts";

/** Serial and four timers of an SOA. */
const SOA_NUMBERS = 20;

/**
 * Checks that what is served validates: signs with each key, and verifies a whole answer, the zone's SOA, as a validator that
 * has it from the wire would. Nothing is checked for an unsigned zone.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if a signature does not verify
 */
export function checkSigning({ zone, keys }: ResponderConfig, now: number): void {
  if (keys === undefined) return;
  const signer = new ZoneSigner(keys);
  signer.selfCheck(now);
  const apex = zone.apex.wire;
  const reply = new Responder({ zone, signer }).respond(
    encodeSoaQuery(apex),
    { transport: "tcp", address: new Uint8Array(4) },
    NOTHING_YET,
    now,
  );
  try {
    if (reply === undefined || reply === ELSEWHERE) throw new TypeError("there is no reply");
    const soa = readRecord(reply, QNAME_OFFSET + apex.length + 4, TYPE.SOA);
    const rrsig = readRecord(reply, soa.end, TYPE.RRSIG);
    const mname = expandName(reply, soa.rdata);
    const rname = expandName(reply, mname.end);
    const rdata = concatBytes(mname.wire, rname.wire, reply.subarray(rname.end, rname.end + SOA_NUMBERS));
    const signature = reply.slice(rrsig.rdata, rrsig.end);
    verifyRrsig({ owner: apex, type: TYPE.SOA, rdatas: [rdata] }, signature, apex, signer.dnskeyRdatas, now);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProofdnsError("KEY_UNUSABLE", `the zone's own SOA does not verify as it would be served: ${why}`, {
      cause,
    });
  }
}

function encodeSoaQuery(apex: Uint8Array): Uint8Array {
  const header = Uint8Array.of(0, 1, FLAG.RD >> 8, 0, 0, 1, 0, 0, 0, 0, 0, 1);
  const opt = Uint8Array.of(0, 0, TYPE.OPT, 4, 208, 0, 0, EDNS_DO >> 8, 0, 0, 0);
  return concatBytes(header, apex, Uint8Array.of(0, TYPE.SOA, 0, CLASS_IN), opt);
}

function readRecord(message: Uint8Array, at: number, type: number): { rdata: number; end: number } {
  const fixed = skipOwner(message, at);
  if (fixed === undefined || readUint16(message, fixed) !== type) throw new TypeError(`no record of type ${type}`);
  const rdata = fixed + 10;
  return { rdata, end: rdata + readUint16(message, fixed + 8) };
}

/** The name at `at`, without compression and in lower case, as it is signed; `end` is where the next field begins. */
function expandName(message: Uint8Array, at: number): { wire: Uint8Array; end: number } {
  const bytes: number[] = [];
  let end: number | undefined;
  let from = at;
  for (;;) {
    const length = message[from];
    if (length === undefined || bytes.length > 255) throw new TypeError("a name that does not end");
    if (length >= 0xc0) {
      end ??= from + 2;
      from = readUint16(message, from) & 0x3fff;
      continue;
    }
    bytes.push(length);
    for (let i = 1; i <= length; i++) bytes.push(foldByte(message[from + i] as number));
    from += 1 + length;
    if (length === 0) return { wire: Uint8Array.from(bytes), end: end ?? from };
  }
}
