/** What a client tells of its work, for counters and timers. Every function may be left out; what one throws is ignored. */
import type { ErrorCode } from "@authledger/types";

/** `half-open`: one call at a time may go there. */
export type CircuitState = "closed" | "open" | "half-open";

export interface ClientMetrics {
  /** A call ended, with all its attempts. */
  callEnded?(call: {
    /** `Check`. */
    readonly name: string;
    readonly code: ErrorCode | "OK";
    readonly ms: number;
  }): void;
  /** One attempt of a call ended. */
  attemptEnded?(attempt: {
    readonly name: string;
    readonly endpoint: string;
    readonly code: ErrorCode | "OK";
    readonly ms: number;
    /** A second node was asked since the first took long. */
    readonly isHedge: boolean;
  }): void;
  circuitChanged?(circuit: { readonly endpoint: string; readonly state: CircuitState }): void;
  /** A call was not tried again since too many were already. */
  retryRefused?(call: { readonly name: string }): void;
}

/** Metrics must not break what they measure. */
export function tell(run: () => void): void {
  try {
    run();
  } catch {
    // Somebody else's code.
  }
}
