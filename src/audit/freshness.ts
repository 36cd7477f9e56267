import { readFile } from "node:fs/promises";
import { formatCheckpoint } from "../vindex/checkpoint.ts";
import { type Cosignature, verifyCosignature } from "../vindex/cosignature.ts";
import type { Ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { KEY_TYPE_ED25519, parseVerifierKey, type VerifierKey } from "../vindex/note.ts";
import { freshestQuorumTime, type Policy, parsePolicy } from "../vindex/policy.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { checkpointOf, type UntrustedEpoch } from "./log-file.ts";

/** Whom an auditor takes for the log, and when its newest epoch is fresh. */
export interface AuditTrust {
  readonly logKey: VerifierKey;
  /** Undefined: nothing is said about freshness. */
  readonly policy: Policy | undefined;
  readonly ed25519: Ed25519Verifier;
  readonly sha256: Sha256;
}

/**
 * Reads the log's key from a policy file or a vkey. A policy of several logs needs the zone.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`, `MALFORMED_VERIFIER_KEY`, `NO_LOG_KEY`
 */
export async function readAuditTrust(options: {
  readonly policy: string | undefined;
  readonly logKey: string | undefined;
  readonly zone: string | undefined;
  readonly ed25519: Ed25519Verifier;
  readonly sha256: Sha256;
}): Promise<AuditTrust> {
  const { zone, ed25519, sha256 } = options;
  if (options.logKey !== undefined) {
    const logKey = parseVerifierKey(options.logKey);
    if (logKey.type !== KEY_TYPE_ED25519)
      throw new ProofdnsError("MALFORMED_VERIFIER_KEY", "the key of a log has type 0x01");
    if (zone !== undefined && logKey.keyName !== `${zone}/p1`)
      throw new ProofdnsError(
        "NO_LOG_KEY",
        `the key is that of ${logKey.keyName}, not of ${zone}/p1: give --zone and --log-key of one log`,
      );
    return { logKey, policy: undefined, ed25519, sha256 };
  }
  const path = options.policy ?? "";
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ProofdnsError(
      "MALFORMED_POLICY",
      `cannot read the policy ${path}: ${(cause as Error).message}; --policy names its file`,
      {
        cause,
      },
    );
  }
  const policy = parsePolicy(bytes);
  const logs = policy.logs.map(({ verifierKey }) => verifierKey);
  const named = zone === undefined ? logs : logs.filter(({ keyName }) => keyName === `${zone}/p1`);
  const [logKey] = named;
  if (logKey === undefined || named.length > 1) {
    const names = logs.map(({ keyName }) => keyName).join(", ");
    throw new ProofdnsError("NO_LOG_KEY", `the policy names ${names === "" ? "no log" : names}; say which by --zone`);
  }
  return { logKey, policy, ed25519, sha256 };
}

/**
 * How old the freshest quorum on the newest epoch is. It grows old whatever is shown later: the same epoch again, an older one, or nothing.
 */
export class Freshness {
  readonly #trust: AuditTrust;
  readonly #maxAge: number;
  /** The newest epoch that was shown, and the time of its freshest quorum. */
  #newest: { readonly epoch: number; readonly time: number | undefined } | undefined;

  /** `maxAge`: seconds. */
  constructor(trust: AuditTrust, maxAge: number) {
    this.#trust = trust;
    this.#maxAge = maxAge;
  }

  /** Takes an epoch that was verified before. A wrong cosignature counts as none: whoever hands out the epoch may have spoilt it. */
  take(shown: UntrustedEpoch): void {
    const { policy, logKey, ed25519, sha256 } = this.#trust;
    const before = this.#newest;
    if (policy?.quorum === undefined || (before !== undefined && shown.epoch < before.epoch)) return;
    const text = formatCheckpoint(checkpointOf(shown, logKey, sha256));
    const known: Cosignature[] = shown.cosignatures.filter((cosignature) => {
      const witness = policy.witnesses.find(({ verifierKey }) => verifierKey.keyId === cosignature.keyId);
      if (witness === undefined) return false;
      try {
        verifyCosignature(text, cosignature, witness.verifierKey, ed25519);
        return true;
      } catch (error) {
        if (!(error instanceof ProofdnsError)) throw error;
        return false;
      }
    });
    const time = freshestQuorumTime(policy.quorum, known);
    const isNewer = time !== undefined && (before?.time === undefined || time > before.time);
    if (before?.epoch !== shown.epoch || isNewer) this.#newest = { epoch: shown.epoch, time };
  }

  /** Why the newest epoch is not fresh at `now` (seconds); undefined if it is, nothing was shown yet, or nothing is asked about freshness. */
  trouble(now: number): ProofdnsError | undefined {
    if (this.#newest === undefined) return undefined;
    const { epoch, time } = this.#newest;
    if (time === undefined)
      return new ProofdnsError(
        "NO_QUORUM",
        `the cosignatures of epoch ${epoch} do not make the policy's quorum; is it the operator's current one?`,
      );
    if (now - time <= this.#maxAge) return undefined;
    return new ProofdnsError(
      "STALE",
      `the freshest quorum on epoch ${epoch} is ${now - time} s old; at most ${this.#maxAge} s are allowed: the log stands still, or newer cosignatures are held back; ask the operator`,
    );
  }
}
