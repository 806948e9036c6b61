/**
 * Knows when what was acknowledged, and so how old a state may be that lacks it.
 *
 *   INV-SIM-30  A read that allows an age sees everything that was acknowledged so long before it was asked, however slow, cut
 *               off, paused or deposed the node is that answers it.
 */

/** The clock of a node may run at four fifths of the right rate, and counts ages in its own milliseconds. */
const SLOWEST_CLOCK = 0.8;
/** Longer than any age that is allowed. */
const KEPT_MS = 20_000;

export class StalenessOracle {
  readonly #now: () => number;
  /** Newest indexes, by when they were acknowledged. */
  #acknowledged: { readonly atMs: number; readonly index: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Everything up to this index has been applied by a leader, and a client was told. */
  acknowledged(index: number): void {
    const newest = this.#acknowledged.at(-1);
    if (newest !== undefined && newest.index >= index) return;
    const atMs = this.#now();
    this.#acknowledged.push({ atMs, index });
    const old = this.#acknowledged.findIndex((one) => one.atMs > atMs - KEPT_MS);
    // The newest of those that are too old still says what a state must have.
    if (old > 1) this.#acknowledged.splice(0, old - 1);
  }

  /** What a state must have that answers a read of this age, asked then. */
  requiredIndex(askedAtMs: number, maxStalenessMs: number): number {
    const beforeMs = askedAtMs - maxStalenessMs / SLOWEST_CLOCK;
    return this.#acknowledged.findLast(({ atMs }) => atMs <= beforeMs)?.index ?? 0;
  }
}
