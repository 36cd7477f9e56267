import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { formatDataTile } from "../../src/sumdb/data-tile.ts";
import { type KnownTree, SumdbFollower, type SumdbUpdate } from "../../src/sumdb/follower.ts";
import type { RecordBatch } from "../../src/sumdb/record-stream.ts";
import type { Log } from "../../src/sumdb/source.ts";
import { DirectoryTileCache, type TileCache } from "../../src/sumdb/tile-cache.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatTreeHead } from "../../src/vindex/checkpoint.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { verifyForkEvidence } from "../../src/vindex/evidence.ts";
import { Frontier } from "../../src/vindex/frontier.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import {
  ed25519,
  flipBit,
  knowTree,
  makeKey,
  makeLog,
  makeServer,
  nothing,
  recordText,
  recordTexts,
  ServerSource,
  signHead,
  signText,
  toLatin1,
  withBody,
} from "./small-log.ts";

const SIZE = 1500;
const key = makeKey(1);
const texts = recordTexts(SIZE);
const log = makeLog(texts);
const forkedTexts = recordTexts(SIZE, 400);
const forkedLog = makeLog(forkedTexts);
const server = makeServer(texts, key);
const forked = makeServer(forkedTexts, key);

function follow(source: ServerSource, tileCache?: TileCache, logTo?: Log): SumdbFollower {
  return new SumdbFollower({
    verifierKey: key.verifierKey,
    source,
    tileCache,
    log: logTo,
    sha256: nodeSha256,
    ed25519,
  });
}

function serverAt(size: number, of = texts): ServerSource {
  return new ServerSource(makeServer(of, key, size));
}

async function collect(update: SumdbUpdate | undefined): Promise<RecordBatch[]> {
  assert.ok(update !== undefined);
  const out: RecordBatch[] = [];
  for await (const batch of update.batches()) out.push(batch);
  return out;
}

/** Checks that the batches are exactly the records from `start` to `end - 1`, once each. */
function assertRecords(
  batches: readonly RecordBatch[],
  start: number,
  end: number,
  of: readonly Uint8Array[] = texts,
): void {
  let next = start;
  for (const { firstIndex, texts: got, recordHashes } of batches) {
    assert.equal(firstIndex, next);
    assert.ok(got.length > 0 && got.length === recordHashes.length);
    for (const [i, text] of got.entries()) {
      assert.equal(toLatin1(text), toLatin1(of[next + i] as Uint8Array));
      assert.deepEqual(recordHashes[i], computeLeafHash(text, nodeSha256));
    }
    next += got.length;
  }
  assert.equal(next, end);
}

async function assertFork(result: Promise<unknown>): Promise<void> {
  await assert.rejects(result, (error) => {
    assert.ok(isProofdnsError(error, "SUMDB_FORK"), String(error));
    // As it would come back from a file, and with nothing but the evidence and the key.
    verifyForkEvidence(JSON.parse(JSON.stringify(error.evidence)), formatVerifierKey(key.verifierKey));
    return true;
  });
}

describe("following a checksum database", () => {
  it("streams everything the first time", async () => {
    const source = new ServerSource(server);
    const update = await follow(source).poll(nothing);
    assert.deepEqual(update?.treeHead, log.treeHead(SIZE));
    assert.equal(update?.signedTreeHead, signHead(log.treeHead(SIZE), key));
    assertRecords(await collect(update), 0, SIZE);
  });

  it("streams what is new from any size to any larger one", async () => {
    const sizes = [0, 1, 2, 255, 256, 257, 300, 511, 512, 513, 1023, 1024, 1025, 1499, 1500];
    for (const from of sizes) {
      for (const to of sizes.filter((size) => size > from)) {
        const known = from === 0 ? nothing : knowTree(log, from, key);
        assertRecords(await collect(await follow(serverAt(to)).poll(known)), from, to);
      }
    }
  });

  it("goes on from what the last update left", async () => {
    let frontier = Frontier.empty(nodeSha256);
    let known: KnownTree = nothing;
    for (const size of [3, 4, 259, 700, 1500]) {
      const update = await follow(serverAt(size)).poll(known);
      for (const { recordHashes } of await collect(update)) frontier = frontier.appendAll(recordHashes);
      assert.ok(update !== undefined);
      known = { ...update, frontier, readHashes: log.readHashes };
    }
    assert.equal(await follow(serverAt(1500)).poll(known), undefined);
  });

  it("has nothing to do for the known tree, an older one, and an empty one", async () => {
    for (const size of [0, 1, 255, 256, 257, 1499, 1500]) {
      const source = serverAt(size);
      assert.equal(await follow(source).poll(knowTree(log, 1500, key)), undefined);
      assert.deepEqual(source.requests, ["/latest"]);
    }
    assert.equal(await follow(serverAt(0)).poll(nothing), undefined);
  });

  it("asks for no tile before the records are asked for, the first time", async () => {
    const source = new ServerSource(server);
    await follow(source).poll(nothing);
    assert.deepEqual(source.requests, ["/latest"]);
  });

  it("reduces the note to the one signature of the key", async () => {
    const head = signHead(log.treeHead(SIZE), key);
    const ours = head.slice(head.lastIndexOf("\u2014"));
    const other = signHead(log.treeHead(SIZE), makeKey(2, "other.example.org"));
    const theirs = other.slice(other.lastIndexOf("\u2014"));
    const source = new ServerSource(server, (target, reply) =>
      target === "/latest"
        ? withBody(reply, encodeUtf8(`${formatTreeHead(log.treeHead(SIZE))}\n${theirs}${ours}${theirs}${ours}`))
        : undefined,
    );
    assert.equal((await follow(source).poll(nothing))?.signedTreeHead, head);
  });

  it("streams odd records as they are", async () => {
    const odd = [
      Uint8Array.of(0x0a),
      Uint8Array.of(0, 0x0d, 0x0a),
      Uint8Array.of(0xff, 0xc0, 0x0a),
      encodeUtf8("no hash at all\n"),
      ...recordTexts(300),
    ];
    const source = new ServerSource(makeServer(odd, key));
    assertRecords(await collect(await follow(source).poll(nothing)), 0, odd.length, odd);
  });

  it("takes the full tiles when the partial ones are gone", async () => {
    const grown = makeServer(recordTexts(2048), key);
    const note = encodeUtf8(signHead(log.treeHead(1100), key));
    const source = new ServerSource(grown, (target, reply) =>
      target === "/latest"
        ? withBody(reply, note)
        : /^\/tile\/8\/(?:0|data)\/.*\.p\//.test(target)
          ? { ...reply, status: 404 }
          : undefined,
    );
    assertRecords(await collect(await follow(source).poll(knowTree(log, 300, key))), 300, 1100);
  });
});

describe("forks of a checksum database", () => {
  it("are told, with evidence, when the larger tree does not continue the known one", async () => {
    for (const known of [401, 511, 512, 700, 1024, 1499]) {
      await assertFork(follow(new ServerSource(forked)).poll(knowTree(log, known, key)));
    }
  });

  it("are told, with evidence, when the smaller tree is no prefix of the known one", async () => {
    for (const size of [401, 512, 513, 1024, 1499]) {
      await assertFork(follow(serverAt(size, forkedTexts)).poll(knowTree(log, SIZE, key)));
    }
  });

  it("are told, with evidence, when one size has two roots", async () => {
    for (const size of [401, 512, 1500]) {
      await assertFork(follow(serverAt(size, forkedTexts)).poll(knowTree(log, size, key)));
    }
  });

  it("are not told before the trees part", async () => {
    for (const size of [1, 256, 399, 400]) {
      assert.equal(await follow(serverAt(size, forkedTexts)).poll(knowTree(log, SIZE, key)), undefined);
      assertRecords(
        await collect(await follow(new ServerSource(forked)).poll(knowTree(log, size, key))),
        size,
        SIZE,
        forkedTexts,
      );
    }
  });

  it("are not told because tiles are those of another tree", async () => {
    // The head is honest and some cache answers with the tiles of a fork, or the reverse.
    const lying = new ServerSource(server, (target) =>
      target === "/latest" ? undefined : forked.respond("GET", target),
    );
    await assert.rejects(follow(lying).poll(knowTree(log, 700, key)), { code: "UNREACHABLE" });
    const hiding = new ServerSource(forked, (target) =>
      target === "/latest" ? undefined : server.respond("GET", target),
    );
    await assert.rejects(follow(hiding).poll(knowTree(log, 700, key)), { code: "UNREACHABLE" });
  });

  it("are not told because of any forged hash tile", async () => {
    const asked = new ServerSource(server);
    await follow(asked).poll(knowTree(log, 700, key));
    const tiles = asked.requests.filter((target) => target.startsWith("/tile/"));
    assert.ok(tiles.length > 0);
    for (const target of tiles) {
      const source = new ServerSource(server, (at, reply) =>
        at === target ? withBody(reply, flipBit(reply.body, 40)) : undefined,
      );
      await assert.rejects(follow(source).poll(knowTree(log, 700, key)), { code: "UNREACHABLE" });
    }
  });

  it("are the caller's bug when what it knows contradicts itself", async () => {
    const known = knowTree(log, 700, key);
    const follower = follow(new ServerSource(server));
    await assert.rejects(follower.poll({ ...known, frontier: log.frontier(699) }), TypeError);
    await assert.rejects(follower.poll({ ...known, frontier: forkedLog.frontier(700) }), TypeError);
    await assert.rejects(follower.poll({ ...known, signedTreeHead: undefined }), TypeError);
    const older = follow(serverAt(600));
    await assert.rejects(older.poll({ ...known, readHashes: forkedLog.readHashes }), TypeError);
  });
});

describe("bad tree heads", () => {
  const answering = (note: string | Uint8Array): ServerSource =>
    new ServerSource(server, (target, reply) =>
      target === "/latest" ? withBody(reply, typeof note === "string" ? encodeUtf8(note) : note) : undefined,
    );
  const root = Buffer.from(log.treeHead(SIZE).rootHash).toString("base64");

  it("are not used and raise an alarm if they are signed and have other than three lines", async () => {
    for (const text of [
      `go.sum database tree\n${SIZE}\n${root}\nextra\n`,
      `go.sum database tree\n${SIZE}\n`,
      "go.sum database tree\n",
      `go.sum database tree\n0${SIZE}\n${root}\n`,
      `go.sum database tree\n${SIZE} \n${root}\n`,
      `go.sum database tree\n-1\n${root}\n`,
      `go.sum database tree\n1e3\n${root}\n`,
      `go.sum database tree\n9007199254740993\n${root}\n`,
      `go.sum database tree\n${SIZE}\n${root}=\n`,
      `go.sum database tree\n${SIZE}\nAAAA\n`,
      `some other tree\n${SIZE}\n${root}\n`,
      `go.sum database tree\n0\n${root}\n`,
    ]) {
      const alarms: string[] = [];
      const follower = follow(answering(signText(text, key)), undefined, (level, message) => {
        if (level === "alarm") alarms.push(message);
      });
      assert.equal(await follower.poll(nothing), undefined);
      assert.equal(alarms.length, 1);
    }
  });

  it("are refused if the key did not sign them", async () => {
    const head = log.treeHead(SIZE);
    const good = signHead(head, key);
    for (const note of [
      signHead(head, makeKey(2)),
      signHead(head, makeKey(2, "other.example.org")),
      good.replace(`\n${SIZE}\n`, "\n1499\n"),
      good + signHead(log.treeHead(5), key).split("\n\n")[1],
    ]) {
      await assert.rejects(follow(answering(note)).poll(nothing), { code: "BAD_SUMDB_SIGNATURE" });
    }
  });

  it("are refused if they are no notes", async () => {
    const good = signHead(log.treeHead(SIZE), key);
    for (const note of [
      "",
      "\n",
      "<html>",
      formatTreeHead(log.treeHead(SIZE)),
      good.slice(0, -1),
      good.replaceAll("\n", "\r\n"),
      `${good}\u0000`,
    ]) {
      await assert.rejects(follow(answering(note)).poll(nothing), { code: "MALFORMED_NOTE" });
    }
    await assert.rejects(follow(answering(Uint8Array.of(...encodeUtf8(good), 0xff))).poll(nothing), {
      code: "MALFORMED_NOTE",
    });
  });
});

describe("bad data tiles", () => {
  const data = (name: string): string => `/tile/8/data/${name}`;

  it("are read again, past caches, before anything is said", async () => {
    for (const target of [data("000"), data("003"), data("005.p/220")]) {
      let reads = 0;
      const source = new ServerSource(server, (at, reply, { fresh }) => {
        if (at !== target) return undefined;
        reads++;
        return fresh ? undefined : withBody(reply, flipBit(reply.body, 10));
      });
      assertRecords(await collect(await follow(source).poll(nothing)), 0, SIZE);
      assert.equal(reads, 2);
    }
  });

  it("are replaced by the full tile if the partial one stays wrong", async () => {
    const grown = makeServer(recordTexts(1536), key);
    const note = encodeUtf8(signHead(log.treeHead(SIZE), key));
    const source = new ServerSource(grown, (at, reply) =>
      at === "/latest"
        ? withBody(reply, note)
        : at === data("005.p/220")
          ? withBody(reply, encodeUtf8("x\n\n"))
          : undefined,
    );
    assertRecords(await collect(await follow(source).poll(nothing)), 0, SIZE);
  });

  it("end the stream with an error that names them, and nothing of them is yielded", async () => {
    const honest = server.respond("GET", data("003")).body;
    const other = server.respond("GET", data("002")).body;
    const lies: Record<string, Uint8Array> = {
      "a flipped bit": flipBit(honest, 100),
      "another tile": other,
      "a record replaced": formatDataTile([...texts.slice(768, 1023), recordText(1023, "fork")]),
      "two records swapped": formatDataTile([
        texts[769] as Uint8Array,
        texts[768] as Uint8Array,
        ...texts.slice(770, 1024),
      ]),
      "a record less": formatDataTile(texts.slice(768, 1023)),
      "a record more": new Uint8Array([...honest, ...formatDataTile([recordText(0)])]),
      "a cut": honest.subarray(0, honest.length - 1),
      nothing: new Uint8Array(0),
      "a NUL": new Uint8Array([0, ...honest]),
      "carriage returns": encodeUtf8(toLatin1(honest).replaceAll("\n", "\r\n")),
      "index lines": encodeUtf8(
        texts
          .slice(768, 1024)
          .map((text, i) => `${768 + i}\n${toLatin1(text)}\n`)
          .join(""),
      ),
    };
    for (const [what, lie] of Object.entries(lies)) {
      const source = new ServerSource(server, (at, reply) => (at === data("003") ? withBody(reply, lie) : undefined));
      const update = await follow(source).poll(nothing);
      const seen: RecordBatch[] = [];
      await assert.rejects(
        async () => {
          for await (const batch of update?.batches() ?? []) seen.push(batch);
        },
        { code: "UNREACHABLE", message: /tile\/8\/data\/003/ },
        what,
      );
      assertRecords(seen, 0, 768);
    }
  });

  it("end the stream if they are missing", async () => {
    for (const target of [data("002"), data("005.p/220")]) {
      const source = new ServerSource(server, (at, reply) => (at === target ? { ...reply, status: 404 } : undefined));
      const update = await follow(source).poll(nothing);
      await assert.rejects(collect(update), { code: "UNREACHABLE", message: new RegExp(target.slice(1)) });
    }
  });

  it("can be any one bit of a small tree", async () => {
    const small = makeServer(recordTexts(5), key);
    const { body } = small.respond("GET", data("000.p/5"));
    for (let at = 0; at < body.length; at += 3) {
      const source = new ServerSource(small, (target, reply) =>
        target === data("000.p/5") ? withBody(reply, flipBit(reply.body, at)) : undefined,
      );
      await assert.rejects(collect(await follow(source).poll(nothing)), { code: "UNREACHABLE" });
    }
  });

  it("are never excused by forged hash tiles", async () => {
    // Data and hash tiles of the fork agree with each other, under the honest head.
    const source = new ServerSource(server, (target) =>
      target === "/latest" ? undefined : forked.respond("GET", target),
    );
    const update = await follow(source).poll(nothing);
    await assert.rejects(collect(update), { code: "UNREACHABLE" });
    const some = new ServerSource(server, (target) =>
      target.startsWith("/tile/8/data/") || target.startsWith("/tile/8/0/") ? forked.respond("GET", target) : undefined,
    );
    await assert.rejects(collect(await follow(some).poll(nothing)), { code: "UNREACHABLE" });
  });
});

describe("streams that end early", () => {
  it("stop reading when the consumer does", async () => {
    const source = new ServerSource(server);
    const update = await follow(source).poll(nothing);
    for await (const batch of update?.batches() ?? []) {
      assert.equal(batch.firstIndex, 0);
      break;
    }
    const count = source.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(source.requests.length, count);
  });

  it("end with the reason of the signal", async () => {
    const reason = new Error("enough");
    const hanging = new ServerSource(server, async (target, _, { signal }) => {
      if (!target.startsWith("/tile/8/data/002")) return undefined;
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    });
    const update = await follow(hanging).poll(nothing);
    const controller = new AbortController();
    let seen = 0;
    await assert.rejects(
      async () => {
        for await (const batch of update?.batches(controller.signal) ?? []) {
          seen += batch.texts.length;
          if (seen === 512) setTimeout(() => controller.abort(reason), 5);
        }
      },
      (error) => error === reason,
    );
    assert.equal(seen, 512);
    await assert.rejects(
      async () => {
        for await (const _ of update?.batches(AbortSignal.abort(reason)) ?? []) assert.fail("yielded");
      },
      (error) => error === reason,
    );
    await assert.rejects(
      follow(new ServerSource(server)).poll(nothing, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
  });

  it("abort the tiles under way when the consumer leaves", async () => {
    let aborted = 0;
    const source = new ServerSource(server, async (target, _, { signal }) => {
      if (!target.startsWith("/tile/8/data/") || target.endsWith("/000")) return undefined;
      return new Promise((_, reject) =>
        signal?.addEventListener("abort", () => {
          aborted++;
          reject(signal.reason);
        }),
      );
    });
    const update = await follow(source).poll(nothing);
    for await (const batch of update?.batches() ?? []) {
      assert.equal(batch.firstIndex, 0);
      break;
    }
    assert.equal(aborted, 5);
  });

  it("yield nothing more once the signal has aborted, even of what is there", async () => {
    const controller = new AbortController();
    const update = await follow(new ServerSource(server)).poll(nothing);
    let batches = 0;
    await assert.rejects(
      async () => {
        for await (const _ of update?.batches(controller.signal) ?? []) {
          batches++;
          await new Promise((resolve) => setTimeout(resolve, 20));
          controller.abort();
        }
      },
      { name: "AbortError" },
    );
    assert.equal(batches, 1);
  });

  it("can be streamed again from the start", async () => {
    const update = await follow(new ServerSource(server)).poll(nothing);
    assertRecords(await collect(update), 0, SIZE);
    assertRecords(await collect(update), 0, SIZE);
  });

  it("read at most eight data tiles ahead", async () => {
    const many = makeServer(recordTexts(256 * 30), key);
    let running = 0;
    let most = 0;
    const source = new ServerSource(many, async (target) => {
      if (!target.startsWith("/tile/8/data/")) return undefined;
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return undefined;
    });
    await collect(await follow(source).poll(nothing));
    assert.equal(most, 8);
  });
});

describe("the tile cache", () => {
  const directories: string[] = [];
  const makeDirectory = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), "proofdns-tiles-"));
    directories.push(directory);
    return directory;
  };
  after(async () => {
    for (const directory of directories) await rm(directory, { recursive: true, force: true });
  });
  const files = async (directory: string): Promise<string[]> =>
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  const dataReads = (source: ServerSource): string[] => source.requests.filter((target) => target.includes("/data/"));

  it("lets a sync that was cut off go on without reading a full tile twice", async () => {
    const directory = await makeDirectory();
    const first = new ServerSource(server);
    const update = await follow(first, new DirectoryTileCache(directory)).poll(nothing);
    for await (const { firstIndex } of update?.batches() ?? []) if (firstIndex === 512) break;
    const second = new ServerSource(server);
    assertRecords(await collect(await follow(second, new DirectoryTileCache(directory)).poll(nothing)), 0, SIZE);
    for (const name of ["000", "001", "002"]) assert.ok(!dataReads(second).includes(`/tile/8/data/${name}`));
    const third = new ServerSource(server);
    assertRecords(await collect(await follow(third, new DirectoryTileCache(directory)).poll(nothing)), 0, SIZE);
    assert.deepEqual(dataReads(third), ["/tile/8/data/005.p/220"]);
    assert.deepEqual(await files(directory), ["000", "001", "002", "003", "004"]);
  });

  it("is not believed: what it holds is read anew if it is wrong", async () => {
    const directory = await makeDirectory();
    const cache = new DirectoryTileCache(directory);
    await collect(await follow(new ServerSource(server), cache).poll(nothing));
    const path = (name: string): string => join(directory, "tile/8/data", name);
    await writeFile(path("000"), "");
    await writeFile(path("001"), forked.respond("GET", "/tile/8/data/002").body);
    await writeFile(path("002"), flipBit(await readFile(path("002")), 5));
    await rm(path("003"));
    await writeFile(path("004"), new Uint8Array(5 << 20));
    const source = new ServerSource(server);
    assertRecords(await collect(await follow(source, cache).poll(nothing)), 0, SIZE);
    assert.equal(dataReads(source).length, 6);
    for (const name of ["000", "001", "002", "003", "004"]) {
      assert.deepEqual(await readFile(path(name)), Buffer.from(server.respond("GET", `/tile/8/data/${name}`).body));
    }
  });

  it("is not written again with what came out of it", async () => {
    const cache = new DirectoryTileCache(await makeDirectory());
    await collect(await follow(new ServerSource(server), cache).poll(nothing));
    const readOnly: TileCache = {
      read: (path) => cache.read(path),
      write: async (path) => assert.fail(`wrote ${path}`),
      removeBelow: async () => undefined,
    };
    const alarms: string[] = [];
    const follower = follow(new ServerSource(server), readOnly, (_, text) => alarms.push(text));
    assertRecords(await collect(await follower.poll(nothing)), 0, SIZE);
    assert.deepEqual(alarms, []);
  });

  it("never keeps what was not verified", async () => {
    const directory = await makeDirectory();
    const source = new ServerSource(server, (target, reply) =>
      target.includes("/data/003") ? withBody(reply, flipBit(reply.body, 3)) : undefined,
    );
    await assert.rejects(collect(await follow(source, new DirectoryTileCache(directory)).poll(nothing)));
    assert.ok(!(await files(directory)).includes("003"));
  });

  it("costs nothing but an alarm if it cannot be written", async () => {
    const directory = await makeDirectory();
    await writeFile(join(directory, "tile"), "in the way");
    const alarms: string[] = [];
    const follower = follow(new ServerSource(server), new DirectoryTileCache(directory), (level, text) => {
      if (level === "alarm") alarms.push(text);
    });
    assertRecords(await collect(await follower.poll(nothing)), 0, SIZE);
    assert.equal(alarms.length, 5);
  });

  it("drops the tiles below a size, leftovers and empty directories, and nothing else", async () => {
    const directory = await makeDirectory();
    const cache = new DirectoryTileCache(directory);
    for (const path of ["000", "001", "002", "x001/000", "x001/001"])
      await cache.write(`tile/8/data/${path}`, Uint8Array.of(1));
    const folder = join(directory, "tile/8/data");
    await writeFile(join(folder, "001.123.4.tmp"), "left over");
    await writeFile(join(folder, "notes.txt"), "somebody's");
    await cache.removeBelow(256 * 2 + 255);
    assert.deepEqual(await files(directory), ["000", "001", "002", "notes.txt"]);
    assert.deepEqual((await readdir(folder)).sort(), ["002", "notes.txt", "x001"]);
    await cache.removeBelow(256 * 1001);
    assert.deepEqual((await readdir(folder)).sort(), ["notes.txt", "x001"]);
    await rm(join(folder, "notes.txt"));
    await cache.removeBelow(256 * 1002);
    assert.deepEqual(await readdir(directory), ["tile"]);
    await cache.removeBelow(1);
  });

  it("takes no other paths than those of full data tiles", async () => {
    const cache = new DirectoryTileCache(await makeDirectory());
    for (const path of [
      "tile/8/0/000",
      "tile/8/data/000.p/3",
      "tile/4/data/000",
      "tile/8/data/../../x",
      "/etc/passwd",
      "",
    ]) {
      await assert.rejects(cache.read(path));
      await assert.rejects(cache.write(path, new Uint8Array(1)));
    }
    assert.equal(await cache.read("tile/8/data/000"), undefined);
  });
});
