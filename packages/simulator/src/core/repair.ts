/**
 * Whether a group can come right again at all. A change that was under way while disks were lost can leave a
 * configuration in which too few may decide: no core can lead that group.
 *
 *   INV-SIM-9  A group is given up only where nothing could help it: those of the leader's configuration that have their
 *              disks and are sure of them are no quorum; or there is no leader, and for nobody are those a quorum that
 *              could vote for it, also with what they tell it of the configuration when it asks them.
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
        readonly commit: number;
        readonly lastIndex: number;
        readonly lastTerm: number;
        readonly membership: Membership;
        readonly termOf: (index: number) => number | undefined;
      }
    | undefined;
}

type Running = NonNullable<Survivor["core"]>;

/** The nodes that have their disks, and what the committed entries up to an index made of the configuration. */
interface Ruins {
  readonly survivors: readonly Survivor[];
  readonly membershipAt: (index: number) => Membership;
}

/** INV-SIM-9. */
export function isBeyondRepair(ruins: Ruins, leader: Survivor | undefined): boolean {
  const { survivors } = ruins;
  const sure = new Map<NodeId, Survivor>();
  for (const node of survivors) if (node.core?.isRecovering !== true) sure.set(node.id, node);
  if (leader !== undefined) return !isQuorum(leader.core!.membership, (id) => sure.has(id));
  return !survivors.some(({ id, core }) => {
    if (core === undefined || !sure.has(id)) return false;
    const membership = membershipToBe(ruins, id, core);
    return membership !== undefined && isQuorum(membership, (voter) => mayGet(core, sure, voter));
  });
}

/** Whether a candidate may get the vote of a node (Raft 5.4.1). */
function mayGet(
  { lastIndex, lastTerm }: Running,
  sure: ReadonlyMap<NodeId, Survivor>,
  voter: NodeId,
): boolean {
  const other = sure.get(voter);
  if (other === undefined) return false;
  // Who does not run and is missed should not have been stopped: that is no excuse.
  if (other.core === undefined) return true;
  const { lastIndex: index, lastTerm: term } = other.core;
  return lastTerm > term || (lastTerm === term && lastIndex >= index);
}

/**
 * The configuration with which a candidate stands in the end: whoever refuses it says what is committed, and that may be
 * a change which the candidate has and did not know to be in force. Undefined where it may not stand.
 */
function membershipToBe(ruins: Ruins, id: NodeId, core: Running): Membership | undefined {
  let { membership, commit: known } = core;
  for (;;) {
    const voters = [...membership.voters, ...membership.outgoing];
    if (!voters.includes(id)) return undefined;
    const told = ruins.survivors
      .filter((other) => voters.includes(other.id))
      .flatMap((other) => (other.core === undefined ? [] : [other.core]))
      .filter(({ commit, termOf }) => commit > known && core.termOf(commit) === termOf(commit))
      .map(({ commit }) => commit);
    if (told.length === 0) return membership;
    known = Math.max(...told);
    membership = ruins.membershipAt(known);
  }
}
