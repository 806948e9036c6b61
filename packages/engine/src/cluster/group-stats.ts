/** Figures of a group for metrics. */
import type { NodeId } from "@authledger/types";
import type { ClusterNode } from "./cluster-node.js";
import { nodesOf } from "./group-configuration.js";
import type { RaftGroup } from "./raft-group.js";

export interface GroupStats {
  readonly role: "leader" | "follower" | "candidate";
  readonly term: number;
  readonly leader: NodeId | undefined;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly voters: number;
  readonly members: number;
  /** Entries that somebody here waits for. */
  readonly pending: number;
  /** Reads that wait for a confirmation or an index. */
  readonly readsWaiting: number;
  /** This clock against the median of the peers'; undefined when nobody has told lately. */
  readonly clockAheadMs: number | undefined;
  /** As leader, of each other member: the entries that it is not known to have. */
  readonly lag: readonly { readonly node: NodeId; readonly entries: number }[];
}

export function groupStats(group: RaftGroup, node: ClusterNode | undefined): GroupStats {
  const { role, term, leader, commitIndex, lastIndex, pending } = group;
  const { membership } = group.configuration;
  const own = node?.info.nodeId;
  const lag = (role === "leader" ? group.progress : [])
    .filter((progress) => progress.node !== own)
    .map((progress) => ({ node: progress.node, entries: lastIndex - progress.match }));
  return {
    role: role === "leader" || role === "follower" ? role : "candidate",
    term,
    leader,
    commitIndex,
    lastIndex,
    voters: membership.voters.length,
    members: nodesOf(membership).length,
    pending,
    readsWaiting: group.reads.size,
    clockAheadMs: node?.clocks.aheadMs,
    lag: node === undefined ? [] : lag,
  };
}
