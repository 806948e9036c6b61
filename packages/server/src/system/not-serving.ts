/** Failures that say nothing but that the engine has ended or has no cluster yet, which the node itself tells: no line of the log is worth them. */
import { LedgerError } from "@authledger/types";

const ENDED: ReadonlySet<string> = new Set(["NODE_STOPPED", "SHUTTING_DOWN"]);

/** @example hasEnded(new LedgerError("NODE_STOPPED", "the node has stopped")) // true */
export function hasEnded(error: unknown): boolean {
  return ENDED.has(LedgerError.from(error).code);
}

/** Whether there is no cluster yet: there is nothing to read then, and nothing is amiss. What waits for what says the node itself. */
export function isBeforeCluster({ code }: LedgerError): boolean {
  return code === "NODE_WAITING" || code === "NOT_READY";
}
