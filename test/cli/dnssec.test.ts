import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { CommanderError } from "commander";
import { makeDnssecCommand } from "../../src/cli/dnssec.ts";
import { exitCodeOf, messageOf } from "../../src/cli/exit-code.ts";
import { readZoneKeys, ZoneSigner } from "../../src/dns/dnssec/index.ts";
import { snapshot } from "./process.ts";

const ZONE = "l.example.org";
const T = 1_790_000_000;
const root = mkdtempSync(join(tmpdir(), "proofdns-cli-dnssec-"));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const freshData = (): string => join(root, `data-${count++}`);

interface Ran {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

/** Runs `proofdns dnssec …` in this process as main does, at a time. */
async function run(args: readonly string[], now = T): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const command = makeDnssecCommand({
    now: () => now,
    print: (line) => out.push(line),
    advise: (line) => err.push(line),
  });
  command.exitOverride();
  for (const each of [command, ...command.commands]) {
    each.configureOutput({ writeOut: (text) => out.push(text), writeErr: (text) => err.push(text) });
  }
  try {
    await command.parseAsync([...args], { from: "user" });
    return { code: Number(process.exitCode ?? 0), out, err };
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, out, err };
    err.push(`proofdns: ${messageOf(error)}`);
    return { code: exitCodeOf(error), out, err };
  } finally {
    process.exitCode = 0;
  }
}

const at = (data: string, ...more: string[]): string[] => [
  ...more.slice(0, 1),
  "--zone",
  ZONE,
  "--data",
  data,
  ...more.slice(1),
];

describe("proofdns dnssec keygen", () => {
  it("makes a key, prints its DS, and says what to do with it", async () => {
    for (const [args, algorithm] of [
      [[], 13],
      [["--algorithm", "13"], 13],
      [["--algorithm", "15"], 15],
    ] as const) {
      const data = freshData();
      const ran = await run(at(data, "keygen", ...args));
      const signer = new ZoneSigner(await readZoneKeys(join(data, "dnssec"), ZONE));
      assert.deepEqual(ran.out, [`${ZONE}. IN DS ${signer.ds[0]}`]);
      assert.match(String(ran.out[0]), new RegExp(`^l\\.example\\.org\\. IN DS \\d+ ${algorithm} 2 [0-9A-F]{64}$`));
      assert.equal(ran.code, 0);
      assert.match(ran.err.join(" "), /SIGHUP.*parent/);
    }
  });

  it("refuses a second key, and leaves the first alone", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    const files = snapshot(data);
    const ran = await run(at(data, "keygen"));
    assert.equal(ran.code, 2);
    assert.match(ran.err.join(), /keys\.json.*roll/);
    assert.deepEqual(ran.out, []);
    assert.deepEqual(snapshot(data), files);
  });

  it("refuses other algorithms before it makes anything", async () => {
    for (const text of ["8", "14", "013", "13 ", "", "ed25519", "-1", "13\n", "9".repeat(400)]) {
      const data = freshData();
      const ran = await run(at(data, "keygen", "--algorithm", text));
      assert.equal(ran.code, 2, text);
      assert.match(ran.err.join(), /13 \(ECDSA P-256\) or 15 \(Ed25519\)/);
      assert.ok(ran.err.join().length < 200);
      assert.ok(!existsSync(data));
    }
  });
});

describe("every subcommand", () => {
  it("refuses a zone that is none, without a trace", async () => {
    for (const name of ["keygen", "ds", "roll"]) {
      for (const zone of ["", ".", "a..b", "a b", "ü.example"]) {
        const data = freshData();
        const ran = await run([name, "--zone", zone, "--data", data]);
        assert.equal(ran.code, 2, `${name} ${zone}`);
        assert.equal(ran.err.length, 1);
        assert.ok(!existsSync(data));
      }
    }
  });

  it("refuses to go without a zone, without a folder, with an argument, and with an unknown option", async () => {
    const data = freshData();
    for (const name of ["keygen", "ds", "roll"]) {
      for (const args of [
        [name],
        [name, "--zone", ZONE],
        [name, "--data", data],
        at(data, name, "more"),
        at(data, name, "--never"),
      ]) {
        assert.equal((await run(args)).code, 2, args.join(" "));
      }
    }
    assert.equal((await run(["sign", "--zone", ZONE, "--data", data])).code, 2);
    assert.equal((await run([])).code, 2);
    assert.ok(!existsSync(data));
  });

  it("but keygen refuses a folder without keys, and makes nothing there", async () => {
    for (const args of [["ds"], ["roll"], ["roll", "--status"], ["ds", "--json"]] as const) {
      const data = freshData();
      const ran = await run(at(data, ...args));
      assert.equal(ran.code, 2);
      assert.match(ran.err.join(), /keygen/);
      assert.deepEqual(ran.out, []);
      assert.ok(!existsSync(data));
    }
  });

  it("refuses the keys of another zone", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    for (const name of ["keygen", "ds", "roll"]) {
      const ran = await run([name, "--zone", "other.example", "--data", data]);
      assert.equal(ran.code, 2);
      assert.match(ran.err.join(), /of the zone l\.example\.org, not of other\.example/);
    }
  });
});

describe("proofdns dnssec ds", () => {
  it("prints the DS, the DNSKEY if asked, and what CDS announces", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    const signer = new ZoneSigner(await readZoneKeys(join(data, "dnssec"), ZONE));
    const plain = await run(at(data, "ds"));
    assert.deepEqual([plain.code, plain.out], [0, [`${ZONE}. IN DS ${signer.ds[0]}`]]);
    assert.match(plain.err.join(), new RegExp(`CDS.*${signer.keyTag}$`));
    const both = await run(at(data, "ds", "--dnskey"));
    const dnskey = Buffer.from((signer.dnskeyRdatas[0] as Uint8Array).subarray(4)).toString("base64");
    assert.deepEqual(both.out, [...plain.out, `${ZONE}. 3600 IN DNSKEY 257 3 13 ${dnskey}`]);
  });

  it("prints one JSON object, in each phase of a roll", async () => {
    const data = freshData();
    await run(at(data, "keygen", "--algorithm", "15"));
    await run(at(data, "roll"), T + 5);
    const { out } = await run(at(data, "ds", "--json"));
    assert.equal(out.length, 1);
    const json = JSON.parse(String(out[0]));
    const signer = new ZoneSigner(await readZoneKeys(join(data, "dnssec"), ZONE));
    assert.deepEqual([json.zone, json.algorithm, json.ds], [`${ZONE}.`, 15, signer.ds]);
    assert.deepEqual(
      json.keys.map((key: Record<string, unknown>) => [key["phase"], key["since"], key["cds"], key["ds"]]),
      [
        ["active", T, true, signer.ds[0]],
        ["published", T + 5, true, signer.ds[1]],
      ],
    );
    await run(at(data, "roll", "--ds-seen", "--force"), T + 9);
    const later = JSON.parse(String((await run(at(data, "ds", "--json"))).out[0]));
    assert.deepEqual(
      later.keys.map((key: Record<string, unknown>) => [key["phase"], key["cds"], key["ds"]]),
      [
        ["active", true, signer.ds[1]],
        ["retired", false, signer.ds[0]],
      ],
    );
    assert.deepEqual(later.ds, [signer.ds[1]]);
  });
});

describe("proofdns dnssec roll", () => {
  it("leads through a roll by what it says", async () => {
    const data = freshData();
    const old = /DS (\d+)/.exec(String((await run(at(data, "keygen"))).out[0]))?.[1];

    const published = await run(at(data, "roll"));
    const next = /published the new key (\d+)/.exec(String(published.out[0]))?.[1];
    assert.ok(next !== undefined && next !== old);
    assert.equal(published.code, 0);
    assert.deepEqual(
      published.out.slice(1).map((line) => / DS (\d+) /.exec(line)?.[1]),
      [old, next],
    );
    assert.match(published.err.join(" "), /SIGHUP.*--ds-seen, not before 2026-09-21T15:13:20Z/);

    const ds = await run(at(data, "ds"));
    assert.match(ds.err.join("\n"), new RegExp(`beside that of ${old}, which may go from 2026-09-21T15:13:20Z on`));

    for (const [args, now, words] of [
      [[], T + 9000, /--ds-seen/],
      [["--ds-seen"], T + 3599, /until 2026-09-21T15:13:20Z.*run this again then/],
    ] as const) {
      const refused = await run(at(data, "roll", ...args), now);
      assert.deepEqual([refused.code, refused.out, refused.err.length], [2, [], 1]);
      assert.match(String(refused.err[0]), /^proofdns: roll of l\.example\.org in /);
      assert.match(String(refused.err[0]), words);
    }

    const turned = await run(at(data, "roll", "--ds-seen"), T + 3600);
    assert.equal(turned.out[0], `the zone is signed by ${next} from now on; ${old} stays published`);
    assert.match(turned.err.join(" "), /SIGHUP/);
    assert.ok(!turned.err.join("\n").includes("warning"));

    assert.equal((await run(at(data, "roll"), T + 7200)).code, 2);
    assert.equal((await run(at(data, "roll", "--ds-seen"), T + 30 * 86_400)).code, 2);
    const removed = await run(at(data, "roll"), T + 3600 + 2 * 86_400);
    assert.deepEqual(removed.out, [`removed key ${old} and its file`]);
    assert.match(removed.err.join(" "), /SIGHUP/);
    assert.deepEqual(readdirSync(join(data, "dnssec")).sort(), [`key-${next}.pem`, "keys.json"]);
    assert.equal((await run(at(data, "roll", "--ds-seen"), T)).code, 2);
  });

  it("warns when it is forced", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    assert.ok(!(await run(at(data, "roll", "--force"))).err.join().includes("warning"));
    for (const args of [["--ds-seen", "--force"], ["--force"]]) {
      const ran = await run(at(data, "roll", ...args));
      assert.equal(ran.code, 0);
      assert.match(String(ran.err[0]), /^warning: forced: /);
    }
  });

  it("shows where it is and changes nothing, with --status", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    const lines: string[] = [];
    for (const args of [[], ["--ds-seen", "--force"], ["--force"]]) {
      const files = snapshot(data);
      const ran = await run(at(data, "roll", "--status"));
      assert.equal(ran.code, 0);
      assert.deepEqual(snapshot(data), files);
      lines.push(...ran.out.map((line) => line.replace(/\d{4}-\S+Z/, "TIME").replaceAll(/(key|of) \d+/g, "$1 N")));
      await run(at(data, "roll", ...args));
    }
    assert.deepEqual(lines, [
      "key N: active since TIME, announced to the parent",
      "next: nothing; roll publishes a new key",
      "key N: active since TIME, announced to the parent",
      "key N: published since TIME, announced to the parent",
      "next: have the DS of N put at the parent beside that of N, then roll --ds-seen, not before TIME",
      "key N: active since TIME, announced to the parent",
      "key N: retired since TIME, not announced to the parent",
      "next: roll removes key N, not before TIME; the parent may drop its DS now",
    ]);
    writeFileSync(join(data, "dnssec", "key-0.pem"), "left");
    assert.match((await run(at(data, "roll", "--status"))).err.join(), /key 0, which nothing uses/);
  });

  it("takes no step with --status", async () => {
    const data = freshData();
    await run(at(data, "keygen"));
    const files = snapshot(data);
    for (const flag of ["--force", "--ds-seen"]) {
      assert.equal((await run(at(data, "roll", "--status", flag))).code, 2);
      assert.deepEqual(snapshot(data), files);
    }
  });
});
