/**
 * Looks at the leaves of a tree one after the other, between which the tree may change: the place is a key.
 * Pages that the walk itself had to read leave the cache when it goes on, so that a walk over a whole file
 * does not take the place of what readers need.
 */
import { FrameState, type PageCache } from "../memory/page-cache.js";
import type { Pager } from "../memory/pager.js";
import { childIndex, pointerAt } from "../tree/branch-page.js";
import { endsBehind, hasReference, referenceAt } from "../tree/leaf-page.js";
import { cellsBytes, collectCells, type PagePlace } from "../tree/page-cells.js";
import { cellCount, keyAt, payloadAt, usedBytes } from "../tree/slotted-page.js";
import type { Tree } from "../tree/tree.js";

/** A leaf as it is now. */
export interface LeafSpot {
  readonly frame: number;
  /** The highest page from the root to the leaf that a flush has written, 0 when it wrote none. */
  readonly highestPage: number;
  /** A key that leads to the next leaf; undefined at the end of the tree. */
  readonly next: Uint8Array | undefined;
  /** The frame of the next leaf when it has the same parent. */
  readonly neighbour: number | undefined;
}

export class LeafWalk {
  readonly #pager: Pager;
  readonly #cache: PageCache;
  /** Pages that this walk read. */
  readonly #own = new Set<number>();

  constructor(pager: Pager) {
    this.#pager = pager;
    this.#cache = pager.cache;
  }

  /** The leaf that a key leads to; undefined in an empty tree. */
  find(tree: Tree, key: Uint8Array): LeafSpot | undefined {
    const { root, levels } = tree.state;
    if (root === undefined) return undefined;
    const { pageBytes } = this.#pager;
    let frame = this.#pager.node(root.page, root.sum, tree.id);
    let highestPage = this.#written(frame);
    let next: Uint8Array | undefined;
    let neighbour: number | undefined;
    for (let level = levels - 1; level > 0; level--) {
      const { slab, base } = this.#place(frame);
      const index = childIndex(slab, base, pageBytes, key);
      const hasNext = index + 1 < cellCount(slab, base);
      if (hasNext) next = this.#key(frame, index + 1);
      const parent = frame;
      frame = this.#child(tree, parent, index, level === 1);
      if (level === 1 && hasNext) neighbour = this.#child(tree, parent, index + 1, true);
      highestPage = Math.max(highestPage, this.#written(frame));
    }
    return { frame, highestPage, next, neighbour };
  }

  /** Part of a leaf that is in use, 0 to 1. */
  fill(frame: number): number {
    const { slab, base, pageBytes } = this.#place(frame);
    return usedBytes(slab, base, pageBytes) / pageBytes;
  }

  /** Part of a page that the cells of two leaves would take. */
  joinedFill(left: number, right: number): number {
    const { pageBytes } = this.#pager;
    const cells = [...collectCells(this.#place(left)), ...collectCells(this.#place(right))];
    return cellsBytes(cells, 0, cells.length, false) / pageBytes;
  }

  /** Does a value of the leaf lie, at least in part, behind page `limit`? */
  hasValueBehind(frame: number, limit: number): boolean {
    const { slab, base } = this.#place(frame);
    for (let i = 0; i < cellCount(slab, base); i++) {
      const at = payloadAt(slab, base, i);
      if (hasReference(slab, at) && endsBehind(slab, referenceAt(at), limit)) return true;
    }
    return false;
  }

  /** The walk goes on: what it read and nobody changed is not needed any more. */
  leave(frame: number): void {
    const page = this.#cache.pageOf[frame]!;
    if (!this.#own.delete(page)) return;
    if (this.#cache.state[frame] === FrameState.CLEAN) this.#cache.drop(frame);
  }

  #place(frame: number): PagePlace {
    const { pageBytes } = this.#pager;
    return { slab: this.#cache.slab(frame), base: this.#cache.base(frame), pageBytes };
  }

  #child(tree: Tree, parent: number, index: number, isLeaf: boolean): number {
    const { slab, base } = this.#place(parent);
    const at = pointerAt(slab, base, index);
    const page = slab.view.getUint32(at, true);
    if (isLeaf && this.#cache.peek(page) < 0) this.#own.add(page);
    return this.#pager.child(slab, at, tree.id);
  }

  #written(frame: number): number {
    return this.#cache.state[frame] === FrameState.YOUNG ? 0 : this.#cache.pageOf[frame]!;
  }

  #key(frame: number, index: number): Uint8Array {
    const { slab, base, pageBytes } = this.#place(frame);
    return keyAt(slab, base, pageBytes, index);
  }
}
