/**
 * What no transaction of an entry may exceed. The server has refused all of it before. Here it is refused again:
 * an entry that cannot be applied would stop every replica, and stop it again after each restart.
 */
import type { CanonicalOp, CanonicalTransaction } from "@authledger/proof";
import { LedgerError, limits, utf8Length } from "@authledger/types";

/** Bytes of a record beside its key's texts: kind, three lengths, version, expiry, has_value, length and digest. */
const RECORD_FIXED_BYTES = 1 + 3 * 2 + 8 + 8 + 1 + 4 + 32;
/** UTF-8 bytes of a UTF-16 unit, at most. */
const BYTES_PER_UNIT_MAX = 3;

/** @throws LedgerError LIMIT_EXCEEDED, RECORD_TOO_LARGE, INVALID_ARGUMENT */
export function checkTransaction(transaction: CanonicalTransaction, idempotencyKey: string): void {
  checkText("client id", transaction.clientId, limits.CLIENT_ID_BYTES_MAX);
  checkText("idempotency key", idempotencyKey, limits.IDEMPOTENCY_KEY_BYTES_MAX);
  for (const op of transaction.ops) checkOperation(op);
}

function checkText(field: string, text: string, limit: number): void {
  if (text.length * BYTES_PER_UNIT_MAX <= limit) return;
  const actual = utf8Length(text);
  if (actual <= limit) return;
  throw new LedgerError("LIMIT_EXCEEDED", `a ${field} of ${actual} bytes; the limit is ${limit}`, {
    details: { field, limit, actual },
  });
}

function checkOperation(op: CanonicalOp): void {
  switch (op.op) {
    case "set_entity":
    case "delete_entity":
    case "expire_entity":
      checkText("key", op.key, limits.ENTITY_KEY_BYTES_MAX);
      return;
    case "set_record":
      if (op.partition !== "ledger" && op.partition !== "model") {
        const message = `a record of the ledger in "${op.partition}", which is not ledger or model`;
        throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "partition" } });
      }
      checkRecord(op.partition, op.group, op.item);
      return;
    case "set_vault_head":
      return;
    default: {
      const { resource, relation, subject } = op.tuple;
      checkRecord(resource, relation, subject);
    }
  }
}

/** A record as long as its key can make it. */
function checkRecord(a: string, b: string, c: string): void {
  const limit = limits.RECORD_BYTES_MAX;
  if ((a.length + b.length + c.length) * BYTES_PER_UNIT_MAX + RECORD_FIXED_BYTES <= limit) return;
  const actual = utf8Length(a) + utf8Length(b) + utf8Length(c) + RECORD_FIXED_BYTES;
  if (actual <= limit) return;
  throw new LedgerError(
    "RECORD_TOO_LARGE",
    `the record is ${actual} bytes; the limit is ${limit}`,
    {
      details: { limit, actual },
    },
  );
}
