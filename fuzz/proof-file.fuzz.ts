import assert from "node:assert/strict";
import { subjectText } from "../src/client/verify/index.ts";
import { formatProofSubject, type ProofSubject, parseProofSubject } from "../src/client/verify/proof-extra.ts";
import { formatProofFile, type VerifiedProof, verifyProofFile } from "../src/client/verify/proof-file.ts";
import { makeProofHead } from "../src/client/verify/proof-head.ts";
import { formatBase64, parseBase64 } from "../src/vindex/base64.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { Input, latin1Of, textOf } from "./input.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import {
  answerOf,
  answerPayload,
  EPOCHS,
  entriesOf,
  recordProofPayload,
  SIZES,
  timeOf,
  trustOf,
  verifiedHead,
  work,
} from "./world.ts";

/**
 * Proof files (spec/proof-file.md): true ones of an honest log, changed in their text, their extra data and their note. What is
 * accepted says what the log says, and about the subject that it names.
 */
export const target: Target = { maxLength: 700, plants: ["any-subject", "first-epoch"] };

const trust = trustOf();
const { sha256 } = work;

/** Bug: the subject that is wanted is not compared. */
const verifyAny = plant("any-subject", verifyProofFile, (trusted, text, { subject: _, ...options } = {}) =>
  verifyProofFile(trusted, text, options),
);
/** Bug: a file of an older epoch than the one remembered is taken for one of it. */
const verify = plant("first-epoch", verifyAny, (trusted, text, options) => {
  const proof = verifyAny(trusted, text, options);
  return proof.head.epoch === 1 ? { ...proof, head: verifiedHead(2, trust) } : proof;
});

const CODES = [
  "MALFORMED_PROOF",
  "MALFORMED_ANSWER",
  "BAD_LOG_SIGNATURE",
  "BAD_SUMDB_SIGNATURE",
  "BAD_COSIGNATURE",
  "BAD_PROOF",
  "BAD_VALUE",
  "BAD_STATE_TEXT",
  "BAD_MAJORS",
  "BAD_VERSIONS",
  "VERSIONS_MISSING",
  "BAD_RECORD_PROOF",
  "WRONG_EPOCH",
  "NO_QUORUM",
  "STALE",
  "FROM_FUTURE",
  "FORK",
  "SUMDB_ROLLBACK",
  "LAGGING",
] as const;

const SUBJECTS: readonly ProofSubject[] = [
  { kind: "module", path: "example.com/both" },
  { kind: "module", path: "example.com/often", withVersions: true },
  { kind: "module", path: "example.com/absent" },
  { kind: "majors", basePath: "example.com/big" },
  { kind: "toolchain" },
  { kind: "record", path: "example.com/both", version: "v1.0.0" },
  { kind: "record", path: "go4.org", version: "v0.0.1" },
];

/** A true file; undefined if the epoch has no such record. */
export function fileOf(subject: ProofSubject, epoch: number, withRecord: boolean): string | undefined {
  const head = makeProofHead(trust, verifiedHead(epoch, trust));
  assert.ok(head !== undefined);
  const path = subject.kind === "record" || subject.kind === "module" ? subject.path : "";
  const entries = path === "" ? [] : entriesOf(epoch, computeIndexKey(path, sha256));
  const proofOf = (entry: (typeof entries)[number] | undefined) =>
    entry === undefined ? undefined : { entry, proof: recordProofPayload(entry.logIndex, SIZES[epoch - 1] as number) };
  if (subject.kind === "record") {
    const record = proofOf(entries.find(({ version }) => version === subject.version));
    return record === undefined ? undefined : formatProofFile({ subject, head, record });
  }
  const isAll = subject.kind === "module" && subject.withVersions === true;
  const latest = /^v=(\S+)/.exec(answerOf(epoch, computeIndexKey(subjectText(subject), sha256)).text)?.[1];
  const record = withRecord ? proofOf(entries.find(({ version }) => version === latest)) : undefined;
  const answer = answerPayload(epoch, subjectText(subject), isAll);
  return formatProofFile({ subject, head, answer, versions: isAll ? entries : undefined, record });
}

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([anyText, changed, changed, changed, subjectOf])(input);
}

function anyText(input: Input): void {
  const text = textOf(input.rest());
  const got = outcomeOf(() => verify(trust, text), ...CODES);
  if (got.code === undefined) assertTrue(got.value);
}

function changed(input: Input): void {
  const subject = input.pick(SUBJECTS);
  const epoch = 1 + (input.byte() % EPOCHS);
  const flags = input.byte();
  const file = fileOf(subject, epoch, flags % 2 === 1);
  if (file === undefined) return;
  let text = file;
  for (let n = input.byte() % 4; n > 0; n--) text = change(input, text, epoch);
  const wanted = (flags & 2) === 0 ? undefined : input.pick(SUBJECTS);
  const now = (flags & 4) === 0 ? undefined : timeOf(epoch) + input.uint16();
  const memory = (flags & 8) === 0 ? undefined : verifiedHead(1 + (input.byte() % EPOCHS), trust);
  const options = { subject: wanted, now, memory };
  const got = withinTime("a proof file", () =>
    work.counted(() => outcomeOf(() => verify(trust, text, options), ...CODES)),
  );
  // Signatures: of the log, the sumdb and the cosigners, with the memory and without it.
  assert.ok(work.verifications <= 2 * (3 + 4), `${work.verifications} signature checks`);
  if (got.code !== undefined) {
    assert.ok(
      text !== file || wanted !== undefined || now !== undefined || memory !== undefined,
      `a true file is refused with ${got.code}`,
    );
    return;
  }
  assertTrue(got.value);
  const named = formatProofSubject(got.value.subject);
  if (wanted !== undefined) assert.equal(named, formatProofSubject(wanted));
  if (text === file) assert.deepEqual([named, got.value.head.epoch], [formatProofSubject(subject), epoch]);
  if (memory !== undefined && memory.epoch === got.value.head.epoch)
    assert.deepEqual(got.value.head.rootHash, memory.rootHash);
}

/** One change: of the extra data, of a line, of a byte, or the part of another file. */
function change(input: Input, text: string, epoch: number): string {
  const how = input.byte();
  const lines = text.split("\n");
  if (how < 0x60) {
    const extra = parseBase64(lines[1]?.slice("extra ".length) ?? "");
    if (extra === undefined || extra.length === 0) return text;
    const at = input.uint16() % extra.length;
    const bytes = how < 0x30 ? Uint8Array.of(input.byte()) : input.take(input.byte() % 40);
    const cut = how < 0x40 ? bytes.length : input.byte() % 40;
    const made = Buffer.concat([extra.subarray(0, at), bytes, extra.subarray(at + cut)]);
    return [lines[0], `extra ${formatBase64(made)}`, ...lines.slice(2)].join("\n");
  }
  const at = input.byte() % lines.length;
  if (how < 0x80) return lines.toSpliced(at, 1).join("\n");
  if (how < 0xa0) return lines.toSpliced(at, 0, lines[input.byte() % lines.length] as string).join("\n");
  if (how < 0xc0) return lines.toSpliced(at, 1, latin1Of(input.block())).join("\n");
  if (how < 0xe0) {
    const place = input.uint16() % text.length;
    return text.slice(0, place) + String.fromCharCode(input.byte()) + text.slice(place + 1);
  }
  const other = fileOf(input.pick(SUBJECTS), 1 + ((epoch + input.byte()) % EPOCHS), false)?.split("\n") ?? lines;
  return [...lines.slice(0, at), ...other.slice(at)].join("\n");
}

/** Fails unless a proof says what the honest log holds. */
function assertTrue({ subject, head, answer, versions, record }: VerifiedProof): void {
  const { epoch } = head;
  const honest = verifiedHead(epoch, trust);
  assert.deepEqual([head.rootHash, head.leaf.mapRoot], [honest.rootHash, honest.leaf.mapRoot]);
  if (subject.kind !== "record") {
    const key = computeIndexKey(subjectText(subject), sha256);
    const { text } = answerOf(epoch, key);
    assert.equal(answer?.kind === "absent" ? "" : answer?.text, text);
    if (versions !== undefined) assert.deepEqual(versions, entriesOf(epoch, key));
  } else assert.ok(record !== undefined && record.path === subject.path && record.version === subject.version);
  if (record === undefined) return;
  const held = entriesOf(epoch, computeIndexKey(record.path, sha256));
  const { path: _, ...entry } = record;
  assert.ok(held.some((other) => JSON.stringify(flat(other)) === JSON.stringify(flat(entry))));
}

const flat = (entry: { version: string; logIndex: number; zipHash: Uint8Array; goModHash: Uint8Array }) => [
  entry.version,
  entry.logIndex,
  formatBase64(entry.zipHash),
  formatBase64(entry.goModHash),
];

/** A subject has one text. */
function subjectOf(input: Input): void {
  const text = textOf(input.rest());
  const subject = parseProofSubject(text);
  if (subject !== undefined) assert.equal(formatProofSubject(subject), text);
}
