import { formatName, parseName } from "../dns/name.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";

/**
 * Parses a zone as given on the command line: lower case, without the trailing dot, as the names of its keys have it.
 *
 * @throws ProofdnsError `MALFORMED_NAME`
 */
export function parseZoneName(text: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError(
      "MALFORMED_NAME",
      `zone ${JSON.stringify(text.slice(0, 300))}: ${why}expected a domain name like l.example.org`,
      { cause },
    );
  };
  let zone: string;
  try {
    zone = formatName(parseName(text)).toLowerCase().replace(/\.$/, "");
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    return refuse(`${error.message}; `, error);
  }
  // A key name has no other characters, and the origin of the log is made of this one.
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(zone) ? zone : refuse("");
}
