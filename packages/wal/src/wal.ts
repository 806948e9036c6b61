/**
 * The log on disk of all groups of a node: the door of this package.
 *
 *   INV-WAL-9  What an append resolved for is found by every later open, or the open fails with WAL_CORRUPT. The
 *              only exception is stated by the caller: with one voter, a last batch that cannot be read and that
 *              nothing proves durable is taken for torn (log-end.ts).
 *
 * Where things are: what is on disk `format/`, what it means `state/`, files `segments/`, writing `write/`, opening
 * `recovery/`. Not here: when to release (the engine's flush policy), locking of the data directory, deciding what
 * a failure means for the node.
 */
import { type Clock, type Disk, directoryOf, type Random, type Timers } from "@authledger/io";
import { assert, type GroupId, LedgerError, limits, type VaultId } from "@authledger/types";
import { BATCH_HEADER_BYTES } from "./format/batch.js";
import type { SignedRecord, WalRecord } from "./format/record.js";
import { GroupLog } from "./group-log.js";
import {
  BLOCK_BYTES,
  SEGMENT_BYTES_DEFAULT,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
} from "./limits.js";
import type { Voters } from "./recovery/log-end.js";
import { type OpenedLog, openLog, type WalRecovery } from "./recovery/open-log.js";
import { BatchBuffers } from "./segments/batch-buffers.js";
import { BatchCache } from "./segments/batch-cache.js";
import { LogReader } from "./segments/log-reader.js";
import type { SegmentPool } from "./segments/segment-pool.js";
import { appendBytesMax } from "./segments/segment-room.js";
import type { SegmentTable } from "./segments/segment-table.js";
import type { LogState } from "./state/log-state.js";
import type { WalStats } from "./wal-stats.js";
import { type AppendLimits, measureAppend } from "./write/append-limits.js";
import { Appender } from "./write/appender.js";
import { Retention } from "./write/retention.js";
import { SyncMeter } from "./write/sync-meter.js";

export interface WalOptions {
  /** The directory of the log's files; created when missing. */
  readonly directory: string;
  /**
   * Bytes of a segment of a new log, a multiple of 4096 from 16 KiB to 1 GiB. Default 64 MiB. A log that is there
   * keeps its own.
   */
  readonly segmentBytes?: number;
  /** Is this node the only voter of all its groups? Decides how an unreadable last batch is judged. */
  readonly voters: Voters;
  /** A batch takes no further append beyond this. Default and most: 1 MiB, or what fits a segment. */
  readonly batchBytesMax?: number;
  /** A `durableLsn` seen earlier and kept elsewhere, such as in the superblocks of the page stores. */
  readonly knownDurableLsn?: number;
  /** Entries known to have been durable here, such as the applied indexes of the page stores. */
  readonly knownDurableIndexes?: ReadonlyMap<GroupId, number>;
}

export interface WalDeps {
  readonly disk: Disk;
  readonly random: Random;
  readonly timers: Timers;
  readonly clock: Clock;
  /**
   * Called once, when a write, sync or read of the log failed: the process must stop, since nothing that was not
   * acknowledged can be relied on. Every pending and later append fails with the same error.
   */
  readonly onFatal?: (error: LedgerError) => void;
}

/**
 * @example
 * await using wal = await Wal.open({ directory: "/data/wal", voters: "one" }, deps);
 * await wal.append([{ kind: "group", group, action: "create" }]);
 * await wal.append([{ kind: "entry", group, index: 1, term: 1, payload }]); // durable now
 * wal.group(group)?.entry(1);
 */
export class Wal implements AsyncDisposable {
  /** What was found when the log was opened. */
  readonly recovery: WalRecovery;
  readonly #state: LogState;
  readonly #limits: AppendLimits;
  readonly #segments: SegmentTable;
  readonly #pool: SegmentPool;
  readonly #cache: BatchCache;
  readonly #reader: LogReader;
  readonly #meter: SyncMeter;
  readonly #appender: Appender;
  readonly #retention: Retention;
  #closing: Promise<void> | undefined;

  private constructor(options: WalOptions, deps: WalDeps, opened: OpenedLog) {
    const { directory } = options;
    const { disk, timers, clock, random } = deps;
    const { segmentBytes } = opened.segments.active.header;
    const batchBytesMax = Math.min(
      options.batchBytesMax ?? limits.WAL_BATCH_BYTES_MAX,
      limits.WAL_BATCH_BYTES_MAX,
      BATCH_HEADER_BYTES + appendBytesMax(segmentBytes),
    );
    const buffers = new BatchBuffers();
    this.recovery = opened.recovery;
    this.#state = opened.state;
    this.#segments = opened.segments;
    this.#pool = opened.pool;
    this.#cache = new BatchCache(buffers);
    this.#meter = new SyncMeter(clock);
    this.#limits = { batchBytesMax, appendBytesMax: appendBytesMax(segmentBytes) };
    const shared = {
      state: this.#state,
      segments: this.#segments,
      pool: this.#pool,
      cache: this.#cache,
      buffers,
    };
    const onFailure = (error: LedgerError): void => this.#appender.die(error);
    opened.failures.listener = onFailure;
    this.#reader = new LogReader({ ...shared, onFailure });
    this.#appender = new Appender(
      { batchBytesMax, durableLsn: this.#segments.active.lastLsn },
      {
        ...shared,
        meter: this.#meter,
        timers,
        random,
        onFatal: (error) => deps.onFatal?.(error),
        onDiskFull: () => this.#retention.retryAfterDiskFull(),
        onRotation: () => this.#retention.reclaim(),
      },
    );
    const appender = this.#appender;
    this.#retention = new Retention({ ...shared, directory, disk, appender, batchBytesMax });
  }

  /**
   * Opens the log of a directory, or begins one. Everything found is durable when it resolves.
   * @throws LedgerError WAL_CORRUPT (nothing was changed), FORMAT_NEWER, DISK_FULL, IO_READ_FAILED,
   *   IO_WRITE_FAILED, SYNC_FAILED
   */
  static async open(options: WalOptions, deps: WalDeps): Promise<Wal> {
    const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
    const inRange = segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX;
    assert(inRange && segmentBytes % BLOCK_BYTES === 0, "a segment is whole blocks", {
      segmentBytes,
    });
    await deps.disk.makeDirectory(options.directory);
    await deps.disk.syncDirectory(directoryOf(options.directory));
    const opened = await openLog({ ...options, segmentBytes }, deps);
    const wal = new Wal(options, deps, opened);
    wal.#pool.prepare();
    wal.#retention.reclaim();
    return wal;
  }

  /** What one append may hold without the largest of its entries, in bytes of records. */
  get batchBytesMax(): number {
    return this.#limits.batchBytesMax - BATCH_HEADER_BYTES;
  }

  /** The newest batch composed, durable or not. */
  get lastLsn(): number {
    return this.#segments.active.lastLsn;
  }

  /** The newest batch that is synced, with all before it. Worth keeping elsewhere: see `knownDurableLsn`. */
  get durableLsn(): number {
    return this.#appender.durableLsn;
  }

  /** The error that killed the log, if one has. */
  get failed(): LedgerError | undefined {
    return this.#appender.failed;
  }

  /**
   * The batch whose loss this node cannot rule out, 0 if there is none. While it is set the node must not vote;
   * it is durable, and ends with a record `recovered`.
   */
  get doubtLsn(): number {
    return this.#state.doubtLsn;
  }

  /**
   * Appends records as one unit; resolves when they are durable, with everything appended before. What they
   * change is seen at once. The records and their bytes must not change until then.
   * @throws LedgerError (by rejection) WAL_ENTRY_TOO_LARGE, LIMIT_EXCEEDED, OVERLOADED, DISK_FULL: nothing was
   *   written and nothing changed, also not by later appends that waited; STORE_CLOSED; or what killed the log.
   *   AssertionError for records that cannot follow what is there.
   */
  append(records: readonly WalRecord[]): Promise<void> {
    try {
      this.#requireUsable();
      if (records.length === 0) return Promise.resolve();
      const bytes = measureAppend(records, this.#limits);
      const durable = this.#appender.queue.push(records, bytes, "caller");
      this.#appender.wake();
      return durable;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Notes that entries of a group up to `index` are committed. It rides in the padding of a later batch and costs
   * no write of its own.
   */
  hintCommit(group: GroupId, index: number): void {
    const applied = this.#state.apply({ kind: "commit-hint", group, index });
    assert(typeof applied !== "string", `a commit hint ${String(applied)}`);
    this.#state.groups.get(group)!.knowCommit(index);
    this.#appender.composer.hint(group, index);
  }

  /** The log of a group, undefined if there is no such group. */
  group(id: GroupId): GroupLog | undefined {
    const state = this.#state.groups.get(id);
    return state && new GroupLog(state, this.#reader);
  }

  groups(): GroupId[] {
    return [...this.#state.groups.keys()];
  }

  /** The newest signature mark of a vault. */
  signedMark(group: GroupId, vault: VaultId): SignedRecord | undefined {
    return this.#state.marks.get(group, vault);
  }

  signedMarks(): IterableIterator<SignedRecord> {
    return this.#state.marks.all();
  }

  /**
   * The entries of a group up to `throughIndex`, which must be durable, are no longer needed. Segments that no
   * group needs are reused, in the background; what else they hold is carried forward first. After a restart
   * released entries may be there again.
   */
  release(group: GroupId, throughIndex: number): void {
    const state = this.#state.groups.get(group);
    assert(state !== undefined, "the group is in the log", { group });
    if (throughIndex <= state.base || this.#closing !== undefined) return;
    assert(throughIndex <= state.durableIndex, "only durable entries are released", {
      throughIndex,
    });
    state.release(throughIndex, state.termAt(throughIndex)!);
    if (this.failed === undefined) this.#retention.reclaim();
  }

  /** Bytes of all segments. */
  get logBytes(): number {
    return this.#segments.bytes;
  }

  stats(): WalStats {
    const { active } = this.#segments;
    const oldest = this.#retention.oldest();
    let indexBytes = 0;
    for (const group of this.#state.groups.values()) indexBytes += group.memoryBytes;
    return {
      ...this.#appender.counts,
      syncs: this.#meter.times(),
      queuedAppends: this.#appender.queue.length,
      queuedBytes: this.#appender.queue.bytes,
      segments: this.#segments.count,
      segmentBytes: active.header.segmentBytes,
      logBytes: this.#segments.bytes,
      spareSegments: this.#pool.spareCount,
      segmentsFilled: this.#pool.counts.filled,
      segmentsReused: this.#pool.counts.reused,
      oldestGroup: oldest.group?.id,
      oldestGroupSegments: active.seq - oldest.segment,
      cacheBytes: this.#cache.bytes,
      indexBytes,
    };
  }

  /**
   * Waits for what was appended, marks the end, and closes the files. Idempotent. Waits for as long as the disk
   * does not answer; whoever cannot wait exits.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#appender.idle();
    await this.#retention.idle();
    await this.#appender.idle();
    if (this.failed === undefined) await this.#appender.writeEnd();
    await this.#pool.stop();
    for (const segment of this.#segments.all()) await segment.file.close();
  }

  #requireUsable(): void {
    if (this.failed !== undefined) throw this.failed;
    if (this.#closing !== undefined) throw new LedgerError("STORE_CLOSED", "the log is closed");
  }
}
