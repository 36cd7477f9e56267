import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FullAuditor } from "../../src/audit/auditor.ts";
import { DnsEpochSource, PublishedSource, urlReader } from "../../src/audit/epoch-source.ts";
import { verifyEpochEvidence } from "../../src/audit/evidence.ts";
import { MAX_LOG_FILE_LENGTH, parseLogFile, type UntrustedEpoch } from "../../src/audit/log-file.ts";
import { LogWalk } from "../../src/audit/log-walk.ts";
import { RecordFeed } from "../../src/audit/record-feed.ts";
import type { Transport, TxtReply } from "../../src/client/transport.ts";
import { formatName } from "../../src/dns/name.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { type ErrorCode, isProofdnsError, type ProofdnsError } from "../../src/vindex/error.ts";
import { verifyForkEvidence } from "../../src/vindex/evidence.ts";
import { formatLeaf, parseLeaf } from "../../src/vindex/leaf.ts";
import { formatVerifierKey, signNote } from "../../src/vindex/note.ts";
import { encodeHead } from "../../src/vindex/payload.ts";
import { makeKey, makeLog, ServerSource, signHead } from "../sumdb/small-log.ts";
import { ed25519, foldEpochs, RECORDS, recordOf, SIZES, sha256, sumdbKey, sumdbVkey } from "./folds.ts";
import { fileOf, logVkey, publish, signEpochs, sumdbServer, walkKeys, ZONE } from "./log.ts";

const leaves = foldEpochs(RECORDS, SIZES).map(({ after }) => after.leafText);
const honest = signEpochs(leaves);

function failureOf(run: () => unknown): ProofdnsError {
  try {
    run();
  } catch (error) {
    if (isProofdnsError(error)) return error;
    throw error;
  }
  return assert.fail("it was not refused");
}

function walk(epochs: readonly UntrustedEpoch[]): LogWalk {
  const log = new LogWalk(walkKeys);
  for (const epoch of epochs) log.take(epoch);
  return log;
}

const replaced = (epoch: number, leaf: string): string[] => leaves.map((old, i) => (i === epoch - 1 ? leaf : old));
const leafOf = (epoch: number) => parseLeaf(leaves[epoch - 1] as string, sumdbKey.verifierKey);

describe("a walk over a log", () => {
  it("goes from any epoch to the newest", () => {
    for (let from = 0; from < honest.length; from++) assert.equal(walk(honest.slice(from)).last?.epoch, honest.length);
  });

  it("refuses an epoch left out, twice, or with a wrong signature", () => {
    const codes = (epochs: readonly (UntrustedEpoch | undefined)[]): ErrorCode =>
      failureOf(() => walk(epochs as UntrustedEpoch[])).code;
    assert.equal(codes([honest[0], honest[2]]), "WRONG_EPOCH");
    assert.equal(codes([honest[0], honest[0]]), "WRONG_EPOCH");
    const [first, second] = honest as [UntrustedEpoch, UntrustedEpoch];
    assert.equal(codes([first, { ...second, logSignature: first.logSignature }]), "BAD_LOG_SIGNATURE");
    assert.equal(codes([first, { ...second, leafText: leaves[2] as string }]), "BAD_LOG_SIGNATURE");
    assert.equal(codes([first, { ...second, peaks: [] }]), "MALFORMED_PROOF");
    assert.equal(codes([{ ...second, peaks: [] }]), "MALFORMED_PROOF");
  });

  it("proves every fork, wherever it begins", () => {
    for (let at = 1; at < honest.length; at++) {
      const forked = signEpochs(
        replaced(at, formatLeaf({ ...leafOf(at), mapRoot: sha256(new Uint8Array(1)) }, sumdbKey.verifierKey)),
      );
      const failure = failureOf(() => walk([...honest.slice(0, at), ...forked.slice(at)]));
      assert.equal(failure.code, "FORK");
      const evidence: unknown = JSON.parse(JSON.stringify(failure.evidence));
      assert.equal(verifyForkEvidence(evidence, logVkey, ed25519).newer.treeSize, at + 1);
      const log = walk(honest.slice(0, at));
      const same = failureOf(() => log.compare(forked[at - 1] as UntrustedEpoch));
      assert.equal(same.code, "FORK");
      verifyForkEvidence(same.evidence, logVkey, ed25519);
      log.compare(honest[at - 1] as UntrustedEpoch);
      log.compare(forked[at] as UntrustedEpoch);
    }
    const other = { ...(honest[1] as UntrustedEpoch), logSignature: new Uint8Array(64) };
    walk(honest.slice(0, 2)).compare(other);
    assert.equal(
      failureOf(() => walk(honest.slice(0, 2)).compare({ ...other, leafText: leaves[3] as string })).code,
      "BAD_LOG_SIGNATURE",
    );
  });

  it("shows a leaf that nobody signed, and a sumdb that does not grow, to everyone", () => {
    const { treeHead, mapRoot } = leafOf(3);
    const unsigned = formatLeaf({ mapRoot, treeHead, sumdbSignature: new Uint8Array(64) }, sumdbKey.verifierKey);
    for (const [leaf, code, fault] of [
      [unsigned, "BAD_LEAF", "leaf"],
      ["nothing\n", "BAD_LEAF", "leaf"],
      [leaves[1] as string, "SUMDB_ROLLBACK", "size"],
      [leaves[0] as string, "SUMDB_ROLLBACK", "size"],
    ] as const) {
      const failure = failureOf(() => walk(signEpochs(replaced(3, leaf))));
      assert.equal(failure.code, code);
      const evidence: unknown = JSON.parse(JSON.stringify(failure.evidence));
      assert.equal(
        verifyEpochEvidence(evidence, { sha256, ed25519, expectedKey: logVkey, expectedSumdbKey: sumdbVkey }).fault,
        fault,
      );
    }
    const first = failureOf(() => walk(signEpochs(replaced(1, unsigned))));
    assert.equal(verifyEpochEvidence(first.evidence, { sha256, ed25519, expectedSumdbKey: sumdbVkey }).epoch, 1);
    // Under a key that the maker of the evidence chose, every honest leaf would be none of that database.
    const { evidence } = first;
    const stranger = formatVerifierKey(makeKey(9).verifierKey);
    const made = new LogWalk(walkKeys);
    const logged = made.take(honest[0] as UntrustedEpoch);
    const forged = { ...made.evidence(logged, undefined, undefined), sumdb: stranger };
    for (const [given, expectedSumdbKey] of [
      [forged, sumdbVkey],
      [evidence, stranger],
    ] as const) {
      const refused = failureOf(() => verifyEpochEvidence(given, { sha256, ed25519, expectedSumdbKey }));
      assert.equal(refused.code, "BAD_SIGNATURE");
    }
    // Who begins there has no leaf before it.
    assert.equal(failureOf(() => walk(signEpochs(replaced(3, unsigned)).slice(2))).evidence, undefined);
  });
});

describe("a log file", () => {
  it("is read as it was written, and nothing else is", () => {
    for (const epoch of honest) assert.deepEqual(parseLogFile(fileOf(epoch), walkKeys.logKey, sha256), epoch);
    const text = Buffer.from(fileOf(honest[5] as UntrustedEpoch)).toString();
    const refuses = (changed: string, code: ErrorCode = "MALFORMED_LEAF"): void =>
      assert.equal(failureOf(() => parseLogFile(Buffer.from(changed), walkKeys.logKey, sha256)).code, code);
    const lines = text.split("\n");
    const without = (at: number): string => lines.filter((_, i) => i !== at).join("\n");
    refuses("");
    refuses("\n\n\n\n\n\n\n");
    for (const at of [1, 5, 6, 7, 8, 10, 12]) refuses(without(at));
    refuses(text.replace("\n6\n", "\n8\n"));
    // Two peaks and a leaf give one root for 6 and for 7 epochs: the signature tells them apart.
    const other = parseLogFile(Buffer.from(text.replace("\n6\n", "\n7\n")), walkKeys.logKey, sha256);
    assert.equal(failureOf(() => walk([other])).code, "BAD_LOG_SIGNATURE");
    refuses(text.replace(`${ZONE}/p1`, "other.example.org/p1"));
    refuses(text.replaceAll(`\u2014 ${ZONE}/p1`, "\u2014 other.example.org/p1"));
    refuses(
      text.replace(/[0-9a-f]/, (digit) => (digit === "0" ? "1" : "0")),
      "BAD_LEAF",
    );
    refuses([...lines.slice(0, 6), lines[7], lines[6], ...lines.slice(8)].join("\n"), "BAD_LEAF");
    refuses(`${"x".repeat(MAX_LOG_FILE_LENGTH)}\n`);
    assert.throws(() => parseLogFile(Uint8Array.of(0xff), walkKeys.logKey, sha256));
  });
});

describe("epochs by DNS", () => {
  const ask = (epochs: readonly UntrustedEpoch[]) => {
    const names: string[] = [];
    const transport: Transport = {
      async query(name): Promise<TxtReply> {
        const text = formatName(name);
        names.push(text);
        const asked = /^(?:e([0-9]+)\.)?_head\.p1\./.exec(text);
        const found = epochs[Number(asked?.[1] ?? epochs.length) - 1];
        if (asked === null || found === undefined)
          return { kind: "nodata", ttl: 5, messageBytes: 60, transport: "udp", server: "test" };
        const { epoch, logSignature, cosignatures, peaks, leafText } = found;
        const leaf = parseLeaf(leafText, sumdbKey.verifierKey);
        const payload = encodeHead({ epoch, logSignature, ...leaf, cosignatures, form: "plain", hashes: peaks });
        return { kind: "txt", payload, ttl: 30, messageBytes: payload.length + 60, transport: "udp", server: "test" };
      },
    };
    const source = new DnsEpochSource({ transport, zone: ZONE, sumdbKey: sumdbKey.verifierKey, sha256 });
    return { source, names };
  };

  it("are those of the server's heads, and enough for a full audit", async () => {
    const { source, names } = ask(honest);
    assert.deepEqual(await source.newest(), honest.at(-1));
    const sumdb = new ServerSource(sumdbServer(RECORDS));
    const feed = new RecordFeed({ sumdbKey: sumdbKey.verifierKey, source: sumdb, sha256, ed25519 });
    const auditor = new FullAuditor({ ...walkKeys, source, from: 1, feed });
    while (auditor.epoch < SIZES.length) await auditor.next();
    assert.ok(names.includes(`e3._head.p1.${ZONE}.`) && source.bytes > 1000);
    await assert.rejects(auditor.next(), (error: unknown) => isProofdnsError(error, "NO_ANSWER"));
    assert.equal(await source.transition(), undefined);
  });

  it("refuse a head of another epoch", async () => {
    const { source } = ask([honest[0] as UntrustedEpoch, honest[2] as UntrustedEpoch]);
    await assert.rejects(source.epoch(2), (error: unknown) => isProofdnsError(error, "WRONG_EPOCH"));
  });
});

describe("published files by HTTP", () => {
  const answers = (...replies: (Response | Error)[]) => {
    const read = urlReader("http://127.0.0.1/log/", async () => {
      const reply = replies.shift();
      if (reply instanceof Response) return reply;
      throw reply ?? new Error("nothing more");
    });
    return new PublishedSource({ read, logKey: walkKeys.logKey, sha256 });
  };

  it("are read, and asked for again when that fails", async () => {
    const file = Buffer.from(fileOf(honest[1] as UntrustedEpoch));
    assert.deepEqual(await answers(new Response(file)).epoch(2), honest[1]);
    assert.deepEqual(await answers(new Error("reset"), new Response(file)).epoch(2), honest[1]);
    assert.equal(await answers(new Response("", { status: 404 })).transition(2), undefined);
  });

  it("are refused if they are of another epoch, not there or too long", async () => {
    const file = Buffer.from(fileOf(honest[1] as UntrustedEpoch));
    const refuses = (source: PublishedSource, code: ErrorCode): Promise<void> =>
      assert.rejects(source.epoch(3), (error: unknown) => isProofdnsError(error, code));
    await refuses(answers(new Response(file)), "WRONG_EPOCH");
    await refuses(answers(new Response("", { status: 404 })), "NO_ANSWER");
    await refuses(answers(new Response(Buffer.alloc(MAX_LOG_FILE_LENGTH + 1))), "UNREACHABLE");
    for (const url of ["ftp://x", "http://", "x", "http://x?y"]) assert.throws(() => urlReader(url));
  });
});

describe("records for an audit", () => {
  const forked = [
    ...RECORDS.slice(0, 20),
    ...RECORDS.slice(20).map((_, i) => recordOf("example.com/fork", `v1.${i}.0`)),
  ];
  const feedOf = (source: ServerSource): RecordFeed =>
    new RecordFeed({ sumdbKey: sumdbKey.verifierKey, source, sha256, ed25519 });

  it("show a fork of the database between its records and the head in a leaf, with evidence", async () => {
    const source = publish(foldEpochs(forked, [16, 25]));
    const auditor = new FullAuditor({
      ...walkKeys,
      source,
      from: 1,
      feed: feedOf(new ServerSource(sumdbServer(RECORDS))),
    });
    await auditor.next();
    await assert.rejects(auditor.next(), (error: unknown) => {
      if (!isProofdnsError(error, "SUMDB_FORK")) throw error;
      verifyForkEvidence(error.evidence, sumdbVkey, ed25519);
      return true;
    });
  });

  it("show a fork between two heads of the database, with evidence", async () => {
    const server = new ServerSource(sumdbServer(RECORDS, 22));
    const feed = feedOf(server);
    const log = makeLog(RECORDS);
    const head = (size: number) => ({
      treeHead: log.treeHead(size),
      signedTreeHead: signHead(log.treeHead(size), sumdbKey),
    });
    for await (const _ of feed.read(head(22)));
    server.server = sumdbServer(forked);
    await assert.rejects(
      async () => {
        for await (const _ of feed.read(head(24)));
      },
      (error: unknown) => isProofdnsError(error, "SUMDB_FORK") && verifyForkEvidence(error.evidence) !== undefined,
    );
  });

  it("that are not there yet make an epoch wait, and the audit goes on from where it was", async () => {
    const source = publish(foldEpochs(RECORDS, SIZES));
    const server = new ServerSource(sumdbServer(RECORDS, 20));
    let isBroken = false;
    server.change = (target, reply) => (isBroken && target.includes("data") ? { ...reply, status: 404 } : undefined);
    const auditor = new FullAuditor({ ...walkKeys, source, from: 2, feed: feedOf(server) });
    const unreachable = (error: unknown): boolean => isProofdnsError(error, "UNREACHABLE");
    isBroken = true;
    await assert.rejects(auditor.next(), unreachable);
    isBroken = false;
    assert.equal((await auditor.next()).epoch, 2);
    await assert.rejects(auditor.next(), unreachable);
    server.server = sumdbServer(RECORDS);
    isBroken = true;
    await assert.rejects(auditor.next(), unreachable);
    isBroken = false;
    while (auditor.epoch < SIZES.length) await auditor.next();
    assert.equal(auditor.records, (SIZES.at(-1) as number) - (SIZES[0] as number));
  });

  it("are refused where the database's own head is not signed by its key", async () => {
    const server = new ServerSource(sumdbServer(RECORDS));
    const stranger = makeKey(9);
    const treeHead = makeLog(RECORDS).treeHead(RECORDS.length);
    const note = `${formatTreeHead(treeHead)}\n${signNoteLine(formatTreeHead(treeHead), stranger)}`;
    server.change = (target, reply) => (target === "/latest" ? { ...reply, body: Buffer.from(note) } : undefined);
    const auditor = new FullAuditor({
      ...walkKeys,
      source: publish(foldEpochs(RECORDS, SIZES)),
      from: 1,
      feed: feedOf(server),
    });
    await assert.rejects(auditor.next(), (error: unknown) => isProofdnsError(error, "BAD_SUMDB_SIGNATURE"));
  });
});

function signNoteLine(text: string, key: ReturnType<typeof makeKey>): string {
  return signHead({ treeSize: 1, rootHash: signNote(text, key, ed25519).blob.slice(0, 32) }, key).split(
    "\n\n",
  )[1] as string;
}
