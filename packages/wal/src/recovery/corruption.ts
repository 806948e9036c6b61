/** The error for a log that is damaged where nothing may be cut. It names file and offset. */
import { LedgerError } from "@authledger/types";

export function corrupt(file: string, offset: number, why: string): LedgerError {
  return new LedgerError("WAL_CORRUPT", `the log is damaged at byte ${offset} of ${file}: ${why}`, {
    details: { file, offset },
  });
}
