/**
 * The branches in memory in front of the `branch` table: loaded when a walk needs them, written back later.
 *
 * A block changes every branch from its leaves to the bucket's root, and the upper ones change in nearly every
 * block. So a changed branch is only marked; rows are written when too many are marked (those first that
 * rested longest: a CLOCK over the queue), and all of them before a flush. The page store and the log see to
 * the rest: after a crash the blocks behind the last flush are applied again.
 *
 *   INV-BRANCH-2  A branch that is not dirty equals its row.
 *   INV-BRANCH-3  Before a flush no branch is dirty.
 */

import type { Cursor, Table } from "@authledger/store";
import { assert } from "@authledger/types";
import {
  bitOfKey,
  branchKey,
  branchValue,
  prefixOfKey,
  readBranchValue,
  vaultOfKey,
} from "./branch-row.js";
import { NO_NODE, type NodePool } from "./node-pool.js";
import { firstDifferentBit, PATH_BITS, PATH_BYTES } from "./path-bits.js";

export interface BranchCacheOptions {
  /** Dirty branches after a block; more are written at once. 32,768 by default: 25 ms of a flush. */
  readonly dirtyMax: number;
  /** Branches in memory (about 150 bytes each); more are dropped when clean. 262,144 by default: 40 MiB. */
  readonly residentMax: number;
}

export const BRANCH_CACHE_DEFAULTS: BranchCacheOptions = { dirtyMax: 32_768, residentMax: 262_144 };

export class BranchCache {
  readonly pool: NodePool;
  readonly #table: Table;
  readonly #options: BranchCacheOptions;
  readonly #prefix = new Uint8Array(PATH_BYTES);
  /** Dirty nodes, oldest first, from `#queueHead` on. Freed ones are skipped when they come up. */
  #queue: number[] = [];
  #queueHead = 0;

  constructor(table: Table, pool: NodePool, options: BranchCacheOptions) {
    this.pool = pool;
    this.#table = table;
    this.#options = options;
  }

  /** Nodes waiting to be written; freed ones among them are not told apart. */
  get dirtyCount(): number {
    return this.#queue.length - this.#queueHead;
  }

  get isOverBudget(): boolean {
    return this.pool.live > this.#options.residentMax;
  }

  /** Loads the topmost branch among the paths that share the first `bits` bits of `path` (zeros behind them). */
  load(vault: number, path: Uint8Array, bits: number): number {
    const cursor: Cursor = this.#table.cursor();
    const found = cursor.seek(branchKey(vault, path, 0, bits));
    assert(found, "INV-BRANCH-1: a subtree above the small size has a row", { vault, bits });
    const key = cursor.key;
    prefixOfKey(key, this.#prefix);
    assert(
      vaultOfKey(key) === vault && firstDifferentBit(path, 0, this.#prefix, 0) >= bits,
      "INV-BRANCH-1: the row found belongs to the subtree",
      { vault, bits },
    );
    const node = this.pool.allocate(vault, bitOfKey(key), this.#prefix, 0);
    readBranchValue(cursor.value, this.pool, node, NO_NODE);
    this.pool.markStored(node);
    return node;
  }

  /** The child branch on a side that has more leaves than a small subtree; loaded when it is not in memory. */
  loadChild(node: number, side: number): number {
    const known = this.pool.child(node, side);
    if (known !== NO_NODE) return known;
    const bit = this.pool.bit(node);
    assert(bit < PATH_BITS - 1, "a branch has a bit below the path's length", { bit });
    const path = this.pool.prefix(node).slice();
    if (side === 1) path[bit >> 3]! |= 0x80 >> (bit & 7);
    const child = this.load(this.pool.vault(node), path, bit + 1);
    this.pool.setChild(node, side, child);
    return child;
  }

  /** Notes that a block of `height` changed the node. */
  changed(node: number, height: number): void {
    this.pool.setHeight(node, height);
    if (this.pool.markDirty(node)) this.#queue.push(node);
  }

  /** Forgets a branch that is no longer part of the trie, with its row. */
  remove(node: number): void {
    if (this.pool.isStored(node)) {
      this.#table.delete(
        branchKey(this.pool.vault(node), this.pool.prefix(node), 0, this.pool.bit(node)),
      );
    }
    this.pool.release(node);
  }

  /** Writes the branches that rested longest until no more than the limit are dirty. Called after each block. */
  trim(): void {
    let looks = 2 * this.dirtyCount;
    while (this.dirtyCount > this.#options.dirtyMax && looks-- > 0) this.#writeOldest(true);
  }

  /** Writes all dirty branches; called before each flush (INV-BRANCH-3). */
  writeAll(): void {
    while (this.dirtyCount > 0) this.#writeOldest(false);
  }

  /** Frees a clean subtree's nodes from memory below `node`, keeping rows; the caller drops its reference. */
  evict(node: number): void {
    assert(!this.pool.isDirty(node), "INV-BRANCH-2: only clean branches leave memory", { node });
    for (let side = 0; side < 2; side++) {
      const child = this.pool.child(node, side);
      if (child !== NO_NODE) this.evict(child);
    }
    this.pool.release(node);
  }

  #writeOldest(secondChance: boolean): void {
    const node = this.#queue[this.#queueHead++]!;
    if (this.#queueHead > 4_096 && this.#queueHead * 2 > this.#queue.length) this.#compactQueue();
    if (this.pool.isFree(node) || !this.pool.isDirty(node)) {
      this.pool.unqueue(node);
      return;
    }
    if (secondChance && this.pool.takeTouched(node)) {
      this.#queue.push(node);
      return;
    }
    const key = branchKey(this.pool.vault(node), this.pool.prefix(node), 0, this.pool.bit(node));
    this.#table.put(key, branchValue(this.pool, node));
    this.pool.markStored(node);
    this.pool.unqueue(node);
  }

  #compactQueue(): void {
    this.#queue = this.#queue.slice(this.#queueHead);
    this.#queueHead = 0;
  }
}
