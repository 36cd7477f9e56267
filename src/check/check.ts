import type { Subject } from "../client/verify/index.ts";
import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { remarkOnAges } from "./age-remark.ts";
import { type AgeHead, type Ages, type AskAge, type ProvenNow, provenNow, readAge, readAges } from "./ages.ts";
import { type Asker, Questioner } from "./asker.ts";
import { Dating } from "./dating.ts";
import type { CheckItem, Inputs, Skipped } from "./item.ts";
import type { Cooldown } from "./limits.ts";
import { familyBaseOf } from "./majors.ts";
import { checkModule, type JudgeOptions, type UndatedResult } from "./module-check.ts";
import type { ModuleResult, Report } from "./result.ts";
import { checkToolchain } from "./toolchain-check.ts";

/** What is checked of the inputs, and how. */
export interface CheckOptions {
  readonly withMajors?: boolean;
  readonly withPre?: boolean;
  readonly isPatchOnly?: boolean;
  readonly withRetractions?: boolean;
  /** Versions must be proven public for so long. */
  readonly cooldown?: { readonly seconds: number; readonly text: string } | undefined;
  /** Asks a few old heads too, to say how old versions are. */
  readonly withAges?: boolean;
  /** Unix seconds. */
  readonly now: number;
  readonly sha256: Sha256;
  /** Called as lookups end. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Checks everything that the inputs name (spec/check.md). Failures stand in the report; only bugs are thrown. `finish` ends what goes on
 * after the report is there, and is to be waited for.
 */
export async function check(
  inputs: Inputs,
  asker: Asker,
  options: CheckOptions,
): Promise<{ report: Report; finish: () => Promise<void> }> {
  const questioner = new Questioner(asker);
  const { items, skipped } = setPrivateApart(inputs, asker);
  const subjects = subjectsOf(items, inputs, options);
  const askAge = askOnce((time) => asker.age(time));
  const isDating = options.withAges === true || options.cooldown !== undefined;
  const now: ProvenNow =
    subjects.length === 0 || !isDating
      ? undefined
      : asker.head().then(({ ageTime }) => provenNow(options.now, ageTime));
  // Everything at once: lookups, heads that date versions, the head of the cooldown.
  const [ages, cooldown] = await Promise.all([
    options.withAges !== true ? { heads: [], failures: [] } : readAges(askAge, now).catch(orInterrupted(asker)),
    readCooldown(asker, askAge, now, options),
    questioner.prefetch(subjects, (done) => options.onProgress?.(done, subjects.length)),
  ]);
  const judgeOptions: JudgeOptions = {
    isPatchOnly: options.isPatchOnly === true,
    withPre: options.withPre === true,
    withMajors: options.withMajors === true,
    withRetractions: options.withRetractions === true,
    cooldown: cooldown.cooldown,
    sha256: options.sha256,
  };
  const heads = cooldown.cooldown?.head === undefined ? ages.heads : mergeHeads(ages.heads, cooldown.cooldown.head);
  const dating = new Dating(questioner, heads);
  const [modules, toolchains] = await Promise.all([
    Promise.all(items.map(async (item) => dated(await checkModule(item, questioner, judgeOptions), dating))),
    Promise.all(inputs.toolchains.map((use) => checkToolchain(use, questioner, judgeOptions, dating))),
  ]);
  const report: Report = {
    modules,
    toolchains,
    skipped,
    problems: inputs.problems,
    remarks: [
      ...inputs.remarks,
      ...remarkOnRetractions(modules, judgeOptions.withRetractions),
      ...(options.withAges === true
        ? await remarkOnAges({ ...ages, heads }, [...modules, ...toolchains], { now, isOffline: asker.isOffline })
        : []),
    ],
    goModFiles: inputs.goModFiles,
    failures: [...new Set([...ages.failures, ...cooldown.failures, ...dating.failures])],
    asOf: questioner.asOf(),
  };
  return { report, finish: () => questioner.finish() };
}

/** That retractions were not looked at, where there may be some: a module without a tag has no go.mod that could take anything back. */
function remarkOnRetractions(modules: readonly ModuleResult[], isLookedAt: boolean): string[] {
  const isAnyTagged = modules.some(({ latest }) => latest !== undefined && latest.kind !== "pseudo");
  return isAnyTagged && !isLookedAt ? ["retractions and deprecations were not looked at; --retractions does"] : [];
}

/** Modules that must not leave the machine are set apart before anything is asked. */
function setPrivateApart(inputs: Inputs, asker: Asker): { items: CheckItem[]; skipped: Skipped[] } {
  const items: CheckItem[] = [];
  const skipped: Skipped[] = [...inputs.skipped];
  for (const item of inputs.items) {
    if (!asker.isPrivate(item.path)) {
      items.push(item);
      continue;
    }
    const { path, current, isIndirect, places } = item;
    const detail =
      asker.isSumdbOff === true ? "GOSUMDB=off, never sent" : "private by GOPRIVATE or GONOSUMDB, never sent";
    skipped.push({ name: path, version: current?.text, reason: "private", detail, isIndirect, places });
  }
  return { items, skipped };
}

function subjectsOf(items: readonly CheckItem[], inputs: Inputs, options: CheckOptions): Subject[] {
  const modules = new Set(items.map(({ path }) => path));
  const subjects: Subject[] = [...modules].map((path) => ({ kind: "module", path }));
  if (options.withMajors === true) {
    const bases = new Set([...modules].map(familyBaseOf));
    for (const basePath of bases) if (basePath !== undefined) subjects.push({ kind: "majors", basePath });
  }
  if (inputs.toolchains.length > 0) subjects.push({ kind: "toolchain" });
  return subjects;
}

/** The head of the cooldown. A failure leaves it unknown, so that everything is withheld. */
async function readCooldown(
  asker: Asker,
  askAge: AskAge,
  now: ProvenNow,
  options: CheckOptions,
): Promise<{ cooldown: Cooldown | undefined; failures: ProofdnsError[] }> {
  const { cooldown } = options;
  if (cooldown === undefined) return { cooldown: undefined, failures: [] };
  const asked = { ...cooldown, isOffline: asker.isOffline };
  const unknown = { cooldown: { ...asked, head: undefined, whyNoHead: "failed" } } as const;
  try {
    if ((await now) === undefined) return { cooldown: { ...unknown.cooldown, whyNoHead: "unasked" }, failures: [] };
    const head = await readAge(askAge, now, cooldown.seconds);
    return { cooldown: { ...asked, head }, failures: [] };
  } catch (error) {
    if (isProofdnsError(error)) return { ...unknown, failures: [error] };
    if (asker.signal?.aborted === true) return { ...unknown, failures: [] };
    throw error;
  }
}

/** A cooldown of a week and the age column ask for the same head. */
function askOnce(ask: AskAge): AskAge {
  const known = new Map<number, ReturnType<AskAge>>();
  return (time) => {
    const promise = known.get(time) ?? ask(time);
    known.set(time, promise);
    return promise;
  };
}

function orInterrupted(asker: Asker): (error: unknown) => Ages {
  return (error) => {
    if (asker.signal?.aborted === true) return { heads: [], failures: [], isUnanswered: true };
    throw error;
  };
}

/** Oldest first. */
function mergeHeads(heads: readonly AgeHead[], head: AgeHead): AgeHead[] {
  return [...heads, head].sort((a, b) => b.atLeast - a.atLeast);
}

async function dated(result: UndatedResult, dating: Dating): Promise<ModuleResult> {
  const shown = result.offered ?? (result.status === "newer-major" ? result.newerMajor : undefined) ?? result.latest;
  if (shown === undefined) return { ...result, age: undefined };
  return { ...result, age: await (shown.isRecordProven ? dating.proven(shown) : dating.claimed(shown.logIndex)) };
}
