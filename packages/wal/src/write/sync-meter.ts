/** How long syncs take: the numbers by which the engine judges the disk (storage.md, "Disk health"). */
import type { Clock } from "@authledger/io";
import { SYNC_SAMPLES } from "../limits.js";

export interface SyncTimes {
  readonly count: number;
  /** Median of the last syncs, milliseconds; 0 before the first. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest since the start. */
  readonly maxMs: number;
  /** How long the running write and sync has taken so far; undefined when none is running. */
  readonly runningMs: number | undefined;
}

export class SyncMeter {
  readonly #clock: Clock;
  readonly #samples = new Float64Array(SYNC_SAMPLES);
  #count = 0;
  #maxMs = 0;
  #startedMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#startedMs = this.#clock.monotonicMs();
  }

  end(): void {
    const tookMs = this.#clock.monotonicMs() - (this.#startedMs ?? 0);
    this.#startedMs = undefined;
    this.#samples[this.#count % SYNC_SAMPLES] = tookMs;
    this.#count++;
    this.#maxMs = Math.max(this.#maxMs, tookMs);
  }

  times(): SyncTimes {
    const sorted = this.#samples.slice(0, Math.min(this.#count, SYNC_SAMPLES)).sort();
    const at = (fraction: number): number => sorted[Math.floor(sorted.length * fraction)] ?? 0;
    const started = this.#startedMs;
    const runningMs = started === undefined ? undefined : this.#clock.monotonicMs() - started;
    return { count: this.#count, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: this.#maxMs, runningMs };
  }
}
