import { formatCount, formatTable } from "../report.ts";
import { LIMITS, type SizeSummary } from "./distribution.ts";

/** A row: what was measured, and its distribution. */
export interface SizeRow {
  readonly what: string;
  readonly summary: SizeSummary;
}

/** `99.97 %`, and 100 and 0 only where it is all or nothing. */
export function formatShare(share: number): string {
  if (share === 1 || share === 0) return `${100 * share} %`;
  const percent = 100 * share;
  if (percent > 99.99) return "> 99.99 %";
  if (percent < 0.01) return "< 0.01 %";
  return `${Math.min(99.99, Math.max(0.01, percent)).toFixed(percent > 99 || percent < 1 ? 2 : 1)} %`;
}

/** A table of distributions in bytes. */
export function formatSizes(first: string, rows: readonly SizeRow[]): string {
  const header = [first, "p50", "p90", "p99", "max", ...LIMITS.map((limit) => `≤ ${formatCount(limit)}`)];
  return formatTable(
    header,
    rows.map(({ what, summary }) => [
      what,
      ...[summary.p50, summary.p90, summary.p99, summary.max].map(formatCount),
      ...summary.fits.map(formatShare),
    ]),
  );
}
