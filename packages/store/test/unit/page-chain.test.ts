/** Chains of pages: catalog and free list, also where they are longer than a page or damaged. */
import { SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { Checksum } from "../../src/format/checksum.js";
import {
  type ChainRoot,
  chainPages,
  encodeChain,
  readChain,
  recordsPerPage,
} from "../../src/format/page-chain.js";
import { PageType } from "../../src/format/page-header.js";
import {
  CATALOG_RECORD,
  type CatalogEntry,
  decodeCatalog,
  encodeCatalog,
  FREE_RECORD,
} from "../../src/format/records.js";
import { xxh64 } from "../format-reader.js";

const PAGE = 512;
const random = new SeededRandom(1);
const checksum = await Checksum.load();
const records = random.bytes(100 * FREE_RECORD.size);

/** A file in which a chain of 100 records lies, and its root. */
function chain(pages: readonly number[]): { file: Map<number, Uint8Array>; root: ChainRoot } {
  const content = { records, recordBytes: FREE_RECORD.size, pageBytes: PAGE, txid: 7, pages };
  const encoded = encodeChain({ ...content, type: PageType.FREE_LIST }, checksum);
  return {
    file: new Map(encoded.pages.map(({ page, bytes }) => [page, bytes])),
    root: encoded.root!,
  };
}

function read(
  file: ReadonlyMap<number, Uint8Array>,
  root: ChainRoot,
  more: { type?: PageType; pagesMax?: number; recordBytes?: number } = {},
) {
  const reading = { recordBytes: FREE_RECORD.size, pageBytes: PAGE, pagesMax: 1_000, ...more };
  return readChain(
    {
      type: PageType.FREE_LIST,
      ...reading,
      root,
      what: "free list of /f",
      read: (page) => file.get(page) ?? new Uint8Array(0),
    },
    checksum,
  );
}

describe("a chain", () => {
  test("holds as many records a page as fit behind header and pointer", () => {
    expect(recordsPerPage(16, 512)).toBe(28); // (512 - 40 - 24) / 16
    expect(recordsPerPage(80, 4096)).toBe(50);
    expect([0, 1, 28, 29, 56, 57].map((count) => chainPages(count, 16, 512))).toEqual([
      0, 1, 1, 2, 2, 3,
    ]);
  });

  test("of several pages, in whatever order they lie, is read as it was written", () => {
    for (const pages of [
      [20, 21, 22, 23],
      [90, 17, 40, 16],
    ]) {
      const { file, root } = chain(pages);
      expect(root.page).toBe(pages[0]);
      expect(read(file, root)).toEqual({ records, pages });
    }
  });

  test("may have empty pages at its end", () => {
    const { file, root } = chain([20, 21, 22, 23, 24, 25]);
    expect(read(file, root)).toEqual({ records, pages: [20, 21, 22, 23, 24, 25] });
  });

  test("is refused with any byte of any page changed, naming the page", () => {
    const { file, root } = chain([20, 21, 22, 23]);
    for (const [page, bytes] of file) {
      for (let at = 0; at < PAGE; at += 3) {
        bytes[at]! ^= 0x20;
        const error = thrownBy(() => read(file, root));
        bytes[at]! ^= 0x20;
        expect(error.code).toBe("STORE_PAGE_CORRUPT");
        expect(error.details).toMatchObject({ page });
        expect(error.message).toBe(
          `page ${page} of the free list of /f: its checksum does not match its parent's`,
        );
      }
    }
  });

  test("is refused where checksums fit and the rest does not", () => {
    const why = (run: () => unknown): string => thrownBy(run).message.split(": ")[1]!;
    const { file, root } = chain([20, 21, 22, 23]);
    expect(why(() => read(file, root, { type: PageType.CATALOG }))).toBe("it is of another type");
    expect(why(() => read(file, root, { recordBytes: 80 }))).toBe(
      "it counts more records than fit",
    );
    expect(why(() => read(file, root, { pagesMax: 3 }))).toBe("the chain has no end");
    file.set(20, file.get(20)!.subarray(0, 511));
    expect(why(() => read(file, root))).toBe("the file is cut");
    const moved = chain([20, 21, 22, 23]);
    moved.file.set(30, moved.file.get(20)!);
    expect(why(() => read(moved.file, { ...moved.root, page: 30 }))).toBe("it is another page");
  });
});

describe("the catalog", () => {
  const entries: readonly CatalogEntry[] = [
    { id: 1, name: "t", levels: 0, count: 0, root: undefined },
    {
      id: 9,
      name: "\u00e9t\u00e9",
      levels: 3,
      count: 2 ** 40,
      root: { page: 77, sum: 2n ** 64n - 1n },
    },
    {
      id: 65_535,
      name: "n".repeat(40),
      levels: 32,
      count: 1,
      root: { page: 2 ** 31 - 1, sum: 0n },
    },
  ];

  test("is read as it was written", () => {
    const bytes = encodeCatalog(entries);
    expect(bytes.length).toBe(3 * CATALOG_RECORD.size);
    expect(decodeCatalog(bytes)).toEqual(entries);
  });

  test("is refused with a record that cannot be, whatever its checksum", () => {
    for (const [field, value] of [
      ["levels", 33],
      ["levels", 0],
      ["rootPage", 0],
      ["count", 0],
      ["name", 0xff],
    ] as const) {
      const bytes = encodeCatalog(entries);
      const at = CATALOG_RECORD.size + CATALOG_RECORD.offsetOf(field);
      bytes.fill(value, at, at + (field === "levels" || field === "name" ? 1 : 8));
      const error = thrownBy(() => decodeCatalog(bytes));
      expect(error.code).toBe("STORE_PAGE_CORRUPT");
      expect(error.message).toContain("table 9");
    }
  });

  test("has checksums that are xxh64", () => {
    const { file, root } = chain([20, 21, 22, 23]);
    expect(root.sum).toBe(xxh64(file.get(20)!));
  });
});
