/**
 * One line of NDJSON and the operation it stands for:
 *
 *     {"resource":"document:budget","relation":"viewer","subject":"user:alice"}
 *     {"tuple":"document:budget#viewer@user:alice","expires_at":"2030-01-01T00:00:00Z"}
 *     {"op":"delete","tuple":"document:budget#viewer@user:alice"}
 *     {"key":"user:alice:theme","value":"dark"}            or "value_base64"
 *     {"op":"delete","key":"user:alice:theme"}
 *
 * `op` is "write" (the default) or "delete"; `expires_at_ms` or `expires_at` may stand with a write.
 *
 * Strict, because a line is a permission: unknown fields (a misspelt "expires_at" would grant for ever), fields
 * that stand twice (which one counts?), fields that do not go together and lone surrogates (they would be
 * stored as another text) are refused by name. JSON.parse gives the syntax; see RFC 8259.
 */
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
import type { ImportOperation } from "../import-source.js";
import { type ExpiryResult, parseExpiryMs, parseExpiryTime } from "./expiry.js";

export type LineResult =
  | { readonly kind: "operation"; readonly operation: ImportOperation }
  | { readonly kind: "blank" }
  | { readonly kind: "rejected"; readonly reason: string };

type Fields = Readonly<Record<string, unknown>>;

const TUPLE_FIELDS = ["tuple", "resource", "relation", "subject"] as const;
const VALUE_FIELDS = ["value", "value_base64"] as const;
const EXPIRY_FIELDS = ["expires_at_ms", "expires_at"] as const;
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  "op",
  "key",
  ...TUPLE_FIELDS,
  ...VALUE_FIELDS,
  ...EXPIRY_FIELDS,
]);
/** Unknown fields that a message names. */
const NAMED_FIELDS_MAX = 5;

/** Why a line is refused; never leaves this module. */
class Refusal extends Error {}

/** Reads one line, without its line end. Never throws for what the line holds. */
export function parseNdjsonLine(bytes: Uint8Array): LineResult {
  const text = decodeUtf8(bytes);
  if (text === undefined) return { kind: "rejected", reason: "the line is not valid UTF-8" };
  if (/^[ \t\r]*$/.test(text)) return { kind: "blank" };
  try {
    return { kind: "operation", operation: operationOf(fieldsOf(text)) };
  } catch (error) {
    if (error instanceof Refusal || error instanceof LedgerError) {
      return { kind: "rejected", reason: error.message };
    }
    throw error;
  }
}

function fieldsOf(text: string): Fields {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal("the line is not a JSON object");
  }
  const names = Object.keys(value);
  const unknown = names.filter((name) => !KNOWN_FIELDS.has(name));
  if (unknown.length > 0) {
    const shown = unknown.slice(0, NAMED_FIELDS_MAX).map((name) => JSON.stringify(name));
    throw new Refusal(`unknown field ${shown.join(", ")}`);
  }
  for (const [name, field] of Object.entries(value)) {
    if (typeof field !== "string" && !(name === "expires_at_ms" && typeof field === "number")) {
      throw new Refusal(`${name} must be a string`);
    }
  }
  // Counted only now that all values are strings and numbers: every name in the text is one of this object.
  if (countNames(text) !== names.length) throw new Refusal("a field stands twice in the line");
  return value as Fields;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(`the line is not JSON: ${(error as SyntaxError).message}`);
  }
}

/** Names of fields in the text of a flat object that has been parsed: strings that a colon follows. */
function countNames(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
    at = afterString(text, at);
    while (isJsonSpace(text.charCodeAt(at))) at += 1;
    if (text.charCodeAt(at) === 0x3a) count += 1;
  }
  return count;
}

/** Where the string that opens at `open` has ended; a backslash takes the character behind it along. */
function afterString(text: string, open: number): number {
  let at = open + 1;
  for (let c = text.charCodeAt(at); c !== 0x22; c = text.charCodeAt(at)) at += c === 0x5c ? 2 : 1;
  return at + 1;
}

function isJsonSpace(c: number): boolean {
  return c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d;
}

function operationOf(fields: Fields): ImportOperation {
  const isDelete = isDeleteOf(fields["op"]);
  const isEntity = fields["key"] !== undefined;
  forbid(fields, isEntity ? TUPLE_FIELDS : VALUE_FIELDS, isEntity ? "an entity" : "a tuple");
  if (isDelete) forbid(fields, [...VALUE_FIELDS, ...EXPIRY_FIELDS], "a delete");
  if (!isEntity) return tupleOperation(fields, isDelete);
  const key = textOf(fields, "key");
  validateEntityKey(key);
  const condition = { kind: "none" } as const;
  if (isDelete) return { op: "delete_entity", key, condition };
  const value = entityValue(fields);
  return { op: "set_entity", key, value, expiresAtMs: expiryOf(fields), condition };
}

function tupleOperation(fields: Fields, isDelete: boolean): ImportOperation {
  const tuple = tupleOf(fields);
  if (isDelete) return { op: "delete_tuple", tuple };
  return { op: "create_tuple", tuple, expiresAtMs: expiryOf(fields) };
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

function entityValue(fields: Fields): Uint8Array {
  const { value: text, value_base64: base64 } = fields;
  if (typeof text === "string") {
    if (base64 !== undefined) throw new Refusal(`value_base64 does not go with "value"`);
    if (utf8Length(text) < 0)
      throw new Refusal("value is not valid UTF-8: it has a lone surrogate");
    return sized(utf8(text));
  }
  if (typeof base64 === "string") return sized(bytesOfBase64(base64));
  throw new Refusal("value is missing");
}

/** Node's decoder skips what it does not know; only what comes out as it went in was base64 (RFC 4648). */
function bytesOfBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) {
    throw new Refusal("value_base64 is not base64 with padding (RFC 4648, section 4)");
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
