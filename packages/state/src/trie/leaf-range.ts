/**
 * A run of neighbouring leaves, read from the page store into flat arrays: what small subtrees are rebuilt
 * from. The arrays are reused by every read.
 */

import { copyPrefix, firstDifferentBit, PATH_BYTES } from "@authledger/proof";
import { type Cursor, type Slab, slabOf, type Table } from "@authledger/store";
import { assert, HASH_BYTES } from "@authledger/types";
import { writeVault } from "./branch-row.js";
import { LEAF_KEY_BYTES, PATH_AT } from "./leaf-row.js";

export class LeafRange {
  readonly #cursor: Cursor;
  readonly #key = new Uint8Array(LEAF_KEY_BYTES);
  #count = 0;
  #paths: Slab = slabOf(64 * PATH_BYTES);
  #hashes: Slab = slabOf(64 * HASH_BYTES);

  constructor(table: Table) {
    this.#cursor = table.cursor();
  }

  get count(): number {
    return this.#count;
  }

  /** Paths of the run, 48 bytes each, ascending. */
  get paths(): Uint8Array {
    return this.#paths.bytes;
  }

  /** Leaf hashes of the run, 32 bytes each. */
  get hashes(): Uint8Array {
    return this.#hashes.bytes;
  }

  /**
   * Reads the `count` leaves of a vault whose paths share the first `bits` bits of the path at `offset` of `paths`;
   * there must be exactly so many.
   */
  read(vault: number, paths: Uint8Array, offset: number, bits: number, count: number): void {
    this.#reserve(count);
    this.#count = count;
    if (count === 0) return;
    const key = this.#key;
    writeVault(key, vault);
    copyPrefix(paths, bits, key, offset, PATH_AT);
    const cursor = this.#cursor;
    cursor.renew();
    for (let i = 0; i < count; i++) {
      const more = i === 0 ? cursor.seek(key) : cursor.next();
      assert(more, "the trie counts no leaf that is not stored", { vault, bits, count, i });
      cursor.copyKey(PATH_AT, this.#paths, i * PATH_BYTES);
      cursor.copyValue(HASH_BYTES, this.#hashes, i * HASH_BYTES);
    }
    const last = (count - 1) * PATH_BYTES;
    assert(
      firstDifferentBit(this.paths, key, last, PATH_AT) >= bits,
      "the trie counts every leaf that is stored",
      { vault, bits, count, keyBytes: LEAF_KEY_BYTES },
    );
  }

  #reserve(count: number): void {
    if (count * PATH_BYTES <= this.paths.length) return;
    const room = 2 ** (32 - Math.clz32(count - 1));
    this.#paths = slabOf(room * PATH_BYTES);
    this.#hashes = slabOf(room * HASH_BYTES);
  }
}
