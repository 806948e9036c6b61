/**
 * Every error the ledger reports: one row says how it looks through gRPC, HTTP, a process exit code and the
 * documentation. `docs/errors.md` and the SDK's error classes are generated from this table.
 *
 * Numbers are stable for ever: 1000-1199 storage, 2000-2199 consensus, 3000-3299 application (L-31).
 * A code that is no longer used keeps its number.
 */
import { applicationErrors } from "./errors/application-errors.js";
import { consensusErrors } from "./errors/consensus-errors.js";
import type { ErrorFamily, ErrorRow, Row } from "./errors/error-row.js";
import { storageErrors } from "./errors/storage-errors.js";

/** The stable name of an error. */
export type ErrorCode =
  | keyof typeof storageErrors
  | keyof typeof consensusErrors
  | keyof typeof applicationErrors;

/** The whole table, in the order of the numbers. */
export const ERROR_TABLE: Readonly<Record<ErrorCode, ErrorRow>> = Object.fromEntries(
  Object.entries<Row>({ ...storageErrors, ...consensusErrors, ...applicationErrors }).map(
    ([code, [number, grpc, http, exit, retry, summary, action]]) => [
      code,
      { number, grpc, http, exit, retry, summary, action },
    ],
  ),
) as Record<ErrorCode, ErrorRow>;

/** Storage, consensus or application, by the range of the number (L-30, L-31). */
export function errorFamily(code: ErrorCode): ErrorFamily {
  const { number } = ERROR_TABLE[code];
  if (number < 2000) return "storage";
  return number < 3000 ? "consensus" : "application";
}

/** Is `text` the name of an error of the table? */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, text);
}
