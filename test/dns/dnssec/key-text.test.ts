import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { ALGORITHM, type Algorithm } from "../../../src/dns/dnssec/algorithm.ts";
import {
  formatKeyFile,
  formatKeyState,
  type KeyFile,
  type KeyState,
  parseKeyFile,
  parseKeyState,
} from "../../../src/dns/dnssec/key-text.ts";
import { makeZoneKey } from "../../../src/dns/dnssec/zone-keys.ts";

const ZONE = "l.example.org";

function keyFile(algorithm: Algorithm): KeyFile {
  const { keyTag, privateKey } = makeZoneKey(algorithm, "active", 0);
  return { zone: ZONE, algorithm, keyTag, privateKey };
}

for (const algorithm of [ALGORITHM.ECDSAP256SHA256, ALGORITHM.ED25519]) {
  describe(`a key file of algorithm ${algorithm}`, () => {
    const key = keyFile(algorithm);
    const text = formatKeyFile(key);
    const body = text.slice(text.indexOf("KEY-----\n") + 9, text.indexOf("\n-----END"));
    const refused = (changed: string, what: string): void => {
      assert.notEqual(changed, text, what);
      const why = parseKeyFile(changed);
      assert.equal(typeof why, "string", what);
      assert.ok(!String(why).includes(body.slice(0, 20)) && !String(why).includes("\n"), what);
    };

    it("is read as it was written", () => {
      const read = parseKeyFile(text);
      assert.ok(typeof read !== "string", String(read));
      assert.deepEqual([read.zone, read.algorithm, read.keyTag], [key.zone, key.algorithm, key.keyTag]);
      assert.ok(read.privateKey.equals(key.privateKey));
      assert.equal(formatKeyFile(read), text);
    });

    it("is a PEM file for others, and says what it is of", () => {
      assert.ok(createPrivateKey(text).equals(key.privateKey));
      assert.ok(text.startsWith(`zone: ${ZONE}\nalgorithm: ${algorithm}\nkey tag: ${key.keyTag}\n-----BEGIN`));
    });

    it("is refused after any change of one character of the key", () => {
      const from = text.indexOf(body);
      for (let i = from; i < from + body.length; i++) {
        for (const c of ["A", "/", "\n", " ", "="]) {
          if (text[i] !== c) refused(text.slice(0, i) + c + text.slice(i + 1), `${i}: ${c}`);
        }
      }
    });

    it("is refused when it is cut off, anywhere", () => {
      for (let length = 0; length < text.length; length++) refused(text.slice(0, length), String(length));
    });

    const changes: Record<string, string> = {
      "another algorithm": text.replace(/algorithm: \d+/, `algorithm: ${algorithm === 13 ? 15 : 13}`),
      "an unknown algorithm": text.replace(/algorithm: \d+/, "algorithm: 8"),
      "an algorithm with a zero in front": text.replace("algorithm: ", "algorithm: 0"),
      "another key tag": text.replace(/key tag: \d+/, `key tag: ${key.keyTag ^ 1}`),
      "a key tag with a zero in front": text.replace("key tag: ", "key tag: 0"),
      "no zone": text.replace(`zone: ${ZONE}`, "zone: "),
      "no header": text.slice(text.indexOf("-----BEGIN")),
      "a line more in the header": `x: y\n${text}`,
      "a blank line": text.replace("-----BEGIN", "\n-----BEGIN"),
      CRLF: text.replaceAll("\n", "\r\n"),
      "text behind it": `${text}x`,
      "a line feed behind it": `${text}\n`,
      "two keys": text + text.slice(text.indexOf("-----BEGIN")),
      "the key in one line, if it has more, or in two": text.replace(
        body,
        body.includes("\n") ? body.replaceAll("\n", "") : body.replace("M", "M\n"),
      ),
      "an encrypted key": text.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
      nothing: "",
    };
    for (const [what, changed] of Object.entries(changes)) it(`is refused with ${what}`, () => refused(changed, what));

    it("holds the key as OpenSSL writes it", () => {
      assert.ok(text.endsWith(`\n${key.privateKey.export({ format: "pem", type: "pkcs8" })}`));
    });

    it("is refused with a key of another kind", () => {
      for (const { privateKey } of [
        generateKeyPairSync("rsa", { modulusLength: 2048 }),
        generateKeyPairSync("ec", { namedCurve: "P-384" }),
        generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
        generateKeyPairSync("ed448"),
        generateKeyPairSync("x25519"),
        { privateKey: keyFile(algorithm === 13 ? 15 : 13).privateKey },
      ]) {
        const pem = privateKey.export({ format: "pem", type: "pkcs8" });
        refused(text.slice(0, text.indexOf("-----BEGIN")) + pem, privateKey.asymmetricKeyType ?? "");
      }
    });
  });
}

describe("a key file of P-256", () => {
  it("whose public key is another one's is refused", () => {
    const [a, b] = [keyFile(13), keyFile(13)];
    const [der, other] = [a, b].map(({ privateKey }) => privateKey.export({ format: "der", type: "pkcs8" })) as [
      Buffer,
      Buffer,
    ];
    // The public point is the last 64 bytes. The header gets the tag of what is now the public key.
    const mixed = Buffer.concat([der.subarray(0, -64), other.subarray(-64)]);
    const lines = mixed.toString("base64").match(/.{1,64}/g) ?? [];
    const text = `zone: ${ZONE}\nalgorithm: 13\nkey tag: ${b.keyTag}\n-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
    assert.equal(parseKeyFile(text), "its private key is not that of its public key");
  });
});

describe("a key file of P-256", () => {
  it("with a public key that is no point of the curve, or a private key out of range, is refused", () => {
    const key = keyFile(13);
    const der = key.privateKey.export({ format: "der", type: "pkcs8" });
    const head = formatKeyFile(key).split("-----BEGIN")[0];
    for (const [from, to, byte] of [
      [74, 138, 0],
      [74, 138, 0xff],
      [36, 68, 0],
      [36, 68, 0xff],
    ] as const) {
      const lines =
        Buffer.from(der)
          .fill(byte, from, to)
          .toString("base64")
          .match(/.{1,64}/g) ?? [];
      const why = parseKeyFile(`${head}-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`);
      assert.match(String(why), /^its private key is not/, `${from}: ${byte}`);
    }
  });
});

describe("keys.json", () => {
  const one: KeyState = {
    zone: ZONE,
    algorithm: 13,
    keys: [{ keyTag: 12_345, phase: "active", since: 1_790_000_000 }],
  };
  const two: KeyState = { ...one, keys: [...one.keys, { keyTag: 0, phase: "published", since: 0 }] };
  const text = formatKeyState(two);

  it("is read as it was written", () => {
    for (const state of [one, two, { ...one, algorithm: 15 as const }, { ...one, zone: "a_b.x-y.example" }]) {
      assert.deepEqual(parseKeyState(formatKeyState(state)), state);
    }
  });

  it("is refused when it is cut off, anywhere, or goes on", () => {
    for (let length = 0; length < text.length; length++) {
      assert.equal(typeof parseKeyState(text.slice(0, length)), "string", String(length));
    }
    assert.equal(typeof parseKeyState(`${text}\n`), "string");
  });

  const key = { keyTag: 1, phase: "active", since: 0 };
  const bad: Record<string, unknown> = {
    null: null,
    "a number": 5,
    "an array": [],
    "no format": { zone: ZONE, algorithm: 13, keys: [key] },
    "another format": { format: "proofdns-dnssec-keys/2", zone: ZONE, algorithm: 13, keys: [key] },
    ...Object.fromEntries(
      Object.entries({
        "no zone": { zone: undefined },
        "an empty zone": { zone: "" },
        "a zone in upper case": { zone: "L.example.org" },
        "a zone with a final dot": { zone: "l.example.org." },
        "a zone that is no name": { zone: "a..b" },
        "an unknown algorithm": { algorithm: 8 },
        "an algorithm as text": { algorithm: "13" },
        "no keys": { keys: [] },
        "keys that are no list": { keys: key },
        "a key that is null": { keys: [key, null] },
        "no active key": { keys: [{ ...key, phase: "published" }] },
        "two active keys": { keys: [key, { ...key, keyTag: 2 }] },
        "three keys": { keys: [key, { ...key, keyTag: 2, phase: "retired" }, { ...key, keyTag: 3, phase: "retired" }] },
        "one key twice": { keys: [key, { ...key, phase: "retired" }] },
        "an unknown phase": { keys: [{ ...key, phase: "revoked" }] },
        "a phase from the prototype": { keys: [{ ...key, phase: "constructor" }] },
        "a key tag of 17 bits": { keys: [{ ...key, keyTag: 65_536 }] },
        "a negative key tag": { keys: [{ ...key, keyTag: -1 }] },
        "a broken key tag": { keys: [{ ...key, keyTag: 1.5 }] },
        "a key tag as text": { keys: [{ ...key, keyTag: "1" }] },
        "no time": { keys: [{ ...key, since: null }] },
        "a negative time": { keys: [{ ...key, since: -1 }] },
        "a broken time": { keys: [{ ...key, since: 0.5 }] },
        "a time that no date has": { keys: [{ ...key, since: 1e15 }] },
        "a field more": { more: 1 },
        "a field more in a key": { keys: [{ ...key, more: 1 }] },
      }).map(([what, change]) => [
        what,
        { format: "proofdns-dnssec-keys/1", zone: ZONE, algorithm: 13, keys: [key], ...change },
      ]),
    ),
  };
  for (const [what, json] of Object.entries(bad)) {
    it(`is refused with ${what}`, () => {
      const why = parseKeyState(`${JSON.stringify(json, undefined, 2)}\n`);
      assert.equal(typeof why, "string");
    });
  }

  it("is refused in another form than it is written in", () => {
    assert.equal(typeof parseKeyState(JSON.stringify(JSON.parse(text))), "string");
    assert.equal(typeof parseKeyState(text.replaceAll("\n", "\r\n")), "string");
    assert.equal(typeof parseKeyState(text.replace('"zone"', '"zone": "other.example",\n  "zone"')), "string");
    assert.equal(typeof parseKeyState(text.replace("12345", "1.2345e4")), "string");
  });
});
