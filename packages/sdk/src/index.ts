/** The client library of Authledger, with verification. */
export {
  type ErrorCode,
  type ErrorDetails,
  LedgerError,
  type RetryAdvice,
  type SetCondition,
  type Tuple,
} from "@authledger/types";
export { IndexedDbRoots } from "./browser/indexeddb-roots.js";
export {
  AdminClient,
  type AdminOptions,
  type CompactionReport,
  type ConfigChange,
  type ConfigField,
  type CreatedVault,
  type HotKey,
  type IntegrityReport,
  type NodeInfo,
  type Organization,
  type OrganizationStatus,
  type Usage,
  type Vault,
  type VaultChanges,
  type VaultStatus,
  type VaultWithHealth,
} from "./calls/admin-client.js";
export { AdminList, type AdminListOptions } from "./calls/admin-list.js";
export type { AuditFilter, AuditLogOptions } from "./calls/audit-log.js";
export type { AuditOutcome, AuditRecord } from "./calls/audit-record.js";
export {
  type BlockProof,
  type BlockRange,
  type BlockRangeOptions,
  judgeBlockProof,
  type RangedBlock,
  type VerifiedBlockProof,
} from "./calls/block-range.js";
export {
  type Change,
  type ChangeFilter,
  ChangeList,
  type ChangePage,
  type ChangeTarget,
  type ListChangesOptions,
} from "./calls/changes.js";
export {
  ClusterClient,
  type ClusterMember,
  type ClusterPeers,
  type ClusterStatus,
  type MemberRole,
  type NewCluster,
  type NodeRole,
  type PeerLink,
  type ReplicationState,
} from "./calls/cluster-client.js";
export {
  DecisionList,
  type DecisionListOptions,
  type DecisionPage,
  type ObjectsQuestion,
  type UsersQuestion,
} from "./calls/decision-list.js";
export type { DecisionEvidence } from "./calls/decision-proving.js";
export type {
  ContextualTuple,
  DecidingTuple,
  Decision,
  DecisionOptions,
  Decisions,
  ExpandAnswer,
  ExplainAnswer,
  ExplainedStep,
  ProvableDecisionOptions,
  RelationsAnswer,
  RelationsQuestion,
} from "./calls/decisions.js";
export type {
  DeleteByFilterOptions,
  DeleteFilter,
  DeleteProgress,
  Erased,
  EraseOptions,
  EraseTarget,
} from "./calls/deletions.js";
export type { BlockOptions, CheckpointOptions, HeadJudgement } from "./calls/history.js";
export {
  type ApiKey,
  KeysClient,
  type NewApiKey,
  type NewApiKeyOptions,
} from "./calls/keys-client.js";
export type { ClientState, EntityListOptions } from "./calls/listings.js";
export {
  type Assertion,
  type ChangedAnswer,
  type Deployed,
  type DeployOptions,
  type ModelChange,
  type ModelDiff,
  type ModelInfo,
  type ModelProblem,
  type ModelSource,
  ModelsClient,
  type StoredModel,
  type Switched,
} from "./calls/models-client.js";
export {
  type ListPage,
  PagedList,
  type UnprovenListOptions,
  type UnprovenOptions,
} from "./calls/paged-list.js";
export {
  type EffectiveLimit,
  type Quota,
  type QuotaAnswer,
  type QuotaLimits,
  type QuotaOptions,
  type QuotaOwner,
  QuotasClient,
} from "./calls/quotas-client.js";
export { type ListOptions, RelationshipList } from "./calls/relationship-list.js";
export {
  ROLE_NAMES,
  type Role,
  type RoleBinding,
  type RoleChangeOptions,
  type RoleListOptions,
  type RolePlace,
  RolesClient,
} from "./calls/roles-client.js";
export { RowList } from "./calls/row-list.js";
export type {
  Answer,
  BatchOutcome,
  BatchReadAnswer,
  BatchStoredAnswer,
  BatchWriteAnswer,
  Block,
  Checkpoint,
  Entity,
  NoneEmpty,
  NotEmpty,
  Proof,
  ReadAnswer,
  ReadOptions,
  Relationship,
  RelationshipFilter,
  RelationshipPage,
  StoredAnswer,
  Tip,
  TransactionInput,
  TransactionResult,
  TupleInput,
  WriteAnswer,
  WriteOperation,
} from "./calls/values.js";
export type {
  WatchBlocksOptions,
  WatchChangesOptions,
  WatchedBlock,
  WatchedChange,
  WatchOptions,
  WatchProgress,
  WatchState,
} from "./calls/watches.js";
export { LedgerClient } from "./client.js";
export {
  anyReplica,
  atHeight,
  atLeast,
  type Consistency,
  type ConsistencyToken,
  linearizable,
} from "./consistency.js";
export { createClient } from "./create-client.js";
export * from "./gen/errors.js";
export type { Interceptor, OutgoingCall, StreamNext, UnaryNext } from "./hooks/interceptors.js";
export type { CircuitState, ClientMetrics } from "./hooks/metrics.js";
export type { ClientTracing, TracedCall } from "./hooks/tracing.js";
export {
  createTuple,
  deleteEntity,
  deleteTuple,
  setEntity,
  tupleMustExist,
  tupleMustNotExist,
} from "./operations.js";
export type {
  CallOptions,
  ClientOptions,
  PemText,
  Slug,
  Tenant,
  TlsOptions,
  Token,
  VerifyOptions,
} from "./options.js";
export type { EndpointSource } from "./sources/endpoint-source.js";
export { type Attempt, attemptsOf } from "./transport/attempts.js";
export type { EndpointInfo } from "./transport/connection.js";
export {
  type EndpointFailure,
  type TransportCause,
  UnreachableError,
} from "./transport/wire-failure.js";
export { FileRoots } from "./verify/file-roots.js";
export { MemoryRoots } from "./verify/memory-roots.js";
export { nodeCrypto } from "./verify/node-crypto.js";
export type { PinnedRoots } from "./verify/pinned-roots.js";
export { mayNeedPolicy } from "./verify/policy-catch-up.js";
export { type PinnedTrust, parsePinned } from "./verify/trust-record.js";
export { EquivocationError, type Verified } from "./verify/verify.js";
