/**
 * The log of a group as the core reads it: what the write-ahead log has taken, synced or not. Beside it the payloads that
 * wait to be applied, so that an entry is not read back from the disk a moment after it went there.
 */
import { type Entry, isConfigurationChange, type LogReader } from "@authledger/raft";
import type { GroupLog } from "@authledger/wal";
import { RECENT_BYTES_MAX } from "./cluster-limits.js";

/** Payload bytes that are read at once in search of a change. */
const SCAN_BYTES = 1024 * 1024;

export class CoreLog implements LogReader {
  readonly #log: GroupLog;
  readonly #recent = new Map<number, Entry>();
  #recentBytes = 0;
  #newestChange = 0;

  constructor(log: GroupLog) {
    this.#log = log;
  }

  get firstIndex(): number {
    return this.#log.firstIndex;
  }

  get lastIndex(): number {
    return this.#log.lastIndex;
  }

  /** No change of the configuration that was noted lies behind this index. */
  get newestChange(): number {
    return this.#newestChange;
  }

  term(index: number): number | undefined {
    return this.#log.term(index);
  }

  /** @throws LedgerError WAL_CORRUPT, IO_READ_FAILED */
  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    return this.#log.entries(from, to, bytesMax);
  }

  /** The index of the first change of the configuration from here on. @throws LedgerError WAL_CORRUPT, IO_READ_FAILED */
  nextChange(from: number): number | undefined {
    for (let index = from; index <= this.lastIndex; ) {
      const entries = this.entries(index, this.lastIndex + 1, SCAN_BYTES);
      const change = entries.find(({ payload }) => isConfigurationChange(payload));
      if (change !== undefined) return change.index;
      index += entries.length;
    }
    return undefined;
  }

  /** Notes entries that were appended. Beyond a bound they are read from the log when their turn comes. */
  note(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { index, payload } = entry;
      this.#forget(index);
      if (isConfigurationChange(payload)) this.#newestChange = index;
      if (this.#recentBytes + payload.length > RECENT_BYTES_MAX) continue;
      this.#recent.set(index, entry);
      this.#recentBytes += payload.length;
    }
  }

  /** Entries from here on are gone. */
  truncate(from: number): void {
    for (const index of [...this.#recent.keys()]) if (index >= from) this.#forget(index);
    this.#newestChange = Math.min(this.#newestChange, from - 1);
  }

  /** Bytes of the payload of an entry of the log. */
  payloadBytes(index: number): number {
    return this.#log.payloadBytes(index);
  }

  /** A committed entry, which nobody asks for again here. @throws LedgerError WAL_CORRUPT, IO_READ_FAILED */
  take(index: number): Entry {
    const recent = this.#recent.get(index);
    if (recent === undefined) return this.#log.entries(index, index + 1, 0)[0]!;
    this.#forget(index);
    return recent;
  }

  clear(): void {
    this.#recent.clear();
    this.#recentBytes = 0;
    this.#newestChange = 0;
  }

  #forget(index: number): void {
    const recent = this.#recent.get(index);
    if (recent === undefined) return;
    this.#recent.delete(index);
    this.#recentBytes -= recent.payload.length;
  }
}
