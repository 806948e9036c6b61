/**
 * Which pages are in use, which are free, and since when.
 *
 * The free list of a generation holds the pages of all places but the first:
 *   - reachable from the tables, or part of a chain;
 *   - ready: neither slot reaches it, no pin sees it; the next page is taken here;
 *   - pending: let go by a generation that one of the slots may precede, or that a pin may precede;
 *   - held: born and replaced between two flushes, so never on disk, but a pin sees it.
 *
 *   INV-SPACE-1  A page is in exactly one of these places.
 *   INV-SPACE-2  A page let go by generation T is taken again only when both slots are at T or later, so that
 *                both slots are complete trees at any time (rule 6 of storage.md). A running flush counts only
 *                when it is done, so that a flush that failed can be tried again.
 *   INV-SPACE-3  A page that a live pin may see is not taken. Pins are compared by batch: a pin of batch v
 *                does not see what was let go in batch v or earlier.
 */
import { assert, LedgerError } from "@authledger/types";
import { FIRST_DATA_PAGE, PAGE_NUMBER_MAX } from "../limits.js";
import { PageBitmap } from "./page-bitmap.js";

/** Pages in a row. */
export interface PageExtent {
  readonly page: number;
  readonly pages: number;
}

/** Pages that one generation let go. */
interface Pending {
  readonly generation: number;
  /** First page and number of pages, alternating. */
  extents: number[];
  pages: number;
  /** The last batch of the generation; undefined while it is being built. */
  lastBatch: number | undefined;
}

/** A page that was replaced before it was ever written. */
interface Held extends PageExtent {
  readonly freedInBatch: number;
}

export interface SpaceStats {
  /** Pages from here on were never used. */
  readonly highWater: number;
  readonly readyPages: number;
  readonly pendingPages: number;
  readonly heldPages: number;
}

export class Allocator {
  readonly #ready = new PageBitmap();
  #pending: Pending[] = [];
  #held: Held[] = [];
  #heldPages = 0;
  #highWater: number;

  constructor(highWater: number) {
    assert(highWater >= FIRST_DATA_PAGE, "the first pages belong to the superblocks", {
      highWater,
    });
    this.#highWater = highWater;
  }

  get highWater(): number {
    return this.#highWater;
  }

  get heldPages(): number {
    return this.#heldPages;
  }

  get stats(): SpaceStats {
    return {
      highWater: this.#highWater,
      readyPages: this.#ready.count,
      pendingPages: this.#pending.reduce((sum, pending) => sum + pending.pages, 0),
      heldPages: this.#heldPages,
    };
  }

  /** Pages that only pins keep from being used again. */
  retainedPages(reusableThrough: number): number {
    let sum = this.#heldPages;
    for (const pending of this.#pending) {
      if (pending.generation <= reusableThrough) sum += pending.pages;
    }
    return sum;
  }

  /** Takes a page. @throws LedgerError DISK_FULL when the file has as many pages as there can be */
  take(): number {
    const page = this.#ready.take();
    return page >= 0 ? page : this.#extend(1);
  }

  /** Takes pages in a row. @throws LedgerError DISK_FULL */
  takeRun(pages: number): number {
    const first = pages === 1 ? this.#ready.take() : this.#ready.takeRun(pages);
    return first >= 0 ? first : this.#extend(pages);
  }

  /** The lowest page that may be taken, -1 when there is none. */
  get lowestReady(): number {
    return this.#ready.lowest();
  }

  /** The next page is the lowest that may be taken. */
  rewind(): void {
    this.#ready.rewind();
  }

  /** Takes pages in a row that end before page `limit`; -1 when there are none. */
  takeRunBelow(pages: number, limit: number): number {
    return this.#ready.takeRunBelow(pages, limit);
  }

  /** Pages at the end that may be taken become pages that were never used: the file can end before them. */
  trim(): void {
    const pages = this.#ready.runBefore(this.#highWater);
    this.#highWater -= pages;
    this.#ready.remove(this.#highWater, pages);
  }

  /** Pages that neither slot reaches and no pin sees. */
  giveBack(page: number, pages = 1): void {
    this.#ready.add(page, pages);
  }

  /** Pages that a slot, or the running flush, reaches: let go by the generation being built. */
  letGo(page: number, pages: number, generation: number): void {
    let pending = this.#pending.at(-1);
    if (pending?.generation !== generation) {
      assert(
        pending === undefined || pending.generation < generation,
        "generations let go in their order",
        { generation },
      );
      pending = { generation, extents: [], pages: 0, lastBatch: undefined };
      this.#pending.push(pending);
    }
    pending.extents.push(page, pages);
    pending.pages += pages;
  }

  /** Pages that were never written but that a pin sees; batches come in their order. */
  hold(page: number, pages: number, freedInBatch: number): void {
    this.#held.push({ page, pages, freedInBatch });
    this.#heldPages += pages;
  }

  /** The generation is complete: later batches let go for the next one. */
  close(generation: number, lastBatch: number): void {
    const pending = this.#pending.at(-1);
    if (pending?.generation === generation) pending.lastBatch = lastBatch;
  }

  /**
   * Makes ready what may be taken again.
   * @param reusableThrough the older of the two slots' generations
   * @param oldestPin batch of the oldest live pin, Infinity without one
   * @param release is told each held page that nobody sees any more
   */
  promote(reusableThrough: number, oldestPin: number, release: (page: number) => void): void {
    const isReusable = (pending: Pending): boolean =>
      pending.generation <= reusableThrough &&
      pending.lastBatch !== undefined &&
      pending.lastBatch <= oldestPin;
    for (const pending of this.#pending.filter(isReusable)) this.#makeReady(pending);
    this.#pending = this.#pending.filter((pending) => !isReusable(pending));
    this.#releaseHeld(oldestPin, release);
  }

  /** Visits every free page with the generation that let it go, as a flush records it. */
  forEachExtent(visit: (page: number, pages: number, freedBy: number) => void): void {
    this.#ready.forEachRun((page, pages) => visit(page, pages, 0));
    for (const { page, pages } of this.#held) visit(page, pages, 0);
    for (const { extents, generation } of this.#pending) {
      for (let i = 0; i < extents.length; i += 2) visit(extents[i]!, extents[i + 1]!, generation);
    }
  }

  /**
   * A flush of `generation` failed and will be tried again: what was let go since then belongs to it too. The
   * extents are returned; the caller lets them go again.
   */
  reopen(generation: number): readonly PageExtent[] {
    const pending = this.#pending.at(-1);
    const since: PageExtent[] = [];
    if (pending !== undefined && pending.generation > generation) {
      this.#pending.pop();
      for (let i = 0; i < pending.extents.length; i += 2) {
        since.push({ page: pending.extents[i]!, pages: pending.extents[i + 1]! });
      }
    }
    const own = this.#pending.at(-1);
    if (own?.generation === generation) own.lastBatch = undefined;
    return since;
  }

  #makeReady(pending: Pending): void {
    for (let i = 0; i < pending.extents.length; i += 2) {
      this.#ready.add(pending.extents[i]!, pending.extents[i + 1]!);
    }
    this.#ready.rewind();
  }

  #releaseHeld(oldestPin: number, release: (page: number) => void): void {
    let count = 0;
    for (const held of this.#held) {
      if (held.freedInBatch > oldestPin) break;
      count++;
      release(held.page);
      this.#ready.add(held.page, held.pages);
      this.#heldPages -= held.pages;
    }
    if (count > 0) this.#held.splice(0, count);
  }

  #extend(pages: number): number {
    const first = this.#highWater;
    if (first + pages > PAGE_NUMBER_MAX) {
      throw new LedgerError("DISK_FULL", `the store has reached its largest size, page ${first}`);
    }
    this.#highWater += pages;
    return first;
  }
}
