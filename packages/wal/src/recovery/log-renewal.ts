/**
 * The segment with which every open begins.
 *
 *   INV-WAL-7  What a process serves from its log it has itself seen synced: the batches that are not proven durable
 *              are written again to a new file, synced, and named by a synced directory, before open resolves.
 *              (After a failed sync the page cache shows data that the disk does not have; ATC'20.)
 *   INV-WAL-8  Until the new file has its name the log on disk is the old one, unchanged; the name switches all.
 *   INV-WAL-10  What is sealed again is, byte by byte, what the scan believed: else the log is damaged.
 *
 * Only the last batch can be unproven (INV-WAL-4). Small segments at the end are gathered whole, so that a node
 * that restarts often does not spend a segment on each start. A torn end is not erased: the new segment's header
 * says where the log before it ends.
 */
import { type Disk, joinPath, type Random } from "@authledger/io";
import {
  BATCH_HEADER_BYTES,
  chainSeed,
  paddedBytes,
  readBatchHeader,
  sealBatch,
} from "../format/batch.js";
import { viewOf } from "../format/little-endian.js";
import { type AnyRecord, recordBytes, writeRecord } from "../format/record.js";
import { encodeSegmentHeader, foldSalt, type SegmentHeader } from "../format/segment-header.js";
import { BLOCK_BYTES, GATHER_BYTES_MAX } from "../limits.js";
import { isWhole, Segment } from "../segments/segment.js";
import { newSegmentName, segmentName } from "../segments/segment-files.js";
import type { SegmentPool } from "../segments/segment-pool.js";
import { appendBytesMax } from "../segments/segment-room.js";
import type { LogState } from "../state/log-state.js";
import { corrupt } from "./corruption.js";

export interface RenewalOptions {
  readonly directory: string;
  readonly segmentBytes: number;
  /** Larger than the seq of any file with a segment's name. */
  readonly seq: number;
}

export interface RenewalDeps {
  readonly disk: Disk;
  readonly random: Random;
  readonly pool: SegmentPool;
}

/** The log that is renewed. */
export interface OldLog {
  readonly segments: readonly Segment[];
  readonly state: LogState;
  /** The lsn that would have been next. */
  readonly dueLsn: number;
  /** Highest lsn that is proven durable. */
  readonly durableLsn: number;
  /** Records to write behind the old ones. */
  readonly extra: readonly AnyRecord[];
}

export interface Renewal {
  readonly segment: Segment;
  /** Segments that the log no longer has: all their batches moved. */
  readonly emptied: readonly Segment[];
  readonly movedBatches: number;
  readonly movedBytes: number;
}

/** A batch of an old segment that moves. */
interface Moving {
  readonly segment: Segment;
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Which segments move whole, and from which batch of the last one before them. */
interface Plan {
  readonly emptied: readonly Segment[];
  readonly moving: readonly Moving[];
  /** The log that stays: its last segment's seq, last lsn and crc. */
  readonly prevSeq: number;
  readonly prevLsn: number;
  readonly prevCrc: number;
}

/**
 * Writes the new segment, switches to it, and tells the state where its entries lie now.
 * @throws LedgerError WAL_CORRUPT (the log is as it was), and what the disk throws
 */
export async function renewLog(
  options: RenewalOptions,
  old: OldLog,
  deps: RenewalDeps,
): Promise<Renewal> {
  const plan = planMove(old, options.segmentBytes);
  const header: SegmentHeader = {
    uuid: old.segments[0]!.header.uuid,
    seq: options.seq,
    // INV-WAL-3: the batch that was due may have been begun, so its lsn is spent.
    firstLsn: old.dueLsn + 1,
    salt: deps.random.bytes(8),
    prevCrc: plan.prevCrc,
    segmentBytes: options.segmentBytes,
    prevSeq: plan.prevSeq,
    prevLsn: plan.prevLsn,
    durableLsn: 0,
  };
  const writer = new RenewalWriter(header);
  for (const moving of plan.moving) writer.move(moving);
  if (old.extra.length > 0) writer.add(old.extra);
  const segment = await install(options, writer, deps);
  relocate(old.state, plan, writer, options.seq);
  const { movedBytes } = writer;
  return { segment, emptied: plan.emptied, movedBatches: plan.moving.length, movedBytes };
}

/** The first segment of a log that has none. */
export async function createLog(
  options: RenewalOptions,
  first: { readonly uuid: Uint8Array; readonly lsn: number },
  deps: RenewalDeps,
): Promise<Segment> {
  const writer = new RenewalWriter({
    uuid: first.uuid,
    seq: options.seq,
    firstLsn: first.lsn,
    salt: deps.random.bytes(8),
    prevCrc: 0,
    segmentBytes: options.segmentBytes,
    prevSeq: 0,
    prevLsn: first.lsn - 1,
    durableLsn: first.lsn - 1,
  });
  return install(options, writer, deps);
}

function planMove(old: OldLog, segmentBytes: number): Plan {
  const bytesMax = Math.min(GATHER_BYTES_MAX, appendBytesMax(segmentBytes) / 2);
  let keep = old.segments.length;
  let bytes = 0;
  while (keep > 0 && bytes + old.segments[keep - 1]!.usedBytes <= bytesMax) {
    keep--;
    bytes += old.segments[keep]!.usedBytes;
  }
  const emptied = old.segments.slice(keep);
  const last = old.segments[keep - 1];
  if (last === undefined) {
    const { prevSeq, prevLsn, prevCrc } = emptied[0]!.header;
    return { emptied, moving: batchesOf(emptied), prevSeq, prevLsn, prevCrc };
  }
  if (emptied.length > 0 || last.lastLsn <= old.durableLsn) {
    const { seq: prevSeq, lastLsn: prevLsn, lastCrc: prevCrc } = last;
    return { emptied, moving: batchesOf(emptied), prevSeq, prevLsn, prevCrc };
  }
  return planLastBatch(last);
}

/** A large segment stays where it is, but for its last batch, which nothing proves durable. */
function planLastBatch(last: Segment): Plan {
  const number = last.batchCount - 1;
  const { start } = last.batch(number);
  const moving = withRecords([{ segment: last, start, bytes: readBatch(last, number) }]);
  if (number === 0) {
    const { prevSeq, prevLsn, prevCrc } = last.header;
    return { emptied: [last], moving, prevSeq, prevLsn, prevCrc };
  }
  const prevCrc = last.batch(number - 1).crc;
  return { emptied: [], moving, prevSeq: last.seq, prevLsn: last.lastLsn - 1, prevCrc };
}

function batchesOf(segments: readonly Segment[]): Moving[] {
  const batches: Moving[] = [];
  for (const segment of segments) {
    for (let number = 0; number < segment.batchCount; number++) {
      const { start } = segment.batch(number);
      batches.push({ segment, start, bytes: readBatch(segment, number) });
    }
  }
  return withRecords(batches);
}

/** The mark of an orderly end has none and is not moved. */
function withRecords(batches: readonly Moving[]): Moving[] {
  return batches.filter(({ bytes }) => readBatchHeader(viewOf(bytes), 0).nrec > 0);
}

/** Read again, so compared with what was believed: what is sealed here is valid whatever it holds. */
function readBatch(segment: Segment, number: number): Uint8Array {
  const extent = segment.batch(number);
  const { start, end } = extent;
  const bytes = new Uint8Array(end - start);
  const read = segment.file.readSync(bytes, start);
  if (read === bytes.length && isWhole(bytes, extent)) return bytes;
  throw corrupt(
    segment.path,
    start,
    "the batch there was whole when it was first read, and is not",
  );
}

/** Builds the new segment in memory: at most GATHER_BYTES_MAX or one batch, and a little. */
class RenewalWriter {
  readonly #parts: Uint8Array[] = [];
  readonly #starts = new Map<Segment, Map<number, number>>();
  #header: SegmentHeader;
  #lsn: number;
  #crc: number;
  #end = BLOCK_BYTES;
  movedBytes = 0;

  constructor(header: SegmentHeader) {
    this.#header = header;
    this.#lsn = header.prevLsn;
    this.#crc = header.prevCrc;
  }

  /** The same records under a new lsn and crc. */
  move(moving: Moving): void {
    const starts = this.#starts.get(moving.segment) ?? new Map<number, number>();
    this.#starts.set(moving.segment, starts);
    starts.set(moving.start, this.#end);
    const { len, nrec } = readBatchHeader(viewOf(moving.bytes), 0);
    this.movedBytes += moving.bytes.length;
    this.#seal(moving.bytes, len, nrec);
  }

  add(records: readonly AnyRecord[]): void {
    const len = records.reduce((sum, record) => sum + recordBytes(record), BATCH_HEADER_BYTES);
    const bytes = new Uint8Array(paddedBytes(len));
    let at = BATCH_HEADER_BYTES;
    for (const record of records) at = writeRecord(record, bytes, viewOf(bytes), at);
    this.#seal(bytes, len, records.length);
  }

  /** Where a batch of an old segment begins now. */
  newStart(segment: Segment, start: number): number | undefined {
    return this.#starts.get(segment)?.get(start);
  }

  /** Header and batches, to be written at the beginning of the file. */
  finish(): { readonly header: SegmentHeader; readonly parts: readonly Uint8Array[] } {
    const header = { ...this.#header, durableLsn: Math.max(this.#lsn, this.#header.prevLsn) };
    return { header, parts: [encodeSegmentHeader(header), ...this.#parts] };
  }

  #seal(bytes: Uint8Array, len: number, nrec: number): void {
    const { firstLsn, prevLsn } = this.#header;
    const lsn = this.#parts.length === 0 ? firstLsn : this.#lsn + 1;
    const seed = chainSeed(foldSalt(this.#header.salt), this.#crc);
    this.#crc = sealBatch(bytes, { lsn, durableLsn: prevLsn, len, nrec, flags: 0 }, seed);
    this.#lsn = lsn;
    this.#end += bytes.length;
    this.#parts.push(bytes);
  }
}

async function install(
  options: RenewalOptions,
  writer: RenewalWriter,
  { disk, pool }: RenewalDeps,
): Promise<Segment> {
  const { directory, seq } = options;
  const aside = joinPath(directory, newSegmentName(seq));
  const path = joinPath(directory, segmentName(seq));
  const { header, parts } = writer.finish();
  const unnamed = await pool.takeUnnamed(aside, seq);
  try {
    await unnamed.write(parts, 0);
    await unnamed.datasync();
  } finally {
    await unnamed.close();
  }
  await disk.rename(aside, path);
  await disk.syncDirectory(directory);
  const segment = new Segment(header, await disk.open(path, { isLog: true }));
  for (const batch of parts.slice(1)) {
    const { lsn, len, crc } = readBatchHeader(viewOf(batch), 0);
    segment.add(lsn, len, crc);
  }
  return segment;
}

function relocate(state: LogState, plan: Plan, writer: RenewalWriter, seq: number): void {
  const first = plan.moving[0]?.segment;
  if (first === undefined) return;
  const bySeq = new Map(plan.moving.map(({ segment }) => [segment.seq, segment]));
  for (const group of state.groups.values()) {
    group.relocate(first.seq, (place) => {
      const segment = bySeq.get(place.segment);
      if (segment === undefined) return undefined;
      const { start } = segment.batchAt(place.offset);
      const moved = writer.newStart(segment, start);
      if (moved === undefined) return undefined;
      return { segment: seq, offset: moved + place.offset - start };
    });
  }
  const emptied = plan.emptied[0];
  if (emptied !== undefined) state.marks.relocate(emptied.seq, seq);
}
