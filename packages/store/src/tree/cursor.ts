/**
 * A place in a tree that moves both ways. Keys and values are views, valid until the cursor moves; nothing is
 * copied but the key, and that only when it is asked for.
 */
import { assert } from "@authledger/types";
import { type PageCache, type Slab, slabOf } from "../memory/page-cache.js";
import type { Pager } from "../memory/pager.js";
import type { ValueStore } from "../memory/value-store.js";
import { childIndex, pointerAt } from "./branch-page.js";
import {
  copyInlineValue,
  hasReference,
  inlineValue,
  referenceAt,
  valueBytes,
} from "./leaf-page.js";
import { cellCount, keyLength, payloadAt, readKey, searchPage } from "./slotted-page.js";
import type { TreeState } from "./tree-state.js";

/** The tree, or view of one, that a cursor moves in. */
export interface CursorSource {
  readonly id: number;
  readonly state: TreeState;
  /** Raised by every write. Reading it may throw, where the view has ended. */
  readonly version: number;
}

export class Cursor {
  readonly #source: CursorSource;
  readonly #pager: Pager;
  readonly #cache: PageCache;
  readonly #values: ValueStore;
  #state: TreeState;
  #version: number;
  /** Page, frame and cell of each level; the leaf at 0. */
  readonly #pages: number[] = [];
  readonly #frames: number[] = [];
  readonly #indexes: number[] = [];
  #key = slabOf(64);
  #valid = false;

  constructor(source: CursorSource, pager: Pager, values: ValueStore) {
    this.#source = source;
    this.#pager = pager;
    this.#cache = pager.cache;
    this.#values = values;
    this.#state = source.state;
    this.#version = source.version;
  }

  /** Makes a stale cursor one of the tree as it is now, at no entry. Costs less than a new one. */
  renew(): void {
    this.#valid = false;
    this.#state = this.#source.state;
    this.#version = this.#source.version;
  }

  /** Is the cursor at an entry? */
  get valid(): boolean {
    return this.#valid;
  }

  /** A view of the key, valid until the next use of the cursor. */
  get key(): Uint8Array {
    const frame = this.#leaf();
    const slab = this.#cache.slab(frame);
    const base = this.#cache.base(frame);
    const index = this.#indexes[0]!;
    const length = keyLength(slab, base, index);
    if (length > this.#key.bytes.length) this.#key = slabOf(2 * length);
    readKey(slab, base, this.#pager.pageBytes, index, this.#key, 0);
    return this.#key.bytes.subarray(0, length);
  }

  /** A view of the value, valid until the next write to the store or turn of the event loop. */
  get value(): Uint8Array {
    const frame = this.#leaf();
    const slab = this.#cache.slab(frame);
    const at = payloadAt(slab, this.#cache.base(frame), this.#indexes[0]!);
    return hasReference(slab, at)
      ? this.#values.get(slab.bytes, referenceAt(at))
      : inlineValue(slab, at);
  }

  /** Bytes of the value, which is not read for it. */
  get valueLength(): number {
    const frame = this.#leaf();
    const slab = this.#cache.slab(frame);
    return valueBytes(slab, payloadAt(slab, this.#cache.base(frame), this.#indexes[0]!));
  }

  /** Writes the key without its first `from` bytes to `into` at `at`. */
  copyKey(from: number, into: Slab, at: number): void {
    const frame = this.#leaf();
    const base = this.#cache.base(frame);
    const { pageBytes } = this.#pager;
    readKey(this.#cache.slab(frame), base, pageBytes, this.#indexes[0]!, into, at, from);
  }

  /** Writes the first `length` bytes of the value to `into` at `at`; it has so many. */
  copyValue(length: number, into: Slab, at: number): void {
    const frame = this.#leaf();
    const slab = this.#cache.slab(frame);
    const payload = payloadAt(slab, this.#cache.base(frame), this.#indexes[0]!);
    if (hasReference(slab, payload)) {
      into.bytes.set(this.#values.get(slab.bytes, referenceAt(payload)).subarray(0, length), at);
    } else copyInlineValue(slab, payload, length, into, at);
  }

  /** Goes to the first entry whose key is at least `key`. */
  seek(key: Uint8Array): boolean {
    if (!this.#start()) return false;
    const index = this.#descend(key);
    this.#indexes[0] = index < 0 ? ~index : index;
    return this.#settleForward();
  }

  /** Goes to the last entry whose key is less than `key`. */
  seekBefore(key: Uint8Array): boolean {
    if (!this.#start()) return false;
    const index = this.#descend(key);
    this.#indexes[0] = (index < 0 ? ~index : index) - 1;
    return this.#settleBackward();
  }

  first(): boolean {
    if (!this.#start()) return false;
    this.#enter(this.#state.levels - 1, "first");
    return this.#settleForward();
  }

  last(): boolean {
    if (!this.#start()) return false;
    this.#enter(this.#state.levels - 1, "last");
    return this.#settleBackward();
  }

  next(): boolean {
    this.#leaf();
    this.#indexes[0]!++;
    return this.#settleForward();
  }

  previous(): boolean {
    this.#leaf();
    this.#indexes[0]!--;
    return this.#settleBackward();
  }

  #checkFresh(): void {
    const { id, version } = this.#source;
    assert(version === this.#version, "a cursor is not used after a write to its table", {
      tree: id,
    });
  }

  /** The frame of the leaf that the cursor is in. */
  #leaf(): number {
    this.#checkFresh();
    assert(this.#valid, "a cursor is read only where it is valid", { tree: this.#source.id });
    return this.#frameAt(0);
  }

  #start(): boolean {
    this.#checkFresh();
    const { root, levels } = this.#state;
    this.#valid = false;
    if (root === undefined) return false;
    this.#visit(levels - 1, this.#pager.node(root.page, root.sum, this.#source.id));
    return true;
  }

  #visit(level: number, frame: number): void {
    this.#frames[level] = frame;
    this.#pages[level] = this.#cache.pageOf[frame]!;
    this.#indexes[level] = 0;
  }

  /** The frame of the path at a level; read again where it has been evicted meanwhile. */
  #frameAt(level: number): number {
    const frame = this.#frames[level]!;
    if (this.#cache.holds(frame, this.#pages[level]!)) return frame;
    const { root, levels } = this.#state;
    const again =
      level === levels - 1
        ? this.#pager.node(root!.page, root!.sum, this.#source.id)
        : this.#childOf(level + 1);
    this.#frames[level] = again;
    return again;
  }

  #childOf(level: number): number {
    const frame = this.#frameAt(level);
    const slab = this.#cache.slab(frame);
    const at = pointerAt(slab, this.#cache.base(frame), this.#indexes[level]!);
    return this.#pager.child(slab, at, this.#source.id);
  }

  /** Follows a key to its leaf; the result of the search there. */
  #descend(key: Uint8Array): number {
    const { pageBytes } = this.#pager;
    for (let level = this.#state.levels - 1; level > 0; level--) {
      const frame = this.#frames[level]!;
      const slab = this.#cache.slab(frame);
      this.#indexes[level] = childIndex(slab, this.#cache.base(frame), pageBytes, key);
      this.#visit(level - 1, this.#childOf(level));
    }
    const leaf = this.#frames[0]!;
    return searchPage(this.#cache.slab(leaf), this.#cache.base(leaf), pageBytes, key, 0);
  }

  /** Goes from the page at `level` down along its first or last cells. */
  #enter(from: number, side: "first" | "last"): void {
    for (let level = from; ; level--) {
      const frame = this.#frameAt(level);
      const cells = cellCount(this.#cache.slab(frame), this.#cache.base(frame));
      this.#indexes[level] = side === "first" ? 0 : cells - 1;
      if (level === 0) return;
      this.#visit(level - 1, this.#childOf(level));
    }
  }

  #settleForward(): boolean {
    const frame = this.#frameAt(0);
    const cells = cellCount(this.#cache.slab(frame), this.#cache.base(frame));
    this.#valid = this.#indexes[0]! < cells || this.#step(1);
    return this.#valid;
  }

  #settleBackward(): boolean {
    this.#valid = this.#indexes[0]! >= 0 || this.#step(-1);
    return this.#valid;
  }

  /** Goes to the neighbouring leaf. */
  #step(direction: 1 | -1): boolean {
    for (let level = 1; level < this.#state.levels; level++) {
      const frame = this.#frameAt(level);
      const cells = cellCount(this.#cache.slab(frame), this.#cache.base(frame));
      const index = this.#indexes[level]! + direction;
      if (index < 0 || index >= cells) continue;
      this.#indexes[level] = index;
      this.#visit(level - 1, this.#childOf(level));
      this.#enter(level - 1, direction === 1 ? "first" : "last");
      return true;
    }
    return false;
  }
}
