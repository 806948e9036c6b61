/**
 * The fields of a line or row of an import, and the operation they stand for:
 *
 *     resource, relation, subject          a tuple, or the same as one `tuple`
 *     condition, condition_context         with the write of a tuple: a name, and a JSON object of values by parameter
 *     key, value                           an entity; `key_base64`, `value_base64` for what is no text
 *     op                                   "write" (the default) or "delete"
 *     expires_at_ms or expires_at          with a write
 *     version                              what an export says; read over, since a version is the ledger's own
 *
 * Strict, because a line is a permission: fields that do not go together, lone surrogates (they would be stored as
 * another text) and what is out of bounds is refused by name.
 */
import { type ConditionContext, encodeTupleCondition } from "@authledger/authz";
import {
  decodeUtf8,
  LedgerError,
  limits,
  parseTuple,
  type Tuple,
  utf8,
  utf8Length,
  validateEntityKey,
  validateTuple,
} from "@authledger/types";
import type { ImportOperation } from "./import-source.js";
import { type ExpiryResult, parseExpiryMs, parseExpiryTime } from "./ndjson/expiry.js";

export type Fields = Readonly<Record<string, unknown>>;

const TUPLE_FIELDS = ["tuple", "resource", "relation", "subject"] as const;
const KEY_FIELDS = ["key", "key_base64"] as const;
const VALUE_FIELDS = ["value", "value_base64"] as const;
const CONDITION_FIELDS = ["condition", "condition_context"] as const;
const EXPIRY_FIELDS = ["expires_at_ms", "expires_at"] as const;
export const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  "op",
  "version",
  ...TUPLE_FIELDS,
  ...KEY_FIELDS,
  ...VALUE_FIELDS,
  ...CONDITION_FIELDS,
  ...EXPIRY_FIELDS,
]);

/** Why a line or row is refused; becomes a reason (`refusalOf`). */
export class Refusal extends Error {}

/** What a line or row was refused for; throws everything else on. */
export function refusalOf(error: unknown): string {
  if (error instanceof Refusal || error instanceof LedgerError) return error.message;
  throw error;
}

/** @throws Refusal, LedgerError */
export function operationOf(fields: Fields): ImportOperation {
  const isDelete = isDeleteOf(fields["op"]);
  const isEntity = KEY_FIELDS.some((name) => fields[name] !== undefined);
  const others = isEntity ? [...TUPLE_FIELDS, ...CONDITION_FIELDS] : VALUE_FIELDS;
  forbid(fields, others, isEntity ? "an entity" : "a tuple");
  if (isDelete)
    forbid(fields, [...VALUE_FIELDS, ...CONDITION_FIELDS, ...EXPIRY_FIELDS], "a delete");
  if (!isEntity) return tupleOperation(fields, isDelete);
  const key = keyOf(fields);
  validateEntityKey(key);
  const condition = { kind: "none" } as const;
  if (isDelete) return { op: "delete_entity", key, condition };
  const value = entityValue(fields);
  return { op: "set_entity", key, value, expiresAtMs: expiryOf(fields), condition };
}

function tupleOperation(fields: Fields, isDelete: boolean): ImportOperation {
  const tuple = tupleOf(fields);
  if (isDelete) return { op: "delete_tuple", tuple };
  const value = conditionOf(fields);
  return { op: "create_tuple", tuple, expiresAtMs: expiryOf(fields), ...(value && { value }) };
}

/** The canonical encoding of a tuple's condition; undefined where it carries none. */
function conditionOf(fields: Fields): Uint8Array | undefined {
  const { condition: name, condition_context: context } = fields;
  if (name === undefined) {
    if (context !== undefined) throw new Refusal("condition_context needs a condition");
    return undefined;
  }
  const given = context === undefined ? {} : parseContext(textOf(fields, "condition_context"));
  return encodeTupleCondition({ name: textOf(fields, "condition"), context: given });
}

function parseContext(text: string): ConditionContext {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Refusal(`condition_context is not JSON: ${(error as SyntaxError).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as ConditionContext;
  }
  throw new Refusal("condition_context is not a JSON object");
}

function isDeleteOf(op: unknown): boolean {
  if (op === undefined || op === "write") return false;
  if (op === "delete") return true;
  throw new Refusal(`op must be "write" or "delete", not ${JSON.stringify(op)}`);
}

function forbid(fields: Fields, names: readonly string[], where: string): void {
  for (const name of names) {
    if (fields[name] !== undefined) throw new Refusal(`${name} does not go with ${where}`);
  }
}

function tupleOf(fields: Fields): Tuple {
  if (fields["tuple"] !== undefined) {
    forbid(fields, ["resource", "relation", "subject"], `"tuple"`);
    return parseTuple(textOf(fields, "tuple"));
  }
  const tuple = {
    resource: textOf(fields, "resource"),
    relation: textOf(fields, "relation"),
    subject: textOf(fields, "subject"),
  };
  validateTuple(tuple);
  return tuple;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw new Refusal(
    name === "resource"
      ? `the line has none of "tuple", "resource" and "key"`
      : `${name} is missing`,
  );
}

function keyOf(fields: Fields): string {
  const { key_base64: base64 } = fields;
  if (typeof base64 !== "string") return textOf(fields, "key");
  if (fields["key"] !== undefined) throw new Refusal(`key_base64 does not go with "key"`);
  const key = decodeUtf8(bytesOfBase64(base64, "key_base64"));
  if (key === undefined) throw new Refusal("key_base64 is not valid UTF-8");
  return key;
}

function entityValue(fields: Fields): Uint8Array {
  const { value: text, value_base64: base64 } = fields;
  if (typeof text === "string") {
    if (base64 !== undefined) throw new Refusal(`value_base64 does not go with "value"`);
    if (utf8Length(text) < 0)
      throw new Refusal("value is not valid UTF-8: it has a lone surrogate");
    return sized(utf8(text));
  }
  if (typeof base64 === "string") return sized(bytesOfBase64(base64, "value_base64"));
  throw new Refusal("value is missing");
}

/** Node's decoder skips what it does not know; only what comes out as it went in was base64 (RFC 4648). */
function bytesOfBase64(text: string, field: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) {
    throw new Refusal(`${field} is not base64 with padding (RFC 4648, section 4)`);
  }
  return new Uint8Array(bytes); // a small Buffer is a view of a pool of 8 KiB, which it would keep alive
}

function sized(value: Uint8Array): Uint8Array {
  if (value.length <= limits.VALUE_BYTES_MAX) return value;
  throw new Refusal(`value is ${value.length} bytes; the limit is ${limits.VALUE_BYTES_MAX}`);
}

function expiryOf(fields: Fields): number {
  const { expires_at_ms: ms, expires_at: time } = fields;
  if (ms !== undefined && time !== undefined) {
    throw new Refusal(`expires_at does not go with "expires_at_ms"`);
  }
  if (ms !== undefined) return expiryMs(parseExpiryMs(ms));
  return time === undefined ? 0 : expiryMs(parseExpiryTime(time));
}

function expiryMs(result: ExpiryResult): number {
  if (result.ok) return result.ms;
  throw new Refusal(result.reason);
}
