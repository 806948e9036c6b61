/**
 * What the records of the log mean together: the same code for records being appended and for records being
 * read back, so that what was accepted once is accepted again at recovery.
 *
 *   INV-LOGSTATE-1  An entry follows the last entry of its group; a truncation goes behind what is known committed
 *                and released; anything else is refused before it is written, and is damage when it is read.
 *   INV-LOGSTATE-2  A group's term never falls, and its vote never changes within a term (Raft 5.2; etcd 9d2a465).
 *   INV-LOGSTATE-3  A log read from its first record needs no carried record; a log whose beginning was released
 *                must carry every group that it mentions.
 *
 * Source: raft.md, "Log and page store; many groups": state per group, never one for all.
 */
import { assertNever, type GroupId } from "@authledger/types";
import {
  type AnyRecord,
  CARRIED_RECORD_BYTES,
  type CarriedRecord,
  type CommitHintRecord,
  type EntryRecord,
  type GroupRecord,
  type HardStateRecord,
  LOG_RECORD_BYTES,
  type LogRecord,
  SIGNED_RECORD_BYTES,
  type SignedRecord,
  type SnapshotInLog,
  type SnapshotRecord,
  type TruncateRecord,
} from "../format/record.js";
import { CONFIGURATION_BYTES_MAX, GROUPS_MAX } from "../limits.js";
import type { Place } from "./entry-places.js";
import { GroupState, type Undo } from "./group-state.js";
import { SignedMarks } from "./signed-marks.js";

/** A change with the way back, or why it is refused. */
export type Applied = Undo | string;

const NOTHING: Undo = () => undefined;

export class LogState {
  readonly groups: Map<GroupId, GroupState> = new Map();
  readonly marks: SignedMarks = new SignedMarks();
  /** Groups whose drop waits for its batch: entries before it still get their places, for an undo. */
  readonly #dropping = new Set<GroupState>();
  /** Segments before this one hold nothing that is needed. */
  firstSegment = 0;
  /** The batch whose loss this node cannot rule out; 0 if none. */
  doubtLsn = 0;
  /** The log is being read and its beginning has been released: groups may be met before they are created. */
  #beginningReleased = false;

  /** Upper bound of the bytes that carry everything but entries forward. */
  get carriedBytesMax(): number {
    const group = CARRIED_RECORD_BYTES + CONFIGURATION_BYTES_MAX;
    return this.groups.size * group + this.marks.count * SIGNED_RECORD_BYTES + LOG_RECORD_BYTES;
  }

  /** Applies a record that is about to be written. Entries are taken back with `GroupState.pop`. */
  apply(record: AnyRecord): Applied {
    return record.kind === "entry" ? this.#push(record) : this.#applyOther(record, undefined);
  }

  /** What a snapshot that is about to be applied does to the log before it. */
  resolveSnapshot(record: SnapshotRecord): SnapshotInLog {
    const group = this.groups.get(record.group);
    const covered = group !== undefined && record.index <= group.base;
    const agrees = covered || group?.termAt(record.index) === record.term;
    return { ...record, restarts: !agrees };
  }

  /** The record got its place. */
  place(record: AnyRecord, place: Place): void {
    if (record.kind === "signed") this.marks.place(record, place.segment);
    if (record.kind === "group" && record.action === "drop") this.#endDrop(record.group);
    if (record.kind !== "entry") return;
    this.groups.get(record.group)?.place(record, place);
    for (const group of this.#dropping) {
      if (group.id === record.group) group.place(record, place);
    }
  }

  /** A drop is in the log: the oldest of its group that waits. */
  #endDrop(id: GroupId): void {
    for (const group of this.#dropping) {
      if (group.id !== id) continue;
      this.#dropping.delete(group);
      return;
    }
  }

  // -- reading a log back ----------------------------------------------------------------------------

  beginReading(beginningReleased: boolean): void {
    this.#beginningReleased = beginningReleased;
  }

  /** An entry read from disk. Returns what is wrong with it, if anything. */
  loadEntry(
    entry: { readonly group: GroupId; readonly index: number; readonly term: number },
    place: Place,
    length: number,
  ): string | undefined {
    const group = this.#mention(entry.group);
    if (group === undefined) return `is of the unknown group ${entry.group}`;
    if (isUnknown(group)) group.restart(entry.index - 1, 0);
    const wrong = entryProblem(group, entry.index, entry.term);
    if (wrong === undefined) group.load(entry.term, place, length);
    return wrong;
  }

  /** Any other record read from disk. */
  loadOther(record: Exclude<AnyRecord, EntryRecord>, segment: number): string | undefined {
    const applied = this.#applyOther(record, segment);
    return typeof applied === "string" ? applied : undefined;
  }

  /** What is still missing after the last record. */
  endReading(): string | undefined {
    this.#beginningReleased = false;
    for (const group of this.groups.values()) {
      if (!group.created || !group.anchored) return `the beginning of group ${group.id} is missing`;
      group.markDurable();
    }
    return undefined;
  }

  // -- records ---------------------------------------------------------------------------------------

  #push(record: EntryRecord): Applied {
    const group = this.groups.get(record.group);
    if (group === undefined) return `is of the unknown group ${record.group}`;
    const wrong = entryProblem(group, record.index, record.term);
    if (wrong !== undefined) return wrong;
    group.push(record);
    return NOTHING;
  }

  #applyOther(record: Exclude<AnyRecord, EntryRecord>, segment: number | undefined): Applied {
    switch (record.kind) {
      case "group":
        return record.action === "create" ? this.#create(record) : this.#drop(record, segment);
      case "carried":
        return this.#carried(record);
      case "log":
        return this.#setLog(record);
      case "recovered":
        return this.#setDoubt(0);
      default:
        return this.#applyToGroup(record, segment);
    }
  }

  #applyToGroup(
    record: HardStateRecord | TruncateRecord | SnapshotInLog | CommitHintRecord | SignedRecord,
    segment: number | undefined,
  ): Applied {
    const group = this.#mention(record.group);
    if (group === undefined) return `is of the unknown group ${record.group}`;
    switch (record.kind) {
      case "hard-state":
        return setHardState(group, record);
      case "truncate":
        return truncate(group, record);
      case "snapshot":
        return installSnapshot(group, record);
      case "commit-hint":
        return hintCommit(group, record.index);
      case "signed":
        return this.#sign(record, segment);
      default:
        return assertNever(record, "record kind");
    }
  }

  /** The group, if it may be mentioned here. */
  #mention(id: GroupId): GroupState | undefined {
    const known = this.groups.get(id);
    if (known !== undefined || !this.#beginningReleased) return known;
    const group = new GroupState(id);
    group.anchored = false;
    this.groups.set(id, group);
    return group;
  }

  #create(record: GroupRecord): Applied {
    if (this.groups.has(record.group)) return `creates group ${record.group}, which is there`;
    if (this.groups.size >= GROUPS_MAX) return `is one group more than ${GROUPS_MAX}`;
    const group = new GroupState(record.group);
    group.created = true;
    this.groups.set(record.group, group);
    return () => void this.groups.delete(record.group);
  }

  #drop(record: GroupRecord, segment: number | undefined): Applied {
    const group = this.#mention(record.group);
    if (group === undefined) return `drops group ${record.group}, which is unknown`;
    const undoMarks = this.marks.drop(record.group);
    this.groups.delete(record.group);
    if (segment === undefined) this.#dropping.add(group);
    return () => {
      this.#dropping.delete(group);
      this.groups.set(record.group, group);
      undoMarks();
    };
  }

  #carried(record: CarriedRecord): Applied {
    const group = this.#mention(record.group);
    if (group === undefined) return `carries group ${record.group}, which is unknown`;
    const wrong = carryProblem(group, record);
    if (wrong !== undefined) return wrong;
    anchor(group, record);
    group.created = true;
    group.hardState = { term: record.term, vote: record.vote };
    group.commitHint = Math.max(group.commitHint, record.commitHint);
    return NOTHING;
  }

  #setLog(record: LogRecord): Applied {
    const before = this.firstSegment;
    if (record.firstSegment < before) return `moves the log's beginning back to ${before}`;
    this.firstSegment = record.firstSegment;
    const undoDoubt = this.#setDoubt(record.doubtLsn);
    return () => {
      this.firstSegment = before;
      undoDoubt();
    };
  }

  #setDoubt(lsn: number): Undo {
    const before = this.doubtLsn;
    this.doubtLsn = lsn;
    return () => {
      this.doubtLsn = before;
    };
  }

  #sign(record: SignedRecord, segment: number | undefined): Applied {
    const mark = this.marks.get(record.group, record.vault);
    if (mark !== undefined && record.size < mark.size) {
      return `lowers the signature mark of vault ${record.vault} from ${mark.size} to ${record.size}`;
    }
    // Not of what is read: logs of before this was looked at may hold times that went back.
    if (mark !== undefined && segment === undefined && record.timeMs < mark.timeMs) {
      return `sets the signature mark of vault ${record.vault} back from ${mark.timeMs} to ${record.timeMs}`;
    }
    return this.marks.set(record, segment);
  }
}

function entryProblem(group: GroupState, index: number, term: number): string | undefined {
  if (index !== group.last + 1) {
    return `is entry ${index} of group ${group.id}, whose last is ${group.last}`;
  }
  if (term >= group.lastTerm) return undefined;
  return `is entry ${index} of term ${term} behind term ${group.lastTerm}, group ${group.id}`;
}

function setHardState(group: GroupState, record: HardStateRecord): Applied {
  const before = group.hardState;
  if (record.term < before.term) {
    return `lowers the term of group ${group.id} from ${before.term} to ${record.term}`;
  }
  const sameTerm = record.term === before.term;
  if (sameTerm && before.vote !== undefined && record.vote !== before.vote) {
    return `changes the vote of group ${group.id} within term ${record.term}`;
  }
  group.hardState = { term: record.term, vote: record.vote };
  return () => {
    group.hardState = before;
  };
}

function truncate(group: GroupState, record: TruncateRecord): Applied {
  const { from } = record;
  if (!group.anchored && (from <= group.base + 1 || isUnknown(group))) {
    group.restart(from - 1, 0);
    return NOTHING;
  }
  if (from <= group.base || from > group.last + 1) {
    return `truncates group ${group.id} from ${from}, outside (${group.base}, ${group.last}]`;
  }
  if (from <= group.commitHint) {
    return `truncates group ${group.id} from ${from}, which is committed (${group.commitHint})`;
  }
  return group.truncate(from);
}

function hintCommit(group: GroupState, index: number): Applied {
  if (group.anchored && index > group.last) {
    return `commits ${index} of group ${group.id}, whose last is ${group.last}`;
  }
  const before = group.commitHint;
  group.commitHint = Math.max(before, index);
  return () => group.unhint(before);
}

/** Keeps the entries behind the snapshot where the log agrees with it, else starts the log anew behind it. */
function installSnapshot(group: GroupState, record: SnapshotInLog): Applied {
  const { snapshot: before, commitHint } = group;
  if (before !== undefined && record.index < before.index) {
    return `installs snapshot ${record.index} of group ${group.id} over ${before.index}`;
  }
  const undoRestart = record.restarts ? group.restart(record.index, record.term) : NOTHING;
  if (record.restarts) group.anchored = true;
  group.snapshot = record;
  group.commitHint = Math.max(commitHint, record.index);
  return () => {
    group.snapshot = before;
    group.commitHint = commitHint;
    undoRestart();
  };
}

/** Has nothing been read that tells where the group's log ends? */
function isUnknown(group: GroupState): boolean {
  return !group.anchored && group.last === 0;
}

/**
 * Takes a carried record for the group's beginning, where it names one that is in the log. An older one may name
 * entries that were released since: then a later one names the beginning.
 */
function anchor(group: GroupState, record: CarriedRecord): void {
  if (isUnknown(group)) {
    group.restart(record.last, record.lastTerm);
    group.anchored = record.base === record.last;
  } else if (record.base > group.base || (record.base === group.base && !group.anchored)) {
    group.release(record.base, record.baseTerm);
  }
}

/** A carried record repeats what its place in the log implies: a check of everything read so far. */
function carryProblem(group: GroupState, record: CarriedRecord): string | undefined {
  const facts = `group ${group.id} (${record.base}, ${record.last}] of term ${record.lastTerm}`;
  if (record.base > record.last) return `carries the impossible ${facts}`;
  if (isUnknown(group)) return undefined;
  if (record.last !== group.last) return `carries ${facts}, whose last is ${group.last}`;
  if (group.last > group.base && record.lastTerm !== group.lastTerm) {
    return `carries ${facts}, whose term is ${group.lastTerm}`;
  }
  if (!group.anchored) return undefined;
  if (record.base < group.base) return `carries ${facts}, which begins behind ${group.base}`;
  const term = group.termAt(record.base);
  if (term === undefined || term === record.baseTerm) return undefined;
  return `carries ${facts}, where ${record.base} is of term ${term} and not ${record.baseTerm}`;
}
