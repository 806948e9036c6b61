/** A log in memory, as an owner of the core keeps it. */
import type { Entry, LogReader, SnapshotMeta } from "@authledger/raft";

export class MemoryLog implements LogReader {
  #first: number;
  #entries: Entry[];
  #baseTerm: number;

  constructor(first = 1, baseTerm = 0, entries: readonly Entry[] = []) {
    this.#first = first;
    this.#baseTerm = baseTerm;
    this.#entries = [...entries];
  }

  get firstIndex(): number {
    return this.#first;
  }

  get lastIndex(): number {
    return this.#first + this.#entries.length - 1;
  }

  get all(): readonly Entry[] {
    return this.#entries;
  }

  term(index: number): number | undefined {
    if (index === this.#first - 1) return this.#baseTerm;
    return this.#entries[index - this.#first]?.term;
  }

  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    const taken: Entry[] = [];
    let bytes = 0;
    for (let index = from; index < to; index++) {
      const entry = this.#entries[index - this.#first];
      if (entry === undefined) throw new Error(`the log has no entry ${index}`);
      bytes += entry.payload.length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(entry);
    }
    return taken;
  }

  truncate(from: number): void {
    this.#entries.length = Math.min(this.#entries.length, from - this.#first);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1) throw new Error(`a gap before entry ${entry.index}`);
      this.#entries.push(entry);
    }
  }

  /** Forgets everything up to `index`. */
  compact(index: number): void {
    const term = this.term(index);
    if (term === undefined) throw new Error(`the log has no entry ${index}`);
    this.#entries.splice(0, index - this.#first + 1);
    this.#first = index + 1;
    this.#baseTerm = term;
  }

  restore({ index, term }: SnapshotMeta): void {
    this.#entries = [];
    this.#first = index + 1;
    this.#baseTerm = term;
  }

  clone(): MemoryLog {
    return new MemoryLog(this.#first, this.#baseTerm, this.#entries);
  }
}
