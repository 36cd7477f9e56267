import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import {
  type Subject,
  subjectText,
  type VerifiedHead,
  verifyAnswer,
  verifyRecord,
  verifySumdbExtension,
  verifyVersions,
} from "../../src/client/verify/index.ts";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { familyOf, isModulePath } from "../../src/vindex/module-path.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { EPOCHS, flipAll, makeLargeWorld, refusalOf, Tally } from "./flips.ts";
import { pathsOf, record } from "./records.ts";
import { sha256, trustOf, World } from "./world.ts";

/**
 * Every payload that a client takes, with every single bit changed: each change must be refused. The policies name and
 * require all cosigners of a head, since what a stranger's key signs is ignored.
 *
 * Which bits are tried: flips.ts.
 */

const { world: real, records, isReal } = await makeLargeWorld();
after(() => real.close());
const trust = trustOf(real.keys);
const newest = real.head(EPOCHS);
const answers = real.answers(EPOCHS);

function flipAnswers(t: TestContext, subjects: readonly Subject[], head: VerifiedHead, data = answers): void {
  const tally = new Tally();
  for (const subject of subjects) {
    const indexKey = computeIndexKey(subjectText(subject), sha256);
    const withVersions = subject.kind === "module" && subject.withVersions === true;
    const payload = withVersions ? data.versionsAnswer(indexKey) : data.moduleAnswer(indexKey);
    const verify = (untrustedAnswer: Uint8Array): unknown => verifyAnswer({ trust, subject, untrustedAnswer, head });
    flipAll(tally, subjectText(subject), payload, verify);
  }
  t.diagnostic(`${isReal ? "real" : "invented"} records: ${tally}`);
}

/** Modules with an answer of a kind, spread over all of them. */
function pick(count: number, isMeant: (text: string) => boolean): Subject[] {
  const meant = pathsOf(records).filter((path) => isModulePath(path) && isMeant(committed(path)));
  assert.ok(meant.length > 0);
  const step = Math.max(1, Math.floor(meant.length / count));
  return meant
    .filter((_, i) => i % step === 0)
    .slice(0, count)
    .map((path) => ({ kind: "module", path }));
}

function committed(subject: string): string {
  const value = real.snapshot(EPOCHS).tree.get(computeIndexKey(subject, sha256));
  return value === undefined ? "" : Buffer.from(value).toString("latin1");
}

function module(path: string): Subject {
  return { kind: "module", path };
}

test("no bit of an answer for a released module can be changed", (t) => {
  flipAnswers(
    t,
    pick(30, (text) => text.startsWith("v=") && !text.includes("k=")),
    newest,
  );
});

test("no bit of an answer that shows a pre-release can be changed", (t) => {
  flipAnswers(t, [module("example.com/both"), ...pick(14, (text) => text.includes("k=pre"))], newest);
});

test("no bit of an answer for an untagged module can be changed", (t) => {
  flipAnswers(
    t,
    pick(15, (text) => text.includes("k=pseudo")),
    newest,
  );
});

test("no bit of an answer for the majors of a base path can be changed, complete or cut", (t) => {
  const bases = new Set(
    pathsOf(records).flatMap((path) => (isModulePath(path) ? (familyOf(path)?.basePath ?? []) : [])),
  );
  const chosen = ["example.com/big", "example.com/small", "gopkg.in/thing", ...bases];
  const subjects = [...new Set(chosen)].slice(0, 13).map((basePath): Subject => ({ kind: "majors", basePath }));
  flipAnswers(t, subjects, newest);
});

test("no bit of the answer for the toolchain can be changed", (t) => {
  flipAnswers(t, [{ kind: "toolchain" }], newest);
});

test("no bit of a proof of absence can be changed", (t) => {
  const paths = Array.from({ length: 20 }, (_, i) => `example.com/no/such/module${i}`);
  // The leaf that is shown may be a toolchain or a family, too: it is only another key.
  flipAnswers(t, paths.map(module), newest);
});

test("no bit of an answer with its state can be changed", (t) => {
  const subjects = [module("example.com/late"), ...pick(11, () => true)];
  flipAnswers(
    t,
    subjects.map((subject) => ({ ...subject, withVersions: true }) as Subject),
    newest,
  );
});

test("no bit of an answer from a map of none, one or two subjects can be changed", async (t) => {
  const texts = ["this is no record\n", record("example.com/a", "v1.0.0"), record("example.com/b", "v1.0.0")];
  const small = await World.build({ records: texts, sizes: [1, 2, 3] });
  for (let epoch = 1; epoch <= 3; epoch++) {
    const subjects = ["example.com/a", "example.com/b", "example.com/c"].map(module);
    flipAnswers(t, subjects, small.head(epoch), small.answers(epoch));
  }
  await small.close();
});

test("no bit of a consistency proof of the checksum database can be changed", (t) => {
  const tally = new Tally();
  for (const [older, newer] of [
    [1, 40],
    [12, 13],
    [30, 40],
    [39, 40],
  ] as const) {
    const [m, n] = [real.head(older), real.head(newer)];
    const payload = answers.sumdbConsistency(m.leaf.treeHead.treeSize, n.leaf.treeHead.treeSize);
    flipAll(tally, `sumdb ${older} to ${newer}`, payload, (proof) => verifySumdbExtension(trust, m, n, proof));
  }
  t.diagnostic(String(tally));
});

test("no bit of the proof of a record can be changed", (t) => {
  const tally = new Tally();
  for (const subject of pick(10, () => true)) {
    const untrustedAnswer = answers.moduleAnswer(computeIndexKey(subjectText(subject), sha256));
    const answer = verifyAnswer({ trust, subject, untrustedAnswer, head: newest });
    assert.ok(answer.kind === "module");
    const { latest, zipHash, goModHash } = answer.value;
    const { logIndex } = latest;
    const proven = { path: answer.path, version: latest.version.text, zipHash, goModHash, logIndex };
    const payload = answers.recordProof(logIndex, newest.leaf.treeHead.treeSize);
    flipAll(tally, `record ${logIndex}`, payload, (proof) => verifyRecord(trust, newest, proven, proof));
  }
  t.diagnostic(String(tally));
});

test("no bit of a page of versions can be changed", (t) => {
  const tally = new Tally();
  const few = pick(2000, () => true).filter((subject) => {
    const page = answers.versionsPage(computeIndexKey(subjectText(subject), sha256), 0);
    return page !== undefined && page.payload.length < 800;
  });
  for (const chosen of few.filter((_, i) => i % Math.ceil(few.length / 12) === 0)) {
    const subject = { ...chosen, withVersions: true } as Subject;
    const indexKey = computeIndexKey(subjectText(subject), sha256);
    const answer = verifyAnswer({ trust, subject, untrustedAnswer: answers.versionsAnswer(indexKey), head: newest });
    assert.ok(answer.kind === "module");
    const page = answers.versionsPage(indexKey, 0);
    assert.ok(page !== undefined);
    flipAll(tally, `page of ${answer.path}`, page.payload, (payload) => verifyVersions(trust, answer, [payload]));
  }
  t.diagnostic(String(tally));
});

test("no answer may be cut anywhere, or go on behind its end", (t) => {
  let count = 0;
  const subjects: Subject[] = [
    module("example.com/both"),
    module("example.com/no/such/module"),
    { kind: "majors", basePath: "example.com/small" },
    { kind: "toolchain" },
    { kind: "module", path: "example.com/late", withVersions: true },
  ];
  for (const subject of subjects) {
    const indexKey = computeIndexKey(subjectText(subject), sha256);
    const withVersions = subject.kind === "module" && subject.withVersions === true;
    const payload = withVersions ? answers.versionsAnswer(indexKey) : answers.moduleAnswer(indexKey);
    const changed = [
      ...Array.from({ length: payload.length }, (_, end) => payload.slice(0, end)),
      ...Array.from({ length: 256 }, (_, byte) => concatBytes(payload, Uint8Array.of(byte))),
      concatBytes(payload, new Uint8Array(32)),
      concatBytes(payload, payload),
      new Uint8Array(65_001),
    ];
    for (const untrustedAnswer of changed) {
      const code = refusalOf(() => verifyAnswer({ trust, subject, untrustedAnswer, head: newest }));
      assert.equal(
        code,
        "MALFORMED_ANSWER",
        `${subjectText(subject)}, ${untrustedAnswer.length} bytes of ${payload.length}`,
      );
      count++;
    }
  }
  t.diagnostic(`${count} payloads`);
});

test("the uncut majors may be taken off an answer only as a whole, and then it is not complete", () => {
  const subject: Subject = { kind: "majors", basePath: "example.com/big" };
  const payload = answers.moduleAnswer(computeIndexKey(subjectText(subject), sha256));
  const taken: { length: number; isComplete: boolean }[] = [];
  for (let length = 0; length <= payload.length; length++) {
    const untrustedAnswer = payload.subarray(0, length);
    const code = refusalOf(() => {
      const answer = verifyAnswer({ trust, subject, untrustedAnswer, head: newest });
      assert.ok(answer.kind === "majors");
      taken.push({ length, isComplete: answer.isComplete });
    });
    if (code !== undefined) assert.equal(code, "MALFORMED_ANSWER");
  }
  assert.deepEqual(
    taken.map(({ isComplete }) => isComplete),
    [false, true],
  );
  assert.equal(taken[1]?.length, payload.length);
});
