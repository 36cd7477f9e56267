// Tools that ask the authority itself: two validators (delv, drill) and one that shows the exact form (kdig).
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { quote, run } from "./daemon.mjs";
import { AUTHORITY, ZONE } from "./world.mjs";

/** Writes the files that delv and drill read the trust anchor from. `dnskey`: RDATA with the base64 in one piece. */
export function writeAnchors(folder, dnskey) {
  const [flags, protocol, algorithm, key] = dnskey.split(" ");
  writeFileSync(
    join(folder, "delv.anchor"),
    `trust-anchors { "${ZONE}." static-key ${flags} ${protocol} ${algorithm} "${key}"; };\n`,
  );
  writeFileSync(join(folder, "keys.txt"), `${ZONE}. 3600 IN DNSKEY ${dnskey}\n`);
}

/**
 * The tools: `ask` gives the command's words, `judge` why its output is not what the case expects, and `cannot` why it has no
 * such notion.
 */
export const DIRECT = [
  {
    name: "delv",
    args: ({ name, type }, folder) => [
      `@${AUTHORITY}`,
      ...["-a", join(folder, "delv.anchor"), `+root=${ZONE}`, "-q", name, "-t", type],
    ],
    cannot: ({ expect, isParents }) =>
      (expect === "any" && "delv refuses the type ANY") || (isParents && "the parent has the DS"),
    judge({ expect }, text) {
      const wanted = expect === "rr" ? /^; fully validated$/m : /^; negative response, fully validated$/m;
      return wanted.test(text) ? undefined : `without ${wanted.source}`;
    },
  },
  {
    name: "drill",
    args: ({ name, type }, folder) => ["-D", "-k", join(folder, "keys.txt"), "-a", `@${AUTHORITY}`, name, type],
    cannot: ({ expect, isParents }) =>
      (expect === "any" && "drill verifies nothing of an answer to ANY") || (isParents && "the parent has the DS"),
    // Of a denial it checks the bitmap, not the signature.
    judge({ expect }, text) {
      const wanted = expect === "rr" || expect === "any" ? /^; VALIDATED by id = /m : /^; Existence denied for /m;
      return wanted.test(text) ? undefined : `without ${wanted.source}`;
    },
  },
  {
    name: "kdig",
    args: ({ name, type }) => [`@${AUTHORITY}`, "+dnssec", "+nordflag", "+retry=0", "+time=5", "-q", name, "-t", type],
    cannot: () => false,
    // The child has no DS: it denies it.
    judge: (test, text) => judgeForm(test.isParents ? { ...test, expect: "nodata" } : test, text),
  },
];

/** The exact form that RFC 9824 §3 gives a signed answer and a signed denial. */
function judgeForm({ expect, type, long }, text) {
  const said = text.match(/status: (\w+);/)?.[1];
  if (said !== "NOERROR") return said ?? "no reply";
  if (!/Flags: qr aa/.test(text)) return "without AA";
  if (expect === "rr" || expect === "any") {
    const covered = expect === "any" ? "\\w+" : type;
    return new RegExp(`\\sRRSIG\\s+${covered} 13 `).test(text) ? undefined : "without RRSIG";
  }
  const [, owner, next, types] = text.match(/^(\S+)\s+\d+\s+IN\s+NSEC\s+(\S+) (.+)$/m) ?? [];
  if (owner === undefined) return "without NSEC";
  for (const covered of ["SOA", "NSEC"]) {
    if (!new RegExp(`\\sRRSIG\\s+${covered} 13 `).test(text)) return `without the RRSIG of ${covered}`;
  }
  if (long !== true && next.toLowerCase() !== `\\000.${owner.toLowerCase()}`) return `NSEC from ${owner} to ${next}`;
  const isAbsent = types.split(" ").some((name) => name === "TYPE128" || name === "NXNAME");
  if (isAbsent !== (expect === "nxdomain")) return `a bitmap of ${types}`;
  return types.split(" ").includes(type) ? `the bitmap has ${type}: ${types}` : undefined;
}

/** Asks with one tool for one case: why it is not right, with the command and its output; undefined if it is right. */
export async function askDirectly(tool, test, folder) {
  const args = tool.args(test, folder);
  const { stdout, stderr, why } = await run(tool.name, args);
  const text = `${stdout}${stderr}${why}`;
  const reason = tool.judge(test, text);
  return reason === undefined ? undefined : { reason, command: quote(tool.name, args), text };
}
