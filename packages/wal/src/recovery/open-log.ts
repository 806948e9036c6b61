/**
 * Opens a log: finds what is there, judges it, and only then changes anything on disk.
 *
 * Order: scan and judge; check against what others know to be durable; throw, or clear away what is not part of the
 * log; write the segment that this process begins with (log-renewal.ts).
 */
import type { Clock, Disk, Random, Timers } from "@authledger/io";
import type { GroupId, LedgerError } from "@authledger/types";
import type { AnyRecord } from "../format/record.js";
import { FIRST_LSN_MAX } from "../limits.js";
import type { Segment } from "../segments/segment.js";
import { type LogFiles, type NumberedPath, sortFiles } from "../segments/segment-files.js";
import { SegmentPool, type SegmentPoolOptions } from "../segments/segment-pool.js";
import { SegmentTable } from "../segments/segment-table.js";
import { LogState } from "../state/log-state.js";
import type { NamedFile } from "./chain.js";
import { corrupt } from "./corruption.js";
import type { Voters } from "./log-end.js";
import { createLog, type Renewal, renewLog } from "./log-renewal.js";
import { type LogScan, scanLog } from "./log-scan.js";

export interface OpenOptions {
  readonly directory: string;
  readonly segmentBytes: number;
  readonly voters: Voters;
  readonly knownDurableLsn?: number;
  readonly knownDurableIndexes?: ReadonlyMap<GroupId, number>;
}

export interface OpenDeps {
  readonly disk: Disk;
  readonly random: Random;
  readonly timers: Timers;
  readonly clock: Clock;
}

/**
 * How the log had ended.
 *   new        there was none
 *   closed     in order
 *   whole      without being closed, after a whole batch
 *   torn       within a batch, which was cut; see `tornLsn`, `offset`, `tornBytes`
 *   ambiguous  within a batch that other voters may count on: see `Wal.doubtLsn`
 */
export type LogEnding = "new" | "closed" | "whole" | "torn" | "ambiguous";

export interface WalRecovery {
  readonly end: LogEnding;
  /** The file with the end of the log as it was found, and the offset behind its last good batch. */
  readonly file: string;
  readonly offset: number;
  /** The last good batch. */
  readonly lastLsn: number;
  /** The batch that was cut, and the bytes it took as far as can be told; 0 if there was none. */
  readonly tornLsn: number;
  readonly tornBytes: number;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly bytesRead: number;
  /** Batches written again because nothing proved them durable, or to gather small segments. */
  readonly movedBatches: number;
  readonly movedBytes: number;
  readonly elapsedMs: number;
}

export interface OpenedLog {
  readonly state: LogState;
  readonly segments: SegmentTable;
  readonly pool: SegmentPool;
  readonly recovery: WalRecovery;
  /** Who learns of failures in the background. */
  readonly failures: { listener: ((error: LedgerError) => void) | undefined };
}

/** @throws LedgerError WAL_CORRUPT, FORMAT_NEWER, DISK_FULL, IO_READ_FAILED, IO_WRITE_FAILED, SYNC_FAILED */
export async function openLog(options: OpenOptions, deps: OpenDeps): Promise<OpenedLog> {
  const startedMs = deps.clock.monotonicMs();
  const files = sortFiles(options.directory, await deps.disk.list(options.directory));
  const opened =
    files.segments.length === 0
      ? await beginLog(options, deps, files)
      : await reopenLog(options, deps, files);
  const elapsedMs = deps.clock.monotonicMs() - startedMs;
  return { ...opened, recovery: { ...opened.recovery, elapsedMs } };
}

async function beginLog(options: OpenOptions, deps: OpenDeps, files: LogFiles): Promise<OpenedLog> {
  const { directory, segmentBytes } = options;
  if ((options.knownDurableLsn ?? 0) > 0 || (options.knownDurableIndexes?.size ?? 0) > 0) {
    throw corrupt(directory, 0, "there is no log, but others know of batches or entries in it");
  }
  await removeAll(deps.disk, [...files.temporary, ...files.spares.map(({ path }) => path)]);
  const { pool, failures } = poolFor({ directory, segmentBytes, firstSeq: 2 }, deps);
  const first = { uuid: deps.random.bytes(16), lsn: randomLsn(deps.random) };
  const segment = await createLog({ directory, segmentBytes, seq: 1 }, first, { ...deps, pool });
  const segments = new SegmentTable();
  segments.add(segment);
  const end = { file: segment.path, offset: segment.end, lastLsn: segment.lastLsn };
  const none = { tornLsn: 0, tornBytes: 0, batches: 0, records: 0, bytesRead: 0, elapsedMs: 0 };
  const counts = { segments: 0, movedBatches: 0, movedBytes: 0 };
  const recovery: WalRecovery = { ...none, ...end, ...counts, end: "new" };
  return { state: new LogState(), segments, pool, failures, recovery };
}

async function reopenLog(
  options: OpenOptions,
  deps: OpenDeps,
  files: LogFiles,
): Promise<OpenedLog> {
  const { disk } = deps;
  const { voters, knownDurableLsn = 0 } = options;
  const scan = await scanLog(files, { voters, knownDurableLsn }, deps);
  try {
    checkKnownIndexes(options, scan);
    await removeAll(disk, files.temporary);
    const newest = scan.segments.at(-1)!;
    const { segmentBytes } = newest.header;
    // Above every number in a name, so that no file is ever renamed onto another one.
    const seq = Math.max(...[...files.segments, ...files.spares].map((file) => file.seq)) + 1;
    const { directory } = options;
    const { pool, failures } = poolFor({ directory, segmentBytes, firstSeq: seq + 1 }, deps);
    for (const spare of files.spares) await offer(pool, disk, spare, segmentBytes);
    for (const unused of scan.unused) await offerOpen(pool, disk, unused, segmentBytes);
    const { tornLsn: dueLsn, durableLsn } = scan.end;
    const old = { ...scan, dueLsn, durableLsn, extra: extraRecords(scan) };
    const place = { directory, segmentBytes, seq };
    const renewal = await renewLog(place, old, { ...deps, pool });
    const segments = tableOf(scan, renewal);
    for (const segment of renewal.emptied) {
      await segment.file.close();
      await pool.give(segment.path, segment.seq);
    }
    return { state: scan.state, segments, pool, failures, recovery: report(scan, renewal) };
  } catch (error) {
    for (const { file } of [...scan.segments, ...scan.unused]) await file.close();
    throw error;
  }
}

/** What the page stores have applied was durable here once. */
function checkKnownIndexes(options: OpenOptions, scan: LogScan): void {
  for (const [id, index] of options.knownDurableIndexes ?? []) {
    const last = scan.state.groups.get(id)?.last ?? 0;
    if (last >= index) continue;
    const why = `group ${id} ends with entry ${last}, but entry ${index} was durable`;
    throw corrupt(scan.end.file, scan.end.offset, why);
  }
}

/** A doubt is durable before the node does anything, so that a crash while it recovers does not end it. */
function extraRecords(scan: LogScan): AnyRecord[] {
  if (scan.end.verdict !== "ambiguous") return [];
  const { firstSegment } = scan.state;
  const record = { kind: "log", firstSegment, doubtLsn: scan.end.tornLsn } as const;
  scan.state.apply(record);
  return [record];
}

function tableOf(scan: LogScan, renewal: Renewal): SegmentTable {
  const segments = new SegmentTable();
  for (const segment of scan.segments) {
    if (!renewal.emptied.includes(segment)) segments.add(segment);
  }
  segments.add(renewal.segment);
  return segments;
}

function report(scan: LogScan, renewal: Renewal): WalRecovery {
  const { end, segments, batches, records, bytesRead } = scan;
  const { movedBatches, movedBytes } = renewal;
  const { file, offset, lastLsn, tornBytes } = end;
  return {
    end: end.closed ? "closed" : end.verdict,
    file,
    offset,
    lastLsn,
    tornLsn: tornBytes > 0 ? end.tornLsn : 0,
    tornBytes,
    segments: segments.length,
    batches,
    records,
    bytesRead,
    movedBatches,
    movedBytes,
    elapsedMs: 0,
  };
}

function poolFor(
  options: SegmentPoolOptions,
  deps: OpenDeps,
): { readonly pool: SegmentPool; readonly failures: OpenedLog["failures"] } {
  const failures: OpenedLog["failures"] = { listener: undefined };
  const onFailure = (error: LedgerError): void => failures.listener?.(error);
  const pool = new SegmentPool(options, { ...deps, onFailure });
  return { pool, failures };
}

/** Gives a file that the log does not use to the pool, if it is of the right size. */
async function offer(
  pool: SegmentPool,
  disk: Disk,
  file: NumberedPath,
  segmentBytes: number,
): Promise<void> {
  const handle = await disk.open(file.path);
  await offerOpen(pool, disk, { ...file, file: handle }, segmentBytes);
}

async function offerOpen(
  pool: SegmentPool,
  disk: Disk,
  unused: Pick<NamedFile, "path" | "seq" | "file">,
  segmentBytes: number,
): Promise<void> {
  const fits = unused.file.size() === segmentBytes;
  await unused.file.close();
  if (fits) await pool.give(unused.path, unused.seq);
  else await disk.remove(unused.path);
}

async function removeAll(disk: Disk, paths: readonly string[]): Promise<void> {
  for (const path of paths) await disk.remove(path);
}

function randomLsn(random: Random): number {
  return random.bytes(6).reduce((sum, byte) => sum * 256 + byte, 0) % FIRST_LSN_MAX || 1;
}

/** The segments of a scan, for whoever only looks. */
export async function closeScan(scan: {
  readonly segments: readonly Segment[];
  readonly unused: readonly NamedFile[];
}): Promise<void> {
  for (const { file } of [...scan.segments, ...scan.unused]) await file.close();
}
