/** Assertions stored with a model: checks with the answers that they must have while it is active. */
import { type CompiledModel, check, type ModelAssertion } from "@authledger/authz";
import type { StateView } from "@authledger/state";
import { formatTuple, LedgerError, type Tuple } from "@authledger/types";
import { DECISION_DEPTH_MAX, DECISIONS_COST_MAX } from "../limits.js";
import { StateTupleReader } from "./state-tuple-reader.js";

/** Failing assertions that an error spells out. */
const SHOWN_MAX = 20;

/** What a question came to, or why it has no answer. */
export type Answer = { readonly allowed: boolean } | { readonly problem: string };

/** What checks of one request may cost together. */
export class CostBudget {
  #left: number = DECISIONS_COST_MAX;

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Asks with what is left. A question that cannot be answered has a reason. */
  answer(
    { view, timeMs }: { readonly view: StateView; readonly timeMs: number },
    model: CompiledModel,
    question: Pick<ModelAssertion, "object" | "relation" | "subject"> &
      Partial<Pick<ModelAssertion, "context" | "contextualTuples">>,
  ): Answer {
    const limits = { depth: DECISION_DEPTH_MAX, cost: Math.max(this.#left, 1) };
    const world = { model, tuples: new StateTupleReader(view, timeMs) };
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
  seen: { readonly view: StateView; readonly timeMs: number },
  model: CompiledModel,
  assertions: readonly ModelAssertion[],
): void {
  const budget = new CostBudget();
  const failing: string[] = [];
  for (const assertion of assertions) {
    const answer = budget.answer(seen, model, assertion);
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
