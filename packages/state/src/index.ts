/** The state machine: log entries to rows, tries, blocks and answers. Signs nothing, knows no log. */

export {
  type Change,
  type ChangeFilter,
  type ChangeKind,
  type ChangePage,
  type ChangePosition,
  type ChangeTarget,
  listChanges,
} from "./changes.js";
export type { ClientState } from "./client-row.js";
export { describeKey, describeRow } from "./describe-row.js";
export { type EntityPage, type EntityQuery, listEntities } from "./entity-list.js";
export {
  APPLY_VERSION,
  type CreateVaultItem,
  decodeEntry,
  type Entry,
  type EntryItem,
  type EraseItem,
  encodeEntry,
  type InitItem,
  type NoncedValue,
  type SealedTransaction,
  type SetStatusItem,
  type SweepItem,
  sealedBytes,
  type TransactionItem,
} from "./entry.js";
export { valueErased } from "./erased-value.js";
export {
  type AppliedBlock,
  type AppliedEntry,
  type ClusterIdentity,
  GroupState,
} from "./group-state.js";
export type { OpenVault, VaultTip } from "./open-vault.js";
export type { AppliedTransaction, Outcome, Refusal } from "./outcome.js";
export { isOverdue } from "./past/retention.js";
export { VaultAt } from "./past/vault-at.js";
export { newestPolicyRow, type PolicyRow, policyBundle } from "./policy-rows.js";
export {
  blockTransactions,
  hasTuple,
  type ListedTuple,
  listTuples,
  type ReadEntity,
  rangeOf,
  readEntity,
  type TupleFilter,
  type TuplePage,
} from "./reader.js";
export type { LiveRecord } from "./record-fields.js";
export { type DuePage, type DueRecord, firstExpiry, scanDue } from "./record-indexes.js";
export {
  bucketHashes,
  bucketLeaves,
  type ComparedLeaf,
  comparedView,
  partedAt,
  replicaHeads,
  type VaultHead,
} from "./replica/replica-compare.js";
export { type ExpectedReplica, ReplicaLoad } from "./replica/replica-load.js";
export {
  REPLICA_MAGIC,
  ReplicaFrame,
  type ReplicaHead,
  type ReplicaStart,
} from "./replica/replica-sections.js";
export { ReplicaSnapshot } from "./replica/replica-snapshot.js";
export { verifyReplica } from "./replica/replica-verify.js";
export { listResources, type ResourcePage, type ResourceQuery } from "./resource-list.js";
export type { ScrubArea, ScrubCounts, ScrubDifference } from "./scrub/difference.js";
export { Scrub, type ScrubDeps, type ScrubPause } from "./scrub/scrub.js";
export { type Frame, FrameReader } from "./snapshot/frames.js";
export { SnapshotExport } from "./snapshot/snapshot-export.js";
export {
  firstIndexOf,
  type RestoreAuthority,
  type RestoredVault,
  SnapshotInstall,
  type SnapshotProgress,
} from "./snapshot/snapshot-install.js";
export type { LeafCursor, StateView } from "./state-view.js";
export {
  decodeEntity,
  encodeOrganizationEntity,
  encodeVaultEntity,
  erasureEntityKey,
  organizationEntityKey,
  SYSTEM_VAULT,
  type VaultEntity,
  vaultEntityKey,
  withStatus,
} from "./system-vault.js";
export type { BranchCacheOptions } from "./trie/branch-cache.js";
export { type TupleRow, tupleRows } from "./tuple-rows.js";
export { type OrganizationUsage, UsageRows, type VaultUsage } from "./usage.js";
export type {
  OrganizationRow,
  OrganizationStatus,
  VaultRow,
  VaultStatus,
} from "./vault-rows.js";
export { isGone } from "./vault-rows.js";
