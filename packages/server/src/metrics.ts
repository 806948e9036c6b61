/**
 * Metrics of a node, in Prometheus' format. Label values come from fixed sets (methods, status codes), so the
 * number of series is bounded. Counting is done in plain numbers; prom-client sees them when it is asked.
 */
import type { ClusterStatus, EngineStats } from "@authledger/engine";
import { GrpcStatus } from "@authledger/types";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { addClusterMetrics } from "./cluster-metrics.js";

const SECONDS_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const CODE_NAMES: readonly string[] = Object.keys(GrpcStatus);

/** Measures one method. */
export class MethodMeter {
  readonly #onError: (error: unknown) => void;
  /** Calls by status code. */
  readonly counts: Float64Array = new Float64Array(CODE_NAMES.length);
  /** Calls by bucket of their duration; the last is everything longer. */
  readonly buckets: Float64Array = new Float64Array(SECONDS_BUCKETS.length + 1);
  sumSeconds = 0;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  observe(code: number, durationMs: number, error?: unknown): void {
    this.counts[code]!++;
    const seconds = durationMs / 1000;
    this.sumSeconds += seconds;
    let bucket = 0;
    while (bucket < SECONDS_BUCKETS.length && seconds > SECONDS_BUCKETS[bucket]!) bucket++;
    this.buckets[bucket]!++;
    if (error !== undefined) this.#onError(error);
  }
}

/** Measures the streams of one method, beside their calls. */
export class StreamMeter {
  open = 0;
  messages = 0;
  bytes = 0;
  /** How long streams waited for their clients, together. */
  pausedSeconds = 0;
}

/** The meters of all methods. */
export class RpcMeters {
  readonly #methods = new Map<string, MethodMeter>();
  readonly #streams = new Map<string, StreamMeter>();
  readonly #onError: (error: unknown) => void;

  /** `onError` sees every error that was answered, for the log. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  method(name: string): MethodMeter {
    let meter = this.#methods.get(name);
    if (meter === undefined) {
      meter = new MethodMeter(this.#onError);
      this.#methods.set(name, meter);
    }
    return meter;
  }

  entries(): IterableIterator<[string, MethodMeter]> {
    return this.#methods.entries();
  }

  stream(name: string): StreamMeter {
    let meter = this.#streams.get(name);
    if (meter === undefined) {
      meter = new StreamMeter();
      this.#streams.set(name, meter);
    }
    return meter;
  }

  streams(): IterableIterator<[string, StreamMeter]> {
    return this.#streams.entries();
  }
}

/** What `/metrics` serves. */
export function createRegistry(
  meters: RpcMeters,
  stats: () => EngineStats,
  cluster: () => ClusterStatus | undefined,
): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  rpcMetrics(registry, meters);
  streamMetrics(registry, meters);
  engineMetrics(registry, stats);
  addClusterMetrics(registry, cluster);
  return registry;
}

function rpcMetrics(registry: Registry, meters: RpcMeters): void {
  new Counter({
    name: "authledger_rpc_total",
    help: "Calls by method and gRPC status code.",
    labelNames: ["method", "code"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [method, { counts }] of meters.entries()) {
        counts.forEach((count, code) => {
          if (count > 0) this.inc({ method, code: CODE_NAMES[code]! }, count);
        });
      }
    },
  });
  new Counter({
    name: "authledger_rpc_seconds_bucket",
    help: "Calls by method that took at most so many seconds in the server.",
    labelNames: ["method", "le"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [method, { buckets }] of meters.entries()) {
        let sum = 0;
        buckets.forEach((count, bucket) => {
          sum += count;
          this.inc({ method, le: String(SECONDS_BUCKETS[bucket] ?? "+Inf") }, sum);
        });
      }
    },
  });
  new Counter({
    name: "authledger_rpc_seconds_sum",
    help: "Time that calls took in the server, by method.",
    labelNames: ["method"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [method, { sumSeconds }] of meters.entries()) this.inc({ method }, sumSeconds);
    },
  });
}

/** Calls of streaming methods are counted with all others when they end. */
function streamMetrics(registry: Registry, meters: RpcMeters): void {
  const figures: readonly [string, string, (meter: StreamMeter) => number][] = [
    ["open", "Streams that are open, by method.", (meter) => meter.open],
    ["messages_total", "Messages sent on streams, by method.", (meter) => meter.messages],
    ["bytes_total", "Bytes sent on streams, by method.", (meter) => meter.bytes],
    [
      "paused_seconds_total",
      "Time that streams waited for their clients, by method.",
      (meter) => meter.pausedSeconds,
    ],
  ];
  for (const [name, help, read] of figures) {
    new Gauge({
      name: `authledger_streams_${name}`,
      help,
      labelNames: ["method"],
      registers: [registry],
      collect() {
        for (const [method, meter] of meters.streams()) this.set({ method }, read(meter));
      },
    });
  }
}

function fileBytes(pages: number, { store }: EngineStats): number {
  return pages * store.pageBytes;
}

/** A gauge for each figure of the engine that an operator watches. */
function engineMetrics(registry: Registry, stats: () => EngineStats): void {
  const gauges: readonly [string, string, (s: EngineStats) => number][] = [
    ["applied_index", "Last log entry applied.", (s) => s.appliedIndex],
    ["flushed_index", "Last log entry that the page store holds.", (s) => s.flushedIndex],
    ["writes_waiting", "Writes waiting to be proposed.", (s) => s.writesWaiting],
    ["entries_in_flight", "Log entries proposed and not yet applied.", (s) => s.entriesInFlight],
    ["store_cache_bytes", "Memory of the page cache.", (s) => s.store.cacheBytes],
    ["store_dirty_bytes", "Pages that only memory holds.", (s) => s.store.dirtyBytes],
    ["store_file_pages", "Pages of the store's file.", (s) => s.store.filePages],
    ["store_free_pages", "Free pages of the store's file.", (s) => s.store.freePages],
    ["store_file_bytes", "Size of the store's file.", (s) => fileBytes(s.store.filePages, s)],
    ["store_free_bytes", "Free pages in it.", (s) => fileBytes(s.store.freePages, s)],
    ["store_cache_misses", "Pages read from the file.", (s) => s.store.misses],
    ["store_flushes", "Flushes since the start.", (s) => s.store.flushes],
    ["wal_bytes", "Size of the log.", (s) => s.wal.logBytes],
    ["wal_sync_p99_ms", "99th percentile of the last syncs.", (s) => s.wal.syncs.p99Ms],
    ["branch_bytes", "Memory of trie branches.", (s) => s.branchBytes],
    ["deleting_vaults", "Deleted vaults whose rows are being removed.", (s) => s.deleter.vaults],
    ["deleted_rows", "Rows of deleted vaults removed since the start.", (s) => s.deleter.rows],
    ["expiry_records", "Tuples and entities with an expiry.", (s) => s.expiry.records],
    ["expiry_due", "Expired records that the last round left for the next.", (s) => s.expiry.due],
    ["expiry_lag_ms", "How long the first expired record has waited.", (s) => s.expiry.lagMs],
    ["expiry_expired", "Records collected since the start.", (s) => s.expiry.expired],
    ["expiry_refused", "Rounds that a client's write got ahead of.", (s) => s.expiry.refused],
    ["store_ready_pages", "Free pages that the next write may take.", (s) => s.store.readyPages],
    ["compacting", "1 while a compaction runs.", (s) => Number(s.maintenance.compaction.running)],
    ["compactions", "Compactions since the start.", (s) => s.maintenance.compaction.runs],
    [
      "compaction_failures",
      "Compactions that ended by an error.",
      (s) => s.maintenance.compaction.failures,
    ],
    [
      "compaction_pages_moved",
      "Pages that the newest compaction moved.",
      (s) => s.maintenance.compaction.progress?.pagesMoved ?? 0,
    ],
    ["scrubbing", "1 while the scrubber runs.", (s) => Number(s.maintenance.integrity.running)],
    ["scrub_passes", "Passes of the scrubber.", (s) => s.maintenance.integrity.passes],
    [
      "scrub_last_ended_seconds",
      "When the last pass of the scrubber ended; 0 before the first.",
      (s) => s.maintenance.integrity.endedAtMs / 1000,
    ],
    [
      "scrub_differences",
      "Stored rows that are not what follows from the records; above 0 is an alarm.",
      (s) => s.maintenance.integrity.differences.length,
    ],
    [
      "diverged_vaults",
      "Vaults that take no more writes, since the scrubber found a difference.",
      (s) => s.maintenance.integrity.divergedVaults,
    ],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `authledger_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read(stats()));
      },
    });
  }
}
