import type { Asker } from "../../src/dns/asker.ts";
import type { Input } from "../input.ts";
import { naiveCookie } from "../oracle/cookie.ts";
import { wireOf } from "../oracle/dnssec.ts";
import { START, subjects, ZONE } from "../world.ts";
import { SECRETS } from "./setup.ts";

/** Queries that mean something: no engine would come upon most of the names. */

const NAMES: readonly string[] = [
  "",
  "p1",
  "v0",
  "toolchain.v0",
  "mod.x._.golang.org.v0",
  "_.golang.org.v0",
  "org.v0",
  "untagged._.example.com.v0",
  "ns1",
  "a.ns",
  "ns",
  "nothing",
  "_head.p1",
  "e1._head.p1",
  "e5._head.p1",
  "e0._head.p1",
  "s3._head.p1",
  "s3.e5._head.p1",
  "s9.e5._head.p1",
  `t${START}._head.p1`,
  `t${START + 3600}._head.p1`,
  "t1._head.p1",
  "2.5._consistency.p1",
  "_consistency.p1",
  "1.9._sumdb.p1",
  "3.9._record.p1",
  "_k.p1",
  `${"a".repeat(51)}q._k.p1`,
  "_toolchain.p1",
  "mod.x._.golang.org._majors.p1",
  "often._.example.com._versions.p1",
  "often._.example.com._p0._versions.p1",
  "often._.example.com._p1._versions.p1",
  "x._4dox.p1",
  // Of 255 bytes, and of 254: no label fits in front of them.
  `${"y".repeat(63)}.${"x".repeat(63)}.${"z".repeat(63)}._.${"h".repeat(30)}.example.com.p1`,
  `${"y".repeat(50)}.${"x".repeat(63)}.${"z".repeat(63)}._.${"h".repeat(43)}.example.com.p1`,
  `${"y".repeat(50)}.${"x".repeat(63)}.${"z".repeat(63)}._.${"h".repeat(42)}.example.com.p1`,
  `${"\xff".repeat(63)}.${"x".repeat(63)}.${"z".repeat(63)}.${"h".repeat(44)}`,
  ...subjects.filter((subject) => !subject.endsWith("*") && subject.includes("/")).map(nameOf),
];

function nameOf(path: string): string {
  const [host, ...elements] = path.split("/");
  const labels = elements.map((element) =>
    element.replaceAll(/[^a-z0-9-]/g, (c) => `_${c.charCodeAt(0).toString(16)}`).replace(/-$/, "_2d"),
  );
  return `${labels.reverse().join(".")}._.${host}.p1`;
}

const TYPES = [16, 1, 2, 5, 6, 13, 28, 41, 43, 46, 47, 48, 59, 60, 128, 250, 251, 252, 255, 0];

/** A query with a name that means something, and perhaps an OPT. */
export function builtQuery(input: Input, asker: Asker, now: number): Uint8Array {
  const chosen = input.byte();
  const own =
    chosen >= 0xf0 ? labelsFrom(input) : (NAMES[chosen % NAMES.length] as string).split(".").filter((l) => l !== "");
  const labels = [...own, ...ZONE.split(".")];
  const upper = input.byte();
  const cased = labels.map((label, i) => ((upper >> (i % 8)) % 2 === 1 ? label.toUpperCase() : label));
  const type = TYPES[input.byte() % 32] ?? 16;
  const flags = input.byte();
  const header = Buffer.from([
    0x12,
    input.byte(),
    (flags & 1) | (flags & 0x78 && flags >= 0xf8 ? flags & 0x78 : 0),
    flags & 0x10,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  const parts: Uint8Array[] = [
    header,
    wireOf(cased),
    Uint8Array.of(type >> 8, type & 0xff, 0, (flags & 6) === 6 ? 3 : 1),
  ];
  const edns = input.byte();
  if (edns % 4 !== 0) {
    header[11] = 1;
    const options: Uint8Array[] = [];
    const option = (code: number, data: Uint8Array): void =>
      void options.push(Uint8Array.of(0, code, data.length >> 8, data.length & 0xff), data);
    const client = Buffer.from("client!!");
    if ((edns >> 4) % 4 === 1) option(10, client);
    if ((edns >> 4) % 4 === 2) {
      const secret = SECRETS[input.byte() % SECRETS.length] as Uint8Array;
      option(10, naiveCookie(secret, client, asker.address, now - input.byte() * 20 + 400));
    }
    if ((edns >> 4) % 4 === 3) option(10, input.block());
    if ((edns >> 6) % 2 === 1) option(3, new Uint8Array(0));
    if (edns >= 0x80) option(11, new Uint8Array(0));
    const rdata = Buffer.concat(options);
    const size = input.uint16();
    const version = edns % 16 === 15 ? 1 : 0;
    const doCo = (edns % 4 >= 2 ? 0x80 : 0) | (edns % 4 === 3 ? 0x40 : 0);
    parts.push(
      Uint8Array.of(0, 0, 41, size >> 8, size & 0xff, 0, version, doCo, 0, rdata.length >> 8, rdata.length & 0xff),
      rdata,
    );
  }
  return new Uint8Array(Buffer.concat(parts));
}

function labelsFrom(input: Input): string[] {
  const labels: string[] = [];
  for (let n = input.byte() % 6; n > 0; n--)
    labels.push(Buffer.from(input.take(1 + (input.byte() % 62))).toString("latin1"));
  return [...labels.filter((label) => label !== ""), input.byte() % 4 === 0 ? "v0" : "p1"];
}
