import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { isModulePath, isVersionOfPath } from "../vindex/module-path.ts";
import { compareVersions, parseVersion, type Version } from "../vindex/version.ts";
import type { CheckItem, InputProblem, Inputs, Place, Skipped } from "./item.ts";

/** Most distinct modules of one check: a bound, not a goal. */
const MAX_ITEMS = 50_000;
/** Most problems kept: one is enough to fail. */
const MAX_PROBLEMS = 1000;
/** Most places kept of one module. */
const MAX_PLACES = 100;

/** A module as an input names it. */
export interface NamedModule {
  readonly path: string;
  readonly version?: string | undefined;
  readonly query?: string | undefined;
  readonly isIndirect?: boolean;
  readonly program?: string | undefined;
  readonly place: Place;
  /** Versions that are not to be offered, of all sets together. */
  readonly excluded?: readonly ReadonlySet<string>[];
}

interface Growing {
  readonly path: string;
  readonly current: Version | undefined;
  readonly query: string | undefined;
  isIndirect: boolean;
  program: string | undefined;
  readonly places: Place[];
  readonly excluded: Set<string>;
  readonly excludedBy: Set<ReadonlySet<string>>;
}

/** Gathers what inputs name, each module and version once with all its places. */
export class ItemCollector {
  readonly #items = new Map<string, Growing>();
  readonly #toolchains = new Map<string, { current: string; kind: "built" | "named"; places: Place[] }>();
  readonly #skipped = new Map<string, Skipped>();
  readonly #problems: InputProblem[] = [];
  readonly #remarks = new Set<string>();
  readonly #goModFiles = new Set<string>();

  /**
   * Adds a module. One that cannot be looked up becomes a problem of its place: a module that is left out must not read as current.
   */
  add(named: NamedModule): void {
    const { path, version, query, place } = named;
    const current = version === undefined ? undefined : parseVersion(version);
    const id = `${path}@${version ?? ""}@${query ?? ""}`;
    let item = this.#items.get(id);
    const why = item === undefined ? this.#whyNot(named, current) : undefined;
    if (why !== undefined) {
      this.addProblem(place.file, new ProofdnsError("MALFORMED_INPUT", `${shownPlace(place)}: ${why}`), place);
      return;
    }
    if (item === undefined) {
      const { program, isIndirect = false } = named;
      item = { path, current, query, isIndirect, program, places: [], excluded: new Set(), excludedBy: new Set() };
      this.#items.set(id, item);
    }
    item.isIndirect &&= named.isIndirect === true;
    item.program ??= named.program;
    if (item.places.length < MAX_PLACES) item.places.push(place);
    for (const excluded of named.excluded ?? []) {
      // Once for each file, however often it names the module.
      if (item.excludedBy.has(excluded)) continue;
      item.excludedBy.add(excluded);
      for (const one of excluded) item.excluded.add(one);
    }
  }

  #whyNot({ path, version }: NamedModule, current: Version | undefined): string | undefined {
    if (!isModulePath(path)) return `${quote(path)} is not a Go module path; expected one like golang.org/x/mod`;
    if (version !== undefined && current === undefined) {
      return `${quote(version)} of ${path} is not a canonical version, like v1.2.3; "go mod tidy" makes it one`;
    }
    if (current !== undefined && !isVersionOfPath(current, path)) {
      return `${path} cannot have the version ${current.text}: its major does not fit the path`;
    }
    return this.#items.size >= MAX_ITEMS ? `more than ${MAX_ITEMS} modules; check them in parts` : undefined;
  }

  addToolchain(current: string, kind: "built" | "named", place: Place): void {
    const id = `${kind} ${current}`;
    const known = this.#toolchains.get(id);
    if (known === undefined) this.#toolchains.set(id, { current, kind, places: [place] });
    else if (known.places.length < MAX_PLACES) known.places.push(place);
  }

  skip(skipped: Skipped): void {
    const id = `${skipped.name}@${skipped.version ?? ""}@${skipped.reason}@${skipped.detail}`;
    const known = this.#skipped.get(id);
    const places = [...(known?.places ?? []), ...skipped.places].slice(0, MAX_PLACES);
    const isIndirect = skipped.isIndirect && (known?.isIndirect ?? true);
    this.#skipped.set(id, { ...skipped, isIndirect, places });
  }

  addProblem(input: string, error: ProofdnsError, place?: Place): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ input, place, error });
    else this.#remarks.add(`only the first ${MAX_PROBLEMS} problems are shown`);
  }

  addRemark(remark: string): void {
    this.#remarks.add(remark);
  }

  addGoMod(file: string): void {
    this.#goModFiles.add(file);
  }

  /** What was gathered: direct modules first, then by path and version. */
  result(): Inputs {
    const items: CheckItem[] = [...this.#items.values()];
    items.sort(
      (a, b) =>
        Number(a.isIndirect) - Number(b.isIndirect) ||
        compareText(a.path, b.path) ||
        (a.current !== undefined && b.current !== undefined
          ? compareVersions(a.current, b.current)
          : Number(a.current !== undefined) - Number(b.current !== undefined)) ||
        compareText(a.query ?? "", b.query ?? ""),
    );
    const skipped = [...this.#skipped.values()].sort(
      (a, b) => Number(a.isIndirect) - Number(b.isIndirect) || compareText(a.name, b.name),
    );
    return {
      items,
      toolchains: [...this.#toolchains.values()],
      skipped,
      problems: this.#problems,
      remarks: [...this.#remarks],
      goModFiles: [...this.#goModFiles],
    };
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function quote(text: string): string {
  return `"${printable(text, 100)}"`;
}

/** `go.mod:12`, or the file alone. */
export function shownPlace({ file, line }: Place): string {
  const name = printable(file);
  return line === undefined ? name : `${name}:${line}`;
}
