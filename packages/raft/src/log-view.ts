/**
 * The log as the core sees it: what its owner keeps (`LogReader`), and in memory the tail that is not durable or not
 * handed out for applying.
 *
 *   INV-RAFT-1  Nothing at or below the commit index is ever cut off (Raft 5.3, museum rows 8 and 9).
 *   INV-RAFT-2  An entry counts as durable only through the append that wrote it. An append whose entries were cut off
 *               since says nothing of what replaced them, even where that is the same entry again (museum row 24).
 */
import { assert } from "@authledger/types";
import type { Entry, LogReader, SnapshotMeta } from "./log.js";

/** An append that is on its way to the disk. */
interface Pending {
  readonly append: number;
  /** The last entry of it that still is in the log; lower than its first when all of them are gone. */
  to: number;
  readonly snapshot: SnapshotMeta | undefined;
}

/** Entries handed out for applying, and not applied. */
interface Page {
  readonly to: number;
  readonly bytes: number;
}

export class LogView {
  readonly #reader: LogReader;
  #tail: Entry[] = [];
  /** Index of the first entry of the tail. */
  #tailFrom: number;
  #durable: number;
  #commit: number;
  #handed: number;
  #applied: number;
  #pending: Pending[] = [];
  #pages: Page[] = [];
  #handedBytes = 0;
  /** Received, and not durable: the owner's log does not begin behind it yet. */
  #snapshot: SnapshotMeta | undefined;

  constructor(reader: LogReader, commit: number, applied: number) {
    this.#reader = reader;
    this.#tailFrom = reader.lastIndex + 1;
    this.#durable = reader.lastIndex;
    this.#commit = commit;
    this.#handed = applied;
    this.#applied = applied;
  }

  get firstIndex(): number {
    return this.#snapshot === undefined ? this.#reader.firstIndex : this.#snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.#tailFrom + this.#tail.length - 1;
  }

  get lastTerm(): number {
    const term = this.term(this.lastIndex);
    assert(term !== undefined, "the term of the last entry is known", { index: this.lastIndex });
    return term;
  }

  /** Everything up to here is on this node's disk. */
  get durable(): number {
    return this.#durable;
  }

  get commit(): number {
    return this.#commit;
  }

  get handed(): number {
    return this.#handed;
  }

  get applied(): number {
    return this.#applied;
  }

  get hasPendingSnapshot(): boolean {
    return this.#snapshot !== undefined;
  }

  /** The term of an entry, or of the one before the first; undefined where it is not known (museum row 19). */
  term(index: number): number | undefined {
    if (index >= this.#tailFrom) return this.#tail[index - this.#tailFrom]?.term;
    if (this.#snapshot !== undefined) {
      return index === this.#snapshot.index ? this.#snapshot.term : undefined;
    }
    return this.#reader.term(index);
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends so is at least as complete as this one (Raft 5.4.1). */
  isUpToDate(index: number, term: number): boolean {
    const last = this.lastTerm;
    return term > last || (term === last && index >= this.lastIndex);
  }

  /** Entries of `[from, to)`: one at least, then as many as `bytesMax` allow. In order and without a gap. */
  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    if (from >= to) return [];
    if (from >= this.#tailFrom) return this.#ofTail(from, to, bytesMax);
    const stored = this.#reader.entries(from, Math.min(to, this.#tailFrom), bytesMax);
    const end = from + stored.length;
    assert(stored.length > 0, "the log has the entries it says it has", { from, to });
    const left = bytesMax - payloadBytes(stored);
    if (end < this.#tailFrom || end >= to || left < this.#tail[0]!.payload.length) return stored;
    return stored.concat(this.#ofTail(end, to, left));
  }

  /** Appends behind what is there, which reaches up to the entry before the first of `entries`. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, "entries follow each other", {
        index: entry.index,
        last: this.lastIndex,
      });
      this.#tail.push(entry);
    }
  }

  /** INV-RAFT-1, INV-RAFT-2. Cuts off everything from `index` on. */
  truncate(index: number): void {
    assert(index > this.#commit, "INV-RAFT-1: nothing committed is cut off", {
      index,
      commit: this.#commit,
    });
    this.#durable = Math.min(this.#durable, index - 1);
    for (const pending of this.#pending) pending.to = Math.min(pending.to, index - 1);
    if (index >= this.#tailFrom) {
      this.#tail.length = index - this.#tailFrom;
    } else {
      this.#tail = [];
      this.#tailFrom = index;
    }
  }

  /** The log begins anew behind a snapshot. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#commit, "INV-RAFT-1: a snapshot replaces nothing committed", {
      index: snapshot.index,
      commit: this.#commit,
    });
    this.#snapshot = snapshot;
    this.#tail = [];
    this.#tailFrom = snapshot.index + 1;
    this.#commit = snapshot.index;
    this.#durable = Math.min(this.#durable, snapshot.index);
    for (const pending of this.#pending) pending.to = 0;
  }

  /** What was appended since the last one is on its way to the disk. */
  beginAppend(append: number, snapshot: SnapshotMeta | undefined): void {
    this.#pending.push({ append, to: this.lastIndex, snapshot });
  }

  /** The append of this number and all before it are durable. */
  finishAppend(append: number): void {
    let done = 0;
    for (const pending of this.#pending) {
      if (pending.append > append) break;
      done++;
      if (pending.snapshot !== undefined && pending.snapshot === this.#snapshot) {
        this.#switchTo(pending.snapshot);
      }
      // Behind a snapshot that is on its way nothing else can be durable.
      if (this.#snapshot === undefined) this.#durable = Math.max(this.#durable, pending.to);
    }
    this.#pending.splice(0, done);
    this.#release();
  }

  get hasPendingAppend(): boolean {
    return this.#pending.length > 0;
  }

  commitTo(index: number): void {
    if (index <= this.#commit) return;
    assert(index <= this.lastIndex, "a commit index lies within the log (museum row 6)", {
      index,
      last: this.lastIndex,
    });
    this.#commit = index;
  }

  /** The next entries to apply: committed, durable here, not handed out, and not too many bytes at once. */
  nextToApply(bytesMax: number): { from: number; to: number } | undefined {
    const from = this.#handed + 1;
    const end = Math.min(this.#commit, this.#durable);
    if (from > end || this.#snapshot !== undefined || this.#handedBytes >= bytesMax) {
      return undefined;
    }
    const page = this.#page(from, end, bytesMax - this.#handedBytes);
    this.#handed = page.to;
    this.#handedBytes += page.bytes;
    this.#pages.push(page);
    this.#release();
    return { from, to: page.to };
  }

  appliedTo(index: number): void {
    if (index <= this.#applied) return;
    assert(index <= this.#handed, "only what was handed out is applied", {
      index,
      handed: this.#handed,
    });
    this.#applied = index;
    let done = 0;
    for (const page of this.#pages) {
      if (page.to > index) break;
      this.#handedBytes -= page.bytes;
      done++;
    }
    this.#pages.splice(0, done);
  }

  /** Payload bytes of the entries of `[from, to]` that are in memory. */
  tailBytes(from: number, to: number): number {
    let bytes = 0;
    for (let at = Math.max(0, from - this.#tailFrom); at <= to - this.#tailFrom; at++) {
      bytes += this.#tail[at]!.payload.length;
    }
    return bytes;
  }

  /** The same view of another log with the same content. */
  clone(reader: LogReader): LogView {
    const copy = new LogView(reader, this.#commit, this.#applied);
    copy.#tail = this.#tail.slice();
    copy.#tailFrom = this.#tailFrom;
    copy.#durable = this.#durable;
    copy.#handed = this.#handed;
    copy.#handedBytes = this.#handedBytes;
    copy.#pages = this.#pages.slice();
    copy.#pending = this.#pending.map((pending) => ({ ...pending }));
    copy.#snapshot = this.#snapshot;
    return copy;
  }

  /** What of it decides over the future; appends are counted back from `lastAppend`. */
  fingerprint(lastAppend: number): string {
    const tail = this.#tail.map(({ term, payload }) => `${term}.${payload.length}`);
    const pending = this.#pending.map(({ append, to }) => `${lastAppend - append}.${to}`);
    const pages = this.#pages.map(({ to, bytes }) => `${to}.${bytes}`);
    const indexes = `${this.#durable} ${this.#commit} ${this.#handed} ${this.#applied}`;
    return `${this.#tailFrom};${tail};${pending};${pages};${indexes};${this.#snapshot?.index}`;
  }

  #switchTo(snapshot: SnapshotMeta): void {
    this.#snapshot = undefined;
    this.#durable = snapshot.index;
    this.#handed = snapshot.index;
    this.#applied = snapshot.index;
    this.#pages = [];
    this.#handedBytes = 0;
  }

  #ofTail(from: number, to: number, bytesMax: number): Entry[] {
    const start = from - this.#tailFrom;
    const limit = Math.min(to - this.#tailFrom, this.#tail.length);
    let end = start;
    let bytes = 0;
    while (end < limit) {
      bytes += this.#tail[end]!.payload.length;
      if (end > start && bytes > bytesMax) break;
      end++;
    }
    return this.#tail.slice(start, end);
  }

  #page(from: number, end: number, bytesMax: number): Page {
    const inTail = from >= this.#tailFrom;
    const stored = inTail ? this.#tail : this.#reader.entries(from, end + 1, bytesMax);
    const offset = inTail ? from - this.#tailFrom : 0;
    let bytes = 0;
    let to = from - 1;
    while (to < end && offset + to + 1 - from < stored.length) {
      const size = stored[offset + to + 1 - from]!.payload.length;
      if (to >= from && bytes + size > bytesMax) break;
      bytes += size;
      to++;
    }
    return { to, bytes };
  }

  /** Lets go of what the owner's log has and nobody needs here. */
  #release(): void {
    const keepFrom = Math.min(this.#durable, this.#handed) + 1;
    if (keepFrom <= this.#tailFrom) return;
    this.#tail.splice(0, keepFrom - this.#tailFrom);
    this.#tailFrom = keepFrom;
  }
}

export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.payload.length;
  return bytes;
}
