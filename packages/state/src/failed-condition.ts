/** What a client is told of a condition that does not hold: the key, and what is there instead (L-134). */
import { commitToValue, type FailedCondition, Kind, type LedgerKey } from "@authledger/proof";
import { equalBytes, type Hasher, LedgerError, toHex } from "@authledger/types";
import type { NoncedValue } from "./entry.js";

/** Longer values are told by length and digest only: errors travel in headers. */
const VALUE_BYTES_MAX = 128;

/** `valuesOf` gives values that the key may have: the one that the record commits to is told. */
export function preconditionFailed(
  hasher: Hasher,
  { operation, key, condition, found }: FailedCondition,
  valuesOf: (key: LedgerKey) => readonly (NoncedValue | undefined)[],
): LedgerError {
  const parts = [key.partition, key.group, key.item].filter((part) => part !== "");
  const name = key.kind === Kind.entity ? key.partition + key.item : parts.join(" ");
  const state = found === undefined ? "it does not exist" : `it is at version ${found.version}`;
  const message = `operation ${operation} over "${name}": the condition ${condition} does not hold, ${state}`;
  const commitment = found?.value;
  const isShown = commitment !== undefined && commitment.length <= VALUE_BYTES_MAX;
  const current = (isShown ? valuesOf(key) : []).find((nonced) => {
    if (nonced?.value.length !== commitment!.length) return false;
    return equalBytes(commitToValue(hasher, nonced.nonce, nonced.value).digest, commitment!.digest);
  });
  return new LedgerError("PRECONDITION_FAILED", message, {
    details: {
      operation,
      key: name,
      condition,
      ...(found && { version: Number(found.version) }),
      ...(commitment && { valueBytes: commitment.length, digest: toHex(commitment.digest) }),
      ...(current && { valueBase64: toBase64(current.value) }),
    },
  });
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
