// Checks of the zone as a whole. Each gives its name, `problems`, and `remarks`: what a tool says and why it is no problem.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CASES } from "./cases.mjs";
import { run } from "./daemon.mjs";
import { ask, rdataOf } from "./dig.mjs";
import { readRecording } from "./recorder.mjs";
import { PYTHON } from "./tools.mjs";
import { AUTHORITY, ROOT, ZONE } from "./world.mjs";

/** The DS that the operator is told is the one that dnssec-dsfromkey makes of the DNSKEY, and CDS says the same. */
export async function auditDs({ folder, authority }) {
  const name = "DS of the ready line";
  const { stdout, stderr } = await run("dnssec-dsfromkey", ["-2", "-f", join(folder, "keys.txt"), ZONE]);
  const computed = normalizeDs(stdout.split(" DS ")[1] ?? stderr);
  const told = authority.ds.map(normalizeDs);
  const problems = told.includes(computed) ? [] : [`is ${told.join(", ")}; of the DNSKEY it is ${computed}`];
  const cds = rdataOf((await ask(AUTHORITY, ZONE, "CDS", { rd: false })).reply?.answer ?? [], "CDS").map(normalizeDs);
  for (const ds of cds) if (!told.includes(ds)) problems.push(`CDS says ${ds}`);
  return { name, problems, remarks: [] };
}

function normalizeDs(text) {
  const [keyTag, algorithm, digestType, ...digest] = text.trim().split(/\s+/);
  return [keyTag, algorithm, digestType, digest.join("").toUpperCase()].join(" ");
}

/** dnspython decodes every reply that the authority sent to anyone, and verifies its signatures. */
export async function auditDecoding({ folder, recorder }) {
  const messages = await readRecording(recorder);
  const replies = [...new Set(messages.filter(({ reply }) => reply).map(({ hex }) => hex))];
  const script = fileURLToPath(new URL("../dnspython.py", import.meta.url));
  const { stdout, stderr, status, why } = await run(PYTHON, [script, "--brief", "--keys", join(folder, "keys.txt")], {
    input: replies.map((hex) => `${hex}\n`).join(""),
    timeout: 60_000,
  });
  const verdicts = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const problems = status === 0 && verdicts.length === replies.length ? [] : [`dnspython failed: ${why} ${stderr}`];
  let signatures = 0;
  for (const [i, verdict] of verdicts.entries()) {
    signatures += verdict.signatures ?? 0;
    if (!verdict.ok) problems.push(`${verdict.error}: ${replies[i].slice(0, 2_000)}`);
  }
  if (replies.length < 500) problems.push(`only ${replies.length} replies were recorded`);
  const name = `dnspython: ${replies.length} replies decoded, ${signatures} signatures verified`;
  return { name, problems: problems.slice(0, 10), remarks: [] };
}
/** Names that dnsviz asks for: an answer, a proof of absence, a large one, an empty non-terminal and what does not exist. */
const DNSVIZ_CASES = [
  "module",
  "absent module",
  "19 KB: a page of 256",
  "ENT p1, type A",
  "ENT _.host.v0",
  "NXDOMAIN in v0",
];

/** What dnsviz says that is no problem here, by its code. */
const DNSVIZ_ARGUED = {};

/** dnsviz finds a chain of trust from the root, and nothing to say about the zone and some of its names. */
export async function auditDnsviz({ folder, parent }) {
  const name = "dnsviz: probe and grok";
  const anchor = join(folder, "root.keys");
  writeFileSync(anchor, `. 3600 IN DNSKEY ${parent.dnskey}\n`);
  const script = fileURLToPath(new URL("run-dnsviz.py", import.meta.url));
  const names = CASES.filter(({ title }) => DNSVIZ_CASES.includes(title)).map((test) => test.name);
  const problems = new Set();
  const remarks = new Set();
  // The zone with all questions of dnsviz, also about EDNS; then names with the types that matter.
  const probes = [
    { file: "zone.json", flags: ["-E"], asked: [ZONE] },
    { file: "names.json", flags: ["-R", "TXT,A,NS"], asked: names },
  ];
  for (const { file, flags, asked } of probes) {
    const servers = ["-x", `.+:a.root-server.example=${ROOT}`, "-x", `${ZONE}:ns1.${ZONE}=${AUTHORITY}`];
    const probe = [script, "probe", "-4", "-A", "-a", ".", ...flags, ...servers, "-o", file, ...asked];
    const probed = await run(PYTHON, probe, { cwd: folder, timeout: 60_000 });
    const grok = [script, "grok", "-P", "-t", anchor, "-r", file, "-l", "info"];
    const { stdout, stderr, why } =
      probed.status === 0 ? await run(PYTHON, grok, { cwd: folder, timeout: 60_000 }) : probed;
    let found;
    try {
      found = JSON.parse(stdout);
    } catch {
      return { name, problems: [`${why} ${stderr.split("\n").slice(-5).join(" ")}`], remarks: [] };
    }
    const trust = found[`${ZONE}.`]?.delegation?.status;
    if (trust !== "SECURE") problems.add(`the delegation is ${trust}`);
    for (const owner of asked) {
      if (found[`${owner}.`]?.queries === undefined) problems.add(`nothing was asked for ${owner}`);
    }
    walk(found, "", (level, code, text) => {
      if (DNSVIZ_ARGUED[code] === undefined) problems.add(`${level} ${code}: ${text}`);
      else remarks.add(`${level} ${code}: ${DNSVIZ_ARGUED[code]}`);
    });
  }
  return { name, problems: [...problems], remarks: [...remarks] };
}

const GOOD = new Set(["NOERROR", "NXDOMAIN", "SECURE", "VALID"]);

/** Reports all errors and warnings in what grok says, and every status that is no good one. */
function walk(node, path, report) {
  for (const [key, value] of Object.entries(node)) {
    const here = `${path}/${Array.isArray(node) ? (value?.id ?? key) : key}`;
    if (key === "errors" || key === "warnings") {
      for (const { code, description } of value) report(key, code, `${path}: ${description}`);
    } else if (key === "status" && !GOOD.has(value)) report("status", value, path);
    else if (typeof value === "object" && value !== null) walk(value, here, report);
  }
}

/** What zonemaster says that is no problem here, by its tag. */
const ZONEMASTER_ARGUED = {
  NAMESERVER_IP_PRIVATE_NETWORK: "the name server of this test has an address for documentation",
  NAMESERVER_IP_WITHOUT_REVERSE: "there is no reverse zone below the root of this test",
  NOT_ENOUGH_NS_DEL: "this test runs one server",
  NOT_ENOUGH_NS_CHILD: "this test runs one server",
  NOT_ENOUGH_IPV4_NS_DEL: "this test runs one server",
  NOT_ENOUGH_IPV4_NS_CHILD: "this test runs one server",
  NO_IPV6_NS_DEL: "this test uses IPv4",
  NO_IPV6_NS_CHILD: "this test uses IPv4",
  RNAME_MAIL_DOMAIN_INVALID: "the zone has no mail; an operator gives a mailbox elsewhere by --hostmaster",
  Z09_MISSING_MAIL_TARGET: "the zone has no mail",
  REFRESH_MINIMUM_VALUE_LOWER: "the SOA's times are for secondaries, and a zone of answers made on demand has none",
  RETRY_MINIMUM_VALUE_LOWER: "as for REFRESH_MINIMUM_VALUE_LOWER",
  EXPIRE_MINIMUM_VALUE_LOWER: "as for REFRESH_MINIMUM_VALUE_LOWER",
};

/** What it says of a good zone: it was found below the root, and its signatures, denials and manners were looked at. */
const ZONEMASTER_WANTED = [
  "HAS_PARENT",
  "HAS_NAMESERVERS",
  "ALGORITHM_OK",
  "DS10_HAS_NSEC",
  "DS15_HAS_CDS_AND_CDNSKEY",
  "EDNS0_SUPPORT",
  "NO_RECURSOR",
  "QNAME_CASE_SENSITIVE",
];

/** All tests of zonemaster, from the root. */
export async function auditZonemaster({ folder, parent }) {
  const hints = join(folder, "zonemaster.hints");
  // It reads hints without TTL only.
  writeFileSync(hints, parent.hints.replaceAll(" 3600 IN ", " "));
  const args = ["--no-ipv6", "--hints", hints, "--level=INFO", "--no-json", "--raw", ZONE];
  const { stdout, stderr, status, why } = await run("zonemaster-cli", args, { timeout: 90_000 });
  const lines = [...stdout.matchAll(/^\s*(?:[0-9.]+\s+)?(CRITICAL|ERROR|WARNING|NOTICE|INFO)\s+(\w+)\s*(.*)$/gm)];
  const problems = [];
  if (status !== 0) problems.push(`${why} ${stderr}${stdout}`);
  for (const tag of ZONEMASTER_WANTED) {
    if (!lines.some((line) => line[2] === tag)) problems.push(`it did not say ${tag}`);
  }
  const remarks = [];
  for (const [, level, tag, details] of lines.filter((line) => line[1] !== "INFO")) {
    const argued = ZONEMASTER_ARGUED[tag];
    if (argued === undefined) problems.push(`${level} ${tag} ${details}`);
    else remarks.push(`${level} ${tag}: ${argued}`);
  }
  return { name: `zonemaster: ${lines.length} messages`, problems, remarks };
}
