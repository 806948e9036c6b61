/**
 * Reads a whole log: finds its segments, follows the chain of batches, hands every record on, and judges the end.
 * Changes nothing on disk; `authledger debug check` runs exactly this.
 */
import type { Disk, Timers } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { BATCH_HEADER_BYTES, FLAG_CLOSED, paddedBytes, plausibleLength } from "../format/batch.js";
import { decodeRecord, RECORD_KINDS, storedRecords } from "../format/record.js";
import { BLOCK_BYTES } from "../limits.js";
import { Segment } from "../segments/segment.js";
import type { LogFiles } from "../segments/segment-files.js";
import { LogState } from "../state/log-state.js";
import { BlockWindow } from "./block-window.js";
import { type Chain, followChain, type NamedFile, openNamed } from "./chain.js";
import { corrupt } from "./corruption.js";
import { type FrameSearch, searchFrames } from "./frame-search.js";
import { type EndVerdict, judgeEnd, type LaterBatch, type Voters } from "./log-end.js";
import { headerAt, looksBegun, readNextBatch, type ScannedBatch } from "./segment-scan.js";

export interface ScanDeps {
  readonly disk: Disk;
  readonly timers: Timers;
}

export interface ScanOptions {
  readonly voters: Voters;
  /** An lsn that somebody else knows to be durable. */
  readonly knownDurableLsn: number;
  /** Is told every batch that is believed, with its records' bytes; they hold until the next one. */
  readonly onBatch?: (file: string, batch: ScannedBatch) => void;
}

export interface LogScan {
  readonly state: LogState;
  /** Oldest first; at least one. Their files are open. */
  readonly segments: readonly Segment[];
  /** Named like segments and not part of the log. Their files are open. */
  readonly unused: readonly NamedFile[];
  readonly end: LogEnd;
  readonly batches: number;
  readonly records: number;
  readonly bytesRead: number;
}

interface LogEnd {
  readonly verdict: Exclude<EndVerdict, { readonly kind: "corrupt" }>["kind"];
  /** Was the log closed in order? */
  readonly closed: boolean;
  readonly file: string;
  /** Where the good batches end. */
  readonly offset: number;
  readonly lastLsn: number;
  /** Highest lsn that is proven durable. */
  readonly durableLsn: number;
  /** Of a torn or ambiguous batch, as far as it can be told: bytes it would take. */
  readonly tornBytes: number;
  readonly tornLsn: number;
}

/** @throws LedgerError WAL_CORRUPT naming file and offset, FORMAT_NEWER, IO_READ_FAILED */
export async function scanLog(
  files: LogFiles,
  options: ScanOptions,
  deps: ScanDeps,
): Promise<LogScan> {
  const named = await openNamed(deps.disk, files);
  try {
    return await new LogScanner(followChain(named), options, deps).run();
  } catch (error) {
    for (const { file } of named) await file.close();
    throw error;
  }
}

class LogScanner {
  readonly #chain: Chain;
  readonly #options: ScanOptions;
  readonly #deps: ScanDeps;
  readonly #state = new LogState();
  readonly #segments: Segment[];
  #durableLsn: number;
  #closed = false;
  #batches = 0;
  #records = 0;
  #bytesRead = 0;

  constructor(chain: Chain, options: ScanOptions, deps: ScanDeps) {
    this.#chain = chain;
    this.#options = options;
    this.#deps = deps;
    this.#segments = chain.links.map(({ named, header }) => new Segment(header, named.file));
    this.#durableLsn = options.knownDurableLsn;
  }

  async run(): Promise<LogScan> {
    const oldest = this.#segments[0]!;
    this.#state.beginReading(oldest.header.prevSeq !== 0);
    for (let i = 0; i < this.#segments.length; i++) {
      this.#durableLsn = Math.max(this.#durableLsn, this.#segments[i]!.header.durableLsn);
      if (i + 1 < this.#segments.length) await this.#readInner(i);
    }
    const end = await this.#readNewest();
    this.#checkComplete(oldest, end);
    return {
      state: this.#state,
      segments: this.#segments,
      unused: [...this.#chain.others, ...this.#chain.behind],
      end,
      batches: this.#batches,
      records: this.#records,
      bytesRead: this.#bytesRead,
    };
  }

  /** A segment with a successor, which says where this one ends. */
  async #readInner(i: number): Promise<void> {
    const segment = this.#segments[i]!;
    const { prevLsn, prevCrc } = this.#segments[i + 1]!.header;
    const window = this.#window(segment);
    while (segment.lastLsn < prevLsn) {
      const batch = readNextBatch(segment, window);
      if (batch === undefined) {
        throw corrupt(segment.path, segment.end, `batch ${segment.nextLsn} is unreadable`);
      }
      if (!batch.cleanPadding) throw dirtyPadding(segment, batch);
      this.#accept(segment, batch);
      await this.#pause(window);
    }
    if (segment.lastLsn !== prevLsn || segment.lastCrc !== prevCrc) {
      const why = `the next segment follows batch ${prevLsn}, this one ends with ${segment.lastLsn}`;
      throw corrupt(segment.path, segment.end, why);
    }
    this.#bytesRead += window.bytesRead;
  }

  /** The newest segment, whose end is a matter of judgement. */
  async #readNewest(): Promise<LogEnd> {
    const segment = this.#segments.at(-1)!;
    const window = this.#window(segment);
    let before: ScannedBatch | undefined;
    for (;;) {
      const batch = readNextBatch(segment, window);
      if (batch === undefined) break;
      if (before?.cleanPadding === false) throw dirtyPadding(segment, before);
      this.#accept(segment, batch);
      before = batch;
      await this.#pause(window);
    }
    const found = headerAt(segment, window);
    const attempted = looksBegun(segment, found);
    const later = (await this.#findBehind(segment, window)) ?? (await this.#findInUnused(segment));
    this.#bytesRead += window.bytesRead;
    const { lastLsn, nextLsn, end: offset } = segment;
    const facts = { nextLsn, durableLsn: this.#durableLsn, attempted, later };
    const verdict = judgeEnd(facts, this.#options.voters);
    if (verdict.kind === "corrupt") throw corrupt(segment.path, offset, verdict.why);
    const room = segment.header.segmentBytes - offset;
    const known = found !== undefined && plausibleLength(found, room);
    const tornBytes = attempted ? paddedBytes(known ? found.len : BATCH_HEADER_BYTES) : 0;
    const closed = this.#closed && verdict.kind === "whole";
    const durableLsn = Math.min(this.#durableLsn, lastLsn);
    const place = { file: segment.path, offset, lastLsn, durableLsn };
    return { verdict: verdict.kind, closed, ...place, tornBytes, tornLsn: nextLsn };
  }

  #accept(segment: Segment, batch: ScannedBatch): void {
    const { header } = batch;
    this.#durableLsn = Math.max(this.#durableLsn, header.durableLsn);
    this.#closed = (header.flags & FLAG_CLOSED) !== 0;
    this.#batches++;
    this.#records += header.nrec;
    this.#options.onBatch?.(segment.path, batch);
    const bounds = { from: BATCH_HEADER_BYTES, len: header.len, nrec: header.nrec };
    try {
      for (const record of storedRecords(batch.bytes, bounds)) {
        const wrong = this.#load(record, segment.seq, batch.start);
        if (wrong === undefined) continue;
        throw corrupt(segment.path, batch.start + record.at, `the record there ${wrong}`);
      }
    } catch (error) {
      if (error instanceof LedgerError && error.code === "CODEC_DECODE") {
        throw corrupt(segment.path, batch.start, error.message);
      }
      throw error;
    }
  }

  #load(
    record: Parameters<typeof decodeRecord>[0],
    segment: number,
    start: number,
  ): string | undefined {
    if (record.kind === RECORD_KINDS.entry) {
      return this.#state.loadEntry(record, { segment, offset: start + record.at }, record.len);
    }
    return this.#state.loadOther(decodeRecord(record), segment);
  }

  async #findBehind(segment: Segment, window: BlockWindow): Promise<LaterBatch | undefined> {
    const fileBytes = segment.header.segmentBytes;
    const search = { fileBytes, dueLsn: segment.nextLsn, dueCounts: false };
    return this.#search(segment.path, window, { ...search, from: segment.end + BLOCK_BYTES });
  }

  /** A prepared segment that holds batches is a live one whose header is damaged (INV-WAL-1). */
  async #findInUnused(newest: Segment): Promise<LaterBatch | undefined> {
    for (const { path, file } of this.#chain.behind) {
      const fileBytes = file.size();
      const window = new BlockWindow(file, fileBytes);
      const due = { dueLsn: newest.nextLsn, dueCounts: true };
      const found = await this.#search(path, window, { ...due, fileBytes, from: BLOCK_BYTES });
      this.#bytesRead += window.bytesRead;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #search(
    file: string,
    window: BlockWindow,
    search: FrameSearch,
  ): Promise<LaterBatch | undefined> {
    const steps = searchFrames(window, search);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value === undefined ? undefined : { file, ...value };
      await this.#deps.timers.yield();
    }
  }

  /** Nothing may be missing at the log's beginning, and no group may be half known. */
  #checkComplete(oldest: Segment, end: LogEnd): void {
    const { prevSeq } = oldest.header;
    if (prevSeq !== 0 && prevSeq >= this.#state.firstSegment) {
      throw corrupt(oldest.path, 0, `the segment before it, number ${prevSeq}, is missing`);
    }
    const missing = this.#state.endReading();
    if (missing !== undefined) throw corrupt(end.file, end.offset, missing);
  }

  #window(segment: Segment): BlockWindow {
    return new BlockWindow(segment.file, segment.header.segmentBytes);
  }

  #lastPause = 0;

  /** Lets other work run after each piece read. */
  async #pause(window: BlockWindow): Promise<void> {
    if (window.bytesRead === this.#lastPause) return;
    this.#lastPause = window.bytesRead;
    await this.#deps.timers.yield();
  }
}

function dirtyPadding(segment: Segment, batch: ScannedBatch): LedgerError {
  return corrupt(segment.path, batch.start + batch.header.len, "padding is not zero");
}
