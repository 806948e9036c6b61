/**
 * The bytes of an operation: how many it adds to a transaction, and a form of it to hash.
 *
 * Both follow the canonical transaction of the commitment (op code, strings with their length, expiry, value),
 * except that the value itself stands where the canonical form has its digest: the digest's nonce is drawn by
 * the leader. The form is injective (each string carries its length), so two chunks with equal bytes hold
 * equal operations.
 */
import { assert, type ByteWriter, HASH_BYTES, type Tuple, utf8Length } from "@authledger/types";
import type { ImportOperation } from "./import-source.js";

/** Op codes of the canonical form. */
const OP_CODE = {
  create_tuple: 1,
  delete_tuple: 2,
  set_entity: 3,
  delete_entity: 4,
} as const;

const OP_BYTES = 1;
const LENGTH_BYTES = 2;
const EXPIRY_BYTES = 8;
/** u32 length, digest and the nonce that travels with the value. */
const VALUE_HEAD_BYTES: number = 4 + HASH_BYTES + 16;
/** has_value of a tuple, the condition of an entity. */
const FLAG_BYTES = 1;

/** Bytes that the operation adds to a transaction with its value; never less than it really does. */
export function operationBytes(operation: ImportOperation): number {
  switch (operation.op) {
    case "create_tuple":
      return tupleBytes(operation.tuple) + EXPIRY_BYTES + valueBytes(operation.value);
    case "delete_tuple":
      return tupleBytes(operation.tuple);
    case "set_entity":
      return keyBytes(operation.key) + EXPIRY_BYTES + valueBytes(operation.value);
    case "delete_entity":
      return keyBytes(operation.key) + FLAG_BYTES;
  }
}

function tupleBytes({ resource, relation, subject }: Tuple): number {
  const text = utf8Length(resource) + utf8Length(relation) + utf8Length(subject);
  return OP_BYTES + 3 * LENGTH_BYTES + text;
}

function keyBytes(key: string): number {
  return OP_BYTES + LENGTH_BYTES + utf8Length(key);
}

function valueBytes(value: Uint8Array | undefined): number {
  return FLAG_BYTES + (value === undefined ? 0 : VALUE_HEAD_BYTES + value.length);
}

/** Appends the form of the operation that is hashed. */
export function writeOperation(out: ByteWriter, operation: ImportOperation): void {
  out.u8(OP_CODE[operation.op]);
  switch (operation.op) {
    case "create_tuple":
      writeTuple(out, operation.tuple);
      out.u64(operation.expiresAtMs).u8(operation.value === undefined ? 0 : 1);
      if (operation.value !== undefined) out.lp32(operation.value);
      return;
    case "delete_tuple":
      writeTuple(out, operation.tuple);
      return;
    case "set_entity":
      assertUnconditional(operation);
      out.lp16(operation.key).u64(operation.expiresAtMs).lp32(operation.value);
      return;
    case "delete_entity":
      assertUnconditional(operation);
      out.lp16(operation.key);
      return;
  }
}

function writeTuple(out: ByteWriter, tuple: Tuple): void {
  out.lp16(tuple.resource).lp16(tuple.relation).lp16(tuple.subject);
}

/** The hashed form has no place for a condition, so two operations that differ in one would look equal. */
function assertUnconditional(
  operation: ImportOperation & { readonly condition: { kind: string } },
) {
  const { kind } = operation.condition;
  assert(kind === "none", "an import's operations are unconditional", { kind });
}
