/**
 * When the page store is flushed (storage.md, "Flush policy"): many dirty pages, much to apply again after a crash, some
 * time, or much log; and much that readers alone brought into memory, which only a flush lets go of. After a flush the log
 * is released behind the older slot. One that found no room is tried again until it ends well, whether anything was applied
 * since or not: until then writes are refused.
 *
 *   INV-FLUSHER-1  The log is released only behind what both slots hold.
 *   INV-FLUSHER-2  No flush begins after the node has stopped: half of an entry may be in memory.
 */
import type { Clock } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import type { PageStore } from "@authledger/store";
import { type GroupId, LedgerError } from "@authledger/types";
import type { Wal } from "@authledger/wal";
import {
  DIRTY_STALL_FACTOR,
  FLUSH_CROWDED_MS,
  FLUSH_DIRTY_BYTES,
  FLUSH_DIRTY_CACHE_PART,
  FLUSH_INTERVAL_MS,
  FLUSH_LOG_BYTES,
  FLUSH_RETRY_MS,
  FLUSH_WORK,
} from "./limits.js";

/** When a flush is due; what is absent is as the limits say. For small machines and tests. */
export interface FlushPolicy {
  readonly intervalMs?: number;
  /** Work that a restart would have to do again, as FLUSH_WORK counts it. */
  readonly work?: number;
  readonly logBytes?: number;
  /** Entries applied since the last flush; default: they do not count by themselves. */
  readonly entries?: number;
}

export interface FlusherDeps {
  /** Asked for each time: a snapshot of another replica puts another one in its place. */
  readonly store: PageStore;
  readonly state: GroupState;
  readonly wal: Wal;
  readonly clock: Clock;
  /** Lets everything else that is ready run first. */
  readonly yield: () => Promise<void>;
  /** There is no room: writes are refused. Undefined: there is again. */
  readonly onDiskFull: (error: LedgerError | undefined) => void;
  readonly onFatal: (error: LedgerError) => void;
  /** Told when a flush ended. */
  readonly onFlushed: () => void;
  readonly policy?: FlushPolicy | undefined;
  /**
   * How much of the log that this node does not need itself may go, at most up to `floor`; what others need is kept
   * (log-retention.ts). Default: all of it.
   */
  readonly releasable?: (floor: number) => number;
}

export class Flusher {
  readonly #group: GroupId;
  readonly #deps: FlusherDeps;
  readonly #policy: Required<FlushPolicy>;
  readonly #dirtyMax: number;
  #lastMs: number;
  #flushedIndex: number;
  #logBytes = 0;
  #flushedWork: number;
  #retryAtMs = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(group: GroupId, cacheBytes: number, deps: FlusherDeps) {
    this.#group = group;
    this.#deps = deps;
    const { policy } = deps;
    this.#policy = {
      intervalMs: policy?.intervalMs ?? FLUSH_INTERVAL_MS,
      work: policy?.work ?? FLUSH_WORK,
      logBytes: policy?.logBytes ?? FLUSH_LOG_BYTES,
      entries: policy?.entries ?? Number.POSITIVE_INFINITY,
    };
    this.#dirtyMax = Math.min(FLUSH_DIRTY_BYTES, cacheBytes * FLUSH_DIRTY_CACHE_PART);
    this.#lastMs = deps.clock.monotonicMs();
    this.#flushedIndex = deps.store.applied.index;
    this.#flushedWork = deps.state.work;
  }

  get flushedIndex(): number {
    return this.#flushedIndex;
  }

  /** So much is dirty that writers must wait for the disk. */
  get isStalled(): boolean {
    return this.#deps.store.dirtyBytes > this.#dirtyMax * DIRTY_STALL_FACTOR;
  }

  /** Starts a flush when one is due. Called after entries were applied, and from time to time. */
  tick(): void {
    const { store, state, clock, wal } = this.#deps;
    if (this.#stopped || this.#running !== undefined) return;
    const isRetry = this.#retryAtMs > 0;
    const now = clock.monotonicMs();
    const isCrowded = state.isCrowded && now - this.#lastMs >= FLUSH_CROWDED_MS;
    if (state.applied.index === this.#flushedIndex && !isRetry && !isCrowded) return;
    if (now < this.#retryAtMs) return;
    const isDue =
      isRetry ||
      isCrowded ||
      store.dirtyBytes >= this.#dirtyMax ||
      state.work - this.#flushedWork >= this.#policy.work ||
      now - this.#lastMs >= this.#policy.intervalMs ||
      wal.logBytes - this.#logBytes >= this.#policy.logBytes ||
      state.applied.index - this.#flushedIndex >= this.#policy.entries;
    if (isDue) void this.flush();
  }

  /** The node has stopped: what is in memory must not reach the disk any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Flushes now, after a running flush. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.#stopped) return;
    this.#running = this.#flush().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
    this.#deps.onFlushed();
  }

  /**
   * Runs what puts another store in the place of the present one, after a running flush; no flush begins meanwhile.
   * What is in memory of the old one is dropped.
   */
  async replacing(replace: () => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    const done = replace().then(() => {
      const { store, state, clock } = this.#deps;
      this.#flushedIndex = store.applied.index;
      this.#flushedWork = state.work;
      this.#lastMs = clock.monotonicMs();
    });
    // Who waits to flush does not care how it ended: a failure stops the node.
    const ended = (): void => {
      this.#running = undefined;
    };
    this.#running = done.then(ended, ended);
    await done;
  }

  async #flush(): Promise<void> {
    const { store, state, wal, clock, onDiskFull, onFatal } = this.#deps;
    try {
      // It is asked for behind an entry that has just held the loop.
      await this.#deps.yield();
      for (const _ of state.settle()) await this.#deps.yield();
      if (this.#stopped) return;
      const applied = state.prepareFlush();
      const { work } = state;
      await store.flush(applied);
      this.#flushedWork = work;
      this.#flushedIndex = applied.index;
      this.#lastMs = clock.monotonicMs();
      if (this.#retryAtMs > 0) onDiskFull(undefined);
      this.#retryAtMs = 0;
      const floor = store.appliedFloor;
      wal.release(this.#group, this.#deps.releasable?.(floor) ?? floor);
      this.#logBytes = wal.logBytes;
    } catch (error) {
      const failure = LedgerError.from(error);
      if (failure.code !== "DISK_FULL") {
        onFatal(failure);
        return;
      }
      this.#retryAtMs = clock.monotonicMs() + FLUSH_RETRY_MS;
      onDiskFull(failure);
    }
  }
}
