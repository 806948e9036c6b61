/** What `debug slot` and `debug page` are made of: every page of a file is something, and says so. */
import { MemoryDisk } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { rejectedBy, testRandom } from "../../../../test/support.js";
import { checkStore, inspectPage, inspectSlots, type PageReport } from "../../src/index.js";
import { applied, numberKey, openStore, PATH } from "../store-support.js";

const PAGE = 512;
const ROWS = 300;
const random = testRandom("inspect");

/** Two generations: many rows, some with long values; then some of them deleted. */
async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = await openStore(disk, random, PAGE);
  const table = store.table(1, "a");
  for (let n = 0; n < ROWS; n++) {
    table.put(numberKey(n), random.bytes(n % 50 === 0 ? 1_200 : 40));
  }
  await store.flush(applied(1));
  table.deleteRange(numberKey(100), numberKey(200));
  await store.flush(applied(2));
  await store.close();
  return disk;
}

async function allPages(disk: MemoryDisk): Promise<PageReport[]> {
  const { pages } = await checkStore(disk, PATH);
  const reports: PageReport[] = [];
  for (let page = 0; page < pages; page++) reports.push(await inspectPage(disk, PATH, page));
  return reports;
}

describe("a page of a store's file", () => {
  test("is a superblock, unused, of a tree, a value, a chain or free; what is in use matches its parent", async () => {
    const disk = await filled();
    const reports = await allPages(disk);
    const kinds = new Set(reports.map(({ kind }) => kind));
    const every = ["superblock", "unused", "leaf", "branch", "value", "catalog", "free list"];
    expect([...kinds].filter((kind) => kind !== "free").sort()).toEqual([...every].sort());
    const used = reports.filter(({ reachedBy }) => reachedBy.length > 0);
    expect(used.map(({ checksum }) => checksum)).toEqual(used.map(() => "matches"));
    expect(reports.filter(({ page }) => page >= 16).every(({ kind }) => kind !== "unknown")).toBe(
      true,
    );
    const newest = used.filter(({ kind, reachedBy }) => kind === "leaf" && reachedBy.includes("B"));
    const keys = newest.flatMap(({ entries }) =>
      entries.map(({ key }) => Buffer.from(key).toString("hex")),
    );
    expect(new Set(keys).size).toBe(ROWS - 100);
    expect(newest.every(({ table }) => table?.name === "a")).toBe(true);
  });

  test("that is damaged says so and shows no rows; nothing behind it is followed", async () => {
    const disk = await filled();
    const leaf = (await allPages(disk)).find(
      ({ kind, reachedBy }) => kind === "leaf" && reachedBy.length === 1,
    )!;
    disk.corrupt(PATH, leaf.page * PAGE + 100, Uint8Array.of(1));
    const report = await inspectPage(disk, PATH, leaf.page);
    expect(report).toMatchObject({ checksum: "differs", entries: [], parent: leaf.parent });
    disk.corrupt(PATH, leaf.parent! * PAGE + 100, Uint8Array.of(1));
    expect((await inspectPage(disk, PATH, leaf.page)).reachedBy).toEqual([]);
  });

  test("behind the end of the file is nothing that anybody knows", async () => {
    const report = await inspectPage(await filled(), PATH, 100_000);
    expect(report).toMatchObject({
      kind: "unknown",
      reachedBy: [],
      checksum: "nobody points at it",
    });
  });
});

describe("the slots of a store's file", () => {
  test("are shown copy by copy, with what an open would stand on", async () => {
    const disk = await filled();
    const copies = await inspectSlots(disk, PATH);
    expect(copies.map(({ slot, copy, verdict, role }) => [slot, copy, verdict, role])).toEqual([
      ["A", 1, "valid", "older"],
      ["A", 2, "valid", "older"],
      ["B", 1, "valid", "newest"],
      ["B", 2, "valid", "newest"],
    ]);
    expect(copies.map(({ superblock }) => superblock?.appliedIndex)).toEqual([1, 1, 2, 2]);
    disk.corrupt(PATH, 2 * PAGE + 80, Uint8Array.of(1));
    const damaged = await inspectSlots(disk, PATH);
    expect(damaged[2]).toMatchObject({ verdict: "damaged: its checksum does not match" });
    expect(damaged[3]).toMatchObject({ verdict: "valid", role: "newest" });
    const { catalogPage } = damaged[3]!.superblock!;
    disk.corrupt(PATH, catalogPage * PAGE + 70, Uint8Array.of(1));
    const [, , , copy] = await inspectSlots(disk, PATH);
    expect(copy!.problem).toContain(`page ${catalogPage} of the catalog`);
  });
});

describe("a store that is opened for reading only", () => {
  test("reads the newest state, changes no byte and flushes nothing", async () => {
    const disk = await filled();
    const before = await bytesOf(disk);
    const store = await openStore(disk, random, PAGE, 256, { readOnly: true });
    expect(store.table(1, "a").count).toBe(ROWS - 100);
    expect(store.applied.index).toBe(2);
    expect(() => store.flush(applied(3))).toThrow("opened for reading only");
    await store.close();
    expect(await bytesOf(disk)).toEqual(before);
    const none = await rejectedBy(
      openStore(new MemoryDisk(), random, PAGE, 256, { readOnly: true }),
    );
    expect(none.code).toBe("IO_READ_FAILED");
  });
});

async function bytesOf(disk: MemoryDisk): Promise<Uint8Array> {
  const file = await disk.open(PATH);
  const bytes = new Uint8Array(file.size());
  file.readSync(bytes, 0);
  return bytes;
}
