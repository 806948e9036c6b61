/** Latencies in a fixed amount of memory: buckets that are each 1 % wider than the one before. */

const GROWTH = 1.01;
/** The first bucket ends here, in milliseconds. */
const FIRST_MS = 0.001;
/** Up to half an hour. */
const BUCKETS: number = Math.ceil(Math.log(1_800_000 / FIRST_MS) / Math.log(GROWTH));

export class Latencies {
  readonly #buckets: Float64Array = new Float64Array(BUCKETS + 1);
  count = 0;
  maxMs = 0;

  add(ms: number): void {
    const at = ms <= FIRST_MS ? 0 : Math.ceil(Math.log(ms / FIRST_MS) / Math.log(GROWTH));
    this.#buckets[Math.min(at, BUCKETS)]! += 1;
    this.count += 1;
    this.maxMs = Math.max(this.maxMs, ms);
  }

  /** At most so much for this part of all, to 1 %. @param part 0 to 1 */
  quantileMs(part: number): number {
    const wanted = Math.max(1, Math.ceil(this.count * part));
    let seen = 0;
    for (let at = 0; at < this.#buckets.length; at++) {
      seen += this.#buckets[at]!;
      if (seen >= wanted) return Math.min(this.maxMs, FIRST_MS * GROWTH ** at);
    }
    return this.maxMs;
  }
}
