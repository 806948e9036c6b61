/**
 * The incremental trie of one vault: 256 buckets, each a binary trie over the leaves whose path begins with
 * the bucket's number (commitment.md, "State" and "Updating and storing it on the page store").
 *
 * An update is given the sorted paths that a block changed and walks only where they lead. It has the leaf rows
 * of a small subtree written just before it reads them: then their pages are at hand. Subtrees of up to
 * SMALL_LEAVES_MAX leaves are never stored: they are rebuilt from their leaf rows, whose hashes lie in the rows.
 * Larger ones have a branch in the cache.
 *
 *   INV-TRIE-1  The hash of a subtree depends on its leaves alone, not on the order of changes.
 *   INV-TRIE-2  A branch exists in cache or table exactly when more than SMALL_LEAVES_MAX leaves are below it.
 *   INV-TRIE-3  Only the subtrees on the way to a changed leaf are hashed again (DL-12, L-88).
 */
import { bitAt, copyPrefix, firstDifferentBit, PATH_BYTES } from "@authledger/proof";
import { assert, HASH_BYTES, type Hasher } from "@authledger/types";
import type { BranchCache } from "./branch-cache.js";
import type { LeafRange } from "./leaf-range.js";
import { NO_NODE, type NodePool } from "./node-pool.js";

/**
 * Subtrees up to this size are rebuilt instead of stored. Local tuning: it touches no root. Measured with
 * bench/roots.ts: 8 costs about as many hashes as it saves rows; 16 hashes more than it saves.
 */
export const SMALL_LEAVES_MAX = 8;

const TAG_BRANCH = 0x12;
const BRANCH_INPUT_BYTES = 115;
const LEFT_AT = 3 + PATH_BYTES;
const RIGHT_AT = LEFT_AT + HASH_BYTES;

/** The sorted, distinct paths that a block changed, and by how many leaves each changes the count. */
export interface TrieChanges {
  readonly count: number;
  /** 48 bytes each, ascending. */
  readonly paths: Uint8Array;
  /** 1 for a new leaf, -1 for a removed one, 0 for a replaced one. */
  readonly deltas: Int8Array;
  /** Writes the leaf rows of changes [from, to). Called once for each change, in their order. */
  writeLeaves(from: number, to: number): void;
}

/** A subtree as its parent sees it. */
interface Subtree {
  count: number;
  /** NO_NODE for a small subtree, or one whose branch is not in memory. */
  node: number;
}

export class TrieUpdater {
  readonly #cache: BranchCache;
  readonly #pool: NodePool;
  readonly #leaves: LeafRange;
  readonly #hasher: Hasher;
  /** Hash of the subtree that the last step returned. */
  readonly hash: Uint8Array = new Uint8Array(HASH_BYTES);
  /** Branch inputs of small subtrees, one for each depth of the recursion. */
  readonly #inputs: Uint8Array[] = [];
  readonly #prefix = new Uint8Array(PATH_BYTES);
  #vault = 0;
  #height = 0;

  constructor(cache: BranchCache, leaves: LeafRange, hasher: Hasher) {
    this.#cache = cache;
    this.#pool = cache.pool;
    this.#leaves = leaves;
    this.#hasher = hasher;
  }

  /**
   * Updates one bucket for changes[from, to), all of whose paths begin with the bucket's byte. `before` is the
   * bucket's count and branch; returns them as they are afterwards and leaves the root in `hash`.
   */
  update(
    vault: number,
    height: number,
    changes: TrieChanges,
    from: number,
    to: number,
    before: Readonly<Subtree>,
  ): Subtree {
    this.#vault = vault;
    this.#height = height;
    return this.#update(changes, from, to, before.count, before.node, 8);
  }

  /** The subtree of all paths that share their first `bits` bits with the changes. */
  #update(
    changes: TrieChanges,
    from: number,
    to: number,
    count: number,
    node: number,
    bits: number,
  ): Subtree {
    const after = count + sum(changes.deltas, from, to);
    if (count <= SMALL_LEAVES_MAX) return this.#rebuild(changes, from, to, bits, after);
    const branch = node === NO_NODE ? this.#loadFor(changes, from, bits) : node;
    if (after <= SMALL_LEAVES_MAX) {
      this.#removeAll(branch);
      return this.#rebuild(changes, from, to, bits, after);
    }
    const fork = this.#firstFork(changes, from, to, branch);
    if (fork < this.#pool.bit(branch)) return this.#insertAbove(changes, from, to, branch, fork);
    return this.#descend(changes, from, to, branch);
  }

  /** Where the first change leaves the branch's prefix; the branch's own bit when none does. */
  #firstFork(changes: TrieChanges, from: number, to: number, branch: number): number {
    const bit = this.#pool.bit(branch);
    // Sorted paths: the one that leaves a common prefix earliest is the first or the last.
    const first = this.#pool.firstDifferentBit(branch, changes.paths, from * PATH_BYTES);
    const last = this.#pool.firstDifferentBit(branch, changes.paths, (to - 1) * PATH_BYTES);
    return Math.min(first, last, bit);
  }

  /** Changes fork off above the branch: a new branch joins it with a subtree of new leaves only. */
  #insertAbove(
    changes: TrieChanges,
    from: number,
    to: number,
    branch: number,
    fork: number,
  ): Subtree {
    const middle = firstWithBit(changes.paths, from, to, fork);
    const side = bitAt(this.#pool.prefix(branch), fork);
    const joined = this.#pool.allocate(this.#vault, fork, changes.paths, from * PATH_BYTES);
    for (let s = 0; s < 2; s++) {
      const start = s === 0 ? from : middle;
      const end = s === 0 ? middle : to;
      if (s === side) {
        const count = this.#pool.count(branch);
        const sub =
          start === end
            ? this.#unchanged(branch)
            : this.#update(changes, start, end, count, branch, fork + 1);
        this.#pool.setSide(joined, s, sub.count, this.hash, sub.node);
      } else {
        const sub = this.#update(changes, start, end, 0, NO_NODE, fork + 1);
        this.#pool.setSide(joined, s, sub.count, this.hash, sub.node);
      }
    }
    // The block may have removed the last leaf below the branch.
    if (this.#pool.sideCount(joined, side) === 0) return this.#collapse(joined, 1 - side);
    return this.#settle(joined);
  }

  #unchanged(branch: number): Subtree {
    this.#pool.hashInto(branch, this.hash);
    return { count: this.#pool.count(branch), node: branch };
  }

  /** All changes are below the branch: they part at its bit. */
  #descend(changes: TrieChanges, from: number, to: number, branch: number): Subtree {
    const bit = this.#pool.bit(branch);
    const middle = firstWithBit(changes.paths, from, to, bit);
    this.#updateSide(changes, from, middle, branch, 0, bit);
    this.#updateSide(changes, middle, to, branch, 1, bit);
    for (let side = 0; side < 2; side++) {
      if (this.#pool.sideCount(branch, side) === 0) return this.#collapse(branch, 1 - side);
    }
    return this.#settle(branch);
  }

  #updateSide(
    changes: TrieChanges,
    from: number,
    to: number,
    branch: number,
    side: number,
    bit: number,
  ): void {
    if (from === to) return;
    const count = this.#pool.sideCount(branch, side);
    const child = this.#pool.child(branch, side);
    const sub = this.#update(changes, from, to, count, child, bit + 1);
    this.#pool.setSide(branch, side, sub.count, this.hash, sub.node);
  }

  /** One side is empty now: the branch goes and its other side takes its place, hash unchanged. */
  #collapse(branch: number, side: number): Subtree {
    const count = this.#pool.sideCount(branch, side);
    this.hash.set(this.#pool.sideHash(branch, side));
    const node = this.#pool.child(branch, side);
    this.#cache.remove(branch);
    return { count, node };
  }

  /** Hashes a branch whose sides are final. It has enough leaves to stay: `after` was checked on the way down. */
  #settle(branch: number): Subtree {
    const count = this.#pool.count(branch);
    assert(count > SMALL_LEAVES_MAX, "INV-TRIE-2: a stored branch has enough leaves", { count });
    this.#cache.changed(branch, this.#height);
    this.#pool.hashInto(branch, this.hash);
    return { count, node: branch };
  }

  #loadFor(changes: TrieChanges, from: number, bits: number): number {
    const start = from * PATH_BYTES;
    copyPrefix(changes.paths, bits, this.#prefix, start);
    return this.#cache.load(this.#vault, this.#prefix, bits);
  }

  /** Removes a branch and all branches below it. */
  #removeAll(branch: number): void {
    for (let side = 0; side < 2; side++) {
      if (this.#pool.sideCount(branch, side) > SMALL_LEAVES_MAX) {
        this.#removeAll(this.#cache.loadChild(branch, side));
      }
    }
    this.#cache.remove(branch);
  }

  /** Writes the changed leaf rows of the subtree and builds it again from all of them. */
  #rebuild(changes: TrieChanges, from: number, to: number, bits: number, count: number): Subtree {
    changes.writeLeaves(from, to);
    this.#leaves.read(this.#vault, changes.paths, from * PATH_BYTES, bits, count);
    return { count, node: this.#build(0, count, 0) };
  }

  /** Hashes leaves[from, to) of the range read last; returns their branch or NO_NODE. */
  #build(from: number, to: number, depth: number): number {
    const { paths, hashes } = this.#leaves;
    const count = to - from;
    if (count <= 1) {
      if (count === 0) this.hash.fill(0);
      else copyHash(hashes, from * HASH_BYTES, this.hash);
      return NO_NODE;
    }
    const bit = firstDifferentBit(paths, paths, from * PATH_BYTES, (to - 1) * PATH_BYTES);
    const middle = firstWithBit(paths, from, to, bit);
    return count > SMALL_LEAVES_MAX
      ? this.#buildStored(from, middle, to, bit, depth)
      : this.#buildSmall(from, middle, to, bit, depth);
  }

  #buildStored(from: number, middle: number, to: number, bit: number, depth: number): number {
    const { paths } = this.#leaves;
    const branch = this.#pool.allocate(this.#vault, bit, paths, from * PATH_BYTES);
    const left = this.#build(from, middle, depth + 1);
    this.#pool.setSide(branch, 0, middle - from, this.hash, left);
    const right = this.#build(middle, to, depth + 1);
    this.#pool.setSide(branch, 1, to - middle, this.hash, right);
    this.#settle(branch);
    return branch;
  }

  #buildSmall(from: number, middle: number, to: number, bit: number, depth: number): number {
    const input = this.#inputAt(depth);
    input[1] = bit >> 8;
    input[2] = bit & 0xff;
    copyPrefix(this.#leaves.paths, bit, input, from * PATH_BYTES, 3);
    this.#build(from, middle, depth + 1);
    input.set(this.hash, LEFT_AT);
    this.#build(middle, to, depth + 1);
    input.set(this.hash, RIGHT_AT);
    this.#hasher.sha256Into(input, this.hash, 0);
    return NO_NODE;
  }

  #inputAt(depth: number): Uint8Array {
    let input = this.#inputs[depth];
    if (input === undefined) {
      input = new Uint8Array(BRANCH_INPUT_BYTES);
      input[0] = TAG_BRANCH;
      this.#inputs[depth] = input;
    }
    return input;
  }
}

function copyHash(from: Uint8Array, offset: number, to: Uint8Array): void {
  for (let i = 0; i < HASH_BYTES; i++) to[i] = from[offset + i]!;
}

function sum(deltas: Int8Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += deltas[i]!;
  return total;
}

/** The first of the sorted paths[from, to) that has `bit` set; `to` when none has. All agree before that bit. */
function firstWithBit(paths: Uint8Array, from: number, to: number, bit: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bitAt(paths, bit, middle * PATH_BYTES) === 1) high = middle;
    else low = middle + 1;
  }
  return low;
}
