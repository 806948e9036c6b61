/**
 * The nodes of a cluster: who they are, how far they are, and who belongs to it. Changes are sent once: whether one that
 * got no answer was made, the status tells.
 */
import { cluster } from "@authledger/proto";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { malformed } from "./convert.js";

const SERVICE = cluster.ClusterServiceService;

/** What a node is at the moment; `waiting`: it belongs to no cluster yet. */
export type NodeRole = "leader" | "follower" | "candidate" | "learner" | "waiting" | "removed";
/** What a node is in the configuration; `outgoing`: a voter that the change under way takes out. */
export type MemberRole = "voter" | "learner" | "outgoing";
/** How the leader brings a member up to date. */
export type ReplicationState = "probe" | "replicate" | "snapshot";

/** The way from the node that answers to another one. */
export interface PeerLink {
  readonly isConnected: boolean;
  /** How long ago something came; undefined before that. */
  readonly lastHeardMs: bigint | undefined;
  readonly queuedBytes: bigint;
  /** Why it is not reached, in words; empty when it is. */
  readonly problem: string;
}

export interface ClusterMember {
  readonly nodeId: bigint;
  readonly name: string;
  /** host:port */
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly role: MemberRole | "unknown";
  /** What the member has for certain. Known to the leader only, as the following are. */
  readonly matchIndex: bigint | undefined;
  readonly nextIndex: bigint | undefined;
  readonly replication: ReplicationState | undefined;
  /** Heard of within an election's time. */
  readonly isActive: boolean | undefined;
  /** It may have lost what it had acknowledged, and has no vote until it has caught up. Known to the leader and to itself only. */
  readonly isRecovering: boolean | undefined;
  /** Undefined for the node that answers. */
  readonly link: PeerLink | undefined;
}

/** Where the nodes of a cluster are. */
export interface ClusterPeers {
  /** Of this answer: another one whenever anything in it is another. */
  readonly version: Uint8Array;
  /** 32 hex digits; empty for a node that belongs to no cluster yet. */
  readonly clusterId: string;
  /** Undefined where it is not known. */
  readonly leaderId: bigint | undefined;
  readonly peers: readonly Pick<ClusterMember, "nodeId" | "name" | "clientAddress" | "role">[];
  /** Of the API, as the node speaks them. */
  readonly apiVersionOldest: number;
  readonly apiVersionNewest: number;
}

export interface ClusterStatus {
  /** The node that answers. */
  readonly nodeId: bigint;
  readonly name: string;
  /** 32 hex digits; empty for a node that belongs to no cluster yet. */
  readonly clusterId: string;
  readonly role: NodeRole | "unknown";
  readonly term: bigint;
  /** Undefined where it is not known. */
  readonly leaderId: bigint | undefined;
  readonly commitIndex: bigint;
  readonly appliedIndex: bigint;
  readonly lastIndex: bigint;
  /** A change of the voters is under way. */
  readonly isJoint: boolean;
  /** The node may have lost what it had acknowledged; it has no vote until it has caught up. */
  readonly isRecovering: boolean;
  /** Why the node answers no call about what is stored: its state is not that of the majority, or may not be. Empty: it does. */
  readonly stateProblem: string;
  readonly members: readonly ClusterMember[];
}

/** A cluster that was begun. */
export interface NewCluster {
  readonly clusterId: string;
  /** The root credential, an API key that may do everything; absent where the cluster had one, or needs none. */
  readonly rootKey?: string;
  /** Where the node has written it too. */
  readonly rootKeyFile?: string;
}

export class ClusterClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * The cluster as one node sees it.
   * @param options.atLeader the leader answers, who alone knows how far the members are
   * @throws LedgerError NO_LEADER when the leader is asked for and there is none
   */
  async status(
    options: CallOptions & { readonly atLeader?: boolean | undefined } = {},
  ): Promise<ClusterStatus> {
    const { atLeader = false } = options;
    const found = await this.#session.call(SERVICE.getClusterStatus, { atLeader }, options);
    return {
      ...found,
      role: NODE_ROLES[found.role] ?? "unknown",
      leaderId: found.leaderId === 0n ? undefined : found.leaderId,
      members: found.members.map(memberOf),
    };
  }

  /**
   * Where the nodes are, as one node knows it; undefined where that is what is known already.
   * @param options.known the version of the answer at hand
   * @example const next = (await ledger.cluster.peers({ known: peers.version })) ?? peers;
   */
  async peers(
    options: CallOptions & { readonly known?: Uint8Array | undefined } = {},
  ): Promise<ClusterPeers | undefined> {
    const { known: knownVersion = new Uint8Array(0) } = options;
    const found = await this.#session.call(SERVICE.getPeers, { knownVersion }, options);
    if (found.isUnchanged) return undefined;
    const { clusterId, leaderId } = found;
    return {
      ...{ version: new Uint8Array(found.version), clusterId },
      leaderId: leaderId === 0n ? undefined : leaderId,
      peers: found.peers.map((one) => ({ ...one, role: MEMBER_ROLES[one.role] ?? "unknown" })),
      ...{ apiVersionOldest: found.apiVersionOldest, apiVersionNewest: found.apiVersionNewest },
    };
  }

  /**
   * Makes a node that waits a cluster, with those that wait at the given peer addresses.
   * Where credentials are configured the answer holds the root credential: it is shown here and never again.
   */
  async init(addresses: readonly string[], options?: CallOptions): Promise<NewCluster> {
    const request = { addresses: [...addresses] };
    const made = await this.#session.call(SERVICE.initCluster, request, options, "once");
    const { clusterId, rootKey, rootKeyFile } = made;
    return { clusterId, ...(rootKey !== "" && { rootKey, rootKeyFile }) };
  }

  /** Takes the node that waits at a peer address in, as a learner. */
  async add(address: string, options?: CallOptions): Promise<ClusterMember> {
    const { member } = await this.#session.call(SERVICE.addMember, { address }, options, "once");
    if (member === undefined) throw malformed("no member");
    return memberOf(member);
  }

  /** Gives a learner a vote. @throws LedgerError NOT_CAUGHT_UP, CHANGE_PENDING */
  async promote(nodeId: bigint, options?: CallOptions): Promise<void> {
    await this.#session.call(SERVICE.promoteMember, { nodeId }, options, "once");
  }

  /** Takes a node out of the cluster for ever. @throws LedgerError CHANGE_PENDING */
  async remove(nodeId: bigint, options?: CallOptions): Promise<void> {
    await this.#session.call(SERVICE.removeMember, { nodeId }, options, "once");
  }

  /** Hands leadership to a node, or to the voter that is furthest. @returns who leads now */
  async transfer(
    nodeId?: bigint,
    options?: CallOptions,
  ): Promise<{ readonly leaderId: bigint; readonly term: bigint }> {
    const request = { nodeId: nodeId ?? 0n };
    return this.#session.call(SERVICE.transferLeadership, request, options, "once");
  }
}

const NODE_ROLES: Readonly<Record<number, NodeRole>> = {
  [cluster.NodeRole.NODE_ROLE_LEADER]: "leader",
  [cluster.NodeRole.NODE_ROLE_FOLLOWER]: "follower",
  [cluster.NodeRole.NODE_ROLE_CANDIDATE]: "candidate",
  [cluster.NodeRole.NODE_ROLE_LEARNER]: "learner",
  [cluster.NodeRole.NODE_ROLE_WAITING]: "waiting",
  [cluster.NodeRole.NODE_ROLE_REMOVED]: "removed",
};

const MEMBER_ROLES: Readonly<Record<number, MemberRole>> = {
  [cluster.MemberRole.MEMBER_ROLE_VOTER]: "voter",
  [cluster.MemberRole.MEMBER_ROLE_LEARNER]: "learner",
  [cluster.MemberRole.MEMBER_ROLE_OUTGOING]: "outgoing",
};

const REPLICATION_STATES: Readonly<Record<number, ReplicationState>> = {
  [cluster.ReplicationState.REPLICATION_STATE_PROBE]: "probe",
  [cluster.ReplicationState.REPLICATION_STATE_REPLICATE]: "replicate",
  [cluster.ReplicationState.REPLICATION_STATE_SNAPSHOT]: "snapshot",
};

function memberOf(message: cluster.ClusterMember): ClusterMember {
  const { matchIndex, nextIndex, isActive, isRecovering, link } = message;
  return {
    nodeId: message.nodeId,
    name: message.name,
    peerAddress: message.peerAddress,
    clientAddress: message.clientAddress,
    role: MEMBER_ROLES[message.role] ?? "unknown",
    matchIndex,
    nextIndex,
    replication: REPLICATION_STATES[message.replication],
    isActive,
    isRecovering,
    link: link && { ...link, lastHeardMs: link.lastHeardMs },
  };
}
