import { isImportPath, type ListedModule, type ModuleList } from "../go/index.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { parseVersion } from "../vindex/version.ts";
import type { Place, Skipped } from "./item.ts";
import { type ItemCollector, shownPlace } from "./item-collector.ts";
import { whyNotBuilt } from "./program.ts";
import { isVersionQuery } from "./select.ts";

/** Adds the modules of a list, which is standard input or an argument. */
export function collectList(collector: ItemCollector, list: ModuleList, from: NonNullable<Place["from"]>): void {
  const whole: Place = { file: from === "stdin" ? "stdin" : `argument ${from.argument}`, line: undefined, from };
  for (const goVersion of list.goVersions) collector.addToolchain(goVersion, "built", whole);
  for (const module of list.modules) {
    const place = from === "stdin" ? { ...whole, line: module.line } : whole;
    const isBinary = list.kind === "build-info";
    const isIndirect = isBinary ? !module.isMain : module.isIndirect === true;
    const { path, version } = module;
    const why = whyNot(list, module);
    if ((why !== undefined || version === undefined) && !isImportPath(path)) {
      // Passed over it would read as a module that nobody need ask for, and it may be the message of a program that failed.
      refuse(collector, place, `"${printable(path, 100)}" is not the path of a module, nor of a main module`);
    } else if (why !== undefined || version === undefined) {
      collector.skip({ name: path, version, ...(why ?? BARE), isIndirect, places: [place] });
    } else {
      addListed(collector, { path, version }, isIndirect, isBinary && module.isMain, place);
    }
  }
}

const MAIN: Pick<Skipped, "reason" | "detail"> = { reason: "workspace", detail: "the main module itself" };
/** The go command prints its main modules so, which may be private and never asked of anybody. */
const BARE: Pick<Skipped, "reason" | "detail"> = {
  reason: "main-module",
  detail: "a path alone, as `go list -m` prints the main module: write path@latest to ask for it",
};

function addListed(
  collector: ItemCollector,
  { path, version }: { path: string; version: string },
  isIndirect: boolean,
  isProgram: boolean,
  place: Place,
): void {
  const program = isProgram ? path : undefined;
  if (parseVersion(version) !== undefined) {
    collector.add({ path, version, isIndirect, program, place });
  } else if (isVersionQuery(version)) {
    collector.add({ path, query: version, isIndirect, place });
  } else {
    const why = `"${printable(version, 100)}" is neither a version like v1.2.3 nor a query like latest, v1, v1.2 or <v1.2.3`;
    refuse(collector, place, why);
  }
}

function refuse(collector: ItemCollector, place: Place, why: string): void {
  collector.addProblem(place.file, new ProofdnsError("MALFORMED_INPUT", `${shownPlace(place)}: ${why}`), place);
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
