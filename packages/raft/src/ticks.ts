/** Time, in ticks: timeouts of elections, heartbeats and transfers. */
import { campaignAsConfigured, mayStand } from "./election.js";
import { hasActiveQuorum } from "./leader.js";
import { beat, tickReads } from "./reads.js";
import { tickRecovery } from "./recovery.js";
import { becomeFollower, drawElectionTimeout } from "./roles.js";
import type { State } from "./state.js";
import { tickTransfer } from "./transfer.js";

export function tick(s: State): void {
  s.now++;
  if (s.role === "leader") tickLeader(s);
  else tickOthers(s);
}

function tickLeader(s: State): void {
  s.electionElapsed++;
  s.heartbeatElapsed++;
  tickTransfer(s);
  if (s.electionElapsed >= s.settings.quorumTicks) {
    s.electionElapsed = 0;
    if (s.settings.checkQuorum && !checkQuorum(s)) return;
  }
  if (s.heartbeatElapsed >= s.settings.heartbeatTicks) {
    s.heartbeatElapsed = 0;
    beat(s);
  }
}

/** Heartbeats leave before they are due, and the next ones a whole interval later. */
export function beatNow(s: State): void {
  if (s.role !== "leader") return;
  s.heartbeatElapsed = 0;
  beat(s);
}

/** A leader that heard from no majority for so long steps down (dissertation 6.2). */
function checkQuorum(s: State): boolean {
  if (!hasActiveQuorum(s)) {
    becomeFollower(s, s.term, undefined);
    return false;
  }
  for (const progress of s.progress.values()) progress.isActive = progress.id === s.id;
  return true;
}

function tickOthers(s: State): void {
  s.electionElapsed++;
  s.sinceLeader++;
  tickReads(s);
  tickRecovery(s);
  // Nobody else could lead: there is nothing to wait for.
  if (s.electionElapsed < s.electionTimeout && !(s.isAlone && s.role === "follower")) return;
  if (!mayStand(s)) return;
  s.electionElapsed = 0;
  if (s.role !== "follower") drawElectionTimeout(s);
  campaignAsConfigured(s);
}
