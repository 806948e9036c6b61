/** Runs a compaction to its end: steps, turns of the event loop for everybody else, flushes. */
import { LedgerError } from "@authledger/types";
import type { PageStore } from "../page-store.js";
import type { CompactionOptions, CompactionStats, StoreSize } from "./compaction.js";

export interface CompactionDriver {
  /** Flushes the store, after a running flush. A full disk need not be told by throwing. */
  readonly flush: () => Promise<void>;
  /** Lets everything else that is ready run first. */
  readonly yield: () => Promise<void>;
  /** Asked between steps: end now? */
  readonly isStopped: () => boolean;
  readonly onProgress?: (stats: CompactionStats) => void;
}

/** What a compaction did. */
export interface CompactionReport extends CompactionStats {
  readonly after: StoreSize;
}

/**
 * Compacts a store. What was done stays done when it is stopped or fails.
 * @throws LedgerError DISK_FULL when a flush found no room, STORE_PAGE_CORRUPT, STORE_CLOSED
 */
export async function compactStore(
  store: PageStore,
  options: CompactionOptions,
  driver: CompactionDriver,
): Promise<CompactionReport> {
  const compaction = store.compact(options);
  try {
    while (!driver.isStopped()) {
      const need = compaction.step();
      driver.onProgress?.(compaction.stats);
      if (need === "nothing") break;
      if (need === "flush") await flush(store, driver);
      else await driver.yield();
    }
  } finally {
    compaction.end();
  }
  return { ...compaction.stats, after: store.size() };
}

async function flush(store: PageStore, driver: CompactionDriver): Promise<void> {
  const { generation } = store.stats();
  await driver.flush();
  if (driver.isStopped() || store.stats().generation > generation) return;
  throw new LedgerError("DISK_FULL", "the compaction stopped: a flush found no room");
}
