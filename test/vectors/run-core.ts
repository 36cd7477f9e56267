import type { Implementation } from "./implementation.ts";
import type { Vector } from "./vectors.ts";

/** What an implementation makes of the vectors of map.json, tree.json and log.json. Each function gives what `expect` must be. */
export type Operation = (vector: Vector) => unknown;

type Hex = string;

/** Bytes of hexadecimal in a vector. */
export function unhex(text: Hex): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function hex(bytes: Uint8Array): Hex {
  return Buffer.from(bytes).toString("hex");
}

export function mapOperations(i: Implementation): { [operation: string]: Operation } {
  return {
    record(vector) {
      const { record } = vector as Vector & { record: Hex };
      const r = i.record.parseRecord(unhex(record));
      if (r === undefined) return null;
      const { path, version, zipHash, goModHash } = r;
      return { path, version: version.text, kind: version.kind, zipHash: hex(zipHash), goModHash: hex(goModHash) };
    },
    version(vector) {
      const v = i.version.parseVersion((vector as Vector & { text: string }).text);
      return v === undefined ? null : { kind: v.kind, major: v.major, timestamp: v.timestamp };
    },
    order(vector) {
      const versions = (vector as Vector & { versions: string[] }).versions.map((text) => {
        const v = i.version.parseVersion(text);
        if (v === undefined) throw new Error(`not canonical: ${text}`);
        return v;
      });
      return versions.sort(i.version.compareVersions).map(({ text }) => text);
    },
    path(vector) {
      const { path } = vector as Vector & { path: string };
      if (!i.modulePath.isModulePath(path)) return null;
      const suffix = i.modulePath.splitPathSuffix(path);
      if (suffix === undefined) return null;
      const member = i.modulePath.familyOf(path);
      const family = member === undefined ? null : i.modulePath.majorsSubject(member.basePath);
      return { basePath: suffix.basePath, major: suffix.major ?? null, family };
    },
    map(vector) {
      const { records } = vector as Vector & { records: Hex[] };
      const { subjects, states, mapRoots } = foldMap(i, records.map(unhex), [records.length]);
      const sorted = (map: ReadonlyMap<string, string>) =>
        Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
      return { subjects: sorted(subjects), states: sorted(states), mapRoot: mapRoots[0] };
    },
    cuts(vector) {
      const { records, cuts } = vector as Vector & { records: Hex[]; cuts: number[] };
      return { mapRoots: foldMap(i, records.map(unhex), cuts).mapRoots };
    },
  };
}

/** Folds records window by window, as an operator does, and keeps what the fold needs in memory. */
function foldMap(i: Implementation, records: readonly Uint8Array[], cuts: readonly number[]) {
  type State = import("../../src/vindex/module-state.ts").ModuleState;
  const states = new Map<string, State>();
  const stateTexts = new Map<string, string>();
  const families = new Map<string, Set<string>>();
  const names = new Map<string, string>();
  const values = new Map<string, string>();
  let toolchain: readonly import("../../src/vindex/toolchain-value.ts").ToolchainItem[] = [];
  let tree = i.prefixTree.PrefixTree.empty();
  const name = (subject: string) => names.set(hex(i.moduleValue.computeIndexKey(subject)), subject);
  name("toolchain");
  const mapRoots: string[] = [];
  let from = 0;
  for (const to of cuts) {
    const window = [];
    for (let logIndex = from; logIndex < to; logIndex++) {
      const bytes = records[logIndex] as Uint8Array;
      const record = i.record.parseRecord(bytes);
      if (record !== undefined) window.push({ record, logIndex, recordHash: i.record.computeRecordHash(bytes) });
    }
    from = to;
    const before = {
      state: (path: string) => states.get(path),
      family: (base: string) => families.get(base) ?? [],
      toolchain,
    };
    const after = i.mapFunction.foldWindow(before, window);
    for (const { path, state, stateText } of after.modules) {
      states.set(path, state);
      stateTexts.set(path, stateText);
      name(path);
      const member = i.modulePath.familyOf(path);
      if (member === undefined) continue;
      families.set(member.basePath, (families.get(member.basePath) ?? new Set()).add(member.major));
      name(i.modulePath.majorsSubject(member.basePath));
    }
    toolchain = after.toolchain;
    tree = tree.update(after.changes);
    for (const { indexKey, value } of after.changes) {
      const subject = names.get(hex(indexKey));
      if (subject === undefined || value === undefined) throw new Error("a change of an unknown subject");
      values.set(subject, Buffer.from(value).toString("latin1"));
    }
    mapRoots.push(hex(tree.rootHash()));
  }
  return { subjects: values, states: stateTexts, mapRoots };
}

export function treeOperations(i: Implementation): { [operation: string]: Operation } {
  return {
    root(vector) {
      const pairs = (vector as Vector & { pairs: [Hex, Hex][] }).pairs.map(([k, v]) => ({
        indexKey: unhex(k),
        value: unhex(v),
      }));
      return { root: hex(i.prefixTree.PrefixTree.of(pairs).rootHash()) };
    },
    proof(vector) {
      const v = vector as Vector & {
        root: Hex;
        key: Hex;
        value: Hex | null;
        path: Hex | null;
        other: [Hex, Hex] | null;
      };
      const [root, key] = [unhex(v.root), unhex(v.key)];
      if (v.path === null) {
        i.pathProof.verifyEmptyMap(root);
        return "ok";
      }
      const bytes = unhex(v.path);
      const { proof, end } = i.pathProof.decodePathProof(bytes, 0);
      if (end !== bytes.length) return { refused: "MALFORMED_PROOF" };
      if (hex(i.pathProof.encodePathProof(proof)) !== v.path) return "the path is encoded in another way";
      if (v.value !== null) i.pathProof.verifyInclusionProof(proof, key, unhex(v.value), root);
      else {
        const [indexKey, value] = (v.other as [Hex, Hex]).map(unhex) as [Uint8Array, Uint8Array];
        i.pathProof.verifyNonInclusionProof(proof, key, { indexKey, value }, root);
      }
      return "ok";
    },
  };
}

export function logOperations(i: Implementation): { [operation: string]: Operation } {
  return {
    leaf(vector) {
      const v = vector as Vector & {
        mapRoot: Hex;
        sumdbSize: number;
        sumdbRoot: Hex;
        sumdbSignature: Hex;
        sumdbKey: string;
      };
      const key = i.note.parseVerifierKey(v.sumdbKey);
      const treeHead = { treeSize: v.sumdbSize, rootHash: unhex(v.sumdbRoot) };
      const leaf = { mapRoot: unhex(v.mapRoot), treeHead, sumdbSignature: unhex(v.sumdbSignature) };
      const text = i.leaf.formatLeaf(leaf, key);
      if (i.leaf.formatLeaf(i.leaf.parseLeaf(text, key), key) !== text) return "the leaf does not parse";
      return { text, hash: hex(i.leaf.computeEpochLeafHash(text)) };
    },
    checkpoint(vector) {
      const v = vector as Vector & { origin: string; epoch: number; root: Hex; seed: Hex };
      const key = i.note.makeSignerKey(v.origin, 0x01, unhex(v.seed));
      const text = i.checkpoint.formatCheckpoint({ origin: v.origin, treeSize: v.epoch, rootHash: unhex(v.root) });
      const note = i.note.formatNote(text, [i.note.signNote(text, key)]);
      i.note.verifyNote(note, key.verifierKey);
      return { vkey: i.note.formatVerifierKey(key.verifierKey), text, note };
    },
    cosignature(vector) {
      const v = vector as Vector & { checkpoint: string; time: number; seed: Hex; keyName: string };
      const key = i.note.makeSignerKey(v.keyName, 0x04, unhex(v.seed));
      const cosignature = i.cosignature.cosign(v.checkpoint, v.time, key);
      i.cosignature.verifyCosignature(v.checkpoint, cosignature, key.verifierKey);
      return {
        vkey: i.note.formatVerifierKey(key.verifierKey),
        message: Buffer.from(i.cosignature.cosignatureMessage(v.checkpoint, v.time)).toString("utf8"),
        signature: hex(cosignature.signature),
        noteLine: i.note.formatNoteSignature(i.cosignature.cosignatureToNote(cosignature, v.keyName)),
      };
    },
    frontier(vector) {
      const leafHashes = (vector as Vector & { leafHashes: Hex[] }).leafHashes.map(unhex);
      const one = leafHashes.reduce((frontier, hash) => frontier.append(hash), i.frontier.Frontier.empty());
      const all = i.frontier.Frontier.empty().appendAll(leafHashes);
      if (hex(one.root()) !== hex(all.root())) return "one by one gives another root";
      return { peaks: all.peaks.map(hex), root: hex(all.root()) };
    },
    cover(vector) {
      const { start, end } = vector as Vector & { start: number; end: number };
      return i.tlog.coverRange(start, end).map(({ level, index }) => [index * 2 ** level, 2 ** level]);
    },
    extend(vector) {
      const v = vector as Vector & { size: number; peaks: Hex[]; to: number; hashes: Hex[] };
      const frontier = i.frontier.Frontier.of(v.size, v.peaks.map(unhex)).extend(v.to, v.hashes.map(unhex));
      return { peaks: frontier.peaks.map(hex), root: hex(frontier.root()) };
    },
    inclusion(vector) {
      const v = vector as Vector & { index: number; size: number; leafHash: Hex; root: Hex; proof: Hex[] };
      i.tlog.verifyLogInclusionProof(v.proof.map(unhex), unhex(v.leafHash), v.index, v.size, unhex(v.root));
      return "ok";
    },
    consistency(vector) {
      const v = vector as Vector & { oldSize: number; oldRoot: Hex; newSize: number; newRoot: Hex; proof: Hex[] };
      i.tlog.verifyConsistencyProof(v.proof.map(unhex), v.oldSize, unhex(v.oldRoot), v.newSize, unhex(v.newRoot));
      return "ok";
    },
  };
}
