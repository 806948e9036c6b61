/**
 * What a follower does with what its leader sends (Raft 5.3).
 *
 *   INV-RAFT-12  It acknowledges and commits up to the entries that this message has compared, not to the end of its own
 *               log (museum rows 5 and 6), and cuts off only what differs from the leader's entries (museum row 8).
 */
import type { NodeId } from "@authledger/types";
import type { Message } from "./message.js";
import { commitTo } from "./replication.js";
import { type State, send, sendDurably } from "./state.js";

type AppendMessage = Extract<Message, { type: "append" }>;
type HeartbeatMessage = Extract<Message, { type: "heartbeat" }>;

/** INV-RAFT-12. */
export function receiveAppend(s: State, message: AppendMessage): void {
  const { log, isRecovering } = s;
  const { from: to, index, entries } = message;
  if (index < log.commit) {
    // An old message: what is committed is the leader's log anyhow.
    acknowledge(s, to, log.commit);
    return;
  }
  if (!log.matches(index, message.logTerm)) {
    const from = Math.min(index, log.lastIndex);
    const [hint, logTerm] = whereLogsMayAgree(s, from, message.logTerm);
    sendDurably(s, {
      type: "append-response",
      from: s.id,
      to,
      term: s.term,
      index,
      reject: true,
      hint,
      logTerm,
      isRecovering,
    });
    return;
  }
  takeEntries(s, message);
  const last = index + entries.length;
  commitTo(s, Math.min(message.commit, last));
  s.recovery.compared = Math.max(s.recovery.compared, last);
  acknowledge(s, to, last);
}

export function acknowledge(s: State, to: NodeId, index: number): void {
  sendDurably(s, {
    type: "append-response",
    from: s.id,
    to,
    term: s.term,
    index,
    reject: false,
    hint: 0,
    logTerm: 0,
    isRecovering: s.isRecovering,
  });
}

/** Appends what is not there; what is there and differs goes first. */
function takeEntries(s: State, { entries }: AppendMessage): void {
  const { log } = s;
  let at = 0;
  while (at < entries.length && log.matches(entries[at]!.index, entries[at]!.term)) at++;
  if (at === entries.length) return;
  const from = entries[at]!.index;
  if (from <= log.lastIndex) {
    log.truncate(from);
    if (s.appendedFrom === undefined || from < s.appendedFrom) s.truncatedFrom = from;
  }
  s.appendedFrom = Math.min(s.appendedFrom ?? from, from);
  log.append(at === 0 ? entries : entries.slice(at));
}

/**
 * The last entry up to `index` whose term is not above `term`: behind it the logs differ for sure. Skips a whole term
 * at a time instead of an entry (Raft 5.3).
 */
export function whereLogsMayAgree(s: State, index: number, term: number): [number, number] {
  let at = index;
  while (at > 0) {
    const own = s.log.term(at);
    if (own === undefined) return [at, 0];
    if (own <= term) return [at, own];
    at--;
  }
  return [0, 0];
}

export function receiveHeartbeat(s: State, { from: to, commit, round }: HeartbeatMessage): void {
  // What the leader believes this node to have it may have lost; and it cannot say who leads.
  if (!s.isRecovering) commitTo(s, commit);
  const confirmed = s.isRecovering ? 0 : round;
  send(s, { type: "heartbeat-response", from: s.id, to, term: s.term, round: confirmed });
}
