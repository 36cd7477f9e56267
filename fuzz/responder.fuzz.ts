import type { Asker } from "../src/dns/asker.ts";
import { Responder } from "../src/dns/responder.ts";
import { ELSEWHERE, type ZoneData } from "../src/dns/zone-data.ts";
import { Input } from "./input.ts";
import { naiveCookie } from "./oracle/cookie.ts";
import { naiveMessage } from "./oracle/dns-message.ts";
import { naiveQuery } from "./oracle/query.ts";
import { plant } from "./plant.ts";
import { checkFailure, checkReply, type Reply } from "./server/check.ts";
import { builtQuery } from "./server/query.ts";
import { ADDRESSES, SECRETS, setupOf } from "./server/setup.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { EPOCHS, START } from "./world.ts";
import { naiveData, signers, workerData, zoneData } from "./zone.ts";

/**
 * The whole name server without its sockets: one responder, or a worker's and the main thread's, that is asked several
 * times while epochs and the clock go on. Every reply is decoded in full and is, record by record, what a second
 * implementation of spec/dns.md, spec/dnssec.md and spec/abuse.md says; every signature is verified.
 */
export const target: Target = {
  maxLength: 700,
  plants: ["old-serial", "case-in-denial", "pointer-forward", "cookie-address"],
};

const MAX_STEPS = 10;

type Answer = (message: Uint8Array, asker: Asker, data: ZoneData, now: number, reply: Reply) => Reply;

/** Bug: in every fourth epoch denials have the serial of the one before. */
const kept = plant<Answer>(
  "old-serial",
  (_message, _asker, _data, _now, reply) => reply,
  (_message, _asker, data, _now, reply) => {
    const message = reply === undefined ? undefined : naiveMessage(reply);
    const soa = message?.authorities.find(({ type }) => type === 6);
    if (reply === undefined || soa === undefined || data.epoch % 4 !== 3) return reply;
    const out = Uint8Array.from(reply);
    const at = soa.rdataAt + soa.rdata.length - 17;
    out[at] = (out[at] as number) - 1;
    return out;
  },
);

/** Bug: names in upper case are signed as they were asked. */
const signed = plant<Answer>("case-in-denial", kept, (message, asker, data, now, reply) => {
  const out = kept(message, asker, data, now, reply);
  const parsed = out === undefined ? undefined : naiveMessage(out);
  const rrsig = parsed?.authorities.findLast(({ type }) => type === 46);
  if (out === undefined || rrsig === undefined || !/[A-Z]/.test(parsed?.questions[0]?.name[0] ?? "")) return out;
  const copy = Uint8Array.from(out);
  copy[rrsig.rdataAt + 40] = (copy[rrsig.rdataAt + 40] as number) ^ 1;
  return copy;
});

/** Bug: a compression pointer that leads forward is passed over. */
const parsed = plant<Answer>("pointer-forward", signed, (message, asker, data, now, reply) => {
  const out = signed(message, asker, data, now, reply);
  const query = naiveQuery(message);
  const end = 12 + (query?.question?.length ?? 0);
  const isForward =
    query?.refusal === 1 && query.question !== undefined && (message[end] ?? 0) >= 0xc1 && message[10] === 0;
  return isForward ? undefined : out;
});

/** Bug: a cookie is made for the address in the first query of a responder. */
const cookied = plant<Answer>("cookie-address", parsed, (message, asker, data, now, reply) => {
  const out = parsed(message, asker, data, now, reply);
  const cookie = naiveQuery(message)?.edns?.cookie;
  if (out === undefined || cookie === undefined || asker.address.length !== 16 || asker.transport !== "tcp") return out;
  const at = Buffer.from(out).indexOf(cookie.subarray(0, 8));
  if (at < 0) return out;
  const copy = Uint8Array.from(out);
  copy.set(naiveCookie(SECRETS[0] as Uint8Array, cookie.subarray(0, 8), ADDRESSES[0] as Uint8Array, now), at);
  return copy;
});

export function fuzz(bytes: Uint8Array): void {
  const input = new Input(bytes);
  const flags = input.byte();
  const signer = flags % 2 === 0 ? undefined : signers[((flags >> 1) % 4) % signers.length];
  const setup = setupOf(signer, flags, input.byte());
  const responder = new Responder(setup.options);
  const main = setup.isWorker ? new Responder({ ...setup.options, cacheSize: 0 }) : responder;
  let epoch = input.byte() % (EPOCHS + 1);
  let now = START + (input.uint16() - 0x4000) * 2;
  let headVersion = 1;
  let isBroken = false;
  let asker: Asker = { transport: "udp", address: ADDRESSES[0] as Uint8Array };
  for (let step = 0; step < MAX_STEPS && !input.isDone; step++) {
    const op = input.byte();
    if (op % 8 === 6) {
      // Epochs only go on; the clock may step back a little.
      const advance = input.byte();
      if (advance % 4 === 0 && epoch < EPOCHS) epoch++;
      if (advance % 4 === 1) headVersion++;
      now += op >= 0x80 ? input.uint16() * 4 : input.byte() - 64;
      continue;
    }
    if (op % 8 === 7) {
      const choice = input.byte();
      isBroken = choice % 8 === 7;
      const transport = choice >= 0x80 ? "tcp" : "udp";
      asker = {
        transport,
        address: ADDRESSES[(choice >> 3) % ADDRESSES.length] as Uint8Array,
        ...(transport === "tcp" && choice % 2 === 1 ? { keepalive: choice * 3 } : {}),
      };
      continue;
    }
    const message = op % 8 < 3 ? input.block() : builtQuery(input, asker, now);
    const naive = naiveData(epoch, isBroken, setup.hasProofs);
    const data = zoneData(naive, headVersion);
    const ask = (who: Responder, by: Asker, served: ZoneData): Reply => {
      // In the middle of a larger buffer, as sockets give them.
      const larger = new Uint8Array(message.length + 9).fill(0xc0);
      larger.set(message, 4);
      const view = larger.subarray(4, 4 + message.length);
      const reply =
        setup.isWorker && who === responder
          ? askWorker(responder, main, view, by, served, now)
          : who.respond(view, by, served, now);
      if (reply === ELSEWHERE) throw new Error("elsewhere, and nobody else is there");
      return cookied(message, by, served, now, reply === undefined ? undefined : Uint8Array.from(reply));
    };
    const reply = withinTime("a reply", () => ask(responder, asker, data));
    checkReply(message, reply, { setup, naive, asker, now, isFirst: step === 0 }, () =>
      ask(
        new Responder({ ...setup.options, cacheSize: 0 }),
        { transport: "tcp", address: asker.address },
        zoneData({ ...naive, isBroken: false }, headVersion),
      ),
    );
    checkFailure(message);
  }
}

/** A worker that has the tree and the newest head, and the main thread that has everything. */
function askWorker(
  worker: Responder,
  main: Responder,
  message: Uint8Array,
  asker: Asker,
  data: ZoneData,
  now: number,
): Reply {
  const held = workerData({ ...data, head: (epoch) => naiveData(data.epoch, false, true).head(epoch, undefined) });
  const reply = worker.respond(message, asker, held, now);
  if (reply !== ELSEWHERE) return reply;
  const copy = Uint8Array.from(message);
  return worker.finish(copy, asker, structuredClone(main.compute(copy, asker, data, now)), held, now);
}
