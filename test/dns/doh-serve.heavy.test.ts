import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { workFile } from "../../src/build/layout.ts";
import { Command, run } from "../cli/process.ts";
import { query } from "./packet.ts";
import { writeSampleFile } from "./sample-file.ts";
import { makeCertificate } from "./self-signed.ts";
import { rcodeOf, until } from "./sockets.ts";

const ZONE = "l.example.org";
const folder = mkdtempSync(join(tmpdir(), "proofdns-doh-"));
const path = (name: string): string => join(folder, name);
const MEDIA_TYPE = "application/dns-message";
let sumdb: Command;
let source: string;

before(async () => {
  writeSampleFile(path("records.tsv"));
  const records = ["--records", path("records.tsv")];
  sumdb = new Command(["sumdb", "--listen", "127.0.0.1:0", "--data", path("sumdb"), ...records]);
  const ready = await sumdb.json();
  source = `${ready["vkey"]} ${ready["url"]}`;
});
after(async () => {
  await sumdb.stop();
  rmSync(folder, { recursive: true, force: true });
});

const serveArgs = (data: string, ...args: string[]): string[] => {
  const where = ["--zone", ZONE, "--listen", "127.0.0.1:0", "--data", path(data), "--sumdb", source];
  return ["serve", ...where, "--threads", "2", ...args];
};

function writeFiles({ cert, key }: { readonly cert: string; readonly key: string }): void {
  writeFileSync(path("cert.pem"), cert);
  writeFileSync(path("key.pem"), key, { mode: 0o600 });
}
const TLS = ["--doh", "127.0.0.1:0", "127.0.0.1:0", "--doh-cert", path("cert.pem"), "--doh-key", path("key.pem")];

async function shownCertificate(url: string): Promise<string> {
  const socket = connectTls({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerX509Certificate() ?? {};
  socket.destroy();
  return fingerprint256 ?? "";
}

async function askHttp2(url: string, body: Uint8Array): Promise<Uint8Array> {
  const { origin, pathname } = new URL(url);
  const client = connect(origin, { rejectUnauthorized: false });
  client.on("error", () => {});
  const stream = client.request({ ":method": "POST", ":path": pathname, "content-type": MEDIA_TYPE });
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  client.close();
  return Uint8Array.from(Buffer.concat(chunks));
}

describe("proofdns serve --doh", () => {
  it("says where it answers, by TLS at several addresses, and takes a new certificate at SIGHUP", async () => {
    writeFiles(makeCertificate());
    const server = new Command(serveArgs("data", ...TLS, "--monitor", "127.0.0.1:0"));
    const ready = await server.json();
    const urls = ready["doh"] as string[];
    assert.equal(urls.length, 2);
    for (const url of urls) {
      assert.match(url, /^https:\/\/127\.0\.0\.1:\d+\/dns-query$/);
      assert.equal(rcodeOf(await askHttp2(url, query(`_head.p1.${ZONE}`))), 0);
    }
    const [url = ""] = urls;
    const first = await shownCertificate(url);
    writeFiles(makeCertificate());
    server.child.kill("SIGHUP");
    let second = first;
    for (let i = 0; i < 50 && second === first; i++) {
      await sleep(50);
      second = await shownCertificate(url);
    }
    assert.notEqual(second, first);
    writeFileSync(path("key.pem"), "nothing");
    server.child.kill("SIGHUP");
    assert.ok(await until(() => /not reloaded: .*cannot be used/.test(server.stderr)), server.stderr);
    assert.equal(await shownCertificate(url), second);
    const metrics = await (await fetch(`http://${ready["monitor"]}/metrics`)).text();
    assert.match(metrics, /proofdns_replies_total\{transport="https",qtype="TXT",rcode="NOERROR",do="0"\} 2\n/);
    assert.match(metrics, /proofdns_doh_connections_opened_total [1-9]/);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0);
    assert.match(stderr, /DNS over HTTPS at https:/);
    await assert.rejects(fetch(url));
  });

  it("speaks plain HTTP without a certificate, and says so", async () => {
    const server = new Command(serveArgs("plain", "--doh", "127.0.0.1:0"));
    const ready = await server.json();
    const [url = ""] = ready["doh"] as string[];
    assert.match(url, /^http:/);
    const body = query(`_head.p1.${ZONE}`);
    const response = await fetch(url, { method: "POST", headers: { "content-type": MEDIA_TYPE }, body: body.slice() });
    assert.equal(response.status, 200);
    assert.match(response.headers.get("cache-control") ?? "", /^max-age=\d+$/);
    const latest = ["latest", "--zone", ZONE, "--server", url, "--policy", String(ready["policy"])];
    const home = { XDG_STATE_HOME: path("state"), XDG_CACHE_HOME: path("cache") };
    const asked = await run([...latest, "--sumdb-key", String(ready["sumdbKey"]), "no.example/such"], home);
    assert.equal(asked.code, 1, asked.stderr);
    const { code, stderr } = await server.stop();
    assert.equal(code, 0);
    assert.match(stderr, /plain HTTP/);
  });

  const refused: [what: string, args: string[], message: RegExp][] = [
    ["a certificate without its key", ["--doh", "127.0.0.1:0", "--doh-cert", path("cert.pem")], /stand together/],
    ["a certificate without an address", TLS.slice(3), /need --doh/],
    [
      "a file that is not there",
      ["--doh", "127.0.0.1:0", "--doh-cert", path("no"), "--doh-key", path("no")],
      /--doh-cert .* cannot be read/,
    ],
    ["an address without a port", ["--doh", "127.0.0.1"], /it has no port/],
    ["no connections at all", ["--doh", "127.0.0.1:0", "--doh-connections", "0"], /--doh-connections/],
  ];
  for (const [what, args, message] of refused) {
    it(`refuses ${what}, in a sentence`, async () => {
      const { code, stdout, stderr } = await run(serveArgs("refused", ...args));
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, message);
    });
  }
});

describe("proofdns serve", () => {
  it("refuses a data folder with a half-built index", async () => {
    const work = join(path("half"), "build");
    mkdirSync(work, { recursive: true });
    writeFileSync(workFile.source(work), "{}");
    const { code, stdout, stderr } = await run(serveArgs("half"));
    assert.notEqual(code, 0);
    assert.equal(stdout, "");
    assert.match(stderr, /proofdns build/);
  });
});
