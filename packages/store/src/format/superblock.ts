/**
 * The superblock: what a generation of the store is. There are two slots, each in two copies in pages of their
 * own; a flush of generation `txid` writes both copies of slot `txid & 1`, so the other slot stays whole
 * whatever happens. There is no selector byte: it would share a sector with both slots.
 *
 *   INV-SLOT-1  A copy counts only if magic, format, checksum, page size and the parity of its txid are right.
 *   INV-SLOT-2  The highest valid txid is the newest generation.
 *
 * Source: storage.md, "The page store". What that leaves open: the 16 bytes of a checksum are split as in
 * pointer.ts; a copy that lies at the place of another slot or page size is refused (misdirected write).
 */
import { defineLayout, equalBytes, type Layout, type LayoutValue } from "@authledger/types";
import { FIRST_DATA_PAGE, PAGE_BYTES_MAX, PAGE_BYTES_MIN, PAGE_NUMBER_MAX } from "../limits.js";
import type { Checksum } from "./checksum.js";

/** PNG's trick: a high bit, CR LF and a ^Z show text mangling at once. */
const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x4c, 0x45, 0x44, 0x0d, 0x0a, 0x1a, 0x0a);

/** The format that this code writes. */
export const STORE_FORMAT = 1;

const FIELDS = [
  { name: "magic", type: "bytes", size: 8, doc: "89 4C 45 44 0D 0A 1A 0A" },
  { name: "format", type: "u32", doc: "1; a higher number is refused with FORMAT_NEWER" },
  { name: "pageBytes", type: "u32", doc: "size of a page: a power of two, 512 to 32768" },
  { name: "uuid", type: "bytes", size: 16, doc: "of the file, random" },
  {
    name: "incarnation",
    type: "bytes",
    size: 16,
    doc: "of the node; a file of another is refused",
  },
  { name: "group", type: "u64", doc: "Raft group; a file of another group is refused" },
  { name: "openEpoch", type: "u64", doc: "raised by every open; another's epoch stops a writer" },
  { name: "txid", type: "u64", doc: "generation; its lowest bit is the slot" },
  { name: "appliedIndex", type: "u64", doc: "last log entry that the trees hold" },
  { name: "appliedTerm", type: "u64", doc: "its term" },
  { name: "configIndex", type: "u64", doc: "log entry of the group's configuration" },
  { name: "catalogPage", type: "u64", doc: "first page of the catalog; 0 without tables" },
  { name: "catalogSum", type: "bytes", size: 8, doc: "its xxh64" },
  { name: "catalogAlgorithm", type: "u8", doc: "1 xxh64; 0 without a page" },
  { name: "catalogReserved", type: "bytes", size: 7, doc: "zero" },
  { name: "freeListPage", type: "u64", doc: "first page of the free list; 0 without free pages" },
  { name: "freeListSum", type: "bytes", size: 8, doc: "its xxh64" },
  { name: "freeListAlgorithm", type: "u8", doc: "1 xxh64; 0 without a page" },
  { name: "freeListReserved", type: "bytes", size: 7, doc: "zero" },
  { name: "highWater", type: "u64", doc: "pages from here on were never used" },
  { name: "leaderTimeMs", type: "u64", doc: "the leader's time at the applied index" },
  { name: "digest", type: "bytes", size: 32, doc: "group digest at the applied index" },
  { name: "zero", type: "bytes", size: 40, doc: "zero" },
  { name: "keySalt", type: "bytes", size: 16, doc: "for encryption; zero in plain files" },
  { name: "unused", type: "bytes", size: 248, doc: "zero" },
  { name: "reserved", type: "u64", doc: "zero" },
  { name: "sum", type: "bytes", size: 8, doc: "xxh64 of the bytes before it; in every format" },
] as const;

export const SUPERBLOCK: Layout<typeof FIELDS> = defineLayout("superblock", FIELDS, {
  littleEndian: true,
});
export type Superblock = LayoutValue<typeof FIELDS>;

export const SUPERBLOCK_BYTES: number = SUPERBLOCK.size;
/** Both slots, each in two copies. */
export const SUPERBLOCK_COPIES = 4;

/** What was found where a superblock should be. */
export type SuperblockCopy =
  | { readonly kind: "valid"; readonly value: Superblock }
  | { readonly kind: "newer"; readonly format: number }
  | { readonly kind: "blank" }
  | { readonly kind: "damaged"; readonly why: string };

/** The slot that a generation is written to: 0 (A) or 1 (B). */
export function slotOf(txid: number): 0 | 1 {
  return txid % 2 === 0 ? 0 : 1;
}

/** Page of a copy (0 or 1) of a slot. */
export function superblockPage(slot: 0 | 1, copy: 0 | 1): number {
  return 2 * slot + copy;
}

/** Everything of a superblock that is not constant. */
export type SuperblockContent = Omit<
  Superblock,
  | "magic"
  | "format"
  | "catalogReserved"
  | "freeListReserved"
  | "zero"
  | "keySalt"
  | "unused"
  | "reserved"
  | "sum"
>;

/** The 512 bytes of a superblock. */
export function encodeSuperblock(content: SuperblockContent, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  SUPERBLOCK.write(bytes, {
    ...content,
    magic: MAGIC,
    format: STORE_FORMAT,
    catalogReserved: new Uint8Array(7),
    freeListReserved: new Uint8Array(7),
    zero: new Uint8Array(40),
    keySalt: new Uint8Array(16),
    unused: new Uint8Array(248),
    reserved: 0,
    sum: new Uint8Array(8),
  });
  const at = SUPERBLOCK.offsetOf("sum");
  new DataView(bytes.buffer).setBigUint64(at, checksum.of(bytes.subarray(0, at)), true);
  return bytes;
}

/** Judges 512 bytes found on page `page` (0 to 3) of a file of `pageBytes` pages (INV-SLOT-1). */
export function decodeSuperblock(
  bytes: Uint8Array,
  page: number,
  pageBytes: number | undefined,
  checksum: Checksum,
): SuperblockCopy {
  if (bytes.every((byte) => byte === 0)) return { kind: "blank" };
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return damaged("no magic");
  if (bytes.length < SUPERBLOCK_BYTES) return damaged("it is cut");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = SUPERBLOCK.offsetOf("sum");
  if (view.getBigUint64(at, true) !== checksum.of(bytes.subarray(0, at))) {
    return damaged("its checksum does not match");
  }
  const format = view.getUint32(SUPERBLOCK.offsetOf("format"), true);
  if (format > STORE_FORMAT) return { kind: "newer", format };
  const value = readFields(bytes);
  if (value === undefined) return damaged("a number in it is too large");
  const why = implausible(value, page, pageBytes);
  return why === undefined ? { kind: "valid", value } : damaged(why);
}

/** undefined for numbers that nobody writes, whose checksum is right all the same: the other copies may be good. */
function readFields(bytes: Uint8Array): Superblock | undefined {
  try {
    return SUPERBLOCK.read(bytes);
  } catch {
    return undefined;
  }
}

/** Is this a size that pages may have? */
export function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) === 0;
}

/** Sizes that pages may have, for a search when the first copy is unreadable. */
export function pageSizes(): number[] {
  const sizes: number[] = [];
  for (let size = PAGE_BYTES_MIN; size <= PAGE_BYTES_MAX; size *= 2) sizes.push(size);
  return sizes;
}

function implausible(
  value: Superblock,
  page: number,
  pageBytes: number | undefined,
): string | undefined {
  if (!isPageSize(value.pageBytes)) return `its page size is ${value.pageBytes}`;
  if (pageBytes !== undefined && value.pageBytes !== pageBytes) return "it lies at a wrong place";
  if (slotOf(value.txid) !== page >> 1) return "it belongs to the other slot";
  const { highWater } = value;
  if (highWater < FIRST_DATA_PAGE || highWater > PAGE_NUMBER_MAX) {
    return `its high-water page is ${highWater}`;
  }
  return undefined;
}

function damaged(why: string): SuperblockCopy {
  return { kind: "damaged", why };
}
