/** `checkStore` finds what is wrong in a file, also where every checksum fits. */
import { FaultyDisk, type MemoryDisk, SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { checkStore } from "../../src/index.js";
import { forge } from "../forge.js";
import { readStore, type SeenPage } from "../format-reader.js";
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
const random = new SeededRandom(9);

interface Sound {
  readonly disk: MemoryDisk;
  readonly leaf: SeenPage;
  readonly root: SeenPage;
  readonly catalog: number;
  readonly freeList: number;
  /** First page of a long value. */
  readonly value: number;
}

/** A store of one generation that has everything: branches, a long value, free pages. */
async function sound(): Promise<Sound> {
  const disk = await newDisk();
  const store = await openStore(disk, random, PAGE);
  for (const index of [1, 2]) {
    for (let n = 0; n < 100; n++) store.table(1, "t").put(numberKey(n), new Uint8Array(30).fill(n));
    store.table(2, "u").put(key("long"), new Uint8Array(1_000).fill(0xee));
    await store.flush(applied(index));
  }
  await store.close();
  // Both slots have the same roots after an open, so a page is wrong for both.
  await (await openStore(disk, random, PAGE)).close();
  const pages: SeenPage[] = [];
  const bytes = Buffer.from(await fileBytes(disk));
  const [newest] = readStore(bytes, (page) => pages.push(page));
  const newestSlot = newest!.txid % 2 === 0 ? 0 : 2 * PAGE;
  return {
    disk,
    leaf: pages.find(({ level, table }) => level === 0 && table === "t")!,
    root: pages.find(({ isRoot, table }) => isRoot && table === "t")!,
    catalog: Number(bytes.readBigUInt64LE(newestSlot + 96)),
    freeList: Number(bytes.readBigUInt64LE(newestSlot + 120)),
    value: Math.floor(bytes.lastIndexOf(Buffer.alloc(1_000, 0xee)) / PAGE),
  };
}

async function problemsOf(disk: MemoryDisk): Promise<string[]> {
  const { problems, problemCount } = await checkStore(disk, PATH);
  expect(problemCount).toBe(problems.length);
  return problems.map(({ slot, page, table, what }) => `${slot} ${page} ${table}: ${what}`);
}

/** What is found in both slots after a change of one page, its checksums mended. */
async function afterForging(
  place: (sound: Sound) => number,
  change: (bytes: Buffer, sound: Sound) => void,
): Promise<{ problems: string[]; at: Sound }> {
  const at = await sound();
  await forge(at.disk, place(at), (bytes) => change(bytes, at));
  return { problems: await problemsOf(at.disk), at };
}

describe("a check", () => {
  test("of a sound file tells what it holds", async () => {
    const { disk } = await sound();
    const report = await checkStore(disk, PATH);
    expect(report).toMatchObject({
      path: PATH,
      pageBytes: PAGE,
      generations: [4, 3],
      appliedIndex: 2,
      tables: [
        { id: 1, name: "t", count: 100 },
        { id: 2, name: "u", count: 1 },
      ],
      problems: [],
      problemCount: 0,
    });
    expect(report.freePages).toBeGreaterThan(0);
    expect(report.pages).toBeGreaterThan(16 + report.freePages);
  });

  test("only reads", async () => {
    const { disk } = await sound();
    const kinds = new Set<string>();
    await checkStore(
      new FaultyDisk(disk, ({ kind }) => {
        kinds.add(kind);
        return undefined;
      }),
      PATH,
    );
    expect([...kinds].sort()).toEqual(["open", "read"]);
  });

  test("names slot, page and table of a damaged page, in both slots that reach it", async () => {
    const { disk, leaf, value } = await sound();
    disk.corrupt(PATH, leaf.page * PAGE + 300, Uint8Array.of(4));
    disk.corrupt(PATH, value * PAGE + 999, Uint8Array.of(4));
    const found = await problemsOf(disk);
    for (const slot of ["A", "B"]) {
      expect(found).toContain(`${slot} ${leaf.page} t: its checksum does not match its parent's`);
      expect(found).toContain(
        `${slot} ${value} u: the checksum of a value does not match its leaf's`,
      );
    }
  });

  test("reports a slot whose catalog cannot be read, and a file without any slot", async () => {
    const { disk, catalog } = await sound();
    const cut = disk.fork();
    disk.corrupt(PATH, catalog * PAGE + 90, Uint8Array.of(1));
    const why = `page ${catalog} of the catalog of ${PATH}: its checksum does not match its parent's`;
    expect((await problemsOf(disk)).sort()).toEqual([`A 0 : ${why}`, `B 0 : ${why}`]);
    await (await cut.open(PATH)).truncate(100);
    expect(await problemsOf(cut)).toEqual(["- 0 : no slot is valid"]);
  });

  test("finds a page that is neither reachable nor free (INV-SPACE-1)", async () => {
    let lost = [0, 0];
    const { problems } = await afterForging(
      ({ freeList }) => freeList,
      (bytes) => {
        const last = 64 + 16 * (bytes.readUInt16LE(2) - 1);
        lost = [bytes.readUIntLE(last, 6), bytes.readUInt32LE(last + 6)];
        bytes.writeUInt16LE(bytes.readUInt16LE(2) - 1, 2);
      },
    );
    expect(lost[1]).toBeGreaterThan(0);
    expect(problems).toHaveLength(2 * lost[1]!);
    expect(problems).toContain(`A ${lost[0]} : neither reachable nor free: leaked`);
  });

  test("finds a page that is both reachable and free, or outside the file (INV-SPACE-1)", async () => {
    const { problems, at } = await afterForging(
      ({ freeList }) => freeList,
      (bytes, { leaf }) => bytes.writeUIntLE(leaf.page, 64, 6),
    );
    expect(problems).toContain(`A ${at.leaf.page} t: used twice`);
    const { problems: outside } = await afterForging(
      ({ freeList }) => freeList,
      (bytes) => bytes.writeUIntLE(5_000, 64, 6),
    );
    expect(outside).toContain("B 5000 free list: outside the file");
  });

  test("finds a count of entries that is not that of the leaves", async () => {
    const { problems, at } = await afterForging(
      ({ catalog }) => catalog,
      (bytes) => bytes.writeUInt8(101, 64 + 8),
    );
    const what = `${at.root.page} t: 100 entries, the catalog counts 101`;
    expect(problems.sort()).toEqual([`A ${what}`, `B ${what}`]);
  });

  test("finds keys out of order, and keys on the wrong side of a separator (INV-PAGE-1, INV-BRANCHPAGE-1)", async () => {
    const { problems, at } = await afterForging(
      ({ leaf }) => leaf.page,
      (bytes) => {
        const [a, b] = [bytes.subarray(40, 48), bytes.subarray(48, 56)];
        const first = Buffer.from(a);
        b.copy(a);
        first.copy(b);
      },
    );
    expect(problems).toContain(`A ${at.leaf.page} t: key ${at.leaf.cells[0]!.key} is out of order`);
    const { problems: moved, at: right } = await afterForging(
      ({ leaf }) => leaf.page,
      (bytes) => {
        // The head of the last key, most significant byte.
        bytes[40 + 8 * (bytes.readUInt16LE(2) - 1) + 3] = 0xff;
      },
    );
    expect(moved.join("\n")).toMatch(
      new RegExp(`A ${right.leaf.page} t: key .* belongs to the right`),
    );
  });

  test("finds a page of another number, table, generation or level", async () => {
    for (const [at, what] of [
      [4, /it says that it is page/],
      [36, /it says that it belongs to table/],
      [17, /it is of generation/],
      [1, /it is of level/],
    ] as const) {
      const { problems, at: where } = await afterForging(
        ({ leaf }) => leaf.page,
        (bytes) => bytes.writeUInt8(bytes[at]! ^ 8, at),
      );
      expect(problems[0]).toContain(` ${where.leaf.page} t: `);
      expect(problems[0]).toMatch(what);
    }
  });

  test("finds a branch with one child, and a pointer without a checksum (INV-BRANCHPAGE-2, INV-PTR-1)", async () => {
    const lonely = await afterForging(
      ({ root }) => root.page,
      (bytes) => bytes.writeUInt16LE(1, 2),
    );
    expect(lonely.problems).toContain(`A ${lonely.at.root.page} t: a branch with 1 children`);
    const unsealed = await afterForging(
      ({ root }) => root.page,
      (bytes, { root }) => bytes.writeUInt8(0, root.cells[0]!.at + 16),
    );
    expect(unsealed.problems).toContain(`A ${unsealed.at.root.page} t: pointer 0 has no checksum`);
  });

  test("of a file that is not there fails with IO_READ_FAILED", async () => {
    expect((await rejectedBy(checkStore(await newDisk(), PATH))).code).toBe("IO_READ_FAILED");
  });
});
