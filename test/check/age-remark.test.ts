import assert from "node:assert/strict";
import { test } from "node:test";
import { remarkOnAges } from "../../src/check/age-remark.ts";
import type { Ages } from "../../src/check/ages.ts";
import type { ModuleResult } from "../../src/check/result.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";

const version = { path: "example.com/x", version: "v1.0.0", kind: "release", logIndex: 1, isRecordProven: false };
const dated = { latest: version, offered: undefined } as ModuleResult;
const absent = { latest: undefined, offered: undefined } as ModuleResult;
const none: Ages = { heads: [], failures: [] };
const online = { now: 1_700_000_000, isOffline: false };

test("that no age is known is said once, with its reason", async () => {
  const cases: readonly (readonly [Ages, typeof online | { now: undefined; isOffline: boolean }, RegExp])[] = [
    [none, online, /^ages unknown: the log has no head for this policy that is a day old$/],
    [none, { ...online, isOffline: true }, /^ages unknown: no head is kept that is a day old; .* if the log has it$/],
    [none, { now: undefined, isOffline: false }, /^ages unknown: freshness is not proven, /],
    [
      none,
      { now: undefined, isOffline: true },
      /^ages unknown: no head is remembered .* if the policy proves freshness$/,
    ],
    [{ ...none, isUnanswered: true }, online, /^ages unknown: no older head of the log was answered$/],
  ];
  for (const [ages, dating, why] of cases) {
    const remarks = await remarkOnAges(ages, [dated, dated, absent], dating);
    assert.equal(remarks.length, 1);
    assert.match(remarks[0] ?? "", why);
  }
});

test("nothing is said of ages where there are some, where there is no version, or where a failure says it", async () => {
  const head = { atLeast: 86_400, publicSince: 1, sumdbSize: 1 };
  assert.deepEqual(await remarkOnAges({ ...none, heads: [head] }, [dated], online), []);
  assert.deepEqual(await remarkOnAges(none, [absent], online), []);
  assert.deepEqual(await remarkOnAges({ ...none, failures: [new ProofdnsError("FORK", "no")] }, [dated], online), []);
});

test("a time that is not answered throws nothing here: the check says it elsewhere", async () => {
  const now = Promise.reject(new ProofdnsError("UNREACHABLE", "no"));
  const remarks = await remarkOnAges({ ...none, isUnanswered: true }, [dated], { now, isOffline: false });
  assert.deepEqual(remarks, ["ages unknown: no older head of the log was answered"]);
});
