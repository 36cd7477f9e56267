import { Command } from "commander";
import { verifyEpochEvidence } from "../audit/evidence.ts";
import type { Trust } from "../client/verify/index.ts";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { parseCheckpoint } from "../vindex/checkpoint.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { EVIDENCE_TYPE, verifyForkEvidence } from "../vindex/evidence.ts";
import { formatVerifierKey, parseNote, parseVerifierKey, verifyNote } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { readVariable } from "./environment.ts";
import { EXIT, messageOf } from "./exit-code.ts";
import { addKeyOptions, defaultSumdbKey, type KeyOptions, readKeys } from "./key-options.ts";

interface EvidenceOptions extends KeyOptions {
  readonly json?: boolean;
}

/** Evidence of a wrong epoch may carry a whole transition. */
const MAX_EVIDENCE_LENGTH = 1 << 28;
const SUSPICION_TYPE = "proofdns-suspicion/1";

/** What a file of evidence shows. */
interface Finding {
  readonly kind: "fork" | "epoch" | "suspicion";
  /** True if it proves that the holder of the key did wrong; false for what is only suspicious. */
  readonly holds: boolean;
  /** Vkey of whoever did it. */
  readonly key: string;
  readonly sentences: readonly string[];
}

/** Makes the command `proofdns evidence`. */
export function makeEvidenceCommand(): Command {
  const command = new Command("evidence")
    .description("explain a file of evidence that a client or an auditor kept, and check it again with keys alone")
    .argument("<file>", "a file named evidence-….json, from the state folder or an auditor")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 3 the evidence holds: a key has signed what contradicts itself or the records; 2 it proves nothing: it is suspicion alone, about another key, or no evidence.",
    );
  return addKeyOptions(command).action(async (file: string, options: EvidenceOptions) => {
    process.exitCode = await explain(file, options);
  });
}

async function explain(file: string, options: EvidenceOptions): Promise<number> {
  const text = decodeUtf8(await readInputFile(file, MAX_EVIDENCE_LENGTH, "the evidence"));
  const untrusted = parseJson(text, file);
  const keys = await readKnownKeys(options, originOf(untrusted));
  // Never the key that the file names: under another one every honest leaf is none.
  const sumdbKey = options.sumdbKey ?? (await defaultSumdbKey());
  let finding: Finding;
  try {
    finding = examine(untrusted, keys, sumdbKey);
  } catch (error) {
    if (!isProofdnsError(error)) throw error;
    const message = printable(messageOf(error), 600);
    if (options.json) console.log(JSON.stringify({ schemaVersion: 1, file, holds: false, code: error.code, message }));
    else console.error(`proofdns: ${printable(file)} proves nothing: ${message} [${error.code}]`);
    return EXIT.unchecked;
  }
  const whose = whoseKey(finding.key, keys);
  if (options.json) {
    const { kind, holds, key, sentences } = finding;
    console.log(JSON.stringify({ schemaVersion: 1, file, kind, holds, key, isOwnKey: whose.isOwn, sentences }));
  } else {
    for (const sentence of [...finding.sentences, whose.sentence]) console.log(printable(sentence, 2000));
  }
  return finding.holds ? EXIT.failed : EXIT.unchecked;
}

function parseJson(text: string | undefined, file: string): unknown {
  try {
    if (text !== undefined) return JSON.parse(text);
  } catch {
    // Said below.
  }
  throw new ProofdnsError(
    "MALFORMED_INPUT",
    `${printable(file)} is no evidence: it is not JSON; name a file evidence-….json from the state folder, or one that an audit wrote`,
  );
}

/** The user's keys; undefined if none are given or kept: evidence can be checked without. */
async function readKnownKeys(options: KeyOptions, untrustedOrigin: string | undefined): Promise<Trust | undefined> {
  const isGiven =
    options.policy !== undefined || options.logKey !== undefined || readVariable("PROOFDNS_POLICY") !== undefined;
  try {
    return await readKeys(options, untrustedOrigin);
  } catch (error) {
    if (isGiven || !isProofdnsError(error, "MALFORMED_POLICY")) throw error;
    return undefined;
  }
}

/** Name of the key that evidence claims to be about; that of the log is its origin. */
function originOf(untrusted: unknown): string | undefined {
  const fields = new Map<string, unknown>(
    typeof untrusted === "object" && untrusted !== null ? Object.entries(untrusted) : [],
  );
  const key = fields.get("log") ?? fields.get("key");
  return typeof key === "string" ? key.split("+", 1)[0] : undefined;
}

function examine(untrusted: unknown, keys: Trust | undefined, sumdbKey: string): Finding {
  const fields = new Map<string, unknown>(
    typeof untrusted === "object" && untrusted !== null ? Object.entries(untrusted) : [],
  );
  const [type, kind] = [fields.get("type"), fields.get("kind")];
  if (type === EVIDENCE_TYPE && kind === "fork") return examineFork(untrusted, keys);
  if (type === EVIDENCE_TYPE && kind === "epoch") return examineEpoch(untrusted, keys, sumdbKey);
  if (type === SUSPICION_TYPE) return examineSuspicion(fields, keys);
  throw new ProofdnsError(
    "MALFORMED_EVIDENCE",
    `evidence: its type is neither ${EVIDENCE_TYPE} nor ${SUSPICION_TYPE}; a newer proofdns may know it`,
  );
}

function examineFork(untrusted: unknown, keys: Trust | undefined): Finding {
  const fork = verifyForkEvidence(untrusted, undefined, nodeEd25519());
  const key = (untrusted as { key: string }).key;
  refuseOtherKeys(key, keys);
  const { older, newer, keyName } = fork;
  const how =
    older.treeSize === newer.treeSize
      ? [`It signed two different trees of size ${older.treeSize}.`]
      : [
          `It signed a tree of size ${older.treeSize} and one of size ${newer.treeSize} that does not continue it.`,
          "The file has the proof that the larger tree has another beginning than the smaller one.",
        ];
  return {
    kind: "fork",
    holds: true,
    key,
    sentences: [
      `This is proof that ${keyName} has forked: both statements carry its signature, and no honest log makes both.`,
      ...how,
      "Whoever holds the key showed different people different logs, or lost the key, or restored a backup and signed again.",
      "Trust nothing that it signs until its operator has explained it; show this file to others who use it: anyone can check it.",
    ],
  };
}

function examineEpoch(untrusted: unknown, keys: Trust | undefined, sumdbKey: string): Finding {
  const expectedSumdbKey = keys === undefined ? sumdbKey : formatVerifierKey(keys.sumdbKey);
  const fault = verifyEpochEvidence(untrusted, { expectedSumdbKey, sha256: nodeSha256, ed25519: nodeEd25519() });
  refuseOtherKeys(fault.log, keys);
  const what = {
    leaf: "its leaf is none that the checksum database signed",
    size: "it covers no more records than the epoch before it",
    root: "its map root is not the one that the records give",
  }[fault.fault];
  return {
    kind: "epoch",
    holds: true,
    key: fault.log,
    sentences: [
      `This is proof that ${fault.logKeyName} has published a wrong epoch ${fault.epoch}: ${what}.`,
      `It is checked under the checksum database key ${expectedSumdbKey}.`,
      "Answers of that epoch and of later ones may be false although they verify; tell its operator, and show this file to others: anyone can check it.",
    ],
  };
}

function examineSuspicion(fields: ReadonlyMap<string, unknown>, keys: Trust | undefined): Finding {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_EVIDENCE", `suspicion: ${why}; the file was changed or cut off`);
  };
  const [key, notes] = [fields.get("key"), fields.get("notes")];
  if (typeof key !== "string") return refuse("no key");
  if (!Array.isArray(notes) || notes.length !== 2 || !notes.every((note) => typeof note === "string"))
    return refuse("not two notes");
  const verifierKey = parseVerifierKey(key);
  refuseOtherKeys(key, keys);
  const [a, b] = (notes as string[]).map((note) => {
    verifyNote(note, verifierKey, nodeEd25519());
    return parseCheckpoint(parseNote(note).text);
  });
  if (a === undefined || b === undefined) return refuse("not two notes");
  return {
    kind: "suspicion",
    holds: false,
    key,
    sentences: [
      `This is no proof of anything wrong: it holds two statements that ${verifierKey.keyName} has signed, of trees of size ${a.treeSize} and ${b.treeSize}.`,
      "A client got no valid proof that the larger one continues the smaller. A server or cache on the way can cause that, and so can a log that forked.",
      `If it goes on with other servers, ask the operator for the consistency proof from ${a.treeSize} to ${b.treeSize}, and keep this file: with such a proof it becomes evidence.`,
    ],
  };
}

function refuseOtherKeys(key: string, keys: Trust | undefined): void {
  if (keys === undefined || whoseKey(key, keys).isOwn) return;
  throw new ProofdnsError(
    "BAD_SIGNATURE",
    `it is about the key ${key}, which is neither the log's (${formatVerifierKey(keys.logKey)}) nor the checksum database's (${formatVerifierKey(keys.sumdbKey)}) of your policy; give that of the log which it is about, if you trust it (--policy, or --log-key and --sumdb-key)`,
  );
}

function whoseKey(key: string, keys: Trust | undefined): { isOwn: boolean; sentence: string } {
  if (keys === undefined) {
    return {
      isOwn: false,
      sentence: `The key is ${key}. No policy was given: compare it with the key that you trust, or give --policy or --log-key.`,
    };
  }
  const isLog = key === formatVerifierKey(keys.logKey);
  return {
    isOwn: isLog || key === formatVerifierKey(keys.sumdbKey),
    sentence: `The key is ${key}, the ${isLog ? "log" : "checksum database"}'s of your policy.`,
  };
}
