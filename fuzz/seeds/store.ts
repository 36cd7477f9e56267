import { encodeFileSet } from "../../src/store/file-set.ts";
import { formatIdentity } from "../../src/store/identity.ts";
import { encodeJournal } from "../../src/store/journal.ts";
import { encodeCosignatures, encodeEntry, encodeState } from "../../src/store/records.ts";
import { encodeSignedLeaf, formatManifest } from "../../src/store/snapshot-format.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { bytes, type Seeds } from "./seed.ts";

const fill = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);

export function storeSeeds(): Seeds {
  const one = { keyId: 1, time: 1_790_000_000, signature: fill(7, 64) };
  const kept = [{ first: one, last: { ...one, time: one.time + 60 } }];
  const manifest = {
    origin: "l.example/p1",
    logKey: "l.example/p1+00000000+AA",
    sumdbKey: "s+00000000+AA",
    epoch: 2,
    sumdbSize: 3,
    mapRoot: "00".repeat(32),
    modules: 1,
    malformed: 0,
    growthTime: 5,
    peaks: ["11".repeat(32)],
    base: false,
    hashes: true,
    files: { epochs: { bytes: 4, sha256: "22".repeat(32) } },
  };
  return {
    journal: bytes(
      0,
      encodeJournal([
        { indexKey: fill(1), value: encodeUtf8("v=v1.0.0 i=1") },
        { indexKey: fill(2), value: encodeUtf8("x") },
      ]),
    ),
    manifest: bytes(1, formatManifest(manifest)),
    leaves: bytes(
      2,
      encodeSignedLeaf({ leafText: "a\nb\n", signature: fill(3, 64), kept }),
      encodeSignedLeaf({ leafText: "c\n", signature: fill(4, 64), kept: [] }),
    ),
    cosignatures: bytes(3, encodeCosignatures(kept)),
    state: bytes(4, encodeState("example.com/a", "n 1\n")),
    entry: bytes(5, encodeEntry({ logIndex: 300, version: "v1.2.3", zipHash: fill(5), goModHash: fill(6) })),
    files: bytes(6, encodeFileSet({ values: 3, paths: undefined, base: true, hashes: false })),
    identity: bytes(7, formatIdentity({ sumdbKey: "s+00000000+AA", origin: "l.example/p1", logKey: "k" })),
  };
}
