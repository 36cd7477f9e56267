import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FullAuditor, StatelessAuditor } from "../../src/audit/auditor.ts";
import { folderReader, PublishedSource } from "../../src/audit/epoch-source.ts";
import { TransitionWriter } from "../../src/audit/publish.ts";
import { makePublishing } from "../../src/audit/publishing.ts";
import { RecordFeed } from "../../src/audit/record-feed.ts";
import { runAudit } from "../../src/cli/audit.ts";
import { Builder } from "../../src/store/builder.ts";
import { Store } from "../../src/store/store.ts";
import { formatCheckpoint } from "../../src/vindex/checkpoint.ts";
import { cosign } from "../../src/vindex/cosignature.ts";
import { computeEpochLeafHash } from "../../src/vindex/leaf.ts";
import { formatVerifierKey, signNote } from "../../src/vindex/note.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { makeFolder } from "../service/world.ts";
import { makeLog, ServerSource, signHead } from "../sumdb/small-log.ts";
import { ed25519, type Fold, foldEpochs, RECORDS, recordOf, SIZES, sha256, sumdbKey, sumdbVkey } from "./folds.ts";
import {
  clockKey,
  fileOf,
  logKey,
  logVkey,
  policyText,
  publish,
  signEpochs,
  sumdbServer,
  walkKeys,
  ZONE,
} from "./log.ts";

/** An operator's builder publishes, and auditors read its files. */

const folder = makeFolder("publish");
const published = join(folder, "published");
const transitions = join(folder, "data", "files", "transition");
const records = [...RECORDS, ...Array.from({ length: 41 }, (_, i) => recordOf(`example.com/m${i % 30}`, `v1.${i}.0`))];
const sizes = [...SIZES, 40, 41, 55, records.length];
const log = makeLog(records);
const messages: string[] = [];
const say = (level: string, message: string): void => void messages.push(`${level}: ${message}`);
const identity = { origin: `${ZONE}/p1`, logKey: logVkey, sumdbKey: sumdbVkey };
const NOW = Math.floor(Date.now() / 1000);

/** Builds all epochs; after each, what a service does is done. */
async function serve(): Promise<void> {
  const store = await Store.open(join(folder, "data"), identity);
  const publishing = makePublishing({
    folder: published,
    dataFolder: join(folder, "data"),
    sumdbKey: sumdbKey.verifierKey,
    logKey: logKey.verifierKey,
    cosigners: [clockKey.verifierKey],
    sha256,
    log: say,
  });
  // The limit is one of this test.
  const writer = new TransitionWriter({
    folder: transitions,
    sumdbKey: sumdbKey.verifierKey,
    sha256,
    log: say,
    maxRecords: 15,
  });
  const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey, sha256, onFolded: writer.onFolded });
  for (const [i, size] of sizes.entries()) {
    const treeHead = log.treeHead(size);
    const from = sizes[i - 1] ?? 0;
    const texts = log.texts(from, size);
    const state = await builder.build(
      {
        treeHead,
        signedTreeHead: signHead(treeHead, sumdbKey),
        async *batches() {
          yield { firstIndex: from, texts, recordHashes: texts.map((_, k) => log.hashes(0, from + k, 1)) };
        },
      },
      NOW,
    );
    const { epoch } = state;
    const text = formatCheckpoint({ origin: `${ZONE}/p1`, treeSize: epoch, rootHash: state.log.root(epoch) });
    const logSignature = signNote(text, logKey, ed25519).blob;
    const last = cosign(text, NOW, clockKey, ed25519);
    await store.putSignature(epoch, logSignature);
    await store.putCosignatures(epoch, [{ first: last, last }]);
    // The operator begins to publish at epoch 3.
    if (i >= 2) {
      const reader = builder.reader();
      if (i === 2) await publishing.start(epoch - 1, reader, state.log);
      const signed = { epoch, logSignature, cosignatures: [{ last }] };
      await publishing.served(signed, reader.leafText(epoch) ?? "", state.log);
      await reader.close();
    }
    builder.retire(state.tree);
  }
  await builder.close();
  await store.close();
}

const source = (): PublishedSource =>
  new PublishedSource({ read: folderReader(published), logKey: logKey.verifierKey, sha256 });

/** What the command prints, and its exit code. */
async function run(
  given: Partial<Parameters<typeof runAudit>[0]>,
): Promise<{ code: number; line: { [field: string]: unknown } }> {
  const lines: string[] = [];
  const error = console.error;
  console.error = () => {};
  try {
    const code = await runAudit({ from: "1", poll: "60s", maxAge: "24h", ...given }, (line) => lines.push(line));
    assert.equal(lines.length, 1);
    return { code, line: JSON.parse(lines[0] as string) as { [field: string]: unknown } };
  } finally {
    console.error = error;
  }
}

before(serve);
const tiles = join(folder, "tiles");
after(() => rmSync(folder, { recursive: true, force: true }));

describe("published files", () => {
  it("are all epochs, also those from before the folder was there, and the newest of them", () => {
    assert.deepEqual(
      readdirSync(join(published, "log"))
        .map(Number)
        .sort((a, b) => a - b),
      sizes.map((_, i) => i + 1),
    );
    const newest = readFileSync(join(published, "log", String(sizes.length)));
    assert.ok(newest.equals(readFileSync(join(published, "latest"))));
    assert.deepEqual(
      messages.filter((message) => message.startsWith("alarm")),
      [],
    );
  });

  it("hold a transition of each window that is not too large", () => {
    const large = sizes.flatMap((size, i) => (size - (sizes[i - 1] ?? 0) > 15 ? [i + 1] : []));
    assert.ok(large.includes(1) && large.length === 2, "some are too large, and most are not");
    for (const [i] of sizes.entries())
      assert.equal(existsSync(join(transitions, String(i + 1))), !large.includes(i + 1));
    for (const epoch of large)
      assert.ok(messages.some((message) => message.includes(`epoch ${epoch} has no transition`)));
  });

  it("are what auditors follow, statelessly where there are transitions, and fully", async () => {
    const stateless = new StatelessAuditor({ ...walkKeys, source: source(), from: 3 });
    for (let epoch = 3; epoch <= 8; epoch++) assert.equal((await stateless.next()).epoch, epoch);
    const feed = new RecordFeed({
      sumdbKey: sumdbKey.verifierKey,
      source: new ServerSource(sumdbServer(records)),
      sha256,
      ed25519,
    });
    const full = new FullAuditor({ ...walkKeys, source: source(), from: 1, feed });
    while (full.epoch < sizes.length) await full.next();
    assert.equal(full.records, records.length);
    assert.equal(
      feed.bytes,
      records.reduce((sum, { length }) => sum + length, 0),
    );
  });

  it("lose old transitions, and keep the others and everything that is none of theirs", async () => {
    const other = join(folder, "few");
    const writer = new TransitionWriter({ folder: other, sumdbKey: sumdbKey.verifierKey, sha256, log: say, keep: 3 });
    const folds = foldEpochs(RECORDS, SIZES);
    for (const fold of folds) await writer.onFolded(fold);
    assert.deepEqual(readdirSync(other).sort(), ["4", "5", "6"]);
    writeFileSync(join(other, "README"), "");
    const limited = new TransitionWriter({
      folder: other,
      sumdbKey: sumdbKey.verifierKey,
      sha256,
      log: say,
      keep: 3,
      maxRecords: 1,
    });
    // Epoch 6 is folded again after a crash, with another window: what was written of it is no longer true.
    await limited.onFolded(folds[5] as Fold);
    assert.deepEqual(readdirSync(other).sort(), ["4", "5", "README"]);
  });

  it("never hold a transition of another window than their epoch's", async () => {
    const at = join(folder, "again");
    const folds = foldEpochs(RECORDS, SIZES);
    const source = publish(folds);
    const [data, out] = [join(at, "data"), join(at, "out")];
    const publishing = makePublishing({
      folder: out,
      dataFolder: data,
      sumdbKey: sumdbKey.verifierKey,
      logKey: logKey.verifierKey,
      cosigners: [clockKey.verifierKey],
      sha256,
      log: say,
    });
    const outputLog = new OutputLog(sha256);
    messages.length = 0;
    for (const { epoch, leafText, logSignature } of source.epochs) {
      outputLog.append(computeEpochLeafHash(leafText, sha256));
      const [own, written] = [join(out, "transition", `${epoch}`), join(data, "files", "transition", `${epoch}`)];
      mkdir(own);
      mkdir(written);
      // Of a crash before the epoch was committed: in one of the two folders, of a wider window, or cut off.
      const wider = source.transitions.get(epoch === 2 ? 3 : 2) as Uint8Array;
      const right = source.transitions.get(epoch) as Uint8Array;
      if (epoch === 2) writeFileSync(own, wider);
      writeFileSync(written, epoch === 3 ? wider : epoch === 4 ? right.subarray(0, 40) : right);
      await publishing.served({ epoch, logSignature, cosignatures: [] }, leafText, outputLog);
      assert.equal(existsSync(own), epoch !== 3 && epoch !== 4, `${epoch}`);
      if (existsSync(own)) assert.ok(readFileSync(own).equals(right));
    }
    assert.equal(messages.filter((message) => message.includes("another window")).length, 3);
    assert.equal(messages.length, 3, messages.join("\n"));
  });

  it("that cannot be written are reported, and no epoch is lost by that", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    messages.length = 0;
    const writer = new TransitionWriter({ folder: join(file, "x"), sumdbKey: sumdbKey.verifierKey, sha256, log: say });
    for (const fold of foldEpochs(RECORDS, [1])) await writer.onFolded(fold);
    assert.match(messages.join("\n"), /^alarm: the transition of epoch 1 is not written/);
  });
});

describe("proofdns audit", () => {
  const server = sumdbServer(records);
  let url = "";
  before(async () => {
    const { host, port } = await server.listen({ host: "127.0.0.1", port: 0 });
    url = `http://${host}:${port}`;
    for (const path of ["latest", ...["data", "0"].map((level) => `tile/8/${level}/000.p/${records.length}`)]) {
      const { status, body } = server.respond("GET", `/${path}`);
      assert.equal(status, 200, path);
      mkdir(join(tiles, path));
      writeFileSync(join(tiles, path), body);
    }
  });
  after(() => server.close());

  it("finds an honest log right, fully by HTTP and from tiles, and statelessly without any records", async () => {
    const policy = join(folder, "policy");
    writeFileSync(policy, policyText);
    const base = { published, policy };
    for (const given of [
      { ...base, sumdb: `${sumdbVkey} ${url}` },
      { ...base, tiles, vkey: sumdbVkey },
    ]) {
      const { code, line } = await run(given);
      assert.equal(code, 0);
      assert.deepEqual(
        [line["result"], line["epochs"], line["records"], line["firstWrong"]],
        ["right", sizes.length, records.length, null],
      );
    }
    const { code, line } = await run({ ...base, vkey: sumdbVkey, stateless: true, from: "2" });
    assert.deepEqual(
      [code, line["result"], line["to"]],
      [2, "unchecked", sizes.length - 1],
      "the last window is too large",
    );
  });

  it("ends with 3 and evidence at the first wrong epoch, and checks that evidence offline", async () => {
    const lied = foldEpochs(records, sizes, {
      epoch: 5,
      changes: ({ changes }) => changes.filter((_, i) => i > 0),
    });
    const at = join(folder, "lied");
    const source = publish(lied);
    for (const epoch of signEpochs(lied.map(({ after: { leafText } }) => leafText))) {
      mkdir(join(at, "log", "x"));
      mkdir(join(at, "transition", "x"));
      writeFileSync(join(at, "log", String(epoch.epoch)), fileOf(epoch));
      writeFileSync(join(at, "transition", String(epoch.epoch)), source.transitions.get(epoch.epoch) as Uint8Array);
      writeFileSync(join(at, "latest"), fileOf(epoch));
    }
    for (const [i, given] of [
      { tiles, vkey: sumdbVkey },
      { stateless: true, vkey: sumdbVkey },
    ].entries()) {
      const evidence = join(folder, `evidence-${i}.json`);
      const { code, line } = await run({ published: at, logKey: logVkey, ...given, evidence });
      assert.equal(code, 3);
      assert.deepEqual([line["result"], line["to"]], ["wrong", 4]);
      const { epoch, code: why, evidence: where } = line["firstWrong"] as { [field: string]: unknown };
      assert.deepEqual([epoch, why, where], [5, "MAP_ROOT_MISMATCH", evidence]);
      const checked = await run({ checkEvidence: evidence, logKey: logVkey, vkey: sumdbVkey });
      assert.deepEqual([checked.code, checked.line["epoch"], checked.line["fault"]], [0, 5, "root"]);
      assert.deepEqual([checked.line["logKey"], checked.line["sumdbKey"]], [logVkey, sumdbVkey]);
      await assert.rejects(
        run({ checkEvidence: evidence, logKey: formatVerifierKey(sumdbKey.verifierKey), vkey: sumdbVkey }),
        /another key/,
      );
      await assert.rejects(run({ checkEvidence: evidence, logKey: logVkey }), /checksum database .* another key/);
      const changed = JSON.parse(readFileSync(evidence, "utf8")) as { epoch: number };
      writeFileSync(evidence, JSON.stringify({ ...changed, epoch: 6 }));
      await assert.rejects(run({ checkEvidence: evidence }), /evidence: its checkpoint/);
    }
  });

  it("does not call a log wrong that it could not check", async () => {
    const base = { published, logKey: logVkey };
    const behind = await run({ ...base, tiles: join(folder, "nothing"), vkey: sumdbVkey });
    assert.deepEqual([behind.code, behind.line["result"], behind.line["to"]], [2, "unchecked", 0]);
    const gone = await run({ ...base, published: join(folder, "nothing"), stateless: true, vkey: sumdbVkey });
    assert.deepEqual([gone.code, gone.line["result"]], [2, "unchecked"]);
    const beyond = await run({ ...base, from: "99", stateless: true, vkey: sumdbVkey });
    assert.deepEqual([beyond.code, beyond.line["epochs"]], [2, 0]);
  });

  it("refuses bad usage before it asks anyone", async () => {
    const good = { published, logKey: logVkey };
    for (const [change, why] of [
      [{ published: undefined }, /--server .* or --published/],
      [{ server: "127.0.0.1:1" }, /--server .* or --published/],
      [{ logKey: undefined }, /--policy .* or --log-key/],
      [{ from: "0" }, /counted from 1/],
      [{ from: "x" }, /counted from 1/],
      [{ zone: "other.example.org" }, /not of other/],
      [{ sumdb: `${sumdbVkey} x y` }, /a verifier key and a URL/],
      [{ sumdb: sumdbVkey, tiles: "x" }, /neither/],
      [{ vkey: `${sumdbVkey} http://x` }, /--vkey: verifier key/],
      [{ published: "http://" }, /expected a folder, or a URL/],
      [{ logKey: undefined, policy: join(folder, "nothing") }, /cannot read the policy/],
      [{ published: undefined, server: "127.0.0.1:1", stateless: true }, /needs --published/],
    ] as const) {
      await assert.rejects(run({ ...good, ...(change as object) }), why);
    }
  });

  it("says that an old quorum is not fresh, which is no wrong epoch", async () => {
    const policy = join(folder, "policy");
    const old = publish(foldEpochs(RECORDS, SIZES));
    const at = join(folder, "old");
    for (const epoch of old.epochs) {
      mkdir(join(at, "log", "x"));
      writeFileSync(join(at, "log", String(epoch.epoch)), fileOf(epoch));
      writeFileSync(join(at, "latest"), fileOf(epoch));
    }
    const { code, line } = await run({ published: at, policy, tiles, vkey: sumdbVkey });
    assert.deepEqual([code, line["result"], line["to"], line["firstWrong"]], [3, "stale", SIZES.length, null]);
    const other = await run({ published: at, logKey: logVkey, tiles, vkey: sumdbVkey });
    assert.deepEqual([other.code, other.line["result"]], [0, "right"]);
  });
});

/** Makes the folder of a file. */
function mkdir(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
}
