/**
 * Turns waiting appends into the bytes of one batch, and tells the state where its records lie.
 *
 * Commit hints ride along in what would be padding: they never cost a byte, a write or a sync of their own.
 */
import type { GroupId } from "@authledger/types";
import { BATCH_HEADER_BYTES, type BatchSeal, paddedBytes, sealBatch } from "../format/batch.js";
import { viewOf } from "../format/little-endian.js";
import { type AnyRecord, RECORD_HEADER_BYTES, writeRecord } from "../format/record.js";
import { BATCH_RECORDS_MAX } from "../limits.js";
import type { BatchBuffers } from "../segments/batch-buffers.js";
import type { Segment } from "../segments/segment.js";
import type { LogState } from "../state/log-state.js";

export interface ComposedBatch {
  /** From the batch buffers; the batch is its first `bytes`. */
  readonly buffer: Uint8Array;
  /** Whole blocks. */
  readonly bytes: number;
  readonly start: number;
  readonly lsn: number;
  readonly records: number;
}

/** What a batch is made of. */
export interface BatchContent {
  readonly parts: readonly { readonly records: readonly AnyRecord[] }[];
  /** Bytes of all records. */
  readonly bytes: number;
  readonly records: number;
  readonly durableLsn: number;
  readonly flags: number;
}

export class BatchComposer {
  readonly #state: LogState;
  readonly #buffers: BatchBuffers;
  readonly #hints = new Map<GroupId, number>();

  constructor(state: LogState, buffers: BatchBuffers) {
    this.#state = state;
    this.#buffers = buffers;
  }

  /** The newest known commit index of a group, to be written when there is room. */
  hint(group: GroupId, index: number): void {
    this.#hints.set(group, index);
  }

  /** Composes the next batch of `segment` and adds it to the segment's index. */
  compose(segment: Segment, content: BatchContent): ComposedBatch {
    const end = BATCH_HEADER_BYTES + content.bytes;
    const bytes = paddedBytes(end);
    const buffer = this.#buffers.take(bytes);
    const view = viewOf(buffer);
    const place = { segment: segment.seq, start: segment.end };
    let at = BATCH_HEADER_BYTES;
    for (const { records } of content.parts) {
      for (const record of records) {
        this.#state.place(record, { segment: place.segment, offset: place.start + at });
        at = writeRecord(record, buffer, view, at);
      }
    }
    const room = { at, end: bytes, recordsMax: BATCH_RECORDS_MAX - content.records };
    const hints = this.#writeHints(buffer, view, room);
    const len = at + hints * RECORD_HEADER_BYTES;
    const records = content.records + hints;
    const { durableLsn, flags } = content;
    const seal: BatchSeal = { lsn: segment.nextLsn, durableLsn, len, nrec: records, flags };
    const crc = sealBatch(buffer, seal, segment.nextSeed);
    segment.add(seal.lsn, len, crc);
    return { buffer, bytes, start: place.start, lsn: seal.lsn, records };
  }

  /** Writes what fits of the hints whose entries are in the log by now; returns how many. */
  #writeHints(
    buffer: Uint8Array,
    view: DataView,
    room: { readonly at: number; readonly end: number; readonly recordsMax: number },
  ): number {
    let { at } = room;
    let count = 0;
    for (const [id, index] of this.#hints) {
      if (at + RECORD_HEADER_BYTES > room.end || count === room.recordsMax) break;
      const group = this.#state.groups.get(id);
      if (group !== undefined && index > group.placed) continue;
      this.#hints.delete(id);
      if (group === undefined) continue;
      at = writeRecord({ kind: "commit-hint", group: id, index }, buffer, view, at);
      count++;
    }
    return count;
  }
}
