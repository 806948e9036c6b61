/**
 * Builds the file that followers are given: the state as of one pin, as a stream. It is a file and not the pin itself
 * that is sent, so that a slow follower keeps no page from being used again, two followers share one, and a sender
 * that was started again goes on where it was.
 *
 *   INV-REPLICA-5  A built file has its name only when it is whole and synced; at most one is there, and another one
 *                  that is being built, as long as there is room to remove it.
 *   INV-REPLICA-13  No byte of a built file is sent that is not the one that was written: a file that has rotted, or that
 *                  the disk has lost a part of, is built anew.
 *   INV-REPLICA-15  From the moment a state is known to be wrong it is given to nobody: what is being sent of it ends, what
 *                  was built of it is removed, durably, before another state is asked for or takes its place, and a build
 *                  of it that runs ends in nothing.
 */
import {
  type Clock,
  type Disk,
  type DiskFile,
  joinPath,
  type Random,
  type Timers,
} from "@authledger/io";
import {
  FrameReader,
  type GroupState,
  REPLICA_MAGIC,
  ReplicaFrame,
  ReplicaSnapshot,
} from "@authledger/state";
import type { PageStore } from "@authledger/store";
import { concatBytes, equalBytes, type GroupId, type Hasher, LedgerError } from "@authledger/types";
import {
  BUILDING_FILE,
  chainsOf,
  fileOf,
  listSnapshots,
  removeIfRoom,
  type SnapshotName,
} from "./snapshot-files.js";
import { firstChain, nextChain } from "./snapshot-frames.js";
import { SNAPSHOT_IDLE_MS } from "./snapshot-limits.js";
import { WorkSlice } from "./work-slice.js";

export interface SnapshotBuilderDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly group: GroupId;
  /** The files' directory, which exists. */
  readonly directory: string;
  /** The state and the store that it stands on now. */
  readonly source: () => { readonly state: GroupState; readonly store: PageStore };
  /** Writes dirty pages to the disk, so that the pin keeps what is on it. */
  readonly flush: () => Promise<void>;
  readonly onAlarm: (alarm: string) => void;
}

/** A whole stream on the disk, open for reading. */
export interface BuiltSnapshot extends SnapshotName {
  readonly total: number;
  readonly chunkBytes: number;
  /** The running hash behind the first `n` chunks. */
  readonly chains: readonly Uint8Array[];
  /** The chunk at an offset, a multiple of `chunkBytes`. @throws LedgerError IO_READ_FAILED */
  chunk(offset: number): Uint8Array;
}

interface Open {
  readonly built: BuiltSnapshot;
  readonly file: DiskFile;
  users: number;
  usedAtMs: number;
  /** It is not to be sent any more. */
  isSpoiled: boolean;
}

/** What a file of an earlier process may be found to be: it is built anew then. */
const UNREADABLE: ReadonlySet<string> = new Set([
  "SNAPSHOT_CORRUPT",
  "IO_READ_FAILED",
  "FORMAT_NEWER",
]);

export class SnapshotBuilder {
  readonly #deps: SnapshotBuilderDeps;
  readonly #chunkBytes: number;
  #open: Open | undefined;
  #building: Promise<Open> | undefined;
  /** Counts how often the state here has turned out to be wrong: a build that began before is of no use. */
  #trust = 0;
  #isStopped = false;

  constructor(deps: SnapshotBuilderDeps, chunkBytes: number) {
    this.#deps = deps;
    this.#chunkBytes = chunkBytes;
  }

  /** The index of the file that is there; the log behind it is what its receivers will need. */
  get index(): number | undefined {
    return this.#open?.built.index;
  }

  /** Finds the file that was there before the process began, and checks it; drops all but the newest. */
  async start(): Promise<void> {
    const { disk, directory } = this.#deps;
    const found = await listSnapshots(disk, directory, "built");
    found.sort((a, b) => b.index - a.index);
    for (const name of found.slice(1)) {
      await removeIfRoom(disk, fileOf(directory, "built", name), this.#deps.onAlarm);
    }
    const [newest] = found;
    if (newest !== undefined) this.#open = await this.#reopen(newest);
  }

  /**
   * A stream of at least this index, built when there is none. Give it back with `release`.
   * @throws LedgerError PIN_LIMIT, PIN_EXPIRED, DISK_FULL, SHUTTING_DOWN
   */
  async acquire(index: number): Promise<BuiltSnapshot> {
    const known = this.#open;
    if (known === undefined || known.isSpoiled || known.built.index < index) {
      this.#building ??= this.#build().finally(() => {
        this.#building = undefined;
      });
      await this.#building;
    }
    const open = this.#open;
    if (open === undefined || open.isSpoiled || open.built.index < index) {
      throw new LedgerError("NOT_READY", `there is no state of index ${index} yet`);
    }
    open.users++;
    return open.built;
  }

  release(built: BuiltSnapshot): void {
    const open = this.#open;
    if (open?.built !== built) return;
    open.users--;
    open.usedAtMs = this.#deps.clock.monotonicMs();
  }

  /**
   * The state here is wrong, and so is whatever was built of it. Resolves when nothing of that is left, nor a view of it held.
   * @throws LedgerError DISK_FULL where a file cannot be removed
   */
  async distrust(): Promise<void> {
    this.#trust++;
    if (this.#open !== undefined) this.#open.isSpoiled = true;
    await this.#building?.catch(() => undefined);
    await this.#drop();
    const { disk, directory } = this.#deps;
    // Also where the file went before, and the sync behind it found no room.
    await disk.syncDirectory(directory);
    if ((await listSnapshots(disk, directory, "built")).length === 0) return;
    throw new LedgerError("DISK_FULL", "what was built of a wrong state cannot be removed");
  }

  /** From time to time: removes a file that nobody needs any more. */
  async tick(): Promise<void> {
    const open = this.#open;
    if (open === undefined || open.users > 0 || this.#building !== undefined) return;
    const idleMs = this.#deps.clock.monotonicMs() - open.usedAtMs;
    if (idleMs < SNAPSHOT_IDLE_MS && !open.isSpoiled) return;
    await this.#drop();
  }

  /** Ends a build that runs, and closes the file, which stays. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#building?.catch(() => undefined);
    await this.#open?.file.close();
    this.#open = undefined;
  }

  async #build(): Promise<Open> {
    const { disk, directory, random, hasher, group, flush, source } = this.#deps;
    // A flush that is waited for may end in the very turn in which another state takes the place of this one.
    const trust = this.#trust;
    const check = (): void => this.#checkTrusted(trust);
    await flush();
    check();
    const { state, store } = source();
    const snapshot = ReplicaSnapshot.of({ state, store, hasher }, group);
    const { index, term } = snapshot.head;
    const name: SnapshotName = { uuid: random.bytes(16), index, term };
    const aside = joinPath(directory, BUILDING_FILE);
    let file: DiskFile | undefined;
    try {
      await disk.remove(aside);
      file = await disk.open(aside, { create: true });
      const chains = await this.#write(snapshot, name, file, check);
      await file.datasync();
      check();
      await disk.rename(aside, fileOf(directory, "built", name));
      await disk.syncDirectory(directory);
      await this.#drop(name);
      check();
      this.#open = this.#opened(name, file, chains);
      return this.#open;
    } catch (error) {
      await file?.close();
      await disk.remove(aside).catch(() => undefined);
      throw error;
    } finally {
      snapshot.release();
    }
  }

  async #write(
    snapshot: ReplicaSnapshot,
    { uuid }: SnapshotName,
    file: DiskFile,
    checkRunning: () => void,
  ): Promise<Uint8Array[]> {
    const { clock, timers, hasher } = this.#deps;
    const chains = [firstChain(uuid, hasher)];
    let parts: Uint8Array[] = [];
    let length = 0;
    let at = 0;
    const flushChunk = async (bytes: number): Promise<void> => {
      const all = concatBytes(...parts);
      const chunk = all.subarray(0, bytes);
      parts = [all.subarray(bytes)];
      length -= bytes;
      chains.push(nextChain(chains.at(-1)!, chunk, hasher));
      await file.write([chunk], at);
      at += bytes;
    };
    const slice = new WorkSlice({ clock, timers, checkRunning });
    for (const part of snapshot.bytes()) {
      parts.push(part);
      length += part.length;
      while (length >= this.#chunkBytes) await flushChunk(this.#chunkBytes);
      await slice.pause();
    }
    if (length > 0) await flushChunk(length);
    return chains;
  }

  /** The file has no running hashes of the time when it was written; its frames have their checks. */
  async #reopen(name: SnapshotName): Promise<Open | undefined> {
    const { disk, directory, hasher, timers } = this.#deps;
    const path = fileOf(directory, "built", name);
    let file: DiskFile | undefined;
    try {
      file = await disk.open(path);
      const reader = new FrameReader(hasher, REPLICA_MAGIC);
      let last: number | undefined;
      const look = (part: Uint8Array): void => {
        for (const { type } of reader.push(part.slice())) last = type;
      };
      const pause = (): Promise<void> => timers.yield();
      const deps = { hasher, chunkBytes: this.#chunkBytes, pause, look };
      const chains = await chainsOf(file, name.uuid, deps);
      reader.end();
      if (last === ReplicaFrame.end) return this.#opened(name, file, chains);
      throw new LedgerError("SNAPSHOT_CORRUPT", `${path} has no end`);
    } catch (error) {
      await file?.close();
      if (!UNREADABLE.has(LedgerError.from(error).code)) throw error;
      await removeIfRoom(disk, path, this.#deps.onAlarm);
      return undefined;
    }
  }

  #opened(name: SnapshotName, file: DiskFile, chains: readonly Uint8Array[]): Open {
    const chunkBytes = this.#chunkBytes;
    const total = file.size();
    const chunk = (offset: number): Uint8Array => {
      try {
        return this.#read(file, offset, { total, chains });
      } catch (error) {
        open.isSpoiled = true;
        throw error;
      }
    };
    const built = { ...name, total, chunkBytes, chains, chunk };
    const usedAtMs = this.#deps.clock.monotonicMs();
    const open: Open = { built, file, users: 0, usedAtMs, isSpoiled: false };
    return open;
  }

  #read(
    file: DiskFile,
    offset: number,
    { total, chains }: Pick<BuiltSnapshot, "total" | "chains">,
  ): Uint8Array {
    const chunkBytes = this.#chunkBytes;
    const bytes = new Uint8Array(Math.min(chunkBytes, total - offset));
    const length = file.readSync(bytes, offset);
    if (length !== bytes.length) {
      throw new LedgerError("IO_READ_FAILED", `${file.path} ends at ${offset + length}`);
    }
    const nth = offset / chunkBytes;
    const chain = nextChain(chains[nth]!, bytes, this.#deps.hasher);
    if (equalBytes(chain, chains[nth + 1]!)) return bytes;
    const message = `${file.path} does not hold what was written at ${offset}: it is built anew`;
    throw new LedgerError("IO_READ_FAILED", message);
  }

  /**
   * Removes the file that is there, and those that could not be removed before. Who still sends it finds it closed, and asks
   * for another one.
   */
  async #drop(but?: SnapshotName): Promise<void> {
    const { disk, directory, onAlarm } = this.#deps;
    const open = this.#open;
    this.#open = undefined;
    await open?.file.close();
    const names = await listSnapshots(disk, directory, "built");
    const going = names.filter(({ uuid }) => but === undefined || !equalBytes(uuid, but.uuid));
    for (const name of going) {
      await removeIfRoom(disk, fileOf(directory, "built", name), onAlarm);
    }
    if (going.length > 0) await disk.syncDirectory(directory);
  }

  #checkTrusted(trust: number): void {
    if (this.#isStopped) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
    if (trust === this.#trust) return;
    throw new LedgerError("NOT_READY", "the state that was to be sent has turned out to be wrong");
  }
}
