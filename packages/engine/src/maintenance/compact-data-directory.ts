/** Compacts the stores of a data directory that no node has open, with the mechanism of a serving node. */
import { existsSync } from "node:fs";
import { joinPath, NodeDisk, nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { type CompactionReport, compactStore, DataLock, PageStore } from "@authledger/store";
import { groupId, LedgerError } from "@authledger/types";
import { groupsOf } from "../check-data-directory.js";
import { readNodeIdentity } from "../node-directory.js";
import { FILL_THRESHOLD_DEFAULT } from "./compactor.js";

const CACHE_BYTES = 64 * 1024 * 1024;

export interface OfflineCompaction {
  /** As of `compact`. Default 0.4. */
  readonly fillThreshold?: number | undefined;
  /** Ends it between two steps; what was done stays. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One report for each group.
 * @throws LedgerError DATA_DIR_INVALID, DATA_DIR_IN_USE, DISK_FULL, STORE_PAGE_CORRUPT
 */
export async function compactDataDirectory(
  directory: string,
  options: OfflineCompaction = {},
): Promise<readonly CompactionReport[]> {
  if (!existsSync(joinPath(directory, "node.json"))) {
    const message = `${directory} holds no data of a node: it has no node.json`;
    throw new LedgerError("DATA_DIR_INVALID", message, { details: { directory } });
  }
  const lock = await DataLock.acquire(directory);
  try {
    const { incarnation } = await readNodeIdentity(directory, new NodeDisk());
    const reports: CompactionReport[] = [];
    for (const group of await groupsOf(directory)) {
      const path = joinPath(directory, "groups", group, "state.db");
      reports.push(await compactFile(path, Number(group), incarnation, options));
    }
    return reports;
  } finally {
    await lock.release();
  }
}

async function compactFile(
  path: string,
  group: number,
  incarnation: Uint8Array,
  { fillThreshold = FILL_THRESHOLD_DEFAULT, signal }: OfflineCompaction,
): Promise<CompactionReport> {
  const deps = { disk: new NodeDisk(), clock: nodeClock, timers: nodeTimers, random: nodeRandom };
  const about = { path, cacheBytes: CACHE_BYTES, groupId: groupId(group), incarnation };
  await using store = await PageStore.open(about, deps);
  return await compactStore(
    store,
    { fillThreshold },
    {
      // The rows stay as they are, so the state of the log that they hold does too.
      flush: () => store.flush(store.applied),
      yield: () => nodeTimers.yield(),
      isStopped: () => signal?.aborted === true,
    },
  );
}
