import { formatName, parseName } from "../dns/name.ts";
import { ProofdnsError } from "../vindex/error.ts";

/**
 * Parses a zone as given on the command line: lower case, without the trailing dot, as the names of its keys have it.
 *
 * @throws ProofdnsError `MALFORMED_NAME`
 */
export function parseZoneName(text: string): string {
  const zone = formatName(parseName(text)).toLowerCase().replace(/\.$/, "");
  // A key name has no other characters, and the origin of the log is made of this one.
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(zone)) {
    throw new ProofdnsError(
      "MALFORMED_NAME",
      `zone ${JSON.stringify(text)}: expected a domain name like l.example.org`,
    );
  }
  return zone;
}
