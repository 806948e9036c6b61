/** Conditions of tuples and contexts of questions: JSON on the wire, values inside. */
import {
  type ConditionContext,
  canonicalJson,
  decodeTupleCondition,
  type TupleCondition,
} from "@authledger/authz";
import type { common } from "@authledger/proto";
import { LedgerError, utf8Length } from "@authledger/types";

/** Bytes of JSON of a context, a question's or a tuple's; what OpenFGA allows for a tuple's. */
const CONTEXT_BYTES_MAX: number = 32 * 1024;

/** As the languages of models have it. Where exports go, what begins otherwise could be run (cli/exporters/rows.ts). */
const CONDITION_NAME = /^[\p{L}_][^\s\p{Cc}]*$/u;

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function tupleConditionOf(
  message: common.TupleCondition | undefined,
): TupleCondition | undefined {
  if (message === undefined) return undefined;
  if (!CONDITION_NAME.test(message.name)) {
    const field = "condition.name";
    const why =
      message.name === "" ? "is missing" : "is not a name: a letter, and what is no space";
    throw new LedgerError("INVALID_ARGUMENT", `${field} ${why}`, { details: { field } });
  }
  const context = contextOf(message.contextJson, "condition.context_json") ?? {};
  return { name: message.name, context };
}

/** A JSON object; undefined for the empty text. @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function contextOf(json: string, field: string): ConditionContext | undefined {
  if (json === "") return undefined;
  const bytes = utf8Length(json);
  if (bytes > CONTEXT_BYTES_MAX) {
    const message = `${field} is ${bytes} bytes; the limit is ${CONTEXT_BYTES_MAX}`;
    throw new LedgerError("LIMIT_EXCEEDED", message, {
      details: { field, limit: CONTEXT_BYTES_MAX, actual: bytes },
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("INVALID_ARGUMENT", `${field} is not JSON: ${why}`, {
      details: { field },
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const context = value as ConditionContext;
    canonicalJson(context); // refuses what is nested too deeply
    return context;
  }
  throw new LedgerError("INVALID_ARGUMENT", `${field} is not a JSON object`, {
    details: { field },
  });
}

export function conditionMessage(
  condition: TupleCondition | undefined,
): common.TupleCondition | undefined {
  if (condition === undefined) return undefined;
  return { name: condition.name, contextJson: canonicalJson(condition.context) };
}

/** Of a stored tuple. */
export function storedConditionMessage(
  value: Uint8Array | undefined,
): common.TupleCondition | undefined {
  return value && conditionMessage(decodeTupleCondition(value));
}
