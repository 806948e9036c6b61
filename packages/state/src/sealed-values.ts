/** The values beside a transaction, by the keys they belong to. */
import {
  type CanonicalTransaction,
  commitToValue,
  entityKey,
  Kind,
  keyId,
  type LedgerKey,
  tupleKey,
} from "@authledger/proof";
import { assert, equalBytes, type Hasher, LedgerError } from "@authledger/types";
import type { NoncedValue, SealedTransaction } from "./entry.js";

/** Checked against the digests that the transaction commits to. */
export function valuesOf(
  hasher: Hasher,
  sealed: SealedTransaction,
  transaction: CanonicalTransaction,
): ReadonlyMap<string, NoncedValue> {
  const values = new Map<string, NoncedValue>();
  let next = 0;
  for (const op of transaction.ops) {
    if (!("value" in op) || op.value === undefined) continue;
    const nonced = sealed.values[next++];
    assert(nonced !== undefined, "the entry carries every value that it commits to");
    const { length, digest } = commitToValue(hasher, nonced.nonce, nonced.value);
    assert(length === op.value.length && equalBytes(digest, op.value.digest), "values match");
    values.set(keyId(keyOfValue(op)), nonced);
  }
  return values;
}

/** The key whose value an operation sets. */
function keyOfValue(op: CanonicalTransaction["ops"][number]): LedgerKey {
  switch (op.op) {
    case "create_tuple":
      return tupleKey(op.tuple);
    case "set_entity":
      return entityKey(op.key);
    case "set_record": {
      const { partition, group, item } = op;
      return { kind: Kind.ledgerRecord, partition, group, item };
    }
    default:
      throw new LedgerError("INTERNAL", `operation ${op.op} has no value`);
  }
}
