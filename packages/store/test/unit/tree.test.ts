/** A table from outside: cursors both ways, range deletes, limits, tables with types. */
import type { SeededRandom } from "@authledger/io";
import { limits, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import { type Codec, type PageStore, type Table, TypedTable } from "../../src/index.js";
import { STORE_VALUE_BYTES_MAX, TABLE_NAME_BYTES_MAX, TABLES_MAX } from "../../src/limits.js";
import { separatorOf } from "../../src/tree/branch-page.js";
import {
  applied,
  expectEqual,
  expectSound,
  textKey as key,
  Model,
  newDisk,
  numberKey,
  openStore,
  randomKey,
} from "../store-support.js";

const PAGE = 512;

async function newStore(pageBytes = PAGE, cachePages = 256): Promise<PageStore> {
  return openStore(await newDisk(), testRandom("tree"), pageBytes, cachePages);
}

function fill(table: Table, count: number): Model {
  const model = new Model();
  for (let n = 0; n < count; n++) {
    table.put(numberKey(n), Uint8Array.of(n, n >> 8));
    model.entries.set(toHex(numberKey(n)), Uint8Array.of(n, n >> 8));
  }
  return model;
}

describe("a cursor", () => {
  test("of an empty table finds nothing, in whatever direction", async () => {
    const store = await newStore();
    const cursor = store.table(1, "t").cursor();
    expect(cursor.first() || cursor.last()).toBe(false);
    expect(cursor.seek(key("a")) || cursor.seekBefore(key("a"))).toBe(false);
    expect(cursor.valid).toBe(false);
    expect(() => cursor.key).toThrow(/only where it is valid/);
    await store.close();
  });

  test("goes to the first key that is not less, or to the last one that is", async () => {
    const store = await newStore();
    const table = store.table(1, "t");
    for (const name of ["b", "d", "da", "f"]) table.put(key(name), key(`value of ${name}`));
    const cursor = table.cursor();
    const found = (ok: boolean): string => (ok ? Buffer.from(cursor.key).toString() : "-");
    for (const [at, from, before] of [
      ["a", "b", "-"],
      ["b", "b", "-"],
      ["c", "d", "b"],
      ["d", "d", "b"],
      ["da", "da", "d"],
      ["db", "f", "da"],
      ["f", "f", "da"],
      ["g", "-", "f"],
    ] as const) {
      expect(found(cursor.seek(key(at)))).toBe(from);
      expect(found(cursor.seekBefore(key(at)))).toBe(before);
    }
    expect(cursor.seek(key("da"))).toBe(true);
    expect(cursor.value).toEqual(key("value of da"));
    await store.close();
  });

  test("turns around anywhere: a random walk is that of an index in a sorted list", async () => {
    const random = testRandom("cursor walk");
    for (let round = 0; round < testRounds(3); round++) {
      const store = await newStore();
      const table = store.table(1, "t");
      const model = new Model();
      for (let i = 0; i < 800; i++) {
        const name = randomKey(random, 1_000);
        table.put(name, name);
        model.entries.set(toHex(name), name);
      }
      const keys = model.sorted().map(([name]) => name);
      walk(table, keys, random);
      await store.flush(applied(1));
      walk(table, keys, random);
      await store.close();
    }
  });

  function walk(table: Table, keys: readonly string[], random: SeededRandom): void {
    const cursor = table.cursor();
    let index = random.int(keys.length);
    expect(cursor.seek(Buffer.from(keys[index]!, "hex"))).toBe(true);
    let forward = true;
    for (let i = 0; i < 2_000; i++) {
      if (random.chance(0.05)) forward = !forward;
      index += forward ? 1 : -1;
      expect(forward ? cursor.next() : cursor.previous()).toBe(index in keys);
      if (!(index in keys)) {
        forward = index < 0;
        index = forward ? 0 : keys.length - 1;
        expect(forward ? cursor.first() : cursor.last()).toBe(true);
      }
      expect(toHex(cursor.key)).toBe(keys[index]);
      expect(toHex(cursor.value)).toBe(keys[index]);
    }
  }

  test("ends with the next write to its table, and with no other", async () => {
    const store = await newStore();
    const [table, other] = [store.table(1, "t"), store.table(2, "u")];
    fill(table, 10);
    const cursor = table.cursor();
    expect(cursor.first()).toBe(true);
    other.put(key("a"), key("b"));
    expect(cursor.next()).toBe(true);
    table.put(key("a"), key("b"));
    expect(() => cursor.next()).toThrow(/not used after a write to its table/);
    expect(() => cursor.key).toThrow(/not used after a write to its table/);
    await store.close();
  });

  test("of a pin goes on over turns of the event loop, though its pages were evicted meanwhile", async () => {
    const store = await newStore(PAGE, 256);
    const table = store.table(1, "t");
    const model = fill(table, 20_000);
    await store.flush(applied(1));
    const pin = store.pin("export");
    const cursor = pin.table(1).cursor();
    let seen = 0;
    for (let ok = cursor.first(); ok; ok = cursor.next()) {
      expect(toHex(cursor.key)).toBe(toHex(numberKey(seen++)));
      if (seen % 500 !== 0) continue;
      const before = store.stats().evictions;
      for (let n = 0; n < 20_000; n += 20) table.get(numberKey(n));
      await new Promise((resolve) => setImmediate(resolve));
      expect(store.stats().evictions).toBeGreaterThan(before);
    }
    expect(seen).toBe(model.entries.size);
    pin.release();
    await store.close();
  });
});

describe("a range delete", () => {
  test("removes [from, to) and tells how many there were", async () => {
    const random = testRandom("range deletes");
    for (let round = 0; round < testRounds(30); round++) {
      const disk = await newDisk();
      const store = await openStore(disk, random, PAGE);
      const table = store.table(1, "t");
      const model = fill(table, 600);
      for (let i = 0; i < 3; i++) {
        const [from, to] = [random.int(700), random.int(700)];
        let removed = 0;
        for (let n = from; n < to; n++) if (model.entries.delete(toHex(numberKey(n)))) removed++;
        expect(table.deleteRange(numberKey(from), numberKey(to))).toBe(removed);
      }
      expectEqual(table, model);
      await store.flush(applied(1));
      await store.close();
      await expectSound(disk);
    }
  });

  test("of everything leaves an empty table, whose pages and long values are free", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("all"), PAGE, 1024);
    const table = store.table(1, "t");
    fill(table, 2_000);
    for (let n = 0; n < 50; n++) table.put(numberKey(40 * n), new Uint8Array(2_000));
    await store.flush(applied(1));
    expect(table.deleteRange(new Uint8Array(1), new Uint8Array(3).fill(255))).toBe(2_000);
    expect(table.count).toBe(0);
    await store.flush(applied(2));
    await store.flush(applied(3));
    await store.flush(applied(4));
    // All but the chains: the catalog, and the free lists of two generations.
    const { filePages, freePages } = store.stats();
    expect(filePages - 16 - freePages).toBeLessThan(10);
    await store.close();
    await expectSound(disk);
  });
});

describe("keys", () => {
  test.each([
    [512, 80],
    [4096, limits.STORE_KEY_BYTES_MAX],
    [32_768, limits.STORE_KEY_BYTES_MAX],
  ])("of a store with %i-byte pages have 1 to %i bytes", async (pageBytes, most) => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("keys"), pageBytes);
    const table = store.table(1, "t");
    const model = new Model();
    for (let n = 0; n < 50; n++) {
      const name = new Uint8Array(n % 2 === 0 ? most : 1).fill(n);
      table.put(name, Uint8Array.of(n));
      model.entries.set(toHex(name), Uint8Array.of(n));
    }
    for (const bytes of [0, most + 1, 5_000]) {
      const error = thrownBy(() => table.put(new Uint8Array(bytes), key("v")));
      expect(error.code).toBe("STORE_KEY_INVALID");
      expect(error.details).toEqual({ limit: most, actual: bytes });
    }
    expectEqual(table, model);
    await store.flush(applied(1));
    await store.close();
    await expectSound(disk);
  });
});

describe("values", () => {
  test("have up to 8 MiB: one byte more is refused before the table is touched", async () => {
    const disk = await newDisk();
    const random = testRandom("long values");
    const store = await openStore(disk, random, 4096, 4096);
    const table = store.table(1, "t");
    const tooLong = new Uint8Array(STORE_VALUE_BYTES_MAX + 1);
    const error = thrownBy(() => table.put(key("k"), tooLong));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.details).toEqual({
      limit: STORE_VALUE_BYTES_MAX,
      actual: STORE_VALUE_BYTES_MAX + 1,
    });
    expect(table.count).toBe(0);
    await store.flush(applied(1));
    const longest = random.bytes(STORE_VALUE_BYTES_MAX);
    table.put(key("k"), longest);
    table.put(key("none"), new Uint8Array(0));
    await store.flush(applied(2));
    await store.close();
    const again = await openStore(disk, random, 4096);
    expect(Buffer.compare(again.table(1, "t").get(key("k"))!, longest)).toBe(0);
    expect(again.table(1, "t").get(key("none"))).toEqual(new Uint8Array(0));
    await again.close();
  });

  // A first put that was refused left an empty root page behind: the catalog of the next flush could not be
  // read, and the store went back to the generation before.
  test("that are refused leave nothing for the next flush", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("refused"), PAGE);
    expect(() => store.table(1, "t").put(key("k"), new Uint8Array(9 * 1024 * 1024))).toThrow();
    store.table(2, "u").put(key("a"), key("b"));
    await store.flush(applied(1));
    await store.close();
    await expectSound(disk);
    const again = await openStore(disk, testRandom("refused"), PAGE);
    expect(again.applied.index).toBe(1);
    expect(again.table(2, "u").get(key("a"))).toEqual(key("b"));
    await again.close();
  });

  test("that lie where another one lay are not mistaken for it, also when they are too long to be cached", async () => {
    const store = await newStore(); // keeps values of up to 16 KiB in memory
    const table = store.table(1, "t");
    // Single pages in front, for the chains of the flushes below; then four values, one behind the other.
    const other = store.table(2, "u");
    fill(other, 500);
    const lengths = [600, 2_000, 10_000, 10_000];
    for (const [n, length] of lengths.entries()) table.put(numberKey(n), new Uint8Array(length));
    await store.flush(applied(1));
    expect(table.get(numberKey(1))).toEqual(new Uint8Array(2_000));
    const { filePages } = store.stats();
    // The first one stays, so that the room behind it begins where the second one began.
    table.deleteRange(numberKey(1), numberKey(4));
    other.deleteRange(numberKey(0), numberKey(500));
    for (let index = 2; index <= 4; index++) await store.flush(applied(index));
    const long = new Uint8Array(20_000).fill(2);
    table.put(numberKey(9), long);
    await store.flush(applied(5));
    expect(store.stats().filePages).toBeLessThanOrEqual(filePages + 8);
    expect(table.get(numberKey(9))).toEqual(long);
    await store.close();
  });

  test("may be a view of another value of the store", async () => {
    const store = await newStore();
    const table = store.table(1, "t");
    fill(table, 500);
    for (let n = 0; n < 500; n++) table.put(numberKey(1_000 + n), table.get(numberKey(n))!);
    for (let n = 0; n < 500; n++) {
      expect(table.get(numberKey(1_000 + n))).toEqual(Uint8Array.of(n, n >> 8));
    }
    await store.close();
  });
});

describe("tables", () => {
  test("keep their id and name; others are refused", async () => {
    const store = await newStore();
    const longest = "n".repeat(TABLE_NAME_BYTES_MAX);
    expect(store.table(65_535, longest)).toBe(store.table(65_535, longest));
    for (const [id, name] of [
      [65_535, "other"],
      [0, "t"],
      [65_536, "t"],
      [2, ""],
      [2, `${longest}n`],
    ] as const) {
      expect(thrownBy(() => store.table(id, name)).code).toBe("STORE_INTERNAL");
    }
    await store.close();
  });

  test("are as many as the limit, and all are there after a reopen", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("tables"), PAGE, 2_048);
    for (let id = 1; id <= TABLES_MAX; id++)
      store.table(id, `table ${id}`).put(key("id"), numberKey(id));
    expect(() => store.table(TABLES_MAX + 1, "one more")).toThrow(/limits of tables/);
    await store.flush(applied(1));
    await store.close();
    const again = await openStore(disk, testRandom("tables"), PAGE, 2_048);
    for (let id = 1; id <= TABLES_MAX; id++) {
      expect(again.table(id, `table ${id}`).get(key("id"))).toEqual(numberKey(id));
    }
    await again.close();
    await expectSound(disk);
  });

  test("with types turn keys and values into bytes and back", async () => {
    const store = await newStore();
    const numbers: Codec<number> = {
      encode: numberKey,
      decode: (bytes) => (bytes[0]! << 16) | (bytes[1]! << 8) | bytes[2]!,
    };
    const texts: Codec<string> = {
      encode: key,
      decode: (bytes) => Buffer.from(bytes).toString(),
    };
    const table = new TypedTable(store.table(1, "t"), numbers, texts);
    expect(table.put(3, "three")).toBe(false);
    expect(table.put(300, "three hundred")).toBe(false);
    expect(table.put(3, "drei")).toBe(true);
    expect([table.get(3), table.get(4), table.count]).toEqual(["drei", undefined, 2]);
    expect([...table.from(4)]).toEqual([[300, "three hundred"]]);
    expect([table.delete(3), table.delete(3), table.count]).toEqual([true, false, 1]);
    const entries = table.from(0);
    entries.next();
    table.put(5, "five");
    expect(() => entries.next()).toThrow(/after a write/);
    await store.close();
  });
});

describe("a separator", () => {
  test("is the shortest key that parts two neighbours (INV-BRANCHPAGE-1)", () => {
    for (const [left, right, expected] of [
      ["a", "b", "b"],
      ["abc", "abd", "abd"],
      ["abc", "ax", "ax"],
      ["ab", "abcdef", "abc"],
      ["abcz", "abdaaaa", "abd"],
    ] as const) {
      expect(Buffer.from(separatorOf(key(left), key(right))).toString()).toBe(expected);
    }
  });
});
