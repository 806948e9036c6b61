/** What a leader does with the answers of its followers (Raft 5.3). */
import type { NodeId } from "@authledger/types";
import { whereLogsMayAgree } from "./follower.js";
import type { Message } from "./message.js";
import type { Progress } from "./progress.js";
import { acknowledgeRound, confirming } from "./reads.js";
import {
  advanceCommit,
  announceCommit,
  hearsLater,
  sendAppend,
  sendEntries,
} from "./replication.js";
import type { State } from "./state.js";
import { finishTransfer } from "./transfer.js";

type AppendResponse = Extract<Message, { type: "append-response" }>;

export function receiveAppendResponse(s: State, response: AppendResponse): void {
  const progress = s.progress.get(response.from);
  if (progress === undefined) return;
  progress.isActive = true;
  const counts = progress.isRecovering && !response.isRecovering;
  progress.isRecovering = response.isRecovering;
  if (!response.reject && !response.isRecovering && response.index > s.configuredAt) {
    progress.knowsConfiguration = true;
  }
  if (response.reject) receiveRefusal(s, progress, response);
  else receiveAcknowledgment(s, progress, response.index);
  // What it has counts from now on.
  if (counts && advanceCommit(s)) announceCommit(s);
}

function receiveRefusal(s: State, progress: Progress, response: AppendResponse): void {
  let { hint } = response;
  // The follower's entries up to the hint are of `logTerm` or less: where this log has a higher one, they differ.
  if (response.logTerm > 0) [hint] = whereLogsMayAgree(s, hint, response.logTerm);
  // It has lost what it acknowledged: else a refusal at or below that is an old one.
  if (response.isRecovering && hint < progress.match) progress.forgetAbove(hint);
  else if (!progress.refuse(response.index, hint)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(s, progress);
}

function receiveAcknowledgment(s: State, progress: Progress, index: number): void {
  const isNews = progress.acknowledge(index);
  // A probe that was answered has done its work, though it told nothing new.
  if (!isNews && !(progress.match === index && progress.state === "probe")) return;
  if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.state === "snapshot") {
    // Whatever became of the state: the log reaches back to where the follower is (museum row 29).
    if (progress.match + 1 >= s.log.firstIndex) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
  } else {
    progress.inflights.freeTo(index);
  }
  if (advanceCommit(s)) announceCommit(s);
  else if (progress.canLearnCommit(s.log.commit) && !hearsLater(s, progress)) {
    sendAppend(s, progress);
  }
  sendEntries(s, progress);
  finishTransfer(s, progress);
}

export function receiveHeartbeatResponse(s: State, from: NodeId, round: number): void {
  const progress = s.progress.get(from);
  if (progress === undefined) return;
  progress.isActive = true;
  progress.isPaused = false;
  // Who recovers, or is believed to, has something to say also where there is nothing to send: its own word may have been lost.
  const isBehind = progress.match < s.log.lastIndex || progress.state === "probe";
  if (isBehind || progress.isRecovering) sendAppend(s, progress);
  if (round > 0) acknowledgeRound(s, progress, round);
}

/** What the leader itself appended is on its disk. */
export function receiveOwnDurable(s: State): void {
  const own = s.progress.get(s.id);
  if (own === undefined) return;
  if (own.acknowledge(s.log.durable) && advanceCommit(s)) announceCommit(s);
}

export function receiveUnreachable(s: State, node: NodeId): void {
  const progress = s.progress.get(node);
  if (s.role !== "leader" || progress?.state !== "replicate") return;
  // What is on its way may be lost: ask where the follower is instead of streaming on.
  progress.becomeProbe();
}

export function receiveSnapshotSent(s: State, node: NodeId, ok: boolean): void {
  const progress = s.progress.get(node);
  if (s.role !== "leader" || progress?.state !== "snapshot") return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // The follower's own answer comes first, or a heartbeat's; a state that could not be delivered waits a heartbeat.
  progress.isPaused = true;
}

/**
 * Steps down unless a majority was heard from since the last check (dissertation 6.2). Who recovers does not count, as it confirms
 * nothing; where one does, as many are enough as confirm a round: this leader may be whom it recovers by, also when it comes back later.
 */
export function hasActiveQuorum(s: State): boolean {
  return isActiveMajority(s, s.voters) && isActiveMajority(s, s.outgoing);
}

function isActiveMajority(s: State, voters: readonly Progress[]): boolean {
  if (voters.length === 0) return true;
  let active = 0;
  for (const { id, isActive, isRecovering } of voters) {
    if (id === s.id || (isActive && !isRecovering)) active++;
  }
  return active >= confirming(s, voters);
}
