/**
 * A node that may have lost what it had acknowledged (storage.md): it neither votes nor stands for election, and what it
 * acknowledges or confirms does not count, until it is certain to have all that could ever count on it.
 *
 *   INV-RAFT-17  It votes again only when its log has been compared with the leader's, durably, up to where the leader's
 *               log ended when a majority without this node confirmed that leader, after this node had begun anew. That covers
 *               what its earlier acknowledgments committed, and what those still on their way may commit.
 */
import { acknowledge } from "./follower.js";
import { type State, send } from "./state.js";

/**
 * The number of the next request of this life. Those of a node that recovers are odd, those of its reads even: the answer
 * to the one says where the leader's log ends, to the other what is committed, and neither may pass for the other.
 */
export function nextRequest(s: State, isRecovery: boolean): number {
  s.lastRequest += isOfRecovery(s.lastRequest) === isRecovery ? 2 : 1;
  return s.lastRequest;
}

export function isOfRecovery(context: number): boolean {
  return context % 2 === 1;
}

/** Asks the leader how far the log must reach, again and again: questions and answers may be lost. */
export function tickRecovery(s: State): void {
  if (!s.isRecovering || s.leader === undefined || s.now % s.settings.heartbeatTicks !== 0) return;
  if (s.recovery.index !== undefined) return;
  const context = nextRequest(s, true);
  if (s.recovery.request === 0) s.recovery.request = context;
  send(s, { type: "read", from: s.id, to: s.leader, term: 0, context, isRecovering: true });
}

/** The leader of this term answers a question of this term. */
export function receiveRecoveryIndex(s: State, context: number, index: number): void {
  const { recovery } = s;
  if (!s.isRecovering || recovery.request === 0 || context < recovery.request) return;
  if (context > s.lastRequest || !isOfRecovery(context)) return;
  recovery.index ??= index;
}

/** INV-RAFT-17. Ends the state as soon as it may end. */
export function endRecovery(s: State): void {
  const { index, compared } = s.recovery;
  if (!s.isRecovering || index === undefined || s.leader === undefined) return;
  if (compared < index || s.log.durable < index) return;
  s.isRecovering = false;
  // It may have voted in this term and lost that: as if for the leader, it votes for nobody else.
  s.vote ??= s.leader;
  s.mustWriteState = true;
  s.out.push({ kind: "recovered" });
  acknowledge(s, s.leader, compared);
}
