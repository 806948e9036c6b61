/**
 * Applies changes to a pruned trie and gives the state root that follows: how an auditor re-executes a block
 * without a database (commitment.md, "Stateless re-execution").
 *
 * A branch that loses a side becomes its other side's hash unchanged, also when that is pruned; entering a
 * pruned part makes the proof invalid.
 */
import { HASH_BYTES, type Hasher } from "@authledger/types";
import { reject } from "../rejection.js";
import { BUCKET_LEVELS, BUCKETS, bucketLeaf, bucketNode } from "./bucket-tree.js";
import { EMPTY_ROOT, TrieHasher } from "./leaf-branch.js";
import { bitAt, firstDifferentBit } from "./path.js";
import { comparePaths, type ProvenNode, type ProvenTrie } from "./proven-trie.js";
import { forEachSibling } from "./state-proof-encode.js";
import { stateRoot } from "./state-root.js";

/** A leaf that a block writes, or removes. */
export interface LeafChange {
  readonly path: Uint8Array;
  /** Absent: removed. */
  readonly recordHash: Uint8Array | undefined;
  /** Was it there before? */
  readonly existed: boolean;
}

export interface UpdatedState {
  readonly stateRoot: Uint8Array;
  readonly total: bigint;
}

/**
 * @param siblings hashes of the bucket tree that the proof carried, in its order
 * @throws LedgerError PROOF_INVALID when a change leads into a pruned part
 */
export function updateProvenTrie(
  hasher: Hasher,
  vaultRef: Uint8Array,
  trie: ProvenTrie,
  siblings: readonly Uint8Array[],
  changes: readonly LeafChange[],
): UpdatedState {
  const sorted = [...changes].sort((a, b) => comparePaths(a.path, b.path));
  const updater = new Updater(new TrieHasher(hasher));
  const leaves = new Map<number, Uint8Array>();
  let { total } = trie;
  let at = 0;
  for (const [bucket, { count, node }] of trie.buckets) {
    const own: LeafChange[] = [];
    while (at < sorted.length && sorted[at]!.path[0] === bucket) own.push(sorted[at++]!);
    const delta = BigInt(own.reduce((sum, change) => sum + deltaOf(change), 0));
    total += delta;
    const after = updater.apply(node, own);
    leaves.set(bucket, bucketLeaf(hasher, bucket, count + delta, after.hash));
  }
  if (at < sorted.length) throw reject("block", `bucket ${sorted[at]!.path[0]} is not shown`);
  const top = topOf(hasher, leaves, siblings);
  return { total, stateRoot: stateRoot(hasher, vaultRef, total, top) };
}

function deltaOf({ recordHash, existed }: LeafChange): number {
  return (recordHash === undefined ? 0 : 1) - (existed ? 1 : 0);
}

function topOf(
  hasher: Hasher,
  leaves: ReadonlyMap<number, Uint8Array>,
  siblings: readonly Uint8Array[],
): Uint8Array {
  const byPlace = new Map<string, Uint8Array>();
  let next = 0;
  forEachSibling([...leaves.keys()], (level, index) => {
    byPlace.set(`${level}/${index}`, siblings[next++]!);
  });
  let known: ReadonlyMap<number, Uint8Array> = leaves;
  for (let level = 0; level < BUCKET_LEVELS; level++) {
    const above = new Map<number, Uint8Array>();
    for (let pair = 0; pair < BUCKETS >> level; pair += 2) {
      const left = known.get(pair) ?? byPlace.get(`${level - 1}/${pair}`);
      const right = known.get(pair + 1) ?? byPlace.get(`${level - 1}/${pair + 1}`);
      if (left && right) above.set(pair >> 1, bucketNode(hasher, level, left, right));
    }
    known = above;
  }
  return known.get(0)!;
}

/** The sibling hashes at the end of a proof. */
export function siblingsOf(proof: Uint8Array, buckets: readonly number[]): Uint8Array[] {
  let count = 0;
  forEachSibling(buckets, () => count++);
  const from = proof.length - count * HASH_BYTES;
  return Array.from({ length: count }, (_, i) =>
    proof.subarray(from + i * HASH_BYTES, from + (i + 1) * HASH_BYTES),
  );
}

class Updater {
  readonly #hasher: TrieHasher;

  constructor(hasher: TrieHasher) {
    this.#hasher = hasher;
  }

  /** The node after the changes, which are sorted and lie below it or beside it. */
  apply(node: ProvenNode, changes: readonly LeafChange[]): ProvenNode {
    if (changes.length === 0) return node;
    switch (node.kind) {
      case "pruned":
        throw reject("block", "a change leads into a part that the proof does not show");
      case "empty":
        return this.#build(leavesOf(changes));
      case "shown":
      case "hashed":
        return this.#applyToLeaf(node, changes);
      case "branch":
        return this.#applyToBranch(node, changes);
    }
  }

  #applyToLeaf(
    leaf: Extract<ProvenNode, { kind: "shown" | "hashed" }>,
    changes: readonly LeafChange[],
  ): ProvenNode {
    const isReplaced = changes.some(({ path }) => comparePaths(path, leaf.path) === 0);
    const leaves = leavesOf(changes);
    if (!isReplaced) leaves.push({ path: leaf.path, recordHash: leaf.recordHash });
    return this.#build(leaves.sort((a, b) => comparePaths(a.path, b.path)));
  }

  #applyToBranch(
    branch: Extract<ProvenNode, { kind: "branch" }>,
    all: readonly LeafChange[],
  ): ProvenNode {
    const { bit, path } = branch;
    // A removal beside the branch removes nothing.
    const changes = all.filter(
      (change) => change.recordHash !== undefined || firstDifferentBit(change.path, path) >= bit,
    );
    if (changes.length === 0) return branch;
    const fork = Math.min(bit, ...changes.map((change) => firstDifferentBit(change.path, path)));
    if (fork === bit) {
      const left = this.apply(
        branch.left,
        changes.filter((c) => bitAt(c.path, bit) === 0),
      );
      const right = this.apply(
        branch.right,
        changes.filter((c) => bitAt(c.path, bit) === 1),
      );
      return this.#join(bit, path, left, right);
    }
    const side = bitAt(path, fork);
    const own = this.apply(
      branch,
      changes.filter((c) => bitAt(c.path, fork) === side),
    );
    const other = this.#build(leavesOf(changes.filter((c) => bitAt(c.path, fork) !== side)));
    return side === 0 ? this.#join(fork, path, own, other) : this.#join(fork, path, other, own);
  }

  #join(bit: number, path: Uint8Array, left: ProvenNode, right: ProvenNode): ProvenNode {
    if (left.kind === "empty") return right;
    if (right.kind === "empty") return left;
    const hash = this.#hasher.branch(bit, path, left.hash, right.hash);
    return { kind: "branch", bit, path, left, right, hash };
  }

  #build(leaves: readonly { path: Uint8Array; recordHash: Uint8Array }[]): ProvenNode {
    if (leaves.length === 0) return { kind: "empty", hash: EMPTY_ROOT };
    const [first] = leaves;
    const { path, recordHash } = first!;
    if (leaves.length === 1) {
      return { kind: "hashed", path, recordHash, hash: this.#hasher.leaf(path, recordHash) };
    }
    const bit = firstDifferentBit(path, leaves.at(-1)!.path);
    const middle = leaves.findIndex((leaf) => bitAt(leaf.path, bit) === 1);
    const left = this.#build(leaves.slice(0, middle));
    return this.#join(bit, path, left, this.#build(leaves.slice(middle)));
  }
}

function leavesOf(changes: readonly LeafChange[]): { path: Uint8Array; recordHash: Uint8Array }[] {
  return changes.flatMap(({ path, recordHash }) => (recordHash ? [{ path, recordHash }] : []));
}
