/**
 * Puts a loaded page store in the place of the one in use, durably.
 *
 *   INV-REPLICA-7  A crash at any moment leaves the old state with the old log or the new state with a log that
 *                  begins behind it, also where the node finds them only at its next start. Nobody is told that the
 *                  state is there before that is so.
 *
 *     1  switch.json, synced: which file, and what the log must say of it
 *     2  the loaded file is renamed over state.db; both directories are synced
 *     3  a record `snapshot` with the file's uuid is in the log, synced: the caller's batch, or `finishSwitch`
 *     4  switch.json is removed, which may wait: there may be no room for it
 *
 * Where the first step finds no room nothing has happened, and the switch may be tried later. A disk that is full behind it stops the node.
 *
 * A start that finds switch.json looks whose uuid state.db has: the new file's, then the record is written if the log
 * has it not; else nothing happened. The entries of the log before the record are of the old state: with it the log
 * begins anew. A log that agrees with the snapshot needs no record, as under a replica that was rebuilt, nor does one that has
 * let go of the entry, which it did for this state; it may know a later snapshot than that, and takes none of an earlier entry.
 */
import { type Disk, directoryOf, joinPath, readFile, replaceFile } from "@authledger/io";
import {
  decodeUtf8,
  equalBytes,
  fromHex,
  type GroupId,
  LedgerError,
  toHex,
  utf8,
} from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import { ifRoom } from "./snapshot-files.js";

const SWITCH_FILE = "switch.json";

/** What takes the place of the state in use. */
export interface StateSwitch {
  /** Of the page store's file, and so of the log's record. */
  readonly uuid: Uint8Array;
  readonly index: number;
  readonly term: number;
  /** What the log's record keeps of the configuration. */
  readonly configuration: Uint8Array;
}

interface SwitchFile {
  readonly uuid: string;
  readonly index: number;
  readonly term: number;
  readonly configuration: string;
}

/**
 * Steps 1 and 2; the caller opens `statePath` again, and appends `snapshotRecord` to the log.
 * @throws LedgerError DISK_FULL: nothing has happened; of any other the node must stop
 */
export async function switchFiles(
  disk: Disk,
  paths: { readonly loaded: string; readonly state: string },
  to: StateSwitch,
): Promise<void> {
  const directory = directoryOf(paths.loaded);
  const file: SwitchFile = {
    uuid: toHex(to.uuid),
    index: to.index,
    term: to.term,
    configuration: toHex(to.configuration),
  };
  await replaceFile(disk, joinPath(directory, SWITCH_FILE), utf8(JSON.stringify(file)));
  await pastReturn(async () => {
    await disk.rename(paths.loaded, paths.state);
    await disk.syncDirectory(directoryOf(paths.state));
    await disk.syncDirectory(directory);
  });
}

/** What cannot be taken back: no error of it is one that can be waited out. */
export async function pastReturn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const error = LedgerError.from(cause);
    if (error.code !== "DISK_FULL" && error.code !== "OVERLOADED") throw error;
    throw new LedgerError("IO_WRITE_FAILED", error.message, { cause, details: error.details });
  }
}

/** Step 4: the record is durable. A file that stays, or that a crash brings back, is met by `finishSwitch`. */
export async function endSwitch(
  disk: Disk,
  directory: string,
  onAlarm: (alarm: string) => void,
): Promise<void> {
  const remove = async (): Promise<void> => {
    await disk.remove(joinPath(directory, SWITCH_FILE));
    await disk.syncDirectory(directory);
  };
  await ifRoom(remove, "the note of a state that was put in place was not removed", onAlarm);
}

export function snapshotRecord(group: GroupId, to: StateSwitch): WalRecord {
  return { kind: "snapshot", group, ...to };
}

/**
 * The switch that a process began and did not end, as far as its files tell; asked before the log is opened, which
 * may know nothing of the state's index yet. @throws LedgerError DATA_DIR_INVALID
 */
export async function unfinishedSwitch(
  disk: Disk,
  directory: string,
): Promise<StateSwitch | undefined> {
  const path = joinPath(directory, SWITCH_FILE);
  if (!(await disk.exists(path))) return undefined;
  try {
    const file = JSON.parse(decodeUtf8(await readFile(disk, path)) ?? "") as SwitchFile;
    const { index, term } = file;
    if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) throw new Error("index");
    const configuration = fromHex(file.configuration);
    return { uuid: fromHex(file.uuid), index, term, configuration };
  } catch (cause) {
    const message = `${path} does not say which state was being installed`;
    throw new LedgerError("DATA_DIR_INVALID", message, { cause, details: { file: path } });
  }
}

/** Ends a switch that was cut off: the log learns of the state that is there, or nothing happened. */
export async function finishSwitch(
  begun: StateSwitch,
  stateUuid: Uint8Array,
  group: GroupId,
  deps: {
    readonly disk: Disk;
    readonly wal: Wal;
    readonly directory: string;
    readonly onAlarm: (alarm: string) => void;
  },
): Promise<void> {
  const { disk, wal, directory, onAlarm } = deps;
  if (equalBytes(begun.uuid, stateUuid)) {
    if (wal.group(group) === undefined) {
      await wal.append([{ kind: "group", group, action: "create" }]);
    }
    const log = wal.group(group)!;
    const isCovered = begun.index + 1 < log.firstIndex || log.term(begun.index) === begun.term;
    const isKnown = log.snapshot !== undefined && equalBytes(log.snapshot.uuid, begun.uuid);
    if (!isKnown && !isCovered) await wal.append(recordsOf(begun, group, log.hardState));
  }
  await endSwitch(disk, directory, onAlarm);
}

/** A log never has an entry of a later term than its hard state; whoever has no vote in it may vote. */
function recordsOf(
  begun: StateSwitch,
  group: GroupId,
  { term }: { readonly term: number },
): WalRecord[] {
  const record = snapshotRecord(group, begun);
  if (term >= begun.term) return [record];
  return [{ kind: "hard-state", group, term: begun.term, vote: undefined }, record];
}
