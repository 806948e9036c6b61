/**
 * Leadership transfer (dissertation, section 3.10): the leader takes no proposals, waits until the target has its whole
 * log, and asks it to start an election at once.
 *
 *   INV-RAFT-8  The request to start an election names the term and the last entry; a target of another term, or
 *               without that entry on its disk, does not (museum row 30).
 */
import type { NodeId } from "@authledger/types";
import type { Progress } from "./progress.js";
import { dropLease } from "./reads.js";
import { sendAppend } from "./replication.js";
import { type State, send } from "./state.js";

/** A leader begins to give its leadership to `to`. */
export function beginTransfer(s: State, to: NodeId): void {
  if (s.transferee === to) return;
  abortTransfer(s);
  const progress = s.progress.get(to);
  if (to === s.id) return;
  if (progress === undefined || progress.isLearner) {
    s.out.push({ kind: "transfer-failed", to });
    return;
  }
  s.transferee = to;
  s.transferElapsed = 0;
  if (!finishTransfer(s, progress)) sendAppend(s, progress);
}

/** Asks the target to start an election, once it has everything. */
export function finishTransfer(s: State, progress: Progress): boolean {
  if (s.transferee !== progress.id || progress.match !== s.log.lastIndex) return false;
  // From now on another may be elected though voters still hear from this leader (INV-RAFT-7).
  dropLease(s);
  s.isLeaseForfeited = true;
  send(s, {
    type: "timeout-now",
    from: s.id,
    to: progress.id,
    term: s.term,
    index: s.log.lastIndex,
    logTerm: s.log.lastTerm,
  });
  return true;
}

/** The leadership stays: proposals are taken again. */
export function abortTransfer(s: State): void {
  if (s.transferee === undefined) return;
  s.out.push({ kind: "transfer-failed", to: s.transferee });
  s.transferee = undefined;
}

/** A transfer that takes longer than an election timeout is given up. */
export function tickTransfer(s: State): void {
  if (s.transferee === undefined) return;
  s.transferElapsed++;
  if (s.transferElapsed >= s.settings.electionTicks) abortTransfer(s);
}
