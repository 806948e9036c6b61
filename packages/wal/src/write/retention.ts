/**
 * Lets segments go that no group needs any more.
 *
 *   INV-WAL-6  A segment goes only after everything that is not superseded in it is durable in a later one: the
 *              state of every group, the marks whose only record it holds, and where the log now begins.
 *
 * A segment is needed while a group has an entry in it that was not released; the slowest group decides (raft.md,
 * "Log and page store; many groups"). Signature marks, hard states and the like never hold a segment: they are
 * written again, in records that repeat what their place in the log implies, so that recovery checks them.
 */
import type { Disk } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { BATCH_HEADER_BYTES, paddedBytes } from "../format/batch.js";
import { type AnyRecord, type CarriedRecord, recordBytes } from "../format/record.js";
import type { BatchCache } from "../segments/batch-cache.js";
import type { Segment } from "../segments/segment.js";
import type { SegmentPool } from "../segments/segment-pool.js";
import { carryBytesMax } from "../segments/segment-room.js";
import type { SegmentTable } from "../segments/segment-table.js";
import type { GroupState } from "../state/group-state.js";
import type { LogState } from "../state/log-state.js";
import type { Appender } from "./appender.js";

export interface RetentionDeps {
  readonly directory: string;
  readonly disk: Disk;
  readonly state: LogState;
  readonly segments: SegmentTable;
  readonly pool: SegmentPool;
  readonly cache: BatchCache;
  readonly appender: Appender;
  readonly batchBytesMax: number;
}

/** Records on their way that carry forward what lies before segment `boundary`. */
interface Carry {
  readonly boundary: number;
  readonly durable: Promise<unknown>;
}

export class Retention {
  readonly #deps: RetentionDeps;
  #running: Promise<void> | undefined;
  /** Something was released since the running pass began. */
  #again = false;
  /** Queued anew after a full disk, before any other append could queue. */
  #retry: Carry | undefined;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  /** Lets go what can go, in the background. */
  reclaim(): void {
    this.#again = true;
    this.#running ??= this.#run()
      .catch((thrown: unknown) => this.#deps.appender.die(LedgerError.from(thrown)))
      .then(() => {
        this.#running = undefined;
        if (this.#again && this.#deps.appender.failed === undefined) this.reclaim();
      });
  }

  /** All waiting appends failed: the carried records go first now, they are what makes room. */
  retryAfterDiskFull(): void {
    if (this.#running !== undefined) this.#retry = this.#begin();
    this.reclaim();
  }

  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** The group that holds the oldest segment, and that segment. */
  oldest(): { readonly group: GroupState | undefined; readonly segment: number } {
    let holder: GroupState | undefined;
    let segment = this.#deps.segments.active.seq;
    for (const group of this.#deps.state.groups.values()) {
      const { oldestSegment } = group;
      if (oldestSegment === undefined || oldestSegment > segment) continue;
      if (oldestSegment === segment && holder !== undefined) continue;
      holder = group;
      segment = oldestSegment;
    }
    return { group: holder, segment };
  }

  async #run(): Promise<void> {
    while (this.#again && this.#deps.appender.failed === undefined) {
      this.#again = false;
      const carry = this.#retry ?? this.#begin();
      this.#retry = undefined;
      if (carry !== undefined && (await isDurable(carry))) await this.#letGo(carry.boundary);
    }
  }

  /** Queues what must be carried forward; nothing when no segment can go. */
  #begin(): Carry | undefined {
    const { segments, state } = this.#deps;
    const boundary = this.oldest().segment;
    const going = segments.all().filter((segment) => segment.seq < boundary).length;
    if (going === 0) return undefined;
    if (boundary <= state.firstSegment) return { boundary, durable: Promise.resolve() };
    const parts = this.#parts([...this.#carried(boundary)]);
    if (!this.#isWorth(parts, going)) return undefined;
    const { appender } = this.#deps;
    const durable = Promise.all(
      parts.map(({ records, bytes }) => appender.queue.push(records, bytes, "carry")),
    );
    // Whoever awaits it may do so only after it failed.
    durable.catch(() => undefined);
    appender.wake();
    return { boundary, durable };
  }

  /** Must free twice what it writes: else carrying would fill segments faster than it empties them. */
  #isWorth(parts: readonly { readonly bytes: number }[], going: number): boolean {
    const { segmentBytes } = this.#deps.segments.active.header;
    let written = 0;
    for (const { bytes } of parts) written += paddedBytes(BATCH_HEADER_BYTES + bytes);
    return going * segmentBytes >= 2 * written;
  }

  /** What the segments before `boundary` may be the only ones to hold. */
  *#carried(boundary: number): Generator<AnyRecord> {
    const { state } = this.#deps;
    yield* state.marks.before(boundary);
    for (const group of state.groups.values()) {
      yield carriedRecord(group);
      if (group.snapshot !== undefined) yield { ...group.snapshot, restarts: false };
    }
    yield { kind: "log", firstSegment: boundary, doubtLsn: state.doubtLsn };
  }

  /** Cuts the records into appends that fit the reserve of a segment and a batch. */
  #parts(records: readonly AnyRecord[]): { records: AnyRecord[]; bytes: number }[] {
    const { segmentBytes } = this.#deps.segments.active.header;
    const bytesMax = Math.min(carryBytesMax(segmentBytes), this.#deps.batchBytesMax);
    const parts: { records: AnyRecord[]; bytes: number }[] = [];
    for (const record of records) {
      const size = recordBytes(record);
      const last = parts.at(-1);
      if (last === undefined || last.bytes + size > bytesMax) {
        parts.push({ records: [record], bytes: size });
      } else {
        last.records.push(record);
        last.bytes += size;
      }
    }
    return parts;
  }

  async #letGo(boundary: number): Promise<void> {
    const { segments, pool, disk, directory, appender } = this.#deps;
    const going = segments.all().filter((segment) => segment.seq < boundary);
    for (const segment of going) await this.#release(segment);
    if (going.length > 0) await disk.syncDirectory(directory);
    if (appender.failed === undefined) pool.prepare();
  }

  async #release(segment: Segment): Promise<void> {
    const { segments, cache, pool } = this.#deps;
    segments.remove(segment);
    cache.dropSegment(segment.seq);
    await segment.file.close();
    await pool.give(segment.path, segment.seq);
  }
}

/** The state of a group as one record. */
function carriedRecord(group: GroupState): CarriedRecord {
  return {
    kind: "carried",
    group: group.id,
    base: group.base,
    baseTerm: group.baseTerm,
    last: group.last,
    lastTerm: group.lastTerm,
    term: group.hardState.term,
    vote: group.hardState.vote,
    commitHint: Math.min(group.commitHint, group.last),
  };
}

/** False when there was no room for it. */
async function isDurable(carry: Carry): Promise<boolean> {
  try {
    await carry.durable;
    return true;
  } catch (thrown) {
    if (LedgerError.from(thrown).code === "DISK_FULL") return false;
    throw thrown;
  }
}
