/** Free pages as bits: exact, and neighbours are found by looking at words. One word a 32 pages. */
import { assert } from "@authledger/types";
import { RUN_SEARCH_WORDS_MAX } from "../limits.js";

export class PageBitmap {
  #words: Uint32Array = new Uint32Array(64);
  #count = 0;
  /** Word where the next search begins: pages taken one after the other lie one after the other. */
  #next = 0;

  get count(): number {
    return this.#count;
  }

  has(page: number): boolean {
    return ((this.#words[page >>> 5] ?? 0) & (1 << (page & 31))) !== 0;
  }

  add(first: number, pages = 1): void {
    this.#reserve(first + pages);
    for (let page = first; page < first + pages; page++) {
      assert(!this.has(page), "INV-SPACE-1: a page becomes free once", { page });
      this.#words[page >>> 5]! |= 1 << (page & 31);
    }
    this.#count += pages;
  }

  remove(first: number, pages = 1): void {
    for (let page = first; page < first + pages; page++) {
      assert(this.has(page), "INV-SPACE-1: only a free page is taken", { page });
      this.#words[page >>> 5]! &= ~(1 << (page & 31));
    }
    this.#count -= pages;
  }

  /** Takes the next free page, -1 if there is none. */
  take(): number {
    if (this.#count === 0) return -1;
    const words = this.#words;
    for (let i = this.#next; ; i = i + 1 === words.length ? 0 : i + 1) {
      const word = words[i]!;
      if (word === 0) continue;
      this.#next = i;
      const page = i * 32 + lowestBit(word);
      this.remove(page);
      return page;
    }
  }

  /** The lowest free page, -1 if there is none. */
  lowest(): number {
    if (this.#count === 0) return -1;
    const words = this.#words;
    let i = 0;
    while (words[i] === 0) i++;
    return i * 32 + lowestBit(words[i]!);
  }

  /** Free pages in a row that end just before `end`. */
  runBefore(end: number): number {
    let first = end;
    while (first > 0 && this.has(first - 1)) first--;
    return end - first;
  }

  /** Takes `pages` free pages in a row, -1 if a bounded search finds none. */
  takeRun(pages: number): number {
    if (this.#count < pages) return -1;
    const first = this.#findRun(this.#next, pages);
    if (first >= 0) this.remove(first, pages);
    return first;
  }

  /** The same from the beginning of the file, for a run that ends before `limit`. */
  takeRunBelow(pages: number, limit: number): number {
    if (this.#count < pages) return -1;
    const first = this.#findRun(0, pages);
    if (first < 0 || first + pages > limit) return -1;
    this.remove(first, pages);
    return first;
  }

  /** Starts the next search at the beginning of the file, so that it stays dense there. */
  rewind(): void {
    this.#next = 0;
  }

  /** Calls `visit` for each run of free pages, in order. */
  forEachRun(visit: (first: number, pages: number) => void): void {
    let first = -1;
    const end = this.#words.length * 32;
    for (let page = 0; page < end; ) {
      const word = this.#words[page >>> 5]!;
      if ((page & 31) === 0 && (word === 0 || word === 0xffff_ffff)) {
        if (word === 0 && first >= 0) {
          visit(first, page - first);
          first = -1;
        } else if (word !== 0 && first < 0) first = page;
        page += 32;
        continue;
      }
      const isFree = (word & (1 << (page & 31))) !== 0;
      if (isFree && first < 0) first = page;
      if (!isFree && first >= 0) {
        visit(first, page - first);
        first = -1;
      }
      page++;
    }
    if (first >= 0) visit(first, end - first);
  }

  #findRun(fromWord: number, pages: number): number {
    let run = 0;
    const words = Math.min(this.#words.length, RUN_SEARCH_WORDS_MAX);
    for (let step = 0, i = fromWord; step < words; step++, i++) {
      if (i >= this.#words.length) {
        i = 0;
        run = 0;
      }
      const word = this.#words[i]!;
      if (word === 0) run = 0;
      else if (word === 0xffff_ffff) run += 32;
      else {
        const found = this.#runEndIn(i, word, run, pages);
        if (found.first >= 0) return found.first;
        run = found.run;
      }
      if (run >= pages) return (i + 1) * 32 - run;
    }
    return -1;
  }

  /** Follows a run through one mixed word. */
  #runEndIn(
    index: number,
    word: number,
    before: number,
    pages: number,
  ): { readonly first: number; readonly run: number } {
    let run = before;
    for (let bit = 0; bit < 32; bit++) {
      run = (word & (1 << bit)) === 0 ? 0 : run + 1;
      if (run === pages) return { first: index * 32 + bit + 1 - pages, run };
    }
    return { first: -1, run };
  }

  #reserve(end: number): void {
    const words = (end + 31) >>> 5;
    if (words <= this.#words.length) return;
    const larger = new Uint32Array(Math.max(words, this.#words.length * 2));
    larger.set(this.#words);
    this.#words = larger;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
