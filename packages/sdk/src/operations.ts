/** Operations of a transaction, made briefly. */
import { encodeTupleCondition, type TupleCondition } from "@authledger/authz";
import { type SetCondition, utf8 } from "@authledger/types";
import { tupleOf } from "./calls/convert.js";
import type { TupleInput, WriteOperation } from "./calls/values.js";

interface Expiry {
  /** Milliseconds since 1970; 0 = never, the default. */
  readonly expiresAtMs?: number | undefined;
}

interface TupleOptions extends Expiry {
  /** The tuple counts only where this holds: a condition of the model, with what the tuple says of its parameters. */
  readonly condition?: TupleCondition | undefined;
}

/** @throws LedgerError INVALID_TUPLE, LIMIT_EXCEEDED; so do all that take a tuple */
export function createTuple(
  tuple: TupleInput,
  { expiresAtMs = 0, condition }: TupleOptions = {},
): WriteOperation {
  const value = condition && encodeTupleCondition(condition);
  return { op: "create_tuple", tuple: tupleOf(tuple), expiresAtMs, ...(value && { value }) };
}

export function deleteTuple(tuple: TupleInput): WriteOperation {
  return { op: "delete_tuple", tuple: tupleOf(tuple) };
}

/** The transaction is refused unless the tuple is stored. */
export function tupleMustExist(tuple: TupleInput): WriteOperation {
  return { op: "tuple_must_exist", tuple: tupleOf(tuple) };
}

/** The transaction is refused if the tuple is stored. */
export function tupleMustNotExist(tuple: TupleInput): WriteOperation {
  return { op: "tuple_must_not_exist", tuple: tupleOf(tuple) };
}

/** Text is stored as UTF-8. */
export function setEntity(
  key: string,
  value: Uint8Array | string,
  options: Expiry & { readonly condition?: SetCondition | undefined } = {},
): WriteOperation {
  const bytes = typeof value === "string" ? utf8(value) : value;
  const { expiresAtMs = 0, condition = { kind: "none" } } = options;
  return { op: "set_entity", key, value: bytes, expiresAtMs, condition };
}

export function deleteEntity(
  key: string,
  condition: SetCondition = { kind: "none" },
): WriteOperation {
  return { op: "delete_entity", key, condition };
}
