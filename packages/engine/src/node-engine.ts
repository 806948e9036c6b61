/** An engine on this machine: real disk, clock, randomness and hashing. */
import { NodeDisk, NodeHasher, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import type { LedgerError } from "@authledger/types";
import { Engine, type EngineOptions, lockDataDirectory } from "./engine.js";

export function openNodeEngine(
  options: EngineOptions,
  onFatal: (error: LedgerError) => void,
): Promise<Engine> {
  return Engine.open(options, {
    disk: new NodeDisk(),
    clock: nodeClock,
    random: nodeRandom,
    timers: nodeTimers,
    hasher: new NodeHasher(),
    lock: lockDataDirectory,
    onFatal,
  });
}
