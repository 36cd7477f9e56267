import { encodeQuery, TYPE } from "./messages.ts";
import { RandomNames } from "./names.ts";
import type { LoadOrder } from "./order.ts";
import { Pacer } from "./pacer.ts";
import type { Tally } from "./tally.ts";
import { startTcpLoad } from "./tcp-load.ts";
import { UdpSource } from "./udp-source.ts";

/** Shares of the rate. */
const RANDOM_SHARE = 0.5;
const MALFORMED_SHARE = 0.27;
/** Networks that ask random names, each at a rate that no limit is meant for. */
const RANDOM_SOURCES = 64;
const MALFORMED_SOURCES = 8;

/** What no client sends: names that nobody has, messages that are none, and connections that want to be a burden. */
export async function startNoise(order: LoadOrder, tally: Tally, random: () => number): Promise<() => void> {
  const names = new RandomNames(order.apex, random);
  const open = (address: string, what: string): Promise<UdpSource> =>
    UdpSource.open(address, order.port, () => tally.count(`${what} answered`));
  const randomSources: UdpSource[] = [];
  for (let i = 0; i < RANDOM_SOURCES; i++) randomSources.push(await open(`127.30.${i}.1`, "random"));
  const malformedSources: UdpSource[] = [];
  for (let i = 0; i < MALFORMED_SOURCES; i++) malformedSources.push(await open(`127.40.${i}.1`, "malformed"));
  const tcp = await startTcpLoad({ ...order, rate: order.rate * (1 - RANDOM_SHARE - MALFORMED_SHARE) }, tally, random);
  const pacers = [
    new Pacer(order.rate * RANDOM_SHARE, (i) => {
      const name = [names.absent(), names.key(), names.nonexistent()][i % 3] as Uint8Array;
      tally.count("sent");
      tally.count("random asked");
      randomSources[i % RANDOM_SOURCES]?.send(encodeQuery({ name, type: TYPE.TXT, id: i & 0xffff, isDo: i % 2 === 0 }));
    }),
    new Pacer(order.rate * MALFORMED_SHARE, (i) => {
      const name = order.questions[i % order.questions.length]?.name ?? order.apex;
      const message = malform(encodeQuery({ name, type: TYPE.TXT, id: i & 0xffff, isDo: true }), random);
      tally.count("sent");
      tally.count("malformed asked");
      malformedSources[i % MALFORMED_SOURCES]?.send(message);
    }),
  ];
  for (const pacer of pacers) pacer.start();
  return () => {
    for (const pacer of pacers) pacer.stop();
    tcp();
    for (const source of [...randomSources, ...malformedSources]) source.close();
  };
}

/** Spoils a query in one of many ways. */
function malform(query: Buffer, random: () => number): Buffer {
  const upTo = (bound: number): number => Math.floor(random() * bound);
  const junk = (length: number): Buffer => Buffer.from(Array.from({ length }, () => upTo(256)));
  const ways: (() => Buffer)[] = [
    () => query.subarray(0, upTo(query.length)),
    () => junk(upTo(1_400)),
    () => Buffer.concat([query, junk(upTo(300))]),
    () => Buffer.alloc(12, 0xff),
    () => {
      for (let i = 0; i < 3; i++) query[upTo(query.length)] = upTo(256);
      return query;
    },
    // Each count, with nothing to count.
    () => {
      query.writeUInt16BE(upTo(0x10000), 4 + 2 * upTo(4));
      return query;
    },
    // Opcode, QR and the other flags.
    () => {
      query.writeUInt16BE(upTo(0x10000), 2);
      return query;
    },
    // A pointer where the name begins: to itself, forward, into the header.
    () => {
      query.writeUInt16BE(0xc000 | upTo(64), 12);
      return query;
    },
    // The OPT twice.
    () => {
      query.writeUInt16BE(2, 10);
      return Buffer.concat([query, query.subarray(query.length - 11)]);
    },
    // A class and a type.
    () => {
      query.writeUInt16BE(upTo(0x10000), query.length - 11 - 4);
      query.writeUInt16BE(upTo(300), query.length - 11 - 2);
      return query;
    },
  ];
  return (ways[upTo(ways.length)] as () => Buffer)();
}
