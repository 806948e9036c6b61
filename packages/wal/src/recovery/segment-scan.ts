/**
 * Reads the batches of one segment along the chain.
 *
 *   INV-SCAN-1  A batch is accepted only at its place: magic, due lsn, length within the segment, crc over its
 *               bytes with the seed of this life and this predecessor.
 */
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchCrc,
  paddedBytes,
  paddingIsZero,
  plausibleLength,
  readBatchHeader,
} from "../format/batch.js";
import { viewOf } from "../format/little-endian.js";
import type { Segment } from "../segments/segment.js";
import type { BlockWindow } from "./block-window.js";

/** A batch as it lies in the window: valid until the next one is read. */
export interface ScannedBatch {
  readonly header: BatchHeader;
  /** Its offset in the segment. */
  readonly start: number;
  /** Whole blocks, or fewer bytes where the file ends early. */
  readonly bytes: Uint8Array;
  readonly cleanPadding: boolean;
}

/** The batch at the end of what is known of `segment`, if a good one is there; adds it to the segment's index. */
export function readNextBatch(segment: Segment, window: BlockWindow): ScannedBatch | undefined {
  const start = segment.end;
  const header = headerAt(segment, window);
  if (header === undefined || !header.magicMatches || header.lsn !== segment.nextLsn) {
    return undefined;
  }
  if (!plausibleLength(header, segment.header.segmentBytes - start)) return undefined;
  const bytes = window.view(start, paddedBytes(header.len));
  if (bytes.length < header.len) return undefined;
  if (batchCrc(bytes, header.len, segment.nextSeed) !== header.crc) return undefined;
  segment.add(header.lsn, header.len, header.crc);
  return { header, start, bytes, cleanPadding: paddingIsZero(bytes, header.len) };
}

/** What lies where the next batch would begin; undefined where the segment is full. */
export function headerAt(segment: Segment, window: BlockWindow): BatchHeader | undefined {
  const bytes = window.view(segment.end, BATCH_HEADER_BYTES);
  return bytes.length < BATCH_HEADER_BYTES ? undefined : readBatchHeader(viewOf(bytes), 0);
}

/**
 * Was the next batch begun here? Two of three fields must be right: zeros and leftovers of a former life have at
 * most one of them, a batch with one damaged field still has two.
 */
export function looksBegun(segment: Segment, header: BatchHeader | undefined): boolean {
  if (header === undefined) return false;
  const durable =
    header.durableLsn >= segment.header.prevLsn && header.durableLsn <= segment.lastLsn;
  const right = [header.magicMatches, header.lsn === segment.nextLsn, durable];
  return right.filter(Boolean).length >= 2;
}
