/** A gauge for each figure of the engine that an operator watches. What only grows is a gauge too: it is the engine's count. */
import type { EngineStats } from "@authledger/engine";
import { Gauge, type Registry } from "prom-client";

const GAUGES: readonly [string, string, (s: EngineStats) => number][] = [
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
  ["store_reads", "Pages asked for since the start.", (s) => s.store.reads],
  ["store_evictions", "Pages that left the cache for others.", (s) => s.store.evictions],
  ["store_pins", "Views of old states that somebody reads.", (s) => s.store.pins],
  ["store_flushed_pages", "Pages written by flushes.", (s) => s.store.flushedPages],
  ["store_generation", "Generation of the store's file.", (s) => s.store.generation],
  ["wal_syncs", "Syncs of the log since the start.", (s) => s.wal.syncs.count],
  ["wal_sync_p50_ms", "Median of the last syncs.", (s) => s.wal.syncs.p50Ms],
  ["wal_sync_max_ms", "The longest sync since the start.", (s) => s.wal.syncs.maxMs],
  [
    "wal_sync_running_ms",
    "How long the running sync has taken; 0 when none runs.",
    (s) => s.wal.syncs.runningMs ?? 0,
  ],
  ["wal_queued_appends", "Appends that wait for the log.", (s) => s.wal.queuedAppends],
  ["wal_queued_bytes", "Bytes of those.", (s) => s.wal.queuedBytes],
  ["wal_appends", "Appends since the start.", (s) => s.wal.appends],
  ["wal_records", "Records of those.", (s) => s.wal.records],
  ["wal_batches", "Writes that they were put together to.", (s) => s.wal.batches],
  ["wal_record_bytes", "Bytes of records.", (s) => s.wal.recordBytes],
  ["wal_written_bytes", "Bytes written, with heads and padding.", (s) => s.wal.writtenBytes],
  ["wal_segments", "Segments of the log in use.", (s) => s.wal.segments],
  ["wal_spare_segments", "Segments kept for reuse.", (s) => s.wal.spareSegments],
  ["wal_segments_filled", "Segments filled since the start.", (s) => s.wal.segmentsFilled],
  ["wal_segments_reused", "Of those the ones that had been used.", (s) => s.wal.segmentsReused],
  [
    "wal_oldest_segments",
    "Segments between the oldest one that is held and the newest.",
    (s) => s.wal.oldestGroupSegments,
  ],
  ["wal_cache_bytes", "Memory of cached batches of the log.", (s) => s.wal.cacheBytes],
  ["wal_index_bytes", "Memory of the log's index.", (s) => s.wal.indexBytes],
  ["proposals", "Transactions proposed here since the start.", (s) => s.batching.proposals],
  ["proposed_entries", "Log entries that they were put together to.", (s) => s.batching.entries],
  ["proposals_pending", "Entries whose outcome somebody here waits for.", (s) => s.group.pending],
  [
    "reads_waiting",
    "Reads that wait for a confirmation of the leadership or for an index.",
    (s) => s.group.readsWaiting,
  ],
  [
    "clock_ahead_ms",
    "This clock against the median of the others; 0 when nobody has told.",
    (s) => s.group.clockAheadMs ?? 0,
  ],
  [
    "policies_settled",
    "1 when, on the leader, every vault's policy names those who vote.",
    (s) => Number(s.arePoliciesSettled),
  ],
];

function fileBytes(pages: number, { store }: EngineStats): number {
  return pages * store.pageBytes;
}

/** Adds them; `stats` is asked whenever somebody asks for metrics. */
export function addEngineMetrics(registry: Registry, stats: () => EngineStats): void {
  for (const [name, help, read] of GAUGES) {
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
