/**
 * Leaves and branches of a bucket's trie.
 *
 *     leaf   = H(0x11 || path48 || recordHash32)
 *     branch = H(0x12 || u16 b || prefix48 with bits >= b zero || left32 || right32), left = bit 0
 *
 * The absolute bit and the whole prefix are in a branch's hash, so for any root, even one made by a malicious
 * server, each key has at most one answer.
 */
import { HASH_BYTES, type Hasher } from "@authledger/types";
import { Tag } from "../tags.js";
import { copyPrefix, PATH_BYTES } from "./path.js";

const LEAF_BYTES = 1 + PATH_BYTES + HASH_BYTES;
const LEFT_AT = 3 + PATH_BYTES;
const BRANCH_BYTES = LEFT_AT + 2 * HASH_BYTES;

/** The root of an empty bucket. */
export const EMPTY_ROOT: Uint8Array = new Uint8Array(HASH_BYTES);

/** Hashes leaves and branches through scratch buffers of its own. */
export class TrieHasher {
  readonly #hasher: Hasher;
  readonly #leaf = new Uint8Array(LEAF_BYTES);
  readonly #branch = new Uint8Array(BRANCH_BYTES);

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
    this.#leaf[0] = Tag.leaf;
    this.#branch[0] = Tag.branch;
  }

  leafInto(path: Uint8Array, recordHash: Uint8Array, out: Uint8Array, offset: number): void {
    this.#leaf.set(path, 1);
    this.#leaf.set(recordHash, 1 + PATH_BYTES);
    this.#hasher.sha256Into(this.#leaf, out, offset);
  }

  leaf(path: Uint8Array, recordHash: Uint8Array): Uint8Array {
    const out = new Uint8Array(HASH_BYTES);
    this.leafInto(path, recordHash, out, 0);
    return out;
  }

  /** `path` is any path below the branch; its first `bit` bits are the prefix. */
  branch(bit: number, path: Uint8Array, left: Uint8Array, right: Uint8Array): Uint8Array {
    const input = this.#branch;
    input[1] = bit >> 8;
    input[2] = bit & 0xff;
    copyPrefix(path, bit, input, 0, 3);
    input.set(left, LEFT_AT);
    input.set(right, LEFT_AT + HASH_BYTES);
    return this.#hasher.sha256(input);
  }
}
