/**
 * The condition of a tuple as the tuple's stored value (docs/format/model.md):
 *
 *     0x01 || lp16(name of the condition) || lp32(canonical JSON of the context, an object)
 *
 * INV-MODEL-3  A condition has one encoding: whatever else decodes to it is refused.
 */
import {
  ByteReader,
  ByteWriter,
  decodeUtf8,
  LedgerError,
  utf8,
  utf8Length,
} from "@authledger/types";
import { canonicalJson } from "../canonical-json.js";
import type { ConditionContext, TupleCondition } from "./context.js";

const FORMAT = 1;
/** Bytes of a context in canonical JSON; what OpenFGA allows for a tuple. */
export const TUPLE_CONTEXT_BYTES_MAX: number = 32 * 1024;
/** Bytes of a condition's name. */
const CONDITION_NAME_BYTES_MAX: number = 256;

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function encodeTupleCondition(condition: TupleCondition): Uint8Array {
  const nameBytes = utf8Length(condition.name);
  if (nameBytes <= 0) {
    const message = "the name of a tuple's condition is empty or not valid UTF-8";
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "condition" } });
  }
  const context = utf8(canonicalJson(condition.context));
  atMost("condition name", nameBytes, CONDITION_NAME_BYTES_MAX);
  atMost("condition context", context.length, TUPLE_CONTEXT_BYTES_MAX);
  return new ByteWriter().u8(FORMAT).lp16(condition.name).lp32(context).finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeTupleCondition(bytes: Uint8Array): TupleCondition {
  const reader = new ByteReader(bytes, "condition of a tuple");
  const format = reader.u8("format");
  if (format !== FORMAT) throw reader.error("format", 0, `is ${format}; only 1 is known`);
  const name = reader.lp16("name");
  if (name === "" || bytes.length > TUPLE_CONTEXT_BYTES_MAX + CONDITION_NAME_BYTES_MAX + 7) {
    throw reader.error("name", 1, "is empty, or the condition is over its limit");
  }
  const at = reader.offset;
  const text = decodeUtf8(reader.lp32("context"));
  reader.end();
  const context = parseContext(text);
  if (context === undefined) {
    throw reader.error("context", at, "is not an object in canonical JSON");
  }
  return { name, context };
}

/** Undefined for every text but the canonical one, such as "1e999", which reads as infinity. */
function parseContext(text: string | undefined): ConditionContext | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isObject || canonicalJson(value as ConditionContext) !== text) return undefined;
    return value as ConditionContext;
  } catch {
    return undefined;
  }
}

function atMost(field: string, actual: number, limit: number): void {
  if (actual <= limit) return;
  throw new LedgerError("LIMIT_EXCEEDED", `${field} is ${actual} bytes; the limit is ${limit}`, {
    details: { field, limit, actual },
  });
}
