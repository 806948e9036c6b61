/**
 * Reads state proofs that nobody vouches for: everything is recomputed, and every shape that the format does
 * not allow is refused with its reason (commitment.md, "Reject").
 *
 * Recursion is bounded by the bits of a path: each branch's bit is greater than its parent's.
 */
import {
  ByteReader,
  decodeUtf8,
  HASH_BYTES,
  type Hasher,
  LedgerError,
  limits,
} from "@authledger/types";
import { type RejectReason, reject } from "../rejection.js";
import { BUCKET_LEVELS, BUCKETS, bucketLeaf, bucketNode } from "./bucket-tree.js";
import { EMPTY_ROOT, TrieHasher } from "./leaf-branch.js";
import { bitAt, firstDifferentBit, PATH_BITS, PATH_BYTES, PathHasher } from "./path.js";
import { type ProvenBucket, type ProvenNode, ProvenTrie } from "./proven-trie.js";
import { decodeRecord, RecordHasher } from "./record.js";
import { NodeTag, STATE_PROOF_MAGIC } from "./state-proof-encode.js";
import { stateRoot } from "./state-root.js";

export interface StateProofContext {
  readonly hasher: Hasher;
  readonly salt: Uint8Array;
  readonly vaultRef: Uint8Array;
  /** Longest proof that is looked at. Default 16 MiB. */
  readonly bytesMax?: number;
}

/**
 * Decodes a proof and computes its state root; the caller compares it with a root that it trusts.
 * @throws LedgerError PROOF_INVALID with the reason
 */
export function decodeStateProof(bytes: Uint8Array, context: StateProofContext): ProvenTrie {
  const max = context.bytesMax ?? limits.PROOF_BYTES_MAX;
  if (bytes.length > max)
    throw reject("too-large", `a proof of ${bytes.length} bytes, over ${max}`);
  try {
    return new StateProofReader(bytes, context).read();
  } catch (error) {
    if (error instanceof LedgerError && error.code === "CODEC_DECODE") {
      throw reject("truncated", error.message);
    }
    throw error;
  }
}

/** The trie of a proof under a trusted root. @throws LedgerError PROOF_INVALID */
export function verifyStateProof(
  bytes: Uint8Array,
  trustedRoot: Uint8Array,
  context: StateProofContext,
): ProvenTrie {
  const trie = decodeStateProof(bytes, context);
  if (trie.stateRoot.every((byte, i) => byte === trustedRoot[i])) return trie;
  throw reject("state-root", "the proof is of another state");
}

class StateProofReader {
  readonly #input: ByteReader;
  readonly #context: StateProofContext;
  readonly #paths: PathHasher;
  readonly #records: RecordHasher;
  readonly #trie: TrieHasher;
  #bucket = 0;

  constructor(bytes: Uint8Array, context: StateProofContext) {
    this.#input = new ByteReader(bytes, "state proof");
    this.#context = context;
    this.#paths = new PathHasher(context.hasher, context.salt);
    this.#records = new RecordHasher(context.hasher, context.salt);
    this.#trie = new TrieHasher(context.hasher);
  }

  read(): ProvenTrie {
    const input = this.#input;
    if (decodeUtf8(input.bytes(4, "magic")) !== STATE_PROOF_MAGIC) {
      throw reject("magic", "a state proof begins with LSP1");
    }
    const total = input.u64("total");
    const nb = input.u16("nb");
    if (nb < 1 || nb > BUCKETS) throw reject("nb", `${nb} buckets`);
    const buckets = this.#readBuckets(nb);
    this.#checkTotal(total, buckets);
    const top = this.#readTop(buckets);
    if (input.remaining > 0) throw reject("trailing", `${input.remaining} bytes behind the proof`);
    const root = stateRoot(this.#context.hasher, this.#context.vaultRef, total, top);
    return new ProvenTrie(total, root, buckets, this.#paths);
  }

  #readBuckets(nb: number): Map<number, ProvenBucket> {
    const buckets = new Map<number, ProvenBucket>();
    let before = -1;
    for (let i = 0; i < nb; i++) {
      const bucket = this.#input.u8("bucket");
      if (bucket <= before) throw reject("bucket-order", `bucket ${bucket} behind ${before}`);
      before = bucket;
      this.#bucket = bucket;
      const count = this.#input.u64("count");
      const node = this.#readNode(-1, true);
      if ((node.kind === "empty") !== (count === 0n)) {
        throw reject("empty-count", `bucket ${bucket} counts ${count} leaves`);
      }
      buckets.set(bucket, { count, node });
    }
    return buckets;
  }

  #checkTotal(total: bigint, buckets: ReadonlyMap<number, ProvenBucket>): void {
    let shown = 0n;
    for (const { count } of buckets.values()) shown += count;
    if (shown > total || (buckets.size === BUCKETS && shown !== total)) {
      throw reject("total", `${shown} leaves are shown, the total is ${total}`);
    }
  }

  #readTop(buckets: ReadonlyMap<number, ProvenBucket>): Uint8Array {
    const { hasher } = this.#context;
    let known = new Map<number, Uint8Array>();
    for (const [bucket, { count, node }] of buckets) {
      known.set(bucket, bucketLeaf(hasher, bucket, count, node.hash));
    }
    for (let level = 0; level < BUCKET_LEVELS; level++) {
      const above = new Map<number, Uint8Array>();
      for (let pair = 0; pair < BUCKETS >> level; pair += 2) {
        let left = known.get(pair);
        let right = known.get(pair + 1);
        if (left === undefined && right === undefined) continue;
        left ??= this.#input.bytes(HASH_BYTES, "sibling");
        right ??= this.#input.bytes(HASH_BYTES, "sibling");
        above.set(pair >> 1, bucketNode(hasher, level, left, right));
      }
      known = above;
    }
    return known.get(0)!;
  }

  #readNode(parentBit: number, isBucketRoot: boolean): ProvenNode {
    const tag = this.#input.u8("tag");
    switch (tag) {
      case NodeTag.empty:
        if (!isBucketRoot) throw reject("empty-below", "an empty node below a bucket's root");
        return { kind: "empty", hash: EMPTY_ROOT };
      case NodeTag.leaf:
        return this.#readShown();
      case NodeTag.hashedLeaf: {
        const path = this.#input.bytes(PATH_BYTES, "path");
        this.#checkBucket(path);
        const recordHash = this.#input.bytes(HASH_BYTES, "record hash");
        return { kind: "hashed", path, recordHash, hash: this.#trie.leaf(path, recordHash) };
      }
      case NodeTag.stump:
        return this.#readStump(this.#readBit(parentBit));
      case NodeTag.branch:
      case NodeTag.rightOnly:
      case NodeTag.leftOnly:
        return this.#readBranch(tag, this.#readBit(parentBit));
      default:
        throw reject("tag", `tag 0x${tag.toString(16)}`);
    }
  }

  #readBit(parentBit: number): number {
    const bit = this.#input.u16("b");
    if (bit < 8 || bit >= PATH_BITS || bit <= parentBit) {
      throw reject("b", `a branch at bit ${bit} below one at bit ${parentBit}`);
    }
    return bit;
  }

  #readShown(): ProvenNode {
    const length = this.#input.u32("len");
    if (length > limits.RECORD_BYTES_MAX) throw reject("len", `a record of ${length} bytes`);
    const bytes = this.#input.bytes(length, "record");
    const record = decodeRecord(bytes);
    const path = this.#paths.path(record.key);
    this.#checkBucket(path);
    const recordHash = this.#records.hash(bytes);
    const hash = this.#trie.leaf(path, recordHash);
    return { kind: "shown", path, record, bytes, recordHash, hash };
  }

  #readStump(bit: number): ProvenNode {
    const path = new Uint8Array(PATH_BYTES);
    const bytes = this.#input.bytes((bit + 7) >> 3, "prefix");
    path.set(bytes);
    const rest = bit & 7;
    if (rest !== 0 && (bytes[bytes.length - 1]! & (0xff >> rest)) !== 0) {
      throw reject("padding", "bits behind a prefix are not zero");
    }
    this.#checkBucket(path);
    const left = this.#readPruned();
    const right = this.#readPruned();
    return this.#branch(bit, path, left, right);
  }

  #readBranch(tag: number, bit: number): ProvenNode {
    let left: ProvenNode | undefined;
    let right: ProvenNode | undefined;
    if (tag === NodeTag.rightOnly) left = this.#readPruned();
    if (tag === NodeTag.leftOnly) right = this.#readPruned();
    left ??= this.#readNode(bit, false);
    right ??= this.#readNode(bit, false);
    const leftPath = pathOf(left);
    const rightPath = pathOf(right);
    if (leftPath && rightPath && firstDifferentBit(leftPath, rightPath) < bit) {
      throw reject("prefix", `the sides of a branch at bit ${bit} differ before it`);
    }
    checkSide(leftPath, bit, 0);
    checkSide(rightPath, bit, 1);
    return this.#branch(bit, (leftPath ?? rightPath)!, left, right);
  }

  #branch(bit: number, path: Uint8Array, left: ProvenNode, right: ProvenNode): ProvenNode {
    const hash = this.#trie.branch(bit, path, left.hash, right.hash);
    return { kind: "branch", bit, path, left, right, hash };
  }

  #readPruned(): ProvenNode {
    return { kind: "pruned", hash: this.#input.bytes(HASH_BYTES, "hash") };
  }

  #checkBucket(path: Uint8Array): void {
    if (path[0] !== this.#bucket) {
      throw reject("bucket-byte", `a node of bucket ${path[0]} in bucket ${this.#bucket}`);
    }
  }
}

function pathOf(node: ProvenNode): Uint8Array | undefined {
  return node.kind === "pruned" || node.kind === "empty" ? undefined : node.path;
}

function checkSide(path: Uint8Array | undefined, bit: number, side: 0 | 1): void {
  if (path === undefined || bitAt(path, bit) === side) return;
  throw reject("side" satisfies RejectReason, `a node lies on the wrong side of bit ${bit}`);
}
