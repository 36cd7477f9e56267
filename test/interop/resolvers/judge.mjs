// Whether a reply is the right one.
import { rdataOf } from "./dig.mjs";

const DENIAL_TYPES = new Set(["SOA", "NSEC", "RRSIG"]);

/**
 * Why `reply` is not what `test` expects of a validating resolver, or undefined. `truth` is the authority's own answer; with
 * `cd` nothing need be validated.
 */
export function judge(test, reply, truth, { cd = false } = {}) {
  if (reply === undefined) return "no reply";
  const { status, flags, answer, authority, ede, bytes } = reply;
  const said = `${status} (${flags.join(" ")}) with ${answer.length} answers${ede.length > 0 ? `, ${ede.join(", ")}` : ""}`;
  if (test.expect === "any" && ["NOTIMP", "REFUSED"].includes(status)) return undefined;
  if (status !== "NOERROR" && !(status === "NXDOMAIN" && test.expect === "nxdomain")) return said;
  if (!cd && !flags.includes("ad")) return `not validated: ${said}`;
  if (test.expect === "any") return answer.length > 0 ? undefined : `no answer: ${said}`;
  if (test.expect !== "rr") {
    if (answer.length > 0) return `an answer where there is none: ${said}`;
    if (!authority.some(({ type }) => type === "SOA")) return `a denial without SOA: ${said}`;
    return authority.every(({ type }) => DENIAL_TYPES.has(type)) ? undefined : "a denial with other records";
  }
  const got = rdataOf(answer, test.type);
  if (got.length === 0) return `without the record: ${said}`;
  if (truth !== undefined && got.join("\n") !== truth.join("\n")) return "other records than the authority's";
  if (!answer.some(({ type, rdata }) => type === "RRSIG" && rdata.startsWith(`${test.type} `))) return "without RRSIG";
  return test.large !== undefined && bytes < test.large ? `only ${bytes} bytes` : undefined;
}
