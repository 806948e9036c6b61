/**
 * Where the two halves of a node meet: the front (gRPC, authentication, validation, limits; no state) and the
 * engine (everything else; the single writer). Only plain data crosses, so that the engine can move to a
 * worker without a change on either side (architecture.md, "One process").
 *
 * The front has validated what it sends: grammar, limits, names. Vaults are named by internal ids here, which
 * the front gets from `resolve_vault` and may keep, because ids are never used again. Failures arrive as
 * LedgerErrors; expected outcomes of single transactions are values.
 */
import type {
  ChangeFilter,
  ChangePage,
  ChangePosition,
  ClientState,
  OrganizationUsage,
} from "@authledger/state";
import type {
  Consistency,
  ErrorCode,
  ErrorDetails,
  OperationStatus,
  TransactionRequest,
  Tuple,
} from "@authledger/types";
import type { AnswerPoint, AnswerProof, ProveOptions } from "./answer.js";
import type { AuthorizationCalls } from "./authorization/authorization-calls.js";
import type { ClusterCalls } from "./cluster/cluster-calls.js";
import type { TraceContext } from "./tracer.js";

export type { AnswerPoint, AnswerProof, ProveOptions } from "./answer.js";

interface VaultQuestion {
  readonly vault: number;
  readonly consistency: Consistency;
}

interface VaultRead extends VaultQuestion {
  readonly prove?: ProveOptions;
}

/**
 * Where the engine keeps what it worked out from a request itself (never what it read), for when the very same
 * object is asked again. The front gives it empty and does not look inside; lost, it costs time and nothing else.
 */
export interface CheckMemo {
  /** Canonical keys of the tuples and their paths in the vault, in the order of the tuples. */
  leaves?: readonly { readonly key: Uint8Array; readonly path: Uint8Array }[];
}

/** What takes a client from the policy epoch before to this one. */
export interface PolicyBundleReply {
  readonly epoch: number;
  /** The policy as it is stored: nonce16 || text. */
  readonly policyValue: Uint8Array;
  readonly header: Uint8Array;
  readonly stateProof: Uint8Array;
  readonly historyProof: readonly Uint8Array[];
  /** From the client's head, or from the bundle before where that is larger. */
  readonly consistencyProof: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** Who changes something, and why: both stand in the transaction of the system vault. */
export interface Stated {
  readonly actor: string;
  readonly reason?: string;
}

export interface StoredTuple {
  readonly tuple: Tuple;
  readonly version: number;
  /** 0 = never. */
  readonly expiresAtMs: number;
  /** Where it has one: its canonical encoding, and the nonce in front of it in its digest. */
  readonly condition?: { readonly value: Uint8Array; readonly nonce: Uint8Array };
  /** In a list of an older height: it has a condition, which was erased. */
  readonly erased?: true;
}

export interface StoredEntity {
  readonly key: string;
  readonly value: Uint8Array;
  readonly nonce: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
  /** As of an older height that was asked for: the value was erased then, in milliseconds since 1970; it and its nonce are empty. */
  readonly erasedAtMs?: number;
}

/** Shows that a transaction is in its block. */
export interface TransactionInclusion {
  readonly header: Uint8Array;
  readonly transaction: Uint8Array;
  readonly index: number;
  readonly path: readonly Uint8Array[];
}

/** What became of one transaction. */
export type TransactionOutcome =
  | {
      readonly kind: "applied";
      readonly transactionId: Uint8Array;
      readonly sequence: number;
      readonly height: number;
      readonly statuses: readonly OperationStatus[];
      readonly replayed: boolean;
      /** Also absent where it was asked for and cannot be made any more: it is applied all the same. */
      readonly inclusion?: TransactionInclusion;
    }
  | {
      readonly kind: "refused";
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: ErrorDetails;
      readonly retryAfterMs?: number;
    };

export type OrganizationStatus = "active" | "migrating" | "suspended" | "deleting" | "deleted";
export type VaultStatus = "active" | "read_only" | "deleting" | "deleted";

export interface OrganizationInfo {
  readonly slug: bigint;
  readonly name: string;
  readonly status: OrganizationStatus;
  readonly createdAtMs: number;
}

/** Whether what is stored is what is committed (L-22): apart from the status, which somebody decides. */
export type VaultHealth = "healthy" | "diverged";

export interface VaultInfo {
  readonly organization: bigint;
  readonly slug: bigint;
  readonly name: string;
  readonly status: VaultStatus;
  readonly createdAtMs: number;
  readonly origin: string;
  readonly height: number;
  /** The newest blocks that are kept whole; 0 = all. */
  readonly retentionBlocks: number;
  /** The oldest block that can be read. */
  readonly oldestHeight: number;
}

/** The size of the store's file. */
interface FileSize {
  readonly pages: number;
  readonly freePages: number;
  readonly bytes: number;
}

/** What the node does for its own files, for node info. */
export interface MaintenanceInfo {
  readonly fileBytes: number;
  readonly filePages: number;
  readonly freePages: number;
  readonly isCompacting: boolean;
  /** Ended since the start. */
  readonly compactions: number;
  /** Of the one that runs, else of the last one. */
  readonly pagesMoved: number;
  readonly leavesJoined: number;
  readonly isScrubbing: boolean;
  /** Passes ended since the start. */
  readonly scrubPasses: number;
  /** 0 before the first. */
  readonly lastScrubEndedAtMs: number;
  readonly divergedVaults: number;
  /** What the scrubber found since the start, in words; 100 at most. */
  readonly alarms: readonly string[];
}

/** One thing that is not what follows from the records. */
export interface IntegrityDifference {
  readonly area: string;
  readonly isOfVault: boolean;
  readonly organization: bigint;
  readonly vault: bigint;
  readonly bucket: number | undefined;
  /** Hex digits. */
  readonly path: string | undefined;
  readonly height: number | undefined;
  readonly what: string;
  /** All of it in one line. */
  readonly text: string;
}

export interface NodeInfo {
  readonly nodeId: bigint;
  readonly clusterId: string;
  readonly clusterOrigin: string;
  readonly formatVersion: number;
  readonly role: "leader" | "follower" | "starting";
  readonly term: number;
  readonly lastIndex: number;
  readonly appliedIndex: number;
  readonly flushedIndex: number;
  readonly organizations: number;
  readonly vaults: number;
  readonly maintenance: MaintenanceInfo;
  /** Files of the data directory with heads that contradict each other. */
  readonly evidence: readonly string[];
}

/** A block of a vault's history. */
export interface StoredBlock {
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  /** Canonical bytes in order; none where they were not asked for. */
  readonly transactions: readonly Uint8Array[];
}

/** How far a vault's history goes. */
export interface HistoryPoint {
  /** Newest height + 1. */
  readonly size: number;
  /** The node's time. */
  readonly timeMs: number;
  readonly at: AnswerPoint;
}

/** Every call that crosses the port: its request and its reply. */
export interface EngineCalls extends ClusterCalls, AuthorizationCalls {
  resolve_vault: {
    request: { readonly organization: bigint; readonly vault: bigint };
    reply: { readonly vault: number };
  };
  write: {
    request: {
      readonly vault: number;
      /** Independent transactions, applied in order. */
      readonly transactions: readonly TransactionRequest[];
      /** Who writes, from the credential. */
      readonly actor: string;
      readonly prove: boolean;
      /** The trace that the call is part of, where somebody records it. */
      readonly trace?: TraceContext | undefined;
    };
    reply: { readonly outcomes: readonly TransactionOutcome[]; readonly at: AnswerPoint };
  };
  read_entities: {
    request: VaultRead & { readonly keys: readonly string[] };
    reply: {
      readonly entities: readonly (StoredEntity | undefined)[];
      readonly at: AnswerPoint;
      readonly proof?: AnswerProof;
    };
  };
  check: {
    request: VaultRead & { readonly tuples: readonly Tuple[]; readonly memo?: CheckMemo };
    reply: {
      readonly allowed: readonly boolean[];
      readonly at: AnswerPoint;
      readonly proof?: AnswerProof;
    };
  };
  list_tuples: {
    request: VaultRead & {
      readonly resource?: string;
      readonly relation?: string;
      readonly subject?: string;
      readonly limit: number;
      /** Go on behind this position, the `next` of the page before. */
      readonly after?: Uint8Array;
    };
    reply: {
      readonly tuples: readonly StoredTuple[];
      /** Absent on the last page. */
      readonly next?: Uint8Array;
      readonly at: AnswerPoint;
      readonly proof?: AnswerProof;
    };
  };
  list_entities: {
    request: VaultQuestion & {
      readonly prefix: string;
      /** Also those that have expired and are not collected yet. */
      readonly includeExpired: boolean;
      readonly limit: number;
      readonly after?: Uint8Array;
    };
    reply: {
      readonly entities: readonly StoredEntity[];
      readonly next?: Uint8Array;
      readonly at: AnswerPoint;
    };
  };
  list_resources: {
    request: VaultQuestion & {
      readonly type: string;
      readonly limit: number;
      readonly after?: Uint8Array;
    };
    reply: {
      readonly resources: readonly string[];
      readonly next?: Uint8Array;
      readonly at: AnswerPoint;
    };
  };
  get_client_state: {
    request: VaultQuestion & { readonly clientId: string };
    reply: {
      /** Absent before the client's first transaction. */
      readonly last?: ClientState;
      readonly at: AnswerPoint;
    };
  };
  get_tip: {
    request: { readonly vault: number; readonly consistency: Consistency };
    reply: {
      readonly header: Uint8Array;
      readonly blockHash: Uint8Array;
      readonly at: AnswerPoint;
    };
  };
  get_block: {
    request: VaultRead & { readonly height: number; readonly transactions: boolean };
    reply: {
      readonly header: Uint8Array;
      readonly blockHash: Uint8Array;
      readonly transactions: readonly Uint8Array[];
      readonly at: AnswerPoint;
      readonly proof?: AnswerProof;
    };
  };
  /** Blocks from a height on; without one none, and where the history ends. */
  get_block_range: {
    request: {
      readonly vault: number;
      readonly from?: number;
      readonly limit: number;
      readonly transactions: boolean;
      /** Of all blocks together; one block is given whatever its size. */
      readonly bytesMax: number;
    };
    reply: HistoryPoint & {
      readonly blocks: readonly StoredBlock[];
      readonly next: number;
    };
  };
  /** Roots of the complete subtrees over the headers below a height, largest first. */
  get_compact_range: {
    request: { readonly vault: number; readonly height: number };
    reply: { readonly roots: readonly Uint8Array[] };
  };
  /** What runs a block again without a database. */
  get_block_proof: {
    request: { readonly vault: number; readonly height: number; readonly prove?: ProveOptions };
    reply: {
      readonly header: Uint8Array;
      /** Empty for genesis. */
      readonly previousHeader: Uint8Array;
      readonly transactions: readonly Uint8Array[];
      /** LSP1 against the state before the block; empty for genesis. */
      readonly witness: Uint8Array;
      /** Over the headers before the previous one. */
      readonly compactRange: readonly Uint8Array[];
      readonly at: AnswerPoint;
      readonly proof?: AnswerProof;
    };
  };
  /** Changes from a position on, of blocks below `end`; without a position none. */
  list_changes: {
    request: {
      readonly vault: number;
      readonly from?: ChangePosition;
      readonly end?: number;
      readonly filter: ChangeFilter;
      readonly limit: number;
    };
    reply: HistoryPoint & ChangePage;
  };
  /** Waits until any vault has a new block, or for `waitMs`; without `after` it only tells the index. */
  wait_blocks: {
    request: {
      readonly after?: number;
      /** Of no interest are the others. */
      readonly vault?: number;
      readonly waitMs: number;
    };
    reply: {
      /** `after` of the next call. */
      readonly index: number;
      /** Vaults that have moved. */
      readonly vaults: readonly number[];
      /** False when others may have moved too. */
      readonly isComplete: boolean;
    };
  };
  get_checkpoint: {
    request: {
      readonly vault: number;
      readonly consistency: Consistency;
      readonly trustedSize: number;
      /** As in `ProveOptions`. */
      readonly cosignatures?: number;
    };
    reply: {
      readonly checkpoint: string;
      readonly consistencyProof: readonly Uint8Array[];
      readonly at: AnswerPoint;
    };
  };
  get_consistency_proof: {
    request: { readonly vault: number; readonly fromSize: number; readonly toSize: number };
    reply: { readonly proof: readonly Uint8Array[] };
  };
  get_trust_anchor: {
    request: { readonly vault: number };
    reply: { readonly anchor: string };
  };
  /** Bundles of the epochs behind `epoch`, in order and as many as one answer holds. */
  get_policy_bundles: {
    request: {
      readonly vault: number;
      readonly epoch: number;
      /** Size of the newest checkpoint the client trusts. */
      readonly trustedSize: number;
    };
    reply: {
      readonly bundles: readonly PolicyBundleReply[];
      /** The newest epoch that has a bundle, or 1. */
      readonly newestEpoch: number;
    };
  };
  /** Somebody shows a signed head: is it one of this node's history? One that is not is kept as evidence. */
  report_checkpoint: {
    request: { readonly vault: number; readonly checkpoint: string };
    reply: { readonly judgement: "consistent" | "larger" | "contradiction" };
  };
  create_organization: {
    request: { readonly name: string } & Stated;
    reply: { readonly organization: OrganizationInfo };
  };
  get_organization: {
    request: { readonly organization: bigint };
    reply: { readonly organization: OrganizationInfo };
  };
  list_organizations: {
    request: { readonly limit: number; readonly after?: bigint };
    reply: { readonly organizations: readonly OrganizationInfo[]; readonly next?: bigint };
  };
  delete_organization: {
    request: { readonly organization: bigint } & Stated;
    reply: { readonly organization: OrganizationInfo };
  };
  /** Takes an organization out of service, so that nothing of it is read or written. */
  suspend_organization: {
    request: { readonly organization: bigint; readonly actor: string; readonly reason: string };
    reply: { readonly organization: OrganizationInfo };
  };
  resume_organization: {
    request: { readonly organization: bigint; readonly actor: string; readonly reason: string };
    reply: { readonly organization: OrganizationInfo };
  };
  /** What an organization holds, or one of its vaults. */
  get_usage: {
    request: { readonly organization: bigint; readonly vault?: bigint };
    reply: { readonly usage: OrganizationUsage & { readonly blocks: number } };
  };
  /** Erases the value of an entity, or the condition of a tuple, of now and of every earlier version. */
  erase: {
    request: {
      readonly vault: number;
      readonly target: { readonly key: string } | { readonly tuple: Tuple };
      /** Leave what is stored now. */
      readonly keepCurrent: boolean;
      readonly actor: string;
      readonly reason: string;
    };
    reply: { readonly erased: number; readonly deleted: boolean; readonly at: AnswerPoint };
  };
  delete_vault: {
    request: { readonly organization: bigint; readonly vault: bigint } & Stated;
    reply: { readonly vault: VaultInfo };
  };
  create_vault: {
    request: { readonly organization: bigint; readonly name: string } & Stated;
    reply: { readonly vault: VaultInfo; readonly genesisHeader: Uint8Array };
  };
  get_vault: {
    request: { readonly organization: bigint; readonly vault: bigint };
    reply: { readonly vault: VaultInfo; readonly health: VaultHealth };
  };
  update_vault: {
    request: Stated & {
      readonly organization: bigint;
      readonly vault: bigint;
      /** What is absent stays as it is. */
      readonly name?: string;
      /** The newest blocks to keep whole; 0 = all. */
      readonly retentionBlocks?: number;
    };
    reply: { readonly vault: VaultInfo };
  };
  list_vaults: {
    request: { readonly organization: bigint; readonly limit: number; readonly after?: bigint };
    reply: { readonly vaults: readonly VaultInfo[]; readonly next?: bigint };
  };
  get_node_info: { request: Record<string, never>; reply: NodeInfo };
  /** A snapshot of the group begins; its parts are pulled, and nothing is made before it is asked for. */
  export_begin: {
    request: Record<string, never>;
    reply: { readonly export: number };
  };
  export_next: {
    request: { readonly export: number };
    /** At most EXPORT_CHUNK_BYTES; absent at the end. */
    reply: { readonly chunk?: Uint8Array };
  };
  /** Gives the view up that the export reads from; at any time, and a second time is nothing. */
  export_end: { request: { readonly export: number }; reply: Record<string, never> };
  /** Makes the store's file smaller; answers when that has ended. */
  compact: {
    /** Leaves filled less are joined: 0 to 0.5. */
    request: { readonly fillThreshold: number };
    reply: {
      readonly before: FileSize;
      readonly after: FileSize;
      readonly leavesVisited: number;
      readonly leavesJoined: number;
      readonly pagesMoved: number;
      readonly valuesMoved: number;
      readonly passes: number;
    };
  };
  /** Recomputes everything; answers when that has ended, or after `waitMs` with how far it is. */
  check_integrity: {
    request: {
      readonly waitMs: number;
      /** Begin no pass: wait for the one that runs. */
      readonly follow: boolean;
    };
    reply: {
      readonly running: boolean;
      readonly passes: number;
      readonly startedAtMs: number;
      readonly endedAtMs: number;
      readonly pages: number;
      readonly counts: {
        readonly vaults: number;
        readonly leaves: number;
        readonly branches: number;
        readonly blocks: number;
        readonly transactions: number;
        readonly indexRows: number;
        readonly skipped: number;
      };
      readonly divergedVaults: number;
      readonly differences: readonly IntegrityDifference[];
    };
  };
}

export type EngineCall = keyof EngineCalls;
export type EngineRequest<C extends EngineCall> = EngineCalls[C]["request"];
export type EngineReply<C extends EngineCall> = EngineCalls[C]["reply"];

/** The front's view of the engine. */
export interface EnginePort {
  /**
   * Sends one call; all calls of one loop turn cross together.
   * `deadlineAtMs`, on the monotonic clock: a write that has not been proposed by then is refused.
   * @throws LedgerError, as the promise's rejection
   */
  call<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): Promise<EngineReply<C>>;

  /**
   * The same call for who takes an answer that is there at once without a promise: on the path of a plain check
   * promises cost more than the engine's own front door.
   * @throws LedgerError, at once or as the promise's rejection
   */
  ask<C extends EngineCall>(
    call: C,
    request: EngineRequest<C>,
    deadlineAtMs?: number,
  ): EngineReply<C> | Promise<EngineReply<C>>;
}
