/** Sets of small whole numbers, for closures over the relations of a model. */
export class BitSet {
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  add(i: number): void {
    this.#words[i >>> 5]! |= 1 << (i & 31);
  }

  has(i: number): boolean {
    return ((this.#words[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0;
  }

  /** Adds all of `other`; was anything new? */
  union(other: BitSet): boolean {
    let changed = false;
    for (let i = 0; i < this.#words.length; i++) {
      const before = this.#words[i]!;
      const after = (before | other.#words[i]!) >>> 0;
      if (after === before) continue;
      this.#words[i] = after;
      changed = true;
    }
    return changed;
  }

  /** Keeps what is in `other` too. */
  intersect(other: BitSet): void {
    for (let i = 0; i < this.#words.length; i++) this.#words[i]! &= other.#words[i]!;
  }
}
