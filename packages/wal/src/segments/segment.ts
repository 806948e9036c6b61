/**
 * One segment of the log with an index of its batches: where each begins and its crc, which is the seed of the
 * next one, so that any batch can be verified alone later (8 bytes of memory a batch).
 */
import type { DiskFile } from "@authledger/io";
import { assert } from "@authledger/types";
import { batchCrc, chainSeed, paddedBytes, readBatchHeader } from "../format/batch.js";
import { viewOf } from "../format/little-endian.js";
import { foldSalt, type SegmentHeader } from "../format/segment-header.js";
import { BLOCK_BYTES } from "../limits.js";
import { U32List } from "../state/u32-list.js";

/** Where a batch lies in its segment, and the seed of its crc. */
export interface BatchExtent {
  readonly start: number;
  /** End of its last block. */
  readonly end: number;
  readonly crc: number;
  readonly seed: number;
}

export class Segment {
  readonly header: SegmentHeader;
  readonly file: DiskFile;
  readonly #salt: number;
  readonly #starts = new U32List();
  readonly #crcs = new U32List();
  #end = BLOCK_BYTES;
  #lastLsn: number;

  constructor(header: SegmentHeader, file: DiskFile) {
    this.header = header;
    this.file = file;
    this.#salt = foldSalt(header.salt);
    this.#lastLsn = header.prevLsn;
  }

  get seq(): number {
    return this.header.seq;
  }

  get path(): string {
    return this.file.path;
  }

  /** Where the next batch begins. */
  get end(): number {
    return this.#end;
  }

  /** Bytes that its batches take. */
  get usedBytes(): number {
    return this.#end - BLOCK_BYTES;
  }

  get batchCount(): number {
    return this.#starts.length;
  }

  /** The newest batch of the log up to here. */
  get lastLsn(): number {
    return this.#lastLsn;
  }

  /** The lsn that the next batch here must have. */
  get nextLsn(): number {
    return this.batchCount === 0 ? this.header.firstLsn : this.#lastLsn + 1;
  }

  /** Crc of the newest batch of the log up to here. */
  get lastCrc(): number {
    return this.batchCount === 0 ? this.header.prevCrc : this.#crcs.at(this.batchCount - 1);
  }

  /** Seed of the crc of the next batch. */
  get nextSeed(): number {
    return chainSeed(this.#salt, this.lastCrc);
  }

  /** The seed of a batch whose predecessor has the crc `prevCrc`. */
  seedBehind(prevCrc: number): number {
    return chainSeed(this.#salt, prevCrc);
  }

  /** A batch of `len` bytes now lies at the end. */
  add(lsn: number, len: number, crc: number): void {
    assert(lsn === this.nextLsn, "INV-WAL-3: lsns of a segment are consecutive", { lsn });
    this.#starts.push(this.#end);
    this.#crcs.push(crc);
    this.#end += paddedBytes(len);
    this.#lastLsn = lsn;
    assert(this.#end <= this.header.segmentBytes, "a batch never leaves its segment");
  }

  /** The batch that holds the byte at `offset`. */
  batchAt(offset: number): BatchExtent {
    return this.batch(this.#starts.lastAtMost(offset));
  }

  /** The batch of a number from 0. */
  batch(number: number): BatchExtent {
    assert(number >= 0 && number < this.batchCount, "the batch is in the segment", { number });
    const isLast = number + 1 === this.batchCount;
    const prevCrc = number === 0 ? this.header.prevCrc : this.#crcs.at(number - 1);
    return {
      start: this.#starts.at(number),
      end: isLast ? this.#end : this.#starts.at(number + 1),
      crc: this.#crcs.at(number),
      seed: this.seedBehind(prevCrc),
    };
  }
}

/** Are these bytes the batch of that extent? */
export function isWhole(batch: Uint8Array, extent: BatchExtent): boolean {
  const { len, crc } = readBatchHeader(viewOf(batch), 0);
  return len <= batch.length && crc === extent.crc && batchCrc(batch, len, extent.seed) === crc;
}
