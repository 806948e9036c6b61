/** Free pages: each in one place, and taken again only when nobody reaches it. */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import { PAGE_NUMBER_MAX } from "../../src/limits.js";
import { Allocator } from "../../src/space/allocator.js";
import { PageBitmap } from "../../src/space/page-bitmap.js";

const NEVER = Number.POSITIVE_INFINITY;
const ignore = (): undefined => undefined;

describe("a bitmap of pages", () => {
  test("has, takes and lists what a set has", () => {
    const random = testRandom("bitmap");
    for (let round = 0; round < testRounds(20); round++) {
      const bitmap = new PageBitmap();
      const set = new Set<number>();
      for (let i = 0; i < 300; i++) {
        const pages = random.pick([1, 1, 5, 40, 100]);
        const kind = random.int(3);
        if (kind === 0) {
          const first = random.int(3_000);
          const run = Array.from({ length: pages }, (_, k) => first + k);
          if (run.some((page) => set.has(page))) continue;
          bitmap.add(first, pages);
          for (const page of run) set.add(page);
        } else {
          let first = kind === 1 ? bitmap.take() : bitmap.takeRun(pages);
          if (first < 0) {
            // A search with one wrap misses the run around its start; the next one is from the beginning.
            bitmap.rewind();
            first = kind === 1 ? bitmap.take() : bitmap.takeRun(pages);
          }
          const length = kind === 1 ? 1 : pages;
          if (first < 0) expect(longestRun(set)).toBeLessThan(length);
          for (let page = first; first >= 0 && page < first + length; page++) {
            expect(set.delete(page)).toBe(true);
          }
        }
        if (random.chance(0.1)) bitmap.rewind();
      }
      const listed: number[] = [];
      let end = -1;
      bitmap.forEachRun((first, pages) => {
        expect(first).toBeGreaterThan(end);
        end = first + pages;
        for (let page = first; page < end; page++) listed.push(page);
      });
      expect(listed).toEqual([...set].sort((a, b) => a - b));
      expect(bitmap.count).toBe(set.size);
    }
  });

  test("refuses to free or to take a page twice (INV-SPACE-1)", () => {
    const bitmap = new PageBitmap();
    bitmap.add(20, 3);
    expect(() => bitmap.add(22)).toThrow(/INV-SPACE-1/);
    bitmap.remove(22);
    expect(() => bitmap.remove(22)).toThrow(/INV-SPACE-1/);
  });

  test("is searched from the beginning after a rewind, so that files stay dense there", () => {
    const bitmap = new PageBitmap();
    bitmap.add(5_000, 10);
    expect(bitmap.take()).toBe(5_000);
    bitmap.add(100);
    expect(bitmap.take()).toBe(5_001);
    bitmap.rewind();
    expect(bitmap.take()).toBe(100);
  });
});

function longestRun(set: ReadonlySet<number>): number {
  let longest = 0;
  for (const page of set) {
    if (set.has(page - 1)) continue;
    let run = 1;
    while (set.has(page + run)) run++;
    longest = Math.max(longest, run);
  }
  return longest;
}

describe("the allocator", () => {
  test("takes a page let go by T again only when both slots are at T or later (INV-SPACE-2)", () => {
    const allocator = new Allocator(16);
    const page = allocator.take();
    allocator.letGo(page, 1, 5);
    // While T is being built, nothing of it is promoted, wherever the slots are.
    allocator.promote(9, NEVER, ignore);
    expect(allocator.take()).not.toBe(page);
    allocator.close(5, 1);
    allocator.promote(4, NEVER, ignore);
    expect(allocator.take()).not.toBe(page);
    expect(allocator.stats.pendingPages).toBe(1);
    allocator.promote(5, NEVER, ignore);
    expect(allocator.take()).toBe(page);
  });

  test("does not take a page that a pin of an earlier batch sees (INV-SPACE-3)", () => {
    const allocator = new Allocator(16);
    const page = allocator.take();
    allocator.letGo(page, 1, 5);
    allocator.close(5, 7); // the last batch of generation 5 is 7
    allocator.promote(5, 6, ignore);
    expect(allocator.stats.readyPages).toBe(0);
    expect(allocator.retainedPages(5)).toBe(1);
    allocator.promote(5, 7, ignore);
    expect(allocator.take()).toBe(page);
  });

  test("holds a page that was never written for as long as a pin sees it, then says so (INV-SPACE-3)", () => {
    const allocator = new Allocator(16);
    const run = allocator.takeRun(3);
    allocator.hold(run, 3, 4);
    const released: number[] = [];
    const release = (page: number): number => released.push(page);
    allocator.promote(100, 3, release);
    expect([released, allocator.heldPages]).toEqual([[], 3]);
    allocator.promote(0, 4, release);
    expect([released, allocator.heldPages]).toEqual([[run], 0]);
    expect(allocator.takeRun(3)).toBe(run);
  });

  test("lists every free page once, with the generation that let it go (INV-SPACE-1)", () => {
    const allocator = new Allocator(16);
    const [a, b, c, d] = [1, 2, 3, 4].map((pages) => allocator.takeRun(pages));
    allocator.giveBack(a!, 1);
    allocator.letGo(b!, 2, 5);
    allocator.hold(c!, 3, 1);
    allocator.close(5, 1);
    allocator.letGo(d!, 4, 6);
    const found: number[][] = [];
    allocator.forEachExtent((page, pages, freedBy) => found.push([page, pages, freedBy]));
    expect(found).toEqual([
      [16, 1, 0],
      [19, 3, 0],
      [17, 2, 5],
      [22, 4, 6],
    ]);
    expect(allocator.highWater).toBe(26);
  });

  test("gives back to a failed generation what was let go after it (INV-SPACE-2)", () => {
    const allocator = new Allocator(16);
    const [a, b] = [allocator.take(), allocator.take()];
    allocator.letGo(a!, 1, 5);
    allocator.close(5, 1);
    allocator.letGo(b!, 1, 6);
    expect(allocator.reopen(5)).toEqual([{ page: b, pages: 1 }]);
    allocator.letGo(b!, 1, 5);
    // Open again: not ready before it is closed again.
    allocator.promote(5, NEVER, ignore);
    expect(allocator.stats).toMatchObject({ readyPages: 0, pendingPages: 2 });
    allocator.close(5, 2);
    allocator.promote(5, NEVER, ignore);
    expect(allocator.stats).toMatchObject({ readyPages: 2, pendingPages: 0 });
  });

  test("never hands out a page that somebody may reach (INV-SPACE-1, INV-SPACE-2, INV-SPACE-3)", () => {
    const random = testRandom("allocator");
    for (let round = 0; round < testRounds(20); round++) new Users(random).run();
  });

  test("extends a file up to its largest page number, then it is full", () => {
    const allocator = new Allocator(PAGE_NUMBER_MAX - 2);
    expect(allocator.takeRun(2)).toBe(PAGE_NUMBER_MAX - 2);
    expect(thrownBy(() => allocator.take()).code).toBe("DISK_FULL");
    expect(() => new Allocator(15)).toThrow(/superblocks/);
  });
});

/** Writers, two slots and pins, each with the pages that they reach. */
class Users {
  readonly random: SeededRandom;
  readonly allocator = new Allocator(16);
  /** Pages of the tree being written. */
  tree = new Set<number>();
  slots: ReadonlySet<number>[] = [new Set(), new Set()];
  pins: { batch: number; pages: ReadonlySet<number> }[] = [];
  /** Pages that no flush has written. */
  young = new Set<number>();
  generation = 2;
  batch = 1;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  run(): void {
    for (let i = 0; i < 40; i++) {
      for (let n = this.random.int(10); n > 0; n--) this.change();
      this.batch++;
      this.turnPins();
      if (this.random.chance(0.4)) this.flush();
    }
  }

  change(): void {
    const page = this.allocator.take();
    for (const set of [this.tree, ...this.slots, ...this.pins.map(({ pages }) => pages)]) {
      expect(set.has(page)).toBe(false);
    }
    this.tree.add(page);
    this.young.add(page);
    if (this.tree.size < 20) return;
    const gone = this.random.pick([...this.tree]);
    this.tree.delete(gone);
    if (!this.young.delete(gone)) this.allocator.letGo(gone, 1, this.generation);
    else if (this.pins.some(({ pages }) => pages.has(gone))) {
      this.allocator.hold(gone, 1, this.batch);
    } else this.allocator.giveBack(gone);
  }

  turnPins(): void {
    if (this.random.chance(0.5) && this.pins.length < 3) {
      this.pins.push({ batch: this.batch - 1, pages: new Set(this.tree) });
    } else if (this.random.chance(0.5)) {
      this.pins.splice(this.random.int(this.pins.length + 1), 1);
    }
    this.promote();
  }

  flush(): void {
    this.allocator.close(this.generation, this.batch - 1);
    this.slots = [this.slots[1]!, new Set(this.tree)];
    this.young.clear();
    this.generation++;
    this.promote();
  }

  promote(): void {
    const oldest = Math.min(NEVER, ...this.pins.map(({ batch }) => batch));
    this.allocator.promote(this.generation - 2, oldest, ignore);
  }
}
