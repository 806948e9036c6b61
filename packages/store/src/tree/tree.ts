/**
 * Copy-on-write B+ tree over pages.
 *
 *   INV-TREE-1  Keys ascend strictly through the leaves; separators part them (branch-page.ts).
 *   INV-TREE-2  All leaves have the same depth.
 *   INV-TREE-3  A page but the root that a delete leaves less than a third full is joined with a neighbour, or
 *               shares the cells of one where they do not fit into one page.
 *   INV-TREE-4  A page that is edited has an edited parent, whose pointer carries no checksum until the flush
 *               knows it (INV-PTR-1).
 *
 * Source: Comer, "The Ubiquitous B-Tree", 1979; Rodeh, "B-trees, Shadowing, and Clones", 2008.
 * The finger: the path of the last operation is kept; a key between the first and the last of its leaf needs no
 * descent. `state` reads, writes and looks around in one place at a time.
 */
import { assert, LedgerError, limits } from "@authledger/types";
import {
  isSealed,
  POINTER_BYTES,
  POINTER_SUM_AT,
  writeUnsealedPointer,
} from "../format/pointer.js";
import { LEVELS_MAX } from "../limits.js";
import type { PageCache, Slab } from "../memory/page-cache.js";
import type { Pager } from "../memory/pager.js";
import type { ValueStore } from "../memory/value-store.js";
import { branchPayloadBytes, childIndex, pointerAt, separatorOf } from "./branch-page.js";
import { Cursor } from "./cursor.js";
import {
  endsBehind,
  hasReference,
  inlinePayloadBytes,
  inlineValue,
  isInline,
  keyBytesMax,
  leafPayloadBytes,
  REFERENCE_PAYLOAD_BYTES,
  referenceAt,
  valueBytes,
  writePayload,
} from "./leaf-page.js";
import type { OverfullPage } from "./overfull-page.js";
import {
  buildPage,
  type Cell,
  cellsBytes,
  cellsMin,
  collectCells,
  cutPoint,
  type PagePlace,
} from "./page-cells.js";
import {
  cellCount,
  compareKey,
  freeBytes,
  insertCell,
  payloadAt,
  prefixBytes,
  removeCells,
  restLength,
  SLOT_BYTES,
  searchPage,
  sharesPrefix,
  usedBytes,
} from "./slotted-page.js";
import type { TreeRoot, TreeState } from "./tree-state.js";

const EMPTY: TreeState = { root: undefined, levels: 0, count: 0 };

export class Tree {
  readonly id: number;
  readonly name: string;
  readonly #pager: Pager;
  readonly #cache: PageCache;
  readonly #values: ValueStore;
  readonly #pageBytes: number;
  #root: TreeRoot | undefined;
  #levels: number;
  #count: number;
  /** Raised by every write: cursors over the tree being written become stale. */
  version = 0;
  /** The path of the last write: frame and child index of each level, the leaf at 0. */
  readonly #frames = new Int32Array(LEVELS_MAX);
  readonly #indexes = new Int32Array(LEVELS_MAX);
  #pathEpoch = -1;
  /** For inserts that do not fit; shared by all trees of a store, since none is kept. */
  readonly #overfull: OverfullPage;
  /** The leaf of the last read. */
  #readFrame = -1;
  #readPage = 0;

  constructor(
    id: number,
    name: string,
    pager: Pager,
    values: ValueStore,
    state: TreeState = EMPTY,
  ) {
    this.id = id;
    this.name = name;
    this.#pager = pager;
    this.#cache = pager.cache;
    this.#values = values;
    this.#pageBytes = pager.pageBytes;
    this.#overfull = pager.overfull;
    this.#root = state.root;
    this.#levels = state.levels;
    this.#count = state.count;
  }

  get count(): number {
    return this.#count;
  }

  get state(): TreeState {
    return { root: this.#root, levels: this.#levels, count: this.#count };
  }

  /** The value of a key; a view, valid until the next write or the next turn of the event loop. */
  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#root === undefined) return undefined;
    const frame = this.#findLeaf(key);
    const slab = this.#cache.slab(frame);
    const base = this.#cache.base(frame);
    const index = searchPage(slab, base, this.#pageBytes, key, 0);
    return index < 0 ? undefined : this.#valueAt(slab, payloadAt(slab, base, index));
  }

  /** Bytes of the value of a key, which is not read for it. */
  valueLength(key: Uint8Array): number | undefined {
    if (this.#root === undefined) return undefined;
    const frame = this.#findLeaf(key);
    const slab = this.#cache.slab(frame);
    const base = this.#cache.base(frame);
    const index = searchPage(slab, base, this.#pageBytes, key, 0);
    return index < 0 ? undefined : valueBytes(slab, payloadAt(slab, base, index));
  }

  has(key: Uint8Array): boolean {
    if (this.#root === undefined) return false;
    const frame = this.#findLeaf(key);
    return (
      searchPage(this.#cache.slab(frame), this.#cache.base(frame), this.#pageBytes, key, 0) >= 0
    );
  }

  /** Returns whether the key was there. @throws LedgerError STORE_KEY_INVALID, LIMIT_EXCEEDED */
  put(key: Uint8Array, value: Uint8Array): boolean {
    this.#checkKey(key);
    this.#values.checkLength(value.length);
    this.version++;
    if (this.#root === undefined) this.#plant();
    else this.#descend(key);
    const inline = isInline(key.length, value.length, this.#pageBytes);
    const content = inline ? value : this.#values.put(value);
    const bytes = inline ? inlinePayloadBytes(value.length) : REFERENCE_PAYLOAD_BYTES;
    const { slab, base } = this.#place(this.#frames[0]!);
    const found = searchPage(slab, base, this.#pageBytes, key, 0);
    if (found >= 0) {
      this.#replace(found, key, content, bytes, !inline);
      return true;
    }
    this.#insertValue(~found, key, content, bytes, !inline);
    this.#count++;
    return false;
  }

  /** Returns whether the key was there. */
  delete(key: Uint8Array): boolean {
    if (!this.has(key)) return false;
    this.version++;
    this.#descend(key);
    const { slab, base } = this.#place(this.#frames[0]!);
    const index = searchPage(slab, base, this.#pageBytes, key, 0);
    this.#removeFromLeaf(index, index + 1);
    return true;
  }

  /** Removes the keys of [from, to), leaf by leaf; returns how many there were. */
  deleteRange(from: Uint8Array, to: Uint8Array): number {
    let removed = 0;
    for (;;) {
      const cursor = this.cursor();
      if (!cursor.seek(from)) return removed;
      const first = cursor.key.slice();
      if (!isLess(first, to)) return removed;
      this.version++;
      this.#descend(first);
      const { slab, base } = this.#place(this.#frames[0]!);
      const start = searchPage(slab, base, this.#pageBytes, first, 0);
      const found = searchPage(slab, base, this.#pageBytes, to, start);
      const end = found < 0 ? ~found : found;
      this.#removeFromLeaf(start, end);
      removed += end - start;
    }
  }

  cursor(): Cursor {
    return new Cursor(this, this.#pager, this.#values);
  }

  /** For compaction: the pages from the root to the leaf of a key get new numbers, unless no flush wrote them yet. */
  copyPath(key: Uint8Array): void {
    this.version++;
    this.#descend(key);
  }

  /** For compaction: joins the leaf of a key with the one before it under the same parent. They fit into a page. */
  joinLeaf(key: Uint8Array): void {
    this.copyPath(key);
    this.#pathEpoch = -1;
    this.#readFrame = -1;
    this.#join(0);
  }

  /** For compaction: moves values of the key's leaf that end behind page `limit`; how many it were. */
  moveValues(key: Uint8Array, limit: number): number {
    this.copyPath(key);
    const { slab, base } = this.#place(this.#frames[0]!);
    let moved = 0;
    for (let i = 0; i < cellCount(slab, base); i++) {
      const at = payloadAt(slab, base, i);
      if (!hasReference(slab, at) || !endsBehind(slab, referenceAt(at), limit)) continue;
      const reference = this.#values.move(slab.bytes, referenceAt(at));
      if (reference === undefined) continue;
      writePayload(slab, at, reference, true);
      moved++;
    }
    return moved;
  }

  /** After a flush failed: the path and the root's checksum are of pages that will be written again. */
  forgetPath(): void {
    this.#pathEpoch = -1;
    this.#readFrame = -1;
  }

  #checkKey(key: Uint8Array): void {
    const max = Math.min(keyBytesMax(this.#pageBytes), limits.STORE_KEY_BYTES_MAX);
    if (key.length >= 1 && key.length <= max) return;
    const message = `a key of ${key.length} bytes for table ${this.name}; a key has 1 to ${max}`;
    throw new LedgerError("STORE_KEY_INVALID", message, {
      details: { limit: max, actual: key.length },
    });
  }

  #place(frame: number): PagePlace {
    return {
      slab: this.#cache.slab(frame),
      base: this.#cache.base(frame),
      pageBytes: this.#pageBytes,
    };
  }

  #valueAt(slab: Slab, at: number): Uint8Array {
    return hasReference(slab, at)
      ? this.#values.get(slab.bytes, referenceAt(at))
      : inlineValue(slab, at);
  }

  /** Is the key between the first and the last one of a leaf? */
  #isInside(frame: number, key: Uint8Array): boolean {
    const slab = this.#cache.slab(frame);
    const base = this.#cache.base(frame);
    const last = cellCount(slab, base) - 1;
    return (
      last > 0 &&
      compareKey(slab, base, this.#pageBytes, key, 0) >= 0 &&
      compareKey(slab, base, this.#pageBytes, key, last) <= 0
    );
  }

  #findLeaf(key: Uint8Array): number {
    const cache = this.#cache;
    const near = this.#readFrame;
    if (near >= 0 && cache.holds(near, this.#readPage) && this.#isInside(near, key)) return near;
    const root = this.#root!;
    let frame = this.#pager.node(root.page, root.sum, this.id);
    for (let level = this.#levels - 1; level > 0; level--) {
      const slab = cache.slab(frame);
      const base = cache.base(frame);
      const index = childIndex(slab, base, this.#pageBytes, key);
      frame = this.#pager.child(slab, pointerAt(slab, base, index), this.id);
    }
    this.#readFrame = frame;
    this.#readPage = cache.pageOf[frame]!;
    return frame;
  }

  /** The first page of an empty tree. */
  #plant(): void {
    const frame = this.#pager.birth(this.id, 0);
    this.#root = { page: this.#cache.pageOf[frame]!, sum: undefined };
    this.#levels = 1;
    this.#frames[0] = frame;
    this.#pathEpoch = this.#pager.epoch;
    this.#readFrame = -1;
  }

  /** Makes the pages from the root to the leaf of a key editable and remembers them. */
  #descend(key: Uint8Array): void {
    if (this.#pathEpoch === this.#pager.epoch && this.#isInside(this.#frames[0]!, key)) return;
    this.#pathEpoch = -1; // A page that cannot be read ends this half way: then there is no path.
    const pager = this.#pager;
    const cache = this.#cache;
    const top = this.#levels - 1;
    const root = this.#root!;
    let frame = pager.edit(pager.node(root.page, root.sum, this.id));
    if (cache.pageOf[frame] !== root.page || root.sum !== undefined) {
      this.#root = { page: cache.pageOf[frame]!, sum: undefined };
    }
    for (let level = top; level > 0; level--) {
      this.#frames[level] = frame;
      const slab = cache.slab(frame);
      const base = cache.base(frame);
      const index = childIndex(slab, base, this.#pageBytes, key);
      this.#indexes[level] = index;
      const at = pointerAt(slab, base, index);
      frame = this.#editChild(slab, at);
    }
    this.#frames[0] = frame;
    this.#pathEpoch = pager.epoch;
    this.#readFrame = frame;
    this.#readPage = cache.pageOf[frame]!;
  }

  /** INV-TREE-4: the pointer to an edited page carries its number and no checksum. */
  #editChild(slab: Slab, at: number): number {
    const before = this.#pager.child(slab, at, this.id);
    const frame = this.#pager.edit(before);
    if (frame !== before || isSealed(slab.view, at)) {
      writeUnsealedPointer(slab.view, at, this.#cache.pageOf[frame]!);
    }
    return frame;
  }

  #replace(
    index: number,
    key: Uint8Array,
    content: Uint8Array,
    bytes: number,
    isReference: boolean,
  ): void {
    const { slab, base } = this.#place(this.#frames[0]!);
    const at = payloadAt(slab, base, index);
    if (hasReference(slab, at)) this.#values.free(slab.bytes, referenceAt(at));
    if (leafPayloadBytes(slab, at) === bytes) {
      writePayload(slab, at, content, isReference);
      return;
    }
    removeCells(slab, base, index, index + 1, leafPayloadBytes);
    this.#insertValue(index, key, content, bytes, isReference);
    // A page that was split is not sparse, and the path is not that of its halves any more.
    if (this.#pathEpoch === this.#pager.epoch) this.#rebalance(0);
  }

  #removeFromLeaf(from: number, to: number): void {
    const { slab, base } = this.#place(this.#frames[0]!);
    for (let i = from; i < to; i++) {
      const at = payloadAt(slab, base, i);
      if (hasReference(slab, at)) this.#values.free(slab.bytes, referenceAt(at));
    }
    removeCells(slab, base, from, to, leafPayloadBytes);
    this.#count -= to - from;
    this.#rebalance(0);
  }

  /** Inserts a cell into the path's leaf. Nearly always it fits: then nothing is allocated. */
  #insertValue(
    index: number,
    key: Uint8Array,
    content: Uint8Array,
    bytes: number,
    isReference: boolean,
  ): void {
    const frame = this.#frames[0]!;
    const slab = this.#cache.slab(frame);
    const base = this.#cache.base(frame);
    if (this.#fits(slab, base, key, bytes)) {
      writePayload(slab, insertCell(slab, base, index, key, bytes), content, isReference);
    } else {
      this.#insert(0, index, key, bytes, (to, at) => writePayload(to, at, content, isReference));
    }
  }

  /** Does a cell fit into a page as it is? */
  #fits(slab: Slab, base: number, key: Uint8Array, payloadBytes: number): boolean {
    if (cellCount(slab, base) === 0 || !sharesPrefix(slab, base, this.#pageBytes, key))
      return false;
    const rest = restLength(key.length - prefixBytes(slab, base));
    return SLOT_BYTES + rest + payloadBytes <= freeBytes(slab, base);
  }

  /** Inserts a cell into the page of the path at `level`; splits it where it does not fit. */
  #insert(
    level: number,
    index: number,
    key: Uint8Array,
    payloadBytes: number,
    write: (slab: Slab, at: number) => void,
  ): void {
    const { slab, base, pageBytes } = this.#place(this.#frames[level]!);
    if (this.#fits(slab, base, key, payloadBytes)) {
      write(slab, insertCell(slab, base, index, key, payloadBytes));
      return;
    }
    const cells = this.#overfull;
    write(cells.take({ slab, base, pageBytes }, index, key, payloadBytes), 0);
    if (cells.fitsOne) {
      cells.build({ slab, base, pageBytes }, this.id, level, 0, cells.count);
    } else this.#split(level, index, cells);
  }

  #build(level: number, cells: readonly Cell[]): void {
    const place = this.#place(this.#frames[level]!);
    buildPage(place, { tree: this.id, level }, cells, 0, cells.length);
  }

  #split(level: number, index: number, cells: OverfullPage): void {
    const { count } = cells;
    const isAppend = index === count - 1 && this.#isRightmost(level);
    const cut = isAppend ? count - cellsMin(level > 0) : cells.cutPoint();
    assert(cut > 0, "INV-LEAF-1: an overfull page can be cut in two", { tree: this.id, level });
    const right = this.#pager.birth(this.id, level);
    cells.build(this.#place(right), this.id, level, cut, count);
    cells.build(this.#place(this.#frames[level]!), this.id, level, 0, cut);
    const separator = level > 0 ? cells.key(cut) : separatorOf(cells.key(cut - 1), cells.key(cut));
    this.#adopt(level, separator, right);
  }

  /** Gives the page right of the path's page at `level` a place in the parent. */
  #adopt(level: number, separator: Uint8Array, right: number): void {
    const page = this.#cache.pageOf[right]!;
    this.#pathEpoch = -1;
    this.#readFrame = -1;
    if (level === this.#levels - 1) this.#grow(level);
    const write = (slab: Slab, at: number): void => writeUnsealedPointer(slab.view, at, page);
    const above = this.#indexes[level + 1]! + 1;
    this.#insert(level + 1, above, separator, POINTER_BYTES, write);
  }

  /** A new root above the old one. */
  #grow(level: number): void {
    assert(this.#levels < LEVELS_MAX, "a tree of that height does not fit in a file");
    const old = this.#cache.pageOf[this.#frames[level]!]!;
    const root = this.#pager.birth(this.id, level + 1);
    const payload = new Uint8Array(POINTER_BYTES);
    writeUnsealedPointer(new DataView(payload.buffer), 0, old);
    this.#frames[level + 1] = root;
    this.#indexes[level + 1] = 0;
    this.#build(level + 1, [{ key: new Uint8Array(0), payload }]);
    this.#root = { page: this.#cache.pageOf[root]!, sum: undefined };
    this.#levels++;
  }

  #isRightmost(level: number): boolean {
    for (let above = level + 1; above < this.#levels; above++) {
      const { slab, base } = this.#place(this.#frames[above]!);
      if (this.#indexes[above]! !== cellCount(slab, base) - 1) return false;
    }
    return true;
  }

  /** Joins the path's page at `level` with a neighbour when it has become too empty (INV-TREE-3). */
  #rebalance(level: number): void {
    if (level === this.#levels - 1) {
      this.#shrinkRoot(level);
      return;
    }
    const { slab, base, pageBytes } = this.#place(this.#frames[level]!);
    const cells = cellCount(slab, base);
    const isSparse = usedBytes(slab, base, pageBytes) * 3 < pageBytes;
    if (!isSparse && cells > (level > 0 ? 1 : 0)) return;
    this.#pathEpoch = -1;
    this.#readFrame = -1;
    this.#join(level);
  }

  /** A root leaf without cells is no tree; a root with one child is not needed. */
  #shrinkRoot(level: number): void {
    const frame = this.#frames[level]!;
    const { slab, base } = this.#place(frame);
    const cells = cellCount(slab, base);
    if (cells > (level === 0 ? 0 : 1)) return;
    this.#pathEpoch = -1;
    this.#readFrame = -1;
    if (level === 0) this.#root = undefined;
    else {
      const at = pointerAt(slab, base, 0);
      const sealed = isSealed(slab.view, at);
      const sum = sealed ? slab.view.getBigUint64(at + POINTER_SUM_AT, true) : undefined;
      this.#root = { page: slab.view.getUint32(at, true), sum };
    }
    this.#levels--;
    this.#pager.free(this.#cache.pageOf[frame]!);
    if (level > 1) this.#shrinkLoneRoot();
  }

  /** The only child of an old root may itself have one child. */
  #shrinkLoneRoot(): void {
    const root = this.#root!;
    const level = this.#levels - 1;
    const frame = this.#pager.node(root.page, root.sum, this.id);
    const { slab, base } = this.#place(frame);
    if (cellCount(slab, base) > 1) return;
    this.#frames[level] = frame;
    this.#shrinkRoot(level);
  }

  #join(level: number): void {
    const parent = this.#place(this.#frames[level + 1]!);
    const siblings = cellCount(parent.slab, parent.base);
    assert(siblings > 1, "INV-BRANCHPAGE-2: a branch has at least two children", { level });
    const index = this.#indexes[level + 1]!;
    const leftIndex = index > 0 ? index - 1 : 0;
    const left = this.#childToEdit(parent, leftIndex);
    const right = this.#childToEdit(parent, leftIndex + 1);
    const cells = this.#joinedCells(parent, leftIndex + 1, left, right, level);
    if (cellsBytes(cells, 0, cells.length, level > 0) <= this.#pageBytes) {
      buildPage(this.#place(left), { tree: this.id, level }, cells, 0, cells.length);
      this.#pager.free(this.#cache.pageOf[right]!);
      removeCells(parent.slab, parent.base, leftIndex + 1, leftIndex + 2, branchPayloadBytes);
      this.#rebalance(level + 1);
    } else this.#share(level, leftIndex, left, right, cells);
  }

  #childToEdit(parent: PagePlace, index: number): number {
    return this.#editChild(parent.slab, pointerAt(parent.slab, parent.base, index));
  }

  /** The cells of two neighbours; the separator between branches comes down. */
  #joinedCells(
    parent: PagePlace,
    rightIndex: number,
    left: number,
    right: number,
    level: number,
  ): Cell[] {
    const cells = collectCells(this.#place(left));
    const more = collectCells(this.#place(right));
    if (level > 0) {
      const separator = collectCells(parent)[rightIndex]!.key;
      more[0] = { key: separator, payload: more[0]!.payload };
    }
    return [...cells, ...more];
  }

  /** Cuts the cells of two neighbours anew; the parent gets another separator, which may split it. */
  #share(
    level: number,
    leftIndex: number,
    left: number,
    right: number,
    cells: readonly Cell[],
  ): void {
    const cut = cutPoint(cells, this.#pageBytes, level > 0);
    assert(cut > 0, "two neighbours can be cut where they were", { tree: this.id, level });
    const about = { tree: this.id, level };
    buildPage(this.#place(left), about, cells, 0, cut);
    buildPage(this.#place(right), about, cells, cut, cells.length);
    const separator =
      level > 0 ? cells[cut]!.key : separatorOf(cells[cut - 1]!.key, cells[cut]!.key);
    const { slab, base } = this.#place(this.#frames[level + 1]!);
    removeCells(slab, base, leftIndex + 1, leftIndex + 2, branchPayloadBytes);
    const page = this.#cache.pageOf[right]!;
    this.#insert(level + 1, leftIndex + 1, separator, POINTER_BYTES, (to, at) =>
      writeUnsealedPointer(to.view, at, page),
    );
  }
}

function isLess(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]!;
  }
  return a.length < b.length;
}
