import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { after, beforeEach, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { withFileLock } from "../../src/client/file-lock.ts";
import {
  formatPlace,
  isOfEarlierBoot,
  isSamePlace,
  lookAtLock,
  parsePlace,
  thisPlace,
} from "../../src/client/lock-place.ts";

const folder = await mkdtemp(join(tmpdir(), "proofdns-lock-"));
const path = join(folder, "lock");
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
});

/** The number of a process that has ended. */
const DEAD = spawnSync(process.execPath, ["-e", ""]).pid;
const TOKEN = "0123456789abcdef0123456789abcdef";
const host = hostname();
/** Boot and namespaces, as a lock says them. */
const place = existsSync("/proc/self/ns/pid")
  ? [
      readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
      readlinkSync("/proc/self/ns/pid"),
      ...(existsSync("/proc/self/ns/time") ? [readlinkSync("/proc/self/ns/time")] : []),
    ].join("/")
  : "-";
const holds = async (pid: number, start = "1", at = path, token = TOKEN): Promise<void> =>
  writeFile(at, `${token} ${pid} ${start} ${host} ${place}\n`);

/** Runs as many tasks as given at once; each must be alone. */
async function runMany(count: number): Promise<void> {
  let inside = 0;
  let done = 0;
  const task = async (): Promise<void> => {
    assert.equal(++inside, 1);
    await sleep(1);
    inside--;
    done++;
  };
  await Promise.all(Array.from({ length: count }, () => withFileLock(path, task)));
  assert.equal(done, count);
  assert.deepEqual(await readdir(folder), []);
}

test("one task at a time has the lock, and nothing is left behind", () => runMany(12));

test("gives back what the task gives, and lets go if it fails", async () => {
  assert.equal(await withFileLock(path, async () => 7), 7);
  await assert.rejects(
    withFileLock(path, async () => Promise.reject(new Error("no"))),
    /^Error: no$/,
  );
  assert.deepEqual(await readdir(folder), []);
});

test("the lock of a process that is gone is removed once, however many find it", async () => {
  await holds(DEAD);
  await runMany(12);
});

test("a process of the same number that began at another time is another one", async () => {
  await holds(process.pid);
  await runMany(3);
});

test("who died while removing a dead one's lock holds nobody up", async () => {
  await holds(DEAD);
  const second = "f".repeat(32);
  await holds(DEAD, "1", `${path}.${TOKEN}`, second);
  await holds(DEAD, "1", `${path}.${TOKEN}.${second}`, "e".repeat(32));
  await runMany(3);
});

function makeDeferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const live: [what: string, content: string | undefined][] = [
  ["a process that lives", undefined],
  ["a process of another host", `${TOKEN} ${DEAD} 1 another.host 0${place}\n`],
  ["a process of a host that says no more than its name", `${TOKEN} ${DEAD} 1 another.host -\n`],
  ["a process of a container with the host's name", `${TOKEN} ${DEAD} 1 ${host} ${place.replace("]", "7]")}\n`],
  ["a process of another time namespace", `${TOKEN} ${process.pid} 1 ${host} ${place.replace(/.$/, "7]")}\n`],
  ["a process of another boot, or of a machine of the same name", `${TOKEN} ${DEAD} 1 ${host} 0${place}\n`],
  ["a process of who knows where", `${TOKEN} ${DEAD} 1 ${host} another\n`],
  ["a process that does not say where it is", `${TOKEN} ${DEAD} 1 ${host}\n`],
  ["who knows whom", ""],
  ["a file of something else", "hello\n"],
  ["a number that is none", `${TOKEN} -1 1 ${host} ${place}\n`],
  ["the number of a whole group", `${TOKEN} 0 1 ${host} ${place}\n`],
  ["two lines", `${TOKEN} ${DEAD} 1 ${host} ${place}\n\n`],
];
for (const [what, content] of live) {
  test(`never takes away the lock of ${what}`, async () => {
    const { promise: end, resolve: letGo } = makeDeferred();
    const { promise: begin, resolve: hasIt } = makeDeferred();
    const hold = async (): Promise<void> => {
      hasIt();
      await end;
    };
    const other = content === undefined ? withFileLock(path, hold) : writeFile(path, content);
    await (content === undefined ? begin : other);
    const before = await readFile(path, "latin1");
    await assert.rejects(
      withFileLock(path, () => assert.fail("ran"), { patience: 60 }),
      /holds .*lock; if there is no such process, remove the file/,
    );
    assert.equal(await readFile(path, "latin1"), before);
    letGo();
    await other;
  });
}

/** What a process sees of itself, and of others by number, in a folder that stands for /proc. */
interface Seen {
  readonly self?: string;
  readonly pids?: string;
  readonly times?: string | undefined;
  readonly numbers?: string;
  /** State and start. */
  readonly stat?: string;
}

let procs = 0;
async function makeProc(seen: Seen = {}): Promise<string> {
  const number = String(process.pid);
  const { self = number, pids = "pid:[1]", times = "time:[1]", numbers = number, stat = "S 5000" } = seen;
  const proc = join(folder, `proc${procs++}`);
  await mkdir(join(proc, "sys/kernel/random"), { recursive: true });
  await writeFile(join(proc, "sys/kernel/random/boot_id"), "0601c105-4e59-45b2-9902-caeccc48802d\n");
  await mkdir(join(proc, self, "ns"), { recursive: true });
  await symlink(self, join(proc, "self"));
  await symlink(pids, join(proc, "self/ns/pid"));
  if (times !== "") await symlink(times, join(proc, "self/ns/time"));
  await writeFile(join(proc, "self/status"), `Name:\tnode\nNSpid:\t${numbers}\nThreads:\t9\n`);
  const [state, start] = stat.split(" ");
  await mkdir(join(proc, number), { recursive: true });
  await writeFile(join(proc, number, "stat"), `${number} (a) b) ${state}${" 0".repeat(18)} ${start} 0\n`);
  return proc;
}

/** Whether who sees `b` takes the lock that who sees `a` holds; both are this process. */
async function isTaken(a: Seen, b: Seen): Promise<boolean> {
  const proc = await makeProc(a);
  const other = await makeProc(b);
  return withFileLock(
    path,
    async () => {
      const text = await readFile(path, "latin1");
      const isFree = await withFileLock(path, async () => true, { proc: other, patience: 40 }).catch(() => false);
      assert.equal(isFree || (await readFile(path, "latin1")) === text, true);
      return isFree;
    },
    { proc },
  );
}

test("a start that another time namespace shows, or another's /proc, makes nobody dead", async () => {
  const outside = `${process.pid}1`;
  for (const [what, a, b] of [
    ["the same", {}, {}],
    ["a time namespace that is ahead", {}, { times: "time:[2]", stat: "S 90005000" }],
    ["a system that tells of none, and one that does", { times: "" }, { stat: "S 6000" }],
    ["a number that is a zombie's outside", {}, { self: outside, stat: "Z 5000" }],
    ["a number that is a stranger's outside", {}, { self: outside, stat: "S 7000" }],
    ["a holder that saw the outside", { self: outside, stat: "S 7000" }, {}],
    [
      "a number that is the same outside, where all others are not",
      {},
      { numbers: `${process.pid}\t${process.pid}`, stat: "Z 7000" },
    ],
    ["another PID namespace", {}, { pids: "pid:[2]", stat: "S 7000" }],
    ["a /proc that hides processes", {}, { stat: "? hidden" }],
  ] as const) {
    assert.equal(await isTaken(a, b), false, what);
  }
  // The same is certain where both see the same.
  for (const stat of ["S 7000", "Z 5000", "X 5000"]) assert.equal(await isTaken({}, { stat }), true, stat);
  assert.equal(await isTaken({ times: "" }, { times: "", stat: "S 7000" }), true);
  assert.equal(await isTaken({ self: outside, stat: "S 7000" }, { stat: "Z 5000" }), true);
});

test("a process of another user is the holder only if it began when that did", async () => {
  const kill = mock.method(process, "kill", () => {
    throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  });
  try {
    for (const [stat, taken] of [
      ["S 5000", false],
      ["? hidden", false],
      ["S 7000", true],
      ["Z 5000", true],
    ] as const) {
      assert.equal(await isTaken({}, { stat }), taken, stat);
    }
    // Nothing is known of when either began.
    const outside = `${process.pid}1`;
    assert.equal(await isTaken({ self: outside }, { stat: "S 7000" }), false);
    assert.equal(await isTaken({}, { self: outside, stat: "S 7000" }), false);
    assert.ok(kill.mock.callCount() > 0);
  } finally {
    kill.mock.restore();
  }
});

test("lets the file be if it is another's by the end of the task", async () => {
  const other = `${TOKEN} 1 1 another.host ${place}\n`;
  await withFileLock(path, () => writeFile(path, other));
  assert.equal(await readFile(path, "latin1"), other);
});

const here = await thisPlace("/proc");
/** As it was before this machine started anew. */
const before = { ...here, boot: "00000000-0000-4000-8000-000000000000", pids: here.pids ?? "pid:[1]" };
const earlier = formatPlace(before);
const isLocal = (await lookAtLock(folder))?.isLocal === true;
const canTell = here.machine !== undefined && isLocal;
const START = Date.now() / 1000 - uptime();

test("the lock of a process that ended with an earlier boot of this machine is removed once, however many find it", {
  skip: canTell ? false : "no machine id, or a folder that is not on a local disk",
}, async () => {
  const old = async (at: string, token: string): Promise<void> => {
    await writeFile(at, `${token} ${process.pid} 1 ${host} ${earlier}\n`);
    await utimes(at, START - 3600, START - 3600);
  };
  await old(path, TOKEN);
  // And that of who was removing it just then.
  await old(`${path}.${TOKEN}`, "f".repeat(32));
  await runMany(6);
});

test("the name that a host had when a lock was made tells nothing on a disk of its own, in this boot and after", {
  skip: canTell ? false : "no machine id, or a folder that is not on a local disk",
}, async () => {
  await writeFile(path, `${TOKEN} ${DEAD} 1 old.name ${formatPlace(here)}\n`);
  await runMany(3);
  await writeFile(path, `${TOKEN} ${process.pid} 1 old.name ${earlier}\n`);
  await utimes(path, START - 3600, START - 3600);
  await runMany(3);
  // And who lives has the lock under whatever name.
  await withFileLock(path, async () => {
    const text = (await readFile(path, "latin1")).replace(` ${here.host} `, " old.name ");
    assert.match(text, / old\.name /);
    await writeFile(path, text);
    await assert.rejects(
      withFileLock(path, () => assert.fail("ran"), { patience: 40 }),
      /on old\.name holds/,
    );
    await rm(path);
  });
});

test("a process number means the same in two places only in one boot and namespace, and by name or disk on one machine", () => {
  const now = { host: "h", boot: "b", pids: "pid:[1]", times: "time:[1]", machine: undefined };
  const none = { ...now, boot: undefined, pids: undefined, times: undefined };
  const disk = { changedAt: 0, isLocal: true };
  const network = { changedAt: 0, isLocal: false };
  assert.ok(isSamePlace(now, { ...now }));
  assert.ok(isSamePlace(none, { ...none }, network));
  assert.ok(isSamePlace({ ...now, host: "i" }, now, disk));
  // What goes on from a copied memory has all of this but the name and the disk.
  assert.ok(!isSamePlace({ ...now, host: "i" }, now, network));
  assert.ok(!isSamePlace({ ...now, host: "i" }, now));
  assert.ok(!isSamePlace({ ...none, host: "i" }, none, disk));
  for (const other of [{ boot: "c" }, { pids: "pid:[2]" }, { times: "time:[2]" }, { times: undefined }]) {
    assert.ok(!isSamePlace({ ...now, ...other }, now, disk));
    assert.ok(!isSamePlace(now, { ...now, host: "i", ...other }, disk));
  }
  assert.ok(!isSamePlace(none, now, disk) && !isSamePlace(now, none, disk));
});

test("a lock of another boot is let be if it is newer than this one, or made by who does not say which machine it is", async () => {
  for (const [at, where] of [
    [(Date.now() / 1000 + START) / 2, earlier],
    [START - 3600, formatPlace({ ...before, machine: undefined })],
    [START - 3600, formatPlace({ ...before, machine: "0".repeat(32) })],
  ] as const) {
    await writeFile(path, `${TOKEN} ${DEAD} 1 ${host} ${where}\n`);
    await utimes(path, at, at);
    await assert.rejects(
      withFileLock(path, () => assert.fail("ran"), { patience: 40 }),
      /holds .*lock; if there is no such process, remove the file/,
    );
  }
});

test("only the same machine, on a disk of its own, tells an earlier boot, and only by files older than this one", () => {
  const now = { host: "h", boot: "b2", pids: "pid:[1]", times: undefined, machine: "a".repeat(32) };
  const holder = { ...now, boot: "b1", pids: "pid:[2]" };
  const file = { changedAt: 1_000_000, isLocal: true };
  const clock = { startedAt: 2_000_000, now: 3_000_000 };
  assert.ok(isOfEarlierBoot(holder, now, file, clock));
  assert.ok(isOfEarlierBoot({ ...holder, host: "i" }, now, file, clock));
  for (const [what, ...args] of [
    ["another machine", { ...holder, machine: "b".repeat(32) }, now, file, clock],
    [
      "a machine that does not say which",
      { ...holder, machine: undefined },
      { ...now, machine: undefined },
      file,
      clock,
    ],
    ["the same boot", { ...holder, boot: "b2" }, now, file, clock],
    ["a boot that is not said", { ...holder, boot: undefined }, now, file, clock],
    ["a boot that is not known here", holder, { ...now, boot: undefined }, file, clock],
    ["a folder of a network", holder, now, { ...file, isLocal: false }, clock],
    ["a file of this boot", holder, now, { ...file, changedAt: 2_000_000 }, clock],
    ["a start a moment ago, which may be a sandbox's", holder, now, file, { startedAt: 1_001_000, now: 1_059_000 }],
    ["a clock that was set back", holder, now, file, { startedAt: 900_000, now: 950_000 }],
  ] as const) {
    assert.ok(!isOfEarlierBoot(...(args as unknown as Parameters<typeof isOfEarlierBoot>)), what);
  }
  // Within a minute the same is found to be over, wherever it was.
  assert.ok(isOfEarlierBoot(holder, now, file, { startedAt: 1_001_000, now: 1_060_001 }));
});

test("a place is read as it is written, and nothing else is one", async () => {
  const whole = "0601c105-4e59-45b2-9902-caeccc48802d/pid:[4026531836]";
  const timed = `${whole}/time:[4026531834]`;
  for (const text of ["-", whole, `${whole}/${"a".repeat(32)}`, timed, `${timed}/${"a".repeat(32)}`]) {
    const place = parsePlace("h", text);
    assert.ok(place !== undefined);
    assert.equal(formatPlace(place), text);
  }
  for (const text of [
    "",
    "--",
    "another",
    `${whole}/`,
    `${whole}/x`,
    `${whole}/time:1`,
    `${timed}/time:[1]`,
    `${whole}/${"a".repeat(32)}/time:[1]`,
    `${whole}/${"A".repeat(32)}`,
    "/pid:[1]",
    "b/pid:1",
  ]) {
    assert.equal(parsePlace("h", text), undefined, text);
  }
  assert.ok(isSamePlace(here, await thisPlace("/proc")));
  assert.ok(!formatPlace(here).includes((await readFile("/etc/machine-id", "latin1").catch(() => "?")).trim() || "?"));
});
