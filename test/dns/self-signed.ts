import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { TlsFiles } from "../../src/dns/doh/tls-files.ts";

/** DER: one element. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length];
  return Buffer.concat([Uint8Array.of(tag, ...length), body]);
}

const oid = (...bytes: number[]): Buffer => der(6, Uint8Array.from(bytes));
const utcTime = (time: Date): Buffer =>
  der(0x17, Buffer.from(`${time.toISOString().replace(/\D/g, "").slice(2, 14)}Z`));
const pem = (what: string, bytes: Uint8Array): string =>
  `-----BEGIN ${what}-----\n${Buffer.from(bytes)
    .toString("base64")
    .replace(/.{64}/g, "$&\n")
    .trimEnd()}\n-----END ${what}-----\n`;

/**
 * Makes a certificate that signs itself, for `localhost` and 127.0.0.1, valid for a day on each side of now. `spkiHash` is what a browser can be told
 * to trust: base64 of the SHA-256 of its public key.
 */
export function makeCertificate(): TlsFiles & { readonly spkiHash: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const ecdsaSha256 = der(0x30, oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const name = der(0x30, der(0x31, der(0x30, oid(0x55, 4, 3), der(0x0c, Buffer.from("localhost")))));
  const day = 86_400_000;
  const names = der(0x30, der(0x82, Buffer.from("localhost")), der(0x87, Uint8Array.of(127, 0, 0, 1)));
  const extensions = der(0xa3, der(0x30, der(0x30, oid(0x55, 0x1d, 0x11), der(4, names))));
  const serial = randomBytes(8);
  serial[0] = 1;
  const body = der(
    0x30,
    der(0xa0, der(2, Uint8Array.of(2))),
    der(2, serial),
    ecdsaSha256,
    name,
    der(0x30, utcTime(new Date(Date.now() - day)), utcTime(new Date(Date.now() + day))),
    name,
    spki,
    extensions,
  );
  const signature = sign("sha256", body, privateKey);
  return {
    cert: pem("CERTIFICATE", der(0x30, body, ecdsaSha256, der(3, Uint8Array.of(0), signature))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    spkiHash: createHash("sha256").update(spki).digest("base64"),
  };
}
