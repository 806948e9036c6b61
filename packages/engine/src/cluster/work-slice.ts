/**
 * Long work beside calls and heartbeats: a stretch of some milliseconds, then everybody else's turn. Where their turns are
 * long, since entries are large or the machine is busy, stretches are a part of those: a state of a million tuples was built
 * in six minutes on a machine with fourteen processes a core, 5 ms at a time.
 */
import type { Clock, Timers } from "@authledger/io";
import { SNAPSHOT_SHARE, SNAPSHOT_SLICE_MS, SNAPSHOT_SLICE_MS_MAX } from "./snapshot-limits.js";

export interface WorkSliceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Throws when the work must end. Asked after each turn of the others. */
  readonly checkRunning: () => void;
}

export class WorkSlice {
  readonly #deps: WorkSliceDeps;
  #startedMs: number;
  #sliceMs = SNAPSHOT_SLICE_MS;

  constructor(deps: WorkSliceDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.monotonicMs();
  }

  /** Between two steps of the work: lets the others run when the stretch is over. @throws what `checkRunning` throws */
  async pause(): Promise<void> {
    const { clock, timers, checkRunning } = this.#deps;
    const pausedMs = clock.monotonicMs();
    if (pausedMs - this.#startedMs < this.#sliceMs) return;
    await timers.yield();
    checkRunning();
    this.#startedMs = clock.monotonicMs();
    const share = (this.#startedMs - pausedMs) * SNAPSHOT_SHARE;
    this.#sliceMs = Math.min(Math.max(share, SNAPSHOT_SLICE_MS), SNAPSHOT_SLICE_MS_MAX);
  }
}
