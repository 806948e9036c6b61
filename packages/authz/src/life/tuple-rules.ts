/**
 * What the active model lets be written: new tuples are of its types and relations, carry its conditions, and say nothing of
 * them that has another type. Deletes are always allowed.
 *
 * The leader checks when it proposes. Where an activation is in the log before a write that was checked against the model of
 * before, the tuple is stored all the same; the evaluator leaves out what the model does not allow.
 */
import { LedgerError, type Operation, type Tuple } from "@authledger/types";
import { decodeTupleCondition } from "../condition/tuple-condition.js";
import type { CompiledModel, CompiledRelation } from "../model/compiled-model.js";
import type { TypeRestriction } from "../model/model.js";

/** Names that an error lists. */
const NAMES_SHOWN_MAX = 20;

/** @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND, INVALID_TUPLE, CONDITION_FAILED naming the operation */
export function requireAllowed(model: CompiledModel, operations: readonly Operation[]): void {
  for (const [index, operation] of operations.entries()) {
    if (operation.op !== "create_tuple") continue;
    requireTupleAllowed(model, operation.tuple, operation.value, `operations[${index}]`);
  }
}

/** @throws LedgerError as `requireAllowed` */
export function requireTupleAllowed(
  model: CompiledModel,
  tuple: Tuple,
  value: Uint8Array | undefined,
  field: string,
): void {
  const relation = relationOf(model, tuple, field);
  const condition = value && decodeTupleCondition(value);
  if (!relation.allows(tuple.subject, condition?.name)) {
    throw notAllowed(relation, tuple, condition?.name, field);
  }
  if (condition === undefined) return;
  const problem = model.conditions.get(condition.name)?.contextProblem(condition.context);
  if (problem === undefined) return;
  const message = `${field}: condition ${condition.name}: ${problem}`;
  throw new LedgerError("CONDITION_FAILED", message, {
    details: { condition: condition.name, field },
  });
}

function relationOf(
  model: CompiledModel,
  { resource, relation }: Tuple,
  field: string,
): CompiledRelation {
  const type = resource.slice(0, resource.indexOf(":"));
  if (!model.hasType(type)) {
    const message = `${field}: the active model has no type "${type}"`;
    throw new LedgerError("TYPE_NOT_FOUND", message, { details: { type, field } });
  }
  const found = model.relation(type, relation);
  if (found !== undefined) return found;
  const names = listed(model.relationsOf(type).map(({ name }) => name));
  const message = `${field}: type "${type}" has no relation "${relation}"; it has ${names}`;
  throw new LedgerError("RELATION_NOT_FOUND", message, { details: { type, relation, field } });
}

function notAllowed(
  { type, name, directTypes }: CompiledRelation,
  { subject }: Tuple,
  condition: string | undefined,
  field: string,
): LedgerError {
  const what = condition === undefined ? subject : `${subject} with condition ${condition}`;
  const allowed =
    directTypes.length === 0
      ? "its tuples follow from other relations and are not written"
      : `it takes ${listed(directTypes.map(formatRestriction))}`;
  const message = `${field}: ${type}#${name} does not take ${what}; ${allowed}`;
  return new LedgerError("INVALID_TUPLE", message, { details: { field } });
}

/** @example "group#member with early" */
function formatRestriction({ type, relation, wildcard, condition }: TypeRestriction): string {
  const subject = relation === undefined ? (wildcard ? `${type}:*` : type) : `${type}#${relation}`;
  return condition === undefined ? subject : `${subject} with ${condition}`;
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  const more = names.length - NAMES_SHOWN_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}
