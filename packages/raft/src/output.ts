/** What ends each step: one batch for the disk, what to apply, and what changed for the owner. */
import type { Action } from "./action.js";
import type { Entry } from "./log.js";
import type { State } from "./state.js";

const NO_ENTRIES: readonly Entry[] = [];

export function finishStep(s: State): void {
  emitAppend(s);
  for (;;) {
    const page = s.log.nextToApply(s.settings.applyBytesMax);
    if (page === undefined) break;
    s.out.push({ kind: "apply", from: page.from, to: page.to });
  }
  const { toldRole } = s;
  if (toldRole.role !== s.role || toldRole.term !== s.term || toldRole.leader !== s.leader) {
    s.toldRole = { role: s.role, term: s.term, leader: s.leader };
    s.out.push({ kind: "role", ...s.toldRole });
  }
}

function emitAppend(s: State): void {
  const { told, log } = s;
  const isPromise = told.term !== s.term || told.vote !== s.vote || s.mustWriteState;
  const isHint = told.commit !== log.commit;
  const isLonger = s.appendedFrom !== undefined || s.truncatedFrom !== undefined;
  if (!isPromise && !isHint && !isLonger && s.restored === undefined && s.whenDurable.length === 0)
    return;
  const append = ++s.lastAppend;
  const from = s.appendedFrom;
  const action: Action = {
    kind: "append",
    append,
    hardState: isPromise || isHint ? { term: s.term, vote: s.vote, commit: log.commit } : undefined,
    truncateFrom: s.truncatedFrom,
    entries:
      from === undefined
        ? NO_ENTRIES
        : log.entries(from, log.lastIndex + 1, Number.POSITIVE_INFINITY),
    snapshot: s.restored,
    whenDurable: s.whenDurable,
    mustSync: isPromise || isLonger || s.restored !== undefined,
  };
  s.out.push(action);
  log.beginAppend(append, s.restored);
  if (s.hasVotedForSelf) s.selfVotes.push({ append, term: s.term });
  told.term = s.term;
  told.vote = s.vote;
  told.commit = log.commit;
  s.hasVotedForSelf = false;
  s.mustWriteState = false;
  s.whenDurable = [];
  s.truncatedFrom = undefined;
  s.appendedFrom = undefined;
  s.restored = undefined;
}
