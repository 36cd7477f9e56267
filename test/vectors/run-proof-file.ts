import type { Implementation } from "./implementation.ts";
import { hex, type Operation } from "./run-core.ts";
import type { Vector } from "./vectors.ts";

interface ProofFileVector extends Vector {
  readonly zone: string;
  readonly policy: string;
  readonly sumdbKey: string;
  readonly maxAge: number;
  readonly maxLag: number;
  readonly isFreshnessRequired?: boolean;
  readonly now: number | null;
  readonly subject: string | null;
  readonly text: string;
  /** A place in the text, and what is put in there so many times: for long files. */
  readonly repeat?: readonly [at: number, what: string, times: number];
}

/** What an implementation makes of the vectors of proof-file.json. */
export function proofFileOperations(i: Implementation, isFast: boolean): { [operation: string]: Operation } {
  const { verify, verifyFiles } = i;
  return {
    "proof-file"(vector) {
      const {
        zone,
        policy,
        sumdbKey,
        maxAge,
        maxLag,
        isFreshnessRequired = true,
        now,
        subject,
        text,
        repeat: [at, what, times] = [0, "", 0],
      } = vector as ProofFileVector;
      const platform = isFast ? { sha256: i.platform.nodeSha256, ed25519: i.platform.nodeEd25519() } : {};
      const trust = verify.makeTrust({ zone, policy, sumdbKey, maxAge, maxLag, isFreshnessRequired, ...platform });
      const wanted = subject === null ? undefined : verifyFiles.parseProofSubject(subject);
      const proof = verifyFiles.verifyProofFile(trust, text.slice(0, at) + what.repeat(times) + text.slice(at), {
        now: now ?? undefined,
        subject: wanted,
      });
      const { answer, versions, record } = proof;
      return {
        subject: verifyFiles.formatProofSubject(proof.subject),
        epoch: proof.head.epoch,
        ageTime: proof.head.ageTime,
        value: answer === undefined ? null : answer.kind === "absent" ? "" : answer.text,
        versions: versions?.length ?? null,
        record:
          record === undefined
            ? null
            : {
                version: record.version,
                index: record.logIndex,
                zipHash: hex(record.zipHash),
                goModHash: hex(record.goModHash),
              },
      };
    },
  };
}
