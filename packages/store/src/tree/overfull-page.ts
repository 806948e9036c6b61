/**
 * The cells of a page and one more that does not fit there as it is: laid out anew, in the same page or in two.
 *
 * The page is copied aside once, and cells go from the copy to where they belong without an object for each: one insert
 * in some fifteen comes here, and with objects it cost as much as the other fourteen together. What the pages look
 * like is what `buildPage` makes of the same cells (page-cells.ts); a test compares them.
 */
import { POINTER_BYTES } from "../format/pointer.js";
import { type Slab, slabOf } from "../memory/page-cache.js";
import { leafPayloadBytes } from "./leaf-page.js";
import { balancedCut, cellsMin, type PagePlace } from "./page-cells.js";
import {
  appendLike,
  cellCount,
  copyWords,
  HEADER_BYTES,
  initPage,
  insertCell,
  insertKeyless,
  keyLength,
  levelOf,
  payloadAt,
  prefixBytes,
  readKey,
  restLength,
  SLOT_BYTES,
} from "./slotted-page.js";

export class OverfullPage {
  readonly #pageBytes: number;
  /** The page as it was; it begins at 0. */
  readonly #page: Slab;
  /** The payload of the new cell; it begins at 0. */
  readonly #payload: Slab;
  readonly #keyBytes: Int32Array;
  readonly #payloadBytes: Int32Array;
  readonly #first: Slab;
  readonly #last: Slab;
  /** The new cell's key, copied: the caller's may lie in the page that is built. */
  readonly #key: Slab;
  #index = 0;
  #isBranch = false;
  /** Cells with the new one. */
  count = 0;

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
    this.#page = slabOf(pageBytes);
    this.#payload = slabOf(pageBytes);
    const cellsMax = pageBytes / SLOT_BYTES;
    this.#keyBytes = new Int32Array(cellsMax);
    this.#payloadBytes = new Int32Array(cellsMax);
    this.#key = slabOf(pageBytes);
    this.#first = slabOf(pageBytes);
    this.#last = slabOf(pageBytes);
  }

  /**
   * Takes the cells of a page and a new one at `index`. Returns where the caller writes the new cell's payload, at 0,
   * before it asks anything else.
   */
  take({ slab, base }: PagePlace, index: number, key: Uint8Array, payloadBytes: number): Slab {
    const page = this.#page;
    page.bytes.set(slab.bytes.subarray(base, base + this.#pageBytes));
    this.#isBranch = levelOf(page, 0) > 0;
    this.#key.bytes.set(key);
    this.#index = index;
    this.count = cellCount(page, 0) + 1;
    for (let i = 0; i < this.count; i++) {
      if (i === index) {
        this.#keyBytes[i] = key.length;
        this.#payloadBytes[i] = payloadBytes;
        continue;
      }
      const source = this.#sourceOf(i);
      this.#keyBytes[i] = this.#isBranch && i === 0 ? 0 : keyLength(page, 0, source);
      this.#payloadBytes[i] = this.#isBranch
        ? POINTER_BYTES
        : leafPayloadBytes(page, payloadAt(page, 0, source));
    }
    return this.#payload;
  }

  /** Do all cells fit into one page? */
  get fitsOne(): boolean {
    return this.#bytesOf(0, this.count) <= this.#pageBytes;
  }

  /** Where to cut the cells, as `cutPoint` does; -1 when they cannot be cut. */
  cutPoint(): number {
    const balanced = balancedCut(
      this.count,
      (i) => SLOT_BYTES + this.#keyBytes[i]! + this.#payloadBytes[i]!,
    );
    for (let step = 0; step < this.count; step++) {
      if (this.#fitsCut(balanced + step)) return balanced + step;
      if (this.#fitsCut(balanced - step)) return balanced - step;
    }
    return -1;
  }

  /** Makes a page of the cells [from, to). They fit. */
  build({ slab, base }: PagePlace, tree: number, level: number, from: number, to: number): void {
    const first = this.#isBranch ? from + 1 : from;
    const prefix = this.#commonPrefix(first, to);
    initPage(slab, base, this.#pageBytes, { tree, level, prefixBytes: prefix });
    const prefixAt = base + this.#pageBytes - prefix;
    if (prefix > 0) copyWords(this.#keyInto(first, this.#first), 0, slab, prefixAt, prefix);
    const sameHeads = prefix === prefixBytes(this.#page, 0);
    for (let i = from; i < to; i++) {
      if (i < first) {
        this.#copyPayload(i, slab, insertKeyless(slab, base, this.#payloadBytes[i]!));
      } else if (sameHeads && i !== this.#index) {
        appendLike(this.#page, this.#sourceOf(i), slab, base, this.#payloadBytes[i]!);
      } else {
        const key = this.#keyInto(i, this.#first).bytes;
        const length = this.#keyBytes[i]!;
        const payload = this.#payloadBytes[i]!;
        this.#copyPayload(i, slab, insertCell(slab, base, i - from, key, payload, length));
      }
    }
  }

  /** A copy of the key of a cell. */
  key(i: number): Uint8Array {
    return this.#keyInto(i, this.#first).bytes.slice(0, this.#keyBytes[i]!);
  }

  #sourceOf(i: number): number {
    return i < this.#index ? i : i - 1;
  }

  #fitsCut(cut: number): boolean {
    const least = cellsMin(this.#isBranch);
    return (
      cut >= least &&
      cut <= this.count - least &&
      this.#bytesOf(0, cut) <= this.#pageBytes &&
      this.#bytesOf(cut, this.count) <= this.#pageBytes
    );
  }

  #bytesOf(from: number, to: number): number {
    const first = this.#isBranch ? from + 1 : from;
    const prefix = this.#commonPrefix(first, to);
    let sum = HEADER_BYTES + prefix;
    for (let i = from; i < to; i++) {
      sum += SLOT_BYTES + this.#payloadBytes[i]!;
      if (i >= first) sum += restLength(this.#keyBytes[i]! - prefix);
    }
    return sum;
  }

  /** Bytes that the keys of [from, to) have in common; they ascend. */
  #commonPrefix(from: number, to: number): number {
    if (to - from < 1) return 0;
    const a = this.#keyInto(from, this.#first).bytes;
    const b = this.#keyInto(to - 1, this.#last).bytes;
    const limit = Math.min(this.#keyBytes[from]!, this.#keyBytes[to - 1]!);
    let common = 0;
    while (common < limit && a[common] === b[common]) common++;
    return common;
  }

  /** The key of a cell: the new one itself, or written to `into`. */
  #keyInto(i: number, into: Slab): Slab {
    if (i === this.#index) return this.#key;
    readKey(this.#page, 0, this.#pageBytes, this.#sourceOf(i), into, 0);
    return into;
  }

  #copyPayload(i: number, slab: Slab, at: number): void {
    const isNew = i === this.#index;
    const from = isNew ? 0 : payloadAt(this.#page, 0, this.#sourceOf(i));
    copyWords(isNew ? this.#payload : this.#page, from, slab, at, this.#payloadBytes[i]!);
  }
}
