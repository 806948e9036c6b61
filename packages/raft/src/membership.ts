/**
 * Changes of the configuration: proposed one at a time, in force on each node once it has applied them (dissertation,
 * chapter 4; etcd's ConfChangeV2).
 *
 *   INV-RAFT-14  No change is proposed while another may be in the log and not applied (museum row 10): on becoming
 *               leader the whole log counts as such a one.
 */

import type { NodeId } from "@authledger/types";
import type { DropReason } from "./action.js";
import type { ConfigurationChange, Membership } from "./configuration.js";
import { applyChange, isJoint } from "./configuration-change.js";
import { encodeConfigurationChange } from "./configuration-codec.js";
import { takeProposal } from "./proposals.js";
import { dropLease } from "./reads.js";
import { advanceCommit, appendOwn, broadcastAppend, sendEntries } from "./replication.js";
import { becomeFollower } from "./roles.js";
import { drop, isVoterOf, reconcileProgress, type State } from "./state.js";
import { abortTransfer } from "./transfer.js";

/** INV-RAFT-14. */
export function proposeChange(s: State, proposal: number, change: ConfigurationChange): void {
  const why = s.role === "leader" ? refusalOf(s, change) : undefined;
  if (why !== undefined) {
    drop(s, proposal, why);
    return;
  }
  const index = s.log.lastIndex + 1;
  if (takeProposal(s, proposal, [encodeConfigurationChange(change)])) s.pendingChangeIndex = index;
}

function refusalOf(s: State, change: ConfigurationChange): DropReason | undefined {
  if (s.pendingChangeIndex > s.log.applied) return "change-pending";
  const joint = isJoint(s.membership);
  if (joint && change.changes.length > 0) return "is-joint";
  if (!joint && change.changes.length === 0) return "not-joint";
  return applyChange(s.membership, change).refused === undefined ? undefined : "invalid-change";
}

/**
 * An entry that changes the configuration is applied. One that the configuration does not allow changes nothing: on
 * every node alike, since all of them apply the same entries to the same configuration.
 */
export function applyEntry(s: State, index: number, change: ConfigurationChange): void {
  const { membership } = applyChange(s.membership, change);
  if (membership === undefined) {
    s.out.push({ kind: "membership", index, membership: s.membership });
    return;
  }
  switchTo(s, index, membership);
}

export function switchTo(s: State, index: number, membership: Membership): void {
  const { isAlone } = s;
  const isOfVoters = !hasSameVoters(s.membership, membership);
  s.membership = membership;
  reconcileProgress(s);
  if (isOfVoters) {
    s.configuredAt = s.log.lastIndex;
    // Of the configuration before there was none but this node.
    for (const progress of s.progress.values()) progress.knowsConfiguration = isAlone;
  }
  s.out.push({ kind: "membership", index, membership });
  // It was given by a majority of another configuration.
  dropLease(s);
  if (s.role === "pre-candidate" || s.role === "candidate") {
    if (!isVoterOf(membership, s.id)) becomeFollower(s, s.term, undefined);
    return;
  }
  if (s.role !== "leader") return;
  if (!isVoterOf(membership, s.id) && s.settings.stepDownOnRemoval) {
    becomeFollower(s, s.term, undefined);
    return;
  }
  // A smaller majority may have committed more; a new node is told at once.
  if (advanceCommit(s)) broadcastAppend(s);
  else
    for (const progress of s.progress.values()) if (progress.id !== s.id) sendEntries(s, progress);
  if (s.transferee !== undefined && !isVoterOf(membership, s.transferee)) abortTransfer(s);
}

/** Who else is a member decides nothing. */
function hasSameVoters(a: Membership, b: Membership): boolean {
  const isSame = (these: readonly NodeId[], those: readonly NodeId[]): boolean =>
    these.length === those.length && these.every((node) => those.includes(node));
  return isSame(a.voters, b.voters) && isSame(a.outgoing, b.outgoing);
}

const LEAVE: ConfigurationChange = {
  transition: "auto",
  changes: [],
  context: new Uint8Array(0),
};

/** A leader leaves a joint configuration by itself, once it has applied that it is one (museum row 26). */
export function leaveWhenDue(s: State): void {
  const { membership, log } = s;
  if (s.role !== "leader" || !membership.autoLeave || !isJoint(membership)) return;
  if (s.pendingChangeIndex > log.applied || s.transferee !== undefined || !s.progress.has(s.id))
    return;
  s.pendingChangeIndex = log.lastIndex + 1;
  appendOwn(s, [encodeConfigurationChange(LEAVE)]);
  broadcastAppend(s);
}
