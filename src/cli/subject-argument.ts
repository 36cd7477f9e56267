import type { Subject } from "../client/verify/index.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { familyMemberPath, familyOf, isModulePath } from "../vindex/module-path.ts";

/**
 * Parses an argument that names a module.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseModuleArgument(text: string): string {
  if (isModulePath(text)) return text;
  const shown = JSON.stringify(printable(text, 200));
  throw new ProofdnsError("MALFORMED_INPUT", `${shown} is not a Go module path; expected one like golang.org/x/mod`);
}

/**
 * Parses an argument that names a family of majors: a base path, or a member, which stands for its family, so that both gopkg.in/yaml and
 * gopkg.in/yaml.v3 ask for gopkg.in/yaml.v*.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseMajorsArgument(text: string): Subject {
  const basePath = (isModulePath(text) ? familyOf(text)?.basePath : undefined) ?? text;
  if (isModulePath(familyMemberPath(basePath, "2"))) return { kind: "majors", basePath };
  const shown = JSON.stringify(printable(text, 200));
  throw new ProofdnsError("MALFORMED_INPUT", `${shown} is not a base path; expected one like gopkg.in/yaml`);
}
