/** The store against a sorted map: random histories with pins, flushes beside the writer, and reopens. */
import type { SeededRandom } from "@authledger/io";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import type { PageStore, Pin } from "../../src/index.js";
import {
  applied,
  expectEqual,
  expectSound,
  Model,
  newDisk,
  openStore,
  randomChange,
  randomKey,
} from "../store-support.js";

interface Held {
  readonly pin: Pin;
  readonly models: readonly Model[];
}

class History {
  readonly random: SeededRandom;
  readonly pageBytes: number;
  readonly space: number;
  models: Model[] = [new Model(), new Model()];
  flushed: Model[] = [new Model(), new Model()];
  pins: Held[] = [];
  flush: Promise<void> | undefined;
  index = 0;

  constructor(random: SeededRandom, pageBytes: number) {
    this.random = random;
    this.pageBytes = pageBytes;
    this.space = random.pick([20, 300, 3_000]);
  }

  batch(store: PageStore): void {
    const deletes = this.random.pick([10, 40, 70]);
    const steps = this.random.int(this.random.pick([3, 200]));
    for (let i = 0; i < steps; i++) {
      const which = this.random.int(2);
      const table = store.table(which + 1, `table-${which}`);
      randomChange(table, this.models[which]!, this.random, {
        space: this.space,
        pageBytes: this.pageBytes,
        deletes,
      });
    }
    store.endBatch();
  }

  look(store: PageStore): void {
    const which = this.random.int(2);
    const table = store.table(which + 1, `table-${which}`);
    const key = randomKey(this.random, this.space);
    const sorted = this.models[which]!.sorted();
    const after = sorted.find(([entry]) => entry >= toHex(key));
    const before = sorted.filter(([entry]) => entry < toHex(key)).at(-1);
    const found = after?.[0] === toHex(key) ? after : undefined;
    expect(table.has(key)).toBe(found !== undefined);
    expect(table.valueLength(key)).toBe(found?.[1].length);
    const cursor = table.cursor();
    expect(cursor.seek(key) ? toHex(cursor.key) : undefined).toBe(after?.[0]);
    expect(cursor.valid ? cursor.valueLength : undefined).toBe(after?.[1].length);
    expect(cursor.seekBefore(key) ? toHex(cursor.key) : undefined).toBe(before?.[0]);
  }

  turnPins(store: PageStore): void {
    if (this.random.chance(0.3) && this.pins.length < 5) {
      this.pins.push({ pin: store.pin("reader"), models: this.models.map((m) => m.copy()) });
    }
    if (this.random.chance(0.3) && this.pins.length > 0) {
      const [held] = this.pins.splice(this.random.int(this.pins.length), 1);
      for (const [i, model] of held!.models.entries()) {
        expectEqual(held!.pin.table(i + 1), model);
      }
      held!.pin.release();
    }
  }

  async turnFlush(store: PageStore): Promise<void> {
    if (this.flush === undefined && this.random.chance(0.4)) {
      this.index++;
      this.flushed = this.models.map((m) => m.copy());
      this.flush = store.flush(applied(this.index));
    } else if (this.flush !== undefined && this.random.chance(0.6)) {
      if (this.random.chance(0.5)) await new Promise((resolve) => setImmediate(resolve));
      else await this.settle();
    }
  }

  async settle(): Promise<void> {
    await this.flush;
    this.flush = undefined;
  }
}

async function run(random: SeededRandom, pageBytes: number): Promise<void> {
  const disk = await newDisk();
  // Pins hold replaced pages in memory; a cache of the smallest size would end them early.
  const usesPins = random.chance(0.5);
  const cachePages = usesPins ? 16_384 : 256;
  let store = await openStore(disk, random, pageBytes, cachePages);
  const history = new History(random, pageBytes);
  for (let step = 0; step < 60; step++) {
    history.batch(store);
    history.look(store);
    if (usesPins) history.turnPins(store);
    await history.turnFlush(store);
    if (random.chance(0.05)) {
      await history.settle();
      await store.close();
      await expectSound(disk);
      history.pins = [];
      history.models = history.flushed.map((m) => m.copy());
      store = await openStore(disk, random, pageBytes, cachePages);
      expect(store.applied.index).toBe(history.index);
      for (const [i, model] of history.models.entries()) {
        expectEqual(store.table(i + 1, `table-${i}`), model);
      }
    }
  }
  await history.settle();
  for (const { pin } of history.pins) pin.release();
  for (const [i, model] of history.models.entries()) {
    expectEqual(store.table(i + 1, `table-${i}`), model);
  }
  await store.close();
  await expectSound(disk);
}

describe("page store against a sorted map", () => {
  for (const pageBytes of [512, 4096]) {
    test(`any history reads as the map does, with ${pageBytes}-byte pages`, async () => {
      const random = testRandom(`store model ${pageBytes}`);
      for (let i = 0; i < testRounds(12); i++) await run(random, pageBytes);
    }, 60_000);
  }

  test("ascending inserts fill the pages", async () => {
    const random = testRandom("ascending");
    const disk = await newDisk();
    const store = await openStore(disk, random, 4096, 4096);
    const table = store.table(1, "a");
    for (let i = 0; i < 20_000; i++) {
      table.put(Uint8Array.of(i >> 16, i >> 8, i, 1, 2, 3, 4, 5, 6, 7), new Uint8Array(20));
    }
    await store.flush(applied(1));
    const { filePages } = store.stats();
    expect(filePages * 4096).toBeLessThan(20_000 * 46);
    await store.close();
    await expectSound(disk);
  });

  test("pages are used again: a store that is rewritten many times does not grow without end", async () => {
    const random = testRandom("reuse");
    const disk = await newDisk();
    const store = await openStore(disk, random, 512, 1024);
    const table = store.table(1, "a");
    const sizes: number[] = [];
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 300; i++) table.put(Uint8Array.of(i >> 8, i), random.bytes(60));
      await store.flush(applied(round));
      sizes.push(store.stats().filePages);
    }
    expect(sizes.at(-1)).toBe(sizes[8]);
    await store.close();
    await expectSound(disk);
  });
});
