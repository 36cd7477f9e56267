import { lineError } from "../sumdb/lines.ts";
import { checkModuleVersion } from "../sumdb/records-file.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { parseH1 } from "../vindex/record.ts";
import type { Claims, Place } from "./claim.ts";

const GO_MOD = "/go.mod";
/** Hash of a go.mod without content, which early versions of the go command wrote by mistake and later ones pass over. */
const EMPTY_GO_MOD_HASH = "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=";
/** Longest line: path, version and hash take at most a few hundred characters. */
const MAX_LINE = 8192;

/** Most lines of a file that are named as none of go.sum; of the rest their number is said. */
const MAX_NAMED = 20;

/**
 * Adds a claim for every line of a go.sum file. Fields are separated as the go command separates them, by any white space, so that CRLF is fine.
 *
 * A line that is none, like the marks of a merge conflict, becomes a problem with file and line, and the others are claims all the same: no bad line may
 * hide a forged one.
 */
export function addGoSumClaims(into: Claims, text: string, file: string): void {
  let [number, bad] = [0, 0];
  let last: Place = { file, line: undefined };
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
    number++;
    try {
      addLine(into, line, file, number);
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      last = { file, line: number };
      if (++bad <= MAX_NAMED) into.problems.push({ error, place: last });
    }
  }
  if (bad <= MAX_NAMED) return;
  const more = bad - MAX_NAMED;
  const why = `the last of ${more} more line${more === 1 ? "" : "s"} that are none of a go.sum file`;
  into.problems.push({ error: lineError(file, last.line ?? number, why), place: last });
}

function addLine({ claims, passed }: Claims, text: string, file: string, line: number): void {
  if (text.length > MAX_LINE) throw lineError(file, line, `a line of more than ${MAX_LINE} characters`);
  // What was no UTF-8 was read as this character, which no line of a go.sum has.
  if (text.includes("\ufffd")) throw lineError(file, line, "not UTF-8 text");
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
    const name = `${path}@${version}`;
    if (h1 === EMPTY_GO_MOD_HASH) {
      const detail = "the hash of an empty go.mod, which the go command passes over";
      passed.push({ name, reason: "empty-go-mod", detail, place });
    } else {
      passed.push({
        name,
        reason: "other-hash",
        detail: "a hash of another kind than h1:, which was not checked",
        place,
      });
    }
    return;
  }
  const hash = parseH1(h1);
  if (hash === undefined) throw lineError(file, line, "the hash is not h1: and base64 of 32 bytes");
  claims.push({ path, version, kind: isGoMod ? "go.mod" : "zip", hash, place });
}
