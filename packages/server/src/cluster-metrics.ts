/** Metrics of the cluster as this node sees it. Labels are roles, and the names of members, of which there are few. */
import type { ClusterRole, ClusterStatus, MemberStatus } from "@authledger/engine";
import { Gauge, type Registry } from "prom-client";

const ROLES: readonly ClusterRole[] = [
  "leader",
  "follower",
  "candidate",
  "learner",
  "waiting",
  "removed",
];
/** More members than a cluster has; what a peer says of itself cannot make series without end. */
const MEMBERS_MAX = 64;

type Figure = readonly [name: string, help: string, read: (status: ClusterStatus) => number];

const FIGURES: readonly Figure[] = [
  ["term", "Term of the cluster.", ({ term }) => term],
  ["commit_index", "Last entry that is known to be committed.", ({ commitIndex }) => commitIndex],
  ["last_index", "Last entry of the node's log.", ({ lastIndex }) => lastIndex],
  [
    "apply_lag",
    "Committed entries that are not applied yet.",
    (s) => s.commitIndex - s.appliedIndex,
  ],
  ["has_leader", "1 when the node knows who leads.", (s) => Number(s.leader !== undefined)],
  [
    "recovering",
    "1 while the node has no vote until it has caught up.",
    (s) => Number(s.isRecovering),
  ],
  ["changing", "1 while the voters are being changed.", (s) => Number(s.isJoint)],
  ["members", "Members of the cluster.", ({ members }) => members.length],
  [
    "voters",
    "Members with a vote.",
    (s) => s.members.filter(({ role }) => role === "voter").length,
  ],
];

type MemberFigure = readonly [
  name: string,
  help: string,
  read: (member: MemberStatus, status: ClusterStatus) => number | undefined,
];

const MEMBER_FIGURES: readonly MemberFigure[] = [
  [
    "follower_lag",
    "Entries that a member lacks; on the leader only.",
    ({ match, info }, { lastIndex, nodeId, role }) =>
      match === undefined || role !== "leader" || info.nodeId === nodeId
        ? undefined
        : Math.max(0, lastIndex - match),
  ],
  [
    "follower_active",
    "1 when a member was heard of within an election's time; on the leader only.",
    ({ isActive, info }, { nodeId }) =>
      isActive === undefined || info.nodeId === nodeId ? undefined : Number(isActive),
  ],
  [
    "peer_connected",
    "1 when a member is connected.",
    ({ link }) => link && Number(link.isConnected),
  ],
  ["peer_queued_bytes", "Bytes that wait to be sent to a member.", ({ link }) => link?.queuedBytes],
];

export function addClusterMetrics(
  registry: Registry,
  statusNow: () => ClusterStatus | undefined,
): void {
  new Gauge({
    name: "authledger_raft_role",
    help: "1 for the role that the node has.",
    labelNames: ["role"],
    registers: [registry],
    collect() {
      const found = statusNow();
      for (const role of ROLES) this.set({ role }, Number(found?.role === role));
    },
  });
  for (const [name, help, read] of FIGURES) {
    new Gauge({
      name: `authledger_raft_${name}`,
      help,
      registers: [registry],
      collect() {
        const found = statusNow();
        if (found !== undefined) this.set(read(found));
      },
    });
  }
  for (const [name, help, read] of MEMBER_FIGURES)
    addMemberFigure(registry, statusNow, [name, help, read]);
}

function addMemberFigure(
  registry: Registry,
  statusNow: () => ClusterStatus | undefined,
  [name, help, read]: MemberFigure,
): void {
  new Gauge({
    name: `authledger_raft_${name}`,
    help,
    labelNames: ["node"],
    registers: [registry],
    collect() {
      this.reset();
      const found = statusNow();
      for (const member of found?.members.slice(0, MEMBERS_MAX) ?? []) {
        const value = read(member, found!);
        const { name: known, nodeId } = member.info;
        if (value !== undefined) this.set({ node: known === "" ? String(nodeId) : known }, value);
      }
    },
  });
}
