/**
 * The changes of role and term (Raft 5.2).
 *
 *   INV-RAFT-9  A vote is forgotten only when the term rises: not by a change of role within it (museum row 1).
 */
import { assert, type NodeId } from "@authledger/types";
import { lastChangeWithin } from "./changes-in-log.js";
import { dropLeaderReads, takeOverReads } from "./reads.js";
import { appendOwn, broadcastAppend } from "./replication.js";
import type { State } from "./state.js";
import { abortTransfer } from "./transfer.js";

const NOTHING = new Uint8Array(0);

/** INV-RAFT-9. What every change of role begins with. */
function reset(s: State, term: number): void {
  assert(term >= s.term, "a term never falls", { term, was: s.term });
  if (term > s.term) {
    s.term = term;
    s.vote = undefined;
    // Whether a transfer came to its end is for the new leader to say.
    s.transferee = undefined;
    s.recovery = { request: 0, index: undefined, compared: 0 };
  }
  abortTransfer(s);
  dropLeaderReads(s);
  s.leader = undefined;
  s.electionElapsed = 0;
  s.heartbeatElapsed = 0;
  s.sinceLeader = 0;
  drawElectionTimeout(s);
  s.votes.clear();
  s.pendingChangeIndex = 0;
  s.inheritedChange = 0;
  s.uncommittedBytes = 0;
  s.lastRound = 0;
  s.isLeaseForfeited = false;
  for (const progress of s.progress.values()) progress.reset(s.log.lastIndex + 1);
}

/** Another timeout for each attempt, so that candidates do not split the votes for ever (Raft 5.2). */
export function drawElectionTimeout(s: State): void {
  const { electionTicks, jitter } = s.settings;
  s.electionTimeout = electionTicks + Math.floor(jitter() * electionTicks);
}

export function becomeFollower(s: State, term: number, leader: NodeId | undefined): void {
  reset(s, term);
  s.role = "follower";
  s.leader = leader;
}

/** Asks whether an election could be won. Changes neither term nor vote (dissertation 9.6). */
export function becomePreCandidate(s: State): void {
  assert(s.role !== "leader", "a leader does not ask to be elected");
  s.role = "pre-candidate";
  s.leader = undefined;
  s.votes.clear();
}

export function becomeCandidate(s: State): void {
  assert(s.role !== "leader", "a leader does not ask to be elected");
  reset(s, s.term + 1);
  s.role = "candidate";
  s.vote = s.id;
}

export function becomeLeader(s: State): void {
  assert(s.role === "candidate", "only a candidate is elected", { role: s.role });
  reset(s, s.term);
  s.role = "leader";
  s.leader = s.id;
  takeOverReads(s);
  const own = s.progress.get(s.id)!;
  own.match = s.log.durable;
  own.becomeReplicate();
  own.isActive = true;
  // It is as if the last of the entries changed the configuration (row 10).
  s.pendingChangeIndex = s.log.lastIndex;
  s.inheritedChange = lastChangeWithin(s.log, s.log.applied + 1, s.log.lastIndex);
  s.electedAt = s.log.lastIndex;
  s.configuredAt = s.log.lastIndex;
  // Without an entry of its own term it could not commit what it has (Raft 8).
  appendOwn(s, [NOTHING]);
  broadcastAppend(s);
}
