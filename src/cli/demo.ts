import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { Client, type Lookup } from "../client/client.ts";
import { FolderMemoryStore } from "../client/memory-folder.ts";
import { DnsTransport } from "../client/transport-dns.ts";
import { makeTrust, type Subject, subjectText } from "../client/verify/index.ts";
import { encodePathName } from "../dns/module-name.ts";
import { makeZone } from "../dns/zone.ts";
import { Service } from "../service/service.ts";
import { Store } from "../store/store.ts";
import { SumdbFollower } from "../sumdb/follower.ts";
import { readGoSumFiles } from "../sumdb/go-sum.ts";
import { HttpSumdbSource } from "../sumdb/http-source.ts";
import { readRecordsFile } from "../sumdb/records-file.ts";
import { SumdbServer } from "../sumdb/server.ts";
import { encodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { familyOf, isModulePath } from "../vindex/module-path.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  parseVerifierKey,
  type SignerKey,
} from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { formatPolicy, parsePolicy } from "../vindex/policy.ts";
import { formatRecord } from "../vindex/record.ts";
import { formatHostPort, parseHostPort } from "./host-port.ts";
import { formatLookup, lookupToJson } from "./latest-output.ts";
import { drawProof } from "./proof-drawing.ts";
import { makeSampleRecords } from "./sample-records.ts";
import { waitForSignal } from "./signal.ts";
import { parseZoneName } from "./zone-name.ts";

interface DemoOptions {
  readonly records?: string;
  readonly goSum?: string[];
  readonly zone: string;
  readonly listen: string;
  readonly module?: string[];
  readonly once?: boolean;
  readonly json?: boolean;
}

/** Makes the command `proofdns demo`, which is `npm start`. */
export function makeDemoCommand(): Command {
  return new Command("demo")
    .description("run the whole system on this machine: checksum database, index, name server and verifying client")
    .option(
      "--records <file>",
      "records instead of the built-in sample: module, version, h1zip, h1mod, tab-separated; may be gzipped",
    )
    .option("--go-sum <file...>", "go.sum files instead: your own project becomes the log")
    .option("--zone <zone>", "zone to serve", "l.example.org")
    .option("--listen <host:port>", "where to serve DNS", "127.0.0.1:0")
    .option("--module <path...>", "modules to look up beside the demo's own choice")
    .option("--once", "end after the lookups")
    .option("--json", "print the result as one JSON object on the last line")
    .action(async (options: DemoOptions) => demo(options));
}

/** Well-known modules, looked up where the log has them: each shows a rule of the map function. */
const WELL_KNOWN: readonly Subject[] = [
  { kind: "majors", basePath: "gopkg.in/yaml" },
  { kind: "toolchain" },
  ...[
    "k8s.io/client-go",
    "golang.org/x/mod",
    "github.com/stripe/stripe-go",
    "example.com/hello",
    "example.net/untagged",
    "example.net/late/majors",
  ].map((path): Subject => ({ kind: "module", path })),
  { kind: "majors", basePath: "example.com/hello" },
];

/** A module that no log has: shown as proven absent. */
const ABSENT: Subject = { kind: "module", path: "example.com/no/such/module" };

async function demo(options: DemoOptions): Promise<void> {
  const stopped = waitForSignal();
  const say = (line: string): void => (options.json ? console.error(line) : console.log(line));
  const listen = parseHostPort(options.listen, "--listen");
  const zone = parseZoneName(options.zone);
  const records = await readRecords(options);
  for (const path of options.module ?? []) {
    if (!isModulePath(path))
      throw new ProofdnsError("MALFORMED_INPUT", `${JSON.stringify(path)} is not a Go module path`);
  }
  const subjects = chooseSubjects(records, options.module ?? []);
  const folder = await mkdtemp(join(tmpdir(), "proofdns-demo-"));
  const closers: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const run = async (): Promise<void> => {
    const sumdb = await startSumdb(records, closers);
    say(`1. checksum database   ${sumdb.url}   ${records.length} records`);
    const { policy, key, started } = await startService(zone, listen, folder, sumdb, closers);
    const { served, address } = started;
    const server = formatHostPort({ host: address.address, port: address.port });
    say(`2. index               epoch ${served.epoch}, map root ${served.mapRoot}`);
    say(`3. name server         ${server}, zone ${zone}.`);
    const trust = makeTrust({ zone, policy, sumdbKey: key, sha256: nodeSha256, ed25519: nodeEd25519() });
    const memory = new FolderMemoryStore(join(folder, "state"), trust);
    const client = new Client({ trust, transport: new DnsTransport({ server }), memory });
    say("4. verified lookups, by DNS, trusting three public keys:\n");
    const done: { subject: Subject; lookup: Lookup }[] = [];
    for (const subject of subjects) {
      const lookup = await client.lookup(subject);
      done.push({ subject, lookup });
      const lines = formatLookup(subject, lookup, Math.floor(Date.now() / 1000)).replaceAll("\n", "\n   ");
      say(`   ${lines}   [${lookup.answerBytes} bytes]`);
    }
    await client.commit();
    showProof(say, done[0]);
    say(`\nTry:  ${digLine(zone, address, done)}`);
    if (!options.once) {
      const policyFile = join(folder, "policy");
      await writeFile(policyFile, policy, { mode: 0o600 });
      say("\nCheck a project against this index, in this folder in another terminal, while this one runs:");
      say(
        `      npx proofdns check ${projectOf(options)} --server ${server} --policy ${policyFile} --sumdb-key ${key}`,
      );
      say("\nCtrl-C ends the demo.");
      await stopped;
    }
    if (options.json) {
      const lookups = done.map(({ subject, lookup }) => ({
        ...lookupToJson(subject, lookup),
        value: lookup.answer.kind === "absent" ? "" : lookup.answer.text,
      }));
      console.log(JSON.stringify({ ok: true, ...served, records: records.length, lookups }));
    }
  };
  const running = run();
  // Stopped in the middle: whatever it still throws is of no interest then.
  running.catch(() => {});
  try {
    const isDone = await Promise.race([running.then(() => true), stopped.then(() => false)]);
    if (!isDone && options.json) await running;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function showProof(say: (line: string) => void, shown: { subject: Subject; lookup: Lookup } | undefined): void {
  if (shown === undefined) return;
  const { subject, lookup } = shown;
  const name = subjectText(subject);
  say(`\nThe answer for ${name}, ${lookup.answerBytes} bytes of DNS message:`);
  say(`\n  "${lookup.answer.kind === "absent" ? "" : lookup.answer.text}"\n`);
  const drawing = drawProof(lookup.payload, name, lookup.answer.head.leaf.mapRoot);
  say(drawing.replaceAll(/^/gm, "  "));
}

async function readRecords(options: DemoOptions): Promise<string[]> {
  if (options.records !== undefined && options.goSum !== undefined) {
    throw new ProofdnsError("MALFORMED_INPUT", "give either --records FILE or --go-sum FILE..., and not both");
  }
  const records: string[] = [];
  if (options.records !== undefined) {
    for await (const { modulePath, version, zipHash, goModHash } of readRecordsFile(options.records)) {
      records.push(formatRecord(modulePath, version, zipHash, goModHash));
    }
  } else if (options.goSum !== undefined) {
    const goSum = await readGoSumFiles(options.goSum);
    if (goSum.leftOut > 0)
      console.error(
        `left out ${goSum.leftOut} module version${goSum.leftOut === 1 ? " that lacks one of its" : "s that lack one of their"} two go.sum lines`,
      );
    for (const { modulePath, version, zipHash, goModHash } of goSum.records) {
      records.push(formatRecord(modulePath, version, zipHash, goModHash));
    }
  } else {
    records.push(...makeSampleRecords());
  }
  if (records.length === 0) throw new ProofdnsError("MALFORMED_INPUT", "there are no records to build an index from");
  return records;
}

/** The well-known subjects that the records have, or else a few of the records' own; then the asked ones and an absent one. */
function chooseSubjects(records: readonly string[], asked: readonly string[]): Subject[] {
  const paths = new Set<string>();
  for (const record of records) paths.add(record.slice(0, record.indexOf(" ")));
  const bases = new Set([...paths].flatMap((path) => (isModulePath(path) ? (familyOf(path)?.basePath ?? []) : [])));
  const isThere = (subject: Subject): boolean => {
    if (subject.kind === "toolchain") return paths.has("golang.org/toolchain");
    return subject.kind === "majors" ? bases.has(subject.basePath) : paths.has(subject.path);
  };
  const chosen = WELL_KNOWN.filter(isThere);
  if (chosen.length === 0) {
    chosen.push(
      ...[...paths]
        .filter(isModulePath)
        .slice(0, 5)
        .map((path): Subject => ({ kind: "module", path })),
    );
  }
  return [...chosen, ...asked.map((path): Subject => ({ kind: "module", path })), ABSENT];
}

async function startSumdb(
  records: readonly string[],
  closers: (() => Promise<void>)[],
): Promise<{ url: string; vkey: string }> {
  const server = new SumdbServer({
    signerKey: makeKey("sumdb.demo.example", KEY_TYPE_ED25519),
    records: records.map(encodeUtf8),
    sha256: nodeSha256,
    ed25519: nodeEd25519(),
  });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => server.close());
  return { url: `http://${formatHostPort(address)}`, vkey: server.verifierKey };
}

async function startService(
  zone: string,
  listen: { host: string; port: number },
  folder: string,
  sumdb: { url: string; vkey: string },
  closers: (() => Promise<void>)[],
): Promise<{ policy: string; key: string; started: Awaited<ReturnType<Service["start"]>> }> {
  const logKey = makeKey(`${zone}/p1`, KEY_TYPE_ED25519);
  const clockKey = makeKey(`${zone}/clock`, KEY_TYPE_COSIGNATURE);
  const sumdbKey = parseVerifierKey(sumdb.vkey);
  const policy = formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }]);
  const store = await Store.open(folder, {
    origin: logKey.verifierKey.keyName,
    logKey: formatVerifierKey(logKey.verifierKey),
    sumdbKey: sumdb.vkey,
  });
  const source = new HttpSumdbSource(sumdb.url);
  const service = await Service.open({
    zone: makeZone({ apex: zone, nameServers: [{ name: `ns1.${zone}` }], hostmaster: `hostmaster.${zone}` }),
    host: listen.host,
    port: listen.port,
    store,
    follower: new SumdbFollower({ verifierKey: sumdbKey, source, sha256: nodeSha256, ed25519: nodeEd25519() }),
    sumdbKey,
    logKey,
    clockKey,
    policy: parsePolicy(policy),
    witnesses: [],
    peers: [],
    poll: 5,
    heartbeat: 5,
    epochInterval: 0,
    maxStall: undefined,
    log: (level, message) => level === "alarm" && console.error(message),
    onEpoch: () => {},
    onProgress: makeProgress(),
    onFork: async () => {},
  });
  closers.push(() => service.close());
  return { policy, key: sumdb.vkey, started: await service.start() };
}

/** Shows progress where it takes longer than a second. */
function makeProgress(): (done: number, total: number) => void {
  let next = Date.now() + 1000;
  return (done, total) => {
    if (Date.now() < next) return;
    next = Date.now() + 500;
    console.error(`   … ${done} of ${total} records verified`);
  };
}

function makeKey(keyName: string, type: number): SignerKey {
  return makeSignerKey(keyName, type, new Uint8Array(randomBytes(32)), nodeEd25519());
}

/** The project to check, as a shell takes it: that of the go.sum which became the log. */
function projectOf({ goSum }: DemoOptions): string {
  const file = goSum?.[0];
  if (file === undefined) return "FOLDER";
  const path = dirname(resolve(file));
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function digLine(
  zone: string,
  address: { address: string; port: number },
  done: readonly { subject: Subject }[],
): string {
  const module = done.map(({ subject }) => subject).find((subject) => subject.kind === "module");
  const labels = module?.kind === "module" ? encodePathName(module.path) : undefined;
  return `dig @${address.address} -p ${address.port} +short TXT ${[...(labels ?? ["_toolchain"]), "p1", zone].join(".")}`;
}
