import { encodePathName } from "../dns/module-name.ts";
import { joinName, parseName, type WireName } from "../dns/name.ts";
import { formatBase32 } from "../vindex/base64.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { isModulePath } from "../vindex/module-path.ts";
import { computeIndexKey } from "../vindex/module-value.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import type { HeadQuestion, Subject } from "./verify/index.ts";
import { subjectText } from "./verify/index.ts";

/** Names of the questions that a client asks of a log (spec/dns.md §1). */
export class Questions {
  readonly #log: WireName;
  readonly #sha256: Sha256;
  readonly #isHashed: boolean;

  /**
   * With `isHashed` modules, majors and versions are asked by index key only; the toolchain is nobody's secret.
   *
   * @throws ProofdnsError `MALFORMED_NAME` if `zone` is no name
   */
  constructor(zone: string, sha256: Sha256, options: { readonly isHashed?: boolean } = {}) {
    const log = joinName(["p1"], parseName(zone));
    if (log === undefined) throw new ProofdnsError("MALFORMED_NAME", `the zone ${zone} is too long`);
    this.#log = log;
    this.#sha256 = sha256;
    this.#isHashed = options.isHashed ?? false;
  }

  /** `<path>`, `<path>._majors`, `_toolchain` or `<path>._versions`; by index key where the path has no name that fits. */
  subject(subject: Subject): WireName {
    if (subject.kind === "toolchain") return this.#name(["_toolchain"]);
    if (subject.kind === "module")
      return this.#module(subject.path, subject.withVersions === true ? ["_versions"] : []);
    return this.#byPath(subject.basePath, ["_majors"]) ?? this.#name([this.#base32(subjectText(subject)), "_k"]);
  }

  /** `<path>._p<k>._versions`. */
  page(path: string, page: number): WireName {
    return this.#module(path, [`_p${page}`, "_versions"]);
  }

  /** `_head`, `s<m>._head`, `e<e>._head` or `s<m>.e<e>._head`. */
  head({ since, epoch }: HeadQuestion): WireName {
    const labels = [since === undefined ? [] : [`s${since}`], epoch === undefined ? [] : [`e${epoch}`]].flat();
    return this.#name([...labels, "_head"]);
  }

  /** `t<time>._head`. */
  headAt(time: number): WireName {
    return this.#name([`t${time}`, "_head"]);
  }

  /** `<m>.<n>._consistency`, the smaller first. */
  consistency(a: number, b: number): WireName {
    return this.#name([String(Math.min(a, b)), String(Math.max(a, b)), "_consistency"]);
  }

  /** `<m>.<N>._sumdb`. */
  sumdb(oldSize: number, newSize: number): WireName {
    return this.#name([String(oldSize), String(newSize), "_sumdb"]);
  }

  /** `<i>.<N>._record`. */
  record(logIndex: number, treeSize: number): WireName {
    return this.#name([String(logIndex), String(treeSize), "_record"]);
  }

  #module(path: string, services: string[]): WireName {
    // Only valid paths are asked: so no question means two subjects (spec/dns.md §1.3).
    if (!isModulePath(path)) {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `${JSON.stringify(path)} is not a Go module path; expected one like golang.org/x/mod`,
      );
    }
    return this.#byPath(path, services) ?? this.#name([this.#base32(path), "_k", ...services]);
  }

  /** Undefined if it is to be asked by index key. */
  #byPath(path: string, services: string[]): WireName | undefined {
    const labels = this.#isHashed ? undefined : encodePathName(path);
    return labels === undefined ? undefined : joinName([...labels, ...services], this.#log);
  }

  #base32(subject: string): string {
    return formatBase32(computeIndexKey(subject, this.#sha256));
  }

  #name(labels: string[]): WireName {
    const name = joinName(labels, this.#log);
    if (name === undefined)
      throw new ProofdnsError(
        "MALFORMED_NAME",
        `${labels.join(".")} does not fit under the zone: its name is too long`,
      );
    return name;
  }
}
