import assert from "node:assert/strict";
import { test } from "node:test";
import { rememberTrue } from "../../src/client/known-signatures.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { nodeEd25519 } from "../../src/vindex/platform.ts";

test("a true signature is checked once, and vouches for no other split of the same bytes", () => {
  const scheme = nodeEd25519();
  let checks = 0;
  const counting = {
    ...scheme,
    verify: (...given: Parameters<typeof scheme.verify>) => {
      checks++;
      return scheme.verify(...given);
    },
  };
  const { verify } = rememberTrue(counting);
  const seed = new Uint8Array(32).fill(7);
  const key = scheme.publicKey(seed);
  const message = encodeUtf8("hello");
  const signature = scheme.sign(seed, message);
  assert.deepEqual([verify(key, message, signature), verify(key, message, signature), checks], [true, true, 1]);
  const all = Uint8Array.from([...key, ...signature, ...message]);
  for (const [keyEnd, signatureEnd] of [
    [32, 97],
    [32, 95],
    [31, 96],
    [33, 96],
    [31, 95],
    [0, 64],
  ] as const) {
    const parts = [all.slice(0, keyEnd), all.slice(signatureEnd), all.slice(keyEnd, signatureEnd)] as const;
    assert.equal(verify(...parts), false, `${keyEnd} ${signatureEnd}`);
  }
});

test("a false signature stays false, however often it is shown", () => {
  const scheme = nodeEd25519();
  const { verify } = rememberTrue(scheme);
  const seed = new Uint8Array(32).fill(8);
  const signature = scheme.sign(seed, encodeUtf8("a"));
  for (let i = 0; i < 3; i++) assert.equal(verify(scheme.publicKey(seed), encodeUtf8("b"), signature), false);
});
