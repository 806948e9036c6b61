/**
 * The bytes on disk: whole files against bytes worked out by hand from docs/format/page-store.md, and any file
 * against a reader that was written from that document alone.
 */
import { readFileSync } from "node:fs";
import type { MemoryDisk } from "@authledger/io";
import { type AnyLayout, fromHex, layoutTable, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { Checksum } from "../../src/format/checksum.js";
import { PAGE_HEADER } from "../../src/format/page-header.js";
import {
  OVERFLOW_REFERENCE,
  POINTER,
  POINTER_ALGORITHM_AT,
  POINTER_BYTES,
  POINTER_PAGES_AT,
  POINTER_SUM_AT,
} from "../../src/format/pointer.js";
import { CATALOG_RECORD, FREE_RECORD } from "../../src/format/records.js";
import { STORE_FORMAT, SUPERBLOCK } from "../../src/format/superblock.js";
import * as slotted from "../../src/tree/slotted-page.js";
import { readStore, xxh64 } from "../format-reader.js";
import {
  applied,
  fileBytes,
  textKey as key,
  Model,
  newDisk,
  openStore,
  randomChange,
} from "../store-support.js";

const PAGE = 512;
const zeros = (bytes: number): string => "00".repeat(bytes);

/** Eight bytes of a checksum, as they lie in the file. */
function sumOf(hex: string): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, xxh64(fromHex(hex)), true);
  return toHex(bytes);
}

async function pageHex(disk: MemoryDisk, page: number, bytes = PAGE): Promise<string> {
  const file = await fileBytes(disk);
  return toHex(file.subarray(page * PAGE, page * PAGE + bytes));
}

/** A superblock of the file below, which has group 1, node 07.. and uuid aa.. */
function superblock(about: {
  epoch: string;
  txid: string;
  applied: string;
  roots: string;
  high: string;
  time: string;
  digest: string;
}): string {
  const before =
    "894c45440d0a1a0a" + // magic
    "01000000" + // format
    "00020000" + // 512 bytes a page
    "aa".repeat(16) + // uuid of the file
    "07".repeat(16) + // incarnation of the node
    "0100000000000000" + // group
    about.epoch +
    about.txid +
    about.applied + // index, term, index of the configuration
    about.roots + // catalog, free list: page, xxh64, algorithm, zeros
    about.high +
    about.time +
    about.digest +
    zeros(40) +
    zeros(16) + // key salt
    zeros(248) +
    zeros(8);
  expect(before.length).toBe(2 * 504);
  return before + sumOf(before);
}

const NO_ROOT = zeros(24);
const CHANGES = { index: 5, term: 2, configIndex: 4, leaderTimeMs: 0x0102 };

describe("a new store", () => {
  test("is generation 0 in slot A and the first open epoch in slot B, both copies alike", async () => {
    const disk = await newDisk();
    await (await openStore(disk, { bytes: (n) => new Uint8Array(n).fill(0xaa) }, PAGE)).close();
    const about = { applied: zeros(24), roots: NO_ROOT + NO_ROOT, time: zeros(8) };
    const common = { ...about, high: "1000000000000000", digest: zeros(32) };
    const a = superblock({ ...common, epoch: zeros(8), txid: zeros(8) });
    const b = superblock({ ...common, epoch: "0100000000000000", txid: "0100000000000000" });
    expect(toHex(await fileBytes(disk))).toBe(a + a + b + b);
  });
});

describe("a store with one leaf", () => {
  const value = new Uint8Array(200).fill(0x55);
  const leaf =
    "01" + // leaf
    "00" + // level
    "0200" + // cells
    "100000000000" + // page 16
    "0200" + // two bytes of prefix
    "0200000000000000" + // generation 2
    "3800" + // slots end at 56
    "db01" + // cells begin at 475
    zeros(12) +
    "0300" + // table 3
    "0000" + // no garbage
    // slot 0: "ple" with a zero, least byte first; cell at 506; suffix of 3
    "00656c70" +
    "fa01" +
    "0300" +
    // slot 1: "rico"; cell at 475; suffix of 5
    "6f636972" +
    "db01" +
    "0500" +
    zeros(475 - 56) +
    // cell 1: "t", reference to a value of 200 bytes on page 17
    "74" +
    "1c80" +
    "110000000000" +
    "0100" +
    sumOf("55".repeat(200)) +
    "01" +
    zeros(7) +
    "c8000000" +
    // cell 0: no rest of a key; two bytes
    "0200" +
    "0102" +
    // prefix "ap"
    "6170";
  const catalog =
    "03" + // catalog
    "00" +
    "0100" + // one record
    "120000000000" + // page 18
    "0000" +
    "0200000000000000" +
    "9000" + // records end at 144
    "0002" +
    zeros(12) +
    "0000" +
    "0000" +
    NO_ROOT + // no next page
    "0300" + // table 3
    "01" + // one level
    "01" + // one byte of name
    "00000000" +
    "0200000000000000" + // two entries
    "74" + // "t"
    zeros(39) +
    "1000000000000000" + // root: page 16
    sumOf(leaf) +
    "01" +
    zeros(7) +
    zeros(512 - 144);

  test("is superblock, leaf, value and catalog, each byte as documented", async () => {
    const disk = await newDisk();
    const random = { bytes: (n: number): Uint8Array => new Uint8Array(n).fill(0xaa) };
    const store = await openStore(disk, random, PAGE);
    const table = store.table(3, "t");
    table.put(key("apple"), Uint8Array.of(1, 2));
    table.put(key("apricot"), value);
    await store.flush({ ...CHANGES, digest: new Uint8Array(32).fill(0xdd) });
    await store.close();
    expect(leaf.length).toBe(2 * PAGE);
    expect(await pageHex(disk, 16)).toBe(leaf);
    expect(await pageHex(disk, 17, 200)).toBe("55".repeat(200));
    expect(catalog.length).toBe(2 * PAGE);
    expect(await pageHex(disk, 18)).toBe(catalog);
    const slot = superblock({
      epoch: "0100000000000000",
      txid: "0200000000000000",
      applied: "0500000000000000" + "0200000000000000" + "0400000000000000",
      roots: `1200000000000000${sumOf(catalog)}01${zeros(7)}${NO_ROOT}`,
      high: "1300000000000000",
      time: "0201000000000000",
      digest: "dd".repeat(32),
    });
    expect([await pageHex(disk, 0), await pageHex(disk, 1)]).toEqual([slot, slot]);
  });
});

describe("a store with a branch and free pages", () => {
  const leafOf = (page: string, txid: string, cells: string, lower: string, upper: string) =>
    `0100${cells}${page}0000${txid}${lower}${upper}${zeros(12)}01000000`;

  test("has pointers with checksums in the branch, and extents with their generation", async () => {
    const disk = await newDisk();
    const store = await openStore(disk, testRandom("format"), PAGE);
    const table = store.table(1, "t");
    for (const [i, name] of ["a1", "b2", "c3", "d4", "e5"].entries()) {
      table.put(key(name), new Uint8Array(100).fill(i + 1));
    }
    await store.flush(applied(1)); // pages 16 and 17 leaves, 18 root, 19 catalog
    table.put(key("e5"), new Uint8Array(100).fill(9)); // root 20, leaf 21
    await store.flush(applied(2)); // catalog 22, free list 23
    await store.close();
    const cell = (i: string): string => `6400${i.repeat(100)}`; // 100 bytes of value
    const left =
      leafOf("100000000000", "0200000000000000", "0400", "4800", "6800") +
      // each key lies in its slot; cells of 102 bytes from 410, 308, 206 and 104 on
      `00003161${"9a01"}0200` +
      `00003262${"3401"}0200` +
      `00003363${"ce00"}0200` +
      `00003464${"6800"}0200` +
      zeros(104 - 72) +
      cell("04") +
      cell("03") +
      cell("02") +
      cell("01");
    const right =
      // the page has one key, so all of it is prefix; its cell ends before that
      "01000100150000000000" +
      "0200" +
      "0300000000000000" +
      `3000${"9801"}${zeros(12)}01000000` +
      `00000000${"9801"}0000` +
      zeros(408 - 48) +
      cell("09") +
      "6535";
    const root =
      "0201" + // branch, one above the leaves
      "0200" +
      "140000000000" + // page 20
      "0000" +
      "0300000000000000" + // generation 3
      "3800" +
      "d001" + // cells from 464 on
      zeros(12) +
      "0100" +
      "0000" +
      `00000000${"e801"}0000` + // the first child has no key; cell at 488
      `00000065${"d001"}0100` + // separator "e"; cell at 464
      zeros(464 - 56) +
      `150000000000${"0100"}${sumOf(right)}01${zeros(7)}` +
      `100000000000${"0100"}${sumOf(left)}01${zeros(7)}`;
    const free =
      "0400" + // free list
      "0300" + // three extents
      "170000000000" + // page 23
      "0000" +
      "0300000000000000" +
      "7000" + // records end at 112
      "0002" +
      zeros(16) +
      NO_ROOT +
      `120000000000${"01000000"}030000000000` + // the old root, let go by generation 3
      `110000000000${"01000000"}030000000000` + // the old leaf
      `130000000000${"01000000"}030000000000` + // the old catalog
      zeros(512 - 112);
    expect(await pageHex(disk, 16)).toBe(left);
    expect(await pageHex(disk, 21)).toBe(right);
    expect(await pageHex(disk, 20)).toBe(root);
    expect(await pageHex(disk, 23)).toBe(free);
  });
});

describe("any store", () => {
  for (const pageBytes of [512, 4096]) {
    test(`with ${pageBytes}-byte pages is read by a reader written from the document`, async () => {
      const random = testRandom(`second reader ${pageBytes}`);
      for (let round = 0; round < testRounds(4); round++) {
        const disk = await newDisk();
        const store = await openStore(disk, random, pageBytes);
        const models = [new Model(), new Model()];
        const states: string[][] = [];
        for (let flush = 1; flush <= 4; flush++) {
          for (let i = random.int(400); i > 0; i--) {
            const which = random.int(2);
            const options = { space: 300, pageBytes, deletes: 30 };
            randomChange(store.table(which + 1, `t${which}`), models[which]!, random, options);
          }
          await store.flush(applied(flush));
          states.push(models.map(textOf));
        }
        await store.close();
        const [newest, older] = readStore(await fileBytes(disk));
        for (const [generation, state] of [
          [newest!, states[3]!],
          [older!, states[2]!],
        ] as const) {
          const read = [0, 1].map((i) => generation.tables.get(`t${i}`)?.entries ?? []);
          expect(read.map((entries) => textOf(new Model(entries)))).toEqual(state);
        }
      }
    });
  }
});

function textOf(model: Model): string {
  return model
    .sorted()
    .map(([name, value]) => `${name}=${toHex(value)}`)
    .join("\n");
}

describe("checksums", () => {
  test("are xxh64 with seed 0, whatever the length", async () => {
    expect(xxh64(new Uint8Array(0))).toBe(0xef46db3751d8e999n);
    expect(xxh64(key("abc"))).toBe(0x44bc2cf5ad770999n);
    const checksum = await Checksum.load();
    const random = testRandom("xxh64");
    for (const bytes of [0, 1, 31, 32, 33, 512, 4096, 65_535, 65_536, 65_537, 200_001]) {
      const content = random.bytes(bytes);
      expect(checksum.of(content)).toBe(xxh64(content));
    }
  });
});

describe("literal offsets of hot paths", () => {
  test("are those of the layouts", () => {
    expect(slotted.HEADER_BYTES).toBe(PAGE_HEADER.size);
    const header = {
      type: slotted.TYPE_AT,
      level: slotted.LEVEL_AT,
      cells: slotted.CELLS_AT,
      page: slotted.PAGE_AT,
      prefixBytes: slotted.PREFIX_AT,
      txid: slotted.TXID_AT,
      lower: slotted.LOWER_AT,
      upper: slotted.UPPER_AT,
      tree: slotted.TREE_AT,
      garbage: slotted.GARBAGE_AT,
    } as const;
    for (const [name, at] of Object.entries(header)) {
      expect(at).toBe(PAGE_HEADER.offsetOf(name as keyof typeof header));
    }
    expect(POINTER_BYTES).toBe(POINTER.size);
    expect(POINTER_PAGES_AT).toBe(POINTER.offsetOf("pages"));
    expect(POINTER_SUM_AT).toBe(POINTER.offsetOf("sum"));
    expect(POINTER_ALGORITHM_AT).toBe(POINTER.offsetOf("algorithm"));
    // A reference begins with a pointer, so that both are read by the same code.
    for (const field of ["page", "pages", "sum", "algorithm"] as const) {
      expect(OVERFLOW_REFERENCE.offsetOf(field)).toBe(POINTER.offsetOf(field));
    }
  });
});

describe("docs/format/page-store.md", () => {
  const text = readFileSync(
    new URL("../../../../docs/format/page-store.md", import.meta.url),
    "utf8",
  );
  const layouts: readonly (AnyLayout & { readonly name: string })[] = [
    SUPERBLOCK,
    PAGE_HEADER,
    POINTER,
    OVERFLOW_REFERENCE,
    CATALOG_RECORD,
    FREE_RECORD,
  ];

  test.each(layouts.map((layout) => [layout.name, layout] as const))(
    "has the table of the %s",
    (_, layout) => {
      const rows = layoutTable(layout).split("\n").slice(2).map(unpadded);
      expect(text.split("\n").map(unpadded).join("\n")).toContain(rows.join("\n"));
    },
  );

  test("is about the format that is written", () => {
    expect(text).toContain(`Format ${STORE_FORMAT}`);
  });
});

/** A row of a table without the spaces that align it. */
function unpadded(line: string): string {
  return line.replaceAll(/ *\| */g, "|");
}
