/**
 * A whole trie as the encoder of proofs walks it: nodes are loaded when the walk enters them, and what is
 * pruned is never loaded. The page store's trie and the one in `trie-build.ts` both look like this.
 */

export type TrieNode = EmptyNode | LeafNode | BranchNode;

export interface EmptyNode {
  readonly kind: "empty";
}

export interface LeafNode {
  readonly kind: "leaf";
  readonly path: Uint8Array;
  recordHash(): Uint8Array;
  record(): Uint8Array;
}

export interface BranchNode {
  readonly kind: "branch";
  /** The first bit in which the leaves below differ. */
  readonly bit: number;
  /** Any 48 bytes whose first `bit` bits are the prefix. */
  readonly prefix: Uint8Array;
  readonly leftHash: Uint8Array;
  readonly rightHash: Uint8Array;
  left(): TrieNode;
  right(): TrieNode;
}

export interface TrieSource {
  /** Leaves of the vault. */
  readonly total: number | bigint;
  bucketCount(bucket: number): number | bigint;
  bucket(bucket: number): TrieNode;
  /** Node of the tree over the buckets: level -1 = bucket leaves, 7 = top. */
  bucketTreeNode(level: number, index: number): Uint8Array;
}
