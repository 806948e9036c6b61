/**
 * The next segment, ready before it is needed: real zero bytes or a segment that the log no longer needs, under
 * its new name, name and content durable. Appends into it can then hit neither a full disk nor the cost of a
 * growing file (85 us against 132 to 167 us a write and sync; storage.md).
 *
 *   INV-SEGPOOL-1  A file is written as part of the log only after its new name is durable: a crash never finds
 *               new content under an old name.
 *   INV-SEGPOOL-2  A file that was not filled and synced to its end never gets a segment's name.
 *
 *   INV-SEGPOOL-3  A number is taken once: the pool counts them, so that nothing is ever prepared under the name of
 *               a segment that is in use.
 *
 * A full disk is an expected outcome, which `take` reports, but not of the sync of a name, which cannot be tried
 * again; every other failure is fatal to the log.
 */
import type { Clock, Disk, DiskFile, Timers } from "@authledger/io";
import { directoryOf, joinPath } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { FILL_SLICE_BYTES, FULL_RETRY_MS, POOL_SEGMENTS_MAX } from "../limits.js";
import { fillName, segmentName, spareName } from "./segment-files.js";

export interface PreparedFile {
  readonly seq: number;
  readonly file: DiskFile;
}

export interface SegmentPoolOptions {
  readonly directory: string;
  readonly segmentBytes: number;
  /** Number of the first segment to prepare. */
  readonly firstSeq: number;
}

export interface SegmentPoolDeps {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly clock: Clock;
  /** A failure that is not a full disk. */
  readonly onFailure: (error: LedgerError) => void;
}

type Outcome = PreparedFile | LedgerError;

export class SegmentPool {
  readonly #options: SegmentPoolOptions;
  readonly #deps: SegmentPoolDeps;
  /** Paths of segments that wait for reuse. */
  readonly #spares: string[] = [];
  #next: Promise<Outcome> | undefined;
  /** Number of the segment that is or will be prepared. */
  #seq: number;
  /** Somebody waits: fill without pauses. */
  #urgent = false;
  #stopped = false;
  #full: { readonly error: LedgerError; readonly atMs: number } | undefined;
  #filled = 0;
  #reused = 0;

  constructor(options: SegmentPoolOptions, deps: SegmentPoolDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#seq = options.firstSeq;
  }

  /** Segments that wait for reuse. */
  get spareCount(): number {
    return this.#spares.length;
  }

  /** Segments filled with zeros, and reused, since the start. */
  get counts(): { readonly filled: number; readonly reused: number } {
    return { filled: this.#filled, reused: this.#reused };
  }

  /** Starts to make the next segment ready, unless that is under way or the disk was full a moment ago. */
  prepare(): void {
    if (this.#next !== undefined || this.#stopped || this.#mustWait()) return;
    this.#next = this.#make(this.#seq).catch((thrown: unknown) => this.#failed(thrown));
  }

  /**
   * The segment made ready, or made ready now.
   * @throws LedgerError DISK_FULL when there is no room for it; nothing has happened then
   */
  async take(): Promise<PreparedFile> {
    this.#urgent = true;
    this.prepare();
    const outcome = await (this.#next ?? this.#full?.error);
    this.#next = undefined;
    this.#urgent = false;
    if (outcome instanceof LedgerError) throw outcome;
    if (outcome === undefined) throw new LedgerError("STORE_CLOSED", "the log is closed");
    this.#seq++;
    return outcome;
  }

  /** Keeps a file that the log no longer needs, or removes it when enough are kept. */
  async give(path: string, seq: number): Promise<void> {
    const { disk } = this.#deps;
    if (this.#spares.length >= POOL_SEGMENTS_MAX) return this.#remove(path);
    const spare = joinPath(this.#options.directory, spareName(seq));
    try {
      if (path !== spare) await disk.rename(path, spare);
    } catch (thrown) {
      // A copy-on-write file system may have no room for a name; without the file it has.
      if (LedgerError.from(thrown).code !== "DISK_FULL") throw thrown;
      return this.#remove(path);
    }
    this.#spares.push(spare);
  }

  /** Some need room for that too: then it keeps its name, and the next open finds it among those that are no part of the log. */
  async #remove(path: string): Promise<void> {
    try {
      await this.#deps.disk.remove(path);
    } catch (thrown) {
      if (LedgerError.from(thrown).code !== "DISK_FULL") throw thrown;
    }
  }

  /** Takes a spare file or makes one, without giving it a segment's name. */
  async takeUnnamed(path: string, seq: number): Promise<DiskFile> {
    this.#urgent = true;
    try {
      await this.#bring(path, seq);
    } finally {
      this.#urgent = false;
    }
    return this.#deps.disk.open(path, { isLog: true });
  }

  /** Gives up what is being filled and closes what is ready. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const outcome = await this.#next;
    this.#next = undefined;
    if (outcome !== undefined && !(outcome instanceof LedgerError)) await outcome.file.close();
  }

  async #make(seq: number): Promise<PreparedFile> {
    const path = joinPath(this.#options.directory, segmentName(seq));
    await this.#bring(path, seq);
    return { seq, file: await this.#deps.disk.open(path, { isLog: true }) };
  }

  /** Makes a file of a segment's size durable under `path`. */
  async #bring(path: string, seq: number): Promise<void> {
    const { disk } = this.#deps;
    const spare = this.#spares.pop();
    const from = spare ?? (await this.#fill(seq));
    try {
      await disk.rename(from, path);
    } catch (thrown) {
      // It lies where it lay, and the next attempt needs no new byte.
      this.#spares.push(from);
      throw thrown;
    }
    await disk.syncDirectory(directoryOf(path)).catch((thrown: unknown) => {
      throw neverSynced(LedgerError.from(thrown));
    });
    if (spare === undefined) this.#filled++;
    else this.#reused++;
  }

  async #fill(seq: number): Promise<string> {
    const { disk } = this.#deps;
    const path = joinPath(this.#options.directory, fillName(seq));
    const file = await disk.open(path, { create: true });
    try {
      await this.#writeZeros(file);
    } catch (error) {
      await file.close();
      await disk.remove(path);
      throw error;
    }
    await file.close();
    return path;
  }

  /** In slices, each synced, so that the syncs of the log meanwhile never wait for many megabytes. */
  async #writeZeros(file: DiskFile): Promise<void> {
    const { segmentBytes } = this.#options;
    const zeros = new Uint8Array(Math.min(FILL_SLICE_BYTES, segmentBytes));
    for (let at = 0; at < segmentBytes; at += zeros.length) {
      if (this.#stopped) throw new LedgerError("STORE_CLOSED", "the log is closed");
      await file.write([zeros.subarray(0, segmentBytes - at)], at);
      if (this.#urgent) continue;
      await file.datasync();
      await this.#deps.timers.yield();
    }
    await file.datasync();
  }

  #mustWait(): boolean {
    if (this.#full === undefined || this.#spares.length > 0) return false;
    return this.#deps.clock.monotonicMs() - this.#full.atMs < FULL_RETRY_MS;
  }

  /** What went wrong, for whoever waits in `take`; later calls try again. */
  #failed(thrown: unknown): LedgerError {
    const error = LedgerError.from(thrown);
    this.#next = undefined;
    if (error.code === "DISK_FULL") {
      this.#full = { error, atMs: this.#deps.clock.monotonicMs() };
    } else if (!this.#stopped) {
      this.#deps.onFailure(error);
    }
    return error;
  }
}

/** A sync that failed proves nothing when it is repeated, whatever it failed for. */
function neverSynced(error: LedgerError): LedgerError {
  if (error.code !== "DISK_FULL") return error;
  return new LedgerError("SYNC_FAILED", error.message, { cause: error, details: error.details });
}
