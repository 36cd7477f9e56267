import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Algorithm } from "./algorithm.ts";
import {
  asUnusable,
  listKeyTags,
  makeFolder,
  readKeyFile,
  readState,
  removeKeyFile,
  replaceState,
  STATE_FILE,
  unusable,
  writeFirstState,
  writeKeyFile,
} from "./key-folder.ts";
import { applyStep, nextStep, type RollOptions, type RollStep, refuseStep, warnOfStep } from "./key-roll.ts";
import { canonicalZoneName, makeZoneKey, type ZoneKey, type ZoneKeys } from "./zone-keys.ts";

/** Name of the folder of a zone's keys, in the server's folder. */
export const DNSSEC_FOLDER = "dnssec";
/** How often, and after how many milliseconds, one who could not make the first key looks whether another has. */
const RACE_CHECKS = 10;
const RACE_PAUSE = 50;

/** What came of a roll: a step was taken, or why it was not, in one sentence. */
export type RollOutcome =
  | { readonly kind: "done"; readonly step: RollStep; readonly keys: ZoneKeys; readonly warning: string | undefined }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Reads the keys of `zone` in `folder` (spec/dnssec.md §7): `keys.json`, and a file for each key that it names. Other
 * key files are not looked at.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if there are none, one cannot be read, is damaged, of another zone, or open to
 *   others; `MALFORMED_NAME` if `zone` is no name
 */
export async function readZoneKeys(folder: string, zone: string): Promise<ZoneKeys> {
  const state = await readState(folder, canonicalZoneName(zone));
  if (state === undefined) {
    throw unusable(join(folder, STATE_FILE), "there is no such file; proofdns dnssec keygen makes the first key");
  }
  const keys: ZoneKey[] = [];
  for (const record of state.keys) {
    const { algorithm, privateKey } = await readKeyFile(folder, state.zone, record.keyTag);
    if (algorithm !== state.algorithm) {
      throw unusable(
        join(folder, STATE_FILE),
        `key ${record.keyTag} is of algorithm ${algorithm}, not ${state.algorithm}`,
      );
    }
    keys.push({ ...record, privateKey });
  }
  return { zone: state.zone, algorithm: state.algorithm, keys };
}

/**
 * Makes the first key of `zone` in `folder`, which is made too: a key file, and then `keys.json`, both on disk before
 * this returns. A single key file without `keys.json`, as a stop in between leaves it, is taken for the key. Nothing is
 * overwritten; of many processes that make the first key at once, one does, and all return its key.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if there are keys, or files that cannot be told from keys in use;
 *   `MALFORMED_NAME`
 */
export async function makeFirstKey(
  folder: string,
  zone: string,
  algorithm: Algorithm,
  now: number = Math.floor(Date.now() / 1000),
): Promise<ZoneKeys> {
  const name = canonicalZoneName(zone);
  await makeFolder(folder);
  const there = await readState(folder, name);
  if (there !== undefined) {
    const tags = there.keys.map(({ keyTag }) => keyTag).join(" and ");
    throw unusable(join(folder, STATE_FILE), `it names key ${tags} already; proofdns dnssec roll replaces a key`);
  }
  return makeOrFindFirstKey(folder, name, algorithm, now);
}

/**
 * Reads the keys of `zone` in `folder`, or makes the first one, of `algorithm`, if there is no `keys.json`. Throws as
 * the two do, but for keys that are there already.
 */
export async function openZoneKeys(
  folder: string,
  zone: string,
  algorithm: Algorithm,
  now: number = Math.floor(Date.now() / 1000),
): Promise<ZoneKeys> {
  const name = canonicalZoneName(zone);
  if ((await readState(folder, name)) !== undefined) return readZoneKeys(folder, name);
  await makeFolder(folder);
  return makeOrFindFirstKey(folder, name, algorithm, now);
}

async function makeOrFindFirstKey(folder: string, zone: string, algorithm: Algorithm, now: number): Promise<ZoneKeys> {
  try {
    return await tryFirstKey(folder, zone, algorithm, now);
  } catch (cause) {
    for (let i = 0; i < RACE_CHECKS; i++) {
      if ((await readState(folder, zone)) !== undefined) return readZoneKeys(folder, zone);
      await setTimeout(RACE_PAUSE);
    }
    throw asUnusable(cause, join(folder, STATE_FILE));
  }
}

/** Throws what it meets if another process makes the key at the same time; then nothing of it stays. */
async function tryFirstKey(folder: string, zone: string, algorithm: Algorithm, now: number): Promise<ZoneKeys> {
  const found = await listKeyTags(folder);
  const [left] = found;
  if (found.length > 1) {
    const why = `it is missing, and there are ${found.length} key files beside it`;
    throw unusable(join(folder, STATE_FILE), `${why}; restore it, or move the key files elsewhere`);
  }
  if (left !== undefined) {
    const { algorithm: itsOwn, privateKey } = await readKeyFile(folder, zone, left);
    const keys: ZoneKeys = {
      zone,
      algorithm: itsOwn,
      keys: [{ keyTag: left, phase: "active", since: now, privateKey }],
    };
    await writeFirstState(folder, keys);
    return keys;
  }
  const key = makeZoneKey(algorithm, "active", now);
  const keys: ZoneKeys = { zone, algorithm, keys: [key] };
  await writeKeyFile(folder, { ...key, zone, algorithm });
  try {
    await writeFirstState(folder, keys);
  } catch (cause) {
    // Ours was never seen by anyone, unless the other process has taken it for one that was left.
    const state = await readState(folder, zone);
    if (state?.keys.every(({ keyTag }) => keyTag !== key.keyTag)) {
      await removeKeyFile(folder, key.keyTag);
    }
    throw cause;
  }
  return keys;
}

/**
 * Takes the next step of a roll (spec/dnssec.md §6) at `now`, unless it is refused. A new key is on disk before
 * `keys.json` names it, and the file of a removed one is deleted after. Two rolls at once exclude each other.
 *
 * @throws ProofdnsError as `readZoneKeys`
 */
export async function rollZoneKeys(
  folder: string,
  zone: string,
  options: RollOptions,
  now: number,
): Promise<RollOutcome> {
  // Also so that nothing is made in a folder without keys.
  await readZoneKeys(folder, zone);
  let outcome: RollOutcome | undefined;
  await replaceState(folder, async () => {
    const { algorithm, keys, zone: name } = await readZoneKeys(folder, zone);
    const step = nextStep(keys);
    const why = refuseStep(step, options, now, `roll of ${name} in ${folder}`);
    if (why !== undefined) {
      outcome = { kind: "refused", why };
      return undefined;
    }
    // Tags of files that a stopped roll has left are taken too.
    const fresh = makeZoneKey(algorithm, "published", now, await listKeyTags(folder));
    const after: ZoneKeys = { zone: name, algorithm, keys: applyStep(keys, step, now, fresh) };
    if (step.kind === "publish") await writeKeyFile(folder, { ...fresh, zone: name, algorithm });
    outcome = { kind: "done", step, keys: after, warning: warnOfStep(step, now) };
    return after;
  });
  if (outcome === undefined) throw new TypeError("a roll without an outcome");
  if (outcome.kind === "done" && outcome.step.kind === "remove") await removeKeyFile(folder, outcome.step.keyTag);
  return outcome;
}

/** Tags of the key files in `folder` that `keys` does not name; nothing uses them. */
export async function listUnusedKeyTags(folder: string, keys: ZoneKeys): Promise<readonly number[]> {
  const tags = await listKeyTags(folder);
  return tags.filter((tag) => keys.keys.every(({ keyTag }) => keyTag !== tag));
}
