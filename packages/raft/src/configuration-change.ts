/**
 * How a change makes one membership of another (dissertation, chapter 4; etcd's semantics): in one step where at most
 * one voter changes, else through a joint configuration. Pure; what a change must not do is refused with a text.
 *
 *   INV-RAFT-13  Two adjacent configurations have a voter in common in every two majorities: a step changes at most one
 *               voter, or both halves of a joint configuration must agree. No configuration is without voters.
 */
import type { NodeId } from "@authledger/types";
import type { ConfigurationChange, MemberChange, Membership } from "./configuration.js";

export type Changed =
  | { readonly membership: Membership; readonly refused?: undefined }
  | { readonly membership?: undefined; readonly refused: string };

/** What a change of the configuration does: a step, or entering or leaving a joint configuration. */
export function applyChange(before: Membership, change: ConfigurationChange): Changed {
  if (leavesJoint(change)) return leaveJoint(before);
  const joint = change.transition !== "auto" || change.changes.length > 1;
  if (!joint) return applySimple(before, change.changes);
  return enterJoint(before, change.changes, change.transition !== "joint-explicit");
}

/** Whether the change leaves a joint configuration. */
function leavesJoint(change: ConfigurationChange): boolean {
  return change.transition === "auto" && change.changes.length === 0;
}

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

/** INV-RAFT-13. */
export function applySimple(before: Membership, changes: readonly MemberChange[]): Changed {
  if (isJoint(before)) return { refused: "can't apply simple config change in joint config" };
  const draft = new Draft(before);
  draft.apply(changes);
  if (draft.voters.size === 0) return { refused: "removed all voters" };
  if (differences(before.voters, draft.voters) > 1) {
    return { refused: "more than one voter changed without entering joint config" };
  }
  return { membership: draft.finish(before.autoLeave) };
}

/** INV-RAFT-13. Voters of before stay as the outgoing half. */
export function enterJoint(
  before: Membership,
  changes: readonly MemberChange[],
  autoLeave: boolean,
): Changed {
  if (isJoint(before)) return { refused: "config is already joint" };
  // Nobody could ever agree as the outgoing half.
  if (before.voters.length === 0) return { refused: "can't make a zero-voter config joint" };
  const draft = new Draft({ ...before, outgoing: before.voters });
  draft.apply(changes);
  if (draft.voters.size === 0) return { refused: "removed all voters" };
  return { membership: draft.finish(autoLeave) };
}

/** The outgoing half goes; who was to become a learner becomes one. */
export function leaveJoint(before: Membership): Changed {
  if (!isJoint(before)) return { refused: "can't leave a non-joint config" };
  const { voters, learners, learnersNext } = before;
  const membership = {
    voters,
    learners: sortedNodes([...learners, ...learnersNext]),
    outgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  return { membership };
}

class Draft {
  readonly voters: Set<NodeId>;
  readonly #learners: Set<NodeId>;
  readonly #learnersNext: Set<NodeId>;
  readonly #outgoing: readonly NodeId[];

  constructor(before: Membership) {
    this.voters = new Set(before.voters);
    this.#learners = new Set(before.learners);
    this.#learnersNext = new Set(before.learnersNext);
    this.#outgoing = before.outgoing;
  }

  apply(changes: readonly MemberChange[]): void {
    for (const { action, node } of changes) {
      // 0 names nobody.
      if (node === 0n) continue;
      if (action === "add-voter") this.#addVoter(node);
      else if (action === "add-learner") this.#addLearner(node);
      else if (action === "remove") this.#remove(node);
    }
  }

  finish(autoLeave: boolean): Membership {
    return {
      voters: sortedNodes(this.voters),
      learners: sortedNodes(this.#learners),
      outgoing: this.#outgoing,
      learnersNext: sortedNodes(this.#learnersNext),
      autoLeave,
    };
  }

  #addVoter(node: NodeId): void {
    this.#remove(node);
    this.voters.add(node);
  }

  #addLearner(node: NodeId): void {
    this.#remove(node);
    // It still votes in the outgoing half: it becomes a learner when that goes.
    if (this.#outgoing.includes(node)) this.#learnersNext.add(node);
    else this.#learners.add(node);
  }

  #remove(node: NodeId): void {
    this.voters.delete(node);
    this.#learners.delete(node);
    this.#learnersNext.delete(node);
  }
}

function differences(before: readonly NodeId[], after: ReadonlySet<NodeId>): number {
  const kept = before.filter((node) => after.has(node)).length;
  return before.length - kept + (after.size - kept);
}

/** In ascending order. */
export function sortedNodes(nodes: Iterable<NodeId>): NodeId[] {
  return [...nodes].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
