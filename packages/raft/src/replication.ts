/**
 * How a leader sends its log (Raft 5.3), and when an entry is committed.
 *
 *   INV-RAFT-3  A leader commits by counting only entries of its own term (Raft 5.4.2, museum row 4).
 *   INV-RAFT-4  Only what is durable counts: of the leader itself too (museum rows 13 and 14). Learners, and nodes that
 *               may have lost what they acknowledged, do not count at all (museum row 11).
 */
import { limits } from "@authledger/types";
import { payloadBytes } from "./log-view.js";
import type { Progress } from "./progress.js";
import { majorityReached } from "./quorum.js";
import { type State, send } from "./state.js";

/** Appends entries of this leader's term. They count for itself once they are durable. */
export function appendOwn(s: State, payloads: readonly Uint8Array[]): void {
  const first = s.log.lastIndex + 1;
  s.appendedFrom ??= first;
  s.log.append(payloads.map((payload, i) => ({ index: first + i, term: s.term, payload })));
}

export function broadcastAppend(s: State): void {
  for (const progress of s.progress.values()) {
    if (progress.id !== s.id) sendAppend(s, progress);
  }
}

/** The commit index has risen: the others hear of it now, or with what is sent next. */
export function announceCommit(s: State): void {
  for (const progress of s.progress.values()) {
    if (progress.id === s.id) continue;
    if (hearsLater(s, progress)) sendEntries(s, progress);
    else sendAppend(s, progress);
  }
}

/**
 * Need this node not be told of a commit before the turn ends? A heartbeat tells it at the latest, so it must take the
 * heartbeat's word: a node that recovers does not. A change of the configuration is not kept waiting.
 */
export function hearsLater(s: State, progress: Progress): boolean {
  return (
    s.settings.commitNotice === "at-turn" &&
    progress.state === "replicate" &&
    !progress.isRecovering &&
    s.pendingChangeIndex <= s.log.applied
  );
}

/** At the end of a turn: who has not heard of the newest commit yet is told. */
export function tellCommit(s: State): void {
  if (s.role !== "leader" || s.settings.commitNotice === "at-once") return;
  for (const progress of s.progress.values()) {
    if (progress.id !== s.id && progress.canLearnCommit(s.log.commit)) sendAppend(s, progress);
  }
}

/** Sends entries, or where there are none what the follower must know of the log's end and the commit index. */
export function sendAppend(s: State, progress: Progress): void {
  trySend(s, progress, true);
}

/** Sends entries as long as there are some and the follower may get more. */
export function sendEntries(s: State, progress: Progress): void {
  while (trySend(s, progress, false)) {
    // The next message.
  }
}

function trySend(s: State, progress: Progress, evenEmpty: boolean): boolean {
  if (progress.mayNotSend) return false;
  const { log } = s;
  const previous = progress.next - 1;
  const previousTerm = log.term(previous);
  if (previousTerm === undefined || progress.next < log.firstIndex) return askSnapshot(s, progress);
  // A full window sends no entries, but may send an empty message: where all that filled it were lost, that brings
  // the answer that says so.
  const isFull = progress.state === "replicate" && progress.inflights.isFull;
  const end = Math.min(log.lastIndex + 1, progress.next + limits.APPEND_ENTRIES_MAX);
  const entries = isFull ? [] : log.entries(progress.next, end, s.settings.messageBytesMax);
  if (entries.length === 0 && !evenEmpty) return false;
  send(s, {
    type: "append",
    from: s.id,
    to: progress.id,
    term: s.term,
    index: previous,
    logTerm: previousTerm,
    entries,
    commit: log.commit,
  });
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommit = log.commit;
  return true;
}

/** The log does not reach back to what the follower needs. */
function askSnapshot(s: State, progress: Progress): boolean {
  // Nobody ships a state to a node that does not answer.
  if (!progress.isActive) return false;
  // The state that is sent is likely the newest one; that it is older is found out by asking.
  progress.becomeSnapshot(s.log.applied);
  s.out.push({ kind: "send-snapshot", to: progress.id, index: s.log.firstIndex - 1 });
  return true;
}

/** One heartbeat for everybody. A round of 0 asks for nothing. */
export function broadcastHeartbeat(s: State, round: number): void {
  for (const progress of s.progress.values()) {
    if (progress.id === s.id) continue;
    // Only what the follower is known to have: its log may differ behind that (museum row 6).
    const commit = Math.min(progress.match, s.log.commit);
    send(s, { type: "heartbeat", from: s.id, to: progress.id, term: s.term, commit, round });
    progress.sentCommit = commit;
  }
}

const matches: number[] = [];

/** What a majority of both halves has durably. */
function committedByMajority(s: State): number {
  return Math.min(matchOf(s.voters), matchOf(s.outgoing));
}

function matchOf(voters: readonly Progress[]): number {
  matches.length = 0;
  for (const { match, isRecovering } of voters) matches.push(isRecovering ? 0 : match);
  return majorityReached(matches);
}

/** INV-RAFT-3, INV-RAFT-4. Moves the commit index of a leader; true when it moved. */
export function advanceCommit(s: State): boolean {
  const index = committedByMajority(s);
  const { log } = s;
  if (index <= log.commit || log.term(index) !== s.term) return false;
  commitTo(s, index);
  return true;
}

export function commitTo(s: State, index: number): void {
  const before = s.log.commit;
  if (index <= before) return;
  s.log.commitTo(index);
  if (s.uncommittedBytes > 0) {
    const bytes = s.log.tailBytes(before + 1, index);
    s.uncommittedBytes = Math.max(0, s.uncommittedBytes - bytes);
  }
}
