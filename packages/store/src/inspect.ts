/** Looks at slots and single pages of a store's file, as `authledger debug` shows them. Changes nothing. */
import type { Disk, DiskFile } from "@authledger/io";
import { Checksum } from "./format/checksum.js";
import { PAGE_HEADER, PageType } from "./format/page-header.js";
import { isSealed, OVERFLOW_REFERENCE, POINTER_SUM_AT } from "./format/pointer.js";
import { u64Of } from "./format/records.js";
import { SUPERBLOCK_COPIES, type Superblock } from "./format/superblock.js";
import { FIRST_DATA_PAGE } from "./limits.js";
import type { Slab } from "./memory/page-cache.js";
import { type OpenedGeneration, readGeneration, readSlots } from "./open.js";
import { pointerAt } from "./tree/branch-page.js";
import { hasReference, inlineValue, referenceAt } from "./tree/leaf-page.js";
import { cellCount, freeBytes, keyAt, levelOf, payloadAt } from "./tree/slotted-page.js";

/** One copy of a superblock. */
export interface SlotCopyReport {
  readonly slot: "A" | "B";
  /** 1 or 2. */
  readonly copy: number;
  readonly page: number;
  /** "valid", "blank", or what is wrong with it. */
  readonly verdict: string;
  readonly superblock: Superblock | undefined;
  /** "newest" is what an open stands on first, then "older"; undefined for what is not valid. */
  readonly role: "newest" | "older" | undefined;
  /** Why catalog, free list or a root of a valid slot cannot be read. */
  readonly problem: string | undefined;
  readonly tables: number;
  readonly freePages: number;
}

/** What a leaf holds. */
export interface PageEntry {
  readonly key: Uint8Array;
  /** Of a leaf; a long value that lies in pages of its own is read from there. */
  readonly value: Uint8Array | undefined;
  /** Of a branch: where the key leads. Of a long value: where it lies. */
  readonly page: number | undefined;
}

export interface PageReport {
  readonly page: number;
  readonly pages: number;
  readonly kind:
    | "superblock"
    | "unused"
    | "leaf"
    | "branch"
    | "catalog"
    | "free list"
    | "value"
    | "free"
    | "unknown";
  /** Of pages of trees. */
  readonly table: { readonly id: number; readonly name: string } | undefined;
  readonly level: number;
  readonly generation: number;
  readonly cells: number;
  readonly freeBytes: number;
  readonly prefixBytes: number;
  /** Which slots reach it: none for a free page. */
  readonly reachedBy: readonly string[];
  readonly parent: number | undefined;
  /** Compared with what the parent in the newest slot that reaches it holds. */
  readonly checksum: "matches" | "differs" | "nobody points at it";
  readonly entries: readonly PageEntry[];
}

/** @throws LedgerError IO_READ_FAILED when there is no such file */
export async function inspectSlots(disk: Disk, path: string): Promise<readonly SlotCopyReport[]> {
  return withFile(disk, path, (file, checksum) => {
    const slots = readSlots(file, checksum);
    return Array.from({ length: SUPERBLOCK_COPIES }, (_, page) => {
      const copy = slots.copies[page]!;
      const superblock = copy.kind === "valid" ? copy.value : undefined;
      const opened = superblock && tryGeneration(file, superblock, checksum);
      const rank = slots.newestFirst.findIndex(({ txid }) => txid === superblock?.txid);
      const generation = typeof opened === "object" ? opened : undefined;
      return {
        slot: page < 2 ? "A" : "B",
        copy: 1 + (page % 2),
        page,
        verdict: verdictOf(copy),
        superblock,
        role: rank < 0 ? undefined : rank === 0 ? "newest" : "older",
        problem: typeof opened === "string" ? opened : undefined,
        tables: generation?.catalog.length ?? 0,
        freePages: generation?.free.reduce((sum, { pages }) => sum + pages, 0) ?? 0,
      };
    });
  });
}

function verdictOf(copy: ReturnType<typeof readSlots>["copies"][number]): string {
  if (copy.kind === "damaged") return `damaged: ${copy.why}`;
  return copy.kind === "newer" ? `of the newer format ${copy.format}` : copy.kind;
}

function tryGeneration(
  file: DiskFile,
  superblock: Superblock,
  checksum: Checksum,
): OpenedGeneration | string {
  try {
    return readGeneration(file, superblock, checksum);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @throws LedgerError IO_READ_FAILED when there is no such file */
export async function inspectPage(disk: Disk, path: string, page: number): Promise<PageReport> {
  return withFile(disk, path, (file, checksum) => new PageInspector(file, checksum).report(page));
}

async function withFile<T>(
  disk: Disk,
  path: string,
  look: (file: DiskFile, checksum: Checksum) => T,
): Promise<T> {
  const file = await disk.open(path);
  try {
    return look(file, await Checksum.load());
  } finally {
    await file.close();
  }
}

const NO_HEADER = { level: 0, txid: 0, cells: 0, prefixBytes: 0 } as const;

/** Who points at a page. */
interface Place {
  readonly slot: string;
  readonly parent: number | undefined;
  readonly kind: "tree" | "value" | "chain" | "free";
  readonly table: { readonly id: number; readonly name: string } | undefined;
  readonly first: number;
  readonly pages: number;
  readonly sum: bigint | undefined;
  readonly bytes: number;
}

class PageInspector {
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  readonly #slots: ReturnType<typeof readSlots>;

  constructor(file: DiskFile, checksum: Checksum) {
    this.#file = file;
    this.#checksum = checksum;
    this.#slots = readSlots(file, checksum);
  }

  report(page: number): PageReport {
    const slab = this.#read(page, this.#slots.pageBytes);
    const places = this.#slots.newestFirst.flatMap((superblock) => this.#find(superblock, page));
    const reached = places.filter(({ kind }) => kind !== "free");
    const [place] = reached.length > 0 ? reached : places;
    const kind = kindOf(page, slab, place);
    const isTree = kind === "leaf" || kind === "branch";
    const hasHeader = isTree || kind === "catalog" || kind === "free list";
    const header = hasHeader ? PAGE_HEADER.read(slab.bytes) : NO_HEADER;
    const checksum = this.#verdict(place);
    return {
      page,
      pages: place?.pages ?? 1,
      kind,
      table: place?.table,
      level: header.level,
      generation: header.txid,
      cells: header.cells,
      freeBytes: isTree ? freeBytes(slab, 0) : 0,
      prefixBytes: header.prefixBytes,
      reachedBy: reached.map(({ slot }) => slot),
      parent: place?.parent,
      checksum,
      entries: isTree && checksum === "matches" ? this.#entries(slab) : [],
    };
  }

  #verdict(place: Place | undefined): PageReport["checksum"] {
    // The slot counts only when its chains match from the superblock on.
    if (place?.kind === "chain") return "matches";
    if (place?.sum === undefined) return "nobody points at it";
    const { bytes } = this.#read(place.first, place.bytes);
    return this.#checksum.of(bytes) === place.sum ? "matches" : "differs";
  }

  #read(page: number, length: number): Slab {
    const bytes = new Uint8Array(length);
    this.#file.readSync(bytes, page * this.#slots.pageBytes);
    return { bytes, view: new DataView(bytes.buffer) };
  }

  #entries(slab: Slab): PageEntry[] {
    const isBranch = levelOf(slab, 0) > 0;
    return Array.from({ length: cellCount(slab, 0) }, (_, i) => {
      const key = isBranch && i === 0 ? new Uint8Array(0) : keyAt(slab, 0, slab.bytes.length, i);
      const at = payloadAt(slab, 0, i);
      if (isBranch) return { key, value: undefined, page: slab.view.getUint32(at, true) };
      if (!hasReference(slab, at)) return { key, value: inlineValue(slab, at), page: undefined };
      const { page, length } = OVERFLOW_REFERENCE.read(slab.bytes, referenceAt(at));
      return { key, value: this.#read(page, length).bytes, page };
    });
  }

  /** Where a slot has the page: nowhere, or in one place. */
  #find(superblock: Superblock, page: number): Place[] {
    const slot = superblock.txid % 2 === 0 ? "A" : "B";
    const opened = tryGeneration(this.#file, superblock, this.#checksum);
    if (typeof opened === "string") return [];
    const nobody = { slot, parent: undefined, table: undefined, sum: undefined, bytes: 0 };
    const free = opened.free.find((extent) => isInside(page, extent.page, extent.pages));
    if (free) return [{ ...nobody, kind: "free", first: free.page, pages: free.pages }];
    if (opened.chainPages.includes(page)) {
      return [
        {
          ...nobody,
          kind: "chain",
          first: page,
          pages: 1,
          parent: superblock.txid % 2 === 0 ? 0 : 2,
        },
      ];
    }
    for (const { id, name, root, levels } of opened.catalog) {
      if (root === undefined) continue;
      const about = { slot, table: { id, name } };
      const parent = superblock.catalogPage;
      const found = this.#search(about, parent, root.page, root.sum, levels - 1, page);
      if (found !== undefined) return [found];
    }
    return [];
  }

  /** Looks through a subtree. Leaves are read for their long values only. */
  #search(
    about: Pick<Place, "slot" | "table">,
    parent: number | undefined,
    at: number,
    sum: bigint,
    level: number,
    page: number,
  ): Place | undefined {
    const { pageBytes } = this.#slots;
    if (at === page) {
      return { ...about, parent, kind: "tree", first: at, pages: 1, sum, bytes: pageBytes };
    }
    const slab = this.#read(at, pageBytes);
    // What a damaged page says of others is not followed.
    if (this.#checksum.of(slab.bytes) !== sum || levelOf(slab, 0) !== level) return undefined;
    for (let i = 0; i < cellCount(slab, 0); i++) {
      const found =
        level > 0
          ? this.#searchChild(about, at, slab, i, level, page)
          : this.#searchValue(about, at, slab, i, page);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #searchChild(
    about: Pick<Place, "slot" | "table">,
    parent: number,
    slab: Slab,
    index: number,
    level: number,
    page: number,
  ): Place | undefined {
    const pointer = pointerAt(slab, 0, index);
    if (!isSealed(slab.view, pointer)) return undefined;
    const child = slab.view.getUint32(pointer, true);
    const sum = slab.view.getBigUint64(pointer + POINTER_SUM_AT, true);
    return this.#search(about, parent, child, sum, level - 1, page);
  }

  #searchValue(
    about: Pick<Place, "slot" | "table">,
    parent: number,
    slab: Slab,
    index: number,
    page: number,
  ): Place | undefined {
    const at = payloadAt(slab, 0, index);
    if (!hasReference(slab, at)) return undefined;
    const {
      page: first,
      pages,
      length,
      sum,
    } = OVERFLOW_REFERENCE.read(slab.bytes, referenceAt(at));
    if (!isInside(page, first, pages)) return undefined;
    return { ...about, parent, kind: "value", first, pages, sum: u64Of(sum), bytes: length };
  }
}

function kindOf(page: number, slab: Slab, place: Place | undefined): PageReport["kind"] {
  if (page < SUPERBLOCK_COPIES) return "superblock";
  if (page < FIRST_DATA_PAGE) return "unused";
  if (place === undefined) return "unknown";
  if (place.kind === "free" || place.kind === "value") return place.kind;
  switch (slab.bytes[0]) {
    case PageType.LEAF:
      return "leaf";
    case PageType.BRANCH:
      return "branch";
    case PageType.CATALOG:
      return "catalog";
    case PageType.FREE_LIST:
      return "free list";
    default:
      return "unknown";
  }
}

function isInside(page: number, first: number, pages: number): boolean {
  return page >= first && page < first + pages;
}
