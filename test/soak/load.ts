// A process that makes load; `soak.ts` starts it, tells it what, and hears from it every second. It ends when it is told to, or when
// nobody is there to hear it.
import { makeRandom } from "../../bench/dns/names.ts";
import { startClients } from "./clients.ts";
import { startNoise } from "./noise.ts";
import type { LoadOrder } from "./order.ts";
import { Tally } from "./tally.ts";
import { startVictims } from "./victims.ts";

const REPORT = 1_000;

/** What the parent says: once what to do, later to stop. */
export type LoadMessage = { readonly start: LoadOrder } | { readonly stop: true };

const tally = new Tally();
let stop = (): void => {};
process.on("disconnect", () => process.exit(0));
// The terminal's interrupt reaches this process too; its parent says when to stop.
process.on("SIGINT", () => {});
process.on("message", (message: LoadMessage) => {
  if ("stop" in message) {
    stop();
    process.disconnect();
    return;
  }
  void start(message.start);
});

async function start(order: LoadOrder): Promise<void> {
  const random = makeRandom(order.seed);
  const starters = { clients: startClients, victims: startVictims, noise: startNoise };
  stop = await starters[order.role](order, tally, random);
  setInterval(() => process.send?.(tally.report(order.role)), REPORT);
}
