/**
 * The tree over the 256 buckets: 8 levels above the bucket leaves (commitment.md, "State").
 *
 *     bucket leaf = H(0x13 || u8 bucket || u64 count || root32)
 *     node        = H(0x14 || u8 level || left32 || right32), level 0 = parents of bucket leaves
 *
 * Nodes lie in heap order in one array: 1 is the top, 2i and 2i + 1 the children of i, 256 + b the leaf of
 * bucket b. A block recomputes only what is above the buckets it touched.
 */
import { HASH_BYTES, type Hasher } from "@authledger/types";
import { Tag } from "../tags.js";

export const BUCKETS = 256;
export const BUCKET_LEVELS = 8;

/** The nodes over 256 empty buckets, by who hashed them: 511 hashes that every small vault would begin with. */
const emptyNodes = new WeakMap<Hasher, Uint8Array>();

export class BucketTree {
  readonly #hasher: Hasher;
  readonly #nodes = new Uint8Array(2 * BUCKETS * HASH_BYTES);
  readonly #stale = new Uint8Array(2 * BUCKETS);
  readonly #leafInput = new Uint8Array(42);
  readonly #nodeInput = new Uint8Array(66);

  /** All buckets empty. */
  constructor(hasher: Hasher) {
    this.#hasher = hasher;
    const known = emptyNodes.get(hasher);
    if (known !== undefined) {
      this.#nodes.set(known);
      return;
    }
    const empty = new Uint8Array(HASH_BYTES);
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.set(bucket, 0, empty);
    this.#settle();
    emptyNodes.set(hasher, this.#nodes.slice());
  }

  /** Notes a bucket's leaf count and root; `top` settles the rest. */
  set(bucket: number, count: number | bigint, root: Uint8Array): void {
    const at = (BUCKETS + bucket) * HASH_BYTES;
    bucketLeafInto(this.#hasher, this.#leafInput, bucket, BigInt(count), root, this.#nodes, at);
    for (let node = (BUCKETS + bucket) >> 1; node >= 1 && this.#stale[node] === 0; node >>= 1) {
      this.#stale[node] = 1;
    }
  }

  /** The root over all buckets, 32 bytes (a view). */
  top(): Uint8Array {
    this.#settle();
    return this.#at(1);
  }

  /** Hash of the node `index` of a level: -1 = bucket leaves (256), 0 = their parents (128), 7 = the top (1). A view. */
  node(level: number, index: number): Uint8Array {
    this.#settle();
    return this.#at((BUCKETS >> (level + 1)) + index);
  }

  #settle(): void {
    this.#settleBelow(1);
  }

  /** What is stale has stale nodes above it, so a walk from the top that turns back at others misses none. */
  #settleBelow(node: number): void {
    if (this.#stale[node] === 0) return;
    this.#stale[node] = 0;
    const left = 2 * node;
    if (left < BUCKETS) {
      this.#settleBelow(left);
      this.#settleBelow(left + 1);
    }
    const input = this.#nodeInput;
    input[0] = Tag.bucketNode;
    input[1] = levelOf(node);
    const children = left * HASH_BYTES;
    for (let i = 0; i < 2 * HASH_BYTES; i++) input[2 + i] = this.#nodes[children + i]!;
    this.#hasher.sha256Into(input, this.#nodes, node * HASH_BYTES);
  }

  #at(node: number): Uint8Array {
    return this.#nodes.subarray(node * HASH_BYTES, (node + 1) * HASH_BYTES);
  }
}

/** Level of an inner heap node: 128..255 are 0, the top is 7. */
function levelOf(node: number): number {
  return BUCKET_LEVELS - 1 - (31 - Math.clz32(node));
}

function bucketLeafInto(
  hasher: Hasher,
  input: Uint8Array,
  bucket: number,
  count: bigint,
  root: Uint8Array,
  out: Uint8Array,
  offset: number,
): void {
  input[0] = Tag.bucketLeaf;
  input[1] = bucket;
  new DataView(input.buffer).setBigUint64(2, count);
  input.set(root, 10);
  hasher.sha256Into(input, out, offset);
}

export function bucketLeaf(
  hasher: Hasher,
  bucket: number,
  count: bigint,
  root: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(HASH_BYTES);
  bucketLeafInto(hasher, new Uint8Array(42), bucket, count, root, out, 0);
  return out;
}

export function bucketNode(
  hasher: Hasher,
  level: number,
  left: Uint8Array,
  right: Uint8Array,
): Uint8Array {
  const input = new Uint8Array(66);
  input[0] = Tag.bucketNode;
  input[1] = level;
  input.set(left, 2);
  input.set(right, 2 + HASH_BYTES);
  return hasher.sha256(input);
}
