/**
 * Pages of a tree: slots in key order, cells in no order, the common prefix of the keys once.
 *
 *     header (40) | slots, 8 bytes each -> | free | <- cells | prefix
 *     slot   head u32, offset u16, suffix length u16           (little-endian)
 *     cell   rest of the key | payload
 *
 * A key is prefix, then suffix. The head is the first four bytes of the suffix as a big-endian number, zeros
 * behind a shorter one; they are not repeated in the cell, so the rest is what comes after them. A binary
 * search compares heads and looks into a cell only where heads are equal.
 *
 *   INV-PAGE-1  Keys of a page ascend strictly, in byte order.
 *   INV-PAGE-2  lower is the end of the slots; cells lie between upper and the prefix; garbage counts the
 *               bytes there that no cell has.
 *   INV-PAGE-3  All keys of the page begin with the prefix. The first cell of a branch has no key (it counts
 *               as less than every key) and is left out of all this.
 *
 * The functions here take a slab and where the page begins in it, and allocate nothing. What payloads mean is
 * in leaf-page.ts and branch-page.ts.
 */
import { PageType } from "../format/page-header.js";
import { type Slab, slabOf } from "../memory/page-cache.js";

/** Offsets in the header; a test compares them with the layout. */
export const HEADER_BYTES = 40;
export const TYPE_AT = 0;
export const LEVEL_AT = 1;
export const CELLS_AT = 2;
export const PAGE_AT = 4;
export const PREFIX_AT = 10;
export const TXID_AT = 12;
export const LOWER_AT = 20;
export const UPPER_AT = 22;
export const TREE_AT = 36;
export const GARBAGE_AT = 38;

export const SLOT_BYTES = 8;
/** Bytes of a suffix that are in the slot. */
const HEAD_BYTES = 4;

/**
 * Makes an empty page with room for a prefix at its end; the prefix itself is written by the caller. The page
 * keeps its number and its generation.
 */
export function initPage(
  slab: Slab,
  base: number,
  pageBytes: number,
  about: { readonly tree: number; readonly level: number; readonly prefixBytes: number },
): void {
  const { view } = slab;
  const page = view.getUint32(base + PAGE_AT, true);
  const txidLow = view.getUint32(base + TXID_AT, true);
  const txidHigh = view.getUint32(base + TXID_AT + 4, true);
  slab.bytes.fill(0, base, base + pageBytes);
  view.setUint32(base + TXID_AT, txidLow, true);
  view.setUint32(base + TXID_AT + 4, txidHigh, true);
  view.setUint8(base + TYPE_AT, about.level === 0 ? PageType.LEAF : PageType.BRANCH);
  view.setUint8(base + LEVEL_AT, about.level);
  view.setUint32(base + PAGE_AT, page, true);
  view.setUint16(base + PREFIX_AT, about.prefixBytes, true);
  view.setUint16(base + LOWER_AT, HEADER_BYTES, true);
  view.setUint16(base + UPPER_AT, pageBytes - about.prefixBytes, true);
  view.setUint16(base + TREE_AT, about.tree, true);
}

export function cellCount(slab: Slab, base: number): number {
  return slab.view.getUint16(base + CELLS_AT, true);
}

export function levelOf(slab: Slab, base: number): number {
  return slab.view.getUint8(base + LEVEL_AT);
}

export function prefixBytes(slab: Slab, base: number): number {
  return slab.view.getUint16(base + PREFIX_AT, true);
}

/** Bytes between slots and cells. */
export function freeBytes(slab: Slab, base: number): number {
  return slab.view.getUint16(base + UPPER_AT, true) - slab.view.getUint16(base + LOWER_AT, true);
}

function garbageBytes(slab: Slab, base: number): number {
  return slab.view.getUint16(base + GARBAGE_AT, true);
}

/** Bytes that slots, cells and prefix take. */
export function usedBytes(slab: Slab, base: number, pageBytes: number): number {
  return pageBytes - HEADER_BYTES - freeBytes(slab, base) - garbageBytes(slab, base);
}

/** Length of the whole key of a cell. */
export function keyLength(slab: Slab, base: number, index: number): number {
  const suffix = slab.view.getUint16(base + HEADER_BYTES + index * SLOT_BYTES + 6, true);
  return prefixBytes(slab, base) + suffix;
}

/** Where the payload of a cell begins, in the slab. */
export function payloadAt(slab: Slab, base: number, index: number): number {
  const word = slab.view.getUint32(base + HEADER_BYTES + index * SLOT_BYTES + HEAD_BYTES, true);
  return base + (word & 0xffff) + restLength(word >>> 16);
}

/** How much of a suffix lies in the cell. */
export function restLength(suffixLength: number): number {
  return suffixLength > HEAD_BYTES ? suffixLength - HEAD_BYTES : 0;
}

/**
 * Looks for a key among the cells from `first` on: the index of the cell that has it, else the complement
 * (`~index`) of the index of the first cell with a greater key.
 */
export function searchPage(
  slab: Slab,
  base: number,
  pageBytes: number,
  key: Uint8Array,
  first: number,
): number {
  const { view } = slab;
  let high = view.getUint16(base + CELLS_AT, true);
  let low = first;
  const prefix = view.getUint16(base + PREFIX_AT, true);
  if (prefix > 0) {
    const side = comparePrefix(slab.bytes, base + pageBytes - prefix, prefix, key);
    if (side !== 0) return ~(side < 0 ? low : high);
  }
  const head = headOf(key, prefix);
  const slots = base + HEADER_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = slots + middle * SLOT_BYTES;
    const found = view.getUint32(at, true);
    if (found < head) low = middle + 1;
    else if (found > head) high = middle;
    else {
      const side = compareRest(slab, base, view.getUint32(at + HEAD_BYTES, true), key, prefix);
      if (side === 0) return middle;
      if (side > 0) low = middle + 1;
      else high = middle;
    }
  }
  return ~low;
}

/** Compares a key with that of one cell: negative, zero or positive. */
export function compareKey(
  slab: Slab,
  base: number,
  pageBytes: number,
  key: Uint8Array,
  index: number,
): number {
  const prefix = prefixBytes(slab, base);
  if (prefix > 0) {
    const side = comparePrefix(slab.bytes, base + pageBytes - prefix, prefix, key);
    if (side !== 0) return side;
  }
  const at = base + HEADER_BYTES + index * SLOT_BYTES;
  const head = headOf(key, prefix);
  const found = slab.view.getUint32(at, true);
  if (head !== found) return head < found ? -1 : 1;
  return compareRest(slab, base, slab.view.getUint32(at + HEAD_BYTES, true), key, prefix);
}

/** The four bytes of a key behind the prefix, as a number. */
function headOf(key: Uint8Array, from: number, keyBytes: number = key.length): number {
  const left = keyBytes - from;
  if (left >= HEAD_BYTES) {
    return (
      ((key[from]! << 24) | (key[from + 1]! << 16) | (key[from + 2]! << 8) | key[from + 3]!) >>> 0
    );
  }
  let head = 0;
  for (let i = 0; i < HEAD_BYTES; i++) head = (head << 8) | (i < left ? key[from + i]! : 0);
  return head >>> 0;
}

/** Writes the key of a cell without its first `from` bytes at `at` of `into`; the caller knows its length. */
export function readKey(
  slab: Slab,
  base: number,
  pageBytes: number,
  index: number,
  into: Slab,
  at: number,
  from = 0,
): void {
  const { view } = slab;
  const prefix = prefixBytes(slab, base);
  const slot = base + HEADER_BYTES + index * SLOT_BYTES;
  const head = view.getUint32(slot, true);
  const word = view.getUint32(slot + HEAD_BYTES, true);
  const headEnd = prefix + Math.min(word >>> 16, HEAD_BYTES);
  const end = prefix + (word >>> 16);
  const prefixFrom = base + pageBytes - prefix;
  const restFrom = base + (word & 0xffff) - headEnd;
  const to = at - from;
  let i = from;
  if (i < prefix) {
    copyWords(slab, prefixFrom + i, into, to + i, prefix - i);
    i = prefix;
  }
  if (i === prefix && headEnd - prefix === HEAD_BYTES) {
    into.view.setUint32(to + i, head);
    i = headEnd;
  }
  for (; i < headEnd; i++) into.bytes[to + i] = head >>> (24 - 8 * (i - prefix));
  if (i < end) copyWords(slab, restFrom + i, into, to + i, end - i);
}

/** A copy of the key of a cell. */
export function keyAt(slab: Slab, base: number, pageBytes: number, index: number): Uint8Array {
  const key = slabOf(keyLength(slab, base, index));
  readKey(slab, base, pageBytes, index, key, 0);
  return key.bytes;
}

/** Does the key begin with the page's prefix? Only then can it be inserted without a rebuild. */
export function sharesPrefix(
  slab: Slab,
  base: number,
  pageBytes: number,
  key: Uint8Array,
): boolean {
  const prefix = prefixBytes(slab, base);
  return comparePrefix(slab.bytes, base + pageBytes - prefix, prefix, key) === 0;
}

/**
 * Makes a slot and a cell for a key at `index` and writes the key; the payload is written by the caller where
 * the returned offset in the slab says. The caller has seen that it fits and that the key shares the prefix.
 * `keyBytes` is for a key in a longer buffer.
 */
export function insertCell(
  slab: Slab,
  base: number,
  index: number,
  key: Uint8Array,
  payloadBytes: number,
  keyBytes: number = key.length,
): number {
  const { bytes, view } = slab;
  const prefix = view.getUint16(base + PREFIX_AT, true);
  const suffix = keyBytes - prefix;
  const rest = restLength(suffix);
  const upper = view.getUint16(base + UPPER_AT, true) - rest - payloadBytes;
  const lower = openSlot(slab, base, index);
  const slot = base + HEADER_BYTES + index * SLOT_BYTES;
  view.setUint32(slot, headOf(key, prefix, keyBytes), true);
  view.setUint32(slot + HEAD_BYTES, upper | (suffix << 16), true);
  view.setUint16(base + LOWER_AT, lower, true);
  view.setUint16(base + UPPER_AT, upper, true);
  const from = prefix + HEAD_BYTES;
  for (let i = 0; i < rest; i++) bytes[base + upper + i] = key[from + i]!;
  return base + upper + rest;
}

/** Appends a copy of a cell of a page at the start of `from` to a page with the same prefix. */
export function appendLike(
  from: Slab,
  index: number,
  slab: Slab,
  base: number,
  payloadBytes: number,
): void {
  const { view } = slab;
  const source = HEADER_BYTES + index * SLOT_BYTES;
  const word = from.view.getUint32(source + HEAD_BYTES, true);
  const bytes = restLength(word >>> 16) + payloadBytes;
  const upper = view.getUint16(base + UPPER_AT, true) - bytes;
  const lower = view.getUint16(base + LOWER_AT, true);
  view.setUint32(base + lower, from.view.getUint32(source, true), true);
  view.setUint32(base + lower + HEAD_BYTES, upper | (word & 0xffff_0000), true);
  view.setUint16(base + CELLS_AT, cellCount(slab, base) + 1, true);
  view.setUint16(base + LOWER_AT, lower + SLOT_BYTES, true);
  view.setUint16(base + UPPER_AT, upper, true);
  copyWords(from, word & 0xffff, slab, base + upper, bytes);
}

/** Copies four bytes at a time: a third of the time of single ones, and no view is made. */
export function copyWords(
  from: Slab,
  fromAt: number,
  to: Slab,
  toAt: number,
  length: number,
): void {
  const words = length & ~3;
  for (let i = 0; i < words; i += 4) {
    to.view.setUint32(toAt + i, from.view.getUint32(fromAt + i, true), true);
  }
  for (let i = words; i < length; i++) to.bytes[toAt + i] = from.bytes[fromAt + i]!;
}

/** Makes a slot and a cell without a key, for the first child of a branch. */
export function insertKeyless(slab: Slab, base: number, payloadBytes: number): number {
  const { view } = slab;
  const upper = view.getUint16(base + UPPER_AT, true) - payloadBytes;
  const lower = openSlot(slab, base, 0);
  view.setUint32(base + HEADER_BYTES, 0, true);
  view.setUint32(base + HEADER_BYTES + HEAD_BYTES, upper, true);
  view.setUint16(base + LOWER_AT, lower, true);
  view.setUint16(base + UPPER_AT, upper, true);
  return base + upper;
}

/** Removes the cells of [from, to); `payloadBytesAt` tells the length of a payload from where it begins. */
export function removeCells(
  slab: Slab,
  base: number,
  from: number,
  to: number,
  payloadBytesAt: (slab: Slab, at: number) => number,
): void {
  const { bytes, view } = slab;
  let garbage = view.getUint16(base + GARBAGE_AT, true);
  for (let i = from; i < to; i++) {
    const word = view.getUint32(base + HEADER_BYTES + i * SLOT_BYTES + HEAD_BYTES, true);
    const rest = restLength(word >>> 16);
    garbage += rest + payloadBytesAt(slab, base + (word & 0xffff) + rest);
  }
  const lower = view.getUint16(base + LOWER_AT, true);
  const gone = (to - from) * SLOT_BYTES;
  const start = base + HEADER_BYTES + from * SLOT_BYTES;
  bytes.copyWithin(start, start + gone, base + lower);
  view.setUint16(base + CELLS_AT, cellCount(slab, base) - (to - from), true);
  view.setUint16(base + LOWER_AT, lower - gone, true);
  view.setUint16(base + GARBAGE_AT, garbage, true);
}

/** Moves later slots up by one and counts the new cell; returns the new `lower`. */
function openSlot(slab: Slab, base: number, index: number): number {
  const { bytes, view } = slab;
  const cells = view.getUint16(base + CELLS_AT, true);
  const lower = view.getUint16(base + LOWER_AT, true);
  const slot = base + HEADER_BYTES + index * SLOT_BYTES;
  if (index < cells) bytes.copyWithin(slot + SLOT_BYTES, slot, base + lower);
  view.setUint16(base + CELLS_AT, cells + 1, true);
  return lower + SLOT_BYTES;
}

/** Compares the beginning of a key with a prefix; a key that ends inside the prefix is less. */
function comparePrefix(bytes: Uint8Array, at: number, prefix: number, key: Uint8Array): number {
  const both = Math.min(key.length, prefix);
  for (let i = 0; i < both; i++) {
    const difference = key[i]! - bytes[at + i]!;
    if (difference !== 0) return difference;
  }
  return key.length < prefix ? -1 : 0;
}

/** Compares what is behind equal heads; `word` is the second half of the slot. */
function compareRest(
  slab: Slab,
  base: number,
  word: number,
  key: Uint8Array,
  prefix: number,
): number {
  const { bytes } = slab;
  const suffix = word >>> 16;
  const keySuffix = key.length - prefix;
  const both = Math.min(suffix, keySuffix);
  const cell = base + (word & 0xffff) - HEAD_BYTES;
  for (let i = HEAD_BYTES; i < both; i++) {
    const difference = key[prefix + i]! - bytes[cell + i]!;
    if (difference !== 0) return difference;
  }
  return keySuffix - suffix;
}
