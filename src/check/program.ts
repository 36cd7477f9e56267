import type { BuildInfo } from "../go/index.ts";
import { parseVersion } from "../vindex/version.ts";
import type { Skipped } from "./item.ts";
import type { ItemCollector } from "./item-collector.ts";
import { describeReplacement } from "./project.ts";

/** A module as a binary names it. */
interface BuiltModule {
  readonly version: string | undefined;
  readonly sum: string | undefined;
  readonly replace: { readonly path: string; readonly version: string | undefined } | undefined;
}

/** Adds what a Go binary says of itself: the module it was made of, the modules it holds, the Go version that built it. */
export function collectProgram(
  collector: ItemCollector,
  file: string,
  info: BuildInfo,
  options: { readonly withDeps: boolean },
): void {
  const place = { file, line: undefined };
  collector.addToolchain(info.goVersion, "built", place);
  const { main } = info;
  if (main === undefined) {
    const detail = "built outside a module: its build info names no main module";
    collector.skip({
      name: file,
      version: undefined,
      reason: "no-module",
      detail,
      isIndirect: false,
      places: [place],
    });
  }
  const deps = options.withDeps ? info.deps : [];
  for (const module of main === undefined ? deps : [main, ...deps]) {
    const { path, version } = module;
    const isMain = module === main;
    const why = whyNotBuilt(module, isMain);
    if (why !== undefined) collector.skip({ name: path, version, ...why, isIndirect: !isMain, places: [place] });
    else if (isMain) collector.add({ path, version, program: programOf(info.path, path), place });
    else collector.add({ path, version, isIndirect: true, place });
  }
}

/** Why a module of a binary cannot be compared with anything; undefined if it can. */
export function whyNotBuilt(
  { version = "", sum, replace }: BuiltModule,
  isMain: boolean,
): Pick<Skipped, "reason" | "detail"> | undefined {
  if (replace !== undefined) {
    const newVersion = replace.version === "" ? undefined : replace.version;
    const by = describeReplacement({ newPath: replace.path, newVersion });
    return { reason: "replaced", detail: `replaced by ${by}` };
  }
  if (version === "" || version === "(devel)") {
    return { reason: "devel", detail: "built from a checkout, without a version: (devel)" };
  }
  if (isMain && version.includes("+dirty")) {
    return { reason: "untagged-build", detail: "built from a checkout with changes of its own" };
  }
  if (isMain && parseVersion(version)?.kind === "pseudo") {
    return { reason: "untagged-build", detail: "built from a commit that no tag names" };
  }
  // Go stamps the tag of a checkout too. What `go install` took from a proxy has a checksum; the name of what was built here may be nobody's business.
  if (isMain && sum === undefined) {
    return { reason: "devel", detail: "built from a checkout: the binary has no checksum of its main module" };
  }
  if (sum === undefined) {
    return { reason: "vendored", detail: "vendored: the binary has no checksum for it, so it may be any code" };
  }
  return undefined;
}

/** The package to install: only a path within the main module, of characters that mean nothing to a shell. */
function programOf(path: string, modulePath: string): string {
  const isWithin = path === modulePath || path.startsWith(`${modulePath}/`);
  return isWithin && path.length <= 1000 && /^[A-Za-z0-9._~/+-]+$/.test(path) ? path : modulePath;
}
