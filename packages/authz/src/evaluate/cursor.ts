/** What lists say of a cursor that is none of theirs. */
import { LedgerError } from "@authledger/types";

export function invalidCursor(): LedgerError {
  const message = "the cursor is not one that this list gave; begin without one";
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: "cursor" } });
}
