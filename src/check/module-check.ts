import type { Lookup } from "../client/client.ts";
import { stepKind } from "../go/index.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import type { ModuleValue } from "../vindex/module-value.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { parseVersion, type Version } from "../vindex/version.ts";
import type { Questioner, RecordToProve } from "./asker.ts";
import { type Choice, type Chosen, chooseByValue, chooseFromList, latestEntry, type Wish } from "./choose.ts";
import type { CheckItem } from "./item.ts";
import type { Cooldown, Limits } from "./limits.ts";
import { familyBaseOf, newerMajors } from "./majors.ts";
import type { CheckStatus, ModuleResult, ProvenVersion, Withheld } from "./result.ts";
import { NO_RETRACTIONS, type Retractions, readRetractions, retractionOf } from "./retractions.ts";

/** How modules are judged. */
export interface JudgeOptions {
  readonly isPatchOnly: boolean;
  readonly withPre: boolean;
  readonly withMajors: boolean;
  readonly withRetractions: boolean;
  readonly cooldown: Cooldown | undefined;
  readonly sha256: Sha256;
}

/** A result without its age, which is known later. */
export type UndatedResult = Omit<ModuleResult, "age">;

/** Most majors that are looked at when those above them may not be offered. */
const MAX_MAJORS_TRIED = 16;

/** What is known of an item so far. */
interface Draft {
  status: CheckStatus;
  latest: ProvenVersion | undefined;
  offered: ProvenVersion | undefined;
  newerMajor: ProvenVersion | undefined;
  nextBest: ProvenVersion | undefined;
  retracted: string | undefined;
  deprecated: string | undefined;
  epoch: number | undefined;
  readonly withheld: Withheld[];
  readonly notes: string[];
  readonly errors: ProofdnsError[];
}

/** Checks one module. Never throws a `ProofdnsError`: it stands in the result. */
export async function checkModule(
  item: CheckItem,
  questioner: Questioner,
  options: JudgeOptions,
): Promise<UndatedResult> {
  const result = await checkOnce(item, questioner, options);
  const { cooldown } = options;
  const earlier = cooldown?.head?.earlier;
  if (cooldown === undefined || earlier === undefined || !result.withheld.some(isUnproven)) return result;
  // What an older kept head covers may be proven, where that of the latest is not.
  const older = await checkModule(item, questioner, { ...options, cooldown: { ...cooldown, head: earlier } });
  return isMore(older, result) ? older : result;
}

/** True for a result that offers all that another does, and something beside it. */
function isMore(one: UndatedResult, other: UndatedResult): boolean {
  const pairs = (["offered", "nextBest", "newerMajor"] as const).map((what) => [one[what], other[what]] as const);
  const isAll = pairs.every(([a, b]) => b === undefined || (a?.path === b.path && a.version === b.version));
  return one.status !== "error" && isAll && pairs.some(([a, b]) => a !== undefined && b === undefined);
}

async function checkOnce(item: CheckItem, questioner: Questioner, options: JudgeOptions): Promise<UndatedResult> {
  const draft: Draft = {
    status: "error",
    latest: undefined,
    offered: undefined,
    newerMajor: undefined,
    nextBest: undefined,
    retracted: undefined,
    deprecated: undefined,
    epoch: undefined,
    withheld: [],
    notes: [],
    errors: [],
  };
  await attempt(draft, () => judge(item, questioner, options, draft));
  if (options.withMajors && draft.epoch !== undefined) {
    await attempt(draft, () => lookForMajor(item, questioner, options, draft));
    const isQuiet = draft.status === "current" || draft.status === "ahead" || draft.status === "withheld";
    if (isQuiet && draft.newerMajor !== undefined) draft.status = "newer-major";
    else if (isQuiet && draft.withheld.some(isLater)) draft.status = "withheld";
  }
  const { current } = item;
  const target = draft.offered ?? (draft.status === "newer-major" ? draft.newerMajor : undefined);
  const step = current === undefined || target === undefined ? undefined : stepKind(current.text, target.version);
  return { item, step, ...draft };
}

/** Runs a part; what fails in it is noted, and makes the whole unchecked. */
async function attempt(draft: Draft, part: () => Promise<void>): Promise<void> {
  try {
    await part();
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    draft.status = "error";
    draft.offered = undefined;
    draft.nextBest = undefined;
    draft.errors.push(error);
  }
}

async function judge(item: CheckItem, questioner: Questioner, options: JudgeOptions, draft: Draft): Promise<void> {
  const { path, current } = item;
  const lookup = await questioner.lookup({ kind: "module", path });
  draft.epoch = lookup.answer.head.epoch;
  const value = moduleValueOf(lookup);
  if (value === undefined) {
    draft.status = "absent";
    return;
  }
  draft.latest = proven(path, value.latest.version.text, value.kind, value.latest.logIndex, false);
  if (value.kind === "pseudo") {
    // Of a module without any tag a tagged version cannot be in the log.
    const isTag = current !== undefined && current.kind !== "pseudo";
    draft.status = isTag ? "unlisted" : "untagged";
    return;
  }
  const retractions = options.withRetractions ? await readTakenBack(value, item, questioner, options) : NO_RETRACTIONS;
  if (options.withRetractions) draft.latest = { ...draft.latest, isRecordProven: true };
  draft.deprecated = retractions.deprecated;
  if (current !== undefined) draft.retracted = retractionOf(retractions, current.text);
  const wish: Wish = { current, query: item.query, isPatchOnly: options.isPatchOnly, withPre: options.withPre };
  const limits: Limits = { path, excluded: item.excluded, retractions, cooldown: options.cooldown };
  let chosen = chooseByValue(value, wish, limits);
  if (chosen === undefined) {
    const listed = await questioner.lookup({ kind: "module", path, withVersions: true });
    if (listed.versions === undefined) {
      // It was there a moment ago, and a log only grows: this came from an epoch before it.
      throw new ProofdnsError(
        "VERSIONS_MISSING",
        `the list of versions of ${path} came from an older epoch; ask again`,
      );
    }
    chosen = chooseFromList(path, listed.versions, wish, limits, options.sha256);
  }
  draft.withheld.push(...chosen.withheld);
  await settle(item, chosen, questioner, options, draft);
}

/** Decides the status, and proves the record of what is offered where its age counts. */
async function settle(
  item: CheckItem,
  chosen: Chosen,
  questioner: Questioner,
  options: JudgeOptions,
  draft: Draft,
): Promise<void> {
  const { path, current } = item;
  const { choice, isListed } = chosen;
  if (choice !== undefined) {
    draft.offered = await prove(path, choice, questioner, options, draft);
    if (draft.offered === undefined) {
      draft.status = "withheld";
      return;
    }
    draft.status = current === undefined ? "latest" : "outdated";
    if (isListed === false) draft.notes.push(`${current?.text} is not in the checksum database`);
    return;
  }
  if (current === undefined) draft.status = draft.withheld.some(isLater) ? "withheld" : "unmatched";
  else if (isListed === false) draft.status = "unlisted";
  else if (draft.retracted !== undefined) draft.status = "retracted";
  else if (draft.withheld.some(isLater)) draft.status = "withheld";
  else draft.status = isAhead(item, draft) ? "ahead" : "current";
  // The latest stands beside it: of another minor, it is not wanted.
  const isOther = draft.status === "current" && draft.latest?.version !== current?.text;
  if (options.isPatchOnly && isOther && current !== undefined && !draft.withheld.some(isOfMinor(current))) {
    draft.notes.push(`nothing newer in ${minorOf(current)}`);
  }
  if (draft.retracted !== undefined) await lookBack(item, chosen, questioner, options, draft);
  if (draft.status === "ahead" && current?.kind === "pseudo" && !options.isPatchOnly && draft.withheld.length === 0) {
    draft.notes.push("the commit in use is ahead of every tag; no other commit is offered in its place");
  }
}

/** What to go to from a version that was taken back, if nothing newer is offered. */
async function lookBack(
  { path, current }: CheckItem,
  { nextBest, withheld }: Chosen,
  questioner: Questioner,
  options: JudgeOptions,
  draft: Draft,
): Promise<void> {
  if (nextBest !== undefined) draft.nextBest = await prove(path, nextBest, questioner, options, draft);
  // What is withheld says itself why there is nothing.
  else if (!withheld.some(isLater)) {
    const isWithin = options.isPatchOnly && current !== undefined;
    draft.notes.push(
      isWithin ? `no version of ${minorOf(current)} is left to go to` : "no other version of it is left to go to",
    );
  }
}

function minorOf({ major, minor }: Version): string {
  return `v${major}.${minor}.x`;
}

function isOfMinor({ major, minor }: Version): (withheld: Withheld) => boolean {
  return ({ version: text }) => {
    const version = parseVersion(text);
    return version?.major === major && version.minor === minor;
  };
}

/** A choice as a proven version, by its record where its age counts. Undefined if there was no such proof to be had: it is withheld then. */
async function prove(
  path: string,
  { version, entry }: Choice,
  questioner: Questioner,
  options: JudgeOptions,
  draft: Draft,
): Promise<ProvenVersion | undefined> {
  const isRecordProven =
    options.cooldown !== undefined || (options.withRetractions && entry.version === draft.latest?.version);
  if (isRecordProven) {
    const found = (detail: string): string => `${detail}, so its age is only claimed`;
    const why =
      (await whyUnproven(
        () => questioner.proveRecord({ path, ...entry }),
        found("its record could not be proven"),
        draft,
      )) ?? (await whyUndated({ path, ...entry }, questioner, options, found, draft));
    if (why !== undefined) {
      draft.withheld.push({ path, version: version.text, reason: "unproven", detail: why });
      return undefined;
    }
  }
  return proven(path, version.text, version.kind, entry.logIndex, isRecordProven);
}

function isUnproven({ reason }: Withheld): boolean {
  return reason === "unproven";
}

function isLater({ reason }: Withheld): boolean {
  return reason === "young" || reason === "undated" || reason === "unproven";
}

/** With a cooldown the head of it must be proven to have the record, too. */
async function whyUndated(
  entry: RecordToProve,
  questioner: Questioner,
  { cooldown }: JudgeOptions,
  found: (detail: string) => string,
  draft: Draft,
): Promise<string | undefined> {
  const head = cooldown?.head;
  if (head === undefined) return undefined;
  return whyUnproven(
    async () => {
      await questioner.proveAge(head, entry);
    },
    found("the record is not proven to be in the older head"),
    draft,
  );
}

/** Undefined if it was proven. Says why if there was no proof to be had; a proof that fails is thrown. */
async function whyUnproven(prove: () => Promise<void>, why: string, draft: Draft): Promise<string | undefined> {
  try {
    await prove();
    return undefined;
  } catch (error) {
    if (!isProofdnsError(error) || error.kind !== "unavailable") throw error;
    draft.errors.push(error);
    return why;
  }
}

/** True if a release is in use that the index does not select: above the latest. */
function isAhead({ current }: CheckItem, { latest }: Draft): boolean {
  return current !== undefined && latest !== undefined && stepKind(current.text, latest.version) === "older";
}

function readTakenBack(
  value: ModuleValue,
  { path }: CheckItem,
  questioner: Questioner,
  { sha256 }: JudgeOptions,
): Promise<Retractions> {
  return readRetractions(questioner, { path, ...latestEntry(value) }, sha256);
}

async function lookForMajor(
  item: CheckItem,
  questioner: Questioner,
  options: JudgeOptions,
  draft: Draft,
): Promise<void> {
  const basePath = familyBaseOf(item.path);
  if (basePath === undefined || questioner.isPrivate(basePath)) return;
  const { answer } = await questioner.lookup({ kind: "majors", basePath });
  if (answer.kind !== "majors") return;
  const used = item.current ?? parseVersion(draft.latest?.version ?? "");
  if (used === undefined) return;
  const candidates = newerMajors(item.path, used, answer.items, options.withPre).filter(
    ({ path }) => !questioner.isPrivate(path),
  );
  const isLimited = options.withRetractions || options.cooldown !== undefined;
  for (const { path, version, logIndex } of candidates.slice(0, MAX_MAJORS_TRIED)) {
    if (!isLimited) {
      draft.newerMajor = proven(path, version.text, version.kind, logIndex, false);
      return;
    }
    const found = await checkModule(memberItem(path, item), questioner, { ...options, withMajors: false });
    draft.withheld.push(...found.withheld);
    draft.errors.push(...found.errors);
    if (found.errors.length > 0 && found.status === "error") {
      draft.status = "error";
      return;
    }
    if (found.offered !== undefined) {
      draft.newerMajor = found.offered;
      return;
    }
  }
  // The highest come first; but anybody can fill the front with paths without a tag.
  if (!answer.isComplete || candidates.length > MAX_MAJORS_TRIED) {
    throw new ProofdnsError(
      "NO_ANSWER",
      `${basePath} has more majors than can be looked at: a newer one may be among them; \`proofdns latest --majors ${basePath}\` lists them, and without --major they are not looked at`,
    );
  }
}

function memberItem(path: string, { isIndirect, places }: CheckItem): CheckItem {
  return {
    path,
    current: undefined,
    query: undefined,
    isIndirect,
    program: undefined,
    places,
    excluded: new Set(),
  };
}

function moduleValueOf({ answer }: Lookup): ModuleValue | undefined {
  return answer.kind === "module" ? answer.value : undefined;
}

function proven(
  path: string,
  version: string,
  kind: ProvenVersion["kind"],
  logIndex: number,
  isRecordProven: boolean,
): ProvenVersion {
  return { path, version, kind, logIndex, isRecordProven };
}
