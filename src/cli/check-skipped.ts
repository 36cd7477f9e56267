import type { Skipped } from "../check/item.ts";
import { shownPlace } from "../check/item-collector.ts";
import type { Report } from "../check/result.ts";
import { printable } from "../input/printable.ts";
import { isNothingChecked } from "./check-exit.ts";
import { count } from "./check-notes.ts";

/** What was not checked, in words. All of it is printable. */

/** A line for each, with its reason; private modules are counted and not named. */
export function notCheckedLines(skipped: readonly Skipped[]): string[] {
  const lines: string[] = [];
  const privates = new Map<string, number>();
  for (const { name, version, reason, detail, places } of skipped) {
    if (reason === "private") {
      privates.set(detail, (privates.get(detail) ?? 0) + 1);
      continue;
    }
    const [place] = places;
    const where = place === undefined || place.file === name ? "" : ` (${shownPlace(place)})`;
    const at = version === undefined ? "" : ` ${printable(version, 100)}`;
    lines.push(`not checked: ${printable(name)}${at}: ${printable(detail, 300)}${where}`);
  }
  for (const [detail, n] of privates) lines.push(`not checked: ${count(n, "module")}: ${printable(detail, 300)}`);
  return lines;
}

/** Most lines that say why nothing was checked. */
const MAX_LINES = 20;

/** What makes an exit code 2 and is no error of a result: for where the lines of a table are not shown. */
export function whyUnchecked(report: Report): string[] {
  const isNothing = isNothingChecked(report);
  const { skipped } = report;
  const lines = notCheckedLines(isNothing ? skipped : skipped.filter(({ reason }) => reason === "no-build-info"));
  const more = lines.length - MAX_LINES;
  return [
    ...lines.slice(0, MAX_LINES),
    ...(more > 0 ? [`not checked: ${more} more`] : []),
    ...(isNothing ? ["nothing was checked"] : []),
  ];
}
