/** From messages to requests of the engine: everything from outside is checked here, and nowhere else. */
import { encodeTupleCondition } from "@authledger/authz";
import type { ProveOptions } from "@authledger/engine";
import type { common, write } from "@authledger/proto";
import {
  type Consistency,
  height,
  LedgerError,
  limits,
  logIndex,
  type Operation,
  type SetCondition,
  type TransactionRequest,
  type Tuple,
  validateEntityKey,
  validateFreeText,
  validateLabel,
  validateTuple,
  vaultId,
} from "@authledger/types";
import { tupleConditionOf } from "./authorization/convert-condition.js";
import { decodeConsistencyToken } from "./tokens.js";
import type { VaultName } from "./vault-directory.js";

/** Keys of a policy, at most. */
const COSIGNATURES_MAX = 64;

/** What a read is where nothing is said. */
export const LINEARIZABLE: Consistency = { kind: "linearizable" };

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED naming the field */
export function tupleOf(tuple: common.Tuple | undefined, field = "tuple"): Tuple {
  if (tuple === undefined) throw missing(field);
  validateTuple(tuple);
  return tuple;
}

/**
 * Converts the items of a list; an error names the item. @example "tuples[2].resource"
 * @throws LedgerError of `convert`, with the path in front of its field
 */
export function itemsOf<T, R>(items: readonly T[], list: string, convert: (item: T) => R): R[] {
  return items.map((item, index) => {
    try {
      return convert(item);
    } catch (error) {
      throw error instanceof LedgerError ? within(error, list, index) : error;
    }
  });
}

/** The same error, one level further out. A field that is the item itself has no name of its own. */
function within(error: LedgerError, list: string, index: number): LedgerError {
  const { code, message, details } = error;
  const item = `${list}[${index}]`;
  const inner = details["field"];
  const field = inner === undefined || inner === ITEM ? item : `${item}.${String(inner)}`;
  return new LedgerError(code, `${item}: ${message}`, { details: { ...details, field } });
}

/** Field name of an error about a whole item. */
export const ITEM = "item";

/** `vault` is the internal id of the vault that is asked. @throws LedgerError TOKEN_INVALID, TOKEN_OTHER_VAULT */
export function consistencyOf(
  message: common.Consistency | undefined,
  name: VaultName,
  vault: number,
): Consistency {
  const requirement = message?.requirement;
  switch (requirement?.$case) {
    case undefined:
    case "linearizable":
      return LINEARIZABLE;
    case "any":
      return { kind: "any", maxStalenessMs: Number(requirement.value.maxStalenessMs) };
    case "atHeight":
      return {
        kind: "at_height",
        height: height(numberOf(requirement.value, "consistency.at_height")),
      };
    case "atLeast": {
      const point = decodeConsistencyToken(requirement.value);
      if (point.organization !== name.organization || point.vault !== name.vault) {
        throw new LedgerError("TOKEN_OTHER_VAULT", "the consistency token is of another vault", {
          details: { field: "consistency.at_least" },
        });
      }
      return {
        kind: "at_least",
        point: {
          vault: vaultId(vault),
          height: height(point.height),
          index: logIndex(point.index),
        },
      };
    }
  }
}

export function proveOf(message: common.Prove | undefined): { prove: ProveOptions } | undefined {
  if (message === undefined) return undefined;
  const { configHash } = message;
  if (configHash.length !== 0 && configHash.length !== 32) {
    throw new LedgerError("INVALID_ARGUMENT", "config_hash has 32 bytes or none", {
      details: { field: "prove.config_hash" },
    });
  }
  return {
    prove: {
      trustedSize: numberOf(message.trustedSize, "prove.trusted_size"),
      configHash,
      ...cosignaturesOf(message),
    },
  };
}

/** @throws LedgerError INVALID_ARGUMENT for more than a policy can name */
export function cosignaturesOf({
  cosignatures = 0,
}: {
  readonly cosignatures?: number | undefined;
}): { cosignatures?: number } {
  if (cosignatures === 0) return {};
  if (cosignatures <= COSIGNATURES_MAX) return { cosignatures };
  const message = `cosignatures: ${cosignatures} is more than ${COSIGNATURES_MAX}`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "cosignatures" } });
}

/** A u64 that must be at most 2^53 - 1. */
export function numberOf(value: bigint, field: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new LedgerError("INVALID_ARGUMENT", `${field} is larger than 2^53 - 1`, {
    details: { field },
  });
}

/** Rows of a page. @throws LedgerError LIMIT_EXCEEDED */
export function pageSizeOf(size: number): number {
  if (size === 0) return limits.LIST_PAGE_DEFAULT;
  return atMost(size, limits.LIST_PAGE_MAX, "page_size");
}

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED unless 1 to `max` */
export function checkCount(count: number, max: number, field: string): void {
  if (count === 0) throw missing(field);
  atMost(count, max, field);
}

/** @throws LedgerError LIMIT_EXCEEDED */
export function atMost(value: number, limit: number, field: string): number {
  if (value <= limit) return value;
  throw new LedgerError("LIMIT_EXCEEDED", `${field} is ${value}; the limit is ${limit}`, {
    details: { field, limit, actual: value },
  });
}

export function transactionOf(message: write.Transaction | undefined): TransactionRequest {
  if (message === undefined) throw missing("transaction");
  const { operations, clientId, idempotencyKey, reason } = message;
  checkCount(operations.length, limits.TRANSACTION_OPERATIONS_MAX, "operations");
  validateLabel(clientId, limits.CLIENT_ID_BYTES_MAX, "client_id");
  validateLabel(idempotencyKey, limits.IDEMPOTENCY_KEY_BYTES_MAX, "idempotency_key");
  validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
  return {
    operations: itemsOf(operations, "operations", operationOf),
    clientId,
    idempotencyKey,
    reason,
  };
}

function operationOf({ operation }: write.Operation): Operation {
  switch (operation?.$case) {
    case undefined:
      throw missing(ITEM);
    case "createRelationship": {
      const { tuple, expiresAtMs, condition } = operation.value;
      const carried = tupleConditionOf(condition);
      return {
        op: "create_tuple",
        tuple: tupleOf(tuple),
        expiresAtMs: expiresAtMs === 0n ? 0 : numberOf(expiresAtMs, "expires_at_ms"),
        ...(carried && { value: encodeTupleCondition(carried) }),
      };
    }
    case "deleteRelationship":
      return { op: "delete_tuple", tuple: tupleOf(operation.value.tuple) };
    case "setEntity":
      return setEntityOf(operation.value);
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

function setEntityOf({ key, value, expiresAtMs, condition }: write.SetEntity): Operation {
  validateEntityKey(key);
  checkValue(value, "value");
  return {
    op: "set_entity",
    key,
    value,
    expiresAtMs: numberOf(expiresAtMs, "expires_at_ms"),
    condition: conditionOf(condition),
  };
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
    case "versionEquals":
      return {
        kind: "version_equals",
        version: numberOf(condition.value, "condition.version_equals"),
      };
    case "valueEquals":
      checkValue(condition.value, "condition.value_equals");
      return { kind: "value_equals", value: condition.value };
  }
}

function checkValue(value: Uint8Array, field: string): void {
  atMost(value.length, limits.VALUE_BYTES_MAX, field);
}

/** INVALID_ARGUMENT: a field that is needed is not there. */
export function missing(field: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field} is missing`, { details: { field } });
}
