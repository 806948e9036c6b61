/** ClusterService over the engine's port: what the cluster is, and who belongs to it. */
import type {
  ClusterStatus,
  EnginePort,
  EngineReply,
  MemberInfo,
  MemberStatus,
} from "@authledger/engine";
import { cluster } from "@authledger/proto";
import { LedgerError, type NodeId, nodeId, splitAddress } from "@authledger/types";
import { recordAudit } from "./audit/audit-intake.js";
import type { RootCredential } from "./authn/root-credential.js";
import { type CallContext, type Decoders, strict } from "./call-frame.js";
import { peersMessage } from "./cluster-peers.js";
import { MEMBER_ROLES } from "./cluster-roles.js";
import { furthestVoter } from "./hand-over.js";
import { SystemVault } from "./system/system-vault.js";
import type { Handler } from "./unary.js";

export const CLUSTER_REQUESTS: Decoders<cluster.ClusterServiceService> = {
  getClusterStatus: strict(cluster.GetClusterStatusRequest),
  initCluster: strict(cluster.InitClusterRequest),
  addMember: strict(cluster.AddMemberRequest),
  promoteMember: strict(cluster.PromoteMemberRequest),
  removeMember: strict(cluster.RemoveMemberRequest),
  transferLeadership: strict(cluster.TransferLeadershipRequest),
  recordAudit: strict(cluster.RecordAuditRequest),
  getPeers: strict(cluster.GetPeersRequest),
};

/** Nodes that begin together. */
const INIT_ADDRESSES_MAX = 31;

interface ClusterHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly getClusterStatus: Handler<
    cluster.GetClusterStatusRequest,
    cluster.GetClusterStatusResponse
  >;
  readonly initCluster: Handler<cluster.InitClusterRequest, cluster.InitClusterResponse>;
  readonly addMember: Handler<cluster.AddMemberRequest, cluster.AddMemberResponse>;
  readonly promoteMember: Handler<cluster.PromoteMemberRequest, cluster.PromoteMemberResponse>;
  readonly removeMember: Handler<cluster.RemoveMemberRequest, cluster.RemoveMemberResponse>;
  readonly transferLeadership: Handler<
    cluster.TransferLeadershipRequest,
    cluster.TransferLeadershipResponse
  >;
  readonly recordAudit: Handler<cluster.RecordAuditRequest, cluster.RecordAuditResponse>;
  readonly getPeers: Handler<cluster.GetPeersRequest, cluster.GetPeersResponse>;
}

export class ClusterService {
  readonly #engine: EnginePort;
  readonly #root: RootCredential | undefined;

  /** @param root made with the cluster where credentials are configured; absent: there is none */
  constructor(engine: EnginePort, root?: RootCredential) {
    this.#engine = engine;
    this.#root = root;
  }

  readonly handlers: ClusterHandlers = {
    getClusterStatus: async ({ atLeader }) => {
      const status = await this.#engine.call("cluster_status", {});
      if (atLeader && status.role !== "leader") throw notLeader(status);
      return statusMessage(status);
    },
    initCluster: async ({ addresses }, { deadlineAtMs }) => {
      if (addresses.length > INIT_ADDRESSES_MAX) {
        const message = `addresses: ${addresses.length} of them; at most ${INIT_ADDRESSES_MAX}`;
        throw invalid("addresses", message);
      }
      for (const [i, address] of addresses.entries()) requireAddress(address, `addresses[${i}]`);
      const begin = (): Promise<EngineReply<"cluster_init">> =>
        this.#engine.call("cluster_init", { addresses }, deadlineAtMs);
      const [{ clusterId = "" }, root] = await (this.#root?.begin(begin) ??
        begin().then((begun) => [begun, undefined] as const));
      return { clusterId, rootKey: root?.text ?? "", rootKeyFile: root?.file ?? "" };
    },
    addMember: async ({ address }, { deadlineAtMs }) => {
      requireAddress(address, "address");
      const { member } = await this.#engine.call("cluster_add", { address }, deadlineAtMs);
      return { member: memberMessage({ info: member, role: "learner" }) };
    },
    promoteMember: async (request, { deadlineAtMs }) => {
      const node = requireNode(request.nodeId);
      await this.#engine.call("cluster_promote", { node }, deadlineAtMs);
      return {};
    },
    removeMember: async (request, { deadlineAtMs }) => {
      const node = requireNode(request.nodeId);
      await this.#engine.call("cluster_remove", { node }, deadlineAtMs);
      return {};
    },
    transferLeadership: (request, call) => this.#transfer(request.nodeId, call),
    recordAudit: (request, call) =>
      recordAudit(new SystemVault(this.#engine), request, call.deadlineAtMs),
    getPeers: async ({ knownVersion }) =>
      peersMessage(await this.#engine.call("cluster_status", {}), knownVersion),
  };

  async #transfer(
    wanted: bigint,
    { deadlineAtMs }: CallContext,
  ): Promise<cluster.TransferLeadershipResponse> {
    const node = wanted === 0n ? await this.#furthest() : requireNode(wanted);
    const { term } = await this.#engine.call("cluster_transfer", { node }, deadlineAtMs);
    return { leaderId: node, term: BigInt(term) };
  }

  /** The other voter that needs least to lead. @throws LedgerError MEMBER_NOT_FOUND, NOT_LEADER, NO_LEADER */
  async #furthest(): Promise<NodeId> {
    const status = await this.#engine.call("cluster_status", {});
    if (status.role !== "leader") throw notLeader(status);
    const best = furthestVoter(status);
    if (best !== undefined) return best.nodeId;
    throw new LedgerError("MEMBER_NOT_FOUND", "no other voter is up that could lead");
  }
}

/** What a node says that does not lead; where the leader is, when it knows. */
function notLeader({ role, name, leader, members }: ClusterStatus): LedgerError {
  if (role === "waiting") {
    return new LedgerError("NODE_WAITING", `${name} belongs to no cluster yet`);
  }
  if (leader === undefined) return new LedgerError("NO_LEADER", `${name} knows of no leader`);
  const info = members.find((member) => member.info.nodeId === leader)?.info;
  const clientAddress = info?.clientAddress ?? "";
  return new LedgerError("NOT_LEADER", `${name} does not lead; ${info?.name ?? leader} does`, {
    details: { leader: String(leader), ...(clientAddress !== "" && { clientAddress }) },
  });
}

const NODE_ROLES = {
  leader: cluster.NodeRole.NODE_ROLE_LEADER,
  follower: cluster.NodeRole.NODE_ROLE_FOLLOWER,
  candidate: cluster.NodeRole.NODE_ROLE_CANDIDATE,
  learner: cluster.NodeRole.NODE_ROLE_LEARNER,
  waiting: cluster.NodeRole.NODE_ROLE_WAITING,
  removed: cluster.NodeRole.NODE_ROLE_REMOVED,
} as const satisfies Record<ClusterStatus["role"], cluster.NodeRole>;

const REPLICATION = {
  probe: cluster.ReplicationState.REPLICATION_STATE_PROBE,
  replicate: cluster.ReplicationState.REPLICATION_STATE_REPLICATE,
  snapshot: cluster.ReplicationState.REPLICATION_STATE_SNAPSHOT,
} as const satisfies Record<NonNullable<MemberStatus["state"]>, cluster.ReplicationState>;

function statusMessage(status: ClusterStatus): cluster.GetClusterStatusResponse {
  const { nodeId: id, name, clusterId = "", role, leader = 0n, isJoint, isRecovering } = status;
  const { stateProblem = "" } = status;
  return {
    ...{ nodeId: id, name, clusterId, role: NODE_ROLES[role], leaderId: leader },
    term: BigInt(status.term),
    commitIndex: BigInt(status.commitIndex),
    appliedIndex: BigInt(status.appliedIndex),
    lastIndex: BigInt(status.lastIndex),
    ...{ isJoint, isRecovering, stateProblem },
    members: status.members.map(memberMessage),
  };
}

function memberMessage(member: MemberStatus): cluster.ClusterMember {
  const { info, role, match, next, state, isActive, isRecovering, link } = member;
  return {
    ...addressesOf(info),
    role: MEMBER_ROLES[role],
    matchIndex: match === undefined ? undefined : BigInt(match),
    nextIndex: next === undefined ? undefined : BigInt(next),
    replication: state === undefined ? 0 : REPLICATION[state],
    isActive,
    isRecovering,
    link: link && {
      isConnected: link.isConnected,
      lastHeardMs: link.lastHeardMs === undefined ? undefined : sinceMs(link.lastHeardMs),
      queuedBytes: BigInt(link.queuedBytes),
      problem: plainProblem(link.problem ?? ""),
    },
  };
}

/** The library of gRPC wraps what the system said into words of its own. */
function plainProblem(text: string): string {
  const [, last] = /Last error: (?:Error: )?(.*?)(?:\. Resolution note:.*)?$/s.exec(text) ?? [];
  return last ?? text;
}

function addressesOf(
  info: MemberInfo,
): Pick<cluster.ClusterMember, "nodeId" | "name" | "peerAddress" | "clientAddress"> {
  const { nodeId: id, name, peerAddress, clientAddress } = info;
  return { nodeId: id, name, peerAddress, clientAddress };
}

/** @param atMs on the monotonic clock */
function sinceMs(atMs: number): bigint {
  return BigInt(Math.max(0, Math.round(performance.now() - atMs)));
}

function requireAddress(address: string, field: string): void {
  if ((splitAddress(address)?.port ?? 0) > 0) return;
  throw invalid(field, `${field}: "${address.slice(0, 80)}" is not host:port`);
}

function requireNode(id: bigint): NodeId {
  if (id !== 0n) return nodeId(id);
  throw invalid("node_id", "node_id is missing");
}

function invalid(field: string, message: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
}
