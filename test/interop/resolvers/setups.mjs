// The validating resolvers and how each is set up: all iterate from the root hints, minimise names, and validate from the root's
// key. Port 53 each, on an address of its own.
import { Daemon } from "./daemon.mjs";
import { ask } from "./dig.mjs";
import { AUTHORITY, resolverAddress } from "./world.mjs";

/** unbound; `options` are further lines of its server clause. */
function unbound(options = []) {
  return ({ address, folder, parent }) => ({
    tool: "unbound",
    command: ["unbound", "-d", "-p", "-c", "unbound.conf"],
    files: {
      "root.hints": parent.hints,
      "unbound.conf": `server:
    interface: ${address}@53
    outgoing-interface: ${address}
    access-control: 0.0.0.0/0 allow
    do-daemonize: no
    use-syslog: no
    logfile: ""
    chroot: ""
    username: ""
    directory: "${folder}"
    pidfile: ""
    do-ip6: no
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    root-hints: "root.hints"
    trust-anchor: ". DNSKEY ${parent.dnskey}"
    trust-anchor-signaling: no
    qname-minimisation: yes
    use-caps-for-id: yes
    harden-below-nxdomain: yes
    aggressive-nsec: yes
    edns-buffer-size: 1232
    val-log-level: 2
    log-servfail: yes
    ede: yes
${options.map((line) => `    ${line}\n`).join("")}remote-control:
    control-enable: no
`,
    },
    complaints: ["servfail", "validation failure", "bogus"],
  });
}

/** BIND; `minimization` is strict or relaxed, `more` further statements. */
function bind(minimization, more = "") {
  return ({ address, folder, parent }) => ({
    tool: "named",
    command: ["named", "-g", "-n", "1", "-c", "named.conf"],
    files: {
      "root.hints": parent.hints,
      "named.conf": `options {
  directory "${folder}";
  pid-file none;
  session-keyfile "${folder}/session.key";
  listen-on port 53 { ${address}; };
  listen-on-v6 { none; };
  query-source address ${address};
  recursion yes;
  allow-query { any; };
  allow-recursion { any; };
  dnssec-validation yes;
  synth-from-dnssec yes;
  qname-minimization ${minimization};
  empty-zones-enable no;
  minimal-responses no;
  max-cache-size 64M;
};
controls { };
logging {
  category dnssec { default_stderr; };
  category lame-servers { default_stderr; };
  category query-errors { default_stderr; };
};
zone "." { type hint; file "root.hints"; };
trust-anchors { . static-key ${parent.dnskey.replace(/^(\S+ \S+ \S+) (\S+)$/, '$1 "$2"')}; };
${more}`,
    },
    complaints: ["servfail", "broken trust", "validation", "unexpected rcode", "no valid", "formerr", "lame"],
  });
}

/** Knot Resolver; `more` are further lines of its configuration. 0x20 and aggressive NSEC cannot be switched off. */
function knot(more = "") {
  return ({ address, parent }) => ({
    tool: "kresd",
    command: ["kresd", "-n", "-c", "kresd.conf", "."],
    files: {
      "root.keys": `. 3600 IN DNSKEY ${parent.dnskey}\n`,
      "root.hints": parent.hints,
      "kresd.conf": `net.listen('${address}', 53, { kind = 'dns' })
net.ipv6 = false
net.outgoing_v4('${address}')
cache.size = 32 * MB
log_level('info')
log_groups({ 'valdtr', 'iterat' })
modules = { 'hints > iterate', 'bogus_log', 'extended_error' }
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('detect_time_skew')
hints.root_file('root.hints')
trust_anchors.remove('.')
trust_anchors.add_file('root.keys', true)
${more}`,
    },
    complaints: ["bogus", "[valdtr]", "servfail", "failed"],
  });
}

/** PowerDNS Recursor; `more` are further lines of its configuration. */
function powerdns(more = "") {
  return ({ address, folder, parent }) => ({
    tool: "pdns_recursor",
    command: ["pdns_recursor", `--config-dir=${folder}`],
    files: {
      "root.hints": parent.hints,
      "anchors.lua": `clearTA('.')\naddTA('.', "${parent.ds}")\n`,
      "recursor.conf": `local-address=${address}
local-port=53
query-local-address=${address}
allow-from=0.0.0.0/0
socket-dir=${folder}
daemon=no
write-pid=no
disable-syslog=yes
loglevel=6
trace=fail
threads=1
dont-query=
hint-file=${folder}/root.hints
lua-config-file=${folder}/anchors.lua
dnssec=validate
dnssec-log-bogus=yes
qname-minimization=yes
aggressive-nsec-cache-size=100000
extended-resolution-errors=yes
security-poll-suffix=
${more}`,
    },
    complaints: ["bogus", "servfail", "server failure", "unable", "failed", "returned a"],
  });
}

const BIND_TCP = `server ${AUTHORITY} { tcp-only yes; };\n`;

/** What the recorder must have seen of a resolver at the authority; a text says why the tool has no such notion. */
const CLAIMS = {
  /** Asked for ancestors of what it was asked for. */
  minimised: true,
  /** Asked with random case. */
  mixedCase: true,
  /** "only": no UDP at all; "fallback": TCP after TC. */
  tcp: "fallback",
  /** Denied another type of a name from the NSEC it had. */
  denies: true,
};
const BIND_CLAIMS = {
  ...CLAIMS,
  mixedCase: "BIND 9.18 has no 0x20",
  denies: "BIND 9.18 does not reuse an NSEC whose next name is \\000 and the owner",
};
const KNOT_CLAIMS = {
  ...CLAIMS,
  denies: "Knot Resolver 5.6 does not reuse an NSEC whose next name is \\000 and the owner",
};
const POWERDNS_CLAIMS = {
  ...CLAIMS,
  mixedCase: "PowerDNS Recursor 4.8 has no 0x20",
  denies: "PowerDNS Recursor 4.8 does not reuse an NSEC whose next name is \\000 and the owner",
};

/** Knot Resolver answers ANY by itself, without a question to the authority. */
const refusesAny = ({ expect }) => expect === "any" && "Knot Resolver 5.6 answers ANY with SERVFAIL and asks nobody";

/** All setups; `cannot` says why a case is not for it. */
export const SETUPS = [
  { name: "unbound", make: unbound(), claims: CLAIMS },
  { name: "unbound strict", make: unbound(["qname-minimisation-strict: yes"]), claims: CLAIMS },
  { name: "unbound tcp", make: unbound(["tcp-upstream: yes"]), claims: { ...CLAIMS, tcp: "only" } },
  { name: "bind relaxed", make: bind("relaxed"), claims: BIND_CLAIMS },
  { name: "bind strict", make: bind("strict"), claims: BIND_CLAIMS },
  { name: "bind tcp", make: bind("strict", BIND_TCP), claims: { ...BIND_CLAIMS, tcp: "only" } },
  { name: "knot", make: knot(), cannot: refusesAny, claims: KNOT_CLAIMS },
  {
    name: "knot tcp",
    make: knot("option('TCP', true)\n"),
    cannot: refusesAny,
    claims: { ...KNOT_CLAIMS, tcp: "only" },
  },
  { name: "pdns", make: powerdns(), claims: POWERDNS_CLAIMS },
  // It cannot be told to use TCP alone; with so small a buffer every answer with a proof is truncated first.
  { name: "pdns 512", make: powerdns("edns-outgoing-bufsize=512\n"), claims: POWERDNS_CLAIMS },
];

/** Starts the i-th setup and waits until it answers for the root. */
export async function startSetup(i, folder, parent) {
  const setup = SETUPS[i];
  const address = resolverAddress(i);
  const { command, files, complaints } = setup.make({ address, folder, parent });
  const daemon = new Daemon(setup.name, { folder, command, files });
  await daemon.until(async () => {
    const { reply } = await ask(address, ".", "SOA", { time: 1 });
    return reply?.status === "NOERROR" && reply.flags.includes("ad") ? reply : undefined;
  });
  return { cannot: () => false, ...setup, address, daemon, complaints };
}
