/** What a write that the system refused is called. */
import { LedgerError } from "@authledger/types";

/** DISK_FULL or IO_WRITE_FAILED. `path` says what was written. */
export function writeFailed(path: string, cause: NodeJS.ErrnoException): LedgerError {
  const isFull = cause.code === "ENOSPC" || cause.code === "EDQUOT";
  const details = { path, ...(cause.code !== undefined && { errno: cause.code }) };
  const message = `cannot write ${path}: ${cause.message}`;
  return new LedgerError(isFull ? "DISK_FULL" : "IO_WRITE_FAILED", message, { details, cause });
}
