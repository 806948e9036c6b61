/**
 * Who speaks, and whether two nodes talk to each other: decided by both sides before the first frame, from what each says
 * of itself (docs/format/peer.md).
 *
 *   INV-PEER-5  Frames pass between two nodes only if they are of one cluster (or one waits and the other names it), each is
 *               the node and the life of its disk that the other means, and neither has removed the other.
 *
 * A node of the cluster that this one does not know yet is let in: its configuration may be newer (dissertation, section
 * 4.1: a server takes requests of a leader that is not in its configuration).
 */
import {
  DATA_FORMAT_VERSION,
  decodeMemberInfos,
  encodeMemberInfos,
  type MemberInfo,
  PEER_PROTOCOL_VERSION,
  PEER_PROTOCOL_VERSION_OLDEST,
  type PeerIdentity,
  type PeerRefusal,
  validateMemberInfo,
} from "@authledger/engine";
import type { peer } from "@authledger/proto";
import { equalBytes, LedgerError, type NodeId, nodeId } from "@authledger/types";

const CLUSTER_ID_CHARACTERS_MAX = 64;

/** What a node says first. */
export interface Hello extends PeerIdentity {
  readonly protocolVersion: number;
  readonly protocolVersionOldest: number;
  readonly formatVersion: number;
  /** Whom it believes to speak to. */
  readonly expected: { readonly nodeId: NodeId; readonly incarnation: Uint8Array };
}

export function helloTo(own: PeerIdentity, expected: Hello["expected"]): Hello {
  return {
    ...own,
    protocolVersion: PEER_PROTOCOL_VERSION,
    protocolVersionOldest: PEER_PROTOCOL_VERSION_OLDEST,
    formatVersion: DATA_FORMAT_VERSION,
    expected: { nodeId: expected.nodeId, incarnation: expected.incarnation },
  };
}

export function encodeHello(hello: Hello): peer.PeerHello {
  return {
    protocolVersion: hello.protocolVersion,
    protocolVersionOldest: hello.protocolVersionOldest,
    formatVersion: hello.formatVersion,
    clusterId: hello.clusterId ?? "",
    member: encodeMemberInfos([hello.member]),
    expectedNodeId: hello.expected.nodeId,
    expectedIncarnation: hello.expected.incarnation,
  };
}

/** @throws LedgerError for what is no node */
export function decodeHello(message: peer.PeerHello): Hello {
  return {
    ...decodeIdentity(message),
    protocolVersion: message.protocolVersion,
    protocolVersionOldest: message.protocolVersionOldest,
    formatVersion: message.formatVersion,
    expected: {
      nodeId: nodeId(message.expectedNodeId),
      incarnation: Uint8Array.from(message.expectedIncarnation),
    },
  };
}

/** Of a hello or the answer to Identify. @throws LedgerError for what is no node */
export function decodeIdentity(message: {
  readonly member: Uint8Array;
  readonly clusterId: string;
}): PeerIdentity {
  const [member, ...more] = decodeMemberInfos(Uint8Array.from(message.member));
  if (member === undefined || more.length > 0) {
    throw new LedgerError("CODEC_DECODE", "a peer does not say which node it is");
  }
  validateMemberInfo(member);
  const { clusterId } = message;
  if (!/^[A-Za-z0-9._-]*$/.test(clusterId) || clusterId.length > CLUSTER_ID_CHARACTERS_MAX) {
    throw new LedgerError("CODEC_DECODE", "a peer names no cluster that can be");
  }
  return { member, clusterId: clusterId === "" ? undefined : clusterId };
}

/** What a node knows when it judges another. */
export interface Knowledge {
  readonly own: PeerIdentity;
  /** While the node waits: the cluster of the peers that it has let in already. */
  readonly joining: string | undefined;
  /** The one whom it dialed; undefined on the side that was dialed. */
  readonly dialed: MemberInfo | undefined;
  readonly memberOf: (node: NodeId) => MemberInfo | undefined;
  readonly isRemoved: (member: MemberInfo) => boolean;
  /** Does the certificate of the peer name it? True where there is none. */
  readonly isNamed: (member: MemberInfo) => boolean;
}

/** Why the node that says this is refused; undefined when it is welcome. */
export function judge(hello: Hello, known: Knowledge): PeerRefusal | undefined {
  const { own, dialed, joining } = known;
  if (
    hello.protocolVersion < PEER_PROTOCOL_VERSION_OLDEST ||
    hello.protocolVersionOldest > PEER_PROTOCOL_VERSION
  ) {
    return "protocol";
  }
  if (hello.formatVersion !== DATA_FORMAT_VERSION) return "format";
  const cluster = own.clusterId ?? joining;
  if (cluster !== undefined && hello.clusterId !== undefined && cluster !== hello.clusterId) {
    return "other-cluster";
  }
  const mismatch =
    mismatchOf(own.member, hello.expected) ??
    mismatchOf(hello.member, dialed ?? known.memberOf(hello.member.nodeId));
  if (mismatch !== undefined) return mismatch;
  if (hello.member.nodeId === own.member.nodeId) return "other-node";
  if (known.isRemoved(hello.member)) return "removed";
  if (!known.isNamed(hello.member)) return "certificate";
  if (hello.clusterId !== undefined) return undefined;
  // It waits: only a member of a cluster that has added it has anything to say to it.
  const isAdded = own.clusterId !== undefined && known.memberOf(hello.member.nodeId) !== undefined;
  return isAdded ? undefined : "waiting";
}

function mismatchOf(
  actual: MemberInfo,
  expected: Hello["expected"] | undefined,
): PeerRefusal | undefined {
  if (expected === undefined) return undefined;
  if (actual.nodeId !== expected.nodeId) return "other-node";
  return equalBytes(actual.incarnation, expected.incarnation) ? undefined : "other-incarnation";
}

/** What a refusal means, for people: `from` refuses `to`. */
const MEANINGS: Readonly<Record<PeerRefusal, string>> = {
  protocol: "it speaks a version of the peer protocol that this node does not understand",
  format: "its data are of another format version: let all nodes run the same version",
  "other-cluster": "it is of another cluster",
  "other-node":
    "another node answers at this address than the members know: if its disk was lost, remove the old node and add this one anew",
  "other-incarnation":
    "it has the id of a member but another disk: an empty disk is a new node; remove the old one and add it anew",
  removed: "it was removed from the cluster",
  waiting: "it has not been added to the cluster",
  certificate: "its certificate names neither its name nor the host of its peer address",
};

export function encodeRefusal(reason: PeerRefusal): peer.PeerRefusal {
  return { reason, message: MEANINGS[reason] };
}

/** Undefined for a word of a newer version. */
export function decodeRefusal({ reason }: peer.PeerRefusal): PeerRefusal | undefined {
  return Object.hasOwn(MEANINGS, reason) ? (reason as PeerRefusal) : undefined;
}

export function meaningOf(reason: PeerRefusal): string {
  return MEANINGS[reason];
}

/** The same of a node that said this, with the versions where they are the reason. */
export function explained(reason: PeerRefusal, hello: Hello): string {
  const { protocolVersion: newest, protocolVersionOldest: oldest, formatVersion } = hello;
  if (reason === "protocol") {
    return `${MEANINGS.protocol}: it speaks ${oldest} to ${newest}, this node ${PEER_PROTOCOL_VERSION_OLDEST} to ${PEER_PROTOCOL_VERSION}; upgrade the older one`;
  }
  if (reason === "format") {
    return `${MEANINGS.format} (its version is ${formatVersion}, that of this node ${DATA_FORMAT_VERSION})`;
  }
  return MEANINGS[reason];
}
