/**
 * `proofdns/verify`: the pure verifier (spec/client.md). No I/O, no clock, no Node: every input is an argument.
 */
export { type ErrorCode, type ErrorKind, errorCodes, isProofdnsError, ProofdnsError } from "../../vindex/error.ts";
export {
  EVIDENCE_TYPE,
  type ForkEvidence,
  type VerifiedFork,
  verifyForkEvidence,
} from "../../vindex/evidence.ts";
export {
  type AnswerInput,
  epochOfAnswer,
  type Subject,
  subjectText,
  type VerifiedAnswer,
  verifyAnswer,
} from "./answer.ts";
export {
  type HeadInput,
  type HeadQuestion,
  type Memory,
  type SignedHead,
  signedNote,
  type VerifiedAge,
  type VerifiedHead,
  verifyAge,
  verifyHead,
  verifySumdbExtension,
} from "./head.ts";
export { formatMemory, parseMemory } from "./memory-text.ts";
export { pageCount, verifyRecord, verifyVersions } from "./record.ts";
export { DEFAULT_MAX_AGE, DEFAULT_MAX_LAG, makeTrust, SUM_GOLANG_ORG, type Trust, type TrustOptions } from "./trust.ts";
