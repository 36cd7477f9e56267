import type { KeyPhase } from "./zone-keys.ts";

/** TTL of DNSKEY, CDS and CDNSKEY, in seconds. */
export const DNSKEY_TTL = 3600;
/** No record of the zone has a larger TTL. */
const LONGEST_TTL = 86_400;
/** TTL that the parent's DS has at most. */
const DS_TTL = 86_400;

/** A key without the key: what the roll looks at. */
export interface KeyRecord {
  readonly keyTag: number;
  readonly phase: KeyPhase;
  /** Unix seconds from when it is in its phase. */
  readonly since: number;
}

/**
 * The next step of a roll (spec/dnssec.md §6). `notBefore` is in Unix seconds: until then resolvers may hold what the
 * step makes wrong.
 */
export type RollStep =
  /** A new key is made and published. */
  | { readonly kind: "publish" }
  /** The published key becomes the active one; the parent must have its DS. */
  | { readonly kind: "switch"; readonly from: number; readonly to: number; readonly notBefore: number }
  /** The retired key is removed. */
  | { readonly kind: "remove"; readonly keyTag: number; readonly notBefore: number };

/** What the operator says beside "go on". */
export interface RollOptions {
  /** All servers of the parent have the DS of the published key. */
  readonly dsSeen: boolean;
  /** Do not wait. */
  readonly force: boolean;
}

/** The step that follows on these keys: one active, and at most one other. */
export function nextStep(keys: readonly KeyRecord[]): RollStep {
  const active = keys.find(({ phase }) => phase === "active");
  const other = keys.find((key) => key !== active);
  if (active === undefined) throw new RangeError("no active key");
  if (other === undefined) return { kind: "publish" };
  const { keyTag, since } = other;
  return other.phase === "published"
    ? { kind: "switch", from: active.keyTag, to: keyTag, notBefore: since + DNSKEY_TTL }
    : { kind: "remove", keyTag, notBefore: since + DS_TTL + LONGEST_TTL };
}

/**
 * The keys after a step, taken at `now`; `fresh` is the new key that a publication needs. The first one is the active
 * one.
 */
export function applyStep<K extends KeyRecord>(
  keys: readonly K[],
  step: RollStep,
  now: number,
  fresh: K,
): readonly K[] {
  switch (step.kind) {
    case "publish":
      return [...keys, fresh];
    case "switch": {
      const turned = keys.map(
        (key): K => ({ ...key, phase: key.keyTag === step.to ? "active" : "retired", since: now }),
      );
      return turned.reverse();
    }
    case "remove":
      return keys.filter(({ keyTag }) => keyTag !== step.keyTag);
  }
}

/** Why a step is not taken now, in one sentence; undefined if it is. `where` names zone and folder. */
export function refuseStep(step: RollStep, options: RollOptions, now: number, where: string): string | undefined {
  if (options.dsSeen && step.kind === "publish") {
    return `${where}: no key waits for its DS; run this without --ds-seen to publish a new key`;
  }
  if (options.dsSeen && step.kind === "remove") {
    return `${where}: the DS was already confirmed; run this without --ds-seen, not before ${formatTime(step.notBefore)}, to remove key ${step.keyTag}`;
  }
  if (step.kind === "switch" && !options.dsSeen) {
    return `${where}: the new key ${step.to} signs only when the parent has its DS; have it put there (proofdns dnssec ds shows it), see that all servers of the parent answer it, and run this again with --ds-seen, not before ${formatTime(step.notBefore)}`;
  }
  if (step.kind === "publish" || now >= step.notBefore || options.force) return undefined;
  const reason =
    step.kind === "switch"
      ? `resolvers may hold a DNSKEY RRset without the new key ${step.to}`
      : `resolvers may hold signatures and a DS of the old key ${step.keyTag}`;
  return `${where}: until ${formatTime(step.notBefore)} ${reason}; run this again then, or with --force if you can bear failed validations`;
}

/** What a forced step puts at risk; undefined if it was not too early. */
export function warnOfStep(step: RollStep, now: number): string | undefined {
  if (step.kind === "publish" || now >= step.notBefore) return undefined;
  const what = step.kind === "switch" ? `key ${step.to} signs` : `key ${step.keyTag} is gone`;
  return `forced: ${what} before resolvers have forgotten the state before; some will refuse this zone's answers until ${formatTime(step.notBefore)}`;
}

/** A time for people: `2026-01-31T12:00:00Z`. */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
