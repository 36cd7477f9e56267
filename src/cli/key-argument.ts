import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  parseVerifierKey,
  type VerifierKey,
} from "../vindex/note.ts";

/** Whose key an argument is. */
export type KeyHolder = "log" | "checksum database" | "witness";

const TYPES = {
  log: KEY_TYPE_ED25519,
  "checksum database": KEY_TYPE_ED25519,
  witness: KEY_TYPE_COSIGNATURE,
} as const satisfies Record<KeyHolder, number>;

/**
 * Parses a verifier key that a user gave. `from` is where: an option such as `--sumdb-key`, or a variable. The text is not quoted: it may
 * be a signing key that was given by mistake.
 *
 * @throws ProofdnsError `MALFORMED_VERIFIER_KEY` that says where it stands, and who has the right one
 */
export function parseKeyArgument(text: string, from: string, holder: KeyHolder): VerifierKey {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("MALFORMED_VERIFIER_KEY", `${from}: ${why}`, { cause });
  };
  if (text.startsWith("PRIVATE+KEY+")) {
    return refuse("that is a signing key, which is secret; give the verifier key that was made with it");
  }
  let key: VerifierKey;
  try {
    key = parseVerifierKey(text);
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    return refuse(`${error.message}; the operator of the ${holder} gives it out`, error);
  }
  const [found, expected] = [key.type, TYPES[holder]].map((type) => `type 0x0${type}`);
  if (found === expected) return key;
  return refuse(
    `that is a key of ${found}, ${key.type === KEY_TYPE_COSIGNATURE ? "a cosigner's" : "which signs notes"}; the key of a ${holder} has ${expected}`,
  );
}

/** A checksum database as named on the command line. */
export interface SumdbArgument {
  readonly key: VerifierKey;
  readonly url: string;
  /** False if the URL was made from the key's name. */
  readonly isUrlGiven: boolean;
}

/**
 * Parses `VKEY URL` as given to `--sumdb`; without a URL it is https and the key's name, as with the go command.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`, `MALFORMED_VERIFIER_KEY`
 */
export function parseSumdbArgument(text: string, from = "--sumdb"): SumdbArgument {
  const [vkey = "", url, ...rest] = text.trim().split(/[ \t]+/);
  if (vkey === "" || rest.length > 0) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${from}: expected a verifier key and a URL in one argument, as in ${from} "VKEY https://sum.example.org"`,
    );
  }
  const key = parseKeyArgument(vkey, from, "checksum database");
  return { key, url: url ?? `https://${key.keyName}`, isUrlGiven: url !== undefined };
}

/** The error of a checksum database that was asked, with what may be wrong in the argument that named it. */
export function explainSumdb(error: unknown, { key, url, isUrlGiven }: SumdbArgument, from = "--sumdb"): unknown {
  if (isProofdnsError(error, "BAD_SUMDB_SIGNATURE")) {
    const message = `${error.message}; ${url} has to sign with ${printable(formatVerifierKey(key))}, the key in ${from}: ask its operator for the right one (proofdns sumdb prints its own as vkey)`;
    return new ProofdnsError(error.code, message, { cause: error });
  }
  // Others may be unreachable, too.
  if (isUrlGiven || !isProofdnsError(error, "UNREACHABLE") || !error.message.includes(url)) return error;
  const message = `${error.message}; ${from} has no URL, so it was made from the key's name: give one behind the key, as in ${from} "VKEY http://127.0.0.1:8080"`;
  return new ProofdnsError(error.code, message, { cause: error });
}
