import { type Ed25519Verifier, ed25519Verifier as nobleEd25519 } from "../../vindex/ed25519.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { KEY_TYPE_ED25519, parseVerifierKey, type VerifierKey } from "../../vindex/note.ts";
import { type Policy, parsePolicy } from "../../vindex/policy.ts";
import { sha256 as nobleSha256, type Sha256 } from "../../vindex/sha256.ts";

/** The verifier key of the public Go checksum database. */
export const SUM_GOLANG_ORG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

/** Default of `Trust.maxAge`: 24 hours. */
export const DEFAULT_MAX_AGE = 86_400;
/** Default of `Trust.maxLag`: 15 minutes. */
export const DEFAULT_MAX_LAG = 900;
/** How far ahead of the client's clock a cosignature may be, in seconds. */
export const MAX_SKEW = 300;

/** All that a client trusts: public keys, a quorum, and bounds on age (spec/client.md §1). */
export interface Trust {
  /** Lower case, without the trailing dot. */
  readonly zone: string;
  /** First line of the log's checkpoints, `<zone>/p1`. */
  readonly origin: string;
  readonly logKey: VerifierKey;
  readonly sumdbKey: VerifierKey;
  readonly policy: Policy;
  /** Seconds. */
  readonly maxAge: number;
  /** Seconds. */
  readonly maxLag: number;
  /**
   * False: with `quorum none` a head passes although nothing proves that it is fresh; its age time is then 0, unknown, and whoever
   * shows what was proven says so. With any other quorum it changes nothing.
   */
  readonly isFreshnessRequired: boolean;
  readonly sha256: Sha256;
  readonly ed25519: Ed25519Verifier;
}

/** What `makeTrust` needs. */
export interface TrustOptions {
  readonly zone: string;
  /** Text or bytes of a C2SP tlog-policy. */
  readonly policy: string | Uint8Array;
  /** Verifier key of the checksum database; sum.golang.org's by default. */
  readonly sumdbKey?: string;
  readonly maxAge?: number;
  readonly maxLag?: number;
  /** Default true. */
  readonly isFreshnessRequired?: boolean;
  /** Defaults are noble's; a server or command hands in its platform's. */
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519Verifier;
}

/**
 * Reads the keys of a zone from a policy.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`, `MALFORMED_VERIFIER_KEY`, or `NO_LOG_KEY` if the policy has no log of the zone
 */
export function makeTrust(options: TrustOptions): Trust {
  const policy = parsePolicy(options.policy);
  const zone = options.zone.toLowerCase().replace(/\.$/, "");
  const origin = `${zone}/p1`;
  const log = policy.logs.find(({ verifierKey }) => verifierKey.keyName === origin);
  if (log === undefined) {
    const names = policy.logs.map(({ verifierKey }) => verifierKey.keyName).join(", ");
    throw new ProofdnsError(
      "NO_LOG_KEY",
      `the policy has no log named ${origin} (it has ${names === "" ? "none" : names})`,
    );
  }
  const sumdbKey = parseVerifierKey(options.sumdbKey ?? SUM_GOLANG_ORG);
  if (sumdbKey.type !== KEY_TYPE_ED25519) {
    throw new ProofdnsError("MALFORMED_VERIFIER_KEY", "the key of a checksum database has type 0x01");
  }
  return {
    zone,
    origin,
    logKey: log.verifierKey,
    sumdbKey,
    policy,
    maxAge: options.maxAge ?? DEFAULT_MAX_AGE,
    maxLag: options.maxLag ?? DEFAULT_MAX_LAG,
    isFreshnessRequired: options.isFreshnessRequired ?? true,
    sha256: options.sha256 ?? nobleSha256,
    ed25519: options.ed25519 ?? nobleEd25519,
  };
}
