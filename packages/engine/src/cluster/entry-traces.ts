/**
 * Traced writes in the log of a group: on each node `raft.append` (the log takes the entry and syncs it) and `ledger.apply`, below
 * the leader's `raft.replicate`.
 *
 * The leader tells the others which entry is traced in a frame of its own right before the entry. It may be lost, and a node
 * without a tracer does not listen: then these spans are missing, and nothing else.
 *
 *   INV-TRACE-7  A node follows at most TRACED_ENTRIES_MAX entries with at most TRACES_OF_ENTRY_MAX traces each, and only the very
 *                entry, by index and term; nothing is sent and nothing looked up while none is traced.
 */
import type { Entry } from "@authledger/raft";
import type { GroupId, NodeId } from "@authledger/types";
import type {
  SpanAttributes,
  TraceContext,
  TracedSpan,
  TracedWrite,
  Tracer,
  WriteSpans,
} from "../tracer.js";
import { TRACED_ENTRIES_MAX, TRACES_OF_ENTRY_MAX } from "./cluster-limits.js";
import { decodeTraceFrame, encodeTraceFrame } from "./trace-frames.js";

interface TracedEntry {
  readonly term: number;
  readonly parents: readonly TraceContext[];
  /** Those that wait for it here: none on the nodes that did not propose it. */
  readonly writes: readonly WriteSpans[];
  /** What of it is going on. */
  running: readonly TracedSpan[];
}

export class EntryTraces {
  readonly #tracer: Tracer;
  readonly #about: SpanAttributes;
  readonly #entries = new Map<number, TracedEntry>();
  #tell: ((frame: Uint8Array) => void) | undefined;

  constructor(group: GroupId, node: NodeId, tracer: Tracer) {
    this.#tracer = tracer;
    this.#about = { "authledger.node": String(node), "authledger.group": group };
  }

  /** @param tell hands a frame to all other nodes of the group */
  tellBy(tell: (frame: Uint8Array) => void): void {
    this.#tell = tell;
  }

  /** As leader: an entry with traced writes has its place in the log; it leaves after this. */
  proposed(index: number, term: number, traced: readonly TracedWrite[]): void {
    const replicates = traced.map(({ replicate }) => replicate).filter(isWellFormed);
    const parents = replicates.slice(0, TRACES_OF_ENTRY_MAX);
    this.#add(index, { term, parents, writes: traced.map(({ spans }) => spans), running: [] });
    if (parents.length > 0) this.#tell?.(encodeTraceFrame({ term, index, parents }));
  }

  /** What a leader has told. @throws LedgerError CODEC_DECODE */
  heard(frame: Uint8Array, appliedIndex: number): void {
    const { term, index, parents } = decodeTraceFrame(frame);
    if (index <= appliedIndex || this.#entries.get(index)?.term === term) return;
    this.#add(index, { term, parents, writes: [], running: [] });
  }

  /** The log takes entries. */
  appended(entries: readonly Entry[]): void {
    if (this.#entries.size === 0) return;
    for (const { index, term } of entries) {
      const entry = this.#find(index, term);
      if (entry !== undefined) entry.running = this.#begin("raft.append", entry);
    }
  }

  /** They are on this node's disk. */
  durable(entries: readonly Entry[]): void {
    if (this.#entries.size === 0) return;
    for (const { index, term } of entries) {
      const entry = this.#find(index, term);
      if (entry !== undefined) this.#end(entry, index);
    }
  }

  /** Everything up to an index is committed. */
  committed(through: number): void {
    if (this.#entries.size === 0) return;
    for (const [index, { writes }] of this.#entries) {
      if (index > through) continue;
      for (const write of writes) write.committed(this.#aboutEntry(index));
    }
  }

  applying({ index, term }: Entry): void {
    const entry = this.#find(index, term);
    if (entry === undefined) return;
    for (const write of entry.writes) write.applying();
    if (entry.writes.length === 0) entry.running = this.#begin("ledger.apply", entry);
  }

  applied({ index, term }: Entry): void {
    if (this.#entries.size === 0) return;
    const entry = this.#find(index, term);
    if (entry !== undefined) {
      for (const write of entry.writes) write.applied(this.#aboutEntry(index));
      this.#end(entry, index);
    }
    for (const past of [...this.#entries.keys()]) if (past <= index) this.#entries.delete(past);
  }

  /** Where there are too many, the oldest is not followed any more. */
  #add(index: number, entry: TracedEntry): void {
    this.#entries.delete(index);
    this.#entries.set(index, entry);
    if (this.#entries.size <= TRACED_ENTRIES_MAX) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest!);
  }

  #find(index: number, term: number): TracedEntry | undefined {
    if (this.#entries.size === 0) return undefined;
    const entry = this.#entries.get(index);
    return entry?.term === term ? entry : undefined;
  }

  #begin(name: string, { parents }: TracedEntry): readonly TracedSpan[] {
    return parents.map((parent) => this.#tracer.begin(name, parent));
  }

  #end(entry: TracedEntry, index: number): void {
    for (const span of entry.running) span.end(this.#aboutEntry(index));
    entry.running = [];
  }

  #aboutEntry(index: number): SpanAttributes {
    return { ...this.#about, "authledger.entry.index": index };
  }
}

function isWellFormed({ traceId, spanId }: TraceContext): boolean {
  return /^[0-9a-f]{32}$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId);
}
