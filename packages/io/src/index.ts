/** The ports to the outside world, with node, memory and faulty implementations. */
export {
  type Disk,
  type DiskFile,
  directoryOf,
  joinPath,
  type OpenOptions,
  readFile,
  replaceFile,
} from "./disk.js";
export {
  type DiskFault,
  type DiskOperation,
  type DiskOperationKind,
  type FaultPlan,
  FaultyDisk,
} from "./faulty-disk.js";
export { type CrashOptions, MemoryDisk, MemoryFile } from "./memory-disk.js";
export { NodeDisk } from "./node-disk.js";
export { NodeHasher } from "./node-hasher.js";
export { nodeClock, nodeRandom, nodeTimers } from "./node-ports.js";
export type { Clock, Random, Timers } from "./ports.js";
export { SeededRandom } from "./seeded-random.js";
