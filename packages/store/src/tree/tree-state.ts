/** What it takes to find a tree again: its root page and its size. */

/** Where a tree begins. The checksum is unknown while the root page cannot be evicted (INV-PTR-1). */
export interface TreeRoot {
  readonly page: number;
  sum: bigint | undefined;
}

/** A tree as of some moment; what a pin holds. */
export interface TreeState {
  readonly root: TreeRoot | undefined;
  readonly levels: number;
  readonly count: number;
}
