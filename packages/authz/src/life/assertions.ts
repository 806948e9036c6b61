/** Assertions stored with a model: checks with the answers that they must have while it is active. */
import { formatTuple, LedgerError, type Tuple } from "@authledger/types";
import { check } from "../evaluate/check.js";
import type { EvaluationLimits } from "../evaluate/decision.js";
import type { TupleReader } from "../evaluate/tuple-reader.js";
import type { CompiledModel } from "../model/compiled-model.js";
import type { ModelAssertion } from "../records.js";

/** Failing assertions that an error spells out. */
const SHOWN_MAX = 20;

/** What questions are tried on: a state, and what all of them together may cost. */
export interface Trial {
  /** A reader for one question: readers count what they look at. */
  readonly tuples: () => TupleReader;
  readonly limits: EvaluationLimits;
}

/** What a question came to, or why it has no answer. */
export type Answer = { readonly allowed: boolean } | { readonly problem: string };

/** What checks of one request may cost together. */
export class CostBudget {
  readonly #trial: Trial;
  #left: number;

  constructor(trial: Trial) {
    this.#trial = trial;
    this.#left = trial.limits.cost;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Asks with what is left. A question that cannot be answered has a reason. */
  answer(
    model: CompiledModel,
    question: Pick<ModelAssertion, "object" | "relation" | "subject"> &
      Partial<Pick<ModelAssertion, "context" | "contextualTuples">>,
  ): Answer {
    const { tuples, limits: all } = this.#trial;
    const limits = { depth: all.depth, cost: Math.max(this.#left, 1) };
    const world = { model, tuples: tuples() };
    try {
      const { allowed, cost } = check(world, { ...question, limits });
      this.#left -= Math.max(cost, 1);
      return { allowed };
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      this.#left -= error.code === "EVALUATION_TOO_COMPLEX" ? limits.cost : 1;
      return { problem: error.message };
    }
  }
}

/** @throws LedgerError MODEL_ASSERTION_FAILED listing those that do not hold */
export function requireAssertions(
  trial: Trial,
  model: CompiledModel,
  assertions: readonly ModelAssertion[],
): void {
  const budget = new CostBudget(trial);
  const failing: string[] = [];
  for (const assertion of assertions) {
    const answer = budget.answer(model, assertion);
    if ("allowed" in answer && answer.allowed === assertion.expected) continue;
    const came = "allowed" in answer ? `is ${answer.allowed}` : answer.problem;
    failing.push(`${formatTuple(tupleOf(assertion))}: expected ${assertion.expected}, ${came}`);
  }
  if (failing.length === 0) return;
  // Facts by themselves: long ones are cut on the wire, and each names its assertion at its beginning.
  const shown = failing.slice(0, SHOWN_MAX).map((line, i) => [`assertion_${i + 1}`, line] as const);
  const message = `${failing.length} of ${assertions.length} assertions do not hold: ${failing[0]}`;
  throw new LedgerError("MODEL_ASSERTION_FAILED", message, {
    details: { failed: failing.length, ...Object.fromEntries(shown) },
  });
}

export function tupleOf({
  object,
  relation,
  subject,
}: Pick<ModelAssertion, "object" | "relation" | "subject">): Tuple {
  return { resource: object, relation, subject };
}
