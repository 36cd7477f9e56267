import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { lookupAll, openClient } from "../../src/cli/client-options.ts";
import { Later } from "../../src/cli/later.ts";
import { NoAnswerCache } from "../../src/client/answer-cache.ts";
import { FolderAnswerCache } from "../../src/client/answer-cache-folder.ts";
import type { Transport } from "../../src/client/transport.ts";
import type { GoEnv } from "../../src/go/index.ts";
import { hashGoMod } from "../../src/go/index.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { parseH1 } from "../../src/vindex/record.ts";
import { shownName } from "../attack/liars.ts";
import { policyOf } from "../attack/world.ts";
import { makeWorld, NOW, Scene, STEADY } from "../client/scene.ts";

/** What commands do for the next run, and where they keep it. */

const world = await makeWorld();
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

test("what is done for the next run is waited for as long as patience lasts, also what is added meanwhile", async () => {
  const later = new Later();
  const ended: string[] = [];
  later.add(async () => {
    later.add(async () => void ended.push("second"));
    ended.push("first");
  });
  later.add(async (signal) => {
    await assert.rejects(sleep(60_000, undefined, { signal }));
    ended.push("given up");
  });
  await later.done(50);
  assert.deepEqual(ended.sort(), ["first", "given up", "second"]);
});

test("a task that fails is said by who waits, and by nobody before", async () => {
  const later = new Later();
  later.add(() => Promise.reject(new TypeError("a bug")));
  await sleep(1);
  await assert.rejects(later.done(), /^TypeError: a bug$/);
});

// Without the patience it takes the thirty seconds of a lookup.
test("a server that never sends the head that would be kept makes no command late", { timeout: 15_000 }, async () => {
  const s = await scene(13);
  const server = s.server();
  // The head comes since the remembered one, so that it is asked for once more to be kept.
  const transport: Transport = {
    query: (name, options = {}) => {
      if (!/^e\d+\._head$/.test(shownName(name))) return server.query(name, options);
      return new Promise((_, reject) => {
        const abort = (): void => reject(options.signal?.reason);
        if (options.signal?.aborted === true) abort();
        options.signal?.addEventListener("abort", abort, { once: true });
      });
    },
  };
  const folder = join(dirname(s.folder), "cache");
  const cache = new FolderAnswerCache({ folder, trust: s.trust, memory: s.store, now: () => NOW });
  const client = s.client(transport);
  const later = new Later();
  const session = { ...(await sessionOf(s)), client, cache, later };
  const outcomes: boolean[] = [];
  await lookupAll(session, [STEADY, { kind: "module", path: "example.com/m1" }], {}, (_, outcome) => {
    outcomes.push("lookup" in outcome);
  });
  assert.deepEqual(outcomes, [true, true]);
  await later.done(50);
  assert.equal(await cache.read(STEADY), undefined);
  session.close();
});

const GO_ENV = {
  GOSUMDB: "sum.golang.org",
  GONOSUMDB: "",
  GOPRIVATE: "",
  GONOPROXY: "",
  GOMODCACHE: "",
} as unknown as GoEnv;

/** Options as a command has them, for the policy of the world. */
function optionsOf(s: Scene, cache: string | false): Parameters<typeof openClient>[0] {
  const policy = join(dirname(s.folder), "policy");
  writeFileSync(policy, policyOf(world.keys));
  return {
    policy,
    cache,
    server: ["127.0.0.1:53"],
    state: s.folder,
    sumdbKey: formatVerifierKey(world.keys.sumdb.verifierKey),
    maxAge: "24h",
    freshness: true,
    timeout: "30s",
    jobs: "4",
  };
}

/** A session as a command opens it. */
function sessionOf(s: Scene, cache: string | false = false): ReturnType<typeof openClient> {
  return openClient(optionsOf(s, cache), GO_ENV);
}

test("a cache in the working folder makes nothing there that the go command would take for its own", async () => {
  const s = await scene();
  const folder = join(dirname(s.folder), "working");
  const session = await sessionOf(s, folder);
  assert.ok(!(session.cache instanceof NoAnswerCache));
  const goMod = encodeUtf8("module example.com/a\n");
  const hash = parseH1(hashGoMod(goMod));
  assert.ok(hash !== undefined);
  await session.goMods.get("example.com/a", "v1.0.0", hash, () => Promise.resolve(goMod));
  const client = s.client(s.server());
  const lookup = await client.lookup(STEADY);
  await session.cache.write(STEADY, lookup, client);
  const names = readdirSync(folder);
  assert.equal(names.length, 2, String(names));
  for (const name of names) assert.doesNotMatch(name, /^go\.(mod|sum|work)$|^vendor$|\.go$/);
  session.close();
});

test("a variable that makes no sense is named as what is wrong", async () => {
  const s = await scene();
  for (const [name, value, why] of [
    ["PROOFDNS_SERVER", "foo:bar", /^\$PROOFDNS_SERVER: server "foo:bar": expected HOST/],
    ["PROOFDNS_ZONE", "a..b", /^\$PROOFDNS_ZONE: .*expected a domain name/],
  ] as const) {
    process.env[name] = value;
    try {
      const { server, ...options } = optionsOf(s, false);
      assert.deepEqual(server, ["127.0.0.1:53"]);
      await assert.rejects(openClient(options, GO_ENV), { message: why });
    } finally {
      delete process.env[name];
    }
  }
});
