/**
 * Looks for batches where none should be: behind the end of the log, or in a file whose header is not valid.
 *
 * The crc of a lone batch cannot be checked without its predecessor's, so a batch counts by its header: the
 * magic, an lsn that is due between here and there, and a durableLsn that fits. Since lsns are never used twice
 * and begin at a random number (INV-WAL-3), neither a former life of the file nor a payload made for the purpose
 * has them; and taking a leftover for a batch would refuse to start, not lose anything.
 */
import { BATCH_HEADER_BYTES, plausibleLength, readBatchHeader } from "../format/batch.js";
import { viewOf } from "../format/little-endian.js";
import { BLOCK_BYTES } from "../limits.js";
import type { BlockWindow } from "./block-window.js";

export interface FrameSearch {
  /** First block to look at. */
  readonly from: number;
  readonly fileBytes: number;
  /** The lsn that is due; the batches searched have later ones. */
  readonly dueLsn: number;
  /** May `dueLsn` itself be found? */
  readonly dueCounts: boolean;
}

/** The first batch found, if any. Looks at every block: called in slices by whoever has other work to do. */
export function* searchFrames(
  window: BlockWindow,
  search: FrameSearch,
): Generator<undefined, { readonly offset: number; readonly lsn: number } | undefined> {
  const { fileBytes, dueLsn } = search;
  for (let at = search.from; at + BLOCK_BYTES <= fileBytes; at += BLOCK_BYTES) {
    if (at % YIELD_BYTES === 0) yield undefined;
    const bytes = window.view(at, BATCH_HEADER_BYTES);
    if (bytes.length < BATCH_HEADER_BYTES) return undefined;
    const header = readBatchHeader(viewOf(bytes), 0);
    if (!header.magicMatches || !plausibleLength(header, fileBytes - at)) continue;
    const isDue = header.lsn > dueLsn || (search.dueCounts && header.lsn === dueLsn);
    if (!isDue || header.lsn > dueLsn + LSN_WINDOW) continue;
    if (header.durableLsn < header.lsn && header.durableLsn >= dueLsn - DURABLE_LAG) {
      return { offset: at, lsn: header.lsn };
    }
  }
  return undefined;
}

/** The batch before the due one may have been written again by an open, as not yet durable. */
const DURABLE_LAG = 2;
/** Other work may run after this many bytes. */
const YIELD_BYTES = 1024 * 1024;
/** A segment has at most 2^18 batches; one in 2^27 of the lsns that a log may begin with. */
const LSN_WINDOW = 2 ** 20;
