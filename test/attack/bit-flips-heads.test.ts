import { after, test } from "node:test";
import { type HeadQuestion, type Memory, type Trust, verifyAge, verifyHead } from "../../src/client/verify/index.ts";
import { EPOCHS, flipAll, makeLargeWorld, Tally } from "./flips.ts";
import { allAt, COSIGNERS, policyOf, timeOf, trustOf } from "./world.ts";

/** As bit-flips.test.ts, for heads and the proofs that go with them; a file of its own, so that the two run side by side. */

const { world: real } = await makeLargeWorld();
after(() => real.close());
const trust = trustOf(real.keys);
const newest = real.head(EPOCHS);
const answers = real.answers(EPOCHS);

function flipHead(
  tally: Tally,
  epoch: number,
  options: { cosigners?: number; since?: number; asked?: boolean; beside?: number } = {},
): void {
  const { cosigners = 4, since, beside } = options;
  const names = COSIGNERS.slice(0, cosigners);
  const strict: Trust = trustOf(real.keys, { policy: policyOf(real.keys, names) });
  const all = allAt(timeOf(epoch));
  const times = Object.fromEntries(names.map((name) => [name, all[name]]));
  const data = real.answers(epoch, times);
  const memoryEpoch = since ?? beside;
  const memory: Memory | undefined = memoryEpoch === undefined ? undefined : real.memory(memoryEpoch);
  const question: HeadQuestion = { since, epoch: options.asked === true ? epoch : undefined };
  const consistency =
    beside === undefined ? undefined : real.answers().consistency(Math.min(beside, epoch), Math.max(beside, epoch));
  const verify = (untrustedHead: Uint8Array): unknown =>
    verifyHead({
      trust: strict,
      memory,
      now: timeOf(epoch) + 10,
      question,
      untrustedHead,
      untrustedConsistency: consistency,
    });
  const payload = since === undefined ? data.head(epoch) : data.headSince(since, epoch);
  flipAll(tally, `head ${epoch} since ${since} beside ${beside}`, payload, verify);
}

test("no bit of a plain head can be changed, whether one cosigner or four are asked for", (t) => {
  const tally = new Tally();
  for (const [i, epoch] of [1, 2, 3, 8, 32, 38, 39, 40].entries()) flipHead(tally, epoch, { cosigners: 1 + (i % 4) });
  t.diagnostic(String(tally));
});

test("no bit of the head of an epoch that was asked for can be changed", (t) => {
  const tally = new Tally();
  for (const [i, epoch] of [1, 5, 23, 40].entries()) flipHead(tally, epoch, { asked: true, cosigners: 4 - i });
  t.diagnostic(String(tally));
});

test("no bit of a head beside a remembered one and its consistency proof can be changed", (t) => {
  const tally = new Tally();
  for (const [epoch, beside] of [
    [40, 32],
    [40, 23],
    [23, 40],
    [40, 40],
  ] as const)
    flipHead(tally, epoch, { beside });
  t.diagnostic(String(tally));
});

test("no bit of a head since a remembered one can be changed, near, far or the same", (t) => {
  const tally = new Tally();
  for (const since of [1, 7, 16, 21, 31, 32, 38, 39, 40]) flipHead(tally, 40, { since, cosigners: 1 + (since % 4) });
  for (const since of [1, 2]) flipHead(tally, 2, { since });
  flipHead(tally, 33, { since: 32, asked: true });
  t.diagnostic(String(tally));
});

test("no bit of a head that proves age can be changed", (t) => {
  const tally = new Tally();
  const time = timeOf(30);
  for (const epoch of [22, 23]) {
    const untrustedConsistency = answers.consistency(epoch, EPOCHS);
    const verify = (untrustedHead: Uint8Array): unknown =>
      verifyAge({ trust, newest, time, untrustedHead, untrustedConsistency });
    flipAll(tally, `age by head ${epoch}`, real.answers(epoch).head(epoch), verify);
  }
  t.diagnostic(String(tally));
});

test("no bit of a consistency proof of the log can be changed", (t) => {
  const tally = new Tally();
  for (const [epoch, beside] of [
    [40, 32],
    [40, 31],
    [40, 1],
    [40, 39],
    [39, 40],
    [17, 40],
    [3, 7],
  ] as const) {
    const memory = real.memory(beside);
    const payload = real.answers().consistency(Math.min(epoch, beside), Math.max(epoch, beside));
    const untrustedHead = real.answers(epoch).head(epoch);
    const verify = (untrustedConsistency: Uint8Array): unknown =>
      verifyHead({ trust, memory, now: timeOf(epoch) + 10, question: {}, untrustedHead, untrustedConsistency });
    flipAll(tally, `consistency ${epoch} and ${beside}`, payload, verify);
  }
  t.diagnostic(String(tally));
});
