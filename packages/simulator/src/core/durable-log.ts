/**
 * The log of one simulated node: what its core sees, and what a crash leaves of it.
 *
 * Batches reach the disk in order. A crash keeps some of those that no sync has covered, from the oldest on: the log
 * is a chain, so behind the first lost or torn batch recovery finds nothing.
 */
import type { Action, Entry, HardState, LogReader, SnapshotMeta } from "@authledger/raft";
import { assert } from "@authledger/types";

/** One `append` action. */
export type Batch = Extract<Action, { kind: "append" }>;

/** What is in a log: on the disk, or as the core sees it. */
export class LogImage {
  /** Index and term of the entry before the first one that is there. */
  offset = 0;
  offsetTerm = 0;
  entries: Entry[] = [];
  hardState: HardState = { term: 0, vote: undefined, commit: 0 };
  /** The snapshot that the log begins with, as far as it came from another node. */
  snapshot: SnapshotMeta | undefined = undefined;

  get lastIndex(): number {
    return this.offset + this.entries.length;
  }

  term(index: number): number | undefined {
    if (index === this.offset) return this.offsetTerm;
    return this.entries[index - this.offset - 1]?.term;
  }

  entry(index: number): Entry | undefined {
    return this.entries[index - this.offset - 1];
  }

  take(batch: Batch): void {
    if (batch.hardState !== undefined) this.hardState = batch.hardState;
    if (batch.snapshot !== undefined) this.#restart(batch.snapshot);
    if (batch.truncateFrom !== undefined) {
      this.entries.length = Math.max(0, batch.truncateFrom - this.offset - 1);
    }
    for (const entry of batch.entries) this.entries.push(entry);
  }

  #restart(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot;
    this.offset = snapshot.index;
    this.offsetTerm = snapshot.term;
    this.entries = [];
  }

  /** Forgets the entries up to an index. */
  compact(to: number): void {
    if (to <= this.offset) return;
    const term = this.term(to);
    assert(term !== undefined, "only entries that are there are compacted", { to });
    this.entries.splice(0, to - this.offset);
    this.offset = to;
    this.offsetTerm = term;
  }

  clone(): LogImage {
    const copy = new LogImage();
    copy.offset = this.offset;
    copy.offsetTerm = this.offsetTerm;
    copy.entries = this.entries.slice();
    copy.hardState = this.hardState;
    copy.snapshot = this.snapshot;
    return copy;
  }
}

export class DurableLog implements LogReader {
  /** As the core sees it. */
  visible: LogImage = new LogImage();
  /** What the next start finds at least. */
  durable: LogImage = new LogImage();
  #pending: Batch[] = [];

  get firstIndex(): number {
    return this.visible.offset + 1;
  }

  get lastIndex(): number {
    return this.visible.lastIndex;
  }

  /** Batches that no sync has covered. */
  get pending(): readonly Batch[] {
    return this.#pending;
  }

  term(index: number): number | undefined {
    return this.visible.term(index);
  }

  entries(from: number, to: number, bytesMax: number): readonly Entry[] {
    const { entries, offset } = this.visible;
    assert(from > offset && to <= offset + entries.length + 1, "asked for what is not there", {
      from,
      to,
    });
    let bytes = 0;
    let end = from;
    while (end < to) {
      bytes += entries[end - offset - 1]!.payload.length;
      if (bytes > bytesMax && end > from) break;
      end++;
    }
    return entries.slice(from - offset - 1, end - offset - 1);
  }

  take(batch: Batch): void {
    this.visible.take(batch);
    this.#pending.push(batch);
  }

  /** A sync of the first `count` batches has ended. */
  synced(count: number): Batch[] {
    const batches = this.#pending.splice(0, count);
    for (const batch of batches) this.durable.take(batch);
    return batches;
  }

  /** Power is lost; of the pending batches the oldest `kept` are found by the next start. */
  crash(kept: number): Batch[] {
    const found = this.synced(kept);
    this.#pending = [];
    this.visible = this.durable.clone();
    return found;
  }

  /** Begins as a log whose entries up to `index` were cut. */
  found(index: number, term: number): void {
    for (const image of [this.visible, this.durable]) {
      image.offset = index;
      image.offsetTerm = term;
      image.hardState = { term, vote: undefined, commit: index };
    }
  }

  compact(to: number): void {
    this.visible.compact(to);
    this.durable.compact(Math.min(to, this.durable.lastIndex));
  }

  clone(): DurableLog {
    const copy = new DurableLog();
    copy.visible = this.visible.clone();
    copy.durable = this.durable.clone();
    copy.#pending = this.#pending.slice();
    return copy;
  }
}
