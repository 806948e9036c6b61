/** Pauses between attempts: doubled each time up to a bound, and half of each random, so that nodes do not come at once. */
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "./peer-limits.js";

export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** `random`: 0 <= x < 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** The pause after one more failure. */
  next(): number {
    const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    return full / 2 + (full / 2) * this.#random();
  }

  reset(): void {
    this.#failures = 0;
  }
}
