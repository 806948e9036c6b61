/**
 * How the bytes of a segment are divided, so that a full disk never stops what frees space:
 *
 *   | header | appends ... | reserve for carried records | one block to close the log |
 *
 * Appends leave the reserve alone even where they would fit. With it, carrying state forward and so the reuse of
 * older segments works when not one new byte can be had from the disk.
 */
import { BATCH_HEADER_BYTES, paddedBytes } from "../format/batch.js";
import { BLOCK_BYTES } from "../limits.js";

export interface SegmentRoom {
  /** Where batches of appends must end. */
  readonly appendEnd: number;
  /** Where batches of carried records must end. */
  readonly carryEnd: number;
}

/** The most that the reserve takes: a quarter of what a segment holds, at least a block. */
function reserveMax(segmentBytes: number): number {
  const quarter = Math.floor((segmentBytes - BLOCK_BYTES) / 4 / BLOCK_BYTES) * BLOCK_BYTES;
  return Math.max(BLOCK_BYTES, quarter);
}

/** The division of a segment when at most `carriedBytes` have to be carried forward. */
export function divideSegment(segmentBytes: number, carriedBytes: number): SegmentRoom {
  const carryEnd = segmentBytes - BLOCK_BYTES;
  const wanted = paddedBytes(BATCH_HEADER_BYTES + carriedBytes);
  return { appendEnd: carryEnd - Math.min(wanted, reserveMax(segmentBytes)), carryEnd };
}

/** The largest append that fits every empty segment, without its batch header. */
export function appendBytesMax(segmentBytes: number): number {
  const { appendEnd } = divideSegment(segmentBytes, Number.MAX_SAFE_INTEGER);
  return appendEnd - BLOCK_BYTES - BATCH_HEADER_BYTES;
}

/** The largest batch of carried records, without its header. */
export function carryBytesMax(segmentBytes: number): number {
  return reserveMax(segmentBytes) - BATCH_HEADER_BYTES;
}
