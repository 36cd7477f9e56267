import { createHash } from "node:crypto";
import { readFile, readlink, stat, statfs } from "node:fs/promises";
import { hostname, uptime } from "node:os";

/** Where process numbers mean something: of a lock's holder as its file says it, and of who reads that. */
export interface LockPlace {
  /** Name of the host. */
  readonly host: string;
  /** Of the kernel since it started; undefined where the system does not say it. */
  readonly boot: string | undefined;
  /** PID namespace, as in `pid:[4026531836]`. A container with the host's name has numbers of its own. */
  readonly pids: string | undefined;
  /** Time namespace, as in `time:[4026531834]`: each tells another time for when a process began. Undefined where the system has none. */
  readonly times: string | undefined;
  /** Hash of the machine id (machine-id(5)), which is not to be shown to others; undefined where there is none. */
  readonly machine: string | undefined;
}

const PLACE = /^([0-9a-zA-Z-]{1,64})\/(pid:\[[0-9]{1,20}\])(?:\/(time:\[[0-9]{1,20}\]))?(?:\/([0-9a-f]{32}))?$/;

/**
 * Parses `<boot>/<PID namespace>/<time namespace>/<machine>`, of which the last two may be left out, or `-`; undefined for
 * anything else.
 */
export function parsePlace(host: string, text: string): LockPlace | undefined {
  const match = PLACE.exec(text);
  if (match === null && text !== "-") return undefined;
  const [, boot, pids, times, machine] = match ?? [];
  return { host, boot, pids, times, machine };
}

/** `-` where the system does not say it. */
export function formatPlace({ boot, pids, times, machine }: LockPlace): string {
  if (boot === undefined || pids === undefined) return "-";
  return [boot, pids, times, machine].filter((part) => part !== undefined).join("/");
}

/** Where this process is. `proc` is where the system tells of processes (proc(5)). */
export async function thisPlace(proc: string): Promise<LockPlace> {
  const host =
    hostname()
      .replaceAll(/[^!-~]/g, "_")
      .slice(0, 255) || "localhost";
  const unknown = { host, boot: undefined, pids: undefined, times: undefined, machine: undefined };
  try {
    const boot = (await readFile(`${proc}/sys/kernel/random/boot_id`, "latin1")).trim();
    const pids = await readlink(`${proc}/self/ns/pid`);
    const times = await timesOf(proc);
    return parsePlace(host, formatPlace({ host, boot, pids, times, machine: await machineOf() })) ?? unknown;
  } catch {
    // No /proc: nothing is known of boots and namespaces.
    return unknown;
  }
}

/** Undefined if the system has no time namespaces, as before Linux 5.6. */
async function timesOf(proc: string): Promise<string | undefined> {
  try {
    return await readlink(`${proc}/self/ns/time`);
  } catch (error) {
    if (error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function machineOf(): Promise<string | undefined> {
  // Many containers have an empty one, or none.
  const text = await readFile("/etc/machine-id", "latin1").catch(() => "");
  const [id] = /^[0-9a-f]{32}(?=\n?$)/.exec(text) ?? [];
  if (id === undefined || /^0*$/.test(id)) return undefined;
  return createHash("sha256").update(`proofdns lock ${id}`).digest("hex").slice(0, 32);
}

/** What is to be known of a lock's file. */
export interface LockFile {
  /** Milliseconds since 1970. */
  readonly changedAt: number;
  /** True if it is on a file system of this machine alone. */
  readonly isLocal: boolean;
}

/**
 * True if a process number, and when that process began, mean the same process in both places. Where neither says anything, the
 * name of the host must do.
 *
 * A host may be given another name at any time. So where boot and namespaces are the same, its name tells nothing, but for machines that go on from one
 * copied memory: these have the same, too, and only a file system that no other can have mounted keeps them apart.
 *
 * @param file what is known of the lock's file, if anything is
 */
export function isSamePlace(a: LockPlace, b: LockPlace, file?: LockFile): boolean {
  const isSameHost = a.host === b.host || (a.boot !== undefined && a.pids !== undefined && file?.isLocal === true);
  return isSameHost && a.boot === b.boot && a.pids === b.pids && a.times === b.times;
}

/** When this machine started, and what the time is now; milliseconds since 1970. */
export interface Clock {
  readonly startedAt: number;
  readonly now: number;
}

/** A lock is held for milliseconds. One so young may be of a sandbox that calls its own start a boot, and shares all else with this one. */
const LEAST_AGE = 60_000;

/**
 * True if it is certain that this machine has started anew since a lock was made: then whoever made it has ended with all its processes.
 *
 * Another boot id alone says nothing: another machine may share the folder by network. So the machine id must be the same, whatever the host is
 * called by now, the file system one that no other machine can have mounted, and the file older than this boot. The id of a copied machine may be the same; then it
 * is the other two that tell it apart, for what it does now is newer than this boot, and its folder is not local.
 */
export function isOfEarlierBoot(holder: LockPlace, here: LockPlace, file: LockFile, clock: Clock): boolean {
  if (holder.machine === undefined || holder.machine !== here.machine) return false;
  if (holder.boot === undefined || here.boot === undefined || holder.boot === here.boot) return false;
  return file.isLocal && file.changedAt < clock.startedAt && file.changedAt < clock.now - LEAST_AGE;
}

/** Types of file systems (statfs(2)) that lie on a disk, which only one kernel mounts: ext, XFS, Btrfs, F2FS, ZFS, bcachefs. */
const LOCAL_TYPES: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e]);

/** Looks at the file of a lock; undefined if it is gone, or nothing is known of it. */
export async function lookAtLock(path: string): Promise<LockFile | undefined> {
  try {
    const [{ mtimeMs }, { type }] = await Promise.all([stat(path), statfs(path)]);
    return { changedAt: mtimeMs, isLocal: LOCAL_TYPES.has(type >>> 0) };
  } catch {
    return undefined;
  }
}

/** The clock of this machine, which counts also while it sleeps. */
export function thisClock(): Clock {
  const now = Date.now();
  return { startedAt: now - 1000 * uptime(), now };
}
