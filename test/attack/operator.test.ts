import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Subject, subjectText } from "../../src/client/verify/index.ts";
import { EpochAnswers } from "../../src/dns/answers.ts";
import { formatBase64Unpadded } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { computeIndexKey } from "../../src/vindex/module-value.ts";
import { decodeAnswer, encodeAnswer } from "../../src/vindex/payload.ts";
import { EPOCHS, makeWorld, NOW, Scene, sizeOf } from "../client/scene.ts";
import { flatTreeWith } from "../vindex/trees.ts";
import { swap, ZoneTransport } from "./liars.ts";
import { allAt, sha256, timeOf } from "./world.ts";

/** The operator, with the log's key and the cosigners' good will: commits to values that the map function never makes. */

const world = await makeWorld();
const scenes: Scene[] = [];
after(async () => {
  await Promise.all(scenes.map((scene) => scene.remove()));
  await world.close();
});

const EPOCH = EPOCHS;

/** A server of a true log whose newest epoch says `value` about `subject`; everything is signed and cosigned. */
function committed(subject: Subject, value: string): ZoneTransport {
  const indexKey = computeIndexKey(subjectText(subject), sha256);
  const tree = flatTreeWith(world.snapshot(EPOCH).tree, [{ indexKey, value: encodeUtf8(value) }]);
  const { treeHead } = world.snapshot(EPOCH).leaf;
  const snapshot = world.forge(EPOCH - 1, { treeHead, tree, times: allAt(timeOf(EPOCH)) });
  return new ZoneTransport(new EpochAnswers(snapshot), NOW);
}

async function refusesValues(
  subject: Subject,
  values: readonly string[],
  code: "BAD_VALUE" | "MALFORMED_ANSWER" = "BAD_VALUE",
): Promise<void> {
  const s = await Scene.make(world, 5);
  scenes.push(s);
  for (const value of values) {
    const error = await s.refuses(code, committed(subject, value), { subject });
    assert.equal(error.kind, code === "BAD_VALUE" ? "false" : "malformed", value);
  }
}

const module = (path: string): Subject => ({ kind: "module", path });

function committedText(subject: Subject): string {
  const value = world.snapshot(EPOCH).tree.get(computeIndexKey(subjectText(subject), sha256));
  return Buffer.from(value ?? new Uint8Array(0)).toString("latin1");
}

test("takes what the map function makes, committed by hand", async () => {
  const s = await Scene.make(world, 5);
  scenes.push(s);
  for (const subject of [
    module("example.com/steady"),
    { kind: "toolchain" },
    { kind: "majors", basePath: "example.com/small" },
  ] as const) {
    const value = committedText(subject);
    const { answer } = await s.client(committed(subject, value)).lookup(subject);
    assert.ok(answer.kind !== "absent" && answer.text === value);
  }
});

test("refuses a committed module value that is not in the form of the specification", async () => {
  const subject = module("example.com/steady");
  const value = committedText(subject);
  const size = sizeOf(EPOCH);
  const [v, i, h, m, st] = value.split(" ") as [string, string, string, string, string];
  await refusesValues(subject, [
    `v=1.0.0 ${i} ${h} ${m} ${st}`,
    `v=v1.0 ${i} ${h} ${m} ${st}`,
    `v=v01.0.0 ${i} ${h} ${m} ${st}`,
    `v=v1.0.0+build ${i} ${h} ${m} ${st}`,
    `v=v2.0.0 ${i} ${h} ${m} ${st}`,
    `v=v1.0.0+incompatible ${i} ${h} ${m} ${st}`,
    `v=v1.0.0-rc.1 ${i} ${h} ${m} ${st}`,
    `${v} k=pre ${i} ${h} ${m} ${st}`,
    `${v} k=release ${i} ${h} ${m} ${st}`,
    `${v} i=${size} ${h} ${m} ${st}`,
    `${v} i=0${i.slice(2)} ${h} ${m} ${st}`,
    `${v} i=-1 ${h} ${m} ${st}`,
    `${v} i=9007199254740993 ${h} ${m} ${st}`,
    `${v} ${i} ${m} ${h} ${st}`,
    `${v} ${i} ${h} ${m}`,
    `${v} ${i} ${h.slice(0, -1)} ${m} ${st}`,
    `${v} ${i} ${h}= ${m} ${st}`,
    `${value} x=1`,
    ` ${value}`,
    `${value} `,
    `${value};`,
    `${value}; `,
    `${value}; v=v1.0.1 i=1`,
    `${value}; v=v0.9.0 k=pre i=1`,
    `${value}; v=v1.0.0-rc.1 k=pre i=1`,
    `${value}; v=v2.0.0-rc.1 k=pre i=1`,
    `${value}; v=v1.1.0-rc.1 k=pre i=1; v=v1.2.0-rc.1 k=pre i=2`,
    `${value}; v=v1.1.0-rc.1 k=pre i=${size}`,
    value.toUpperCase(),
    value.replaceAll(" ", "  "),
  ]);
});

test("refuses the value of one module committed under another that it does not fit", async () => {
  await refusesValues(module("gopkg.in/thing.v1"), [committedText(module("gopkg.in/thing.v2"))]);
  await refusesValues(module("example.com/big/v2"), [
    committedText(module("example.com/big/v3")),
    committedText(module("example.com/steady")),
  ]);
  await refusesValues(module("example.com/steady"), [
    committedText({ kind: "toolchain" }),
    committedText({ kind: "majors", basePath: "example.com/small" }),
  ]);
});

test("refuses a committed value that no text can be", async () => {
  // Longer than a value, or with bytes that end the text: the answer cannot be told from others.
  await refusesValues(module("example.com/steady"), [`v=v1.0.0 ${"i=1 ".repeat(80)}`], "MALFORMED_ANSWER").catch(
    (error: unknown) => {
      // The responder itself refuses to send a value that long.
      assert.ok(error instanceof RangeError, String(error));
    },
  );
  await refusesValues(module("example.com/steady"), ["v=v1.0.0\ni=1", "v=v1.0.0\u0005i=1"], "MALFORMED_ANSWER");
});

test("refuses committed majors that are not in the form of the specification", async () => {
  const subject: Subject = { kind: "majors", basePath: "example.com/small" };
  const value = committedText(subject);
  assert.match(value, /^p=v2 v=v2\.0\.0 i=\d+ s=\S{43}; p=- v=v1\.9\.9 i=\d+$/);
  const [first, second] = value.split("; ") as [string, string];
  const bare = first.replace(/ s=.*/, "");
  const hash = first.slice(bare.length + 1);
  await refusesValues(subject, [
    bare,
    `${bare}; ${second}`,
    `${second} ${hash}; ${bare}`,
    `${second} ${hash}`,
    `${first}; ${bare}`,
    `${first}; ${second} ${hash}`,
    `${first}; ${second}; ${second}`,
    `${first.replace("p=v2", "p=v02")}; ${second}`,
    `${first.replace("p=v2", "p=v3")}; ${second}`,
    `${first.replace("p=v2", "p=v1")}; ${second}`,
    `${first.replace("v=v2.0.0", "v=v2.0.0 k=pre")}; ${second}`,
    `${first}; ${second.replace(/i=\d+/, `i=${sizeOf(EPOCH)}`)}`,
    `${value} k=pre`,
    `${value}; `,
  ]);
});

test("refuses a committed toolchain value that is not in the form of the specification", async () => {
  const subject: Subject = { kind: "toolchain" };
  const value = committedText(subject);
  assert.match(value, /^v=go1\.22\.0 k=cur i=\d+; v=go1\.21\.7 k=prev i=\d+; v=go1\.23rc1 k=next i=\d+$/);
  const [cur, prev, next] = value.split("; ") as [string, string, string];
  await refusesValues(subject, [
    `${prev}; ${cur}`,
    prev,
    `${prev}; ${next}`,
    `${cur}; ${cur}`,
    `${cur}; ${next}; ${prev}`,
    `${cur}; ${prev}; ${next}; ${next}`,
    `${cur.replace("go1.22.0", "go1.22rc1")}; ${prev}; ${next}`,
    `${cur}; ${prev.replace("go1.21.7", "go1.22.1")}`,
    `${cur}; ${next.replace("go1.23rc1", "go1.23.0")}`,
    `${cur}; ${next.replace("go1.23rc1", "go1.21rc1")}`,
    cur.replace("go1.22.0", "go1.022.0"),
    cur.replace("go1.22.0", "1.22.0"),
    cur.replace(/i=\d+/, `i=${sizeOf(EPOCH)}`),
    `${cur};${prev}`,
  ]);
});

test("refuses a committed state that does not make the committed value", async () => {
  const s = await Scene.make(world, 5);
  scenes.push(s);
  const subject: Subject = { kind: "module", path: "example.com/m1", withVersions: true };
  const indexKey = computeIndexKey("example.com/m1", sha256);
  const { stateText } = decodeAnswer(world.answers().versionsAnswer(indexKey));
  assert.ok(stateText !== undefined);
  const value = committedText(module("example.com/m1"));
  const lines = stateText.split("\n");
  for (const other of [
    // Canonical, but of other versions than the value shows.
    stateText.replaceAll("v1.43.0", "v1.44.0"),
    stateText.replace(/ (\d+) (\S{43} \S{43})\n$/, (_, i, hashes) => ` ${Number(i) - 1} ${hashes}\n`),
    // Not canonical.
    stateText.trimEnd(),
    `${stateText}\n`,
    lines.toReversed().join("\n"),
    stateText.replace(/^n (\d+)/, (_, n) => `n 0${n}`),
    stateText.replace(/^n (\d+)/, (_, n) => `n ${Number(n) + 1}`),
    "n 1\n",
    "x",
  ]) {
    const hash = formatBase64Unpadded(sha256(encodeUtf8(other)));
    const server = committed(subject, value.replace(/ s=\S{43}/, ` s=${hash}`));
    const { text, epoch, proof } = decodeAnswer(server.data.moduleAnswer(indexKey));
    const payload = encodeAnswer({ text, epoch, proof, stateText: other });
    await s.refuses(
      "BAD_STATE_TEXT",
      swap(server, /^m1\._\.example\.com\._versions$/, () => payload),
      { subject },
    );
  }
});

test("shows the same commitment to everyone: two values for one epoch are a fork", async () => {
  const s = await Scene.make(world, EPOCH);
  scenes.push(s);
  const value = committedText(module("example.com/Mixed"));
  await s.refuses("FORK", committed(module("example.com/steady"), value));
});

test("an epoch whose map root is invented proves nothing", async () => {
  const s = await Scene.make(world, 5);
  scenes.push(s);
  const { treeHead } = world.snapshot(EPOCH).leaf;
  const forged = world.forge(EPOCH - 1, {
    treeHead,
    mapRoot: sha256(encodeUtf8("no map")),
    times: allAt(timeOf(EPOCH)),
  });
  await s.refuses("BAD_PROOF", new ZoneTransport(new EpochAnswers(forged), NOW));
});

test("an operator who lost the clock's key cannot make a second world of the same log", async () => {
  const s = await Scene.make(world, 5);
  scenes.push(s);
  const { clock: _, ...others } = allAt(timeOf(EPOCH));
  const { treeHead } = world.snapshot(EPOCH).leaf;
  const forged = world.forge(EPOCH - 1, { treeHead, tree: world.snapshot(EPOCH).tree, times: others });
  await s.refuses("NO_QUORUM", new ZoneTransport(new EpochAnswers(forged), NOW));
});
