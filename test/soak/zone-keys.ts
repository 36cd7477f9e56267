import { connect } from "node:net";
import { decodeReply, encodeQuery, isReplyTo, TYPE } from "./messages.ts";
import { formatDs, readZoneKey, verifyRrset, type ZoneKey } from "./rrsig.ts";

/**
 * The keys that the zone publishes, none if it is not signed. One of them must be that of a DS, and sign them all.
 * @throws Error if they are not as they should be
 */
export async function fetchZoneKeys(apex: Uint8Array, port: number, ds: readonly string[]): Promise<ZoneKey[]> {
  const message = await askByTcp(encodeQuery({ name: apex, type: TYPE.DNSKEY, id: 1, isDo: true }), port);
  const { records } = decodeReply(message);
  const keys = records.filter(({ type }) => type === TYPE.DNSKEY).map(({ rdata }) => readZoneKey(rdata));
  if (keys.length === 0) {
    if (ds.length > 0) throw new Error("the server has a DS and no DNSKEY");
    return [];
  }
  const trusted = keys.filter((key) => ds.some((text) => text.toUpperCase().endsWith(formatDs(apex, key))));
  if (trusted.length === 0) throw new Error(`no DNSKEY is that of the DS ${ds.join(", ")}`);
  verifyRrset(records, "answer", TYPE.DNSKEY, trusted, Math.floor(Date.now() / 1000));
  return keys;
}

/** One query on a connection of its own. */
async function askByTcp(query: Buffer, port: number): Promise<Buffer> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      let input: Buffer = Buffer.alloc(0);
      socket.setTimeout(5_000, () => reject(new Error("no answer by TCP")));
      socket.on("error", reject);
      socket.on("close", () => reject(new Error("the connection was closed without an answer")));
      socket.on("data", (chunk: Buffer) => {
        input = Buffer.concat([input, chunk]);
        if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return;
        const message = input.subarray(2, 2 + input.readUInt16BE(0));
        if (isReplyTo(message, query)) resolve(message);
        else reject(new Error("another message than the reply"));
      });
      const length = Buffer.of(query.length >> 8, query.length & 0xff);
      socket.write(Buffer.concat([length, query]));
    });
  } finally {
    socket.removeAllListeners("close");
    socket.destroy();
  }
}
