/**
 * A stream that outlives its connections: when one is lost, the next begins where it ended.
 *
 *   INV-SDK-9  A resumed watch begins behind the last thing that it gave out, so that it has neither gap nor
 *              duplicate.
 */
import { LedgerError } from "@authledger/types";
import { backoffMs } from "../transport/backoff.js";
import { MACHINE, pause } from "../transport/ports.js";

/** Before the next attempt. */
const PAUSE = { firstMs: 100, maxMs: 5_000 } as const;
/** A watch that never had an answer gives up after so many attempts. */
const FIRST_ATTEMPTS_MAX = 3;

export interface ResumeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told why a connection was lost, before the next attempt. */
  readonly onInterrupted?: ((error: LedgerError) => void) | undefined;
}

/**
 * @param open begins behind what was given out so far
 * @throws LedgerError what a new attempt cannot cure; CANCELLED when the signal is aborted
 */
export async function* resuming<M>(
  open: () => AsyncIterable<M>,
  { signal, onInterrupted }: ResumeOptions,
): AsyncGenerator<M> {
  let wasAnswered = false;
  for (let failures = 0; ; ) {
    try {
      for await (const message of open()) {
        failures = 0;
        wasAnswered = true;
        yield message;
      }
      throw new LedgerError("UNAVAILABLE", "the server ended the watch");
    } catch (thrown) {
      if (signal?.aborted === true) throw givenUp(signal);
      const error = LedgerError.from(thrown);
      failures++;
      if (!isCurable(error) || (!wasAnswered && failures >= FIRST_ATTEMPTS_MAX)) throw error;
      onInterrupted?.(error);
      await rest(failures, error, signal);
    }
  }
}

/** Another connection, or the same node in a moment, may do what this one did not. */
function isCurable({ code, row }: LedgerError): boolean {
  return row.grpc === "UNAVAILABLE" || code === "OVERLOADED" || code === "CANCELLED";
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
