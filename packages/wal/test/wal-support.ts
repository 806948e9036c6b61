/** What the tests of the log share. */
import { type Disk, MemoryDisk, nodeTimers, SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { Wal, type WalDeps, type WalOptions } from "@authledger/wal";
import { expect } from "vitest";
import { COUNTER_GROUP, COUNTER_VAULT } from "./log-model.js";

export const DIRECTORY = "/data/wal";
export const SMALL_SEGMENT: number = 64 * 1024;

/** A clock that moves only when it is told to. */
export class ManualClock {
  ms = 1_000;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

export interface TestDeps extends WalDeps {
  readonly clock: ManualClock;
}

export function testDeps(disk: Disk, seed = 1, onFatal?: (error: LedgerError) => void): TestDeps {
  const ports = { disk, random: new SeededRandom(seed), timers: nodeTimers };
  return { ...ports, clock: new ManualClock(), ...(onFatal && { onFatal }) };
}

export function openWal(
  disk: Disk = new MemoryDisk(),
  options: Partial<WalOptions> = {},
  deps: WalDeps = testDeps(disk),
): Promise<Wal> {
  const defaults = { directory: DIRECTORY, segmentBytes: SMALL_SEGMENT, voters: "one" as const };
  return Wal.open({ ...defaults, ...options }, deps);
}

/** How many units of a workload a log holds. */
export function unitsIn(wal: Wal): number {
  return wal.signedMark(COUNTER_GROUP, COUNTER_VAULT)?.size ?? 0;
}

/** The error that a promise must be rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<LedgerError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(LedgerError);
  return thrown as LedgerError;
}

/** Lets everything that is ready run. */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await nodeTimers.yield();
}
