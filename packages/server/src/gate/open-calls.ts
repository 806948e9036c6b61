/**
 * Calls that stay open after the gate let them pass. They are asked about again soon after somebody's rights may have changed, and
 * at least each minute; one that may not pass any more is ended with the reason.
 */
import { LedgerError } from "@authledger/types";
import type { GatedCall } from "./gated-call.js";

export const RECHECK_MS = 60_000;
/** Changes that come together are one occasion. */
export const RECHECK_SOON_MS = 500;

export class OpenCalls {
  readonly #again: (call: GatedCall) => Promise<void>;
  readonly #open = new Map<GatedCall, (reason: LedgerError) => void>();
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = Number.POSITIVE_INFINITY;

  /** @param again rejects when the call may not go on */
  constructor(again: (call: GatedCall) => Promise<void>) {
    this.#again = again;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Until what this returns is called. */
  add(call: GatedCall, end: (reason: LedgerError) => void): () => void {
    this.#open.set(call, end);
    this.#within(RECHECK_MS);
    return () => this.#open.delete(call);
  }

  /** Somebody's rights may have changed. */
  recheckSoon(): void {
    this.#within(RECHECK_SOON_MS);
  }

  #within(ms: number): void {
    const dueAtMs = performance.now() + ms;
    if (this.#open.size === 0 || dueAtMs >= this.#dueAtMs) return;
    clearTimeout(this.#timer);
    this.#dueAtMs = dueAtMs;
    this.#timer = setTimeout(() => void this.#recheck(), ms).unref();
  }

  async #recheck(): Promise<void> {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    for (const [call, end] of [...this.#open]) {
      try {
        await this.#again(call);
      } catch (error) {
        end(LedgerError.from(error));
      }
    }
    this.#within(RECHECK_MS);
  }
}
