/** Recomputes a store that no node has open from its records, as the scrubber of a running node does. */
import { NodeDisk, NodeHasher, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { GroupState, Scrub, type ScrubCounts } from "@authledger/state";
import { PageStore } from "@authledger/store";
import { groupId, LedgerError } from "@authledger/types";
import { describeDifference } from "./maintenance/scrubber.js";

const CACHE_BYTES = 64 * 1024 * 1024;
/** A damaged disk has millions of them. */
const DIFFERENCES_MAX = 1_000;

export interface RecordsReport {
  readonly counts: ScrubCounts;
  /** In words, the first of them. */
  readonly differences: readonly string[];
}

/** Changes nothing. @throws LedgerError STORE_NO_VALID_SLOT, IO_READ_FAILED */
export async function checkRecords(
  path: string,
  group: number,
  incarnation: Uint8Array,
): Promise<RecordsReport> {
  const deps = { disk: new NodeDisk(), clock: nodeClock, timers: nodeTimers, random: nodeRandom };
  const about = { path, cacheBytes: CACHE_BYTES, groupId: groupId(group), incarnation };
  await using store = await PageStore.open({ ...about, readOnly: true }, deps);
  const hasher = new NodeHasher();
  const state = new GroupState(store, hasher);
  // A page that cannot be read is met from several buckets.
  const differences = new Set<string>();
  const scrub = new Scrub({
    state,
    store,
    hasher,
    onDifference: (found) => {
      if (differences.size < DIFFERENCES_MAX) differences.add(describeDifference(found));
    },
  });
  try {
    for (const pause of scrub.run()) if (pause === "part") await nodeTimers.yield();
  } catch (error) {
    // A page on the way that cannot be read; the check of pages has named it.
    if (LedgerError.from(error).code !== "STORE_PAGE_CORRUPT") throw error;
    differences.add(LedgerError.from(error).message);
  }
  return { counts: scrub.counts, differences: [...differences] };
}
