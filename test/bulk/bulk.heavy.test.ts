import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../../src/client/client.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { run } from "../cli/process.ts";
import { DelayProxy } from "./delay-proxy.ts";
import { MODULES, paths, startBulkServer } from "./server.ts";

/** A check of 500 modules, cold, from one address, against a server at a distance with its rate limits on: `npm run test:bulk`. */

/** Lookups under way at once, as in the command. */
const JOBS = 64;

const server = await startBulkServer();
after(() => server.stop());

/** Queries by kind, such as `udp module 500`. */
function kindsOf(asked: readonly string[]): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const text of asked) {
    const [transport, name = ""] = text.split(" ");
    const service = /(?:^|\.)(_[a-z]+)\.p1\./.exec(name)?.[1] ?? "module";
    kinds.set(`${transport} ${service}`, (kinds.get(`${transport} ${service}`) ?? 0) + 1);
  }
  return kinds;
}

const shown = (kinds: Map<string, number>): string => [...kinds].map(([kind, count]) => `${kind} ${count}`).join(", ");

async function lookUpAll(proxy: DelayProxy): Promise<number> {
  const transport = new DnsTransport({ server: `127.0.0.1:${proxy.port}` });
  const client = new Client({ trust: server.trust, transport });
  const started = performance.now();
  const queue = paths.entries();
  await Promise.all(
    Array.from({ length: JOBS }, async () => {
      for (const [i, path] of queue) {
        const { answer } = await client.lookup({ kind: "module", path });
        assert.ok(answer.kind === "module" && answer.value.latest.version.text === `v1.${i}.0`);
      }
    }),
  );
  const took = performance.now() - started;
  await client.commit();
  return took;
}

for (const oneWay of [10, 20]) {
  test(`500 modules at ${2 * oneWay} ms a round trip take one query each, and the head`, async (t) => {
    const proxy = await DelayProxy.start(server.port, oneWay);
    try {
      const took = await lookUpAll(proxy);
      const kinds = kindsOf(proxy.asked);
      t.diagnostic(
        `${MODULES} modules, ${oneWay} ms each way: ${took.toFixed(0)} ms cold; ${shown(kinds)} (${cpus().length} cores)`,
      );
      const modules = [...kinds]
        .filter(([kind]) => kind.endsWith(" module"))
        .reduce((sum, [, count]) => sum + count, 0);
      assert.equal(modules, MODULES, shown(kinds));
      assert.ok(proxy.asked.length <= MODULES + 3, shown(kinds));
    } finally {
      await proxy.close();
    }
  });
}

/** Runs `proofdns check` on a go.mod of all modules. Gives what it says and how long it took, with its start. */
async function checkAll(proxy: DelayProxy, ...more: readonly string[]): Promise<{ lines: string[]; took: number }> {
  const file = join(server.folder, "go.mod");
  const required = paths.map((path, i) => `\t${path} v1.${i}.0\n`).join("");
  await writeFile(file, `module example.com/app\n\ngo 1.19\n\nrequire (\n${required})\n`);
  const started = performance.now();
  const ended = await run(
    [
      ...["check", "--server", `127.0.0.1:${proxy.port}`, "--policy", server.policy, "--sumdb-key", server.sumdbKey],
      ...["--state", join(server.folder, "state"), "--cache", join(server.folder, "cache"), "--json", ...more, file],
    ],
    { GOENV: "off", HOME: server.folder },
  );
  const took = performance.now() - started;
  assert.equal(ended.code, 0, ended.stderr + ended.stdout.slice(0, 2000));
  assert.doesNotMatch(ended.stderr, /Warning|\n {4}at /);
  return { lines: ended.stdout.trimEnd().split("\n"), took };
}

test("the command checks a go.mod of 500 modules with one query each, and again from its cache with none", async (t) => {
  const proxy = await DelayProxy.start(server.port, 10);
  try {
    const first = await checkAll(proxy, "--no-age");
    const kinds = kindsOf(proxy.asked);
    t.diagnostic(`check of go.mod, 10 ms each way: ${first.took.toFixed(0)} ms with its start; ${shown(kinds)}`);
    assert.equal(first.lines.filter((line) => line.includes('"status":"current"')).length, MODULES);
    assert.equal(kinds.get("udp module"), MODULES, shown(kinds));
    assert.ok(proxy.asked.length <= MODULES + 3, shown(kinds));
    proxy.asked.length = 0;
    const second = await checkAll(proxy, "--no-age");
    const again = kindsOf(proxy.asked);
    t.diagnostic(`again, from its own cache: ${second.took.toFixed(0)} ms with its start; ${shown(again)}`);
    assert.equal(again.get("udp module") ?? 0, 0, shown(again));
    // Heads of 1, 7, 30 and 90 days, of which one is that of the cooldown; no age is said to be proven, as nothing is offered.
    for (const more of [[], ["--cooldown", "7d"]]) {
      proxy.asked.length = 0;
      const aged = await checkAll(proxy, "--no-cache", "--state", join(server.folder, "other"), ...more);
      const asked = kindsOf(proxy.asked);
      t.diagnostic(`with ages ${more.join(" ")}, without a cache: ${aged.took.toFixed(0)} ms; ${shown(asked)}`);
      const count = (kind: string): number => (asked.get(`udp ${kind}`) ?? 0) + (asked.get(`tcp ${kind}`) ?? 0);
      assert.deepEqual([count("module"), count("_sumdb"), count("_record")], [MODULES, 0, 0], shown(asked));
      assert.ok(count("_head") <= 1 + 4, shown(asked));
      assert.ok(proxy.asked.length <= MODULES + 1 + 4 + 3, shown(asked));
    }
  } finally {
    await proxy.close();
  }
});
