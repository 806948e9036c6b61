/**
 * The trie built from scratch in memory from all its records: the definition that everything faster is
 * compared with, and a small verifier's tool.
 */
import { compareBytes, type Hasher } from "@authledger/types";
import { BUCKETS, BucketTree } from "./bucket-tree.js";
import { EMPTY_ROOT, TrieHasher } from "./leaf-branch.js";
import { bitAt, firstDifferentBit, PathHasher } from "./path.js";
import { decodeRecord, RecordHasher } from "./record.js";
import { stateRoot } from "./state-root.js";
import type { TrieNode, TrieSource } from "./trie-source.js";

/** A leaf with its place. */
export interface BuiltLeaf {
  readonly path: Uint8Array;
  readonly record: Uint8Array;
  readonly recordHash: Uint8Array;
}

type HashedNode = TrieNode & { readonly hash: Uint8Array };

export class BuiltTrie implements TrieSource {
  readonly total: number;
  /** Sorted by path. */
  readonly leaves: readonly BuiltLeaf[];
  readonly #counts: number[] = [];
  readonly #roots: HashedNode[] = [];
  readonly #tree: BucketTree;
  readonly #hasher: Hasher;

  constructor(hasher: Hasher, leaves: readonly BuiltLeaf[]) {
    this.#hasher = hasher;
    this.#tree = new BucketTree(hasher);
    this.leaves = [...leaves].sort((a, b) => compareBytes(a.path, b.path));
    this.total = leaves.length;
    const trieHasher = new TrieHasher(hasher);
    let from = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      let to = from;
      while (to < this.total && this.leaves[to]!.path[0] === bucket) to++;
      const root = build(trieHasher, this.leaves, from, to);
      this.#counts.push(to - from);
      this.#roots.push(root);
      this.#tree.set(bucket, to - from, root.hash);
      from = to;
    }
  }

  /** From canonical records of one vault. */
  static fromRecords(hasher: Hasher, salt: Uint8Array, records: Iterable<Uint8Array>): BuiltTrie {
    const paths = new PathHasher(hasher, salt);
    const recordHasher = new RecordHasher(hasher, salt);
    const leaves = [...records].map((record) => ({
      path: paths.path(decodeRecord(record).key),
      record,
      recordHash: recordHasher.hash(record),
    }));
    return new BuiltTrie(hasher, leaves);
  }

  bucketCount(bucket: number): number {
    return this.#counts[bucket]!;
  }

  bucket(bucket: number): TrieNode {
    return this.#roots[bucket]!;
  }

  bucketRoot(bucket: number): Uint8Array {
    return this.#roots[bucket]!.hash;
  }

  bucketTreeNode(level: number, index: number): Uint8Array {
    return this.#tree.node(level, index);
  }

  /** The state root under a vault_ref. */
  root(vaultRef: Uint8Array): Uint8Array {
    return stateRoot(this.#hasher, vaultRef, this.total, this.#tree.top());
  }
}

function build(
  hasher: TrieHasher,
  leaves: readonly BuiltLeaf[],
  from: number,
  to: number,
): HashedNode {
  if (from === to) return { kind: "empty", hash: EMPTY_ROOT };
  const first = leaves[from]!;
  if (to - from === 1) {
    return {
      kind: "leaf",
      path: first.path,
      recordHash: () => first.recordHash,
      record: () => first.record,
      hash: hasher.leaf(first.path, first.recordHash),
    };
  }
  const bit = firstDifferentBit(first.path, leaves[to - 1]!.path);
  let middle = from;
  while (bitAt(leaves[middle]!.path, bit) === 0) middle++;
  const left = build(hasher, leaves, from, middle);
  const right = build(hasher, leaves, middle, to);
  return {
    kind: "branch",
    bit,
    prefix: first.path,
    leftHash: left.hash,
    rightHash: right.hash,
    left: () => left,
    right: () => right,
    hash: hasher.branch(bit, first.path, left.hash, right.hash),
  };
}
