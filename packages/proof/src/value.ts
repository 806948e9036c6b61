/**
 * Values travel beside proofs as nonce16 || value; a record holds their length and digest only
 * (commitment.md, "State" and "Receipts").
 */
import { equalBytes, type Hasher } from "@authledger/types";
import { reject } from "./rejection.js";
import {
  commitToValue,
  NONCE_BYTES,
  type StoredRecord,
  type ValueCommitment,
} from "./trie/record.js";

/**
 * The value itself, when it is the one that a proven record commits to.
 * @throws LedgerError PROOF_INVALID with reason "value"
 */
export function checkValue(
  hasher: Hasher,
  record: StoredRecord,
  nonceAndValue: Uint8Array,
): Uint8Array {
  const committed = requireCommitment(record);
  if (nonceAndValue.length !== NONCE_BYTES + committed.length) {
    const actual = nonceAndValue.length - NONCE_BYTES;
    throw reject("value", `a value of ${actual} bytes, the record says ${committed.length}`);
  }
  const nonce = nonceAndValue.subarray(0, NONCE_BYTES);
  const value = nonceAndValue.subarray(NONCE_BYTES);
  if (equalBytes(commitToValue(hasher, nonce, value).digest, committed.digest)) return value;
  throw reject("value", "the value is not the one that the record commits to");
}

/**
 * Length and digest of the value that a record was proven with: all that there is of it once it was erased.
 * @throws LedgerError PROOF_INVALID with reason "value"
 */
export function requireCommitment({ value }: Pick<StoredRecord, "value">): ValueCommitment {
  if (value === undefined) throw reject("value", "the record has no value");
  return value;
}
