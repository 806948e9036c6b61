/**
 * Reads entries back from the segments.
 *
 *   INV-READ-1  No byte of a batch is believed before the whole batch matches its crc at its place in the chain,
 *               and a record only if it is the entry that was asked for.
 *
 * Reads are synchronous: the batch cache, else one `readSync` of the batch.
 */
import { type GroupId, LedgerError } from "@authledger/types";
import { viewOf } from "../format/little-endian.js";
import { RECORD_HEADER_BYTES, RECORD_KINDS, readRecordHeader } from "../format/record.js";
import type { EntryPlace } from "../state/entry-places.js";
import type { BatchBuffers } from "./batch-buffers.js";
import type { BatchCache } from "./batch-cache.js";
import { type BatchExtent, isWhole, type Segment } from "./segment.js";
import type { SegmentTable } from "./segment-table.js";

/** The entry that is expected at a place. */
export interface ExpectedEntry {
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
}

export class LogReader {
  readonly #segments: SegmentTable;
  readonly #cache: BatchCache;
  readonly #buffers: BatchBuffers;
  readonly #onFailure: (error: LedgerError) => void;

  constructor(deps: {
    readonly segments: SegmentTable;
    readonly cache: BatchCache;
    readonly buffers: BatchBuffers;
    /** A read of the own log failed: the disk is gone. */
    readonly onFailure: (error: LedgerError) => void;
  }) {
    this.#segments = deps.segments;
    this.#cache = deps.cache;
    this.#buffers = deps.buffers;
    this.#onFailure = deps.onFailure;
  }

  /**
   * A copy of the payload of an entry.
   * @throws LedgerError WAL_CORRUPT where the disk no longer holds it, IO_READ_FAILED
   */
  payload(place: EntryPlace, expected: ExpectedEntry): Uint8Array {
    const segment = this.#segments.get(place.segment);
    const extent = segment.batchAt(place.offset);
    const batch = this.#batch(segment, extent);
    const at = place.offset - extent.start;
    const record = readRecordHeader(viewOf(batch), at);
    const matches =
      record.kind === RECORD_KINDS.entry &&
      record.group === expected.group &&
      record.index === expected.index &&
      record.term === expected.term &&
      record.len === place.length;
    if (!matches) throw damaged(segment.path, place.offset, "is not the entry that was put there");
    return batch.slice(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + record.len);
  }

  #batch(segment: Segment, extent: BatchExtent): Uint8Array {
    const { start } = extent;
    const inFlight = this.#segments.inFlight;
    if (inFlight?.segment === segment && inFlight.start === start) return inFlight.buffer;
    return this.#cache.get(segment.seq, start) ?? this.#load(segment, extent);
  }

  #load(segment: Segment, extent: BatchExtent): Uint8Array {
    const bytes = extent.end - extent.start;
    const buffer = this.#buffers.take(bytes);
    const batch = buffer.subarray(0, bytes);
    try {
      const read = segment.file.readSync(batch, extent.start);
      if (read !== bytes || !isWhole(batch, extent)) {
        throw damaged(segment.path, extent.start, "no longer matches its crc");
      }
    } catch (error) {
      this.#buffers.give(buffer);
      const failure = LedgerError.from(error);
      if (failure.code !== "WAL_CORRUPT") this.#onFailure(failure);
      throw failure;
    }
    this.#cache.put(segment.seq, extent.start, buffer);
    return buffer;
  }
}

function damaged(path: string, offset: number, why: string): LedgerError {
  const message = `the batch or entry at byte ${offset} of ${path} ${why}`;
  return new LedgerError("WAL_CORRUPT", message, { details: { file: path, offset } });
}
