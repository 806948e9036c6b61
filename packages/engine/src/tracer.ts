/**
 * Who is told how long the parts of a traced write took. The front implements it; without one nothing is measured.
 *
 *   INV-TRACE-6  Traces change nothing: not a byte of an entry, a hash or an answer, also where the tracer fails.
 */

/** Where in a trace something happens: ids in hex, as W3C Trace Context writes them. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

/** Something that has begun, and where it is in its trace. */
export interface TracedSpan extends TraceContext {
  end(attributes?: SpanAttributes, error?: unknown): void;
}

export interface Tracer {
  begin(name: string, parent: TraceContext): TracedSpan;
}

/** A write that is in an entry, and its `raft.replicate`, below which the nodes of the group have their spans. */
export interface TracedWrite {
  readonly spans: WriteSpans;
  readonly replicate: TraceContext;
}

/** The same, of which no failure reaches whoever is traced: what it cannot record is left out. */
export function harmless(tracer: Tracer): Tracer {
  return {
    begin: (name, parent) => {
      try {
        const span = tracer.begin(name, parent);
        const end: TracedSpan["end"] = (attributes, error) => {
          try {
            span.end(attributes, error);
          } catch {
            // Somebody else's code.
          }
        };
        return { traceId: span.traceId, spanId: span.spanId, end };
      } catch {
        return { ...parent, end: () => undefined };
      }
    },
  };
}

/**
 * The parts of one write on the leader, one after the other: `propose.wait`, until it goes into an entry; `raft.replicate`,
 * until that is committed; `ledger.apply`.
 */
export class WriteSpans {
  readonly #tracer: Tracer;
  readonly #call: TraceContext;
  /** Undefined between two parts, and at the end. */
  #running: TracedSpan | undefined;
  #isOver = false;

  constructor(tracer: Tracer, call: TraceContext) {
    this.#tracer = tracer;
    this.#call = call;
    this.#running = tracer.begin("propose.wait", call);
  }

  /** Its turn has come: it goes into an entry. */
  proposed(): TracedWrite {
    this.#next({});
    return { spans: this, replicate: this.#begin("raft.replicate") };
  }

  /** Its entry is committed. */
  committed(about: SpanAttributes): void {
    this.#next(about);
  }

  applying(): void {
    if (!this.#isOver) this.#begin("ledger.apply");
  }

  /** Its entry has been applied here. */
  applied(about: SpanAttributes): void {
    this.#next(about);
    this.#isOver = true;
  }

  failed(error: unknown): void {
    this.#running?.end({}, error);
    this.#running = undefined;
    this.#isOver = true;
  }

  #next(about: SpanAttributes): void {
    this.#running?.end(about);
    this.#running = undefined;
  }

  #begin(name: string): TracedSpan {
    this.#running = this.#tracer.begin(name, this.#call);
    return this.#running;
  }
}
