/**
 * Compactions of the page store while the node serves: asked for, or begun when enough of the file is free.
 *
 *   INV-COMPACT-3  One compaction runs at a time; who asks meanwhile gets its result. None runs after the node
 *                  has stopped, nor while another state is put in the place of this one.
 */
import type { Clock } from "@authledger/io";
import {
  type CompactionReport,
  type CompactionStats,
  compactStore,
  type PageStore,
} from "@authledger/store";
import { LedgerError } from "@authledger/types";
import { stoppedBy } from "../stopped.js";
import { replacing } from "./replacing.js";

/** When a compaction begins by itself. */
export interface CompactionPolicy {
  /** Part of the file's pages that may be taken at once; above it, */
  readonly freeShare: number;
  /** ... when it is so many bytes, */
  readonly freeBytesMin: number;
  /** ... and the last one began so long ago. */
  readonly intervalMs: number;
}

export const COMPACTION_POLICY: CompactionPolicy = {
  freeShare: 0.5,
  freeBytesMin: 64 * 1024 * 1024,
  intervalMs: 60 * 60 * 1000,
};

/** Leaves filled less are joined with a neighbour (page store, INV-TREE-3: deletes leave a third at least). */
export const FILL_THRESHOLD_DEFAULT = 0.4;

export interface CompactorDeps {
  /** Asked for each time: a snapshot of another replica puts another one in its place. */
  readonly store: PageStore;
  readonly clock: Clock;
  readonly flush: () => Promise<void>;
  readonly yield: () => Promise<void>;
  /** Why the node has stopped, if it has. */
  readonly failure: () => LedgerError | undefined;
}

/** For metrics and node info. */
export interface CompactorStats {
  readonly running: boolean;
  /** Ended since the start, also by an error. */
  readonly runs: number;
  readonly failures: number;
  /** Of the one that runs, else of the last one. */
  readonly progress: CompactionStats | undefined;
}

export class Compactor {
  readonly #deps: CompactorDeps;
  readonly #policy: CompactionPolicy | undefined;
  #running: Promise<CompactionReport> | undefined;
  #stopped = false;
  #isHeld = false;
  #runs = 0;
  #failures = 0;
  #progress: CompactionStats | undefined;
  #beganMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CompactorDeps, policy: CompactionPolicy | undefined) {
    this.#deps = deps;
    this.#policy = policy;
  }

  get stats(): CompactorStats {
    return {
      running: this.#running !== undefined,
      runs: this.#runs,
      failures: this.#failures,
      progress: this.#progress,
    };
  }

  /**
   * Compacts, or waits for the compaction that runs.
   * @throws LedgerError DISK_FULL, STORE_PAGE_CORRUPT, NODE_STOPPED, NOT_READY while the state is replaced
   */
  run(fillThreshold: number): Promise<CompactionReport> {
    if (this.#isHeld) return Promise.reject(replacing());
    this.#running ??= this.#run(fillThreshold).finally(() => {
      this.#running = undefined;
      this.#runs++;
    });
    return this.#running;
  }

  /** Begins one when it is due. Called from time to time. */
  tick(): void {
    if (this.#policy === undefined || this.#running !== undefined) return;
    if (this.#stopped || this.#isHeld) return;
    const { freeShare, freeBytesMin, intervalMs } = this.#policy;
    const { filePages, readyPages } = this.#deps.store.stats();
    if (readyPages <= filePages * freeShare) return;
    const { bytes, pages } = this.#deps.store.size();
    const isMuch = readyPages * (bytes / pages) >= freeBytesMin;
    if (!isMuch || this.#deps.clock.monotonicMs() - this.#beganMs < intervalMs) return;
    // Counted as a failure; the next one is tried after the interval.
    this.run(FILL_THRESHOLD_DEFAULT).catch(() => undefined);
  }

  /** Ends a running compaction after its step, and waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => undefined);
  }

  /** The same, and none begins until `release`. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#running?.catch(() => undefined);
  }

  release(): void {
    this.#isHeld = false;
  }

  async #run(fillThreshold: number): Promise<CompactionReport> {
    const { store, clock, flush, failure } = this.#deps;
    this.#beganMs = clock.monotonicMs();
    const isStopped = (): boolean => this.#stopped || this.#isHeld || failure() !== undefined;
    try {
      const report = await compactStore(
        store,
        { fillThreshold },
        {
          flush,
          yield: this.#deps.yield,
          isStopped,
          onProgress: (progress) => {
            this.#progress = progress;
          },
        },
      );
      const stopped = failure();
      if (stopped !== undefined) throw stoppedBy(stopped);
      if (this.#stopped) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
      if (this.#isHeld) throw replacing();
      return report;
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }
}
