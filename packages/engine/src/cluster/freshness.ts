/**
 * How old the state of a follower may be: as old as the last word of the leader whose commit index the state has reached. A
 * leader that is slow to feed a follower still tells it how far the others are.
 */
export class Freshness {
  #freshAtMs: number | undefined;
  /** Told, and not reached yet. */
  #told: { readonly commit: number; readonly atMs: number } | undefined;

  /** The leader has said that entries up to `commit` are committed. */
  heard(commit: number, atMs: number, applied: number): void {
    this.#settle(applied);
    if (this.#told === undefined) this.#told = { commit, atMs };
    this.#settle(applied);
  }

  /** Undefined before the state has reached anything that a leader has told. */
  stalenessMs(nowMs: number, applied: number): number | undefined {
    this.#settle(applied);
    return this.#freshAtMs === undefined ? undefined : Math.max(0, nowMs - this.#freshAtMs);
  }

  #settle(applied: number): void {
    if (this.#told === undefined || applied < this.#told.commit) return;
    this.#freshAtMs = this.#told.atMs;
    this.#told = undefined;
  }
}
