/** Measures one operation: so many calls in flight for so long, after a warm-up that does not count. */
import { LedgerError } from "@authledger/types";
import { Latencies } from "./latencies.js";
import type { Operation } from "./operations.js";

export interface MeasureOptions {
  readonly concurrency: number;
  readonly durationMs: number;
  readonly signal: AbortSignal;
}

export interface Measurement {
  readonly calls: number;
  readonly errors: number;
  readonly seconds: number;
  readonly latencies: Latencies;
  /** Part of the time in which the thread of this process was busy, 0 to 1. */
  readonly clientBusy: number;
}

/** Part of the duration before anything is counted. */
const WARM_UP = 0.15;

/** @throws LedgerError of the last call when no call succeeded, CANCELLED */
export async function measure(operation: Operation, options: MeasureOptions): Promise<Measurement> {
  const { concurrency, durationMs, signal } = options;
  let next = 0;
  let errors = 0;
  let lastError: LedgerError | undefined;
  let latencies = new Latencies();
  let endMs = performance.now() + durationMs * WARM_UP;
  const worker = async (): Promise<void> => {
    while (performance.now() < endMs && !signal.aborted) {
      const startMs = performance.now();
      try {
        await operation.call(next++);
        latencies.add(performance.now() - startMs);
      } catch (thrown) {
        lastError = LedgerError.from(thrown);
        errors += 1;
        // A node that is gone would be asked as fast as a loop turns.
        if (latencies.count === 0) return;
      }
    }
  };
  const workers = (): Promise<unknown> => Promise.all(Array.from({ length: concurrency }, worker));
  await workers();
  if (latencies.count === 0 && lastError !== undefined) throw lastError;
  [latencies, errors] = [new Latencies(), 0];
  const startMs = performance.now();
  const busyBefore = performance.eventLoopUtilization();
  endMs = startMs + durationMs;
  await workers();
  const seconds = (performance.now() - startMs) / 1000;
  const clientBusy = performance.eventLoopUtilization(busyBefore).utilization;
  if (signal.aborted) throw new LedgerError("CANCELLED", "the bench was interrupted");
  if (latencies.count === 0 && lastError !== undefined) throw lastError;
  return { calls: latencies.count, errors, seconds, latencies, clientBusy };
}
