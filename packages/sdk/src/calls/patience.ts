/**
 * How long a caller waits for what its verifier asks servers for beside the call itself. Many callers share that work, so
 * whoever has no time left stops waiting, and the work goes on for the others.
 */
import { LedgerError } from "@authledger/types";
import { type CallOptions, deadlineOf } from "../options.js";
import type { Session } from "../session.js";
import { MACHINE } from "../transport/ports.js";
import { answerWithin } from "../transport/question.js";

/** @throws LedgerError (by rejection) DEADLINE_EXCEEDED, CANCELLED, what the work fails with */
export type Patience = <T>(work: Promise<T>) => Promise<T>;

/** From now until the deadline of the call. @throws LedgerError INVALID_ARGUMENT */
export function patience(session: Session, options: CallOptions): Patience {
  const deadlineMs = deadlineOf(options, session.options);
  const deadlineAtMs = MACHINE.nowMs() + deadlineMs;
  const { signal } = options;
  return async (work) => {
    const found = await answerWithin(MACHINE, work, deadlineAtMs - MACHINE.nowMs(), signal);
    if (found !== undefined) return found.answer;
    if (signal?.aborted === true) {
      const message = "the caller gave up while an answer was verified";
      throw new LedgerError("CANCELLED", message, { cause: signal.reason });
    }
    const message = `what verification needs did not come within ${deadlineMs} ms`;
    throw new LedgerError("DEADLINE_EXCEEDED", message, { details: { deadlineMs } });
  };
}
