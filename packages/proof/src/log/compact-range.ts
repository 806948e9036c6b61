/**
 * The compact range of a growing RFC 6962 tree: the roots of its complete subtrees, largest first; enough to
 * append and to know the root. Each append also tells the nodes that it completed, for storing them.
 */
import type { Hasher } from "@authledger/types";
import { nodeHash } from "./merkle-log.js";

/** A complete subtree: leaves [index << level, (index + 1) << level). */
export interface CompletedNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

export class CompactRange {
  readonly #hasher: Hasher;
  #size: number;
  /** One for each bit that is set in the size, from the highest. */
  readonly #roots: Uint8Array[];

  /** `roots` are those of the complete subtrees of a tree of `size` leaves, largest first. */
  constructor(hasher: Hasher, size = 0, roots: readonly Uint8Array[] = []) {
    this.#hasher = hasher;
    this.#size = size;
    this.#roots = [...roots];
  }

  /** Restores a range from stored nodes. */
  static restore(
    hasher: Hasher,
    size: number,
    node: (level: number, index: number) => Uint8Array,
  ): CompactRange {
    const roots: Uint8Array[] = [];
    let from = 0;
    for (let level = 52; level >= 0; level--) {
      const width = 2 ** level;
      if (size - from < width) continue;
      roots.push(node(level, from / width));
      from += width;
    }
    return new CompactRange(hasher, size, roots);
  }

  get size(): number {
    return this.#size;
  }

  get roots(): readonly Uint8Array[] {
    return this.#roots;
  }

  /** Appends a leaf hash; returns the nodes it completed, the leaf first. */
  append(leaf: Uint8Array): CompletedNode[] {
    const completed: CompletedNode[] = [{ level: 0, index: this.#size, hash: leaf }];
    let hash = leaf;
    let index = this.#size;
    for (let level = 1; index % 2 === 1; level++) {
      hash = nodeHash(this.#hasher, this.#roots.pop()!, hash);
      index = (index - 1) / 2;
      completed.push({ level, index, hash });
    }
    this.#roots.push(hash);
    this.#size++;
    return completed;
  }

  /** MTH of the leaves so far. */
  root(): Uint8Array {
    if (this.#roots.length === 0) return this.#hasher.sha256(new Uint8Array(0));
    return this.#roots.reduceRight((right, left) => nodeHash(this.#hasher, left, right));
  }
}
