/** The turn loop of a node: proposer, log, apply, reads, flush, signer. */
export { checkDataDirectory, type DataDirectoryReport } from "./check-data-directory.js";
export { Engine, type EngineDeps, type EngineOptions, type EngineStats } from "./engine.js";
export { openNodeEngine } from "./node-engine.js";
export type {
  AnswerPoint,
  AnswerProof,
  EngineCall,
  EngineCalls,
  EnginePort,
  EngineReply,
  EngineRequest,
  NodeInfo,
  OrganizationInfo,
  OrganizationStatus,
  ProveOptions,
  StoredEntity,
  StoredTuple,
  TransactionInclusion,
  TransactionOutcome,
  VaultInfo,
  VaultStatus,
} from "./port.js";
