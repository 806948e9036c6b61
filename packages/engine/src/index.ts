/** The turn loop of a node: proposer, log, apply, reads, flush, signer. */

export type {
  Change,
  ChangeFilter,
  ChangePosition,
  RestoredVault,
  SnapshotProgress,
} from "@authledger/state";
export { valueErased } from "@authledger/state";
export { DataLock } from "@authledger/store";
export type {
  AuthorizationCalls,
  DecisionPoint,
  DecisionProof,
  DecisionQuestion,
  ModelInfo,
  ProveDecisionOptions,
} from "./authorization/authorization-calls.js";
export { checkDataDirectory, type DataDirectoryReport } from "./check-data-directory.js";
export type {
  ClusterCalls,
  ClusterOptions,
  ClusterRole,
  ClusterStatus,
  MemberStatus,
} from "./cluster/cluster-calls.js";
export {
  decodeMemberInfos,
  encodeMemberInfos,
  isSameNode,
  validateMemberInfo,
} from "./cluster/member-info.js";
export {
  FrameKind,
  type MemberInfo,
  type PeerFrame,
  type PeerIdentity,
  type PeerLink,
  type PeerPort,
  type PeerReceiver,
  type PeerRefusal,
} from "./cluster/peer-port.js";
export { PEER_PROTOCOL_VERSION, PEER_PROTOCOL_VERSION_OLDEST } from "./cluster/peer-versions.js";
export { Engine, type EngineStats } from "./engine.js";
export type { EngineDeps, EngineOptions } from "./engine-options.js";
export {
  type InspectedDirectory,
  type InspectedPage,
  type InspectedRecord,
  type InspectedRow,
  inspectDataLog,
  inspectDataPage,
  inspectDataSlots,
} from "./inspect-data-directory.js";
export {
  compactDataDirectory,
  type OfflineCompaction,
} from "./maintenance/compact-data-directory.js";
export { COMPACTION_POLICY, FILL_THRESHOLD_DEFAULT } from "./maintenance/compactor.js";
export { DATA_FORMAT_VERSION } from "./node-directory.js";
export { openNodeEngine, restoreNodeDirectory } from "./node-engine.js";
export type {
  AnswerPoint,
  AnswerProof,
  EngineCall,
  EngineCalls,
  EnginePort,
  EngineReply,
  EngineRequest,
  HistoryPoint,
  IntegrityDifference,
  MaintenanceInfo,
  NodeInfo,
  OrganizationInfo,
  OrganizationStatus,
  ProveOptions,
  StoredBlock,
  StoredEntity,
  StoredTuple,
  TransactionInclusion,
  TransactionOutcome,
  VaultHealth,
  VaultInfo,
  VaultStatus,
} from "./port.js";
export {
  type RestoreDeps,
  type RestoreObserver,
  type RestoreOptions,
  restoreDirectory,
} from "./restore-directory.js";
export { directorySnapshot, snapshotChunks } from "./snapshot-chunks.js";
export type { TraceContext, TracedSpan, Tracer } from "./tracer.js";
