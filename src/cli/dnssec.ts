import { join, resolve } from "node:path";
import { Command } from "commander";
import {
  ALGORITHM,
  type Algorithm,
  computeDs,
  DNSKEY_TTL,
  DNSSEC_FOLDER,
  formatDnskey,
  formatDs,
  formatTime,
  isAlgorithm,
  isAnnounced,
  listUnusedKeyTags,
  makeFirstKey,
  nextStep,
  type RollStep,
  readZoneKeys,
  rollZoneKeys,
  type ZoneKeys,
  ZoneSigner,
} from "../dns/dnssec/index.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { EXIT } from "./exit-code.ts";
import { parseZoneName } from "./zone-name.ts";

interface KeyOptions {
  readonly zone: string;
  readonly data: string;
}

/** Where the lines go, and the time; a test puts itself between. */
export interface DnssecSeams {
  /** Unix seconds. */
  readonly now: () => number;
  /** Results. */
  readonly print: (line: string) => void;
  /** Advice and warnings. */
  readonly advise: (line: string) => void;
}

const SEAMS: DnssecSeams = {
  now: () => Math.floor(Date.now() / 1000),
  print: (line) => console.log(line),
  advise: (line) => console.error(line),
};

const RELOAD = "send SIGHUP to the running servers of the zone";

/** Makes the command `proofdns dnssec`: the keys that a zone is signed with (spec/dnssec.md §6, §7). */
export function makeDnssecCommand(seams: DnssecSeams = SEAMS): Command {
  const command = new Command("dnssec").description("make, show and replace the keys that sign a zone");
  const add = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .exitOverride()
      .showHelpAfterError("(--help shows the options)")
      .requiredOption("--zone <zone>", "zone that the keys are of, such as l.example.org")
      .requiredOption("--data <dir>", `folder of the server; the keys are in its folder ${DNSSEC_FOLDER}`);
  add("keygen", "make the first key of a zone, and print the DS for its parent")
    .option("--algorithm <number>", "13 (ECDSA P-256) or 15 (Ed25519)", String(ALGORITHM.ECDSAP256SHA256))
    .action(async (options: KeyOptions & { algorithm: string }) => keygen(options, seams));
  add("ds", "print the DS records that the parent is to have")
    .option("--dnskey", "also print the DNSKEY records")
    .option("--json", "print one JSON object")
    .action(async (options: KeyOptions & { dnskey?: boolean; json?: boolean }) => showDs(options, seams));
  add("roll", "replace the key, one step a call: publish a new one, sign with it, remove the old one")
    .option("--ds-seen", "all servers of the parent answer the DS of the new key")
    .option("--force", "do not wait until resolvers have forgotten the state before")
    .option("--status", "only show where the roll is")
    .action(async (options: KeyOptions & { dsSeen?: boolean; force?: boolean; status?: boolean }) => {
      process.exitCode = await roll(options, seams);
    });
  return command;
}

async function keygen(options: KeyOptions & { algorithm: string }, seams: DnssecSeams): Promise<void> {
  const algorithm = parseAlgorithm(options.algorithm);
  const { zone, folder } = placeOf(options);
  const keys = await makeFirstKey(folder, zone, algorithm, seams.now());
  printDs(keys, seams);
  seams.advise(
    `key ${keys.keys[0]?.keyTag} of algorithm ${keys.algorithm} is in ${folder}; keep a copy of this folder`,
  );
  seams.advise(`${RELOAD}; when all of them have signed for a day, have this DS put at the zone's parent`);
}

async function showDs(options: KeyOptions & { dnskey?: boolean; json?: boolean }, seams: DnssecSeams): Promise<void> {
  const { zone, folder } = placeOf(options);
  const keys = await readZoneKeys(folder, zone);
  const signer = new ZoneSigner(keys);
  if (options.json) {
    const shown = keys.keys.map(({ keyTag, phase, since }, i) => {
      const dnskey = signer.dnskeyRdatas[i] as Uint8Array;
      const ds = formatDs(computeDs(signer.apex, dnskey));
      return { keyTag, phase, since, ds, dnskey: formatDnskey(dnskey), cds: signer.ds.includes(ds) };
    });
    seams.print(JSON.stringify({ zone: `${zone}.`, algorithm: keys.algorithm, ds: signer.ds, keys: shown }));
    return;
  }
  printDs(keys, seams);
  if (options.dnskey) {
    for (const rdata of signer.dnskeyRdatas) seams.print(`${zone}. ${DNSKEY_TTL} IN DNSKEY ${formatDnskey(rdata)}`);
  }
  const step = nextStep(keys.keys);
  if (step.kind === "switch") {
    seams.advise(
      `the DS of ${step.to} is that of the new key: it is to stand beside that of ${step.from}, which may go from ${formatTime(step.notBefore)} on`,
    );
  }
  seams.advise(`CDS and CDNSKEY announce the same to parents that look for them: ${announced(keys).join(" and ")}`);
}

/** The exit code: a step that is refused is not a failure of the keys. */
async function roll(
  options: KeyOptions & { dsSeen?: boolean; force?: boolean; status?: boolean },
  seams: DnssecSeams,
): Promise<number> {
  const { zone, folder } = placeOf(options);
  if (options.status) {
    if (options.dsSeen || options.force) {
      throw new ProofdnsError("MALFORMED_INPUT", "--status takes no step: leave --ds-seen and --force out");
    }
    await showStatus(await readZoneKeys(folder, zone), folder, seams);
    return EXIT.proven;
  }
  const flags = { dsSeen: options.dsSeen === true, force: options.force === true };
  const outcome = await rollZoneKeys(folder, zone, flags, seams.now());
  if (outcome.kind === "refused") {
    seams.advise(`proofdns: ${outcome.why}`);
    return EXIT.unchecked;
  }
  const { step, keys, warning } = outcome;
  if (warning !== undefined) seams.advise(`warning: ${warning}`);
  seams.print(describeTaken(step, keys));
  if (step.kind !== "remove") printDs(keys, seams);
  seams.advise(step.kind === "remove" ? RELOAD : `${RELOAD} now: the waiting time counts from this moment`);
  seams.advise(describeNext(nextStep(keys.keys)));
  return EXIT.proven;
}

async function showStatus(keys: ZoneKeys, folder: string, seams: DnssecSeams): Promise<void> {
  const cds = announced(keys);
  for (const { keyTag, phase, since } of keys.keys) {
    const parent = cds.includes(keyTag) ? "announced to the parent" : "not announced to the parent";
    seams.print(`key ${keyTag}: ${phase} since ${formatTime(since)}, ${parent}`);
  }
  seams.print(describeNext(nextStep(keys.keys)));
  for (const tag of await listUnusedKeyTags(folder, keys)) {
    seams.advise(`${folder} has a file of the key ${tag}, which nothing uses: a stopped roll has left it, or a person`);
  }
}

function describeTaken(step: RollStep, keys: ZoneKeys): string {
  switch (step.kind) {
    case "publish":
      return `published the new key ${keys.keys.find(({ phase }) => phase === "published")?.keyTag}; the zone is still signed by ${activeTag(keys)}`;
    case "switch":
      return `the zone is signed by ${step.to} from now on; ${step.from} stays published`;
    case "remove":
      return `removed key ${step.keyTag} and its file`;
  }
}

function describeNext(step: RollStep): string {
  switch (step.kind) {
    case "publish":
      return "next: nothing; roll publishes a new key";
    case "switch":
      return `next: have the DS of ${step.to} put at the parent beside that of ${step.from}, then roll --ds-seen, not before ${formatTime(step.notBefore)}`;
    case "remove":
      return `next: roll removes key ${step.keyTag}, not before ${formatTime(step.notBefore)}; the parent may drop its DS now`;
  }
}

function activeTag(keys: ZoneKeys): number | undefined {
  return keys.keys.find(({ phase }) => phase === "active")?.keyTag;
}

/** Tags of the keys in CDS and CDNSKEY. */
function announced(keys: ZoneKeys): readonly number[] {
  return keys.keys.filter(isAnnounced).map(({ keyTag }) => keyTag);
}

function printDs(keys: ZoneKeys, seams: DnssecSeams): void {
  for (const ds of new ZoneSigner(keys).ds) seams.print(`${keys.zone}. IN DS ${ds}`);
}

function placeOf(options: KeyOptions): { zone: string; folder: string } {
  return { zone: parseZoneName(options.zone), folder: join(resolve(options.data), DNSSEC_FOLDER) };
}

function parseAlgorithm(text: string): Algorithm {
  const number = parseDecimal(text);
  if (number === undefined || !isAlgorithm(number)) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `--algorithm ${JSON.stringify(text.slice(0, 40))}: expected 13 (ECDSA P-256) or 15 (Ed25519)`,
    );
  }
  return number;
}
