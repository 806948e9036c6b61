/**
 * One line of NDJSON and the operation it stands for:
 *
 *     {"resource":"document:budget","relation":"viewer","subject":"user:alice"}
 *     {"tuple":"document:budget#viewer@user:alice","expires_at":"2030-01-01T00:00:00Z"}
 *     {"tuple":"document:budget#viewer@user:bob","condition":"early","condition_context":"{\"hour\":8}"}
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
import { decodeUtf8 } from "@authledger/types";
import type { ImportOperation } from "../import-source.js";
import { type Fields, KNOWN_FIELDS, operationOf, Refusal, refusalOf } from "../operation-fields.js";

export type LineResult =
  | { readonly kind: "operation"; readonly operation: ImportOperation }
  | { readonly kind: "blank" }
  | { readonly kind: "rejected"; readonly reason: string };

/** Unknown fields that a message names. */
const NAMED_FIELDS_MAX = 5;

/** Reads one line, without its line end. Never throws for what the line holds. */
export function parseNdjsonLine(bytes: Uint8Array): LineResult {
  const text = decodeUtf8(bytes);
  if (text === undefined) return { kind: "rejected", reason: "the line is not valid UTF-8" };
  if (/^[ \t\r]*$/.test(text)) return { kind: "blank" };
  try {
    return { kind: "operation", operation: operationOf(fieldsOf(text)) };
  } catch (error) {
    return { kind: "rejected", reason: refusalOf(error) };
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
