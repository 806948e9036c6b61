/** Frames of pages: one for a page, what may be evicted, and how much memory they take. */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { FrameList } from "../../src/memory/frame-list.js";
import { FrameState, PageCache, touchesSince } from "../../src/memory/page-cache.js";
import { PageTable } from "../../src/memory/page-table.js";
import { applied, newDisk, numberKey, openStore } from "../store-support.js";

const PAGE = 512;

/** Reads a page as the pager does. */
function read(cache: PageCache, page: number): number {
  const found = cache.find(page);
  return found >= 0 ? found : cache.take(page, FrameState.CLEAN);
}

function marked(cache: PageCache, page: number, state: FrameState): number {
  const frame = cache.take(page, state);
  cache.bytes(frame).fill(page & 0xff);
  return frame;
}

/** Pages and frames, as a user of the cache sees them. */
class Watch {
  readonly cache: PageCache;
  readonly unwritten = new Map<number, number>();
  /** The last pages touched, latest last. */
  recent: { page: number; frame: number }[] = [];

  constructor(cache: PageCache) {
    this.cache = cache;
  }

  step(random: SeededRandom, recentMax: number): void {
    const page = 1 + random.int(2_000);
    const kind = random.int(20);
    if (kind === 0 && this.unwritten.size < 60 && this.cache.peek(page) < 0) {
      this.unwritten.set(page, marked(this.cache, page, random.pick([2, 3, 4] as const)));
    } else if (kind === 1 && this.unwritten.size > 0) {
      const written = random.pick([...this.unwritten.keys()]);
      this.cache.setState(this.unwritten.get(written)!, FrameState.CLEAN);
      this.unwritten.delete(written);
    } else if (kind === 2) {
      const frame = this.cache.peek(page);
      if (frame >= 0 && !this.unwritten.has(page)) this.cache.drop(frame);
      this.recent = this.recent.filter((seen) => seen.page !== page);
    } else if (!this.unwritten.has(page)) {
      const frame = this.cache.find(page);
      this.recent.push({ page, frame: frame >= 0 ? frame : marked(this.cache, page, 1) });
    }
    this.recent = this.recent.slice(-recentMax);
  }

  check(): void {
    for (const [page, frame] of this.unwritten) {
      expect(this.cache.peek(page)).toBe(frame);
      expect(this.cache.bytes(frame)[PAGE - 1]).toBe(page & 0xff);
    }
    for (const { page, frame } of this.recent) {
      expect(this.cache.pageOf[frame]).toBe(page);
      expect(this.cache.bytes(frame)[0]).toBe(page & 0xff);
    }
  }
}

describe("frames", () => {
  test("a page has one, unwritten pages and the last ones touched keep theirs (INV-CACHE-1, INV-CACHE-2, INV-CACHE-3)", () => {
    const random = testRandom("page cache");
    for (let round = 0; round < testRounds(5); round++) {
      const budget = 256 * PAGE;
      const cache = new PageCache(PAGE, budget);
      const watch = new Watch(cache);
      for (let i = 0; i < 5_000; i++) {
        watch.step(random, 100);
        if (i % 50 === 0) watch.check();
      }
      const pages = [...cache.pageOf].filter((page) => page !== 0);
      expect(new Set(pages).size).toBe(pages.length);
      for (const page of pages) expect(cache.pageOf[cache.peek(page)]).toBe(page);
      expect(cache.dirtyFrames).toBe(watch.unwritten.size);
      expect(cache.stats.evictions).toBeGreaterThan(0);
      // A frame that was dropped a moment ago once stood in front of the frames of a new slab, so that every page
      // took a slab of its own: 16 times the budget, and nothing evicted.
      expect(cache.stats.bytes).toBeLessThanOrEqual(2 * budget);
    }
  });

  test("taking a frame for a page again drops the one that it had (INV-CACHE-1)", () => {
    const cache = new PageCache(PAGE, 256 * PAGE);
    const before = cache.take(7, FrameState.CLEAN);
    const after = cache.take(7, FrameState.YOUNG);
    expect(after).not.toBe(before);
    expect(cache.peek(7)).toBe(after);
    expect(cache.state[before]).toBe(FrameState.EMPTY);
    cache.pageOf[before] = 7;
    expect(() => cache.drop(before)).toThrow(/INV-CACHE-1/);
  });

  test("of pages on disk stay within the budget, whatever is read (INV-CACHE-4)", () => {
    const random = testRandom("cache budget");
    for (const [pageBytes, budget] of [
      [512, 100_000],
      [512, 256 * 512],
      [4096, 300 * 4096],
      [4096, 3_000_000],
    ] as const) {
      const cache = new PageCache(pageBytes, budget);
      for (let i = 0; i < 20_000; i++) read(cache, 1 + random.int(5_000));
      expect(cache.stats.bytes).toBeLessThanOrEqual(budget);
      expect(cache.stats.bytes).toBeGreaterThan(budget * 0.7);
    }
  });

  test("that cannot be evicted may be more; the slabs are given back when they can (INV-CACHE-4)", () => {
    const random = testRandom("cache over budget");
    const cache = new PageCache(PAGE, 256 * PAGE);
    const slab = (cache.slabMask + 1) * PAGE;
    const unwritten: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      unwritten.push(cache.take(10_000 + i, FrameState.YOUNG));
      for (let k = 0; k < 5; k++) read(cache, 1 + random.int(5_000));
      // half of the budget are the recent ones
      const kept = cache.dirtyFrames * PAGE + cache.stats.budgetBytes / 2;
      expect(cache.stats.bytes).toBeLessThanOrEqual(Math.max(cache.stats.budgetBytes, kept + slab));
    }
    for (const frame of unwritten) cache.setState(frame, FrameState.CLEAN);
    expect(cache.dirtyFrames).toBe(0);
    cache.shrink();
    expect(cache.stats.bytes).toBe(cache.stats.budgetBytes);
    for (let i = 0; i < 5_000; i++) read(cache, 1 + random.int(5_000));
    expect(cache.stats.bytes).toBe(cache.stats.budgetBytes);
  });

  test("age by touches modulo 2^32: one not touched for 2^31 touches is old, not new (INV-CACHE-3)", () => {
    const stamp = new Int32Array(1);
    for (const [stamped, later] of [
      [0, 1],
      [5, 2 ** 31 + 7],
      [2 ** 31 - 1, 2 ** 31],
      [2 ** 32 - 3, 2 ** 32 + 5],
      [2 ** 40, 2 ** 40 + 2 ** 32 - 1],
    ] as const) {
      stamp[0] = stamped;
      expect(touchesSince(later, stamp[0]!)).toBe(later - stamped);
    }
  });
});

describe("the store's memory", () => {
  test("stays within the budget while pages and long values are read and flushed", async () => {
    const random = testRandom("store memory");
    const disk = await newDisk();
    const pages = 1_024;
    const store = await openStore(disk, random, PAGE, pages);
    const table = store.table(1, "t");
    for (let n = 0; n < 20_000; n++) {
      table.put(numberKey(n), random.bytes(n % 50 === 0 ? 3_000 : 40));
      if (store.dirtyBytes > (pages * PAGE) / 4) await store.flush(applied(n));
    }
    await store.flush(applied(20_000));
    expect(store.stats().filePages).toBeGreaterThan(2 * pages);
    for (let i = 0; i < 30_000; i++) table.get(numberKey(random.int(20_000)));
    await store.flush(applied(20_001));
    const { cacheBytes, evictions } = store.stats();
    expect(cacheBytes).toBeLessThanOrEqual(pages * PAGE);
    expect(cacheBytes).toBeGreaterThan(pages * PAGE * 0.7);
    expect(evictions).toBeGreaterThan(1_000);
    await store.close();
  });
});

describe("a page table", () => {
  test("finds what a map finds, however pages collide", () => {
    const random = testRandom("page table");
    for (let round = 0; round < testRounds(20); round++) {
      const table = new PageTable(16);
      const map = new Map<number, number>();
      const stride = random.pick([1, 1, 64, 4096, 2 ** 20]);
      for (let i = 0; i < 2_000; i++) {
        const page = 1 + stride * random.int(400);
        if (random.chance(0.4)) {
          table.delete(page);
          map.delete(page);
        } else {
          table.set(page, i);
          map.set(page, i);
        }
      }
      for (let n = 0; n < 400; n++) {
        expect(table.get(1 + stride * n)).toBe(map.get(1 + stride * n) ?? -1);
      }
    }
  });
});

describe("a frame list", () => {
  test("gives up any frame at once, and only a frame that is in it", () => {
    const random = testRandom("frame list");
    const cache = new PageCache(PAGE, 256 * PAGE);
    const list = new FrameList(cache);
    const frames = Array.from({ length: 100 }, (_, i) => cache.take(i + 1, FrameState.YOUNG));
    for (const frame of frames) list.add(frame);
    const left = new Set(frames);
    for (let i = 0; i < 60; i++) {
      const frame = random.pick([...left]);
      list.remove(frame);
      left.delete(frame);
      expect(() => list.remove(frame)).toThrow(/in the list/);
    }
    expect(Array.from({ length: list.count }, (_, i) => list.at(i)).sort()).toEqual(
      [...left].sort(),
    );
    expect(new Set(list.takeAll())).toEqual(left);
    expect(list.count).toBe(0);
  });
});
