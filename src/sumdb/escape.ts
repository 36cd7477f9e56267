import { ProofdnsError } from "../vindex/error.ts";

/**
 * Escaped module paths and versions, as they stand in the URLs of a checksum database and in caches: each of
 * `A` to `Z` becomes `!` and its lower case, so that case-insensitive file systems keep them apart
 * (`github.com/Azure/x` ↔ `github.com/!azure/x`).
 *
 * What is checked here is what keeps a name from meaning something else in a URL or a file name: the alphabet,
 * and no empty element nor one that begins or ends with a dot. Whether it is a *valid* module path or a canonical
 * version is a question for the map function.
 */
const PATH = /^[A-Za-z0-9\-._~]+(?:\/[A-Za-z0-9\-._~]+)*$/;
const VERSION = /^[A-Za-z0-9\-._~+]+$/;
const DOTTED = /(?:^|\/)\.|\.(?:\/|$)/;
const ESCAPED = /^(?:[a-z0-9\-._~+/]|![a-z])*$/;
/** Far above any real path (104 bytes) or version (71 bytes). */
const MAX_LENGTH = 1024;

function isPlain(text: string, alphabet: RegExp): boolean {
  return text.length <= MAX_LENGTH && alphabet.test(text) && !DOTTED.test(text);
}

function refuse(what: string, text: string): never {
  throw new ProofdnsError("MALFORMED_INPUT", `not ${what}: ${JSON.stringify(text.slice(0, 100))}`);
}

const escapeText = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`);

/**
 * Escapes a module path.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` unless it is 1 to 1024 characters of `A-Z a-z 0-9 - . _ ~ /`, in elements
 *   that are not empty and neither begin nor end with a dot
 */
export function escapePath(modulePath: string): string {
  return isPlain(modulePath, PATH) ? escapeText(modulePath) : refuse("a module path", modulePath);
}

/**
 * Escapes a version.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` unless it is 1 to 1024 characters of `A-Z a-z 0-9 - . _ ~ +`, neither beginning
 *   nor ending with a dot
 */
export function escapeVersion(version: string): string {
  return isPlain(version, VERSION) ? escapeText(version) : refuse("a version", version);
}

function unescapeText(escaped: string, alphabet: RegExp, what: string): string {
  if (escaped.length > 2 * MAX_LENGTH || !ESCAPED.test(escaped)) return refuse(what, escaped);
  const text = escaped.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return isPlain(text, alphabet) ? text : refuse(what, escaped);
}

/**
 * Reverses `escapePath`; only what that can make is accepted.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function unescapePath(escaped: string): string {
  return unescapeText(escaped, PATH, "an escaped module path");
}

/**
 * Reverses `escapeVersion`; only what that can make is accepted.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function unescapeVersion(escaped: string): string {
  return unescapeText(escaped, VERSION, "an escaped version");
}
