/**
 * How the engines of a cluster reach each other. The transport (server, simulator) implements it; the engine never sees a
 * socket. Frames may be lost, doubled and reordered: whoever sends one repeats what matters.
 */
import type { GroupId, NodeId } from "@authledger/types";

/** What a node is to the others; replicated with the configuration of the group. */
export interface MemberInfo {
  readonly nodeId: NodeId;
  /** Random for each life of the disk, 16 bytes: an empty disk is a new node. */
  readonly incarnation: Uint8Array;
  /** For people; unique in the cluster. */
  readonly name: string;
  /** host:port */
  readonly peerAddress: string;
  readonly clientAddress: string;
  /** Ed25519 public key of its cosignatures, 32 bytes. */
  readonly cosignKey: Uint8Array;
  /** X25519 public key that secrets are sealed to, 32 bytes. */
  readonly sealKey: Uint8Array;
}

/** Never reused. */
export const FrameKind = {
  raft: 1,
  snapshotChunk: 2,
  snapshotAck: 3,
  cosignRequest: 4,
  cosignReply: 5,
  digest: 6,
  secret: 7,
  /** u64: the wall clock of the sender, in milliseconds since 1970. */
  clock: 8,
  /** Which writes of the entry behind it are traced; nothing depends on it. */
  trace: 9,
  /** u8 1: do you vote, or may you have? 2: no. 3: yes. Of a node that may have lost the end of its log. */
  voter: 10,
  /** Nodes of the cluster that have reached the sender and are no members as far as it knows: are they removed? To the leader. */
  strangers: 11,
  /** Those of them that were removed, which is confirmed (INV-GROUP-13). */
  removed: 12,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export interface PeerFrame {
  readonly kind: FrameKind;
  readonly group: GroupId;
  readonly payload: Uint8Array;
}

/** How well a peer is reached. */
export interface PeerLink {
  readonly isConnected: boolean;
  /** On the monotonic clock; undefined before the first frame. */
  readonly lastHeardMs: number | undefined;
  readonly queuedBytes: number;
  /** Why it is not reached, in words. */
  readonly problem: string | undefined;
}

/** Who a node is to its peers. */
export interface PeerIdentity {
  readonly member: MemberInfo;
  /** Absent while the node waits to be added. */
  readonly clusterId: string | undefined;
  /** The newest version that it speaks (peer-versions.ts); absent: that of this code. */
  readonly protocolVersion?: number;
}

/**
 * Why a node refuses to talk to another. `removed` is told to nodes that were members: they stop. `waiting`: neither is of a
 * cluster. `other-node`, `other-incarnation`: not the one that the other expected; an empty disk is a new node.
 * `certificate`: it names another node.
 */
export type PeerRefusal =
  | "protocol"
  | "format"
  | "other-cluster"
  | "other-node"
  | "other-incarnation"
  | "removed"
  | "waiting"
  | "certificate";

export interface PeerReceiver {
  /** Asked at every handshake and lookup. */
  identity(): PeerIdentity;
  /**
   * A member of a cluster has reached this node, whoever dialed: called after the handshake and before its frames. A node that
   * waits learns so whose it is to be, and may answer whoever added it.
   */
  onConnected(peer: PeerIdentity): void;
  onFrame(from: NodeId, frame: PeerFrame): void;
  /** Frames to this node may have been lost. */
  onUnreachable(node: NodeId): void;
  /** A peer refuses to talk to this node; it is asked again from time to time. */
  onRefused(by: NodeId, why: PeerRefusal): void;
}

export interface PeerPort {
  /** Who hears what arrives. Called once, before anything else. */
  listen(receiver: PeerReceiver): void;
  /** Hands a frame over; all frames of one turn leave together. False when it was dropped: no such peer, or its queue is full. */
  send(to: NodeId, frame: PeerFrame): boolean;
  /**
   * Who is to be reached from now on, without this node. `removed`: lives of nodes that were members and are none any more;
   * they are told so and not let in again. All others of the cluster may come: their configuration may be newer.
   */
  setMembers(
    clusterId: string,
    members: readonly MemberInfo[],
    removed: readonly MemberInfo[],
  ): void;
  link(node: NodeId): PeerLink | undefined;
  /** Asks the node at an address who it is, and which cluster it is of, if any. @throws LedgerError UNAVAILABLE */
  lookup(address: string): Promise<PeerIdentity>;
}
