import type { EpochSource } from "../../src/audit/epoch-source.ts";
import { formatLogFile, parseLogFile, type UntrustedEpoch } from "../../src/audit/log-file.ts";
import { encodeTransition } from "../../src/audit/transition.ts";
import { SumdbServer } from "../../src/sumdb/server.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { formatCheckpoint } from "../../src/vindex/checkpoint.ts";
import { cosign } from "../../src/vindex/cosignature.ts";
import { ProofdnsError } from "../../src/vindex/error.ts";
import { computeEpochLeafHash } from "../../src/vindex/leaf.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  makeSignerKey,
  type SignerKey,
  signNote,
} from "../../src/vindex/note.ts";
import { OutputLog } from "../../src/vindex/output-log.ts";
import { coverRange } from "../../src/vindex/tlog.ts";
import { ed25519, type Fold, keys, sha256, sumdbKey } from "./folds.ts";

/** A log of folded epochs, signed honestly whatever its leaves say. */

export const ZONE = "l.example.org";
const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
export const logKey: SignerKey = makeSignerKey(`${ZONE}/p1`, KEY_TYPE_ED25519, seed(1), ed25519);
export const clockKey: SignerKey = makeSignerKey(`${ZONE}/clock`, KEY_TYPE_COSIGNATURE, seed(2), ed25519);
export const logVkey: string = formatVerifierKey(logKey.verifierKey);
export const policyText = `log ${logVkey}\nwitness clock ${formatVerifierKey(clockKey.verifierKey)}\nquorum clock\n`;
export const walkKeys = {
  logKey: logKey.verifierKey,
  sumdbKey: sumdbKey.verifierKey,
  sha256,
  ed25519,
} as const;

/** The epochs of a log with these leaves, as its operator shows them; cosigned by the clock at `time`. */
export function signEpochs(leafTexts: readonly string[], time = 1_700_000_000, key = logKey): UntrustedEpoch[] {
  const log = new OutputLog(sha256);
  return leafTexts.map((leafText, i) => {
    const peaks = log.read(coverRange(0, i));
    log.append(computeEpochLeafHash(leafText, sha256));
    const text = formatCheckpoint({ origin: key.verifierKey.keyName, treeSize: i + 1, rootHash: log.root(i + 1) });
    const logSignature = signNote(text, key, ed25519).blob;
    return { epoch: i + 1, leafText, peaks, logSignature, cosignatures: [cosign(text, time, clockKey, ed25519)] };
  });
}

/** A source over epochs in memory; what passes through it is written and read as published files. */
export class MemorySource implements EpochSource {
  readonly epochs: UntrustedEpoch[];
  readonly transitions = new Map<number, Uint8Array>();
  bytes = 0;

  constructor(epochs: readonly UntrustedEpoch[]) {
    this.epochs = [...epochs];
  }

  newest(): Promise<UntrustedEpoch> {
    return this.epoch(this.epochs.length);
  }

  async epoch(epoch: number): Promise<UntrustedEpoch> {
    const found = this.epochs[epoch - 1];
    if (found === undefined) throw new ProofdnsError("NO_ANSWER", `no epoch ${epoch}`);
    const file = fileOf(found);
    this.bytes += file.length;
    return parseLogFile(file, logKey.verifierKey, sha256);
  }

  async transition(epoch: number): Promise<Uint8Array | undefined> {
    const bytes = this.transitions.get(epoch);
    this.bytes += bytes?.length ?? 0;
    return bytes;
  }
}

/** The published file of an epoch. */
export function fileOf(epoch: UntrustedEpoch): Uint8Array {
  const { keyName } = clockKey.verifierKey;
  const cosignatures = epoch.cosignatures.map((cosignature) => ({ ...cosignature, keyName }));
  return encodeUtf8(formatLogFile({ ...epoch, cosignatures }, logKey.verifierKey, sha256));
}

/** What an operator of these folds publishes: the leaves as they are, and the transitions of `shown`. */
export function publish(folds: readonly Fold[], shown: readonly Fold[] = folds): MemorySource {
  const source = new MemorySource(signEpochs(folds.map(({ after }) => after.leafText)));
  for (const fold of shown) source.transitions.set(fold.epoch, transitionOf(fold));
  return source;
}

export function transitionOf(fold: Fold): Uint8Array {
  const bytes = encodeTransition(fold, keys);
  if (bytes === undefined) throw new Error("no transition");
  return bytes;
}

export function sumdbServer(records: readonly Uint8Array[], size?: number): SumdbServer {
  return new SumdbServer({ signerKey: sumdbKey, records, size, sha256, ed25519 });
}
