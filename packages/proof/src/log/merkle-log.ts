/**
 * The Merkle tree of RFC 6962 / RFC 9162: roots, inclusion and consistency, made and verified. Both the
 * history of a vault (leaves = headers) and the transactions of a block are such trees.
 *
 * Verification is RFC 9162, 2.1.3.2 and 2.1.4.2, exactly: no proof element may be missing or left over, every
 * hash has 32 bytes. The tree's size must come from a signed body: a wrong size can be satisfied.
 */
import { equalBytes, HASH_BYTES, type Hasher } from "@authledger/types";
import { Tag } from "../tags.js";

/** MTH of a leaf: SHA-256(0x00 || data). */
export function leafHash(hasher: Hasher, data: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + data.length);
  input[0] = Tag.logLeaf;
  input.set(data, 1);
  return hasher.sha256(input);
}

/** What a node hashes: used again by each. */
const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
nodeInput[0] = Tag.logNode;

/** SHA-256(0x01 || left || right). */
export function nodeHash(hasher: Hasher, left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return hasher.sha256(nodeInput);
}

/** Hash of the complete subtree over leaves [index << level, (index + 1) << level). */
export type NodeLookup = (level: number, index: number) => Uint8Array;

/** A lookup over leaf hashes in memory, for small trees. */
export function lookupOf(hasher: Hasher, leaves: readonly Uint8Array[]): NodeLookup {
  const node: NodeLookup = (level, index) =>
    level === 0
      ? leaves[index]!
      : nodeHash(hasher, node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
  return node;
}

/** The logarithm of a power of two; in whole numbers, since Math.log2 may differ between machines. */
function levelOf(power: number): number {
  let level = 0;
  for (let rest = power; rest > 1; rest /= 2) level++;
  return level;
}

/** MTH(leaves[from, to)); of nothing it is SHA-256 of the empty string. */
export function rangeRoot(hasher: Hasher, node: NodeLookup, from: number, to: number): Uint8Array {
  const size = to - from;
  if (size === 0) return hasher.sha256(new Uint8Array(0));
  const split = largestPowerBelow(size);
  if (split * 2 === size || size === 1) {
    if (from % size === 0) return node(levelOf(size), from / size);
  }
  const left = rangeRoot(hasher, node, from, from + split);
  return nodeHash(hasher, left, rangeRoot(hasher, node, from + split, to));
}

/** MTH of all leaves. */
export function treeRoot(hasher: Hasher, leaves: readonly Uint8Array[]): Uint8Array {
  return rangeRoot(hasher, lookupOf(hasher, leaves), 0, leaves.length);
}

/** PATH(index, D[size]) of RFC 9162, 2.1.3.1. */
export function inclusionProof(
  hasher: Hasher,
  node: NodeLookup,
  index: number,
  size: number,
): Uint8Array[] {
  const proof: Uint8Array[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + largestPowerBelow(to - from);
    if (index < middle) {
      proof.push(rangeRoot(hasher, node, middle, to));
      to = middle;
    } else {
      proof.push(rangeRoot(hasher, node, from, middle));
      from = middle;
    }
  }
  return proof.reverse();
}

/** PROOF(from, D[to]) of RFC 9162, 2.1.4.1; empty when the sizes are equal or `from` is 0. */
export function consistencyProof(
  hasher: Hasher,
  node: NodeLookup,
  fromSize: number,
  toSize: number,
): Uint8Array[] {
  const proof: Uint8Array[] = [];
  if (fromSize === 0 || fromSize === toSize) return proof;
  let from = 0;
  let to = toSize;
  let isWhole = true;
  while (fromSize !== to) {
    const middle = from + largestPowerBelow(to - from);
    if (fromSize <= middle) {
      proof.push(rangeRoot(hasher, node, middle, to));
      to = middle;
    } else {
      proof.push(rangeRoot(hasher, node, from, middle));
      from = middle;
      isWhole = false;
    }
  }
  if (!isWhole) proof.push(rangeRoot(hasher, node, from, to));
  return proof.reverse();
}

/** What an inclusion proof is about. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly index: bigint;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162, 2.1.3.2. */
export function verifyInclusion(hasher: Hasher, claim: InclusionClaim): boolean {
  const { index, size, proof, root } = claim;
  if (index < 0n || index >= size || !areHashes(proof)) return false;
  let fn = index;
  let sn = size - 1n;
  let r = claim.leafHash;
  for (const p of proof) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      r = nodeHash(hasher, p, r);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else r = nodeHash(hasher, r, p);
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && equalBytes(r, root);
}

/** What a consistency proof is about. */
export interface ConsistencyClaim {
  readonly fromSize: bigint;
  readonly fromRoot: Uint8Array;
  readonly toSize: bigint;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162, 2.1.4.2, and the trivial cases before it: equal sizes need equal roots and no proof. */
export function verifyConsistency(hasher: Hasher, claim: ConsistencyClaim): boolean {
  const { fromSize, toSize, proof, fromRoot, toRoot } = claim;
  if (fromSize < 0n || fromSize > toSize || !areHashes(proof)) return false;
  if (fromSize === toSize) return proof.length === 0 && equalBytes(fromRoot, toRoot);
  if (fromSize === 0n) return proof.length === 0;
  if (proof.length === 0) return false;
  return followConsistency(hasher, claim);
}

function followConsistency(hasher: Hasher, claim: ConsistencyClaim): boolean {
  const { fromSize, toSize, fromRoot, toRoot } = claim;
  const isPower = (fromSize & (fromSize - 1n)) === 0n;
  const path = isPower ? [fromRoot, ...claim.proof] : [...claim.proof];
  let fn = fromSize - 1n;
  let sn = toSize - 1n;
  while ((fn & 1n) === 1n) {
    fn >>= 1n;
    sn >>= 1n;
  }
  let fr = path[0]!;
  let sr = path[0]!;
  for (const c of path.slice(1)) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      fr = nodeHash(hasher, c, fr);
      sr = nodeHash(hasher, c, sr);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else sr = nodeHash(hasher, sr, c);
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && equalBytes(fr, fromRoot) && equalBytes(sr, toRoot);
}

function areHashes(proof: readonly Uint8Array[]): boolean {
  return proof.every((hash) => hash.length === HASH_BYTES);
}

/** The largest power of two that is less than n; 1 for n = 1. */
function largestPowerBelow(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}
