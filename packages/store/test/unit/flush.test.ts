/** A flush from outside: the order of writes and syncs, what a failure leaves, and what it does to callers. */
import { type DiskOperation, FaultyDisk, type MemoryDisk, SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { rejectedBy, testRandom, thrownBy } from "../../../../test/support.js";
import type { PageStore } from "../../src/index.js";
import {
  applied,
  expectSound,
  fileBytes,
  textKey as key,
  newDisk,
  numberKey,
  openStore,
} from "../store-support.js";

const PAGE = 512;
const SLOTS_END = 4 * PAGE;
const random = new SeededRandom(5);

function fill(store: PageStore, n: number): void {
  for (let i = 0; i < 100; i++) store.table(1, "t").put(numberKey(i), new Uint8Array(30).fill(n));
  store.table(2, "values").put(key("long"), new Uint8Array(2_000).fill(n));
}

/** Writes and syncs as letters: p a page, s a slot, | a sync. */
function letters(operations: readonly DiskOperation[]): string {
  return operations
    .flatMap(({ kind, position }) => {
      if (kind === "sync") return ["|"];
      return kind === "write" ? [position < SLOTS_END ? "s" : "p"] : [];
    })
    .join("");
}

describe("a flush", () => {
  test("writes pages, syncs, writes both copies of its slot, syncs: nothing unsynced is pointed at (INV-FLUSH-1)", async () => {
    const operations: DiskOperation[] = [];
    const disk = new FaultyDisk(await newDisk(), (operation) => {
      operations.push(operation);
      return undefined;
    });
    const store = await openStore(disk, random, PAGE);
    expect(letters(operations)).toBe("ss|ss|"); // creation, then the open epoch
    for (let n = 1; n <= 4; n++) {
      fill(store, n);
      operations.length = 0;
      await store.flush(applied(n));
      expect(letters(operations)).toMatch(/^p+\|ss\|$/);
      const slots = operations.filter(
        ({ kind, position }) => kind === "write" && position < SLOTS_END,
      );
      // Generations 2, 3, 4, 5: slot A, B, A, B.
      const first = n % 2 === 1 ? 0 : 2 * PAGE;
      expect(slots.map(({ position }) => position)).toEqual([first, first + PAGE]);
    }
    await store.close();
  });

  test("writes each touched page once, however many batches touched it", async () => {
    const store = await openStore(await newDisk(), random, PAGE);
    fill(store, 0);
    await store.flush(applied(1));
    const before = store.stats().flushedPages;
    for (let n = 0; n < 500; n++) {
      store.table(1, "t").put(numberKey(0), numberKey(n));
      store.endBatch();
    }
    await store.flush(applied(2));
    // The root and the leaf of one tree.
    expect(store.stats().flushedPages - before).toBeLessThanOrEqual(3);
    await store.close();
  });

  test("is one at a time; what is written beside it belongs to the next one", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    const table = store.table(1, "t");
    table.put(key("a"), key("1"));
    const running = store.flush(applied(1));
    expect(store.isFlushing).toBe(true);
    expect(thrownBy(() => store.flush(applied(2))).code).toBe("STORE_INTERNAL");
    table.put(key("a"), key("2"));
    expect(store.dirtyBytes).toBeGreaterThan(0);
    await running;
    expect([store.isFlushing, store.applied.index]).toEqual([false, 1]);
    await store.close();
    const again = await openStore(disk, random, PAGE);
    expect(again.table(1, "t").get(key("a"))).toEqual(key("1"));
    await again.close();
  });

  test("moves the floor of the log one flush late: both slots must hold what is cut", async () => {
    const disk = await newDisk();
    let store = await openStore(disk, random, PAGE);
    expect(store.appliedFloor).toBe(0);
    for (const [index, floor] of [
      [10, 0],
      [20, 10],
      [30, 20],
    ] as const) {
      fill(store, index);
      await store.flush(applied(index));
      expect([store.applied.index, store.appliedFloor]).toEqual([index, floor]);
    }
    await store.close();
    // An open puts the same roots into the other slot.
    store = await openStore(disk, random, PAGE);
    expect([store.applied.index, store.appliedFloor]).toEqual([30, 30]);
    await store.close();
  });

  test("keeps what the caller says of the applied entry", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    const state = {
      index: 2 ** 50,
      term: 7,
      configIndex: 9,
      leaderTimeMs: 1_763_000_000_000,
      digest: new Uint8Array(32).fill(0xab),
    };
    await store.flush(state);
    await store.close();
    const again = await openStore(disk, random, PAGE);
    expect(again.applied).toEqual(state);
    await again.close();
  });
});

describe("a flush that fails", () => {
  /** A store with generation 2 on disk, and more to flush. */
  async function dirty(): Promise<{ disk: MemoryDisk; faulty: FaultyDisk; store: PageStore }> {
    const disk = await newDisk();
    const faulty = new FaultyDisk(disk, () => undefined);
    const store = await openStore(faulty, random, PAGE);
    fill(store, 1);
    await store.flush(applied(1));
    fill(store, 2);
    return { disk, faulty, store };
  }

  /** Lets the n-th write or sync from now on fail. */
  function failNth(faulty: FaultyDisk, kind: "write" | "sync", n: number, full = false): void {
    let count = 0;
    faulty.plan = (operation) =>
      operation.kind === kind && count++ === n
        ? { kind: "fail", full, writtenBytes: 200 }
        : undefined;
  }

  async function slots(disk: MemoryDisk): Promise<Uint8Array> {
    return (await fileBytes(disk)).subarray(0, SLOTS_END);
  }

  test("in a page write leaves both slots as they were and ends the store (INV-FLUSH-2)", async () => {
    const { disk, faulty, store } = await dirty();
    const before = await slots(disk);
    failNth(faulty, "write", 0);
    expect((await rejectedBy(store.flush(applied(2)))).code).toBe("IO_WRITE_FAILED");
    expect(await slots(disk)).toEqual(before);
    const closed = thrownBy(() => store.flush(applied(3)));
    expect(closed.code).toBe("STORE_CLOSED");
    expect(closed.cause).toMatchObject({ code: "IO_WRITE_FAILED" });
    await store.close();
    await expectSound(disk);
  });

  test("because the disk is full leaves both slots and may be tried again, at whatever write (INV-FLUSH-2)", async () => {
    for (let n = 0; ; n++) {
      const { disk, faulty, store } = await dirty();
      const before = await slots(disk);
      failNth(faulty, "write", n, true);
      const flush = store.flush(applied(2));
      fill(store, 3);
      const error = await flush.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      faulty.plan = () => undefined;
      if (n > 0 && error === undefined) break;
      const inSlots = Buffer.compare(await slots(disk), before) !== 0;
      expect(error).toMatchObject({ code: inSlots ? "IO_WRITE_FAILED" : "DISK_FULL" });
      if (inSlots) {
        // The slot itself could not be written: the pages are synced, the store ends, and does not say to try again.
        expect(thrownBy(() => store.flush(applied(3))).code).toBe("STORE_CLOSED");
        await store.close();
        break;
      }
      fill(store, 4);
      await store.flush(applied(3));
      await store.close();
      await expectSound(disk);
      const again = await openStore(disk, random, PAGE);
      expect(again.applied.index).toBe(3);
      expect(again.table(2, "values").get(key("long"))).toEqual(new Uint8Array(2_000).fill(4));
      await again.close();
    }
  });

  /**
   * The story: a file system that finds room only when it writes said so in a sync. The store had ended, but what it threw meant
   * "try again": the node did, and stopped with an error that named neither the disk nor what to do.
   */
  test("because a sync finds no room ends the store with an error of the disk, which is not tried again (INV-FLUSH-2)", async () => {
    for (let n = 0; n < 2; n++) {
      const { faulty, store } = await dirty();
      failNth(faulty, "sync", n, true);
      const error = await store.flush(applied(2)).catch((thrown: unknown) => thrown);
      faulty.plan = () => undefined;
      expect(error).toMatchObject({ code: "IO_WRITE_FAILED", cause: { code: "DISK_FULL" } });
      expect(thrownBy(() => store.flush(applied(3))).code).toBe("STORE_CLOSED");
      await store.close();
    }
  });

  test("in either sync, or in its slot, ends the store; on disk is one of the two generations (INV-FLUSH-2)", async () => {
    const cases = [
      ["sync", 0],
      ["sync", 1],
    ] as const;
    for (const [kind, n] of cases) {
      const { disk, faulty, store } = await dirty();
      failNth(faulty, kind, n);
      expect((await rejectedBy(store.flush(applied(2)))).code).toBe("SYNC_FAILED");
      expect(thrownBy(() => store.pin("reader")).code).toBe("STORE_CLOSED");
      // A retried sync would succeed and prove nothing: there is none.
      const operations = faulty.operations;
      expect(thrownBy(() => store.flush(applied(3))).code).toBe("STORE_CLOSED");
      expect(faulty.operations).toBe(operations);
      for (const unsynced of ["lost", "kept", "random"] as const) {
        const crashed = disk.crash(testRandom("failed sync"), { unsynced });
        const again = await openStore(crashed, random, PAGE);
        const { index } = again.applied;
        expect([1, 2]).toContain(index);
        const value = again.table(2, "values").get(key("long"));
        expect(value).toEqual(new Uint8Array(2_000).fill(index));
        await again.close();
      }
    }
  });
});

describe("a closed store", () => {
  test("refuses flushes and pins; closing waits for a running flush and may be repeated", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    fill(store, 1);
    const running = store.flush(applied(1));
    await store.close();
    await running;
    await store.close();
    expect(thrownBy(() => store.flush(applied(2))).message).toContain("it was closed");
    const again = await openStore(disk, random, PAGE);
    expect(again.applied.index).toBe(1);
    await again[Symbol.asyncDispose]();
  });
});
