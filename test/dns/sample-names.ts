import { formatBase32 } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { sha256 } from "../../src/vindex/sha256.ts";

/**
 * Names of the zone of fake-zone.ts, every row of spec/dns.md §1.2 and §1.3 among them, with the types that stand there
 * in its signed form (RRSIG and NSEC aside); undefined for a name that does not exist. Written as `wire` of packet.ts
 * reads them, without the zone's own labels.
 */
export type SampleName = readonly [name: string, types: readonly number[] | undefined];

const A = 1;
const NS = 2;
const SOA = 6;
const TXT = 16;
const AAAA = 28;
const DNSKEY = 48;
const CDS = 59;
const CDNSKEY = 60;

const key32 = formatBase32(sha256(encodeUtf8("golang.org/x/mod")));
const label = (length: number): string => "a".repeat(length);
const labels = (...lengths: number[]): string => lengths.map(label).join(".");

/** Bytes that the zone's name takes: `l.example.org`. */
const ZONE_LENGTH = 15;
/** Length of the last label beside three of 63 bytes and `rest` bytes more, for a name of `total` bytes. */
const fill = (total: number, rest: number): number => total - ZONE_LENGTH - 3 * 64 - rest - 1;

const LONG: readonly SampleName[] = [252, 253, 254, 255].flatMap((total): SampleName[] => [
  [`${labels(63, 63, 63, fill(total, 9))}._.org.p1`, [TXT]],
  [`${labels(fill(total, 9), 63, 63, 63)}._.org.p1`, [TXT]],
  [`_.${labels(63, 63, 63, fill(total, 5))}.p1`, []],
  [labels(63, 63, 63, fill(total, 0)), undefined],
  [labels(fill(total, 0), 63, 63, 63), undefined],
  // Nothing is higher than 0xFF: the name that follows differs further right.
  [`${"\\255".repeat(63)}.${"\\255".repeat(63)}.${"\\255".repeat(63)}.${"\\255".repeat(fill(total, 0))}`, undefined],
  [`${labels(62)}@.${labels(63, 63, fill(total, 0))}`, undefined],
]);

export const SAMPLE_NAMES: readonly SampleName[] = [
  ["", [NS, SOA, DNSKEY, CDS, CDNSKEY]],
  ["ns1", [A, AAAA]],
  ["a.ns", [A]],
  ["ns", []],
  ["p1", []],
  ["v0", []],

  ["mod.x._.golang.org.p1", [TXT]],
  ["x._.golang.org.p1", [TXT]],
  ["_.golang.org.p1", []],
  ["golang.org.p1", [TXT]],
  ["org.p1", [TXT]],
  ["_4dox.mjl_2d._.github.com.p1", [TXT]],
  ["go4.org.p1", [TXT]],
  ["absent._.golang.org.p1", [TXT]],
  ["_toolchain.p1", [TXT]],
  [`${key32}._k.p1`, [TXT]],
  [`${"a".repeat(52)}._k.p1`, [TXT]],
  ["_k.p1", []],
  ["yaml._.gopkg.in._majors.p1", [TXT]],
  ["_.gopkg.in._majors.p1", []],
  ["_majors.p1", []],
  ["mod.x._.golang.org._versions.p1", [TXT]],
  [`${key32}._k._versions.p1`, [TXT]],
  ["_k._versions.p1", []],
  ["_versions.p1", []],
  ["mod.x._.golang.org._p0._versions.p1", [TXT]],
  ["mod.x._.golang.org._p1._versions.p1", [TXT]],
  ["mod.x._.golang.org._p2._versions.p1", []],
  [`${key32}._k._p0._versions.p1`, [TXT]],
  [`${key32}._k._p7._versions.p1`, []],
  ["_k._p0._versions.p1", []],
  ["_.golang.org._p0._versions.p1", []],
  ["_p0._versions.p1", []],

  ["_head.p1", [TXT]],
  ["s0._head.p1", [TXT]],
  ["s10._head.p1", [TXT]],
  ["s11._head.p1", []],
  ["e0._head.p1", []],
  ["e1._head.p1", [TXT]],
  ["e10._head.p1", [TXT]],
  ["e11._head.p1", []],
  ["e9007199254740991._head.p1", []],
  ["s3.e9._head.p1", [TXT]],
  ["s9.e3._head.p1", []],
  ["s9.e11._head.p1", []],
  ["t1799996400._head.p1", [TXT]],
  ["t1800000000._head.p1", [TXT]],
  ["t1800003600._head.p1", []],
  ["t1800000001._head.p1", []],
  ["t0._head.p1", []],
  ["1.10._consistency.p1", [TXT]],
  ["9.11._consistency.p1", []],
  ["0.9._consistency.p1", []],
  ["9._consistency.p1", []],
  ["_consistency.p1", []],
  ["1.1000._sumdb.p1", [TXT]],
  ["1.900._sumdb.p1", [TXT]],
  ["1.1001._sumdb.p1", []],
  ["5._sumdb.p1", []],
  ["_sumdb.p1", []],
  ["999.1000._record.p1", [TXT]],
  ["1000.1000._record.p1", []],
  ["0.1001._record.p1", []],
  ["_record.p1", []],

  ["toolchain.v0", [TXT]],
  ["mox.mjl_2d._.github.com.v0", [TXT]],
  ["down.deep.mox.mjl_2d._.github.com.v0", [TXT]],
  ["go4.org.v0", [TXT]],
  ["pseudo.only._.github.com.v0", []],
  ["deep.mox.mjl_2d._.github.com.v0", []],
  ["mjl_2d._.github.com.v0", []],
  ["_.github.com.v0", []],
  ["com.v0", []],

  ["nothing", undefined],
  ["x.ns1", undefined],
  ["x.ns", undefined],
  ["p2", undefined],
  ["*", undefined],
  ["*.p1", undefined],
  ["*.golang.org.p1", undefined],
  ["*.*.nothing", undefined],
  ["_2a._.golang.org.p1", [TXT]],
  ["_nothing.p1", undefined],
  ["_6dox.mjl_2d._.github.com.p1", undefined],
  ["mjl-._.github.com.p1", undefined],
  ["x._._.github.com.p1", undefined],
  ["\\000\\255.p1", undefined],
  ["go4\\046org.p1", undefined],
  ["\\000.nothing", undefined],
  ["AB._k.p1", undefined],
  ["x._toolchain.p1", undefined],
  ["e01._head.p1", undefined],
  ["e9007199254740992._head.p1", undefined],
  ["x._head.p1", undefined],
  ["1.2.3._consistency.p1", undefined],
  ["x.9._consistency.p1", undefined],
  ["net.v0", undefined],
  ["other._.github.com.v0", undefined],
  ["x.toolchain.v0", undefined],
  ["mox.mjl-._.github.com.v0", undefined],
  ...LONG,
];
