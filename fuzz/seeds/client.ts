import { bytes, numbered, type Seeds, u16 } from "./seed.ts";

/** Seeds of the targets that read what reaches a client, and what DNS over HTTPS reads. */

/** The client's part. */
const CLIENT = "clientck";
export function clientCookieSeeds(): Seeds {
  const step = (how: number, shape: number, ...options: Uint8Array[]): Uint8Array =>
    bytes(how, shape, options.length, ...options);
  const option = (kind: number, ...parts: Uint8Array[]): Uint8Array => bytes(kind, ...parts);
  const server = (kind: number, choice: number, length: number): Uint8Array =>
    option(kind, Uint8Array.of(choice), new Uint8Array(length).fill(0x55));
  return {
    learned: bytes(CLIENT, step(1, 0, server(1, 2, 16)), step(1, 0, server(1, 1, 8))),
    "client-only": bytes(CLIENT, step(1, 0, server(1, 0, 0))),
    "bad-cookie": bytes(CLIENT, step(1, 0x17, server(1, 2, 16))),
    "long-server": bytes(CLIENT, step(1, 0, server(1, 5, 33))),
    foreign: bytes(CLIENT, step(1, 0, option(4, bytes("Xlientck", 2), new Uint8Array(16)))),
    none: bytes(CLIENT, step(1, 0), step(1, 0, server(1, 2, 16)), step(1, 0), step(0x81, 0)),
    formerr: bytes(CLIENT, step(1, 1), step(1, 0, server(1, 2, 16))),
    cut: bytes(CLIENT, step(1, 0xc0, server(1, 2, 16)), 9),
    raw: bytes(CLIENT, 0, 12, new Uint8Array(12), 0x84, 20, new Uint8Array(20).fill(0xc0)),
    two: bytes(CLIENT, step(1, 0, server(1, 2, 16), server(1, 1, 8))),
  };
}

export function dohSeeds(): Seeds {
  // Method, path, query, filler, type, encoding, length: an index among the usual ones, after a byte that asks for it.
  const usual = (i: number): Uint8Array => Uint8Array.of(0x20, i);
  const request = (...choices: readonly number[]): Uint8Array => {
    const [method = 0, path = 0, query = 0, type = 0, encoding = 0, length = 0] = choices;
    return bytes(0, usual(method), usual(path), usual(query), 0, usual(type), usual(encoding), usual(length));
  };
  const txt = bytes(0xc0, 12, u16(16), u16(1), u16(0), u16(30), u16(6), 5, "hello");
  const reply = (status: number, type: number, ...body: readonly Uint8Array[]): Uint8Array =>
    bytes(2, status, 0x20, type, 0, 40, 1, 1, ...body);
  return {
    ...numbered("get", [request(0, 0, 2), request(0, 0, 1), request(0, 0, 3), request(0, 0, 5)]),
    ...numbered("post", [
      request(1),
      request(1, 0, 0, 1),
      request(1, 0, 0, 2),
      request(1, 0, 0, 0, 1),
      request(1, 0, 0, 0, 0, 3),
    ]),
    ...numbered("other", [request(2, 0, 2), request(3), request(4), request(5), request(0, 1), request(0, 2)]),
    "long-get": bytes(0, usual(0), usual(0), usual(1), 0xff, u16(1400), 0, 0, 0),
    "own-words": bytes(0, 0xf0, 3, "GET", 0xf0, 10, "/dns-query", 0xf0, 9, "?dns=AAA_", 0, 0, 0, 0),
    ...numbered("base64url", [bytes(1, "AAAB"), bytes(1, "-_-_"), bytes(1, "A"), bytes(1, "AA==")]),
    txt: reply(0, 0, txt),
    "two-txt": reply(0, 0, bytes(2), txt, txt),
    html: reply(0, 2, txt),
    redirect: reply(6, 0, txt),
    "server-error": reply(12, 0, txt),
    "long-body": bytes(2, 0, 0x20, 0, 0xff, u16(0x8000), 1, 1, txt),
    foreign: bytes(2, 0, 0x20, 0, 0, 40, 0, "what is this?"),
  };
}

export function proofFileSeeds(): Seeds {
  // Case, subject, epoch, flags, number of changes, changes, and what the flags ask for.
  const subjects = [0, 1, 2, 3, 4, 5, 6];
  return {
    ...numbered(
      "whole",
      subjects.map((subject) => bytes(1, subject, 12, subject % 2, 0)),
    ),
    ...numbered(
      "with-record",
      subjects.map((subject) => bytes(1, subject, 11, 1, 0)),
    ),
    ...numbered("wanted", [bytes(1, 0, 12, 2, 0, 0), bytes(1, 5, 12, 2, 0, 5)]),
    ...numbered("timed", [bytes(1, 4, 12, 4, 0, u16(60)), bytes(1, 4, 12, 4, 0, u16(0xffff))]),
    ...numbered("remembered", [bytes(1, 0, 12, 8, 0, 12), bytes(1, 0, 12, 8, 0, 3), bytes(1, 0, 3, 8, 0, 12)]),
    ...numbered("extra", [bytes(1, 0, 12, 0, 1, 0, u16(30), 0x41), bytes(1, 0, 12, 0, 1, 0x40, u16(20), 3, "abc", 9)]),
    ...numbered("lines", [
      bytes(1, 0, 12, 0, 1, 0x60, 4),
      bytes(1, 0, 12, 0, 1, 0x80, 4, 5),
      bytes(1, 0, 12, 0, 1, 0xa0, 2, 8, "index 11"),
      bytes(1, 0, 12, 0, 1, 0xc0, u16(300), 0x42),
      bytes(1, 0, 12, 0, 1, 0xe0, 3, 4, 5),
    ]),
    "first-epoch": bytes(1, 0, 1, 8, 0, 3),
    text: bytes(0, "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\nl.example.org/p1\n1\nAAAA\n\n— x AAAA\n"),
    ...numbered(
      "subject",
      ["module example.com/a", "versions go4.org", "majors gopkg.in/yaml", "toolchain", "record go4.org v0.0.1"].map(
        (text) => bytes(4, text),
      ),
    ),
  };
}
