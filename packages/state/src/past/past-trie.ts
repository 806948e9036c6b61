/**
 * The trie of a vault as of an older block, without versions of inner nodes (commitment.md, "Proofs at an older
 * height"): the tree over the buckets from what the buckets were, and of a bucket that has changed since the branches
 * that have not, joined by what the leaves between them were.
 *
 *   INV-PAST-2  A bucket that is rebuilt has the root that it had at the height.
 *
 * It costs about a seek for each branch on the way to what changed since, at worst a bucket's leaves. Good until the
 * next `await`, like everything that is read without a pin.
 */
import {
  BUCKETS,
  BucketTree,
  bitAt,
  firstDifferentBit,
  PATH_BITS,
  PATH_BYTES,
  type RecordHasher,
  type TrieHasher,
  type TrieNode,
  type TrieSource,
} from "@authledger/proof";
import { assert, compareBytes, equalBytes, type Hasher } from "@authledger/types";
import type { Tables } from "../tables.js";
import type { VaultTrie } from "../trie/vault-trie.js";
import { bucketAt, type PastBucket } from "./history-rows.js";
import type { PastLeaves } from "./past-leaves.js";

/** What a trie of the past is made from. */
export interface PastTrieDeps {
  readonly vault: number;
  readonly tables: Tables;
  readonly trie: VaultTrie;
  readonly hasher: Hasher;
  readonly records: RecordHasher;
  readonly leaves: TrieHasher;
  /** The record under a path at the height. */
  readonly record: (path: Uint8Array) => Uint8Array;
  readonly leafCursor: () => PastLeaves;
}

/** A subtree that is whole: a branch that has not changed, or a leaf. */
interface Part {
  /** The leaf's path, or the branch's prefix with zeros behind it. */
  readonly path: Uint8Array;
  readonly hash: Uint8Array;
  readonly node: TrieNode;
}

export class PastTrie implements TrieSource {
  readonly total: number;
  readonly #deps: PastTrieDeps;
  readonly #height: number;
  readonly #tree: BucketTree;
  readonly #buckets: readonly PastBucket[];

  constructor(deps: PastTrieDeps, height: number) {
    this.#deps = deps;
    this.#height = height;
    this.#tree = new BucketTree(deps.hasher);
    const { trie, tables, vault } = deps;
    const cursor = tables.bucketHist.cursor();
    this.#buckets = Array.from({ length: BUCKETS }, (_, bucket) => {
      const then = bucketAt(cursor, vault, bucket, height) ?? {
        count: trie.bucketCount(bucket),
        root: trie.bucketRoot(bucket).slice(),
      };
      this.#tree.set(bucket, then.count, then.root);
      return then;
    });
    this.total = this.#buckets.reduce((sum, { count }) => sum + count, 0);
  }

  /** Root over all buckets (a view). */
  top(): Uint8Array {
    return this.#tree.top();
  }

  bucketCount(bucket: number): number {
    return this.#buckets[bucket]!.count;
  }

  bucketTreeNode(level: number, index: number): Uint8Array {
    return this.#tree.node(level, index);
  }

  bucket(bucket: number): TrieNode {
    const { trie } = this.#deps;
    const then = this.#buckets[bucket]!;
    if (then.count === 0) return { kind: "empty" };
    const isSame =
      then.count === trie.bucketCount(bucket) && equalBytes(then.root, trie.bucketRoot(bucket));
    if (isSame) return trie.bucket(bucket);
    const parts = this.#parts(bucket);
    const { node, hash } = this.#join(parts, 0, parts.length);
    assert(equalBytes(hash, then.root), "INV-PAST-2: a rebuilt bucket has the root that it had", {
      vault: this.#deps.vault,
      bucket,
      height: this.#height,
    });
    return node;
  }

  /** What the bucket consisted of, in the order of paths. */
  #parts(bucket: number): Part[] {
    const { trie } = this.#deps;
    const leaves = this.#deps.leafCursor();
    const parts: Part[] = [];
    const start = new Uint8Array(PATH_BYTES);
    start[0] = bucket;
    let from: Uint8Array | undefined = start;
    for (const { node, hash } of trie.unchangedBranches(bucket, this.#height)) {
      this.#leavesBetween(leaves, from!, node.prefix, parts);
      parts.push({ path: node.prefix, hash, node });
      from = behind(node.prefix, node.bit);
    }
    if (from?.[0] === bucket) this.#leavesBetween(leaves, from, behind(start, 8), parts);
    return parts;
  }

  /** Adds the leaves with paths in [from, to). */
  #leavesBetween(
    leaves: PastLeaves,
    from: Uint8Array,
    to: Uint8Array | undefined,
    parts: Part[],
  ): void {
    if (to !== undefined && compareBytes(from, to) >= 0) return;
    for (let ok = leaves.seek(from); ok; ok = leaves.next()) {
      if (to !== undefined && compareBytes(leaves.path, to) >= 0) return;
      const { record } = leaves;
      if (record === undefined) continue;
      const path = leaves.path.slice();
      const hash = leaves.leafHash?.slice() ?? this.#leafHash(path, record);
      parts.push({ path, hash, node: this.#leaf(path) });
    }
  }

  #leafHash(path: Uint8Array, record: Uint8Array): Uint8Array {
    return this.#deps.leaves.leaf(path, this.#deps.records.hash(record));
  }

  #leaf(path: Uint8Array): TrieNode {
    const record = (): Uint8Array => this.#deps.record(path);
    return { kind: "leaf", path, record, recordHash: () => this.#deps.records.hash(record()) };
  }

  /** The subtree of parts[from, to): where two prefixes differ first, their leaves do. */
  #join(parts: readonly Part[], from: number, to: number): Omit<Part, "path"> {
    const first = parts[from]!;
    if (to - from === 1) return first;
    const bit = firstDifferentBit(first.path, parts[to - 1]!.path);
    let middle = from;
    while (bitAt(parts[middle]!.path, bit) === 0) middle++;
    const left = this.#join(parts, from, middle);
    const right = this.#join(parts, middle, to);
    const node: TrieNode = {
      kind: "branch",
      bit,
      prefix: first.path,
      leftHash: left.hash,
      rightHash: right.hash,
      left: () => left.node,
      right: () => right.node,
    };
    return { node, hash: this.#deps.leaves.branch(bit, first.path, left.hash, right.hash) };
  }
}

/** The first path behind all that begin with the first `bits` bits of `prefix`; undefined behind the last ones. */
function behind(prefix: Uint8Array, bits: number): Uint8Array | undefined {
  assert(bits > 0 && bits < PATH_BITS, "a prefix is neither empty nor a whole path", { bits });
  const next = prefix.slice();
  for (let bit = bits - 1; bit >= 0; bit--) {
    const mask = 0x80 >> (bit & 7);
    next[bit >> 3]! ^= mask;
    if ((next[bit >> 3]! & mask) !== 0) return next;
  }
  return undefined;
}
