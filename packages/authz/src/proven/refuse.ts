/** How a proven decision is refused: one error code, and a short reason that a program can read. */
import { LedgerError } from "@authledger/types";

export type RefusalReason =
  /** The file of a decision is none. */
  | "file"
  /** A value that its record does not commit to. */
  | "value"
  /** The records of the active model and its body contradict each other, or the body. */
  | "model"
  /** The evidence leads to another answer than the one that was sent. */
  | "decision";

/** PROOF_INVALID with its reason. */
export function refuse(reason: RefusalReason, message: string, cause?: unknown): LedgerError {
  return new LedgerError("PROOF_INVALID", message, {
    details: { reason },
    ...(cause !== undefined && { cause }),
  });
}
