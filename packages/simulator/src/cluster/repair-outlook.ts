/**
 * Whether a group that found no leader could have: a node that may have lost what it acknowledged neither votes nor stands for
 * election until it has caught up, so where the others are no majority nobody is elected, and that is right (INV-SIM-9;
 * docs/operations.md, "When too many recover").
 */
import type { ClusterStatus, MemberInfo } from "@authledger/engine";

/**
 * True where no voter's own view of the group has a majority of voters that run and are sure of their logs.
 *
 * @param present names of the nodes whose disks are in their machines; the others are gone for good
 */
export function isBeyondRepair(
  statuses: readonly ClusterStatus[],
  present: ReadonlySet<string>,
): boolean {
  if (statuses.some(({ role }) => role === "leader")) return false;
  const sure = new Set(statuses.flatMap((one) => (one.isRecovering ? [] : [one.nodeId])));
  const doubtful = new Set(statuses.flatMap((one) => (one.isRecovering ? [one.nodeId] : [])));
  const views = statuses.map(({ nodeId, members }) => ({
    nodeId,
    voters: members.flatMap(({ role, info }) => (role === "voter" ? [info] : [])),
  }));
  // Who does not vote as far as it knows never stands for election: what it takes for the group elects nobody.
  const groups = views.flatMap(({ nodeId, voters }) =>
    voters.some((voter) => voter.nodeId === nodeId) ? [voters] : [],
  );
  const isLost = (voters: readonly MemberInfo[]): boolean => {
    // Who has its disk and does not run is no excuse: nothing is down when the storm is over.
    const isDown = voters.some(
      ({ nodeId, name }) => present.has(name) && !sure.has(nodeId) && !doubtful.has(nodeId),
    );
    return !isDown && voters.filter(({ nodeId }) => sure.has(nodeId)).length * 2 <= voters.length;
  };
  return groups.length > 0 && groups.every(isLost);
}
