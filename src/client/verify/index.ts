/**
 * `proofdns/verify`: the pure verifier (spec/client.md). No I/O, no clock, no Node: every input is an argument. What it proved
 * is kept and checked later with `proofdns/verify-files`, which is apart so that a page need not load it.
 */
export { type ErrorCode, type ErrorKind, errorCodes, isProofdnsError, ProofdnsError } from "../../vindex/error.ts";
export {
  type AnswerInput,
  epochOfAnswer,
  type Subject,
  subjectText,
  type VerifiedAnswer,
  verifyAnswer,
} from "./answer.ts";
export { compareHeads, type SignedHead, signedNote, verifySumdbExtension } from "./extension.ts";
export {
  type HeadInput,
  type HeadQuestion,
  type Memory,
  type VerifiedAge,
  type VerifiedHead,
  verifyAge,
  verifyHead,
} from "./head.ts";
export { pageCount, verifyRecord, verifyVersions } from "./record.ts";
export { DEFAULT_MAX_AGE, DEFAULT_MAX_LAG, makeTrust, SUM_GOLANG_ORG, type Trust, type TrustOptions } from "./trust.ts";
