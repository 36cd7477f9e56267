import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeNsecRdata, successorName } from "../../../src/dns/dnssec/nsec.ts";
import { TYPE } from "../../../src/dns/message.ts";
import { countLabelsBelow, parseName, scanName } from "../../../src/dns/name.ts";
import { concatBytes } from "../../../src/vindex/bytes.ts";
import { codecs, framed, sortKey, wire } from "./wire.ts";

const APEX = parseName("l.example.org");

/** A name of labels of bytes in front of the apex. */
const nameOf = (...labels: readonly Uint8Array[]): Uint8Array =>
  concatBytes(...labels.flatMap((label) => [Uint8Array.of(label.length), label]), APEX);
const label = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
const bitmap = (types: readonly number[]): Uint8Array =>
  encodeNsecRdata(APEX, types, APEX.length).slice(2 + APEX.length);
const successor = (owner: Uint8Array): Uint8Array => successorName(owner, APEX.length);

/** Bytes at the edges of what is skipped, carried or compared without case. */
const EDGES = [0x00, 0x01, 0x40, 0x5b, 0x60, 0x61, 0x7a, 0x7b, 0xfe, 0xff];
const lowerByte = fc
  .oneof(fc.constantFrom(...EDGES), fc.nat(255))
  .map((byte) => (byte >= 0x41 && byte <= 0x5a ? 0x40 : byte));

/** Names of exactly `length` bytes below the apex, with labels of any division, the leftmost ones often of 63 bytes. */
function names(length: number): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(
      fc.array(fc.oneof(fc.constantFrom(1, 62, 63), fc.integer({ min: 1, max: 63 })), {
        minLength: 130,
        maxLength: 130,
      }),
      fc.oneof(
        lowerByte.map((byte) => [byte]),
        fc.constant([0xff]),
        fc.array(lowerByte, { minLength: 1, maxLength: 200 }),
      ),
      fc.boolean(),
    )
    .map(([sizes, fill, fromLeft]) => {
      const labels: number[] = [];
      let rest = length - APEX.length;
      for (const size of sizes) {
        if (rest < 2) break;
        // A label takes at least two bytes: one byte must not be left over.
        let take = Math.min(size, rest - 1);
        if (rest - 1 - take === 1) take = take === 1 ? (rest > 64 ? 1 : take + 1) : take - 1;
        if (take > 63 || rest - 1 - take === 1) break;
        labels.push(take);
        rest -= 1 + take;
      }
      let at = 0;
      const parts = labels.map((size) => Uint8Array.from({ length: size }, () => fill[at++ % fill.length] as number));
      return nameOf(...(fromLeft ? parts : parts.reverse()));
    });
}

/** Checks a successor by the definition alone; `near` are names that could lie between. */
function assertSuccessor(owner: Uint8Array, next: Uint8Array, near: readonly Uint8Array[]): void {
  const scanned = scanName(next, 0);
  assert.ok(scanned !== undefined && scanned.end === next.length, "a whole name of at most 255 bytes");
  assert.notEqual(countLabelsBelow(next, scanned, APEX), undefined, "in the zone");
  assert.ok(!next.some((byte) => byte >= 0x41 && byte <= 0x5a), "in lower case");
  const isLast = next.length === APEX.length;
  const from = sortKey(owner);
  const to = sortKey(next);
  if (!isLast) assert.ok(from < to, "behind the owner");
  for (const other of near) {
    const key = sortKey(other);
    if (key <= from) continue;
    assert.ok(!isLast && key >= to, `${Buffer.from(other).toString("hex")} lies between`);
  }
}

/**
 * Names around a name: with labels in front, with bytes behind a label's end, with a byte changed, with labels left
 * out.
 */
function neighbours(owner: Uint8Array, seeds: readonly number[]): Uint8Array[] {
  const offsets = (scanName(owner, 0)?.labelOffsets ?? []).filter((at) => at < owner.length - APEX.length);
  const out: Uint8Array[] = [];
  // The successor differs in the leftmost labels; of many, some others stand for the rest.
  const looked = offsets.filter((_, i) => i < 4 || i === offsets.length - 1);
  for (const at of [...looked, owner.length - APEX.length]) {
    const rest = owner.subarray(at);
    out.push(rest);
    for (const byte of [0, 1, ...seeds, 0xff]) {
      out.push(concatBytes(Uint8Array.of(1, byte), rest), concatBytes(Uint8Array.of(2, byte, 0), rest));
      if (at === owner.length - APEX.length) continue;
      const size = rest[0] as number;
      const body = rest.subarray(1, 1 + size);
      const tail = rest.subarray(1 + size);
      out.push(concatBytes(Uint8Array.of(size + 1), body, Uint8Array.of(byte), tail));
      for (const i of [0, size >> 1, size - 1]) {
        const changed = body.slice();
        changed[i] = byte;
        out.push(concatBytes(Uint8Array.of(size), changed, tail));
        out.push(concatBytes(Uint8Array.of(i + 1), changed.subarray(0, i + 1), tail));
        const up = body.slice();
        up[i] = Math.min(255, (up[i] as number) + 1);
        out.push(concatBytes(Uint8Array.of(i + 1), up.subarray(0, i + 1), tail));
      }
    }
  }
  return out.filter((name) => {
    const scanned = scanName(name, 0);
    return scanned?.end === name.length && !name.some((byte) => byte >= 0x41 && byte <= 0x5a);
  });
}

describe("the successor of a name", () => {
  it("is looked for in the canonical order of RFC 4034 §6.1, by its example", () => {
    const order = [
      "example",
      "a.example",
      "yljkjljk.a.example",
      "Z.a.example",
      "zABC.a.EXAMPLE",
      "z.example",
      "\\001.z.example",
      "*.z.example",
      "\\200.z.example",
    ];
    const keys = order.map((name) => sortKey(wire(name)));
    assert.deepEqual(keys, [...keys].sort());
    assert.equal(new Set(keys).size, keys.length);
  });

  it("is \\000 in front of it while that fits", () => {
    assert.deepEqual(successor(wire("a.l.example.org")), wire("\\000.a.l.example.org"));
    assert.deepEqual(successor(APEX), wire("\\000.l.example.org"));
    const longest = nameOf(label(63, 0x61), label(63, 0x61), label(63, 0x61), label(253 - 192 - 1 - APEX.length, 0x61));
    assert.equal(longest.length, 253);
    assert.deepEqual(successor(longest), concatBytes(Uint8Array.of(1, 0), longest));
  });

  it("of 254 bytes is \\000 at the end of the first label with room", () => {
    const short = nameOf(
      label(3, 0x61),
      label(63, 0x62),
      label(63, 0x63),
      label(254 - 132 - 1 - APEX.length - 46, 1),
      label(45, 0),
    );
    assert.equal(short.length, 254);
    assert.deepEqual(successor(short).subarray(0, 6), Uint8Array.of(4, 0x61, 0x61, 0x61, 0, 63));
    assert.equal(successor(short).length, 255);
  });

  it("of 254 bytes with a full first label is that label incremented", () => {
    const full = nameOf(label(63, 0x61), label(63, 0xff), label(63, 0x63), label(254 - 192 - 1 - APEX.length, 1));
    assert.equal(full.length, 254);
    const next = successor(full);
    assert.deepEqual(next, concatBytes(full.subarray(0, 63), Uint8Array.of(0x62), full.subarray(64)));
  });

  it("never becomes an upper-case letter", () => {
    const name = nameOf(label(63, 0x40), label(63, 0x61), label(63, 0x61), label(255 - 192 - 1 - APEX.length, 0x61));
    assert.equal(name.length, 255);
    assert.equal(successor(name)[63], 0x5b);
  });

  it("drops the bytes 0xFF at the end of a label, and the label if there is nothing else", () => {
    const rest = [label(63, 0x61), label(63, 0x61), label(255 - 192 - 1 - APEX.length, 0x61)];
    const mixed = nameOf(Uint8Array.from([0x7a, ...label(62, 0xff)]), ...rest);
    assert.deepEqual(successor(mixed), nameOf(Uint8Array.of(0x7b), ...rest));
    // Without its first label the name has room again: in its next label if that is not full.
    const short = [label(60, 0x61), label(63, 0x61), label(255 - 189 - 1 - APEX.length, 0x61)];
    assert.equal(nameOf(label(63, 0xff), ...short).length, 255);
    assert.deepEqual(
      successor(nameOf(label(63, 0xff), ...short)),
      nameOf(Uint8Array.from([...label(60, 0x61), 0]), ...short.slice(1)),
    );
    assert.deepEqual(
      successor(nameOf(label(63, 0xff), ...rest)),
      nameOf(Uint8Array.from([...label(62, 0x61), 0x62]), ...rest.slice(1)),
    );
  });

  it("of the last name of the zone is the apex, never a name outside", () => {
    const last = nameOf(label(255 - 192 - 1 - APEX.length, 0xff), label(63, 0xff), label(63, 0xff), label(63, 0xff));
    assert.equal(last.length, 255);
    assert.deepEqual(successor(last), APEX);
    // With a label that has room above, it is not the last.
    const almost = nameOf(label(63, 0xff), label(63, 0xff), label(63, 0xff), label(255 - 192 - 1 - APEX.length, 0xff));
    assert.deepEqual(successor(almost), nameOf(label(255 - 192 - APEX.length, 0xff).fill(0, 255 - 193 - APEX.length)));
  });

  it("in a zone at the root follows the same rules", () => {
    const all = concatBytes(
      ...[62, 63, 63, 62].flatMap((size) => [Uint8Array.of(size), label(size, 0xff)]),
      Uint8Array.of(0),
    );
    assert.equal(all.length, 255);
    const next = successorName(all, 1);
    assert.ok(sortKey(all) < sortKey(next) && next.length <= 255);
  });

  it("of names of every length is the next one in canonical order", () => {
    for (let length = APEX.length; length <= 255; length++) {
      if (length === APEX.length + 1) continue;
      const numRuns = length > 250 ? 12 : 1;
      fc.assert(
        fc.property(names(length), fc.array(lowerByte, { maxLength: 3 }), (owner, seeds) => {
          assertSuccessor(owner, successor(owner), neighbours(owner, seeds));
        }),
        { numRuns },
      );
    }
  });

  it("of names at the limits, with labels at theirs, is the next one in canonical order", () => {
    let exact = 0;
    fc.assert(
      fc.property(fc.constantFrom(252, 253, 254, 255).chain(names), (owner) => {
        if (owner.length >= 254) exact++;
        const next = successor(owner);
        assertSuccessor(owner, next, [...neighbours(owner, []), ...neighbours(next, [])]);
      }),
      { numRuns: 150 },
    );
    assert.ok(exact > 45, `${exact} names of 254 or 255 bytes`);
  });

  it("is refused for what is no lower-case name of the zone", () => {
    const upper = nameOf(label(63, 0x41), label(63, 0x61), label(63, 0x61), label(255 - 192 - 1 - APEX.length, 0x61));
    assert.throws(() => successor(upper), RangeError);
    assert.throws(() => successorName(new Uint8Array(256), 1), RangeError);
    assert.throws(() => successorName(APEX, APEX.length + 1), RangeError);
    assert.throws(() => successorName(APEX, 0), RangeError);
    assert.throws(() => successorName(APEX, Number.NaN), RangeError);
    assert.throws(() => successorName(new Uint8Array(255).fill(64), 15), RangeError);
    assert.throws(() => successorName(new Uint8Array(255), 15), RangeError);
  });
});

describe("NSEC RDATA", () => {
  it("has the successor, and the bitmap behind it", () => {
    const owner = wire("a.l.example.org");
    assert.deepEqual(
      encodeNsecRdata(owner, [TYPE.RRSIG, TYPE.NSEC, TYPE.NXNAME], APEX.length),
      concatBytes(
        Uint8Array.of(1, 0),
        owner,
        Uint8Array.of(0, 17, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80),
      ),
    );
  });

  it("does so for names of all lengths", () => {
    for (let length = APEX.length + 2; length <= 255; length++) {
      fc.assert(
        fc.property(names(length), (owner) => {
          const next = successor(owner);
          assert.deepEqual(encodeNsecRdata(owner, [46, 47], APEX.length), concatBytes(next, bitmap([46, 47])));
        }),
        { numRuns: 3 },
      );
    }
  });

  it("says of an empty non-terminal RRSIG and NSEC, and no more", () => {
    assert.deepEqual(bitmap([TYPE.NSEC, TYPE.RRSIG]), Uint8Array.of(0, 6, 0, 0, 0, 0, 0, 3));
  });

  it("has the example bitmap of RFC 4034 §4.3", () => {
    assert.deepEqual(
      bitmap([1, 15, 46, 47, 1234]),
      Uint8Array.from([0, 6, 0x40, 1, 0, 0, 0, 3, 4, 0x1b, ...new Array(26).fill(0), 0x20]),
    );
  });

  it("does not change its input, and does not alias the owner", () => {
    const owner = wire("a.l.example.org");
    const types = [47, 46, 1];
    const rdata = encodeNsecRdata(owner, types, APEX.length);
    rdata.fill(0xee);
    assert.deepEqual(owner, wire("a.l.example.org"));
    assert.deepEqual(types, [47, 46, 1]);
  });

  it("has the bitmap of dns-packet for types that it names", () => {
    const numbers = {
      A: 1,
      NS: 2,
      SOA: 6,
      HINFO: 13,
      TXT: 16,
      AAAA: 28,
      RRSIG: 46,
      NSEC: 47,
      DNSKEY: 48,
      CDS: 59,
      CDNSKEY: 60,
      CAA: 257,
    };
    type Known = keyof typeof numbers;
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...(Object.keys(numbers) as Known[])), { minLength: 1 }), (types) => {
        const expected = codecs.nsec.encode({ nextDomain: "x", rrtypes: types }).subarray(2 + 3);
        assert.deepEqual(bitmap(types.map((type) => numbers[type])), new Uint8Array(expected));
      }),
    );
  });

  it("is read by dns-packet as the types that it was made of, in any windows", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 20 }), (types) => {
        const { rrtypes } = codecs.nsec.decode(framed(encodeNsecRdata(APEX, types, APEX.length)));
        assert.equal(rrtypes.length, types.length);
        // A second reading of the bitmap, since dns-packet has names for some types and not for others.
        const bytes = bitmap(types);
        const found: number[] = [];
        let window = -1;
        for (let at = 0; at < bytes.length; at += 2 + (bytes[at + 1] as number)) {
          assert.ok((bytes[at] as number) > window, "windows ascend");
          window = bytes[at] as number;
          const length = bytes[at + 1] as number;
          assert.ok(length >= 1 && length <= 32 && bytes[at + 1 + length] !== 0, "no zero at the end");
          for (let bit = 0; bit < 8 * length; bit++) {
            if (((bytes[at + 2 + (bit >> 3)] as number) & (0x80 >> (bit & 7))) !== 0) found.push(window * 256 + bit);
          }
        }
        assert.deepEqual(
          found,
          [...types].sort((a, b) => a - b),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("takes a type twice for once", () => {
    assert.deepEqual(bitmap([47, 46, 47, 257, 257]), bitmap([46, 47, 257]));
  });

  it("is refused without types, or with one that is none", () => {
    for (const types of [[], [0], [-1], [65_536], [46, 1.5], [46, Number.NaN]]) {
      assert.throws(() => bitmap(types), RangeError, String(types));
    }
  });
});
