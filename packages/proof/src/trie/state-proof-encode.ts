/**
 * Writes state proofs, "LSP1": the trie with everything that the questions do not touch replaced by hashes
 * (commitment.md, "One proof format for everything"). One walk serves any mix of gets and lists, and loads no
 * node that it prunes.
 */
import { ByteWriter, compareBytes } from "@authledger/types";
import { BUCKET_LEVELS, BUCKETS } from "./bucket-tree.js";
import type { Kind, LedgerKey } from "./key.js";
import {
  bitAt,
  copyPrefix,
  firstDifferentBit,
  GROUP_BITS,
  PARTITION_BITS,
  PATH_BYTES,
  type PathHasher,
} from "./path.js";
import type { BranchNode, LeafNode, TrieNode, TrieSource } from "./trie-source.js";

/** A list of all items of a partition, or of a group in it; with an interval, the part with paths in [from, to). */
export interface ListQuery {
  readonly kind: Kind;
  readonly partition: string;
  readonly group?: string | undefined;
  /** Absent: from the start. */
  readonly from?: Uint8Array | undefined;
  /** Absent: to the end. */
  readonly to?: Uint8Array | undefined;
}

/** What a proof must answer. */
export interface ProofQuestions {
  readonly gets: readonly LedgerKey[];
  readonly lists: readonly ListQuery[];
}

/** Tags of nodes in a proof. */
export const NodeTag = {
  leaf: 0x01,
  hashedLeaf: 0x02,
  branch: 0x03,
  stump: 0x04,
  empty: 0x05,
  rightOnly: 0x06,
  leftOnly: 0x07,
} as const;

export const STATE_PROOF_MAGIC = "LSP1";

/** A list as the walk sees it: the first `bits` bits of `prefix`. */
export interface ListTarget {
  readonly prefix: Uint8Array;
  readonly bits: number;
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

export function listTarget(paths: PathHasher, query: ListQuery): ListTarget {
  return {
    prefix: paths.listPrefix(query.kind, query.partition, query.group),
    bits: query.group === undefined ? PARTITION_BITS : GROUP_BITS,
    from: query.from,
    to: query.to,
  };
}

/** Is the path one of the list's, interval included? */
export function isListed(target: ListTarget, path: Uint8Array): boolean {
  if (firstDifferentBit(target.prefix, path) < target.bits) return false;
  if (target.from !== undefined && compareBytes(path, target.from) < 0) return false;
  return target.to === undefined || compareBytes(path, target.to) < 0;
}

/** Which sides of a branch a list must visit. */
export function listedSides(
  target: ListTarget,
  bit: number,
  prefix: Uint8Array,
): { readonly left: boolean; readonly right: boolean } {
  const common = firstDifferentBit(target.prefix, prefix);
  if (common < Math.min(bit, target.bits)) return { left: false, right: false };
  if (bit < target.bits) {
    const side = bitAt(target.prefix, bit);
    return { left: side === 0, right: side === 1 };
  }
  return { left: meets(target, bit, prefix, 0), right: meets(target, bit, prefix, 1) };
}

/** Can the subtree on a side of a branch inside the list have paths in the list's interval? */
function meets(target: ListTarget, bit: number, prefix: Uint8Array, side: 0 | 1): boolean {
  if (target.from === undefined && target.to === undefined) return true;
  const low = new Uint8Array(PATH_BYTES);
  copyPrefix(prefix, bit, low);
  if (side === 1) low[bit >> 3]! |= 0x80 >> (bit & 7);
  if (target.to !== undefined && compareBytes(low, target.to) >= 0) return false;
  if (target.from === undefined) return true;
  const high = low.slice();
  for (let i = bit + 1; i < PATH_BYTES * 8; i++) high[i >> 3]! |= 0x80 >> (i & 7);
  return compareBytes(high, target.from) >= 0;
}

/** Encodes the one minimal proof for the questions. */
export function encodeStateProof(
  source: TrieSource,
  paths: PathHasher,
  questions: ProofQuestions,
): Uint8Array {
  const gets = questions.gets.map((key) => paths.path(key));
  const lists = questions.lists.map((query) => listTarget(paths, query));
  const touched = new Set<number>();
  for (const path of gets) touched.add(path[0]!);
  for (const { prefix } of lists) touched.add(prefix[0]!);
  const buckets = [...touched].sort((a, b) => a - b);
  const out = new ByteWriter(2048);
  out.utf8(STATE_PROOF_MAGIC).u64(source.total).u16(buckets.length);
  for (const bucket of buckets) {
    out.u8(bucket).u64(source.bucketCount(bucket));
    const own = gets.filter((path) => path[0] === bucket);
    writeNode(
      out,
      source.bucket(bucket),
      own,
      lists.filter(({ prefix }) => prefix[0] === bucket),
    );
  }
  forEachSibling(buckets, (level, index) => out.bytes(source.bucketTreeNode(level, index)));
  return out.finish();
}

/**
 * Visits the nodes of the bucket tree that a proof must carry: on each level, from that of the bucket leaves
 * (-1) up, for each pair with exactly one known node its sibling, ascending.
 */
export function forEachSibling(
  buckets: readonly number[],
  visit: (level: number, index: number) => void,
): void {
  let known = new Set(buckets);
  for (let level = -1; level < BUCKET_LEVELS - 1; level++) {
    const width = BUCKETS >> (level + 1);
    const above = new Set<number>();
    for (let pair = 0; pair < width; pair += 2) {
      const left = known.has(pair);
      const right = known.has(pair + 1);
      if (left !== right) visit(level, left ? pair + 1 : pair);
      if (left || right) above.add(pair >> 1);
    }
    known = above;
  }
}

function writeNode(
  out: ByteWriter,
  node: TrieNode,
  gets: readonly Uint8Array[],
  lists: readonly ListTarget[],
): void {
  if (node.kind === "empty") out.u8(NodeTag.empty);
  else if (node.kind === "leaf") writeLeaf(out, node, gets, lists);
  else writeBranch(out, node, gets, lists);
}

function writeLeaf(
  out: ByteWriter,
  leaf: LeafNode,
  gets: readonly Uint8Array[],
  lists: readonly ListTarget[],
): void {
  const isShown =
    gets.some((path) => compareBytes(path, leaf.path) === 0) ||
    lists.some((target) => isListed(target, leaf.path));
  if (isShown) out.u8(NodeTag.leaf).lp32(leaf.record());
  else out.u8(NodeTag.hashedLeaf).bytes(leaf.path).bytes(leaf.recordHash());
}

function writeBranch(
  out: ByteWriter,
  branch: BranchNode,
  gets: readonly Uint8Array[],
  lists: readonly ListTarget[],
): void {
  const { bit, prefix } = branch;
  const below = gets.filter((path) => firstDifferentBit(path, prefix) >= bit);
  const leftGets = below.filter((path) => bitAt(path, bit) === 0);
  const rightGets = below.filter((path) => bitAt(path, bit) === 1);
  const sides = lists.map((target) => listedSides(target, bit, prefix));
  const leftLists = lists.filter((_, i) => sides[i]!.left);
  const rightLists = lists.filter((_, i) => sides[i]!.right);
  const left = leftGets.length + leftLists.length > 0;
  const right = rightGets.length + rightLists.length > 0;
  if (!left && !right) {
    const bytes = new Uint8Array(PATH_BYTES);
    copyPrefix(prefix, bit, bytes);
    out
      .u8(NodeTag.stump)
      .u16(bit)
      .bytes(bytes.subarray(0, (bit + 7) >> 3));
    out.bytes(branch.leftHash).bytes(branch.rightHash);
    return;
  }
  out.u8(left && right ? NodeTag.branch : left ? NodeTag.leftOnly : NodeTag.rightOnly).u16(bit);
  if (!left) out.bytes(branch.leftHash);
  if (!right) out.bytes(branch.rightHash);
  if (left) writeNode(out, branch.left(), leftGets, leftLists);
  if (right) writeNode(out, branch.right(), rightGets, rightLists);
}
