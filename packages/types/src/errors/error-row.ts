/** What a row of the error table says, and the words that it is said in. */

/** gRPC status codes, https://grpc.io/docs/guides/status-codes/. */
export const GrpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type GrpcStatus = keyof typeof GrpcStatus;

/** Exit codes of the command line. */
export const ExitCode = {
  OK: 0,
  DENIED: 1,
  USAGE: 2,
  NOT_FOUND: 3,
  FORBIDDEN: 4,
  CONFLICT: 5,
  UNAVAILABLE: 6,
  VERIFICATION_FAILED: 7,
  CORRUPTED: 8,
  REMOVED: 9,
  BUG: 70,
  IO: 74,
} as const;
export type ExitCode = keyof typeof ExitCode;

/**
 * May the caller send the same request again? `safe`: yes, nothing happened. `with-key`: only with the same
 * idempotency key, since it may have happened. `never`: it would fail again.
 */
export type Retry = "never" | "safe" | "with-key";

export type ErrorFamily = "storage" | "consensus" | "application";

export interface ErrorRow {
  readonly number: number;
  readonly grpc: GrpcStatus;
  readonly http: number;
  readonly exit: ExitCode;
  readonly retry: Retry;
  /** What happened, in one sentence. */
  readonly summary: string;
  /** What the reader can do. */
  readonly action: string;
}

/** A row as the tables of the families write it: number, gRPC, HTTP, exit code, retry, summary, action. */
export type Row = readonly [number, GrpcStatus, number, ExitCode, Retry, string, string];
