/**
 * A value for each index of a log, where neighbours nearly always have the same: terms, segments. Held as the
 * indexes at which it changes.
 *
 *   INV-RUNS-1  Starts ascend strictly, and neighbouring runs have different values.
 */
export class IndexRuns {
  #starts: number[] = [];
  #values: number[] = [];

  /** The value of the newest run. */
  get last(): number | undefined {
    return this.#values.at(-1);
  }

  /** The value of the oldest run. */
  get first(): number | undefined {
    return this.#values[0];
  }

  /** From `index` on the value is `value`; indexes only go up. */
  extend(index: number, value: number): void {
    if (this.last === value) return;
    this.#starts.push(index);
    this.#values.push(value);
  }

  /** The value at `index`, which must not lie before the oldest run. */
  valueAt(index: number): number | undefined {
    const run = this.#runOf(index);
    return run < 0 ? undefined : this.#values[run];
  }

  /** Forgets what begins at `from` or later. */
  cut(from: number): void {
    const keep = this.#runOf(from - 1) + 1;
    this.#starts.length = keep;
    this.#values.length = keep;
  }

  /** Forgets the indexes up to `through`. */
  release(through: number): void {
    const gone = this.#runOf(through + 1);
    if (gone > 0) {
      this.#starts.splice(0, gone);
      this.#values.splice(0, gone);
    }
  }

  /** The last run that begins at or before `index`, -1 if none. Mostly the newest one. */
  #runOf(index: number): number {
    const starts = this.#starts;
    let high = starts.length;
    if (high > 0 && starts[high - 1]! <= index) return high - 1;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
