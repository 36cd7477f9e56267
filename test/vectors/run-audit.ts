import type { Implementation } from "./implementation.ts";
import { type Operation, unhex } from "./run-core.ts";
import type { Vector } from "./vectors.ts";

/** What an implementation makes of the vectors of audit.json. Each function gives what `expect` must be. */
export function auditOperations(i: Implementation, isFast: boolean): { [operation: string]: Operation } {
  // Hundreds of signatures: with noble alone this would be the slowest of all files.
  const scheme = isFast ? { ed25519: i.platform.nodeEd25519(), sha256: i.platform.nodeSha256 } : {};
  return {
    transition(vector) {
      const v = vector as Vector & { sumdbKey: string; epoch: number; leaf: string | null; transition: string };
      const sumdbKey = i.note.parseVerifierKey(v.sumdbKey);
      const untrustedTransition = unhex(v.transition);
      const leafText = v.leaf ?? undefined;
      const verified = i.transition.verifyTransition({
        epoch: v.epoch,
        leafText,
        untrustedTransition,
        sumdbKey,
        ...scheme,
      });
      const again = i.transitionFormat.encodeTransitionParts(
        i.transitionFormat.decodeTransitionParts(untrustedTransition),
      );
      if (again === undefined || !i.bytes.equalBytes(again, untrustedTransition)) return "it is encoded in another way";
      return { leaf: verified.leafText };
    },
    "audit-evidence"(vector) {
      const v = vector as Vector & { evidence: unknown; key: string; sumdbKey: string };
      const { epoch, fault } = i.auditEvidence.verifyEpochEvidence(v.evidence, {
        expectedKey: v.key,
        expectedSumdbKey: v.sumdbKey,
        ...scheme,
      });
      return { epoch, fault };
    },
  };
}
