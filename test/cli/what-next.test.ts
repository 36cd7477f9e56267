import assert from "node:assert/strict";
import { test } from "node:test";
import { adviseOn } from "../../src/cli/advice.ts";
import { parseDuration } from "../../src/cli/duration.ts";
import { parseHostPort } from "../../src/cli/host-port.ts";
import { explainSumdb, type KeyHolder, parseKeyArgument, parseSumdbArgument } from "../../src/cli/key-argument.ts";
import { sumdbKeyText } from "../../src/cli/key-options.ts";
import { parseZoneName } from "../../src/cli/zone-name.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { DohTransport } from "../../src/client/transport-doh.ts";
import { parseTransport } from "../../src/client/transport-system.ts";
import { SUM_GOLANG_ORG } from "../../src/client/verify/index.ts";
import { bindError } from "../../src/dns/bind-error.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import {
  formatSignerKey,
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
} from "../../src/vindex/note.ts";

/** Errors of a user's own input say what is wrong, where it stands and what to do next. */

const signer = makeSignerKey("sumdb.localhost", KEY_TYPE_ED25519, new Uint8Array(32).fill(7));
const vkey = formatVerifierKey(signer.verifierKey);
const cosigner = formatVerifierKey(
  makeSignerKey("w.example", KEY_TYPE_COSIGNATURE, new Uint8Array(32).fill(7)).verifierKey,
);

function messageFrom(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ProofdnsError, String(error));
    return error.message;
  }
  assert.fail("nothing was thrown");
}

test("a verifier key that is none is refused with where it stood and who has the right one", () => {
  for (const from of ["--sumdb-key", "--log-key", "--vkey", "--sumdb", "GOSUMDB"]) {
    for (const text of ["", "sum.golang.org", `${vkey}x`, vkey.slice(0, -1), vkey.replace("sumdb", "sumdc")]) {
      const message = messageFrom(() => parseKeyArgument(text, from, "checksum database"));
      assert.ok(message.startsWith(`${from}: verifier key`), message);
      assert.match(message, /the operator of the checksum database gives it out$/);
    }
  }
});

test("a signing key given for a verifier key is never repeated", () => {
  const secret = formatSignerKey(signer);
  const message = messageFrom(() => parseKeyArgument(secret, "--log-key", "log"));
  assert.match(message, /^--log-key: that is a signing key, which is secret; give the verifier key/);
  assert.ok(!message.includes(secret.slice(-20)));
});

test("a key of another type is refused with whose it may be", () => {
  const cases: readonly (readonly [string, KeyHolder, RegExp])[] = [
    [cosigner, "checksum database", /^--x: that is a key of type 0x04, a cosigner's; .* has type 0x01$/],
    [cosigner, "log", /the key of a log has type 0x01$/],
    [vkey, "witness", /^--x: that is a key of type 0x01, which signs notes; the key of a witness has type 0x04$/],
  ];
  for (const [text, holder, says] of cases) {
    assert.match(
      messageFrom(() => parseKeyArgument(text, "--x", holder)),
      says,
    );
  }
  assert.match(
    messageFrom(() => sumdbKeyText(undefined, { GOSUMDB: cosigner })),
    /^GOSUMDB: that is a key of type 0x04/,
  );
  assert.match(
    messageFrom(() => sumdbKeyText("junk", { GOSUMDB: vkey })),
    /^--sumdb-key: /,
  );
  assert.equal(sumdbKeyText(undefined, { GOSUMDB: vkey }), vkey);
  assert.equal(sumdbKeyText(undefined, { GOSUMDB: "off" }), SUM_GOLANG_ORG);
});

test("a checksum database is a key and a URL, and what is wrong with either is said", () => {
  for (const text of ["", " ", `${vkey} http://a http://b`]) {
    assert.match(
      messageFrom(() => parseSumdbArgument(text)),
      /^--sumdb: expected a verifier key and a URL in one argument, as in --sumdb "VKEY /,
    );
  }
  const bare = parseSumdbArgument(vkey);
  assert.deepEqual([bare.url, bare.isUrlGiven], ["https://sumdb.localhost", false]);
  const far = new ProofdnsError("UNREACHABLE", "cannot read https://sumdb.localhost/latest: ENOTFOUND");
  assert.match(
    String(explainSumdb(far, bare)),
    /--sumdb has no URL, so it was made from the key's name: give one behind/,
  );
  // Not what another server is to be blamed for, nor where a URL was given.
  assert.equal(explainSumdb(new ProofdnsError("UNREACHABLE", "the server x"), bare) instanceof ProofdnsError, true);
  const other = new ProofdnsError("UNREACHABLE", "the server x cannot be reached");
  assert.equal(explainSumdb(other, bare), other);
  const named = parseSumdbArgument(`${vkey} https://sumdb.localhost`);
  assert.equal(explainSumdb(far, named), far);
  const unsigned = new ProofdnsError("BAD_SUMDB_SIGNATURE", "the note is not signed by x");
  const explained = explainSumdb(unsigned, named);
  assert.ok(explained instanceof ProofdnsError && explained.code === "BAD_SUMDB_SIGNATURE");
  assert.match(
    explained.message,
    /https:\/\/sumdb\.localhost has to sign with .*, the key in --sumdb: ask its operator/,
  );
  assert.equal(explainSumdb("x", named), "x");
});

test("a socket that cannot be bound says why, and what to do about it", () => {
  const failed = (code: string, message = `listen ${code}: 127.0.0.1:53`): string =>
    bindError("listen on 127.0.0.1:53", "--listen", Object.assign(new Error(message), { code })).message;
  assert.match(failed("EACCES"), /CAP_NET_BIND_SERVICE, or root: grant it, or choose a port from 1024 with --listen$/);
  assert.match(failed("EADDRINUSE"), /EADDRINUSE.*end it, or choose another --listen$/);
  assert.match(failed("EADDRNOTAVAIL"), /this machine has no such address: choose another --listen$/);
  assert.match(failed("ENOTFOUND", "getaddrinfo ENOTFOUND x"), /give an address of this machine in --listen$/);
  assert.match(failed("EWHATEVER"), /^cannot listen on 127\.0\.0\.1:53: .*; choose another --listen$/);
  assert.match(bindError("listen", "--doh", "odd").message, /^cannot listen: odd; choose another --doh$/);
  const known = new ProofdnsError("KEY_UNUSABLE", "the certificate");
  assert.equal(bindError("listen", "--doh", known), known);
});

test("a server that cannot be one is refused with what a server looks like", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["127.0.0.1:99999", /99999 is no port from 1 to 65535; expected HOST, HOST:PORT or/],
    ["127.0.0.1:0", /0 is no port from 1 to 65535/],
    ["dns://127.0.0.1", /named without a scheme, as in 127\.0\.0\.1:53, and one for DNS over HTTPS with https:/],
    ["tls://127.0.0.1:853", /named without a scheme/],
    ["://", /named without a scheme/],
    ["http://dns.example/dns-query", /http: would tell everyone what you ask; use https:/],
  ];
  for (const [text, says] of cases) {
    const message = messageFrom(() => parseTransport([text]));
    assert.ok(message.startsWith(`server ${JSON.stringify(text)}: `), message);
    assert.match(message, says);
  }
  assert.match(
    messageFrom(() => new DohTransport({ url: "ftp://dns.example" })),
    /it begins with ftp:, not with https:; expected one like/,
  );
});

test("a DohTransport that is made wrongly says how it is made", () => {
  for (const options of [undefined, {}, "https://dns.example/dns-query", { url: 1 }]) {
    assert.throws(() => new DohTransport(options as never), {
      name: "TypeError",
      message: /expected \{ url: "https:\/\/dns\.example\/dns-query" \}/,
    });
  }
  assert.ok(new DnsTransport({ server: "127.0.0.1:53" }));
});

test("durations, addresses and zones are refused by the name of their option", () => {
  assert.match(
    messageFrom(() => parseDuration("soon", "--poll")),
    /^--poll "soon": .*; write it like 90s/,
  );
  assert.match(
    messageFrom(() => parseHostPort("53", "--monitor")),
    /^--monitor "53": it has no port; write it like/,
  );
  for (const text of ["", "a..b", "x y", "l.example.org/p1", `${"a".repeat(64)}.org`]) {
    assert.match(
      messageFrom(() => parseZoneName(text)),
      /^zone ".*": .*expected a domain name like l\.example\.org$/,
    );
  }
});

test("spans are told in units that one can read", () => {
  const stale = new ProofdnsError(
    "STALE",
    "the freshest quorum on the head is 172858 s old; at most 86400 s are allowed",
  );
  assert.match(
    adviseOn(stale),
    /^the freshest quorum on the head is 2 d old; at most 24 h are allowed; either the log has/,
  );
  const other = new ProofdnsError("BAD_PROOF", "the record 86400 s");
  assert.match(adviseOn(other), /^the record 86400 s; /);
});
