import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:http2";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { concatBytes } from "../../src/vindex/bytes.ts";
import { query, u16 } from "./packet.ts";
import { makeCertificate } from "./self-signed.ts";
import { soon } from "./sockets.ts";
import { closeAll, epochOf, startPool, treeOf, UdpClient, untilRestarted } from "./threads/clients.ts";

after(closeAll);

const ANY = { host: "127.0.0.1", port: 0 };

async function ask(port: number, label: string): Promise<string | undefined> {
  const client = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  client.on("error", () => {});
  try {
    const fields = { ":method": "POST", ":path": "/dns-query", "content-type": "application/dns-message" };
    const stream = client.request(fields);
    stream.end(concatBytes(u16(1), query(`${label}.l.example.org`).subarray(2)));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).subarray(12).toString();
  } finally {
    client.destroy();
  }
}

async function shown(port: number): Promise<string> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const raw = socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0);
  socket.destroy();
  return createHash("sha256").update(raw).digest("hex");
}

const digest = (cert: string): string => createHash("sha256").update(new X509Certificate(cert).raw).digest("hex");

describe("DNS over HTTPS in threads", () => {
  it("asks the main thread for what it does not have, and goes on at the same port after a thread died", async () => {
    const [first, second] = [makeCertificate(), makeCertificate()];
    const { pool, logged } = await startPool({ threads: 1, doh: { addresses: [ANY, ANY], tls: first, limits: {} } });
    await pool.publish(epochOf(1, treeOf(1, 10)));
    const [one, two] = pool.dohAddresses.map(({ port }) => port);
    assert.ok(one !== undefined && two !== undefined && one !== two);
    assert.equal(await ask(one, "text"), "first");
    assert.match((await ask(two, "elsewhere")) ?? "", /^main first for https 127\.0\.0\.1/);
    assert.equal(await shown(one), digest(first.cert));
    await pool.setTls(second);
    const client = new UdpClient(pool.address);
    await client.ask("die", 10);
    await untilRestarted(pool);
    await soon(() => pool.status().threads.every(({ isAlive }) => isAlive));
    let text: string | undefined;
    for (let i = 0; i < 100 && text === undefined; i++) {
      text = await ask(one, "text").catch(() => undefined);
      if (text === undefined) await sleep(20);
    }
    assert.equal(text, "first");
    assert.equal(await shown(one), digest(second.cert));
    assert.equal(await ask(two, "text"), "first");
    assert.equal(logged.length, 1);
    await pool.close();
    await assert.rejects(shown(one));
    client.close();
  });
});
