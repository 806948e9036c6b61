/**
 * The pairing of tuples: every one is committed once by resource and once by subject, with equal version, expiry
 * and value (commitment.md, "State"). Which of two leaves comes first depends on hashes, so nothing is looked up:
 * both directions are summed up, and equal sums mean equal sets.
 *
 * The sum is of SHA-256 digests as eight numbers modulo 2^32 each. It finds every accident. Somebody who forges
 * a state on purpose must have signed its root as well: the roots are checked beside it.
 */
import { encodeRecord, Kind, type LedgerRecord, twinOf } from "@authledger/proof";
import { HASH_BYTES, type Hasher } from "@authledger/types";
import { readU32 } from "../tables.js";

const LANES = HASH_BYTES / 4;

export class TwinCheck {
  readonly #hasher: Hasher;
  readonly #sums = new Uint32Array(LANES);

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** Takes a record; other kinds than tuples do not count. */
  add(record: LedgerRecord, bytes: Uint8Array): void {
    const { kind } = record.key;
    if (kind === Kind.tupleByResource) this.#add(this.#hasher.sha256(bytes), 1);
    if (kind !== Kind.tupleBySubject) return;
    this.#add(this.#hasher.sha256(encodeRecord(twinOf(record.key), record)), -1);
  }

  /** Has every tuple both directions? */
  get isPaired(): boolean {
    return this.#sums.every((sum) => sum === 0);
  }

  #add(digest: Uint8Array, sign: 1 | -1): void {
    for (let i = 0; i < LANES; i++) this.#sums[i]! += sign * readU32(digest, 4 * i);
  }
}
