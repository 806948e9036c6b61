/** From messages of AuthorizationService to questions of the engine: everything from outside is checked here. */
import type { RelationTuple } from "@authledger/authz";
import type { DecisionQuestion, ProveDecisionOptions } from "@authledger/engine";
import type { authorization, common } from "@authledger/proto";
import { LedgerError, validateRelation, validateType } from "@authledger/types";
import { atMost, ITEM, itemsOf, missing, proveOf, tupleOf } from "../convert-request.js";
import { contextOf, tupleConditionOf } from "./convert-condition.js";

/** Tuples that one question brings along; a page of a list may bring them again and again. */
const CONTEXTUAL_TUPLES_MAX = 1_000;
/** Types or usersets that a list of users asks for. */
const USER_FILTERS_MAX = 16;
/** Relations that a list of relations asks about. */
const RELATIONS_MAX = 100;
const HASH_BYTES = 32;

type Brought = Pick<DecisionQuestion, "context" | "contextualTuples">;

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED naming the field */
export function broughtBy(message: authorization.EvaluationContext | undefined): Brought {
  if (message === undefined) return {};
  const { contextJson, contextualTuples } = message;
  const context = contextOf(contextJson, "context.context_json");
  const tuples = contextualTuplesOf(contextualTuples, "context.contextual_tuples");
  return { ...(context && { context }), ...tuples };
}

export function contextualTuplesOf(
  messages: readonly common.ContextualTuple[],
  field: string,
): Pick<Brought, "contextualTuples"> {
  if (messages.length === 0) return {};
  atMost(messages.length, CONTEXTUAL_TUPLES_MAX, field);
  return { contextualTuples: itemsOf(messages, field, contextualTupleOf) };
}

function contextualTupleOf({ tuple, condition }: common.ContextualTuple): RelationTuple {
  const { resource: object, relation, subject } = tupleOf(tuple, ITEM);
  const carried = tupleConditionOf(condition);
  return { object, relation, subject, ...(carried && { condition: carried }) };
}

/** Which subjects are wanted: a type or a userset. @example "group#member" */
export function filtersOf(filters: readonly string[]): readonly string[] {
  if (filters.length === 0) throw missing("filters");
  atMost(filters.length, USER_FILTERS_MAX, "filters");
  return itemsOf(filters, "filters", (filter) => {
    const [type = "", relation, ...more] = filter.split("#");
    validateType(type, ITEM);
    if (relation !== undefined) validateRelation([relation, ...more].join("#"), ITEM);
    return filter;
  });
}

/** None: all of the type. */
export function relationsOf(relations: readonly string[]): { relations?: readonly string[] } {
  if (relations.length === 0) return {};
  atMost(relations.length, RELATIONS_MAX, "relations");
  itemsOf(relations, "relations", (relation) => validateRelation(relation, ITEM));
  return { relations };
}

export function proveDecisionOf(
  message: authorization.ProveDecision | undefined,
): { prove: ProveDecisionOptions } | undefined {
  if (message === undefined) return undefined;
  const { knownModel } = message;
  if (knownModel.length !== 0 && knownModel.length !== HASH_BYTES) {
    throw new LedgerError("INVALID_ARGUMENT", "known_model has 32 bytes or none", {
      details: { field: "prove.known_model" },
    });
  }
  const asked = proveOf(message.prove ?? { trustedSize: 0n, configHash: new Uint8Array(0) });
  return { prove: { ...asked!.prove, knownModel } };
}
