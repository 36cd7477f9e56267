import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  formatProofFile,
  formatProofSubject,
  makeProofHead,
  type ProofSubject,
  parseProofSubject,
  type VerifiedProof,
  verifyProofFile,
} from "../../src/client/verify/files.ts";
import { makeTrust, subjectText, type Trust, verifyAnswer, verifyVersions } from "../../src/client/verify/index.ts";
import { formatBase64, parseBase64 } from "../../src/vindex/base64.ts";
import { concatBytes, decodeUtf8, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { type ErrorCode, ProofdnsError } from "../../src/vindex/error.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { ed25519, makeKeys, policyOf, policyWith, sha256, timeOf, trustOf, type World, ZONE } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW } from "./scene.ts";

let world: World;
let fork: World;
let trust: Trust;

before(async () => {
  world = await makeWorld();
  fork = await makeFork();
  trust = trustOf(world.keys);
});
after(async () => {
  await world.close();
  await fork.close();
});

/** A proof file of a subject in an epoch, as `proofdns prove` makes it. */
function makeFile(
  subject: ProofSubject,
  { epoch = EPOCHS, withRecord = false, from = world }: { epoch?: number; withRecord?: boolean; from?: World } = {},
): string {
  const answers = from.answers(epoch);
  const head = from.head(epoch);
  const proofHead = makeProofHead(trust, head);
  assert.ok(proofHead);
  const { treeSize } = head.leaf.treeHead;
  const keyOf = (text: string): Uint8Array => computeIndexKey(text, sha256);
  if (subject.kind === "record") {
    const listed = versionsOf(subject.path, epoch, from).find(({ version }) => version === subject.version);
    assert.ok(listed);
    const proof = answers.recordProof(listed.logIndex, treeSize);
    return formatProofFile({ subject, head: proofHead, record: { entry: listed, proof } });
  }
  const isVersions = subject.kind === "module" && subject.withVersions === true;
  const key = keyOf(subjectText(subject));
  const answer = isVersions ? answers.versionsAnswer(key) : answers.moduleAnswer(key);
  const verified = verifyAnswer({ trust, subject, untrustedAnswer: answer, head });
  const versions = isVersions && verified.kind === "module" ? versionsOf(subject.path, epoch, from) : undefined;
  const { value } = verified.kind === "module" ? verified : { value: undefined };
  const record =
    withRecord && value !== undefined
      ? {
          entry: {
            logIndex: value.latest.logIndex,
            version: value.latest.version.text,
            zipHash: value.zipHash,
            goModHash: value.goModHash,
          },
          proof: answers.recordProof(value.latest.logIndex, treeSize),
        }
      : undefined;
  return formatProofFile({ subject, head: proofHead, answer, versions, record });
}

function versionsOf(path: string, epoch: number, from: World) {
  const answers = from.answers(epoch);
  const key = computeIndexKey(path, sha256);
  const head = from.head(epoch);
  const subject = { kind: "module", path, withVersions: true } as const;
  const verified = verifyAnswer({ trust, subject, untrustedAnswer: answers.versionsAnswer(key), head });
  assert.ok(verified.kind === "module");
  const count = Math.ceil((verified.state?.subLog.treeSize ?? 0) / 256);
  const pages = Array.from({ length: count }, (_, i) => answers.versionsPage(key, i)?.payload ?? new Uint8Array(0));
  return verifyVersions(trust, verified, pages);
}

function refuses(code: ErrorCode, run: () => unknown, message?: RegExp): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ProofdnsError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return;
  }
  assert.fail(`accepted where ${code} was expected`);
}

const MODULE = { kind: "module", path: "example.com/m1" } as const;
const VERSIONS = { ...MODULE, withVersions: true } as const;
const RECORD = { kind: "record", path: "example.com/m1", version: "v1.15.0" } as const;
const ABSENT = { kind: "module", path: "example.com/no/such" } as const;

/** What a file says, without its bytes. */
function said(proof: VerifiedProof): unknown {
  const { answer, versions, record } = proof;
  return JSON.stringify({
    subject: formatProofSubject(proof.subject),
    epoch: proof.head.epoch,
    answer: answer === undefined ? undefined : answer.kind === "absent" ? "absent" : answer.text,
    versions: versions?.map(({ version, logIndex }) => [version, logIndex]),
    record: record === undefined ? undefined : [record.version, record.logIndex, formatBase64(record.zipHash)],
  });
}

describe("a proof file", () => {
  it("is verified with keys alone, whatever its age", () => {
    const proof = verifyProofFile(trust, makeFile(MODULE, { epoch: 4 }));
    assert.equal(proof.head.epoch, 4);
    assert.ok(proof.answer?.kind === "module");
    assert.equal(proof.head.ageTime, timeOf(4));
    assert.equal(proof.record, undefined);
  });

  it("holds every kind of subject", () => {
    for (const subject of [
      MODULE,
      VERSIONS,
      ABSENT,
      { ...ABSENT, withVersions: true },
      { kind: "majors", basePath: "gopkg.in/yaml" },
      { kind: "majors", basePath: "example.com/none" },
      { kind: "toolchain" },
      RECORD,
    ] as const) {
      const proof = verifyProofFile(trust, makeFile(subject));
      assert.equal(formatProofSubject(proof.subject), formatProofSubject(subject));
      if (subject.kind !== "record") assert.ok(proof.answer !== undefined);
    }
  });

  it("lists all versions, and proves a record in the checksum database", () => {
    const { versions, record } = verifyProofFile(trust, makeFile(VERSIONS, { withRecord: true }));
    assert.deepEqual(versions, versionsOf(VERSIONS.path, EPOCHS, world));
    assert.equal(record?.version, versions?.at(-1)?.version);
    const own = verifyProofFile(trust, makeFile(RECORD));
    assert.equal(own.record?.version, RECORD.version);
    assert.equal(own.answer, undefined);
  });

  it("must be fresh where a clock is given", () => {
    const text = makeFile(MODULE);
    assert.equal(verifyProofFile(trust, text, { now: NOW }).head.ageTime, timeOf(EPOCHS));
    refuses("STALE", () => verifyProofFile(trust, text, { now: NOW + trust.maxAge + 60 }));
    refuses("FROM_FUTURE", () => verifyProofFile(trust, text, { now: timeOf(EPOCHS) - 301 - 9 }));
  });

  it("needs the policy's quorum, and takes none only where freshness is not required", () => {
    const text = makeFile(MODULE);
    const none = {
      zone: ZONE,
      policy: policyWith(world.keys, "quorum none"),
      sumdbKey: formatVerifierKey(world.keys.sumdb.verifierKey),
    };
    refuses("NO_FRESHNESS", () => verifyProofFile(makeTrust({ ...none, sha256, ed25519 }), text));
    const proof = verifyProofFile(makeTrust({ ...none, isFreshnessRequired: false, sha256, ed25519 }), text);
    assert.equal(proof.head.ageTime, 0);
    const other = makeKeys(9).cosigners.w1.verifierKey;
    const asked = policyOf(world.keys, ["clock"]).replace(
      "quorum clock",
      `witness other ${formatVerifierKey(other)}\nquorum other`,
    );
    refuses("NO_QUORUM", () => verifyProofFile(trustOf(world.keys, { policy: asked }), text));
  });

  it("is refused for another zone, log key or checksum database", () => {
    const text = makeFile(MODULE);
    const others = makeKeys(2);
    const renamed = policyOf(world.keys).replace(/^log .*$/m, `log ${formatVerifierKey(others.log.verifierKey)}`);
    refuses(
      "BAD_LOG_SIGNATURE",
      () => verifyProofFile(trustOf(world.keys, { policy: renamed }), text),
      /no signature of the log's key/,
    );
    const sumdbKey = formatVerifierKey(others.sumdb.verifierKey);
    refuses("BAD_SUMDB_SIGNATURE", () => verifyProofFile(trustOf(world.keys, { sumdbKey }), text));
    refuses(
      "BAD_LOG_SIGNATURE",
      () => verifyProofFile({ ...trust, origin: "l.example.com/p1" }, text),
      /its log is l\.example\.org\/p1/,
    );
  });

  it("is refused where another subject is wanted", () => {
    const text = makeFile(MODULE);
    verifyProofFile(trust, text, { subject: MODULE });
    for (const subject of [VERSIONS, ABSENT, { kind: "toolchain" } as const, RECORD]) {
      refuses("BAD_PROOF", () => verifyProofFile(trust, text, { subject }));
    }
  });

  it("is refused beside a remembered head that it contradicts", () => {
    const text = makeFile(MODULE);
    refuses("FORK", () => verifyProofFile(trust, text, { memory: fork.memory(EPOCHS) }));
    verifyProofFile(trust, text, { memory: world.memory(EPOCHS) });
    verifyProofFile(trust, makeFile(MODULE, { epoch: EPOCHS - 1 }), { memory: world.memory(EPOCHS) });
    refuses("LAGGING", () =>
      verifyProofFile(trust, makeFile(MODULE, { epoch: EPOCHS - 2 }), { memory: world.memory(EPOCHS) }),
    );
  });

  it("is refused after any change of one bit, or says the same", () => {
    const absent = makeFile(ABSENT);
    for (const text of [makeFile(MODULE, { withRecord: true }), makeFile(RECORD), absent]) {
      const honest = said(verifyProofFile(trust, text));
      const bytes = encodeUtf8(text);
      let harmless = 0;
      // Every eleventh bit, at all places within a byte; all of them where that is asked for.
      const step = process.env["PROOFDNS_EXHAUSTIVE"] === "1" ? 1 : 11;
      for (let bit = 0; bit < bytes.length * 8; bit += step) {
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        const changed = decodeUtf8(flipped);
        if (changed === undefined) continue;
        try {
          const now = said(verifyProofFile(trust, changed));
          // Of an absent module another one that is as absent may come out, which is true too.
          if (text !== absent) assert.equal(now, honest, `bit ${bit}`);
          harmless++;
        } catch (error) {
          assert.ok(error instanceof ProofdnsError, `bit ${bit}: ${String(error)}`);
        }
      }
      // All four cosigners are asked for, so there is no line that does not count.
      assert.ok(harmless <= 3, String(harmless));
    }
  });

  it("is refused in any other form of the same", () => {
    const text = makeFile(MODULE, { withRecord: true });
    const lines = text.split("\n");
    const change = (i: number, line: (before: string) => string): string =>
      lines.with(i, line(lines[i] ?? "")).join("\n");
    const extraOf = (bytes: (before: Uint8Array) => Uint8Array): string =>
      change(1, (line) => `extra ${formatBase64(bytes(parseBase64(line.slice(6)) ?? new Uint8Array(0)))}`);
    for (const wrong of [
      "",
      "\n\n",
      `\ufeff${text}`,
      text.replaceAll("\n", "\r\n"),
      ` ${text}`,
      text.slice(0, -1),
      `${text}\n`,
      change(0, () => "c2sp.org/tlog-proof@v2"),
      change(1, () => "extra "),
      change(1, (line) => `${line}=`),
      change(1, (line) => line.replace("extra", "Extra")),
      lines.toSpliced(1, 1).join("\n"),
      change(2, () => "index 013"),
      change(2, () => "index 12"),
      change(2, () => "index 14"),
      change(3, (line) => line.slice(4)),
      lines.toSpliced(3, 1).join("\n"),
      lines.toSpliced(3, 0, lines[3] ?? "").join("\n"),
      lines.toSpliced(3, 0, ...Array.from({ length: 70 }, () => lines[3] ?? "")).join("\n"),
      extraOf((bytes) => bytes.subarray(1)),
      extraOf((bytes) => bytes.subarray(0, -1)),
      extraOf((bytes) => concatBytes(bytes, Uint8Array.of(0))),
      extraOf((bytes) => concatBytes(bytes, Uint8Array.of(6, 0))),
      extraOf((bytes) => concatBytes(bytes, Uint8Array.of(7, 0))),
      extraOf((bytes) => bytes.subarray(0, "proofdns-proof/1\n".length)),
    ]) {
      refuses("MALFORMED_PROOF", () => verifyProofFile(trust, wrong));
    }
    refuses("MALFORMED_PROOF", () => verifyProofFile(trust, text + "x".repeat(1 << 22)), /longer than/);
  });

  it("takes lines of other keys for none, and refuses a second line of a key", () => {
    const text = makeFile(MODULE);
    const other = "— w9.example.org AAAAAAAA\n";
    verifyProofFile(trust, text + other);
    const lines = text.trimEnd().split("\n");
    const logLine = lines.find((line) => line.startsWith("— l.example.org/p1 ")) ?? "";
    refuses("BAD_LOG_SIGNATURE", () => verifyProofFile(trust, `${text}${logLine}\n`));
    refuses("MALFORMED_PROOF", () => verifyProofFile(trust, `${text}${lines.at(-1)}\n`), /two cosignatures/);
  });

  it("does not take a proof of one subject for another's", () => {
    const [a, b] = [makeFile(MODULE), makeFile({ kind: "module", path: "example.com/m2" })].map((text) => {
      const line = text.split("\n")[1] ?? "";
      return parseBase64(line.slice(6)) ?? new Uint8Array(0);
    }) as [Uint8Array, Uint8Array];
    const at = "proofdns-proof/1\n".length;
    const swapped = concatBytes(
      b.subarray(0, at + 2 + "module example.com/m2".length),
      a.subarray(at + 2 + "module example.com/m1".length),
    );
    const text = makeFile(MODULE)
      .split("\n")
      .with(1, `extra ${formatBase64(swapped)}`)
      .join("\n");
    refuses("BAD_PROOF", () => verifyProofFile(trust, text));
  });
});

describe("a subject's text", () => {
  it("has one form", () => {
    for (const text of [
      "module example.com/x",
      "versions example.com/x",
      "majors gopkg.in/yaml",
      "toolchain",
      "record example.com/x v1.2.3",
    ]) {
      const subject = parseProofSubject(text);
      assert.ok(subject);
      assert.equal(formatProofSubject(subject), text);
    }
  });

  it("is refused otherwise", () => {
    for (const text of [
      "",
      "module",
      "module ",
      "module  example.com/x",
      "module example.com/x ",
      "module example.com/x v1.0.0",
      "module Example.com/x",
      "modules example.com/x",
      "toolchain ",
      "toolchain x",
      "majors ",
      "majors a b",
      "record example.com/x",
      "record example.com/x v1",
      "record example.com/x v2.0.0",
      "record example.com/x v1.0.0 x",
      "module example.com/\u0000",
    ]) {
      assert.equal(parseProofSubject(text), undefined, text);
    }
  });
});
