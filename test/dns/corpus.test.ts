import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Asker } from "../../src/dns/asker.ts";
import { Cookies } from "../../src/dns/cookies.ts";
import { ALGORITHM, makeZoneKeys, ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { Responder } from "../../src/dns/responder.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { ELSEWHERE } from "../../src/dns/zone-data.ts";
import { encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { checkReply } from "./any-reply.ts";
import { makeData, NOW } from "./fake-zone.ts";
import { wire } from "./packet.ts";
import type { WireMessage } from "./validate.ts";

/**
 * Packets that other projects keep, and crafted ones with what knot 3.2.6, nsd 4.6.1 and named 9.18.49 reply to them. The
 * names of the crafted ones are rewritten, so that what stands there has about the size that it had for those servers.
 */

const { PROOFDNS_TESTDATA: folder } = process.env;
const skip = folder === undefined ? "PROOFDNS_TESTDATA is not set" : false;

interface Packet {
  readonly name: string;
  readonly hex: string;
  readonly kind: string;
  /** `NOERROR/AA/TC+opt/an1` by server, `-` for none. */
  readonly answers?: Readonly<Record<string, string>>;
}

function read(file: string): Packet[] {
  const path = `${folder}/dns-corpus/${file}`;
  assert.ok(existsSync(path), path);
  const packets = readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Packet);
  assert.ok(packets.length > 0, path);
  return packets;
}

const Z = "bench.test";
const APEX = wire(Z);
const zone = makeZone({
  apex: Z,
  nameServers: [{ name: `ns1.${Z}`, addresses: ["127.0.0.1"] }],
  hostmaster: `hostmaster.${Z}`,
});
const signer = new ZoneSigner(makeZoneKeys(Z, ALGORITHM.ECDSAP256SHA256, NOW));
const cookies = new Cookies([new Uint8Array(16).fill(7)]);

/** Bytes of payload at `r<n>.p1`, `m<n>.p1` and `b<n>.p1`, n = 0…999. */
const PAYLOAD_LENGTHS = { r: 40, m: 480, b: 1100 } as const;
const payloads = new Map(
  Object.entries(PAYLOAD_LENGTHS).flatMap(([letter, length]) =>
    Array.from({ length: 1000 }, (_, n): [string, Uint8Array] => {
      // Up to 255 bytes of text, as of a value; then a proof.
      const payload = new Uint8Array(length).fill(5).fill(0x76, 0, Math.min(length, 200));
      return [formatHex(sha256(encodeUtf8(`${letter}${n}`))), payload];
    }),
  ),
);
const plain = makeData();
const data = makeData({ moduleAnswer: (key) => payloads.get(formatHex(key)) ?? plain.moduleAnswer(key) });

const UNSIGNED = new Responder({ zone, cookies, cacheSize: 64 });
const SIGNED = new Responder({ zone, cookies, signer, cacheSize: 64 });
const SERVERS = [
  ["an unsigned zone", UNSIGNED],
  ["a signed zone", SIGNED],
] as const;
const BY_UDP: Asker = { transport: "udp", address: Uint8Array.of(192, 0, 2, 1) };
const BY_TCP: Asker = { transport: "tcp", address: BY_UDP.address, keepalive: 100 };

function ask(responder: Responder, bytes: Uint8Array, asker: Asker): WireMessage | undefined {
  const reply = responder.respond(bytes, asker, data, NOW);
  assert.ok(reply !== ELSEWHERE);
  return checkReply(bytes, reply, asker, APEX);
}

/** Puts the label of the log between `r1`, `m1` or `b1` and the zone's name, whole or cut, and leaves all else as it is. */
function rewrite(packet: Packet): Uint8Array {
  const name = /(02(?:[57]2|[46]d|[46]2)3[0-9])(05[46]2[46]5[46]e)/gi;
  const hex = packet.hex.replace(name, (whole, label, apex, at) => (at % 2 === 0 ? `${label}027031${apex}` : whole));
  return new Uint8Array(Buffer.from(hex, "hex"));
}

const RCODES: Readonly<Record<number, string>> = {
  0: "NOERROR",
  1: "FORMERR",
  2: "SERVFAIL",
  3: "NXDOMAIN",
  4: "NOTIMP",
  5: "REFUSED",
  16: "BADVERS",
};

/** A reply in the words of the corpus; signatures are not counted. */
function summarize(reply: WireMessage | undefined): string {
  if (reply === undefined) return "-";
  const { flags, rcode, records, opt } = reply;
  const answers = records.filter(({ section, type }) => section === "answer" && type !== 46).length;
  return [
    RCODES[rcode],
    (flags & 0x0400) === 0 ? "" : "/AA",
    (flags & 0x0200) === 0 ? "" : "/TC",
    opt === undefined ? "" : "+opt",
    answers === 0 ? "" : `/an${answers}`,
  ].join("");
}

/** What two of the three servers say; undefined if each says something else. One more answers everything: it is left out. */
function consensus(packet: Packet): string | undefined {
  const said = Object.entries(packet.answers ?? {}).flatMap(([server, words]) =>
    server.startsWith("naive") ? [] : words,
  );
  assert.equal(said.length, 3, packet.name);
  return said.find((words, i) => said.indexOf(words) !== i);
}

/** Where this server differs from the consensus, or where there is none: what it says, and why. */
const OWN_CHOICES: readonly (readonly [name: string, said: string, why: string])[] = [
  ["crafted-cookie-7", "FORMERR+opt", "as named, and as RFC 7873 §5.2.2 asks; the others ignore it"],
  ["crafted-cookie-12", "FORMERR+opt", "as with 7 bytes"],
  ["crafted-cookie-41", "FORMERR+opt", "as with 7 bytes"],
  ["crafted-type-41-opt-question", "FORMERR", "as named: OPT is no record that stands at a name (RFC 6895 §3.1)"],
  ["crafted-type-128-nxname", "FORMERR", "as named: RFC 9824 §3.5 asks for it, and is younger than the other two"],
  ["crafted-type-251-ixfr-udp", "REFUSED", "no consensus; as nsd, for there are no transfers, by either transport"],
  ["crafted-type-252-axfr-udp", "REFUSED", "as IXFR, and as by TCP: NOTIMP would say that the opcode is unknown"],
  ["crafted-opcode4-notify", "NOTIMP", "no consensus; there are no secondaries, and nobody has a reason to notify"],
  ["crafted-opcode5-update", "NOTIMP", "no consensus; as nsd: nothing of the zone can be updated"],
];

/** The same where the zone is signed; theirs was not. */
const SIGNED_CHOICES: typeof OWN_CHOICES = [
  ["crafted-type-47-nsec", "NOERROR/AA/an1", "in a signed zone every name that exists has an NSEC"],
];

describe("packets of other projects", () => {
  for (const file of ["crafted.jsonl", "third-party-queries.jsonl", "third-party-malformed.jsonl"]) {
    for (const [what, responder] of SERVERS) {
      it(`of ${file} are answered or dropped as they must be by ${what}, in time`, { skip }, () => {
        for (const packet of read(file)) {
          const bytes = new Uint8Array(Buffer.from(packet.hex, "hex"));
          for (const asker of [BY_UDP, BY_TCP]) {
            const start = performance.now();
            responder.respond(bytes, asker, data, NOW);
            const took = performance.now() - start;
            assert.ok(took < 50, `${packet.name}: ${took} ms`);
            try {
              ask(responder, bytes, asker);
            } catch (cause) {
              throw new Error(`${packet.name} by ${asker.transport}`, { cause });
            }
          }
        }
      });
    }
  }
});

describe("crafted packets", () => {
  for (const [what, responder] of SERVERS) {
    it(`are answered by ${what} as knot, nsd and named agree, but for what is argued here`, { skip }, () => {
      const differing: Record<string, string> = {};
      const choices = new Map(
        [...OWN_CHOICES, ...(responder === SIGNED ? SIGNED_CHOICES : [])].map(([name, said]) => [name, said]),
      );
      for (const packet of read("crafted.jsonl")) {
        const said = summarize(ask(responder, rewrite(packet), BY_UDP));
        // What is argued for must differ; else there is nothing to argue.
        if (said !== consensus(packet) || choices.has(packet.name)) differing[packet.name] = said;
        if (choices.has(packet.name)) assert.notEqual(said, consensus(packet), packet.name);
      }
      assert.deepEqual(differing, Object.fromEntries(choices));
    });

    it(`are answered by ${what} by TCP as by UDP, but never cut down`, { skip }, () => {
      for (const packet of read("crafted.jsonl")) {
        const bytes = rewrite(packet);
        const by = (asker: Asker): string => summarize(ask(responder, bytes, asker));
        assert.equal(by(BY_TCP), by(BY_UDP).replace(/\/TC(.*)$/, "$1/an1"), packet.name);
      }
    });
  }

  it("have the sizes that they were made for", { skip }, () => {
    const find = (name: string): Uint8Array => {
      const packet = read("crafted.jsonl").find((candidate) => candidate.name === name);
      assert.ok(packet !== undefined);
      return rewrite(packet);
    };
    const reply = (bytes: Uint8Array): Uint8Array => {
      const sent = UNSIGNED.respond(bytes, BY_TCP, data, NOW);
      assert.ok(sent instanceof Uint8Array);
      return sent;
    };
    const changed = read("crafted.jsonl").filter((packet) => rewrite(packet).length * 2 > packet.hex.length);
    assert.ok(changed.length >= 40, `${changed.length} packets ask for such names`);
    // 12 + question + 12 + RDATA: a string for the text, and others for the rest.
    assert.equal(reply(find("crafted-plain")).length, 12 + 22 + 12 + 41);
    assert.equal(reply(find("crafted-noedns-big-tc")).length, 12 + 22 + 12 + 1100 + 5);
  });
});
