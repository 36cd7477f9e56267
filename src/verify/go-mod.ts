import type { GoMod, Replacement } from "../go/go-mod.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Claims } from "./claim.ts";

/**
 * Holds a go.mod against its go.sum: every required module, or what replaces it, must have the line of its go.mod, and one that is required directly the
 * line of its zip too. What is missing is a problem: the go command would take it from whoever serves it first.
 *
 * `goSum` are the claims of the go.sum file, `replacements` those of a go.work, which come before the go.mod's own.
 */
export function addMissingLines(
  into: Claims,
  goMod: GoMod,
  goSum: Claims,
  files: { readonly goMod: string; readonly goSum: string },
  replacements: readonly Replacement[] = [],
): void {
  const stated = new Set(goSum.claims.map(({ path, version, kind }) => `${path} ${version} ${kind}`));
  for (const { path, version, isIndirect, line } of goMod.require) {
    const replacement = findReplacement([...replacements, ...goMod.replace], path, version);
    const place = { file: files.goMod, line };
    if (replacement !== undefined && replacement.newVersion === undefined) {
      const detail = "replaced by a folder, which has no checksum";
      into.passed.push({ name: `${path}@${version}`, reason: "replaced", detail, place });
      continue;
    }
    const used = { path: replacement?.newPath ?? path, version: replacement?.newVersion ?? version };
    const wanted = isIndirect ? (["go.mod"] as const) : (["go.mod", "zip"] as const);
    const missing = wanted.filter((kind) => !stated.has(`${used.path} ${used.version} ${kind}`));
    if (missing.length === 0) continue;
    const what = missing.map((kind) => (kind === "zip" ? "module" : "go.mod")).join(" and the ");
    const by = replacement === undefined ? "" : `, which replaces ${path},`;
    const error = new ProofdnsError(
      "MALFORMED_INPUT",
      `${files.goSum} has no hash of the ${what} of ${used.path}@${used.version}${by === "" ? "," : by} so nothing vouches for what would be used; \`go mod tidy\` adds it`,
    );
    into.problems.push({ error, place });
  }
}

/** The replacement that applies: of this version, else of all. */
function findReplacement(replacements: readonly Replacement[], path: string, version: string): Replacement | undefined {
  const own = replacements.filter((one) => one.path === path);
  return own.find((one) => one.version === version) ?? own.find((one) => one.version === undefined);
}
