/** Who is told how long the parts of a traced write took. The front implements it; without one nothing is measured. */

/** Where in a trace something happens: ids in hex, as W3C Trace Context writes them. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
}

/** Something that has begun. */
export interface TracedSpan {
  end(attributes?: Readonly<Record<string, string | number>>, error?: unknown): void;
}

export interface Tracer {
  begin(name: string, parent: TraceContext): TracedSpan;
}

/** The parts of one write: it waits for its turn, then its entry is replicated, committed and applied. */
export class WriteSpans {
  readonly #tracer: Tracer;
  readonly #parent: TraceContext;
  #running: TracedSpan;

  constructor(tracer: Tracer, parent: TraceContext) {
    this.#tracer = tracer;
    this.#parent = parent;
    this.#running = tracer.begin("propose.wait", parent);
  }

  /** Its turn has come: it goes into an entry. */
  proposed(): void {
    this.#running.end();
    this.#running = this.#tracer.begin("raft.commit", this.#parent);
  }

  /** Its entry is committed and applied here. */
  done(index: number): void {
    this.#running.end({ "authledger.entry.index": index });
  }

  failed(error: unknown): void {
    this.#running.end({}, error);
  }
}
