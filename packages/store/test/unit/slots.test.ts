/** Which slot an open stands on, whose file it may be, and what it does to a file that it cannot read. */
import { type MemoryDisk, nodeClock, nodeTimers, SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { PageStore } from "../../src/index.js";
import { xxh64 } from "../format-reader.js";
import {
  applied,
  expectSound,
  fileBytes,
  INCARNATION,
  textKey as key,
  newDisk,
  numberKey,
  openStore,
  PATH,
} from "../store-support.js";

const PAGE = 512;
const random = new SeededRandom(1);

/** A store with generations 2 (index 1, slot A) and 3 (index 2, slot B). */
async function twoGenerations(): Promise<MemoryDisk> {
  const disk = await newDisk();
  const store = await openStore(disk, random, PAGE);
  for (const index of [1, 2]) {
    for (let i = 0; i < 40; i++)
      store.table(1, "t").put(numberKey(i), new Uint8Array(20).fill(index));
    await store.flush(applied(index));
  }
  await store.close();
  return disk;
}

/** The applied index that an open stands on; the state must be that of this index. */
async function indexOf(disk: MemoryDisk): Promise<number> {
  const store = await openStore(disk, random, PAGE);
  const { index } = store.applied;
  for (let i = 0; i < 40; i++) {
    expect(store.table(1, "t").get(numberKey(i))).toEqual(new Uint8Array(20).fill(index));
  }
  await store.close();
  await expectSound(disk);
  return index;
}

const copyAt = (page: number): number => page * PAGE;
const flip = (disk: MemoryDisk, position: number): void =>
  disk.corrupt(PATH, position, Uint8Array.of(1));

/** Changes a superblock on the disk and gives it a checksum that fits. */
async function edit(
  disk: MemoryDisk,
  page: number,
  change: (view: DataView, bytes: Uint8Array) => void,
): Promise<void> {
  const bytes = (await fileBytes(disk)).slice(copyAt(page), copyAt(page) + 512);
  const view = new DataView(bytes.buffer);
  change(view, bytes);
  view.setBigUint64(504, xxh64(bytes.subarray(0, 504)), true);
  const file = await disk.open(PATH);
  await file.write([bytes], copyAt(page));
}

describe("the slot that counts", () => {
  test("is the one with the highest txid when both are whole (INV-SLOT-2)", async () => {
    expect(await indexOf(await twoGenerations())).toBe(2);
  });

  test("is the newest also when one of its copies is torn, whichever (INV-SLOT-1)", async () => {
    for (const page of [0, 1, 2, 3]) {
      const disk = await twoGenerations();
      flip(disk, copyAt(page) + 100);
      expect(await indexOf(disk)).toBe(2);
    }
  });

  test("is the older one when both copies of the newest are torn", async () => {
    const disk = await twoGenerations();
    flip(disk, copyAt(2) + 500);
    flip(disk, copyAt(3) + 8);
    expect(await indexOf(disk)).toBe(1);
  });

  test("does not count with any one byte of its superblock changed (INV-SLOT-1)", async () => {
    const whole = await twoGenerations();
    flip(whole, copyAt(3) + 3);
    for (let at = 0; at < 512; at++) {
      const disk = whole.fork();
      flip(disk, copyAt(2) + at);
      const store = await openStore(disk, random, PAGE);
      expect(store.applied.index, `byte ${at}`).toBe(1);
      await store.close();
    }
  });

  // Found by the fuzzer: the number was read before anybody asked whether the slot can be meant.
  test("is the older one when a number of the newest is too large to be meant, though its checksum is right", async () => {
    const disk = await twoGenerations();
    for (const page of [2, 3]) {
      await edit(disk, page, (view) => view.setBigUint64(48, 2n ** 60n, true));
    }
    expect(await indexOf(disk)).toBe(1);
  });

  test("is the older one when catalog, free list or the root of a table is damaged", async () => {
    const disk = await twoGenerations();
    const file = await fileBytes(disk);
    const view = new DataView(file.buffer, file.byteOffset);
    const catalog = Number(view.getBigUint64(copyAt(2) + 96, true));
    const freeList = Number(view.getBigUint64(copyAt(2) + 120, true));
    const root = Number(view.getBigUint64(catalog * PAGE + 64 + 56, true));
    for (const page of [catalog, freeList, root]) {
      const damaged = disk.fork();
      flip(damaged, page * PAGE + 77);
      expect(await indexOf(damaged)).toBe(1);
    }
  });

  test("is never one that lies in the place of the other slot, or of another page size (INV-SLOT-1)", async () => {
    const disk = await twoGenerations();
    const file = await disk.open(PATH);
    const newest = (await fileBytes(disk)).slice(copyAt(2), copyAt(3));
    await file.write([newest], copyAt(0));
    await file.write([newest], copyAt(1));
    flip(disk, copyAt(2) + 9);
    flip(disk, copyAt(3) + 9);
    expect((await rejectedBy(openStore(disk, random, PAGE))).code).toBe("STORE_NO_VALID_SLOT");
    const other = await twoGenerations();
    for (const page of [2, 3]) await edit(other, page, (view) => view.setUint32(12, 4096, true));
    expect(await indexOf(other)).toBe(1);
  });

  test("has a high-water page that a file can have (INV-SLOT-1)", async () => {
    for (const highWater of [15n, 2n ** 31n]) {
      const disk = await twoGenerations();
      for (const page of [2, 3]) {
        await edit(disk, page, (view) => view.setBigUint64(144, highWater, true));
      }
      expect(await indexOf(disk)).toBe(1);
    }
  });

  test("stays what it is: after standing on the older one the store goes on from there", async () => {
    const disk = await twoGenerations();
    flip(disk, copyAt(2));
    flip(disk, copyAt(3));
    const store = await openStore(disk, random, PAGE);
    store.table(1, "t").put(key("new"), key("value"));
    await store.flush(applied(7));
    await store.close();
    await expectSound(disk);
    const again = await openStore(disk, random, PAGE);
    expect(again.applied.index).toBe(7);
    expect(again.table(1, "t").count).toBe(41);
    await again.close();
  });
});

describe("a file without a valid slot", () => {
  test("is refused with STORE_NO_VALID_SLOT naming it, and is not changed", async () => {
    const disk = await twoGenerations();
    for (const page of [0, 1, 2, 3]) flip(disk, copyAt(page) + 60);
    const before = await fileBytes(disk);
    const error = await rejectedBy(openStore(disk, random, PAGE));
    expect(error).toMatchObject({ code: "STORE_NO_VALID_SLOT", details: { file: PATH } });
    expect(error.message).toContain(PATH);
    expect(await fileBytes(disk)).toEqual(before);
  });

  test("says which pages are damaged when both slots lead nowhere", async () => {
    const disk = await twoGenerations();
    const file = await fileBytes(disk);
    const view = new DataView(file.buffer, file.byteOffset);
    const catalogs = [0, 2].map((page) => Number(view.getBigUint64(copyAt(page) + 96, true)));
    for (const page of catalogs) flip(disk, page * PAGE + 70);
    const error = await rejectedBy(openStore(disk, random, PAGE));
    expect(error.code).toBe("STORE_NO_VALID_SLOT");
    for (const page of catalogs) {
      expect(error.message).toContain(
        `page ${page} of the catalog of ${PATH}: its checksum does not match its parent's`,
      );
    }
  });

  test("is created anew when creation never came further than slot A, and only then", async () => {
    for (const bytes of [0, 100, 512, 1024]) {
      const disk = await newDisk();
      const file = await disk.open(PATH, { create: true });
      await file.write([new Uint8Array(bytes).fill(0x89)], 0);
      const store = await openStore(disk, random, PAGE);
      expect(store.applied.index).toBe(0);
      await store.close();
    }
    // An empty store that was opened once has a slot B; it was finished, so losing all copies is damage.
    const disk = await newDisk();
    await (await openStore(disk, random, PAGE)).close();
    for (const page of [0, 1, 2, 3]) flip(disk, copyAt(page) + 60);
    const error = await rejectedBy(openStore(disk, random, PAGE));
    expect(error.code).toBe("STORE_NO_VALID_SLOT");
  });
});

describe("a file of somebody else", () => {
  async function openAs(disk: MemoryDisk, groupId: number, incarnation: Uint8Array) {
    const options = { path: PATH, cacheBytes: 0, groupId, incarnation };
    return PageStore.open(options, { disk, clock: nodeClock, timers: nodeTimers, random });
  }

  test("of another group or another node is refused with DATA_DIR_INVALID", async () => {
    const disk = await twoGenerations();
    const before = await fileBytes(disk);
    const group = await rejectedBy(openAs(disk, 2, INCARNATION));
    expect(group).toMatchObject({ code: "DATA_DIR_INVALID", details: { file: PATH } });
    expect(group.message).toContain(`${PATH} belongs to group 1`);
    const node = await rejectedBy(openAs(disk, 1, new Uint8Array(16).fill(8)));
    expect(node.code).toBe("DATA_DIR_INVALID");
    expect(node.message).toContain(`${PATH} belongs to another node`);
    expect(await fileBytes(disk)).toEqual(before);
  });
});

describe("a file of a newer format", () => {
  const newer = (view: DataView): void => view.setUint32(8, 2, true);

  test("is refused with FORMAT_NEWER, also when the other slot could be read", async () => {
    for (const pages of [[0, 1, 2, 3], [2, 3], [0], [3]]) {
      const disk = await twoGenerations();
      for (const page of pages) await edit(disk, page, newer);
      const before = await fileBytes(disk);
      const error = await rejectedBy(openStore(disk, random, PAGE));
      expect(error).toMatchObject({ code: "FORMAT_NEWER", details: { format: 2, file: PATH } });
      expect(await fileBytes(disk)).toEqual(before);
    }
  });

  test("is known by a whole superblock: a damaged format number is damage", async () => {
    const disk = await twoGenerations();
    for (const page of [2, 3]) flip(disk, copyAt(page) + 9);
    expect(await indexOf(disk)).toBe(1);
  });
});

describe("the page size", () => {
  test("is that of the file, whatever is asked for", async () => {
    const disk = await twoGenerations();
    const store = await openStore(disk, random, 4096);
    expect(store.applied.index).toBe(2);
    expect(store.table(1, "t").count).toBe(40);
    await store.close();
  });

  test("of a new file is a power of two from 512 to 32768", async () => {
    for (const pageBytes of [0, 256, 513, 65_536]) {
      const error = await rejectedBy(openStore(await newDisk(), random, pageBytes));
      expect(error.code).toBe("STORE_INTERNAL");
    }
    for (const pageBytes of [512, 32_768]) {
      const disk = await newDisk();
      const store = await openStore(disk, random, pageBytes);
      store.table(1, "t").put(key("k"), key("v"));
      await store.flush(applied(1));
      await store.close();
      await expectSound(disk);
    }
  });
});

describe("the open epoch", () => {
  test("of a second opener ends the first one before it writes a slot: STORE_FENCED, then STORE_CLOSED", async () => {
    const disk = await newDisk();
    const first = await openStore(disk, random, PAGE);
    first.table(1, "t").put(key("a"), key("first"));
    await first.flush(applied(1));
    const second = await openStore(disk, random, PAGE);
    first.table(1, "t").put(key("a"), key("late"));
    expect((await rejectedBy(first.flush(applied(2)))).code).toBe("STORE_FENCED");
    expect(() => first.flush(applied(3))).toThrow(
      /is closed, after: .* was opened by another process/,
    );
    expect(() => first.pin("reader")).toThrow(expect.objectContaining({ code: "STORE_CLOSED" }));
    await first.close();
    expect(second.table(1, "t").get(key("a"))).toEqual(key("first"));
    second.table(1, "t").put(key("b"), key("second"));
    await second.flush(applied(4));
    await second.close();
    await expectSound(disk);
  });
});
