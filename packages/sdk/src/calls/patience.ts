/**
 * The time of one call, whatever it asks servers for: its requests, and what its verifier needs beside them. Many callers share
 * that work, so whoever has no time left stops waiting, and the work goes on for the others.
 */
import { LedgerError } from "@authledger/types";
import { type CallOptions, deadlineOf } from "../options.js";
import type { Session } from "../session.js";
import { MACHINE } from "../transport/ports.js";
import { answerWithin } from "../transport/question.js";

export class Patience<O extends CallOptions = CallOptions> {
  readonly #options: O;
  readonly #deadlineMs: number;
  readonly #deadlineAtMs: number;

  /** From now until the deadline of the call. @throws LedgerError INVALID_ARGUMENT */
  constructor(session: Session, options: O) {
    this.#options = options;
    this.#deadlineMs = deadlineOf(options, session.options);
    this.#deadlineAtMs = MACHINE.nowMs() + this.#deadlineMs;
  }

  /** The options of a request that is made now: with what is left of the time. */
  get left(): O {
    return { ...this.#options, deadlineMs: Math.max(1, Math.ceil(this.#leftMs)) };
  }

  /** Waits for work that others may share. @throws LedgerError (by rejection) DEADLINE_EXCEEDED, CANCELLED, what the work fails with */
  async wait<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#options;
    const found = await answerWithin(MACHINE, work, this.#leftMs, signal);
    if (found !== undefined) return found.answer;
    if (signal?.aborted === true) {
      const message = "the caller gave up while an answer was verified";
      throw new LedgerError("CANCELLED", message, { cause: signal.reason });
    }
    const deadlineMs = this.#deadlineMs;
    const message = `what verification needs did not come within ${deadlineMs} ms`;
    throw new LedgerError("DEADLINE_EXCEEDED", message, { details: { deadlineMs } });
  }

  get #leftMs(): number {
    return this.#deadlineAtMs - MACHINE.nowMs();
  }
}
