/** An engine on this machine: real disk, clock, randomness and hashing. */
import { NodeDisk, NodeHasher, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import type { SnapshotProgress } from "@authledger/state";
import type { LedgerError } from "@authledger/types";
import { Engine, lockDataDirectory } from "./engine.js";
import type { EngineOptions } from "./engine-options.js";
import {
  type RestoreObserver,
  type RestoreOptions,
  restoreDirectory,
} from "./restore-directory.js";
import type { Tracer } from "./tracer.js";

const MACHINE = {
  disk: new NodeDisk(),
  clock: nodeClock,
  random: nodeRandom,
  timers: nodeTimers,
  hasher: new NodeHasher(),
  lock: lockDataDirectory,
};

export function openNodeEngine(
  options: EngineOptions,
  onFatal: (error: LedgerError) => void,
  onAlarm?: (alarm: string) => void,
  tracer?: Tracer,
): Promise<Engine> {
  return Engine.open(options, { ...MACHINE, onFatal, onAlarm, tracer });
}

/** Makes a data directory on this machine out of a snapshot. @throws LedgerError as `restoreDirectory` */
export function restoreNodeDirectory(
  options: RestoreOptions,
  chunks: AsyncIterable<Uint8Array>,
  observer: RestoreObserver,
): Promise<SnapshotProgress> {
  return restoreDirectory(options, chunks, MACHINE, observer);
}
