/** What a node that does not lead tells of who does. */
import { LedgerError, type NodeId } from "@authledger/types";
import { NO_LEADER_RETRY_MS } from "./cluster-limits.js";
import type { MemberInfo } from "./peer-port.js";

/** NOT_LEADER with the address of the leader where that is known; else NO_LEADER, which is worth another try. */
export function notLeadingError(
  leader: NodeId | undefined,
  members: readonly MemberInfo[],
): LedgerError {
  if (leader === undefined) {
    const message = "this node knows of no leader";
    return new LedgerError("NO_LEADER", message, { retryAfterMs: NO_LEADER_RETRY_MS });
  }
  const known = members.find(({ nodeId }) => nodeId === leader);
  const clientAddress = known?.clientAddress;
  const where = known === undefined ? "" : ` (${known.name}, ${clientAddress})`;
  return new LedgerError("NOT_LEADER", `node ${leader}${where} leads`, {
    details: { leader: String(leader), ...(clientAddress !== undefined && { clientAddress }) },
  });
}
