/**
 * Follows a vault's history header by header, with the compact range of the tree over all headers so far.
 *
 *   INV-HISTORY-1  A header is accepted only at the next height, of this vault, in order of time, naming the hash of
 *                  the header before it and the root of the tree over all headers before it.
 *
 * What it has accepted is the ledger's history only when `root()` is that of a checkpoint of the same size, or is
 * proven consistent with a larger one: the caller compares (light-client.ts).
 */
import { equalBytes, type Hasher } from "@authledger/types";
import { type BlockHeader, blockHash, decodeHeader } from "./header.js";
import { CompactRange } from "./log/compact-range.js";
import { reject } from "./rejection.js";

/** Where a follower stands: enough to go on, in some hundred bytes. */
export interface HistoryPosition {
  /** Headers so far. */
  readonly size: number;
  /** Roots of the complete subtrees over them, largest first. */
  readonly range: readonly Uint8Array[];
  /** The last of them; absent where the follower begins without it. */
  readonly header: Uint8Array | undefined;
}

const NO_HASH = new Uint8Array(32);

export class HistoryFollower {
  readonly #hasher: Hasher;
  readonly #vaultRef: Uint8Array;
  readonly #range: CompactRange;
  #last: Uint8Array | undefined;

  constructor(
    hasher: Hasher,
    vaultRef: Uint8Array,
    { size, range, header }: HistoryPosition = { size: 0, range: [], header: undefined },
  ) {
    if (range.length !== bitsOf(size))
      throw reject("consistency", "a compact range of another size");
    this.#hasher = hasher;
    this.#vaultRef = vaultRef;
    this.#range = new CompactRange(hasher, size, range);
    this.#last = header;
  }

  get size(): number {
    return this.#range.size;
  }

  get position(): HistoryPosition {
    return { size: this.size, range: [...this.#range.roots], header: this.#last };
  }

  /** MTH over the headers so far: what a checkpoint of this size signs. */
  root(): Uint8Array {
    return this.#range.root();
  }

  /** @throws LedgerError PROOF_INVALID with reason "header", "vault-ref" or "chain" */
  append(bytes: Uint8Array): BlockHeader {
    const header = decodeHeader(bytes);
    this.#check(header);
    this.#range.append(blockHash(this.#hasher, bytes));
    this.#last = bytes;
    return header;
  }

  #check(header: BlockHeader): void {
    const { height, vaultRef, historyRoot, previousHash, timestampMs } = header;
    if (height !== this.size) {
      throw reject("chain", `block ${height} where block ${this.size} must be`, { height });
    }
    if (!equalBytes(vaultRef, this.#vaultRef)) {
      throw reject("vault-ref", `block ${height} is of another vault`, { height });
    }
    if (!equalBytes(historyRoot, this.#range.root())) {
      throw reject("chain", `block ${height} has another history before it`, { height });
    }
    if (this.#last === undefined && height > 0) return;
    const previous = this.#last && decodeHeader(this.#last);
    const hash = this.#last === undefined ? NO_HASH : blockHash(this.#hasher, this.#last);
    if (!equalBytes(previousHash, hash)) {
      throw reject("chain", `block ${height} names another block before it`, { height });
    }
    if (previous === undefined) return;
    if (timestampMs < previous.timestampMs) {
      throw reject("chain", `the time of block ${height} is before that of the block before it`, {
        height,
      });
    }
    if (header.bothDirections !== previous.bothDirections) {
      throw reject("chain", `block ${height} changes what is committed of tuples`, { height });
    }
  }
}

function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
