import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { ProofdnsError } from "../vindex/error.ts";
import {
  formatSignerKey,
  type KEY_TYPE_COSIGNATURE,
  type KEY_TYPE_ED25519,
  makeSignerKey,
  parseSignerKey,
  type SignerKey,
} from "../vindex/note.ts";
import { nodeEd25519 } from "../vindex/platform.ts";
import { writeNewFile } from "./new-file.ts";

export type SignerKeyType = typeof KEY_TYPE_ED25519 | typeof KEY_TYPE_COSIGNATURE;

/** Far above any signing key's text. */
const MAX_KEY_FILE_BYTES = 4096;

/**
 * Reads the signing key in the file at `path`, or makes one there if there is no such file: one line, mode 0600, on
 * disk as a whole before it is returned, and never over another file. The directory must exist.
 *
 * `warn` is told of a file that others can read. Nothing that is thrown or told holds key material.
 *
 * @throws ProofdnsError `KEY_UNUSABLE` if the file cannot be read or made, holds no signing key, or one with another name or
 *   type
 */
export async function readOrMakeSignerKey(
  path: string,
  keyName: string,
  type: SignerKeyType,
  warn?: (message: string) => void,
): Promise<SignerKey> {
  const key = (await readSignerKey(path, warn)) ?? (await makeKeyFile(path, keyName, type, warn));
  const found = key.verifierKey;
  if (found.keyName !== keyName) {
    throw unusable(path, `it holds the key of ${found.keyName}, not of ${keyName}; use that name or another file`);
  }
  if (found.type !== type) {
    throw unusable(path, `it holds a key of type ${found.type}, and one of type ${type} is needed; use another file`);
  }
  return key;
}

/**
 * Reads the signing key in the file at `path`; `undefined` if there is no such file.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`
 */
export async function readSignerKey(path: string, warn?: (message: string) => void): Promise<SignerKey | undefined> {
  let text: string;
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw unusable(path, "it is not a file; move it away, or name another");
      if (stat.size > MAX_KEY_FILE_BYTES)
        throw unusable(path, "it is too long for a signing key; restore the right file");
      if ((stat.mode & 0o077) !== 0) warn?.(`the signing key in ${path} can be read by others: run chmod 600 on it`);
      text = (await file.readFile()).toString("utf8");
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, (cause as Error).message, cause);
  }
  try {
    return parseSignerKey(text.endsWith("\n") ? text.slice(0, -1) : text, nodeEd25519());
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    throw unusable(path, `${cause.message}; restore the file from a backup`, cause);
  }
}

async function makeKeyFile(
  path: string,
  keyName: string,
  type: SignerKeyType,
  warn: ((message: string) => void) | undefined,
): Promise<SignerKey> {
  const key = makeSignerKey(keyName, type, new Uint8Array(randomBytes(32)), nodeEd25519());
  try {
    await writeNewFile(path, `${formatSignerKey(key)}\n`);
    return key;
  } catch (cause) {
    const other = (cause as NodeJS.ErrnoException).code === "EEXIST" ? await readSignerKey(path, warn) : undefined;
    if (other !== undefined) return other;
    throw unusable(path, `it cannot be made: ${(cause as Error).message}`, cause);
  }
}

function unusable(path: string, why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("KEY_UNUSABLE", `signing key ${path}: ${why}`, { cause });
}
