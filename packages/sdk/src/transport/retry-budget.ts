/**
 * How many second tries a client may make, over all its calls.
 *
 *   INV-SDK-14  Requests that are sent again to nodes that had them are at most a fifth of the calls, and ten: retries
 *               cannot multiply an overload.
 *
 * Asking another node for the first time, waiting for an election, and what never left are no second tries.
 */

/** In hand at the beginning, and at most. */
const TRIES_MAX = 10;
/** What each call adds. */
const PER_CALL = 0.2;

export class RetryBudget {
  #tries = TRIES_MAX;

  /** A call begins. */
  earn(): void {
    this.#tries = Math.min(TRIES_MAX, this.#tries + PER_CALL);
  }

  /** False: the call fails with what it met. */
  spend(): boolean {
    if (this.#tries < 1) return false;
    this.#tries--;
    return true;
  }
}
