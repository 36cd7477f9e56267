import type { BuildInfo } from "../go/build-info.ts";
import type { BuildModule } from "../go/build-info-text.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { parseH1 } from "../vindex/record.ts";
import type { Claims, Passed } from "./claim.ts";

/** Adds a claim for every checksum that a Go binary has of the modules that it is made of; says why others have none. */
export function addBinaryClaims(into: Claims, info: BuildInfo, file: string): void {
  const { main, deps } = info;
  if (main === undefined && deps.length === 0) {
    const detail = "built outside a module: its build info names none, so there is no checksum to check";
    into.passed.push({ name: file, reason: "no-module", detail, place: { file, line: undefined } });
  }
  if (main !== undefined) addModule(into, main, file, true);
  for (const dep of deps) addModule(into, dep, file, false);
}

/** What is in a binary is the replacement: the module that it stands for is not. */
function addModule(into: Claims, named: BuildModule, file: string, isMain: boolean): void {
  const module = named.replace ?? named;
  const place = { file, line: undefined };
  const name = `${named.path}@${named.version === "" ? "(devel)" : named.version}`;
  if (module.sum === undefined) {
    into.passed.push({ name, ...whyWithoutSum(named, isMain), place });
    return;
  }
  const hash = parseH1(module.sum);
  if (hash === undefined) {
    const error = new ProofdnsError(
      "MALFORMED_INPUT",
      `${file}: the checksum of ${name} is not h1: and base64 of 32 bytes`,
    );
    into.problems.push({ error, place });
    return;
  }
  into.claims.push({ path: module.path, version: module.version, kind: "zip", hash, place });
}

function whyWithoutSum({ version, replace }: BuildModule, isMain: boolean): Pick<Passed, "reason" | "detail"> {
  if (replace !== undefined && (replace.version === "" || replace.version === "(devel)" || /^[./]/.test(replace.path)))
    return { reason: "replaced", detail: "replaced by a folder, which has no checksum" };
  if (replace === undefined && (isMain || version === "" || version === "(devel)"))
    return { reason: "main-module", detail: "built from a checkout: it has no checksum" };
  return { reason: "vendored", detail: "vendored: the binary has no checksum of it, so it may be any code" };
}
