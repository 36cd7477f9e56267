import { makeTrust, type Trust, type VerifiedHead, verifyHead } from "../src/client/verify/index.ts";
import { RecordLog } from "../src/sumdb/record-log.ts";
import { encodeUtf8, formatHex } from "../src/vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead } from "../src/vindex/checkpoint.ts";
import { type Cosignature, cosign } from "../src/vindex/cosignature.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf } from "../src/vindex/leaf.ts";
import { foldWindow, type IndexedRecord, type TouchedModule } from "../src/vindex/map-function.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  type SignerKey,
  signNote,
} from "../src/vindex/note.ts";
import { OutputLog } from "../src/vindex/output-log.ts";
import { pathProofOf } from "../src/vindex/path-proof.ts";
import {
  type AnswerPayload,
  type AnswerProof,
  encodeAnswer,
  encodeHead,
  encodeLogProof,
  encodePage,
  PAGE_LENGTH,
  type VersionEntry,
} from "../src/vindex/payload.ts";
import { PrefixTree } from "../src/vindex/prefix-tree.ts";
import { computeRecordHash, formatRecord, parseRecord } from "../src/vindex/record.ts";
import type { Hash } from "../src/vindex/sha256.ts";
import { computeConsistencyProof, computeLogInclusionProof, coverRange } from "../src/vindex/tlog.ts";
import { fakeEd25519, WorkCounter } from "./scheme.ts";

/** One honest log in memory, always the same: what true payloads are made of, and what lies are measured against. */

export const ZONE = "l.example.org";
/** Epoch e is cosigned from START + e · STEP on; a whole hour. */
export const START = 1_700_002_800;
export const STEP = 600;

/** Counts the work of everything that is verified with `trust`. */
export const work: WorkCounter = new WorkCounter();
const { sha256 } = work;

const hashOf = (text: string): Hash => sha256(encodeUtf8(text));
const key = (name: string, type: number): SignerKey =>
  makeSignerKey(name, type, hashOf(`seed of ${name}`), fakeEd25519);

export const logKey: SignerKey = key(`${ZONE}/p1`, KEY_TYPE_ED25519);
export const sumdbKey: SignerKey = key("sumdb.example.org", KEY_TYPE_ED25519);
/** The clock and three witnesses. */
export const cosigners: readonly SignerKey[] = ["clock", "w1", "w2", "w3"].map((name) =>
  key(`${ZONE}/${name}`, KEY_TYPE_COSIGNATURE),
);
/** Seconds after its epoch's time at which each cosigner signs. */
const DELAYS = [0, 5, 7, 9];

/** The clock and two of three witnesses. */
export const policyText: string = [
  `log ${formatVerifierKey(logKey.verifierKey)}`,
  ...cosigners.map(({ verifierKey }, i) => `witness ${i === 0 ? "clock" : `w${i}`} ${formatVerifierKey(verifierKey)}`),
  "group two 2 w1 w2 w3",
  "group both all clock two",
  "quorum both",
  "",
].join("\n");

/** A client's trust in the log. */
export function trustOf(policy: string = policyText): Trust {
  const { verifierKey } = sumdbKey;
  const { ed25519 } = work;
  return makeTrust({ zone: ZONE, policy, sumdbKey: formatVerifierKey(verifierKey), sha256, ed25519 });
}

function record(path: string, version: string, goMod = `go.mod ${path} ${version}`): string {
  return formatRecord(path, version, hashOf(`zip ${path} ${version}`), hashOf(goMod));
}

/** Every kind of subject: a family that its value cannot hold, pre-releases, pseudo-versions, `+incompatible`, toolchains. */
export const recordTexts: readonly string[] = [
  record("example.com/big", "v1.0.0"),
  record("example.com/late", "v1.0.0"),
  ...Array.from({ length: 9 }, (_, i) => record(`example.com/big/v${i + 2}`, `v${i + 2}.10.100`)),
  record("golang.org/toolchain", "v0.0.1-go1.21.7.linux-amd64"),
  record("example.com/late", "v2.0.0+incompatible"),
  record("golang.org/x/mod", "v0.40.0"),
  record("example.com/pre", "v1.0.0-rc.1"),
  "no record at all\n",
  record("golang.org/toolchain", "v0.0.1-go1.22.0.linux-amd64"),
  record("golang.org/toolchain", "v0.0.1-go1.23rc1.linux-amd64"),
  record("example.com/untagged", "v0.0.0-20240102030405-0123456789ab"),
  record("github.com/mjl-/Mox", "v0.0.15"),
  record("example.com/both", "v1.0.0"),
  record("example.com/both", "v1.1.0-beta.1"),
  record("gopkg.in/yaml.v3", "v3.0.1"),
  record("gopkg.in/yaml.v2", "v2.4.0"),
  record("go4.org", "v0.0.1"),
  record("example.com/both", "v1.2.0"),
  record("example.com/both", "v0.9.0"),
  ...Array.from({ length: 12 }, (_, i) => record("example.com/often", `v1.${i}.0`)),
];

/** Subjects with a value in the newest epoch, and some without one. */
export const subjects: readonly string[] = [
  "example.com/big",
  "example.com/big/v2",
  "example.com/big/v*",
  "example.com/late",
  "toolchain",
  "golang.org/x/mod",
  "example.com/pre",
  "example.com/untagged",
  "github.com/mjl-/Mox",
  "example.com/both",
  "gopkg.in/yaml.v*",
  "gopkg.in/yaml.v3",
  "go4.org",
  "example.com/often",
  "example.com/absent",
  "example.com/nothing/v2",
  "example.com/nothing/v*",
  "gopkg.in/absent.v*",
];

export const recordLog: RecordLog = new RecordLog(sha256);
for (const text of recordTexts) recordLog.append(encodeUtf8(text));

/** Records of each epoch, from epoch 1 on. */
export const SIZES: readonly number[] = [1, 2, 5, 9, 12, 13, 16, 18, 21, 25, 27, 33, 39];
export const EPOCHS: number = SIZES.length;

/** One epoch with all that its payloads are made of. */
export interface Epoch {
  readonly epoch: number;
  readonly leaf: EpochLeaf;
  readonly tree: PrefixTree;
  /** By index key in hex. */
  readonly modules: ReadonlyMap<string, TouchedModule>;
  readonly uncut: ReadonlyMap<string, string | undefined>;
}

const outputLog = new OutputLog(sha256);
/** Leaf hashes of the output log. */
export const leafHashes: Hash[] = [];

function makeEpochs(): Epoch[] {
  const epochs: Epoch[] = [];
  let modules = new Map<string, TouchedModule>();
  let uncut = new Map<string, string | undefined>();
  let tree = PrefixTree.empty(sha256);
  let toolchain: ReturnType<typeof foldWindow>["toolchain"] = [];
  const majors = new Map<string, Set<string>>();
  let from = 0;
  for (const treeSize of SIZES) {
    const window = recordTexts.slice(from, treeSize).flatMap((text, i): IndexedRecord[] => {
      const parsed = parseRecord(encodeUtf8(text));
      if (parsed === undefined) return [];
      return [{ record: parsed, logIndex: from + i, recordHash: computeRecordHash(encodeUtf8(text), sha256) }];
    });
    const state = (path: string) => modules.get(formatHex(computeIndexKey(path, sha256)))?.state;
    const family = (basePath: string) => majors.get(basePath) ?? [];
    const after = foldWindow({ state, family, toolchain }, window, sha256);
    modules = new Map(modules);
    uncut = new Map(uncut);
    for (const module of after.modules) {
      const id = formatHex(module.indexKey);
      modules.set(id, { ...module, records: [...(modules.get(id)?.records ?? []), ...module.records] });
      const [, base, digits] = /^(.+)[./]v([0-9]+)$/.exec(module.path) ?? [];
      if (base !== undefined && digits !== undefined) majors.set(base, (majors.get(base) ?? new Set()).add(digits));
    }
    for (const { indexKey, items } of after.uncutMajors) uncut.set(formatHex(indexKey), items);
    toolchain = after.toolchain;
    tree = tree.update(after.changes);
    const treeHead = recordLog.treeHead(treeSize);
    const sumdbSignature = signNote(formatTreeHead(treeHead), sumdbKey, fakeEd25519).blob;
    const leaf = { mapRoot: tree.rootHash(), treeHead, sumdbSignature };
    const leafHash = computeEpochLeafHash(formatLeaf(leaf, sumdbKey.verifierKey), sha256);
    leafHashes.push(leafHash);
    outputLog.append(leafHash);
    epochs.push({ epoch: epochs.length + 1, leaf, tree, modules, uncut });
    from = treeSize;
  }
  return epochs;
}

const epochs: readonly Epoch[] = makeEpochs();

export function epochOf(epoch: number): Epoch {
  const found = epochs[epoch - 1];
  if (found === undefined) throw new RangeError(`no epoch ${epoch}`);
  return found;
}

/** The time of an epoch, when its clock cosigns. */
export const timeOf = (epoch: number): number => START + epoch * STEP;

export function checkpointText(epoch: number): string {
  return formatCheckpoint({ origin: `${ZONE}/p1`, treeSize: epoch, rootHash: outputLog.root(epoch) });
}

/** What each cosigner states of an epoch. */
export function cosignatures(epoch: number): Cosignature[] {
  return cosigners.map((signer, i) =>
    cosign(checkpointText(epoch), timeOf(epoch) + (DELAYS[i] as number), signer, fakeEd25519),
  );
}

export function logSignature(epoch: number): Uint8Array {
  return signNote(checkpointText(epoch), logKey, fakeEd25519).blob;
}

/** The head of an epoch as sent: plain, or since an earlier one. */
export function headPayload(epoch: number, since?: number): Uint8Array {
  const { leaf } = epochOf(epoch);
  const cover = since === undefined ? coverRange(0, epoch - 1) : since < epoch ? coverRange(since, epoch - 1) : [];
  return encodeHead({
    epoch,
    logSignature: logSignature(epoch),
    ...leaf,
    cosignatures: cosignatures(epoch),
    form: since === undefined ? "plain" : "since",
    hashes: outputLog.read(cover),
  });
}

/** The head of an epoch, verified as its own time saw it. */
export function verifiedHead(epoch: number, trust: Trust): VerifiedHead {
  const untrustedHead = headPayload(epoch);
  return verifyHead({ trust, memory: undefined, now: timeOf(epoch) + 10, question: { epoch }, untrustedHead });
}

/** The answer about a subject, decoded. */
export function answerOf(epoch: number, indexKey: Uint8Array, withVersions = false): AnswerPayload {
  const { tree, modules, uncut } = epochOf(epoch);
  const path = tree.path(indexKey);
  const value = tree.get(indexKey);
  if (value === undefined) {
    const { leaf } = path;
    const proof: AnswerProof =
      leaf === undefined ? { kind: "emptyMap" } : { kind: "nonInclusion", path: pathProofOf(path), other: leaf };
    return { text: "", epoch, proof };
  }
  const id = formatHex(indexKey);
  const stateText = withVersions ? modules.get(id)?.stateText : undefined;
  const majorItems = uncut.get(id);
  return {
    text: Buffer.from(value).toString("latin1"),
    epoch,
    proof: { kind: "inclusion", path: pathProofOf(path) },
    ...(stateText === undefined ? {} : { stateText }),
    ...(majorItems === undefined ? {} : { majorItems }),
  };
}

/** The answer about a subject, as sent. */
export function answerPayload(epoch: number, subject: string, withVersions = false): Uint8Array {
  return encodeAnswer(answerOf(epoch, computeIndexKey(subject, sha256), withVersions));
}

/** The records of a module, as on its pages. */
export function entriesOf(epoch: number, indexKey: Uint8Array): VersionEntry[] {
  const { records } = epochOf(epoch).modules.get(formatHex(indexKey)) ?? { records: [] };
  return records.map(({ record: { version, zipHash, goModHash }, logIndex }) => ({
    logIndex,
    version: version.text,
    zipHash,
    goModHash,
  }));
}

/** A page of a module's records; undefined beyond the last. */
export function pagePayload(epoch: number, indexKey: Uint8Array, page: number): Uint8Array | undefined {
  const entries = entriesOf(epoch, indexKey).slice(page * PAGE_LENGTH, (page + 1) * PAGE_LENGTH);
  return entries.length === 0 ? undefined : encodePage(entries);
}

export function consistencyPayload(oldSize: number, newSize: number): Uint8Array {
  return encodeLogProof(computeConsistencyProof(oldSize, newSize, outputLog.read, sha256));
}

export function sumdbConsistencyPayload(oldSize: number, newSize: number): Uint8Array {
  return encodeLogProof(computeConsistencyProof(oldSize, newSize, recordLog.readHashes, sha256));
}

export function recordProofPayload(logIndex: number, treeSize: number): Uint8Array {
  return encodeLogProof(computeLogInclusionProof(logIndex, treeSize, recordLog.readHashes, sha256));
}
