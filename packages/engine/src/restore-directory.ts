/**
 * Makes the data directory of a new node out of a snapshot.
 *
 *   INV-RESTORE-1  A directory is a node's only when everything in it was checked and is on the disk: until then a
 *                  file RESTORING lies in it, and no node starts there.
 *   INV-RESTORE-2  The new node has keys of its own: what it signs, nobody has signed for the old one.
 *
 * The log begins behind an index that no earlier incarnation has reached, as behind a snapshot of a leader.
 */
import {
  type Clock,
  type Disk,
  directoryOf,
  joinPath,
  type Random,
  type Timers,
} from "@authledger/io";
import {
  FrameReader,
  type RestoreAuthority,
  type RestoredVault,
  SnapshotInstall,
  type SnapshotProgress,
} from "@authledger/state";
import { type AppliedState, PageStore } from "@authledger/store";
import { type Hasher, LedgerError, toHex, utf8 } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { GROUP } from "./group-id.js";
import { FLUSH_DIRTY_BYTES, FLUSH_DIRTY_CACHE_PART } from "./limits.js";
import {
  type NodeIdentity,
  newIdentity,
  openSecrets,
  RESTORING_FILE,
  replicaName,
  writeIdentity,
} from "./node-directory.js";
import { Signer } from "./signer.js";
import { SystemSealer } from "./system-sealer.js";

export interface RestoreOptions {
  /** Empty, missing, or with what an unfinished restore has left. */
  readonly directory: string;
  readonly cacheBytes: number;
  /** 1 to 31, above the snapshot's; default the next one. */
  readonly incarnation?: number | undefined;
  readonly logSegmentBytes?: number | undefined;
}

export interface RestoreDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly lock: (directory: string) => Promise<{ release(): Promise<void> }>;
}

/** Is told as it happens. */
export interface RestoreObserver {
  progressed(progress: SnapshotProgress): void;
  restored(vault: RestoredVault): void;
}

/** What may lie in a directory that holds nothing: a lock of ours, and what file systems put there. */
const IGNORED: ReadonlySet<string> = new Set(["LOCK", "lost+found"]);

/**
 * @throws LedgerError DATA_DIR_NOT_EMPTY, DATA_DIR_IN_USE, SNAPSHOT_CORRUPT, FORMAT_NEWER, INVALID_ARGUMENT,
 *   DISK_FULL; the directory then holds nothing that starts
 */
export async function restoreDirectory(
  options: RestoreOptions,
  chunks: AsyncIterable<Uint8Array>,
  deps: RestoreDeps,
  observer: RestoreObserver,
): Promise<SnapshotProgress> {
  const { directory } = options;
  await deps.disk.makeDirectory(directory);
  await requireEmpty(directory, deps.disk);
  const lock = await deps.lock(directory);
  try {
    await mark(directory, deps.disk);
    const identity = newIdentity(deps.random);
    const progress = await fill(options, chunks, deps, observer, identity);
    await writeIdentity(directory, identity, deps.disk);
    await deps.disk.remove(joinPath(directory, RESTORING_FILE));
    await deps.disk.syncDirectory(directory);
    return progress;
  } finally {
    await lock.release();
  }
}

async function requireEmpty(directory: string, disk: Disk): Promise<void> {
  const names = (await disk.list(directory)).filter((name) => !IGNORED.has(name));
  if (names.length === 0 || names.includes(RESTORING_FILE)) return;
  const message = `${directory} is not empty: it holds ${names.slice(0, 5).join(", ")}`;
  throw new LedgerError("DATA_DIR_NOT_EMPTY", message, { details: { directory } });
}

/** Marks the directory, and removes what an unfinished restore has left in it. */
async function mark(directory: string, disk: Disk): Promise<void> {
  const file = await disk.open(joinPath(directory, RESTORING_FILE), { create: true });
  await file.write([utf8("authledger import --snapshot has not finished here\n")], 0);
  await file.datasync();
  await file.close();
  await disk.syncDirectory(directory);
  await disk.syncDirectory(directoryOf(directory));
  const parts = ["keys", "wal", joinPath("groups", String(GROUP))];
  for (const part of parts) {
    const path = joinPath(directory, part);
    await disk.makeDirectory(path);
    for (const name of await disk.list(path)) await disk.remove(joinPath(path, name));
  }
  await disk.remove(joinPath(directory, "node.json"));
  for (const part of ["", "groups"]) await disk.syncDirectory(joinPath(directory, part));
}

/** Keys, page store and log: everything but the name. */
async function fill(
  options: RestoreOptions,
  chunks: AsyncIterable<Uint8Array>,
  deps: RestoreDeps,
  observer: RestoreObserver,
  identity: NodeIdentity,
): Promise<SnapshotProgress> {
  const { directory, logSegmentBytes: segmentBytes } = options;
  const wal = await Wal.open(
    {
      directory: joinPath(directory, "wal"),
      voters: "one",
      ...(segmentBytes !== undefined && { segmentBytes }),
    },
    deps,
  );
  try {
    const authority = await authorityOf(options, deps, identity, wal);
    const { applied, progress } = await install(options, chunks, deps, observer, {
      identity,
      authority,
    });
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    await wal.append([
      {
        kind: "snapshot",
        group: GROUP,
        index: applied.index,
        term: applied.term,
        uuid: deps.random.bytes(16),
        configuration: new Uint8Array(0),
      },
      { kind: "hard-state", group: GROUP, term: applied.term, vote: identity.nodeId },
    ]);
    return progress;
  } finally {
    await wal.close();
  }
}

async function authorityOf(
  { directory, incarnation }: RestoreOptions,
  { disk, random, clock, hasher }: RestoreDeps,
  identity: NodeIdentity,
  wal: Wal,
): Promise<RestoreAuthority> {
  const secrets = await openSecrets(directory, disk, random);
  // Asked for policies only: a restore signs no head.
  const unused = (): void => undefined;
  const deps = { wal, clock, hasher, soon: unused, onHalt: unused };
  const signer = new Signer(GROUP, replicaName(identity), secrets, deps);
  const sealer = new SystemSealer(hasher, random);
  return {
    clusterId: toHex(random.bytes(16)),
    timeMs: clock.nowMs(),
    incarnation,
    genesis: (origin, predecessor, timeMs) =>
      sealer.restoredGenesis(origin, predecessor, signer.firstPolicy(origin), timeMs),
    entities: (entities, timeMs) => sealer.entities(entities, timeMs),
  };
}

async function install(
  { directory, cacheBytes }: RestoreOptions,
  chunks: AsyncIterable<Uint8Array>,
  deps: RestoreDeps,
  observer: RestoreObserver,
  own: { readonly identity: NodeIdentity; readonly authority: RestoreAuthority },
): Promise<{ readonly applied: AppliedState; readonly progress: SnapshotProgress }> {
  const path = joinPath(directory, "groups", String(GROUP), "state.db");
  const { incarnation } = own.identity;
  const store = await PageStore.open({ path, cacheBytes, groupId: GROUP, incarnation }, deps);
  try {
    const dirtyMax = Math.min(FLUSH_DIRTY_BYTES, cacheBytes * FLUSH_DIRTY_CACHE_PART);
    const restore = new SnapshotInstall(store, deps.hasher, own.authority, observer.restored);
    const reader = new FrameReader(deps.hasher);
    for await (const chunk of chunks) {
      for (const frame of reader.push(chunk)) restore.take(frame);
      if (store.dirtyBytes >= dirtyMax) await store.flush(restore.prepareFlush());
      observer.progressed(restore.progress);
    }
    reader.end();
    const applied = restore.finish(reader.offset);
    // Both slots must be whole: the second one is what a node stands on when the first is damaged.
    await store.flush(applied);
    await store.flush(applied);
    return { applied, progress: restore.progress };
  } finally {
    await store.close();
  }
}
