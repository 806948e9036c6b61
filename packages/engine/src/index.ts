/** The turn loop of a node: proposer, log, apply, reads, flush, signer. */
export type { Change, ChangeFilter, ChangePosition } from "@authledger/state";
export { checkDataDirectory, type DataDirectoryReport } from "./check-data-directory.js";
export { Engine, type EngineDeps, type EngineOptions, type EngineStats } from "./engine.js";
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
  NodeInfo,
  OrganizationInfo,
  OrganizationStatus,
  ProveOptions,
  StoredBlock,
  StoredEntity,
  StoredTuple,
  TransactionInclusion,
  TransactionOutcome,
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
