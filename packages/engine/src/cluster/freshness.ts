/**
 * How old the state of this node may be: as old as the question by which the group last confirmed an index that the state has
 * reached. Everything that was acknowledged before the question is in it, whatever was slow, lost, held or deposed meanwhile: the
 * word of a leader alone would not say that, since it may have been on its way for long, or not lead any more.
 */
export class Freshness {
  #freshAtMs: number | undefined;
  /** Confirmed, and not reached yet. */
  #confirmed: { readonly index: number; readonly askedAtMs: number } | undefined;

  /** The group was asked at that moment, and has confirmed that entries up to `index` are all that was committed then. */
  confirmed(index: number, askedAtMs: number, applied: number): void {
    this.#settle(applied);
    // The first one that is not reached yet: newer ones could put it off for ever.
    this.#confirmed ??= { index, askedAtMs };
    this.#settle(applied);
  }

  /** Undefined before the state has reached anything that was confirmed. */
  ageMs(nowMs: number, applied: number): number | undefined {
    this.#settle(applied);
    return this.#freshAtMs === undefined ? undefined : Math.max(0, nowMs - this.#freshAtMs);
  }

  /** The state is another one. */
  forget(): void {
    this.#freshAtMs = undefined;
    this.#confirmed = undefined;
  }

  #settle(applied: number): void {
    if (this.#confirmed === undefined || applied < this.#confirmed.index) return;
    this.#freshAtMs = Math.max(this.#freshAtMs ?? 0, this.#confirmed.askedAtMs);
    this.#confirmed = undefined;
  }
}
