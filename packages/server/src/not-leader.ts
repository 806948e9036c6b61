/** The refusals that make another node worth asking: nothing was proposed, since this node does not lead. */
import { LedgerError } from "@authledger/types";

const REFUSALS: ReadonlySet<string> = new Set(["NOT_LEADER", "NO_LEADER"]);

/** Is it the code of such a refusal, by this node or by another one? */
function isNotLeaderCode(code: string): boolean {
  return REFUSALS.has(code);
}

/** Or of one of a node that knows its state to be wrong: it proposed nothing either, and another one will lead. */
export function isForAnotherNode({ code }: { readonly code: string }): boolean {
  return isNotLeaderCode(code) || code === "REPLICA_DIVERGED";
}

export function isNotLeader(error: unknown): error is LedgerError {
  return error instanceof LedgerError && isNotLeaderCode(error.code);
}
