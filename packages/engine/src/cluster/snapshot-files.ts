/**
 * The files of `groups/<id>/snapshots/`: streams that were built for others, the one that is being received, and the
 * page store that is made of it.
 *
 *     built-<32 hex uuid>-<index>-<term>      a whole stream, named when it is synced
 *     received-<32 hex uuid>-<index>-<term>   as far as it came; its bytes are checked by their running hash
 *     building  loaded.db                     unfinished: removed at the next start
 */
import { type Disk, type DiskFile, joinPath } from "@authledger/io";
import { fromHex, type Hasher, LedgerError, toHex } from "@authledger/types";
import { firstChain, nextChain } from "./snapshot-frames.js";

/** Which state a stream is of, and which stream of it. */
export interface SnapshotName {
  readonly uuid: Uint8Array;
  readonly index: number;
  readonly term: number;
}

export type SnapshotFileKind = "built" | "received";

const NAME = /^(built|received)-([0-9a-f]{32})-(\d{1,15})-(\d{1,15})$/;

/** A page store that is loaded beside the present one. */
export const LOADED_FILE = "loaded.db";
export const BUILDING_FILE = "building";

export function snapshotDirectory(groupDirectory: string): string {
  return joinPath(groupDirectory, "snapshots");
}

export function fileOf(directory: string, kind: SnapshotFileKind, name: SnapshotName): string {
  return joinPath(directory, `${kind}-${toHex(name.uuid)}-${name.index}-${name.term}`);
}

/** The whole or half streams that are there. */
export async function listSnapshots(
  disk: Disk,
  directory: string,
  kind: SnapshotFileKind,
): Promise<SnapshotName[]> {
  const names: SnapshotName[] = [];
  for (const file of await disk.list(directory)) {
    const found = NAME.exec(file);
    if (found?.[1] !== kind) continue;
    names.push({ uuid: fromHex(found[2]!), index: Number(found[3]), term: Number(found[4]) });
  }
  return names;
}

/** Removes what a process that ended has left half done. */
export async function removeUnfinished(
  disk: Disk,
  directory: string,
  onAlarm: (alarm: string) => void,
): Promise<void> {
  for (const file of [BUILDING_FILE, LOADED_FILE]) {
    await removeIfRoom(disk, joinPath(directory, file), onAlarm);
  }
}

/**
 * Removes a file of no use. A file system may need room for that, above all under a quota: what stays does no harm, and is
 * met by the next start or by what would take its place.
 */
export async function removeIfRoom(
  disk: Disk,
  path: string,
  onAlarm: (alarm: string) => void,
): Promise<void> {
  await ifRoom(() => disk.remove(path), "a file of no use was not removed", onAlarm);
}

/** Does what may wait until there is room: where there is none it is told of, and nothing fails. */
export async function ifRoom(
  work: () => Promise<void>,
  missed: string,
  onAlarm: (alarm: string) => void,
): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    if (error.code !== "DISK_FULL") throw thrown;
    onAlarm(`${missed}: ${error.message}`);
  }
}

/** The running hashes behind every `chunkBytes` of a file, from its beginning on. */
export async function chainsOf(
  file: DiskFile,
  uuid: Uint8Array,
  deps: {
    readonly hasher: Hasher;
    readonly chunkBytes: number;
    readonly pause: () => Promise<void>;
    /** Sees every part; its bytes change afterwards. */
    readonly look?: (part: Uint8Array) => void;
  },
): Promise<Uint8Array[]> {
  const { hasher, chunkBytes, pause } = deps;
  const chains = [firstChain(uuid, hasher)];
  const size = file.size();
  const chunk = new Uint8Array(chunkBytes);
  for (let at = 0; at < size; at += chunkBytes) {
    const length = file.readSync(chunk, at);
    const part = chunk.subarray(0, length);
    deps.look?.(part);
    chains.push(nextChain(chains.at(-1)!, part, hasher));
    await pause();
  }
  return chains;
}
