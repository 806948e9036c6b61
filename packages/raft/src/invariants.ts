/**
 * What one node can check by itself after every step. Cheap, and on in production: a node that broke one of these must
 * not go on.
 *
 *   INV-RAFT-15  Applied <= handed out <= commit <= last, and durable <= last.
 *   INV-RAFT-16  Term, commit and applied never fall; within a term a vote never changes once cast, and a node that is
 *               leader or candidate has voted for itself.
 */
import { assert, type NodeId } from "@authledger/types";
import type { State } from "./state.js";

/** What held after the step before. */
export interface Held {
  term: number;
  vote: NodeId | undefined;
  commit: number;
  applied: number;
}

export function checkInvariants(s: State, held: Held): void {
  const { log, term, vote } = s;
  const { lastIndex, commit, applied, handed, durable } = log;
  if (!(applied <= handed && handed <= commit && commit <= lastIndex && durable <= lastIndex)) {
    const facts = { applied, handed, commit, last: lastIndex, durable };
    assert(false, "INV-RAFT-15: applied <= handed <= commit <= last, durable <= last", facts);
  }
  if (term < held.term || commit < held.commit || applied < held.applied) {
    const facts = { term, commit, applied, before: JSON.stringify([held.term, held.commit]) };
    assert(false, "INV-RAFT-16: term, commit and applied never fall", facts);
  }
  if (term === held.term && held.vote !== undefined && vote !== held.vote) {
    assert(false, "INV-RAFT-16: one vote in a term", { term, vote, was: held.vote });
  }
  if ((s.role === "leader" || s.role === "candidate") && vote !== s.id) {
    assert(false, "INV-RAFT-16: a candidate has voted for itself", { term, vote });
  }
  held.term = term;
  held.vote = vote;
  held.commit = commit;
  held.applied = applied;
}
