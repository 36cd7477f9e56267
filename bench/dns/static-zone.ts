import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatName } from "../../src/dns/name.ts";
import type { Captured } from "./capture.ts";

/** A zone file for servers that know nothing of proofs, with the answers that ours gave. */
export interface StaticZone {
  readonly apex: string;
  readonly path: string;
  /** How the answers came to the size of ours. */
  readonly kind:
    | "as ours, without signatures"
    | "signed with dnssec-signzone"
    | "TXT padded by the size of a signature";
}

/** Pad strings have at most this many bytes. */
const MAX_STRING = 255;

/**
 * Writes a zone with the TXT records that were captured, in `folder`. If ours were signed it is signed with one P-256 key, and
 * where there is no `dnssec-signzone` the records are longer by what a signature takes.
 */
export function writeStaticZone(apex: string, captured: readonly Captured[], folder: string): StaticZone {
  const isSigned = captured.some(({ signatureBytes }) => signatureBytes > 0);
  const canSign = isSigned && spawnSync("dnssec-signzone", ["-V"]).status === 0;
  const lines = [
    `$ORIGIN ${apex}.`,
    "$TTL 300",
    "@ SOA ns1 hostmaster 1 3600 900 604800 300",
    "@ NS ns1",
    "ns1 A 127.0.0.1",
  ];
  for (const { name, rdata, signatureBytes } of captured) {
    const strings = presentStrings(rdata);
    if (isSigned && !canSign) strings.push(...padding(signatureBytes));
    lines.push(`${formatName(name).replace(/\.?$/, ".")} TXT ${strings.join(" ")}`);
  }
  const unsigned = join(folder, "static.zone");
  writeFileSync(unsigned, `${lines.join("\n")}\n`);
  if (!isSigned) return { apex, path: unsigned, kind: "as ours, without signatures" };
  if (!canSign) return { apex, path: unsigned, kind: "TXT padded by the size of a signature" };
  const path = join(folder, "signed.zone");
  run("dnssec-keygen", ["-q", "-K", folder, "-a", "ECDSAP256SHA256", "-f", "KSK", "-n", "ZONE", apex], folder);
  run("dnssec-signzone", ["-q", "-S", "-z", "-P", "-K", folder, "-o", apex, "-f", path, unsigned], folder);
  return { apex, path, kind: "signed with dnssec-signzone" };
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
}

/** The character-strings of a TXT in presentation format (RFC 1035 §5.1). */
function presentStrings(rdata: Uint8Array): string[] {
  const strings: string[] = [];
  for (let at = 0; at < rdata.length; ) {
    const end = at + 1 + (rdata[at] as number);
    let text = "";
    for (const byte of rdata.subarray(at + 1, end)) {
      const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c && byte !== 0x3b;
      text += isPlain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
    }
    strings.push(`"${text}"`);
    at = end;
  }
  return strings;
}

/** Strings that take `bytes` of RDATA. */
function padding(bytes: number): string[] {
  const strings: string[] = [];
  for (let left = bytes; left > 0; left -= MAX_STRING + 1) {
    strings.push(`"${"x".repeat(Math.min(left, MAX_STRING + 1) - 1)}"`);
  }
  return strings;
}
