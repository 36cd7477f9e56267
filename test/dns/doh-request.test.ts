import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  DNS_MESSAGE,
  type DohRequestHead,
  MAX_DOH_QUERY,
  parseBase64Url,
  readDohRequest,
} from "../../src/dns/doh/request.ts";
import { computeFreshness, makeDnsResponse, makeRefusal, PREFLIGHT } from "../../src/dns/doh/response.ts";
import { RCODE, TYPE } from "../../src/dns/message.ts";
import { respond } from "../../src/dns/responder.ts";
import { makeData, makeTestZone, NOW } from "./fake-zone.ts";
import { query } from "./packet.ts";
import { numbered } from "./sockets.ts";

const Z = "l.example.org";
const zone = makeTestZone();

const head = (given: Partial<DohRequestHead>): DohRequestHead => ({
  method: "GET",
  target: "/dns-query",
  contentType: undefined,
  contentEncoding: undefined,
  contentLength: undefined,
  ...given,
});
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const POST = { method: "POST", contentType: DNS_MESSAGE };

describe("a request by HTTPS", () => {
  const refused: [what: string, given: Partial<DohRequestHead>, status: number][] = [
    ["another path", { target: "/" }, 404],
    ["an empty target", { target: "" }, 404],
    ["a path that goes on", { target: "/dns-query/?dns=AAAA" }, 404],
    ["a path of another case", { target: "/DNS-query?dns=AAAA" }, 404],
    ["an escaped path", { target: "/dns%2dquery?dns=AAAA" }, 404],
    ["an absolute target", { target: "https://dns.example/dns-query?dns=AAAA" }, 404],
    ["another path, whatever the method", { method: "PUT", target: "/x" }, 404],
    ["a method that is none of ours", { method: "PUT", target: "/dns-query?dns=AAAA" }, 405],
    ["a method in lower case", { method: "get", target: "/dns-query?dns=AAAA" }, 405],
    ["CONNECT", { method: "CONNECT" }, 405],
    ["POST without a content type", { method: "POST" }, 415],
    ["POST of a form", { method: "POST", contentType: "application/x-www-form-urlencoded" }, 415],
    ["POST of JSON about DNS", { method: "POST", contentType: "application/dns-json" }, 415],
    ["POST of two content types", { method: "POST", contentType: `${DNS_MESSAGE}, text/plain` }, 415],
    ["POST of what is compressed", { ...POST, contentEncoding: "gzip" }, 415],
    ["POST of a body that is declared too long", { ...POST, contentLength: "4097" }, 413],
    ["GET without a query", {}, 400],
    ["GET without the parameter", { target: "/dns-query?name=golang.org" }, 400],
    ["GET with the parameter in capitals", { target: "/dns-query?DNS=AAAA" }, 400],
    ["GET with two", { target: "/dns-query?dns=AAAA&dns=AAAA" }, 400],
    ["GET with padding", { target: `/dns-query?dns=${base64url(numbered(1))}==` }, 400],
    ["GET with the other alphabet", { target: "/dns-query?dns=AA+/" }, 400],
    ["GET with escapes", { target: "/dns-query?dns=AA%41A" }, 400],
    ["GET with a space", { target: "/dns-query?dns=AA AA" }, 400],
    ["GET with spare bits that are not zero", { target: "/dns-query?dns=AB" }, 400],
    ["GET with one character too many", { target: "/dns-query?dns=AAAAA" }, 400],
    ["GET of a query that is too long", { target: `/dns-query?dns=${base64url(new Uint8Array(4097))}` }, 413],
  ];
  for (const [what, given, status] of refused) {
    it(`is refused: ${what}`, () => {
      const request = readDohRequest(head(given));
      assert.equal(request.kind === "refused" ? request.status : request.kind, status);
    });
  }

  it("is a query as a body, or as the one parameter dns among others", () => {
    assert.deepEqual(readDohRequest(head(POST)), { kind: "body" });
    const typed = { ...POST, contentType: "Application/DNS-Message; charset=x", contentEncoding: "identity" };
    assert.deepEqual(readDohRequest(head({ ...typed, contentLength: "4096" })), { kind: "body" });
    const message = numbered(0xfbff);
    for (const target of ["?dns=X", "?a=b&dns=X", "?dns=X&ct=application/dns-message", "?&&dns=X&adns=1"]) {
      for (const method of ["GET", "HEAD"]) {
        const given = { method, target: `/dns-query${target.replace("X", base64url(message))}` };
        assert.deepEqual(readDohRequest(head(given)), { kind: "query", message });
      }
    }
    const longest = new Uint8Array(MAX_DOH_QUERY).fill(0xff);
    const read = readDohRequest(head({ target: `/dns-query?dns=${base64url(longest)}` }));
    assert.deepEqual(read, { kind: "query", message: longest });
    assert.deepEqual(readDohRequest(head({ method: "OPTIONS" })), { kind: "preflight" });
  });

  it("never throws, and has one text for each message", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.constantFrom("GET", "POST", "HEAD", "X"), (text, type, method) => {
        const request = readDohRequest(head({ method, target: `/dns-query?dns=${text}`, contentType: type }));
        if (request.kind === "query" && !text.includes("&")) assert.equal(base64url(request.message), text);
        assert.deepEqual(parseBase64Url(base64url(Buffer.from(text))), Uint8Array.from(Buffer.from(text)));
      }),
    );
  });
});

describe("a reply by HTTPS", () => {
  const ask = (name: string, type: number = TYPE.TXT): Uint8Array => {
    const reply = respond(query(name, type), "https", zone, makeData(), NOW);
    assert.ok(reply !== undefined);
    return reply;
  };

  it("may be kept for the smallest TTL of its answers", () => {
    const answer = ask(`go4.org.p1.${Z}`);
    assert.equal(computeFreshness(answer), 100);
    const two = ask(Z, TYPE.NS);
    assert.ok((two[7] ?? 0) >= 1, "answers");
    const least = computeFreshness(two);
    assert.ok(least !== undefined && least > 0);
  });

  it("may be kept as long as its SOA says if it denies", () => {
    for (const [name, type, rcode] of [
      [`x_.p1.${Z}`, TYPE.TXT, RCODE.NXDOMAIN],
      [`go4.org.p1.${Z}`, TYPE.A, RCODE.NOERROR],
    ] as const) {
      const denial = ask(name, type);
      assert.equal((denial[3] ?? 0) & 15, rcode);
      const { negative } = zone.ttls;
      assert.equal(computeFreshness(denial), negative);
    }
  });

  it("may not be kept if it is an error, or does not parse", () => {
    assert.equal(computeFreshness(ask("go4.org")), undefined);
    const answer = ask(`go4.org.p1.${Z}`);
    // What is cut in the OPT behind them is of no interest.
    for (let length = 12; length < answer.length - 11; length++) {
      assert.equal(computeFreshness(answer.subarray(0, length)), undefined, `${length} bytes`);
    }
    const { headers } = makeDnsResponse(ask("go4.org"));
    assert.equal(headers["cache-control"], "no-store");
  });

  it("says nothing that tells one asker or server from another", () => {
    const message = ask(`go4.org.p1.${Z}`);
    const replies = [makeDnsResponse(message), PREFLIGHT, makeRefusal({ kind: "refused", status: 405, text: "no" })];
    for (const { headers } of replies) {
      assert.equal(headers["access-control-allow-origin"], "*");
      for (const name of Object.keys(headers)) {
        assert.match(name, /^(access-control-.*|content-(type|length)|cache-control|allow|x-content-type-options)$/);
      }
      assert.equal(headers["access-control-allow-credentials"], undefined);
    }
    const { body } = makeDnsResponse(message);
    message.fill(0);
    assert.notEqual(body[5], 0, "the body is a copy");
  });
});
