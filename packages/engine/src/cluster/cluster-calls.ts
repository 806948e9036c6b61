/** What operators ask of a cluster through the engine's port, and what a node is told when it starts in one. */
import type { NodeId } from "@authledger/types";
import type { MemberInfo, PeerLink, PeerPort } from "./peer-port.js";

/** How a node takes part in a cluster. Without it an engine is a group of one that opens no connection. */
export interface ClusterOptions {
  readonly peers: PeerPort;
  /** For people; unique in the cluster. Letters, digits, hyphens, underscores. */
  readonly name: string;
  /** host:port under which the others reach this node's peer port. */
  readonly peerAddress: string;
  /** host:port that clients are sent to. */
  readonly clientAddress: string;
  /** An empty directory waits to be added to a cluster instead of beginning one. Without meaning for others. */
  readonly join: boolean;
  /**
   * "lease": the leader answers linearizable reads without a round while a majority has answered it lately. Saves the round, and
   * trusts that clocks of a majority run at the same rate within 10 %. Default "quorum".
   */
  readonly readMode?: "quorum" | "lease" | undefined;
  /** Ticks of 25 ms. Default 3 (75 ms). */
  readonly heartbeatTicks?: number | undefined;
  /** Ticks of 25 ms; an election begins after one to two times as many without a leader. Default 12 (300 to 600 ms). */
  readonly electionTicks?: number | undefined;
  readonly replicas?: ReplicaOptions | undefined;
}

/** How replicas help each other. The defaults are for machines; the rest is for tests and small ones. */
export interface ReplicaOptions {
  /** Log kept for members that lack it: payload bytes behind what the node itself needs. Default 256 MiB. */
  readonly logKeepBytes?: number;
  /** The same in entries. Default 100,000. */
  readonly logKeepEntries?: number;
  /** Entries that also followers keep, for those who are not far behind. Default 1,000. */
  readonly logTailEntries?: number;
  /** Bytes of one part of a snapshot; all members the same. Default and most 512 KiB. */
  readonly snapshotChunkBytes?: number;
  /** Entries between two digests that are compared; all members the same. Default 64. */
  readonly digestEvery?: number;
  /** Milliseconds between two reports of digests. Default 1,000. */
  readonly digestIntervalMs?: number;
}

export type ClusterRole =
  | "leader"
  | "follower"
  | "candidate"
  | "learner"
  /** Started with `join`, and not added yet. */
  | "waiting"
  | "removed";

export interface MemberStatus {
  readonly info: MemberInfo;
  readonly role: "voter" | "learner" | "outgoing";
  /** The rest is known to the leader only: the last entry that the member is known to hold, ... */
  readonly match?: number;
  /** ... the next one to send, ... */
  readonly next?: number;
  /** ... how it is fed, ... */
  readonly state?: "probe" | "replicate" | "snapshot";
  /** ... and whether it has answered within the last election timeout. */
  readonly isActive?: boolean;
  /** It may have lost the end of its log and does not vote yet: known to the leader, where it has heard of it, and to itself. */
  readonly isRecovering?: boolean;
  /** Absent for the node itself. */
  readonly link?: PeerLink;
}

export interface ClusterStatus {
  readonly nodeId: NodeId;
  readonly name: string;
  /** Absent while the node waits. */
  readonly clusterId?: string;
  readonly role: ClusterRole;
  readonly term: number;
  readonly leader?: NodeId;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /** A change of the voters is half done. */
  readonly isJoint: boolean;
  /** The node may have lost the end of its log and does not vote yet. */
  readonly isRecovering: boolean;
  /** Why the node answers no call about what is stored, if it does not: its state is not that of the majority, or may not be. */
  readonly stateProblem?: string;
  /** In the order of their ids. */
  readonly members: readonly MemberStatus[];
}

/** Calls of the cluster's administration. All but `cluster_status` and `cluster_init` are for the leader: NOT_LEADER elsewhere. */
export interface ClusterCalls {
  cluster_status: { request: Record<string, never>; reply: ClusterStatus };
  /**
   * On a node that waits: begins a cluster of it, adds the nodes at the addresses and makes them voters once they have
   * caught up. On a member of one it goes on with the addresses that are no voters yet.
   */
  cluster_init: {
    request: { readonly addresses: readonly string[] };
    reply: ClusterStatus;
  };
  /** The node at a peer address becomes a learner. @throws LedgerError MEMBER_EXISTS, CLUSTER_MISMATCH, CHANGE_PENDING */
  cluster_add: {
    request: { readonly address: string };
    reply: { readonly member: MemberInfo };
  };
  /** A learner becomes a voter. @throws LedgerError NOT_CAUGHT_UP, MEMBER_NOT_FOUND, CHANGE_PENDING */
  cluster_promote: {
    request: { readonly node: NodeId };
    reply: Record<string, never>;
  };
  /** @throws LedgerError LAST_VOTER, MEMBER_NOT_FOUND, CHANGE_PENDING */
  cluster_remove: {
    request: { readonly node: NodeId };
    reply: Record<string, never>;
  };
  /** Answers when the node leads. @throws LedgerError TRANSFER_FAILED, NOT_CAUGHT_UP, MEMBER_NOT_FOUND */
  cluster_transfer: {
    request: { readonly node: NodeId };
    reply: { readonly term: number };
  };
}
