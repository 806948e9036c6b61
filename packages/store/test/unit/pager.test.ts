/** Pages in memory: never edited where somebody else sees them, never returned without a look. */
import { FaultyDisk, type MemoryDisk, SeededRandom } from "@authledger/io";
import type { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import type { PageStore } from "../../src/index.js";
import { forge } from "../forge.js";
import {
  applied,
  fileBytes,
  textKey as key,
  newDisk,
  numberKey,
  openStore,
  PATH,
} from "../store-support.js";

const PAGE = 512;
const random = new SeededRandom(3);
const filled = (n: number): Uint8Array => new Uint8Array(60).fill(n);

/** 200 entries in table 1: a tree of three levels. */
async function flushed(): Promise<MemoryDisk> {
  const disk = await newDisk();
  const store = await openStore(disk, random, PAGE);
  for (let n = 0; n < 200; n++) store.table(1, "t").put(numberKey(n), filled(n));
  store.table(2, "u").put(key("k"), new Uint8Array(1_500).fill(3));
  await store.flush(applied(1));
  await store.close();
  return disk;
}

/** The number and position of the page of a leaf that holds a value, in the file. */
async function leafWith(disk: MemoryDisk, value: Uint8Array): Promise<number> {
  return Math.floor(Buffer.from(await fileBytes(disk)).indexOf(value) / PAGE);
}

function corruptError(run: () => unknown, page: number, table: number): LedgerError {
  const error = thrownBy(run);
  expect(error.code).toBe("STORE_PAGE_CORRUPT");
  expect(error.details).toMatchObject({ page, tree: table, file: PATH });
  expect(error.message).toContain(`page ${page} of table ${table} in ${PATH}`);
  return error;
}

describe("an edit", () => {
  test("never changes a page on disk: what both slots reach stays byte for byte (INV-PAGER-1)", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    const table = store.table(1, "t");
    for (let n = 0; n < 200; n++) table.put(numberKey(n), filled(n));
    await store.flush(applied(1));
    const before = await fileBytes(disk);
    for (let n = 0; n < 200; n++) table.put(numberKey(n), filled(n + 1));
    await store.flush(applied(2));
    const after = await fileBytes(disk);
    const { filePages } = store.stats();
    expect(after.subarray(16 * PAGE, before.length)).toEqual(before.subarray(16 * PAGE));
    expect(filePages * PAGE).toBeGreaterThan(before.length);
    await store.close();
  });

  test("beside a running flush does not reach what is written (INV-PAGER-1)", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    const table = store.table(1, "t");
    for (let n = 0; n < 200; n++) table.put(numberKey(n), filled(1));
    const flush = store.flush(applied(1));
    for (let n = 0; n < 200; n++) table.put(numberKey(n), filled(2));
    await flush;
    await store.close();
    const again = await openStore(disk, random, PAGE);
    for (let n = 0; n < 200; n++) expect(again.table(1, "t").get(numberKey(n))).toEqual(filled(1));
    await again.close();
  });

  test("of a young page happens in place without a pin, and in a copy below one (INV-PAGER-2)", async () => {
    const store = await openStore(await newDisk(), random, PAGE);
    const table = store.table(1, "t");
    table.put(key("a"), filled(1));
    store.endBatch();
    const { filePages } = store.stats();
    for (let n = 0; n < 50; n++) {
      table.put(key("a"), filled(n));
      store.endBatch();
    }
    expect(store.stats().filePages).toBe(filePages);
    const pin = store.pin("reader");
    table.put(key("a"), filled(99));
    expect(store.stats().filePages).toBe(filePages + 1);
    // Born after the pin: in place again.
    table.put(key("a"), filled(100));
    expect(store.stats().filePages).toBe(filePages + 1);
    expect(pin.table(1).get(key("a"))).toEqual(filled(49));
    pin.release();
    await store.close();
  });
});

describe("a read", () => {
  async function reopened(disk: MemoryDisk): Promise<PageStore> {
    return openStore(disk, random, PAGE);
  }

  test("of a page with any one byte changed is refused, naming page, table and file (INV-PAGER-3)", async () => {
    const whole = await flushed();
    const page = await leafWith(whole, filled(77));
    for (let at = 0; at < PAGE; at += 7) {
      const disk = whole.fork();
      disk.corrupt(PATH, page * PAGE + at, Uint8Array.of(0x80));
      const store = await reopened(disk);
      const table = store.table(1, "t");
      const error = corruptError(() => table.get(numberKey(77)), page, 1);
      expect(error.message).toMatch(/its checksum does not match its parent's$/);
      // It is not remembered as good, and the rest can still be read.
      corruptError(() => table.get(numberKey(77)), page, 1);
      expect(table.get(numberKey(0))).toEqual(filled(0));
      await store.close();
    }
  });

  test("of a stale page, right in itself, is refused (INV-PAGER-3)", async () => {
    const disk = await flushed();
    const page = await leafWith(disk, filled(77));
    const other = await leafWith(disk, filled(120));
    const bytes = (await fileBytes(disk)).slice(other * PAGE, (other + 1) * PAGE);
    await (await disk.open(PATH)).write([bytes], page * PAGE);
    const store = await reopened(disk);
    corruptError(() => store.table(1, "t").get(numberKey(77)), page, 1);
    await store.close();
  });

  test("of a page that names another number or table is refused, whatever its checksum (INV-PAGER-3)", async () => {
    for (const [at, why] of [
      [4, "it is another page"],
      [36, "it belongs to another table"],
    ] as const) {
      const disk = await flushed();
      const page = await leafWith(disk, filled(77));
      await forge(disk, page, (bytes) => {
        bytes[at]! ^= 1;
      });
      const store = await reopened(disk);
      const error = corruptError(() => store.table(1, "t").get(numberKey(77)), page, 1);
      expect(error.message).toContain(why);
      await store.close();
    }
  });

  test("of a value with any byte changed is refused, naming page and file (INV-PAGER-3)", async () => {
    const whole = await flushed();
    const page = await leafWith(whole, new Uint8Array(600).fill(3));
    for (const at of [0, 511, 512, 1_499]) {
      const disk = whole.fork();
      disk.corrupt(PATH, page * PAGE + at, Uint8Array.of(1));
      const store = await reopened(disk);
      const error = thrownBy(() => store.table(2, "u").get(key("k")));
      expect(error).toMatchObject({ code: "STORE_PAGE_CORRUPT", details: { page, file: PATH } });
      expect(error.message).toContain(`page ${page} in ${PATH}`);
      await store.close();
    }
  });

  // A frame was taken for the page before it was read, and stayed when the read threw: the next read returned
  // whatever lay in the frame.
  test("that fails leaves nothing behind: the next one reads the page (INV-PAGER-3)", async () => {
    const disk = await flushed();
    const faulty = new FaultyDisk(disk, () => undefined);
    const store = await openStore(faulty, random, PAGE);
    const page = await leafWith(disk, filled(77));
    faulty.plan = ({ kind, position }) =>
      kind === "read" && position === page * PAGE ? { kind: "fail" } : undefined;
    const table = store.table(1, "t");
    for (let i = 0; i < 2; i++) {
      expect(thrownBy(() => table.get(numberKey(77))).code).toBe("IO_READ_FAILED");
    }
    faulty.plan = () => undefined;
    expect(table.get(numberKey(77))).toEqual(filled(77));
    await store.close();
  });

  // The path of the write before was kept half changed, and the next write used it.
  test("that fails in the middle of a write ends the path that the write was on", async () => {
    const disk = await flushed();
    const page = await leafWith(disk, filled(77));
    disk.corrupt(PATH, page * PAGE + 100, Uint8Array.of(1));
    const store = await reopened(disk);
    const table = store.table(1, "t");
    for (let n = 0; n < 40; n++) {
      const near = Uint8Array.of(0, 0, 1, n);
      table.put(near, filled(n));
      expect(thrownBy(() => table.put(numberKey(77), filled(0))).code).toBe("STORE_PAGE_CORRUPT");
    }
    for (let n = 0; n < 40; n++) expect(table.get(Uint8Array.of(0, 0, 1, n))).toEqual(filled(n));
    for (let n = 0; n < 60; n++) expect(table.get(numberKey(n))).toEqual(filled(n));
    await store.close();
  });
});
