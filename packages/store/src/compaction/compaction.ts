/**
 * Makes the file smaller while the store is in use: joins leaves that deletes left under-full, moves pages and
 * values from the end of the file to free pages near its beginning, and lets flushes give the end back.
 *
 * All of it is copying on write, as any change is: nothing that a slot or a pin reaches is touched, and a crash
 * finds two whole slots as after any other crash. It needs no room of its own beside the free pages.
 *
 *   INV-COMPACT-1  A compaction changes no table's rows.
 *   INV-COMPACT-2  The file ends behind what both slots call used or free: it is cut when both say so.
 *
 * Source: `docs/adr/0010-compaction-moves-pages.md`.
 */
import type { Clock } from "@authledger/io";
import {
  COMPACT_FREE_PAGES_KEPT,
  COMPACT_JOINED_FILL_MAX,
  COMPACT_PASSES_MAX,
  COMPACT_SLICE_LEAVES,
  COMPACT_SLICE_MS,
  COMPACT_STARVED_FLUSHES_MAX,
  COMPACT_TAIL_FLUSHES,
  COMPACT_TAIL_FLUSHES_MAX,
} from "../limits.js";
import type { Pager } from "../memory/pager.js";
import type { Tree } from "../tree/tree.js";
import { LeafWalk } from "./leaf-walk.js";

export interface CompactionOptions {
  /** Leaves filled less than this are joined with a neighbour where both fit. 0 (never) to 0.5. */
  readonly fillThreshold: number;
}

/** The size of a store's file. */
export interface StoreSize {
  /** Pages up to the end. */
  readonly pages: number;
  readonly freePages: number;
  readonly bytes: number;
}

/** What a compaction did, or has done so far. */
export interface CompactionStats {
  readonly before: StoreSize;
  readonly leavesVisited: number;
  readonly leavesJoined: number;
  readonly pagesMoved: number;
  readonly valuesMoved: number;
  readonly passes: number;
}

/** What a compaction needs of its store. */
export interface CompactionHost {
  readonly pager: Pager;
  readonly clock: Clock;
  readonly tables: () => readonly Tree[];
  readonly size: () => StoreSize;
  /** The newest durable generation. */
  readonly generation: () => number;
  readonly isFlushing: () => boolean;
  readonly dirtyBytes: () => number;
  readonly dirtyBytesMax: number;
}

/** What the caller does before the next step. */
export type CompactionNeed = "step" | "flush" | "nothing";

export class Compaction {
  readonly #host: CompactionHost;
  readonly #options: CompactionOptions;
  readonly #walk: LeafWalk;
  readonly #before: StoreSize;
  #phase: "walk" | "tail" | "done" = "walk";
  /** Pages from here on move. */
  #limit = 0;
  /** Where the pass began. */
  #passPages = 0;
  #tables: readonly Tree[] = [];
  #table = 0;
  #key: Uint8Array = new Uint8Array(0);
  #starvedFlushes = 0;
  #tailFrom = 0;
  #leavesVisited = 0;
  #leavesJoined = 0;
  #pagesMoved = 0;
  #valuesMoved = 0;
  #passes = 0;

  constructor(host: CompactionHost, options: CompactionOptions) {
    this.#host = host;
    this.#options = options;
    this.#walk = new LeafWalk(host.pager);
    this.#before = host.size();
    this.#startPass();
  }

  get isRunning(): boolean {
    return this.#phase !== "done";
  }

  /** No more steps; what was done stays. */
  end(): void {
    this.#phase = "done";
  }

  get stats(): CompactionStats {
    return {
      before: this.#before,
      leavesVisited: this.#leavesVisited,
      leavesJoined: this.#leavesJoined,
      pagesMoved: this.#pagesMoved,
      valuesMoved: this.#valuesMoved,
      passes: this.#passes,
    };
  }

  /** Some milliseconds of work, between two batches. @throws LedgerError STORE_PAGE_CORRUPT */
  step(): CompactionNeed {
    const { isFlushing, dirtyBytes, dirtyBytesMax } = this.#host;
    if (this.#phase === "done") return "nothing";
    if (isFlushing() || dirtyBytes() >= dirtyBytesMax) return "flush";
    if (this.#phase === "tail") return this.#finishTail();
    return this.#walkSlice();
  }

  #startPass(): void {
    const { pages, freePages } = this.#host.size();
    this.#phase = "walk";
    this.#passes++;
    this.#passPages = pages;
    const { pendingPages } = this.#host.pager.allocator.stats;
    const hasGain = freePages + pendingPages > COMPACT_FREE_PAGES_KEPT;
    this.#limit = hasGain ? pages - freePages : pages;
    this.#tables = this.#host.tables();
    this.#table = 0;
    this.#key = new Uint8Array(0);
    this.#starvedFlushes = 0;
  }

  #walkSlice(): CompactionNeed {
    const { clock, pager } = this.#host;
    const startMs = clock.monotonicMs();
    pager.allocator.rewind();
    for (let leaves = 1; this.#table < this.#tables.length; leaves++) {
      const tree = this.#tables[this.#table]!;
      const need = this.#leaf(tree);
      if (need === "flush") return need;
      if (leaves % COMPACT_SLICE_LEAVES !== 0) continue;
      if (clock.monotonicMs() - startMs >= COMPACT_SLICE_MS) return "step";
      if (this.#host.dirtyBytes() >= this.#host.dirtyBytesMax) return "flush";
    }
    this.#phase = "tail";
    this.#tailFrom = this.#host.generation();
    return "step";
  }

  /** Looks at one leaf and goes on to the next one, unless it was joined with that. */
  #leaf(tree: Tree): "step" | "flush" {
    const spot = this.#walk.find(tree, this.#key);
    if (spot === undefined) {
      this.#goTo(undefined);
      return "step";
    }
    if (spot.neighbour !== undefined && this.#areJoined(spot.frame, spot.neighbour)) {
      this.#walk.leave(spot.neighbour);
      this.#walk.leave(spot.frame);
      tree.joinLeaf(spot.next!);
      this.#leavesJoined++;
      return "step";
    }
    const hasValue = this.#walk.hasValueBehind(spot.frame, this.#limit);
    if (hasValue || spot.highestPage >= this.#limit) {
      if (this.#isStarved()) return "flush";
      this.#move(tree, hasValue);
    }
    this.#leavesVisited++;
    this.#walk.leave(spot.frame);
    this.#goTo(spot.next);
    return "step";
  }

  #goTo(next: Uint8Array | undefined): void {
    this.#key = next ?? new Uint8Array(0);
    if (next === undefined) this.#table++;
  }

  #areJoined(left: number, right: number): boolean {
    const { fillThreshold } = this.#options;
    const a = this.#walk.fill(left);
    const b = this.#walk.fill(right);
    if (a >= fillThreshold && b >= fillThreshold) return false;
    if (a + b > COMPACT_JOINED_FILL_MAX) return false;
    return this.#walk.joinedFill(left, right) <= COMPACT_JOINED_FILL_MAX;
  }

  /** No free page lies before the limit, and one may after a flush; in vain too often, the pass moves nothing more. */
  #isStarved(): boolean {
    if (this.#hasRoom) {
      this.#starvedFlushes = 0;
      return false;
    }
    return this.#starvedFlushes++ < COMPACT_STARVED_FLUSHES_MAX;
  }

  get #hasRoom(): boolean {
    const { lowestReady } = this.#host.pager.allocator;
    return lowestReady >= 0 && lowestReady < this.#limit;
  }

  #move(tree: Tree, hasValue: boolean): void {
    if (!this.#hasRoom) return;
    if (hasValue) this.#valuesMoved += tree.moveValues(this.#key, this.#limit);
    else tree.copyPath(this.#key);
    this.#pagesMoved++;
  }

  /** Pages let go are free in both slots two flushes later; then the file's end is given back, one slot a flush. */
  #finishTail(): CompactionNeed {
    const { pages } = this.#host.size();
    const flushes = this.#host.generation() - this.#tailFrom;
    const wanted = pages > this.#limit ? COMPACT_TAIL_FLUSHES_MAX : COMPACT_TAIL_FLUSHES;
    if (flushes < wanted) return "flush";
    const gained = this.#passPages - pages;
    const isWorthAnother = pages > this.#limit && gained * COMPACT_PASSES_MAX > this.#passPages;
    if (isWorthAnother && this.#passes < COMPACT_PASSES_MAX) {
      this.#startPass();
      return "step";
    }
    this.#phase = "done";
    return "nothing";
  }
}
