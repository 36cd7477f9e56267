import { randomBytes } from "node:crypto";
import { link, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import {
  formatPlace,
  isOfEarlierBoot,
  isSamePlace,
  type LockPlace,
  lookAtLock,
  parsePlace,
  thisClock,
  thisPlace,
} from "./lock-place.ts";

/** Milliseconds to wait for a process that holds the lock; what is done under it takes a few. */
const PATIENCE = 6000;
/** Locks on locks: each level needs one process more that died at a certain moment. */
const MAX_DEPTH = 4;
/** Where the system tells of processes (proc(5)). */
const PROC = "/proc";

/** Options of `withFileLock`. */
export interface FileLockOptions {
  /** Milliseconds to wait for a process that holds the lock. Default 6,000. */
  readonly patience?: number;
  /** Folder where the system tells of processes, as proc(5) says. Default `/proc`. */
  readonly proc?: string;
}

/**
 * Who holds a lock, as its file says: `<token> <pid> <start> <host> <place>` and a line feed. The token is random, so that no two locks
 * ever have the same content; `start` tells two processes of one number apart, where the system says it, else it is 0. `host` and `place`
 * are where process numbers mean something (lock-place.ts).
 */
interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly start: string;
  readonly place: LockPlace;
}

/**
 * Runs `task` while no other process does that uses the same lock file. The file of a process that is gone is removed, whenever
 * that was, also before this machine started anew; that of one that lives is waited for, however slow it is.
 *
 * Of all who find a dead holder exactly one removes its file: the one that holds the lock `<path>.<token>`, and only
 * if the file still has that token. So nobody removes the file of whoever came next, which a removal by age could.
 *
 * @throws Error if a process that lives does not let go for `patience` milliseconds; and whatever the file system says
 */
export async function withFileLock<T>(
  path: string,
  task: () => Promise<T>,
  { patience = PATIENCE, proc = PROC }: FileLockOptions = {},
): Promise<T> {
  const holder = await me(proc);
  await acquire(path, holder, { depth: 0, patience, proc });
  try {
    return await task();
  } finally {
    await release(path, holder);
  }
}

interface Effort {
  readonly depth: number;
  readonly patience: number;
  readonly proc: string;
}

async function acquire(path: string, holder: Holder, effort: Effort): Promise<void> {
  const text = formatHolder(holder);
  for (const begun = performance.now(); ; await setTimeout(2 + Math.random() * 18)) {
    const found = await read(path);
    if (found === undefined) {
      if (await create(path, text)) return;
      continue;
    }
    const other = parseHolder(found);
    if (other !== undefined && effort.depth < MAX_DEPTH && !(await isAlive(other, path, effort.proc))) {
      await removeDead(path, found, other, effort);
    } else if (performance.now() - begun > effort.patience) {
      const who = other === undefined ? "something" : `process ${other.pid} on ${other.place.host}`;
      throw new Error(`${who} holds ${path}; if there is no such process, remove the file`);
    }
  }
}

async function release(path: string, holder: Holder): Promise<void> {
  // If someone took us for dead, the file is theirs to remove, or is another's by now.
  if ((await read(path)) === formatHolder(holder)) await rm(path, { force: true });
}

/** Removes the file of a dead holder, if it still is its file. */
async function removeDead(path: string, found: string, { token }: Holder, effort: Effort): Promise<void> {
  const claim = `${path}.${token}`;
  const holder = await me(effort.proc);
  await acquire(claim, holder, { ...effort, depth: effort.depth + 1 });
  try {
    // The holder is dead and everyone else needs the claim: between the two steps nobody changes the file.
    if ((await read(path)) === found) await rm(path, { force: true });
  } finally {
    await release(claim, holder);
  }
}

/** Makes a file with its whole content at once; false if there is one. */
async function create(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.new`;
  await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    // A file system without links: the file is empty for a moment, in which it counts as held.
    if (!hasCode(error, "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) throw error;
    return await createPlain(path, text);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function createPlain(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

/** Undefined if there is none. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function formatHolder({ token, pid, start, place }: Holder): string {
  return `${token} ${pid} ${start} ${place.host} ${formatPlace(place)}\n`;
}

/** Undefined for anything else: nobody is ever taken for dead by a file that does not say who made it. */
function parseHolder(text: string): Holder | undefined {
  const match = /^([0-9a-f]{32}) ([1-9][0-9]{0,9}) ([0-9]{1,20}) ([!-~]{1,255}) ([!-~]{1,255})\n$/.exec(text);
  if (match === null) return undefined;
  const [, token, pid, start, host, place] = match as unknown as [string, string, string, string, string, string];
  const where = parsePlace(host, place);
  return where === undefined ? undefined : { token, pid: Number(pid), start, place: where };
}

async function me(proc: string): Promise<Holder> {
  const { pid } = process;
  const start = (await statusOf(pid, proc))?.start ?? "0";
  return { token: randomBytes(16).toString("hex"), pid, start, place: await thisPlace(proc) };
}

/** True unless it is certain that the process has ended. */
async function isAlive({ pid, start, place }: Holder, path: string, proc: string): Promise<boolean> {
  const here = await thisPlace(proc);
  const file = await lookAtLock(path);
  if (!isSamePlace(place, here, file)) {
    return file === undefined || !isOfEarlierBoot(place, here, file, thisClock());
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    // EPERM: there is one, of another user. It may be the holder, or one that has its number by now.
    if (!hasCode(error, "EPERM")) return true;
  }
  const now = await statusOf(pid, proc);
  if (now === undefined) return true;
  // Another process may have the number by now; or nobody has taken note of its end.
  return (start === "0" || now.start === start) && now.state !== "Z" && now.state !== "X";
}

/**
 * State of a process and when it began, in ticks since the start of the system, as the time namespace of who reads shows it (proc(5));
 * undefined where that is not told.
 */
async function statusOf(pid: number, proc: string): Promise<{ state: string; start: string } | undefined> {
  try {
    if (!(await isOwnProc(proc))) return undefined;
    const stat = await readFile(`${proc}/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything; behind it the third field comes first, and the 22nd is the 20th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, start] = [fields[0], fields[19]];
    return state !== undefined && start !== undefined && /^[0-9]{1,20}$/.test(start) ? { state, start } : undefined;
  } catch {
    // No /proc, or the process has just ended: nothing is known.
    return undefined;
  }
}

/**
 * True if process numbers are those of this PID namespace in `proc`. One may see the /proc of another namespace that holds it: there a
 * number is a stranger's, or this process has one of each (pid_namespaces(7)).
 */
async function isOwnProc(proc: string): Promise<boolean> {
  const number = String(process.pid);
  if ((await readlink(`${proc}/self`)) !== number) return false;
  const numbers = /^NSpid:[ \t]*([^\n]*)$/m.exec(await readFile(`${proc}/self/status`, "latin1"))?.[1];
  return numbers === undefined || numbers === number;
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
