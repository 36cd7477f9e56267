import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

/**
 * Parses `90s`, `10m`, `24h` or `7d` into seconds: a whole number and one unit. `from` is what named it, such as an option.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, also for a number without a unit, which says nothing
 */
export function parseDuration(text: string, from = "duration"): number {
  const unit = SECONDS.get(text.slice(-1));
  const count = parseDecimal(text.slice(0, -1));
  const seconds = unit === undefined || count === undefined ? undefined : unit * count;
  if (seconds === undefined || !Number.isSafeInteger(seconds)) {
    const why = /^[0-9]+$/.test(text)
      ? "it has no unit"
      : /^[1-9][0-9]*[smhd]$/.test(text)
        ? "it is too long"
        : "it is not a whole number and a unit";
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${from} ${JSON.stringify(text.slice(0, 100))}: ${why}; write it like 90s, 10m, 24h or 7d`,
    );
  }
  return seconds;
}
