/**
 * Checks a store's file that nobody has open: both slots, every page that they reach, every page that they
 * say is free. Used by `authledger debug check` and by the crash tests.
 *
 * Every page behind the superblocks is reachable from a slot or in its free list, and never both; checksums,
 * page numbers, key order, separators, depths and counts are right.
 */
import type { Disk, DiskFile } from "@authledger/io";
import { compareBytes, toHex } from "@authledger/types";
import { Checksum } from "./format/checksum.js";
import { PAGE_HEADER } from "./format/page-header.js";
import { isSealed, OVERFLOW_REFERENCE, POINTER_SUM_AT } from "./format/pointer.js";
import { type CatalogEntry, u64Of } from "./format/records.js";
import type { Superblock } from "./format/superblock.js";
import { FIRST_DATA_PAGE, PROBLEMS_MAX } from "./limits.js";
import type { Slab } from "./memory/page-cache.js";
import { type OpenedGeneration, readGeneration, readSlots } from "./open.js";
import { pointerAt } from "./tree/branch-page.js";
import { hasReference, referenceAt } from "./tree/leaf-page.js";
import { cellCount, keyAt, levelOf, payloadAt } from "./tree/slotted-page.js";

/** Something that is wrong, and where. */
export interface StoreProblem {
  readonly slot: "A" | "B" | "-";
  readonly page: number;
  readonly table: string;
  readonly what: string;
}

export interface StoreReport {
  readonly path: string;
  readonly pageBytes: number;
  readonly generations: readonly number[];
  readonly appliedIndex: number;
  readonly tables: readonly {
    readonly id: number;
    readonly name: string;
    readonly count: number;
  }[];
  readonly pages: number;
  readonly freePages: number;
  /** The first of them; `problemCount` counts all. */
  readonly problems: readonly StoreProblem[];
  readonly problemCount: number;
}

/** @throws LedgerError IO_READ_FAILED when there is no such file */
export async function checkStore(disk: Disk, path: string): Promise<StoreReport> {
  const file = await disk.open(path);
  try {
    return new StoreChecker(file, await Checksum.load()).run();
  } finally {
    await file.close();
  }
}

class StoreChecker {
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  readonly #problems: StoreProblem[] = [];
  #problemCount = 0;

  constructor(file: DiskFile, checksum: Checksum) {
    this.#file = file;
    this.#checksum = checksum;
  }

  run(): StoreReport {
    const slots = readSlots(this.#file, this.#checksum);
    const [newest] = slots.newestFirst;
    let tables: readonly CatalogEntry[] = [];
    let freePages = 0;
    for (const superblock of slots.newestFirst) {
      const checked = this.#checkSlot(superblock);
      if (superblock !== newest || checked === undefined) continue;
      tables = checked.catalog;
      freePages = checked.free.reduce((sum, { pages }) => sum + pages, 0);
    }
    if (newest === undefined) this.#report("-", 0, "", "no slot is valid");
    return {
      path: this.#file.path,
      pageBytes: slots.pageBytes,
      generations: slots.newestFirst.map(({ txid }) => txid),
      appliedIndex: newest?.appliedIndex ?? 0,
      tables: tables.map(({ id, name, count }) => ({ id, name, count })),
      pages: newest?.highWater ?? 0,
      freePages,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  #checkSlot(superblock: Superblock): OpenedGeneration | undefined {
    const slot = superblock.txid % 2 === 0 ? "A" : "B";
    let opened: OpenedGeneration;
    try {
      opened = readGeneration(this.#file, superblock, this.#checksum);
    } catch (error) {
      this.#report(slot, 0, "", error instanceof Error ? error.message : String(error));
      return undefined;
    }
    const walk = new SlotWalk(this.#file, this.#checksum, superblock, (page, table, what) =>
      this.#report(slot, page, table, what),
    );
    walk.run(opened);
    return opened;
  }

  #report(slot: StoreProblem["slot"], page: number, table: string, what: string): void {
    this.#problemCount++;
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ slot, page, table, what });
  }
}

type Report = (page: number, table: string, what: string) => void;

/** Keys that a subtree may have: [from, to). */
interface Bounds {
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

class SlotWalk {
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  readonly #superblock: Superblock;
  readonly #report: Report;
  /** 1 for each page that is accounted for. */
  readonly #seen: Uint8Array;

  constructor(file: DiskFile, checksum: Checksum, superblock: Superblock, report: Report) {
    this.#file = file;
    this.#checksum = checksum;
    this.#superblock = superblock;
    this.#report = report;
    this.#seen = new Uint8Array(superblock.highWater);
  }

  run(opened: OpenedGeneration): void {
    for (const page of opened.chainPages) this.#claim(page, 1, "chain");
    for (const { page, pages } of opened.free) this.#claim(page, pages, "free list");
    for (const table of opened.catalog) {
      if (table.root === undefined) continue;
      const none = { from: undefined, to: undefined };
      const count = this.#page(table, table.root.page, table.root.sum, table.levels - 1, none);
      if (count !== table.count) {
        this.#report(
          table.root.page,
          table.name,
          `${count} entries, the catalog counts ${table.count}`,
        );
      }
    }
    for (let page = FIRST_DATA_PAGE; page < this.#seen.length; page++) {
      if (this.#seen[page] === 0) this.#report(page, "", "neither reachable nor free: leaked");
    }
  }

  #claim(page: number, pages: number, table: string): void {
    for (let i = page; i < page + pages; i++) {
      if (i < FIRST_DATA_PAGE || i >= this.#seen.length) this.#report(i, table, "outside the file");
      else if (this.#seen[i] === 1) this.#report(i, table, "used twice");
      else this.#seen[i] = 1;
    }
  }

  /** Checks a page and what is below it; the number of entries. */
  #page(table: CatalogEntry, page: number, sum: bigint, level: number, bounds: Bounds): number {
    this.#claim(page, 1, table.name);
    const { pageBytes } = this.#superblock;
    const bytes = new Uint8Array(pageBytes);
    this.#file.readSync(bytes, page * pageBytes);
    const slab = { bytes, view: new DataView(bytes.buffer) };
    const header = PAGE_HEADER.read(bytes);
    const why = this.#headerProblem(bytes, sum, header, page, table.id, level);
    if (why !== undefined) {
      this.#report(page, table.name, why);
      return 0;
    }
    this.#checkKeys(table, slab, page, bounds);
    return level === 0 ? this.#leaf(table, slab) : this.#branch(table, slab, page, level, bounds);
  }

  #headerProblem(
    bytes: Uint8Array,
    sum: bigint,
    header: { readonly page: number; readonly tree: number; readonly txid: number },
    page: number,
    tree: number,
    level: number,
  ): string | undefined {
    if (this.#checksum.of(bytes) !== sum) return "its checksum does not match its parent's";
    if (header.page !== page) return `it says that it is page ${header.page}`;
    if (header.tree !== tree) return `it says that it belongs to table ${header.tree}`;
    if (header.txid < 1 || header.txid > this.#superblock.txid)
      return `it is of generation ${header.txid}`;
    const slab = { bytes, view: new DataView(bytes.buffer) };
    return levelOf(slab, 0) === level ? undefined : `it is of level ${levelOf(slab, 0)}`;
  }

  #checkKeys(table: CatalogEntry, slab: Slab, page: number, bounds: Bounds): void {
    let before = bounds.from;
    let isFirst = true;
    for (let i = levelOf(slab, 0) > 0 ? 1 : 0; i < cellCount(slab, 0); i++) {
      const key = keyAt(slab, 0, slab.bytes.length, i);
      const order = before === undefined ? 1 : compareBytes(key, before);
      if (order < 0 || (order === 0 && !isFirst)) {
        this.#report(page, table.name, `key ${toHex(key)} is out of order`);
      }
      before = key;
      isFirst = false;
    }
    if (before !== undefined && bounds.to !== undefined && compareBytes(before, bounds.to) >= 0) {
      this.#report(page, table.name, `key ${toHex(before)} belongs to the right`);
    }
  }

  #branch(table: CatalogEntry, slab: Slab, page: number, level: number, bounds: Bounds): number {
    const cells = cellCount(slab, 0);
    if (cells < 2) this.#report(page, table.name, `a branch with ${cells} children`);
    let count = 0;
    for (let i = 0; i < cells; i++) {
      const at = pointerAt(slab, 0, i);
      const child = slab.view.getUint32(at, true);
      const below = {
        from: i === 0 ? bounds.from : keyAt(slab, 0, slab.bytes.length, i),
        to: i + 1 < cells ? keyAt(slab, 0, slab.bytes.length, i + 1) : bounds.to,
      };
      if (!isSealed(slab.view, at)) this.#report(page, table.name, `pointer ${i} has no checksum`);
      else {
        const sum = slab.view.getBigUint64(at + POINTER_SUM_AT, true);
        count += this.#page(table, child, sum, level - 1, below);
      }
    }
    return count;
  }

  #leaf(table: CatalogEntry, slab: Slab): number {
    const cells = cellCount(slab, 0);
    for (let i = 0; i < cells; i++) {
      const at = payloadAt(slab, 0, i);
      if (hasReference(slab, at)) this.#value(table, slab, referenceAt(at));
    }
    return cells;
  }

  #value(table: CatalogEntry, slab: Slab, at: number): void {
    const reference = OVERFLOW_REFERENCE.read(slab.bytes, at);
    this.#claim(reference.page, reference.pages, table.name);
    const bytes = new Uint8Array(reference.length);
    const read = this.#file.readSync(bytes, reference.page * this.#superblock.pageBytes);
    if (read !== bytes.length || this.#checksum.of(bytes) !== u64Of(reference.sum)) {
      this.#report(reference.page, table.name, "the checksum of a value does not match its leaf's");
    }
  }
}
