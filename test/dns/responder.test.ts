import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeTxt, respond, respondFailure } from "../../src/dns/index.ts";
import { TYPE } from "../../src/dns/message.ts";
import type { MessageTransport } from "../../src/dns/reply.ts";
import { makeZone } from "../../src/dns/zone.ts";
import type { ZoneData } from "../../src/dns/zone-data.ts";
import { formatBase32 } from "../../src/vindex/base64.ts";
import { concatBytes, encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { EPOCH, makeData, makeTestZone, NOW, VALUES } from "./fake-zone.ts";
import { decode, type OptParts, opt, query, summarize } from "./packet.ts";

const zone = makeTestZone();
const Z = "l.example.org";

interface Asked {
  readonly type?: number;
  readonly edns?: OptParts | false;
  readonly transport?: MessageTransport;
  readonly data?: ZoneData;
}

function ask(name: string, asked: Asked = {}): ReturnType<typeof decode> {
  const { type = TYPE.TXT, edns = {}, transport = "tcp", data = makeData() } = asked;
  const bytes = query(name === "" ? Z : `${name}.${Z}`, type, edns);
  const reply = respond(bytes, transport, zone, data, NOW);
  assert.ok(reply);
  return decode(reply);
}

/** `NOERROR AA an1 86400` or `NOERROR AA ns1 5`: what is said, and for how long. */
function say(name: string, asked: Asked = {}): string {
  const d = ask(name, asked);
  const record = d.answers[0] ?? d.authorities[0];
  const names: Record<number, string> = { 0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED" };
  return [names[d.rcode], d.answers[0]?.type ?? "-", record?.ttl ?? "-"].join(" ");
}

function payload(name: string, asked: Asked = {}): Uint8Array {
  return concatBytes(...strings(name, asked));
}

/** The character-strings of the one TXT at a name. */
function strings(name: string, asked: Asked = {}): Uint8Array[] {
  const [record, ...rest] = ask(name, asked).answers;
  assert.equal(record?.type, "TXT");
  assert.deepEqual(rest, []);
  return record.data as Uint8Array[];
}

const key = (subject: string): string => formatHex(sha256(encodeUtf8(subject)));
const key32 = formatBase32(sha256(encodeUtf8("golang.org/x/mod")));

describe("answers", () => {
  it("to a module are its value as the first string, and the proof", () => {
    const d = ask("mod.x._.golang.org.p1");
    const [value, proof] = strings("mod.x._.golang.org.p1");
    assert.equal(String(value), VALUES.get("golang.org/x/mod"));
    assert.equal(proof?.[0], 0x05);
    assert.deepEqual([d.aa, d.rcode, d.authorities.length, d.additionals.length], [true, 0, 0, 0]);
    assert.equal(d.answers[0]?.name, `mod.x._.golang.org.p1.${Z}`);
  });

  it("to an absent module are a TXT, too, with an empty first string", () => {
    const [value, proof] = strings("absent._.golang.org.p1");
    assert.equal(value?.length, 0);
    assert.equal(proof?.[0], 0x06);
    assert.equal(say("absent._.golang.org.p1"), "NOERROR TXT 100");
  });

  it("to heads and log proofs have no empty first string", () => {
    for (const name of ["_head.p1", "e5._head.p1", "3.9._consistency.p1", "7.7._consistency.p1"]) {
      assert.notEqual(strings(name)[0]?.length, 0, name);
    }
  });

  const calls: [name: string, call: string][] = [
    ["mod.x._.golang.org.p1", `moduleAnswer ${key("golang.org/x/mod")}`],
    ["go4.org.p1", `moduleAnswer ${key("go4.org")}`],
    ["_4dox.mjl_2d._.github.com.p1", `moduleAnswer ${key("github.com/mjl-/Mox")}`],
    [`${key32}._k.p1`, `moduleAnswer ${key("golang.org/x/mod")}`],
    [`${key32.toUpperCase()}._K.P1`, `moduleAnswer ${key("golang.org/x/mod")}`],
    ["_toolchain.p1", `moduleAnswer ${key("toolchain")}`],
    ["yaml._.gopkg.in._majors.p1", `moduleAnswer ${key("gopkg.in/yaml.v*")}`],
    ["api._.k8s.io._majors.p1", `moduleAnswer ${key("k8s.io/api/v*")}`],
    ["go4.org._majors.p1", `moduleAnswer ${key("go4.org/v*")}`],
    ["mod.x._.golang.org._versions.p1", `versionsAnswer ${key("golang.org/x/mod")}`],
    [`${key32}._k._versions.p1`, `versionsAnswer ${key("golang.org/x/mod")}`],
    ["mod.x._.golang.org._p1._versions.p1", `versionsPage ${key("golang.org/x/mod")} 1`],
    [`${key32}._k._p0._versions.p1`, `versionsPage ${key("golang.org/x/mod")} 0`],
    ["_head.p1", "head 10"],
    ["s0._head.p1", "headSince 0 10"],
    ["s10._head.p1", "headSince 10 10"],
    ["e3._head.p1", "head 3"],
    ["s0.e3._head.p1", "headSince 0 3"],
    ["s3.e3._head.p1", "headSince 3 3"],
    ["t1799996400._head.p1", "headAt 1799996400"],
    ["t1800000000._head.p1", "headAt 1800000000"],
    ["1.10._consistency.p1", "consistency 1 10"],
    ["1.1000._sumdb.p1", "sumdbConsistency 1 1000"],
    ["0.1._record.p1", "recordProof 0 1"],
    ["999.1000._record.p1", "recordProof 999 1000"],
    ["toolchain.v0", "v0Text toolchain"],
  ];
  for (const [name, call] of calls) {
    it(`to ${name.slice(0, 40)} come from ${call.slice(0, 30)}`, () => {
      const data = makeData();
      assert.equal(say(name, { data }).slice(0, 11), "NOERROR TXT");
      assert.deepEqual(data.calls, [call]);
    });
  }

  it("are made only where they are asked", () => {
    for (const type of [TYPE.A, TYPE.NS, TYPE.SOA, 65_535, 0]) {
      const data = makeData();
      assert.equal(say("mod.x._.golang.org.p1", { data, type }), "NOERROR - 300");
      // Its TXT may be there soon: that it has no other type holds no longer than that it has no TXT.
      assert.equal(say("e99._head.p1", { data, type }), "NOERROR - 5");
      assert.deepEqual(data.calls, []);
    }
  });

  it("carry the payload whole, at any length that a record may have", () => {
    for (const length of [0, 1, 254, 255, 256, 64_500]) {
      const bytes = new Uint8Array(length).fill(3);
      assert.deepEqual(payload("_head.p1", { data: makeData({ head: () => bytes }) }), bytes);
    }
  });

  it("use the hash that is handed in", () => {
    const data = makeData();
    const asked: string[] = [];
    respond(query(`go4.org.p1.${Z}`), "udp", zone, data, NOW, (message) => {
      asked.push(Buffer.from(message).toString());
      return new Uint8Array(32);
    });
    assert.deepEqual(asked, ["go4.org"]);
    assert.deepEqual(data.calls, [`moduleAnswer ${"00".repeat(32)}`]);
  });
});

describe("times to live", () => {
  const table: [name: string, said: string][] = [
    ["mod.x._.golang.org.p1", "NOERROR TXT 100"],
    ["mod.x._.golang.org._versions.p1", "NOERROR TXT 100"],
    ["_toolchain.p1", "NOERROR TXT 100"],
    ["_head.p1", "NOERROR TXT 30"],
    ["s3._head.p1", "NOERROR TXT 30"],
    ["s10._head.p1", "NOERROR TXT 30"],
    ["s11._head.p1", "NOERROR - 5"],
    ["e0._head.p1", "NOERROR - 300"],
    ["e9._head.p1", "NOERROR TXT 86400"],
    ["e10._head.p1", "NOERROR TXT 30"],
    ["e11._head.p1", "NOERROR - 5"],
    ["s0.e0._head.p1", "NOERROR - 300"],
    ["s9.e9._head.p1", "NOERROR TXT 86400"],
    ["s9.e10._head.p1", "NOERROR TXT 30"],
    ["s9.e11._head.p1", "NOERROR - 5"],
    ["s9.e8._head.p1", "NOERROR - 300"],
    ["s12.e8._head.p1", "NOERROR - 300"],
    ["t1799996400._head.p1", "NOERROR TXT 86400"],
    ["t1800000000._head.p1", "NOERROR TXT 30"],
    ["t1800003600._head.p1", "NOERROR - 5"],
    ["t1800000001._head.p1", "NOERROR - 300"],
    ["t1799999999._head.p1", "NOERROR - 300"],
    ["t0._head.p1", "NOERROR - 300"],
    ["9.9._consistency.p1", "NOERROR TXT 86400"],
    ["9.10._consistency.p1", "NOERROR TXT 30"],
    ["9.11._consistency.p1", "NOERROR - 5"],
    ["0.9._consistency.p1", "NOERROR - 300"],
    ["9.8._consistency.p1", "NOERROR - 300"],
    ["12.11._consistency.p1", "NOERROR - 300"],
    ["1.900._sumdb.p1", "NOERROR TXT 86400"],
    ["1.901._sumdb.p1", "NOERROR TXT 30"],
    ["1.1000._sumdb.p1", "NOERROR TXT 30"],
    ["1.1001._sumdb.p1", "NOERROR - 5"],
    ["0.900._sumdb.p1", "NOERROR - 300"],
    ["901.900._sumdb.p1", "NOERROR - 300"],
    ["0.900._record.p1", "NOERROR TXT 86400"],
    ["0.901._record.p1", "NOERROR TXT 30"],
    ["0.1001._record.p1", "NOERROR - 5"],
    ["900.900._record.p1", "NOERROR - 300"],
    ["0.0._record.p1", "NOERROR - 300"],
    ["mod.x._.golang.org._p0._versions.p1", "NOERROR TXT 86400"],
    ["mod.x._.golang.org._p1._versions.p1", "NOERROR TXT 30"],
    ["mod.x._.golang.org._p2._versions.p1", "NOERROR - 5"],
    ["p1", "NOERROR - 300"],
    ["v0", "NOERROR - 300"],
    ["_.golang.org.p1", "NOERROR - 300"],
    ["_k.p1", "NOERROR - 300"],
    ["9._consistency.p1", "NOERROR - 300"],
    ["_nothing.p1", "NXDOMAIN - 300"],
    ["nothing", "NXDOMAIN - 300"],
    ["mox.mjl_2d._.github.com.v0", "NOERROR TXT 100"],
    ["toolchain.v0", "NOERROR TXT 100"],
    ["mjl_2d._.github.com.v0", "NOERROR - 100"],
    ["deep.mox.mjl_2d._.github.com.v0", "NOERROR - 100"],
    ["com.v0", "NOERROR - 100"],
    ["_.github.com.v0", "NOERROR - 100"],
    ["pseudo.only._.github.com.v0", "NOERROR - 100"],
    ["other._.github.com.v0", "NXDOMAIN - 100"],
    ["net.v0", "NXDOMAIN - 100"],
    ["x.toolchain.v0", "NXDOMAIN - 100"],
    ["mox.mjl-._.github.com.v0", "NXDOMAIN - 100"],
  ];
  for (const [name, said] of table) it(`${name}: ${said}`, () => assert.equal(say(name), said));

  it("of module answers end with the epoch, within 30 and 300 seconds", () => {
    for (const [next, ttl] of [
      [NOW - 1000, 30],
      [NOW, 30],
      [NOW + 31, 31],
      [NOW + 300, 300],
      [NOW + 9999, 300],
    ]) {
      assert.equal(say("go4.org.p1", { data: makeData({ nextEpochTime: next as number }) }), `NOERROR TXT ${ttl}`);
      assert.equal(say("net.v0", { data: makeData({ nextEpochTime: next as number }) }), `NXDOMAIN - ${ttl}`);
    }
  });

  it("of a server without record proofs are long: nothing is late", () => {
    const data = makeData({ hasRecordProofs: false });
    for (const name of ["0.900._record.p1", "0.5000._record.p1", "1.900._sumdb.p1", "1.5000._sumdb.p1"]) {
      assert.equal(say(name, { data }), "NOERROR - 300");
    }
  });
});

describe("v0", () => {
  it("is one string without a proof", () => {
    assert.deepEqual(strings("mox.mjl_2d._.github.com.v0").map(String), ["v=v0.0.15 t=6802a84d"]);
  });

  it("exists for every type alike", () => {
    for (const type of [TYPE.A, TYPE.NS, TYPE.TXT, TYPE.ANY, 64]) {
      assert.match(say("_.github.com.v0", { type }), /^NOERROR/);
      assert.match(say("other._.github.com.v0", { type }), /^NXDOMAIN/);
    }
  });

  it("has the name of the toolchain even without one", () => {
    const data = makeData({ v0Text: () => undefined });
    assert.equal(say("toolchain.v0", { data }), "NOERROR - 100");
  });

  it("takes no text from the index that is not one string of ASCII", () => {
    for (const text of ["a".repeat(256), "v=☺", "a\n"]) {
      assert.throws(() => ask("go4.org.v0", { data: makeData({ v0Text: () => text }) }), RangeError);
    }
  });
});

describe("the apex", () => {
  it("has a SOA with the epoch as serial", () => {
    const d = ask("", { type: TYPE.SOA });
    assert.deepEqual(d.answers[0]?.data, {
      mname: `ns1.${Z}`,
      rname: "host\\.master.example.org",
      serial: EPOCH,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: 300,
    });
    assert.equal(d.answers[0]?.ttl, 300);
    assert.equal(d.authorities.length, 0);
  });

  it("has its name servers, with the addresses of those in the zone", () => {
    const d = ask("", { type: TYPE.NS });
    assert.deepEqual(
      d.answers.map((r) => [r.name, r.data, r.ttl]),
      [
        [Z, `ns1.${Z}`, 3600],
        [Z, `a.ns.${Z}`, 3600],
        [Z, "ns.other.example", 3600],
      ],
    );
    assert.deepEqual(
      d.additionals.map((r) => [r.name, r.type, r.data, r.ttl]),
      [
        [`ns1.${Z}`, "A", "192.0.2.1", 3600],
        [`ns1.${Z}`, "AAAA", "2001:db8::1", 3600],
        [`a.ns.${Z}`, "A", "192.0.2.2", 3600],
      ],
    );
  });

  it("has no other type", () => {
    for (const type of [TYPE.A, TYPE.TXT, 43, 48]) assert.equal(say("", { type }), "NOERROR - 300");
  });

  it("leaves glue out rather than setting TC", () => {
    const addresses = Array.from({ length: 20 }, (_, i) => `2001:db8::${i + 1}`);
    const big = makeZone({
      apex: Z,
      nameServers: [{ name: `ns1.${Z}`, addresses }],
      hostmaster: "hostmaster.example.org",
    });
    const reply = respond(query(Z, TYPE.NS, false), "udp", big, makeData(), NOW);
    assert.equal(summarize(reply), "NOERROR AA an1");
    assert.deepEqual(reply && decode(reply).additionals, []);
  });

  it("has addresses if it is a name server itself", () => {
    const own = makeZone({
      apex: Z,
      nameServers: [{ name: Z, addresses: ["192.0.2.9"] }],
      hostmaster: "h.example.org",
    });
    const d = decode(respond(query(Z, TYPE.A), "udp", own, makeData(), NOW) ?? new Uint8Array(0));
    assert.deepEqual(
      d.answers.map((r) => [r.name, r.data]),
      [[Z, "192.0.2.9"]],
    );
  });

  it("works before the first epoch, as do its name servers, and nothing under the log does", () => {
    const data = makeData({ epoch: 0 });
    assert.equal(say("", { data, type: TYPE.SOA }), "NOERROR SOA 300");
    assert.equal(say("", { data, type: TYPE.NS }), "NOERROR NS 3600");
    assert.equal(say("ns1", { data, type: TYPE.A }), "NOERROR A 3600");
    assert.equal(say("p1", { data, type: TYPE.A }), "NOERROR - 300");
    assert.equal(say("nothing", { data }), "NXDOMAIN - 300");
    for (const name of ["_head.p1", "go4.org.p1", "_nothing.p1", "_.x.p1", "toolchain.v0", "com.v0"]) {
      for (const type of [TYPE.TXT, TYPE.A, TYPE.ANY]) assert.equal(say(name, { data, type }), "SERVFAIL - -", name);
    }
    assert.deepEqual(data.calls, []);
  });
});

describe("name servers", () => {
  it("have A and AAAA where they have addresses, and exist for all types", () => {
    assert.deepEqual(ask("ns1", { type: TYPE.A }).answers[0]?.data, "192.0.2.1");
    assert.deepEqual(ask("ns1", { type: TYPE.AAAA }).answers[0]?.data, "2001:db8::1");
    assert.equal(say("a.ns", { type: TYPE.A }), "NOERROR A 3600");
    assert.equal(say("a.ns", { type: TYPE.AAAA }), "NOERROR - 300");
    assert.equal(say("ns1", { type: TYPE.TXT }), "NOERROR - 300");
    assert.equal(say("ns", { type: TYPE.A }), "NOERROR - 300");
    assert.equal(say("x.ns1", { type: TYPE.A }), "NXDOMAIN - 300");
  });
});

describe("denials", () => {
  it("carry the SOA of the zone in the authority section", () => {
    for (const name of ["nothing", "p1", "_nothing.p1"]) {
      const d = ask(name);
      assert.equal(d.aa, true);
      assert.deepEqual(
        d.authorities.map((r) => [r.name, r.type]),
        [[Z, "SOA"]],
      );
      assert.equal(d.answers.length, 0);
    }
  });

  it("for names are the same for all types", () => {
    for (let type = 0; type < 300; type++) {
      if ([TYPE.OPT, TYPE.NXNAME, TYPE.TSIG, TYPE.IXFR, TYPE.AXFR].includes(type as never)) continue;
      assert.match(say("_nothing.p1", { type }), /^NXDOMAIN/);
      assert.match(say("_.golang.org.p1", { type }), /^NOERROR -/);
    }
  });
});

describe("type ANY", () => {
  it("is one HINFO wherever there is a record", () => {
    for (const name of ["", "ns1", "go4.org.p1", "_head.p1", "e3._head.p1", "toolchain.v0", "go4.org.v0"]) {
      const d = ask(name, { type: TYPE.ANY });
      assert.deepEqual(
        d.answers.map((r) => [r.type, r.ttl, r.data]),
        [["HINFO", 300, { cpu: "RFC8482", os: "" }]],
        name,
      );
    }
  });

  it("is a denial where there is none", () => {
    assert.equal(say("p1", { type: TYPE.ANY }), "NOERROR - 300");
    assert.equal(say("_k.p1", { type: TYPE.ANY }), "NOERROR - 300");
    assert.equal(say("e99._head.p1", { type: TYPE.ANY }), "NOERROR - 5");
    assert.equal(say("pseudo.only._.github.com.v0", { type: TYPE.ANY }), "NOERROR - 100");
    assert.equal(say("nothing", { type: TYPE.ANY }), "NXDOMAIN - 300");
  });
});

describe("failures", () => {
  const unavailable = (): never => {
    throw new ProofdnsError("STORE_UNUSABLE", "test");
  };

  it("that pass are SERVFAIL", () => {
    const data = makeData({ moduleAnswer: unavailable, v0Exists: unavailable });
    assert.equal(say("go4.org.p1", { data }), "SERVFAIL - -");
    assert.equal(say("go4.org.v0", { data }), "SERVFAIL - -");
    assert.equal(ask("go4.org.p1", { data }).aa, false);
    assert.notEqual(ask("go4.org.p1", { data }).opt, undefined);
    assert.equal(say("go4.org.p1", { data, type: TYPE.A }), "NOERROR - 300");
  });

  it("that do not pass are thrown on", () => {
    for (const error of [
      new RangeError("bug"),
      new ProofdnsError("BAD_PROOF", "bug"),
      new ProofdnsError("MALFORMED_LEAF", "bug"),
    ]) {
      const data = makeData({
        moduleAnswer: () => {
          throw error;
        },
      });
      assert.throws(() => ask("go4.org.p1", { data }), error);
    }
  });

  it("of a payload over 64,500 bytes are thrown on", () => {
    assert.throws(() => ask("_head.p1", { data: makeData({ head: () => new Uint8Array(65_001) }) }), RangeError);
  });

  it("of the server have a reply of their own, with the question of the query", () => {
    const bytes = query(`go4.org.p1.${Z}`);
    assert.equal(summarize(respondFailure(bytes)), "SERVFAIL +opt");
    assert.equal(respondFailure(new Uint8Array(11)), undefined);
    assert.equal(respondFailure(Uint8Array.of(0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0)), undefined);
  });
});

describe("sizes", () => {
  const fixed = (length: number): ZoneData => makeData({ head: () => new Uint8Array(length).fill(1) });
  const name = `_head.p1.${Z}`;
  const send = (length: number, edns: OptParts | false, transport: MessageTransport = "udp"): Uint8Array => {
    const reply = respond(query(name, TYPE.TXT, edns), transport, zone, fixed(length), NOW);
    assert.ok(reply);
    return reply;
  };
  /** Length of the longest reply that is not truncated. */
  const largest = (edns: OptParts | false): number => {
    let best = 0;
    for (let length = 300; length < 1400; length++) {
      const reply = send(length, edns);
      if (!decode(reply).tc) best = Math.max(best, reply.length);
    }
    return best;
  };

  it("are up to 512 bytes by UDP without OPT, or with one that offers less", () => {
    assert.equal(largest(false), 512);
    assert.equal(largest({ size: 0 }), 512);
    assert.equal(largest({ size: 511 }), 512);
    assert.equal(largest({ size: 512 }), 512);
  });

  it("are up to what is offered, and never over 1,232 bytes", () => {
    assert.equal(largest({ size: 700 }), 700);
    assert.equal(largest({ size: 1232 }), 1232);
    assert.equal(largest({ size: 4096 }), 1232);
    assert.equal(largest({ size: 65_535 }), 1232);
  });

  it("beyond are a question and an OPT, with TC and AA and no records", () => {
    const reply = send(2000, {});
    assert.equal(summarize(reply), "NOERROR AA TC +opt");
    assert.equal(reply.length, 12 + name.length + 2 + 4 + opt().length);
    assert.equal(summarize(send(2000, false)), "NOERROR AA TC");
  });

  it("do not matter by TCP", () => {
    const reply = send(64_500, false, "tcp");
    assert.equal(summarize(reply), "NOERROR AA an1");
    assert.ok(reply.length > 64_500 && reply.length <= 65_535);
  });

  it("of the longest payload fit a message with the longest name", () => {
    const long = `${["a".repeat(63), "b".repeat(63), "c".repeat(60)].join(".")}._.${"d".repeat(41)}.org`;
    const data = makeData({ moduleAnswer: () => new Uint8Array(64_500).fill(6) });
    const bytes = query(`${long}.p1.${Z}`, TYPE.TXT);
    assert.equal(bytes.length, 12 + 255 + 4 + 11);
    const reply = respond(bytes, "tcp", zone, data, NOW);
    assert.ok(reply !== undefined && reply.length > 64_500 && reply.length <= 65_535);
    assert.equal(summarize(reply).split(" ")[0], "NOERROR");
    assert.equal(summarize(respond(bytes, "udp", zone, data, NOW)), "NOERROR AA TC +opt");
  });

  it("leave room for a denial at the longest name", () => {
    const long = `${["a".repeat(63), "b".repeat(63), "c".repeat(63)].join(".")}.${"d".repeat(47)}`;
    const bytes = query(`${long}.${Z}`, TYPE.TXT, false);
    assert.equal(bytes.length, 12 + 255 + 4);
    assert.equal(summarize(respond(bytes, "udp", zone, makeData(), NOW)), "NXDOMAIN AA ns1");
  });
});

it("a reply is written with pointers that other implementations follow", () => {
  const reply = respond(query(`GO4.org.P1.${Z}`), "tcp", zone, makeData(), NOW);
  assert.ok(reply);
  const end = 12 + `go4.org.p1.${Z}`.length + 2 + 4;
  assert.deepEqual([...reply.subarray(end, end + 2)], [0xc0, 0x0c]);
  const d = decode(reply);
  assert.equal(d.answers[0]?.name, `GO4.org.P1.${Z}`);
  assert.ok(decodeTxt(reply.subarray(end + 12, reply.length - 11)));
});
