import { ProofdnsError } from "../vindex/error.ts";
import { damaged } from "./damage.ts";
import { fieldOf, parseJson } from "./records.ts";

/** Number of the store's format; the first one was never released. */
export const FORMAT = 2;

/** What a store is of. A store that was built and never served knows its checksum database only. */
export interface StoreIdentity {
  /** Verifier key of the checksum database. */
  readonly sumdbKey: string;
  /** Origin of the output log. */
  readonly origin?: string;
  /** Verifier key of the log. */
  readonly logKey?: string;
}

/** The record `meta`. */
export function formatIdentity({ sumdbKey, origin, logKey }: StoreIdentity): string {
  return JSON.stringify({ format: FORMAT, sumdbKey, origin, logKey });
}

/**
 * Reads the record `meta`. Only the text that `formatIdentity` makes is accepted.
 *
 * @throws ProofdnsError `STORE_UNUSABLE` if it is damaged, or of another format
 */
export function parseIdentity(text: string, folder: string): StoreIdentity {
  const json = parseJson(text, "identity");
  const format = fieldOf(json, "format");
  if (typeof format === "number" && format !== FORMAT) {
    throw new ProofdnsError(
      "STORE_UNUSABLE",
      `the store in ${folder} has format ${format}, this program reads format ${FORMAT}: build it anew in an empty folder (proofdns build, or serve)`,
    );
  }
  const [sumdbKey, origin, logKey] = ["sumdbKey", "origin", "logKey"].map((name) => fieldOf(json, name));
  const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === "string";
  if (typeof sumdbKey !== "string" || !isText(origin) || !isText(logKey))
    throw damaged("it does not say what it is of");
  const identity = {
    sumdbKey,
    ...(origin === undefined ? {} : { origin }),
    ...(logKey === undefined ? {} : { logKey }),
  };
  if (formatIdentity(identity) !== text) throw damaged("what it says that it is of is not readable");
  return identity;
}

/** True if `found` may be opened as `wanted`: all that `wanted` names is the same, or not there yet. */
export function agrees(found: StoreIdentity, wanted: StoreIdentity): boolean {
  return (
    found.sumdbKey === wanted.sumdbKey && isSame(found.origin, wanted.origin) && isSame(found.logKey, wanted.logKey)
  );
}

function isSame(found: string | undefined, wanted: string | undefined): boolean {
  return found === undefined || wanted === undefined || found === wanted;
}
