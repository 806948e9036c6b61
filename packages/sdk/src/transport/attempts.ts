/** What a call met at each node before it failed, kept beside its error. */
import { type ErrorCode, LedgerError } from "@authledger/types";

/** One attempt that failed. */
export interface Attempt {
  /** host:port. */
  readonly endpoint: string;
  readonly code: ErrorCode;
  /** In words, for people. */
  readonly message: string;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

/** An election may bring many; the newest say what is the matter. */
const KEPT_MAX = 32;
const HISTORY = new WeakMap<LedgerError, readonly Attempt[]>();
/** Errors of calls whose last attempt may have reached a node. */
const SENT = new WeakSet<LedgerError>();

/** Adds one, and drops the oldest where there are too many. */
export function noteAttempt(log: Attempt[], attempt: Attempt): void {
  if (log.length >= KEPT_MAX) log.shift();
  log.push(attempt);
}

export function keepAttempts(error: LedgerError, log: readonly Attempt[]): LedgerError {
  if (log.length > 0) HISTORY.set(error, log);
  return error;
}

export function noteSent(error: LedgerError): void {
  SENT.add(error);
}

/** May the last attempt have reached a node that did not answer? */
export function wasSent(error: LedgerError): boolean {
  return SENT.has(error);
}

/**
 * The attempts of the call that failed with this error, in order, at most the last 32; none for what failed before it was
 * sent.
 * @example for (const { endpoint, code, ms } of attemptsOf(error)) console.error(endpoint, code, ms);
 */
export function attemptsOf(error: unknown): readonly Attempt[] {
  return error instanceof LedgerError ? (HISTORY.get(error) ?? []) : [];
}
