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

export interface CallSpan extends TraceContext {
  end(call: EndedCall): void;
}
