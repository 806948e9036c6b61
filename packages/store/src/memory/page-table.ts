/**
 * Which frame holds a page: an open-addressing hash table of integers (linear probing, backward-shift
 * deletion; Knuth, TAOCP 3, 6.4). A Map of 65,000 integers costs twice the time and four times the memory,
 * and a point read looks here once for each level.
 */

/** 2^32 divided by the golden ratio: spreads consecutive page numbers. */
const MULTIPLIER = 0x9e3779b1;
/** No page has number 0. */
const VACANT = 0;

export class PageTable {
  /** Page and frame, alternating. */
  #entries: Int32Array;
  #shift: number;
  #mask: number;
  #count = 0;

  constructor(capacity = 256) {
    const bits = Math.max(4, Math.ceil(Math.log2(capacity)));
    this.#entries = new Int32Array(2 << bits);
    this.#shift = 32 - bits;
    this.#mask = (1 << bits) - 1;
  }

  /** The frame of a page, -1 if it has none. */
  get(page: number): number {
    const entries = this.#entries;
    const mask = this.#mask;
    for (let i = Math.imul(page, MULTIPLIER) >>> this.#shift; ; i = (i + 1) & mask) {
      const found = entries[2 * i]!;
      if (found === page) return entries[2 * i + 1]!;
      if (found === VACANT) return -1;
    }
  }

  set(page: number, frame: number): void {
    if (2 * (this.#count + 1) > this.#mask) this.#grow();
    const i = this.#find(page);
    if (this.#entries[2 * i] === VACANT) this.#count++;
    this.#entries[2 * i] = page;
    this.#entries[2 * i + 1] = frame;
  }

  delete(page: number): void {
    const entries = this.#entries;
    let hole = this.#find(page);
    if (entries[2 * hole] === VACANT) return;
    this.#count--;
    for (let i = (hole + 1) & this.#mask; entries[2 * i] !== VACANT; i = (i + 1) & this.#mask) {
      const home = Math.imul(entries[2 * i]!, MULTIPLIER) >>> this.#shift;
      if (((i - home) & this.#mask) < ((i - hole) & this.#mask)) continue;
      entries[2 * hole] = entries[2 * i]!;
      entries[2 * hole + 1] = entries[2 * i + 1]!;
      hole = i;
    }
    entries[2 * hole] = VACANT;
  }

  /** The place of a page, or where it would go. */
  #find(page: number): number {
    let i = Math.imul(page, MULTIPLIER) >>> this.#shift;
    for (;;) {
      const found = this.#entries[2 * i]!;
      if (found === page || found === VACANT) return i;
      i = (i + 1) & this.#mask;
    }
  }

  #grow(): void {
    const old = this.#entries;
    this.#entries = new Int32Array(old.length * 2);
    this.#shift--;
    this.#mask = this.#mask * 2 + 1;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i] === VACANT) continue;
      const at = this.#find(old[i]!);
      this.#entries[2 * at] = old[i]!;
      this.#entries[2 * at + 1] = old[i + 1]!;
    }
  }
}
