/** What signing heads needs to know of the cluster and ask of it. */
import type { LedgerError, NodeId } from "@authledger/types";
import type { MemberInfo } from "./peer-port.js";

export interface HeadCluster {
  readonly self: NodeId;
  /** Does this node lead, and has it applied an entry of its own term? */
  isLeading(): boolean;
  /** Who leads, as far as this node knows. */
  leader(): NodeId | undefined;
  /** Who votes, on both sides of a joint configuration; this node too where it votes. */
  voters(): readonly MemberInfo[];
  /** Why times of this node's clock are not to be signed, if they are not. */
  clockProblem(): LedgerError | undefined;
  /** Why nothing of this node's state may be signed or shown, if it may not (INV-REPLICA-11). */
  stateProblem(): LedgerError | undefined;
  /** May this node have lost the end of its log, and with it marks of what it has signed? */
  isInDoubt(): boolean;
  send(to: NodeId, kind: "cosignRequest" | "cosignReply", payload: Uint8Array): void;
}
