/** How proofs, headers, notes and receipts are refused: one error code, and a short reason that a test or program can read. */
import { type ErrorDetails, LedgerError } from "@authledger/types";

/** Why something was refused; stable names for programs and tests. */
export type RejectReason =
  | "magic"
  | "truncated"
  | "trailing"
  | "nb"
  | "bucket-order"
  | "tag"
  | "b"
  | "padding"
  | "prefix"
  | "side"
  | "bucket-byte"
  | "empty-below"
  | "empty-count"
  | "total"
  | "len"
  | "left-over"
  | "record-short"
  | "has-value"
  | "kind"
  | "kind3"
  | "kind4"
  | "kind5"
  | "utf8"
  | "state-root"
  | "too-large"
  | "header"
  | "transaction"
  | "receipt"
  | "note"
  | "key"
  | "signature"
  | "quorum"
  | "cosignatures"
  | "not-current"
  | "height"
  | "vault-ref"
  | "config"
  | "inclusion"
  | "consistency"
  | "genesis"
  | "policy"
  | "descriptor"
  | "limits"
  | "anchor"
  | "value"
  | "twin"
  | "block"
  | "chain"
  | "transactions"
  | "leaf-count";

/** PROOF_INVALID with its reason. */
export function reject(
  reason: RejectReason,
  message: string,
  facts: ErrorDetails = {},
): LedgerError {
  return new LedgerError("PROOF_INVALID", message, { details: { ...facts, reason } });
}
