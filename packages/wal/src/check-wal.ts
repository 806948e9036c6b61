/** Looks at a whole log without changing it: what `authledger debug check` prints about it. */
import type { Disk, Timers } from "@authledger/io";
import { type GroupId, LedgerError } from "@authledger/types";
import { BATCH_HEADER_BYTES } from "./format/batch.js";
import { RECORD_HEADER_BYTES, RECORD_KINDS, storedRecords } from "./format/record.js";
import { type LogScan, scanLog } from "./recovery/log-scan.js";
import { closeScan } from "./recovery/open-log.js";
import type { ScannedBatch } from "./recovery/segment-scan.js";
import { sortFiles } from "./segments/segment-files.js";

export interface WalReport {
  readonly directory: string;
  /** Is there a log at all? */
  readonly found: boolean;
  /** What is wrong, empty for a good log. */
  readonly problems: readonly LedgerError[];
  /** How it ended; undefined when there are problems or no log. */
  readonly end: "closed" | "whole" | "torn" | undefined;
  /** The torn batch at the end, which the next start cuts. */
  readonly torn:
    | { readonly file: string; readonly offset: number; readonly bytes: number }
    | undefined;
  readonly segments: readonly WalSegmentReport[];
  readonly groups: readonly WalGroupReport[];
  readonly batches: number;
  readonly records: number;
  readonly signedMarks: number;
}

export interface WalSegmentReport {
  readonly file: string;
  readonly batches: number;
  readonly usedBytes: number;
  readonly lastLsn: number;
}

export interface WalGroupReport {
  readonly group: GroupId;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly term: number;
  readonly commitHint: number;
}

/** A batch as somebody who looks at a log sees it. */
export interface WalBatch {
  readonly file: string;
  readonly offset: number;
  readonly lsn: number;
  readonly bytes: number;
  readonly records: readonly WalBatchRecord[];
}

export interface WalBatchRecord {
  readonly kind: string;
  readonly group: number;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
  /** Of an entry; a view that holds until the next batch. */
  readonly payload: Uint8Array | undefined;
}

/**
 * Reads every batch and record of a log. Damage is a result, not an error.
 * @throws LedgerError IO_READ_FAILED and the like
 */
export async function checkWal(
  directory: string,
  deps: {
    readonly disk: Disk;
    readonly timers: Timers;
    readonly onBatch?: (batch: WalBatch) => void;
  },
): Promise<WalReport> {
  const files = sortFiles(directory, await deps.disk.list(directory));
  const empty = emptyReport(directory);
  if (files.segments.length === 0) return empty;
  try {
    const { onBatch } = deps;
    const options = {
      ...({ voters: "one", knownDurableLsn: 0 } as const),
      ...(onBatch && {
        onBatch: (file: string, batch: ScannedBatch) => onBatch(batchOf(file, batch)),
      }),
    };
    const scan = await scanLog(files, options, deps);
    await closeScan(scan);
    return reportOf(directory, scan);
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    if (error.code !== "WAL_CORRUPT" && error.code !== "FORMAT_NEWER") throw thrown;
    return { ...empty, found: true, problems: [error] };
  }
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(RECORD_KINDS).map(([name, kind]) => [kind, name]),
);

function batchOf(file: string, { header, start, bytes }: ScannedBatch): WalBatch {
  const bounds = { from: BATCH_HEADER_BYTES, len: header.len, nrec: header.nrec };
  const records = [...storedRecords(bytes, bounds)].map(({ kind, group, index, term, len, at }) => {
    const from = at + RECORD_HEADER_BYTES;
    const payload = kind === RECORD_KINDS.entry ? bytes.subarray(from, from + len) : undefined;
    const name = KIND_NAMES.get(kind) ?? `kind ${kind}`;
    return { kind: name, group, index, term, bytes: len, payload };
  });
  return { file, offset: start, lsn: header.lsn, bytes: header.len, records };
}

function emptyReport(directory: string): WalReport {
  const nothing = { segments: [], groups: [], batches: 0, records: 0, signedMarks: 0 };
  return { directory, found: false, problems: [], end: undefined, torn: undefined, ...nothing };
}

function reportOf(directory: string, scan: LogScan): WalReport {
  const { verdict, closed, file, offset, tornBytes } = scan.end;
  const isTorn = verdict !== "whole";
  return {
    directory,
    found: true,
    problems: [],
    end: closed ? "closed" : isTorn ? "torn" : "whole",
    torn: isTorn ? { file, offset, bytes: tornBytes } : undefined,
    segments: scan.segments.map((segment) => ({
      file: segment.path,
      batches: segment.batchCount,
      usedBytes: segment.usedBytes,
      lastLsn: segment.lastLsn,
    })),
    groups: [...scan.state.groups.values()].map((group) => ({
      group: group.id,
      firstIndex: group.base + 1,
      lastIndex: group.last,
      term: group.hardState.term,
      commitHint: group.commitHint,
    })),
    batches: scan.batches,
    records: scan.records,
    signedMarks: scan.state.marks.count,
  };
}
