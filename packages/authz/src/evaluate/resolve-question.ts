/** Questions against the model: names that are not there are errors, tuples that come along are held to the rules of writes. */
import { LedgerError, validateResource, validateSubject, validateTuple } from "@authledger/types";
import type { CompiledModel, CompiledRelation } from "../model/compiled-model.js";
import type { World } from "./decision.js";
import { MapTupleReader } from "./map-tuple-reader.js";
import { OverlayReader } from "./overlay-reader.js";
import { parseSubject, type Subject, typeOf } from "./subject.js";
import type { RelationTuple } from "./tuple-reader.js";

/** Tuples that may come along with one question. */
export const CONTEXTUAL_TUPLES_MAX = 1_000;

/** @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND */
export function resolveRelation(
  model: CompiledModel,
  type: string,
  name: string,
): CompiledRelation {
  const relation = model.relation(type, name);
  if (relation !== undefined) return relation;
  if (!model.hasType(type)) throw noType(type, "type");
  throw noRelation(type, name, "relation");
}

/** @throws LedgerError INVALID_TUPLE, TYPE_NOT_FOUND, RELATION_NOT_FOUND */
export function resolveObject(
  model: CompiledModel,
  object: string,
  relation: string,
): CompiledRelation {
  validateResource(object);
  return resolveRelation(model, typeOf(object), relation);
}

/** @returns the type of an object. @throws LedgerError INVALID_TUPLE, TYPE_NOT_FOUND */
export function resolveType(model: CompiledModel, object: string): string {
  validateResource(object);
  const type = typeOf(object);
  requireType(model, type);
  return type;
}

/** @throws LedgerError TYPE_NOT_FOUND */
export function requireType(model: CompiledModel, type: string): void {
  if (!model.hasType(type)) throw noType(type, "type");
}

/** @throws LedgerError INVALID_TUPLE, TYPE_NOT_FOUND, RELATION_NOT_FOUND, each with `details.field` "subject" */
export function resolveSubject(model: CompiledModel, text: string): Subject {
  validateSubject(text);
  const subject = parseSubject(text);
  if (!model.hasType(subject.type)) throw noType(subject.type, "subject");
  if (subject.relation !== undefined && !model.relation(subject.type, subject.relation)) {
    throw noRelation(subject.type, subject.relation, "subject");
  }
  return subject;
}

/**
 * The world as one question has it.
 * @throws LedgerError INVALID_TUPLE (`details.field` "contextual_tuples"), LIMIT_EXCEEDED
 */
export function withContextualTuples(
  world: World,
  tuples: readonly RelationTuple[] | undefined,
): World {
  if (tuples === undefined || tuples.length === 0) return world;
  if (tuples.length > CONTEXTUAL_TUPLES_MAX) {
    const message = `${tuples.length} contextual tuples; the limit is ${CONTEXTUAL_TUPLES_MAX}`;
    throw new LedgerError("LIMIT_EXCEEDED", message, {
      details: {
        field: "contextual_tuples",
        limit: CONTEXTUAL_TUPLES_MAX,
        actual: tuples.length,
      },
    });
  }
  for (const tuple of tuples) validateAgainstModel(world.model, tuple);
  return { ...world, tuples: new OverlayReader(new MapTupleReader(tuples), world.tuples) };
}

/**
 * May a tuple be written under the model?
 * @throws LedgerError INVALID_TUPLE saying what the model has against it; LIMIT_EXCEEDED
 */
export function validateAgainstModel(model: CompiledModel, tuple: RelationTuple): void {
  const { object, relation: name, subject: text, condition } = tuple;
  validateTuple({ resource: object, relation: name, subject: text });
  const type = typeOf(object);
  if (!model.hasType(type)) throw refuse(tuple, `the model has no type ${type}`);
  const relation = model.relation(type, name);
  if (relation === undefined) throw refuse(tuple, `${type} has no relation ${name}`);
  const subject = parseSubject(text);
  if (!model.hasType(subject.type)) throw refuse(tuple, `the model has no type ${subject.type}`);
  if (relation.allows(text, condition?.name)) return;
  const shown = subject.isWildcard ? `${subject.type}:*` : subject.kind;
  const under =
    condition === undefined ? "without a condition" : `under condition ${condition.name}`;
  throw refuse(tuple, `${type}#${name} does not allow ${shown} ${under}`);
}

function refuse({ object, relation, subject }: RelationTuple, why: string): LedgerError {
  return new LedgerError("INVALID_TUPLE", `tuple ${object}#${relation}@${subject}: ${why}`, {
    details: { field: "contextual_tuples" },
  });
}

function noType(type: string, field: string): LedgerError {
  return new LedgerError("TYPE_NOT_FOUND", `the model has no type "${type}"`, {
    details: { type, field },
  });
}

function noRelation(type: string, relation: string, field: string): LedgerError {
  const message = `type ${type} has no relation "${relation}" in the model`;
  return new LedgerError("RELATION_NOT_FOUND", message, { details: { type, relation, field } });
}
