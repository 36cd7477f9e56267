import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { User } from "../simulation/scene.ts";
import { mutate } from "./hostile-mutations.ts";
import { splitPayload } from "./hostile-pieces.ts";
import { formOf } from "./hostile-scenes.ts";
import { parseSchema } from "./hostile-schema.ts";
import { type Behaviour, HostileServer, makeReply, send, sendPayload, silence, tell } from "./hostile-server.ts";
import { record, showcase } from "./records.ts";
import { sha256, World } from "./world.ts";

/** The hostile server of hostile.test.ts over real sockets, against the command that people run. */

const MODULES = 400;
const EPOCHS = 8;
const pathOf = (i: number): string => `example.com/x${i}`;
const now = Math.floor(Date.now() / 1000);
const records = [
  ...showcase(),
  ...Array.from({ length: MODULES }, (_, i) => record(pathOf(i), `v1.${i}.0`)),
  ...Array.from({ length: EPOCHS }, (_, i) => record("example.com/grows", `v1.${i}.0`)),
];
const sizes = Array.from({ length: EPOCHS }, (_, i) => records.length - EPOCHS + i + 1);
const world = await World.build({ records, sizes, timeOf: (epoch) => now - 60 - (EPOCHS - epoch) * 600 });
const schema = parseSchema();
const server = await HostileServer.start(world.answers());
const users: User[] = [];
after(async () => {
  await server.close();
  await Promise.all(users.map((user) => user.remove()));
  await world.close();
});

const at =
  (name: RegExp, act: Behaviour): Behaviour =>
  (query) =>
    name.test(query.name) ? act(query) : tell(query);

const answerOf = (path: string, epoch = EPOCHS): Uint8Array =>
  world.answers(epoch).moduleAnswer(computeIndexKey(path, sha256));

/** A user who has looked something up at an earlier epoch. */
async function makeUser(): Promise<{ user: User; state: Map<string, string> }> {
  const user = await User.make();
  users.push(user);
  server.behaviour = tell;
  server.data = world.answers(3);
  const ended = await user.latest(server.address, [pathOf(0)], "--max-age", "24h");
  server.data = world.answers();
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  return { user, state: await user.state() };
}

/** Fails for a byte that a terminal would act on. */
function assertPrintable(text: string): void {
  assert.doesNotMatch(text, /(?!\n)\p{Cc}/u);
}

/** Fails unless each line of JSON is an error with a code, or the truth. Gives the codes. */
function judge(stdout: string, paths: readonly string[]): Map<string, number> {
  assertPrintable(stdout);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, paths.length);
  const codes = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    const path = paths[i] as string;
    const json = JSON.parse(line) as Record<string, unknown>;
    assert.equal(json["subject"], path);
    const outcome = json["status"] === "error" ? String(json["code"]) : "true";
    codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
    if (outcome !== "true") {
      // Nothing that came from the server stands beside a refusal.
      assert.deepEqual(Object.keys(json).sort(), ["code", "message", "schemaVersion", "status", "subject"], line);
      continue;
    }
    assert.equal(json["status"], "latest", line);
    const text = Buffer.from(world.snapshot(Number(json["epoch"])).tree.get(computeIndexKey(path, sha256)) ?? "");
    const h1 = (hash: unknown): string => String(hash).replace(/^h1:/, "").replace(/=$/, "");
    const shown = `v=${json["version"]} i=${json["index"]} h=${h1(json["zipHash"])} m=${h1(json["goModHash"])}`;
    assert.ok(text.toString("latin1").startsWith(`${shown} `), line);
  }
  return codes;
}

const list = (codes: Map<string, number>): string => [...codes].map(([code, count]) => `${code} ${count}`).join(", ");

test("the command refuses hundreds of lies about modules, each with a code, and keeps its state", async (t) => {
  const { user, state } = await makeUser();
  const lies = new Map<string, Uint8Array>();
  const paths: string[] = [];
  let whole = 0;
  for (let i = 0; i < MODULES; i++) {
    const path = pathOf(i);
    const name = `x${i}._.example.com`;
    const payload = answerOf(path);
    const split = (other: Uint8Array) => splitPayload(schema, formOf(schema, name, other), other);
    const mutations = mutate(name, split(payload), [
      { kind: "old", name: "an earlier epoch", pieces: split(answerOf(path, 2)) },
      { kind: "foreign", name: "another module", pieces: split(answerOf(pathOf((i + 1) % MODULES))) },
    ]);
    whole = mutations.length;
    paths.push(path);
    lies.set(name, (mutations[(i * 13) % mutations.length] as (typeof mutations)[number]).payload);
  }
  server.behaviour = (query) => {
    const lie = lies.get(query.name);
    return lie === undefined ? tell(query) : sendPayload(query, lie);
  };
  const ended = await user.latest(server.address, paths);
  assert.equal(ended.code, 3, ended.stderr);
  const codes = judge(ended.stdout, paths);
  t.diagnostic(`${paths.length} of ${whole} mutations of an answer: ${list(codes)}`);
  assert.ok((codes.get("MALFORMED_ANSWER") ?? 0) > 50 && (codes.get("BAD_PROOF") ?? 0) > 20, list(codes));
  assert.deepEqual(await user.state(), state);
  // The same for people: nothing but proven lines, and no byte that a terminal acts on.
  const shown = await user.run("latest", "--server", server.address, ...paths.slice(0, 150));
  assert.equal(shown.code, 3);
  assertPrintable(shown.stdout);
  assertPrintable(shown.stderr);
  assert.deepEqual(await user.state(), state);
});

test("the command refuses lies about heads, or finds the truth by another way, and keeps its state", async (t) => {
  const { user, state } = await makeUser();
  const answers = world.answers();
  const codes = new Map<string, number>();
  const plain = answers.head(EPOCHS);
  const since = answers.headSince(3, EPOCHS);
  const plainLies = mutate("_head", splitPayload(schema, formOf(schema, "_head", plain), plain), []);
  const sinceLies = mutate("s3._head", splitPayload(schema, formOf(schema, "s3._head", since), since), []);
  for (let i = 0; i < 6; i++) {
    const lies = [sinceLies[(i * 37) % sinceLies.length], plainLies[(i * 41) % plainLies.length]];
    server.behaviour = (query) => {
      if (!query.name.endsWith("_head")) return tell(query);
      const lie = lies[query.name.startsWith("s") ? 0 : 1];
      return lie === undefined ? tell(query) : sendPayload(query, lie.payload);
    };
    const what = lies.map((lie) => lie?.what).join(" and ");
    const ended = await user.latest(server.address, [pathOf(1), pathOf(2)]);
    const found = judge(ended.stdout, [pathOf(1), pathOf(2)]);
    for (const [code, count] of found) codes.set(code, (codes.get(code) ?? 0) + count);
    assert.ok(found.has("true") ? ended.code === 0 : ended.code === 3, `${what}: exit ${ended.code}, ${list(found)}`);
    if (ended.code !== 0) assert.deepEqual(await user.state(), state, what);
  }
  t.diagnostic(list(codes));
});

test("no server makes verify take a false line of a go.sum for true", async (t) => {
  const { user } = await makeUser();
  const path = pathOf(7);
  const [h1 = ""] = records.find((text) => text.startsWith(`${path} `))?.match(/h1:\S+/) ?? [];
  const [other = ""] = records.find((text) => text.startsWith(`${pathOf(8)} `))?.match(/h1:\S+/) ?? [];
  const file = join(user.folder, "go.sum");
  const answers = world.answers();
  const size = sizes.at(-1) as number;
  const foreign = answers.recordProof(records.length - MODULES - EPOCHS + 8, size);
  const key = computeIndexKey(pathOf(8), sha256);
  const BEHAVIOURS: readonly (readonly [string, Behaviour, { readonly isHonest?: boolean }?])[] = [
    ["is honest", tell, { isHonest: true }],
    ["proves another record", at(/_record$/, (query) => sendPayload(query, foreign))],
    ["has another module's answer", at(/^x7\./, (query) => sendPayload(query, answers.moduleAnswer(key)))],
    [
      "has another module's versions",
      at(/^x7\..*_versions$/, (query) => sendPayload(query, answers.versionsAnswer(key))),
    ],
    ["denies record proofs", at(/_record$/, (query) => send(query, makeReply(query.bytes, [])))],
    ["denies the module", at(/^x7\./, (query) => send(query, makeReply(query.bytes, [], { flags: 3 })))],
    ["sends empty proofs", at(/_record$/, (query) => sendPayload(query, Uint8Array.of(0x0c)))],
    ["says nothing of the module", at(/^x7\./, () => silence)],
  ];
  const codes: string[] = [];
  for (const [what, behaviour, { isHonest = false } = {}] of BEHAVIOURS) {
    server.behaviour = behaviour;
    for (const [hash, isTrue] of [
      [h1, true],
      [other, false],
    ] as const) {
      if (isTrue && !isHonest) continue;
      await writeFile(file, `${path} v1.7.0 ${hash}\n`);
      const ended = await user.run("verify", "--server", server.address, "--timeout", "3s", file);
      const shown = `the server ${what}, the line is ${isTrue}: exit ${ended.code}\n${ended.stdout}${ended.stderr}`;
      codes.push(`${what}: ${ended.code}`);
      if (isHonest) assert.equal(ended.code, isTrue ? 0 : 3, shown);
      else assert.ok(Number(ended.code) >= 2, shown);
      assertPrintable(ended.stdout + ended.stderr);
    }
  }
  t.diagnostic(codes.join("; "));
});
