/**
 * Changes without an idempotency key that would not find the second time what they found the first: they are sent once
 * (INV-SDK-1). Where one may have happened, its caller is told how to go on.
 */
import { LedgerError } from "@authledger/types";
import { attemptsOf, keepAttempts, wasSent } from "../transport/attempts.js";
import { UnreachableError } from "../transport/wire-failure.js";

/**
 * @param goOn what the caller may do, in words
 * @throws LedgerError (by rejection) COMMIT_UNKNOWN in the place of what says only that a node was lost
 */
export async function orUnknown<Res>(sentOnce: Promise<Res>, goOn: string): Promise<Res> {
  try {
    return await sentOnce;
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    if (!mayHaveHappened(error)) throw error;
    const message = `${error.message}; it may have happened, and is not sent again: ${goOn}`;
    const { details } = error;
    const unknown = new LedgerError("COMMIT_UNKNOWN", message, { details, cause: error });
    throw keepAttempts(unknown, attemptsOf(error));
  }
}

/** What its caller gave up, or had no more time for, keeps its own name, and so does a disk that failed. */
function mayHaveHappened(error: LedgerError): boolean {
  const { grpc, retry } = error.row;
  if (grpc !== "UNAVAILABLE" || retry !== "with-key") return false;
  return !(error instanceof UnreachableError) || wasSent(error);
}
