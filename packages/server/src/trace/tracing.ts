/**
 * Traces: which calls are recorded, and the step of the gate that begins their spans. Who records them (open-telemetry.ts) is
 * loaded only where a node is told where to send them.
 *
 *   INV-TRACE-5  A call whose caller records its trace is recorded, one whose caller does not is not, and of calls without a
 *                caller's trace a share is; what is passed on to the leader is part of the same trace.
 */
import type { TraceContext, Tracer } from "@authledger/engine";
import type { CallObserver, GateStep } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import type { CallSpan } from "./call-span.js";

/** Records spans. */
export interface SpanRecorder extends Tracer {
  /** @param parent absent: a new trace begins */
  beginCall(name: string, parent: TraceContext | undefined): CallSpan;
  /** Everything recorded so far is sent, as far as somebody takes it. */
  close(): Promise<void>;
}

export class Tracing implements GateStep, CallObserver {
  readonly #recorder: SpanRecorder;
  readonly #share: () => number;
  readonly #random: () => number;

  /** @param share of the calls without a caller's trace, 0 to 1 */
  constructor(recorder: SpanRecorder, share: () => number, random: () => number = Math.random) {
    this.#recorder = recorder;
    this.#share = share;
    this.#random = random;
  }

  enter(call: GatedCall): void {
    const { caller } = call;
    const isRecorded = caller === undefined ? this.#random() < this.#share() : caller.isSampled;
    if (!isRecorded) return;
    call.trace = this.#recorder.beginCall(`${call.method.service}/${call.method.name}`, caller);
  }

  ended(call: GatedCall): void {
    call.trace?.end(call);
  }
}
