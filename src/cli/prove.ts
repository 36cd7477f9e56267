import { Command } from "commander";
import { graver, payloadOf } from "../client/asker.ts";
import type { Lookup } from "../client/client.ts";
import { Questions } from "../client/questions.ts";
import { formatProofFile, type ProofFileParts, type ProofSubject, verifyProofFile } from "../client/verify/files.ts";
import { type Subject, type VerifiedHead, verifyRecord } from "../client/verify/index.ts";
import { readGoEnv } from "../go/go-env.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { isVersionOfPath } from "../vindex/module-path.ts";
import type { VersionEntry } from "../vindex/payload.ts";
import { parseVersion } from "../vindex/version.ts";
import {
  addClientOptions,
  type ClientCommandOptions,
  lookupAll,
  openClient,
  parseTimeout,
  type Session,
} from "./client-options.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { holdsBack } from "./holds-back.ts";
import { checkOptions, strictRule } from "./option-rules.ts";
import { refuseExisting, writeOutputFile } from "./output-file.ts";
import { describeProof, exitCodeOfProof, proofToJson } from "./proof-output.ts";
import { noKeptRecord } from "./session-record.ts";
import { parseMajorsArgument, parseModuleArgument } from "./subject-argument.ts";

interface ProveOptions extends ClientCommandOptions {
  readonly output: string;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly majors?: boolean;
  readonly versions?: boolean;
  readonly toolchain?: boolean;
  readonly record?: boolean;
}

/** Makes the command `proofdns prove`. */
export function makeProveCommand(): Command {
  const command = new Command("prove")
    .description("look one thing up, and write the answer with its whole proof to a file that anyone can check offline")
    .argument("[subject]", "a module, such as golang.org/x/mod, or one version of it, such as golang.org/x/mod@v0.20.0")
    .requiredOption("-o, --output <file>", "file to write; - is standard output")
    .option("--force", "replace a file that is there")
    .option("--json", "print what was proven as one JSON object")
    .option("--majors", "prove the /vN (gopkg.in: .vN) modules of a base path")
    .option("--versions", "prove the complete list of the module's versions")
    .option("--toolchain", "prove the newest Go toolchains")
    .option("--record", "also prove the latest record in the checksum database: its hashes are then checksums");
  return addClientOptions(command).action(async (subject: string | undefined, options: ProveOptions) => {
    process.exitCode = await prove(subject, options);
  });
}

async function prove(argument: string | undefined, options: ProveOptions): Promise<number> {
  checkOptions([strictRule(options)]);
  const subject = parseSubject(argument, options);
  if (options.output !== "-" && options.force !== true) await refuseExisting(options.output);
  const session = await openClient(options, await readGoEnv(process.env));
  const failures = session.keptForks.map(({ error }) => error);
  try {
    const asked: Subject =
      subject.kind === "record" ? { kind: "module", path: subject.path, withVersions: true } : subject;
    // A record counts only under a checksum database that continues the known one.
    const isStrict = session.isStrict || ((subject.kind === "record" || options.record === true) && !session.isOffline);
    const lookup = await lookUp({ ...session, isStrict }, asked);
    const timeout = parseTimeout(options.timeout);
    const parts = await makeParts(session, subject, lookup, { withRecord: options.record === true, timeout });
    if (parts === undefined) {
      // That it is absent was proven too.
      await session.client.commit();
      await session.later.done();
      const count = lookup.versions?.length ?? 0;
      console.error(
        `proofdns: ${argument} is not in the index: ${count === 0 ? "the module is absent" : `none of its ${count} records is of this version`} (proven; \`prove --versions\` writes the proof)`,
      );
      return Math.max(EXIT.absent, ...failures.map(exitCodeOf));
    }
    const text = formatProofFile(parts);
    // What is written is what a stranger can verify.
    const proof = verifyProofFile(session.trust, text, { subject });
    await session.client.commit();
    const isPiped = options.output === "-";
    if (isPiped) process.stdout.write(text);
    else await writeOutputFile(options.output, text, options.force === true);
    const now = Math.floor(Date.now() / 1000);
    const said = options.json
      ? JSON.stringify({ ...proofToJson(session.trust, proof, now, failures), file: options.output })
      : `${describeProof(session.trust, proof, now)}\n  written to ${printable(options.output)}`;
    if (isPiped) console.error(said);
    else console.log(said);
    await session.later.done();
    return Math.max(exitCodeOfProof(proof), ...failures.map(exitCodeOf));
  } catch (error) {
    if (!holdsBack(error)) await session.client.commit();
    throw error;
  } finally {
    session.close();
  }
}

function parseSubject(argument: string | undefined, options: ProveOptions): ProofSubject {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_INPUT", why);
  };
  if ([options.majors, options.versions, options.toolchain].filter(Boolean).length > 1)
    return refuse("--majors, --versions and --toolchain exclude each other: give one");
  if (options.record && (options.majors || options.toolchain))
    return refuse("--record goes with modules only: leave out --majors and --toolchain");
  if (options.toolchain)
    return argument === undefined
      ? { kind: "toolchain" }
      : refuse("--toolchain takes no module: leave out one or the other");
  if (argument === undefined) return refuse("name what to prove, such as golang.org/x/mod or golang.org/x/mod@v0.20.0");
  if (options.majors) return parseMajorsArgument(argument);
  const at = argument.indexOf("@");
  if (at < 0) return { kind: "module", path: parseModuleArgument(argument), withVersions: options.versions === true };
  const path = parseModuleArgument(argument.slice(0, at));
  const version = parseVersion(argument.slice(at + 1));
  if (version !== undefined && !isVersionOfPath(version, path)) {
    return refuse(
      `${version.text} is no version that ${printable(path, 200)} can have: the end of a path says the major version, as in example.com/x/v2@v2.0.0`,
    );
  }
  if (version === undefined) {
    return refuse(
      `${JSON.stringify(printable(argument, 200))} names no exact version of the module, such as ${path}@v1.2.3`,
    );
  }
  if (options.versions)
    return refuse(
      "--versions goes with a module, not with one version of it: leave out --versions, or what follows the @",
    );
  return { kind: "record", path, version: version.text };
}

async function lookUp(session: Session, subject: Subject): Promise<Lookup> {
  let found: Lookup | undefined;
  await lookupAll(session, [subject], {}, (_, outcome) => {
    if ("error" in outcome) throw outcome.error;
    found = outcome.lookup;
  });
  return found as Lookup;
}

/** Undefined if the version that is asked for is not in the proven list. */
async function makeParts(
  session: Session,
  subject: ProofSubject,
  { answer, versions, payload }: Lookup,
  { withRecord, timeout }: { withRecord: boolean; timeout: number },
): Promise<ProofFileParts | undefined> {
  const { client } = session;
  if (subject.kind === "record") {
    const entry = versions?.find(({ version }) => version === subject.version);
    if (entry === undefined) return undefined;
    const { head, record } = await proveEntry(session, answer.head, subject.path, entry, timeout);
    return { subject, head: await client.headForProof(head), record };
  }
  const head = await client.headForProof(answer.head);
  if (!withRecord || answer.kind !== "module") return { subject, head, answer: payload, versions };
  const { latest, zipHash, goModHash } = answer.value;
  const entry = { version: latest.version.text, logIndex: latest.logIndex, zipHash, goModHash };
  const proven = await proveEntry(session, answer.head, answer.path, entry, timeout);
  if (proven.head.epoch !== head.epoch) {
    throw new ProofdnsError(
      "NO_ANSWER",
      `the answer for ${answer.path} was kept in epoch ${head.epoch}, and the proof of its record in epoch ${proven.head.epoch}, and one file holds one epoch: run this once without --offline`,
    );
  }
  return { subject, head, answer: payload, versions, record: proven.record };
}

/** A record, its verified proof, and the head that it is under. */
interface ProvenEntry {
  readonly head: VerifiedHead;
  readonly record: { readonly entry: VersionEntry; readonly proof: Uint8Array };
}

/** Without a network what is kept, whatever head it is under; else asked under this head, within `timeout` milliseconds, and kept. */
async function proveEntry(
  session: Session,
  head: VerifiedHead,
  path: string,
  entry: VersionEntry,
  timeout: number,
): Promise<ProvenEntry> {
  const { cache, client, isOffline } = session;
  const record = { path, ...entry };
  if (!isOffline) {
    const asked = await askEntry(session, head, path, entry, timeout);
    await cache.writeRecord(record, { head, payload: asked.proof, queries: 0 }, client);
    return { head, record: asked };
  }
  const kept = await cache.readRecord(record, { isOffline });
  if (kept === undefined) throw noKeptRecord(record);
  return { head: kept.head, record: { entry, proof: kept.payload } };
}

/** The record and its proof, verified, within `timeout` milliseconds. */
async function askEntry(
  { trust, transport }: Session,
  head: VerifiedHead,
  path: string,
  entry: VersionEntry,
  timeout: number,
): Promise<{ entry: VersionEntry; proof: Uint8Array }> {
  const name = new Questions(trust.zone, trust.sha256).record(entry.logIndex, head.leaf.treeHead.treeSize);
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => {
    const why = `no proof of the record of ${path}@${entry.version} within ${timeout / 1000} s; is the server slow, or the network?`;
    controller.abort(new ProofdnsError("UNREACHABLE", why));
  }, timeout);
  const ask = async (tcp: boolean): Promise<Uint8Array> => {
    const proof = payloadOf(await transport.query(name, { tcp, attempt: tcp ? 1 : 0, signal }), "the record");
    verifyRecord(trust, head, { path, ...entry }, proof);
    return proof;
  };
  try {
    return { entry, proof: await ask(false) };
  } catch (error) {
    if (!(error instanceof ProofdnsError) || signal.aborted) throw error;
    // Another way to the server may bring what this one has spoilt; that it is cut off does not undo what was found.
    const again = await ask(true).catch((later: unknown) => Promise.reject(graver(error, later)));
    return { entry, proof: again };
  } finally {
    clearTimeout(timer);
  }
}
