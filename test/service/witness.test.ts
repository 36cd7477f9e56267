import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { parseWitness } from "../../src/service/witness.ts";
import { isProofdnsError } from "../../src/vindex/error.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { formatPolicy } from "../../src/vindex/policy.ts";
import { FakeWitness } from "./fake-witness.ts";
import { clientOf, headOf, makeSumdb, type Operator, startOperator, until } from "./operator.ts";
import { clockKey, logKey, makeFolder, sampleRecords } from "./world.ts";

const folder = makeFolder("witness");
let folders = 0;
const fresh = (): string => join(folder, `store-${folders++}`);
const records = sampleRecords().slice(0, 400);

let witness: FakeWitness;
let other: FakeWitness;
before(async () => {
  witness = await FakeWitness.start(logKey.verifierKey, 41);
  other = await FakeWitness.start(logKey.verifierKey, 42);
});
after(async () => {
  await witness.close();
  await other.close();
});

/** A witness that knows nothing of the log. */
function reset(one: FakeWitness): FakeWitness {
  one.size = 0;
  one.lie = undefined;
  one.delay = 0;
  one.requests.length = 0;
  one.statuses.length = 0;
  return one;
}

/** The clock and these witnesses all must cosign. */
function policyWith(...witnesses: FakeWitness[]): string {
  const cosigners = witnesses.map(({ key }, i) => ({ name: `w${i}`, verifierKey: key.verifierKey }));
  return formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }, ...cosigners]);
}

const cosignersOf = (operator: Operator): number[] => headOf(operator).cosignatures.map(({ keyId }) => keyId);

/** Makes epochs up to `count`, ten records each. */
async function makeEpochs(folderPath: string, count: number, options: object = {}): Promise<Operator> {
  const sumdb = makeSumdb(records, 10);
  const operator = await startOperator({ folder: folderPath, sumdb, ...options });
  for (let epoch = operator.served.at(-1)?.epoch ?? 0; epoch < count; epoch++) {
    sumdb.setSize(10 * (epoch + 1));
    await until(`epoch ${epoch + 1}`, () => operator.service.data.epoch > epoch);
  }
  return operator;
}

describe("a witness", () => {
  it("is asked for each epoch with a proof from what it knows, and its cosignature is served and passes a client's quorum", async () => {
    reset(witness);
    const policy = policyWith(witness);
    const operator = await makeEpochs(fresh(), 5, { policy, witnesses: [witness.option] });
    assert.deepEqual(witness.statuses, [200, 200, 200, 200, 200]);
    assert.equal(witness.size, 5);
    assert.match(witness.requests[0] ?? "", /^old 0\n\nl\.example\.org\/p1\n1\n/);
    assert.match(witness.requests[4] ?? "", /^old 4\n[A-Za-z0-9+/]{43}=\n\nl\.example\.org\/p1\n5\n/);
    assert.ok(cosignersOf(operator).includes(witness.key.verifierKey.keyId));
    const { answer } = await clientOf(operator).lookup({ kind: "module", path: "example.com/no/such" });
    assert.equal(answer.head.epoch, 5);
    await operator.close();
  });

  it("that knows another size is asked again from there", async () => {
    reset(witness);
    const at = fresh();
    const options = { policy: policyWith(witness), witnesses: [witness.option] };
    await (await makeEpochs(at, 3, options)).close();
    // Its memory is that of epoch 2, from a backup.
    await (await makeEpochs(fresh(), 2, { policy: policyWith(reset(other)), witnesses: [other.option] })).close();
    witness.size = other.size;
    witness.root = other.root;
    witness.statuses.length = 0;
    const operator = await makeEpochs(at, 4, options);
    assert.equal(witness.size, 4);
    assert.ok(witness.statuses.includes(409) && !witness.statuses.includes(422), witness.statuses.join());
    assert.ok(cosignersOf(operator).includes(witness.key.verifierKey.keyId));
    await operator.close();
  });

  it("that knows a larger log at the start blocks it until the operator overrides that size", async () => {
    reset(witness);
    const at = fresh();
    const options = { policy: policyWith(witness), witnesses: [witness.option] };
    await (await makeEpochs(at, 3, options)).close();
    witness.size = 9;
    await assert.rejects(makeEpochs(at, 3, options), (error) => {
      assert.ok(isProofdnsError(error, "EQUIVOCATION"));
      assert.match(error.message, /w41\.example\.net knows this log at size 9, .*--override-size 9/);
      return true;
    });
    await assert.rejects(makeEpochs(at, 3, { ...options, overrideSize: 8 }), (error) =>
      isProofdnsError(error, "EQUIVOCATION"),
    );
    const operator = await makeEpochs(at, 3, { ...options, overrideSize: 9 });
    assert.equal(operator.served[0]?.epoch, 3);
    await operator.close();
  });

  it("that is away costs only its cosignature", async () => {
    reset(witness);
    const gone = await FakeWitness.start(logKey.verifierKey, 43);
    const away = gone.option;
    await gone.close();
    const policy = policyWith(witness, gone);
    const operator = await makeEpochs(fresh(), 3, { policy, witnesses: [away, witness.option] });
    assert.deepEqual(cosignersOf(operator).sort(), [clockKey.verifierKey.keyId, witness.key.verifierKey.keyId].sort());
    assert.ok(operator.logged.some((line) => /^alarm the witness w43\.example\.net cannot be reached: /.test(line)));
    await operator.close();
  });

  const lies: [string, (honest: FakeWitness) => { status: number; body: string }][] = [
    ["answers with an error", () => ({ status: 500, body: "broken\n" })],
    ["answers 409 without a size", () => ({ status: 409, body: "no\n" })],
    ["answers 409 with always another size", () => ({ status: 409, body: "0\n" })],
    ["answers without a cosignature", () => ({ status: 200, body: "\n" })],
    ["answers with more than it may", () => ({ status: 200, body: "x".repeat(20_000) })],
    ["answers with a cosignature that does not fit", ({ key }) => ({ status: 200, body: forged(key.verifierKey) })],
    ["refers elsewhere", () => ({ status: 302, body: "" })],
  ];
  for (const [what, lie] of lies) {
    it(`that ${what} costs only its cosignature, at the start and after`, async () => {
      reset(other).lie = () => lie(other);
      const at = fresh();
      const options = { policy: policyWith(other), witnesses: [other.option] };
      const operator = await makeEpochs(at, 2, options);
      assert.deepEqual(cosignersOf(operator), [clockKey.verifierKey.keyId]);
      assert.ok(operator.logged.some((line) => line.startsWith("alarm ") && line.includes("w42.example.net")));
      await operator.close();
      const again = await makeEpochs(at, 2, options);
      assert.equal(again.served[0]?.epoch, 2);
      await again.close();
    });
  }

  it("is named by a key of type 0x04 and a URL", () => {
    const vkey = formatVerifierKey(witness.key.verifierKey);
    assert.equal(parseWitness(`${vkey} https://w.example.net/x/`).url, "https://w.example.net/x");
    const bad = [
      "",
      vkey,
      `${vkey} ftp://w.example.net`,
      `${vkey} https://w.example.net more`,
      `x ${vkey}`,
      `${vkey} https://`,
    ];
    for (const text of [...bad, `${formatVerifierKey(logKey.verifierKey)} https://w.example.net`]) {
      assert.throws(
        () => parseWitness(text),
        (error) => isProofdnsError(error, "MALFORMED_INPUT", "MALFORMED_VERIFIER_KEY"),
      );
    }
  });
});

function forged({ keyName, keyId }: FakeWitness["key"]["verifierKey"]): string {
  const blob = Buffer.alloc(76);
  blob.writeUInt32BE(keyId);
  blob.writeBigUInt64BE(1_700_000_000n, 4);
  return `\u2014 ${keyName} ${blob.toString("base64")}\n`;
}

describe("another server of the zone with the same key", () => {
  const peerOf = (operator: Operator): { name: string; transport: DnsTransport } => ({
    name: operator.listen,
    transport: new DnsTransport({ server: operator.listen }),
  });

  it("that signed a larger log blocks the start for good", async () => {
    const ahead = await makeEpochs(fresh(), 3);
    const at = fresh();
    await (await makeEpochs(at, 2)).close();
    for (const overrideSize of [0, 3, 100]) {
      await assert.rejects(makeEpochs(at, 2, { peers: [peerOf(ahead)], overrideSize }), (error) => {
        assert.ok(isProofdnsError(error, "EQUIVOCATION"));
        assert.match(error.message, /knows this log at size 3/);
        return true;
      });
    }
    await ahead.close();
  });

  it("blocks a start with the key and an empty store", async () => {
    const ahead = await makeEpochs(fresh(), 1);
    await assert.rejects(makeEpochs(fresh(), 1, { peers: [peerOf(ahead)] }), (error) =>
      isProofdnsError(error, "EQUIVOCATION"),
    );
    await ahead.close();
  });

  it("that is behind or away does not", async () => {
    const behind = await makeEpochs(fresh(), 1);
    const at = fresh();
    await (await makeEpochs(at, 2)).close();
    const away = {
      name: "away",
      transport: new DnsTransport({ server: "127.0.0.1:9", timeouts: [50], tcpTimeout: 50 }),
    };
    const operator = await makeEpochs(at, 2, { peers: [peerOf(behind), away] });
    assert.equal(operator.served[0]?.epoch, 2);
    assert.ok(
      operator.logged.some((line) => line.includes("the peer away could not be asked before the first signature")),
    );
    await operator.close();
    await behind.close();
  });
});
