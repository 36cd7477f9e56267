/**
 * `proofdns/vindex`: the verifiable index. Notes, checkpoints and logs; the map function and its tree; payloads;
 * and, for Node, the builder and its store.
 */
export {
  Builder,
  type BuilderOptions,
  type BuildStep,
  type FoldedEpoch,
  type IndexState,
  type RecordWindow,
  type SumdbWindow,
} from "../store/builder.ts";
export type { StoreIdentity } from "../store/identity.ts";
export type { KeptCosignatures } from "../store/records.ts";
export { type ClockState, type EpochBatch, Store } from "../store/store.ts";
export {
  type Checkpoint,
  formatCheckpoint,
  formatTreeHead,
  parseCheckpoint,
  parseTreeHead,
  SUMDB_ORIGIN,
  type TreeHead,
} from "./checkpoint.ts";
export {
  type Cosignature,
  cosign,
  cosignatureFromNote,
  cosignatureMessage,
  cosignatureToNote,
  verifyCosignature,
} from "./cosignature.ts";
export { type Ed25519, type Ed25519Verifier, ed25519Verifier } from "./ed25519.ts";
export { ed25519 } from "./ed25519-signer.ts";
export { type ErrorCode, type ErrorKind, errorCodes, isProofdnsError, ProofdnsError } from "./error.ts";
export {
  EVIDENCE_TYPE,
  type ForkEvidence,
  makeForkEvidence,
  type VerifiedFork,
  verifyForkEvidence,
} from "./evidence.ts";
export { FlatTree, type TreeRoot } from "./flat-tree.ts";
export { Frontier } from "./frontier.ts";
export { computeEpochLeafHash, type EpochLeaf, formatLeaf, parseLeaf } from "./leaf.ts";
export { foldWindow, type IndexedRecord, type MapAfter, type MapBefore, pathsToLoad } from "./map-function.ts";
export { isModulePath, majorsSubject, TOOLCHAIN_MODULE, TOOLCHAIN_SUBJECT } from "./module-path.ts";
export { foldRecord, formatModuleState, type ModuleState, parseModuleState } from "./module-state.ts";
export { computeIndexKey, computeModuleValue, type ModuleValue, parseModuleValue } from "./module-value.ts";
export {
  formatNote,
  formatSignerKey,
  formatVerifierKey,
  makeSignerKey,
  makeVerifierKey,
  type NoteSignature,
  parseNote,
  parseSignerKey,
  parseVerifierKey,
  type SignerKey,
  signNote,
  type UnverifiedNote,
  type VerifiedNote,
  type VerifierKey,
  verifyNote,
} from "./note.ts";
export {
  decodePathProof,
  encodePathProof,
  type PathProof,
  pathProofOf,
  verifyEmptyMap,
  verifyInclusionProof,
  verifyNonInclusionProof,
} from "./path-proof.ts";
export { nodeEd25519, nodeSha256 } from "./platform.ts";
export { formatPolicy, isQuorum, type Policy, parsePolicy, type QuorumRule } from "./policy.ts";
export { type MapChange, PrefixTree } from "./prefix-tree.ts";
export { formatH1, formatRecord, makeRecord, parseRecord, type Record } from "./record.ts";
export { type Hash, type Sha256, sha256 } from "./sha256.ts";
export { formatTilePath, parseTilePath, type Tile } from "./tile.ts";
export {
  computeConsistencyProof,
  computeLeafHash,
  computeLogInclusionProof,
  computeRoot,
  type HashReader,
  type Subtree,
  verifyConsistencyProof,
  verifyLogInclusionProof,
} from "./tlog.ts";
export { type SortedPairs, TreeSlab, type TreeSlabOptions } from "./tree-slab.ts";
export { compareVersions, parseVersion, type Version, type VersionKind } from "./version.ts";
