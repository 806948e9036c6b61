/** Everything that is hashed or proven, and the verifier. No Node imports: the same code runs in a browser. */
export { fromBase64, toBase64 } from "./base64.js";
export {
  type BlockProofInput,
  blockQuestions,
  type ExecutedBlock,
  executeBlock,
} from "./block-proof.js";
export { configHash } from "./config-hash.js";
export {
  BlockExecutor,
  type ExecutionResult,
  type FailedCondition,
  type NetChange,
  type RecordSource,
} from "./execute.js";
export { type BlockHeader, blockHash, decodeHeader, encodeHeader, HEADER_BYTES } from "./header.js";
export { HistoryFollower, type HistoryPosition } from "./history-follower.js";
export {
  type CosignedBy,
  type FreshnessRules,
  isCurrentRecord,
  type LightClientDeps,
  type ProvenAnswer,
  type TrustedHead,
  type TrustState,
  trustFromAnchor,
  type VerifiedAnswer,
  type VerifiedCheckpoint,
  verifyAnswer,
  verifyCheckpoint,
  type Wanted,
} from "./light-client.js";
export { CompactRange, type CompletedNode } from "./log/compact-range.js";
export {
  type ConsistencyClaim,
  consistencyProof,
  type InclusionClaim,
  inclusionProof,
  leafHash,
  lookupOf,
  type NodeLookup,
  nodeHash,
  rangeRoot,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from "./log/merkle-log.js";
export {
  adoptPolicy,
  adoptPolicyReceipt,
  type PolicyBundle,
  type PolicyReceipt,
} from "./next-policy.js";
export { nobleHasher } from "./noble-hasher.js";
export {
  type CheckpointBody,
  checkpointBody,
  cosignatureLine,
  cosignedMessage,
  formatCheckpoint,
  parseCheckpoint,
  signatureLine,
  signedKeys,
  type UntrustedCheckpoint,
} from "./note/checkpoint.js";
export {
  type Descriptor,
  decodeDescriptor,
  decodeLimits,
  encodeDescriptor,
  encodeLimits,
  type Predecessor,
  type VaultLimits,
} from "./note/genesis-records.js";
export {
  deriveLogSeed,
  formatVerifierKey,
  type NoteKey,
  noteKey,
  parseVerifierKey,
  SignatureType,
} from "./note/note-key.js";
export { type Cosigner, decodePolicy, encodePolicy, type Policy } from "./note/policy.js";
export { nobleVerifier, type SignatureVerifier } from "./note/signature-verifier.js";
export { formatTrustAnchor, parseTrustAnchor, type TrustAnchor } from "./note/trust-anchor.js";
export {
  decodeTransactionProof,
  encodeTransactionProof,
  formatReceipt,
  parseReceipt,
  type Receipt,
  type TransactionProof,
  verifyTransactionProof,
} from "./receipt.js";
export { type RejectReason, reject } from "./rejection.js";
export {
  type CanonicalCondition,
  type CanonicalOp,
  type CanonicalTransaction,
  decodeTransaction,
  encodeTransaction,
  OpCode,
} from "./transaction.js";
export { BUCKETS, BucketTree } from "./trie/bucket-tree.js";
export {
  encodeKey,
  entityKey,
  equalKeys,
  Kind,
  keyId,
  type LedgerKey,
  ledgerRecordKey,
  tupleBySubjectKey,
  tupleKey,
  tupleOfKey,
  twinOf,
  writeKey,
} from "./trie/key.js";
export { TrieHasher } from "./trie/leaf-branch.js";
export {
  bitAt,
  copyPrefix,
  firstDifferentBit,
  GROUP_BITS,
  PARTITION_BITS,
  PATH_BITS,
  PATH_BYTES,
  PathHasher,
  pathBehind,
} from "./trie/path.js";
export {
  type GetAnswer,
  isLive,
  type ListAnswer,
  type ListedRecord,
  type ProvenTrie,
} from "./trie/proven-trie.js";
export {
  checkRecordBytes,
  commitToValue,
  decodeRecord,
  encodeRecord,
  type LedgerRecord,
  NONCE_BYTES,
  RecordHasher,
  type StoredRecord,
  type ValueCommitment,
  writeRecord,
} from "./trie/record.js";
export {
  decodeStateProof,
  type StateProofContext,
  verifyStateProof,
} from "./trie/state-proof-decode.js";
export {
  encodeStateProof,
  type ListQuery,
  type ProofQuestions,
} from "./trie/state-proof-encode.js";
export { SALT_BYTES, stateRoot, vaultRef } from "./trie/state-root.js";
export { BuiltTrie } from "./trie/trie-build.js";
export type { BranchNode, EmptyNode, LeafNode, TrieNode, TrieSource } from "./trie/trie-source.js";
export { checkValue, requireCommitment } from "./value.js";
export {
  type AnsweredQuery,
  askState,
  type ReceiptContent,
  type StateAnswer,
  type StateQuery,
  scanState,
  type VerifiedReceipt,
  verifyQuery,
  verifyReceipt,
} from "./verify.js";
export { type BlockToVerify, verifyBlock } from "./verify-block.js";
