import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { COOKIE_SECRET_LENGTH } from "../dns/cookies.ts";
import { equalBytes, formatHex, parseHex } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { writeNewFile } from "./new-file.ts";

/** Two lines, with room for what was meant to be one. */
const MAX_COOKIE_FILE_BYTES = 1024;

/**
 * Reads the secrets of DNS cookies in the file at `path`, or makes a file with a random one if there is none: mode 0600, on
 * disk as a whole before it is returned, and never over another file. The directory must exist.
 *
 * The file holds one secret, or two while they are rolled over, each a line of 32 hex digits of any case. Cookies are made with the
 * first and accepted with both. To roll over: on each server add the new one as a second line, then swap the lines,
 * and an hour later remove the old one.
 *
 * `warn` is told of a file that others can read. Nothing that is thrown or told holds a secret.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if the file cannot be read or made, or holds anything else
 */
export async function readOrMakeCookieSecrets(
  path: string,
  warn?: (message: string) => void,
): Promise<readonly Uint8Array[]> {
  return (await readCookieSecrets(path, warn)) ?? (await makeCookieFile(path, warn));
}

/**
 * Reads the secrets in the file at `path`; undefined if there is no such file.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`
 */
export async function readCookieSecrets(
  path: string,
  warn?: (message: string) => void,
): Promise<readonly Uint8Array[] | undefined> {
  let text: string;
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw unusable(path, "it is not a file; move it away, or name another");
      if (stat.size > MAX_COOKIE_FILE_BYTES)
        throw unusable(path, "it is too long for two secrets; restore the right file, or remove it to have one made");
      if ((stat.mode & 0o077) !== 0) warn?.(`the cookie secrets in ${path} can be read by others: run chmod 600 on it`);
      text = (await file.readFile()).toString("latin1");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, (cause as Error).message, cause);
  }
  return parseCookieSecrets(path, text);
}

function parseCookieSecrets(path: string, text: string): readonly Uint8Array[] {
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  if (text.trim() === "") throw unusable(path, "it is empty; remove it to have one made");
  const secrets = lines.map((line, i) => {
    const secret = parseHex(line.replace(/[A-F]/g, (digit) => digit.toLowerCase()));
    if (secret === undefined) throw unusable(path, `line ${i + 1} is not 32 hex digits and nothing else`);
    if (secret.length !== COOKIE_SECRET_LENGTH) {
      throw unusable(path, `line ${i + 1} has ${line.length} hex digits, and a secret has 32`);
    }
    return secret;
  });
  if (secrets.length > 2) throw unusable(path, `it has ${secrets.length} lines, and at most two secrets are in use`);
  const [first, second] = secrets;
  if (first !== undefined && second !== undefined && equalBytes(first, second)) {
    throw unusable(path, "both lines are the same secret");
  }
  return secrets;
}

async function makeCookieFile(
  path: string,
  warn: ((message: string) => void) | undefined,
): Promise<readonly Uint8Array[]> {
  const secret = new Uint8Array(randomBytes(COOKIE_SECRET_LENGTH));
  try {
    await writeNewFile(path, `${formatHex(secret)}\n`);
    return [secret];
  } catch (cause) {
    const isOthers = (cause as NodeJS.ErrnoException).code === "EEXIST";
    const other = isOthers ? await readCookieSecrets(path, warn) : undefined;
    if (other !== undefined) return other;
    throw unusable(path, `it cannot be made: ${(cause as Error).message}`, cause);
  }
}

function unusable(path: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("KEY_UNUSABLE", `cookie secrets ${path}: ${why}`, { cause });
}
