import { printable } from "../cli/printable.ts";
import type { ListedModule, ModuleList } from "../go/index.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { parseVersion } from "../vindex/version.ts";
import type { Skipped } from "./item.ts";
import { type ItemCollector, shownPlace } from "./item-collector.ts";
import { whyNotBuilt } from "./program.ts";
import { isVersionQuery } from "./select.ts";

/** Adds the modules of a list. `text` is what it was parsed from, `file` its name. */
export function collectList(collector: ItemCollector, list: ModuleList, text: string, file: string): void {
  for (const goVersion of list.goVersions) collector.addToolchain(goVersion, "built", { file, line: undefined });
  const mains = list.kind === "lines" ? leadingMains(list, text) : 0;
  for (const [i, module] of list.modules.entries()) {
    const place = { file, line: file === "arguments" ? undefined : module.line };
    const isBinary = list.kind === "build-info";
    const isIndirect = isBinary ? !module.isMain : module.isIndirect === true;
    const why = i < mains ? MAIN : whyNot(list, module);
    if (why !== undefined) {
      const { path, version } = module;
      collector.skip({ name: path, version, ...why, isIndirect, places: [place] });
    } else {
      addListed(collector, module, isIndirect, isBinary && module.isMain, place);
    }
  }
}

const MAIN: Pick<Skipped, "reason" | "detail"> = { reason: "workspace", detail: "the main module itself" };

function addListed(
  collector: ItemCollector,
  { path, version }: ListedModule,
  isIndirect: boolean,
  isProgram: boolean,
  place: { file: string; line: number | undefined },
): void {
  const program = isProgram ? path : undefined;
  if (version === undefined || parseVersion(version) !== undefined) {
    collector.add({ path, version, isIndirect, program, place });
  } else if (isVersionQuery(version)) {
    collector.add({ path, query: version, isIndirect, place });
  } else {
    const why = `"${printable(version, 100)}" is neither a version like v1.2.3 nor a query like latest, v1, v1.2 or <v1.2.3`;
    collector.addProblem(place.file, new ProofdnsError("MALFORMED_INPUT", `${shownPlace(place)}: ${why}`), place);
  }
}

function whyNot({ kind }: ModuleList, module: ListedModule): Pick<Skipped, "reason" | "detail"> | undefined {
  const { version, isMain, replace } = module;
  if (kind === "build-info") return whyNotBuilt(module, isMain);
  if (kind === "go-list" && isMain) return MAIN;
  // What a replacement is, and what a build from a checkout, does not hang on a checksum.
  return replace === undefined && version !== "(devel)"
    ? undefined
    : whyNotBuilt({ version, replace, sum: undefined }, true);
}

/**
 * `go list -m all` begins with the main modules, which have no version, and goes on with `path version`. Number of such lines; 0 for any
 * other list, where a path alone asks for its latest.
 */
function leadingMains({ modules }: ModuleList, text: string): number {
  const first = modules.findIndex(({ version }) => version !== undefined);
  if (first <= 0) return 0;
  const line = text.split("\n", modules[first]?.line ?? 0).at(-1) ?? "";
  return /^\s*[^\s@]+\s+\S/.test(line) ? first : 0;
}
