/** Pins: what they see, what they keep from being used again, and how they end. */
import { describe, expect, test } from "vitest";
import { testRandom, thrownBy } from "../../../../test/support.js";
import type { Pin } from "../../src/index.js";
import { EXPORT_PINS_MAX, READER_PIN_MS_MAX, READER_PINS_MAX } from "../../src/limits.js";
import {
  applied,
  expectEqual,
  expectSound,
  textKey as key,
  ManualClock,
  Model,
  newDisk,
  numberKey,
  openStore,
  randomChange,
} from "../store-support.js";

const PAGE = 512;

describe("a pin", () => {
  test("sees the state it was made of, byte for byte, while pages below it are used again (INV-SPACE-3)", async () => {
    const random = testRandom("pins over flushes");
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE, 8_192);
    const table = store.table(1, "t");
    const model = new Model();
    const held: { pin: Pin; model: Model }[] = [];
    for (let flush = 1; flush <= 40; flush++) {
      for (let i = 0; i < 150; i++) {
        randomChange(table, model, random, { space: 400, pageBytes: PAGE, deletes: 40 });
      }
      if (flush % 7 === 1) held.push({ pin: store.pin("reader"), model: model.copy() });
      await store.flush(applied(flush));
      for (const old of held) expectEqual(old.pin.table(1), old.model);
      if (flush % 11 === 0) held.splice(random.int(held.length), 1)[0]?.pin.release();
    }
    expect(held.length).toBeGreaterThan(1);
    const kept = store.stats();
    for (const { pin } of held) pin.release();
    for (let flush = 41; flush <= 60; flush++) {
      for (let i = 0; i < 150; i++) {
        randomChange(table, model, random, { space: 400, pageBytes: PAGE, deletes: 40 });
      }
      await store.flush(applied(flush));
    }
    // Without pins the pages that they kept are used before the file grows.
    expect(store.stats().filePages).toBeLessThan(kept.filePages * 1.1);
    await store.close();
    await expectSound(disk);
  });

  test("is of the last batch that ended: what is written later is not in it", async () => {
    const store = await openStore(await newDisk(), testRandom("batches"), PAGE);
    const table = store.table(1, "t");
    table.put(key("a"), key("1"));
    using pin = store.pin("reader"); // ends the batch
    table.put(key("a"), key("2"));
    table.put(key("b"), key("2"));
    const view = pin.table(1);
    expect([view.count, view.get(key("a")), view.has(key("b"))]).toEqual([1, key("1"), false]);
    expect(view.get(key("b"))).toBeUndefined();
    expect(pin.table(9).count).toBe(0);
    await store.close();
  });

  test("that was released, or whose store is closed, is refused: PIN_EXPIRED", async () => {
    const store = await openStore(await newDisk(), testRandom("released"), PAGE);
    store.table(1, "t").put(key("a"), key("1"));
    const pin = store.pin("reader");
    const view = pin.table(1);
    pin.release();
    pin.release();
    expect(thrownBy(() => view.get(key("a"))).code).toBe("PIN_EXPIRED");
    expect(thrownBy(() => pin.table(1)).message).toContain("it was released");
    const other = store.pin("export");
    await store.close();
    expect(thrownBy(() => other.table(1)).code).toBe("PIN_EXPIRED");
    expect(thrownBy(() => store.pin("reader")).code).toBe("STORE_CLOSED");
  });
});

describe("limits of pins", () => {
  test("a reader's lives 10 s, also in the middle of a walk; an export has no age (INV-PIN-1)", async () => {
    const clock = new ManualClock();
    const store = await openStore(await newDisk(), testRandom("age"), PAGE, 256, { clock });
    for (let n = 0; n < 100; n++) store.table(1, "t").put(numberKey(n), numberKey(n));
    const [reader, old] = [store.pin("reader"), store.pin("export")];
    const cursor = reader.table(1).cursor();
    clock.ms += READER_PIN_MS_MAX - 1;
    expect(cursor.first() && cursor.next()).toBe(true);
    clock.ms += 1;
    expect(thrownBy(() => cursor.next()).message).toContain("it was held for too long");
    expect(thrownBy(() => cursor.value).code).toBe("PIN_EXPIRED");
    clock.ms += 3_600_000;
    expect(old.table(1).count).toBe(100);
    expect(store.stats().pins).toBe(1);
    await store.close();
  });

  test("64 readers and two exports at once; ended ones make room (INV-PIN-1)", async () => {
    const clock = new ManualClock();
    const store = await openStore(await newDisk(), testRandom("many"), PAGE, 256, { clock });
    for (const [kind, most] of [
      ["reader", READER_PINS_MAX],
      ["export", EXPORT_PINS_MAX],
    ] as const) {
      const pins = Array.from({ length: most }, () => store.pin(kind));
      const error = thrownBy(() => store.pin(kind));
      expect(error.code).toBe("PIN_LIMIT");
      expect(error.message).toContain(`${most} ${kind} views are open`);
      pins[0]!.release();
      store.pin(kind);
    }
    clock.ms += READER_PIN_MS_MAX;
    expect(store.pin("reader").table(1).count).toBe(0);
    await store.close();
  });

  test("the oldest ends when replaced pages fill a quarter of the cache, the younger ones live (INV-PIN-1)", async () => {
    const store = await openStore(await newDisk(), testRandom("held"), PAGE, 1_024);
    const table = store.table(1, "t");
    const rewrite = (): void => {
      for (let n = 0; n < 1_000; n++) table.put(numberKey(n), new Uint8Array(40).fill(n));
      store.endBatch();
    };
    rewrite();
    const oldest = store.pin("export");
    rewrite();
    const younger = store.pin("reader");
    expect(oldest.table(1).count).toBe(1_000);
    rewrite();
    rewrite();
    expect(() => oldest.table(1)).toThrow(/held for too long/);
    expect(younger.table(1).count).toBe(1_000);
    younger.release();
    await store.close();
  });
});
