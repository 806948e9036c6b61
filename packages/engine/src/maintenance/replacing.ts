/** What is told to those who want work done on a state while another one takes its place. */
import { LedgerError } from "@authledger/types";

const RETRY_MS = 1_000;

export function replacing(): LedgerError {
  const message = "this node's state is being replaced";
  return new LedgerError("NOT_READY", message, { retryAfterMs: RETRY_MS });
}
