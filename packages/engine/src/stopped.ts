/** What a node answers after it has stopped: it does not know what became of what it was asked. */
import { LedgerError } from "@authledger/types";

/** NODE_STOPPED, with the reason in the message, the details and the cause. */
export function stoppedBy(failure: LedgerError): LedgerError {
  return new LedgerError("NODE_STOPPED", `the node has stopped: ${failure.message}`, {
    details: { reason: failure.code },
    cause: failure,
  });
}
