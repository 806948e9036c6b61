/**
 * Opening a store's file: which slot counts, and what it holds.
 *
 * The newest valid slot counts; when its catalog, its free list or the root of a tree cannot be read, the
 * other one does (storage.md). Every open raises the open epoch with a superblock of the same roots in a slot
 * that is not the one it stands on, synced before any page is written: two processes on one file find out.
 */
import { type Disk, type DiskFile, directoryOf, type Random } from "@authledger/io";
import { equalBytes, LedgerError } from "@authledger/types";
import type { Checksum } from "./format/checksum.js";
import { type ChainRoot, readChain } from "./format/page-chain.js";
import { PageType } from "./format/page-header.js";
import { ChecksumAlgorithm } from "./format/pointer.js";
import {
  CATALOG_RECORD,
  type CatalogEntry,
  decodeCatalog,
  decodeFreeList,
  FREE_RECORD,
  type FreeExtent,
  u64Of,
} from "./format/records.js";
import {
  decodeSuperblock,
  encodeSuperblock,
  pageSizes,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_COPIES,
  type Superblock,
  type SuperblockCopy,
  slotOf,
  superblockPage,
} from "./format/superblock.js";
import { FIRST_DATA_PAGE } from "./limits.js";

/** Whose file it must be. */
export interface StoreIdentity {
  readonly groupId: number;
  /** Of the node, 16 bytes. */
  readonly incarnation: Uint8Array;
}

/** A generation as its slot describes it. */
export interface OpenedGeneration {
  readonly superblock: Superblock;
  readonly catalog: readonly CatalogEntry[];
  readonly free: readonly FreeExtent[];
  /** Pages of catalog and free list. */
  readonly chainPages: readonly number[];
}

/** The valid superblocks of both slots; a slot without one is undefined. */
export interface Slots {
  readonly pageBytes: number;
  readonly newestFirst: readonly Superblock[];
  readonly copies: readonly SuperblockCopy[];
}

/** All four copies, for the page size that most of them agree on. */
export function readSlots(file: DiskFile, checksum: Checksum): Slots {
  let best: Slots | undefined;
  for (const pageBytes of pageSizes()) {
    const copies = readCopies(file, pageBytes, checksum);
    const valid = copies.flatMap((copy) => (copy.kind === "valid" ? [copy.value] : []));
    const slots = [0, 1].flatMap((slot) => {
      const own = valid.filter((superblock) => slotOf(superblock.txid) === slot);
      own.sort((a, b) => b.txid - a.txid || b.openEpoch - a.openEpoch);
      return own.slice(0, 1);
    });
    slots.sort((a, b) => b.txid - a.txid);
    const found = { pageBytes, newestFirst: slots, copies };
    if (best === undefined || valid.length > best.copies.filter(isValid).length) best = found;
  }
  return best!;
}

function isValid(copy: SuperblockCopy): boolean {
  return copy.kind === "valid";
}

function readCopies(file: DiskFile, pageBytes: number, checksum: Checksum): SuperblockCopy[] {
  const copies: SuperblockCopy[] = [];
  for (let page = 0; page < SUPERBLOCK_COPIES; page++) {
    const bytes = new Uint8Array(SUPERBLOCK_BYTES);
    const length = file.readSync(bytes, page * pageBytes);
    copies.push(decodeSuperblock(bytes.subarray(0, length), page, pageBytes, checksum));
  }
  return copies;
}

/**
 * Was this file never finished? Creation writes nothing but slot A, so a longer file without a valid slot is
 * damaged and not unfinished.
 * @throws LedgerError FORMAT_NEWER, also when the other slot is of a format that we know
 */
export function isUnfinished(file: DiskFile, slots: Slots, pageBytes: number): boolean {
  const newer = slots.copies.find((copy) => copy.kind === "newer");
  if (newer?.kind === "newer") throw formatNewer(file, newer.format);
  return slots.newestFirst.length === 0 && file.size() <= 2 * pageBytes;
}

/** Creates an empty generation 0 in slot A. */
export async function createFile(
  disk: Disk,
  file: DiskFile,
  options: StoreIdentity & { readonly pageBytes: number },
  deps: { readonly random: Random; readonly checksum: Checksum },
): Promise<void> {
  const none = {
    catalogPage: 0,
    catalogSum: new Uint8Array(8),
    catalogAlgorithm: ChecksumAlgorithm.UNKNOWN,
    freeListPage: 0,
    freeListSum: new Uint8Array(8),
    freeListAlgorithm: ChecksumAlgorithm.UNKNOWN,
  };
  const bytes = encodeSuperblock(
    {
      ...none,
      pageBytes: options.pageBytes,
      uuid: deps.random.bytes(16),
      incarnation: options.incarnation,
      group: options.groupId,
      openEpoch: 0,
      txid: 0,
      appliedIndex: 0,
      appliedTerm: 0,
      configIndex: 0,
      highWater: FIRST_DATA_PAGE,
      leaderTimeMs: 0,
      digest: new Uint8Array(32),
    },
    deps.checksum,
  );
  await file.truncate(0);
  await writeSlot(file, bytes, 0, options.pageBytes);
  await file.datasync();
  await disk.syncDirectory(directoryOf(file.path));
}

/** Writes both copies of a slot, one after the other. */
export async function writeSlot(
  file: DiskFile,
  superblock: Uint8Array,
  txid: number,
  pageBytes: number,
): Promise<void> {
  const page = new Uint8Array(pageBytes);
  page.set(superblock);
  for (const copy of [0, 1] as const) {
    await file.write([page], superblockPage(slotOf(txid), copy) * pageBytes);
  }
}

/**
 * The generation to stand on.
 * @throws LedgerError STORE_NO_VALID_SLOT when neither slot can be read, DATA_DIR_INVALID when the file is
 * another's
 */
export function chooseGeneration(
  file: DiskFile,
  slots: Slots,
  identity: StoreIdentity,
  checksum: Checksum,
): OpenedGeneration {
  const failures: unknown[] = [];
  for (const superblock of slots.newestFirst) {
    checkIdentity(file, superblock, identity);
    try {
      return readGeneration(file, superblock, checksum);
    } catch (error) {
      failures.push(error);
    }
  }
  const why = failures.map((error) => (error instanceof Error ? error.message : String(error)));
  const message = `${file.path} has no slot that can be read${why.length ? `: ${why.join("; ")}` : ""}`;
  throw new LedgerError("STORE_NO_VALID_SLOT", message, {
    details: { file: file.path },
    cause: failures[0],
  });
}

function checkIdentity(file: DiskFile, superblock: Superblock, identity: StoreIdentity): void {
  const { group, incarnation } = superblock;
  if (group === identity.groupId && equalBytes(incarnation, identity.incarnation)) return;
  const whose = group === identity.groupId ? "another node" : `group ${group}`;
  throw new LedgerError("DATA_DIR_INVALID", `${file.path} belongs to ${whose}`, {
    details: { file: file.path },
  });
}

/** Reads catalog and free list, and looks at the root of every tree. */
export function readGeneration(
  file: DiskFile,
  superblock: Superblock,
  checksum: Checksum,
): OpenedGeneration {
  const { pageBytes, highWater: pagesMax } = superblock;
  const read = (page: number): Uint8Array => {
    const bytes = new Uint8Array(pageBytes);
    return bytes.subarray(0, file.readSync(bytes, page * pageBytes));
  };
  const chain = (what: string, type: PageType, recordBytes: number, root: ChainRoot | undefined) =>
    readChain(
      { type, root, recordBytes, pageBytes, what: `${what} of ${file.path}`, read, pagesMax },
      checksum,
    );
  const catalog = chain(
    "catalog",
    PageType.CATALOG,
    CATALOG_RECORD.size,
    rootOf(superblock.catalogPage, superblock.catalogSum),
  );
  const free = chain(
    "free list",
    PageType.FREE_LIST,
    FREE_RECORD.size,
    rootOf(superblock.freeListPage, superblock.freeListSum),
  );
  const tables = decodeCatalog(catalog.records);
  for (const { root, name } of tables) {
    if (root === undefined || checksum.of(read(root.page)) === root.sum) continue;
    const message = `page ${root.page} of table ${name} in ${file.path}: its checksum does not match the catalog's`;
    throw new LedgerError("STORE_PAGE_CORRUPT", message, { details: { page: root.page } });
  }
  return {
    superblock,
    catalog: tables,
    free: decodeFreeList(free.records),
    chainPages: [...catalog.pages, ...free.pages],
  };
}

function rootOf(page: number, sum: Uint8Array): ChainRoot | undefined {
  return page === 0 ? undefined : { page, sum: u64Of(sum) };
}

/** The txid of the first superblock after an open: above all others, in the slot that is not stood on. */
export function epochTxid(slots: Slots, chosen: Superblock): number {
  const newest = slots.newestFirst[0]!.txid;
  const next = newest + 1;
  return slotOf(next) === slotOf(chosen.txid) ? next + 1 : next;
}

function formatNewer(file: DiskFile, format: number): LedgerError {
  return new LedgerError("FORMAT_NEWER", `${file.path} has format ${format}`, {
    details: { format, file: file.path },
  });
}
