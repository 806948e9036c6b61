/**
 * Majorities, said a second time: the judge must not trust the code it judges (dissertation, section 4.3).
 */
import type { Membership } from "@authledger/raft";
import type { NodeId } from "@authledger/types";

/** True when the nodes that `has` tells are a majority of the voters, and of the outgoing ones where there are any. */
export function isQuorum(membership: Membership, has: (node: NodeId) => boolean): boolean {
  return (
    isMajority(membership.voters, has) &&
    (membership.outgoing.length === 0 || isMajority(membership.outgoing, has))
  );
}

function isMajority(voters: readonly NodeId[], has: (node: NodeId) => boolean): boolean {
  let count = 0;
  for (const voter of voters) if (has(voter)) count++;
  return 2 * count > voters.length;
}

/** True when no decision of one configuration can be made beside one of the other. */
export function doOverlap(a: Membership, b: Membership): boolean {
  const nodes = [...new Set([...a.voters, ...a.outgoing, ...b.voters, ...b.outgoing])];
  for (let chosen = 0; chosen < 1 << nodes.length; chosen++) {
    const inA = (node: NodeId): boolean => ((chosen >> nodes.indexOf(node)) & 1) === 1;
    if (isQuorum(a, inA) && isQuorum(b, (node) => !inA(node))) return false;
  }
  return true;
}

export function sameMembership(a: Membership, b: Membership): boolean {
  return (
    sameNodes(a.voters, b.voters) &&
    sameNodes(a.learners, b.learners) &&
    sameNodes(a.outgoing, b.outgoing) &&
    sameNodes(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}

function sameNodes(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node, i) => node === b[i]);
}

/** Everybody that a membership names, once. */
export function membersOf(membership: Membership): NodeId[] {
  return [...new Set([...membership.voters, ...membership.outgoing, ...membership.learners])];
}
