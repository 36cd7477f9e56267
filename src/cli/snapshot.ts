import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { SUM_GOLANG_ORG } from "../client/verify/trust.ts";
import { loadSnapshot } from "../store/snapshot-load.ts";
import { type SnapshotStep, saveSnapshot } from "../store/snapshot-save.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { KEY_TYPE_COSIGNATURE, type VerifierKey } from "../vindex/note.ts";
import { parsePolicy } from "../vindex/policy.ts";
import { messageOf } from "./exit-code.ts";
import { parseKeyArgument } from "./key-argument.ts";

/** Options of `proofdns snapshot load`. */
export interface LoadOptions {
  readonly data: string;
  readonly logKey: string;
  readonly sumdbKey: string;
  readonly policy?: string;
}

/** What a test puts between. */
export interface SnapshotSeams {
  readonly onStep: SnapshotStep;
  readonly print: (line: string) => void;
}

const SEAMS: SnapshotSeams = { onStep: () => {}, print: (line) => console.log(line) };

/** Makes the command `proofdns snapshot`. */
export function makeSnapshotCommand(): Command {
  const command = new Command("snapshot").description(
    "save a store for another server, or make one of what another saved",
  );
  const add = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .exitOverride()
      .showHelpAfterError("(--help shows the options)")
      .argument("<dir>", name === "save" ? "folder to make" : "folder of the snapshot");
  add("save", "save the newest signed epoch of a store that no server has open")
    .requiredOption("--data <dir>", "data folder of the server, which must not run")
    .action((folder: string, { data }: { data: string }) => runSave(folder, data));
  add(
    "load",
    "verify a snapshot and make a new data folder of it, which signs nothing new before a --peer or --witness of serve has answered",
  )
    .requiredOption("--data <dir>", "data folder to make")
    .requiredOption("--log-key <vkey>", "verifier key of the log that must have signed it")
    .option("--sumdb-key <vkey>", "verifier key of the checksum database", SUM_GOLANG_ORG)
    .option("--policy <file>", "policy whose cosigners' signatures are kept (default: none are)")
    .action((folder: string, options: LoadOptions) => runLoad(folder, options));
  return command;
}

/** Saves a snapshot and prints one line. */
export async function runSave(folder: string, data: string, seams: SnapshotSeams = SEAMS): Promise<void> {
  const began = performance.now();
  const result = await saveSnapshot(resolve(data), resolve(folder), seams.onStep);
  seams.print(JSON.stringify({ saved: true, ...result, seconds: secondsSince(began) }));
}

/** Loads a snapshot and prints one line. */
export async function runLoad(folder: string, options: LoadOptions, seams: SnapshotSeams = SEAMS): Promise<void> {
  const began = performance.now();
  const trust = {
    logKey: parseKeyArgument(options.logKey, "--log-key", "log"),
    sumdbKey: parseKeyArgument(options.sumdbKey, "--sumdb-key", "checksum database"),
    cosigners: options.policy === undefined ? [] : await readCosigners(options.policy),
  };
  const result = await loadSnapshot(resolve(folder), resolve(options.data), trust, seams.onStep);
  seams.print(JSON.stringify({ loaded: true, ...result, seconds: secondsSince(began) }));
}

async function readCosigners(path: string): Promise<VerifierKey[]> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_POLICY", `cannot read the policy ${path}: ${messageOf(cause)}`, { cause });
  }
  return parsePolicy(bytes)
    .witnesses.map(({ verifierKey }) => verifierKey)
    .filter(({ type }) => type === KEY_TYPE_COSIGNATURE);
}

function secondsSince(began: number): number {
  return Math.round((performance.now() - began) / 100) / 10;
}
