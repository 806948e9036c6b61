/**
 * The one error type. Its message says what happened, to which thing, and is followed by what to do; its code
 * is a row of `error-table.ts`, from which every other face of it (gRPC, HTTP, exit code, docs) follows.
 */
import { ERROR_TABLE, type ErrorCode } from "./error-table.js";
import type { ErrorRow } from "./errors/error-row.js";

/** Facts that a program may want to read without parsing text. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean>>;

/** May the same request be sent again, and not before when? */
export type RetryAdvice =
  /** No: it would fail again. */
  | { readonly kind: "never" }
  /** Yes: nothing happened. */
  | { readonly kind: "safe"; readonly afterMs: number }
  /** Only under the same idempotency key, or when it only reads: it may have happened. */
  | { readonly kind: "with-key"; readonly afterMs: number };

export interface LedgerErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
  /** How long to wait before the next try, for errors that a retry can cure. */
  readonly retryAfterMs?: number;
}

/**
 * @example
 * throw new LedgerError("LIMIT_EXCEEDED", "resource is 300 bytes; the limit is 256", {
 *   details: { field: "resource", limit: 256 },
 * });
 */
export class LedgerError extends Error {
  override readonly name = "LedgerError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: LedgerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The row of the table: status codes, retry advice, summary and action. */
  get row(): ErrorRow {
    return ERROR_TABLE[this.code];
  }

  /** @example if (error.retry.kind === "safe") await sleep(error.retry.afterMs); */
  get retry(): RetryAdvice {
    const { retry: kind } = this.row;
    return kind === "never" ? { kind } : { kind, afterMs: this.retryAfterMs ?? 0 };
  }

  /** Message and action in one line, for logs and people. */
  get advice(): string {
    return `${this.message}. ${this.row.action}`;
  }

  /** The only conversion from whatever was thrown; what is not a LedgerError becomes INTERNAL. */
  static from(thrown: unknown): LedgerError {
    if (thrown instanceof LedgerError) return thrown;
    return new LedgerError("INTERNAL", textOf(thrown), { cause: thrown });
  }
}

/** Anything can be thrown, even objects that refuse to become text. */
function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return "something without a text was thrown";
  }
}
