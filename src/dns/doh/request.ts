import { parseBase64Unpadded } from "../../vindex/base64.ts";

/** The one path (spec/dns.md §5). */
export const DOH_PATH = "/dns-query";
/** The media type of a DNS message (RFC 8484 §6). */
export const DNS_MESSAGE = "application/dns-message";
/** Longest query in bytes, as by TCP. */
export const MAX_DOH_QUERY = 4096;

/** What a request says before its body. Header values are as they came; undefined if there was none. */
export interface DohRequestHead {
  readonly method: string;
  /** Path and query, as in the request line. */
  readonly target: string;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly contentLength: string | undefined;
}

/** Why a request has no DNS reply. `text` is one line for people. */
export interface DohRefusal {
  readonly kind: "refused";
  readonly status: 400 | 404 | 405 | 413 | 415;
  readonly text: string;
}

/** What a request wants. */
export type DohRequest =
  | DohRefusal
  /** OPTIONS: may a page of another origin ask? */
  | { readonly kind: "preflight" }
  /** The query is the body, of at most `MAX_DOH_QUERY` bytes. */
  | { readonly kind: "body" }
  | { readonly kind: "query"; readonly message: Uint8Array };

/** The refusal of a message that is no query: too short, or a reply. */
export const NO_QUERY: DohRefusal = refuse(400, "the message is no DNS query");
/** The refusal of a query that is too long. */
export const TOO_LONG: DohRefusal = refuse(413, `a query has at most ${MAX_DOH_QUERY} bytes`);

/** Reads the head of a request (spec/dns.md §5.1). Never throws. */
export function readDohRequest({
  method,
  target,
  contentType,
  contentEncoding,
  contentLength,
}: DohRequestHead): DohRequest {
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  if (path !== DOH_PATH) return refuse(404, `DNS over HTTPS is at ${DOH_PATH}`);
  switch (method) {
    case "OPTIONS":
      return { kind: "preflight" };
    case "POST":
      if (!isDnsMessage(contentType) || (contentEncoding ?? "identity").trim().toLowerCase() !== "identity") {
        return refuse(415, `the content type is ${DNS_MESSAGE}, without a content encoding`);
      }
      // One that is not what was declared is found when it is read.
      return Number(contentLength ?? 0) > MAX_DOH_QUERY ? TOO_LONG : { kind: "body" };
    case "GET":
    case "HEAD":
      return readParameter(mark < 0 ? "" : target.slice(mark + 1));
    default:
      return refuse(405, "GET, HEAD, POST or OPTIONS");
  }
}

function readParameter(query: string): DohRequest {
  let found: string | undefined;
  for (const part of query.split("&")) {
    if (!part.startsWith("dns=")) continue;
    if (found !== undefined) return refuse(400, "there is more than one parameter dns");
    found = part.slice(4);
  }
  if (found === undefined) return refuse(400, "there is no parameter dns, which holds the query in base64url");
  if (found.length > Math.ceil((MAX_DOH_QUERY * 4) / 3)) return TOO_LONG;
  const message = parseBase64Url(found);
  return message === undefined
    ? refuse(400, "the parameter dns is no base64url without padding")
    : { kind: "query", message };
}

/** Parses unpadded base64url (RFC 4648 §5) with zero spare bits; undefined otherwise. */
export function parseBase64Url(text: string): Uint8Array | undefined {
  if (/[+/]/.test(text)) return undefined;
  return parseBase64Unpadded(text.replace(/-/g, "+").replace(/_/g, "/"));
}

function isDnsMessage(contentType: string | undefined): boolean {
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === DNS_MESSAGE;
}

function refuse(status: DohRefusal["status"], text: string): DohRefusal {
  return { kind: "refused", status, text };
}
