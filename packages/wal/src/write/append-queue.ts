/**
 * Appends that wait for their batch, in order.
 *
 *   INV-QUEUE-1  The records of one append are in one batch, together and in order.
 *   INV-QUEUE-2  What an append changes is seen at once; an append that fails before it was written leaves no
 *                trace of itself or of those behind it, which may build on it.
 */
import { assert, LedgerError } from "@authledger/types";
import type { AnyRecord, SnapshotRecord } from "../format/record.js";
import { BATCH_RECORDS_MAX, QUEUE_BYTES_MAX } from "../limits.js";
import type { GroupState, Undo } from "../state/group-state.js";
import type { LogState } from "../state/log-state.js";

/** Records carried forward by the log itself may use the reserve of a segment; appends may not. */
export type AppendSource = "caller" | "carry";

export interface Unit {
  readonly records: readonly AnyRecord[];
  readonly bytes: number;
  readonly source: AppendSource;
  /** For the records that are no entries, in order. */
  readonly undos: readonly Undo[];
  readonly resolve: () => void;
  readonly reject: (error: LedgerError) => void;
}

/** The appends of the next batch. */
export interface BatchPick {
  readonly source: AppendSource;
  readonly count: number;
  readonly bytes: number;
  readonly records: number;
}

export class AppendQueue {
  readonly #state: LogState;
  #units: Unit[] = [];
  #bytes = 0;

  constructor(state: LogState) {
    this.#state = state;
  }

  get length(): number {
    return this.#units.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Applies the records and queues them; resolves when they are durable.
   * @throws LedgerError OVERLOADED when the queue is full; AssertionError for records that cannot follow
   */
  push(
    given: readonly (AnyRecord | SnapshotRecord)[],
    bytes: number,
    source: AppendSource,
  ): Promise<void> {
    if (source === "caller" && this.#bytes + bytes > QUEUE_BYTES_MAX) {
      const message = `${this.#bytes} bytes already wait for the log; the limit is ${QUEUE_BYTES_MAX}`;
      throw new LedgerError("OVERLOADED", message);
    }
    const { records, undos } = this.#applyAll(given);
    return new Promise<void>((resolve, reject) => {
      this.#units.push({ records, bytes, source, undos, resolve, reject });
      this.#bytes += bytes;
    });
  }

  /** The appends at the front that fit one batch of `bytesMax`: at least one, all of the same source. */
  pick(bytesMax: number): BatchPick {
    const first = this.#units[0];
    assert(first !== undefined, "something waits");
    let { bytes } = first;
    let records = first.records.length;
    let count = 1;
    for (; count < this.#units.length; count++) {
      const unit = this.#units[count]!;
      if (unit.source !== first.source || bytes + unit.bytes > bytesMax) break;
      if (records + unit.records.length > BATCH_RECORDS_MAX) break;
      bytes += unit.bytes;
      records += unit.records.length;
    }
    return { source: first.source, count, bytes, records };
  }

  /** Takes the first `count` appends out. */
  take(count: number): Unit[] {
    const taken = this.#units.splice(0, count);
    for (const unit of taken) this.#bytes -= unit.bytes;
    return taken;
  }

  /** Fails everything that waits. `keepState` where the log is dead anyway. */
  failAll(error: LedgerError, keepState: boolean): void {
    const failed = this.take(this.#units.length);
    if (!keepState) {
      for (let i = failed.length - 1; i >= 0; i--) this.#takeBack(failed[i]!);
      for (const group of this.#state.groups.values()) group.markDurable();
    }
    for (const unit of failed) unit.reject(error);
  }

  #applyAll(given: readonly (AnyRecord | SnapshotRecord)[]): Pick<Unit, "records" | "undos"> {
    const records: AnyRecord[] = [];
    const undos: Undo[] = [];
    for (const one of given) {
      const record = one.kind === "snapshot" ? this.#state.resolveSnapshot(one) : one;
      const applied = this.#state.apply(record);
      if (typeof applied === "string") {
        this.#undo(records, undos);
        assert(false, `INV-LOGSTATE-1: record ${records.length} of an append ${applied}`);
      }
      records.push(record);
      if (record.kind !== "entry") undos.push(applied);
    }
    return { records, undos };
  }

  #takeBack(unit: Unit): void {
    this.#undo(unit.records, unit.undos);
  }

  #undo(records: readonly AnyRecord[], undos: readonly Undo[]): void {
    let next = undos.length;
    for (let i = records.length - 1; i >= 0; i--) {
      const record = records[i]!;
      if (record.kind === "entry") this.#group(record.group).pop();
      else undos[--next]!();
    }
  }

  #group(id: GroupState["id"]): GroupState {
    const group = this.#state.groups.get(id);
    assert(group !== undefined, "the group of an appended entry is there", { id });
    return group;
  }
}
