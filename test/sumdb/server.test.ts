import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { splitDataTile } from "../../src/sumdb/data-tile.ts";
import { SumdbFollower } from "../../src/sumdb/follower.ts";
import { HttpSumdbSource } from "../../src/sumdb/http-source.ts";
import { parseLookup } from "../../src/sumdb/lookup.ts";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { verifySignedTreeHead } from "../../src/sumdb/signed-head.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { DATA_LEVEL, formatTilePath } from "../../src/vindex/tile.ts";
import { computeLeafHash } from "../../src/vindex/tlog.ts";
import {
  ed25519,
  hashTile,
  makeKey,
  makeLog,
  makeServer,
  nothing,
  recordTexts,
  signHead,
  toLatin1,
} from "./small-log.ts";

const key = makeKey(1);
const texts = recordTexts(70_000);
const log = makeLog(texts);
const server = makeServer(texts, key);

describe("the checksum database server", () => {
  it("signs the tree of its records", () => {
    const { status, body } = server.respond("GET", "/latest");
    assert.equal(status, 200);
    assert.equal(toLatin1(body), toLatin1(encodeUtf8(signHead(log.treeHead(70_000), key))));
    assert.deepEqual(verifySignedTreeHead(body, key.verifierKey, ed25519).treeHead, log.treeHead(70_000));
    assert.equal(server.verifierKey, formatVerifierKey(key.verifierKey));
  });

  it("serves every hash tile that lies within the tree, of any width, and no other", () => {
    const tiles = fc.record({
      level: fc.integer({ min: 0, max: 3 }),
      index: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 3 })),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(tiles, ({ level, index, width }) => {
        const path = formatTilePath({ height: 8, level, index, width });
        const expected = hashTile(log, 70_000, path);
        const { status, body } = server.respond("GET", `/${path}`);
        assert.equal(status, expected === undefined ? 404 : 200);
        if (expected !== undefined) assert.deepEqual(Buffer.from(body), Buffer.from(expected));
      }),
      { numRuns: 300 },
    );
    for (const path of ["0/273.p/112", "1/000", "1/001.p/17", "2/000.p/1"])
      assert.equal(server.respond("GET", `/tile/8/${path}`).status, 200);
    for (const path of [
      "0/273.p/113",
      "0/273",
      "0/274.p/1",
      "1/001.p/18",
      "1/002.p/1",
      "2/000.p/2",
      "2/000",
      "3/000.p/1",
      "63/000",
    ]) {
      assert.equal(server.respond("GET", `/tile/8/${path}`).status, 404);
    }
  });

  it("serves the records in data tiles of any width", () => {
    for (const [index, width] of [
      [0, 256],
      [0, 1],
      [0, 255],
      [272, 256],
      [273, 112],
      [273, 1],
    ] as const) {
      const { body } = server.respond("GET", `/${formatTilePath({ height: 8, level: DATA_LEVEL, index, width })}`);
      const got = splitDataTile(body, width);
      for (const [i, text] of got.entries())
        assert.equal(toLatin1(text), toLatin1(texts[256 * index + i] as Uint8Array));
    }
    for (const path of ["273.p/113", "273", "274", "x001/000"]) {
      assert.equal(server.respond("GET", `/tile/8/data/${path}`).status, 404);
    }
  });

  it("looks up records, and answers with a note that covers them", () => {
    for (const i of [0, 1, 255, 256, 69_999]) {
      const { status, body } = server.respond("GET", `/lookup/example.com/m${i % 7}@v1.${i}.0`);
      assert.equal(status, 200);
      const { logIndex, recordText, note } = parseLookup(body);
      assert.equal(logIndex, i);
      assert.deepEqual(computeLeafHash(recordText, nodeSha256), log.readHashes([{ level: 0, index: i }])[0]);
      assert.ok(verifySignedTreeHead(note, key.verifierKey, ed25519).treeHead.treeSize > i);
    }
  });

  it("unescapes lookups, and looks up the first of two records", () => {
    const records = [
      "example.com/Upper/x v1.0.0-RC1 h1:first\n",
      "example.com/Upper/x v1.0.0-RC1 h1:second\n",
      "example.com/y/v2 v2.0.0+incompatible h1:x\n",
    ].map(encodeUtf8);
    const odd = makeServer(records, key);
    for (const target of [
      "/lookup/example.com/!upper/x@v1.0.0-!r!c1",
      "/lookup/example.com/%21upper/x%40v1.0.0-!r!c1",
    ]) {
      assert.match(
        toLatin1(odd.respond("GET", target).body),
        /^0\nexample\.com\/Upper\/x v1\.0\.0-RC1 h1:first\n\ngo\.sum/,
      );
    }
    assert.equal(odd.respond("GET", "/lookup/example.com/y/v2@v2.0.0+incompatible").status, 200);
    assert.equal(odd.respond("GET", "/lookup/example.com/!y/v2@v2.0.0+incompatible").status, 404);
    assert.equal(odd.respond("GET", "/lookup/example.com/Upper/x@v1.0.0-!r!c1").status, 400);
  });

  for (const target of [
    "/lookup/",
    "/lookup/example.com/m0",
    "/lookup/@v1.0.0",
    "/lookup/example.com/m0@",
    "/lookup/example.com/m0@v1",
    "/lookup/example.com/m0@v1.0",
    "/lookup/example.com/m0@latest",
    "/lookup/example.com/m0@v1.0.0@v1.0.0",
    "/lookup/example.com/m0@v1.0.0+meta",
    "/lookup/example.com/m0@v1.0.0/go.mod",
    "/lookup/../latest@v1.0.0",
    "/lookup/example.com/m0@v1.0.0%0a",
    "/lookup/example.com/m0%00@v1.0.0",
    "/lookup/%",
    "/%ff",
    "/tile/",
    "/tile/8/0/0",
    "/tile/8/0/000.p/0",
    "/tile/8/0/000.p/256",
    "/tile/8/0/000.p/257",
    "/tile/8/0/000.p/01",
    "/tile/8/0/x000/000",
    "/tile/8/-1/000",
    "/tile/08/0/000",
    "/tile/8/0/000/",
    "/tile/8/0/../0/000",
    "/tile/8/0/x999/x999/x999/x999/x999/x999/999",
    "/tile/0/0/000",
  ]) {
    it(`answers 400 to ${target}`, () => {
      assert.equal(server.respond("GET", target).status, 400);
    });
  }

  for (const target of [
    "",
    "/",
    "/latest/",
    "/LATEST",
    "/supported",
    "*",
    "http://localhost/latest",
    "/lookup/example.com/none@v1.0.0",
    "/tile/4/0/000",
    "/ctl/size?n=1",
  ]) {
    it(`answers 404 to ${JSON.stringify(target)}, and says why`, () => {
      const { status, body, contentType } = server.respond("GET", target);
      assert.equal(status, 404);
      assert.ok(body.length > 1);
      assert.match(contentType, /^text\/plain/);
    });
  }

  it("refuses other methods, and URLs that are too long", () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", ""]) {
      assert.equal(server.respond(method, "/latest").status, 405);
    }
    assert.equal(server.respond("GET", `/lookup/${"a".repeat(5000)}@v1.0.0`).status, 414);
  });

  it("has an answer to any request whatever", () => {
    const target = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.string({ maxLength: 60 }).map((text) => `/lookup/${text}`),
      fc.string({ maxLength: 60 }).map((text) => `/tile/8/${text}`),
      fc.stringMatching(/^\/(?:tile|lookup|latest)[0-9a-z@!%x./-]{0,40}$/),
    );
    fc.assert(
      fc.property(fc.constantFrom("GET", "HEAD", "POST", "X"), target, (method, text) => {
        const { status } = server.respond(method, text);
        assert.ok([200, 400, 404, 405, 414].includes(status));
      }),
      { numRuns: 3000 },
    );
  });

  it("grows and never shrinks", () => {
    const growing = makeServer(recordTexts(600), key, 0);
    assert.equal(growing.respond("GET", "/lookup/example.com/m0@v1.0.0").status, 404);
    assert.equal(growing.respond("GET", "/tile/8/0/000.p/1").status, 404);
    for (const size of [0, 1, 256, 256, 300, 600]) {
      growing.setSize(size);
      assert.equal(
        toLatin1(growing.respond("GET", "/latest").body),
        toLatin1(encodeUtf8(signHead(log.treeHead(size), key))),
      );
    }
    for (const size of [599, 601, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => growing.setSize(size), RangeError);
    assert.equal(growing.size, 600);
    assert.throws(() => makeServer(recordTexts(3), key, 4), RangeError);
  });

  it("refuses records that its data tiles could not hold", () => {
    for (const text of ["", "a", "a\n\nb\n", "a\n\n"])
      assert.throws(() => makeServer([encodeUtf8(text)], key), TypeError);
  });

  it("lets a test grow it, and nobody else", () => {
    const testable = new SumdbServer({
      signerKey: key,
      records: recordTexts(9),
      size: 2,
      testControl: true,
      sha256: nodeSha256,
      ed25519,
    });
    for (const query of ["", "?", "?n=", "?n=1", "?n=10", "?n=-1", "?n=1e1", "?n=03", "?m=3", "?n=3&n=4", "?n= 3"]) {
      assert.equal(testable.respond("POST", `/ctl/size${query}`).status, 400);
    }
    assert.equal(testable.respond("GET", "/ctl/size?n=3").status, 404);
    assert.equal(testable.size, 2);
    assert.equal(testable.respond("POST", "/ctl/size?n=3").status, 200);
    assert.equal(testable.size, 3);
    assert.equal(server.respond("POST", "/ctl/size?n=70000").status, 405);
  });
});

describe("the checksum database server on a socket", () => {
  const live = makeServer(recordTexts(1000), key, 700);
  let url: string;
  let port: number;
  before(async () => {
    const bound = await live.listen({ host: "127.0.0.1", port: 0 });
    port = bound.port;
    url = `http://127.0.0.1:${port}`;
    assert.ok(port > 0);
    assert.equal(bound.host, "127.0.0.1");
  });
  after(() => live.close());

  it("is followed by the follower as it grows", async () => {
    const follower = new SumdbFollower({
      verifierKey: key.verifierKey,
      source: new HttpSumdbSource(url),
      sha256: nodeSha256,
      ed25519,
    });
    let count = 0;
    for await (const { texts: got } of (await follower.poll(nothing))?.batches() ?? []) count += got.length;
    assert.equal(count, 700);
    live.setSize(1000);
    assert.equal((await follower.poll(nothing))?.treeHead.treeSize, 1000);
  });

  it("answers HEAD without a body, and other methods with 405", async () => {
    const head = await fetch(`${url}/latest`, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get("content-length"), String(live.respond("GET", "/latest").body.length));
    assert.equal(await head.text(), "");
    const post = await fetch(`${url}/latest`, { method: "POST", body: "x".repeat(100_000) });
    assert.equal(post.status, 405);
    assert.equal(post.headers.get("allow"), "GET, HEAD");
  });

  it("survives what is no HTTP", async () => {
    for (const junk of [
      "\u0000\u0001\n\n",
      "GET\r\n\r\n",
      "GET /latest HTTP/9\r\n\r\n",
      `GET /${"a".repeat(40_000)} HTTP/1.1\r\n\r\n`,
      "GET /lat",
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, "127.0.0.1", () => socket.end(junk, "latin1"));
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
        socket.resume();
      });
    }
    const raw = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = httpRequest(`${url}/lookup/../../%2e%2e/x@v1.0.0`, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
    assert.ok(raw === 400 || raw === 404);
    assert.equal((await fetch(`${url}/latest`)).status, 200);
  });

  it("says so when the port is taken, and does not listen twice", async () => {
    const other = makeServer([], key);
    await assert.rejects(other.listen({ host: "127.0.0.1", port }), { code: "EADDRINUSE" });
    await assert.rejects(live.listen({ host: "127.0.0.1", port: 0 }), TypeError);
    await other.close();
  });

  it("ends connections that are kept alive when it closes", async () => {
    const closing = makeServer(recordTexts(3), key);
    const bound = await closing.listen({ host: "127.0.0.1", port: 0 });
    const idle = connect(bound.port, "127.0.0.1");
    await new Promise((resolve) => idle.once("connect", resolve));
    const closed = new Promise((resolve) => idle.once("close", resolve));
    idle.on("error", () => undefined);
    await fetch(`http://127.0.0.1:${bound.port}/latest`).then((response) => response.text());
    await closing.close();
    await closed;
    await closing.close();
  });
});
