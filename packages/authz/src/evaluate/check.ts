/** Has a subject a relation to an object? And all relations that it has. */
import type {
  CheckAnswer,
  CheckQuestion,
  ListRelationsAnswer,
  ListRelationsQuestion,
  World,
} from "./decision.js";
import { Evaluation } from "./evaluation.js";
import {
  resolveObject,
  resolveSubject,
  resolveType,
  withContextualTuples,
} from "./resolve-question.js";

/**
 * @example
 * check({ model, tuples }, { object: "document:1", relation: "viewer", subject: "user:anne" }).allowed
 * @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND, INVALID_TUPLE, LIMIT_EXCEEDED for the question; CONDITION_FAILED,
 * EVALUATION_TOO_COMPLEX where the answer depends on what could not be evaluated
 */
export function check(world: World, question: CheckQuestion): CheckAnswer {
  const relation = resolveObject(world.model, question.object, question.relation);
  const subject = resolveSubject(world.model, question.subject);
  const asked = withContextualTuples(world, question.contextualTuples);
  const evaluation = new Evaluation(asked, subject, question);
  const allowed = evaluation.decide(relation, question.object);
  return { allowed, cost: evaluation.budget.spent };
}

/**
 * Relations of an object that a subject has, in the order of the question, else of the model.
 * @throws LedgerError as `check`: a relation that cannot be decided leaves the list unknown
 */
export function listRelations(world: World, question: ListRelationsQuestion): ListRelationsAnswer {
  const { model } = world;
  const { object } = question;
  const relations =
    question.relations?.map((name) => resolveObject(model, object, name)) ??
    relationsOf(world, object);
  const subject = resolveSubject(model, question.subject);
  const asked = withContextualTuples(world, question.contextualTuples);
  const evaluation = new Evaluation(asked, subject, question);
  const held = relations.filter((relation) => evaluation.decide(relation, object));
  return { relations: held.map(({ name }) => name), cost: evaluation.budget.spent };
}

function relationsOf({ model }: World, object: string) {
  return model.relationsOf(resolveType(model, object));
}
