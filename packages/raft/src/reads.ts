/**
 * Linearizable reads (dissertation, section 6.4). All reads that wait at the end of a turn share one numbered round of
 * heartbeats; a majority that answers it, or a later one, confirms that no other leader had been elected when the round
 * left, so the commit index of that moment is recent enough.
 *
 *   INV-RAFT-5  A round's number is used once in a term, on a retry too (museum row 18).
 *   INV-RAFT-6  No read is answered before the leader has committed an entry of its own term (museum row 18).
 *   INV-RAFT-7  A lease begins when the confirmed round left, not when its answers came (museum row 16), ends before
 *               any follower could vote for another, and never outlives a request that another start an election.
 *   INV-RAFT-19  One of two confirms itself only while no majority of another configuration may act without it: no change of the
 *                configuration is committed here and not applied, or was in the log when it was elected and is not applied; and the other has
 *                told, before it lost anything, that it knows this configuration, so that it does not follow the one before
 *                together with whom this one has removed.
 *
 * A follower asks the leader for the index, under a number of its own that no life of the node uses again.
 */
import type { NodeId } from "@authledger/types";
import type { DropReason } from "./action.js";
import type { Message } from "./message.js";
import type { Progress } from "./progress.js";
import { majority, reachedBy } from "./quorum.js";
import { isOfRecovery, nextRequest } from "./recovery.js";
import { broadcastHeartbeat, sendAppend } from "./replication.js";
import { type State, send, type WaitingRead } from "./state.js";

/** Reads that may wait for a round. */
const WAITING_MAX = 65_536;

/** A read of this node begins. */
export function beginRead(s: State, context: number): void {
  if (s.role === "leader") {
    leaderRead(s, { from: s.id, context, isRecovering: false });
  } else if (s.leader === undefined) {
    s.out.push({ kind: "read-dropped", context, why: "no-leader" });
  } else {
    if (s.newReads.length < WAITING_MAX) s.newReads.push(context);
    else s.out.push({ kind: "read-dropped", context, why: "too-many-reads" });
  }
}

function leaderRead(s: State, read: WaitingRead): void {
  if (!s.progress.has(s.id)) refuseRead(s, read, "removed");
  else if (read.isRecovering) leaderRecoveryRead(s, read);
  else if (mayAnswerAtOnce(s)) answerRead(s, read, s.log.commit);
  else if (s.waitingReads.length >= WAITING_MAX) refuseRead(s, read, "too-many-reads");
  else s.waitingReads.push(read);
}

/** Another node asks how far its log must reach (INV-RAFT-17): always by a round, and without a commit in this term. */
function leaderRecoveryRead(s: State, read: WaitingRead): void {
  const progress = s.progress.get(read.from);
  if (progress === undefined) return;
  progress.isRecovering = true;
  // It may lack what it is believed to have: it is asked where it is, though there is nothing new to send.
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(s, progress);
  if (s.isAlone) respond(s, read, s.log.lastIndex, false);
  else if (s.waitingReads.length < WAITING_MAX) s.waitingReads.push(read);
}

/** INV-RAFT-6, INV-RAFT-7. */
function mayAnswerAtOnce(s: State): boolean {
  return s.hasCommittedInTerm && (s.isAlone || hasLease(s));
}

/** Whether the leader's lease holds. To be asked again immediately before a reply leaves. */
export function hasLease(s: State): boolean {
  return s.role === "leader" && s.now <= s.leaseUntil;
}

function answerRead(s: State, read: WaitingRead, index: number): void {
  if (read.from === s.id) {
    s.out.push({ kind: "read-ready", context: read.context, index });
    return;
  }
  respond(s, read, index, false);
}

function respond(s: State, read: WaitingRead, index: number, reject: boolean): void {
  const { from, context } = read;
  send(s, {
    type: "read-response",
    from: s.id,
    to: from,
    term: s.term,
    context,
    index,
    reject,
  });
}

function refuseRead(s: State, read: WaitingRead, why: DropReason): void {
  if (read.from === s.id) s.out.push({ kind: "read-dropped", context: read.context, why });
  else respond(s, read, 0, true);
}

/** A follower asks. */
export function receiveRead(
  s: State,
  { from, context, isRecovering }: Extract<Message, { type: "read" }>,
): void {
  const read = { from, context, isRecovering };
  if (s.role === "leader") leaderRead(s, read);
  else refuseRead(s, read, "not-leader");
}

/** End of a turn: one round for all that wait (INV-RAFT-5). */
export function endTurn(s: State): void {
  if (s.role !== "leader") {
    askLeader(s);
    return;
  }
  if (s.waitingReads.length === 0) return;
  if (mayAnswerAtOnce(s)) {
    const waiting = s.waitingReads;
    s.waitingReads = waiting.filter((read) => read.isRecovering);
    for (const read of waiting) if (!read.isRecovering) answerRead(s, read, s.log.commit);
  }
  if (s.waitingReads.some((read) => mayAsk(s, read))) beginRound(s);
}

/** INV-RAFT-6: only who asks how far its log must reach need not wait for a commit. */
function mayAsk(s: State, read: WaitingRead): boolean {
  return read.isRecovering || s.hasCommittedInTerm;
}

/** Puts all that waits into a round of heartbeats that leaves now. */
function beginRound(s: State): void {
  s.lastRound++;
  const asking = s.waitingReads;
  if (asking.length > 0) {
    s.waitingReads = asking.filter((read) => !mayAsk(s, read));
    const reads = s.waitingReads.length === 0 ? asking : asking.filter((read) => mayAsk(s, read));
    const { commit, lastIndex } = s.log;
    s.readRounds.push({ round: s.lastRound, commit, lastIndex, reads });
  }
  if (s.settings.readMode === "lease") s.roundsSent.push({ round: s.lastRound, at: s.now });
  broadcastHeartbeat(s, s.lastRound);
  // Where the others of the group recover, this node may be enough.
  confirmRounds(s);
}

/**
 * A heartbeat is due. It asks again, under a new number, where answers are missing: also of nobody, if the others whose answers
 * would have counted are no voters any more.
 */
export function beat(s: State): void {
  const asks =
    s.settings.readMode === "lease" || s.readRounds.length > 0 || s.waitingReads.length > 0;
  if (asks) beginRound(s);
  else broadcastHeartbeat(s, 0);
}

/** A node answered this round: it followed this leader when it got it. */
export function acknowledgeRound(s: State, progress: Progress, round: number): void {
  if (round <= progress.ackedRound) return;
  progress.ackedRound = round;
  confirmRounds(s);
}

/** Answers what the rounds that a majority has acknowledged were for. */
function confirmRounds(s: State): void {
  const confirmed = confirmedRound(s);
  renewLease(s, confirmed);
  let done = 0;
  for (const { round: number, commit, lastIndex, reads } of s.readRounds) {
    if (number > confirmed) break;
    for (const read of reads) answerRead(s, read, read.isRecovering ? lastIndex : commit);
    done++;
  }
  if (done > 0) s.readRounds.splice(0, done);
}

const rounds: number[] = [];

function confirmedRound(s: State): number {
  return Math.min(roundOf(s, s.voters), roundOf(s, s.outgoing));
}

function roundOf(s: State, voters: readonly Progress[]): number {
  rounds.length = 0;
  for (const { id, ackedRound, isRecovering } of voters) {
    // A node that may have forgotten its term cannot say who leads.
    rounds.push(id === s.id ? s.lastRound : isRecovering ? 0 : ackedRound);
  }
  return reachedBy(rounds, confirming(s, voters));
}

/**
 * How many voters confirm a leader: a majority of those that are sure. Of two voters one is enough while the other recovers, or that could
 * never recover: without it nobody else is elected by these two. INV-RAFT-19.
 */
export function confirming(s: State, voters: readonly Progress[]): number {
  const { applied, commit } = s.log;
  const own = s.pendingChangeIndex > s.electedAt ? s.pendingChangeIndex : 0;
  const mayHaveChanged = applied < s.inheritedChange || applied < Math.min(own, commit);
  const isOneEnough =
    voters.length === 2 &&
    s.outgoing.length === 0 &&
    !mayHaveChanged &&
    voters.some(({ isRecovering, knowsConfiguration }) => isRecovering && knowsConfiguration);
  return isOneEnough ? 1 : majority(voters.length);
}

/** INV-RAFT-7. A follower counts its timeout from when a heartbeat came, in ticks that may be cut short by one. */
function renewLease(s: State, confirmed: number): void {
  let sent = -1;
  let done = 0;
  for (const { round, at } of s.roundsSent) {
    if (round > confirmed) break;
    sent = at;
    done++;
  }
  s.roundsSent.splice(0, done);
  if (sent < 0 || s.isLeaseForfeited || !s.settings.checkQuorum) return;
  const { electionTicks, clockDrift } = s.settings;
  const length = Math.floor((electionTicks - 1) * (1 - clockDrift)) - 1;
  s.leaseUntil = Math.max(s.leaseUntil, sent + length);
}

/** The lease ends now. */
export function dropLease(s: State): void {
  s.leaseUntil = -1;
  s.roundsSent.length = 0;
}

/** This node stops to lead, or the term ends: what waits here gets no answer. */
export function dropLeaderReads(s: State): void {
  dropLease(s);
  for (const { reads } of s.readRounds.splice(0)) {
    for (const read of reads) refuseRead(s, read, "term-ended");
  }
  for (const read of s.waitingReads.splice(0)) refuseRead(s, read, "term-ended");
}

/** A follower asks for the reads of this turn. */
function askLeader(s: State): void {
  if (s.newReads.length === 0) return;
  const contexts = s.newReads.splice(0);
  if (s.leader === undefined || s.leader === s.id) {
    dropContexts(s, contexts, "no-leader");
    return;
  }
  s.askedReads.push({ request: nextRequest(s, false), contexts, age: 0 });
  sendRequest(s, s.leader);
}

function sendRequest(s: State, leader: NodeId): void {
  const context = s.lastRequest;
  send(s, { type: "read", from: s.id, to: leader, term: 0, context, isRecovering: false });
}

function dropContexts(s: State, contexts: readonly number[], why: DropReason): void {
  for (const context of contexts) s.out.push({ kind: "read-dropped", context, why });
}

/** Answers what the request asked for. Requests that left later than a read began answer it as well. */
export function receiveReadResponse(
  s: State,
  context: number,
  index: number,
  reject: boolean,
): void {
  // An answer to a former life, whose numbers may have been higher, says nothing of what was asked in this one.
  if (context > s.lastRequest || isOfRecovery(context)) return;
  let done = 0;
  for (const asked of s.askedReads) {
    if (asked.request > context) break;
    done++;
    if (reject) dropContexts(s, asked.contexts, "not-leader");
    else
      for (const read of asked.contexts) s.out.push({ kind: "read-ready", context: read, index });
  }
  s.askedReads.splice(0, done);
}

/** Time passes for the reads of a follower: asked again after a heartbeat's time, given up after an election timeout. */
export function tickReads(s: State): void {
  if (s.askedReads.length === 0) return;
  let isDue = false;
  for (const asked of s.askedReads) {
    asked.age++;
    if (asked.age % s.settings.heartbeatTicks === 0) isDue = true;
  }
  while (s.askedReads.length > 0 && s.askedReads[0]!.age >= 2 * s.settings.electionTicks) {
    dropContexts(s, s.askedReads.shift()!.contexts, "no-leader");
  }
  if (!isDue || s.askedReads.length === 0 || s.leader === undefined) return;
  nextRequest(s, false);
  sendRequest(s, s.leader);
}

/** The node leads now: it must confirm by itself what it asked another for. */
export function takeOverReads(s: State): void {
  for (const { contexts } of s.askedReads.splice(0)) dropContexts(s, contexts, "term-ended");
  dropContexts(s, s.newReads.splice(0), "term-ended");
}
