import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyForkEvidence } from "../../src/client/verify/files.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { HostileServer, sendPayload, tell } from "../attack/hostile-server.ts";
import { allAt, sha256, type World } from "../attack/world.ts";
import { EPOCHS, LATE_COMER, makeTimedFork, makeTimedWorld, User } from "./scene.ts";

/** A rollback, a freeze, a fork and a withheld module, against the running command. */

const worlds: World[] = [];
const users: User[] = [];
const servers: HostileServer[] = [];
after(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await Promise.all(users.map((user) => user.remove()));
  await Promise.all(worlds.map((world) => world.close()));
});

const STEADY = ["example.com/steady"];

async function makeUser(): Promise<User> {
  const user = await User.make();
  users.push(user);
  return user;
}

async function serve(world: World, epoch = EPOCHS, times?: Parameters<World["answers"]>[1]): Promise<HostileServer> {
  const server = await HostileServer.start(world.answers(epoch, times));
  servers.push(server);
  return server;
}

async function timed(step?: number): Promise<World> {
  const world = await makeTimedWorld(step);
  worlds.push(world);
  return world;
}

async function accepts(user: User, server: HostileServer, modules = STEADY): Promise<Map<string, string>> {
  const ended = await user.latest(server.address, modules);
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  const state = await user.state();
  assert.ok(state.size > 0, "nothing is remembered");
  return state;
}

test("a server that is restored to an older epoch, beyond the lag that is allowed, is refused", async () => {
  const world = await timed();
  const server = await serve(world);
  const user = await makeUser();
  const state = await accepts(user, server);
  // 90 minutes back.
  server.data = world.answers(5);
  await user.assertRefused(await user.latest(server.address, STEADY), state, 3, /LAGGING|STALE|ROLLBACK/);
});

test("a server that is restored to an epoch of two days ago is refused", async () => {
  const world = await timed(12_000);
  const server = await serve(world);
  const user = await makeUser();
  const state = await accepts(user, server);
  server.data = world.answers(2);
  await user.assertRefused(await user.latest(server.address, STEADY), state, 3, /STALE/);
  await user.assertRefused(await user.check(server.address, ["example.com/steady@v1.0.0"]), state, 3, /STALE/);
});

test("a server that is one epoch behind, within the lag that is allowed, still counts, and does not turn the memory back", async () => {
  const world = await timed();
  const user = await makeUser();
  const server = await serve(world);
  const state = await accepts(user, server);
  // The answer of a cache: head and proof are of the server, which is not behind.
  const older = world.answers(EPOCHS - 1);
  const indexKey = computeIndexKey("example.com/steady", sha256);
  server.behaviour = (query) =>
    query.name === "steady._.example.com" ? sendPayload(query, older.moduleAnswer(indexKey)) : tell(query);
  const ended = await user.latest(server.address, STEADY);
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(await user.state(), state);
});

test("a head whose cosignatures are past the maximal age is refused: the clock is frozen", async () => {
  const world = await timed();
  const user = await makeUser();
  const long = Math.floor(Date.now() / 1000) - 25 * 3600;
  const frozen = await serve(world, EPOCHS, allAt(long));
  await user.assertRefused(await user.latest(frozen.address, STEADY), new Map(), 3, /STALE/);
  // One fresh key does not make an old quorum young.
  const oneFresh = await serve(world, EPOCHS, { ...allAt(long), clock: long + 25 * 3600 });
  await user.assertRefused(await user.latest(oneFresh.address, STEADY), new Map(), 3, /STALE/);
});

test("a server with the same key and another tree is a fork: the evidence is kept, and re-checks", async () => {
  const world = await timed();
  const fork = await makeTimedFork(world);
  worlds.push(fork);
  const honest = await serve(world);
  const other = await serve(fork);
  const user = await makeUser();
  const state = await accepts(user, honest);
  await user.assertRefused(await user.latest(other.address, STEADY), state, 3, /FORK/);
  const evidence = await user.evidence();
  assert.equal(evidence.length, 1);
  const text = await readFile(evidence[0] as string, "utf8");
  const found = verifyForkEvidence(JSON.parse(text), formatVerifierKey(world.keys.log.verifierKey));
  assert.equal(found.older.treeSize, EPOCHS);
  // The command explains and re-checks what was kept; with another root it shows nothing.
  const checked = await user.runAlone("evidence", evidence[0] as string);
  assert.equal(checked.code, 3, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /two different/);
  const twisted = join(user.folder, "twisted.json");
  await writeFile(
    twisted,
    text.replace(/(p1\\n14\\n)(.)/, (_, head, letter) => head + (letter === "A" ? "B" : "A")),
  );
  assert.notEqual(await readFile(twisted, "utf8"), text);
  const refused = await user.runAlone("evidence", twisted);
  assert.equal(refused.code, 2, refused.stdout + refused.stderr);
  // A check sees it as well, and says nothing of the modules.
  const check = await user.check(other.address, ["example.com/steady@v0.9.0"]);
  await user.assertRefused(check, state, 3, /FORK/);
  assert.doesNotMatch(check.stdout, /v1\.0\.0/);
});

test("a larger tree that does not continue the remembered one is a fork, too", async () => {
  const world = await timed();
  const fork = await makeTimedFork(world);
  worlds.push(fork);
  const honest = await serve(world, EPOCHS - 1);
  const user = await makeUser();
  const state = await accepts(user, honest);
  const other = await serve(fork);
  await user.assertRefused(await user.latest(other.address, STEADY), state, 3, /FORK|EXTENSION_NOT_PROVEN/);
  assert.ok((await user.evidence()).length > 0, "no evidence is kept");
});

test("a module that is withheld by an old proof of its absence is refused beside a newer head", async () => {
  const world = await timed();
  const user = await makeUser();
  const server = await serve(world);
  const state = await accepts(user, server);
  const older = world.answers(LATE_COMER - 1);
  const absence = older.moduleAnswer(computeIndexKey("example.com/late-comer", sha256));
  server.behaviour = (query) => (query.name === "late-comer._.example.com" ? sendPayload(query, absence) : tell(query));
  const ended = await user.latest(server.address, ["example.com/late-comer"]);
  await user.assertRefused(ended, state, 3, /LAGGING/);
  assert.doesNotMatch(ended.stdout, /"absent"/);
  const check = await user.check(server.address, ["example.com/late-comer@v0.9.0"]);
  await user.assertRefused(check, state, 3, /LAGGING/);
  assert.doesNotMatch(check.stdout, /"status":"absent"/);
  server.behaviour = tell;
  const found = await user.latest(server.address, ["example.com/late-comer"]);
  assert.equal(found.code, 0, found.stdout + found.stderr);
  assert.match(found.stdout, /v1\.0\.0/);
});
