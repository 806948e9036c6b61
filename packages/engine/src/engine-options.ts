/** What an engine is opened with. */
import type { Clock, Disk, Random, Timers } from "@authledger/io";
import type { Hasher, LedgerError } from "@authledger/types";
import type { ClusterOptions } from "./cluster/cluster-calls.js";
import type { FlushPolicy } from "./flusher.js";
import type { MaintenanceOptions } from "./maintenance/maintenance.js";
import type { Tracer } from "./tracer.js";

export interface EngineOptions extends MaintenanceOptions {
  /** The data directory; created when missing. */
  readonly directory: string;
  /** Memory of the page cache, in bytes. Default 256 MiB. */
  readonly cacheBytes: number;
  /** Prefix of all origins, for a new cluster. Default `<16 hex of the cluster id>.authledger.local`. */
  readonly clusterOrigin?: string | undefined;
  /** Bytes of a segment of a new log, as `WalOptions.segmentBytes`. Default 64 MiB. */
  readonly logSegmentBytes?: number | undefined;
  /** When the page store is flushed. Default as limits.ts says. */
  readonly flushPolicy?: FlushPolicy | undefined;
  /** Absent: a group of one, which opens no connection. */
  readonly cluster?: ClusterOptions | undefined;
}

export interface EngineDeps {
  /** Told how long the parts of traced writes took. */
  readonly tracer?: Tracer | undefined;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  /** Takes the data directory for this process. */
  readonly lock: (directory: string) => Promise<{ release(): Promise<void> }>;
  /** The node cannot go on: the process must exit with the error's exit code. */
  readonly onFatal: (error: LedgerError) => void;
  /** Something that a person must look at, in words of its own; the node goes on (docs/operations.md). */
  readonly onAlarm?: ((alarm: string) => void) | undefined;
}
