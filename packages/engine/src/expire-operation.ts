/** From a row of the expiry index to the operation that collects its record. */
import { Kind, tupleOfKey } from "@authledger/proof";
import type { DueRecord, OpenVault } from "@authledger/state";
import type { Operation } from "@authledger/types";

/** Undefined when the record has gone since, or has another expiry. */
export function expireOperation(
  vault: OpenVault,
  { path, expiresAtMs }: DueRecord,
): Operation | undefined {
  const record = vault.recordAt(path);
  if (record === undefined || Number(record.expiresAtMs) !== expiresAtMs) return undefined;
  const { key } = record;
  if (key.kind === Kind.entity) {
    return { op: "expire_entity", key: key.partition + key.item, expiredAtMs: expiresAtMs };
  }
  return { op: "expire_tuple", tuple: tupleOfKey(key), expiredAtMs: expiresAtMs };
}
