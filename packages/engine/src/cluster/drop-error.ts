/** Why the core did not do something, for those who asked: provably nothing of it happened. */
import type { DropReason } from "@authledger/raft";
import { LedgerError } from "@authledger/types";
import { OVERLOAD_RETRY_MS } from "../limits.js";

/** @param notLeading what a node says that does not lead */
export function dropError(why: DropReason, notLeading: () => LedgerError): LedgerError {
  switch (why) {
    case "too-many-uncommitted":
    case "too-many-unapplied":
    case "too-many-reads": {
      const message =
        why === "too-many-unapplied"
          ? "committed entries wait to be applied"
          : "entries wait for a majority of the voters";
      return new LedgerError("OVERLOADED", message, { retryAfterMs: OVERLOAD_RETRY_MS });
    }
    case "change-pending":
    case "is-joint":
    case "not-joint":
      return new LedgerError("CHANGE_PENDING", "a change of the members is not ended yet");
    case "invalid-change":
      return new LedgerError("LAST_VOTER", "the change would leave the cluster without a voter");
    case "removed":
      return new LedgerError("NODE_REMOVED", "this node is no member of its cluster any more");
    case "recovering":
      return new LedgerError("NODE_RECOVERING", "this node has not caught up yet");
    case "transferring":
      return new LedgerError("NO_LEADER", "the leadership is being handed over", {
        retryAfterMs: 50,
      });
    case "not-leader":
    case "no-leader":
    case "term-ended":
      return notLeading();
  }
}
