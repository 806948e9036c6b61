/** Compaction: the file shrinks to what is alive, nothing is lost, everything is readable meanwhile. */
import { MemoryDisk, type SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { type CompactionReport, compactStore, type PageStore } from "../../src/index.js";
import {
  applied,
  expectEqual,
  expectSound,
  Model,
  numberKey,
  openStore,
  PATH,
  randomChange,
} from "../store-support.js";

const PAGE = 512;

interface Filled {
  readonly disk: MemoryDisk;
  readonly store: PageStore;
  readonly model: Model;
}

/** Rows in random order, a tenth with long values, flushed; then all but every `keep`-th deleted, flushed. */
async function sparse(random: SeededRandom, rows: number, keep: number): Promise<Filled> {
  const disk = new MemoryDisk();
  const store = await openStore(disk, random, PAGE);
  const table = store.table(1, "a");
  const model = new Model();
  const numbers = random.shuffle(Array.from({ length: rows }, (_, i) => i));
  for (const n of numbers) {
    const value = random.bytes(n % 7 === 0 ? 700 + random.int(800) : 60);
    table.put(numberKey(n), value);
    model.entries.set(hexOf(n), value);
  }
  await flush(store);
  for (const n of random.shuffle(numbers)) {
    if (n % keep === 0) continue;
    table.delete(numberKey(n));
    model.entries.delete(hexOf(n));
  }
  await flush(store);
  return { disk, store, model };
}

function hexOf(n: number): string {
  return Buffer.from(numberKey(n)).toString("hex");
}

function flush(store: PageStore): Promise<void> {
  return store.flush(applied(store.applied.index + 1));
}

function compact(
  store: PageStore,
  onYield: () => void = () => undefined,
): Promise<CompactionReport> {
  return compactStore(
    store,
    { fillThreshold: 0.4 },
    {
      flush: () => flush(store),
      yield: async () => onYield(),
      isStopped: () => false,
    },
  );
}

async function fileSize(disk: MemoryDisk): Promise<number> {
  return (await disk.open(PATH)).size();
}

describe("compaction", () => {
  test("INV-COMPACT-1, INV-COMPACT-2: nine tenths deleted, the file shrinks to near its live size and holds the same rows", async () => {
    const random = testRandom("compaction shrinks");
    const { disk, store, model } = await sparse(random, 4_000, 10);
    const before = await fileSize(disk);
    const report = await compact(store);
    const after = await fileSize(disk);
    expectEqual(store.table(1, "a"), model);
    expect(report.before.bytes).toBe(before);
    expect(report.after.bytes).toBe(after);
    expect(report.leavesJoined).toBeGreaterThan(0);
    expect(report.valuesMoved).toBeGreaterThan(0);
    expect(report.pagesMoved).toBeGreaterThan(0);
    const live = (report.after.pages - report.after.freePages) * PAGE;
    expect(after).toBeLessThan(live * 1.3);
    expect(after).toBeLessThan(before / 5);
    await expectSound(disk);
    await store.close();
    const again = await openStore(disk, random, PAGE);
    expectEqual(again.table(1, "a"), model);
    await again.close();
  });

  // Some files never came to rest: moving two leaves copied the branches above them, which left as many holes as were filled.
  test("compacting again and again comes to rest; a file without anything to gain is left alone but for a few flushes", async () => {
    const random = testRandom("compaction of a full file");
    const { store, disk } = await sparse(random, 1_000, 1);
    for (let moved = true, runs = 0; moved; runs++) {
      expect(runs).toBeLessThan(8);
      const { pagesMoved, leavesJoined } = await compact(store);
      moved = pagesMoved > 0 || leavesJoined > 0;
    }
    const before = await fileSize(disk);
    const { flushedPages } = store.stats();
    const report = await compact(store);
    expect(report.pagesMoved).toBe(0);
    expect(report.leavesJoined).toBe(0);
    expect(store.stats().flushedPages).toBe(flushedPages);
    expect(await fileSize(disk)).toBeLessThanOrEqual(before);
  });

  test("an empty store, and a table that became empty", async () => {
    const random = testRandom("compaction of nothing");
    const disk = new MemoryDisk();
    const store = await openStore(disk, random, PAGE);
    await compact(store);
    for (let n = 0; n < 2_000; n++) store.table(1, "a").put(numberKey(n), random.bytes(40));
    await flush(store);
    store.table(1, "a").deleteRange(numberKey(0), numberKey(2_000));
    await compact(store);
    expect(await fileSize(disk)).toBeLessThan(24 * PAGE);
    await expectSound(disk);
  });

  test("INV-PIN-1, INV-SPACE-3: writers and pins go on beside it: pins see their rows, the file shrinks when they are gone", async () => {
    const random = testRandom("compaction beside others");
    const { disk, store, model } = await sparse(random, 3_000, 10);
    const before = await fileSize(disk);
    const table = store.table(1, "a");
    const seen = model.copy();
    const pin = store.pin("export");
    const report = await compact(store, () => {
      for (let n = random.int(4); n > 0; n--) {
        randomChange(table, model, random, { space: 200, pageBytes: PAGE, deletes: 50 });
      }
    });
    expectEqual(pin.table(1), seen);
    expectEqual(table, model);
    expect(report.pagesMoved).toBeGreaterThan(0);
    pin.release();
    for (let i = 0; i < 6; i++) await flush(store);
    expect(await fileSize(disk)).toBeLessThan(before / 2);
    expectEqual(table, model);
    await expectSound(disk);
  });

  test("a full disk ends it with DISK_FULL; nothing is lost", async () => {
    const random = testRandom("compaction on a full disk");
    const { store, model } = await sparse(random, 1_000, 10);
    const failing = compactStore(
      store,
      { fillThreshold: 0.4 },
      { flush: async () => undefined, yield: async () => undefined, isStopped: () => false },
    );
    await expect(failing).rejects.toMatchObject({ code: "DISK_FULL" });
    await flush(store);
    expectEqual(store.table(1, "a"), model);
  });
});
