/**
 * The log of one group as its owner sees it. What was appended is seen at once; `durableIndex` says how far it is
 * synced. Reads are synchronous.
 */
import { assert, type GroupId } from "@authledger/types";
import type { SnapshotRecord } from "./format/record.js";
import type { LogReader } from "./segments/log-reader.js";
import type { GroupState, HardState } from "./state/group-state.js";

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  /** A copy, or the very bytes that were appended. */
  readonly payload: Uint8Array;
}

export class GroupLog {
  readonly #state: GroupState;
  readonly #reader: LogReader;

  constructor(state: GroupState, reader: LogReader) {
    this.#state = state;
    this.#reader = reader;
  }

  get id(): GroupId {
    return this.#state.id;
  }

  get hardState(): HardState {
    return this.#state.hardState;
  }

  /** The newest snapshot record, if there was one. */
  get snapshot(): SnapshotRecord | undefined {
    return this.#state.snapshot;
  }

  /** Index of the oldest entry that is there; `lastIndex + 1` when there is none. */
  get firstIndex(): number {
    return this.#state.base + 1;
  }

  /** Index of the newest entry, durable or not; `firstIndex - 1` when there is none. */
  get lastIndex(): number {
    return this.#state.last;
  }

  get lastTerm(): number {
    return this.#state.lastTerm;
  }

  /** Every entry up to here that is in the log now is synced. Falls when the log is truncated. */
  get durableIndex(): number {
    return this.#state.durableIndex;
  }

  /** Entries up to here were known committed at some time; there may be more. */
  get commitHint(): number {
    return this.#state.commitHint;
  }

  /**
   * The term of an entry, also of the one before `firstIndex`; undefined where the log does not know it. Never 0
   * for a missing one (museum row 19).
   */
  term(index: number): number | undefined {
    return this.#state.termAt(index);
  }

  /**
   * The entry at `index`, undefined outside `[firstIndex, lastIndex]`.
   * @throws LedgerError WAL_CORRUPT, IO_READ_FAILED
   */
  entry(index: number): LogEntry | undefined {
    const state = this.#state;
    if (index <= state.base || index > state.last) return undefined;
    const term = state.termAt(index)!;
    if (index > state.placed) return { index, term, payload: state.waiting(index).payload };
    const expected = { group: state.id, index, term };
    return { index, term, payload: this.#reader.payload(state.placeOf(index), expected) };
  }

  /** Bytes of the payload of an entry of `[firstIndex, lastIndex]`. */
  payloadBytes(index: number): number {
    return this.#state.payloadBytes(index);
  }

  /**
   * The entries of `[from, to)`, at least one and then as many as `bytesMax` of payload allow.
   * @throws LedgerError WAL_CORRUPT, IO_READ_FAILED; AssertionError for a range that is not in the log
   */
  entries(from: number, to: number, bytesMax: number): LogEntry[] {
    const { base, last } = this.#state;
    assert(from > base && to <= last + 1, "the range is in the log", { from, to, base, last });
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let index = from; index < to; index++) {
      bytes += this.#state.payloadBytes(index);
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(this.entry(index)!);
    }
    return entries;
  }
}
