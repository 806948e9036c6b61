/** One call, over all its attempts; and what may become of one. */
import { type ErrorCode, LedgerError } from "@authledger/types";
import type { Attempt } from "./attempts.js";
import type { Repeat, UnaryMethod } from "./connection.js";
import type { Endpoint } from "./endpoint.js";
import type { Route } from "./route.js";
import type { WireMetadata } from "./wire.js";
import type { Failure } from "./wire-failure.js";

export interface Running<Req, Res> {
  readonly method: UnaryMethod<Req, Res>;
  /** Encoded. */
  readonly message: Uint8Array;
  readonly repeat: Repeat;
  readonly route: Route;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  readonly deadlineAtMs: number;
  readonly requestId: string;
  /** What the program sends along. */
  readonly metadata: WireMetadata | undefined;
  readonly tried: Set<Endpoint>;
  readonly log: Attempt[];
  /** That failed, elections left out. */
  attempts: number;
  failures: number;
  /** Another token was asked for after one was refused. */
  isRenewed: boolean;
  authorization: string | undefined;
}

/** An election is waited for until the deadline: these are no failed attempts. Nothing has happened. */
const ELECTION_CODES: ReadonlySet<ErrorCode> = new Set(["NOT_LEADER", "NO_LEADER"]);

export function isElection(failure: Failure): boolean {
  return failure.kind === "answered" && ELECTION_CODES.has(failure.error.code);
}

/** `Check` of `/authledger.v1.ReadService/Check`. */
export function nameOf({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function cancelled<Req, Res>({ method, signal, requestId }: Running<Req, Res>): LedgerError {
  return new LedgerError("CANCELLED", `the caller gave up "${nameOf(method)}"`, {
    details: { requestId },
    cause: signal?.reason,
  });
}

/** INV-SDK-1. */
export function isRepeatable(failure: Failure, repeat: Repeat): boolean {
  if (failure.kind === "transport") return !failure.sent || repeat === "repeatable";
  const { code, row } = failure.error;
  if (row.retry === "safe") return code !== "CLIENT_CLOSED";
  // What the caller gave up, or has no time left for, is over.
  const isOver = code === "CANCELLED" || code === "DEADLINE_EXCEEDED";
  return row.retry === "with-key" && repeat === "repeatable" && !isOver;
}

/** As the table of errors names it. */
export function codeOf(failure: Failure): ErrorCode {
  return failure.kind === "answered" ? failure.error.code : "UNAVAILABLE";
}

export function textOf(failure: Failure): string {
  return failure.kind === "answered" ? failure.error.message : failure.message;
}
