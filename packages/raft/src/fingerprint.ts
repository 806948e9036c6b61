/**
 * A short text that is equal for two cores exactly when they will behave alike from here on, given logs with equal
 * content below what the core keeps itself and equal random numbers. Counters that only ever grow count from
 * where they stand, so that a search over what may happen meets its own states again.
 */
import type { NodeId } from "@authledger/types";
import type { State, WaitingRead } from "./state.js";

export function fingerprint(s: State): string {
  const own = `${s.role[0]}${s.role[1]} ${s.term} ${s.vote} ${s.leader} ${s.isRecovering}`;
  return [own, membership(s), timers(s), log(s), reads(s), progress(s), pending(s)].join("|");
}

function membership(s: State): string {
  const { membership: m, votes, transferee } = s;
  const lists = [m.voters, m.outgoing, m.learners, m.learnersNext].join(";");
  const cast = [...votes].sort(([a], [b]) => (a < b ? -1 : 1)).join(";");
  const inherited = s.inheritedChange > s.log.applied ? s.inheritedChange : 0;
  const configuredAt = s.role === "leader" ? s.configuredAt : 0;
  const isOwn = s.pendingChangeIndex > s.electedAt;
  const changes = `${s.pendingChangeIndex} ${isOwn} ${inherited} ${configuredAt}`;
  return `${lists};${m.autoLeave} ${cast} ${transferee} ${changes} ${s.uncommittedBytes}`;
}

function timers(s: State): string {
  const heard = s.leader === undefined ? 0 : Math.min(s.sinceLeader, s.settings.electionTicks);
  const ticks = `${heard} ${s.electionElapsed} ${s.heartbeatElapsed} ${s.electionTimeout}`;
  const quiet = Math.max(0, s.quietUntil - s.now);
  const lease = Math.max(-1, s.leaseUntil - s.now);
  const sent = s.roundsSent.map(({ round, at }) => `${round}@${s.now - at}`).join(";");
  const phase = s.isRecovering ? s.now % s.settings.heartbeatTicks : 0;
  const transfer = s.transferee === undefined ? 0 : s.transferElapsed;
  return `${ticks} ${quiet} ${lease} ${sent} ${phase} ${transfer} ${s.isLeaseForfeited}`;
}

function log(s: State): string {
  return s.log.fingerprint(s.lastAppend);
}

function reads(s: State): string {
  const rounds = s.readRounds.map(
    ({ round, commit, lastIndex, reads: all }) => `${round} ${commit} ${lastIndex} ${list(all)}`,
  );
  const asked = s.askedReads.map(({ request, contexts, age }) => `${request} ${contexts} ${age}`);
  const { request, index, compared } = s.recovery;
  const recovery = s.isRecovering ? `${request} ${index} ${compared}` : "";
  const waiting = `${list(s.waitingReads)} ${s.newReads}`;
  return `${s.lastRound};${rounds.join(";")};${waiting};${asked.join(";")};${recovery}`;
}

function list(waiting: readonly WaitingRead[]): string {
  return waiting
    .map(({ from, context, isRecovering }) => `${from}.${context}.${isRecovering}`)
    .join();
}

/** Only a leader uses it; what a change of role resets says nothing. */
function progress(s: State): string {
  if (s.role !== "leader") return "";
  return Array.from(s.progress.values(), (one) => {
    const flags = `${one.isPaused} ${one.isActive} ${one.isRecovering} ${one.knowsConfiguration}`;
    const sent = `${one.inflights.count} ${one.inflights.bytes} ${one.pendingSnapshot}`;
    return `${one.state[0]} ${one.match} ${one.next} ${flags} ${sent} ${one.sentCommit} ${one.ackedRound}`;
  }).join(";");
}

function pending(s: State): string {
  const votes = s.selfVotes.map(({ append, term }) => `${s.lastAppend - append} ${term}`).join(";");
  const told: readonly (number | NodeId | undefined)[] = [s.told.term, s.told.vote, s.told.commit];
  return `${votes} ${told}`;
}
