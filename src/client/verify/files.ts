/**
 * `proofdns/verify-files`: what is kept of verifications, as text. Remembered heads (spec/client.md §8), proof files
 * (spec/proof-file.md), evidence of forks (spec/client.md §7). As pure as `proofdns/verify`.
 */
export {
  EVIDENCE_TYPE,
  type ForkEvidence,
  type VerifiedFork,
  verifyForkEvidence,
} from "../../vindex/evidence.ts";
export { formatMemory, parseMemory } from "./memory-text.ts";
export { formatProofSubject, type ProofSubject, parseProofSubject } from "./proof-extra.ts";
export {
  formatProofFile,
  MAX_PROOF_FILE_LENGTH,
  PROOF_FILE_TYPE,
  type ProofFileOptions,
  type ProofFileParts,
  type ProvenRecord,
  type VerifiedProof,
  verifyProofFile,
} from "./proof-file.ts";
export { makeProofHead, type ProofHead } from "./proof-head.ts";
