/** Where a client's calls appear in traces. `@authledger/sdk/otel` implements it. */
import type { ErrorCode } from "@authledger/types";

export interface ClientTracing {
  /** A call begins. */
  begin(call: {
    /** `/authledger.v1.AuthorizationService/Check`. */
    readonly method: string;
    readonly requestId: string;
  }): TracedCall;
}

export interface TracedCall {
  /** Goes with every request of the call: `traceparent`, `tracestate`. */
  readonly metadata: Readonly<Record<string, string>>;
  end(code: ErrorCode | "OK"): void;
}
