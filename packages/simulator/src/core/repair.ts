/**
 * Whether a group can come right again at all. A change that was under way while disks were lost can leave a
 * configuration in which too few may decide: no core can lead that group.
 *
 *   INV-SIM-9  A group is given up only where nothing could help it: those of the leader's configuration that have their
 *              disks and are sure of them are no quorum; or there is no leader, and for nobody are those a quorum that
 *              could vote for it.
 */
import type { Membership } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { isQuorum } from "./quorum.js";

/** A node that still has its disk. */
export interface Survivor {
  readonly id: NodeId;
  /** Undefined where it does not run. */
  readonly core:
    | {
        readonly isRecovering: boolean;
        readonly lastIndex: number;
        readonly lastTerm: number;
        readonly membership: Membership;
      }
    | undefined;
}

/** INV-SIM-9. */
export function isBeyondRepair(
  survivors: readonly Survivor[],
  leader: Survivor | undefined,
): boolean {
  const sure = new Map<NodeId, Survivor>();
  for (const node of survivors) if (node.core?.isRecovering !== true) sure.set(node.id, node);
  if (leader !== undefined) return !isQuorum(leader.core!.membership, (id) => sure.has(id));
  return !survivors.some((candidate) => canWin(candidate, sure));
}

function canWin({ id, core }: Survivor, sure: ReadonlyMap<NodeId, Survivor>): boolean {
  if (core === undefined || !sure.has(id)) return false;
  const { membership, lastIndex, lastTerm } = core;
  if (!membership.voters.includes(id) && !membership.outgoing.includes(id)) return false;
  return isQuorum(membership, (voter) => {
    const other = sure.get(voter);
    if (other === undefined) return false;
    // Who does not run and is missed should not have been stopped: that is no excuse.
    if (other.core === undefined) return true;
    const { lastIndex: index, lastTerm: term } = other.core;
    return lastTerm > term || (lastTerm === term && lastIndex >= index);
  });
}
