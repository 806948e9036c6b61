/**
 * Computes a trie from its leaves in the order of their paths, in one pass with a stack as deep as the trie,
 * and tells of every branch on the way. Shares nothing with the updater whose work it checks but the hash.
 */
import { firstDifferentBit, type TrieHasher } from "@authledger/proof";

/** A subtree. */
interface Folded {
  /** Path of its first leaf. */
  readonly path: Uint8Array;
  readonly hash: Uint8Array;
  readonly count: number;
}

/** A branch as its leaves make it. */
export interface FoldedBranch {
  readonly bit: number;
  /** Path of its first leaf: its prefix, and more. */
  readonly path: Uint8Array;
  readonly left: Folded;
  readonly right: Folded;
}

export class TrieFolder {
  readonly #hasher: TrieHasher;
  readonly #onBranch: (branch: FoldedBranch) => void;
  readonly #stack: Folded[] = [];
  /** The first bit in which the leaves of a subtree and of the next one on the stack differ. */
  readonly #bits: number[] = [];
  #last: Uint8Array | undefined;

  constructor(hasher: TrieHasher, onBranch: (branch: FoldedBranch) => void) {
    this.#hasher = hasher;
    this.#onBranch = onBranch;
  }

  /** Adds the next leaf; paths ascend. */
  add(path: Uint8Array, hash: Uint8Array): void {
    if (this.#last !== undefined) {
      const bit = firstDifferentBit(this.#last, path);
      while (this.#bits.length > 0 && this.#bits.at(-1)! > bit) this.#join();
      this.#bits.push(bit);
    }
    this.#stack.push({ path, hash, count: 1 });
    this.#last = path;
  }

  /** Root hash and number of leaves; undefined when there are none. */
  finish(): { readonly hash: Uint8Array; readonly count: number } | undefined {
    while (this.#bits.length > 0) this.#join();
    return this.#stack[0];
  }

  #join(): void {
    const right = this.#stack.pop()!;
    const left = this.#stack.pop()!;
    const bit = this.#bits.pop()!;
    const { path } = left;
    const hash = this.#hasher.branch(bit, path, left.hash, right.hash);
    this.#stack.push({ path, hash, count: left.count + right.count });
    this.#onBranch({ bit, path, left, right });
  }
}
