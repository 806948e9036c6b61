/** The cluster as people read it: one sentence, and a row for each member. */
import type { ClusterMember, ClusterStatus, LedgerClient } from "@authledger/sdk";
import { LedgerError, suggestion } from "@authledger/types";
import type { Printable } from "../output/json-value.js";
import type { Thing } from "../output/printer.js";
import { formatCount } from "../output/progress.js";
import type { Run } from "../run/run.js";

/** How long the leader is asked for its account, which says more than that of the node at hand. */
const LEADER_MS_MAX = 2_000;
/** A member this close to the leader's last entry has caught up. */
const LAG_MAX = 10n;

/** Best account of the cluster that can be had: the leader's, else that of the node that answers. */
export async function lookAtCluster(run: Run, client: LedgerClient): Promise<ClusterStatus> {
  const near = await client.cluster.status(run.call);
  if (near.role === "leader" || near.leaderId === undefined) return near;
  if (near.stateProblem !== "") run.say(`${nameOf(near)} serves nothing: ${near.stateProblem}`);
  try {
    return await client.cluster.status({
      ...run.call,
      atLeader: true,
      deadlineMs: Math.min(run.settings.deadlineMs ?? LEADER_MS_MAX, LEADER_MS_MAX),
    });
  } catch (thrown) {
    if (run.io.signal.aborted) throw thrown;
    run.say(
      `the leader does not answer (${LedgerError.from(thrown).code}); this is what one node knows`,
    );
    return near;
  }
}

/** What is the matter with the cluster, in a word. */
export type ClusterHealth =
  | "healthy"
  /** It serves, and something is to be done: a voter is down or far behind, or recovers. */
  | "degraded"
  /** Voters are being changed. */
  | "changing"
  | "no_leader"
  | "waiting"
  | "removed";

export function clusterHealth(status: ClusterStatus): ClusterHealth {
  if (status.role === "waiting" || status.role === "removed") return status.role;
  if (status.leaderId === undefined) return "no_leader";
  if (status.isJoint) return "changing";
  if (status.stateProblem !== "") return "degraded";
  const isWell = (member: ClusterMember): boolean =>
    isUp(status, member) && !recovers(status, member);
  return votersOf(status).every(isWell) ? "healthy" : "degraded";
}

export function votersOf({ members }: ClusterStatus): readonly ClusterMember[] {
  return members.filter(({ role }) => role === "voter");
}

export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** As far as the node that answers can tell. */
export function isUp(status: ClusterStatus, member: ClusterMember): boolean {
  if (member.nodeId === status.nodeId) return true;
  return member.isActive ?? member.link?.isConnected ?? false;
}

/** It may have lost the end of its log, as far as the node that answers can tell. */
function recovers(status: ClusterStatus, member: ClusterMember): boolean {
  return member.isRecovering ?? (member.nodeId === status.nodeId && status.isRecovering);
}

/** Entries behind the leader; undefined where that is not known. */
function lagOf(status: ClusterStatus, member: ClusterMember): bigint | undefined {
  if (member.nodeId === status.nodeId && status.role === "leader") return 0n;
  if (member.matchIndex === undefined) return undefined;
  return status.lastIndex > member.matchIndex ? status.lastIndex - member.matchIndex : 0n;
}

export function isCaughtUp(status: ClusterStatus, member: ClusterMember): boolean {
  const lag = lagOf(status, member);
  return isUp(status, member) && lag !== undefined && lag <= LAG_MAX;
}

/** Its name, or its id where it has none. */
export function nameOf({ name, nodeId }: Pick<ClusterMember, "name" | "nodeId">): string {
  return name === "" ? String(nodeId) : name;
}

/** @example "n2 leads in term 7; 3 of 3 voters are up, 2 are needed; at entry 1,204" */
export function clusterSentence(status: ClusterStatus): string {
  const { role, members, leaderId, term, commitIndex } = status;
  const me = nameOf(status);
  if (role === "waiting") return `${me} belongs to no cluster: it waits to be added to one`;
  if (role === "removed") return `${me} was removed from its cluster`;
  const voters = votersOf(status);
  const up = voters.filter((member) => isUp(status, member)).length;
  const needed = majorityOf(voters.length);
  const leader = members.find(({ nodeId }) => nodeId === leaderId);
  const leads =
    leader === undefined
      ? `nobody leads in term ${term}`
      : `${nameOf(leader)} leads in term ${term}`;
  const are = up === 1 ? "is" : "are";
  const quorum = `${up} of ${voters.length} voter${voters.length === 1 ? "" : "s"} ${are} up, ${needed} ${needed === 1 ? "is" : "are"} needed`;
  const parts = [leads, up < needed ? `${quorum}: no majority` : quorum];
  parts.push(`at entry ${formatCount(Number(commitIndex))}`);
  if (status.isJoint) parts.push("the voters are being changed");
  const recovering = members.filter((member) => recovers(status, member)).map(nameOf);
  if (recovering.length === 0 && status.isRecovering) recovering.push(me);
  parts.push(...recovering.map((name) => `${name} recovers and does not vote`));
  if (status.stateProblem !== "") parts.push(`${me} serves nothing: ${status.stateProblem}`);
  return parts.join("; ");
}

export function memberThing(status: ClusterStatus, member: ClusterMember): Thing {
  return {
    name: nameOf(member),
    fields: memberFields(status, member),
    columns: ["name", "role", "state", "lag", "client", "peer", "problem"],
  };
}

/** The account as one document. */
export function clusterThing(status: ClusterStatus): Thing {
  const { members, leaderId, isJoint, isRecovering, stateProblem } = status;
  const leader = members.find(({ nodeId }) => nodeId === leaderId);
  const health = clusterHealth(status);
  return {
    name: health,
    fields: {
      health,
      sentence: clusterSentence(status),
      cluster_id: status.clusterId === "" ? null : status.clusterId,
      leader: leader === undefined ? null : nameOf(leader),
      leader_id: leaderId ?? null,
      term: status.term,
      voters: votersOf(status).length,
      voters_up: votersOf(status).filter((member) => isUp(status, member)).length,
      majority: majorityOf(votersOf(status).length),
      commit_index: status.commitIndex,
      applied_index: status.appliedIndex,
      last_index: status.lastIndex,
      is_joint: isJoint,
      is_recovering: isRecovering,
      state_problem: stateProblem,
      seen_by: nameOf(status),
      seen_by_id: status.nodeId,
      seen_by_role: status.role,
      members: members.map((member) => memberFields(status, member)),
    },
  };
}

function memberFields(
  status: ClusterStatus,
  member: ClusterMember,
): Readonly<Record<string, Printable>> {
  const { nodeId, role, clientAddress, peerAddress, matchIndex, nextIndex, link } = member;
  return {
    name: nameOf(member),
    node_id: nodeId,
    role: nodeId === status.leaderId ? "leader" : role,
    state: stateOf(status, member),
    lag: lagOf(status, member) ?? null,
    client: clientAddress,
    peer: peerAddress,
    match_index: matchIndex ?? null,
    next_index: nextIndex ?? null,
    last_heard_ms: link?.lastHeardMs ?? null,
    queued_bytes: link?.queuedBytes ?? 0n,
    problem: link?.problem ?? "",
  };
}

/** `up`, `down`, and what lies between. */
function stateOf(status: ClusterStatus, member: ClusterMember): string {
  if (!isUp(status, member)) return "down";
  if (member.replication === "snapshot") return "gets_snapshot";
  if (recovers(status, member)) return "recovers";
  if (member.replication === "probe") return "probed";
  return "up";
}

/** The text is a node's id, and no member's name or id. */
export function isIdOfNone({ members }: ClusterStatus, text: string): boolean {
  if (!/^[1-9][0-9]{0,19}$/.test(text) || BigInt(text) >= 1n << 64n) return false;
  return !members.some(({ name, nodeId }) => name === text || String(nodeId) === text);
}

/** A member by name or id. @throws LedgerError MEMBER_NOT_FOUND */
export function findMember({ members }: ClusterStatus, text: string): ClusterMember {
  const found =
    members.find(({ name }) => name === text) ??
    members.find(({ nodeId }) => String(nodeId) === text);
  if (found !== undefined) return found;
  const names = members.map(nameOf);
  const hint = suggestion(text, names) || `; there are ${names.join(", ")}`;
  const message = `no member of the cluster is called "${text.slice(0, 80)}"${hint}`;
  throw new LedgerError("MEMBER_NOT_FOUND", message, { details: { node: text.slice(0, 80) } });
}
