/**
 * Group commit: one write and one sync in flight; what is appended meanwhile is the next batch. No timer, no
 * window (storage.md, "Group commit").
 *
 *   INV-WAL-4  An append resolves only after a datasync that began after its batch was written succeeded, and
 *              every batch before it is durable: the next batch is not written before that. So a batch on disk
 *              proves that all batches before it were synced, also those in the segment before (museum row 33).
 *   INV-WAL-5  After the first failed write or sync nothing is written, retried or acknowledged any more (museum
 *              row 15; Rebello et al., ATC'20). A full disk while the next segment is made ready is no such
 *              failure: the appends that need it fail before anything was written, and later ones may succeed.
 *              Once a byte may have gone to a segment a full disk is a failure like any other, and is never
 *              called DISK_FULL, which promises that nothing was written.
 *
 * Not here: the division of segments (segment-room.ts), what is carried forward (retention.ts).
 */
import type { Random, Timers } from "@authledger/io";
import { assert, LedgerError } from "@authledger/types";
import { BATCH_HEADER_BYTES, FLAG_CLOSED, paddedBytes } from "../format/batch.js";
import { encodeSegmentHeader, type SegmentHeader } from "../format/segment-header.js";
import type { BatchBuffers } from "../segments/batch-buffers.js";
import type { BatchCache } from "../segments/batch-cache.js";
import { Segment } from "../segments/segment.js";
import type { SegmentPool } from "../segments/segment-pool.js";
import { divideSegment } from "../segments/segment-room.js";
import type { SegmentTable } from "../segments/segment-table.js";
import type { LogState } from "../state/log-state.js";
import { AppendQueue, type BatchPick, type Unit } from "./append-queue.js";
import { BatchComposer, type BatchContent, type ComposedBatch } from "./batch-composer.js";
import type { SyncMeter } from "./sync-meter.js";

export interface AppenderDeps {
  readonly state: LogState;
  readonly segments: SegmentTable;
  readonly pool: SegmentPool;
  readonly cache: BatchCache;
  readonly buffers: BatchBuffers;
  readonly meter: SyncMeter;
  readonly timers: Timers;
  readonly random: Random;
  /** Called once, with the error that killed the log. */
  readonly onFatal: (error: LedgerError) => void;
  /** Appends failed for want of room; called before anybody learns of it. */
  readonly onDiskFull: () => void;
  /** A new segment is being written. */
  readonly onRotation: () => void;
}

/** Totals since the log was opened. */
export interface AppendCounts {
  appends: number;
  records: number;
  batches: number;
  /** Bytes of records. */
  recordBytes: number;
  /** Bytes written to segments, padding and headers included. */
  writtenBytes: number;
  batchBytesMax: number;
  batchRecordsMax: number;
}

export class Appender {
  readonly counts: AppendCounts = {
    appends: 0,
    records: 0,
    batches: 0,
    recordBytes: 0,
    writtenBytes: 0,
    batchBytesMax: 0,
    batchRecordsMax: 0,
  };
  readonly queue: AppendQueue;
  readonly composer: BatchComposer;
  readonly #deps: AppenderDeps;
  readonly #batchBytesMax: number;
  #running: Promise<void> | undefined;
  #durableLsn: number;
  #failed: LedgerError | undefined;

  constructor(
    options: { readonly batchBytesMax: number; readonly durableLsn: number },
    deps: AppenderDeps,
  ) {
    this.#deps = deps;
    this.#batchBytesMax = options.batchBytesMax;
    this.#durableLsn = options.durableLsn;
    this.queue = new AppendQueue(deps.state);
    this.composer = new BatchComposer(deps.state, deps.buffers);
  }

  /** The newest batch that is synced, with all before it. */
  get durableLsn(): number {
    return this.#durableLsn;
  }

  get failed(): LedgerError | undefined {
    return this.#failed;
  }

  /** Starts writing what is queued, after everybody who appends in this very moment has done so. */
  wake(): void {
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .catch((thrown: unknown) => this.die(LedgerError.from(thrown)))
      .then(() => {
        this.#running = undefined;
        if (this.queue.length > 0 && this.#failed === undefined) this.wake();
      });
  }

  /** Resolves when nothing waits and nothing is being written. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Writes the mark of a log that was closed in order. Nothing waits and nothing is appended any more. */
  async writeEnd(): Promise<void> {
    const content = { ...this.#contentOf([], { bytes: 0, records: 0 }), flags: FLAG_CLOSED };
    await this.#commit([], content);
  }

  /** The first error is final; everything that waits gets it. */
  die(error: LedgerError): void {
    if (this.#failed !== undefined) return;
    const failed = happened(error, "IO_WRITE_FAILED");
    this.#failed = failed;
    this.queue.failAll(failed, true);
    this.#deps.onFatal(failed);
  }

  async #run(): Promise<void> {
    while (this.queue.length > 0 && this.#failed === undefined) {
      const pick = this.queue.pick(this.#batchBytesMax - BATCH_HEADER_BYTES);
      if (!this.#fits(pick)) {
        await this.#rotate();
        continue;
      }
      const units = this.queue.take(pick.count);
      await this.#commit(units, this.#contentOf(units, pick));
      await this.#deps.timers.yield();
    }
  }

  #contentOf(
    parts: readonly Unit[],
    size: { readonly bytes: number; readonly records: number },
  ): BatchContent {
    const { bytes, records } = size;
    return { parts, bytes, records, durableLsn: this.#durableLsn, flags: 0 };
  }

  #fits(pick: BatchPick): boolean {
    const { active } = this.#deps.segments;
    const { carriedBytesMax } = this.#deps.state;
    const room = divideSegment(active.header.segmentBytes, carriedBytesMax);
    const end = active.end + paddedBytes(BATCH_HEADER_BYTES + pick.bytes);
    return end <= (pick.source === "carry" ? room.carryEnd : room.appendEnd);
  }

  /** One write, one sync, then the good news. */
  async #commit(units: readonly Unit[], content: BatchContent): Promise<void> {
    const { segments, cache } = this.#deps;
    const segment = segments.active;
    assert(this.#durableLsn === segment.lastLsn, "INV-WAL-4: all batches before are durable");
    const batch = this.composer.compose(segment, content);
    segments.inFlight = { segment, start: batch.start, buffer: batch.buffer };
    try {
      await this.#put(segment, batch.buffer.subarray(0, batch.bytes), batch.start);
    } catch (thrown) {
      this.die(LedgerError.from(thrown));
    }
    if (this.#failed !== undefined) {
      for (const unit of units) unit.reject(this.#failed);
      return;
    }
    segments.inFlight = undefined;
    cache.put(segment.seq, batch.start, batch.buffer);
    this.#durableLsn = batch.lsn;
    this.#count(units, content, batch);
    this.#acknowledge(units);
  }

  #acknowledge(units: readonly Unit[]): void {
    const { groups } = this.#deps.state;
    let last: number | undefined;
    for (const unit of units) {
      for (const record of unit.records) {
        if (!("group" in record) || record.group === last) continue;
        last = record.group;
        groups.get(record.group)?.markDurable();
      }
    }
    for (const unit of units) unit.resolve();
  }

  #count(units: readonly Unit[], content: BatchContent, batch: ComposedBatch): void {
    const { counts } = this;
    counts.appends += units.length;
    counts.records += batch.records;
    counts.batches++;
    counts.recordBytes += content.bytes;
    counts.writtenBytes += batch.bytes;
    counts.batchBytesMax = Math.max(counts.batchBytesMax, batch.bytes);
    counts.batchRecordsMax = Math.max(counts.batchRecordsMax, batch.records);
  }

  /** Goes on in the next segment; where the disk has no room for one, what waits fails. */
  async #rotate(): Promise<void> {
    const { pool } = this.#deps;
    const taken = await pool.take().catch(LedgerError.from);
    if (taken instanceof LedgerError) return this.#refuseOrDie(taken);
    const { seq, file } = taken;
    try {
      await this.#begin(new Segment(this.#nextHeader(seq), file));
    } catch (thrown) {
      this.die(LedgerError.from(thrown));
      await file.close();
      return;
    }
    pool.prepare();
    this.#deps.onRotation();
  }

  /** INV-WAL-1: the header is durable before the first batch is written. */
  async #begin(segment: Segment): Promise<void> {
    const { segments } = this.#deps;
    assert(
      this.#durableLsn === segments.active.lastLsn,
      "museum row 33: the old segment is synced",
    );
    const block = encodeSegmentHeader(segment.header);
    await this.#put(segment, block, 0);
    this.counts.writtenBytes += block.length;
    segments.add(segment);
  }

  /** One write and one sync of a segment; what fails here kills the log. */
  async #put(segment: Segment, bytes: Uint8Array, position: number): Promise<void> {
    const { meter } = this.#deps;
    meter.begin();
    try {
      await segment.file.write([bytes], position);
      await segment.file.datasync().catch((thrown: unknown) => {
        throw happened(LedgerError.from(thrown), "SYNC_FAILED");
      });
    } finally {
      meter.end();
    }
  }

  #nextHeader(seq: number): SegmentHeader {
    const { active } = this.#deps.segments;
    return {
      uuid: active.header.uuid,
      seq,
      firstLsn: active.lastLsn + 1,
      salt: this.#deps.random.bytes(8),
      prevCrc: active.lastCrc,
      segmentBytes: active.header.segmentBytes,
      prevSeq: active.seq,
      prevLsn: active.lastLsn,
      durableLsn: this.#durableLsn,
    };
  }

  #refuseOrDie(error: LedgerError): void {
    if (error.code !== "DISK_FULL") this.die(error);
    if (this.#failed !== undefined) return;
    const stuck = this.queue.pick(0).source === "carry";
    this.queue.failAll(error, false);
    if (!stuck) this.#deps.onDiskFull();
  }
}

/** INV-WAL-5: the error under a code that does not promise that nothing has happened. */
function happened(error: LedgerError, code: "IO_WRITE_FAILED" | "SYNC_FAILED"): LedgerError {
  if (error.code !== "DISK_FULL") return error;
  return new LedgerError(code, error.message, { cause: error, details: error.details });
}
