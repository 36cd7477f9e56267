import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import { TOOLCHAIN_MODULE } from "../vindex/module-path.ts";
import { goVersionOf, type ToolchainItem } from "../vindex/toolchain-value.ts";
import { type AgeHead, ageOf } from "./ages.ts";
import type { Questioner } from "./asker.ts";
import type { ToolchainUse } from "./item.ts";
import { whyWait } from "./limits.ts";
import type { JudgeOptions } from "./module-check.ts";
import type { ToolchainResult, Withheld } from "./result.ts";
import { NO_RETRACTIONS } from "./retractions.ts";
import { judgeToolchain } from "./toolchain.ts";

/** Checks one Go version against the proven ones. Never throws a `ProofdnsError`: it stands in the result. */
export async function checkToolchain(
  use: ToolchainUse,
  questioner: Questioner,
  options: JudgeOptions,
  ages: readonly AgeHead[],
): Promise<ToolchainResult> {
  const withheld: Withheld[] = [];
  const none = { use, offered: undefined, step: undefined, age: undefined, withheld, notes: [], errors: [] };
  try {
    const { answer } = await questioner.lookup({ kind: "toolchain" });
    if (answer.kind !== "toolchain") return { ...none, status: "unknown", notes: ["the index has no Go toolchains"] };
    const out = new Set<ToolchainItem>();
    for (;;) {
      const settings = { isPatchOnly: options.isPatchOnly, withPre: options.withPre };
      const verdict = judgeToolchain(use.current, answer.items, { ...settings, isAllowed: (item) => !out.has(item) });
      if (verdict.status === "unreadable")
        return { ...none, status: "unreadable", notes: ["built by a Go version that is no release"] };
      if (verdict.status !== "outdated") {
        const notes = verdict.note === undefined ? [] : [verdict.note];
        const status = withheld.length > 0 && verdict.status === "current" ? "withheld" : verdict.status;
        return { ...none, status, offered: undefined, notes };
      }
      const why = await whyNotYet(verdict.item, questioner, options);
      if (why === undefined) {
        const { item, step } = verdict;
        return {
          ...none,
          status: "outdated",
          offered: item.version.text,
          step,
          age: datedBy(ages, item.logIndex, options.cooldown !== undefined),
        };
      }
      withheld.push(why);
      out.add(verdict.item);
    }
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    return { ...none, status: "error", errors: [error] };
  }
}

function datedBy(ages: readonly AgeHead[], logIndex: number, isProven: boolean): ToolchainResult["age"] {
  const head = ageOf(ages, logIndex);
  return head === undefined ? undefined : { atLeast: head.atLeast, publicSince: head.publicSince, isProven };
}

/** With a cooldown only what is old enough is offered, and its age counts only once its record is proven. */
async function whyNotYet(
  item: ToolchainItem,
  questioner: Questioner,
  options: JudgeOptions,
): Promise<Withheld | undefined> {
  if (options.cooldown === undefined) return undefined;
  const version = item.version.text;
  const limits = {
    path: "toolchain",
    excluded: new Set<string>(),
    retractions: NO_RETRACTIONS,
    cooldown: options.cooldown,
  };
  const young = whyWait(limits, { version, logIndex: item.logIndex });
  if (young !== undefined) return young;
  const unproven = {
    path: "toolchain",
    version,
    reason: "unproven" as const,
    detail: "its record could not be proven",
  };
  try {
    const { versions } = await questioner.lookup({ kind: "module", path: TOOLCHAIN_MODULE, withVersions: true });
    const entry = versions?.find(({ logIndex }) => logIndex === item.logIndex);
    if (entry === undefined || goVersionOf(entry.version)?.text !== version) return unproven;
    await questioner.proveRecord({ path: TOOLCHAIN_MODULE, ...entry });
    return undefined;
  } catch (error) {
    if (isUnavailable(error)) return unproven;
    throw error;
  }
}

function isUnavailable(error: unknown): error is ProofdnsError {
  return isProofdnsError(error) && error.kind === "unavailable";
}
