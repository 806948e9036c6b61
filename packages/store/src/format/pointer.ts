/**
 * Pointers to pages. A parent holds the checksum of its child, outside the child: a stale, misdirected, torn
 * or rotten page does not match (storage.md; TigerBeetle's block references).
 *
 *   INV-PTR-1  On disk every pointer carries its checksum. Only in memory, and only above a page that no
 *              finished flush has written, the algorithm is 0: not known yet.
 */
import { defineLayout, type Layout } from "@authledger/types";

/** How the checksum of a pointer was computed. */
export const ChecksumAlgorithm = { UNKNOWN: 0, XXH64: 1 } as const;

const POINTER_FIELDS = [
  { name: "page", type: "u48", doc: "number of the first page" },
  { name: "pages", type: "u16", doc: "pages in a row; 1 except for overflow values" },
  { name: "sum", type: "bytes", size: 8, doc: "xxh64, seed 0, of the page or the value's bytes" },
  { name: "algorithm", type: "u8", doc: "1 xxh64; a 16-byte tag takes all of sum to reserved" },
  { name: "reserved", type: "bytes", size: 7, doc: "zero" },
] as const;

/** A pointer to one node page, or to an extent of overflow pages. */
export const POINTER: Layout<typeof POINTER_FIELDS> = defineLayout("pointer", POINTER_FIELDS, {
  littleEndian: true,
});

/** Offsets in a pointer for code that touches millions of them; a test compares them with the layout. */
export const POINTER_BYTES = 24;
export const POINTER_PAGES_AT = 6;
export const POINTER_SUM_AT = 8;
export const POINTER_ALGORITHM_AT = 16;

const OVERFLOW_FIELDS = [
  { name: "page", type: "u48", doc: "number of the first page" },
  { name: "pages", type: "u16", doc: "pages in a row" },
  { name: "sum", type: "bytes", size: 8, doc: "xxh64, seed 0, of the value's bytes" },
  { name: "algorithm", type: "u8", doc: "1 xxh64" },
  { name: "reserved", type: "bytes", size: 7, doc: "zero" },
  {
    name: "length",
    type: "u32",
    doc: "bytes of the value; the rest of its last page is not written",
  },
] as const;

/** What a leaf holds in place of a value that is too long for it. */
export const OVERFLOW_REFERENCE: Layout<typeof OVERFLOW_FIELDS> = defineLayout(
  "overflow reference",
  OVERFLOW_FIELDS,
  { littleEndian: true },
);

/** Writes a pointer to one page whose checksum is not known yet. */
export function writeUnsealedPointer(view: DataView, at: number, page: number): void {
  view.setUint32(at, page, true);
  view.setUint32(at + 4, 1 << 16, true);
  view.setUint32(at + 8, 0, true);
  view.setUint32(at + 12, 0, true);
  view.setUint32(at + 16, 0, true);
  view.setUint32(at + 20, 0, true);
}

/** Completes a pointer with the checksum of its child. */
export function sealPointer(view: DataView, at: number, sum: bigint): void {
  view.setBigUint64(at + POINTER_SUM_AT, sum, true);
  view.setUint8(at + POINTER_ALGORITHM_AT, ChecksumAlgorithm.XXH64);
}

/** Is the checksum known? */
export function isSealed(view: DataView, at: number): boolean {
  return view.getUint8(at + POINTER_ALGORITHM_AT) !== ChecksumAlgorithm.UNKNOWN;
}
