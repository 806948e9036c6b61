/** Failures that say nothing but that the engine has ended, which the node has told by then: no line of the log is worth it. */
import { LedgerError } from "@authledger/types";

const ENDED: ReadonlySet<string> = new Set(["NODE_STOPPED", "SHUTTING_DOWN"]);

/** @example hasEnded(new LedgerError("NODE_STOPPED", "the node has stopped")) // true */
export function hasEnded(error: unknown): boolean {
  return ENDED.has(LedgerError.from(error).code);
}
