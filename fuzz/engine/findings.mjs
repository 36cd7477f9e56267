import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The inputs that an engine saved: `crash-…`, `timeout-…`, `oom-…`. */
export function collectFindings(folder, target) {
  return readdirSync(folder)
    .filter((name) => /^(?:crash|timeout|oom|leak)-/.test(name))
    .sort()
    .map((name) => ({ target, kind: name.slice(0, name.indexOf("-")), file: join(folder, name) }));
}
