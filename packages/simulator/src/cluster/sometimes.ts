/**
 * What must happen now and then for a campaign to mean anything (simulation.md, "Sometimes-assertions"): counted over runs, and
 * told with every campaign. A rare edge that is never reached is not tested.
 */
export class Sometimes {
  readonly #counts = new Map<string, number>();

  note(what: string, times = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }

  /** In the order of their names. */
  counts(): [what: string, times: number][] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
