import { encodePathName, makeZone, type Zone, type ZoneData } from "../../src/dns/index.ts";
import { concatBytes, encodeUtf8, formatHex } from "../../src/vindex/bytes.ts";
import { sha256 } from "../../src/vindex/sha256.ts";
import { encodeVarint } from "../../src/vindex/varint.ts";

/** A small index without proofs that prove anything: payloads have the right shape and sizes, and say what was asked. */
export const VALUES: ReadonlyMap<string, string> = new Map([
  ["golang.org/x/mod", "v=v0.40.0 i=19929 h=aaaa m=bbbb s=cccc"],
  ["github.com/mjl-/Mox", "v=v0.0.15 i=7"],
  ["go4.org", "v=v0.0.1 i=9 k=pseudo"],
  ["gopkg.in/yaml.v*", "p=v3 v=v3.0.1 i=6504 s=dddd"],
  ["k8s.io/api/v*", "p=- v=v0.1.0 i=3 s=eeee"],
  ["toolchain", "v=go1.26.1 k=cur i=5"],
]);

/** Modules with records, and their v0 text; undefined: no release. */
export const V0_TEXTS: ReadonlyMap<string, string | undefined> = new Map([
  ["github.com/mjl-/mox", "v=v0.0.15 t=6802a84d"],
  ["github.com/mjl-/mox/deep/down", "v=v1.0.0 t=6802a84d"],
  ["github.com/only/pseudo", undefined],
  ["go4.org", "v=v0.1.0 t=6802a84d"],
]);

export interface FakeZoneData extends ZoneData {
  /** Methods called, in order. */
  readonly calls: string[];
}

export const NOW = 1_800_000_000;
export const EPOCH = 10;

const hash = (text: string): Uint8Array => sha256(encodeUtf8(text));

/** Makes the data; `overrides` replaces what a test is about. */
export function makeData(overrides: Partial<ZoneData> = {}): FakeZoneData {
  const values = new Map([...VALUES].map(([subject, value]) => [formatHex(hash(subject)), value]));
  const calls: string[] = [];
  const call = (name: string, ...rest: unknown[]): void => {
    calls.push([name, ...rest].join(" "));
  };
  const proof = (tag: number): Uint8Array =>
    concatBytes(Uint8Array.of(tag), encodeVarint(EPOCH), ...Array.from({ length: 22 }, (_, i) => hash(`sibling ${i}`)));
  const log = (text: string, hashes = 3): Uint8Array =>
    concatBytes(Uint8Array.of(0x0c), ...Array.from({ length: hashes }, (_, i) => hash(`${text} ${i}`)));
  const moduleAnswer = (indexKey: Uint8Array): Uint8Array => {
    const value = values.get(formatHex(indexKey));
    return value === undefined ? proof(0x06) : concatBytes(encodeUtf8(value), proof(0x05));
  };
  const modules = [...V0_TEXTS.keys()].map((path) => (encodePathName(path) ?? []).reverse());
  return {
    calls,
    epoch: EPOCH,
    headVersion: 1,
    sumdbSize: 1000,
    nextEpochTime: NOW + 100,
    moduleAnswer: (indexKey) => {
      call("moduleAnswer", formatHex(indexKey));
      return moduleAnswer(indexKey);
    },
    versionsAnswer: (indexKey) => {
      call("versionsAnswer", formatHex(indexKey));
      return concatBytes(
        moduleAnswer(indexKey),
        Uint8Array.of(0x08),
        encodeVarint(2000),
        new Uint8Array(2000).fill(0x6e),
      );
    },
    versionsPage: (indexKey, page) => {
      call("versionsPage", formatHex(indexKey), page);
      if (page > 1) return undefined;
      return { payload: concatBytes(Uint8Array.of(0x0b), hash(`page ${page}`)), full: page === 0 };
    },
    head: (epoch) => {
      call("head", epoch);
      return concatBytes(Uint8Array.of(0x01), hash(`head ${epoch}`));
    },
    headSince: (since, epoch) => {
      call("headSince", since, epoch);
      return concatBytes(Uint8Array.of(0x01), hash(`head ${since} ${epoch}`));
    },
    headAt: (time) => {
      call("headAt", time);
      const epoch = Math.min(EPOCH, Math.floor(time / 3600) - Math.floor(NOW / 3600) + EPOCH);
      return epoch < 1 ? undefined : { payload: concatBytes(Uint8Array.of(0x01), hash(`head at ${time}`)), epoch };
    },
    consistency: (oldSize, newSize) => {
      call("consistency", oldSize, newSize);
      return log(`consistency ${oldSize} ${newSize}`, oldSize === newSize ? 0 : 3);
    },
    hasRecordProofs: true,
    sumdbConsistency: (oldSize, newSize) => {
      call("sumdbConsistency", oldSize, newSize);
      return log(`sumdb ${oldSize} ${newSize}`);
    },
    recordProof: (logIndex, treeSize) => {
      call("recordProof", logIndex, treeSize);
      return log(`record ${logIndex} ${treeSize}`);
    },
    previousSumdbSize: 900,
    v0Text: (subject) => {
      call("v0Text", subject);
      return subject === "toolchain" ? "v=go1.26.1 k=cur t=6802a84d" : V0_TEXTS.get(subject);
    },
    v0Exists: (labels) => {
      call("v0Exists", ...labels);
      return modules.some((module) => labels.every((label, i) => label === module[i]));
    },
    ...overrides,
  };
}

/** The zone of the tests. */
export function makeTestZone(): Zone {
  return makeZone({
    apex: "l.example.org",
    nameServers: [
      { name: "ns1.l.example.org", addresses: ["192.0.2.1", "2001:db8::1"] },
      { name: "a.ns.l.example.org.", addresses: ["192.0.2.2"] },
      { name: "ns.other.example" },
    ],
    hostmaster: "host.master@example.org",
  });
}
