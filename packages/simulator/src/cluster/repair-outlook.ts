/**
 * Whether a group that found no leader could have: a node that may have lost what it acknowledged neither votes nor stands for
 * election until it has caught up, so where the others are no majority nobody is elected, and that is right (INV-SIM-9;
 * docs/operations.md, "When too many recover").
 */
import type { ClusterStatus } from "@authledger/engine";

/**
 * True where no voter's own view of the group has a majority of voters that run, are sure of their logs, and may vote for it: who
 * knows of a committed entry that the other's log lacks may not (Raft 5.4.1).
 *
 * @param present names of the nodes whose disks are in their machines; the others are gone for good
 */
export function isBeyondRepair(
  statuses: readonly ClusterStatus[],
  present: ReadonlySet<string>,
): boolean {
  if (statuses.some(({ role }) => role === "leader")) return false;
  const byNode = new Map(statuses.map((status) => [status.nodeId, status]));
  const isLost = ({ nodeId: own, lastIndex, members }: ClusterStatus): boolean => {
    const voters = members.flatMap(({ role, info }) => (role === "voter" ? [info] : []));
    // Who does not vote as far as it knows never stands for election: what it takes for the group elects nobody.
    if (!voters.some(({ nodeId }) => nodeId === own)) return true;
    // Who has its disk and does not run is no excuse: nothing is down when the storm is over.
    if (voters.some(({ nodeId, name }) => present.has(name) && !byNode.has(nodeId))) return false;
    const votes = voters.filter(({ nodeId }) => {
      const voter = byNode.get(nodeId);
      return voter?.isRecovering === false && voter.commitIndex <= lastIndex;
    });
    return votes.length * 2 <= voters.length;
  };
  const isBegun = statuses.some(({ members }) => members.some(({ role }) => role === "voter"));
  return isBegun && statuses.every(isLost);
}
