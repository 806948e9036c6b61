/** What the pages of a tree look like on disk after any history, seen by the second reader. */
import type { SeededRandom } from "@authledger/io";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import type { PageStore, Table } from "../../src/index.js";
import { cellBytesMax } from "../../src/tree/leaf-page.js";
import { readStore, type SeenPage } from "../format-reader.js";
import {
  applied,
  fileBytes,
  Model,
  newDisk,
  numberKey,
  openStore,
  randomChange,
} from "../store-support.js";

type Disk = Awaited<ReturnType<typeof newDisk>>;

/** The pages of the newest generation. */
async function pagesOf(disk: Disk): Promise<SeenPage[]> {
  const seen: (readonly [SeenPage, number])[] = [];
  const [newest] = readStore(await fileBytes(disk), (page, txid) => seen.push([page, txid]));
  return seen.flatMap(([page, txid]) => (txid === newest!.txid ? [page] : []));
}

/** Random histories, with what is on disk after each flush. */
async function eachFlush(
  random: SeededRandom,
  pageBytes: number,
  look: (pages: readonly SeenPage[]) => void,
): Promise<void> {
  for (let round = 0; round < testRounds(2); round++) {
    const disk = await newDisk();
    const store = await openStore(disk, random, pageBytes);
    const model = new Model();
    for (let flush = 1; flush <= 5; flush++) {
      const deletes = random.pick([10, 40, 80]);
      for (let i = 0; i < 400; i++) {
        randomChange(store.table(1, "t"), model, random, { space: 2_000, pageBytes, deletes });
      }
      await store.flush(applied(flush));
      look(await pagesOf(disk));
    }
    await store.close();
  }
}

describe.each([512, 4096])("pages of %i bytes", (pageBytes) => {
  test("have keys that ascend, within the bounds of the separators above (INV-PAGE-1, INV-BRANCHPAGE-1, INV-TREE-1)", async () => {
    const random = testRandom("page keys");
    let branches = 0;
    await eachFlush(random, pageBytes, (pages) => {
      for (const { level, cells, from, to } of pages) {
        const keys = cells.map(({ key }) => key).slice(level > 0 ? 1 : 0);
        for (const [i, key] of keys.entries()) {
          if (i > 0) expect(key > keys[i - 1]!).toBe(true);
          expect(from === undefined || key >= from).toBe(true);
          expect(to === undefined || key < to).toBe(true);
        }
        if (level > 0) branches++;
      }
    });
    expect(branches).toBeGreaterThan(0);
  });

  test("account for every byte: slots, free bytes, cells, garbage, prefix (INV-PAGE-2)", async () => {
    await eachFlush(testRandom("page bytes"), pageBytes, (pages) => {
      for (const { lower, upper, garbage, prefixBytes, cells } of pages) {
        expect(lower).toBe(40 + 8 * cells.length);
        expect(upper).toBeGreaterThanOrEqual(lower);
        const places = [...cells].sort((a, b) => a.at - b.at);
        let end = upper;
        for (const { at, bytes } of places) {
          expect(at).toBeGreaterThanOrEqual(end);
          end = at + bytes;
        }
        expect(end).toBeLessThanOrEqual(pageBytes - prefixBytes);
        const used = cells.reduce((sum, { bytes }) => sum + bytes, 0);
        expect(used + garbage).toBe(pageBytes - prefixBytes - upper);
      }
    });
  });

  test("share a prefix, which is stored once; cells hold what it leaves over (INV-PAGE-3)", async () => {
    const random = testRandom("page prefix");
    let shared = 0;
    await eachFlush(random, pageBytes, (pages) => {
      for (const { level, prefixBytes, cells } of pages) {
        const keys = cells.slice(level > 0 ? 1 : 0).map(({ key }) => key);
        for (const key of keys) {
          expect(key.startsWith(keys[0]!.slice(0, 2 * prefixBytes))).toBe(true);
        }
        if (level === 0) {
          for (const { key, bytes, value } of cells) {
            const rest = Math.max(0, key.length / 2 - prefixBytes - 4);
            expect(bytes).toBe(rest + (value!.inline ? 2 + value!.bytes : 30));
          }
        }
        if (prefixBytes > 20) shared++;
      }
    });
    expect(shared).toBeGreaterThan(0);
  });

  test("hold a value in the leaf exactly when the cell takes at most a quarter (INV-LEAF-1)", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("inline"), pageBytes);
    const table = store.table(1, "t");
    const most = cellBytesMax(pageBytes) - 8 - 2;
    expect(cellBytesMax(pageBytes)).toBe(Math.floor((pageBytes - 40) / 4));
    for (let n = 0; n < 20; n++) {
      for (const [i, over] of [-1, 0, 1].entries()) {
        const key = new Uint8Array(1 + n * 3).fill(n + 1);
        key[0] = i;
        table.put(key, new Uint8Array(most - key.length + over).fill(1));
      }
    }
    await store.flush(applied(1));
    let cells = 0;
    for (const page of await pagesOf(disk)) {
      if (page.level > 0) continue;
      for (const { key, value } of page.cells) {
        expect(value!.inline).toBe(
          8 + 2 + key.length / 2 + value!.bytes <= cellBytesMax(pageBytes),
        );
        cells++;
      }
    }
    expect(cells).toBe(60);
    await store.close();
  });

  test("are a tree: leaves at one depth, two children at least, no page older than what is below it (INV-TREE-2, INV-TREE-4, INV-BRANCHPAGE-2, INV-PTR-1)", async () => {
    // The reader itself refuses a child that is not one level down, and a pointer without a checksum.
    await eachFlush(testRandom("page tree"), pageBytes, (pages) => {
      for (const { level, cells, txid, parentTxid } of pages) {
        expect(cells.length).toBeGreaterThanOrEqual(level > 0 ? 2 : 1);
        expect(txid).toBeLessThanOrEqual(parentTxid);
      }
      const roots = pages.filter(({ isRoot }) => isRoot);
      expect(roots.length).toBeLessThanOrEqual(1);
      const top = roots[0]?.level ?? 0;
      for (let level = 0; level <= top && pages.length > 0; level++) {
        expect(pages.some((page) => page.level === level)).toBe(true);
      }
    });
  });
});

describe("a delete", () => {
  const PAGE = 512;
  const used = ({ prefixBytes, cells }: SeenPage): number =>
    cells.reduce((sum, { bytes }) => sum + bytes + 8, prefixBytes);
  const keysOf = ({ cells }: SeenPage): string[] => cells.map(({ key }) => key);

  async function leaves(store: PageStore, disk: Disk, index: number): Promise<SeenPage[]> {
    await store.flush(applied(index));
    return (await pagesOf(disk)).filter(({ level }) => level === 0);
  }

  test("that leaves a page less than a third full joins it with a neighbour or shares its cells (INV-TREE-3)", async () => {
    const random = testRandom("sparse pages");
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE);
    const table = store.table(1, "t");
    const keys = Array.from({ length: 160 }, (_, n) => numberKey(n));
    for (const key of keys) table.put(key, random.bytes(5 + random.int(95)));
    let before = await leaves(store, disk, 1);
    const seen = { joined: 0, shared: 0 };
    for (let index = 2; keys.length > 0; index++) {
      const [key] = keys.splice(random.int(keys.length), 1);
      table.delete(key!);
      const after = await leaves(store, disk, index);
      const page = before.find((leaf) => keysOf(leaf).includes(toHex(key!)))!;
      const rest = keysOf(page).filter((other) => other !== toHex(key!));
      const same = after.find((leaf) => keysOf(leaf).join() === rest.join());
      if (same !== undefined && !same.isRoot) expect(used(same) * 3).toBeGreaterThanOrEqual(PAGE);
      if (after.length < before.length) seen.joined++;
      else if (same === undefined) seen.shared++;
      before = after;
    }
    expect(seen.joined).toBeGreaterThan(5);
    expect(seen.shared).toBeGreaterThan(0);
    expect(before).toEqual([]);
    await store.close();
  });

  test("of nearly everything leaves a small tree: pages follow the entries (INV-TREE-3)", async () => {
    const random = testRandom("shrinking tree");
    const disk = await newDisk();
    const store = await openStore(disk, random, PAGE, 4_096);
    const table: Table = store.table(1, "t");
    const keys = Array.from({ length: 5_000 }, (_, n) => numberKey(n));
    for (const key of keys) table.put(key, random.bytes(20));
    const full = (await leaves(store, disk, 1)).length;
    while (keys.length > 100) table.delete(keys.splice(random.int(keys.length), 1)[0]!);
    const left = (await leaves(store, disk, 2)).length;
    expect(table.count).toBe(100);
    // At least a third full each, half of them could not be joined at worst.
    expect(left).toBeLessThan((full * 100 * 6) / 5_000);
    await store.close();
  });
});
