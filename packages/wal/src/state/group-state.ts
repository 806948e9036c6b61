/**
 * The log of one group in memory: which entries there are, of which term, where they lie, and what else is
 * durable about the group. Payloads are on disk; only those that wait for their batch are held here.
 *
 *   INV-LOGGROUP-1  base <= placed <= last: entries in (base, placed] have a place on disk, those in (placed, last]
 *                wait for their batch.
 *   INV-LOGGROUP-2  Terms never fall along the log.
 *   INV-LOGGROUP-3  durableIndex is about the entries that are in the log now: a truncation lowers it at once, and
 *                a sync of entries that were truncated meanwhile does not raise it (etcd's and openraft's ABA).
 *
 * Every change of what was appended returns how to take it back, for appends that a full disk refuses before
 * anything was written. Not here: which records may follow which (log-state.ts), reading (log-reader.ts).
 */
import { assert, type GroupId, type NodeId } from "@authledger/types";
import type { EntryRecord, SnapshotRecord } from "../format/record.js";
import { EntryPlaces, type Place } from "./entry-places.js";
import { IndexRuns } from "./index-runs.js";

export interface HardState {
  readonly term: number;
  readonly vote: NodeId | undefined;
}

/** Takes one change back. */
export type Undo = () => void;

export class GroupState {
  readonly id: GroupId;
  hardState: HardState = { term: 0, vote: undefined };
  commitHint = 0;
  /** What the owner has acted on: it is not taken back with an append that told it too. */
  #commitKnown = 0;
  snapshot: SnapshotRecord | undefined;
  /** Highest index of the present log that is known synced. */
  durableIndex = 0;
  /** Has a create or carried record been seen? While the log's beginning is being read it may come later. */
  created = false;
  /** Is `base` known? Else the log's beginning has been released and a carried record will name it. */
  anchored = true;
  #base = 0;
  #baseTerm = 0;
  #last = 0;
  #terms = new IndexRuns();
  #places = new EntryPlaces(1);
  /** Entries in (placed, last]; the first `#taken` slots are free again. */
  #waiting: (EntryRecord | undefined)[] = [];
  #taken = 0;
  /** Places of entries that were truncated before their batch was composed, until nothing waits. */
  #superseded = new Map<EntryRecord, Place>();

  constructor(id: GroupId) {
    this.id = id;
  }

  /** Last index that is no longer held: released, or covered by a snapshot. */
  get base(): number {
    return this.#base;
  }

  /** The owner acts on it. */
  knowCommit(index: number): void {
    this.#commitKnown = Math.max(this.#commitKnown, index);
  }

  /** Takes a hint back that came with an append. */
  unhint(before: number): void {
    this.commitHint = Math.max(before, this.#commitKnown);
  }

  get baseTerm(): number {
    return this.#baseTerm;
  }

  get last(): number {
    return this.#last;
  }

  get lastTerm(): number {
    return this.#terms.last ?? this.#baseTerm;
  }

  /** Highest index with a place on disk. */
  get placed(): number {
    return this.#places.last;
  }

  get oldestSegment(): number | undefined {
    return this.#places.oldestSegment;
  }

  get memoryBytes(): number {
    return this.#places.memoryBytes;
  }

  /** The term of the entry at `index`; undefined where the log does not know it. */
  termAt(index: number): number | undefined {
    if (index === this.#base && this.anchored) return this.#baseTerm;
    if (index <= this.#base || index > this.#last) return undefined;
    return this.#terms.valueAt(index);
  }

  /** The waiting record of an index above `placed`. */
  waiting(index: number): EntryRecord {
    const record = this.#waiting[this.#taken + index - this.placed - 1];
    assert(record !== undefined, "INV-LOGGROUP-1: an entry without a place waits", { index });
    return record;
  }

  placeOf(index: number): ReturnType<EntryPlaces["at"]> {
    return this.#places.at(index);
  }

  /** Bytes of the payload of an entry that is held. */
  payloadBytes(index: number): number {
    if (index > this.placed) return this.waiting(index).payload.length;
    return this.#places.lengthAt(index);
  }

  // -- what appends do -------------------------------------------------------------------------------

  /** Adds an entry that waits for its batch. */
  push(record: EntryRecord): void {
    this.#last++;
    this.#terms.extend(this.#last, record.term);
    this.#waiting.push(record);
  }

  /** Takes the newest waiting entry back. */
  pop(): void {
    assert(this.#last > this.placed, "only an entry without a place is taken back");
    this.#waiting.pop();
    this.#terms.cut(this.#last);
    this.#last--;
    this.#resetIfNoneWaits();
  }

  /** Adds an entry that is on disk. */
  load(term: number, place: Place, length: number): void {
    assert(this.placed === this.#last, "nothing waits while a log is read");
    this.#last++;
    this.#terms.extend(this.#last, term);
    this.#places.push({ ...place, length });
  }

  /** The entry got its place. Of entries that were truncated meanwhile the place is kept for an undo. */
  place(record: EntryRecord, place: Place): void {
    const isNext = record.index === this.placed + 1;
    if (!isNext || this.#waiting[this.#taken] !== record) {
      this.#superseded.set(record, place);
      return;
    }
    this.#places.push({ ...place, length: record.payload.length });
    this.#waiting[this.#taken++] = undefined;
    this.#resetIfNoneWaits();
  }

  truncate(from: number): Undo {
    const terms: number[] = [];
    for (let index = from; index <= this.#last; index++) terms.push(this.termAt(index)!);
    const keep = Math.max(0, from - this.placed - 1);
    const waiting = this.#waiting.splice(this.#taken + keep);
    const places = from <= this.placed ? this.#places.cut(from) : [];
    this.#terms.cut(from);
    this.#last = from - 1;
    this.durableIndex = Math.min(this.durableIndex, this.#last);
    return () => {
      for (const place of places) this.#places.push(place);
      this.#waiting.push(...waiting);
      for (const term of terms) this.#terms.extend(++this.#last, term);
      this.#placeSuperseded();
    };
  }

  /** The log becomes what follows `index`, of which nothing is there yet. */
  restart(index: number, term: number): Undo {
    const before = {
      base: this.#base,
      baseTerm: this.#baseTerm,
      last: this.#last,
      terms: this.#terms,
      places: this.#places,
      waiting: this.#waiting,
      taken: this.#taken,
    };
    this.durableIndex = Math.min(this.durableIndex, before.base);
    this.#base = index;
    this.#baseTerm = term;
    this.#last = index;
    this.#terms = new IndexRuns();
    this.#places = new EntryPlaces(index + 1);
    this.#waiting = [];
    this.#taken = 0;
    return () => {
      this.#base = before.base;
      this.#baseTerm = before.baseTerm;
      this.#last = before.last;
      this.#terms = before.terms;
      this.#places = before.places;
      this.#waiting = before.waiting;
      this.#taken = before.taken;
      this.#placeSuperseded();
    };
  }

  // -- what happens to the log afterwards ------------------------------------------------------------

  /** Entries up to `through`, which must have places, are no longer needed. */
  release(through: number, term: number): void {
    assert(
      through >= this.#base && through <= this.placed,
      "INV-LOGGROUP-1: only placed entries go",
      {
        through,
      },
    );
    this.#places.release(through);
    this.#terms.release(through);
    if (through === this.#last) this.#terms = new IndexRuns();
    this.#base = through;
    this.#baseTerm = term;
    this.anchored = true;
  }

  /** Everything that has a place is synced. */
  markDurable(): void {
    this.durableIndex = this.placed;
    if (this.placed === this.#last) this.#superseded.clear();
  }

  relocate(segment: number, move: (place: Place) => Place | undefined): void {
    this.#places.relocate(segment, move);
  }

  /** After an undo: entries that were written although they had been truncated have places after all. */
  #placeSuperseded(): void {
    for (;;) {
      const record = this.#waiting[this.#taken];
      const place = record === undefined ? undefined : this.#superseded.get(record);
      if (record === undefined || place === undefined) return;
      this.place(record, place);
    }
  }

  #resetIfNoneWaits(): void {
    if (this.#taken < this.#waiting.length) return;
    this.#waiting = [];
    this.#taken = 0;
  }
}
