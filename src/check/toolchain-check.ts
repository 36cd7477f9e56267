import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import { TOOLCHAIN_MODULE } from "../vindex/module-path.ts";
import { goVersionOf, type ToolchainItem } from "../vindex/toolchain-value.ts";
import type { Questioner, RecordToProve } from "./asker.ts";
import type { Dating } from "./dating.ts";
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
  dating: Dating,
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
      const { why, record } = await lookAtAge(verdict.item, questioner, options);
      if (why === undefined) {
        const { item, step } = verdict;
        return {
          ...none,
          status: "outdated",
          offered: item.version.text,
          step,
          age: await (record === undefined ? dating.claimed(item.logIndex) : dating.proven(record)),
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

/** With a cooldown only what is old enough is offered, and its age counts only once it is proven. */
async function lookAtAge(
  item: ToolchainItem,
  questioner: Questioner,
  { cooldown }: JudgeOptions,
): Promise<{ why?: Withheld; record?: RecordToProve }> {
  if (cooldown === undefined) return {};
  const [path, version] = ["toolchain", item.version.text];
  const limits = { path, excluded: new Set<string>(), retractions: NO_RETRACTIONS, cooldown };
  const young = whyWait(limits, { version, logIndex: item.logIndex });
  if (young !== undefined) return { why: young };
  const unproven = (detail: string): { why: Withheld } => ({ why: { path, version, reason: "unproven", detail } });
  const noRecord = "its record could not be proven";
  let record: RecordToProve | undefined;
  try {
    const { versions } = await questioner.lookup({ kind: "module", path: TOOLCHAIN_MODULE, withVersions: true });
    const entry = versions?.find(({ logIndex }) => logIndex === item.logIndex);
    if (entry === undefined || goVersionOf(entry.version)?.text !== version) return unproven(noRecord);
    const claim = { path: TOOLCHAIN_MODULE, ...entry };
    await questioner.proveRecord(claim);
    record = claim;
    if (cooldown.head !== undefined) await questioner.proveAge(cooldown.head, record);
    return { record };
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    return unproven(record === undefined ? noRecord : "its record is not proven to be in the older head");
  }
}

function isUnavailable(error: unknown): error is ProofdnsError {
  return isProofdnsError(error) && error.kind === "unavailable";
}
