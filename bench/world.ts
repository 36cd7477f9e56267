import { type AnswerInput, type HeadInput, makeTrust, type Trust, verifyHead } from "../src/client/verify/index.ts";
import { EpochAnswers } from "../src/dns/answers.ts";
import { encodePathName } from "../src/dns/module-name.ts";
import { formatName, joinName, parseName } from "../src/dns/name.ts";
import { Responder } from "../src/dns/responder.ts";
import { encodeTxtQuery } from "../src/dns/txt-reply.ts";
import { makeZone } from "../src/dns/zone.ts";
import { ELSEWHERE } from "../src/dns/zone-data.ts";
import type { StoreReader } from "../src/store/store-reader.ts";
import { encodeUtf8 } from "../src/vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead } from "../src/vindex/checkpoint.ts";
import { cosign } from "../src/vindex/cosignature.ts";
import type { Ed25519Verifier } from "../src/vindex/ed25519.ts";
import type { FlatTree } from "../src/vindex/flat-tree.ts";
import { computeEpochLeafHash, type EpochLeaf, formatLeaf } from "../src/vindex/leaf.ts";
import { foldWindow, type IndexedRecord } from "../src/vindex/map-function.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  signNote,
} from "../src/vindex/note.ts";
import { OutputLog } from "../src/vindex/output-log.ts";
import { PathTable } from "../src/vindex/path-table.ts";
import { nodeEd25519, nodeSha256 } from "../src/vindex/platform.ts";
import { formatPolicy } from "../src/vindex/policy.ts";
import { computeRecordHash, parseRecord } from "../src/vindex/record.ts";
import type { Sha256 } from "../src/vindex/sha256.ts";
import { TreeSlab } from "../src/vindex/tree-slab.ts";

const NOW = 1_790_000_000;
const ZONE = "l.example.org";

/** One signed epoch over some records, in memory. */
export interface World {
  readonly tree: FlatTree;
  readonly recordCount: number;
  readonly pairs: readonly { indexKey: Uint8Array; value: Uint8Array }[];
  readonly indexKeys: readonly Uint8Array[];
  readonly answers: EpochAnswers;
  readonly ed25519: Ed25519Verifier;
  readonly answerInput: Omit<AnswerInput, "trust">;
  readonly headInput: Omit<HeadInput, "trust">;
  /** Trust with the given primitives; made once for each pair. */
  trust(sha256: Sha256, ed25519: Ed25519Verifier): Trust;
  /** Answers one module query. */
  reply(): Uint8Array | undefined;
}

/** Makes a world of record texts. */
export function makeWorld(texts: readonly string[]): World {
  const ed25519 = nodeEd25519();
  const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
  const logKey = makeSignerKey(`${ZONE}/p1`, KEY_TYPE_ED25519, seed(1), ed25519);
  const clockKey = makeSignerKey(`${ZONE}/clock`, KEY_TYPE_COSIGNATURE, seed(2), ed25519);
  const sumdbKey = makeSignerKey("sumdb.example", KEY_TYPE_ED25519, seed(3), ed25519);
  const records: IndexedRecord[] = texts.map((text, logIndex) => {
    const bytes = encodeUtf8(text);
    const record = parseRecord(bytes);
    if (record === undefined) throw new TypeError(`not well-formed: ${text}`);
    return { record, logIndex, recordHash: computeRecordHash(bytes, nodeSha256) };
  });
  const after = foldWindow({ state: () => undefined, family: () => [], toolchain: [] }, records, nodeSha256);
  const pairs = after.changes.map(({ indexKey, value }) => ({ indexKey, value: value as Uint8Array }));
  const slab = TreeSlab.empty();
  const tree = slab.update(pairs);
  slab.accept(tree);
  const treeHead = { treeSize: records.length, rootHash: seed(9) };
  const leaf: EpochLeaf = {
    mapRoot: tree.rootHash(),
    treeHead,
    sumdbSignature: signNote(formatTreeHead(treeHead), sumdbKey, ed25519).blob,
  };
  const log = new OutputLog(nodeSha256);
  log.append(computeEpochLeafHash(formatLeaf(leaf, sumdbKey.verifierKey), nodeSha256));
  const checkpoint = formatCheckpoint({ origin: `${ZONE}/p1`, treeSize: 1, rootHash: log.root(1) });
  const cosignature = cosign(checkpoint, NOW, clockKey, ed25519);
  const answers = new EpochAnswers({
    epoch: 1,
    leaf,
    logSignature: signNote(checkpoint, logKey, ed25519).blob,
    cosignatures: [{ first: cosignature, last: cosignature }],
    tree,
    log,
    sumdbSizes: [records.length],
    times: [{ firstClock: NOW, firstQuorum: NOW }],
    paths: PathTable.empty(),
    // Module answers and heads of the newest epoch read nothing from a store.
    reader: undefined as unknown as StoreReader,
    sumdbKey: sumdbKey.verifierKey,
    headVersion: 1,
    nextEpochTime: NOW + 600,
    hasRecordProofs: false,
    sha256: nodeSha256,
  });
  const policy = formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }]);
  const makeOwnTrust = (sha256: Sha256, scheme: Ed25519Verifier): Trust =>
    makeTrust({ zone: ZONE, policy, sumdbKey: formatVerifierKey(sumdbKey.verifierKey), sha256, ed25519: scheme });
  const trusts = new Map<Sha256, Trust>();
  const trust = (sha256: Sha256, scheme: Ed25519Verifier): Trust => {
    const known = trusts.get(sha256) ?? makeOwnTrust(sha256, scheme);
    trusts.set(sha256, known);
    return known;
  };
  const headInput = { memory: undefined, now: NOW, question: {}, untrustedHead: answers.head(1) };
  const head = verifyHead({ ...headInput, trust: trust(nodeSha256, ed25519) });
  const first = after.modules[0];
  if (first === undefined) throw new TypeError("no modules");
  const answerInput = {
    subject: { kind: "module", path: first.path } as const,
    untrustedAnswer: answers.moduleAnswer(first.indexKey),
    head,
  };
  const zone = makeZone({ apex: ZONE, nameServers: [{ name: `ns1.${ZONE}` }], hostmaster: `hostmaster.${ZONE}` });
  const name = joinName([...(encodePathName(first.path) ?? []), "p1"], parseName(ZONE));
  if (name === undefined) throw new TypeError(`no name for ${first.path} under ${formatName(parseName(ZONE))}`);
  const query = encodeTxtQuery(name, 1);
  // One for all replies, as a server has it; without a cache, so that each is made.
  const responder = new Responder({ zone, sha256: nodeSha256 });
  const asker = { transport: "udp", address: new Uint8Array(4) } as const;
  return {
    tree,
    recordCount: records.length,
    pairs,
    indexKeys: after.modules.map(({ indexKey }) => indexKey),
    answers,
    ed25519,
    answerInput,
    headInput,
    trust,
    reply: () => {
      const reply = responder.respond(query, asker, answers, NOW);
      return reply === ELSEWHERE ? undefined : reply;
    },
  };
}
