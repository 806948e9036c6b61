/**
 * The trie of one open vault: 256 buckets with their counts, roots and branches, and the tree above them.
 *
 *   INV-VAULTTRIE-1  Bucket rows equal what is in memory before each flush; after a crash the blocks behind
 *                     the last flush are applied again.
 *
 * As a source of proofs it loads only what a walk enters: branches from the cache, small subtrees from their
 * leaf rows.
 */
import {
  type BranchNode,
  BUCKETS,
  BucketTree,
  bitAt,
  firstDifferentBit,
  PATH_BYTES,
  RecordHasher,
  TrieHasher,
  type TrieNode,
  type TrieSource,
} from "@authledger/proof";
import type { Table } from "@authledger/store";
import { assert, HASH_BYTES, type Hasher } from "@authledger/types";
import { keepBucket } from "../past/history-rows.js";
import { bucketKey, readU32, writeU32 } from "../tables.js";
import type { BranchCache } from "./branch-cache.js";
import type { LeafRange } from "./leaf-range.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "./leaf-row.js";
import { NO_NODE } from "./node-pool.js";
import { SMALL_LEAVES_MAX, type TrieChanges, type TrieUpdater } from "./trie-updater.js";

/** What all open tries of a group share. */
export interface TrieDeps {
  readonly leafTable: Table;
  readonly bucketTable: Table;
  readonly bucketHistTable: Table;
  readonly cache: BranchCache;
  readonly updater: TrieUpdater;
  readonly leaves: LeafRange;
  readonly hasher: Hasher;
}

/** A branch that is as it was at an older height. */
export interface UnchangedBranch {
  readonly node: BranchNode;
  readonly hash: Uint8Array;
  readonly count: number;
}

export class VaultTrie implements TrieSource {
  readonly #vault: number;
  readonly #deps: TrieDeps;
  readonly #records: RecordHasher;
  readonly #hasher: TrieHasher;
  readonly #tree: BucketTree;
  readonly #counts = new Uint32Array(BUCKETS);
  readonly #roots = new Uint8Array(BUCKETS * HASH_BYTES);
  readonly #nodes = new Int32Array(BUCKETS).fill(NO_NODE);
  readonly #dirty = new Uint8Array(BUCKETS);
  #total = 0;
  /** Where the next search for branches to let go of begins. */
  #nextShed = 0;

  /** Reads the bucket rows. */
  constructor(vault: number, salt: Uint8Array, deps: TrieDeps) {
    this.#vault = vault;
    this.#deps = deps;
    this.#records = new RecordHasher(deps.hasher, salt);
    this.#hasher = new TrieHasher(deps.hasher);
    this.#tree = new BucketTree(deps.hasher);
    const cursor = deps.bucketTable.cursor();
    for (let ok = cursor.seek(bucketKey(vault, 0)); ok; ok = cursor.next()) {
      const { key, value } = cursor;
      if (readU32(key) !== vault) break;
      this.#set(key[4]!, readU32(value), value.subarray(4, 4 + HASH_BYTES));
    }
  }

  get total(): number {
    return this.#total;
  }

  /** Root over all buckets (a view). */
  top(): Uint8Array {
    return this.#tree.top();
  }

  /** Applies the sorted changes of a block and has it write their leaf rows. */
  update(height: number, changes: TrieChanges): void {
    const { updater, cache } = this.#deps;
    for (let from = 0; from < changes.count; ) {
      const bucket = changes.paths[from * PATH_BYTES]!;
      let to = from + 1;
      while (to < changes.count && changes.paths[to * PATH_BYTES] === bucket) to++;
      const before = { count: this.#counts[bucket]!, node: this.#nodes[bucket]! };
      // Nobody asks for a state before genesis.
      if (height > 0) this.#keepBucket(bucket, height);
      const after = updater.update(this.#vault, height, changes, from, to, before);
      this.#set(bucket, after.count, updater.hash);
      this.#nodes[bucket] = after.node;
      this.#dirty[bucket] = 1;
      from = to;
    }
    if (cache.isOverDirty) this.writeAll();
  }

  #keepBucket(bucket: number, height: number): void {
    const then = { count: this.#counts[bucket]!, root: this.#root(bucket) };
    keepBucket(this.#deps.bucketHistTable, this.#vault, bucket, height, then);
  }

  /**
   * Writes the rows of changed buckets and of their branches (INV-VAULTTRIE-1), a bucket at a time: yields how
   * many rows it was. Blocks may be applied between two buckets.
   */
  *writeRows(): Generator<number> {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.#dirty[bucket] !== 0) yield this.writeBucket(bucket);
    }
  }

  /** Writes the rows of one bucket when it has changed; returns how many it were. */
  writeBucket(bucket: number): number {
    if (this.#dirty[bucket] === 0) return 0;
    this.#dirty[bucket] = 0;
    const row = new Uint8Array(4 + HASH_BYTES);
    writeU32(row, 0, this.#counts[bucket]!);
    row.set(this.#root(bucket), 4);
    this.#deps.bucketTable.put(bucketKey(this.#vault, bucket), row);
    const node = this.#nodes[bucket]!;
    return node === NO_NODE ? 1 : 1 + this.#deps.cache.write(node);
  }

  /** Writes all rows at once. */
  writeAll(): void {
    for (const _ of this.writeRows());
  }

  /** Lets go of branches low in the trie until there is room; none may be dirty. */
  shed(): void {
    const { cache } = this.#deps;
    for (let looked = 0; looked < BUCKETS && !cache.hasRoom; looked++) {
      const node = this.#nodes[this.#nextShed]!;
      if (node !== NO_NODE) cache.shed(node);
      this.#nextShed = (this.#nextShed + 1) % BUCKETS;
    }
  }

  /** Lets go of all branches in memory; none may be dirty. */
  evict(): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const node = this.#nodes[bucket]!;
      if (node !== NO_NODE) this.#deps.cache.evict(node);
      this.#nodes[bucket] = NO_NODE;
    }
  }

  bucketCount(bucket: number): number {
    return this.#counts[bucket]!;
  }

  bucketTreeNode(level: number, index: number): Uint8Array {
    return this.#tree.node(level, index);
  }

  bucket(bucket: number): TrieNode {
    const count = this.#counts[bucket]!;
    if (count === 0) return { kind: "empty" };
    const prefix = new Uint8Array(PATH_BYTES);
    prefix[0] = bucket;
    if (count <= SMALL_LEAVES_MAX) return this.#small(prefix, 8, count);
    if (this.#nodes[bucket] === NO_NODE) {
      this.#nodes[bucket] = this.#deps.cache.load(this.#vault, prefix, 8);
    }
    return this.#branch(this.#nodes[bucket]!);
  }

  /** A bucket's root as it is now (a view). */
  bucketRoot(bucket: number): Uint8Array {
    return this.#root(bucket);
  }

  /** The topmost branches of a bucket below which no block above `height` changed anything, in the order of paths. */
  *unchangedBranches(bucket: number, height: number): Generator<UnchangedBranch> {
    if (this.#counts[bucket]! <= SMALL_LEAVES_MAX) return;
    this.bucket(bucket);
    yield* this.#unchanged(this.#nodes[bucket]!, height);
  }

  *#unchanged(node: number, height: number): Generator<UnchangedBranch> {
    const { cache } = this.#deps;
    const { pool } = cache;
    if (pool.height(node) <= height) {
      const hash = new Uint8Array(HASH_BYTES);
      pool.hashInto(node, hash);
      yield { node: this.#branch(node), hash, count: pool.count(node) };
      return;
    }
    for (let side = 0; side < 2; side++) {
      if (pool.sideCount(node, side) <= SMALL_LEAVES_MAX) continue;
      yield* this.#unchanged(cache.loadChild(node, side), height);
    }
  }

  #branch(node: number): BranchNode {
    const { pool } = this.#deps.cache;
    return {
      kind: "branch",
      bit: pool.bit(node),
      prefix: pool.prefix(node).slice(),
      leftHash: pool.sideHash(node, 0).slice(),
      rightHash: pool.sideHash(node, 1).slice(),
      left: () => this.#side(node, 0),
      right: () => this.#side(node, 1),
    };
  }

  #side(node: number, side: 0 | 1): TrieNode {
    const { cache } = this.#deps;
    const count = cache.pool.sideCount(node, side);
    if (count > SMALL_LEAVES_MAX) return this.#branch(cache.loadChild(node, side));
    const bit = cache.pool.bit(node);
    const prefix = cache.pool.prefix(node).slice();
    if (side === 1) prefix[bit >> 3]! |= 0x80 >> (bit & 7);
    return this.#small(prefix, bit + 1, count);
  }

  /** A subtree without stored branches, built from its leaf rows. */
  #small(prefix: Uint8Array, bits: number, count: number): TrieNode {
    const { leaves } = this.#deps;
    leaves.read(this.#vault, prefix, 0, bits, count);
    const paths: Uint8Array[] = [];
    const hashes: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      paths.push(leaves.paths.slice(i * PATH_BYTES, (i + 1) * PATH_BYTES));
      hashes.push(leaves.hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
    }
    return this.#built(paths, hashes, 0, count).node;
  }

  #built(
    paths: readonly Uint8Array[],
    hashes: readonly Uint8Array[],
    from: number,
    to: number,
  ): { readonly node: TrieNode; readonly hash: Uint8Array } {
    const path = paths[from]!;
    if (to - from === 1) return { node: this.#leaf(path), hash: hashes[from]! };
    const bit = firstDifferentBit(path, paths[to - 1]!);
    let middle = from;
    while (bitAt(paths[middle]!, bit) === 0) middle++;
    const left = this.#built(paths, hashes, from, middle);
    const right = this.#built(paths, hashes, middle, to);
    const node: TrieNode = {
      kind: "branch",
      bit,
      prefix: path,
      leftHash: left.hash,
      rightHash: right.hash,
      left: () => left.node,
      right: () => right.node,
    };
    return { node, hash: this.#hasher.branch(bit, path, left.hash, right.hash) };
  }

  #leaf(path: Uint8Array): TrieNode {
    const record = (): Uint8Array => {
      const key = leafKeyBuffer(this.#vault);
      key.set(path, PATH_AT);
      const row = this.#deps.leafTable.get(key);
      assert(row !== undefined, "a leaf of the trie has a row", { vault: this.#vault });
      return recordOfRow(row).slice();
    };
    return { kind: "leaf", path, record, recordHash: () => this.#records.hash(record()) };
  }

  #set(bucket: number, count: number, root: Uint8Array): void {
    this.#total += count - this.#counts[bucket]!;
    this.#counts[bucket] = count;
    this.#roots.set(root, bucket * HASH_BYTES);
    this.#tree.set(bucket, count, root);
  }

  #root(bucket: number): Uint8Array {
    return this.#roots.subarray(bucket * HASH_BYTES, (bucket + 1) * HASH_BYTES);
  }
}
