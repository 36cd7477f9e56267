import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

/** Exports are where the collections are, in a heap as small as this: with a key that shares its maker's lock it stands still within a second. */
const SCRIPT = `
import { ALGORITHM, generatePrivateKey, publicKeyBytes } from ${JSON.stringify(import.meta.resolve("../../../src/dns/dnssec/algorithm.ts"))};
for (const algorithm of [ALGORITHM.ED25519, ALGORITHM.ECDSAP256SHA256]) {
  for (let i = 0; i < 100; i++) {
    const key = generatePrivateKey(algorithm);
    for (let j = 0; j < 100; j++) publicKeyBytes(key);
  }
}
console.log("done");
`;

test("a key that was made just now is exported whatever the garbage collector does meanwhile", () => {
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ["--max-semi-space-size=1", "--import", "tsx", "--input-type=module", "-e", SCRIPT],
    { encoding: "utf8", timeout: 60_000, killSignal: "SIGKILL" },
  );
  assert.deepEqual({ stdout, signal }, { stdout: "done\n", signal: null }, stderr);
});
