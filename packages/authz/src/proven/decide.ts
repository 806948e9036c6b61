/**
 * A question put to the evaluator, as who proves and who verifies put it: both run this, over other readers.
 *
 * Without a model a check is answered by the stored tuple alone; lists need a model.
 */
import { LedgerError } from "@authledger/types";
import { check } from "../evaluate/check.js";
import type { EvaluationLimits, World } from "../evaluate/decision.js";
import { listObjects } from "../evaluate/list-objects.js";
import { listUsers } from "../evaluate/list-users.js";
import type { RelationTuple, TupleReader } from "../evaluate/tuple-reader.js";
import type { CompiledModel } from "../model/compiled-model.js";
import type {
  AnswerTo,
  ChecksQuestion,
  DecisionAnswer,
  DecisionQuestion,
  ObjectsQuestion,
  UsersQuestion,
} from "./question.js";

/** What a proven decision may cost. Part of the format: pages of lists end where it is spent (docs/format/decision.md). */
const LIMITS: EvaluationLimits = { depth: 25, cost: 20_000 };

/** A decision, and what it cost: tuples read and points looked up. */
export interface Decided<Q extends DecisionQuestion> {
  readonly answer: AnswerTo<Q>;
  readonly cost: number;
}

interface AnyDecided {
  readonly answer: DecisionAnswer;
  readonly cost: number;
}

/** @throws LedgerError as the evaluator does; NO_ACTIVE_MODEL for lists without a model */
export function decide<Q extends DecisionQuestion>(
  model: CompiledModel | undefined,
  tuples: TupleReader,
  question: Q,
): Decided<Q> {
  const decided =
    model === undefined
      ? decideByStored(tuples, question)
      : decideByModel({ model, tuples }, question);
  return decided as Decided<Q>;
}

function decideByModel(world: World, question: DecisionQuestion): AnyDecided {
  switch (question.kind) {
    case "check":
      return decideChecks(world, question);
    case "list_objects":
      return decideObjects(world, question);
    case "list_users":
      return decideUsers(world, question);
  }
}

function decideChecks(world: World, question: ChecksQuestion): AnyDecided {
  const shared = sharedBy(question);
  const answers = question.checks.map((each) => check(world, { ...each, ...shared }));
  const cost = answers.reduce((sum, answer) => sum + answer.cost, 0);
  return { answer: { kind: "check", allowed: answers.map(({ allowed }) => allowed) }, cost };
}

function decideObjects(world: World, question: ObjectsQuestion): AnyDecided {
  const { type, relation, subject, limit, cursor } = question;
  const asked = { type, relation, subject, limit, ...(cursor && { cursor }) };
  const { objects, complete, next, cost } = listObjects(world, { ...asked, ...sharedBy(question) });
  return { answer: { kind: "list_objects", objects, complete, next }, cost };
}

function decideUsers(world: World, question: UsersQuestion): AnyDecided {
  const { object, relation, filters, limit, cursor } = question;
  const asked = { object, relation, filters, limit, ...(cursor && { cursor }) };
  const { users, complete, next, cost } = listUsers(world, { ...asked, ...sharedBy(question) });
  return { answer: { kind: "list_users", users, complete, next }, cost };
}

function sharedBy({ context, contextualTuples }: DecisionQuestion): {
  readonly limits: EvaluationLimits;
  readonly context?: NonNullable<DecisionQuestion["context"]>;
  readonly contextualTuples?: NonNullable<DecisionQuestion["contextualTuples"]>;
} {
  return {
    limits: LIMITS,
    ...(context && { context }),
    ...(contextualTuples && { contextualTuples }),
  };
}

function decideByStored(tuples: TupleReader, question: DecisionQuestion): AnyDecided {
  if (question.kind !== "check") {
    throw new LedgerError("NO_ACTIVE_MODEL", "the vault has no active model, which lists need");
  }
  const allowed = question.checks.map((each) => isStored(tuples, each, question.contextualTuples));
  return { answer: { kind: "check", allowed }, cost: allowed.length };
}

/** A condition has no meaning without the model that defines it. */
function isStored(
  tuples: TupleReader,
  { object, relation, subject }: ChecksQuestion["checks"][number],
  given: ChecksQuestion["contextualTuples"] = [],
): boolean {
  const isAsked = (tuple: RelationTuple): boolean =>
    tuple.object === object && tuple.relation === relation && tuple.subject === subject;
  const found = given.find(isAsked) ?? tuples.find(object, relation, subject);
  if (found?.condition === undefined) return found !== undefined;
  const message = `the tuple carries the condition ${found.condition.name}, which only a model defines`;
  throw new LedgerError("NO_ACTIVE_MODEL", message);
}
