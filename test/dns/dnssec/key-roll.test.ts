import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  applyStep,
  DNSKEY_TTL,
  formatTime,
  type KeyRecord,
  nextStep,
  type RollStep,
  refuseStep,
  warnOfStep,
} from "../../../src/dns/dnssec/key-roll.ts";

const T = 1_790_000_000;
const DAY = 86_400;
const GO = { dsSeen: false, force: false };
const SEEN = { dsSeen: true, force: false };
const WHERE = "roll of l.example.org in /data/dnssec";
const one: readonly KeyRecord[] = [{ keyTag: 1, phase: "active", since: T }];
const fresh: KeyRecord = { keyTag: 2, phase: "published", since: T };
const published = applyStep(one, nextStep(one), T, fresh);
const turned = applyStep(published, nextStep(published), T + DNSKEY_TTL, fresh);

/** One sentence that says where, and does not end in the middle. */
function sentence(text: string | undefined): string {
  assert.ok(text !== undefined, "refused");
  assert.ok(text.startsWith(WHERE) && !/[\n]|\.$/.test(text), text);
  return text;
}

describe("a roll", () => {
  it("publishes, switches and removes, and is then where it began, with the other key", () => {
    assert.deepEqual(nextStep(one), { kind: "publish" });
    assert.deepEqual(published, [one[0], fresh]);
    assert.deepEqual(nextStep(published), { kind: "switch", from: 1, to: 2, notBefore: T + DNSKEY_TTL });
    assert.deepEqual(turned, [
      { keyTag: 2, phase: "active", since: T + DNSKEY_TTL },
      { keyTag: 1, phase: "retired", since: T + DNSKEY_TTL },
    ]);
    const remove = nextStep(turned);
    assert.deepEqual(remove, { kind: "remove", keyTag: 1, notBefore: T + DNSKEY_TTL + 2 * DAY });
    const end = applyStep(turned, remove, T + 5 * DAY, fresh);
    assert.deepEqual(end, [turned[0]]);
    assert.deepEqual(nextStep(end), { kind: "publish" });
  });

  it("has exactly one active key after each step, and it stands first", () => {
    for (const keys of [one, published, turned]) {
      assert.equal(keys.filter(({ phase }) => phase === "active").length, 1);
      assert.equal(keys[0]?.phase, "active");
    }
  });

  it("is nothing without an active key", () => {
    assert.throws(() => nextStep([]), RangeError);
    assert.throws(() => nextStep([fresh]), RangeError);
  });
});

describe("a step", () => {
  const toSwitch = nextStep(published);
  const toRemove = nextStep(turned);
  const due = (step: RollStep): number => (step.kind === "publish" ? T : step.notBefore);

  it("is taken at its time, and refused a second before", () => {
    for (const [step, options] of [
      [toSwitch, SEEN],
      [toRemove, GO],
    ] as const) {
      assert.equal(refuseStep(step, options, due(step), WHERE), undefined);
      const why = sentence(refuseStep(step, options, due(step) - 1, WHERE));
      assert.match(why, new RegExp(`until ${formatTime(due(step))}.*run this again then`));
    }
    assert.equal(refuseStep({ kind: "publish" }, GO, T, WHERE), undefined);
  });

  it("is refused until its time also if the clock was set back", () => {
    sentence(refuseStep(toSwitch, SEEN, T - 10 * DAY, WHERE));
    sentence(refuseStep(toRemove, GO, 0, WHERE));
  });

  it("to the new key is refused without the word of the operator, however late, forced or not", () => {
    for (const force of [false, true]) {
      const why = sentence(refuseStep(toSwitch, { dsSeen: false, force }, T + 1000 * DAY, WHERE));
      assert.match(why, /--ds-seen/);
      assert.match(why, /proofdns dnssec ds/);
    }
  });

  it("that has nothing to do with a DS is refused with word of one", () => {
    for (const force of [false, true]) {
      const options = { dsSeen: true, force };
      assert.match(sentence(refuseStep({ kind: "publish" }, options, T, WHERE)), /without --ds-seen/);
      assert.match(sentence(refuseStep(toRemove, options, T + 1000 * DAY, WHERE)), /without --ds-seen/);
    }
  });

  it("can be forced before its time, with a warning that says until when what may fail", () => {
    for (const [step, options] of [
      [toSwitch, { dsSeen: true, force: true }],
      [toRemove, { dsSeen: false, force: true }],
    ] as const) {
      assert.equal(refuseStep(step, options, T, WHERE), undefined);
      assert.ok(warnOfStep(step, due(step) - 1)?.includes(formatTime(due(step))));
      assert.equal(warnOfStep(step, due(step)), undefined);
    }
    assert.equal(warnOfStep({ kind: "publish" }, 0), undefined);
  });
});

describe("a time", () => {
  it("is written in UTC, to the second", () => {
    assert.equal(formatTime(0), "1970-01-01T00:00:00Z");
    assert.equal(formatTime(1_790_000_000), "2026-09-21T14:13:20Z");
  });
});
