/**
 * The newest signature mark of each vault, and the segment that holds its record.
 *
 *   INV-MARKS-1  A mark that is in the log knows its segment, also where a newer mark or the drop of its group was
 *                queued before it got its place: when a full disk takes those back, it is the newest again and must
 *                be carried forward before its segment goes.
 */
import type { GroupId, VaultId } from "@authledger/types";
import type { SignedRecord } from "../format/record.js";
import type { Undo } from "./group-state.js";

interface Mark {
  readonly record: SignedRecord;
  /** Segment of the record; undefined while it waits for its batch. */
  segment: number | undefined;
}

export class SignedMarks {
  readonly #byGroup = new Map<GroupId, Map<VaultId, Mark>>();
  /** Marks whose record waits for its batch; several may wait for one vault. */
  readonly #waiting = new Map<SignedRecord, Mark>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(group: GroupId, vault: VaultId): SignedRecord | undefined {
    return this.#byGroup.get(group)?.get(vault)?.record;
  }

  set(record: SignedRecord, segment: number | undefined): Undo {
    const { group, vault } = record;
    const marks = this.#byGroup.get(group) ?? new Map<VaultId, Mark>();
    this.#byGroup.set(group, marks);
    const before = marks.get(vault);
    const mark = this.#waiting.get(record) ?? { record, segment };
    marks.set(vault, mark);
    if (segment === undefined) this.#waiting.set(record, mark);
    if (before === undefined) this.#count++;
    return () => {
      this.#waiting.delete(record);
      if (before !== undefined) marks.set(vault, before);
      else if (marks.delete(vault)) this.#count--;
    };
  }

  /** The record got its place. */
  place(record: SignedRecord, segment: number): void {
    const mark = this.#waiting.get(record);
    if (mark === undefined) return;
    mark.segment = segment;
    this.#waiting.delete(record);
  }

  /** Forgets the marks of a dropped group. */
  drop(group: GroupId): Undo {
    const marks = this.#byGroup.get(group);
    if (marks === undefined) return () => undefined;
    this.#byGroup.delete(group);
    this.#count -= marks.size;
    return () => {
      this.#byGroup.set(group, marks);
      this.#count += marks.size;
    };
  }

  /** Marks in segments from `from` on now lie in `to`. */
  relocate(from: number, to: number): void {
    for (const marks of this.#byGroup.values()) {
      for (const mark of marks.values()) {
        if (mark.segment !== undefined && mark.segment >= from) mark.segment = to;
      }
    }
  }

  /** The marks whose only record lies before segment `seq`. */
  *before(seq: number): Generator<SignedRecord> {
    for (const marks of this.#byGroup.values()) {
      for (const { record, segment } of marks.values()) {
        if (segment !== undefined && segment < seq) yield record;
      }
    }
  }

  *all(): Generator<SignedRecord> {
    for (const marks of this.#byGroup.values()) {
      for (const mark of marks.values()) yield mark.record;
    }
  }
}
