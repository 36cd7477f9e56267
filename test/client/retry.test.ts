import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientOptions } from "../../src/client/client.ts";
import type { QueryOptions, Transport, TxtReply } from "../../src/client/transport.ts";
import { type ErrorCode, ProofdnsError } from "../../src/vindex/error.ts";
import { denial, hide, lying, shownName, swap, tamper, ZoneTransport } from "../attack/liars.ts";
import { allAt } from "../attack/world.ts";
import { EPOCHS, makeFork, makeWorld, NOW, refusal, Scene, STEADY } from "./scene.ts";

/** What a client does with what it cannot verify: TCP, then other servers, and only then it judges (spec/client.md §9). */

const world = await makeWorld();
const fork = await makeFork();
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await Promise.all([world.close(), fork.close()]);
});

async function scene(remembered?: number): Promise<Scene> {
  const made = await Scene.make(world, remembered);
  scenes.push(made);
  return made;
}

/** Several servers; `asked` keeps which was asked, and how. */
function several(...servers: Transport[]): Transport & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    ways: servers.length,
    query: (name, options: QueryOptions = {}) => {
      const { attempt = 0, tcp = false } = options;
      asked.push(`${attempt}${tcp ? " tcp" : ""} ${shownName(name)}`);
      return (servers[attempt % servers.length] as Transport).query(name, options);
    },
  };
}

const flip = (payload: Uint8Array): Uint8Array => payload.map((b, i) => (i === payload.length - 1 ? b ^ 1 : b));
const MODULE = /^steady/;
const HEAD = /_head$/;
const silent: Transport = { query: () => Promise.reject(new ProofdnsError("UNREACHABLE", "silent")) };
const silentByTcp = (inner: Transport): Transport =>
  lying(inner, ({ tcp }) => {
    if (tcp) throw new ProofdnsError("UNREACHABLE", "silent by TCP");
    return undefined;
  });

test("asks again by TCP, then every other server, and takes the first truth", async () => {
  const s = await scene();
  const liar = tamper(s.server(), MODULE, flip);
  const servers = several(liar, liar, s.server(), liar);
  const { answer } = await s.client(servers).lookup(STEADY);
  assert.equal(answer.kind, "module");
  const name = "steady._.example.com";
  assert.deepEqual(
    servers.asked.filter((asked) => asked.endsWith(name)),
    [`0 ${name}`, `0 tcp ${name}`, `1 tcp ${name}`, `2 tcp ${name}`],
  );
});

test("asks other servers for a head that is stale, malformed, of another log or not there", async () => {
  const stale = (await scene()).server(EPOCHS, allAt(NOW - 100_000));
  const liars: ((inner: Transport) => Transport)[] = [
    () => stale,
    (inner) => tamper(inner, HEAD, flip),
    (inner) => tamper(inner, HEAD, (payload) => payload.subarray(0, 40)),
    (inner) => swap(inner, HEAD, () => new Uint8Array(0)),
    (inner) => hide(inner, HEAD),
  ];
  for (const remembered of [undefined, 5, EPOCHS]) {
    for (const make of liars) {
      const s = await scene(remembered);
      const servers = several(make(s.server()), s.server());
      assert.equal((await s.client(servers).lookup(STEADY)).answer.head.epoch, EPOCHS);
    }
  }
});

test("asks other servers for versions, records and the sumdb's growth", async () => {
  for (const names of [/_versions$/, /^_p\d+\..*_versions$|_p\d+\._versions$/, /_record$/, /_sumdb$/]) {
    for (const change of [flip, () => undefined]) {
      const s = await scene(5);
      const servers = several(tamper(s.server(), names, change), s.server());
      const subject = { kind: "module", path: "example.com/m1", withVersions: true } as const;
      const { versions, isRecordProven } = await s.client(servers).lookup(subject, { withRecord: true });
      assert.ok(versions !== undefined && versions.length > 5 && isRecordProven);
    }
  }
});

test("asks other servers for the heads of older epochs and their proofs", async () => {
  for (const names of [/^e\d+\._head$/, /_consistency$/]) {
    const s = await scene(EPOCHS);
    const behind = s.server(EPOCHS - 1);
    // Only the server that lags: its answers and heads are of epoch 13, the proof comes from one that knows 14.
    const late = lying(behind, ({ name }) =>
      name.includes("_consistency") ? s.server().query(nameBytes(name)) : undefined,
    );
    const servers = several(tamper(late, names, flip), late);
    assert.equal((await s.client(servers).lookup(STEADY)).answer.head.epoch, EPOCHS - 1);
  }
});

function nameBytes(name: string): Uint8Array {
  return Buffer.from([
    ...[...name.split("."), "p1", "l", "example", "org"].flatMap((label) => [label.length, ...Buffer.from(label)]),
    0,
  ]);
}

test("does not let a silence hide what was found before", async () => {
  const found: [code: ErrorCode, make: (s: Scene) => Transport][] = [
    ["BAD_PROOF", (s) => tamper(s.server(), MODULE, flip)],
    ["MALFORMED_ANSWER", (s) => tamper(s.server(), MODULE, (payload) => payload.subarray(0, 50))],
    ["STALE", (s) => s.server(EPOCHS, allAt(NOW - 100_000))],
    ["NO_QUORUM", (s) => s.server(EPOCHS, {})],
    ["BAD_LOG_SIGNATURE", (s) => tamper(s.server(), HEAD, (payload) => payload.map((b, i) => (i === 9 ? b ^ 1 : b)))],
  ];
  for (const remembered of [undefined, 5]) {
    for (const [code, make] of found) {
      for (const others of [[], [silent], [silent, silent]]) {
        const s = await scene(remembered);
        await s.refuses(code, several(silentByTcp(make(s)), ...others));
        // Nor the other way about: who is silent first does not end the search, if something had been found.
        await s.refuses(code, several(silentByTcp(make(s)), ...others, make(s)));
      }
    }
  }
});

test("does not let the silence about one question hide what was found about another asked with it", async () => {
  const s = await scene();
  const found = (code: ErrorCode, names: RegExp): Transport =>
    lying(silent, ({ name }) => {
      if (names.test(name)) throw new ProofdnsError(code, "found");
      return undefined;
    });
  for (const names of [MODULE, HEAD]) {
    await s.refuses("MALFORMED_MESSAGE", found("MALFORMED_MESSAGE", names));
    await s.refuses("UNREACHABLE", found("REFUSED", MODULE));
  }
  const many = { kind: "module", path: "example.com/m1", withVersions: true } as const;
  const pages = lying(s.server(), ({ name }) => {
    if (name.includes("_p0")) throw new ProofdnsError("UNREACHABLE", "silent");
    return undefined;
  });
  await s.refuses("UNREACHABLE", pages, { subject: many });
});

test("does not let a lesser failure hide a graver one, whichever comes first", async () => {
  const s = await scene();
  const malformed = tamper(s.server(), MODULE, (payload) => payload.subarray(0, 50));
  const bad = tamper(s.server(), MODULE, flip);
  const none = hide(s.server(), MODULE);
  for (const servers of [
    [bad, malformed, none],
    [malformed, none, bad],
    [none, bad, malformed],
  ]) {
    await s.refuses("BAD_PROOF", several(...servers));
  }
  await s.refuses("MALFORMED_ANSWER", several(none, malformed, none));
  await s.refuses("NO_ANSWER", several(none, none));
});

test("calls a fork a fork though only one of several servers shows it", async () => {
  for (const other of ["true", "silent", "lying"]) {
    const s = await scene(11);
    const forked = new ZoneTransport(fork.answers(11), NOW);
    const rest = other === "true" ? s.server() : other === "silent" ? silent : tamper(s.server(), HEAD, flip);
    await s.refuses("FORK", several(forked, rest));
  }
});

test("asks one server only once by TCP, and not at all if it answered that way", async () => {
  const s = await scene();
  const server = s.server();
  const byTcp: Transport = {
    query: async (name, options) => ({ ...(await server.query(name, options)), transport: "tcp" }) as TxtReply,
  };
  await s.refuses("BAD_PROOF", tamper(byTcp, MODULE, flip));
  assert.equal(server.asked.filter((name) => MODULE.test(name)).length, 1);
  const https: Transport = {
    query: async (name, options) => ({ ...(await server.query(name, options)), transport: "https" }) as TxtReply,
  };
  server.asked.splice(0);
  await s.refuses("BAD_PROOF", tamper(https, MODULE, flip));
  assert.equal(server.asked.length, 2);
});

test("does not ask on where a server refuses or is silent: that is the transport's to know", async () => {
  const s = await scene();
  for (const code of ["REFUSED", "UNREACHABLE"] as const) {
    let asked = 0;
    const servers: Transport = {
      ways: 3,
      query: () => {
        asked++;
        return Promise.reject(new ProofdnsError(code, "no"));
      },
    };
    await s.refuses(code, servers);
    assert.equal(asked, 2);
  }
});

// Time.

const clientOf = (s: Scene, transport: Transport, options: Partial<ClientOptions> = {}): Client =>
  new Client({ trust: s.trust, transport, memory: s.store, now: () => NOW, ...options });

/** Never answers what matches; ends by its signal only. Counts what is under way. */
function stuck(inner: Transport, names: RegExp): Transport & { underWay: number } {
  const transport = {
    underWay: 0,
    query: async (name: Uint8Array, options: QueryOptions = {}): Promise<TxtReply> => {
      if (!names.test(shownName(name))) return inner.query(name, options);
      transport.underWay++;
      try {
        return await new Promise<TxtReply>((_, reject) => {
          const abort = (): void => reject(options.signal?.reason);
          if (options.signal?.aborted === true) abort();
          options.signal?.addEventListener("abort", abort, { once: true });
        });
      } finally {
        transport.underWay--;
      }
    },
  };
  return transport;
}

test("ends every call by its timeout, and leaves no query under way", async () => {
  const calls: [names: RegExp, call: (client: Client) => Promise<unknown>][] = [
    [MODULE, (client) => client.lookup(STEADY)],
    [HEAD, (client) => client.lookup(STEADY)],
    [HEAD, (client) => client.head()],
    [/_record$/, (client) => client.lookup(STEADY, { withRecord: true })],
    [/_sumdb$/, (client) => client.lookup(STEADY, { isStrict: true })],
    [/_p0/, (client) => client.lookup({ ...STEADY, withVersions: true } as typeof STEADY)],
    [/^t\d+\._head/, (client) => client.age(Math.floor(NOW / 3600) * 3600)],
  ];
  for (const [names, call] of calls) {
    const s = await scene(5);
    const transport = stuck(s.server(), names);
    const before = await s.state();
    const error = await refusal(() => call(clientOf(s, transport, { timeout: 40 })));
    assert.equal(error.code, "UNREACHABLE");
    assert.match(error.message, /within 0\.04 s/);
    await sleep(5);
    assert.equal(transport.underWay, 0, String(names));
    assert.equal(await s.state(), before);
  }
});

test("ends every call a moment after its timeout or its signal, though the transport heeds neither", async () => {
  const s = await scene(5);
  const deaf: Transport = { query: () => new Promise(() => {}) };
  const deafTo = (names: RegExp): Transport => {
    const server = s.server();
    return { query: (name, options) => (names.test(shownName(name)) ? deaf : server).query(name, options) };
  };
  const calls: [transport: Transport, call: (client: Client, signal?: AbortSignal) => Promise<unknown>][] = [
    [deaf, (client, signal) => client.lookup(STEADY, signal && { signal })],
    [deaf, (client, signal) => client.head(signal && { signal })],
    [deaf, (client, signal) => client.age(3600, signal && { signal })],
    [deafTo(/_record$/), (client, signal) => client.lookup(STEADY, { withRecord: true, ...(signal && { signal }) })],
  ];
  await Promise.all(
    calls.map(async ([transport, call]) => {
      assert.equal((await refusal(() => call(clientOf(s, transport, { timeout: 100 })))).code, "UNREACHABLE");
      const signal = AbortSignal.abort(new Error("told to"));
      await assert.rejects(call(clientOf(s, transport), signal), /told to/);
      const controller = new AbortController();
      const calling = call(clientOf(s, transport), controller.signal);
      setTimeout(() => controller.abort(new Error("told to")), 20);
      await assert.rejects(calling, /told to/);
    }),
  );
});

test("takes only timeouts that a timer can keep", async () => {
  const s = await scene();
  for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
    assert.throws(() => clientOf(s, s.server(), { timeout }), RangeError);
  }
});

test("reports what was found before the timeout", async () => {
  const s = await scene();
  const liar = tamper(s.server(), MODULE, flip);
  const stuckByTcp: Transport = {
    query: (name, options = {}) =>
      options.tcp === true ? stuck(liar, /./).query(name, options) : liar.query(name, options),
  };
  const error = await refusal(() => clientOf(s, stuckByTcp, { timeout: 1000 }).lookup(STEADY));
  assert.equal(error.code, "BAD_PROOF");
});

test("reports what was found of a head before the timeout, too", async () => {
  for (const call of [(client: Client) => client.lookup(STEADY), (client: Client) => client.head()]) {
    const s = await scene();
    const liar = tamper(s.server(), HEAD, (payload) => flip(payload));
    const stuckByTcp: Transport = {
      query: (name, options = {}) =>
        options.tcp === true ? stuck(liar, /./).query(name, options) : liar.query(name, options),
    };
    const error = await refusal(() => call(clientOf(s, stuckByTcp, { timeout: 300 })));
    assert.equal(error.kind, "false", error.message);
  }
});

test("who joins a lookup has all of its own time, and who began it no more than its own", async () => {
  const s = await scene();
  const server = s.server();
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const transport: Transport = {
    query: async (name, { signal, ...options } = {}) => {
      const ended = new Promise<never>((_, reject) =>
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true }),
      );
      await Promise.race([released, ended]);
      return server.query(name, options);
    },
  };
  const client = clientOf(s, transport, { timeout: 1000 });
  const first = refusal(() => client.lookup(STEADY));
  await sleep(500);
  const second = client.lookup(STEADY);
  const error = await first;
  assert.equal(error.code, "UNREACHABLE");
  release();
  assert.equal((await second).answer.kind, "module");
  assert.equal(server.asked.filter((name) => name.startsWith("steady")).length, 1, "nothing is asked twice");
});

test("the last of those who wait reports what was found before the timeout", async () => {
  const s = await scene();
  const liar = tamper(s.server(), MODULE, flip);
  const stuckByTcp: Transport = {
    query: (name, options = {}) =>
      options.tcp === true ? stuck(liar, /./).query(name, options) : liar.query(name, options),
  };
  const client = clientOf(s, stuckByTcp, { timeout: 200 });
  const [first, last] = await Promise.all([
    refusal(() => client.lookup(STEADY)),
    sleep(50).then(() => refusal(() => client.lookup(STEADY))),
  ]);
  assert.deepEqual([first.code, last.code], ["UNREACHABLE", "BAD_PROOF"]);
});

test("stops at once when it is told to, with the reason it is told", async () => {
  const s = await scene();
  const transport = stuck(s.server(), /./);
  const client = clientOf(s, transport);
  for (const call of [
    (signal: AbortSignal) => client.lookup(STEADY, { signal }),
    (signal: AbortSignal) => client.head({ signal }),
    (signal: AbortSignal) => client.age(3600, { signal }),
  ]) {
    const controller = new AbortController();
    const calling = call(controller.signal);
    await sleep(2);
    controller.abort(new Error("enough"));
    await assert.rejects(calling, /^Error: enough$/);
    await sleep(2);
    assert.equal(transport.underWay, 0);
    await assert.rejects(call(controller.signal), /^Error: enough$/);
  }
});

test("one who leaves takes nothing from the others that wait for the same head", async () => {
  const s = await scene();
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = lying(s.server(), async ({ name }) => {
    if (HEAD.test(name)) await held;
    return undefined;
  });
  const client = clientOf(s, slow);
  const controller = new AbortController();
  // The first one is the one that asks.
  const first = client.lookup(STEADY, { signal: controller.signal });
  const second = client.lookup(STEADY);
  await sleep(2);
  controller.abort(new Error("enough"));
  await assert.rejects(first, /^Error: enough$/);
  release?.();
  assert.equal((await second).answer.kind, "module");
});

test("asks anew for a head that all had left", async () => {
  const s = await scene();
  let isStuck = true;
  const server = s.server();
  const transport: Transport = {
    query: (name, options) => (isStuck ? stuck(server, HEAD) : server).query(name, options),
  };
  const client = clientOf(s, transport);
  const controller = new AbortController();
  const first = client.lookup(STEADY, { signal: controller.signal });
  await sleep(2);
  isStuck = false;
  controller.abort(new Error("enough"));
  const second = client.lookup(STEADY);
  await assert.rejects(first, /^Error: enough$/);
  assert.equal((await second).answer.kind, "module");
});

test("a denial by UDP is asked again, too: anyone may have said it", async () => {
  const s = await scene();
  const cache = lying(s.server(), ({ name, tcp }) => (MODULE.test(name) && !tcp ? denial("nxdomain") : undefined));
  assert.equal((await s.client(cache).lookup(STEADY)).answer.kind, "module");
});
