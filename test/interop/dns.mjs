#!/usr/bin/env node
// Asks a real DnsServer with dig, kdig and drill: `node test/interop/dns.mjs`. One line a case; exit status 1 if any
// fails or a tool is missing (Debian: bind9-dnsutils, knot-dnsutils, ldnsutils).
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { tsImport } from "tsx/esm/api";

const Z = "l.example.org";
const run = promisify(execFile);
const { DnsServer, respond } = await tsImport("../../src/dns/index.ts", import.meta.url);
const { makeData, makeTestZone, NOW } = await tsImport("../dns/fake-zone.ts", import.meta.url);

const zone = makeTestZone();
const data = makeData();
const server = new DnsServer({
  respond: (bytes, { transport }) => respond(bytes, transport, zone, data, NOW),
  port: 0,
  log: (what, error) => console.error(what, error),
});
const { port } = await server.listen();

const VALUE = "v=v0.40.0 i=19929 h=aaaa m=bbbb s=cccc";
const MODULE = `mod.x._.golang.org.p1.${Z}`;
const LARGE = `mod.x._.golang.org._versions.p1.${Z}`;
const KEY = `${"a".repeat(52)}._k.p1.${Z}`;

/** What each tool is told for an option, undefined where it cannot. */
const TOOLS = {
  dig: (name, type, o) => [
    "@127.0.0.1",
    "-p",
    port,
    "+norec",
    "+tries=1",
    "+time=3",
    name,
    type,
    ...(o.tcp ? ["+tcp"] : ["+notcp"]),
    ...(o.noEdns ? ["+noedns"] : ["+nocookie", `+bufsize=${o.size ?? 1232}`]),
    ...(o.dnssec ? ["+dnssec"] : []),
    ...(o.ignore ? ["+ignore"] : []),
    ...(o.version ? [`+edns=${o.version}`, "+noednsneg"] : []),
    ...(o.cookie ? ["+cookie"] : []),
    ...(o.subnet ? ["+subnet=192.0.2.0/24"] : []),
    ...(o.opcode ? [`+opcode=${o.opcode}`] : []),
    ...(o.class ? ["-c", o.class] : []),
  ],
  kdig: (name, type, o) =>
    o.opcode
      ? undefined
      : [
          "@127.0.0.1",
          "-p",
          port,
          "+nordflag",
          "+retry=0",
          "+time=3",
          name,
          type,
          ...(o.tcp ? ["+tcp"] : ["+notcp"]),
          ...(o.noEdns ? ["+noedns"] : [`+edns=${o.version ?? 0}`, `+bufsize=${o.size ?? 1232}`]),
          ...(o.dnssec ? ["+dnssec"] : []),
          ...(o.ignore ? ["+ignore"] : []),
          ...(o.cookie ? ["+cookie"] : []),
          ...(o.subnet ? ["+subnet=192.0.2.0/24"] : []),
          ...(o.class ? ["-c", o.class] : []),
        ],
  drill: (name, type, o) =>
    o.version || o.cookie || o.subnet || o.opcode
      ? undefined
      : [
          "-p",
          port,
          "-o",
          "rd",
          ...(o.tcp ? ["-t"] : ["-u"]),
          ...(o.noEdns ? [] : ["-b", o.size ?? 1232]),
          ...(o.dnssec ? ["-D"] : []),
          ...(o.ignore ? [] : ["-a"]),
          name,
          "@127.0.0.1",
          type,
          ...(o.class ? [o.class] : []),
        ],
};

/** Name, type, options, and what the tool's text must and must not hold. */
const CASES = [
  ["module", MODULE, "TXT", {}, [/NOERROR/, /flags:.*\baa\b/i, VALUE, /\b100\s+IN\s+TXT/]],
  ["module, no EDNS, truncated", MODULE, "TXT", { noEdns: true, ignore: true }, [/NOERROR/, /\btc\b/], [VALUE]],
  ["module, no EDNS, then TCP", MODULE, "TXT", { noEdns: true, tcp: true }, [/NOERROR/, VALUE]],
  ["module by TCP", MODULE, "TXT", { tcp: true }, [/NOERROR/, VALUE]],
  ["module, DO", MODULE, "TXT", { dnssec: true }, [/NOERROR/, VALUE]],
  [
    "module, mixed case",
    "MoD.x._.GOlang.org.P1.L.example.ORG",
    "TXT",
    {},
    [VALUE, /mod\.x\._\.golang\.org\.p1\.l\.example\.org\.\s+100/i],
  ],
  ["module, cookie", MODULE, "TXT", { cookie: true }, [/NOERROR/, VALUE]],
  ["module, client subnet", MODULE, "TXT", { subnet: true }, [/NOERROR/, VALUE]],
  ["absent module", `absent._.golang.org.p1.${Z}`, "TXT", {}, [/NOERROR/, /TXT\s+"" "/]],
  ["index key", KEY, "TXT", {}, [/NOERROR/, /TXT\s+"" "/]],
  ["large answer, truncated", LARGE, "TXT", { ignore: true }, [/NOERROR/, /\btc\b/], [VALUE]],
  ["large answer by TCP", LARGE, "TXT", { tcp: true }, [/NOERROR/, VALUE]],
  ["large answer, size 512", LARGE, "TXT", { size: 512, ignore: true }, [/\btc\b/], [VALUE]],
  ["head", `_head.p1.${Z}`, "TXT", {}, [/NOERROR/, /\b30\s+IN\s+TXT/]],
  ["past head", `e3._head.p1.${Z}`, "TXT", {}, [/\b86400\s+IN\s+TXT/]],
  ["future head", `e99._head.p1.${Z}`, "TXT", {}, [/NOERROR/, /\b5\s+IN\s+SOA/]],
  ["v0", `mox.mjl_2d._.github.com.v0.${Z}`, "TXT", {}, ['"v=v0.0.15 t=6802a84d"']],
  ["v0 ancestor", `_.github.com.v0.${Z}`, "A", {}, [/NOERROR/, /IN\s+SOA/]],
  ["SOA", Z, "SOA", {}, [/host\\\.master\.example\.org\. 10 3600 600 86400 300/]],
  [
    "NS and glue",
    Z,
    "NS",
    {},
    [/NS\s+ns1\.l\.example\.org\./, /NS\s+ns\.other\.example\./, /\bA\s+192\.0\.2\.1/, /AAAA\s+2001:db8::1/],
  ],
  ["address", `ns1.${Z}`, "AAAA", {}, [/AAAA\s+2001:db8::1/]],
  ["empty non-terminal", `_.golang.org.p1.${Z}`, "NS", {}, [/NOERROR/, /\b300\s+IN\s+SOA/]],
  ["NXDOMAIN", `nothing.${Z}`, "TXT", {}, [/NXDOMAIN/, /\baa\b/, /\b300\s+IN\s+SOA/]],
  ["ANY", MODULE, "ANY", {}, [/HINFO\s+"RFC8482" ""/]],
  ["unknown type", MODULE, "TYPE1000", {}, [/NOERROR/, /IN\s+SOA/]],
  ["out of the zone", "other.example", "A", {}, [/REFUSED/], [/flags:.*\baa\b/i]],
  ["class CH", "version.bind", "TXT", { class: "CH" }, [/REFUSED/]],
  ["EDNS version 1", MODULE, "TXT", { version: 1 }, [/BADVERS/], [VALUE]],
  ["opcode 15", MODULE, "TXT", { opcode: 15, noEdns: true }, [/NOTIMP/]],
];

const holds = (text, pattern) => (typeof pattern === "string" ? text.includes(pattern) : pattern.test(text));
let failed = 0;
for (const [tool, args] of Object.entries(TOOLS)) {
  for (const [what, name, type, options, wanted, unwanted = []] of CASES) {
    const given = args(name, type, options);
    if (given === undefined) {
      console.log(`-    ${tool}: ${what} (it cannot ask this)`);
      continue;
    }
    let text;
    try {
      const done = await run(tool, given.map(String), { timeout: 10_000 });
      text = done.stdout + done.stderr;
    } catch (error) {
      text = `${error.stdout ?? ""}${error.stderr ?? ""}${error.code === "ENOENT" ? "not installed" : ""}`;
    }
    const missing = wanted.filter((p) => !holds(text, p));
    const extra = unwanted.filter((p) => holds(text, p));
    if (missing.length + extra.length === 0) {
      console.log(`ok   ${tool}: ${what}`);
      continue;
    }
    failed++;
    console.log(`FAIL ${tool}: ${what}`);
    for (const p of missing) console.log(`       without ${p}`);
    for (const p of extra) console.log(`       with ${p}`);
    console.log(text.replace(/^/gm, "       | "));
  }
}
await server.close();
console.log(failed === 0 ? "all passed" : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
