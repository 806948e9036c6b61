/**
 * Cells taken out of pages and put into pages, for joining neighbours and for compaction. Ordinary inserts and removals
 * work in the page itself (slotted-page.ts), splits in overfull-page.ts; what is here is rare, and allocates.
 */
import { POINTER_BYTES } from "../format/pointer.js";
import { type Slab, slabOf } from "../memory/page-cache.js";
import { leafPayloadBytes } from "./leaf-page.js";
import {
  cellCount,
  HEADER_BYTES,
  initPage,
  insertCell,
  insertKeyless,
  keyLength,
  levelOf,
  payloadAt,
  readKey,
  restLength,
  SLOT_BYTES,
} from "./slotted-page.js";

export interface Cell {
  /** The whole key; of the first cell of a branch it does not count. */
  readonly key: Uint8Array;
  readonly payload: Uint8Array;
}

/** Where a page lies. */
export interface PagePlace {
  readonly slab: Slab;
  readonly base: number;
  readonly pageBytes: number;
}

/** Copies of all cells of a page: views of two buffers, since an array for each key and payload costs more. */
export function collectCells({ slab, base, pageBytes }: PagePlace): Cell[] {
  const isBranch = levelOf(slab, base) > 0;
  const page = slab.bytes.slice(base, base + pageBytes);
  const count = cellCount(slab, base);
  const first = isBranch ? 1 : 0;
  let keyBytes = 0;
  for (let i = first; i < count; i++) keyBytes += keyLength(slab, base, i);
  const keys = slabOf(keyBytes);
  const cells: Cell[] = [];
  let to = 0;
  for (let i = 0; i < count; i++) {
    const at = payloadAt(slab, base, i);
    const payloadBytes = isBranch ? POINTER_BYTES : leafPayloadBytes(slab, at);
    const from = to;
    if (i >= first) {
      readKey(slab, base, pageBytes, i, keys, from);
      to += keyLength(slab, base, i);
    }
    const payload = page.subarray(at - base, at - base + payloadBytes);
    cells.push({ key: keys.bytes.subarray(from, to), payload });
  }
  return cells;
}

/** Makes a page of the cells [from, to). They fit, as `cellsBytes` says. */
export function buildPage(
  { slab, base, pageBytes }: PagePlace,
  about: { readonly tree: number; readonly level: number },
  cells: readonly Cell[],
  from: number,
  to: number,
): void {
  const first = about.level > 0 ? from + 1 : from;
  const prefix = commonPrefix(cells, first, to);
  initPage(slab, base, pageBytes, { ...about, prefixBytes: prefix });
  if (prefix > 0) slab.bytes.set(cells[first]!.key.subarray(0, prefix), base + pageBytes - prefix);
  for (let i = from; i < to; i++) {
    const { key, payload } = cells[i]!;
    const at =
      i < first
        ? insertKeyless(slab, base, payload.length)
        : insertCell(slab, base, i - from, key, payload.length);
    slab.bytes.set(payload, at);
  }
}

/** Bytes of a page with the cells [from, to). */
export function cellsBytes(
  cells: readonly Cell[],
  from: number,
  to: number,
  isBranch: boolean,
): number {
  const first = isBranch ? from + 1 : from;
  const prefix = commonPrefix(cells, first, to);
  let sum = HEADER_BYTES + prefix;
  for (let i = from; i < to; i++) {
    const { key, payload } = cells[i]!;
    sum += SLOT_BYTES + payload.length + (i < first ? 0 : restLength(key.length - prefix));
  }
  return sum;
}

/**
 * Where to cut cells that do not fit into one page: both sides fit, and they are as equal as that allows. A
 * cut exists: a cell takes at most a quarter of a page, and the cells that shared a prefix before a key that
 * does not share it came in fit without that key.
 */
export function cutPoint(cells: readonly Cell[], pageBytes: number, isBranch: boolean): number {
  const balanced = balancedCut(cells.length, (i) => {
    const { key, payload } = cells[i]!;
    return SLOT_BYTES + key.length + payload.length;
  });
  const least = cellsMin(isBranch);
  const fits = (cut: number): boolean =>
    cut >= least &&
    cut <= cells.length - least &&
    cellsBytes(cells, 0, cut, isBranch) <= pageBytes &&
    cellsBytes(cells, cut, cells.length, isBranch) <= pageBytes;
  for (let step = 0; step < cells.length; step++) {
    if (fits(balanced + step)) return balanced + step;
    if (fits(balanced - step)) return balanced - step;
  }
  return -1;
}

/** Cells that each side of a cut keeps: a branch has two children at least (INV-BRANCHPAGE-2). */
export function cellsMin(isBranch: boolean): number {
  return isBranch ? 2 : 1;
}

/** Where to cut `count` cells so that both sides weigh nearly the same. */
export function balancedCut(count: number, weightOf: (index: number) => number): number {
  let half = 0;
  for (let i = 0; i < count; i++) half += weightOf(i);
  half /= 2;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const own = weightOf(i);
    sum += own;
    if (sum < half) continue;
    const cut = 2 * (sum - half) > own ? i : i + 1;
    return Math.min(Math.max(cut, 1), count - 1);
  }
  return count - 1;
}

/** Bytes that the keys of [from, to) have in common; they ascend, so the first and the last tell. */
function commonPrefix(cells: readonly Cell[], from: number, to: number): number {
  if (to - from < 1) return 0;
  const a = cells[from]!.key;
  const b = cells[to - 1]!.key;
  const limit = Math.min(a.length, b.length);
  let common = 0;
  while (common < limit && a[common] === b[common]) common++;
  return common;
}
