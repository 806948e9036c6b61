/**
 * Makes a page store of a received stream, beside the one in use, and checks all of it (INV-REPLICA-2, INV-REPLICA-3).
 * In slices: the node goes on answering meanwhile.
 */
import { type Clock, type Disk, joinPath, type Random, type Timers } from "@authledger/io";
import {
  type ExpectedReplica,
  FrameReader,
  REPLICA_MAGIC,
  ReplicaLoad,
  type ReplicaStart,
  verifyReplica,
} from "@authledger/state";
import { PageStore } from "@authledger/store";
import { type GroupId, type Hasher, LedgerError } from "@authledger/types";
import { FLUSH_DIRTY_CACHE_PART } from "../limits.js";
import { LOADED_FILE } from "./snapshot-files.js";
import { SNAPSHOT_LOAD_CACHE_BYTES, SNAPSHOT_READ_BYTES } from "./snapshot-limits.js";
import { WorkSlice } from "./work-slice.js";

export interface SnapshotLoaderDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly group: GroupId;
  /** Of this node's disk; the new file is made for it. */
  readonly incarnation: Uint8Array;
  readonly directory: string;
  /** Throws when the node stops. */
  readonly checkRunning: () => void;
}

/** A page store that is whole, checked, synced and closed. */
export interface LoadedState {
  readonly path: string;
  /** Of the page store's file. */
  readonly uuid: Uint8Array;
  readonly start: ReplicaStart;
  readonly rows: number;
}

/** @throws LedgerError SNAPSHOT_CORRUPT, DISK_FULL, IO_READ_FAILED, IO_WRITE_FAILED, SYNC_FAILED */
export async function loadSnapshot(
  path: string,
  expected: ExpectedReplica,
  deps: SnapshotLoaderDeps,
): Promise<LoadedState> {
  const { disk, directory, group, incarnation, timers, clock, random } = deps;
  const loaded = joinPath(directory, LOADED_FILE);
  await disk.remove(loaded);
  const store = await PageStore.open(
    { path: loaded, cacheBytes: SNAPSHOT_LOAD_CACHE_BYTES, groupId: group, incarnation },
    { disk, clock, timers, random },
  );
  try {
    const load = new ReplicaLoad(store, expected);
    const slice = new WorkSlice(deps);
    const bytes = await readAll(path, load, store, slice, deps);
    const applied = load.finish(bytes);
    // Both slots must be whole: the log may be cut behind them.
    await store.flush(applied);
    await store.flush(applied);
    const start = load.start!;
    for (const _ of verifyReplica(store, start, deps.hasher)) await slice.pause();
    return { path: loaded, uuid: store.uuid, start, rows: load.rows };
  } catch (error) {
    await store.close();
    await disk.remove(loaded).catch(() => undefined);
    throw orFull(error);
  } finally {
    await store.close();
  }
}

/** A store in use ends when a sync finds no room (page store, `#die`); this one is made again when there is some. */
function orFull(error: unknown): unknown {
  const cause = error instanceof LedgerError ? error.cause : undefined;
  return cause instanceof LedgerError && cause.code === "DISK_FULL" ? cause : error;
}

async function readAll(
  path: string,
  load: ReplicaLoad,
  store: PageStore,
  slice: WorkSlice,
  deps: SnapshotLoaderDeps,
): Promise<number> {
  const dirtyMax = SNAPSHOT_LOAD_CACHE_BYTES * FLUSH_DIRTY_CACHE_PART;
  const reader = new FrameReader(deps.hasher, REPLICA_MAGIC);
  const file = await deps.disk.open(path);
  try {
    for (let at = 0; ; ) {
      const piece = new Uint8Array(SNAPSHOT_READ_BYTES);
      const length = file.readSync(piece, at);
      if (length === 0) break;
      at += length;
      for (const frame of reader.push(piece.subarray(0, length))) {
        load.take(frame);
        await slice.pause();
      }
      if (store.dirtyBytes >= dirtyMax) await store.flush(load.prepareFlush());
    }
    reader.end();
    return reader.offset;
  } finally {
    await file.close();
  }
}
