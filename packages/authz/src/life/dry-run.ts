/**
 * Whose answers a model would change, if it were active instead of the one that is: from assertions, and from a sample of the stored
 * tuples (`dry-run-questions.ts`).
 */
import { formatTuple, LedgerError, type Tuple } from "@authledger/types";
import type { CompiledModel } from "../model/compiled-model.js";
import type { ModelAssertion } from "../records.js";
import { type Answer, CostBudget, type Trial, tupleOf } from "./assertions.js";
import { DRY_RUN_ANSWERS_MAX, DRY_RUN_CHECKS_MAX } from "./dry-run-limits.js";
import { dryRunQuestions, type Question } from "./dry-run-questions.js";
import { requireTupleAllowed } from "./tuple-rules.js";

/** A question whose answer another model would change. */
export interface ChangedAnswer {
  readonly tuple: Tuple;
  /** Absent: there was none. */
  readonly before?: boolean;
  readonly after?: boolean;
  /** It is an assertion, and not a sample. */
  readonly isAsserted: boolean;
  /** Why there is no answer. */
  readonly reason?: string;
}

/** What a model would do to the vault's answers. */
export interface DryRun {
  readonly changed: readonly ChangedAnswer[];
  /** Checks that were compared. */
  readonly compared: number;
  /** Among the sampled tuples: those that the model does not allow. */
  readonly unallowed: readonly Tuple[];
}

/** A stored tuple, and its condition as it lies in its record. */
export interface SampledTuple {
  readonly tuple: Tuple;
  readonly value: Uint8Array | undefined;
}

/** The models that are compared, and over what. */
interface DryRunQuestion {
  /** Undefined: there is no active model, and every stored tuple is its own answer. */
  readonly before: CompiledModel | undefined;
  readonly after: CompiledModel;
  readonly assertions: readonly ModelAssertion[];
  /** Stored tuples, the same each time for one state. */
  readonly sample: readonly SampledTuple[];
}

export function dryRun(
  trial: Trial,
  { before, after, assertions, sample }: DryRunQuestion,
): DryRun {
  const budgets = [new CostBudget(trial), new CostBudget(trial)] as const;
  const seen = new Set<string>();
  const changed: ChangedAnswer[] = [];
  let compared = 0;
  const isOver = (): boolean =>
    compared >= DRY_RUN_CHECKS_MAX || budgets.some((budget) => budget.isSpent);
  const compare = (question: Question, isAsserted: boolean): void => {
    const id = JSON.stringify(question);
    if (seen.has(id) || isOver()) return;
    seen.add(id);
    compared++;
    const was = before ? budgets[0].answer(before, question) : isStored(trial, question);
    const is = budgets[1].answer(after, question);
    const change = changeOf(tupleOf(question), was, is, isAsserted);
    if (change !== undefined && changed.length < DRY_RUN_ANSWERS_MAX) changed.push(change);
  };
  for (const { expected: _, ...question } of assertions) compare(question, true);
  const models = before ? [before, after] : [after];
  const stored = sample.map(({ tuple }) => tuple);
  for (const question of dryRunQuestions(stored, models, trial.tuples())) {
    if (isOver()) break;
    compare(question, false);
  }
  const unallowed = sample.filter(({ tuple, value }) => !isAllowed(after, tuple, value));
  changed.sort(inReadingOrder);
  return { changed, compared, unallowed: unallowed.map(({ tuple }) => tuple) };
}

/** What was asserted comes first; the sample's order is that of hashes. */
function inReadingOrder(a: ChangedAnswer, b: ChangedAnswer): number {
  if (a.isAsserted !== b.isAsserted) return a.isAsserted ? -1 : 1;
  return formatTuple(a.tuple) < formatTuple(b.tuple) ? -1 : 1;
}

function isStored({ tuples }: Trial, { object, relation, subject }: Question): Answer {
  return { allowed: tuples().find(object, relation, subject) !== undefined };
}

function isAllowed(model: CompiledModel, tuple: Tuple, value: Uint8Array | undefined): boolean {
  try {
    requireTupleAllowed(model, tuple, value, "tuple");
    return true;
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

function changeOf(
  tuple: Tuple,
  was: Answer,
  is: Answer,
  isAsserted: boolean,
): ChangedAnswer | undefined {
  const before = "allowed" in was ? was.allowed : undefined;
  const after = "allowed" in is ? is.allowed : undefined;
  if (before === after) return undefined;
  const reason = "problem" in is ? is.problem : "problem" in was ? was.problem : undefined;
  return {
    tuple,
    isAsserted,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(reason !== undefined && { reason }),
  };
}
