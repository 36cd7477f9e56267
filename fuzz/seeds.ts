import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { clientCookieSeeds, dohSeeds, proofFileSeeds } from "./seeds/client.ts";
import {
  cookieSeeds,
  dnssecSeeds,
  nameSeeds,
  rateLimitSeeds,
  responderSeeds,
  tcpSeeds,
  txtReplySeeds,
} from "./seeds/dns.ts";
import { buildInfoSeeds, goModSeeds, goWorkSeeds, versionQuerySeeds } from "./seeds/go.ts";
import {
  answerSeeds,
  evidenceSeeds,
  headSeeds,
  lookupSeeds,
  mapSeeds,
  payloadSeeds,
  tlogSeeds,
  transitionSeeds,
  treeSeeds,
  versionsSeeds,
} from "./seeds/proofs.ts";
import type { Seeds } from "./seeds/seed.ts";
import { storeSeeds } from "./seeds/store.ts";
import {
  encodingSeeds,
  goSumSeeds,
  linesSeeds,
  longSeeds,
  memorySeeds,
  modulePathSeeds,
  moduleStateSeeds,
  noteSeeds,
  operatorInputSeeds,
  policySeeds,
  recordSeeds,
  sumdbSeeds,
  valueSeeds,
  versionSeeds,
} from "./seeds/text.ts";

/**
 * Makes `fuzz/corpus`: the inputs from which engines begin, always the same. `node --import tsx fuzz/seeds.ts` writes them,
 * with `--check` it fails if one is missing, too many or another.
 */
export const seeds: { readonly [target: string]: () => Seeds } = {
  answer: answerSeeds,
  "build-info": buildInfoSeeds,
  "client-cookie": clientCookieSeeds,
  cookie: cookieSeeds,
  dnssec: dnssecSeeds,
  doh: dohSeeds,
  encoding: encodingSeeds,
  evidence: evidenceSeeds,
  "go-mod": goModSeeds,
  "go-sum": goSumSeeds,
  "go-work": goWorkSeeds,
  head: headSeeds,
  lines: linesSeeds,
  long: longSeeds,
  lookup: lookupSeeds,
  map: mapSeeds,
  memory: memorySeeds,
  "module-path": modulePathSeeds,
  "module-state": moduleStateSeeds,
  name: nameSeeds,
  note: noteSeeds,
  "operator-input": operatorInputSeeds,
  payload: payloadSeeds,
  policy: policySeeds,
  "proof-file": proofFileSeeds,
  "rate-limit": rateLimitSeeds,
  record: recordSeeds,
  responder: responderSeeds,
  store: storeSeeds,
  sumdb: sumdbSeeds,
  tcp: tcpSeeds,
  tlog: tlogSeeds,
  transition: transitionSeeds,
  tree: treeSeeds,
  "txt-reply": txtReplySeeds,
  value: valueSeeds,
  version: versionSeeds,
  "version-query": versionQuerySeeds,
  versions: versionsSeeds,
};

const corpus = new URL("corpus/", import.meta.url);

/** What `fuzz/corpus` holds beside or instead of the seeds; empty if they are the same. */
export function findDifferences(): string[] {
  const found: string[] = [];
  const targets = new Set([...Object.keys(seeds), ...readdirSync(corpus)]);
  for (const target of targets) {
    const made = seeds[target]?.() ?? {};
    const kept = new Set(seeds[target] === undefined || readdirSync(corpus).includes(target) ? listFiles(target) : []);
    for (const name of new Set([...Object.keys(made), ...kept])) {
      const data = made[name];
      const isSame =
        data !== undefined && kept.has(name) && readFileSync(new URL(`${target}/${name}`, corpus)).equals(data);
      if (!isSame) found.push(`${target}/${name}`);
    }
  }
  return found;
}

function listFiles(target: string): string[] {
  return readdirSync(new URL(`${target}/`, corpus));
}

function writeAll(): number {
  let count = 0;
  rmSync(corpus, { recursive: true, force: true });
  for (const [target, make] of Object.entries(seeds)) {
    mkdirSync(new URL(`${target}/`, corpus), { recursive: true });
    for (const [name, data] of Object.entries(make())) {
      writeFileSync(new URL(`${target}/${name}`, corpus), data);
      count++;
    }
  }
  return count;
}

if (
  process.argv[1] !== undefined &&
  import.meta.url.endsWith("/seeds.ts") &&
  process.argv[1].endsWith("/fuzz/seeds.ts")
) {
  if (process.argv[2] === "--check") {
    const differences = findDifferences();
    for (const name of differences) process.stderr.write(`fuzz/corpus/${name} is not what fuzz/seeds.ts makes\n`);
    process.exitCode = differences.length > 0 ? 1 : 0;
  } else process.stdout.write(`${writeAll()} seeds written\n`);
}
