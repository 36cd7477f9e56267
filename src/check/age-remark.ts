import type { Ages, ProvenNow } from "./ages.ts";
import type { ModuleResult, ToolchainResult } from "./result.ts";

/**
 * Why the age of nothing is known, if that was asked for and there is a version that has one: at most one remark. What failed is said as a
 * failure, not here.
 */
export async function remarkOnAges(
  { heads, failures, isUnanswered }: Ages,
  results: readonly (ModuleResult | ToolchainResult)[],
  { now, isOffline }: { readonly now: ProvenNow; readonly isOffline: boolean },
): Promise<string[]> {
  const isAnyShown = results.some((result) => result.offered !== undefined || ("latest" in result && result.latest));
  if (heads.length > 0 || failures.length > 0 || !isAnyShown) return [];
  // Where it cannot be had nobody answered for the heads either.
  const time = await Promise.resolve(now).catch(() => 0);
  if (time === undefined) {
    return [
      isOffline
        ? "ages unknown: no head is remembered that proves what time it is; a check without --offline keeps one if the policy proves freshness"
        : "ages unknown: freshness is not proven, so no age can be",
    ];
  }
  if (isUnanswered === true) return ["ages unknown: no older head of the log was answered"];
  return [
    isOffline
      ? "ages unknown: no head is kept that is a day old; a check without --offline keeps one if the log has it"
      : "ages unknown: the log has no head for this policy that is a day old",
  ];
}
