import assert from "node:assert/strict";
import {
  pageCount,
  type VerifiedAnswer,
  verifyAnswer,
  verifyRecord,
  verifyVersions,
} from "../src/client/verify/index.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { computeRecordHashOf, makeRecord } from "../src/vindex/record.ts";
import { Input } from "./input.ts";
import { naiveInclusionRoot, same } from "./oracle/merkle.ts";
import { naiveLogProof, naivePage } from "./oracle/payload.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import {
  answerPayload,
  EPOCHS,
  entriesOf,
  epochOf,
  recordProofPayload,
  SIZES,
  trustOf,
  verifiedHead,
  work,
} from "./world.ts";

/** Lists of versions and records under an honest head: what is accepted is what the checksum database holds. */
export const target: Target = { maxLength: 1600, plants: ["one-hash-unbound", "index-clamped"] };

type ModuleAnswer = Extract<VerifiedAnswer, { kind: "module" }>;

/** Bug: the hashes of a module with a single record are not checked against the state. */
const verify = plant("one-hash-unbound", verifyVersions, (trust, answer, pages) => {
  const entries = entriesOf(answer.head.epoch, computeIndexKey(answer.path, trust.sha256));
  const claimed = pages.flatMap((page) => naivePage(page) ?? []);
  const [first] = claimed;
  const [truth] = entries;
  const isOther = first?.version === truth?.version && first?.index === truth?.logIndex && first !== undefined;
  if (isOther && claimed.length === 1 && entries.length === 1 && truth !== undefined) return [truth];
  return verifyVersions(trust, answer, pages);
});

/** Bug: an index beyond the tree is taken for the last one. */
const verifyOne = plant("index-clamped", verifyRecord, (trust, head, record, proof) => {
  const last = head.leaf.treeHead.treeSize - 1;
  verifyRecord(trust, head, { ...record, logIndex: Math.min(record.logIndex, last) }, proof);
});

const MODULES = ["example.com/often", "example.com/both", "go4.org", "example.com/pre", "example.com/late"];
const trust = trustOf();
const head = verifiedHead(EPOCHS, trust);
const answers = MODULES.map((path): ModuleAnswer => {
  const untrustedAnswer = answerPayload(EPOCHS, path, true);
  const answer = verifyAnswer({ trust, subject: { kind: "module", path, withVersions: true }, untrustedAnswer, head });
  if (answer.kind !== "module") throw new Error(`${path} is absent`);
  return answer;
});

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([pages, record])(input);
}

/** One page or more: a byte 0xff gives the length of a first one. */
function pages(input: Input): void {
  const answer = input.pick(answers);
  const isSplit = input.byte() === 0xff;
  const sent = isSplit ? [input.take(input.uint16()), input.rest()] : [input.rest()];
  const outcome = withinTime("versions", () =>
    outcomeOf(() => verify(trust, answer, sent), "MALFORMED_ANSWER", "VERSIONS_MISSING", "BAD_VERSIONS"),
  );
  const entries = entriesOf(EPOCHS, computeIndexKey(answer.path, work.sha256));
  const decoded = sent.map(naivePage);
  const [first = []] = decoded;
  const isTrue = entries.every(({ logIndex, version, zipHash, goModHash }, i) => {
    const entry = first[i];
    return (
      entry?.index === logIndex &&
      entry.version === version &&
      same(entry.zipHash, zipHash) &&
      same(entry.goModHash, goModHash)
    );
  });
  const isWhole = pageCount(entries.length) === 1 && first.length >= entries.length;
  const expected = decoded.includes(undefined)
    ? "MALFORMED_ANSWER"
    : !isWhole
      ? "VERSIONS_MISSING"
      : isTrue
        ? undefined
        : "BAD_VERSIONS";
  assert.equal(outcome.code, expected, outcome.error?.message);
  if (outcome.value !== undefined) {
    assert.deepEqual(
      outcome.value.map(({ logIndex, version }) => [logIndex, version]),
      entries.map(({ logIndex, version }) => [logIndex, version]),
    );
  }
}

function record(input: Input): void {
  const answer = input.pick(answers);
  const entries = entriesOf(EPOCHS, computeIndexKey(answer.path, work.sha256));
  const entry = entries[input.byte() % entries.length];
  if (entry === undefined) return;
  const epoch = 1 + (input.byte() % EPOCHS);
  const under = verifiedHead(epoch, trust);
  const { treeSize, rootHash } = under.leaf.treeHead;
  const moved = input.byte();
  const logIndex = moved % 4 === 0 ? moved >> 2 : entry.logIndex;
  const [at, bits] = [input.byte(), input.byte()];
  const isHonest = input.byte() % 2 === 0 && logIndex < treeSize;
  const proof = isHonest ? recordProofPayload(logIndex, treeSize) : input.rest();
  if (isHonest && at < proof.length) proof[at] = (proof[at] as number) ^ bits;
  const claim = { path: answer.path, ...entry, logIndex };
  const outcome = withinTime("a record", () =>
    outcomeOf(() => verifyOne(trust, under, claim, proof), "MALFORMED_ANSWER", "BAD_RECORD_PROOF"),
  );
  const hashes = naiveLogProof(proof);
  const made = makeRecord(answer.path, entry.version, entry.zipHash, entry.goModHash);
  if (made === undefined) throw new Error("a record of the log is not well-formed");
  const leafHash = computeRecordHashOf(made, work.sha256);
  let expected: string | undefined = "MALFORMED_ANSWER";
  if (hashes !== undefined) {
    const root = logIndex < treeSize ? naiveInclusionRoot(hashes, leafHash, logIndex, treeSize) : rootHash.slice(1);
    if (root !== undefined) expected = same(root, rootHash) ? undefined : "BAD_RECORD_PROOF";
  }
  assert.equal(outcome.code, expected, outcome.error?.message);
  if (outcome.code === undefined) assert.ok(logIndex === entry.logIndex && logIndex < (SIZES[epoch - 1] ?? 0));
  assert.equal(epochOf(epoch).leaf.treeHead.treeSize, treeSize);
}
