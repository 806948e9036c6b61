/**
 * Branch pages: pointers to children, with the separators between them as keys.
 *
 *   INV-BRANCHPAGE-1  Keys of the child at i are at least the separator of cell i and less than that of cell
 *                      i + 1. The first cell has no separator.
 *   INV-BRANCHPAGE-2  A branch has at least two children.
 *
 * Separators are as short as they can be (Bayer and Unterauer, "Prefix B-trees", 1977): the shortest key
 * that is greater than everything to its left and not greater than anything to its right.
 */
import { POINTER_BYTES } from "../format/pointer.js";
import type { Slab } from "../memory/page-cache.js";
import { payloadAt, searchPage } from "./slotted-page.js";

/** Index of the child whose range holds the key. */
export function childIndex(slab: Slab, base: number, pageBytes: number, key: Uint8Array): number {
  const found = searchPage(slab, base, pageBytes, key, 1);
  return found >= 0 ? found : ~found - 1;
}

/** Where the pointer of a child is, in the slab. */
export function pointerAt(slab: Slab, base: number, index: number): number {
  return payloadAt(slab, base, index);
}

/** All payloads of a branch are pointers. */
export function branchPayloadBytes(): number {
  return POINTER_BYTES;
}

/** The shortest key that is greater than `left` and not greater than `right`; left is less than right. */
export function separatorOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  let common = 0;
  while (common < left.length && left[common] === right[common]) common++;
  return right.subarray(0, common + 1);
}
