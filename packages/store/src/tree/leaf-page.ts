/**
 * Payloads of leaf cells: a value, or a reference to one that lies in overflow pages.
 *
 *     payload   u16 length, highest bit set for a reference | value, or overflow reference (28)
 *
 *   INV-LEAF-1  A value lies in its leaf exactly when the cell takes at most a quarter of the page, so that
 *               at least four cells fit in any page and every overfull page can be split in two.
 */
import { assert } from "@authledger/types";
import { OVERFLOW_REFERENCE } from "../format/pointer.js";
import type { Slab } from "../memory/page-cache.js";
import { copyWords, HEADER_BYTES, SLOT_BYTES } from "./slotted-page.js";

/** In the length of a payload: what follows is a reference. */
const OVERFLOW = 0x8000;
const LENGTH_BYTES = 2;
const REFERENCE_BYTES = OVERFLOW_REFERENCE.size;

/** Largest cell with its slot: a quarter of what a page holds. */
export function cellBytesMax(pageBytes: number): number {
  return (pageBytes - HEADER_BYTES) >> 2;
}

/** Longest key that leaves room for a reference: 976 bytes of a 4 KiB page, 80 of a 512-byte page. */
export function keyBytesMax(pageBytes: number): number {
  return cellBytesMax(pageBytes) - SLOT_BYTES - LENGTH_BYTES - REFERENCE_BYTES;
}

/** Does a value lie in the leaf (INV-LEAF-1)? */
export function isInline(keyBytes: number, valueBytes: number, pageBytes: number): boolean {
  return SLOT_BYTES + LENGTH_BYTES + keyBytes + valueBytes <= cellBytesMax(pageBytes);
}

/** Bytes of a payload with a value of this length. */
export function inlinePayloadBytes(valueBytes: number): number {
  return LENGTH_BYTES + valueBytes;
}

/** Bytes of a payload with a reference. */
export const REFERENCE_PAYLOAD_BYTES: number = LENGTH_BYTES + REFERENCE_BYTES;

/** Length of the payload at `at` of a slab. */
export function leafPayloadBytes(slab: Slab, at: number): number {
  const length = slab.view.getUint16(at, true);
  return LENGTH_BYTES + (length & OVERFLOW ? REFERENCE_BYTES : length);
}

export function hasReference(slab: Slab, at: number): boolean {
  return (slab.view.getUint16(at, true) & OVERFLOW) !== 0;
}

/** Does the value of a reference at `at` take a page from `limit` on? */
export function endsBehind(slab: Slab, at: number, limit: number): boolean {
  return slab.view.getUint32(at, true) + slab.view.getUint16(at + 6, true) > limit;
}

/** Where the reference of a payload begins. */
export function referenceAt(at: number): number {
  return at + LENGTH_BYTES;
}

/** Bytes of the value of a payload; one in pages of its own is not read for it. */
export function valueBytes(slab: Slab, at: number): number {
  return hasReference(slab, at)
    ? OVERFLOW_REFERENCE.read(slab.bytes, referenceAt(at)).length
    : slab.view.getUint16(at, true);
}

/** A view of the value in a payload. */
export function inlineValue(slab: Slab, at: number): Uint8Array {
  const from = at + LENGTH_BYTES;
  return slab.bytes.subarray(from, from + slab.view.getUint16(at, true));
}

/** Writes the first `length` bytes of the value in a payload to `into` at `at`. */
export function copyInlineValue(
  slab: Slab,
  payload: number,
  length: number,
  into: Slab,
  at: number,
): void {
  const has = slab.view.getUint16(payload, true);
  assert(length <= has, "the value has so many bytes", { length });
  copyWords(slab, payload + LENGTH_BYTES, into, at, length);
}

/** Writes a payload: a value, or the bytes of a reference. */
export function writePayload(
  slab: Slab,
  at: number,
  content: Uint8Array,
  isReference: boolean,
): void {
  slab.view.setUint16(at, isReference ? OVERFLOW | content.length : content.length, true);
  slab.bytes.set(content, at + LENGTH_BYTES);
}
