/**
 * A stream that outlives its connections: when one is lost, the next begins where it ended.
 *
 *   INV-SDK-9  A resumed watch begins behind the last thing that it gave out, so that it has neither gap nor
 *              duplicate. It ends only with what no other attempt cures: a node that has not heard yet of what was
 *              given out is asked again, and so is one that refused a token in whose place there is another.
 */
import { type ErrorCode, LedgerError } from "@authledger/types";
import { backoffMs } from "../transport/backoff.js";
import { hasRenewedToken } from "../transport/bearer.js";
import { MACHINE, pause } from "../transport/ports.js";

/** Before the next attempt. */
const PAUSE = { firstMs: 100, maxMs: 5_000 } as const;
/** A watch that never had an answer gives up after so many attempts. */
const FIRST_ATTEMPTS_MAX = 3;
/**
 * Of a watch that had an answer: the node that is asked now lags behind the one that gave it, or did not answer the
 * questions in time with which the client verifies.
 */
const CURABLE_ONCE_ANSWERED: ReadonlySet<ErrorCode> = new Set([
  "HEIGHT_NOT_REACHED",
  "STALE_REPLICA",
  "DEADLINE_EXCEEDED",
]);

export interface ResumeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told why a connection was lost, before the next attempt. */
  readonly onInterrupted?: ((error: LedgerError) => void) | undefined;
}

/**
 * @param open begins behind what was given out so far; what it throws, also beside the stream, is cured like a lost one
 * @throws LedgerError what a new attempt cannot cure; CANCELLED when the signal is aborted
 */
export async function* resuming<M>(
  open: () => AsyncIterable<M>,
  { signal, onInterrupted }: ResumeOptions,
): AsyncGenerator<M> {
  let wasAnswered = false;
  let isRenewed = false;
  for (let failures = 0; ; ) {
    try {
      for await (const message of open()) {
        failures = 0;
        wasAnswered = true;
        isRenewed = false;
        yield message;
      }
      throw new LedgerError("UNAVAILABLE", "the server ended the watch");
    } catch (thrown) {
      if (signal?.aborted === true) throw givenUp(signal);
      const error = LedgerError.from(thrown);
      failures++;
      // One other token for each answer: a node that refuses that too means the program.
      const isRenewal = hasRenewedToken(error) && !isRenewed;
      if (isRenewal) isRenewed = true;
      else if (!isCurable(error, wasAnswered)) throw error;
      if (!wasAnswered && failures >= FIRST_ATTEMPTS_MAX) throw error;
      onInterrupted?.(error);
      await rest(failures, error, signal);
    }
  }
}

/** Another connection, or the same node in a moment, may do what this one did not. */
function isCurable({ code, row }: LedgerError, wasAnswered: boolean): boolean {
  if (wasAnswered && CURABLE_ONCE_ANSWERED.has(code)) return true;
  // A rate or a queue that is full for now, by the calls of others too; unlike a quota it says when to ask again.
  const isFull = row.grpc === "RESOURCE_EXHAUSTED" && row.retry === "safe";
  return row.grpc === "UNAVAILABLE" || isFull || code === "CANCELLED";
}

async function rest(
  failures: number,
  { retryAfterMs = 0 }: LedgerError,
  signal: AbortSignal | undefined,
): Promise<void> {
  const waitMs = backoffMs(failures, PAUSE, MACHINE.random(), retryAfterMs);
  if (!(await pause(MACHINE, waitMs, signal))) throw givenUp(signal!);
}

function givenUp(signal: AbortSignal): LedgerError {
  return new LedgerError("CANCELLED", "the caller gave up the watch", { cause: signal.reason });
}
