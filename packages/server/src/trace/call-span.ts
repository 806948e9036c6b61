/** The span of a call whose trace is recorded. */
import type { TraceContext } from "@authledger/engine";

/** What a span tells of a call that has ended. */
export interface EndedCall {
  readonly method: { readonly service: string; readonly name: string };
  readonly status: number;
  readonly client: string;
  readonly requestId: string;
  readonly principal: { readonly name: string };
  readonly wasPassedOn: boolean;
}

/** What of it crosses to the engine: plain data, and nothing else. */
export function plainContext(trace: TraceContext | undefined): TraceContext | undefined {
  return trace && { traceId: trace.traceId, spanId: trace.spanId };
}

export interface CallSpan extends TraceContext {
  end(call: EndedCall): void;
}
