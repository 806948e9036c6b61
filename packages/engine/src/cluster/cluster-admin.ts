/** What an operator asks of a node about its cluster. A node without an address for peers is a cluster of itself. */
import type { Timers } from "@authledger/io";
import type { MemberChange } from "@authledger/raft";
import { LedgerError, type NodeId } from "@authledger/types";
import type { NodeIdentity } from "../node-directory.js";
import type { ClusterOptions, ClusterRole, ClusterStatus, MemberStatus } from "./cluster-calls.js";
import { INIT_WAIT_MS, MEMBERS_MAX, PROMOTE_LAG_MAX } from "./cluster-limits.js";
import type { ClusterNode } from "./cluster-node.js";
import { nodesOf } from "./group-configuration.js";
import type { LeaderMoves } from "./leader-moves.js";
import { encodeMemberInfos, isSameNode, validateMemberInfo } from "./member-info.js";
import type { MemberInfo } from "./peer-port.js";
import type { RaftGroup } from "./raft-group.js";
import { isSealKey } from "./sealed-secret.js";

export interface ClusterAdminDeps {
  readonly group: RaftGroup;
  readonly identity: NodeIdentity;
  /** Absent without an address for peers. */
  readonly cluster: { readonly node: ClusterNode; readonly options: ClusterOptions } | undefined;
  readonly moves: LeaderMoves;
  readonly timers: Timers;
  readonly clusterId: () => string | undefined;
  readonly appliedIndex: () => number;
  /** Why nothing of this node's state is told, if it is not (INV-REPLICA-11). */
  readonly stateProblem: () => LedgerError | undefined;
  /** Resolves when what is known here is what was acknowledged last. */
  readonly confirm: () => Promise<void>;
  /** Begins a cluster of this node, which waits or begins one already. */
  readonly beginCluster: () => Promise<void>;
  /** Resolves when no vault needs a voter's signature any more. @throws LedgerError POLICIES_PENDING */
  readonly release: (node: NodeId) => Promise<void>;
  /** Resolves when the vaults' policies name the voters, or after a while. */
  readonly follow: () => Promise<void>;
}

/** How often is looked whether a node has caught up. */
const LOOK_MS = 50;

export class ClusterAdmin {
  readonly #deps: ClusterAdminDeps;

  constructor(deps: ClusterAdminDeps) {
    this.#deps = deps;
  }

  status(): ClusterStatus {
    const { group, identity, cluster, clusterId, appliedIndex, stateProblem } = this.#deps;
    const { membership } = group.configuration;
    const id = cluster?.node.clusterId ?? clusterId();
    const { leader } = group;
    const { message: problem } = stateProblem() ?? {};
    return {
      nodeId: identity.nodeId,
      name: cluster?.options.name ?? "",
      ...(id !== undefined && { clusterId: id }),
      role: this.#role(),
      term: group.term,
      ...(leader !== undefined && { leader }),
      commitIndex: group.commitIndex,
      appliedIndex: appliedIndex(),
      lastIndex: group.lastIndex,
      isJoint: membership.outgoing.length > 0,
      isRecovering: group.isRecovering,
      ...(problem !== undefined && { stateProblem: problem }),
      members: nodesOf(membership).map((node) => this.#member(node)),
    };
  }

  /** @throws LedgerError MEMBER_EXISTS, CLUSTER_MISMATCH, CHANGE_PENDING, UNAVAILABLE, NOT_LEADER, LIMIT_EXCEEDED, INVALID_ARGUMENT */
  async add({ address }: { readonly address: string }): Promise<{ readonly member: MemberInfo }> {
    this.#requireLeader();
    const member = await this.#lookup(address);
    this.#requireNew(member);
    await this.#change([{ action: "add-learner", node: member.nodeId }], [member]);
    return { member };
  }

  /** @throws LedgerError NOT_CAUGHT_UP, MEMBER_NOT_FOUND, CHANGE_PENDING, NOT_LEADER, DISK_FULL */
  async promote({ node }: { readonly node: NodeId }): Promise<Record<string, never>> {
    this.#requireLeader();
    this.#requireMember(node);
    await this.#vote(node);
    await this.#deps.follow();
    return {};
  }

  /**
   * Resolves when nobody needs the removed node's disk any more (INV-GROUP-13). So does MEMBER_NOT_FOUND say: whoever lost the
   * answer asks again.
   * @throws LedgerError LAST_VOTER, MEMBER_NOT_FOUND, CHANGE_PENDING, NOT_LEADER; COMMIT_UNKNOWN for a removal that is in force and
   *   that a loss of power may yet take back: the next leader goes on with it
   */
  async remove({ node }: { readonly node: NodeId }): Promise<Record<string, never>> {
    this.#requireLeader();
    if (!this.#isMember(node)) await this.#confirmRemoval(node);
    this.#requireMember(node);
    const { group, identity, moves } = this.#deps;
    const { voters } = group.configuration.membership;
    if (voters.length === 1 && voters[0] === node) {
      throw new LedgerError("LAST_VOTER", `node ${node} is the only voter`);
    }
    // Another leader removes it, so that the cluster is not without one meanwhile.
    if (node === identity.nodeId && (await moves.handOver(node))) throw group.notLeading();
    if (voters.includes(node)) await this.#deps.release(node);
    await this.#change([{ action: "remove", node }], []);
    await this.#confirmRemoval(node);
    return {};
  }

  /** @throws LedgerError TRANSFER_FAILED, MEMBER_NOT_FOUND, NOT_CAUGHT_UP, NOT_LEADER */
  async transfer({ node }: { readonly node: NodeId }): Promise<{ readonly term: number }> {
    this.#requireLeader();
    this.#requireMember(node);
    const { group, identity, moves } = this.#deps;
    if (node === identity.nodeId) {
      await this.#confirm(node);
      return { term: group.term };
    }
    if (!group.configuration.membership.voters.includes(node)) {
      throw this.#notCaughtUp(node);
    }
    return { term: await moves.to(node) };
  }

  /** @throws LedgerError as `add`, and NOT_CAUGHT_UP for a node that does not catch up in time; after all were tried */
  async init({ addresses }: { readonly addresses: readonly string[] }): Promise<ClusterStatus> {
    const { cluster, beginCluster } = this.#deps;
    if (cluster === undefined) throw notClustered();
    if (this.#isUnbegun) await beginCluster();
    this.#requireLeader();
    await this.#takeInAll(addresses.filter((one) => one !== cluster.options.peerAddress));
    await this.#deps.follow();
    return this.status();
  }

  /** No cluster has a name here yet: the node waits, or another call is beginning one. */
  get #isUnbegun(): boolean {
    const { cluster, clusterId } = this.#deps;
    if (cluster?.node.isJoined) return false;
    return cluster?.node.clusterId === undefined || clusterId() === undefined;
  }

  /** One that cannot be taken in keeps none behind it out. @throws LedgerError what was met first */
  async #takeInAll(addresses: readonly string[]): Promise<void> {
    let first: LedgerError | undefined;
    for (const address of addresses) {
      try {
        await this.#takeIn(address);
      } catch (error) {
        first ??= LedgerError.from(error);
      }
      // Who leads no more takes in nobody.
      if (!this.#deps.group.isReady) break;
    }
    if (first !== undefined) throw first;
  }

  /** Adds a node, waits until it has caught up, and makes it a voter. */
  async #takeIn(address: string): Promise<void> {
    const { group } = this.#deps;
    const member = await this.#lookup(address);
    const known = group.configuration.members.find((other) => isSameNode(other, member));
    if (known === undefined) {
      this.#requireNew(member);
      const changes = [{ action: "add-learner", node: member.nodeId }] as const;
      await this.#inTurn(() => this.#change(changes, [member]));
    }
    const { nodeId: node } = member;
    for (let waitedMs = 0; !this.#hasCaughtUp(node); waitedMs += LOOK_MS) {
      this.#requireLeader();
      if (waitedMs >= INIT_WAIT_MS) throw this.#notCaughtUp(node);
      await this.#pause();
    }
    await this.#inTurn(() => this.#vote(node));
  }

  async #vote(node: NodeId): Promise<void> {
    const isVoter = (): boolean => this.#deps.group.configuration.membership.voters.includes(node);
    if (isVoter()) await this.#confirm(node);
    if (isVoter()) return;
    if (!this.#hasCaughtUp(node)) throw this.#notCaughtUp(node);
    const vote = (): Promise<void> => this.#change([{ action: "add-voter", node }], []);
    if (this.#deps.group.isAlone) await this.#deps.cluster!.node.withPeers(vote);
    else await vote();
  }

  /** Nothing seems left to do: so it is only if this node still leads, and the node is still a member. */
  async #confirm(node: NodeId): Promise<void> {
    await this.#deps.confirm();
    this.#requireLeader();
    this.#requireMember(node);
  }

  /** Waits for the end of another change, as that which began the cluster. */
  async #inTurn(change: () => Promise<unknown>): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      try {
        await change();
        return;
      } catch (error) {
        const isLast = waitedMs >= INIT_WAIT_MS;
        if (isLast || LedgerError.from(error).code !== "CHANGE_PENDING") throw error;
      }
      this.#requireLeader();
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#deps.timers.after(LOOK_MS, resolve));
  }

  async #lookup(address: string): Promise<MemberInfo> {
    const { cluster } = this.#deps;
    if (cluster === undefined) throw notClustered();
    const { member, clusterId } = await cluster.options.peers.lookup(address);
    validateMemberInfo(member);
    // As a voter it would ask for the log seed, which nobody could seal to it.
    if (!isSealKey(member.sealKey)) {
      const why = `the node at ${address} names a sealing key that cannot be used`;
      throw new LedgerError("INVALID_ARGUMENT", why);
    }
    if (clusterId === undefined || clusterId === cluster.node.clusterId) return member;
    const message = `the node at ${address} belongs to the cluster ${clusterId}`;
    throw new LedgerError("CLUSTER_MISMATCH", message, { details: { clusterId } });
  }

  #requireNew(member: MemberInfo): void {
    const { members } = this.#deps.group.configuration;
    if (members.length >= MEMBERS_MAX) {
      throw new LedgerError("LIMIT_EXCEEDED", `a cluster has ${MEMBERS_MAX} members at most`, {
        details: { field: "members", limit: MEMBERS_MAX },
      });
    }
    const taken = members.find(
      ({ nodeId, name, peerAddress }) =>
        nodeId === member.nodeId || name === member.name || peerAddress === member.peerAddress,
    );
    if (taken === undefined) return;
    const { nodeId, name, peerAddress } = taken;
    const message = `node ${nodeId} (${name}, ${peerAddress}) is a member already`;
    throw new LedgerError("MEMBER_EXISTS", message, { details: { node: String(nodeId) } });
  }

  /** Proposes a change; resolves when it is in force here. */
  async #change(changes: readonly MemberChange[], told: readonly MemberInfo[]): Promise<void> {
    const context = encodeMemberInfos(told);
    await new Promise<void>((resolve, reject) =>
      this.#deps.group.proposeChange(
        { transition: "auto", changes, context },
        { applied: () => resolve(), failed: reject },
      ),
    );
  }

  #requireLeader(): void {
    const { group, cluster } = this.#deps;
    if (cluster === undefined) throw notClustered();
    if (!group.isReady) throw group.notLeading();
  }

  /** @throws LedgerError COMMIT_UNKNOWN */
  async #confirmRemoval(node: NodeId): Promise<void> {
    await this.#deps.cluster!.node.confirmRemovals().catch((error: unknown) => {
      throw unconfirmed(node, LedgerError.from(error));
    });
  }

  #isMember(node: NodeId): boolean {
    return nodesOf(this.#deps.group.configuration.membership).includes(node);
  }

  #requireMember(node: NodeId): void {
    if (this.#isMember(node)) return;
    throw new LedgerError("MEMBER_NOT_FOUND", `node ${node} is no member of the cluster`, {
      details: { node: String(node) },
    });
  }

  /** It answers, and lacks so little that a voter more does not delay the others (dissertation 4.2.1). */
  #hasCaughtUp(node: NodeId): boolean {
    const { group } = this.#deps;
    const progress = group.progress.find((known) => known.node === node);
    if (progress === undefined || progress.match === 0 || !progress.isActive) return false;
    return group.lastIndex - progress.match <= PROMOTE_LAG_MAX;
  }

  #notCaughtUp(node: NodeId): LedgerError {
    const { group } = this.#deps;
    const last = group.lastIndex;
    const match = group.progress.find((known) => known.node === node)?.match ?? 0;
    const message = `node ${node} has ${match} of ${last} entries`;
    const details = { match, last };
    return new LedgerError("NOT_CAUGHT_UP", message, { details, retryAfterMs: 500 });
  }

  #role(): ClusterRole {
    const { group, identity, cluster } = this.#deps;
    if (cluster?.node.isRemoved) return "removed";
    if (cluster !== undefined && cluster.node.clusterId === undefined) return "waiting";
    if (group.role === "leader") return "leader";
    if (group.configuration.membership.learners.includes(identity.nodeId)) return "learner";
    return group.role === "follower" ? "follower" : "candidate";
  }

  #member(node: NodeId): MemberStatus {
    const { group, identity, cluster } = this.#deps;
    const { membership, members } = group.configuration;
    const progress =
      group.role === "leader" ? group.progress.find((known) => known.node === node) : undefined;
    const link = node === identity.nodeId ? undefined : cluster?.options.peers.link(node);
    const voter = membership.voters.includes(node);
    const role = voter ? "voter" : membership.learners.includes(node) ? "learner" : "outgoing";
    const isRecovering = node === identity.nodeId ? group.isRecovering : progress?.isRecovering;
    return {
      info: members.find(({ nodeId }) => nodeId === node) ?? this.#unknown(node),
      role,
      ...(progress !== undefined && {
        match: progress.match,
        next: progress.next,
        state: progress.state,
        isActive: progress.isActive,
      }),
      ...(isRecovering !== undefined && { isRecovering }),
      ...(link !== undefined && { link }),
    };
  }

  /** A member that has told nothing of itself: the only one of a group without an address for peers. */
  #unknown(nodeId: NodeId): MemberInfo {
    const { identity, cluster } = this.#deps;
    if (cluster !== undefined && nodeId === identity.nodeId) return cluster.node.info;
    const incarnation = nodeId === identity.nodeId ? identity.incarnation : NO_BYTES;
    return {
      nodeId,
      incarnation,
      name: "",
      peerAddress: "",
      clientAddress: "",
      cosignKey: NO_BYTES,
      sealKey: NO_BYTES,
    };
  }
}

const NO_BYTES = new Uint8Array(0);

function notClustered(): LedgerError {
  return new LedgerError("NOT_CLUSTERED", "this node has no address for peers");
}

function unconfirmed(node: NodeId, cause: LedgerError): LedgerError {
  const message = `node ${node} is no member, but a loss of power may take that back until a leader has confirmed it: keep its disk until it has ended by itself, or remove it again`;
  return new LedgerError("COMMIT_UNKNOWN", message, { cause });
}
