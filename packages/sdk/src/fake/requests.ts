/** What a node checks of a request before it looks at its data, with the same errors. */
import { encodeTupleCondition } from "@authledger/authz";
import type { write } from "@authledger/proto";
import {
  LedgerError,
  limits,
  type Operation,
  type SetCondition,
  type TransactionRequest,
  type Tuple,
  validateEntityKey,
  validateFreeText,
  validateLabel,
  validateTuple,
} from "@authledger/types";
import { tupleConditionOf } from "../calls/convert.js";

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED unless 1 to `max` */
export function checkCount(count: number, max: number, field: string): void {
  if (count === 0) throw missing(field);
  atMost(count, max, field);
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function pageSizeOf(size: number): number {
  if (size === 0) return limits.LIST_PAGE_DEFAULT;
  return atMost(size, limits.LIST_PAGE_MAX, "page_size");
}

/** A u64 that must be at most 2^53 - 1. @throws LedgerError INVALID_ARGUMENT */
export function numberOf(value: bigint, field: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new LedgerError("INVALID_ARGUMENT", `${field} is larger than 2^53 - 1`, {
    details: { field },
  });
}

/** @throws LedgerError INVALID_TUPLE, INVALID_ARGUMENT */
export function tupleOf(tuple: Tuple | undefined): Tuple {
  if (tuple === undefined) throw missing("tuple");
  validateTuple(tuple);
  return tuple;
}

export function missing(field: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field} is missing`, { details: { field } });
}

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED */
export function transactionOf(message: write.Transaction | undefined): TransactionRequest {
  if (message === undefined) throw missing("transaction");
  const { operations, clientId, idempotencyKey, reason } = message;
  checkCount(operations.length, limits.TRANSACTION_OPERATIONS_MAX, "operations");
  validateLabel(clientId, limits.CLIENT_ID_BYTES_MAX, "client_id");
  validateLabel(idempotencyKey, limits.IDEMPOTENCY_KEY_BYTES_MAX, "idempotency_key");
  validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
  return { operations: operations.map(operationOf), clientId, idempotencyKey, reason };
}

/** A transaction's size, as a node counts it. @throws LedgerError LIMIT_EXCEEDED */
export function checkTransactionBytes({ operations }: TransactionRequest): void {
  let bytes = 256;
  for (const op of operations) {
    bytes += 64;
    if ("tuple" in op) {
      const { resource, relation, subject } = op.tuple;
      bytes += resource.length + relation.length + subject.length;
    }
    if ("key" in op) bytes += op.key.length;
    if ("value" in op && op.value !== undefined) bytes += op.value.length + 64;
  }
  atMost(bytes, limits.TRANSACTION_BYTES_MAX, "transaction");
}

function operationOf({ operation }: write.Operation): Operation {
  switch (operation?.$case) {
    case undefined:
      throw missing("operation");
    case "createRelationship": {
      const { tuple, expiresAtMs, condition } = operation.value;
      const expires = numberOf(expiresAtMs, "expires_at_ms");
      const value = condition && encodeTupleCondition(tupleConditionOf(condition));
      const created = { tuple: tupleOf(tuple), expiresAtMs: expires, ...(value && { value }) };
      return { op: "create_tuple", ...created };
    }
    case "deleteRelationship":
      return { op: "delete_tuple", tuple: tupleOf(operation.value.tuple) };
    case "setEntity": {
      const { key, value, expiresAtMs } = operation.value;
      validateEntityKey(key);
      atMost(value.length, limits.VALUE_BYTES_MAX, "value");
      const condition = conditionOf(operation.value.condition);
      const expires = numberOf(expiresAtMs, "expires_at_ms");
      return { op: "set_entity", key, value, expiresAtMs: expires, condition };
    }
    case "deleteEntity": {
      const { key, condition } = operation.value;
      validateEntityKey(key);
      return { op: "delete_entity", key, condition: conditionOf(condition) };
    }
    case "tupleMustExist":
      return { op: "tuple_must_exist", tuple: tupleOf(operation.value) };
    case "tupleMustNotExist":
      return { op: "tuple_must_not_exist", tuple: tupleOf(operation.value) };
  }
}

function conditionOf(message: write.EntityCondition | undefined): SetCondition {
  const condition = message?.condition;
  switch (condition?.$case) {
    case undefined:
      return { kind: "none" };
    case "mustNotExist":
      return { kind: "must_not_exist" };
    case "mustExist":
      return { kind: "must_exist" };
    case "versionEquals": {
      const version = numberOf(condition.value, "condition.version_equals");
      return { kind: "version_equals", version };
    }
    case "valueEquals":
      atMost(condition.value.length, limits.VALUE_BYTES_MAX, "condition.value_equals");
      return { kind: "value_equals", value: condition.value };
  }
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function atMost(value: number, limit: number, field: string): number {
  if (value <= limit) return value;
  throw new LedgerError("LIMIT_EXCEEDED", `${field} is ${value}; the limit is ${limit}`, {
    details: { field, limit, actual: value },
  });
}
