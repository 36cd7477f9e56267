import { lineError } from "../sumdb/lines.ts";
import { checkModuleVersion } from "../sumdb/records-file.ts";
import { parseH1 } from "../vindex/record.ts";
import type { Claims } from "./claim.ts";

const GO_MOD = "/go.mod";
/** Hash of a go.mod without content, which early versions of the go command wrote by mistake and later ones pass over. */
const EMPTY_GO_MOD_HASH = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";
/** Longest line: path, version and hash take at most a few hundred characters. */
const MAX_LINE = 8192;

/**
 * Adds a claim for every line of a go.sum file. Fields are separated as the go command separates them, by any white space, so that CRLF is fine.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` with file and line
 */
export function addGoSumClaims(into: Claims, text: string, file: string): void {
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    number++;
    if (line.length > MAX_LINE) throw lineError(file, number, `a line of more than ${MAX_LINE} characters`);
    addLine(into, line, file, number);
  }
}

function addLine({ claims, passed }: Claims, text: string, file: string, line: number): void {
  const fields = text.split(/\p{White_Space}+/u).filter((field) => field !== "");
  const [path, versionField, h1] = fields;
  if (path === undefined) return;
  if (fields.length !== 3 || versionField === undefined || h1 === undefined) {
    throw lineError(file, line, `${fields.length} fields where a go.sum line has 3: module, version, hash`);
  }
  const isGoMod = versionField.endsWith(GO_MOD);
  const version = isGoMod ? versionField.slice(0, -GO_MOD.length) : versionField;
  checkModuleVersion(path, version, file, line);
  const place = { file, line };
  if (!h1.startsWith("h1:") || h1 === EMPTY_GO_MOD_HASH) {
    if (!/^[A-Za-z0-9]+:./.test(h1)) throw lineError(file, line, "the hash has no kind, like h1:");
    const detail =
      h1 === EMPTY_GO_MOD_HASH
        ? "the hash of an empty go.mod, which the go command passes over"
        : "a hash of another kind than h1:";
    passed.push({ name: `${path}@${version}`, reason: "other-hash", detail, place });
    return;
  }
  const hash = parseH1(h1);
  if (hash === undefined) throw lineError(file, line, "the hash is not h1: and base64 of 32 bytes");
  claims.push({ path, version, kind: isGoMod ? "go.mod" : "zip", hash, place });
}
